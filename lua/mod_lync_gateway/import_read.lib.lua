-- A file that the Lync side exported -> rows, by whichever of the three readers its first character calls for.
-- SPDX-License-Identifier: MIT

local text = module:require "import_text";

local read = {};

read.limit = text.limit;

local readers = {
	CLIXML = module:require "import_clixml"; JSON = module:require "import_json"; CSV = module:require "import_csv";
};

local function format_of(s)
	local first = s:match("^%s*(.)");
	return first == "<" and "CLIXML" or (first == "{" or first == "[") and "JSON" or "CSV";
end

-- bytes -> { rows, format, encoding } | nil, problem { line, text, format }
function read.bytes(bytes)
	local s, encoding = text.decode(bytes);
	if not s then
		return nil, encoding;
	end
	local format = format_of(s);
	local rows, problem = readers[format].read(s);
	if not rows then
		problem.format = format;
		return nil, problem;
	elseif #rows == 0 then
		return nil, { line = 1; format = format;
			text = "no object in it; the cmdlet had no output, or the file was cut off" };
	end
	return { rows = rows; format = format; encoding = encoding };
end

return read;
