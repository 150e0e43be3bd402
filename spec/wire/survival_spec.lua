-- The worker is killed, stopped, killed again and again; the Edge goes away in the middle of things: Prosody lives, and
-- no message is without a fate.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local Traffic = require "spec.support.traffic";
local World = require "spec.support.world";

local RESUME = 2;         -- seconds from the end of a worker to traffic
local HEARTBEAT = 5 + 10; -- silence before a ping, and after it (SB_PING_MS, SB_PONG_MS)
local HEALTHY = 60;       -- a worker that has lived so long begins the count of deaths anew (SB_HEALTHY_MS)
local PAIRS = 4;

describe("survival", function ()
	local w, romeo, lena, prosody_pid;
	local deaths, ready_at = 0, nil; -- at least so many in a row, as the client counts them
	setup(function ()
		local users = Traffic.users(PAIRS);
		users["romeo@fabrikam.com"] = "secret";
		w = World.new { users = users };
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		prosody_pid = w.gateway.process.pid;
	end);
	teardown(function () w:finish(); end);
	after_each(function ()
		assert.is_true(w.gateway.process:running());
		assert.equal(prosody_pid, w.gateway.process.pid);
	end);

	local function logged(pattern)
		local count = 0;
		for _ in w.gateway.process.output:gmatch(pattern) do count = count + 1; end
		return count;
	end

	local function died()
		local healthy = ready_at and w.loop:now() - ready_at > HEALTHY - 10;
		deaths = healthy and 1 or deaths + 1;
	end

	-- A worker other than that one is ready.
	local function wait_other_worker(pid, seconds)
		w.loop:wait(function () return w:worker_pid() ~= pid; end, seconds, "a new worker");
		ready_at = w.loop:now();
	end

	-- All connections end, as when the Edge restarts. call: what must be known before the bridge is back.
	local function drop_edge(call)
		local ups = logged("connected edge:");
		w.edge:drop();
		if call then call(); end
		w.loop:wait(function () return logged("connected edge:") > ups; end, 2, "the Edge to be connected again");
	end

	local function both_ways(text, contact, user)
		local id = contact:message(user.address, text, { receipt = true });
		user:wait_message(text);
		contact:wait_receipt(id);
		local conversation = user:open(contact.jid, text .. " back", { embed = false });
		contact:wait_message(text .. " back");
		return conversation;
	end

	local function times_received(user, text)
		local count = 0;
		for _, entry in ipairs(user.received) do
			if entry.text == text then count = count + 1; end
		end
		return count;
	end

	local function assert_fates(sums)
		assert.equal(0, sums.silent, "messages with neither delivery nor error");
		assert.equal(0, sums.lost, "messages reported as delivered that are not");
		assert.equal(0, sums.twice, "messages delivered twice, or with two outcomes");
		assert.equal(0, sums.disorder, "messages out of order");
		assert.equal(sums.sent, sums.delivered + sums.failed + sums.unknown);
	end

	it("of a stream that is still being made: what is said meanwhile arrives in order", function ()
		local conversations, said, heard, last = {}, 0, 0, {};
		for i = 1, 8 do
			conversations[i] = w:lync_user("early" .. i):open(romeo.jid, nil, { embed = false });
		end
		for _, conversation in ipairs(conversations) do conversation:wait_open(); end
		romeo:on_message(function (stanza, text)
			assert.equal((last[stanza.attr.from] or 0) + 1, tonumber(text));
			last[stanza.attr.from], heard = tonumber(text), heard + 1;
		end);
		w.loop:every(0.003, function ()
			said = said + 1;
			for _, conversation in ipairs(conversations) do conversation:say(tostring(said)); end
			return said < 50; -- fewer than a conversation's queue holds
		end);
		w.loop:wait(function () return heard == 50 * #conversations; end, 5, "all that was said");
		romeo:on_message(nil);
	end);

	it("of kill -9 in the middle of traffic: it resumes within 2 s, and every message has its fate", function ()
		local t = Traffic.new(w, { pairs = PAIRS, interval = 0.01, window = 16 });
		for i = 1, PAIRS do
			w:lync_user("l" .. i):answers("MESSAGE", { status = 200; after = 0.02 }); -- so that there is something in flight
		end
		t:run();
		t:wait_flow(20);
		w.loop:wait(function () return t:open("x2s") >= PAIRS and t:open("s2x") >= PAIRS; end, 5, "messages in flight");
		local pid, open = w:worker_pid(), {};
		local killed_at = w.loop:served();
		for _, direction in ipairs { "x2s", "s2x" } do
			t:each(direction, function (entry) open[entry] = #entry.fates == 0 or nil; end);
		end
		local in_flight = { x2s = t:open("x2s"), s2x = t:open("s2x") };
		process.kill(pid, "KILL");
		died();
		t:wait_flow(1, RESUME);
		ready_at = w.loop:now();
		for i = 1, PAIRS do w:lync_user("l" .. i):answers("MESSAGE", 200); end
		local after = w.loop:served() - killed_at;
		assert.is_true(after <= RESUME, "resumed after " .. after .. " s");
		assert.not_equal(pid, w:worker_pid());
		t:wait_flow(20);
		t:finish(5);
		for _, direction in ipairs { "x2s", "s2x" } do
			local sums = t:tally(direction);
			assert_fates(sums);
			assert.is_true(sums.unknown <= in_flight[direction], direction .. ": " .. sums.unknown .. " of unknown fate");
			assert.is_true(sums.delivered >= PAIRS * 41);
			t:each(direction, function (entry)
				if entry.seen == 1 and entry.fates[1] ~= "ok" then
					assert.equal(direction == "x2s" and "bridge-died" or "connection", entry.fates[1]);
					assert.is_true(open[entry], "a message that was not in flight at the kill");
				end
			end);
		end
		for token in pairs(t:tally("x2s").tokens) do
			assert.is_truthy(({ ["bridge-died"] = true; ["bridge-down"] = true })[token], token);
		end
	end);

	it("of a stop of 1 s with much to do: nothing is lost, and the worker is the same", function ()
		local t = Traffic.new(w, { pairs = PAIRS, interval = 0.01, window = 50 }):run();
		t:wait_flow(5);
		local pid = w:worker_pid();
		process.kill(pid, "STOP");
		local stopped_at = w.loop:now();
		w.loop:wait(function () return w.loop:now() > stopped_at + 1 and t:open("x2s") >= PAIRS * 40; end, 5, "much to do");
		process.kill(pid, "CONT");
		t:wait_flow(5);
		t:finish(5);
		for _, direction in ipairs { "x2s", "s2x" } do
			local sums = t:tally(direction);
			assert_fates(sums);
			assert.equal(sums.sent, sums.delivered, direction);
		end
		assert.equal(pid, w:worker_pid());
	end);

	it("of an Edge that goes away during an INVITE", function ()
		local pid, user = w:worker_pid(), w:lync_user("ines");
		user:answers("INVITE", { never = true; times = 1 }, 200);
		local invites = w.edge:count("in", "INVITE");
		local id = romeo:message(user.address, "during the INVITE", { receipt = true });
		w.loop:wait(function () return w.edge:count("in", "INVITE") > invites; end, 5, "the INVITE");
		for key in pairs(w.edge.server) do w.edge.server[key] = nil; end -- nobody is left to wait for its answer
		drop_edge(function ()
			local _, kind, text = romeo:wait_error(id);
			assert.equal("wait", kind);
			assert.is_truthy(text:find("(connection-lost)", 1, true), text);
		end);
		romeo:wait_receipt(romeo:message(user.address, "after the INVITE", { receipt = true }));
		assert.equal(0, times_received(user, "during the INVITE"));
		assert.is_nil(romeo:heard_of(id));
		assert.equal(pid, w:worker_pid());
	end);

	it("of an Edge that goes away while a MESSAGE waits for its answer: an error, no second copy", function ()
		local pid, user = w:worker_pid(), w:lync_user("mona");
		romeo:wait_receipt(romeo:message(user.address, "before", { receipt = true }));
		user:answers("MESSAGE", { never = true; times = 1 }, 200);
		local sent = w.edge:count("in", "MESSAGE");
		local id = romeo:message(user.address, "during the MESSAGE", { receipt = true });
		w.loop:wait(function () return w.edge:count("in", "MESSAGE") > sent; end, 5, "the MESSAGE");
		drop_edge(function ()
			local _, kind, text = romeo:wait_error(id);
			assert.equal("wait", kind);
			assert.is_truthy(text:find("(connection-lost)", 1, true), text);
		end);
		romeo:wait_receipt(romeo:message(user.address, "after the MESSAGE", { receipt = true }));
		local copies = 0;
		for _, entry in ipairs(w.edge.messages) do
			if entry.direction == "in" and entry.message.body == "during the MESSAGE" then copies = copies + 1; end
		end
		assert.equal(1, copies);
		assert.equal(1, #user.conversations, "the dialog outlives the connection");
		assert.equal(pid, w:worker_pid());
	end);

	it("of an Edge that goes away in a conversation that a Lync user opened", function ()
		local conversation = both_ways("fine", romeo, lena);
		w.edge:drop();
		assert.equal(200, (conversation:say("on a new connection"):wait()));
		romeo:wait_message("on a new connection");
	end);

	it("of a worker that hangs: the heartbeat notices, Prosody serves on meanwhile", function ()
		local pid = w:worker_pid();
		process.kill(pid, "STOP");
		local stopped_at = w.loop:served();
		local id = romeo:message(lena.address, "to one who hangs");
		local output, status = w.gateway:ctl("shell", "lync", "status");
		assert.equal(0, status, output);
		local _, kind, text = romeo:wait_error(id, HEARTBEAT + 2);
		assert.equal("wait", kind);
		assert.is_truthy(text:find("(bridge-died)", 1, true), text);
		assert.is_true(w.loop:served() - stopped_at <= HEARTBEAT + 2);
		died();
		wait_other_worker(pid, RESUME);
		assert.is_false(process.alive(pid));
		both_ways("after the hang", romeo, lena);
		assert.equal(0, times_received(lena, "to one who hangs"));
	end);

	it("of one kill after the other: it backs off, answers at once meanwhile, and recovers", function ()
		for _ = 1, 3 do
			died();
			local pid, lost = w:worker_pid(), logged("lost worker:");
			local wait = deaths > 1 and 0.25 * 2 ^ (deaths - 2) or 0;
			process.kill(pid, "KILL");
			w.loop:wait(function () return logged("lost worker:") > lost; end, 2, "the loss of the worker in the log");
			local lost_at = w.loop:earliest();
			if wait >= 2 then
				local id = romeo:message(lena.address, "while it is down");
				local _, kind, text = romeo:wait_error(id);
				assert.equal("wait", kind);
				assert.is_truthy(text:find("(bridge-down)", 1, true), text);
				local conversation = lena:open(romeo.jid, "while it is down", { embed = false });
				w.loop:wait(function () return conversation.state == "failed"; end, 2, "the INVITE to fail");
			end
			wait_other_worker(pid, wait + 2);
			local took = w.loop:now() - lost_at;
			assert.is_true(took >= wait - 0.05, ("worker %d came after %.2f s"):format(deaths + 1, took));
		end
		both_ways("after all", romeo, lena);
		assert.equal(0, times_received(lena, "while it is down"));
	end);
end);
