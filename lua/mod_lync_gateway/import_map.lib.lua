-- Rows of the Lync side's cmdlets -> entries of our configuration, and what is to be said about them.
-- SPDX-License-Identifier: MIT
--
-- Whether an entry is valid is not asked here: the core says so (import_plan). An item is
-- { line, cmdlet, kind = "partner"|"policy"|"settings"|nil, name, entry = { key = value }, errors = { text },
-- remarks = { text }, lost = { { name, value, why, lossy } }, guessed = { text } }. errors: it cannot be read;
-- lossy: the export lacks what it should have; guessed: a number of an enumeration was taken for the value that has
-- this place in Microsoft's list, which no document says.

local text = module:require "import_text";
local values_of = module:require "import_values";

local map = {};

local printable, as_text, read = text.printable, values_of.as_text, values_of.read;

-- ---- what each cmdlet gives

-- Of each object: describes the object itself.
local of_the_object = {
	Identity = true; Element = true; ScopeClass = true; Anchor = true; Key = true; TypedIdentity = true; ConfigId = true;
	PSComputerName = true; RunspaceId = true; PSShowComputerName = true; Priority = true; DataSource = true;
	XsAnyElements = true; XsAnyAttributes = true;
};

local NOT_XMPP = "not about XMPP; it stays in force on the Lync side";

local kinds = {
	partner = {
		cmdlet = "Get-CsXmppAllowedPartner"; pattern = "XmppAllowedPartner";
		tell = { "PartnerType", "TlsNegotiation", "SaslNegotiation" };
		keys = {
			{ "PartnerType", "partner_type", read.partner_type };
			{ "Description", "description", read.line };
			{ "AdditionalDomains", "additional_domains", read.list };
			{ "TlsNegotiation", "tls_negotiation", read.negotiation };
			{ "SaslNegotiation", "sasl_negotiation", read.negotiation };
			{ "SupportDialbackNegotiation", "support_dialback_negotiation", read.boolean };
			{ "EnableKeepAlive", "enable_keep_alive", read.boolean };
			{ "ConnectionLimit", "connection_limit", read.number };
			{ "ProxyFqdn", "proxy_fqdn", read.text };
		};
		why = { Domain = false };
	};
	settings = {
		cmdlet = "Get-CsXmppGatewayConfiguration"; pattern = "XmppGateway";
		tell = { "PartnerConnectionLimit", "StreamEstablishmentTimeout", "SubscriptionRefreshInterval" };
		keys = {
			{ "ConnectionLimit", "connection_limit", read.number };
			{ "PartnerConnectionLimit", "partner_connection_limit", read.number };
			{ "KeepAliveInterval", "keep_alive_interval", read.number };
			{ "StreamEstablishmentTimeout", "stream_establishment_timeout", read.number };
			{ "StreamInactivityTimeout", "stream_inactivity_timeout", read.number };
			{ "SubscriptionRefreshInterval", "subscription_refresh_interval", read.number };
			{ "EnableLoggingAllMessageBodies", "enable_logging_all_message_bodies", read.boolean };
			{ "DialbackPassphrase", "dialback_passphrase", read.text, secret = true };
		};
		why = {};
	};
	policy = {
		cmdlet = "Get-CsExternalAccessPolicy"; pattern = "ExternalAccessPolicy";
		tell = { "EnableXmppAccess" };
		keys = { { "EnableXmppAccess", "enable_xmpp_access", read.boolean } };
		why = {
			Description = "a policy has no description here";
			EnableFederationAccess = "stays on the Lync side, where it has to be True for whoever may use XMPP";
			EnablePublicCloudAccess = NOT_XMPP; EnablePublicCloudAudioVideoAccess = NOT_XMPP; EnableOutsideAccess = NOT_XMPP;
		};
	};
};

map.kinds = kinds;

local function kind_of(row)
	for _, kind in ipairs { "partner", "settings", "policy" } do
		for _, name in ipairs(row.types) do
			if name:find(kinds[kind].pattern, 1, true) then
				return kind;
			end
		end
	end
	for _, kind in ipairs { "partner", "settings", "policy" } do
		for _, key in ipairs(kinds[kind].tell) do
			if row.values[key] ~= nil then
				return kind;
			end
		end
	end
	return nil;
end

