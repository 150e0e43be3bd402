-- prosodyctl mod_lync_gateway partner get|new|set|remove|test
-- SPDX-License-Identifier: MIT

local array = require "util.array";
local json = require "util.json";
local glob_to_pattern = require "util.paths".glob_to_pattern;

local managed = module:require "managed";
local values = module:require "managed_values";
local edit = module:require "managed_edit";

local OPTION = "lync_partners";

local has_test, test = pcall(module.require, module, "partner_test");

local partner = {};

partner.usage = [[
  partner get [DOMAIN] [--json]
                           the partners, those like '*.org', or one with all
                           its settings
  partner new DOMAIN KEY=VALUE…
                           add a partner, as in partner_type=federated
  partner set DOMAIN KEY=VALUE…
                           change it; a list by KEY+=VALUE and KEY-=VALUE, the
                           default again by KEY=default
  partner remove DOMAIN    remove it
]]..(has_test and test.usage or "")..[[
                           all: --host HOST where several have lync_gateway;
                           --whatif shows a change and writes nothing
]];

-- ---- get

-- Whether a key of a partner is written anywhere, or has its default.
local function is_given(t, domain, key)
	if not t.written then
		t.written = {};
		for name, entry in pairs(t.merged[OPTION] or {}) do
			if type(name) == "string" and type(entry) == "table" then
				t.written[managed.canon_domain(name)] = entry;
			end
		end
	end
	local entry = t.written[managed.canon_domain(domain)];
	return entry ~= nil and entry[key] ~= nil;
end

local method_names = { ["sasl-tls"] = "SASL over TLS"; ["tls-dialback"] = "TLS dialback";
	["tcp-dialback"] = "TCP dialback" };

local function methods_of(found)
	local names = {};
	for i, name in ipairs(found.methods or {}) do
		names[i] = method_names[name] or name;
	end
	return #names > 0 and table.concat(names, ", ") or "none";
end

