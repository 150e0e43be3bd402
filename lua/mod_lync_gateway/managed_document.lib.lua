-- What stands in the managed file: looking it up, changing it. Pure; managed.lib.lua describes it and reads the file.
-- SPDX-License-Identifier: MIT

local idna_to_ascii = require "util.encodings".idna.to_ascii;
local nameprep = require "util.encodings".stringprep.nameprep;
local jid_prep = require "util.jid".prep;

local format = module:require "managed_format";

local document = {};

document.DEFAULT = setmetatable({}, { __name = "default" });

local header = {
	"-- lync-partners.cfg.lua: partners, policies and settings of mod_lync_gateway, per host.";
	"--";
	"-- Written by `prosodyctl mod_lync_gateway partner|policy|gateway`, read by mod_lync_gateway itself: no Include().";
	"-- Edit it by hand if you like: it is data, no Lua code; comments stay, the layout is the commands'.";
	"-- Prosody's own configuration goes first; the same partner, policy or setting in both is an error.";
	"-- `prosodyctl reload` puts a change in force.";
};

-- The options that may stand here, in the order of writing.
local sections = { "lync_partners"; "lync_access_policies"; "lync_sites"; "lync_policy_grants"; format.SETTINGS };

-- Keys of an entry in the order of writing and showing; others follow.
document.keys = {
	lync_partners = { "partner_type"; "description"; "additional_domains"; "tls_negotiation"; "sasl_negotiation";
		"support_dialback_negotiation"; "enable_keep_alive"; "connection_limit"; "proxy_fqdn" };
	lync_access_policies = { "enable_xmpp_access" };
	lync_gateway_settings = { "connection_limit"; "partner_connection_limit"; "keep_alive_interval";
		"stream_establishment_timeout"; "stream_inactivity_timeout"; "subscription_refresh_interval";
		"contact_authorization_days"; "partner_subscription_limit"; "partner_recipient_limit";
		"enable_logging_all_message_bodies"; "dialback_passphrase" };
};

local canonical = {};

function document.canon_domain(name)
	local found = canonical[name];
	if not found then
		found = (idna_to_ascii(name) or name):lower();
		canonical[name] = found;
	end
	return found;
end

-- As it is to be written.
function document.prep_domain(name)
	return nameprep(name) or name;
end

local function canon_user(name)
	name = name:gsub("^[sS][iI][pP]:", "");
	return jid_prep(name) or name:lower();
end

local function same(name) return name; end

-- How names are compared.
local canon = { lync_partners = document.canon_domain; lync_policy_grants = canon_user; lync_access_policies = same;
	lync_sites = same; lync_gateway_settings = same };

function document.canon(option, name)
	return canon[option](name);
end

-- Reading

local function bad(entry, message)
	return message, entry.line;
end

local function check_names(node, what)
	for _, entry in ipairs(node.entries) do
		if entry.key == nil then
			return bad(entry, what.." without a name; write [\"NAME\"] = …");
		end
	end
end

local function is_section(key)
	for _, name in ipairs(sections) do
		if name == key then return true; end
	end
	return false;
end

-- Only what the merging stands on; what the values mean is the core's to judge.
local function check_host(entry)
	if not format.is_node(entry.value) then
		local name = format.quoted(entry.key);
		return bad(entry, ("%s: not a host with its options; write [%s] = { lync_partners = { … } }"):format(name, name));
	end
	for _, option in ipairs(entry.value.entries) do
		if option.key == nil or not is_section(option.key) then
			return bad(option, ("%s: not an option of this file; known are %s"):format(option.key and format.quoted(option.key)
				or "no name", table.concat(sections, ", ")));
		elseif not format.is_node(option.value) then
			return bad(option, option.key..": not a table; write "..option.key.." = { … }");
		end
		local message, line = check_names(option.value, "an entry of "..option.key);
		if message then return message, line; end
	end
end