local function add(list, format, ...)
	list[#list+1] = format:format(...);
end

local function read_keys(item, values, kind)
	local known = {};
	for _, key in ipairs(kind.keys) do
		local name, ours, reader = key[1], key[2], key[3];
		known[name] = true;
		if values[name] ~= nil then
			local value, problem, lost, guess, remark = reader(values[name]);
			local shown = key.secret and "(not shown)" or values_of.show(values[name]);
			item.entry[ours] = value;
			if remark then
				add(item.remarks, "%s: %s", name, remark);
			end
			if problem then
				add(item.errors, "%s = %s: %s", name, shown, problem);
			elseif lost then
				item.lost[#item.lost+1] = { name = name; value = shown; why = lost; lossy = true };
			elseif guess then
				add(item.guessed, "%s = %s: taken for %s, which has this place in Microsoft's list; no document gives the "
					.."numbers", name, shown, guess);
			end
		end
	end
	local names = {};
	for name in pairs(values) do
		if not known[name] and not of_the_object[name] and kind.why[name] ~= false then
			names[#names+1] = name;
		end
	end
	table.sort(names);
	for _, name in ipairs(names) do
		item.lost[#item.lost+1] = { name = printable(name, 60); value = values_of.show(values[name]);
			why = kind.why[name] or "not a setting that this gateway knows" };
	end
end

local finish = {};

function finish.partner(item, values)
	local domain, identity = as_text(values.Domain), as_text(values.Identity);
	item.name = domain or identity;
	if not item.name or item.name == "" then
		add(item.errors, "neither Domain nor Identity: which domain this is about is not in the export");
		item.name = nil;
	elseif domain and identity and domain:lower() ~= identity:lower() then
		add(item.remarks, "Identity is %s, Domain %s: Domain counts", printable(identity), printable(domain));
	end
end

function finish.settings(item)
	item.name = "global";
	if item.entry.enable_logging_all_message_bodies then
		add(item.remarks, "EnableLoggingAllMessageBodies is True: what people write may then stand in this server's "
			.."logs, too");
	end
end

-- "Global", "Site:Redmond", "Tag:SalesAccessPolicy" as Lync writes them
local function policy_name(identity)
	local lower = identity:lower();
	if lower == "global" then
		return "global";
	elseif lower:sub(1, 5) == "site:" then
		return "site:"..identity:sub(6);
	elseif lower:sub(1, 4) == "tag:" then
		return identity:sub(5);
	end
	return identity;
end

function finish.policy(item, values)
	local identity = as_text(values.Identity);
	if not identity or identity == "" then
		add(item.errors, "no Identity: which policy this is is not in the export");
		return;
	end
	item.name = policy_name(identity);
	if item.entry.enable_xmpp_access == nil and #item.errors == 0 then
		add(item.errors, "no EnableXmppAccess: export whole objects, without Select-Object");
	elseif item.entry.enable_xmpp_access and read.boolean(values.EnableFederationAccess) == false then
		add(item.remarks, "EnableFederationAccess is False: Lync reaches this gateway by SIP federation, so these users "
			.."need it; see lync-commands");
	end
	if item.name:sub(1, 5) == "site:" then
		add(item.remarks, "who belongs to the site is not in the export; afterwards say prosodyctl mod_lync_gateway policy "
			.."set %s members+=DOMAIN", values_of.shell_word(item.name));
	elseif item.name ~= "global" then
		add(item.remarks, "whom it is granted to is not in the export; afterwards say prosodyctl mod_lync_gateway policy "
			.."grant USER %s", values_of.shell_word(item.name));
	end
end

local function item_of(row)
	local kind = kind_of(row);
	local item = { line = row.line; kind = kind; entry = {}; errors = {}; remarks = {}; lost = {}; guessed = {} };
	if not kind then
		add(item.errors, "not an object of Get-CsXmppAllowedPartner, Get-CsXmppGatewayConfiguration or "
			.."Get-CsExternalAccessPolicy%s", row.types[1] and " but "..printable(row.types[1]) or "");
		return item;
	end
	item.cmdlet = kinds[kind].cmdlet;
	read_keys(item, row.values, kinds[kind]);
	finish[kind](item, row.values);
	return item;
end

-- rows of a reader -> items
function map.items(rows)
	local items = {};
	for i, row in ipairs(rows) do
		items[i] = item_of(row);
	end
	return items;
end

return map;
