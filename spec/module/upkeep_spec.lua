-- Streams that stand, on a clock that is moved by hand.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local st = require "util.stanza";

local PREFIX = "lync-alive-";

describe("upkeep", function ()
	local h, upkeep, world, clock;
	before_each(function ()
		local running, _, around = support.running();
		h, upkeep, world, clock = running, running.upkeep, around, around.clock;
		upkeep.start();
	end);

	local function add(session)
		h.connections[session.conn] = session;
		if session.direction == "outgoing" then
			h.outgoing[session.to_host] = session;
		end
		return session;
	end

	-- A stream that is not authenticated yet.
	local function young(attr)
		return add(sessions.new { type = "s2sin_unauthed"; from_host = attr and attr.from_host or "fabrikam.com" });
	end

	local function authenticated(session)
		assert.is_nil(h.gate.authenticated { session = session; host = h.gate.remote_of(session); mechanism = "dialback" });
		session.type = session.direction == "outgoing" and "s2sout" or "s2sin";
		return add(session);
	end
	local function theirs(from_host)
		return authenticated(sessions.new { type = "s2sin_unauthed"; from_host = from_host or "fabrikam.com" });
	end
	local function ours()
		return authenticated(sessions.outgoing());
	end

	local function bytes(session)
		assert.equal("x", session.filter("bytes/in", "x"));
	end

	-- What was sent on a stream, in words.
	local function sent(session)
		local words = {};
		for i, data in ipairs(session.sent) do
			words[i] = data == " " and "space" or data:get_child("ping", "urn:xmpp:ping") and "ping" or tostring(data);
		end
		return words;
	end

	local function answer(session, attr)
		local ping = session.sent[#session.sent];
		local stanza = st.iq({ type = "result"; id = ping.attr.id; from = ping.attr.to; to = ping.attr.from });
		for key, value in pairs(attr or {}) do
			stanza.attr[key] = value;
		end
		return upkeep.answered(stanza);
	end

	local function log_lines(pattern)
		local found = {};
		for _, line in ipairs(world.logs) do
			if line:find(pattern) then found[#found+1] = line; end
		end
		return found;
	end

	describe("of streams that are being made", function ()
		it("ends those that are not authenticated in time", function ()
			local s = young();
			h.inbound.features { origin = s; features = st.stanza("stream:features") };
			clock.advance(59);
			assert.same({}, s.closed);
			clock.advance(7);
			assert.same({ "connection-timeout" }, s.closed);
			assert.same({ 'warn closed stream: the stream was not established in time (token=establishment-timeout '
				.. 'remote="fabrikam.com" direction=in)' }, log_lines("closed stream"));
			assert.same({ "in fabrikam.com" }, h.metrics.failures);
		end);

		it("ends those of who never says his name, and of strangers", function ()
			local nameless, stranger = young(), young { from_host = "evil.com" };
			nameless.from_host = nil;
			clock.advance(72); -- seen first at the first look
			assert.same({ { "connection-timeout" }, { "connection-timeout" } }, { nameless.closed, stranger.closed });
			assert.same(2, #log_lines('remote="'));
		end);

		it("takes its time from the settings", function ()
			h.settings.of_gateway = { stream_establishment_timeout = 2 };
			upkeep.start();
			local s = young();
			clock.advance(1.9);
			assert.same({}, s.closed);
			clock.advance(0.6);
			assert.same({ "connection-timeout" }, s.closed);
		end);

		it("gives up on what waits for one that is not connected, again and again", function ()
			local s = sessions.outgoing();
			s.conn, s.close = nil, nil;
			s.bounce_sendq = function () end;
			h.outgoing["fabrikam.com"] = s;
			h.outbound.created { session = s };
			clock.advance(59);
			assert.same({}, h.bounced);
			clock.advance(7);
			assert.same({ "fabrikam.com" }, h.bounced);
			clock.advance(30);
			assert.equal(1, #h.bounced); -- what has come in between waits as long
			clock.advance(36);
			assert.same({ "fabrikam.com", "fabrikam.com" }, h.bounced);
			assert.is_nil(s.lync_refused); -- it may still come to something
		end);

		it("ends those of ours that are connected, what waits is bounced", function ()
			local s = add(sessions.outgoing());
			s.bounce_sendq = function () end;
			h.outbound.created { session = s };
			clock.advance(66);
			assert.same({ "connection-timeout" }, s.closed);
			assert.same({ "wait remote-server-timeout" }, s.bounces);
			assert.same({}, h.bounced);
		end);

		it("leaves authenticated ones alone", function ()
			local s = theirs();
			clock.advance(66);
			assert.same({}, s.closed);
		end);
	end);

	describe("of idle streams", function ()
		before_each(function ()
			h.settings.of_partner = { ["fabrikam.com"] = { enable_keep_alive = false } };
		end);

		it("ends them without an error", function ()
			local s, o = theirs(), ours();
			clock.advance(599);
			assert.same({ {}, {} }, { s.closed, o.closed });
			clock.advance(7);
			assert.same({ { "none" }, { "none" } }, { s.closed, o.closed });
			assert.is_nil(s.destroyed); -- what is under way comes in
			assert.same({}, h.metrics.failures);
			assert.equal(2, #log_lines("^info closed stream: .*token=inactive"));
			clock.advance(60);
			assert.same({ "none" }, s.closed); -- once
		end);

		it("keeps those with stanzas, in or out", function ()
			local s, o = theirs(), ours();
			clock.advance(590);
			assert.is_nil(h.gate.stanza { origin = s; stanza = support.message { body = "x" } });
			assert.is_nil(h.outbound.route { to_host = "fabrikam.com"; stanza = st.message() });
			clock.advance(590);
			assert.same({ {}, {} }, { s.closed, o.closed });
			clock.advance(16);
			assert.same({ { "none" }, { "none" } }, { s.closed, o.closed });
		end);

		it("does not take bytes, or answers to our own pings, for stanzas", function ()
			local s = theirs();
			clock.advance(590);
			bytes(s);
			local pong = st.iq({ type = "result"; id = PREFIX.."1"; from = "fabrikam.com"; to = "contoso.com" });
			assert.is_nil(h.gate.stanza { origin = s; stanza = pong });
			clock.advance(16);
			assert.same({ "none" }, s.closed);
		end);

		it("touches no other stream to the same domain", function ()
			theirs();
			clock.advance(590);
			local s = sessions.outgoing();
			s.bounce_sendq = function () end;
			h.outbound.created { session = add(s) };
			clock.advance(16);
			assert.same({}, s.closed);
			assert.same({}, h.bounced);
		end);

		it("takes its time from the settings, and a changed one at the next look", function ()
			h.settings.of_gateway = { stream_inactivity_timeout = 5 };
			upkeep.start();
			local s = theirs();
			clock.advance(4.4);
			assert.same({}, s.closed);
			clock.advance(1.2);
			assert.same({ "none" }, s.closed);
		end);
	end);

	describe("of silent streams", function ()
		it("asks once in a silence: a ping on ours, white space on theirs", function ()
			local s, o = theirs(), ours();
			clock.advance(149);
			assert.same({ {}, {} }, { sent(s), sent(o) });
			clock.advance(7);
			assert.same({ { "space" }, { "ping" } }, { sent(s), sent(o) });
			local ping = o.sent[1];
			assert.same({ "get", "contoso.com", "fabrikam.com" }, { ping.attr.type, ping.attr.from, ping.attr.to });
			assert.equal(PREFIX, ping.attr.id:sub(1, #PREFIX));
			clock.advance(140);
			assert.same({ { "space" }, { "ping" } }, { sent(s), sent(o) });
			assert.same({ {}, {} }, { s.closed, o.closed });
		end);

		it("ends them when nothing is heard at all", function ()
			local s, o = theirs(), ours();
			clock.advance(307);
			assert.same({ { "none" }, { "none" } }, { s.closed, o.closed });
			assert.equal(1, #log_lines("^warn closed stream: .*token=keep%-alive%-timeout"));
			assert.equal(1, #log_lines("^info closed stream: .*token=keep%-alive%-timeout")); -- theirs may be well
			assert.same({ "out fabrikam.com" }, h.metrics.failures);
		end);

		it("takes any bytes for a sign of life, and asks again in the next silence", function ()
			h.settings.of_gateway = { stream_inactivity_timeout = 86400 };
			local s, o = theirs(), ours();
			for _ = 1, 10 do
				clock.advance(156);
				bytes(s);
				bytes(o);
			end
			assert.same({ {}, {} }, { s.closed, o.closed });
			assert.same({ 10, 10 }, { #s.sent, #o.sent });
		end);

		it("takes the answer to the ping for one, on whatever stream it comes", function ()
			h.settings.of_gateway = { stream_inactivity_timeout = 86400 };
			local o = ours();
			for round = 1, 10 do
				clock.advance(156);
				assert.equal(round, #o.sent);
				clock.advance(0.01); -- the answer is quick: in the same second
				assert.is_true(answer(o, { type = round % 2 == 0 and "error" or "result" }));
			end
			assert.same({}, o.closed);
		end);

		it("takes nothing else for one", function ()
			local o = ours();
			clock.advance(156);
			assert.is_false(answer(o, { from = "na.fabrikam.com" }));
			assert.is_false(answer(o, { from = "fabrikam.com/x" }));
			assert.is_false(answer(o, { id = PREFIX.."other" }));
			assert.is_false(answer(o, { type = "get" }));
			assert.is_false(upkeep.answered(st.stanza("iq", { type = "result"; from = "fabrikam.com" })));
			assert.is_false(upkeep.answered(support.message { type = "error"; id = o.sent[1].attr.id; from = "fabrikam.com" }));
			assert.is_true(answer(o));
			assert.is_false(answer(o)); -- once
			clock.advance(156);
			o.destroyed = true;
			assert.is_false(answer(o));
		end);

		it("neither asks nor ends them where keep-alive is off", function ()
			h.settings.of_partner = { ["fabrikam.com"] = { enable_keep_alive = false } };
			local s, o = theirs(), ours();
			clock.advance(500);
			assert.same({ {}, {}, {}, {} }, { s.closed, o.closed, s.sent, o.sent });
		end);

		it("forgets streams that are gone", function ()
			ours();
			clock.advance(156);
			assert.is_truthy(next(upkeep.asked));
			h.connections, h.outgoing = {}, {};
			collectgarbage();
			collectgarbage();
			assert.is_nil(next(upkeep.asked));
		end);
	end);

	describe("of certificates", function ()
		local valid_until;
		before_each(function ()
			valid_until = 5000;
			world.today = 4990;
		end);

		local function with_certificate(method)
			local s = theirs();
			s.lync_cert = { validat = function (_, time) return time <= valid_until; end };
			s.lync_authed["contoso.com"]["fabrikam.com"] = method;
			return s;
		end

		it("ends the streams that they authenticated when they run out", function ()
			local s = with_certificate("sasl-tls");
			clock.advance(6);
			assert.same({}, s.closed);
			world.today = 5001;
			clock.advance(6);
			assert.same({ "reset" }, s.closed); -- a new one is made, with a new certificate
			assert.equal(1, #log_lines("^warn closed stream: .*token=certificate%-lapsed"));
		end);

		it("ends no stream that dialback has authenticated", function ()
			local s = with_certificate("tls-dialback");
			world.today = 5001;
			clock.advance(12);
			assert.same({}, s.closed);
		end);
	end);

	describe("leaves alone", function ()
		it("the streams of other hosts", function ()
			local theirs_young = add(sessions.new { type = "s2sin_unauthed"; host = "localhost"; to_host = "localhost" });
			local their_own = add(sessions.new { type = "s2sin"; host = "localhost"; from_host = "fabrikam.com" });
			local out = sessions.outgoing { type = "s2sout"; host = "localhost"; from_host = "localhost" };
			h.connections[out.conn] = out;
			clock.advance(1000);
			for _, s in ipairs { theirs_young, their_own, out } do
				assert.same({ {}, {} }, { s.closed, s.sent });
			end
		end);

		it("what Prosody has authenticated and we have not", function ()
			local s = add(sessions.new { type = "s2sin"; from_host = "fabrikam.com" });
			clock.advance(1000);
			assert.same({ {}, {} }, { s.closed, s.sent });
		end);

		it("what has been closed already, and what is gone", function ()
			local s, gone = theirs(), theirs();
			h.gate.close(s, "inactive", "because");
			gone:close("x");
			clock.advance(1000);
			assert.same({ { "none" }, { "x" } }, { s.closed, gone.closed });
		end);

		it("the streams of who is a partner no more: that is recheck's", function ()
			local s = theirs();
			h.settings.list = {};
			clock.advance(1000);
			assert.same({}, s.closed);
		end);
	end);

	describe("counts", function ()
		it("the authenticated streams of both directions, of all and of one partner", function ()
			h.settings.list["litware.com"] = "litware.com";
			theirs();
			local o = ours();
			theirs("litware.com");
			theirs("na.fabrikam.com");
			young();
			add(sessions.new { type = "s2sin"; from_host = "fabrikam.com"; lync_authed = { ["other.com"] = {} } });
			local function count(...) return { upkeep.count(...) }; end
			assert.same({ 4, 3 }, count("fabrikam.com"));
			assert.same({ 4, 3 }, count("NA.fabrikam.com"));
			assert.same({ 4, 1 }, count("litware.com"));
			assert.same({ 3, 2 }, count("fabrikam.com", o));
			assert.same({ 4, 0 }, count("evil.com"));
			assert.same({ 4, 0 }, count(nil));
		end);
	end);

	describe("looks", function ()
		local looks;
		before_each(function ()
			looks = 0;
			upkeep.look = function () looks = looks + 1; end;
		end);

		for _, case in ipairs {
			{ {}, 6 }; { { keep_alive_interval = 20 }, 2 }; { { stream_establishment_timeout = 1 }, 0.25 };
			{ { keep_alive_interval = 86400, stream_establishment_timeout = 3600, stream_inactivity_timeout = 86400 }, 10 };
		} do
			it(("every %s s"):format(case[2]), function ()
				h.settings.of_gateway = case[1];
				upkeep.start();
				clock.advance(10 * case[2] + 0.01);
				assert.equal(10, looks);
			end);
		end

		it("on when one look has failed", function ()
			upkeep.look = function ()
				looks = looks + 1;
				error("boom");
			end;
			assert.has_error(function () clock.advance(6); end, "boom");
			assert.has_error(function () clock.advance(6); end, "boom");
			assert.equal(2, looks);
		end);

		it("once at a time, and not after stop", function ()
			upkeep.start();
			upkeep.start();
			clock.advance(6);
			assert.equal(1, looks);
			upkeep.stop();
			upkeep.stop();
			clock.advance(100);
			assert.equal(1, looks);
		end);

		it("while there are no usable settings, too", function ()
			h.settings.usable = false;
			upkeep.start();
			clock.advance(6);
			assert.equal(1, looks);
		end);
	end);
end);
