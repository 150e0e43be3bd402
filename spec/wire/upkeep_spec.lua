-- Streams that stand, and streams that come to nothing: kept alive, and ended when they are dead, idle, late, or past their
-- certificate; what is under way then is not lost.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local socket = require "socket";
local Streams = require "spec.support.streams";

local NORMAL = "keep_alive_interval = 300";
local LATE = 2; -- seconds that a look at the streams, and a busy machine, may take
local ALIVE, DEAD = { "ping.example", "error.example", "space.example", "off.example" }, { "mute.example", "deaf.example" };

describe("upkeep of streams", function ()
	local t;
	setup(function ()
		local partners = { ["off.example"] = { row = 9; more = "enable_keep_alive = false" };
			["nowhere.example"] = { row = 9; dns = "never" }; ["expires.example"] = 7; ["secure.example"] = 1 };
		for _, name in ipairs { "ping", "error", "space", "mute", "deaf", "idle", "slow-1", "slow-2", "slow-3", "slow-4", "slow-5",
			"closed-door" } do
			partners[name .. ".example"] = { row = 9; more = "enable_keep_alive = true" };
		end
		t = Streams.new { gateway_settings = NORMAL; partners = partners };
	end);
	teardown(function ()
		-- No connection is left over in mod_s2s, however its stream has ended: Prosody would wait for it.
		t.w.gateway:stop();
		assert.equal(0, t.w.gateway.process.status);
		t:stop();
	end);
	before_each(function () t:mark(); end);
	after_each(function () t:clear(); end);

	local function closed_as(token, domain, direction, seconds)
		return t:told("closed stream", token, domain, direction, seconds);
	end

	local function pings(server)
		local n = 0;
		for _, stanza in ipairs(server.stanzas) do
			if stanza.name == "iq" and stanza:child("ping", "urn:xmpp:ping") then n = n + 1; end
		end
		return n;
	end

	describe("keep-alive:", function ()
		local INTERVAL, ROUNDS, PINGS = 3, 2.5, 2; -- LATE is less than an interval

		-- A partner with a stream each way, and how it says that it lives: on_ping(peer, ping, server's session), noise(peer, session).
		local function partner(domain, on_ping, noise)
			local peer, server = t:stream(domain), t:server(domain);
			local entry = { domain = domain, peer = peer, server = server, session = t:reach(server), since = t.loop:now() };
			server.on_stanza = function (stanza)
				if on_ping and stanza.name == "iq" then on_ping(peer, stanza); end
			end
			if noise then
				local last = entry.since;
				entry.silence = 0; -- the longest: a machine that stands still makes it longer than is meant
				t.loop:every(INTERVAL / 12, function ()
					if entry.over then return false; end
					noise(peer, entry.session);
					entry.silence, last = math.max(entry.silence, t.loop:now() - last), t.loop:now();
				end);
			end
			return entry;
		end

		local function answer(kind)
			return function (peer, ping)
				assert(ping.attr.to == peer.from and ping.attr.from == "contoso.com" and ping.attr.type == "get");
				peer:send(("<iq type='%s' id='%s' from='%s' to='contoso.com'%s"):format(kind, ping.attr.id, peer.from, kind == "result"
					and "/>" or "><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"));
			end;
		end

		it("who answers stays, who is silent goes, without an error, and only after the whole interval", function ()
			t:settings("keep_alive_interval = " .. INTERVAL);
			local all = {
				["ping.example"] = partner("ping.example", answer("result"));
				["error.example"] = partner("error.example", answer("error"));
				["space.example"] = partner("space.example", nil, function (peer, session)
					peer:send(" ");
					session.conn:send(" ");
				end);
				["off.example"] = partner("off.example");
				["mute.example"] = partner("mute.example");
				["deaf.example"] = partner("deaf.example");
			};
			-- It reads no more, and knows of no end.
			local deaf = all["deaf.example"];
			finally(function ()
				deaf.peer.conn:close(true);
				deaf.session.conn:close(true);
			end);
			t.loop:on_readable(deaf.session.conn.sock, nil);
			t.loop:on_readable(deaf.peer.conn.sock, nil);
			for _, domain in ipairs(DEAD) do
				for _, direction in ipairs { "in", "out" } do closed_as("keep-alive-timeout", domain, direction, INTERVAL + LATE); end
				local age = t.loop:now() - all[domain].since;
				assert.is_true(age >= INTERVAL - 0.1 and age <= INTERVAL + LATE, tostring(age));
			end
			local mute = all["mute.example"];
			t:ended(mute.session);
			t.loop:wait(function () return mute.peer.stream_closed; end, 5, "the end of the silent partner's own stream");
			assert.is_nil(mute.session.error);
			assert.is_nil(mute.peer.stream_error);
			assert.equal(1, pings(mute.server));
			assert.is_truthy(mute.peer.bytes:find("> </stream:stream>$"), mute.peer.bytes:sub(-60)); -- asked by white space

			local until_when = all["ping.example"].since + ROUNDS * INTERVAL;
			t.loop:wait(function () return t.loop:now() >= until_when; end, 20, "some more intervals");
			for _, domain in ipairs(ALIVE) do
				local entry = all[domain];
				assert.is_nil(entry.session.closed, domain);
				assert.is_nil(entry.peer.stream_closed, domain);
				assert.equal(1, #entry.server.streams, domain);
				t:hear(entry.peer);
				assert.equal(entry.session, t:reach(entry.server));
				entry.over = true;
			end
			assert.is_true(pings(all["ping.example"].server) >= PINGS);
			assert.is_true(pings(all["error.example"].server) >= PINGS);
			local space = all["space.example"]; -- who makes noise is not asked
			assert.is_true(pings(space.server) == 0 or space.silence >= INTERVAL / 2 - 0.1, "asked after " .. space.silence .. " s");
			assert.equal(0, pings(all["off.example"].server));
			-- and the silent one gets what comes next
			t:reach(mute.server);
			assert.equal(2, #mute.server.streams);
		end);

		it("does not keep what is idle", function ()
			t:settings("keep_alive_interval = 3; stream_inactivity_timeout = 4");
			local entry = partner("ping.example", answer("result"));
			closed_as("inactive", "ping.example", "out", 4 + LATE);
			closed_as("inactive", "ping.example", "in", LATE);
			assert.is_true(pings(entry.server) >= 1);
			t:no_log("keep%-alive%-timeout");
			t:ended(entry.session);
		end);
	end);

	describe("a stream that is not made in time", function ()
		local TIMEOUT = 1;
		setup(function () t:settings("stream_establishment_timeout = " .. TIMEOUT); end);

		it("of theirs ends with connection-timeout, wherever it has got stuck", function ()
			local header, nameless, handshake, secure, dialback = t:peer("idle.example"), t:peer("idle.example"), t:peer("idle.example"),
				t:peer("idle.example"), t:peer("slow-1.example");
			t:server("slow-1.example", { vouch = false });
			local began = t.loop:now();
			header:open();
			nameless:open { from = false };
			handshake:open();
			handshake:wait_features();
			handshake.take = function () end; -- <proceed/> comes, nothing follows
			handshake:send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
			secure:open();
			secure:wait_features();
			secure:starttls();
			dialback:open();
			dialback:wait_features();
			dialback:dialback();
			for _, peer in ipairs { header, nameless, secure, dialback } do
				assert.equal("connection-timeout", peer:wait_closed(TIMEOUT + LATE), peer.name);
			end
			assert.is_true(t.loop:now() - began >= TIMEOUT);
			closed_as("establishment-timeout", "idle.example", "in");
			closed_as("establishment-timeout", "", "in");
			closed_as("establishment-timeout", "slow-1.example", "in");
		end);

		-- What a server does that takes our connection and then gets stuck.
		local stuck = {
			{ "slow-1.example", "says nothing", { deaf = true } };
			{ "slow-2.example", "says its header and nothing more", { on = { opened = function () end } } };
			{ "slow-3.example", "never begins its TLS", { on = { starttls = function (_, session)
				session.conn:send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
			end } } };
			{ "slow-4.example", "does not answer EXTERNAL", { on = { auth = function () end } } };
			{ "slow-5.example", "does not answer dialback", { sasl = false; dialback = "silent"; on = { result = function () end } } };
		};

		it("of ours is given up, and Lena is told, wherever it has got stuck", function ()
			local sent = {};
			for i, case in ipairs(stuck) do
				t:server(case[1], case[3]);
				sent[i] = t:say(case[1]);
			end
			local began = t.loop:now();
			for i, case in ipairs(stuck) do
				local status, reason = t:fails(sent[i], TIMEOUT + LATE);
				assert.equal(504, status, case[2] .. ": " .. reason);
				closed_as("establishment-timeout", case[1], "out");
				local session = t.servers[case[1]].streams[1];
				if i ~= 3 then t:ended(session); end -- its handshake's end is Prosody's ssl_handshake_timeout
				if i ~= 1 and i ~= 3 then assert.equal("connection-timeout", session.error, case[2]); end
			end
			assert.is_true(t.loop:now() - began >= TIMEOUT - 0.1);
			t:no_log("fell back"); -- slow is not wrong
		end);

		it("of ours is given up where nobody answers the door, and where the DNS does not answer; again and again", function ()
			-- A listener that accepts nobody: its queue is full, and the kernel lets further ones wait.
			local door = assert(socket.tcp4());
			assert(door:setoption("reuseaddr", true));
			assert(door:bind(ports.address("closed-door.example"), 5269));
			assert(door:listen(0));
			local waiting = {};
			for i = 1, 4 do
				waiting[i] = assert(socket.tcp4());
				waiting[i]:settimeout(0);
				waiting[i]:connect(ports.address("closed-door.example"), 5269);
			end
			for _, round in ipairs { "first", "second" } do
				local door_sent, dns_sent = t:say("closed-door.example"), t:say("nowhere.example");
				local began = t.loop:now();
				for what, sent in pairs { door = door_sent, dns = dns_sent } do
					local status, reason = t:fails(sent, TIMEOUT + 2 * LATE);
					assert.equal(504, status, round .. " " .. what .. ": " .. reason);
					assert.is_true(t.loop:now() - began >= TIMEOUT / 2, round .. " " .. what); -- each waits its time
				end
				closed_as("establishment-timeout", "closed-door.example", "out");
				closed_as("establishment-timeout", "nowhere.example", "out");
				t:mark();
			end
			for _, sock in ipairs(waiting) do sock:close(); end
			door:close();
		end);
	end);

	describe("a stream that is idle", function ()
		local TIMEOUT = 1;
		setup(function () t:settings("stream_inactivity_timeout = " .. TIMEOUT); end);

		it("ends without an error; what comes next makes a new one", function ()
			local server, peer = t:server("idle.example"), t:stream("idle.example");
			t:hear(peer);
			local session = t:reach(server);
			local began = t.loop:earliest();
			t:ended(session, TIMEOUT + LATE);
			assert.is_true(t.loop:now() - began >= TIMEOUT - 0.1);
			peer:wait_closed(TIMEOUT + LATE);
			assert.is_nil(session.error);
			assert.is_nil(peer.stream_error);
			closed_as("inactive", "idle.example", "in");
			closed_as("inactive", "idle.example", "out");
			t:hear(t:stream("idle.example"));
			assert.not_equal(session, t:reach(server));
		end);

		it("stays while there are stanzas, of either side for its own", function ()
			local server = t:server("idle.example");
			t.loop:steadily(function ()
				local peer, session = t:stream("idle.example"), nil;
				for i = 1, 3 do
					t:hear(peer);
					session = session or t:reach(server);
					assert.equal(session.id, t:reach(server).id);
					if i < 3 then t.loop:never(function () return peer.closed or session.closed; end, TIMEOUT * 0.6, "an end"); end
				end
			end);
		end);

		it("loses nothing that crosses its end", function ()
			local server = t:server("idle.example");
			local heard, sent = {}, {};
			-- The partner's server has just begun to say something when it sees our </stream:stream>.
			local function connect()
				local peer = t:stream("idle.example");
				function peer.last_words()
					heard[#heard + 1] = "crossing " .. #heard;
					return t:stanza("idle.example", heard[#heard]);
				end
				return peer;
			end
			for i = 1, 2 do
				local peer, session = connect(), t:reach(server, "opens " .. i);
				t.loop:wait(function () return session.closed or session.ended; end, TIMEOUT + LATE, "the end of our stream");
				sent[i] = t:say("idle.example", "crosses " .. i);
				server:wait_message("crosses " .. i);
				peer:wait_closed();
				t.lena:wait_message(heard[i]);
				assert.is_nil(peer.stream_error);
			end
			for _, message in ipairs(sent) do assert.equal(200, (message:wait())); end
		end);

		it("loses nothing, whenever the next message comes", function ()
			local server = t:server("idle.example");
			local n = 0;
			-- Around the end, closer and closer to it: a look is taken four times a second.
			for i = 0, 4 do
				n = n + 1;
				t:say("idle.example", "whenever " .. n);
				server:wait_message("whenever " .. n);
				local at = t.loop:now() + TIMEOUT - 0.05 + i * 0.15;
				t.loop:wait(function () return i == 4 or t.loop:now() >= at; end);
			end
			assert.is_true(#server.streams >= 2 and #server.streams <= 5, #server.streams);
		end);
	end);

	describe("a stream whose certificate expires", function ()
		local VALID = 2;
		it("ends with reset, where it was authenticated by it; none is made with it any more, but with the next one", function ()
			t:settings("keep_alive_interval = 5"); -- with it, the time between two looks
			local brief = t.ca:issue("expires", { names = { "expires.example", "secure.example" }; valid_for = VALID });
			local ends = os.time() + VALID;
			local server = t:server("secure.example", { cert = brief });
			local peer = t:stream("secure.example", "EXTERNAL", { cert = brief });
			t:hear(peer);
			local session = t:reach(server);
			-- Dialback is none of the certificate's business.
			t:server("expires.example", { cert = brief, sasl = false });
			local other = t:stream("expires.example", "dialback", { cert = brief });
			local ours = t:reach(t.servers["expires.example"]);

			assert.equal("reset", peer:wait_closed(VALID + 1 + LATE));
			assert.equal("reset", t:ended(session));
			assert.is_true(os.time() >= ends);
			closed_as("certificate-lapsed", "secure.example", "in");
			closed_as("certificate-lapsed", "secure.example", "out");

			local again = t:peer("secure.example", { cert = brief });
			assert.is_false((again:try("EXTERNAL")));
			assert.equal("not-authorized", again:wait_closed());
			t:told("refused certificate", "certificate-expired", "secure.example", "in");
			local status, reason = t:fails(t:say("secure.example"));
			assert.equal(403, status);
			assert.is_truthy(reason:find("expired", 1, true), reason);
			t:told("refused certificate", "certificate-expired", "secure.example", "out");
			t:hear(other);
			assert.equal(ours, t:reach(t.servers["expires.example"]));
			server.cert = t:cert("secure.example");
			t:reach(server);
			t:hear(t:stream("secure.example"));
		end);
	end);
end);