local function check_doc(doc)
	local message, line = check_names(doc.root, "a host");
	for _, entry in ipairs(doc.root.entries) do
		if message then break; end
		message, line = check_host(entry);
	end
	return message, line;
end

local function parse(text)
	local doc, message, line = format.parse(text);
	if doc then
		message, line = check_doc(doc);
	end
	if message then
		return nil, message, line;
	end
	return doc;
end

local function empty()
	return { header = { table.unpack(header) }; root = format.new_node(); tail = {} };
end

-- text: nil where there is no file
function document.parse(path, text)
	if not text or not text:find("%S") then
		local doc = empty();
		doc.path, doc.source = path, text;
		return doc;
	end
	local doc, message, line = parse(text);
	if not doc then
		return nil, ("%s line %d: %s"):format(path, line, message);
	end
	doc.path, doc.source = path, text;
	return doc;
end

-- Looking up

local function find(node, key, compare)
	local wanted = compare and compare(key) or key;
	for i, entry in ipairs(node and node.entries or {}) do
		if entry.key and (compare and compare(entry.key) or entry.key) == wanted then
			return entry, i;
		end
	end
end

local function section(doc, host, option)
	local entry = find(doc.root, host, document.canon_domain);
	entry = entry and find(entry.value, option);
	return entry and entry.value;
end

