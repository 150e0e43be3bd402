-- What to do about what `partner test` finds. Pure.
-- SPDX-License-Identifier: MIT

local words = {};

words.no_dns = "this server's resolver: /etc/resolv.conf, or `unbound` in the global section";
words.client_port = "this is a port for clients: the SRV record names the wrong port (5269 is usual)";
words.old_tls = "its administrator enables TLS 1.2 or later; Prosody here takes nothing older (tls_profile)";
words.sasl = "the certificate of this host: trusted by the partner, not expired, for client use, too, with the SIP "
	.."domain in its names; its administrator sees the reason in the log there";
words.directions = "what one side allows the other does not use; the lines above say which certificate or offer it is";

words.status = {
	expired = "expired"; ["not-yet"] = "not valid yet"; ["self-signed"] = "self-signed";
	untrusted = "its issuer is not trusted here"; ["wrong-name"] = "not for %s";
};

words.certificate = {
	missing = "its administrator gives the server a certificate";
	expired = "its administrator renews the certificate; is the clock of this server right?";
	["not-yet"] = "is the clock of this server right? else its administrator";
	["self-signed"] = "its administrator gets a certificate from a CA, or put this one into ssl = { cafile = … } of "
		.."this host";
	untrusted = "its administrator: is the whole chain sent? A private CA goes into ssl = { cafile = … } of this host; "
		.."ca-certificates up to date?";
	["wrong-name"] = "its administrator: the domain has to be in subjectAltName (dNSName, SRVName or xmppAddr); or DNS "
		.."leads to another server";
};

words.refused = {
	["not-a-partner"] = "`partner new`, if it is wanted";
	["partner-disabled"] = "`check` names the line";
	["no-settings"] = "`check` names the line";
	loop = "it is a domain of this gateway: a partner cannot be one";
	["tls-required"] = "its administrator enables TLS; or tls_negotiation = \"optional\" and dialback, if clear text is "
		.."acceptable";
	["tls-not-supported"] = "it insists on TLS and tls_negotiation is \"not_supported\": set it to \"optional\" or "
		.."\"required\"";
	["tls-failed"] = "it insists on TLS, which has failed: see above";
	["sasl-not-offered"] = "it does not offer EXTERNAL, often because it does not trust our certificate: its "
		.."administrator, and `certificate show`; or sasl_negotiation = \"optional\" with dialback";
	["sasl-failed"] = "the certificate of this host; or sasl_negotiation = \"optional\" with dialback";
	["sasl-required"] = "its certificate, see above; or sasl_negotiation = \"optional\" with dialback";
	["dialback-not-supported"] = "its certificate, see above; or support_dialback_negotiation = true with "
		.."sasl_negotiation = \"optional\"";
	["version-too-old"] = "its administrator updates the server; or settings that allow dialback in clear text";
	["certificate-missing"] = words.certificate.missing;
	["certificate-expired"] = words.certificate.expired;
	["certificate-not-yet-valid"] = words.certificate["not-yet"];
	["certificate-self-signed"] = words.certificate["self-signed"];
	["certificate-untrusted"] = words.certificate.untrusted;
	["certificate-wrong-name"] = words.certificate["wrong-name"];
};

function words.tcp(err)
	if err == "connection refused" then
		return "nothing listens there: is its server running, is the port in the SRV record right?";
	elseif err == "timeout" then
		return "a firewall on the way drops it (here: outgoing port 5269), or the address is wrong";
	end
	return "routing, firewall, IPv6 of this server";
end

local conditions = {
	["host-unknown"] = "this server does not have the domain: DNS leads to the wrong server, or it is not set up there";
	["host-gone"] = "this server has given up the domain: DNS leads to the wrong server";
	["invalid-namespace"] = words.client_port;
	["not-authorized"] = "it does not take this domain: its administrator has to allow it";
	["policy-violation"] = "it does not take this domain: its administrator has to allow it";
	["resource-constraint"] = "it is overloaded or limits connections";
	["system-shutdown"] = "it is going down: later";
};

function words.stream(err, condition)
	if conditions[condition or ""] then
		return conditions[condition];
	elseif err == "timeout" then
		return "it is overloaded, waits for DNS of its own, or is no XMPP server: the SRV record's port?";
	elseif (err or ""):find("not XMPP", 1, true) then
		return "the SRV record names the wrong port, or something in between answers";
	end
	return "its log; a firewall or a limit there; the SRV record's port";
end

function words.tls(err)
	if err == "timeout" then return "it is overloaded, or something in between stops TLS"; end
	return "its log and ours: protocol versions, ciphers, certificates";
end

return words;
