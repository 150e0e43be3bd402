-- The worker's memory ends in the middle of traffic: every message has a fate, and two seconds later all goes on.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local World = require "spec.support.world";

local RESUME = 2;  -- seconds from the end of a worker to the next one, and STALL of this process
local STALL = 18;
local WAIT = 90;   -- seconds, for what takes few
local USERS, EACH = 6, 20;
local ROUNDS = 1;  -- with nothing more than it has

describe("a worker whose memory ends", function ()
	local w, romeo, fates;
	setup(function ()
		w = World.new();
		romeo, fates = w:contact("romeo"), {};
		w:lync_user("lena");
		romeo:on_stanza(function (stanza)
			local received = stanza:child("received", "urn:xmpp:receipts");
			local id = received and received.attr.id or stanza.attr.type == "error" and stanza.attr.id;
			if not id then return; end
			fates[id] = fates[id] or {};
			table.insert(fates[id], received and "ok" or select(3, stanza:error()) or "error");
		end);
	end);
	teardown(function ()
		w.edge:ignore("no-ack"); -- of a worker that died or could not
		w:finish();
	end);

	local function size_of(pid)
		local f = assert(io.open(("/proc/%d/status"):format(pid)));
		local kb = f:read("a"):match("VmSize:%s+(%d+) kB");
		f:close();
		return tonumber(kb) * 1024;
	end

	local function logged(pattern)
		return select(2, w.gateway.process.output:gsub(pattern, ""));
	end

	local function all_have_one(ids)
		for _, id in ipairs(ids) do
			if not fates[id] then return false; end
		end
		return true;
	end

	for round = 1, ROUNDS do
		it(("(%d MiB more): each message is delivered or answered, once, and it comes back"):format(round - 1), function ()
			local pid, lost = w:worker_pid(), logged("lost worker:");
			local ready, lost_at, back_at = logged("started worker: ready"), nil, nil;
			local status, output = process.run(w.loop, { "prlimit", "--pid", tostring(pid),
				("--as=%d:"):format(size_of(pid) + (round - 1) * 1048576) });
			assert.equal(0, status, output);
			w.loop:every(0.01, function ()
				lost_at = lost_at or logged("lost worker:") > lost and w.loop:now() or nil;
				back_at = back_at or logged("started worker: ready") > ready and w.loop:now() or nil;
				return not back_at;
			end);
			local ids, text = {}, ("x"):rep(16000); -- 2 MB
			for i = 1, USERS do
				w:lync_user(("m%d-%d"):format(round, i)):answers("MESSAGE", { status = 200; after = 0.5 });
			end
			for n = 1, EACH do
				for i = 1, USERS do
					ids[#ids + 1] = romeo:message(("m%d-%d@contoso.com"):format(round, i), n .. " " .. text, { receipt = true });
				end
			end
			w.loop:wait(function () return all_have_one(ids); end, WAIT, "a fate of each message");
			local tally = { ok = 0; other = 0 };
			for _, id in ipairs(ids) do
				assert.equal(1, #fates[id], "fates of " .. id);
				local what = fates[id][1] == "ok" and "ok" or "other";
				tally[what] = tally[what] + 1;
				if what == "other" then assert.is_truthy(fates[id][1]:match("%([%l-]+%)$"), fates[id][1]); end
			end
			w.loop:note("memory", ("%d delivered, %d refused, worker %s"):format(tally.ok, tally.other, lost_at and "lost" or "goes on"));
			if lost_at then
				w.loop:wait(function () return back_at; end, WAIT, "another worker");
				assert.is_true(back_at - lost_at <= RESUME + STALL, "the next one came " .. back_at - lost_at .. " s later");
			end
			-- One that goes on without memory for three seconds gives way to another one.
			w.loop:wait(function ()
				if romeo.tried ~= w.loop:now() // 1 then
					romeo.tried = w.loop:now() // 1;
					romeo.latest = romeo:message("lena@contoso.com", "is it back? " .. romeo.tried, { receipt = true });
				end
				for id, list in pairs(fates) do
					if id == romeo.latest and list[1] == "ok" then return true; end
				end
			end, WAIT, "a message that is delivered again");
			local id = romeo:message("lena@contoso.com", "after all " .. round, { receipt = true });
			w:lync_user("lena"):wait_message("after all " .. round, WAIT);
			w.loop:wait(function () return fates[id]; end, WAIT, "the receipt");
		end);
	end
end);
