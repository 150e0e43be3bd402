-- Lync Gateway for Prosody: a sample that works once the names are changed.
-- Install as /etc/prosody/conf.d/lync-gateway.cfg.lua, owner root:prosody, mode 0640. Afterwards:
--   prosodyctl mod_lync_gateway check              looks over what stands here, certificates, DNS and the Access Edge
--   prosodyctl reload                              takes changes over without dropping anything
--
-- Names used here: contoso.com is your SIP domain (and, for XMPP partners, your XMPP domain), sip.contoso.com its
-- Access Edge, xmpp.contoso.com this server, fabrikam.com a partner.
--
-- In prosody.cfg.lua: "s2s", "tls", "dialback" and "saslauth" have to be in modules_enabled (Debian's file has them),
-- and Prosody wants at least one VirtualHost: VirtualHost "localhost" will do.

-- The SIP domain. Its users live in Lync: nobody logs in here, so a component is enough and answers for them alone.
-- VirtualHost "contoso.com" with modules_enabled = { "lync_gateway" } works as well.
Component "contoso.com" "lync_gateway"

	-- The Access Edge, as in its certificate. FQDN[:port]; port 5061 unless said.
	lync_access_edge = "sip.contoso.com"

	-- Connect to this address instead of what the DNS says; the certificate still has to carry the name above.
	-- lync_access_edge_address = "192.0.2.20"

	-- Our name on the SIP side. It has to be in our certificate's subjectAltName, and the Access Edge has to accept it
	-- as a federated partner's.
	lync_bridge_fqdn = "xmpp.contoso.com"

	-- Where the Access Edge connects to us.
	lync_bridge_listen = { "*:5061" }

	-- Unless given: Prosody's own certificate for lync_bridge_fqdn (… certificate import), and the system's CAs.
	-- lync_bridge_certificate = {
	-- 	certificate = "certs/xmpp.contoso.com.crt";
	-- 	key = "certs/xmpp.contoso.com.key";
	-- 	cafile = "/etc/ssl/certs/ca-certificates.crt";
	-- }

	-- The allow list, both ways: a domain that is not here is refused. What `prosodyctl mod_lync_gateway partner new …`
	-- adds lies in lync-partners.cfg.lua beside prosody.cfg.lua; a partner may be there or here, not in both.
	lync_partners = {
		["fabrikam.com"] = {
			-- Required. "federated": an organisation you trust; "public_verified": a public provider that vouches for its
			-- users; "public_unverified": one that does not: its users may only answer, and see, who has added them.
			partner_type = "federated";
			description = "Fabrikam, contract 4711";
			-- additional_domains = { "na.fabrikam.com" };
			-- The stream to the partner: TLS, and a certificate on either side. Lync's default for dialback is true,
			-- but where both are required it has nothing to do, and check says so.
			tls_negotiation = "required";                -- or "optional", "not_supported"
			sasl_negotiation = "required";               -- or "optional", "not_supported"
			support_dialback_negotiation = false;
			-- enable_keep_alive = true;
			-- connection_limit = 20;
			-- proxy_fqdn = "xmpp.fabrikam.com:5269";    -- unless the DNS says
		};
	}

	-- Which Lync users may use XMPP: absent means all. The closest scope wins: user, site, global.
	-- lync_access_policies = {
	-- 	global = { enable_xmpp_access = true };
	-- 	["site:Redmond"] = { enable_xmpp_access = false };
	-- 	SalesAccessPolicy = { enable_xmpp_access = true };
	-- }
	-- lync_sites = { ["site:Redmond"] = { "redmond.contoso.com", "bob@contoso.com" } }
	-- lync_policy_grants = { ["carol@contoso.com"] = "SalesAccessPolicy" }

	-- What Get-CsXmppGatewayConfiguration shows in Lync, and presence; these are the defaults.
	-- lync_gateway_settings = {
	-- 	connection_limit = 1000; partner_connection_limit = 20; keep_alive_interval = 300;
	-- 	stream_establishment_timeout = 60; stream_inactivity_timeout = 600;
	-- 	subscription_refresh_interval = 28800; contact_authorization_days = 30;
	-- 	partner_subscription_limit = 1000; partner_recipient_limit = 500;
	-- 	enable_logging_all_message_bodies = false;
	-- }
