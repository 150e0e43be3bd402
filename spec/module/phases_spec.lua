-- Every handler on real event buses, beside stand-ins for Prosody's with their priorities.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local st = require "util.stanza";
local new_events = require "util.events".new;

local TLS, SASL = "stanza/urn:ietf:params:xml:ns:xmpp-tls:", "stanza/urn:ietf:params:xml:ns:xmpp-sasl:";
local DIALBACK, FEATURES = "stanza/jabber:server:dialback:", "stanza/http://etherx.jabber.org/streams:features";

-- Prosody 0.12 and 13.0: event -> handler's name -> priority
local prosodys = {
	["s2s-stream-features"] = { tls = 0; saslauth = 0; dialback = 0; bidi = 0 };
	[TLS.."starttls"] = { tls = 0 };
	[TLS.."failure"] = { tls = 0 };
	[SASL.."auth"] = { saslauth = 0 };
	[SASL.."failure"] = { saslauth = 500; dialback = 100; saslauth_end = 90 };
	[DIALBACK.."result"] = { dialback = 0 };
	[DIALBACK.."verify"] = { dialback = 0 };
	[FEATURES] = { tls = 500; bidi = 200; saslauth = 150; dialback = 100; s2s = -1 };
	["s2sout-created"] = { tls = 0 };
	["s2sout-authenticate-legacy"] = { tls = 200; dialback = 100 };
	["route/remote"] = { s2s = -1; s2s_new = -10 };
	["s2s-authenticated"] = { s2s = -1 };
	["s2s-check-certificate"] = { s2s_auth_certs = 509; s2s = -1 };
	["s2sin-established"] = { limits = 0; host_guard = 500 };
	["s2sout-established"] = { limits = 0 };
};

-- event -> who is called, in order; "+": several of Prosody's, in no order of their own
local orders = {
	["s2s-stream-features"] = "inbound.features + inbound.offered";
	[TLS.."starttls"] = "inbound.starttls tls";
	[TLS.."failure"] = "outbound.tls_failed tls";
	[SASL.."auth"] = "inbound.auth saslauth";
	[SASL.."failure"] = "saslauth outbound.sasl_failed dialback saslauth_end";
	[DIALBACK.."verify"] = "inbound.dialback_verify dialback";
	[FEATURES] = "outbound.features tls outbound.features_after_tls bidi saslauth dialback s2s";
	["s2sout-created"] = "outbound.created tls";
	["s2sout-authenticate-legacy"] = "outbound.legacy tls dialback";
	["route/remote"] = "outbound.route s2s s2s_new";
	["s2s-authenticated"] = "gate.authenticated clear_text.authenticated s2s";
};

