-- One-to-one messages between a Lync user and a contact, both ways, with real servers and real TLS.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local sip = require "spec.support.sip";

local STATES = "http://jabber.org/protocol/chatstates";
local LENA, ROMEO = "lena@contoso.com", "romeo@fabrikam.com";

-- What a text may hold: the same at both ends, byte for byte.
local TEXTS = {
	{ "umlauts", "Grüße aus München, cœur brisé" };
	{ "other scripts", "Привет, 你好, こんにちは, שלום, مرحبا" };
	{ "emoji", "👋🏽 👨‍👩‍👧‍👦 🏳️‍🌈 \u{1F1E9}\u{1F1EA} 😀" };
	{ "XML specials", "a < b && c > d \"e\" 'f' ]]> &amp; <!-- --> <?pi?>" };
	{ "SIP specials", "sip:x@y;lr?Subject=1 \"q\" <z> %0d%0a %s %n" };
	{ "combining characters", "e\u{301} n\u{303} \u{200B}zero\u{FEFF}width" };
	{ "several lines", "one\ntwo\n\nfour\tand a tab" };
	{ "white space around it", "  two before and two after  " };
};

-- Requests of the bridge of that method, oldest first.
local function requests(w, method, matches)
	local list = {};
	for _, entry in ipairs(w.edge.messages) do
		local m = entry.message;
		if entry.direction == "in" and m.method == method and (not matches or matches(m)) then list[#list + 1] = m; end
	end
	return list;
end

describe("instant messages", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { wire = { imdn_wait = 30 } };
		romeo, lena = w:contact("romeo"), w:lync_user("lena", "Lena Berg");
	end);
	teardown(function () w:finish(); end);

	-- A conversation of a contact with a Lync user of this name, who has been told a text.
	local function opened_by_contact(name)
		local user = w:lync_user(name);
		romeo:message(name .. "@contoso.com", "first to " .. name, { state = "active", thread = "thread-" .. name });
		return user:wait_message("first to " .. name).conversation, user;
	end

	it("reach a Lync user, who answers in the same conversation and thread", function ()
		local id = romeo:message(LENA, "Neither, fair saint", { receipt = true, thread = "t-1" });
		local heard = lena:wait_message("Neither, fair saint");
		romeo:wait_receipt(id);
		assert.equal(ROMEO, heard.from);
		assert.equal(200, heard.conversation:say("If they do see thee"):wait());
		local stanza = romeo:wait_message("If they do see thee");
		assert.equal("t-1", stanza:child_text("thread"));
		assert.equal("chat", stanza.attr.type);
		assert.equal(LENA, stanza.attr.from);
		assert.equal(1, #lena.conversations);
	end);

	-- mod_lync_gateway.lua gives the short way up where others stand between it and the handlers.
	it("may go the short way: between it and the handlers is the gate alone", function ()
		for _, scope in ipairs { "bare", "full" } do
			local output = w.gateway:shell(([[> (function () local n = 0; for _, p in pairs(
				prosody.hosts["contoso.com"].events._event_map["message/%s"]) do if p > 100 and p <= 1001 then n = n + 1; end end
				return "between=" .. n; end)()]]):format(scope):gsub("%s+", " "));
			assert.matches("between=2", output, 1, true); -- and itself
		end
	end);

	it("of a Lync user reach a contact, who answers in the same conversation", function ()
		local mia = w:lync_user("mia");
		local conversation = mia:open(ROMEO, "Alack"):wait_open();
		local thread = romeo:wait_message("Alack"):child_text("thread");
		assert.is_truthy(thread and thread ~= "");
		romeo:message("mia@contoso.com", "there lies more peril", { thread = thread });
		assert.equal(conversation, mia:wait_message("there lies more peril").conversation);
		conversation:say("still there?");
		assert.equal(thread, romeo:wait_message("still there?"):child_text("thread"));
		assert.equal(0, #requests(w, "INVITE", function (m) return m.uri == "sip:mia@contoso.com"; end));
	end);

	it("go back to the resource that spoke last", function ()
		local balcony = w:contact("romeo@fabrikam.com/balcony");
		local conversation, user = opened_by_contact("resource");
		conversation:say("for the orchard");
		assert.equal("romeo@fabrikam.com/orchard", romeo:wait_message("for the orchard").attr.to);
		balcony:message("resource@contoso.com", "I moved");
		user:wait_message("I moved");
		conversation:say("for the balcony");
		assert.equal("romeo@fabrikam.com/balcony", balcony:wait_message("for the balcony").attr.to);
		for who, text in pairs { [balcony] = "for the orchard"; [romeo] = "for the balcony" } do
			for _, stanza in ipairs(who.stanzas) do assert.is_false(stanza:child_text("body") == text); end
		end
		balcony:close();
	end);

	it("keep their order, 50 each way at once", function ()
		local conversation, user = opened_by_contact("fifty");
		local last;
		for i = 1, 50 do
			romeo:message("fifty@contoso.com", "up " .. i);
			last = conversation:say("down " .. i);
		end
		assert.equal(200, last:wait(10));
		for i = 1, 50 do user:wait_message("up " .. i, 10); end
		local up, down = 0, 0;
		for _, entry in ipairs(user.received) do
			local n = tonumber(entry.text:match("^up (%d+)$"));
			if n then assert.equal(up + 1, n); up = n; end
		end
		romeo:wait_stanza(function (stanza)
			local n = tonumber((stanza:child_text("body") or ""):match("^down (%d+)$"));
			if n and n > down then assert.equal(down + 1, n); down = n; end
			return down == 50;
		end, 10, "50 messages in order");
		assert.equal(1, #user.conversations);
		assert.same({}, w.edge.violations); -- signed routes, CSeq, one dialog: after many messages, too
	end);

	for _, case in ipairs(TEXTS) do
		it("carry " .. case[1] .. " both ways", function ()
			romeo:message(LENA, case[2]);
			local heard = lena:wait_message(case[2]);
			heard.conversation:say(case[2]);
			romeo:wait_message(case[2]);
		end);
	end

	it("have LF in XMPP whatever line ends Lync uses, and no character that XML forbids", function ()
		local conversation = lena.conversations[1];
		conversation:say("one\r\ntwo\rthree\nfour\0five\27six\u{FFFE}");
		romeo:wait_message("one\ntwo\nthree\nfourfivesix");
	end);

	it("carry subject and language to Lync", function ()
		romeo:message("subject@contoso.com", "Bonjour", { subject = "Le  sujet:\n été <1>", lang = "fr" });
		w:lync_user("subject"):wait_message("Bonjour");
		local invite = requests(w, "INVITE", function (m) return m.uri == "sip:subject@contoso.com"; end)[1];
		assert.equal("Le sujet: été <1>", sip.get(invite, "Subject"));
		local said = requests(w, "MESSAGE", function (m) return m.body == "Bonjour"; end)[1];
		assert.equal("fr", sip.get(said, "Content-Language"));
		assert.equal("text/plain; charset=UTF-8", sip.get(said, "Content-Type"));
	end);

	it("carry subject and language from Lync", function ()
		local conversation = w:lync_user("betreff"):open(ROMEO):wait_open();
		conversation:say("Guten Tag", { headers = { { "Subject", "Über <alles> & mehr" }, { "Content-Language", "de-DE" } } });
		local stanza = romeo:wait_message("Guten Tag");
		assert.equal("Über <alles> & mehr", stanza:child_text("subject"));
		assert.equal("de-DE", stanza.attr["http://www.w3.org/XML/1998/namespace\1lang"]);
	end);

	it("have their receipt only when Lync has said 200", function ()
		local user = w:lync_user("slow");
		user:answers("MESSAGE", { status = 200, after = 0.3 });
		local id = romeo:message("slow@contoso.com", "are you there?", { receipt = true });
		w.loop:wait(function () return #requests(w, "MESSAGE", function (m) return m.body == "are you there?"; end) > 0; end);
		w.loop:never(function () return romeo:heard_of(id); end, 0.2, "a receipt before the 200");
		romeo:wait_receipt(id);
	end);

	it("have no receipt that nobody asked for", function ()
		local id = romeo:message(LENA, "no receipt, please");
		lena:wait_message("no receipt, please");
		w.loop:never(function () return romeo:heard_of(id); end, 0.3, "a receipt");
	end);

	it("have neither receipt nor error after 202", function ()
		w:lync_user("queued"):answers("MESSAGE", 202);
		local id = romeo:message("queued@contoso.com", "queued", { receipt = true });
		w:lync_user("queued"):wait_message("queued");
		w.loop:never(function () return romeo:heard_of(id); end, 0.4, "an outcome");
	end);

	for _, method in ipairs { "INFO", "NOTIFY", "MESSAGE" } do
		local name = "late" .. method:lower();
		it("are an error after 202 and a failure in " .. method, function ()
			w:lync_user(name):answers("MESSAGE", { status = 202, imdn = 408, imdn_method = method });
			local id = romeo:message(name .. "@contoso.com", "queued, then lost", { receipt = true });
			local condition, kind, text = romeo:wait_error(id);
			assert.same({ "remote-server-timeout", "wait" }, { condition, kind });
			assert.is_truthy(text:find("SIP 408", 1, true) and text:find("(not-delivered)", 1, true), text);
			w.loop:never(function () return romeo:heard_of(id); end, 0.3, "a second outcome");
		end);
	end

	it("have their receipt after 202 and a success", function ()
		w:lync_user("lateok"):answers("MESSAGE", { status = 202, imdn = 200 });
		romeo:wait_receipt(romeo:message("lateok@contoso.com", "queued, then there", { receipt = true }));
	end);

	it("say that the partner vouches for the sender", function ()
		for _, message in ipairs(requests(w, "MESSAGE")) do
			assert.equal("ms-source-verified-user=verified", sip.get(message, "ms-asserted-verification-level"));
		end
	end);

	it("tell a contact's client that chat states are welcome until it has shown none", function ()
		local conversation, user = opened_by_contact("states");
		conversation:say("with a state");
		assert.is_truthy(romeo:wait_message("with a state"):child("active", STATES));
		romeo:message("states@contoso.com", "without"); -- XEP-0085 5.1: it does not support them
		user:wait_message("without");
		conversation:say("without a state");
		assert.is_nil(romeo:wait_message("without a state"):child("active", STATES));
	end);
end);

-- timeout: seconds after which a Lync user's typing is over without news
local function typing_world(timeout)
	local w = World.new { wire = { typing_interval = 0.4, typing_timeout = timeout } };
	local romeo, lena = w:contact("romeo"), w:lync_user("lena");
	romeo:message(LENA, "hello", { state = "active", thread = "typing" });
	return w, romeo, lena, lena:wait_message("hello").conversation;
end

local function states_heard(contact, state)
	local count = 0;
	for _, stanza in ipairs(contact.stanzas) do
		if stanza:child(state, STATES) and not stanza:child("body") then count = count + 1; end
	end
	return count;
end

describe("typing", function ()
	local w, romeo, lena, conversation;
	setup(function ()
		w, romeo, lena, conversation = typing_world(30);
	end);
	teardown(function () w:finish(); end);

	it("of a contact is shown and ends at Lync", function ()
		romeo:chat_state(LENA, "composing");
		lena:wait_typing(true);
		romeo:chat_state(LENA, "paused");
		lena:wait_typing(false);
	end);

	it("of a contact goes to Lync at most once per interval", function ()
		for _ = 1, 3 do
			romeo:chat_state(LENA, "composing");
			lena:wait_typing(true);
			romeo:chat_state(LENA, "paused");
			lena:wait_typing(false);
		end
		for _ = 1, 5 do romeo:chat_state(LENA, "composing"); end
		romeo:message(LENA, "typed", { state = "active" });
		lena:wait_message("typed");
		local last, count;
		for _, entry in ipairs(w.edge.messages) do
			if entry.direction == "in" and entry.message.method == "INFO" and entry.message.body:find('"type"', 1, true) then
				assert.is_true(not last or entry.at - last >= 0.39, last and entry.at - last);
				last, count = entry.earliest, (count or 0) + 1;
			end
		end
		-- of the last five one, or none: the text came; more only as intervals went by
		assert.is_true(count >= 4, tostring(count));
	end);

	it("of a Lync user is shown, in the thread, and not twice", function ()
		conversation:typing(true);
		assert.equal("typing", romeo:wait_state("composing"):child_text("thread"));
		assert.equal(200, conversation:typing(true):wait());
		w.loop:never(function () return states_heard(romeo, "composing") > 0; end, 0.3, "a second composing");
		conversation:typing(false);
		romeo:wait_state("paused");
	end);

	it("of a Lync user in the standard's own words", function ()
		local body = "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>%s</state></isComposing>";
		conversation:say(body:format("active"), { type = "application/im-iscomposing+xml" });
		romeo:wait_state("composing");
		conversation:say(body:format("idle"), { type = "application/im-iscomposing+xml" });
		romeo:wait_state("paused");
	end);

	it("opens no conversation", function ()
		romeo:chat_state("nora@contoso.com", "composing");
		w.loop:never(function () return #w:lync_user("nora").conversations > 0; end, 0.3, "an INVITE for typing");
	end);

	it("is not shown to a client that does not use it", function ()
		local other = w:contact("tybalt@na.fabrikam.com/x");
		other:message(LENA, "no states here");
		lena:wait_message("no states here").conversation:typing(true);
		w.loop:never(function ()
			for _, stanza in ipairs(other.stanzas) do
				if stanza:child("composing", STATES) then return true; end
			end
		end, 0.3, "a chat state");
	end);
end);

describe("typing of a Lync user, of which no more news come,", function ()
	local w, romeo, conversation, _;
	setup(function () w, romeo, _, conversation = typing_world(1); end);
	teardown(function () w:finish(); end);

	it("ends by itself", function ()
		conversation:typing(true);
		romeo:wait_state("composing");
		romeo:wait_state("paused");
	end);

	it("is over when the text comes", function ()
		conversation:typing(true);
		romeo:wait_state("composing");
		conversation:say("typed");
		romeo:wait_message("typed");
		local before = states_heard(romeo, "paused"); -- it took so long
		w.loop:never(function () return states_heard(romeo, "paused") > before; end, 1.2, "paused after the text");
	end);
end);
