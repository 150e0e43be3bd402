-- A minute of `make chaos`: each kind of fault once while messages go both ways and presence comes and goes; then every message
-- has been delivered once, or answered, or was in the hands of what was killed or cut (docs/chaos.md). SEED=n repeats a
-- run's faults; the seed is printed.
-- SPDX-License-Identifier: MIT

local play = require "spec.chaos.play";
local schedule = require "spec.chaos.schedule";

describe("chaos", function ()
	it("loses nothing in silence, and doubles nothing", function ()
		local lines = {};
		local function say(line) lines[#lines + 1] = line; end
		local ok, sound, balances = pcall(play, { seed = tonumber(os.getenv("SEED")), rate = 60, convs = 60, pace = 0.4,
			events = #schedule.kinds }, say);
		print("# "..lines[1]);
		if not ok or not sound then error(table.concat(lines, "\n").."\n"..tostring(not ok and sound or "")); end
		for direction, b in pairs(balances) do
			assert.is_true(b.sums.delivered > b.sums.sent / 2, direction..": most of them are delivered");
			assert.is_true(b.sums.calm > 0, direction);
		end
	end);
end);
