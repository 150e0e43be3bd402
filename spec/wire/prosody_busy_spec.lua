-- Prosody stands still while Lync goes on: Lync is told to wait, the worker stays, and then all is as it was.
-- SPDX-License-Identifier: MIT

local Rig = require "bench.scale_rig";
local process = require "spec.support.process";

local N, FRESH = 400, 30; -- pairs; those of them whose Lync users subscribe anew meanwhile, one after the other
local SECONDS = 60; -- for each step, which takes a few

describe("a Prosody that stands still", function ()
	local rig, edge;
	setup(function ()
		rig = Rig.new { pairs = N; notify_interval = 1 };
		edge = rig.edge;
		rig:establish(0, SECONDS);
		edge:say("leave 0 %d 0", FRESH);
		rig:watch(function () return edge:stats().ended == FRESH; end, SECONDS, "the end of some subscriptions");
	end);
	teardown(function () rig:close(); end);

	-- Prosody reads from a pipe into which nobody writes, until the writer that is returned is stopped.
	local function stand_still()
		local pipe = process.directory(rig.loop, "pipe") .. "/pipe";
		assert(os.execute("mkfifo " .. process.quote(pipe)));
		local writer = process.start(rig.loop, { "sh", "-c", "exec 3>\"$0\" && echo stands && exec sleep 600", pipe });
		process.start(rig.loop, { "prosodyctl", "--root", "--config", rig.gateway.config, "shell",
			("> io.open(%q):read('a')"):format(pipe) }, { name = "prosodyctl", env = rig.gateway.env });
		writer:wait_line("stands", SECONDS);
		return writer;
	end

	-- They refresh all together; each is answered by the worker alone.
	local function refresh(unanswered)
		local asked = edge:stats().asked;
		edge:say("refresh %d %d 0", FRESH, N);
		rig.loop:wait(function ()
			local e = edge:stats();
			return e.asked == asked + N - FRESH and e.asked - e.answered <= unanswered;
		end, SECONDS, "the answers to refreshes");
	end

	it("makes Lync wait, and the worker outlives it", function ()
		local pid, tried, rounds = rig:worker_pid(), 0, 0;
		local writer = stand_still();
		repeat
			if rounds % 4 == 0 then
				assert.is_true(tried < FRESH, "never refused: " .. rig:describe());
				local asked = edge:stats().asked;
				edge:say("watch %d %d 0", tried, tried + 1);
				rig.loop:wait(function () return edge:stats().asked > asked; end, SECONDS, "a subscription");
				tried = tried + 1;
			end
			refresh(tried);
			rounds = rounds + 1;
		until edge:stats().status == 503;
		assert.equal(N - FRESH, edge:stats().live); -- the refreshes were taken
		writer:stop();
		rig.gateway:wait_log("refused SIP request: Prosody does not keep up.*token=prosody%-busy", SECONDS);
		rig:watch(function () local e = edge:stats(); return e.asked == e.answered; end, SECONDS, "answers to all that waited");
		edge:say("watch %d %d 0", tried - 1, FRESH); -- as Lync does after Retry-After
		rig:watch(function ()
			local e = edge:stats();
			return e.asked == e.answered and e.live >= N - tried + 1 and e.told_ok == e.told;
		end, SECONDS, "new subscriptions");
		assert.equal(pid, rig:worker_pid());
		assert.is_nil(rig.gateway.process.output:find("lost worker", 1, true));
	end);
end);
