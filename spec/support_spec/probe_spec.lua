-- SPDX-License-Identifier: MIT

local Probe = require "spec.support.probe";
local process = require "spec.support.process";
local World = require "spec.support.world";

describe("a probe", function ()
	local w, probe;
	setup(function ()
		w = World.new { partner = false };
		probe = Probe.new(w);
	end);
	teardown(function () w:finish(); end);

	it("finds a worker that is silent for more than a second, whatever else the machine does", function ()
		probe:assert_alive();
		process.kill(probe.pid, "STOP");
		w.loop:after(1.5, function () process.kill(probe.pid, "CONT"); end);
		local ok, err = pcall(probe.assert_alive, probe);
		assert.is_false(ok);
		assert.matches("of which nobody but the worker had", err);
		probe:assert_alive();
	end);

	it("does not take its own work for the worker's", function ()
		local answer = probe.answer;
		function probe.answer(...)
			local until_ = os.clock() + 1.5;
			repeat until os.clock() > until_;
			return answer(...);
		end
		probe:assert_alive();
		probe.answer = nil;
	end);
end);
