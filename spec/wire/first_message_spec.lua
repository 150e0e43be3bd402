-- The first message of a conversation, which Lync writes into its INVITE: neither lost nor doubled, with either switch.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";

local ROMEO = "romeo@fabrikam.com";

local function requests(w, method, matches)
	local list = {};
	for _, entry in ipairs(w.edge.messages) do
		local m = entry.message;
		if entry.direction == "in" and m.method == method and (not matches or matches(m)) then list[#list + 1] = m; end
	end
	return list;
end

describe("the first message of a Lync user", function ()
	local w, romeo;
	setup(function ()
		w = World.new { wire = { first_message_wait = 0.3 } };
		romeo = w:contact("romeo");
	end);
	teardown(function () w:finish(); end);

	-- It never comes (again).
	local function no_more(text, seconds)
		w.loop:never(function ()
			for _, stanza in ipairs(romeo.stanzas) do
				if stanza:child_text("body") == text then return true; end
			end
		end, seconds or 0.6, "the text " .. text .. " once more");
	end

	it("in INVITE and MESSAGE is delivered once", function ()
		w:lync_user("both"):open(ROMEO, "both", { embed = true }):wait_open();
		romeo:wait_message("both");
		no_more("both");
	end);

	it("in MESSAGE alone is delivered once", function ()
		w:lync_user("message"):open(ROMEO, "message alone", { embed = false }):wait_open();
		romeo:wait_message("message alone");
		no_more("message alone");
	end);

	it("in INVITE alone is delivered once, when no MESSAGE comes", function ()
		w:lync_user("invite"):open(ROMEO, "invite alone", { say = false }):wait_open();
		romeo:wait_message("invite alone", 2);
		no_more("invite alone");
	end);

	it("in INVITE and much later in MESSAGE is delivered once, and only that once is hidden", function ()
		local conversation = w:lync_user("late"):open(ROMEO, "late", { say = false }):wait_open();
		romeo:wait_message("late", 2);
		assert.equal(200, (conversation:say("late"):wait()));
		no_more("late", 0.3);
		conversation:say("late");
		romeo:wait_message("late");
	end);

	it("in INVITE is followed by another text", function ()
		local conversation = w:lync_user("other"):open(ROMEO, "first", { say = false }):wait_open();
		romeo:wait_message("first", 2);
		conversation:say("second");
		romeo:wait_message("second");
		conversation:say("first");
		romeo:wait_message("first");
	end);

	it("is never claimed to be shown", function ()
		for _, entry in ipairs(w.edge.messages) do
			if entry.direction == "in" then
				assert.is_false(sip.has(entry.message, "Supported", "ms-text-format"));
				assert.is_false(sip.has(entry.message, "Supported", "ms-embedded-first-message"));
			end
		end
	end);
end);

describe("the first message of a contact", function ()
	local function invite_to(w, address)
		return requests(w, "INVITE", function (m) return m.uri == "sip:" .. address; end)[1];
	end

	local function messages_with(w, text)
		return #requests(w, "MESSAGE", function (m) return m.body == text; end);
	end

	describe("written into the INVITE", function ()
		local w, romeo;
		setup(function ()
			w = World.new { wire = { first_message_in_invite = true } };
			romeo = w:contact("romeo");
		end);
		teardown(function () w:finish(); end);

		it("comes again as MESSAGE, for the client did not say that it has shown it", function ()
			local user = w:lync_user("usual");
			romeo:wait_receipt(romeo:message("usual@contoso.com", "Grüße ☺", { receipt = true }));
			user:wait_message("Grüße ☺");
			local header = sip.get(invite_to(w, "usual@contoso.com"), "ms-text-format");
			assert.is_truthy(header and header:find("ms-body=" .. words.base64("Grüße ☺"), 1, true), tostring(header));
			assert.equal(1, messages_with(w, "Grüße ☺"));
		end);

		it("does not come again when the client has shown it", function ()
			local user = w:lync_user("shown");
			user:answers("INVITE", { status = 200, headers = { { "Supported", "ms-text-format" } } });
			romeo:wait_receipt(romeo:message("shown@contoso.com", "seen in the toast", { receipt = true }));
			romeo:message("shown@contoso.com", "second");
			user:wait_message("second");
			assert.equal(0, messages_with(w, "seen in the toast"));
		end);

		it("is not embedded when it is long, and arrives", function ()
			local text = ("long "):rep(2000);
			romeo:message("long@contoso.com", text);
			w:lync_user("long"):wait_message(text);
			assert.is_nil(sip.get(invite_to(w, "long@contoso.com"), "ms-text-format"));
		end);
	end);

	describe("not written into the INVITE", function ()
		local w, romeo;
		setup(function ()
			w = World.new();
			romeo = w:contact("romeo");
		end);
		teardown(function () w:finish(); end);

		it("arrives, whatever the client says that it has shown", function ()
			local user = w:lync_user("liar");
			user:answers("INVITE", { status = 200, headers = { { "Supported", "ms-text-format" } } });
			romeo:wait_receipt(romeo:message("liar@contoso.com", "never embedded", { receipt = true }));
			user:wait_message("never embedded");
			assert.is_nil(sip.get(invite_to(w, "liar@contoso.com"), "ms-text-format"));
			assert.equal(1, messages_with(w, "never embedded"));
		end);
	end);
end);
