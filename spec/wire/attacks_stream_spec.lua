-- Attacks on the stream itself: XML that is none, sizes, time, and streams that go both ways (XEP-0288).
-- SPDX-License-Identifier: MIT

local Attacks = require "spec.support.attacks";
local s2s = require "spec.support.s2s";

local TLS = "urn:ietf:params:xml:ns:xmpp-tls";
local STARTTLS = "<starttls xmlns='" .. TLS .. "'/>";
local BIDI = "<bidi xmlns='urn:xmpp:bidi'/>";
local HEADER = "<stream:stream from='lax.example' to='contoso.com' version='1.0' xmlns='jabber:server' "
	.. "xmlns:stream='http://etherx.jabber.org/streams'%s>";
local ESTABLISH, UNNAMED = 2, 4; -- seconds

describe("stream attack:", function ()
	local a;
	setup(function ()
		a = Attacks.new { hostile = { [1] = 3; [7] = 4; [9] = 4 }; modules = { "s2s_bidi" };
			global = ("modules_disabled = { }\ns2s_timeout = %d"):format(UNNAMED);
			settings = ("lync_gateway_settings = { stream_establishment_timeout = %d }\n"):format(ESTABLISH) };
		for domain in pairs(Attacks.ROWS) do a:server(domain); end
	end);
	teardown(function () a:stop(); end);
	before_each(function () a:begin(); end);
	after_each(function () a:finish(); end);

	local function raw(text, from)
		local peer = a:peer(from or "lax.example");
		peer:send(text);
		return peer;
	end

	local function rss()
		local f = assert(io.open("/proc/" .. a.w.gateway.process.pid .. "/status"));
		local kilobytes = tonumber(f:read("a"):match("VmRSS:%s*(%d+)"));
		f:close();
		return kilobytes;
	end

	-- What Prosody's parser does not take, before and after the header.
	describe("XML", function ()
		local DOCTYPE = "<!DOCTYPE stream [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
		for what, text in pairs {
			["with a document type"] = DOCTYPE .. HEADER;
			["with a document type of elsewhere"] = "<!DOCTYPE stream SYSTEM 'http://evil.example/x'>" .. HEADER;
			["with a processing instruction"] = "<?xml-stylesheet href='x'?>" .. HEADER;
			["with a comment"] = "<!-- x -->" .. HEADER;
			["in another encoding"] = "<?xml version='1.0' encoding='UTF-16'?>" .. HEADER;
			["of another version"] = "<?xml version='1.1'?>" .. HEADER;
		} do
			it(what .. " is no stream", function ()
				local peer = raw((text:gsub("%%s", "")));
				assert.equal("not-well-formed", a:ends(peer));
				a:nobody_authenticated("in");
			end);
		end

		for what, text in pairs {
			["a comment"] = "<!-- x -->";
			["a processing instruction"] = "<?x y?>";
			["an entity that is none"] = "<message from='x@lax.example' to='lena@contoso.com'><body>&a;</body></message>";
			["a document type"] = DOCTYPE;
			["a tag that closes another"] = "<message from='x@lax.example' to='lena@contoso.com'><body></message>";
			["a namespace that is none"] = "<x:message from='x@lax.example' to='lena@contoso.com'/>";
			["an attribute twice"] = "<message from='x@lax.example' from='x@secure.example' to='lena@contoso.com'/>";
			["bytes that are no UTF-8"] = "<message from='x@lax.example' to='lena@contoso.com'><body>\255\254</body></message>";
			["a character that is none"] = "<message from='x@lax.example' to='lena@contoso.com'><body>&#0;</body></message>";
		} do
			it("with " .. what .. " ends a partner's stream", function ()
				local peer = a:peer("lax.example"):authenticate("EXTERNAL");
				peer:send(text);
				assert.equal("not-well-formed", a:ends(peer));
			end);
		end

		for what, text in pairs {
			["of something else"] = "GET / HTTP/1.1\r\nHost: contoso.com\r\n\r\n";
			["of a client"] = "<stream:stream to='contoso.com' version='1.0' xmlns='jabber:client' "
				.. "xmlns:stream='http://etherx.jabber.org/streams'>" .. STARTTLS;
			["of no stream"] = "<message xmlns='jabber:server' from='x@lax.example' to='lena@contoso.com'><body>attack</body></message>";
			["of another namespace"] = "<stream:stream xmlns:stream='urn:x' to='contoso.com' from='lax.example'>";
		} do
			it(what .. " opens nothing", function ()
				local peer = raw(text);
				pcall(a.ends, a, peer, 0.3);
				a:nobody_authenticated("in");
			end);
		end
	end);

	describe("more than", function ()
		-- None of it ends: what has come whole in one read is no question of size to Prosody's parser. Unread bytes may cost the
		-- attacker the reason that he is told; the log has it.
		local function too_big(closed, seconds)
			a.loop:wait(closed, seconds or 1, "the end of the stream");
			a:logged("closed: XML stanza is too big");
		end

		local function ends(peer) too_big(function () return peer.closed; end); end

		local MUCH = ("x"):rep(200000);
		local OPEN = HEADER:gsub("%%s>$", "");
		local MESSAGE = "<message from='x@lax.example' to='lena@contoso.com'><body>";

		it("10000 bytes of an attribute ends the stream", function () ends(raw(OPEN .. " x='" .. MUCH)); end);

		it("10000 bytes of attributes ends the stream", function ()
			local attributes = {};
			for i = 1, 20000 do attributes[i] = (" a%d=''"):format(i); end
			ends(raw(OPEN .. table.concat(attributes)));
		end);

		it("10000 bytes of nothing ends the stream", function () ends(raw(OPEN .. (" "):rep(200000))); end);

		for _, tls in ipairs { false, true } do
			it("10000 bytes of a stanza before authentication ends the stream: " .. (tls and "over TLS" or "in clear text"), function ()
				local peer = (tls and a.secure or a.open)(a, "lax.example");
				peer:send(MESSAGE .. MUCH);
				ends(peer);
			end);
		end

		it("10000 bytes of a server that we connect to ends the stream before authentication", function ()
			local server = a:hostile(9, { on = { opened = function (_, session)
				session.conn:send("<stream:features><x>" .. MUCH);
			end } });
			local sent = a:lync_says(server);
			too_big(function () return (server.streams[1] or {}).closed; end, 5);
			assert.is_true(sent:wait(8) >= 300);
		end);

		it("half a megabyte of a partner's stanza ends the stream", function ()
			local peer = a:peer("lax.example"):authenticate("EXTERNAL");
			peer:send(MESSAGE .. MUCH .. MUCH .. MUCH);
			ends(peer);
		end);

		it("25000 elements of a partner's stanza ends the stream", function ()
			if not a.w.gateway.process.output:find("Prosody version 0.12", 1, true) then return; end -- COMPAT: no such limit
			local peer = a:peer("lax.example"):authenticate("EXTERNAL");
			peer:send("<message from='x@lax.example' to='lena@contoso.com'>" .. ("<a/>"):rep(25001) .. "</message>");
			a:ends(peer, 1);
		end);

		it("what is deep is not delivered, and hurts nobody", function ()
			local before = rss();
			local peer = a:peer("lax.example"):authenticate("EXTERNAL");
			peer:send("<message from='x@lax.example' to='lena@contoso.com'>" .. ("<a>"):rep(20000) .. ("</a>"):rep(20000) .. "</message>");
			peer:send("</stream:stream>");
			a:ends(peer);
			assert.is_true(rss() - before < 65536, "the gateway's Prosody has grown by " .. rss() - before .. " kB");
		end);
	end);

	-- All at once: who says nothing is let go in time, whatever he says nothing about.
	describe("silence", function ()
		it("ends streams in time, with a reason where there is somebody to tell", function ()
			local silent, named = {}, {};
			silent.connected = a:peer("lax.example");
			silent.half = raw(HEADER:sub(1, 60));
			named.header = raw(HEADER:format(""));
			named.old = a:old("lax.example");
			named.features = a:open("secure.example");
			named.secure = a:secure("secure.example");
			local server = a.servers["lax.example"];
			server.vouch = false;
			named.verdict = a:open("lax.example");
			named.verdict:dialback("any-key");
			local began = a.loop:served();
			for what, peer in pairs(named) do
				assert.equal("connection-timeout", a:ends(peer, 2 * ESTABLISH), what);
			end
			assert.is_true(a.loop:served() - began < ESTABLISH + 1.5, "late");
			a:ended("establishment-timeout", "secure.example");
			for _, peer in pairs(silent) do a:ends(peer, UNNAMED + 1); end
			a:nobody_authenticated("in");
		end);

		it("in a TLS handshake ends the connection in time", function ()
			local peer = a:open("secure.example");
			function peer.take(self, element)
				if element.name ~= "proceed" then s2s.take(self, element); end
			end
			peer:send(STARTTLS);
			a:ends(peer, 2 * ESTABLISH);
			a:ended("establishment-timeout", "secure.example");
		end);

		it("of a server in a TLS handshake ends the connection in time", function ()
			local server = a:hostile(1, { on = { starttls = function (_, session)
				session.conn.on_data = function () end;
				session.conn:send("<proceed xmlns='" .. TLS .. "'/>");
			end } });
			local sent = a:lync_says(server);
			assert.equal(504, (sent:wait(3 * ESTABLISH)));
			a:server_closed(server, nil, ESTABLISH);
			a:ended("establishment-timeout", server.domain, "out");
		end);

		it("of servers that we connect to ends streams in time, and is told", function ()
			local cases = {
				deaf = a:hostile(9, { deaf = true });
				features = a:hostile(7, { on = { opened = function () end } });
				starttls = a:hostile(7, { on = { starttls = function () end } });
				external = a:hostile(1, { on = { auth = function () end } });
				key = a:hostile(9, { starttls = false; dialback = "silent" });
			};
			local sent = {};
			for what, server in pairs(cases) do sent[what] = a:lync_says(server); end
			for what, server in pairs(cases) do
				assert.equal(504, (sent[what]:wait(3 * ESTABLISH)), what);
				a:server_closed(server, nil, 3 * ESTABLISH);
				a:ended("establishment-timeout", server.domain, "out");
				a:nobody_authenticated("out", server.domain);
			end
		end);
	end);

	-- With s2s_bidi, a stream that a partner opens may be the way to it.
	describe("both ways", function ()
		it("is not before TLS where that is required", function ()
			local peer = a:open("secure.example");
			peer:send(BIDI);
			peer:dialback("any-key");
			a.loop:wait(function () return peer.closed or peer.result; end, 5, "an answer");
			assert.is_true(peer.closed or peer.result.attr.type == "error");
			a:nobody_authenticated("in");
		end);

		it("is not before authentication: what Lync users say goes where the partner is", function ()
			local server = a.servers["secure.example"];
			local peer = a:secure("secure.example", { cert = a:cert("lax.example") });
			assert.is_true(peer:offers("bidi"));
			peer:send(BIDI);
			peer:dialback("forged");
			assert.equal("invalid", (peer:wait_result()));
			a:lync_says(server, "while it waits");
			server:wait_message("while it waits");
			assert.is_nil(peer.stanzas[1]);
			a.answered = true;
		end);

		it("is the way to who was authenticated, not to the name in the header", function ()
			-- An attacker with a domain of his own says that he is another, and proves that he is himself.
			local server = a.servers["keys.example"];
			local peer = a:secure("keys.example", { cert = a:cert("lax.example") });
			peer:send(BIDI);
			assert.equal("valid", a:dialback(peer, "lax.example"));
			a:lync_says(server, "for another's eyes");
			server:wait_message("for another's eyes");
			assert.is_nil(peer.stanzas[1]);
			a.answered = true;
		end);

		it("is not the way to a further domain", function ()
			local server = a.servers["strict.example"];
			local peer = a:secure("lax.example");
			peer:send(BIDI);
			assert.is_true(peer:sasl_external());
			peer:wait_features();
			peer:dialback("any-key", "strict.example");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:lync_says(server, "elsewhere");
			server:wait_message("elsewhere");
			assert.is_nil(peer.stanzas[1]);
			a.answered = true;
		end);

		it("is not asked for after authentication", function ()
			local server = a.servers["lax.example"];
			local peer = a:peer("lax.example"):authenticate("EXTERNAL");
			peer:send(BIDI);
			a:lync_says(server, "not this way");
			server:wait_message("not this way");
			assert.is_nil(peer.stanzas[1]);
			a.answered = true;
		end);

		it("on a stream of ours lets nobody else speak", function ()
			local server = a:hostile(9, { on = { opened = function (_, session)
				if session.mechanism or not session.secure then return true; end
				session.conn:send("<stream:features><bidi xmlns='urn:xmpp:features:bidi'/><mechanisms xmlns='urn:ietf:params:xml:ns:"
					.. "xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>");
			end } });
			a:lync_says(server, "both ways");
			server:wait_message("both ways");
			assert.is_truthy(a:was_sent(server, "bidi"));
			server.streams[1].conn:send("<message from='x@secure.example' to='lena@contoso.com'><body>attack</body></message>");
			assert.equal("not-authorized", a:server_closed(server));
			a.answered = true;
		end);
	end);

	it("leaves the way to partners as it was", function ()
		a:lync_says(a.home, "to an honest partner");
		a.home:wait_message("to an honest partner");
		a.answered = true;
	end);
end);
