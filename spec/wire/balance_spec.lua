-- Every message is delivered or answered with an error: counted over at least 10,000 each way, some of which fail.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";

local CONVERSATIONS = 25;
local EACH = 420;   -- messages of one conversation, each way: 25 * 420 = 10,500
local WINDOW = 12;  -- of one conversation without an outcome; below SB_QUEUE_PER_PAIR

-- Of every hundred, these do not get through.
local function fails(n)
	return n % 100 == 7 or n % 100 == 50;
end

describe("the balance of messages", function ()
	local w;
	setup(function ()
		local users = {};
		for i = 1, CONVERSATIONS do users["u"..i.."@fabrikam.com"] = "secret"; end
		w = World.new {
			users = users; log = "info"; wire = { answer_wait = 0 };
			global = "network_settings = { min_wait = 0 }";
			partner_options = { log = "info"; global = "network_settings = { min_wait = 0 }" };
		};
		w.loop.note = function () end; -- a transcript of 40,000 lines helps nobody
	end);
	teardown(function () w:finish(); end);

	local function designed()
		local count = 0;
		for n = 1, EACH do
			if fails(n) then count = count + 1; end
		end
		return count * CONVERSATIONS;
	end

	-- texts arrive in the order of their numbers, none twice
	local function counter()
		return { last = 0, count = 0, disorder = 0 };
	end

	local function count(c, text)
		local n = tonumber(text:match("^text (%d+)$"));
		if not n or n <= c.last then c.disorder = c.disorder + 1; else c.last = n; end
		c.count = c.count + 1;
	end

	it("from XMPP to Lync", function ()
		-- A stock Prosody lets stanzas overtake those that have waited for its stream.
		w:contact("u1"):message("first@contoso.com", "first");
		w:lync_user("first"):wait_message("first", 10);
		local total = { sent = 0, delivered = 0, errors = 0, receipts = 0 };
		local pairs_of = {};
		local function open(i)
			local contact, user = w:contact("u"..i), w:lync_user("l"..i);
			local c = { next = 1, outcomes = {}, open = 0, at_lync = counter() };
			user:on_message(function (_, text) count(c.at_lync, text); end);
			function c.pump()
				while c.next <= EACH and c.open < WINDOW do
					local n = c.next;
					c.next, c.open, total.sent = n + 1, c.open + 1, total.sent + 1;
					local to = fails(n) and "nobody"..i.."@contoso.com" or "l"..i.."@contoso.com";
					contact:message(to, "text "..n, { id = "m"..n, receipt = true });
				end
			end
			contact:on_stanza(function (stanza)
				local received = stanza:child("received", "urn:xmpp:receipts");
				local id = received and received.attr.id or stanza.attr.id;
				if not received and stanza.attr.type ~= "error" then return; end
				c.outcomes[id] = (c.outcomes[id] or 0) + 1;
				c.open = c.open - 1;
				if received then total.receipts = total.receipts + 1; else total.errors = total.errors + 1; end
				c.pump();
			end);
			pairs_of[i] = c;
			c.pump();
		end
		for i = 1, CONVERSATIONS do open(i); end
		w.loop:wait(function () return total.receipts + total.errors >= CONVERSATIONS * EACH; end, 90, "all outcomes");
		local at_lync = 0;
		for i, c in ipairs(pairs_of) do
			assert.equal(0, c.at_lync.disorder, "order of conversation "..i);
			at_lync = at_lync + c.at_lync.count;
			for n = 1, EACH do
				assert.equal(1, c.outcomes["m"..n], "outcomes of message "..n.." of conversation "..i);
			end
		end
		assert.is_true(total.sent >= 10000);
		assert.equal(total.sent, total.receipts + total.errors);
		assert.equal(total.receipts, at_lync);
		assert.equal(designed(), total.errors);
	end);

	it("from Lync to XMPP", function ()
		local total = { sent = 0, ok = 0, failed = 0 };
		local all = {};
		local function open(i)
			local contact, user = w:contact("u"..i), w:lync_user("s"..i);
			local c = { next = 1, open = 0, at_contact = counter() };
			contact:on_stanza(function () end);
			contact:on_message(function (stanza, text)
				if stanza.attr.from:match("^s"..i.."@") then count(c.at_contact, text); end
			end);
			local conversation = user:open("u"..i.."@fabrikam.com", nil, { embed = false });
			function c.pump()
				while c.next <= EACH and c.open < WINDOW do
					local n = c.next;
					c.next, c.open, total.sent = n + 1, c.open + 1, total.sent + 1;
					conversation:request("MESSAGE", {
						body = "text "..n; type = fails(n) and "application/x-ms-ink" or "text/plain; charset=UTF-8";
					}, false, function (response)
						if response and response.status < 200 then return; end
						c.open = c.open - 1;
						if response and response.status == 200 then
							total.ok = total.ok + 1;
						else
							total.failed = total.failed + 1;
						end
						c.pump();
					end);
				end
			end
			all[i] = c;
			return conversation, c;
		end
		local opened = {};
		for i = 1, CONVERSATIONS do opened[i] = { open(i) }; end
		for _, entry in ipairs(opened) do entry[1]:wait_open(20); end
		for _, entry in ipairs(opened) do entry[2].pump(); end
		w.loop:wait(function () return total.ok + total.failed >= CONVERSATIONS * EACH; end, 90, "all answers");
		local function arrived()
			local sum = 0;
			for _, c in ipairs(all) do sum = sum + c.at_contact.count; end
			return sum;
		end
		w.loop:wait(function () return arrived() >= total.ok; end, 30, "all texts at the contacts");
		assert.is_true(total.sent >= 10000);
		assert.equal(total.sent, total.ok + total.failed);
		assert.equal(total.ok, arrived());
		assert.equal(designed(), total.failed);
		for i, c in ipairs(all) do
			assert.equal(0, c.at_contact.disorder, "order of conversation "..i);
		end
	end);
end);
