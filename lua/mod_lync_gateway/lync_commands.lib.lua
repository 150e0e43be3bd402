-- The PowerShell script for the Lync side, with the DNS records in a comment of it.
-- SPDX-License-Identifier: MIT
--
-- lync_commands.render(facts) -> text. It depends on the facts alone and has a fixed order, so that two runs can be
-- compared. facts: { host, fqdn, edge, addresses = { IP }, partners = { settings:partner() with domains = all of its
-- domains }, policies = nil or { name = may }, grants = { user = policy } }.

local idna_to_ascii = require "util.encodings".idna.to_ascii;
local text = module:require "import_text";

local lync_commands = {};

-- ---- words of PowerShell and of a zone file

-- Control characters, and what may count as the end of a line
local function one_line(s)
	return (s:gsub("%c", " "):gsub("\u{2028}", " "):gsub("\u{2029}", " "):gsub("\xC2[\x80-\x9F]", " "));
end

-- Within single quotes PowerShell takes the typographic ones for quotes, too; each is doubled.
function lync_commands.quote(s)
	s = one_line(s):gsub("'", "''");
	for _, quote in ipairs { "\u{2018}", "\u{2019}", "\u{201A}", "\u{201B}" } do
		s = s:gsub(quote, quote..quote);
	end
	return "'"..s.."'";
end

-- Within a comment of several lines #> would end it.
local function in_comment(s)
	return (one_line(text.printable(s, 256)):gsub("#>", "# >"));
end

local function ascii(domain)
	return idna_to_ascii(domain) or domain;
end

local quote = lync_commands.quote;

-- ---- parts of the script; facts: see above

