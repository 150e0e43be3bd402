-- The server's life: it starts in the foreground and detached, on a VirtualHost and on a Component; it ends politely,
-- it ends by force, and it is back at once.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local World = require "spec.support.world";

local END = 6; -- seconds from SIGTERM to the end of the process

local function both_ways(w, contact, user, text)
	local id = contact:message(user.address, text, { receipt = true });
	user:wait_message(text, 10);
	contact:wait_receipt(id);
	local conversation = user:open(contact.jid, text .. " back", { embed = false });
	contact:wait_message(text .. " back", 10);
	conversation:wait_open();
	w.loop:wait(function () return conversation.last.status; end, 5, "the answer to the message");
	assert.equal(200, conversation.last.status);
	return conversation;
end

local function restart(w)
	w.gateway:stop();
	w.gateway:start();
	w:wait_ready();
end

local function wait_dead(w, pid, what)
	local function dead() return not process.alive(pid); end
	w.loop:every(0.02, function () return not dead(); end);
	w.loop:wait(dead, 5, what);
end

for _, case in ipairs {
	{ "a Component in the foreground", { component = true } };
	{ "a VirtualHost in the foreground", { component = false } };
	{ "a Component, detached", { component = true; daemon = true } };
	{ "a VirtualHost, detached", { component = false; daemon = true } };
} do
	local name, options = case[1], case[2];
	describe("life of " .. name, function ()
		local w, romeo, lena;
		setup(function ()
			w = World.new(options);
			romeo, lena = w:contact("romeo"), w:lync_user("lena");
		end);
		teardown(function () w:finish(); end);

		it("carries messages both ways", function ()
			both_ways(w, romeo, lena, "hello");
		end);

		it("ends on SIGTERM: BYE to Lync, an error for what is in flight, no worker left; the same ports work at once", function ()
			local pid, worker = w.gateway.process.pid, w:worker_pid();
			local conversation = lena:open(romeo.jid, "open until the end", { embed = false }):wait_open();
			romeo:wait_message("open until the end");
			w:lync_user("mute"):answers("MESSAGE", "never");
			w:lync_user("shy"):answers("INVITE", "never");
			local ids = { romeo:message("mute@contoso.com", "in flight"), romeo:message("shy@contoso.com", "not yet invited") };
			w.loop:wait(function () return #w:lync_user("shy").conversations == 1 and w.edge:count("in", "MESSAGE") > 0; end, 5,
				"the requests at the Edge");
			local stopped_at = w.loop:served();
			w.gateway.process:signal("TERM");
			conversation:wait_end();
			assert.equal("bye of the contact", conversation.why);
			for _, id in ipairs(ids) do
				local _, kind = romeo:wait_error(id, END);
				assert.is_string(kind);
			end
			w.gateway.process:wait_end(END);
			local took = w.loop:served() - stopped_at;
			assert.is_true(took < END, "ended after " .. took .. " s");
			assert.is_false(process.alive(pid));
			assert.is_false(process.alive(worker));
			assert.is_nil(w.gateway.process.output:match("the worker took too long"));
			if not options.daemon then assert.equal(0, w.gateway.process.status); end

			restart(w);
			assert.not_equal(worker, w:worker_pid());
			w:lync_user("mute"):answers("MESSAGE", 200);
			both_ways(w, romeo, lena, "after the restart");
		end);

		if not options.daemon then return; end
		it("killed with -9: the worker says goodbye and ends; the same ports work at once", function ()
			local worker = w:worker_pid();
			local conversation = lena:open(romeo.jid, "open until the kill", { embed = false }):wait_open();
			romeo:wait_message("open until the kill");
			w.gateway.process:signal("KILL");
			conversation:wait_end();
			assert.equal("bye of the contact", conversation.why);
			wait_dead(w, worker, "the end of the worker");
			restart(w);
			both_ways(w, romeo, lena, "after the kill");
		end);
	end);
end

describe("two hosts on one bridge", function ()
	local w;
	setup(function ()
		w = World.new { also = { ["litware.com"] = "" } };
	end);
	teardown(function () w:finish(); end);

	it("have one worker, and a conversation each", function ()
		local romeo, lena, lars = w:contact("romeo"), w:lync_user("lena"), w:lync_user("lars@litware.com");
		both_ways(w, romeo, lena, "to contoso");
		both_ways(w, romeo, lars, "to litware");
		local output, status = w.gateway:ctl("shell", "lync", "status");
		assert.equal(0, status);
		assert.is_truthy(output:find("2 host(s), 1 bridge(s)", 1, true), output);
		output = w.gateway:ctl("shell", "lync", "sessions");
		assert.is_truthy(output:find("lena@contoso.com", 1, true), output);
		assert.is_truthy(output:find("lars@litware.com", 1, true), output);
		local _, workers = w.gateway.process.output:gsub("started worker: ready", "");
		assert.is_true(workers >= 1);
		local _, opened = w.gateway.process.output:gsub("opened bridge:", "");
		assert.equal(1, opened);
	end);

	it("lose only what is the one's when it goes: the other's dialog stays", function ()
		local romeo, lena = w:contact("romeo"), w:lync_user("lena");
		local conversation = both_ways(w, romeo, lena, "before");
		local worker = w:worker_pid();
		local output, status = w.gateway:ctl("shell", "host", "deactivate", "litware.com");
		assert.equal(0, status, output);
		assert.equal(200, (conversation:say("still here"):wait()));
		romeo:wait_message("still here");
		assert.equal(worker, w:worker_pid());
		output = w.gateway:ctl("shell", "lync", "status");
		assert.is_truthy(output:find("1 host(s), 1 bridge(s)", 1, true), output);
		local gone = w:lync_user("lars@litware.com"):open(romeo.jid, "from nowhere", { embed = false });
		assert.equal(403, (gone:wait_failed()));
	end);
end);
