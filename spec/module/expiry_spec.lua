-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

local DAY, NOW = 86400, 1790000000;

describe("expiry", function ()
	local expiry = support.lib("expiry");

	for _, case in ipairs {
		{ 31 * DAY }; { 30 * DAY + 1 }; { 30 * DAY; 30 }; { 8 * DAY; 30 }; { 7 * DAY; 7 }; { DAY + 1; 7 }; { DAY; 1 }; { 1; 1 };
		{ 0; 0 }; { -5 * DAY; 0 };
	} do
		it(("%d seconds before the end: %s"):format(case[1], case[2] or "nothing"), function ()
			assert.is_true(case[2] == expiry.threshold(NOW + case[1], NOW));
		end);
	end

	it("knows nothing of an unknown end", function () assert.is_nil(expiry.threshold(nil, NOW)); end);

	it("is said once a day, and at once when it gets worse", function ()
		local said, start, log = {}, NOW - NOW % DAY, {};
		local ends = start + 9 * DAY + DAY // 2;
		for hour = 0, 11 * 24 do
			local threshold = expiry.due(said, "bridge", ends, start + hour * 3600);
			if threshold then log[#log + 1] = ("%d@%d"):format(threshold, hour); end
		end
		assert.equal("30@0 30@24 30@48 7@60 7@72 7@96 7@120 7@144 7@168 7@192 1@204 1@216 0@228 0@240 0@264",
			table.concat(log, " "));
	end);

	it("is silent after a renewal, and speaks of the next", function ()
		local said = {};
		assert.equal(1, expiry.due(said, "s2s", NOW + 10, NOW));
		assert.equal(1, expiry.due(said, "bridge", NOW + 10, NOW)); -- each for itself
		assert.is_nil(expiry.due(said, "s2s", NOW + 90 * DAY, NOW));
		assert.equal(1, expiry.due(said, "s2s", NOW + 10, NOW));
		assert.equal(1, expiry.due(said, "s2s", NOW + 20, NOW)); -- another certificate
	end);

	describe("of a host", function ()
		local clock, h, logs, gauges, ends, watch, reads;
		before_each(function ()
			clock, logs, gauges, ends, reads = support.clock(), {}, {}, { a = 40 * DAY; b = 8 * DAY }, 0;
			h = { state = {}; timer = clock.timer; log = function (level, fmt, ...) table.insert(logs, level.." "..fmt:format(...)); end;
				metrics = { certificate = function (role, time) gauges[role] = time; end } };
			watch = expiry.new(h, { time = function () return clock.time // 1; end;
				files = function () return { { role = "bridge"; path = "a" }, { role = "s2s"; path = "b" } }; end;
				ends = function (path) reads = reads + 1; return ends[path], "no such file"; end });
		end);

		it("logs, measures and describes", function ()
			watch.start();
			assert.same({ bridge = 40 * DAY; s2s = 8 * DAY }, gauges);
			assert.same({ "warn certificate expires soon: until 1970-01-09 00:00 UTC (7 days) RENEW IT "
				.."(token=certificate-expires role=s2s file=\"b\")" }, logs);
			assert.same({ "bridge until 1970-02-10 00:00 UTC (39 days)"; "s2s until 1970-01-09 00:00 UTC (7 days) RENEW IT" },
				watch.lines());
			clock.advance(7 * DAY);
			assert.equal("error certificate expires soon: until 1970-01-09 00:00 UTC (0 days) RENEW IT "
				.."(token=certificate-expires role=s2s file=\"b\")", logs[#logs]);
			clock.advance(2 * DAY);
			assert.equal("error certificate has expired: EXPIRED at 1970-01-09 00:00 UTC (token=certificate-expired role=s2s "
				.."file=\"b\")", logs[#logs - 1]);
			assert.equal("s2s EXPIRED at 1970-01-09 00:00 UTC", watch.lines()[2]);
			assert.equal(2, reads); -- what was read at the start is what is in use
		end);

		it("reads again when it is started again, and has one timer", function ()
			watch.start();
			ends.b = 90 * DAY;
			watch.start();
			assert.equal(90 * DAY, gauges.s2s);
			assert.equal(1, clock.pending());
			watch.stop();
			assert.equal(0, clock.pending());
		end);

		it("names a file that cannot be read", function ()
			ends.a = nil;
			watch.start();
			assert.equal("bridge unknown: no such file", watch.lines()[1]);
			assert.is_nil(gauges.bridge);
		end);
	end);
end);
