-- Export-Csv -> rows (see import_clixml): with or without the #TYPE line, separated by comma, semicolon or tab.
-- SPDX-License-Identifier: MIT

local text = module:require "import_text";

local csv = {};

local ROWS = 5000;
local COLUMNS = 256;

local function fail(line, message)
	return nil, { line = line; text = message };
end

-- The separator of a header: the one of , ; and tab that stands there most often outside of quotes.
local function separator_of(header)
	local bare = header:gsub('"[^"]*"', "");
	local best, most = ",", 0;
	for _, char in ipairs { ",", ";", "\t" } do
		local _, n = bare:gsub(char, "");
		if n > most then
			best, most = char, n;
		end
	end
	return best;
end

-- A quoted field that begins at `position`: value, position after it, line | nil, problem
local function quoted(s, position, line)
	local parts, from, begun = {}, position + 1, line;
	while true do
		local quote = s:find('"', from, true);
		if not quote then
			return fail(begun, "a quoted value that does not end; was the file cut off?");
		elseif quote - position > text.value_limit then
			return fail(begun, ("a value of more than %d KiB"):format(text.value_limit // 1024));
		end
		parts[#parts+1] = s:sub(from, quote - 1);
		local _, breaks = parts[#parts]:gsub("\n", "");
		line = line + breaks;
		if s:sub(quote + 1, quote + 1) ~= '"' then
			return table.concat(parts), quote + 1, line;
		end
		parts[#parts+1] = '"';
		from = quote + 2;
	end
end

-- The record that begins at `position`: fields, position of the next, its line | nil, problem
local function record(s, position, line, separator)
	local fields = {};
	while true do
		local value;
		if s:sub(position, position) == '"' then
			local begun = line;
			value, position, line = quoted(s, position, line);
			if not value then
				return nil, position;
			elseif not s:find("^\r?\n", position) and position <= #s and s:sub(position, position) ~= separator then
				return fail(begun, "text after the end of a quoted value");
			end
		else
			local stop = s:find("["..separator.."\n]", position) or #s + 1;
			value = s:sub(position, stop - 1):gsub("\r$", "");
			position = stop;
			if #value > text.value_limit then
				return fail(line, ("a value of more than %d KiB"):format(text.value_limit // 1024));
			elseif value:find('"', 1, true) then
				return fail(line, "a quote within a value that is not quoted");
			end
		end
		fields[#fields+1] = value;
		if #fields > COLUMNS then
			return fail(line, ("more than %d columns"):format(COLUMNS));
		elseif s:sub(position, position) ~= separator then
			return fields, (s:match("^\r?\n()", position) or position), line + 1;
		end
		position = position + 1;
	end
end

local function header_of(s, position, line, separator)
	local names, next_position, next_line = record(s, position, line, separator);
	if not names then
		return nil, next_position;
	end
	local seen = {};
	for _, name in ipairs(names) do
		if name == "" or seen[name] then
			return fail(line, ("column %q: %s; this is not output of Export-Csv"):format(text.printable(name, 40),
				name == "" and "has no name" or "stands there twice"));
		end
		seen[name] = true;
	end
	if not names[2] then
		return fail(line, "only one column; this is not output of Export-Csv with , or ; or a tab between its values");
	end
	return names, next_position, next_line;
end

-- UTF-8 text -> rows | nil, problem
function csv.read(s)
	local types, position, line = {}, 1, 1;
	local type_name, after = s:match("^#TYPE ([^\r\n]*)\r?\n()");
	if type_name then
		types, position, line = { type_name }, after, 2;
	end
	local header = s:match("^[^\r\n]+", position);
	if not header then
		return fail(line, "no line with the names of the columns; was the file cut off?");
	end
	local separator = separator_of(header);
	local names;
	names, position, line = header_of(s, position, line, separator);
	if not names then
		return nil, position;
	end
	local rows = {};
	while position <= #s do
		local begun = line;
		local fields, next_position, next_line = record(s, position, line, separator);
		if not fields then
			return nil, next_position;
		elseif #fields == #names then
			local row = { line = begun; types = types; values = {} };
			for i, name in ipairs(names) do
				row.values[name] = fields[i] ~= "" and fields[i] or nil;
			end
			rows[#rows+1] = row;
		elseif #fields > 1 or fields[1]:find("%S") then
			return fail(begun, ("%d value(s) where the header has %d column(s); was the file cut off?"):format(#fields, #names));
		end
		if #rows > ROWS then
			return fail(begun, ("more than %d rows"):format(ROWS));
		end
		if next_position > #s and s:sub(-1) ~= "\n" then
			return fail(begun, "the last line has no end; was the file cut off? If it is complete, add a line break");
		end
		position, line = next_position, next_line;
	end
	return rows;
end

return csv;
