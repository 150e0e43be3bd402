return {
	["contoso.com"] = {
		lync_partners = {
			["acme.example"] = { partner_type = "federated"; description = "stays"; connection_limit = 5 };
			["gmail.com"] = { partner_type = "public_unverified"; tls_negotiation = "not_supported";
				sasl_negotiation = "not_supported"; enable_keep_alive = false };
		};
		lync_access_policies = {
			global = { enable_xmpp_access = true };
			["site:Redmond"] = { enable_xmpp_access = true };
		};
	};
}
