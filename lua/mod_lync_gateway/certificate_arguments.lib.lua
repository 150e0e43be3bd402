-- The words after `certificate request|import|show`: pure.
-- SPDX-License-Identifier: MIT

local arguments = {};

-- --key VALUE, --key=VALUE; kinds: name -> "flag" | "value" | "list"
-- -> { name = value, [1…] = the rest } or nil and what is wrong
function arguments.parse(args, kinds)
	local parsed, i = {}, 1;
	while i <= #args do
		local name, value = args[i]:match("^%-%-([%w-]+)=(.*)$");
		name = name or args[i]:match("^%-%-([%w-]+)$");
		local kind = name and kinds[name];
		if args[i]:sub(1, 1) ~= "-" then
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
			if not value or value == "" then return nil, ("--%s needs a value"):format(name); end
			if kind == "list" then
				parsed[name] = parsed[name] or {};
				table.insert(parsed[name], value);
			elseif parsed[name] then
				return nil, ("--%s is given twice"):format(name);
			else
				parsed[name] = value;
			end
		end
		i = i + 1;
	end
	return parsed;
end

arguments.roles = { bridge = true; s2s = true };

-- --role ROLE -> set of roles, or nil and what is wrong
function arguments.role(value)
	if not value then return { bridge = true; s2s = true }; end
	if not arguments.roles[value] then
		return nil, ("--role %s: not a role; write bridge (towards the Access Edge) or s2s (towards partners), or leave it "
			.."out: one certificate for both"):format(value);
	end
	return { [value] = true };
end

return arguments;