local function plain(value)
	if not format.is_node(value) then return value; end
	local result = {};
	for _, entry in ipairs(value.entries) do
		result[entry.key or #result + 1] = plain(entry.value);
	end
	return result;
end

-- -> value, line, name as it stands there
function document.get(doc, host, option, name)
	local entry = find(section(doc, host, option), name, canon[option]);
	if entry then
		return plain(entry.value), entry.line, entry.key;
	end
end

-- Names of an option's entries there, as they are compared -> their lines
function document.lines(doc, host, option)
	local node, lines = section(doc, host, option), {};
	for _, entry in ipairs(node and node.entries or {}) do
		lines[canon[option](entry.key)] = entry.line;
	end
	return lines;
end

-- Hosts of the file that are none of these: nobody reads what they have. -> list of { host, line }
function document.strangers(doc, hosts)
	local known, found = {}, {};
	for _, host in ipairs(hosts) do
		known[document.canon_domain(host)] = true;
	end
	for _, entry in ipairs(doc.root.entries) do
		if not known[document.canon_domain(entry.key)] then
			found[#found+1] = { host = entry.key; line = entry.line };
		end
	end
	return found;
end

function document.options(doc, host)
	local entry = find(doc.root, host, document.canon_domain);
	return entry and plain(entry.value) or {};
end

-- Changing

local function order_of(option)
	local order = {};
	for i, key in ipairs(document.keys[option] or {}) do
		order[key] = i;
	end
	return function (a, b)
		local x, y = order[a] or math.huge, order[b] or math.huge;
		if x ~= y then return x < y; end
		return tostring(a) < tostring(b);
	end;
end

local function to_node(value, option)
	if type(value) ~= "table" then return value; end
	local node, names = format.new_node(), {};
	for _, item in ipairs(value) do
		table.insert(node.entries, { value = to_node(item); lead = {} });
	end
	for key in pairs(value) do
		if type(key) == "string" then
			names[#names+1] = key;
		end
	end
	table.sort(names, order_of(option));
	for _, key in ipairs(names) do
		table.insert(node.entries, { key = key; value = to_node(value[key]); lead = {} });
	end
	return node;
end

local function insert(entries, entry, rank)
	local at = #entries + 1;
	while rank and entry.key and at > 1 and entries[at - 1].key and rank(entry.key, entries[at - 1].key) do
		at = at - 1;
	end
	table.insert(entries, at, entry);
end

-- An entry that stays keeps its comments and its place.
local function merge_node(old, new, rank)
	local entries = {};
	for _, entry in ipairs(old.entries) do
		local fresh = entry.key and find(new, entry.key);
		if not entry.key then -- of a list: by value
			for _, item in ipairs(new.entries) do
				fresh = fresh or item.value == entry.value and item or nil;
			end
		end
		if fresh then
			local nodes = format.is_node(entry.value) and format.is_node(fresh.value);
			entry.value = nodes and merge_node(entry.value, fresh.value) or fresh.value;
			entries[#entries+1], fresh.taken = entry, true;
		end
	end
	for _, entry in ipairs(new.entries) do
		if not entry.taken then
			insert(entries, entry, rank);
		end
	end
	old.entries = entries;
	return old;
end

local function ensure(node, key, rank)
	local entry = find(node, key, not rank and document.canon_domain or nil);
	if entry then return entry.value; end
	entry = { key = key; value = format.new_node(); lead = {} };
	insert(node.entries, entry, rank);
	return entry.value;
end

local section_rank = {};
for i, name in ipairs(sections) do
	section_rank[name] = i;
end

local function before(a, b)
	return section_rank[a] < section_rank[b];
end

-- A table without an entry goes, except that of the policies: without it every Lync user may use XMPP, and removing
-- never opens anything.
local function prune(doc, host)
	local host_entry, i = find(doc.root, host, document.canon_domain);
	local options = host_entry and host_entry.value;
	for n = options and #options.entries or 0, 1, -1 do
		local entry = options.entries[n];
		if #entry.value.entries == 0 and #entry.value.tail == 0 and #entry.lead == 0
			and entry.key ~= "lync_access_policies" then
			table.remove(options.entries, n);
		end
	end
	if options and #options.entries == 0 and #options.tail == 0 and #host_entry.lead == 0 then
		table.remove(doc.root.entries, i);
	end
end

local function set(doc, host, option, name, value, comments)
	if value == nil then
		local node = section(doc, host, option);
		local _, i = find(node, name, canon[option]);
		if not i then return false; end
		table.remove(node.entries, i);
		prune(doc, host);
		return true;
	end
	local node = ensure(ensure(doc.root, host), option, before);
	local entry = find(node, name, canon[option]);
	local new = to_node(value, option);
	if not entry then
		entry = { key = name; value = new; lead = {} };
		insert(node.entries, entry, option == format.SETTINGS and order_of(option) or nil);
	elseif format.is_node(entry.value) and format.is_node(new) then
		merge_node(entry.value, new, order_of(option));
	else
		entry.value = new;
	end
	entry.lead = comments or entry.lead;
	return true;
end

function document.set_partner(doc, host, domain, values, comments)
	return set(doc, host, "lync_partners", domain, values, comments);
end

function document.set_policy(doc, host, name, values, comments)
	return set(doc, host, "lync_access_policies", name, values, comments);
end

function document.set_site(doc, host, name, members, comments)
	return set(doc, host, "lync_sites", name, members, comments);
end

function document.set_grant(doc, host, user, policy, comments)
	return set(doc, host, "lync_policy_grants", user, policy, comments);
end

function document.set_settings(doc, host, values)
	local names = {};
	for name in pairs(values) do
		names[#names+1] = name;
	end
	table.sort(names, order_of("lync_gateway_settings"));
	for _, name in ipairs(names) do
		local value = values[name];
		if value == document.DEFAULT then
			value = nil;
		end
		set(doc, host, "lync_gateway_settings", name, value);
	end
	return true;
end

-- Writing

local function hide(text)
	for name in pairs(format.secrets) do
		text = text:gsub("(%f[%w_]"..name..'%f[^%w_]["%]]*%s*=%s*)[^\n]*', '%1"…";');
	end
	return text;
end

function document.diff(doc)
	local old, new = doc.source or "", format.render(doc);
	local text = format.diff(hide(old), hide(new));
	if not text and old ~= new then
		text = "@@ a secret @@";
	end
	return text;
end

-- The text, which we can read again.
function document.render(doc)
	local text = format.render(doc);
	assert(parse(text));
	return text;
end

return document;
