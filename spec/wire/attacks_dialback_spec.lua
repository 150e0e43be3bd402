-- Attacks by dialback: claims, keys and verdicts that are not what they say. None may pass.
-- SPDX-License-Identifier: MIT

local Attacks = require "spec.support.attacks";

describe("dialback attack:", function ()
	local a;
	setup(function ()
		a = Attacks.new { hostile = { [1] = 2; [9] = 16 } };
		for domain in pairs(Attacks.ROWS) do a:server(domain); end
	end);
	teardown(function () a:stop(); end);
	before_each(function () a:begin(); end);
	after_each(function () a:finish(); end);

	local function asked(domain) return #a.servers[domain].verifications; end

	-- A raw claim; attributes as text.
	local function claim(peer, attributes, key)
		peer.result = nil;
		peer:send(("<db:result %s>%s</db:result>"):format(attributes, key or "forged"));
	end

	-- What goes out with a stream of ours to this server: how it ended, for both sides.
	local function unsolicited(server, condition)
		local sent = a:lync_says(server);
		assert.equal(condition or "not-authorized", a:server_closed(server));
		assert.is_truthy(sent:wait() >= 300);
		return sent;
	end

	local function answer(from, to, kind)
		return ("<db:result from='%s' to='%s' type='%s'/>"):format(from, to or "contoso.com", kind or "valid");
	end

	local function message(domain)
		return ("<message from='x@%s' to='lena@contoso.com'><body>attack</body></message>"):format(domain);
	end

	describe("a claim where dialback is not allowed", function ()
		-- from, over TLS, token
		for _, case in ipairs {
			{ "fabrikam.com", false, "tls-required" };
			{ "strict.example", false, "tls-required" };
			{ "secure.example", false, "tls-required" };
			{ "keys.example", false, "tls-required" };
			{ "fabrikam.com", true, "sasl-required" };
			{ "strict.example", true, "dialback-not-supported" };
		} do
			local from, tls, token = table.unpack(case);
			it(("is refused: %s, %s"):format(from, tls and "over TLS" or "in clear text"), function ()
				local peer = (tls and a.secure or a.open)(a, from);
				assert.is_false(peer:offers("dialback"));
				local before = asked(from);
				peer:dialback("good-key");
				assert.equal("cancel/policy-violation", a:dialback_error(peer));
				a:refused(token, from);
				a:say(peer, "x@" .. from);
				assert.equal(before, asked(from));
				assert.is_nil(peer.closed);
			end);
		end

		it("is refused before XMPP 1.0 too", function ()
			for _, from in ipairs { "fabrikam.com", "secure.example" } do
				local peer = a:old(from);
				peer:dialback("good-key");
				assert.equal("cancel/policy-violation", a:dialback_error(peer));
				a:refused("tls-required", from);
				a:say(peer, "x@" .. from);
			end
		end);

		it("is refused on a stream that EXTERNAL has authenticated (row 2), which goes on", function ()
			local peer = a:peer("strict.example"):authenticate("EXTERNAL");
			assert.is_false(peer:offers("dialback"));
			peer:dialback("good-key");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("dialback-not-supported", "strict.example");
			assert.is_nil(peer.closed);
		end);

		it("is asked about on a stream that EXTERNAL has authenticated (row 7), and costs it the name", function ()
			local peer = a:peer("secure.example"):authenticate("EXTERNAL");
			peer:dialback("forged");
			assert.equal("invalid", (peer:wait_result()));
			a:say(peer, "x@secure.example");
			assert.equal("not-authorized", a:ends(peer));
		end);

		it("is not made good by STARTTLS after it", function ()
			local peer = a:open("secure.example");
			a.servers["secure.example"].keys[peer.opened.id] = "good-key";
			peer:dialback("good-key");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			assert.is_true(peer:starttls());
			assert.is_truthy(peer:wait_features());
			a:say(peer, "x@secure.example");
			a:refused("tls-required", "secure.example");
			assert.is_nil(peer.success);
		end);

		it("ends the stream when it is made again and again", function ()
			local peer = a:secure("fabrikam.com");
			for i = 1, 7 do peer:dialback("key-" .. i); end
			assert.equal("policy-violation", a:ends(peer));
			a:refused("too-many-attempts", "fabrikam.com");
		end);
	end);

	describe("a verdict", function ()
		-- A claim whose server keeps its verdict back: the peer, and a function that gives the verdict.
		local function pending(from, open)
			local server, question, on = a.servers[from], nil, nil;
			function server.vouch(element, session) question, on = element, session; end
			local peer = open or a:open(from);
			peer:dialback("any-key", from);
			a.loop:wait(function () return question; end, 5, "the question to " .. from);
			server.vouch = server.honest;
			return peer, function (kind, attr)
				attr = attr or {};
				on.conn:send(("<db:verify from='%s' to='%s' id='%s' type='%s'/>"):format(attr.from or from,
					attr.to or "contoso.com", attr.id or question.attr.id, kind));
			end, on;
		end

		it("that comes after STARTTLS does not count for the stream that TLS has made", function ()
			local peer, verdict = pending("lax.example");
			local id = peer.opened.id;
			assert.is_true(peer:starttls());
			assert.is_truthy(peer:wait_features());
			assert.not_equal(id, peer.opened.id);
			verdict("valid");
			a.loop:never(function () return peer.result and peer.result.attr.type == "valid"; end, 0.2, "an early verdict that counts");
			a:say(peer, "x@lax.example");
		end);

		it("that comes after the stream's end does nothing", function ()
			local peer, verdict = pending("lax.example");
			peer:send("</stream:stream>");
			a:ends(peer);
			verdict("valid");
		end);

		it("is waited for: a stanza before it is lost", function ()
			local peer, verdict = pending("lax.example");
			a:say(peer, "x@lax.example");
			verdict("invalid");
			assert.equal("invalid", (peer:wait_result()));
			a:say(peer, "x@lax.example");
			a:logged("authoritative server for lax%.example denied the key");
		end);

		it("counts once: valid after invalid is too late", function ()
			local peer, verdict = pending("lax.example");
			verdict("invalid");
			assert.equal("invalid", (peer:wait_result()));
			peer.result = nil;
			verdict("valid");
			a.loop:never(function () return peer.result; end, 0.2, "a second result");
			a:say(peer, "x@lax.example");
		end);

		it("of an error is not valid", function ()
			local peer, verdict = pending("lax.example");
			verdict("error");
			assert.is_truthy(({ invalid = true; error = true })[(peer:wait_result())]);
			a:say(peer, "x@lax.example");
		end);

		it("of another partner's server counts nothing", function ()
			local peer = pending("secure.example", a:secure("secure.example"));
			-- lax.example, of which we have a stream for keys of its own, tells us about secure.example's.
			local _, verdict, on = pending("lax.example");
			verdict("valid", { from = "secure.example"; id = peer.opened.id });
			verdict("valid", { id = peer.opened.id });
			a.loop:never(function () return peer.result; end, 0.2, "a result on a stranger's word");
			a:say(peer, "x@secure.example");
			assert.is_truthy(on);
		end);

		it("with an id of nobody's, of a stream without a claim, without id or from does nothing", function ()
			local idle = a:open("lax.example");
			local peer, verdict, on = pending("lax.example");
			verdict("valid", { id = "00000000-0000-0000-0000-000000000000" });
			verdict("valid", { id = idle.opened.id });
			on.conn:send("<db:verify from='lax.example' to='contoso.com' type='valid'/>");
			on.conn:send("<db:verify to='contoso.com' type='valid'/>");
			a:refused("bad-jid", "lax.example", "out");
			a.loop:never(function () return peer.result or idle.result; end, 0.2, "a result");
			a:say(idle, "x@lax.example");
			a:say(peer, "x@lax.example");
		end);

		it("that the attacker gives himself, on his own stream, does nothing", function ()
			local peer = pending("lax.example");
			peer:send(("<db:verify from='lax.example' to='contoso.com' id='%s' type='valid'/>"):format(peer.opened.id));
			a:say(peer, "x@lax.example");
			assert.equal("not-authorized", a:ends(peer));
			a:refused("unsolicited-answer", "lax.example");
			assert.is_nil(peer.result);
		end);

		it("that the attacker gives himself, on another stream before XMPP 1.0, does nothing", function ()
			local peer = pending("lax.example");
			local other = a:old(nil, { from = false });
			other:send(("<db:verify from='lax.example' to='contoso.com' id='%s' type='valid'/>"):format(peer.opened.id));
			assert.equal("not-authorized", a:ends(other));
			a:refused("unsolicited-answer");
			a:say(peer, "x@lax.example");
			assert.is_nil(peer.result);
		end);
	end);

	describe("a key", function ()
		it("that is forged is asked about where the domain is, and invalid", function ()
			local peer = a:secure("lax.example");
			local before = asked("secure.example");
			peer:dialback("forged", "secure.example");
			local kind, result = peer:wait_result();
			assert.equal("invalid", kind);
			assert.equal("secure.example", result.attr.to);
			assert.equal(before + 1, asked("secure.example"));
			a:say(peer, "x@secure.example");
			a:logged("authoritative server for secure%.example denied the key");
		end);

		it("that is empty is invalid", function ()
			local peer = a:open("lax.example");
			peer:send("<db:result from='lax.example' to='contoso.com'/>");
			assert.equal("invalid", (peer:wait_result()));
			a:say(peer, "x@lax.example");
		end);

		it("that is very long is invalid, and longer ends the stream", function ()
			local peer = a:open("lax.example");
			peer:dialback(("k"):rep(8000));
			assert.equal("invalid", (peer:wait_result()));
			peer:send("<db:result from='lax.example' to='contoso.com'>" .. ("k"):rep(200000));
			a:ends(peer, 1);
			a:logged("closed: XML stanza is too big");
		end);

		it("of another stream is invalid", function ()
			local first = a:open("lax.example");
			assert.equal("valid", a:dialback(first));
			local peer = a:open("lax.example");
			peer:dialback("key-" .. first.opened.id);
			assert.equal("invalid", (peer:wait_result()));
			a:say(peer, "x@lax.example");
		end);

		it("with elements in it is no key", function ()
			-- XML of a stranger's choice is not for us to bring to a partner's server.
			local peer, server = a:open("lax.example"), a.servers["lax.example"];
			local inside;
			function server.vouch(element)
				inside = element:childs()[1];
				return "invalid";
			end
			claim(peer, "from='lax.example' to='contoso.com'", "<x xmlns='urn:x'>key</x>");
			a.loop:wait(function () return peer.result or peer.closed; end, 5, "an answer");
			assert.is_nil(inside and inside.name);
			a:say(peer, "x@lax.example");
		end);
	end);

	describe("a key of ours", function ()
		local key, id; -- of our stream to a server of theirs
		local server;
		setup(function ()
			a:begin();
			-- The id is chosen by them: with a space it looks like a field of the key's text.
			server = a:hostile(9, { dialback = "silent"; sasl = false; header = { id = "contoso.com 0123" } });
			a:lync_says(server);
			key = a.loop:wait(function ()
				local result = a:was_sent(server, "result");
				return result and result:text();
			end, 5, "our key");
			id = "contoso.com 0123";
			a.hostiles = {};
		end);
		teardown(function () server:close(); end);

		-- The gateway's answer to a question about a key, in the name of that server.
		local function ask(attributes, text)
			local peer = a:old(nil, { from = false });
			peer:send(("<db:verify %s>%s</db:verify>"):format(attributes, text or key));
			a.loop:wait(function () return peer.verified or peer.closed; end, 5, "the answer to db:verify");
			return peer.verified and peer.verified.attr.type or peer.stream_error;
		end

		it("is ours, for the stream it is for", function ()
			assert.equal("valid", ask(("from='%s' to='contoso.com' id='%s'"):format(server.domain, id)));
		end);

		it("is nobody else's, whatever is asked", function ()
			for _, case in ipairs {
				{ "lax.example", "contoso.com", id };                      -- another partner's
				{ server.domain, "contoso.com", id .. "4" };
				{ server.domain, "contoso.com", "0123" };
				{ server.domain .. " contoso.com", "contoso.com", "0123" }; -- the same text, cut elsewhere
				{ server.domain:sub(2), "contoso.com", id };
				{ "x" .. server.domain, "contoso.com", id };
			} do
				assert.equal("invalid", ask(("from='%s' to='%s' id='%s'"):format(table.unpack(case))), table.concat(case, "|"));
			end
		end);

		it("is no key of another host of this Prosody", function ()
			assert.equal("invalid", ask(("from='%s' to='other.example' id='%s'"):format(server.domain, id)));
		end);

		it("is asked about with an id, a key and names, or not at all", function ()
			for _, case in ipairs {
				{ ("from='%s' to='contoso.com'"):format(server.domain) };
				{ "to='contoso.com' id='1'" };
				{ ("from='%s' id='%s'"):format(server.domain, id) };
				{ ("from='%s' to='contoso.com' id='%s'"):format(server.domain, id), "" };
			} do
				local peer = a:old(nil, { from = false });
				peer:send(("<db:verify %s>%s</db:verify>"):format(case[1], case[2] or key));
				a.loop:never(function () return peer.verified and peer.verified.attr.type == "valid"; end, 0.1, "valid: " .. case[1]);
			end
		end);
	end);

	describe("an answer that nobody asked for, to our stream,", function ()
		it("before our key: valid", function ()
			local server = a:hostile(9, { on = { opened = function (server, session)
				session.conn:send(answer(server.domain));
			end } });
			unsolicited(server);
			a:refused("unsolicited-answer", server.domain, "out");
			assert.is_nil(a:was_sent(server, "result"));
		end);

		for _, kind in ipairs { "invalid", "error" } do
			it("before our key: " .. kind, function ()
				local server = a:hostile(9, { on = { opened = function (server, session)
					session.conn:send(answer(server.domain, nil, kind));
				end } });
				unsolicited(server);
				a:refused("unsolicited-answer", server.domain, "out");
			end);
		end

		it("in place of TLS", function ()
			local server = a:hostile(1, { on = { starttls = function (server, session)
				session.conn:send(answer(server.domain));
			end } });
			unsolicited(server);
			a:refused("unsolicited-answer", server.domain, "out");
		end);

		it("in place of the answer to EXTERNAL", function ()
			local server = a:hostile(1, { on = { auth = function (server, session)
				session.conn:send(answer(server.domain));
			end } });
			unsolicited(server);
			a:refused("unsolicited-answer", server.domain, "out");
		end);

		it("after EXTERNAL", function ()
			local server = a:hostile(9);
			a:lync_says(server, "before it");
			server:wait_message("before it");
			server.streams[1].conn:send(answer(server.domain));
			assert.equal("not-authorized", a:server_closed(server));
			a:refused("unsolicited-answer", server.domain, "out");
		end);

		it("for another domain", function ()
			local server = a:hostile(9, { sasl = false; on = { result = function (_, session)
				session.conn:send(answer("secure.example"));
			end } });
			unsolicited(server);
			a:refused("unsolicited-answer", nil, "out");
		end);

		for _, to in ipairs { "other.example", "unknown.example" } do
			it("to another host: " .. to, function ()
				local server = a:hostile(9, { sasl = false; on = { result = function (server, session)
					session.conn:send(answer(server.domain, to));
				end } });
				local sent = a:lync_says(server);
				assert.is_truthy(a:server_closed(server));
				assert.is_truthy(sent:wait() >= 300);
			end);
		end

		it("without from and to", function ()
			local server = a:hostile(9, { sasl = false; on = { result = function (_, session)
				session.conn:send("<db:result type='valid'/>");
			end } });
			local sent = a:lync_says(server);
			assert.is_truthy(a:server_closed(server));
			assert.is_truthy(sent:wait() >= 300);
		end);

		it("without a type: a claim on our stream", function ()
			local server = a:hostile(9, { sasl = false; on = { result = function (server, session)
				session.conn:send(("<db:result from='%s' to='contoso.com'>key</db:result>"):format(server.domain));
			end } });
			local sent = a:lync_says(server);
			assert.is_truthy(a:server_closed(server));
			assert.is_truthy(sent:wait() >= 300);
		end);

		it("to a stream that the other side has opened", function ()
			local peer = a:secure("lax.example");
			peer:send(answer("lax.example"));
			a:say(peer, "x@lax.example");
			assert.equal("not-authorized", a:ends(peer));
			a:refused("unsolicited-answer", "lax.example");
		end);
	end);

	it("stanzas on a stream of ours that was authenticated one way only", function ()
		local server = a:hostile(9, { sasl = false });
		a:lync_says(server, "one way");
		server:wait_message("one way");
		server.streams[1].conn:send(message(server.domain));
		assert.equal("not-authorized", a:server_closed(server));
	end);

	it("leaves the way to partners as it was", function ()
		a:lync_says(a.home, "to an honest partner");
		a.home:wait_message("to an honest partner");
		a.answered = true;
	end);
end);
