-- The openssl command, and other programs: arguments are quoted one by one, nothing is ever left to the shell.
-- SPDX-License-Identifier: MIT
--
-- Keys, requests, extensions and chains are openssl's (LuaSec reads no requests, no purposes, and makes no keys);
-- Debian's prosody brings it by ssl-cert. Secrets go by file, never by argument.

local program = {};

local OUTPUT_MAX = 1024 * 1024; -- bytes

local function quote(text)
	assert(not text:find("%z"), "NUL in an argument");
	return "'"..text:gsub("'", "'\\''").."'";
end

-- argv -> one line for the shell; the input is empty, or nobody would answer what is asked
function program.line(argv)
	local words = {};
	for i, word in ipairs(argv) do
		words[i] = quote(tostring(word));
	end
	return "LC_ALL=C "..table.concat(words, " ").." </dev/null 2>&1";
end

-- argv -> true and what was said, or false, that and the exit status
function program.run(argv)
	local pipe, err = io.popen(program.line(argv), "r");
	if not pipe then return false, err; end
	local output = pipe:read(OUTPUT_MAX) or "";
	local ok, _, status = pipe:close();
	return ok == true, output, status;
end

-- The telling line of a failure.
function program.reason(output)
	local first = output:match("[^\n]*not found[^\n]*") or output:match("error[^\n]*") or output:match("[^\n]+");
	return first or "openssl has failed";
end

-- What a program reads from a file that is gone afterwards. call(path) -> results
function program.with_file(bytes, call)
	local path = os.tmpname(); -- made by mkstemp: ours alone
	local file = assert(io.open(path, "w"));
	file:write(bytes);
	file:close();
	local results = table.pack(pcall(call, path));
	os.remove(path);
	if not results[1] then error(results[2], 0); end
	return table.unpack(results, 2, results.n);
end

return program;
