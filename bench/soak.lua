-- soak.lua: an hour of what 80,000 Lync users do, through a real Prosody and its worker: nothing lost, nothing grown.
-- SPDX-License-Identifier: MIT
--
--	make soak [T=3600 | HOURS=1] [PAIRS=20000] [SPEED=1]
--
-- Messages, typing, presence at the rate of Lync's user model, half of each from either side. Prints a line a minute,
-- then sums and slopes. Status 1 when anything was lost or doubled, or a process has more descriptors than at first.
-- SPEED: so many times as much. What is measured and how: docs/reliability.md.

local Rig = require "bench.scale_rig";
local talk = require "bench.soak_talk";

local HOURS = tonumber(os.getenv("HOURS") or "");
local T = tonumber(os.getenv("T") or "") or (HOURS or 1) * 3600;
local PAIRS = math.tointeger(tonumber(os.getenv("PAIRS") or "")) or 20000;
local SPEED = tonumber(os.getenv("SPEED") or "") or 1;
local IM, PRESENCE = 104 * SPEED, 1111 * SPEED; -- a second; typing comes with the messages, two for each
local MINUTE = math.min(60, T / 10);
local WARM_UP = math.min(600, T / 6); -- seconds that the slopes leave out
local SLOPE_MAX = 1; -- MB an hour

io.stdout:setvbuf("line");

local function remark(format, ...)
	print("# " .. format:format(...));
end

local function figure(key, format, value, unit, target)
	print(("%s " .. format .. " %s%s"):format(key, value, unit, target and " " .. target or ""));
end

-- Least squares: how much y grows in an hour.
local function slope(samples, name)
	local n, sx, sy, sxx, sxy = 0, 0, 0, 0, 0;
	for _, sample in ipairs(samples) do
		if sample.at >= WARM_UP then
			local x, y = sample.at / 3600, sample[name];
			n, sx, sy, sxx, sxy = n + 1, sx + x, sy + y, sxx + x * x, sxy + x * y;
		end
	end
	local d = n * sxx - sx * sx;
	return d ~= 0 and (n * sxy - sx * sy) / d or 0;
end

local function show(now, before)
	local gone = talk.unheard(now);
	local seconds = now.at - before.at;
	local function rate(name) return (now[name] - before[name]) / seconds; end
	remark("%3.0f s: prosody %.2f MB %d fds %.2f cores, worker %.2f MB %d fds %.2f cores; %.1f messages/s, %.1f typing/s, "
		.. "%.1f presence/s; ms to Lync %.1f %.1f %.0f, to XMPP %.1f %.1f %.0f; turn %.0f ms, late %.0f ms; "
		.. "not heard yet %d, failed %d", now.at,
		now.prosody / 1e6, now.prosody_fds, rate "prosody_cpu", now.worker / 1e6, now.worker_fds, rate "worker_cpu",
		rate "said", rate "typed", rate "changed", now.to_lync.p50 / 1e3, now.to_lync.p99 / 1e3, now.to_lync.longest / 1e3,
		now.to_xmpp.p50 / 1e3, now.to_xmpp.p99 / 1e3, now.to_xmpp.longest / 1e3, now.turn, now.late,
		gone.to_lync + gone.to_xmpp, gone.told_lync + gone.told_xmpp);
end

local function worst(samples, name)
	local most = 0;
	for i = 2, #samples do most = math.max(most, samples[i][name]); end
	return most;
end

