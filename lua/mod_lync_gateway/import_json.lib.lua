-- ConvertTo-Json -> rows (see import_clixml). One object, or an array of them.
-- SPDX-License-Identifier: MIT
--
-- util.json reads each object; a look over the text before says where each begins, how deep it goes, and on which line
-- something is missing, none of which util.json tells.

local json = require "util.json";
local text = module:require "import_text";

local reader = {};

local DEPTH = 16;
local OBJECTS = 5000;
local PROPERTIES = 256;
local CLOSES = { ["{"] = "}"; ["["] = "]" };

local function fail(s, position, message)
	return nil, { line = text.line_of(s, position); text = message };
end

-- Position after the string that begins at `from`; nil: it does not end
local function after_string(s, from)
	local position = from + 1;
	while true do
		position = s:find('[\\"]', position);
		if not position then
			return nil;
		elseif s:byte(position) == 0x22 then
			return position + 1;
		end
		position = position + 2;
	end
end

-- Position after the value that begins at `from` (an object or array) | nil, problem
local function after_value(s, from)
	local open, position = {}, from;
	repeat
		position = s:find('["%[%]{}]', position);
		if not position then
			return fail(s, #s, ("ends within %s; was the file cut off?"):format(open[1] == "}" and "an object" or "an array"));
		end
		local char = s:sub(position, position);
		if char == '"' then
			local after = after_string(s, position);
			if not after then
				return fail(s, position, "a text that does not end; was the file cut off?");
			elseif after - position > text.value_limit then
				return fail(s, position, ("a value of more than %d KiB"):format(text.value_limit // 1024));
			end
			position = after;
		else
			if CLOSES[char] then
				if #open >= DEPTH then
					return fail(s, position, ("more than %d levels; this is not output of these cmdlets"):format(DEPTH));
				end
				open[#open+1] = CLOSES[char];
			elseif table.remove(open) ~= char then
				return fail(s, position, ("an unexpected %q"):format(char));
			end
			position = position + 1;
		end
	until #open == 0;
	return position;
end

-- Positions { first, last } of the objects of the file | nil, problem
local function spans(s)
	local first = s:find("%S");
	local is_array = s:sub(first, first) == "[";
	local position, result = is_array and first + 1 or first, {};
	while true do
		position = s:find("[^ \t\r\n]", position);
		local char = position and s:sub(position, position);
		if is_array and char == "]" and #result == 0 then
			break;
		elseif char ~= "{" then
			return fail(s, position or #s, char and ("%q where an object is expected"):format(text.printable(s:sub(position,
				position + 8), 8)) or "ends where an object is expected; was the file cut off?");
		end
		local after, problem = after_value(s, position);
		if not after then
			return nil, problem;
		end
		result[#result+1] = { position, after - 1 };
		if #result > OBJECTS then
			return fail(s, position, ("more than %d objects"):format(OBJECTS));
		end
		position = s:find("[^ \t\r\n]", after);
		char = position and s:sub(position, position);
		if not is_array and position then
			return fail(s, position, "more after the end of the object");
		elseif not is_array then
			return result;
		elseif char == "]" then
			break;
		elseif char ~= "," then
			return fail(s, position or #s, "a comma or ] is missing after an object; was the file cut off?");
		end
		position = position + 1;
	end
	local rest = s:find("[^ \t\r\n]", position + 1);
	if rest then
		return fail(s, rest, "more after the end of the array");
	end
	return result;
end

local function list_of(array)
	local list = { kind = "list" };
	for _, item in ipairs(array) do
		if type(item) ~= "table" then
			list[#list+1] = item;
		end
	end
	return list;
end

local function is_array(value)
	return type(value) == "table" and value ~= json.null and (#value > 0 or next(value) == nil);
end

-- An enumeration may be written { "value": 0, "Value": "Federated" }, a list { "value": [ … ], "Count": 2 }.
local function value_of(value)
	if value == json.null then
		return nil;
	elseif type(value) ~= "table" then
		return math.type(value) == "float" and math.tointeger(value) or value;
	elseif is_array(value) then
		return list_of(value);
	elseif is_array(value.value) and value.Count ~= nil then
		return list_of(value.value);
	elseif type(value.value) == "number" and type(value.Value) == "string" then
		return { kind = "enum"; name = value.Value; number = math.tointeger(value.value) };
	end
	return { kind = "object" };
end

local function row_of(object, line)
	local row, n = { line = line; types = {}; values = {} }, 0;
	for name, value in pairs(object) do
		if type(name) == "string" then
			row.values[name] = value_of(value);
			n = n + 1;
		end
	end
	if n > PROPERTIES then
		return nil, { line = line; text = ("an object with more than %d properties"):format(PROPERTIES) };
	end
	return row;
end

local function add(rows, object, line)
	if is_array(object.value) and #object.value > 0 and object.Count ~= nil then -- an array, as ConvertTo-Json may wrap it
		for _, item in ipairs(object.value) do
			local row, problem = row_of(type(item) == "table" and item or {}, line);
			if not row then
				return nil, problem;
			end
			rows[#rows+1] = row;
			if #rows > OBJECTS then
				return nil, { line = line; text = ("more than %d objects"):format(OBJECTS) };
			end
		end
		return true;
	end
	local row, problem = row_of(object, line);
	rows[#rows+1] = row;
	return row, problem;
end

-- UTF-8 text -> rows | nil, problem
function reader.read(s)
	local found, problem = spans(s);
	if not found then
		return nil, problem;
	end
	local rows, line, last = {}, 1, 1;
	for _, span in ipairs(found) do
		line, last = line + text.line_of(s:sub(last, span[1] - 1), span[1] - last + 1) - 1, span[1];
		local ok, object, message = pcall(json.decode, s:sub(span[1], span[2]));
		if not ok or type(object) ~= "table" then
			return nil, { line = line; text = ("an object that is not JSON (%s)"):format(text.printable(tostring(
				ok and message or object))) };
		end
		local added;
		added, problem = add(rows, object, line);
		if not added then
			return nil, problem;
		end
	end
	return rows;
end

return reader;
