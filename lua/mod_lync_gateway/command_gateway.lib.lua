-- prosodyctl mod_lync_gateway gateway get|set
-- SPDX-License-Identifier: MIT

local array = require "util.array";
local json = require "util.json";

local format = module:require "managed_format";
local managed = module:require "managed";
local values = module:require "managed_values";
local edit = module:require "managed_edit";

local OPTION = "lync_gateway_settings";

local gateway = {};

gateway.usage = [[
  gateway get [--json]     the gateway's settings, with their defaults
  gateway set KEY=VALUE…   change settings; KEY=default is the default again,
                           dialback_passphrase=- reads it from the input
]];

-- A secret is not shown, but whether there is one is.
local function shown(key, value)
	if format.secrets[key] then
		return value and "set, not shown" or "none";
	end
	return edit.show(value);
end

local function given(t, key)
	local own = t.merged[OPTION];
	return type(own) == "table" and own[key] ~= nil;
end

local function show(t)
	local effective, rows = t.settings:gateway(), {};
	for _, key in ipairs(edit.keys(OPTION, effective)) do
		local origin = given(t, key) and edit.origin(t, OPTION, key);
		rows[#rows+1] = { key, shown(key, effective[key]), origin and edit.describe(origin) or "default" };
	end
	t.env.print(t.host);
	t.env.print(edit.columns(rows, "  "));
end

local function as_json(t)
	local object = { host = t.host; defaults = array {}; origins = {} };
	local effective = t.settings:gateway();
	for _, key in ipairs(edit.keys(OPTION, effective)) do
		object[key] = effective[key];
		if format.secrets[key] then
			object[key], object[key.."_set"] = nil, effective[key] ~= nil;
		end
		if given(t, key) then
			object.origins[key] = edit.origin(t, OPTION, key);
		else
			object.defaults:push(key);
		end
	end
	return object;
end

local function get(env, parsed, command)
	local all, status = edit.open_all(env, parsed, command);
	if not all then return status; end
	local objects = array {};
	for _, t in ipairs(all) do
		if parsed.json then
			objects:push(as_json(t));
		else
			show(t);
		end
	end
	if parsed.json then
		env.print(json.encode(objects));
	end
	return 0;
end

-- What is on the command line is in the shell's history and in ps.
local function read_secrets(env, sets)
	for _, set in ipairs(sets) do
		if format.secrets[set.key] and set.text == "-" then
			set.text = env.input() or "";
		end
	end
end

local function set(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	read_secrets(env, parsed.sets);
	local old = managed.options(t.doc, t.host)[OPTION] or {};
	local entry, wrong = values.apply(env.core, OPTION, old, parsed.sets); -- a copy of what the file says
	if not entry then
		return edit.refuse(t, wrong);
	end
	local changes, names, keys = {}, {}, {};
	for _, one in ipairs(parsed.sets) do
		if edit.foreign(t, OPTION, one.key, one.key) then return 1; end
		local value = entry[one.key];
		if value == nil then
			value = managed.DEFAULT;
		end
		changes[one.key] = value;
		names[#names+1] = one.key;
		keys[#keys+1] = managed.key(OPTION, one.key);
	end
	managed.set_settings(t.doc, t.host, changes);
	return edit.finish(t, { keys = keys }, ("settings are changed: %s"):format(table.concat(names, ", ")));
end

local verbs = { get = { 0, 0, nil, get }; set = { 0, 0, "some", set } };

function gateway.run(env, args, command)
	return edit.dispatch(verbs, gateway.usage, env, args, command);
end

return gateway;
