-- A stream that only a partner's settings let pass is for the gateway's hosts alone.
-- SPDX-License-Identifier: MIT
--
-- Prosody asks once for each stream and domain, not for each of its hosts: what is let in for one host could speak to
-- all. Where Prosody's own options, which hold for the other hosts, would not have taken the stream, what is for them
-- ends it.

local jid_host = require "util.jid".host;
local add_filter = require "util.filters".add_filter;

local confine = {};

-- The options as mod_s2s reads them: from the global section, once.
function confine.rules(module)
	return {
		require_encryption = module:get_option_boolean("s2s_require_encryption", true);
		secure_auth = module:get_option_boolean("s2s_secure_auth", false);
		secure = module:get_option_set("s2s_secure_domains", {});
		insecure = module:get_option_set("s2s_insecure_domains", {});
	};
end

-- Would they take a stream of this domain?
function confine.taken(rules, domain, secure, has_identity)
	local strict = rules.secure:contains(domain) or rules.secure_auth and not rules.insecure:contains(domain);
	if not secure then
		return not rules.require_encryption and not strict;
	end
	return has_identity or not strict;
end

-- h: gate, is_gateway, is_local, tls_version; certificates: the library
function confine.new(h, certificates, rules)
	local this = {};

	local function stay(stanza, session)
		local host = stanza.attr.to and jid_host(stanza.attr.to);
		if not host or not h.is_local(host) or h.is_gateway(host) then
			return stanza;
		end
		h.gate.refuse(session, "stanza", "other-host");
		return nil;
	end

	-- A stream is (about to be) ours; domain: for which it has been let pass.
	function this.check(session, domain)
		local secure = session.secure == true and h.tls_version(session) ~= nil;
		local has_identity = secure and certificates.of(session, domain) == "valid";
		if not confine.taken(rules, domain, secure, has_identity) and not session.lync_confined then
			session.lync_confined = true;
			add_filter(session, "stanzas/in", stay);
		end
	end

	return this;
end

return confine;
