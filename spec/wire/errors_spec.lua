-- Refusals of the Lync side, as contacts see them, and refusals of ours and of partners, as Lync users see them.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local sip = require "spec.support.sip";

local ROMEO = "romeo@fabrikam.com";

local function requests(w, method, matches)
	local list = {};
	for _, entry in ipairs(w.edge.messages) do
		local m = entry.message;
		if entry.direction == "in" and m.method == method and (not matches or matches(m)) then list[#list + 1] = m; end
	end
	return list;
end

-- What Lync answers, and the error for the contact: condition, type, and what stands in its text.
local ANSWERS = {
	{ "403, federation not allowed", { status = 403, diag = 1002 }, "forbidden", "auth", "SIP 403" };
	{ "404", 404, "item-not-found", "cancel", "SIP 404" };
	{ "480, nobody there", 480, "recipient-unavailable", "wait", "SIP 480" };
	{ "486, do not disturb", 486, "recipient-unavailable", "wait", "SIP 486" };
	{ "488", 488, "not-acceptable", "modify", "SIP 488" };
	{ "603, declined or blocked", 603, "recipient-unavailable", "wait", "SIP 603" };
	{ "606, the IM filter", { status = 606, warning = '309 lcs.microsoft.com "Message contents not allowed by policy"' },
		"policy-violation", "modify", "SIP 606 Message contents not allowed by policy" };
	{ "606 for another reason", 606, "not-acceptable", "modify", "SIP 606" };
	{ "500", 500, "internal-server-error", nil, "SIP 500" };
	{ "503 with Retry-After", { status = 503, headers = { { "Retry-After", "120" } } }, "internal-server-error", nil,
		"try again in 120 seconds" };
	{ "302", { status = 302, reason = "Moved Temporarily", headers = { { "Contact", "<sip:elsewhere@contoso.com>" } } },
		"redirect", "modify", "SIP 302 Moved Temporarily" };
	{ "504, DNS trouble", { status = 504, diag = 1008 }, "remote-server-not-found", "cancel", "SIP 504" };
	{ "504, certificate trouble", { status = 504, diag = 1010 }, "remote-server-timeout", "wait", "SIP 504" };
};

describe("a message of a contact", function ()
	local w, romeo, serial;
	setup(function ()
		w = World.new { wire = { invite_timeout = 1; message_timeout = 2 } };
		romeo, serial = w:contact("romeo"), 0;
	end);
	teardown(function () w:finish(); end);

	local function somebody()
		serial = serial + 1;
		return w:lync_user("user" .. serial), "user" .. serial .. "@contoso.com";
	end

	-- A user with whom romeo has a session.
	local function partner_in_session()
		local user, address = somebody();
		romeo:wait_receipt(romeo:message(address, "open", { receipt = true }));
		user:wait_message("open");
		return user, address;
	end

	local function one_outcome(id, seconds)
		w.loop:never(function () return romeo:heard_of(id); end, seconds or 0.2, "a second outcome of " .. id);
	end

	it("to nobody is answered with item-not-found", function ()
		local id = romeo:message("nobody@contoso.com", "is anybody there?", { receipt = true });
		local condition, kind, text = romeo:wait_error(id);
		assert.same({ "item-not-found", "cancel" }, { condition, kind });
		assert.is_truthy(text:find("SIP 404 User does not exist", 1, true), text);
		one_outcome(id);
	end);

	for _, case in ipairs(ANSWERS) do
		for _, method in ipairs { "INVITE", "MESSAGE" } do
			-- In a session 480 has another meaning: below.
			if method == "INVITE" or case[2] ~= 480 then
				it(("is answered with %s for %s to %s"):format(case[3], case[1], method), function ()
					local user, address = somebody();
					user:answers(method, case[2]);
					local id = romeo:message(address, "x", { receipt = true });
					local condition, kind, text = romeo:wait_error(id);
					assert.equal(case[3], condition, text);
					assert.is_true(case[4] == nil or case[4] == kind, kind);
					assert.is_truthy(text:find(case[5], 1, true), text);
				end);
			end
		end
	end

	it("is offered once more with a new id where the client knows the conversation", function ()
		local user, address = somebody();
		user:answers("INVITE", { status = 488, diag = 52035, times = 1 }, 200);
		romeo:wait_receipt(romeo:message(address, "twice asked", { receipt = true }));
		user:wait_message("twice asked");
		local invites = requests(w, "INVITE", function (m) return m.uri == "sip:" .. address; end);
		assert.equal(2, #invites);
		for _, name in ipairs { "Ms-Conversation-ID", "Call-ID" } do
			assert.is_true(sip.get(invites[1], name) ~= sip.get(invites[2], name), name);
		end
	end);

	it("is not offered a third time", function ()
		local user, address = somebody();
		user:answers("INVITE", { status = 488, diag = 52035 });
		assert.equal("not-acceptable", (romeo:wait_error(romeo:message(address, "x"))));
		assert.equal(2, #requests(w, "INVITE", function (m) return m.uri == "sip:" .. address; end));
	end);

	for _, status in ipairs { 481, 480, 408 } do
		it(("in a session that is dead (%d) opens another and is said once more"):format(status), function ()
			local user, address = partner_in_session();
			user:answers("MESSAGE", { status = status, times = 1 }, 200);
			local text = "again after " .. status;
			local id = romeo:message(address, text, { receipt = true });
			romeo:message(address, "afterwards");
			assert.is_true(user:wait_message(text).conversation == user.conversations[2]);
			assert.is_true(user:wait_message("afterwards").conversation == user.conversations[2]);
			romeo:wait_receipt(id);
			one_outcome(id);
			assert.equal(2, #requests(w, "MESSAGE", function (m) return m.body == text; end));
		end);

		it(("is an error when the other is dead, too (%d)"):format(status), function ()
			local user, address = partner_in_session();
			user:answers("MESSAGE", status);
			local condition, _, text = romeo:wait_error(romeo:message(address, "never"));
			assert.is_truthy(text:find("SIP " .. status, 1, true), condition);
			assert.equal(2, #user.conversations);
		end);
	end

	it("whose INVITE nobody answers is an error in time, and the INVITE is cancelled", function ()
		local user, address = somebody();
		user:answers("INVITE", { status = 200, after = 60 });
		local condition, kind, text = romeo:wait_error(romeo:message(address, "hello?"), 3);
		assert.same({ "recipient-unavailable", "wait" }, { condition, kind });
		assert.is_truthy(text:find("(no-answer)", 1, true), text);
		assert.equal("cancelled", user.conversations[1]:wait_end());
	end);

	local function answered_too_late(user, conversation)
		assert.equal("bye of the contact", conversation:wait_end());
		assert.is_true(conversation.acked);
		assert.equal(0, #user.received);
	end

	it("whose INVITE is answered as it is cancelled is not said after its error", function ()
		local user, address = somebody();
		user:answers("INVITE", { status = 200, crossing = true });
		romeo:wait_error(romeo:message(address, "too late"), 3);
		answered_too_late(user, user.conversations[1]);
		assert.equal(1, #requests(w, "CANCEL", function (m) return m.uri == "sip:" .. address; end));
	end);

	it("whose INVITE is answered after it was given up is not said after its error", function ()
		local user, address = somebody();
		user:answers("INVITE", "never");
		romeo:wait_error(romeo:message(address, "too late"), 3);
		local conversation = user.conversations[1];
		conversation:answer_invite(w.edge.server[sip.branch(conversation.invite_request) .. "INVITE"], { status = 200 });
		answered_too_late(user, conversation);
		-- RFC 3261 9.1: no CANCEL before a first answer
		assert.equal(0, #requests(w, "CANCEL", function (m) return m.uri == "sip:" .. address; end));
	end);

	it("whose INVITE rings after it was given up is cancelled then", function ()
		local user, address = somebody();
		user:answers("INVITE", "never");
		romeo:wait_error(romeo:message(address, "too late"), 3);
		local conversation = user.conversations[1];
		local transaction = w.edge.server[sip.branch(conversation.invite_request) .. "INVITE"];
		w.edge:respond(transaction, { status = 180, to = "<sip:" .. address .. ">;tag=rings" });
		assert.equal("cancelled", conversation:wait_end());
		w.loop:wait(function () return transaction.acked; end, 2, "the ACK of the 487");
	end);

	it("whose INVITE is swallowed does not keep the next from being said", function ()
		local user, address = somebody();
		user:answers("INVITE", { never = true, times = 1 }, 200);
		assert.equal("recipient-unavailable", (romeo:wait_error(romeo:message(address, "hello?"), 3)));
		romeo:message(address, "and now?");
		user:wait_message("and now?");
	end);

	it("that is swallowed is an error in time, and the session goes on", function ()
		local user, address = partner_in_session();
		user:answers("MESSAGE", { never = true, times = 1 }, 200);
		local condition, kind, text = romeo:wait_error(romeo:message(address, "swallowed"), 3);
		assert.same({ "remote-server-timeout", "wait" }, { condition, kind });
		assert.is_truthy(text:find("(timeout)", 1, true), text);
		romeo:message(address, "next");
		user:wait_message("next");
	end);
end);

describe("what a Lync user sends that is no text between two", function ()
	local w, romeo, lena, conversation;
	setup(function ()
		w = World.new();
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		conversation = lena:open(ROMEO):wait_open();
	end);
	teardown(function () w:finish(); end);

	for kind, want in pairs { audio = 488; file = 488; data = 488; sharing = 488; conference = 488; multiparty = 420 } do
		it(("is refused: %s"):format(kind), function ()
			local status, response = lena:offer(ROMEO, kind):wait_failed();
			assert.equal(want, status);
			assert.is_truthy(sip.get(response, "ms-diagnostics-public"):match("^600%d%d;reason="));
			assert.equal(want == 420 and "com.microsoft.rtc-multiparty" or nil, sip.get(response, "Unsupported"));
		end);
	end

	it("is refused: an invitation of three", function ()
		local third = ("<sip:lena@contoso.com>, <sip:%s>, <sip:mia@contoso.com>"):format(ROMEO);
		assert.equal(488, (lena:open(ROMEO, nil, { endpoints = third }):wait_failed()));
	end);

	for kind, body in pairs {
		["application/x-ms-ink"] = "base64:AAAA"; ["text/x-msmsgsinvite"] = "Invitation-Command: INVITE\r\n";
		["image/gif"] = "GIF89a"; ["text/rtf"] = "{\\rtf1 hello}"; ["application/json"] = "{}";
		['multipart/alternative; boundary="b"'] = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n";
	} do
		it(("is refused: %s"):format(kind), function ()
			local status, response = conversation:say(body, { type = kind }):wait();
			assert.equal(415, status);
			local accept = sip.get(response, "Accept");
			assert.is_truthy(accept:find("text/plain", 1, true) and accept:find("text/html", 1, true), accept);
			assert.is_truthy(sip.get(response, "ms-diagnostics-public"):find("^60016;"));
		end);
	end

	it("but HTML becomes its text", function ()
		local html = "<html><head><style>p{}</style></head><body><SPAN lang=\"de\">Gr&uuml;&szlig;e &amp; <b>fett</b></SPAN>"
			.. "<script>alert(1)</script><br>zweite&nbsp;Zeile</body></html>";
		assert.equal(200, (conversation:say(html, { type = "text/html; charset=UTF-8" }):wait()));
		romeo:wait_message("Grüße & fett\nzweite Zeile");
	end);

	it("nor leaves a trace at the contact", function ()
		for _, stanza in ipairs(romeo.stanzas) do
			assert.is_true(stanza.name ~= "message" or not stanza:child_text("body"), stanza:child_text("body"));
		end
		assert.equal(200, (conversation:say("and the session goes on"):wait()));
		romeo:wait_message("and the session goes on");
	end);
end);
