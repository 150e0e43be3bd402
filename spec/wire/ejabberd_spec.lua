-- The same conversation with ejabberd as the partner's server.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";

describe("a partner on ejabberd", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { partner = "ejabberd"; wire = { typing_interval = 0.1 } };
		romeo, lena = w:contact("romeo"), w:lync_user("lena", "Lena Berg");
	end);
	teardown(function () w:finish(); end);

	it("talks to Lync, with a receipt", function ()
		local id = romeo:message("lena@contoso.com", "from ejabberd: Grüße & <tags>", { receipt = true; thread = "t-1" });
		lena:wait_message("from ejabberd: Grüße & <tags>", 15);
		romeo:wait_receipt(id);
	end);

	it("hears from Lync, in the same conversation and thread", function ()
		local conversation = lena.conversations[#lena.conversations];
		assert.equal(200, conversation:say("hello ejabberd"):wait(10));
		local stanza = romeo:wait_message("hello ejabberd", 10);
		assert.equal("t-1", stanza:child_text("thread"));
		assert.equal("lena@contoso.com", stanza.attr.from);
	end);

	it("types both ways", function ()
		romeo:chat_state("lena@contoso.com", "composing");
		lena:wait_typing(true, 10);
		lena.conversations[#lena.conversations]:typing(true);
		romeo:wait_state("composing", 10);
	end);

	it("is told why when a message fails", function ()
		local condition, kind, text = romeo:wait_error(romeo:message("nobody@contoso.com", "x"), 10);
		assert.same({ "item-not-found", "cancel" }, { condition, kind });
		assert.is_truthy(text:find("404", 1, true));
	end);

	it("tells Lync that a contact does not exist", function ()
		local conversation = lena:open("nobody@fabrikam.com", "are you there?");
		conversation:wait_open(10);
		w.loop:wait(function () return conversation.last and (conversation.last.status or conversation.last.lost); end, 10,
			"the answer to the MESSAGE");
		local told_at_once = conversation.last.status ~= 200;
		if not told_at_once then
			w.loop:wait(function () return #conversation.imdns > 0; end, 10, "the IMDN");
		end
	end);

	it("gets 100 messages in order, and sends 100 in order", function ()
		local conversation = lena.conversations[1];
		for batch = 0, 1 do -- at most SB_UNANSWERED_PER_PAIR (64) of one conversation wait for an answer
			local sent;
			for i = batch * 50 + 1, batch * 50 + 50 do
				sent = conversation:say("to romeo "..i);
				romeo:message("lena@contoso.com", "to lena "..i);
			end
			assert.equal(200, sent:wait(10));
			for i = batch * 50 + 1, batch * 50 + 50 do lena:wait_message("to lena "..i, 20); end
		end
		local last = 0;
		w.loop:wait(function ()
			for _, stanza in ipairs(romeo.stanzas) do
				local n = tonumber((stanza:child_text("body") or ""):match("^to romeo (%d+)$"));
				if n and n > last then assert.equal(last + 1, n); last = n; end
			end
			return last == 100;
		end, 20, "100 messages at romeo");
		local order = 0;
		for _, entry in ipairs(lena.received) do
			local n = tonumber(entry.text:match("^to lena (%d+)$"));
			if n then assert.equal(order + 1, n); order = n; end
		end
	end);
end);
