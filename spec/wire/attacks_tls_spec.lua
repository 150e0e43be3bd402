-- Attacks on TLS: stripped, mimicked, started twice, injected into, begun too late, or with a certificate that is none.
-- SPDX-License-Identifier: MIT

local Attacks = require "spec.support.attacks";
local process = require "spec.support.process";
local s2s = require "spec.support.s2s";
local sip = require "spec.support.sip";

local TLS, SASL, DIALBACK = "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:features:dialback";
local STARTTLS = "<starttls xmlns='" .. TLS .. "'/>";
local EXTERNAL = "<mechanisms xmlns='" .. SASL .. "'><mechanism>EXTERNAL</mechanism></mechanisms>";
local SUCCESS = "<success xmlns='" .. SASL .. "'/>";
local DIRECT = 5270;
local OLD = { "tlsv1", "tlsv1_1" };

local function features(text) return "<stream:features>" .. (text or "") .. "</stream:features>"; end
local ONLY_DIALBACK = features("<dialback xmlns='" .. DIALBACK .. "'/>");

-- LuaSec parameters of somebody who knows nothing newer; what is too weak for OpenSSL by default is let through.
local function old_tls(version)
	return { protocol = version; options = { "all" }; ciphers = "ALL:@SECLEVEL=0" };
end