local function show_one(t, found)
	local rows, shown = {}, found.domain;
	local notes = { connection_limit = "default: partner_connection_limit"; proxy_fqdn = "default: the DNS";
		description = ""; additional_domains = "" };
	for _, key in ipairs(managed.keys[OPTION]) do
		local note = not is_given(t, shown, key) and (notes[key] or "default") or "";
		rows[#rows+1] = { key, edit.show(found[key])..(note ~= "" and " ("..note..")" or "") };
	end
	rows[#rows+1] = { "row of the matrix", edit.show(found.row) };
	rows[#rows+1] = { "methods", methods_of(found) };
	rows[#rows+1] = { "stands in", edit.describe(edit.origin(t, OPTION, shown) or { file = "?" }) };
	t.env.print(("%s, partner of %s"):format(shown, t.host));
	t.env.print(edit.columns(rows, "  "));
	if found.warning then
		t.env.print("  warning: "..found.warning);
	end
	if found.disabled then
		t.env.print("  DISABLED: "..found.disabled);
	end
end

local function matching(domains, pattern)
	return array.filter(array(domains), function (domain) return domain:find(pattern) ~= nil; end);
end

local function show_list(t, domains)
	local rows = {};
	t.env.print(t.host);
	for _, domain in ipairs(domains) do
		local found = t.settings:partner(domain);
		local origin = edit.origin(t, OPTION, domain);
		rows[#rows+1] = { domain, found.partner_type or "?", ("row %s: %s"):format(edit.show(found.row), methods_of(found)),
			found.disabled and "DISABLED" or origin and edit.describe(origin) or "" };
	end
	if #rows > 0 then
		t.env.print(edit.columns(rows, "  "));
	else
		t.env.print("  no partner: nobody is allowed");
	end
end

local function as_json(t, found)
	local object = { host = t.host; defaults = array {}; origin = edit.origin(t, OPTION, found.domain) };
	for key, value in pairs(found) do
		object[key] = type(value) == "table" and array(value) or value;
	end
	for _, key in ipairs(managed.keys[OPTION]) do
		if not is_given(t, found.domain, key) then
			object.defaults:push(key);
		end
	end
	return object;
end

local function get(env, parsed, command)
	local all, status = edit.open_all(env, parsed, command);
	if not all then return status; end
	local found, wanted = array {}, parsed[2];
	local pattern = (not wanted or wanted:find("[*?]")) and glob_to_pattern(wanted or "*");
	for _, t in ipairs(all) do
		local one = not pattern and t.settings:partner(wanted);
		local domains = pattern and matching(t.settings:partners(), pattern) or { one and one.domain };
		for _, domain in ipairs(domains) do
			found:push(as_json(t, t.settings:partner(domain)));
		end
		if not parsed.json and one then
			show_one(t, one);
		elseif not parsed.json and (#domains > 0 or not wanted) then
			show_list(t, domains);
		end
	end
	if parsed.json then
		env.print(json.encode(found));
	elseif parsed[2] and #found == 0 then
		env.print(("error: %s is no partner%s"):format(parsed[2], #all == 1 and " of "..all[1].host or ""));
	end
	return parsed[2] and #found == 0 and 1 or 0;
end

-- ---- new, set, remove

-- The partner that has a domain, as its primary or another one, valid or not.
local function owner(t, domain)
	local settings = managed.load(t.env.core, t.host, t.raw, t.doc);
	local found = settings:partner(domain);
	return found and found.domain;
end

local function new(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	local domain = parsed[2];
	local origin, other = edit.origin(t, OPTION, domain), owner(t, domain);
	if origin then
		return edit.refuse(t, ("%s is a partner already, in %s; %s"):format(domain, edit.describe(origin),
			origin.managed and "change it with `partner set`" or "edit it there"));
	elseif other then
		return edit.refuse(t, ("%s is an additional domain of partner %s already"):format(domain, other));
	end
	local entry, wrong = values.apply(env.core, OPTION, {}, parsed.sets);
	if not entry then
		return edit.refuse(t, wrong);
	end
	managed.set_partner(t.doc, t.host, managed.prep_domain(domain), entry);
	return edit.finish(t, { partner = domain }, ("partner %s is added"):format(domain));
end

-- The managed entry of a domain -> values, its name | nil, status
local function existing(t, domain)
	if edit.foreign(t, OPTION, domain, "partner "..domain) then
		return nil, 1;
	end
	local entry, _, name = managed.get(t.doc, t.host, OPTION, domain);
	local other = not entry and owner(t, domain);
	if other then
		return nil, edit.refuse(t, ("%s is an additional domain of partner %s; name that"):format(domain, other));
	elseif not entry then
		return nil, edit.refuse(t, ("%s is no partner; `partner get` lists them, `partner new` adds one"):format(domain));
	end
	return entry, name;
end

local function set(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	local entry, name = existing(t, parsed[2]);
	if not entry then return name; end
	local wrong;
	entry, wrong = values.apply(env.core, OPTION, type(entry) == "table" and entry or {}, parsed.sets);
	if not entry then
		return edit.refuse(t, wrong);
	end
	managed.set_partner(t.doc, t.host, name, entry);
	return edit.finish(t, { partner = name }, ("partner %s is changed"):format(name));
end

local function remove(env, parsed, command)
	local t, status = edit.open(env, parsed, command);
	if not t then return status; end
	local entry, name = existing(t, parsed[2]);
	if not entry then return name; end
	managed.set_partner(t.doc, t.host, name, nil);
	return edit.finish(t, nil, ("partner %s is removed"):format(name));
end

local verbs = { get = { 0, 1, nil, get }; new = { 1, 1, "some", new }; set = { 1, 1, "some", set };
	remove = { 1, 1, nil, remove } };

function partner.run(env, args, command)
	if args[1] == "test" and has_test then
		return test.run(env, { table.unpack(args, 2) }, command);
	end
	return edit.dispatch(verbs, partner.usage, env, args, command);
end

return partner;
