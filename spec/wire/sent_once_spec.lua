-- A text that the Access Edge has taken is not said once more, although the SIP stack repeats each request of a connection into
-- which it cannot write any more, and the Edge behind the new one knows nothing of the conversation (found by make chaos).
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local sip = require "spec.support.sip";
local World = require "spec.support.world";

local MANY = 6;

describe("a text whose connection breaks before its answer", function ()
	local w, romeo;
	setup(function ()
		w = World.new { wire = { message_timeout = 10 } };
		romeo = w:contact("romeo");
	end);
	teardown(function () w:finish(); end);

	-- Dialogs in which a text came. A repeated request is in the same one, and with the same branch: that is SIP's to recognize.
	local function dialogs(text)
		local seen, count = {}, 0;
		for _, entry in ipairs(w.edge.messages) do
			local id = entry.message.body == text and sip.get(entry.message, "Call-ID");
			if id and not seen[id] then seen[id], count = true, count + 1; end
		end
		return count;
	end

	local function repeated()
		local seen = {};
		for _, entry in ipairs(w.edge.messages) do
			local branch = entry.direction == "in" and entry.message.method == "MESSAGE" and sip.branch(entry.message);
			if branch and seen[branch] then return true; end
			if branch then seen[branch] = true; end
		end
	end

	-- While the worker does not look: first there is more for it to write, then the Edge ends and another one begins. The worker
	-- takes up what was first, and so writes into what is broken.
	local function break_under_write(round)
		local pid = w:worker_pid();
		process.kill(pid, "STOP");
		for i = 1, MANY do romeo:message(("m%d-%d@contoso.com"):format(round, i), "into what is broken"); end
		w.loop:never(function () end, 0.5);
		w.edge.server, w.edge.dialogs = {}, {};
		w.edge:drop();
		process.kill(pid, "CONT");
	end

	local function play(round)
		local ids, address = {}, {};
		for i = 1, MANY do
			address[i] = ("l%d-%d@contoso.com"):format(round, i);
			w:lync_user(address[i]);
			w:lync_user(("m%d-%d@contoso.com"):format(round, i));
			romeo:wait_receipt(romeo:message(address[i], "open", { receipt = true }), 30);
			w:lync_user(address[i]):answers("MESSAGE", { never = true; times = 1 }, 200);
		end
		local taken = w.edge:count("in", "MESSAGE");
		for i = 1, MANY do ids[i] = romeo:message(address[i], "once for "..address[i], { receipt = true }); end
		w.loop:wait(function () return w.edge:count("in", "MESSAGE") >= taken + MANY; end, 30, "the texts");
		break_under_write(round);
		for i = 1, MANY do
			w.loop:wait(function () return romeo:heard_of(ids[i]); end, 60, "an outcome of the text to "..address[i]);
			assert.equal("remote-server-timeout", (romeo:wait_error(ids[i])), "outcome of the text to "..address[i]);
		end
		for i = 1, MANY do -- and the conversation goes on
			romeo:wait_receipt(romeo:message(address[i], "again", { receipt = true }), 30);
		end
		for i = 1, MANY do assert.equal(1, dialogs("once for "..address[i]), "dialogs with the text to "..address[i]); end
	end

	it("arrives once, whoever is there afterwards", function ()
		for round = 1, 5 do -- once, unless Prosody was too slow in handing over what is to be written
			play(round);
			if repeated() then return; end
		end
		error("the stack has repeated no request");
	end);
end);
