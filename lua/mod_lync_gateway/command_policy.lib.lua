-- prosodyctl mod_lync_gateway policy get|new|set|remove|grant
-- SPDX-License-Identifier: MIT

local array = require "util.array";
local json = require "util.json";

local managed = module:require "managed";
local values = module:require "managed_values";
local edit = module:require "managed_edit";

local OPTION, SITES, GRANTS = "lync_access_policies", "lync_sites", "lync_policy_grants";

local policy = {};

policy.usage = [[
  policy get [NAME] [--json]
                           the external access policies, or one
  policy new NAME KEY=VALUE…
                           add one: global, site:NAME or a name to grant, as in
                           enable_xmpp_access=true
  policy set NAME KEY=VALUE…
                           change it; a site's users by members+=DOMAIN or
                           members-=user@DOMAIN
  policy remove NAME       remove it, of a site with its members
  policy grant USER NAME   give a user a policy; with --none in place of NAME,
                           take it away
]];

-- ---- get

local function table_of(t, option)
	return type(t.merged[option]) == "table" and t.merged[option] or {};
end

local function names_of(map)
	local names = {};
	for name in pairs(map) do
		if type(name) == "string" then
			names[#names+1] = name;
		end
	end
	table.sort(names);
	return names;
end

local scopes = { global = 1 };

local function scope_of(name)
	return scopes[name] or name:find("^site:") and 2 or 3;
end

local function granted_to(t, name)
	local users = array {};
	for _, user in ipairs(names_of(table_of(t, GRANTS))) do
		if table_of(t, GRANTS)[user] == name then
			users:push(user);
		end
	end
	return users;
end

local function describe(t, name)
	local entry = table_of(t, OPTION)[name];
	local members = table_of(t, SITES)[name];
	return { host = t.host; name = name; scope = ({ "global", "site", "tag" })[scope_of(name)];
		enable_xmpp_access = type(entry) == "table" and entry.enable_xmpp_access == true;
		is_default = type(entry) ~= "table" or entry.enable_xmpp_access == nil;
		members = scope_of(name) == 2 and array(type(members) == "table" and { table.unpack(members) } or {}) or nil;
		granted_to = scope_of(name) == 3 and granted_to(t, name) or nil;
		origin = edit.origin(t, OPTION, name) };
end

local function show(print, one)
	print(edit.columns({
		{ one.name, ("enable_xmpp_access = %s%s"):format(one.enable_xmpp_access, one.is_default and " (default)" or ""),
			one.origin and edit.describe(one.origin) or "" };
	}, "  "));
	if one.members then
		print("    members     "..edit.show(one.members));
	elseif one.granted_to then
		print("    granted to  "..edit.show(one.granted_to));
	end
end

local function show_host(t, found, asked)
	t.env.print(t.host);
	if t.merged[OPTION] == nil then
		t.env.print("  no policy: every Lync user may use XMPP");
	elseif not asked and #found == 0 then
		t.env.print("  no policy is left: no Lync user may use XMPP");
	elseif not asked and table_of(t, OPTION).global == nil then
		t.env.print("  no global policy: whom no other policy names may not use XMPP");
	end
	for _, one in ipairs(found) do
		show(t.env.print, one);
	end
end

local function get(env, parsed, command)
	local all, status = edit.open_all(env, parsed, command);
	if not all then return status; end
	local objects = array {};
	for _, t in ipairs(all) do
		local found = array {};
		for _, name in ipairs(names_of(table_of(t, OPTION))) do
			if not parsed[2] or parsed[2] == name then
				found:push(describe(t, name));
			end
		end
		found:sort(function (a, b)
			if scope_of(a.name) ~= scope_of(b.name) then return scope_of(a.name) < scope_of(b.name); end
			return a.name < b.name;
		end);
		objects:append(found);
		if not parsed.json and (not parsed[2] or #found > 0) then
			show_host(t, found, parsed[2]);
		end
	end
	if parsed.json then
		env.print(json.encode(objects));
	elseif parsed[2] and #objects == 0 then
		env.print(("error: there is no policy %s"):format(parsed[2]));
	end
	return parsed[2] and #objects == 0 and 1 or 0;
end

-- ---- new, set, remove

-- members=, members+=, members-=: the list of lync_sites, which is no key of a policy. -> true | nil, what is wrong
local function change_members(t, name, sets)
	local entry = { members = managed.get(t.doc, t.host, SITES, name) };
	for _, set in ipairs(sets) do
		if set.op == "" then
			local list = values.split(set.text);
			entry.members = #list > 0 and list or nil;
		else
			local wrong = values.change(entry, set);
			if wrong then return nil, wrong; end
		end
	end
	managed.set_site(t.doc, t.host, name, entry.members);
	return true;
end

-- -> settings of the policy, those of its members
local function part(sets)
	local own, members = {}, {};
	for _, set in ipairs(sets) do
		table.insert(set.key == "members" and members or own, set);
	end
	return own, members;
end

local function write(t, name, entry, done)
	local own, members = part(t.parsed.sets);
	local wrong;
	entry, wrong = values.apply(t.env.core, OPTION, entry, own);
	if not entry then
		return edit.refuse(t, wrong);
	end
	managed.set_policy(t.doc, t.host, name, entry);
	if #members > 0 then
		if scope_of(name) ~= 2 then
			return edit.refuse(t, ("members: %s is not a site's policy; those have names like \"site:Redmond\""):format(name));
		elseif edit.foreign(t, SITES, name, SITES.." of "..name) then
			return 1;
		end
		local ok;
		ok, wrong = change_members(t, name, members);
		if not ok then return edit.refuse(t, wrong); end
	end
	return edit.finish(t, { keys = { managed.key(OPTION, name), managed.key(SITES, name) } }, done:format(name));
end

local function new(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	local origin = edit.origin(t, OPTION, parsed[2]);
	if origin then
		return edit.refuse(t, ("policy %s is there already, in %s; %s"):format(parsed[2], edit.describe(origin),
			origin.managed and "change it with `policy set`" or "edit it there"));
	end
	return write(t, parsed[2], {}, "policy %s is added");
end

-- The managed policy -> values | nil, status
local function existing(t, name)
	if edit.foreign(t, OPTION, name, "policy "..name) then
		return nil, 1;
	end
	local entry = managed.get(t.doc, t.host, OPTION, name);
	if entry == nil and name ~= "global" then -- which Lync always has
		return nil, edit.refuse(t, ("there is no policy %s; `policy get` lists them, `policy new` adds one"):format(name));
	end
	return type(entry) == "table" and entry or {};
end

local function set(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	local entry;
	entry, status = existing(t, parsed[2]);
	if not entry then return status; end
	return write(t, parsed[2], entry, "policy %s is changed");
end

local function remove(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	local entry;
	entry, status = existing(t, parsed[2]);
	if not entry then return status; end
	managed.set_policy(t.doc, t.host, parsed[2], nil);
	managed.set_site(t.doc, t.host, parsed[2], nil);
	return edit.finish(t, nil, ("policy %s is removed"):format(parsed[2]));
end

-- ---- grant

local function grant(env, parsed, command)
	local user, name = parsed[2], parsed[3];
	if (name == nil) ~= (parsed.none == true) then
		env.print("grant: name a policy, or say --none to take the user's away\n\n"
			.."Usage: prosodyctl mod_lync_gateway COMMAND …\n\n"..policy.usage);
		return 2;
	end
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	if edit.foreign(t, GRANTS, user, "the grant of "..user) then
		return 1;
	end
	if not name and managed.get(t.doc, t.host, GRANTS, user) == nil then
		return edit.refuse(t, ("%s has no policy of its own"):format(user));
	end
	managed.set_grant(t.doc, t.host, user, name);
	return edit.finish(t, nil, name and ("%s has policy %s"):format(user, name)
		or ("%s has no policy of its own any more"):format(user));
end

local verbs = { get = { 0, 1, nil, get }; new = { 1, 1, true, new }; set = { 1, 1, "some", set };
	remove = { 1, 1, nil, remove }; grant = { 1, 2, nil, grant } };

function policy.run(env, args, command)
	return edit.dispatch(verbs, policy.usage, env, args, command);
end

return policy;
