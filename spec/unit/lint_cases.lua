-- One mistake (or a few) each, and every line that the lint has to say about it.
-- SPDX-License-Identifier: MIT
--
-- { name, options (over those of settings_spec), lines }: "E" and "W" stand for the level; "contoso.com: " is left out.
-- An option that is false here is absent.

local ONE = { partner_type = "federated", support_dialback_negotiation = false };

local function partner(more)
	local result = { partner_type = "federated"; support_dialback_negotiation = false };
	for key, value in pairs(more) do
		if value == "(none)" then value = nil; end
		result[key] = value;
	end
	return { lync_partners = { ["fabrikam.com"] = result } };
end

local P = 'lync_partners["fabrikam.com"]';
local FORM = 'write { ["fabrikam.com"] = { partner_type = "federated" } }';
local RED = "SASL requires TLS. Allowing TLS to be optional may result in failed session negotiations";

return {
	-- the Access Edge and the bridge
	{ "nothing at all", { lync_access_edge = false, lync_bridge_fqdn = false, lync_partners = false }, {
		'E lync_access_edge: missing; write the Access Edge\'s full name, as in "sip.contoso.com"';
		'E lync_bridge_fqdn: missing; write our name on the SIP side, as in "xmpp.contoso.com"';
		"W lync_partners: missing: nobody is allowed; " .. FORM;
	} };
	{ "an edge that is no name", { lync_access_edge = "sip contoso" }, {
		'E lync_access_edge = "sip contoso": not a host name; write a full name, with a port if it is not 5061, as in '
			.. '"sip.contoso.com:5061"';
	} };
	{ "an edge that is an address", { lync_access_edge = "192.0.2.20:5061" }, {
		'E lync_access_edge = "192.0.2.20:5061": not a host name; write a full name, with a port if it is not 5061, '
			.. 'as in "sip.contoso.com:5061"';
	} };
	{ "an edge that is an IPv6 address", { lync_access_edge = "[2001:db8::1]:5061" }, {
		'E lync_access_edge = "[2001:db8::1]:5061": not a host name; write a full name, with a port if it is not 5061, '
			.. 'as in "sip.contoso.com:5061"';
	} };
	{ "an edge with a bad port", { lync_access_edge = "sip.contoso.com:65536" }, {
		'E lync_access_edge = "sip.contoso.com:65536": not a valid port; write a port from 1 to 65535';
	} };
	{ "an edge with no port", { lync_access_edge = "sip.contoso.com:" }, {
		'E lync_access_edge = "sip.contoso.com:": not a valid port; write a port from 1 to 65535';
	} };
	{ "an edge of another type", { lync_access_edge = { "sip.contoso.com" } }, {
		'E lync_access_edge = {...}: not a string; write a full name, with a port if it is not 5061, as in '
			.. '"sip.contoso.com:5061"';
	} };
	{ "an edge address that is a name", { lync_access_edge_address = "edge.contoso.com" }, {
		'E lync_access_edge_address = "edge.contoso.com": not an IP address; write an address as in "192.0.2.20" or '
			.. '"2001:db8::20"';
	} };
	{ "a bridge name with a port", { lync_bridge_fqdn = "xmpp.contoso.com:5061" }, {
		'E lync_bridge_fqdn = "xmpp.contoso.com:5061": not a host name; write a full name as in "xmpp.contoso.com"';
	} };
	{ "a bridge name of another type", { lync_bridge_fqdn = true }, {
		'E lync_bridge_fqdn = true: not a string; write a full name as in "xmpp.contoso.com"';
	} };
	{ "listen without a list", { lync_bridge_listen = "*:5061" }, {
		'E lync_bridge_listen = "*:5061": not a list; write { "*:5061" }';
	} };
	{ "an empty listen", { lync_bridge_listen = {} }, {
		"E lync_bridge_listen = {}: a list of 0; write 1 to 8 addresses";
	} };
	{ "listen with names for keys", { lync_bridge_listen = { a = "*:5061" } }, {
		'E lync_bridge_listen = {...}: not a list; write { "*:5061" }';
	} };
	{ "bad listen addresses", { lync_bridge_listen = { "*", "localhost:5061", "2001:db8::1:5061", "*:0", 5061, "1.2.3.4:1" } },
		(function ()
			local lines = {};
			for i, value in ipairs { '"*"', '"localhost:5061"', '"2001:db8::1:5061"', '"*:0"', "5061" } do
				lines[i] = ('E lync_bridge_listen[%d] = %s: not an address and port; write "*:5061", "192.0.2.10:5061" or '
					.. '"[2001:db8::10]:5061"'):format(i, value);
			end
			return lines;
		end)() };
	{ "a certificate without key", { lync_bridge_certificate = { certificate = "a.pem" } }, {
		"E lync_bridge_certificate.key: missing; write both, or neither";
	} };
	{ "a key without certificate", { lync_bridge_certificate = { key = "a.key", cafile = "" } }, {
		'E lync_bridge_certificate.cafile = "": empty; write a file\'s name';
		"E lync_bridge_certificate.certificate: missing; write both, or neither";
	} };
	{ "a certificate that is a string", { lync_bridge_certificate = "a.pem" }, {
		'E lync_bridge_certificate = "a.pem": not a table; write { certificate = "...", key = "..." }';
	} };
	{ "an old TLS", { lync_bridge_certificate = { min_tls = "1.1", crl = "x" } }, {
		'E lync_bridge_certificate.crl = "x": unknown key; did you mean "crlfile"?';
		'E lync_bridge_certificate.min_tls = "1.1": not a valid value; write "1.2" or "1.3"';
	} };
	{ "a negative rate", { lync_bridge_rate = -1 }, {
		"E lync_bridge_rate = -1: out of range; write a whole number from 0 to 100000";
	} };
	{ "a rate with a wrong burst", { lync_bridge_rate = { rate = 20, burst = "40" } }, {
		'E lync_bridge_rate.burst = "40": not a number; write a whole number from 0 to 100000';
	} };
	{ "a sandbox that is none", { lync_bridge_sandbox = "no" }, {
		'E lync_bridge_sandbox = "no": not a boolean; write true or false';
	} };
	{ "too little memory", { lync_bridge_memory = 127 }, {
		"E lync_bridge_memory = 127: out of range; write a whole number from 128 to 1048576";
	} };
	{ "as much memory as there is", { lync_bridge_memory = 0 }, {} };
	{ "memory in words", { lync_bridge_memory = "1 GB" }, {
		'E lync_bridge_memory = "1 GB": not a number; write a whole number from 128 to 1048576';
	} };
	{ "wire switches", { lync_bridge_wire = {
		verification_header = true, record_route = "yes", imdn_method = "NOTIFY", session_idle = 0, typing_timeout = "30",
		answer_wait = 0 / 0, sesion_idle = 5,
	} }, {
		"E lync_bridge_wire.answer_wait = " .. ("%.14g"):format(0 / 0) .. ": out of range; write seconds from 0 to 10";
		'E lync_bridge_wire.imdn_method = "NOTIFY": not a valid value; write "INFO" or "MESSAGE"';
		'E lync_bridge_wire.record_route = "yes": not a boolean; write true or false';
		'E lync_bridge_wire.sesion_idle = 5: unknown key; did you mean "session_idle"?';
		"E lync_bridge_wire.session_idle = 0: out of range; write seconds from 1 to 86400";
		'E lync_bridge_wire.typing_timeout = "30": not a number; write seconds from 1 to 600';
		'E lync_bridge_wire.verification_header = true: not a header line; write "Name: value" with one %s, or false';
	} };
	{ "wire switches of presence", { lync_bridge_wire = {
		ask_categories = 1, notify_interval = 0, subscription_expires = 59, watch_rate = 1.5, watch_rates = 1,
	} }, {
		"E lync_bridge_wire.ask_categories = 1: not a boolean; write true or false";
		"E lync_bridge_wire.notify_interval = 0: out of range; write seconds from 0.1 to 600";
		"E lync_bridge_wire.subscription_expires = 59: out of range; write seconds from 60 to 86400";
		"E lync_bridge_wire.watch_rate = 1.5: not a whole number; write a whole number from 0 to 100000";
		'E lync_bridge_wire.watch_rates = 1: unknown key; did you mean "watch_rate"?';
	} };
	{ "a header with a line of its own", { lync_bridge_wire = { verification_header = "X: %s\r\nRoute: y" } }, {
		'E lync_bridge_wire.verification_header = "X: %s\\x0D\\nRoute: y": not a header line; write "Name: value" with '
			.. 'one %s, or false';
	} };
	{ "a header with two places", { lync_bridge_wire = { verification_header = "X: %s%s" } }, {
		'E lync_bridge_wire.verification_header = "X: %s%s": not a header line; write "Name: value" with one %s, or false';
	} };
	{ "wire that is no table", { lync_bridge_wire = 5 }, {
		"E lync_bridge_wire = 5: not a table; write { session_idle = 900 }";
	} };
	{ "an option that is none", { lync_partner = {}, lync_whatever_this_may_be = 1 }, {
		'E lync_partner = {}: unknown key; did you mean "lync_partners"?';
		"E lync_whatever_this_may_be = 1: unknown key; known are lync_access_edge, lync_access_edge_address, "
			.. "lync_access_policies, lync_bridge_certificate, lync_bridge_fqdn, lync_bridge_listen, lync_bridge_memory, "
			.. "lync_bridge_rate, lync_bridge_sandbox, lync_bridge_wire, lync_gateway_settings, lync_partners, "
			.. "lync_policy_grants, lync_sites, prosody_modules, "
			.. "s2s_allow_encryption, s2s_insecure_domains, s2s_require_encryption, s2s_secure_auth, s2s_secure_domains";
	} };
	-- the gateway's numbers
	{ "gateway numbers", { lync_gateway_settings = {
		connection_limit = 0, partner_connection_limit = 2.5, keep_alive_interval = "300",
		stream_establishment_timeout = 3601, subscription_refresh_interval = 59,
		contact_authorization_days = 3651, partner_subscription_limit = 0, partner_recipient_limit = "many",
		enable_logging_all_message_bodies = 1,
		StreamInactivityTimeout = 600,
	} }, {
		"E lync_gateway_settings.StreamInactivityTimeout = 600: unknown key; did you mean \"stream_inactivity_timeout\"?";
		"E lync_gateway_settings.connection_limit = 0: out of range; write a whole number from 1 to 100000";
		"E lync_gateway_settings.contact_authorization_days = 3651: out of range; write a whole number from 1 to 3650";
		"E lync_gateway_settings.enable_logging_all_message_bodies = 1: not a boolean; write true or false";
		'E lync_gateway_settings.keep_alive_interval = "300": not a number; write a whole number from 1 to 86400';
		"E lync_gateway_settings.partner_connection_limit = 2.5: not a whole number; write a whole number from 1 to 100000";
		'E lync_gateway_settings.partner_recipient_limit = "many": not a number; write a whole number from 1 to 100000';
		"E lync_gateway_settings.partner_subscription_limit = 0: out of range; write a whole number from 1 to 100000";
		"E lync_gateway_settings.stream_establishment_timeout = 3601: out of range; write a whole number from 1 to 3600";
		"E lync_gateway_settings.subscription_refresh_interval = 59: out of range; write a whole number from 60 to 604800";
	} };
	{ "a partner limit above the limit of all", { lync_gateway_settings = { connection_limit = 10 } }, {
		"W lync_gateway_settings.partner_connection_limit: 20 is more than connection_limit, 10, lets all partners "
			.. "together have";
	} };
	{ "gateway settings as a list", { lync_gateway_settings = { 1000 } }, {
		"E lync_gateway_settings[1] = 1000: unknown key; known are connection_limit, partner_connection_limit, "
			.. "keep_alive_interval, stream_establishment_timeout, stream_inactivity_timeout, "
			.. "subscription_refresh_interval, contact_authorization_days, partner_subscription_limit, "
			.. "partner_recipient_limit, enable_logging_all_message_bodies, dialback_passphrase";
	} };
	{ "a passphrase that is too short, which is not shown", { lync_gateway_settings = { dialback_passphrase = "s3cr3t7" } }, {
		"E lync_gateway_settings.dialback_passphrase: too short; write 8 to 1024 bytes";
	} };
	{ "a passphrase that is too long", { lync_gateway_settings = { dialback_passphrase = ("s3cr3t"):rep(171) } }, {
		"E lync_gateway_settings.dialback_passphrase: too long; write 8 to 1024 bytes";
	} };
	{ "a passphrase that is a number", { lync_gateway_settings = { dialback_passphrase = 12345678 } }, {
		"E lync_gateway_settings.dialback_passphrase: not a string; write it in quotes";
	} };
	{ "a passphrase in the wrong table, which is not shown", partner { dialback_passphrase = "s3cr3tf0r3v3r" }, {
		"E " .. P .. ".dialback_passphrase: unknown key; known are partner_type, description, additional_domains, "
			.. "tls_negotiation, sasl_negotiation, support_dialback_negotiation, enable_keep_alive, connection_limit, proxy_fqdn";
	} };
	{ "one stream for each partner", { lync_gateway_settings = { partner_connection_limit = 1 } }, {
		"W lync_gateway_settings.partner_connection_limit: one stream is not enough for both directions; write 2 or more";
	} };
	-- partners
	{ "no partner", { lync_partners = {} }, { "W lync_partners: empty: nobody is allowed; " .. FORM } };
	{ "partners that are no table", { lync_partners = "fabrikam.com" }, {
		'E lync_partners = "fabrikam.com": not a table; ' .. FORM;
	} };
	{ "partners as a list", { lync_partners = { "fabrikam.com" } }, {
		'E lync_partners[1] = "fabrikam.com": not a domain with its settings; ' .. FORM;
	} };
	{ "a partner that is no table", { lync_partners = { ["fabrikam.com"] = "federated" } }, {
		"E " .. P .. ' = "federated": not a table; write { partner_type = "federated" }';
	} };
	{ "a wildcard", { lync_partners = { ["*.fabrikam.com"] = ONE } }, {
		'E lync_partners["*.fabrikam.com"]: not a domain name; there are no wildcards: name each domain';
	} };
	{ "a partner that is no domain", { lync_partners = { ["fabrikam_com"] = ONE, ["a@b.com"] = ONE } }, {
		'E lync_partners.fabrikam_com: not a domain name; write it as in "fabrikam.com"';
		'E lync_partners["a@b.com"]: not a domain name; write it as in "fabrikam.com"';
	} };
	{ "ourselves as partner", { lync_partners = { ["Contoso.com"] = ONE } }, {
		'E lync_partners["Contoso.com"]: this host\'s own domain is no partner; remove it';
	} };
	{ "ourselves as additional domain", partner { additional_domains = { "contoso.com." } }, {
		"E " .. P .. '.additional_domains[1] = "contoso.com.": this host\'s own domain is no partner; remove it';
	} };
	{ "no partner type", partner { partner_type = "(none)" }, {
		"E " .. P .. '.partner_type: missing; write "federated", "public_verified" or "public_unverified"';
	} };
	{ "a partner type of Lync's spelling", partner { partner_type = "PublicVerified" }, {
		"E " .. P .. '.partner_type = "PublicVerified": not a valid value; write "federated", "public_verified" or '
			.. '"public_unverified"';
	} };
	{ "a word that is none", partner { tls_negotiation = "require" }, {
		"E " .. P .. '.tls_negotiation = "require": not a valid value; write "required", "optional" or "not_supported"';
	} };
	{ "a word that is a boolean", partner { sasl_negotiation = true }, {
		"E " .. P .. '.sasl_negotiation = true: not a string; write "required", "optional" or "not_supported"';
	} };
	{ "a boolean that is a string", partner { enable_keep_alive = "false" }, {
		"E " .. P .. '.enable_keep_alive = "false": not a boolean; write true or false';
	} };
	{ "an unknown key of a partner", partner { tls_negotation = "required" }, {
		"E " .. P .. '.tls_negotation = "required": unknown key; did you mean "tls_negotiation"?';
	} };
	{ "a key of Lync's spelling", partner { ProxyFqdn = "a.b" }, {
		"E " .. P .. '.ProxyFqdn = "a.b": unknown key; did you mean "proxy_fqdn"?';
	} };
	{ "a key that is not a string", partner { [true] = 5 }, {
		"E " .. P .. ".boolean = 5: unknown key; known are partner_type, description, additional_domains, "
			.. "tls_negotiation, sasl_negotiation, support_dialback_negotiation, enable_keep_alive, connection_limit, "
			.. "proxy_fqdn";
	} };
	{ "a connection limit of zero", partner { connection_limit = 0 }, {
		"E " .. P .. ".connection_limit = 0: out of range; write a whole number from 1 to 100000";
	} };
	{ "a connection limit of one", partner { connection_limit = 1 }, {
		"W " .. P .. ".connection_limit: one stream is not enough for both directions; write 2 or more";
	} };
	{ "a proxy with a bad name", partner { proxy_fqdn = "-x.fabrikam.com" }, {
		"E " .. P .. '.proxy_fqdn = "-x.fabrikam.com": not a host name; write a full name or an address, '
			.. 'with a port if it is not 5269, '
			.. 'as in "xmpp.fabrikam.com:5269"';
	} };
	{ "a description of two lines", partner { description = "a\nb" }, {
		"E " .. P .. '.description = "a\\nb": has control characters or is not UTF-8; write one line of UTF-8';
	} };
	{ "a description that is not UTF-8", partner { description = "a\xff" }, {
		"E " .. P .. '.description = "a\\xFF": has control characters or is not UTF-8; write one line of UTF-8';
	} };
	{ "a long description", partner { description = ("x"):rep(1025) }, {
		"E " .. P .. '.description = "' .. ("x"):rep(109) .. '...": too long; write at most 1024 bytes';
	} };
	{ "a function", partner { description = print }, {
		"E " .. P .. ".description = function: not a string; write text in quotes";
	} };
	{ "additional domains that are no list", partner { additional_domains = "na.fabrikam.com" }, {
		"E " .. P .. '.additional_domains = "na.fabrikam.com": not a list; write { "na.fabrikam.com" }';
	} };
	{ "additional domains with a hole", partner { additional_domains = { [1] = "a.com", [3] = "b.com" } }, {
		"E " .. P .. '.additional_domains = {...}: not a list; write { "na.fabrikam.com" }';
	} };
	{ "bad additional domains", partner { additional_domains = { "a..b", 5, "ok.com", "x.ok.com" } }, {
		"E " .. P .. '.additional_domains[1] = "a..b": not a domain name; write it as in "fabrikam.com"';
		"E " .. P .. ".additional_domains[2] = 5: not a string; write a domain in quotes";
	} };
	{ "more than nine in their order", partner { additional_domains = { "a.a", "b.b", "c.c", "d.d", "e.e", "f.f", "g.g",
		"h.h", 9, 10, 11 } }, {
		"E " .. P .. ".additional_domains[9] = 9: not a string; write a domain in quotes";
		"E " .. P .. ".additional_domains[10] = 10: not a string; write a domain in quotes";
		"E " .. P .. ".additional_domains[11] = 11: not a string; write a domain in quotes";
	} };
	{ "a domain named twice by one partner", partner { additional_domains = { "Fabrikam.COM", "a.com", "a.com" } }, {
		"W " .. P .. '.additional_domains[1] = "Fabrikam.COM": already named; name it once';
		"W " .. P .. '.additional_domains[3] = "a.com": already named; name it once';
	} };
	{ "a primary domain that another partner claims", { lync_partners = {
		["a.com"] = { partner_type = "federated", support_dialback_negotiation = false, additional_domains = { "b.com" } };
		["b.com"] = ONE;
	} }, { 'E lync_partners["a.com"].additional_domains[1] = "b.com": claimed by partner "b.com" too; name it once' } };
	{ "an additional domain of two partners", { lync_partners = {
		["a.com"] = { partner_type = "federated", support_dialback_negotiation = false, additional_domains = { "x.com" } };
		["b.com"] = { partner_type = "federated", support_dialback_negotiation = false, additional_domains = { "X.com" } };
	} }, {
		'E lync_partners["a.com"]: "x.com" is claimed by partner "b.com" too; name it once';
		'E lync_partners["b.com"].additional_domains[1] = "X.com": claimed by partner "a.com" too; name it once';
	} };
	{ "one domain in two spellings", { lync_partners = { ["bücher.de"] = ONE, ["xn--bcher-kva.de"] = ONE } }, {
		'E lync_partners["xn--bcher-kva.de"]: the same domain in another spelling; name it once';
	} };
	-- the matrix
	{ "row 1", partner { support_dialback_negotiation = true }, {
		"W " .. P .. ": TLS required, SASL required, dialback true: Dialback will not operate if both SASL and TLS are "
			.. "required; support_dialback_negotiation = false means the same";
	} };
	{ "row 4", partner { tls_negotiation = "optional" }, {
		"W " .. P .. ": TLS optional, SASL required, dialback false: " .. RED
			.. '; tls_negotiation = "required" avoids this';
	} };
	{ "row 5", partner { tls_negotiation = "not_supported", support_dialback_negotiation = true }, {
		"W " .. P .. ": TLS not_supported, SASL required, dialback true: " .. RED
			.. '; write sasl_negotiation = "not_supported", or tls_negotiation = "required"';
	} };
	{ "row 6", partner { tls_negotiation = "not_supported" }, {
		"E " .. P .. ": not a valid configuration (TLS not_supported, SASL required, dialback false): Because SASL requires "
			.. "TLS, and TLS is not available, SASL/TLS cannot succeed. TCP Dialback is set to false, and cannot be used; "
			.. 'write tls_negotiation = "required", or support_dialback_negotiation = true';
	} };
	{ "row 12", partner { tls_negotiation = "not_supported", sasl_negotiation = "optional" }, {
		"E " .. P .. ": not a valid configuration (TLS not_supported, SASL optional, dialback false): " .. RED
			.. '; write tls_negotiation = "required", or support_dialback_negotiation = true';
	} };
	{ "row 14", partner { sasl_negotiation = "not_supported" }, {
		"E " .. P .. ": not a valid configuration (TLS required, SASL not_supported, dialback false): SASL or Dialback must "
			.. 'be enabled; write sasl_negotiation = "required" with TLS, or support_dialback_negotiation = true';
	} };
	{ "no warning about what was misspelt", partner { tls_negotiation = "optionl", sasl_negotiation = "optional" }, {
		"E " .. P .. '.tls_negotiation = "optionl": not a valid value; write "required", "optional" or "not_supported"';
	} };
	-- who may use XMPP
	{ "no global policy", { lync_access_policies = { Sales = { enable_xmpp_access = true } } }, {
		"W lync_access_policies.global: missing: whom no other policy names may not use XMPP; write it if that is not meant";
	} };
	{ "policies of the wrong shape", { lync_access_policies = { "x", global = true, [""] = {}, Sales = { enable = true },
		Help = { enable_xmpp_access = "yes" } } }, {
		'E lync_access_policies.Help.enable_xmpp_access = "yes": not a boolean; write true or false';
		"E lync_access_policies.Sales.enable = true: unknown key; did you mean \"enable_xmpp_access\"?";
		"E lync_access_policies.global = true: not a table; write { enable_xmpp_access = true }";
		'E lync_access_policies[""]: not a policy\'s name; write global, "site:NAME" or the name of a user policy';
		"E lync_access_policies[1] = \"x\": not a policy with its name; write { global = { enable_xmpp_access = true } }";
	} };
	{ "sites without policies", { lync_sites = { ["site:Redmond"] = { "redmond.contoso.com" } } }, {
		'E lync_sites["site:Redmond"]: no such policy in lync_access_policies; add it to lync_access_policies';
	} };
	{ "sites of the wrong shape", {
		lync_access_policies = { global = {}, ["site:Redmond"] = {}, ["site:Oslo"] = {}, Sales = {} };
		lync_sites = { ["site:redmont"] = { "a.com" }, Sales = { "b.com" }, ["site:Oslo"] = { "x@y@z", "a@b/c", 5, "o.com" },
			["site:Redmond"] = { "o.com" }, [1] = "site:Redmond" };
	}, {
		'E lync_sites.Sales: not a site policy; write "site:NAME"';
		'E lync_sites["site:Oslo"][1] = "x@y@z": not a user or domain; write "bob@contoso.com" or "redmond.contoso.com"';
		'E lync_sites["site:Oslo"][2] = "a@b/c": not a user or domain; write "bob@contoso.com" or "redmond.contoso.com"';
		'E lync_sites["site:Oslo"][3] = 5: not a user or domain; write "bob@contoso.com" or "redmond.contoso.com"';
		'E lync_sites["site:Redmond"][1] = "o.com": already belongs to "site:Oslo"; name it once';
		'E lync_sites["site:redmont"]: no such policy in lync_access_policies; did you mean "site:Redmond"?';
		'E lync_sites[1] = "site:Redmond": not a site with its members; write { ["site:Redmond"] = { "redmond.contoso.com" } }';
	} };
	{ "a site whose members are no list", { lync_access_policies = { global = {}, ["site:Oslo"] = {} },
		lync_sites = { ["site:Oslo"] = "oslo.contoso.com" } }, {
		'E lync_sites["site:Oslo"] = "oslo.contoso.com": not a list; write { "redmond.contoso.com" }';
	} };
	{ "grants of the wrong shape", {
		lync_access_policies = { global = {}, ["site:Oslo"] = {}, Sales = {} };
		lync_policy_grants = { ["carol@contoso.com"] = "sales", ["dan@contoso.com"] = "global", ["erin@contoso.com"] = "site:Oslo",
			["contoso.com"] = "Sales", ["fay@contoso.com"] = true, "Sales" };
	}, {
		'E lync_policy_grants["carol@contoso.com"] = "sales": no such policy in lync_access_policies; did you mean "Sales"?';
		'E lync_policy_grants["contoso.com"] = "Sales": not a user; write { ["carol@contoso.com"] = "SalesAccessPolicy" }';
		'E lync_policy_grants["dan@contoso.com"] = "global": not a user policy; name one that is not global or "site:NAME"';
		'E lync_policy_grants["erin@contoso.com"] = "site:Oslo": not a user policy; name one that is not global or "site:NAME"';
		"E lync_policy_grants[\"fay@contoso.com\"] = true: not a string; write a policy's name in quotes";
		'E lync_policy_grants[1] = "Sales": not a user; write { ["carol@contoso.com"] = "SalesAccessPolicy" }';
	} };
	{ "one user in two spellings", { lync_access_policies = { global = {}, Sales = {}, Help = {} },
		lync_policy_grants = { ["Carol@contoso.com"] = "Sales", ["sip:carol@contoso.com"] = "Help" } }, {
		'E lync_policy_grants["sip:carol@contoso.com"] = "Help": already belongs to "Sales"; name it once';
	} };
	{ "several partners, each with its own", { lync_partners = {
		["a.com"] = { partner_type = 1, support_dialback_negotiation = false };
		["b.com"] = ONE;
		["c.com"] = { partner_type = "federated", support_dialback_negotiation = 0 };
	} }, {
		'E lync_partners["a.com"].partner_type = 1: not a string; write "federated", "public_verified" or "public_unverified"';
		'E lync_partners["c.com"].support_dialback_negotiation = 0: not a boolean; write true or false';
	} };
}
