-- Where each handler hangs in the life of a stream. Prosody's own stand beside it; ties have no order: there are none.
-- SPDX-License-Identifier: MIT

local clear_text = module:require "clear_text";
local dialback_key = module:require "dialback_key";
local guard_lib = module:require "guard";

local phases = {};

local CERTIFICATE = 0;    -- mod_s2s_auth_certs 509, mod_s2s -1
local CREATED = 10;       -- mod_tls 0
local FEATURES = 510;     -- of the other side: mod_tls 500
local AFTER_TLS = 450;    -- mod_s2s_bidi 200, mod_saslauth 150, mod_dialback 100
local SASL_FAILED = 300;  -- mod_saslauth 500, mod_dialback 100, mod_saslauth 90
local LEGACY = 300;       -- mod_tls 200, mod_dialback 100
local OFFERED = -1000;    -- all that offer something: 0

local tls, sasl = "stanza/urn:ietf:params:xml:ns:xmpp-tls:", "stanza/urn:ietf:params:xml:ns:xmpp-sasl:";
local dialback, features = "stanza/jabber:server:dialback:", "stanza/http://etherx.jabber.org/streams:features";

-- Events of the whole server; which host a stream belongs to is known to its session alone.
-- host_of(name) -> the host's context or nil
function phases.hook_global(module, host_of) -- luacheck: ignore 431/module
	module:hook_global("s2s-check-certificate", function (event)
		local h = host_of(event.session.host or "");
		if h then
			return h.gate.certificate(event);
		end
	end, CERTIFICATE);
	local guard = guard_lib.new(guard_lib.options(module));
	module:hook_global("s2s-created", guard.created);
	for _, name in ipairs { "s2sin-established", "s2sout-established" } do
		module:hook_global(name, clear_text.restore, clear_text.ESTABLISHED);
		module:hook_global(name, function (event)
			guard.established(event, host_of(event.session.host or "") ~= nil);
		end, guard_lib.LIMITS);
	end
end

local function hook_inbound(module, inbound, GATE) -- luacheck: ignore 431/module
	module:hook("s2s-stream-features", inbound.features, GATE);
	module:hook("s2s-stream-features", inbound.offered, OFFERED);
	module:hook(tls.."starttls", inbound.starttls, GATE);
	module:hook(sasl.."auth", inbound.auth, GATE);
	module:hook(dialback.."result", inbound.dialback_result, GATE);
	module:hook(dialback.."verify", inbound.dialback_verify, GATE);
end

local function hook_outbound(module, outbound, next_hop, GATE) -- luacheck: ignore 431/module
	module:hook("route/remote", outbound.route, GATE);
	module:hook("s2sout-created", outbound.created, CREATED);
	module:hook("s2sout-pre-connect", next_hop.pre_connect);
	module:hook(features, outbound.features, FEATURES);
	module:hook(features, outbound.features_after_tls, AFTER_TLS);
	module:hook("s2sout-authenticate-legacy", outbound.legacy, LEGACY);
	module:hook(tls.."failure", outbound.tls_failed, GATE);
	module:hook(sasl.."failure", outbound.sasl_failed, SASL_FAILED);
	module:hook(dialback.."result", outbound.dialback_answer, GATE);
end

-- Events of one host. dialback_module() -> mod_dialback's environment or nil
function phases.hook_host(module, h, dialback_module) -- luacheck: ignore 431/module
	local GATE = h.gate.priority;
	for _, scope in ipairs { "bare", "full", "host" } do
		for _, name in ipairs { "message", "presence", "iq" } do
			module:hook(name.."/"..scope, h.gate.stanza, GATE);
		end
	end
	hook_inbound(module, h.inbound, GATE);
	hook_outbound(module, h.outbound, h.next_hop, GATE); -- the next_hop that knows what is wanted
	module:hook("s2s-authenticated", h.gate.authenticated, GATE);
	module:hook("s2s-authenticated", h.clear_text.authenticated, clear_text.PRIORITY);
	module:wrap_event("s2s-authenticated", clear_text.around);
	function h.apply_secret()
		dialback_key.apply(h, dialback_module());
	end
	local function loaded(event)
		if event.module == "dialback" then
			h.apply_secret();
		end
	end
	module:hook("module-loaded", loaded);
	module:hook("module-reloaded", loaded);
	h.apply_secret();
end

return phases;
