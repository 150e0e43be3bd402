-- KEY=VALUE, KEY+=VALUE and KEY-=VALUE of a command line as values of the configuration.
-- SPDX-License-Identifier: MIT
--
-- Which keys there are, of which type, and what is valid, is asked of the core: there is no second list.

local managed = module:require "managed";

local values = {};

local type_errors = { ["not a string"] = true; ["not a boolean"] = true; ["not a number"] = true;
	["not a list"] = true };

local probes = {
	lync_partners = { function (key, value) return { ["partner.example"] = { [key] = value } }; end,
		'lync_partners["partner.example"]' };
	lync_access_policies = { function (key, value) return { global = { [key] = value } }; end,
		"lync_access_policies.global" };
	lync_gateway_settings = { function (key, value) return { [key] = value }; end, "lync_gateway_settings" };
};

-- What the core has against a value of a key, alone: a problem or nil.
function values.probe(core, option, key, value)
	local probe = probes[option];
	local _, problems = core.settings("host.example", { [option] = probe[1](key, value) });
	for _, prefix in ipairs { probe[2].."."..key, ("%s[%q]"):format(probe[2], key) } do
		for _, found in ipairs(problems) do
			if found.level == "error" and found.key:sub(1, #prefix) == prefix and not found.key:find("^[%w_]", #prefix + 1) then
				return found;
			end
		end
	end
end

local function split(text)
	local list = {};
	for item in text:gmatch("[^,]+") do
		item = item:match("^%s*(.-)%s*$");
		if item ~= "" then
			list[#list+1] = item;
		end
	end
	return list;
end

local booleans = { ["true"] = true; ["false"] = false; ["$true"] = true; ["$false"] = false };

-- The value that text means for a key: text, unless only another reading of it is of the key's type.
function values.coerce(core, option, key, text)
	local readings = { text };
	if booleans[text:lower()] ~= nil then
		readings[#readings+1] = booleans[text:lower()];
	end
	if text:find("^%-?%d+%.?%d*$") then
		readings[#readings+1] = math.tointeger(text) or tonumber(text);
	end
	readings[#readings+1] = split(text);
	local best, fault;
	for _, value in ipairs(readings) do
		local found = values.probe(core, option, key, value);
		if not found then
			return value;
		elseif best == nil or type_errors[fault.message] and not type_errors[found.message] then
			best, fault = value, found;
		end
	end
	return best;
end

local function why(key, found)
	return ("%s: %s%s"):format(key, found.message, found.remedy and "; "..found.remedy or "");
end

local function clear(core, option, entry, set)
	local found = values.probe(core, option, set.key, "");
	if found and found.message == "unknown key" then
		return why(set.key, found);
	elseif set.text == "" and found and type_errors[found.message] and found.message ~= "not a list" then
		return ("%s: no value; %s, or %s=default (a shell takes $true and $false for variables of its own)"):format(set.key,
			found.remedy, set.key);
	end
	entry[set.key] = nil;
end

local function position(list, item)
	for i, other in ipairs(list) do
		if managed.canon_domain(other) == managed.canon_domain(item) then return i; end
	end
end

-- KEY+=a,b and KEY-=a,b
local function change_list(core, option, entry, set)
	local found = values.probe(core, option, set.key, {});
	if found then
		return found.message == "unknown key" and why(set.key, found)
			or ("%s is not a list; write %s=VALUE"):format(set.key, set.key);
	end
	return values.change(entry, set);
end

-- The same, where the key is known to be a list.
function values.change(entry, set)
	local list = { table.unpack(entry[set.key] or {}) };
	for _, item in ipairs(split(set.text)) do
		local i = position(list, item);
		if set.op == "+" and not i then
			table.insert(list, item);
		elseif set.op == "-" and not i then
			return ("%s: %s is not in it (%s)"):format(set.key, item, #list > 0 and table.concat(list, ", ") or "it is empty");
		elseif set.op == "-" then
			table.remove(list, i);
		end
	end
	entry[set.key] = #list > 0 and list or nil;
end

values.split = split;

local nothing = { [""] = true; ["$null"] = true };

local function is_default(core, option, set)
	local text = set.text:lower();
	return nothing[text] or text == "default" and values.probe(core, option, set.key, set.text) ~= nil;
end

-- An entry after the settings of a command, which is changed. -> entry | nil, what is wrong
function values.apply(core, option, entry, sets)
	for _, set in ipairs(sets) do
		local wrong;
		if set.op ~= "" then
			wrong = change_list(core, option, entry, set);
		elseif is_default(core, option, set) then
			wrong = clear(core, option, entry, set);
		else
			entry[set.key] = values.coerce(core, option, set.key, set.text);
		end
		if wrong then return nil, wrong; end
	end
	return entry;
end

return values;
