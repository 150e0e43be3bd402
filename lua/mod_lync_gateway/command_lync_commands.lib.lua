-- prosodyctl mod_lync_gateway lync-commands
-- SPDX-License-Identifier: MIT
--
-- Prints a PowerShell script for the Lync side, with the DNS records in a comment of it. The text depends on the
-- configuration alone, in a fixed order, so that two runs can be compared.

local idna_to_ascii = require "util.encodings".idna.to_ascii;
local text = module:require "import_text";

local lync_commands = {};

lync_commands.usage = [[
  lync-commands [--host HOST]
                           the PowerShell that the Lync administrator has to
                           run for these partners, and the DNS records
]];

-- ---- words of PowerShell and of a zone file

-- Within single quotes PowerShell takes the typographic ones for quotes, too; each is doubled.
function lync_commands.quote(s)
	s = s:gsub("%c", " "):gsub("'", "''");
	for _, quote in ipairs { "\u{2018}", "\u{2019}", "\u{201A}", "\u{201B}" } do
		s = s:gsub(quote, quote..quote);
	end
	return "'"..s.."'";
end

-- Within a comment of several lines #> would end it.
local function in_comment(s)
	return (text.printable(s, 256):gsub("#>", "# >"));
end

local function ascii(domain)
	return idna_to_ascii(domain) or domain;
end

local quote = lync_commands.quote;

-- ---- parts of the script; facts: see lync_commands.facts

