return {
	["contoso.com"] = {
		lync_partners = {
			["other.example"] = { partner_type = "federated"; connection_limit = 5 };
			-- kept by hand
			["gmail.com"] = { partner_type = "public_unverified"; tls_negotiation = "not_supported";
				sasl_negotiation = "optional"; description = "stays"; additional_domains = { "googlemail.com" } };
		};
		lync_access_policies = {
			global = { enable_xmpp_access = true };
			["site:Redmond"] = { enable_xmpp_access = true };
		};
	};
}