local function show_sums(first, last, samples)
	local seconds = last.at - first.at;
	for _, way in ipairs { "to_lync", "to_xmpp" } do
		local p50, p99, longest = 0, 0, 0;
		for i = 2, #samples do
			local of = samples[i][way];
			p50, p99, longest = math.max(p50, of.p50), math.max(p99, of.p99), math.max(longest, of.longest);
		end
		remark("%s: %d messages said, %d heard; in the worst minute p50 %.1f ms, p99 %.1f ms; longest %.0f ms", way,
			last[way].said, last[way].heard, p50 / 1e3, p99 / 1e3, longest / 1e3);
	end
	remark("typing: %d told to Lync, %d heard; %d told to XMPP, %d heard", last.to_lync.typed, last.to_lync.typing,
		last.to_xmpp.typed, last.to_xmpp.typing);
	remark("conversations: %d opened by Lync users, %d by contacts; said again in a new one: %d", last.invites,
		last.invited, last.again);
	figure("soak_seconds", "%.0f", seconds, "s");
	figure("soak_messages_per_second", "%.1f", (last.said - first.said) / seconds, "1/s");
	figure("soak_typing_per_second", "%.1f", (last.typed - first.typed) / seconds, "1/s");
	figure("soak_presence_per_second", "%.1f", (last.changed - first.changed) / seconds, "1/s");
	local used = last.prosody_cpu - first.prosody_cpu + last.worker_cpu - first.worker_cpu;
	figure("soak_core_share", "%.3f", used / seconds, "cores");
	figure("soak_turn_ms", "%.1f", worst(samples, "turn"), "ms", "<=20");
	for _, name in ipairs { "prosody", "worker" } do
		remark("%s: RSS %.2f MB at first, %.2f MB at the end; descriptors %d, %d", name, first[name] / 1e6, last[name] / 1e6,
			first[name .. "_fds"], last[name .. "_fds"]);
		figure("soak_rss_slope_" .. name, "%.2f", slope(samples, name) / 1e6, "MB/h", "<=" .. SLOPE_MAX);
	end
end

-- The counts must meet, and each side must see the other as it is.
local function settle(run)
	run:stop();
	local deadline, last = run.rig.loop:now() + 60;
	repeat
		run.rig:pass(1);
		last = run:sample();
	until run:settled(last) or run.rig.loop:now() > deadline;
	run.rig:pass(run.rig.notify_interval + 1);
	local lost, doubled, wrong = run:losses(last);
	local trouble = run:trouble();
	remark("lost %d, doubled or out of order %d, wrong presence at the end %d; lines above info in the log: %d", lost,
		doubled, wrong, #trouble);
	for i = 1, math.min(20, #trouble) do remark("%s", trouble[i]); end
	local gone = talk.unheard(last);
	remark("not heard: %d to Lync, %d to XMPP; told to have failed: %d to contacts, %d to Lync users", gone.to_lync,
		gone.to_xmpp, gone.told_xmpp, gone.told_lync);
	if gone.told_xmpp + gone.told_lync > 0 then
		local lines, status = run:told();
		for i = 1, math.min(20, #lines) do remark("%s", lines[i]); end
		remark("last status to a Lync user: %d", status);
	end
	figure("soak_lost", "%d", lost + doubled + wrong, "things", "<=0");
	return lost + doubled + wrong;
end

local function main()
	local rig = Rig.new { pairs = PAIRS, watch_rate = 2000, window = 500, keep = true };
	local ok, result = xpcall(function ()
		remark("%d pairs, each subscribed both ways", PAIRS);
		rig:establish(1000, PAIRS / 1000 * 10 + 300);
		local run = talk.new(rig);
		rig:pass(10);
		run:start(IM, PRESENCE, T);
		rig:pass(5);
		local first = run:sample();
		local samples, before = { first }, first;
		while before.at < T do
			rig:pass(math.min(MINUTE, T - before.at));
			local now = run:sample();
			show(now, before);
			samples[#samples + 1], before = now, now;
		end
		show_sums(first, before, samples);
		local grown = before.prosody_fds > first.prosody_fds or before.worker_fds > first.worker_fds;
		if grown then remark("descriptors have grown"); end
		return settle(run) == 0 and not grown;
	end, debug.traceback);
	if not ok then
		remark("%s", (rig.gateway.process.output:sub(-9000):gsub("\n", "\n# ")));
	end
	rig:close();
	return ok and result or not ok and error(result, 0);
end

os.exit(main() and 0 or 1);
