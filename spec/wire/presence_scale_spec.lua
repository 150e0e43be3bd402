-- Some thousand presence subscriptions each way at once, through the real path: all of them stand, all of them end, nothing
-- is left; what one costs is printed. A hundred thousand and a million: make bench-scale.
-- SPDX-License-Identifier: MIT

local Rig = require "bench.scale_rig";

local N = 2000;
local SECONDS = 60; -- for each step, which takes a few

describe("presence of " .. N .. " pairs, both ways,", function ()
	local rig, rest, empty;
	setup(function ()
		rig = Rig.new { pairs = N; notify_interval = 1 };
		rest = rig:rss();
	end);
	teardown(function () rig:close(); end);

	-- Neither side refused, lost or invented anything.
	local function assert_sound()
		local e, x = rig.edge:stats(), rig.xmpp:stats();
		assert.same({ 0, 0, 0, 0 }, { e.failed, e.told_bad, e.strange, e.status }, rig:describe());
		assert.same({ 0, 0, 0, 0 }, { x.errors, x.strange, x.twice, x.unsaid }, rig:describe());
		assert.equal(e.told, e.told_ok);
		assert.equal(e.asked, e.answered);
	end

	local function assert_roster(active, subscribed)
		local roster = rig:roster();
		assert.same({ active, subscribed, N, 0 }, { roster.active, roster.subscribed, roster.pairs, roster.waiting });
		assert.equal(active + subscribed, rig:worker_rows());
		return roster;
	end

	it("is established, and nobody is asked twice", function ()
		local cores, seconds = rig:busy(function () rig:establish(0, SECONDS); end);
		assert_sound();
		assert_roster(N, N);
		assert.equal(N, rig.xmpp:stats().asked);
		local now = rig:rss();
		print(("# %d subscriptions each way in %.1f s; RSS of each: prosody %d, worker %d bytes, with what the last minute's "
			.. "transactions take; cores: prosody %.2f, worker %.2f"):format(N, seconds, (now.prosody - rest.prosody) // (2 * N),
			(now.worker - rest.worker) // (2 * N), cores.prosody, cores.worker));
	end);

	it("is refreshed by all Lync users at once", function ()
		local before = rig.edge:stats();
		rig.edge:say("refresh 0 %d 0", N);
		rig:watch(function ()
			local e = rig.edge:stats();
			return e.answered - before.answered == N and e.notifies - before.notifies == N;
		end, SECONDS, "all refreshes");
		assert.equal(N, rig.edge:stats().open);
		assert_sound();
		assert_roster(N, N);
	end);

	it("ends by all at once, and each end is said", function ()
		rig:dissolve(0, SECONDS);
		assert_sound();
		empty = assert_roster(0, 0);
		assert.equal(0, rig.edge:stats().live);
	end);

	it("comes back, ends again, and leaves nothing more behind", function ()
		rig.xmpp:say("reset");
		rig:establish(0, SECONDS);
		assert_roster(N, N);
		rig:dissolve(0, SECONDS);
		assert_sound();
		local roster = assert_roster(0, 0);
		assert.equal(empty.bytes - empty.table_bytes, roster.bytes - roster.table_bytes);
	end);
end);
