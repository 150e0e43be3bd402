-- The life of IM sessions on the wire: forking, glare, ends, refreshes, odd forms, and who may open one.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local sip = require "spec.support.sip";

local ROMEO = "romeo@fabrikam.com";
local STATES = "http://jabber.org/protocol/chatstates";
local VERIFICATION = "ms-asserted-verification-level";

local function requests(w, method, matches)
	local list = {};
	for _, entry in ipairs(w.edge.messages) do
		local m = entry.message;
		if entry.direction == "in" and m.method == method and (not matches or matches(m)) then list[#list + 1] = m; end
	end
	return list;
end

local function times_heard(user, text)
	local count = 0;
	for _, entry in ipairs(user.received) do
		if entry.text == text then count = count + 1; end
	end
	return count;
end

describe("an IM session", function ()
	local w, romeo, serial;
	setup(function ()
		w = World.new();
		romeo, serial = w:contact("romeo"), 0;
	end);
	teardown(function () w:finish(); end);

	-- A new Lync user and his address.
	local function somebody()
		serial = serial + 1;
		local name = "user" .. serial;
		return w:lync_user(name), name .. "@contoso.com";
	end

	local function opened_by_contact()
		local user, address = somebody();
		romeo:message(address, "open " .. address, { state = "active" });
		return user:wait_message("open " .. address).conversation, user, address;
	end

	local function opened_by_lync()
		local user, address = somebody();
		return user:open(ROMEO):wait_open(), user, address;
	end

	describe("when the INVITE forks", function ()
		it("waits for the endpoint that answers", function ()
			local user, address = somebody();
			user:answers("INVITE", { status = 200, fork = true, after = 0.2 });
			romeo:message(address, "ringing at two");
			local heard = user:wait_message("ringing at two");
			heard.conversation:say("here");
			romeo:wait_message("here");
		end);

		it("keeps the first answer, acknowledges and ends the second", function ()
			local user, address = somebody();
			user:answers("INVITE", { status = 200, fork = "both" });
			local id = romeo:message(address, "answered by two", { receipt = true });
			local first = user:wait_message("answered by two").conversation;
			romeo:wait_receipt(id);
			assert.equal("bye of the contact", first.other:wait_end());
			assert.is_true(first.acked and first.other.acked);
			assert.equal("open", first.state);
			assert.equal(1, times_heard(user, "answered by two"));
			romeo:message(address, "and on");
			assert.equal(first, user:wait_message("and on").conversation);
		end);
	end);

	it("tells a second answer's Edge, whatever domain stands in its To", function ()
		local user, address = somebody();
		user:answers("INVITE", { status = 200, fork = "both", to_host = "elsewhere.example" });
		romeo:message(address, "answered from elsewhere");
		local first = user:wait_message("answered from elsewhere").conversation;
		assert.equal("bye of the contact", first.other:wait_end());
		assert.is_true(first.other.acked);
	end);

	describe("in glare", function ()
		it("is theirs when theirs is up first: ours is cancelled, nothing is lost or doubled", function ()
			local user, address = somebody();
			user:answers("INVITE", { status = 200, after = 2 });
			local id = romeo:message(address, "mine", { receipt = true });
			w.loop:wait(function () return #user.conversations == 1; end);
			local theirs = user:open(ROMEO, "yours", { embed = false }):wait_open();
			romeo:wait_message("yours");
			assert.equal(theirs, user:wait_message("mine", 1).conversation);
			romeo:wait_receipt(id);
			assert.equal("cancelled", user.conversations[1]:wait_end());
			assert.equal(1, times_heard(user, "mine"));
		end);

		it("has two sessions when both are up: the newest sends, both hear", function ()
			local user, address = somebody();
			local theirs;
			w.edge.on_message = function (direction, message)
				if direction ~= "in" or message.method ~= "INVITE" then return; end
				w.edge.on_message = nil;
				theirs = user:open(ROMEO, "yours", { embed = false }); -- before ours is answered
			end;
			romeo:message(address, "mine");
			local ours = user:wait_message("mine").conversation;
			theirs:wait_open();
			romeo:wait_message("yours");
			ours:say("by the first");
			romeo:wait_message("by the first");
			theirs:say("by the second");
			romeo:wait_message("by the second");
			romeo:message(address, "to the newest");
			local newest = user:wait_message("to the newest").conversation;
			assert.is_true(newest == ours or newest == theirs);
			assert.equal(1, times_heard(user, "mine"));
			romeo:chat_state(address, "gone");
			ours:wait_end();
			theirs:wait_end();
		end);
	end);

	describe("ends", function ()
		it("with gone when the Lync user closes it; the next text opens a new one", function ()
			local conversation, user, address = opened_by_contact();
			assert.equal(200, conversation:bye():wait());
			romeo:wait_state("gone");
			romeo:message(address, "once more", { state = "active" });
			assert.is_true(user:wait_message("once more").conversation ~= conversation);
		end);

		it("with BYE when the contact is gone, after what is queued", function ()
			local conversation, user, address = opened_by_contact();
			user:answers("MESSAGE", { status = 200, after = 0.1 });
			for i = 1, 3 do romeo:message(address, "queued " .. i, { state = "active" }); end
			romeo:chat_state(address, "gone");
			for i = 1, 3 do user:wait_message("queued " .. i); end
			assert.equal("bye of the contact", conversation:wait_end());
			assert.equal(4, #conversation.received);
		end);

		it("with BYE to the session that Lync opened, too", function ()
			local conversation, _, address = opened_by_lync();
			romeo:chat_state(address, "gone");
			assert.equal("bye of the contact", conversation:wait_end());
			assert.equal(481, conversation:say("too late"):wait());
		end);
	end);

	it("is refreshed by re-INVITE and UPDATE", function ()
		for _, open in ipairs { opened_by_contact, opened_by_lync } do
			local conversation, user = open();
			local status, response = conversation:reinvite():wait();
			assert.equal(200, status);
			assert.is_truthy(response.body:find("m=message 5060 sip sip:" .. ROMEO, 1, true), response.body);
			assert.equal(200, (conversation:update():wait()));
			conversation:say("after the refresh " .. user.address);
			romeo:wait_message("after the refresh " .. user.address);
		end
	end);

	it("takes 64 bytes to 20 kB of headers, and requests on any connection", function ()
		for _, size in ipairs { 64, 20000 } do
			local user = somebody();
			local conversation = user:open(ROMEO, "huge " .. size, { huge = size }):wait_open();
			romeo:wait_message("huge " .. size);
			w.edge.spread = true;
			for i = 1, 6 do
				assert.equal(200, (conversation:say(("spread %d %d"):format(size, i)):wait()));
				romeo:wait_message(("spread %d %d"):format(size, i));
			end
			w.edge.spread = nil;
		end
	end);

	it("has the names of LCS 2005 when it is opened with them", function ()
		local user, address = somebody();
		local conversation = user:offer(ROMEO, "2005"):wait_open();
		assert.is_truthy(conversation.response.body:find("m=x-ms-message 5060 sip sip:" .. ROMEO, 1, true));
		conversation:say("from 2005");
		romeo:wait_message("from 2005");
		romeo:message(address, "to 2005");
		user:wait_message("to 2005");
	end);

	it("is not needed for a MESSAGE to a contact", function ()
		local user, address = somebody();
		assert.equal(200, (user:pager(ROMEO, "without a session"):wait()));
		assert.equal(address, romeo:wait_message("without a session").attr.from);
	end);

	it("is unknown: 481", function ()
		local conversation = opened_by_lync();
		conversation.remote_to = conversation.remote_to:gsub(";tag=%w+", ";tag=0123456789abcdef");
		assert.equal(481, (conversation:say("into the void"):wait()));
		assert.equal(481, (conversation:request("BYE", {}):wait()));
	end);

	it("is cancelled before it is answered, or ends as usual", function ()
		local user = somebody();
		local conversation = user:open("nobody@unreachable.example", nil);
		assert.equal(403, (conversation:wait_failed()));
	end);

	it("has Ms-Conversation-ID, Call-ID and tag of its own", function ()
		local seen = {};
		for _, message in ipairs(requests(w, "INVITE", function (m) return not sip.params(sip.get(m, "To")).tag; end)) do
			for _, name in ipairs { "Ms-Conversation-ID", "Call-ID" } do
				local value = assert(sip.get(message, name), name);
				assert.is_nil(seen[value], value);
				seen[value] = true;
			end
		end
		assert.is_truthy(next(seen));
	end);
end);

describe("a quiet IM session", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { wire = { session_idle = 1; accept_pager_message = false } };
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
	end);
	teardown(function () w:finish(); end);

	it("ends with BYE, says nothing to XMPP, and opens again", function ()
		romeo:message("lena@contoso.com", "quiet", { state = "active", thread = "q" });
		local first = lena:wait_message("quiet").conversation;
		assert.equal("bye of the contact", first:wait_end(4));
		romeo:message("lena@contoso.com", "again", { state = "active", thread = "q" });
		assert.is_true(lena:wait_message("again").conversation ~= first);
		for _, stanza in ipairs(romeo.stanzas) do assert.is_nil(stanza:child("gone", STATES)); end
	end);

	it("of the Lync user ends, too", function ()
		local conversation = lena:open(ROMEO, "hello"):wait_open();
		romeo:wait_message("hello");
		assert.equal("bye of the contact", conversation:wait_end(4));
	end);

	it("does not replace MESSAGE outside of one, which is refused here", function ()
		local status, response = lena:pager(ROMEO, "without a session"):wait();
		assert.equal(403, status);
		assert.is_truthy(sip.get(response, "ms-diagnostics-public"):find("^1027;"));
	end);
end);

for partner_type, level in pairs { public_verified = "verified"; public_unverified = "unverified" } do
	describe("a contact of a partner that is " .. partner_type, function ()
		local w, romeo, lena;
		setup(function ()
			w = World.new { partner_type = partner_type };
			romeo, lena = w:contact("romeo"), w:lync_user("lena");
		end);
		teardown(function () w:finish(); end);

		it("is called so in every request and answer", function ()
			local conversation = lena:open(ROMEO, "hello"):wait_open();
			romeo:wait_message("hello");
			romeo:message("lena@contoso.com", "reply", { state = "active" });
			lena:wait_message("reply");
			assert.equal(200, (conversation:typing(true):wait()));
			assert.equal(200, (conversation:bye():wait()));
			romeo:wait_state("gone");
			for _, entry in ipairs(w.edge.messages) do
				local _, method = sip.cseq(entry.message);
				if entry.direction == "in" and (method == "INVITE" or method == "MESSAGE") and entry.message.method ~= "ACK"
					and entry.message.status ~= 100 then
					assert.equal("ms-source-verified-user=" .. level, sip.get(entry.message, VERIFICATION), sip.describe(entry.message));
				end
			end
		end);

		it("opens a conversation only if the partner vouches for it", function ()
			local id = romeo:message("lena@contoso.com", "by myself");
			if level == "verified" then
				lena:wait_message("by myself");
				return;
			end
			local condition, kind, text = romeo:wait_error(id);
			assert.same({ "forbidden", "auth" }, { condition, kind });
			assert.is_truthy(text:find("(not-authorized)", 1, true), text);
			assert.equal(0, #requests(w, "INVITE"));
		end);
	end);
end
