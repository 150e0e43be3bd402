-- A value of a row -> a value of our configuration; how it is shown.
-- SPDX-License-Identifier: MIT
--
-- read.X(value) -> value | nil, what is wrong, what the export lacks, the name that was guessed, a remark; nil: nothing

local text = module:require "import_text";

local values = {};

local printable = text.printable;

-- A value as text, when it is one; nil otherwise.
local function as_text(value)
	if type(value) == "table" then
		return value.kind == "enum" and (value.name or tostring(value.number))
			or value.kind == "object" and value.text or nil;
	end
	return value ~= nil and tostring(value) or nil;
end

values.as_text = as_text;

function values.show(value)
	if type(value) == "table" and value.kind == "list" then
		local items = {};
		for i = 1, math.min(#value, 8) do
			items[i] = printable(tostring(value[i]), 40);
		end
		return "{ "..table.concat(items, ", ")..(#value > 8 and ", …" or "").." }";
	elseif type(value) == "table" and value.kind == "secret" then
		return "(encrypted)";
	end
	local shown = as_text(value);
	return shown and printable(shown) or "(an object)";
end

-- A word that may be pasted into a shell
function values.shell_word(s)
	s = printable(s, 256);
	return s:find("^[%w._:@-]+$") and s or "'"..s:gsub("'", "'\\''").."'";
end

-- The name of a .NET type in place of a value: the export did not go that deep.
local function is_type_name(s)
	return s:find("^System%.[%w.]+") or s:find("^Microsoft%.[%w.]+") or s:find("^@{");
end

local read = {};
values.read = read;

function read.text(value)
	local s = as_text(value);
	if s == nil then
		return nil, "not a text";
	end
	return s ~= "" and s or nil;
end

-- A text of one line; the fifth result is a remark.
function read.line(value)
	local s, problem = read.text(value);
	local line = s and s:gsub("[\r\n]+", " "):gsub("%c", " ");
	if line ~= s then
		return line, nil, nil, nil, "line breaks and control characters became spaces";
	end
	return s, problem;
end

function read.boolean(value)
	local word = as_text(value);
	word = word and word:lower();
	if word == "true" or word == "false" then
		return word == "true";
	end
	return nil, "neither True nor False";
end

function read.number(value)
	local n = tonumber(as_text(value));
	n = n and math.tointeger(n);
	return n, n == nil and "not a whole number" or nil;
end

function read.list(value)
	if type(value) == "table" and value.kind == "list" then
		local list = {};
		for i, item in ipairs(value) do
			list[i] = tostring(item);
		end
		return #list > 0 and list or nil;
	end
	local s = as_text(value);
	if not s or is_type_name(s) then
		return nil, nil, "this export has the name of its type in place of the list; export with Export-Clixml";
	end
	local list = {};
	for item in s:gmatch("[^%s,;]+") do
		list[#list+1] = item;
	end
	return #list > 0 and list or nil;
end

-- In the order of Microsoft's lists.
local types = {
	{ "Federated", "federated" }; { "PublicVerified", "public_verified" }; { "PublicUnverified", "public_unverified" };
};
local negotiations = { { "Required", "required" }; { "Optional", "optional" }; { "NotSupported", "not_supported" } };

local function enumeration(words)
	return function (value)
		local word = as_text(value);
		if type(value) == "table" and value.kind == "enum" and value.name then
			word = value.name;
		end
		if word == nil then
			return nil, "not the name of a value";
		end
		for _, pair in ipairs(words) do
			if pair[1]:lower() == word:lower() then
				return pair[2];
			end
		end
		local n = word:find("^%s*%d+%s*$") and math.tointeger(tonumber(word));
		if n and words[n + 1] then
			return words[n + 1][2], nil, nil, words[n + 1][1];
		end
		return word; -- the core knows what is valid
	end;
end

read.partner_type = enumeration(types);
read.negotiation = enumeration(negotiations);

return values;
