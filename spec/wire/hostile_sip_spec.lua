-- SIP that an Access Edge would not send, over a connection that is its own: each thing is refused with a reason, the worker lives,
-- other connections do not notice, and nothing reaches a contact that should not.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";

local TAG = ";tag=guess";

describe("hostile SIP", function ()
	local w, probe, romeo, allowed;
	setup(function ()
		w = World.new();
		probe, romeo, allowed = Probe.new(w), w:contact("romeo"), {};
		romeo:on_stanza(function (stanza)
			local body = stanza:child_text("body");
			if body and not allowed[body] then error("reached a contact: " .. body:sub(1, 80)); end
		end);
	end);
	teardown(function () w:finish(); end);
	after_each(function () probe:assert_alive(); end);

	-- Asked, it answers so; a refusal says why, to the peer and to the log.
	local function refused(status, token, parts, stack)
		local from = #probe:log();
		parts.body = parts.body or "must not arrive";
		local response = probe:ask(parts);
		assert.equal(status, response.status, response.reason);
		assert.is_truthy(stack or sip.get(response, "ms-diagnostics-public"), "no ms-diagnostics-public");
		if token then probe:wait_token(token, from); end
		if stack then probe.conn = nil; end -- it may be about to close it
		return response;
	end

	local function passes(text, parts)
		allowed[text], parts.body = true, parts.body or text;
		assert.equal(200, probe:ask(parts).status);
		return romeo:wait_message(text);
	end

	-- The bridge closes the connection over which this came.
	local function closes(bytes, seconds)
		local conn = probe:connect();
		conn:send(bytes);
		w.loop:within(function () return conn.closed; end, seconds or 6, "the connection to be closed");
	end

	it("is measured with a request that passes", function () passes("an ordinary one", {}); end);

	describe("with an identity that is not the sender's", function ()
		for what, case in pairs {
			["From of another domain"] = { 403, "from-domain", { From = "<sip:mallory@evil.example>;tag=1" } };
			["From of a partner's domain"] = { 403, "from-domain", { From = "<sip:romeo@fabrikam.com>;tag=1" } };
			["From of another domain that says it is verified"] = { 403, "from-domain", { From = "<sip:ceo@evil.example>;tag=1";
				more = { { "ms-asserted-verification-level", "ms-source-verified-user=verified" } } } };
			["From whose domain is not text"] = { 403, "from-domain", { From = "<sip:lena@\255.com>;tag=1" } };
			["From whose domain has a control character"] = { 403, "from-domain", { From = "<sip:lena@\24.com>;tag=1" } };
			["From without a user"] = { 400, "malformed", { From = "<sip:contoso.com>;tag=1" } };
			["To without a user"] = { 400, "malformed", { To = "<sip:fabrikam.com>" } };
			["a target without a user"] = { 400, "malformed", { uri = "sip:fabrikam.com" } };
			["two Froms"] = { 400, "malformed", { more = { { "From", "<sip:mallory@evil.example>;tag=2" } } } };
			["two Froms, compact"] = { 400, "malformed", { more = { { "f", "<sip:mallory@evil.example>;tag=2" } } } };
			["a sips: target"] = { 416, "not-sip", { uri = "sips:romeo@fabrikam.com" } };
			["a tel: target"] = { 416, "not-sip", { uri = "tel:+15550100" } };
			["a tel: From"] = { 416, "not-sip", { From = "<tel:+15550100>;tag=1" } };
			["a user with NUL in it"] = { 400, "bad-jid", { From = "<sip:le%00na@contoso.com>;tag=1" } };
			["a user with CR LF in it"] = { 400, "bad-jid", { From = "<sip:lena%0d%0aX:@contoso.com>;tag=1" } };
		} do
			it("(" .. what .. ")", function () refused(case[1], case[2], case[3]); end);
		end

		for what, value in pairs {
			["of another domain"] = "<sip:ceo@evil.example>";
			["of another domain, sips:"] = "<sips:ceo@evil.example>";
			["of another domain, as a bare URI"] = "sip:ceo@evil.example";
			["of another domain, behind the right one"] = "<sip:lena@contoso.com>, <sip:ceo@evil.example>";
			["of another domain, behind one without user"] = "<sip:contoso.com>, <sip:ceo@evil.example>";
			["of another domain, without a user"] = "<sip:evil.example>";
			["of another domain, the right one in its name"] = '"<sip:lena@contoso.com>" <sip:ceo@evil.example>';
			["of another domain, the right one in a parameter"] = "<sip:ceo@evil.example;x=@contoso.com>";
			["of the web"] = "<http://contoso.com/lena>";
			["that is nothing"] = '"lena';
		} do
			it("(P-Asserted-Identity " .. what .. ")", function ()
				refused(403, "identity-domain", { more = { { "P-Asserted-Identity", value } } });
			end);
		end

		it("(P-Asserted-Identity in two lines, the second of another domain)", function ()
			refused(403, "identity-domain", { more = { { "P-Asserted-Identity", "<sip:lena@contoso.com>" },
				{ "P-Asserted-Identity", "<sip:ceo@evil.example>" } } });
		end);

		it("but not when only a display name looks so", function ()
			passes("an odd name", { more = { { "P-Asserted-Identity",
				'"see, <sip:x@evil.example>" <sip:lena@CONTOSO.com:5061;x=y>, <tel:+15550100>' } } });
		end);

		it("and a message's own claim to be verified is not passed on", function ()
			local stanza = passes("trust me", { more = { { "ms-asserted-verification-level", "ms-source-verified-user=verified" },
				{ "ms-edge-proxy-message-trust", "ms-source-type=AuthorizedServer" } } });
			assert.is_nil(tostring(stanza.raw or ""):find("verif", 1, true));
		end);
	end);

	describe("in a dialog that is not there", function ()
		for _, method in ipairs { "BYE", "INFO", "UPDATE", "NOTIFY", "MESSAGE", "INVITE", "REFER", "SUBSCRIBE", "BENOTIFY" } do
			it("(" .. method .. " with a guessed tag) is answered 481", function ()
				refused(481, nil, { method = method, To = "<sip:romeo@fabrikam.com>" .. TAG,
					more = { { "Event", "presence" } } });
			end);
		end
		it("(CANCEL of nothing) is answered 481", function () refused(481, nil, { method = "CANCEL" }); end);
		it("(BYE out of any dialog) is answered 481", function () refused(481, nil, { method = "BYE" }); end);
		it("(ACK of nothing) is not answered", function ()
			local conn = probe:connect();
			conn:send((probe:bytes { method = "ACK", To = "<sip:romeo@fabrikam.com>" .. TAG }));
			probe:ask({ method = "OPTIONS" }, conn);
			assert.equal(1, #conn.messages);
			conn:close();
		end);
	end);

	describe("in somebody's dialog", function ()
		local lena, conversation, real;
		setup(function ()
			lena = w:lync_user("lena");
			allowed["first words"], allowed["and on"] = true, true;
			conversation = lena:open("romeo@fabrikam.com", "first words", { embed = false }):wait_open();
			romeo:wait_message("first words");
			real = { ["Call-ID"] = conversation.call_id; To = conversation.remote_to; CSeq = "77 MESSAGE";
				From = words.lync_address(lena, conversation.tag); uri = conversation.target };
		end);

		local function hijack(change)
			local parts = {};
			for key, value in pairs(real) do parts[key] = value; end
			for key, value in pairs(change) do parts[key] = value; end
			return parts;
		end

		it("by another user of the same domain", function ()
			refused(481, nil, hijack { From = "<sip:mallory@contoso.com>;tag=" .. conversation.tag });
		end);
		it("with another tag", function () refused(481, nil, hijack { From = "<sip:lena@contoso.com>;tag=other" }); end);
		it("with another tag of ours", function () refused(481, nil, hijack { To = "<sip:romeo@fabrikam.com>" .. TAG }); end);
		it("with another Call-ID", function () refused(481, nil, hijack { ["Call-ID"] = "guess" }); end);
		it("to end it", function ()
			refused(481, nil, hijack { method = "BYE", CSeq = "78 BYE", From = "<sip:mallory@contoso.com>;tag=" .. conversation.tag });
		end);
		it("with a CSeq that has been", function () refused(500, "out-of-order", hijack { CSeq = conversation.cseq .. " MESSAGE" }); end);
		it("leaves it as it was", function ()
			assert.equal(200, (conversation:say("and on"):wait()));
			romeo:wait_message("and on");
		end);
	end);

	describe("that is too much", function ()
		it("(a body over 64 KiB)", function () refused(413, "too-large", { body = ("x"):rep(65537) }); end);
		it("(a text over the limit)", function () refused(413, "too-big", { body = ("x"):rep(20000) }); end);
		it("(Call-ID)", function () refused(413, "too-large", { ["Call-ID"] = ("c"):rep(2000) }); end);
		it("(tag)", function () refused(413, "too-large", { From = "<sip:lena@contoso.com>;tag=" .. ("t"):rep(2000) }); end);
		it("(user)", function () refused(413, "too-large", { From = "<sip:" .. ("u"):rep(5000) .. "@contoso.com>;tag=1" }); end);
		it("(Record-Routes)", function ()
			local list = {};
			for i = 1, 50 do list[i] = { "Record-Route", "<sip:p" .. i .. ".contoso.com;lr>" }; end
			refused(413, "too-large", { method = "INVITE", more = list });
		end);
		it("(a message over 256 KiB): 413 of the stack, and the end of the connection", function ()
			refused(413, nil, { body = ("x"):rep(300000) }, "stack");
			closes((probe:bytes { more = { { "X-Endless", ("y"):rep(300000) } } }));
		end);
	end);

	describe("that is not for us", function ()
		for _, method in ipairs { "PUBLISH", "REGISTER", "PRACK", "FOO", "BENOTIFY", "invite" } do
			it("(" .. method .. ")", function ()
				local response = refused(405, "method", { method = method });
				for _, allowed_method in ipairs { "MESSAGE", "SUBSCRIBE", "NOTIFY" } do
					assert.is_true(sip.has(response, "Allow", allowed_method));
				end
			end);
		end
		for _, event in ipairs { "dialog", "presence.winfo", "vnd-microsoft-roaming-contacts" } do
			it("(SUBSCRIBE to " .. event .. ")", function ()
				refused(489, "event", { method = "SUBSCRIBE"; more = { { "Event", event } } });
			end);
		end
		it("(Require of what is unknown)", function ()
			local response = refused(420, "extension", { more = { { "Require", "100rel, timer" }, { "Require", "no-such-thing" } } });
			assert.equal("100rel, no-such-thing", table.concat(sip.list(response, "Unsupported"), ", "));
		end);
		it("(Max-Forwards used up)", function () refused(483, "too-many-hops", { ["Max-Forwards"] = 0 }); end);
		it("(our own Via)", function ()
			refused(482, "loop", { more = { { "Via", "SIP/2.0/TLS XMPP.contoso.com:5061;branch=z9hG4bKours" } } });
		end);
		it("(an INVITE that arrives by two ways)", function ()
			local parts = { method = "INVITE"; body = words.sdp("null"); ["Content-Type"] = "application/sdp"; ["Call-ID"] = "twice";
				From = "<sip:lena@contoso.com>;tag=twice"; CSeq = "1 INVITE" };
			assert.equal(200, probe:ask(parts).status);
			parts.Via = "SIP/2.0/TLS 10.9.9.9:5061;branch=z9hG4bKotherway";
			local conn = probe:connect();
			conn:send((probe:bytes(parts)));
			local response = probe:answer(conn, "twice");
			assert.equal(482, response.status);
			assert.is_truthy(sip.get(response, "ms-diagnostics-public"));
			conn:close();
		end);
	end);

	describe("that is malformed", function ()
		for what, value in pairs { negative = "-1", ["of 2^64"] = "18446744073709551616", ["of letters"] = "abc", empty = "",
			["twice in a line"] = "5, 5" } do
			it("(Content-Length " .. what .. "): 400, and the end of the connection", function ()
				refused(400, nil, { ["Content-Length"] = value }, "stack");
				closes((probe:bytes { ["Content-Length"] = value }));
			end);
		end
		it("(Content-Length of 2000000000): 413 of the stack", function ()
			refused(413, nil, { ["Content-Length"] = "2000000000" }, "stack");
		end);
		it("(two Content-Lengths)", function ()
			refused(400, nil, { body = "evilevil", more = { { "Content-Length", "4" } } }, "stack");
			refused(400, nil, { body = "evilevil", more = { { "l", "4" } } }, "stack");
		end);
		it("(no Content-Length)", function () refused(400, nil, { ["Content-Length"] = false }, "stack"); end);
		for what, parts in pairs {
			["Contact"] = { Contact = "<<<" }; ["Content-Type"] = { ["Content-Type"] = "text" };
			["Max-Forwards"] = { ["Max-Forwards"] = "x" }; ["Require"] = { more = { { "Require", "@@@ ,," } } };
		} do
			it("(" .. what .. "): 400, and the connection goes on", function ()
				local conn = probe:connect();
				local bytes, call_id = probe:bytes(parts);
				conn:send(bytes);
				local response = probe:answer(conn, call_id);
				assert.equal(400, response.status);
				assert.is_truthy(sip.get(response, "ms-diagnostics-public"));
				assert.equal(200, probe:ask({ method = "OPTIONS" }, conn).status);
				conn:close();
			end);
		end
		it("(bad UTF-8 in the text)", function () refused(400, "bad-content", { body = "must not \255\254 arrive" }); end);
		it("(bad UTF-8 in an address)", function () refused(404, "bad-address", { From = "<sip:l\255@contoso.com>;tag=1" }); end);
		it("(a version to come)", function () refused(505, nil, { version = "SIP/3.0" }, "stack"); end);
		it("(not SIP at all): the connection is closed, not left to rot", function ()
			closes((probe:bytes { Via = "garbage" }));
			closes((probe:bytes { method = "SERVICE" })); -- a method that the stack cannot read
			w.gateway:wait_log("what it says is not SIP %(peer=[%d.]+%) %(token=malformed "); -- of many in a second not all
		end);
		it("(without an end): the connection is closed after 10 s, an idle one is not", function ()
			local idle, conns = probe:connect(), {};
			idle:send("\r\n\r\n");
			for i, bytes in ipairs {
				(probe:bytes { more = { { "X-Nul", "a\0b" } }, body = "must not arrive" }); -- ends, to the stack, at NUL
				(probe:bytes { ["Content-Length"] = "2000000000" });
				(probe:bytes {}):sub(1, -20);
				"GET / HTTP/1.0\r\nHost: xmpp.contoso.com\r\nUser-Agent: none\r\n\r\n";
			} do
				conns[i] = probe:connect();
				conns[i]:send(bytes);
			end
			probe:assert_alive();
			local left = #conns;
			w.loop:within(function ()
				for i, conn in pairs(conns) do
					if conn.closed then conns[i], left = nil, left - 1; end
				end
				return left == 0;
			end, 13, "the connections to be closed");
			assert.equal(200, probe:ask({ method = "OPTIONS" }, idle).status);
			idle:close();
		end);
	end);
end);