describe("TLS attack:", function ()
	local a;
	setup(function ()
		a = Attacks.new { hostile = { [1] = 24; [7] = 16; [9] = 4; [13] = 8 }; direct_tls = DIRECT };
		for domain in pairs(Attacks.ROWS) do a:server(domain); end
	end);
	teardown(function () a:stop(); end);
	before_each(function () a:begin(); end);
	after_each(function () a:finish(); end);

	local function header(from, attr)
		return ("<stream:stream from='%s' to='contoso.com' version='1.0' xmlns='jabber:server' "
			.. "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' %s>"):format(from, attr or "");
	end

	local function message(from)
		return ("<message xmlns='jabber:server' from='x@%s' to='lena@contoso.com'><body>attack</body></message>"):format(from);
	end

	local function result(from) return ("<db:result from='%s' to='contoso.com'>any-key</db:result>"):format(from); end

	local function valid(from)
		return ("<db:result xmlns:db='jabber:server:dialback' from='%s' to='contoso.com' type='valid'/>"):format(from);
	end

	-- Toby's message is refused with this, and the server has been sent none of these elements.
	local function kept(server, sent, status, ...)
		local got = sent:wait(8);
		assert.is_true(got >= 300, "answered with " .. got);
		if status then assert.equal(status, got); end
		for _, name in ipairs { "message", ... } do assert.is_nil(a:was_sent(server, name), name); end
		a:nobody_authenticated("out", server.domain);
	end

	describe("behind <starttls/>, in the same segment,", function ()
		-- What it is; from; text. Whatever comes is from before TLS: it ends the stream, or is lost.
		for _, case in ipairs {
			{ "a claim", "lax.example", result("lax.example") };
			{ "a claim where TLS is required", "keys.example", result("keys.example") };
			{ "a message", "lax.example", message("lax.example") };
			{ "another <starttls/>", "lax.example", STARTTLS };
			{ "an <auth/>", "fabrikam.com", "<auth xmlns='" .. SASL .. "' mechanism='EXTERNAL'>=</auth>" };
			{ "a stream", "keys.example", header("keys.example") };
			{ "a stream and a claim", "keys.example", header("keys.example") .. result("keys.example") };
			{ "a stream, a claim and a message", "lax.example", header("lax.example") .. result("lax.example")
				.. message("lax.example") };
			{ "a stream and an <auth/>", "fabrikam.com", header("fabrikam.com") .. "<auth xmlns='" .. SASL
				.. "' mechanism='EXTERNAL'>=</auth>" };
		} do
			local what, from, text = table.unpack(case);
			it(what .. " counts nothing", function ()
				local server = a.servers[from];
				server.vouch = "valid"; -- at worst
				local peer = a:open(from);
				local asked = #server.verifications;
				peer:send(STARTTLS .. text);
				a.loop:wait(function () return peer.conn.secure or peer.closed; end, 5, "TLS or the end");
				a.loop:never(function () return peer.success; end, 0.15, "an answer to what was injected");
				-- At worst, the one element that a parser without a stream takes for a whole.
				if not peer.closed then peer:send(message(from)); end
				assert.equal(asked, #server.verifications);
				a:nobody_authenticated("in");
			end);
		end

		it("bytes that are no XML end in no TLS", function ()
			local peer = a:open("secure.example");
			peer:send(STARTTLS .. ("\0\22\3\1"):rep(8));
			a:ends(peer);
			a:nobody_authenticated("in");
		end);
	end);

	describe("behind <proceed/>, in the same segment,", function ()
		-- What it is; row; text of domain.
		for _, case in ipairs {
			{ "features without TLS", 13, function (domain) return header(domain, "id='i'") .. ONLY_DIALBACK; end };
			{ "features without TLS", 7, function (domain) return header(domain, "id='i'") .. ONLY_DIALBACK; end };
			{ "features with EXTERNAL", 1, function (domain) return header(domain, "id='i'") .. features(EXTERNAL); end };
			{ "features with EXTERNAL, and success", 1, function (domain)
				return header(domain, "id='i'") .. features(EXTERNAL) .. SUCCESS;
			end };
			{ "a valid key", 13, function (domain) return header(domain, "id='i'") .. ONLY_DIALBACK .. valid(domain); end };
			{ "a valid key without a stream", 13, valid };
			{ "a message", 7, message };
		} do
			local what, row, text = table.unpack(case);
			it(("%s counts nothing (row %d)"):format(what, row), function ()
				local server = a:hostile(row, { on = { starttls = function (server, session)
					server:proceed(session, text(server.domain));
					session.conn.on_open = function (conn)
						session.secure = true;
						conn:send(valid(server.domain)); -- at worst, the root that the parser waits for
					end
				end } });
				local sent = a:lync_says(server);
				kept(server, sent, nil, "auth");
			end);
		end
	end);

	describe("STARTTLS", function ()
		local function too_late(peer)
			peer.features = nil;
			peer:send(STARTTLS);
			assert.equal("policy-violation", a:ends(peer));
			a:refused("tls-too-late", peer.from);
			assert.is_nil(peer.features);
		end

		it("on TLS is refused", function () too_late(a:secure("secure.example")); end);
		it("on TLS without a name is refused", function ()
			local peer = a:peer(nil, { cert = false });
			peer:open();
			peer:wait_features();
			assert.is_true(peer:offers("starttls"));
			assert.is_false(peer:offers("dialback"));
			peer:starttls();
			a.loop:wait(function () return peer.opened or peer.closed; end, 5, "our header");
			peer:send(STARTTLS);
			a:ends(peer);
			a:nobody_authenticated("in");
		end);
		it("after EXTERNAL is refused", function () too_late(a:peer("secure.example"):authenticate("EXTERNAL")); end);
		it("after dialback in clear text is refused", function ()
			local peer = a:open("lax.example");
			assert.equal("valid", a:dialback(peer));
			too_late(peer);
		end);

		for _, version in ipairs { "1.0", false } do
			it("where there is to be none is refused; XMPP version " .. tostring(version), function ()
				local peer = version and a:open("clear.example") or a:old("clear.example");
				assert.is_false(peer:offers("starttls"));
				peer:send(STARTTLS);
				assert.equal("policy-violation", a:ends(peer));
				assert.equal("failure", peer.failure);
				assert.is_nil(peer.proceed);
				a:refused("tls-not-supported", "clear.example");
			end);
		end

		it("of the server that we connect to is refused", function ()
			local server = a:hostile(7, { on = { opened = function (_, session) session.conn:send(STARTTLS); end } });
			local sent = a:lync_says(server);
			assert.equal("policy-violation", a:server_closed(server));
			a:refused("tls-too-late", server.domain, "out");
			kept(server, sent, nil, "result", "auth");
		end);

		it("before XMPP 1.0 makes no dialback good", function ()
			local peer = a:old("fabrikam.com");
			peer:send(STARTTLS);
			a.loop:wait(function () return peer.conn.secure or peer.closed; end, 5, "TLS");
			if not peer.closed then
				peer:open();
				a.loop:wait(function () return peer.opened or peer.closed; end, 5, "our header");
				peer:dialback("any-key");
				a.loop:wait(function () return peer.result or peer.closed; end, 5, "the answer");
				assert.is_true(peer.closed or peer.result.attr.type == "error");
				a:say(peer, "x@fabrikam.com");
			end
			a:nobody_authenticated("in");
		end);
	end);

	describe("a server without TLS, where it is required,", function ()
		for _, row in ipairs { 1, 7, 13 } do
			it("gets nothing (row " .. row .. ")", function ()
				local server = a:hostile(row, { starttls = false });
				local sent = a:lync_says(server);
				assert.equal("policy-violation", a:server_closed(server));
				a:refused("tls-required", server.domain, "out");
				kept(server, sent, 403, "starttls", "result", "auth");
			end);

			it("and without XMPP 1.0 gets nothing (row " .. row .. ")", function ()
				local server = a:hostile(row, { version = false });
				local sent = a:lync_says(server);
				assert.equal("unsupported-version", a:server_closed(server));
				a:refused("version-too-old", server.domain, "out");
				kept(server, sent, 403, "starttls", "result", "auth");
			end);
		end

		it("that offers EXTERNAL in clear text gets nothing", function ()
			local server = a:hostile(1, { on = { opened = function (_, session)
				session.conn:send(features(EXTERNAL));
			end } });
			local sent = a:lync_says(server);
			assert.equal("policy-violation", a:server_closed(server));
			a:refused("tls-required", server.domain, "out");
			kept(server, sent, 403, "starttls", "result", "auth");
		end);

		it("that offers it, and takes the offer back, gets nothing", function ()
			local server = a:hostile(7, { on = { starttls = function (_, session) session.conn:send(ONLY_DIALBACK); end } });
			local sent = a:lync_says(server);
			assert.equal("policy-violation", a:server_closed(server));
			a:refused("tls-required", server.domain, "out");
			kept(server, sent, 403, "result", "auth");
		end);

		for _, row in ipairs { 1, 7 } do
			it("that answers with a failure gets nothing (row " .. row .. ")", function ()
				local server = a:hostile(row, { on = { starttls = function (_, session)
					session.conn:send("<failure xmlns='" .. TLS .. "'/></stream:stream>");
				end } });
				kept(server, a:lync_says(server), nil, "result", "auth");
			end);

			it("that says <proceed/> and goes on in clear text gets nothing (row " .. row .. ")", function ()
				local raw = "";
				local server = a:hostile(row, { on = { starttls = function (server, session)
					session.conn:send("<proceed xmlns='" .. TLS .. "'/>");
					session.conn.on_data = function (conn, bytes)
						if raw == "" then conn:send(header(server.domain, "id='i'") .. ONLY_DIALBACK .. valid(server.domain)); end
						raw = raw .. bytes;
					end
				end } });
				kept(server, a:lync_says(server), nil, "result", "auth");
				assert.equal(22, raw:byte()); -- a TLS handshake, and no word of XMPP
				assert.is_nil(raw:find("<", 1, true) and raw:find("message", 1, true));
			end);

			for _, version in ipairs(OLD) do
				it(("that knows %s at most gets nothing (row %d)"):format(version, row), function ()
					local server = a:hostile(row, { tls = old_tls(version) });
					kept(server, a:lync_says(server), nil, "result", "auth");
				end);
			end
		end

		it("that does not require it is asked for it", function ()
			local server = a:hostile(7, { starttls = "offer"; sasl = "refuse"; dialback = "refuse" });
			kept(server, a:lync_says(server));
			assert.is_truthy(a:was_sent(server, "starttls"));
			for _, session in ipairs(server.streams) do
				assert.is_true(session.secure, "dialback in clear text");
			end
		end);
	end);

	describe("a server, where SASL is required,", function ()
		local function refused(server, condition, token, status)
			local sent = a:lync_says(server);
			assert.equal(condition, a:server_closed(server));
			a:refused(token, server.domain, "out");
			kept(server, sent, status, "result");
			assert.equal(1, #server.streams);
		end

		it("that has dialback only gets nothing", function ()
			refused(a:hostile(1, { sasl = false }), "unsupported-feature", "sasl-not-offered", 403);
		end);

		it("that has PLAIN only gets nothing", function ()
			refused(a:hostile(1, { on = { opened = function (_, session)
				if not session.secure then return true; end
				session.conn:send(features(EXTERNAL:gsub("EXTERNAL", "PLAIN")));
			end } }), "unsupported-feature", "sasl-not-offered", 403);
		end);

		it("that refuses EXTERNAL gets nothing", function ()
			refused(a:hostile(1, { sasl = "refuse" }), nil, "sasl-failed", 504);
		end);

		it("that refuses it in words of its own gets nothing, and no line in anybody's text", function ()
			local server = a:hostile(1, { on = { auth = function (server, session)
				session.conn:send(("<failure xmlns='%s'><not-authorized/><text>x&#13;&#10;Evil: 1&#10;authenticated stream: (remote=\"%s\" "
					.. "direction=out method=sasl-tls)</text></failure>"):format(SASL, server.domain));
			end } });
			local sent = a:lync_says(server);
			local _, response = sent:wait(8);
			a:refused("sasl-failed", server.domain, "out");
			assert.is_nil(sip.get(response, "Evil"));
			for i = a.from_line + 1, #a.lines do assert.is_nil(a.lines[i]:find("^authenticated stream")); end
			for i = a.from_line + 1, #a.lines do assert.is_nil(a.lines[i]:find("^Evil")); end
		end);

		for _, where in ipairs { "in clear text", "over TLS" } do
			it("that says success without being asked gets nothing: " .. where, function ()
				local server = a:hostile(1, { on = { opened = function (_, session)
					if where == "over TLS" and not session.secure then return true; end
					session.conn:send(SUCCESS .. features());
				end } });
				local sent = a:lync_says(server);
				assert.is_truthy(a:server_closed(server));
				kept(server, sent, nil, "result", "auth");
			end);
		end

		it("that answers EXTERNAL with other features gets nothing", function ()
			local server = a:hostile(1, { on = { auth = function (_, session)
				session.conn:send(ONLY_DIALBACK .. valid("contoso.com"));
			end } });
			local sent = a:lync_says(server);
			assert.is_truthy(a:server_closed(server));
			kept(server, sent, nil, "result");
		end);
	end);

	describe("a server's certificate, where SASL is required,", function ()
		local wrong;
		local NAMES = { ["expired"] = "certificate-expired"; ["not-yet"] = "certificate-not-yet-valid";
			["self-signed"] = "certificate-self-signed"; ["foreign"] = "certificate-untrusted";
			["wrong-name"] = "certificate-wrong-name"; ["cn-only"] = "certificate-wrong-name" };
		setup(function ()
			local domains = {};
			for _, domain in ipairs(a.pool[1]) do domains[#domains + 1] = domain; end
			wrong = a.ca:wrong_ones("hostile", domains);
		end);

		for kind, token in pairs(NAMES) do
			it(("that is %s: nothing is said, whatever it says"):format(kind), function ()
				local server = a:hostile(1, { cert = wrong[kind]; on = { opened = function (_, session)
					if not session.secure then return true; end
					session.conn:send(features(EXTERNAL) .. SUCCESS);
				end } });
				local sent = a:lync_says(server);
				assert.equal("not-authorized", a:server_closed(server));
				a:refused(token, server.domain, "out");
				kept(server, sent, 403, "auth", "result");
			end);
		end

		it("that is another partner's: nothing is said", function ()
			local server = a:hostile(1, { cert = a:cert("secure.example"); header = { from = "secure.example" } });
			local sent = a:lync_says(server);
			assert.equal("not-authorized", a:server_closed(server));
			a:refused("certificate-wrong-name", server.domain, "out");
			kept(server, sent, 403, "auth", "result");
		end);
	end);

	describe("a server that says it is another", function ()
		it("is who it was found as, and speaks for nobody", function ()
			local server = a:hostile(1, { header = { from = "secure.example" } });
			a:lync_says(server, "for who was found");
			server:wait_message("for who was found");
			a:logged('authenticated stream: %(remote="' .. server.domain:gsub("%p", "%%%0"));
			server.streams[1].conn:send(message("secure.example"));
			assert.equal("not-authorized", a:server_closed(server));
			a.answered = true;
		end);

		it("and sends stanzas before it is anybody is not heard", function ()
			local server = a:hostile(7, { on = { opened = function (server, session)
				session.conn:send(message(server.domain) .. features());
			end } });
			local sent = a:lync_says(server);
			kept(server, sent, nil, "result", "auth");
		end);
	end);

	describe("a peer", function ()
		for _, version in ipairs(OLD) do
			it("that knows " .. version .. " at most gets no TLS", function ()
				local peer = a:open("secure.example", { tls = old_tls(version) });
				peer:send(STARTTLS);
				a.loop:wait(function () return peer.conn.secure or peer.closed; end, 5, "the end");
				assert.is_nil(peer.conn.secure);
			end);
		end

		it("that wants to renegotiate is not listened to", function ()
			-- its input does not end: at the end of that it would go, answer or not
			local p = process.start(a.loop, { "bash", "-c", ("{ printf 'R\\n'; exec tail -f /dev/null; } | openssl s_client "
				.. "-connect %s:5269 -tls1_2 -starttls xmpp-server -xmpphost contoso.com"):format(a.w.gateway.address) }, { quiet = true });
			p:wait_line("no renegotiation");
			p:stop();
			assert.is_truthy(p.output:find("Protocol *: TLSv1.2"), p.output);
			assert.is_truthy(p.output:find("RENEGOTIATING", 1, true), p.output);
		end);

		it("that answers <proceed/> in clear text is not heard", function ()
			local peer = a:open("secure.example");
			peer.take = function (self, element)
				if element.name == "proceed" then
					self.proceed = true;
					return self:open();
				end
				s2s.take(self, element);
			end
			peer:send(STARTTLS);
			a:ends(peer);
			assert.is_true(peer.proceed);
			a:nobody_authenticated("in");
		end);
	end);

	describe("direct TLS", function ()
		local function direct(from, options)
			local parameters = { direct_tls = true; port = DIRECT };
			for key, value in pairs(options or {}) do parameters[key] = value; end
			return a:open(from, parameters);
		end

		it("is TLS", function ()
			local peer = direct("fabrikam.com");
			assert.is_true(peer:offers("EXTERNAL"));
			assert.is_false(peer:offers("starttls"));
		end);

		it("is refused where there is to be none", function ()
			local peer = direct("clear.example");
			assert.equal("policy-violation", a:ends(peer));
			a:refused("tls-not-supported", "clear.example");
			assert.is_nil(peer.features);
		end);

		it("is refused so before XMPP 1.0 too, and without a name in the header", function ()
			local peer = a:old(nil, { from = false; to = false }, { direct_tls = true; port = DIRECT; cert = false });
			peer:dialback("any-key", "clear.example");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("tls-not-supported", "clear.example");
			peer:dialback("any-key", "fabrikam.com");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("sasl-required", "fabrikam.com");
			a:say(peer, "x@clear.example");
		end);

		it("without a certificate is not enough where SASL is required", function ()
			local peer = direct("fabrikam.com", { cert = false });
			assert.equal("not-authorized", a:ends(peer));
			a:refused("certificate-missing", "fabrikam.com");
		end);

		it("and STARTTLS in it are refused", function ()
			local peer = direct("secure.example");
			peer:send(STARTTLS);
			assert.equal("policy-violation", a:ends(peer));
			a:refused("tls-too-late", "secure.example");
		end);

		it("is not spoken in clear text", function ()
			local peer = a:peer("lax.example", { port = DIRECT });
			peer:open();
			peer:dialback("any-key");
			a:ends(peer);
			assert.is_nil(peer.opened);
		end);
	end);

	it("leaves the way to partners as it was", function ()
		a:lync_says(a.home, "to an honest partner");
		a.home:wait_message("to an honest partner");
		a.answered = true;
	end);
end);
