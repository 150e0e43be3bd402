-- Items of import_map against the settings of a host: new, same, differs or refused, by what the core says.
-- SPDX-License-Identifier: MIT
--
-- plan.make(core, host, raw, items, options) adds to each item: status = "new"|"same"|"differs"|"refused";
-- changes = { { key, old, new } }; problems = of the core; row, methods of a partner; merged = the whole entry to
-- write; blocked = { text }: stands in Prosody's configuration, which no command writes; unconfirmed. raw: the options
-- of the host as they are now, of which some stand in Prosody's configuration. A key that the export does not
-- give stays as it is; nothing is removed.

local equal = module:require "bridge".equal;

local plan = {};

local function copy(map)
	local result = {};
	for key, value in pairs(type(map) == "table" and map or {}) do
		result[key] = value;
	end
	return result;
end

local function with(raw, key, value)
	local result = copy(raw);
	result[key] = value;
	return result;
end

local function errors_in(problems)
	for _, problem in ipairs(problems) do
		if problem.level == "error" then return true; end
	end
	return false;
end

-- Problems whose key begins with the option.
local function of_option(problems, option)
	local result = {};
	for _, problem in ipairs(problems) do
		if problem.key:sub(1, #option) == option and not problem.key:find("^[%w_]", #option + 1) then
			result[#result+1] = problem;
		end
	end
	return result;
end

local BLOCKED = "%s stands in %s, which this command does not write: change it there";

-- ---- partners

-- What the core makes of one partner alone: what it says of it, problems
local function alone(core, host, raw, name, entry)
	local settings, problems = core.settings(host, with(raw, "lync_partners", { [name] = entry }));
	local primary = settings:partners()[1];
	return primary and settings:partner(primary) or { domain = name }, of_option(problems, "lync_partners");
end

local compared = {
	"partner_type", "description", "additional_domains", "tls_negotiation", "sasl_negotiation",
	"support_dialback_negotiation", "enable_keep_alive", "connection_limit", "proxy_fqdn",
};

plan.partner_keys = compared;

local function changes(keys, old, new)
	local list = {};
	for _, key in ipairs(keys) do
		local a, b = old[key], new[key];
		if not equal(a, b) and not (a == nil and type(b) == "table" and not next(b)) then
			list[#list+1] = { key = key; old = a; new = b };
		end
	end
	return list;
end

local function set_status(item)
	if #item.errors > 0 or errors_in(item.problems) then
		item.status = "refused";
	elseif not item.existing then
		item.status = "new";
	else
		item.status = #item.changes == 0 and "same" or "differs";
	end
end

local function is_description(problems)
	for _, problem in ipairs(problems) do
		if problem.level == "error" and problem.key:sub(-12) == ".description" then return true; end
	end
	return false;
end

-- People paste all sorts of characters into a description: those that the core does not take become spaces.
local function clean_description(core, host, raw, item)
	local entry = copy(item.entry);
	local fine = setmetatable({}, { __index = function (self, char)
		entry.description = char;
		local _, problems = alone(core, host, raw, item.name, entry);
		self[char] = is_description(problems) and " " or char;
		return self[char];
	end });
	local cleaned = item.entry.description:gsub("[\xC2-\xF4][\x80-\xBF]+", function (char) return fine[char]; end);
	if cleaned ~= item.entry.description then
		item.entry.description = cleaned;
		item.remarks[#item.remarks+1] = "Description: characters that a description may not have became spaces";
	end
end

-- Canonical domain -> name as it is configured
local function configured(core, host, raw)
	local names = {};
	for name, entry in pairs(type(raw.lync_partners) == "table" and raw.lync_partners or {}) do
		if type(name) == "string" then
			names[alone(core, host, raw, name, entry).domain] = name;
		end
	end
	return names;
end

local function plan_partner(core, host, raw, item, names, origin)
	item.problems, item.changes = {}, {};
	if not item.name then
		return set_status(item);
	end
	local info, problems = alone(core, host, raw, item.name, item.entry);
	item.domain = info.domain;
	if type(item.entry.description) == "string" and is_description(problems)
		and item.entry.description:find("[\x80-\xFF]") then
		clean_description(core, host, raw, item);
	end
	local existing = names[item.domain] and raw.lync_partners[names[item.domain]];
	item.existing = existing ~= nil;
	if existing then
		item.name = names[item.domain];
		item.origin = origin("lync_partners", item.name);
	end
	item.merged = copy(existing);
	for key, value in pairs(item.entry) do
		item.merged[key] = value;
	end
	info, item.problems = alone(core, host, raw, item.name, item.merged);
	item.row, item.methods = info.row, info.methods;
	if existing then
		item.changes = changes(compared, alone(core, host, raw, item.name, existing), info);
	end
	set_status(item);
end

-- Domains that several claim show only when all are there. Of two rows for one domain neither is taken.
local function plan_claims(core, host, raw, items)
	local all, by_domain = copy(raw.lync_partners), {};
	for _, item in ipairs(items) do
		if item.kind == "partner" and item.status ~= "refused" then
			if by_domain[item.domain] then
				for _, twin in ipairs { item, by_domain[item.domain] } do
					twin.errors[#twin.errors+1] = "the file has two rows for this domain; take one of them out";
					set_status(twin);
				end
			else
				by_domain[item.domain] = item;
				all[item.name] = item.merged;
			end
		end
	end
	local _, problems = core.settings(host, with(raw, "lync_partners", all));
	for _, problem in ipairs(problems) do
		local item = problem.level == "error" and problem.partner and by_domain[problem.partner];
		if item and not errors_in(item.problems) then
			item.problems[#item.problems+1] = problem;
			set_status(item);
		end
	end
end

-- ---- policies and settings

local function plan_policy(core, host, raw, item, seen, origin)
	item.problems, item.changes = {}, {};
	if not item.name then
		return set_status(item);
	elseif seen[item.name] then
		item.errors[#item.errors+1] = "the file has this policy twice; take one of them out";
	end
	seen[item.name] = true;
	local policies = copy(raw.lync_access_policies);
	item.existing = policies[item.name] ~= nil;
	item.origin = origin("lync_access_policies", item.name);
	item.merged = { enable_xmpp_access = item.entry.enable_xmpp_access };
	item.changes = item.existing and changes({ "enable_xmpp_access" }, copy(policies[item.name]), item.merged) or {};
	local _, problems = core.settings(host, with(raw, "lync_access_policies",
		{ global = { enable_xmpp_access = true }; [item.name] = item.merged }));
	item.problems = of_option(problems, "lync_access_policies");
	set_status(item);
end

plan.settings_keys = {
	"connection_limit", "partner_connection_limit", "keep_alive_interval", "stream_establishment_timeout",
	"stream_inactivity_timeout", "subscription_refresh_interval", "enable_logging_all_message_bodies",
	"dialback_passphrase",
};

-- Settings are written key by key.
local function plan_settings(core, host, raw, item, seen, origin)
	if seen.settings then
		item.errors[#item.errors+1] = "the file has the gateway's settings twice; take one of them out";
	end
	seen.settings = true;
	local now = copy(raw.lync_gateway_settings);
	item.merged = copy(now);
	for key, value in pairs(item.entry) do
		item.merged[key] = value;
	end
	local old, new;
	new, item.problems = core.settings(host, with(raw, "lync_gateway_settings", item.merged));
	item.problems = of_option(item.problems, "lync_gateway_settings");
	old = core.settings(host, raw);
	old, new = old:gateway(), new:gateway();
	old.dialback_passphrase = now.dialback_passphrase;
	new.dialback_passphrase = item.merged.dialback_passphrase;
	item.changes = changes(plan.settings_keys, old, new);
	item.existing = true; -- there are always settings: the defaults
	set_status(item);
	item.merged = {};
	for _, change in ipairs(item.changes) do
		local where = origin("lync_gateway_settings", change.key);
		if where then
			item.blocked[#item.blocked+1] = BLOCKED:format(change.key, where);
		else
			item.merged[change.key] = change.new;
		end
	end
end

local planners = { policy = plan_policy; settings = plan_settings };

local function nowhere() end

-- options: { origin = function (option, name) -> where it stands in Prosody's configuration or nil, accept_numbers }
function plan.make(core, host, raw, items, options)
	local names, seen = configured(core, host, raw), {};
	local origin = options.origin or nowhere;
	for _, item in ipairs(items) do
		item.blocked = {};
		if item.kind == "partner" then
			plan_partner(core, host, raw, item, names, origin);
		elseif item.kind then
			planners[item.kind](core, host, raw, item, seen, origin);
		else
			item.problems, item.changes, item.status = {}, {}, "refused";
		end
	end
	plan_claims(core, host, raw, items);
	for _, item in ipairs(items) do
		item.unconfirmed = #item.guessed > 0 and item.status ~= "refused" and item.status ~= "same"
			and not options.accept_numbers or nil;
		if item.origin and item.status == "differs" then
			item.blocked[1] = BLOCKED:format("it", item.origin);
		end
	end
	return items;
end

-- Whether --commit writes the item.
function plan.writes(item)
	return (item.status == "new" or item.status == "differs") and not item.unconfirmed
		and not (item.origin or item.kind == "settings" and next(item.merged) == nil);
end

return plan;
