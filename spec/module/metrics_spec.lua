-- SPDX-License-Identifier: MIT

local statistics = require "util.statistics";
local support = require "spec.support.module";

local metrics_lib = support.lib("metrics");

describe("metrics", function ()
	local metrics, series;
	before_each(function ()
		series = {};
		local module = {};
		function module.metric(_, _, name)
			return { with_labels = function (_, ...)
				local key = table.concat({ name, ... }, " ");
				series[key] = series[key] or 0;
				return {
					add = function (_, n) series[key] = series[key] + n; end;
					set = function (_, n) series[key] = n; end;
					sample = function () end;
				};
			end };
		end
		metrics = metrics_lib.new(module, function (domain) return domain; end);
	end);

	local function partners(n)
		local list = {};
		for i = 1, n do list[i] = ("p%d.example"):format(i); end
		return list;
	end

	local function counters(partner)
		local n = 0;
		for key in pairs(series) do
			n = n + ((" "..key.." "):find(" "..partner.." ", 1, true) and 1 or 0);
		end
		return n;
	end

	it("of partners begin at 0", function ()
		metrics.begin(partners(metrics_lib.BEGUN_MAX));
		assert.equal(12, counters("p1.example"));
		assert.equal(12, counters("p"..metrics_lib.BEGUN_MAX..".example"));
		assert.equal(0, series["messages p7.example s2x failed"]);
	end);

	it("of very many partners begin with an event of theirs", function ()
		metrics.begin(partners(metrics_lib.BEGUN_MAX + 1));
		assert.equal(0, counters("p1.example"));
		assert.equal(12, counters("other"));
		metrics.message("x@p1.example", "x2s", "failed");
		assert.equal(1, series["messages p1.example x2s failed"]);
		assert.equal(2, counters("p1.example"));
	end);
end);

local BUCKETS = { 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30 };

-- The histogram of messages is filled as util.statistics fills it itself, and another one by its own method.
describe("a histogram", function ()
	it("of util.statistics counts the same as by its own method", function ()
		local registry = statistics.new().metric_registry;
		local function new(name)
			local family = registry:histogram(name, "seconds", "", {}, { buckets = { table.unpack(BUCKETS) } });
			local histogram = family:with_labels();
			histogram._created = 0;
			return histogram;
		end
		local ours, theirs = new("a"), new("b");
		for _, value in ipairs { 0, 0.0001, 0.001, 0.0011, 0.02, 0.3, 2, 29.9, 30, 31, 1e6 } do
			metrics_lib.sample(ours, value);
			theirs:sample(value);
		end
		assert.same(theirs, ours);
		assert.equal(11, ours._count);
	end);

	it("takes what the core has counted as one value after the other", function ()
		local function new(new_tally)
			local registry = statistics.new().metric_registry;
			local module = { metric = function (_, kind, name, unit, text, labels, extra)
				return registry[kind](registry, name, unit, text, labels, extra);
			end };
			return registry, metrics_lib.new(module, function (domain) return domain; end, nil, new_tally);
		end
		local counted, together = new(function (buckets)
			assert.same(BUCKETS, buckets);
			return { take = function () -- as of core.tally
				return { ["a.example"] = 3; ["b.example"] = 2 }, { 2, 1, 0, 0, 1, 0, 0, 0, 1 }, 31.305;
			end };
		end);
		local one_by_one, single = new();
		assert.is_nil(single.tally);
		together.tallied();
		for k, value in ipairs { 0, 0.001, 0.004, 0.3, 31 } do
			single.delivered(k <= 3 and "a.example" or "b.example", "x2s", value);
		end
		local function values(registry)
			local histogram = registry.families.message_seconds:with_labels("x2s");
			local result = { ("%.6f"):format(histogram._sum); histogram._count };
			for _, bucket in ipairs(histogram) do result[#result+1] = bucket.count; end
			for _, partner in ipairs { "a.example"; "b.example" } do
				result[#result+1] = registry.families.messages:with_labels(partner, "x2s", "delivered").value;
			end
			return result;
		end
		assert.same(values(one_by_one), values(counted));
		assert.equal(5, values(counted)[2]);
		for _ = 1, 2 do -- as many hosts as there may be: util.openmetrics adds a threshold to what it is given
			local _, of_host = new(require "lync_gateway.core".tally);
			of_host.tallied();
			assert.is_nil(of_host.tally:take());
		end
	end);

	it("of another kind is left to itself", function ()
		local got = {};
		metrics_lib.sample({ sample = function (_, value) got[#got+1] = value; end }, 0.5);
		metrics_lib.sample({ { threshold = 1 }; sample = function (_, value) got[#got+1] = value; end }, 0.7);
		assert.same({ 0.5, 0.7 }, got);
	end);
end);