local function sorted(map)
	local keys = {};
	for key in pairs(map) do
		keys[#keys+1] = key;
	end
	table.sort(keys);
	return keys;
end

local function comment(add, s)
	for line in s:gmatch("[^\n]+") do
		add("%s", line);
	end
end

local function part_head(add, facts)
	add("# For the Lync side of %s; made by prosodyctl mod_lync_gateway lync-commands.", in_comment(facts.host));
	comment(add, [[
# Run in the Lync Server (Skype for Business Server) Management Shell, as a member of
# RTCUniversalServerAdmins or of the role CsAdministrator. Changes take a while to reach the Access Edge.]]);
end

local function part_edge(add)
	add("");
	comment(add, [[
# 1. The Access Edge takes part in federation (off by default): for Lync the gateway is a SIP
#    federation partner. EnablePartnerDiscovery is not needed for it and may stay off. The Access Edge has
#    to trust the CA of the gateway's certificate, and fetches its revocation lists unless
#    KeepCrlsUpToDateForPeers is off.
Set-CsAccessEdgeConfiguration -AllowFederatedUsers $true]]);
end

local function part_domains(add, facts)
	add("");
	comment(add, [[
# 2. The partners' domains are allowed domains with the gateway as their Access Edge. Without
#    -ProxyFqdn Lync would look for a SIP server in the partner's own DNS.
#    New- fails where the domain is allowed or blocked already: then say Set-CsAllowedDomain with the
#    same parameters, or Remove-CsBlockedDomain first.]]);
	if #facts.partners == 0 then
		add("#    There is no partner yet: lync_partners is empty.");
	end
	for _, partner in ipairs(facts.partners) do
		if partner.disabled then
			add("#    %s is left out, it is disabled: %s", in_comment(partner.domain), in_comment(partner.disabled));
		else
			for _, domain in ipairs(partner.domains) do
				add("New-CsAllowedDomain -Identity %s -ProxyFqdn %s -Comment %s", quote(ascii(domain)), quote(facts.fqdn),
					quote("XMPP: "..(partner.description or partner.domain)));
			end
		end
	end
	comment(add, [[
#    Skype for Business Server 2015 and later: the verification level has to be UseSourceVerification,
#    the default, since the gateway tells with each message whether the sender is verified (partner
#    type). AlwaysVerifiable would let contacts of public_unverified partners pass for verified.
# Get-CsAllowedDomain | Format-List Identity, ProxyFqdn, VerificationLevel]]);
end

local function part_policy(add, name, may)
	if not may then
		add("#    %s: no XMPP. The gateway refuses these users; nothing to do here.", in_comment(name));
		return;
	end
	add("Set-CsExternalAccessPolicy -Identity %s -EnableFederationAccess $true", quote(name));
	if name ~= "global" then
		add("#    where there is no policy of this name yet, instead:");
		add("# New-CsExternalAccessPolicy -Identity %s -EnableFederationAccess $true", quote(name));
	end
end

local function part_policies(add, facts)
	add("");
	comment(add, [[
# 3. Lync users who may use XMPP need EnableFederationAccess. It lets them reach all allowed domains,
#    SIP partners too; who of them may use XMPP is decided by the gateway (lync_access_policies).
#    EnableXmppAccess is about Microsoft's own XMPP gateway and is left as it is.]]);
	if not facts.policies then
		add("#    lync_access_policies is absent: every Lync user may. A site's or user's own policy wins over global.");
		add("Set-CsExternalAccessPolicy -Identity global -EnableFederationAccess $true");
		return;
	end
	for _, name in ipairs(sorted(facts.policies)) do
		part_policy(add, name, facts.policies[name]);
	end
	for _, user in ipairs(sorted(facts.grants)) do
		if facts.policies[facts.grants[user]] then
			add("Grant-CsExternalAccessPolicy -Identity %s -PolicyName %s", quote("sip:"..user:gsub("^[sS][iI][pP]:", "")),
				quote(facts.grants[user]));
		end
	end
end

local function part_old_gateway(add, facts)
	add("");
	comment(add, [[
# 4. Microsoft's XMPP gateway, if there is one (Lync Server 2013, Skype for Business Server 2015): its
#    partners are removed at the switch. Which way Lync goes for a domain that is in both lists is not
#    documented. These are comments so that nothing happens too early:
# Get-CsXmppAllowedPartner | Export-Clixml xmpp-partners.xml]]);
	for _, partner in ipairs(facts.partners) do
		add("# Remove-CsXmppAllowedPartner -Identity %s", quote(ascii(partner.domain)));
	end
end

-- Is name a host directly in the domain? Only such a target does Lync follow for _sipfederationtls._tcp.
local function is_child(name, domain)
	local first, rest = name:match("^([^.]+)%.(.+)$");
	return first ~= nil and rest == domain;
end

-- Domains of partners for which a SIP record would do
local function discoverable(facts)
	local domains = {};
	for _, partner in ipairs(facts.partners) do
		for _, domain in ipairs(partner.disabled and {} or partner.domains) do
			if is_child(facts.fqdn, ascii(domain)) then
				domains[#domains+1] = ascii(domain);
			end
		end
	end
	return domains;
end

local function part_sip_records(add, facts)
	local domains = discoverable(facts);
	if #domains == 0 then
		comment(add, [[
; Not needed: _sipfederationtls._tcp for the partners' domains. Lync finds the gateway by -ProxyFqdn;
; of the DNS it would accept only a target that lies directly in the partner's domain.]]);
	else
		comment(add, [[
; The gateway's name lies directly in these domains, so that Lync finds it by the DNS as well, where the
; domain is allowed without -ProxyFqdn:]]);
	end
	for _, domain in ipairs(domains) do
		add("_sipfederationtls._tcp.%s. 3600 IN SRV 0 0 5061 %s.", domain, facts.fqdn);
	end
	add("; Stays as it is: _sipfederationtls._tcp.%s, the Access Edge (%s) for SIP partners.", ascii(facts.host),
		facts.edge);
end

local function part_dns(add, facts)
	local host = ascii(facts.host);
	add("");
	comment(add, [[
# 5. DNS records, in the syntax of a zone file, for whoever runs the DNS. Outside and, for the Access
#    Edge, wherever it resolves names.
<#]]);
	add("; Partners find the XMPP service of %s by this record. It takes the place of the old gateway's;", host);
	add("; lower that one's TTL (to 300, say) and let the old TTL pass before the switch.");
	add("_xmpp-server._tcp.%s. 3600 IN SRV 0 0 5269 %s.", host, facts.fqdn);
	add("; Partners reach this server on TCP 5269, the Access Edge on TCP 5061, both by this name.");
	for _, address in ipairs(facts.addresses) do
		add("%s. 3600 IN %s %s", facts.fqdn, address:find(":", 1, true) and "AAAA" or "A", address);
	end
	if #facts.addresses == 0 then
		add("; (lync_bridge_listen names no address: put in this server's)");
		add("; %s. 3600 IN A ADDRESS", facts.fqdn);
	end
	part_sip_records(add, facts);
	add("#>");
end

local spelling = { federated = "Federated"; public_verified = "PublicVerified"; public_unverified = "PublicUnverified";
	required = "Required"; optional = "Optional"; not_supported = "NotSupported"; [true] = "$true"; [false] = "$false" };

-- New-CsXmppAllowedPartner with the parameters of a partner
local function new_partner(partner)
	local words = { "New-CsXmppAllowedPartner -Identity "..quote(ascii(partner.domain)) };
	local function say(parameter, value)
		words[#words+1] = ("-%s %s"):format(parameter, value);
	end
	say("PartnerType", spelling[partner.partner_type]);
	say("TlsNegotiation", spelling[partner.tls_negotiation]);
	say("SaslNegotiation", spelling[partner.sasl_negotiation]);
	say("SupportDialbackNegotiation", spelling[partner.support_dialback_negotiation]);
	say("EnableKeepAlive", spelling[partner.enable_keep_alive]);
	local more = {};
	for i = 2, #partner.domains do
		more[i-1] = quote(ascii(partner.domains[i]));
	end
	if #more > 0 then
		say("AdditionalDomains", table.concat(more, ","));
	end
	if partner.proxy_fqdn then
		say("ProxyFqdn", quote(ascii(partner.proxy_fqdn:gsub(":%d+$", ""))));
	end
	if partner.description then
		say("Description", quote(partner.description));
	end
	return table.concat(words, " ");
end

local function part_back(add, facts)
	add("");
	comment(add, [[
# 6. The way back to Microsoft's XMPP gateway, for the case; comments, too. The DNS record goes back as well.]]);
	for _, partner in ipairs(facts.partners) do
		for _, domain in ipairs(partner.disabled and {} or partner.domains) do
			add("# Remove-CsAllowedDomain -Identity %s", quote(ascii(domain)));
		end
		if not partner.disabled then
			add("# %s", new_partner(partner));
		end
	end
end

-- facts -> text
function lync_commands.render(facts)
	local lines = {};
	local function add(format, ...)
		lines[#lines+1] = format:format(...);
	end
	part_head(add, facts);
	part_edge(add);
	part_domains(add, facts);
	part_policies(add, facts);
	part_old_gateway(add, facts);
	part_dns(add, facts);
	part_back(add, facts);
	return table.concat(lines, "\n");
end

return lync_commands;
