-- The schedule of faults: the same seed gives the same, nothing is left out.
-- SPDX-License-Identifier: MIT

local schedule = require "spec.chaos.schedule";

local function texts(seed, n, kinds)
	local next_event, list = schedule.new(seed, kinds), {};
	for i = 1, n do list[i] = schedule.text(next_event()); end
	return list;
end

describe("the schedule of faults", function ()
	it("is the same for a seed, for ever", function ()
		assert.same(texts(7, 200), texts(7, 200));
		-- if this changes, seeds that people have written down mean something else
		assert.same({ "certificates"; "wire-cut wire=xmpp-out"; "prosody-kill lasts=0.596" }, texts(1, 3));
	end);

	it("is another for another seed", function ()
		assert.not_same(texts(7, 20), texts(8, 20));
		assert.not_same(texts(0, 20), texts(1, 20));
	end);

	it("has each kind once in each round", function ()
		local next_event, n = schedule.new(3), #schedule.kinds;
		for round = 1, 20 do
			local seen = {};
			for _ = 1, n do
				local event = next_event();
				assert.is_nil(seen[event.kind], event.kind.." twice in round "..round);
				seen[event.kind] = true;
			end
		end
	end);

	it("leaves out what cannot be done, and does not care for the order of kinds", function ()
		local kinds = { "clock"; "reload"; "worker-kill" };
		assert.same(texts(5, 30, kinds), texts(5, 30, { kinds[3], kinds[1], kinds[2] }));
		for _, text in ipairs(texts(5, 30, kinds)) do
			assert.is_truthy(text:match("^clock") or text:match("^reload") or text:match("^worker%-kill"), text);
		end
	end);

	it("keeps to its bounds", function ()
		local next_event, wires = schedule.new(11), {};
		for _ = 1, 2000 do
			local event = next_event();
			assert.is_true(event.pause >= 0.5 and event.pause < 2.5);
			assert.is_true(not event.lasts or event.lasts > 0 and event.lasts <= 6);
			assert.is_true(not event.step or event.step ~= 0 and math.abs(event.step) <= 6 * 3600);
			if event.wire then wires[event.wire] = true; end
		end
		for _, wire in ipairs(schedule.wires) do assert.is_true(wires[wire]); end
	end);

	it("has hands for all kinds", function ()
		local hands = require "spec.chaos.hands";
		for _, kind in ipairs(schedule.kinds) do assert.is_function(hands[kind], kind); end
		for kind in pairs(hands) do assert.is_true(table.concat(schedule.kinds, " "):find(kind, 1, true) ~= nil, kind); end
	end);
end);
