-- Prosody's loop is never with the gateway for more than 20 ms at a time, whatever there is to do: by its own metric.
-- SPDX-License-Identifier: MIT

local Rig = require "bench.scale_rig";
local scrape = require "spec.support.scrape";
local Turns = require "spec.support.turns";

local N = tonumber(os.getenv("LG_N") or 2000);
local SECONDS = 60; -- for what takes a few

describe("a turn of Prosody's loop, with " .. N .. " pairs,", function ()
	local rig, turns;
	setup(function ()
		rig = Rig.new(scrape.world { pairs = N; notify_interval = 1 });
		turns = Turns.new(rig);
	end);
	teardown(function () rig:close(); end);

	it("is short while all of them subscribe, both ways", function ()
		turns:assert_short("subscribe", function ()
			if rig:roster().subscribed > 0 then
				rig:dissolve(0, SECONDS);
				rig.xmpp:say("reset");
			end
			rig:establish(0, SECONDS);
		end);
	end);

	it("is short while the worker tells of all of them at once", function ()
		turns:assert_short("refresh", function ()
			local before = rig.edge:stats();
			rig.edge:say("refresh 0 %d 0", N);
			rig:watch(function () return rig.edge:stats().answered - before.answered == N; end, SECONDS, "all refreshes");
		end);
	end);

	it("is short while they are shown", function ()
		turns:assert_short("shell", function ()
			local output = rig.gateway:shell("lync:subscriptions()");
			assert.matches(" subscription%(s%), %d+ more are not shown", output);
		end);
	end);

	it("is short while all of them end", function ()
		turns:assert_short("dissolve", function ()
			if rig:roster().subscribed == 0 then
				rig.xmpp:say("reset");
				rig:establish(0, SECONDS);
			end
			rig:dissolve(0, SECONDS);
		end);
	end);
end);