describe("phases", function ()
	local h, world, bus, global, module, called, dialback;
	before_each(function ()
		local running, _, around = support.running();
		h, world = running, around;
		bus, global, called, dialback = new_events(), new_events(), {}, nil;
		module = { log = function () end };
		function module:require(name) return support.lib(name, self); end
		function module.get_option_number(_, _, default) return default; end
		function module.hook(_, name, handler, priority) bus.add_handler(name, handler, priority); end
		function module.hook_global(_, name, handler, priority) global.add_handler(name, handler, priority); end
		function module.wrap_event(_, name, wrapper) bus.add_wrapper(name, wrapper); end
	end);

	-- Parts of the host that only say that they were called.
	local function recorders()
		for part, functions in pairs { gate = "authenticated stanza certificate"; clear_text = "authenticated";
			inbound = "features offered starttls auth dialback_result dialback_verify";
			outbound = "route created features features_after_tls legacy tls_failed sasl_failed dialback_answer" } do
			for name in functions:gmatch("%S+") do
				h[part][name] = function () table.insert(called, part.."."..name); end;
			end
		end
	end

	local function hook()
		local phases = support.lib("phases", module);
		phases.hook_global(module, function (name) return world.pool.hosts[name]; end);
		phases.hook_host(module, h, function () return dialback; end);
	end

	local function add_prosodys(name)
		for who, priority in pairs(prosodys[name]) do
			bus.add_handler(name, function () table.insert(called, who); end, priority);
		end
	end

	for name, order in pairs(orders) do
		it("of "..name:match("[^:]*$"), function ()
			recorders();
			hook();
			add_prosodys(name);
			bus.fire_event(name, { session = {} });
			local first, last = order:match("^(%S+) %+ (%S+)$");
			if first then
				assert.same({ first, last }, { called[1], called[#called] });
			else
				assert.equal(order, table.concat(called, " "));
			end
		end);
	end

	it("of stanzas begin at the gate", function ()
		recorders();
		hook();
		for _, name in ipairs { "message/bare", "message/full", "message/host", "presence/bare", "presence/full", "presence/host",
			"iq/bare", "iq/full", "iq/host" } do
			called = {};
			bus.add_handler(name, function () table.insert(called, "ours"); end, 100);
			bus.fire_event(name, {});
			assert.same({ "gate.stanza", "ours" }, called);
		end
	end);

	it("of dialback keys: questions to inbound, answers to outbound, both before mod_dialback", function ()
		hook();
		add_prosodys(DIALBACK.."result");
		local stanza = st.stanza("db:result", { from = "evil.com"; to = "contoso.com" }):text("key");
		assert.is_true(bus.fire_event(DIALBACK.."result", { origin = sessions.new { type = "s2sin_unauthed" }; stanza = stanza }));
		assert.is_true(bus.fire_event(DIALBACK.."result", { origin = sessions.outgoing(); stanza = stanza }));
		assert.same({ "not-a-partner", "unsolicited-answer" }, h.metrics.refusals);
		assert.same({}, called);
	end);

	it("of a connection put the proxy in place", function ()
		dialback = nil;
		h.settings.of_partner = { ["fabrikam.com"] = { proxy_fqdn = "xmpp.fabrikam.com" } };
		local modules = { next_hop = h.next_hop };
		function module:require(name) return modules[name] or support.lib(name, self); end
		hook();
		local s = sessions.outgoing { bounce_sendq = function () end };
		bus.fire_event("s2sout-created", { session = s });
		local event = { session = s; resolver = "Prosody's" };
		bus.fire_event("s2sout-pre-connect", event);
		assert.equal("xmpp.fabrikam.com", event.resolver.hostname);
	end);

	it("of authentication end with the truth, even when a handler fails", function ()
		hook();
		bus.add_handler("s2s-authenticated", function () error("boom", 0); end, -1);
		local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" };
		assert.has_error(function ()
			bus.fire_event("s2s-authenticated", { session = s; host = "fabrikam.com"; mechanism = "dialback" });
		end, "boom");
		assert.is_nil(s.secure);
	end);

	it("have no two handlers of the same priority beside Prosody's", function ()
		hook();
		for _, events in ipairs { bus, global } do
			for name, handlers in pairs(events._event_map) do
				local taken = {};
				for _, priority in pairs(prosodys[name] or {}) do
					taken[priority] = true;
				end
				for _, priority in pairs(handlers) do
					assert.is_true(not taken[priority] or name == DIALBACK.."result", name.." "..tostring(priority));
					taken[priority] = true;
				end
			end
		end
	end);

	describe("of the whole server", function ()
		it("judge certificates on our hosts' streams alone, between Prosody's two", function ()
			recorders();
			hook();
			for who, priority in pairs(prosodys["s2s-check-certificate"]) do
				global.add_handler("s2s-check-certificate", function () table.insert(called, who); end, priority);
			end
			global.fire_event("s2s-check-certificate", { session = { host = "contoso.com" } });
			assert.same({ "s2s_auth_certs", "gate.certificate", "s2s" }, called);
			for _, host in ipairs { "localhost", "fabrikam.com", false } do
				called = {};
				global.fire_event("s2s-check-certificate", { session = { host = host or nil } });
				assert.same({ "s2s_auth_certs", "s2s" }, called);
			end
		end);

		it("tell the truth about clear text before anybody else sees the stream", function ()
			hook();
			for _, name in ipairs { "s2sin-established", "s2sout-established" } do
				local seen = {};
				global.add_handler(name, function (event) table.insert(seen, event.session.secure or false); end, 99999);
				local stream = { set_stanza_size_limit = function () end };
				global.fire_event(name, { session = { secure = true; lync_clear = true; stream = stream } });
				global.fire_event(name, { session = { secure = true; stream = stream } });
				assert.same({ false, true }, seen);
			end
		end);
	end);

	describe("of the dialback secret", function ()
		local function env()
			return { generate_dialback = function () return "its own"; end };
		end
		before_each(function ()
			h.settings.of_gateway = { dialback_passphrase = "s3cr3tf0rd14lb4ck" };
		end);

		it("apply it at once where mod_dialback is there", function ()
			dialback = env();
			hook();
			assert.not_equal("its own", dialback.generate_dialback("1", "a", "b"));
		end);

		it("apply it when mod_dialback is loaded, or loaded again", function ()
			hook();
			for _, name in ipairs { "module-loaded", "module-reloaded" } do
				dialback = env();
				bus.fire_event(name, { module = "ping" });
				assert.equal("its own", dialback.generate_dialback("1", "a", "b"));
				bus.fire_event(name, { module = "dialback" });
				assert.not_equal("its own", dialback.generate_dialback("1", "a", "b"));
			end
		end);

		it("apply it with new settings", function ()
			dialback = env();
			hook();
			h.settings.of_gateway = nil;
			h.apply_secret();
			assert.equal("its own", dialback.generate_dialback());
		end);
	end);
end);
