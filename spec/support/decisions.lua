-- What the core decides about streams, for the fake settings of module.lua: by the real core, made from the fake's list.
-- SPDX-License-Identifier: MIT
--
--	settings.list = { ["na.fabrikam.com"] = "fabrikam.com", … }		-- domain -> partner; may change at any time
--	settings.of_partner = { ["fabrikam.com"] = { tls_negotiation = "required" } }
--	settings.of_gateway = { connection_limit = 2 }; settings.options = { s2s_secure_auth = true }
--
-- A partner of which nothing is said may do everything (row 9), so that a spec says what it forbids.

local core = require "lync_gateway.core";

local decisions = { refusal = core.refusal };

local EVERYTHING = { partner_type = "federated"; tls_negotiation = "optional"; sasl_negotiation = "optional";
	support_dialback_negotiation = true };

local function merged(...)
	local result = {};
	for _, map in ipairs { ... } do
		for key, value in pairs(map) do
			result[key] = value;
		end
	end
	return result;
end

-- list -> lync_partners; a partner that is not in the list itself is called by the first of its domains.
local function partners_of(settings)
	local domains, partners = {}, {};
	for domain, partner in pairs(settings.list) do
		domains[partner] = domains[partner] or {};
		table.insert(domains[partner], domain);
	end
	for partner, names in pairs(domains) do
		table.sort(names, function (a, b)
			return a == partner or (b ~= partner and a < b);
		end);
		local primary = table.remove(names, 1);
		partners[primary] = merged(EVERYTHING, { additional_domains = names }, (settings.of_partner or {})[partner] or {});
	end
	return partners;
end

local function text_of(value)
	if type(value) ~= "table" then return tostring(value); end
	local parts = {};
	for key, item in pairs(value) do
		parts[#parts+1] = tostring(key).."="..text_of(item);
	end
	table.sort(parts);
	return "{"..table.concat(parts, ";").."}";
end

local function options_of(settings)
	if not settings.usable then return {}; end
	local partners = partners_of(settings);
	partners[settings.host] = nil; -- specs of loops list it, the core would not have it
	return merged({ lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
		lync_partners = partners; lync_gateway_settings = settings.of_gateway }, settings.options or {});
end

-- The core's settings, anew when the fake has changed.
local function real(settings)
	local options = options_of(settings);
	local text = text_of(options);
	if settings.real_text ~= text then
		settings.real_text, settings.real = text, core.settings(settings.host, options);
	end
	return settings.real;
end

decisions.real = real;

-- A table of methods that ask the real core.
function decisions.methods()
	local methods = {};
	for _, name in ipairs { "stream"; "stanza"; "primary"; "next_method"; "care"; "gateway"; "partner" } do
		methods[name] = function (self, ...)
			local settings = real(self);
			return settings[name](settings, ...);
		end;
	end
	return methods;
end

return decisions;
