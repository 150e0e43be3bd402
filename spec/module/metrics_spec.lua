-- SPDX-License-Identifier: MIT

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
