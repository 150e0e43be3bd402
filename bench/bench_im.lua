-- bench_im.lua: messages both ways through the gateway, beside Prosody that does no more than it must.
-- SPDX-License-Identifier: MIT
--
-- Both sides of a ratio are measured in turn, ROUNDS times, and their medians divided. What is measured, with which
-- configuration, and what bounds it: docs/performance.md. ROUNDS, COUNT: others than 7 and 8000; GC: Lua text of
-- Prosody's `gc` ("{ threshold = 1000 }"), empty for its default.

local Rig = require "bench.im_rig";

local ROUNDS = tonumber(os.getenv("ROUNDS") or "") or 7;
local COUNT = math.tointeger(tonumber(os.getenv("COUNT") or "")) or 8000; -- messages of a round
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

-- Each of works = { { what, fn }, … } in turn, ROUNDS times after one that does not count: the medians.
local function alternate(works)
	local results = {};
	for _, work in ipairs(works) do
		work[2]();
		results[work[1]] = {};
	end
	for _ = 1, ROUNDS do
		for _, work in ipairs(works) do
			table.insert(results[work[1]], work[2]());
		end
	end
	for _, work in ipairs(works) do
		results[work[1]] = summary(results[work[1]]);
		show(work[1], results[work[1]]);
	end
	return results;
end

local function throughput(rig)
	local plain, gateway = rig.plain, rig.gateway;
	local r = alternate {
		{ "s2s in, dropped", function () return plain:drop(COUNT); end };
		{ "s2s in, to Lync", function () return gateway:x2s(COUNT, WINDOW); end };
		{ "s2s in, to a component", function () return plain:component(COUNT, WINDOW); end };
		{ "the same, idle gateway beside", function () return gateway:component(COUNT, WINDOW); end };
		{ "built and sent", function () return plain:send(COUNT); end };
		{ "from Lync", function () return gateway:s2x(COUNT, WINDOW); end };
	};
	local drop, x2s = r["s2s in, dropped"], r["s2s in, to Lync"];
	local component, idle = r["s2s in, to a component"], r["the same, idle gateway beside"];
	local send, s2x = r["built and sent"], r["from Lync"];
	figure("x2s_cpu_ratio", "%.3f", drop.prosody_us / x2s.prosody_us, "ratio", ">=0.8");
	figure("s2x_cpu_ratio", "%.3f", send.prosody_us / s2x.prosody_us, "ratio", ">=0.8");
	figure("component_cpu_ratio", "%.3f", component.prosody_us / x2s.prosody_us, "ratio", ">=1.0");
	figure("chain_cpu_us", "%.1f", x2s.prosody_us + x2s.worker_us, "us", "<=66");
	figure("x2s_rate", "%.0f", x2s.rate, "1/s");
	figure("s2x_rate", "%.0f", s2x.rate, "1/s");
	figure("idle_module_ratio", "%.3f", idle.rate / component.rate, "ratio", ">=0.98");
	remark("idle module by processor time: %.3f", component.prosody_us / idle.prosody_us);
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