local function sorted(map)
	local keys = {};
	for key in pairs(map) do
		keys[#keys+1] = key;
	end
	table.sort(keys);
	return keys;
end

local function part_head(add, facts)
	add("# For the Lync side of %s; made by prosodyctl mod_lync_gateway lync-commands", in_comment(facts.host));
	add("# Run in the Lync Server (Skype for Business Server) Management Shell by a member of RTCUniversalServerAdmins or of the");
	add("# role CsAdministrator. Changes take a while to reach the Access Edge.");
end

local function part_edge(add)
	add("");
	add("# 1. The Access Edge takes part in federation: the gateway is a SIP federation partner, and the switch is off by default.");
	add("Set-CsAccessEdgeConfiguration -AllowFederatedUsers $true");
end

local function part_domains(add, facts)
	add("");
	add("# 2. Where the partners' domains are: allowed domains with the gateway as their Access Edge. Without -ProxyFqdn Lync");
	add("#    would look for the SIP server in the partner's own DNS, where there is none.");
	add("#    Where a domain is on the list already, New- fails: say Set-CsAllowedDomain with the same parameters. A domain on the");
	add("#    blocked list (Get-CsBlockedDomain) has to be taken off it first.");
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
	add("#    Skype for Business Server 2015 and later have a verification level for each domain. It has to be");
	add("#    UseSourceVerification, the default: the gateway says of each message whether its sender is verified (partner type).");
	add("#    AlwaysVerifiable would let contacts of public_unverified partners pass for verified ones.");
	add("# Get-CsAllowedDomain | Format-List Identity, ProxyFqdn, VerificationLevel");
end

local function part_policies(add, facts)
	add("");
	add("# 3. Lync users who may use XMPP need SIP federation on the Lync side. Whether they may use XMPP is decided by the gateway");
	add("#    (lync_access_policies); -EnableXmppAccess is about Microsoft's own XMPP gateway and is left as it is.");
	if not facts.policies then
		add("#    lync_access_policies is absent: every Lync user may. A site's or a user's own policy wins over global.");
		add("Set-CsExternalAccessPolicy -Identity global -EnableFederationAccess $true");
		return;
	end
	for _, name in ipairs(sorted(facts.policies)) do
		if not facts.policies[name] then
			add("#    %s: no XMPP, so nothing to do; the gateway refuses these users. EnableFederationAccess also rules SIP partners.",
				in_comment(name));
		else
			add("Set-CsExternalAccessPolicy -Identity %s -EnableFederationAccess $true", quote(name));
			if name ~= "global" then
				add("#    or, where there is none of this name yet:");
				add("# New-CsExternalAccessPolicy -Identity %s -EnableFederationAccess $true", quote(name));
			end
		end
	end
	for _, user in ipairs(sorted(facts.grants)) do
		if facts.policies[facts.grants[user]] then
			add("Grant-CsExternalAccessPolicy -Identity %s -PolicyName %s", quote("sip:"..user:gsub("^sip:", "")),
				quote(facts.grants[user]));
		end
	end
end

local function part_old_gateway(add, facts)
	add("");
	add("# 4. Microsoft's XMPP gateway (Lync Server 2013, Skype for Business Server 2015): on the day of the switch its partners are");
	add("#    removed. Which way Lync goes for a domain that is in both lists is not documented. Export them first, to have a way");
	add("#    back. Each line is a comment so that nothing happens too early:");
	add("# Get-CsXmppAllowedPartner | Export-Clixml xmpp-partners.xml");
	for _, partner in ipairs(facts.partners) do
		add("# Remove-CsXmppAllowedPartner -Identity %s", quote(ascii(partner.domain)));
	end
end

-- Is name a host directly in the domain? Only such a target does Lync follow for _sipfederationtls._tcp.
local function is_child(name, domain)
	local first, rest = name:match("^([^.]+)%.(.+)$");
	return first ~= nil and rest == domain;
end

local function part_sip_records(add, facts)
	add("; Lync finds the gateway by -ProxyFqdn, not by the DNS: partners need no _sipfederationtls._tcp record.");
	local any = false;
	for _, partner in ipairs(facts.partners) do
		for _, domain in ipairs(partner.disabled and {} or partner.domains) do
			domain = ascii(domain);
			if is_child(facts.fqdn, domain) then
				if not any then
					add("; %s lies directly in these domains. Lync would find it by this record, too, if the domain is allowed without",
						facts.fqdn);
					add("; -ProxyFqdn, or discovery is on:");
					any = true;
				end
				add("_sipfederationtls._tcp.%s. 3600 IN SRV 0 0 5061 %s.", domain, facts.fqdn);
			end
		end
	end
	add("; _sipfederationtls._tcp.%s stays with the Access Edge (%s): it is for SIP partners.", ascii(facts.host), facts.edge);
end

local function part_dns(add, facts)
	local host = ascii(facts.host);
	add("");
	add("# 5. DNS records, in the syntax of a zone file; for whoever runs the DNS.");
	add("<#");
	add("; Partners find the XMPP service of %s here. Before the switch lower the TTL of the record that is there (to 300, say) and", host);
	add("; wait for the old TTL to pass; at the switch this record takes the place of the one that names the old gateway.");
	add("_xmpp-server._tcp.%s. 3600 IN SRV 0 0 5269 %s.", host, facts.fqdn);
	add("; The Access Edge and the partners reach this server by its name: the Access Edge on TCP 5061, partners on TCP 5269.");
	for _, address in ipairs(facts.addresses) do
		add("%s. 3600 IN %s %s", facts.fqdn, address:find(":", 1, true) and "AAAA" or "A", address);
	end
	if #facts.addresses == 0 then
		add("; (put in this server's address: lync_bridge_listen does not name one)");
		add("; %s. 3600 IN A ADDRESS", facts.fqdn);
	end
	part_sip_records(add, facts);
	add("#>");
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
	return table.concat(lines, "\n");
end

-- ---- what the configuration gives

local function partners_of(settings)
	local partners = {};
	for _, primary in ipairs(settings:partners()) do
		local info = settings:partner(primary);
		local domains = { primary };
		local more = { table.unpack(info.additional_domains or {}) };
		table.sort(more);
		for _, domain in ipairs(more) do
			domains[#domains+1] = domain;
		end
		partners[#partners+1] = { domain = primary; domains = domains; description = info.description; disabled = info.disabled };
	end
	return partners;
end

-- Addresses of lync_bridge_listen that others may reach
local function addresses_of(listen)
	local addresses = {};
	for _, where in ipairs(listen or {}) do
		local address = where:match("^%[(.*)%]:%d+$") or where:match("^(.*):%d+$");
		if address and address ~= "*" and address ~= "::" and address ~= "0.0.0.0" and address ~= "::1"
			and not address:find("^127%.") then
			addresses[#addresses+1] = address;
		end
	end
	return addresses;
end

local function boolean_policies(raw)
	if type(raw) ~= "table" then
		return nil;
	end
	local policies = {};
	for name, policy in pairs(raw) do
		if type(name) == "string" and type(policy) == "table" then
			policies[name] = policy.enable_xmpp_access == true;
		end
	end
	return policies;
end

local function strings(raw)
	local result = {};
	for key, value in pairs(type(raw) == "table" and raw or {}) do
		if type(key) == "string" and type(value) == "string" then
			result[key] = value;
		end
	end
	return result;
end

-- Settings of the core, options of the host -> { host, fqdn, edge, addresses, partners, policies, grants }
function lync_commands.facts(host, settings, config)
	local bridge = settings:bridge();
	return { host = host; fqdn = ascii(bridge.fqdn); edge = bridge.access_edge; addresses = addresses_of(bridge.listen);
		partners = partners_of(settings); policies = boolean_policies(config.lync_access_policies);
		grants = strings(config.lync_policy_grants) };
end

-- args -> { host } or nil, what is wrong
local function parse(args)
	local parsed, i = {}, 1;
	while args[i] do
		if args[i] == "--host" and args[i+1] then
			parsed.host, i = args[i+1], i + 1;
		elseif args[i]:sub(1, 7) == "--host=" then
			parsed.host = args[i]:sub(8);
		elseif args[i]:sub(1, 1) == "-" or parsed.host then
			return nil, "Unexpected argument: "..args[i];
		else
			parsed.host = args[i];
		end
		i = i + 1;
	end
	return parsed;
end

-- command: the library `command`
function lync_commands.run(env, args, command)
	local parsed, wrong = parse(args);
	if not parsed then
		env.print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local hosts, missing = command.select(env, parsed.host);
	if not hosts then
		env.print("error: "..missing);
		return 1;
	end
	local status = 0;
	for i, host in ipairs(hosts) do
		local settings, problems = env.load(host);
		if i > 1 then
			env.print("");
		end
		if not settings.usable then
			env.print(("# error: the configuration of %s is not usable, see prosodyctl mod_lync_gateway check: %s"):format(host,
				in_comment(problems[1] and problems[1].text or "")));
			status = 1;
		else
			env.print(lync_commands.render(lync_commands.facts(host, settings, env.config[host])));
		end
	end
	return status;
end

return lync_commands;
