-- bench_im.lua: messages both ways through the gateway, beside Prosody that does no more than it must.
-- SPDX-License-Identifier: MIT
--
-- Both sides of a ratio are measured in turn, ROUNDS times; it is the median of the rounds' ratios, so that a machine
-- that is slower for some seconds does not count for one side only. What is measured, with which configuration, and
-- what bounds it: docs/performance.md. ROUNDS, COUNT: others than 7 and 32000; GC: Lua text of
-- Prosody's `gc` ("{ threshold = 1000 }"), empty for its default.

local Rig = require "bench.im_rig";

local ROUNDS = tonumber(os.getenv("ROUNDS") or "") or 7;
-- Messages of a round: enough for several cycles of Lua's collector, or some rounds have none and others one.
local COUNT = math.tointeger(tonumber(os.getenv("COUNT") or "")) or 32000;
local GC = os.getenv("GC") or "{ threshold = 1000 }";
local PAIRS = 500;  -- conversations
local WINDOW = 400; -- messages that have not arrived yet
local RATE = 1000;  -- a second, where latency is measured

io.stdout:setvbuf("line");

local function remark(format, ...) print("# " .. format:format(...)); end

local function figure(key, format, value, unit, target)
	print(("%s " .. format .. " %s%s"):format(key, value, unit, target and " " .. target or ""));
end

local function median(list, key)
	local values = {};
	for i, entry in ipairs(list) do values[i] = entry[key]; end
	table.sort(values);
	local n = #values;
	return n % 2 == 1 and values[n // 2 + 1] or (values[n // 2] + values[n // 2 + 1]) / 2;
end

local function summary(list)
	local result = {};
	for key in pairs(list[1]) do result[key] = median(list, key); end
	return result;
end

local function show(what, r)
	remark("%-30s prosody %5.1f us, worker %5.1f us, load %5.1f us a message; %6.0f messages/s", what, r.prosody_us,
		r.worker_us, r.load_us, r.rate);
end

-- Each of works = { { what, fn }, … } in turn, ROUNDS times after one that does not count: the medians, and the rounds.
local function alternate(works)
	local results, rounds = {}, {};
	for _, work in ipairs(works) do
		work[2]();
		rounds[work[1]] = {};
	end
	for _ = 1, ROUNDS do
		for _, work in ipairs(works) do
			table.insert(rounds[work[1]], work[2]());
		end
	end
	for _, work in ipairs(works) do
		results[work[1]] = summary(rounds[work[1]]);
		show(work[1], results[work[1]]);
	end
	return results, rounds;
end

-- The median of the rounds' a divided by b, and where the middle half of them lies, as a remark.
local function ratio(name, target, a, b, key)
	local list = {};
	for i = 1, #a do list[i] = { r = a[i][key] / b[i][key] }; end
	figure(name, "%.3f", median(list, "r"), "ratio", target);
	table.sort(list, function (x, y) return x.r < y.r; end);
	remark("%s: rounds %.3f to %.3f, half of them %.3f to %.3f", name, list[1].r, list[#list].r,
		list[(#list + 3) // 4].r, list[(3 * #list + 3) // 4].r);
end

local function throughput(rig)
	local plain, gateway = rig.plain, rig.gateway;
	local r, rounds = alternate {
		{ "s2s in, dropped", function () return plain:drop(COUNT); end };
		{ "s2s in, to Lync", function () return gateway:x2s(COUNT, WINDOW); end };
		{ "s2s in, to a component", function () return plain:component(COUNT, WINDOW); end };
		{ "the same, idle gateway beside", function () return gateway:component(COUNT, WINDOW); end };
		{ "built and sent", function () return plain:send(COUNT); end };
		{ "from Lync", function () return gateway:s2x(COUNT, WINDOW); end };
	};
	local x2s, s2x = r["s2s in, to Lync"], r["from Lync"];
	local component, idle = rounds["s2s in, to a component"], rounds["the same, idle gateway beside"];
	ratio("x2s_cpu_ratio", ">=0.8", rounds["s2s in, dropped"], rounds["s2s in, to Lync"], "prosody_us");
	ratio("s2x_cpu_ratio", ">=0.8", rounds["built and sent"], rounds["from Lync"], "prosody_us");
	ratio("component_cpu_ratio", ">=1.0", component, rounds["s2s in, to Lync"], "prosody_us");
	figure("chain_cpu_us", "%.1f", x2s.prosody_us + x2s.worker_us, "us", "<=66");
	figure("x2s_rate", "%.0f", x2s.rate, "1/s");
	figure("s2x_rate", "%.0f", s2x.rate, "1/s");
	ratio("idle_module_ratio", ">=0.98", idle, component, "rate");
	remark("ceiling of the load: %.0f messages/s to Lync, %.0f from it (its own processor time)", 1e6 / x2s.load_us,
		1e6 / s2x.load_us);
end

local function latency(rig)
	local worst = { p50 = 0, p99 = 0 };
	for _, way in ipairs { "x2s"; "s2x" } do
		local rounds = {};
		for i = 1, 5 do
			rig.gateway[way](rig.gateway, 2 * RATE, 0, RATE);
			rounds[i] = rig.gateway:latency();
		end
		local r = summary(rounds);
		remark("%s at %d messages/s: p50 %.3f ms, p99 %.3f ms, longest %.3f ms", way, RATE, r.p50 / 1e6, r.p99 / 1e6,
			r.max / 1e6);
		worst = { p50 = math.max(worst.p50, r.p50), p99 = math.max(worst.p99, r.p99) };
	end
	figure("latency_p50_ms", "%.3f", worst.p50 / 1e6, "ms", "<=0.5");
	figure("latency_p99_ms", "%.3f", worst.p99 / 1e6, "ms", "<=3");
end

local rig = Rig.new { pairs = PAIRS; global = GC ~= "" and "gc = " .. GC .. "\n" or "" };
local ok, err = xpcall(function ()
	remark("both Prosodys: gc = %s, network_settings = { min_wait = 0, nagle = false }; %d rounds of %d messages",
		GC ~= "" and GC or "default", ROUNDS, COUNT);
	latency(rig);
	throughput(rig);
end, debug.traceback);
rig:close();
if not ok then error(err, 0); end
