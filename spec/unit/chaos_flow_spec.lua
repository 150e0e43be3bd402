-- spec/chaos/rig.lua: when messages get through again.
-- SPDX-License-Identifier: MIT

local Rig = require "spec.chaos.rig";

describe("the rig of make chaos", function ()
	-- Two load partners that count as counts(passed seconds) says, on a clock of their own.
	local function rig_of(counts)
		local now = 0;
		local function partner(key) return { stats = function () return counts(now)[key]; end }; end
		return setmetatable({ edge = partner "edge"; xmpp = partner "xmpp"; loop = { now = function () return now; end };
			pass = function (_, seconds) now = now + seconds; end; describe = function () return ""; end;
			gateway = { process = { output = "" } } }, Rig), function () return now; end;
	end

	local function count(seen, begun, up) return { seen = seen; begun = begun; total = 100; up = up or Rig.PARTNERS }; end

	it("waits for both ways", function ()
		local rig, now = rig_of(function (t)
			return { edge = count(t > 5 and 11 or 10, 50), xmpp = count(t > 7 and 11 or 10, 50, t > 9 and Rig.PARTNERS or 1) };
		end);
		rig:wait_flow(20);
		assert.is_true(now() > 9 and now() < 10);
	end);

	it("gives up when one way stays shut", function ()
		local rig = rig_of(function (t) return { edge = count(10, 50), xmpp = count(10 + t, 50) }; end);
		assert.has_error(function () rig:wait_flow(20); end);
	end);

	it("does not wait for a way on which all has been sent", function ()
		local rig = rig_of(function (t) return { edge = count(100, 50), xmpp = count(10 + t, 100) }; end);
		rig:wait_flow(20);
		rig = rig_of(function (t) return { edge = count(10 + t, 100), xmpp = count(100, 50) }; end);
		rig:wait_flow(20);
	end);
end);
