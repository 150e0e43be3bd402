-- Falling back: the next method on a new stream, what waits goes along. Both forms of Prosody's queue.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local st = require "util.stanza";
local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";
local MEMORY = support.lib("outbound").MEMORY;

local D = "fabrikam.com";
local TLS_ONLY = { tls_negotiation = "required"; sasl_negotiation = "optional" };
local CLEAR_TOO = { sasl_negotiation = "not_supported" };

-- How a stream ends at a stage: what has happened on it before.
local stages = {
	connect = false;
	open = {};
	tls = { secure = false };
	secure = { secure = true };
	sasl = { secure = true; external_auth = "attempting" };
	dialback = { secure = true; dialback_key = "key" };
	["clear dialback"] = { dialback_key = "key" };
	refused = { secure = true; dialback_key = "key"; lync_key_refused = true };
};

for _, form in ipairs { "list", "queue" } do
	describe("falling back ("..form..")", function ()
		local h, world, s2s;
		before_each(function ()
			local running, _, around = support.running();
			h, world = running, around;
			s2s = sessions.s2s(h, form);
		end);

		-- The newest stream ends at a stage.
		local function ends(stage, reason)
			local s = s2s.last();
			if stages[stage] then
				s2s.opened(s, stages[stage]);
			end
			s2s.fails(s, reason or "closed");
		end

		local function ways()
			return table.concat(s2s.ways, " ");
		end

		local function log_line(pattern)
			local found = 0;
			for _, line in ipairs(world.logs) do
				if line:find(pattern) then found = found + 1; end
			end
			return found;
		end

		it("takes one method after the other, and what waits along, in order", function ()
			s2s.send(D, "m1");
			s2s.send(D, "m2");
			ends("sasl", "not-authorized (no such certificate)");
			assert.same({ "m1", "m2" }, s2s.waiting(s2s.last()));
			s2s.send(D, "m3");
			ends("dialback", "policy-violation (no)");
			s2s.send(D, "m4");
			assert.equal("sasl-tls tls-dialback tcp-dialback", ways());
			assert.same({ "m1", "m2", "m3", "m4" }, s2s.waiting(s2s.last()));
			assert.equal(s2s.last(), h.outgoing[D]);
			assert.same({ 3, false }, { s2s.last().lync_tried, s2s.last().ssl_ctx });
			assert.same({}, s2s.bounced);
			assert.equal(1, log_line('^info fell back: next method %(remote="fabrikam.com" from=sasl%-tls to=tls%-dialback stage=sasl%)'));
			assert.equal(1, log_line("from=tls%-dialback to=tcp%-dialback stage=dialback%)"));
			assert.same({ "out fabrikam.com", "out fabrikam.com" }, h.metrics.failures);
		end);

		for _, case in ipairs {
			{ "connect", nil }; { "open", nil }; { "tls", "tcp-dialback" }; { "secure", "tls-dialback" };
			{ "sasl", "tls-dialback" }; { "dialback", "tcp-dialback" }; { "clear dialback", nil }; { "refused", nil };
		} do
			it(("at %s: %s"):format(case[1], case[2] or "bounce"), function ()
				s2s.send(D, "m1");
				ends(case[1]);
				assert.equal(case[2] and "sasl-tls "..case[2] or "sasl-tls", ways());
				assert.same(case[2] and {} or { "m1 remote-server-not-found" }, s2s.bounced);
			end);
		end

		it("never goes to clear text where TLS is required", function ()
			h.settings.of_partner = { [D] = TLS_ONLY };
			for _, stage in ipairs { "tls", "secure", "sasl", "dialback" } do
				s2s.send(D, stage);
				ends(stage);
				if s2s.last() == h.outgoing[D] then
					ends("dialback");
				end
			end
			assert.is_nil(ways():find("tcp", 1, true));
			assert.equal(4, #s2s.bounced);
		end);

		it("does not go on for what is no matter of the method", function ()
			for _, condition in ipairs { "host-unknown", "host-gone", "system-shutdown", "resource-constraint", "see-other-host",
				"internal-server-error", "connection-timeout", "reset" } do
				s2s.send(D, condition);
				ends("sasl", condition.." (some text)");
				assert.is_nil(h.outgoing[D]);
			end
			assert.is_nil(ways():find("dialback", 1, true));
			assert.equal(8, #s2s.bounced);
		end);

		it("has no other method for a name that is not in the DNS", function ()
			s2s.fails_at_once = "unable to resolve service";
			s2s.send(D, "m1");
			assert.equal("sasl-tls", ways());
			assert.same({ "m1 remote-server-not-found" }, s2s.bounced);
			assert.is_nil(next(h.outbound.ways()));
		end);

		it("bounces in order when the further stream fails at once", function ()
			s2s.send(D, "m1");
			s2s.send(D, "m2");
			s2s.fails_at_once = "unable to resolve service";
			ends("sasl");
			assert.same({ "m1 remote-server-not-found", "m2 remote-server-not-found" }, s2s.bounced);
			assert.is_nil(h.outgoing[D]);
		end);

		it("bounces what waits, with the reason, when nothing is left", function ()
			h.settings.of_partner = { [D] = CLEAR_TOO };
			s2s.send(D, "m1");
			ends("dialback");
			s2s.send(D, "m2");
			ends("clear dialback");
			assert.equal("tls-dialback tcp-dialback", ways());
			assert.same({ "m1 remote-server-not-found", "m2 remote-server-not-found" }, s2s.bounced);
		end);

		it("hands on the reason of our own refusal, and counts it once", function ()
			h.settings.of_partner = { [D] = TLS_ONLY };
			s2s.send(D, "m1");
			local s = s2s.opened(s2s.last());
			assert.is_nil((h.gate.ask(s, { phase = "legacy" })));
			h.gate.close(s, "version-too-old", "too old");
			assert.same({ "m1 policy-violation" }, s2s.bounced);
			assert.same({ "out fabrikam.com" }, h.metrics.failures);
		end);

		it("makes no stream for nothing", function ()
			s2s.send(D, "m1");
			s2s.last().sendq = nil;
			ends("sasl");
			assert.equal(1, #s2s.made);
		end);

		it("leaves a stream that was authenticated to Prosody", function ()
			s2s.send(D, "m1");
			s2s.last().type = "s2sout"; -- its queue is still to be sent: with EXTERNAL until the next features
			ends("sasl");
			assert.equal(1, #s2s.made);
			assert.same({ "m1 remote-server-not-found" }, s2s.bounced);
		end);

		describe("is too late", function ()
			-- The sender has been told: nothing may be delivered after that. But the next message takes the next way.
			local function next_one(way)
				assert.equal(1, #s2s.made);
				assert.same({ "m1 remote-server-timeout" }, s2s.bounced);
				s2s.send(D, "m2");
				assert.equal(way, s2s.last().lync_way);
			end

			for stage, way in pairs { sasl = "tls-dialback"; tls = "tcp-dialback"; open = "sasl-tls" } do
				it("after the establishment timeout, at "..stage, function ()
					s2s.send(D, "m1");
					s2s.opened(s2s.last(), stages[stage]);
					h.upkeep.start();
					world.clock.advance(66);
					next_one(way);
				end);

				it("for what waits for the bridge's answer, at "..stage, function ()
					s2s.send(D, "m1");
					local context = support.lib("context").new({ host = h.host }, { pool = world.pool; errors = h.errors;
						prosody = { hosts = { [h.host] = { s2sout = h.outgoing } } } });
					s2s.opened(s2s.last(), stages[stage]);
					context.bounce_stream(D);
					next_one(way);
				end);
			end
		end);

		it("tries the best again when clear text is remembered and the other side insists on TLS", function ()
			s2s.send(D, "m1");
			ends("tls");
			s2s.established(s2s.last());
			ends("clear dialback");
			s2s.send(D, "m2");
			local s = s2s.opened(s2s.last());
			local insists = st.stanza("features"):tag("starttls", { xmlns = xmlns_tls }):tag("required"):up():up();
			assert.is_true(h.outbound.features { origin = s; stanza = insists });
			assert.same({ "policy-violation" }, s.closed);
			assert.equal("sasl-tls", s2s.last().lync_way);
			assert.same({ "m2" }, s2s.waiting(s2s.last()));
		end);

		it("makes no stream at the end of the server", function ()
			s2s.send(D, "m1");
			s2s.stopping = true;
			s2s.opened(s2s.last(), stages.sasl);
			s2s.last():close({ condition = "system-shutdown", text = "Received SIGTERM" });
			assert.equal(1, #s2s.made);
			assert.same({ "m1 remote-server-not-found" }, s2s.bounced);
			assert.is_nil(h.outgoing[D]);
		end);

		describe("memory", function ()
			-- sasl-tls has failed, tls-dialback does
			local function remember_tls()
				s2s.send(D, "m1");
				ends("sasl");
				s2s.established(s2s.last());
				ends("dialback");
			end

			it("begins with what worked, for ten minutes", function ()
				remember_tls();
				world.clock.advance(MEMORY - 1);
				s2s.send(D, "m2");
				assert.equal("tls-dialback", s2s.last().lync_way);
				assert.is_true(s2s.last().lync_remembered);
				s2s.established(s2s.last());
				ends("dialback");
				world.clock.advance(1);
				s2s.send(D, "m3");
				assert.equal("sasl-tls", s2s.last().lync_way);
				assert.is_false(s2s.last().lync_remembered);
			end);

			it("is of one domain", function ()
				remember_tls();
				s2s.send("na.fabrikam.com", "m2");
				assert.equal("sasl-tls", s2s.last().lync_way);
			end);

			it("ends with other settings, not with the same ones read again", function ()
				remember_tls();
				h.settings.of_partner = { [D] = { description = "another word" } };
				s2s.send(D, "m2");
				assert.equal("tls-dialback", s2s.last().lync_way);
				s2s.established(s2s.last());
				ends("dialback");
				h.settings.of_partner = { [D] = TLS_ONLY };
				s2s.send(D, "m3");
				assert.equal("sasl-tls", s2s.last().lync_way);
			end);

			it("outlives a reload of the module", function ()
				remember_tls();
				assert.equal("tls-dialback", h.state.ways[D].method);
				support.lib("outbound").new(h, support.lib("bounce")).created { session = sessions.outgoing() };
				assert.equal("tls-dialback", h.outbound.ways()[D].method);
			end);

			it("that fails is forgotten, and the best is tried at once", function ()
				remember_tls();
				s2s.send(D, "m2");
				ends("dialback", "not-authorized");
				assert.equal("sasl-tls tls-dialback tls-dialback sasl-tls", ways());
				assert.same({ "m2" }, s2s.waiting(s2s.last()));
				assert.is_nil(h.outbound.ways()[D]);
				assert.equal(1, log_line("fell back: to the first method again"));
			end);

			it("of clear text that fails is forgotten, too", function ()
				s2s.send(D, "m1");
				ends("tls");
				s2s.established(s2s.last());
				ends("clear dialback");
				s2s.send(D, "m2");
				assert.equal("tcp-dialback", s2s.last().lync_way);
				ends("clear dialback", "policy-violation (TLS, please)");
				assert.equal("sasl-tls", s2s.last().lync_way);
				assert.same({ "m2" }, s2s.waiting(s2s.last()));
			end);

			it("has nothing to do with a partner that is down", function ()
				remember_tls();
				for _, case in ipairs { { "connect", "connection refused" }, { "secure", "system-shutdown (bye)" },
					{ "dialback", "host-unknown" }, { "refused", "dialback authentication failed" } } do
					s2s.send(D, "m2");
					assert.is_true(s2s.last().lync_remembered);
					ends(case[1], case[2]);
				end
				assert.equal("sasl-tls tls-dialback"..(" tls-dialback"):rep(4), ways());
				assert.equal(4, #s2s.bounced);
				assert.equal("tls-dialback", h.outbound.ways()[D].method);
			end);

			it("is of nothing that did not come about", function ()
				s2s.send(D, "m1");
				ends("sasl");
				ends("connect", "connection refused");
				assert.is_nil(h.outbound.ways()[D]);
			end);
		end);

		it("makes four streams at most for the same stanzas", function ()
			s2s.send(D, "m1");
			ends("tls");
			s2s.established(s2s.last());
			ends("clear dialback");
			s2s.send(D, "m2"); -- tcp-dialback, remembered
			ends("clear dialback"); -- sasl-tls again
			ends("sasl"); -- tls-dialback
			ends("dialback"); -- tcp-dialback
			assert.equal("sasl-tls tcp-dialback tcp-dialback sasl-tls tls-dialback tcp-dialback", ways());
			ends("clear dialback");
			assert.equal(6, #s2s.made);
			assert.equal("m2 remote-server-not-found", s2s.bounced[#s2s.bounced]);
			-- whatever the core says
			h.settings.next_method = function () return "tls-dialback"; end;
			s2s.send(D, "m3");
			for _ = 1, 4 do
				ends("sasl");
			end
			assert.equal(10, #s2s.made);
			assert.equal("m3 remote-server-not-found", s2s.bounced[#s2s.bounced]);
		end);

		describe("new settings", function ()
			it("that leave nothing of the partner bounce what waits", function ()
				s2s.send(D, "m1");
				s2s.opened(s2s.last(), stages.sasl);
				h.settings.list = {};
				h.gate.recheck(h.connections, h.outgoing);
				assert.same({ "m1 not-allowed" }, s2s.bounced);
				assert.equal(1, #s2s.made);
			end);

			it("that take the way of a stream that is being made give its queue to the best that is left", function ()
				s2s.send(D, "m1");
				s2s.opened(s2s.last(), stages.sasl);
				h.settings.of_partner = { [D] = { tls_negotiation = "not_supported"; sasl_negotiation = "not_supported" } };
				h.gate.recheck(h.connections, h.outgoing);
				assert.equal("sasl-tls tcp-dialback", ways());
				assert.same({ "m1" }, s2s.waiting(s2s.last()));
			end);

			it("that disable the partner while a connection is made bounce what waits at its end", function ()
				s2s.send(D, "m1");
				h.settings.list = {};
				h.gate.recheck(h.connections, h.outgoing); -- mod_s2s cannot close what is not connected
				ends("connect", "connection refused");
				assert.equal(1, #s2s.made);
				assert.equal(1, #s2s.bounced);
			end);
		end);
	end);
end
