-- The words after a command: options, and the rest. Pure.
-- SPDX-License-Identifier: MIT

local arguments = {};

-- An option's value, as its kind has it: nil and what is wrong
local function take(parsed, name, kind, value)
	if not value or value == "" then
		return nil, ("--%s needs a value"):format(name);
	elseif kind == "list" then
		parsed[name] = parsed[name] or {};
		table.insert(parsed[name], value);
		return true;
	elseif parsed[name] then
		return nil, ("--%s is given twice"):format(name);
	elseif type(kind) == "number" then
		value = tonumber(value) or value;
		if type(value) ~= "number" or not (value >= 1 and value <= kind) then
			return nil, ("--%s wants seconds, 1 to %d, not %s"):format(name, kind, value);
		end
	end
	parsed[name] = value;
	return true;
end

-- --key VALUE, --key=VALUE; kinds: name -> "flag" | "value" | "list" | a number: so many seconds at the most;
-- most: words besides, or nil
-- -> { name = value, [1…] = the rest } or nil and what is wrong
function arguments.parse(args, kinds, most)
	local parsed, i = {}, 1;
	while i <= #args do
		local name, value = args[i]:match("^%-%-([%w-]+)=(.*)$");
		name = name or args[i]:match("^%-%-([%w-]+)$");
		local kind = name and kinds[name];
		if not args[i]:find("^%-[%a-]") then
			parsed[#parsed+1] = args[i];
		elseif not kind then
			return nil, "Unexpected argument: "..args[i];
		elseif kind == "flag" then
			if value then return nil, ("--%s takes no value"):format(name); end
			parsed[name] = true;
		else
			if not value then
				i = i + 1;
				value = args[i];
			end
			local ok, wrong = take(parsed, name, kind, value);
			if not ok then return nil, wrong; end
		end
		i = i + 1;
	end
	if most and #parsed > most then return nil, "Unexpected argument: "..parsed[most+1]; end
	return parsed;
end

return arguments;
