-- scale.lua: N presence subscriptions each way through a real Prosody and its worker: memory, refreshes, a restart.
-- SPDX-License-Identifier: MIT
--
--	make bench-scale [N=100000] [RATE=1000]
--
-- N: subscriptions of contacts to Lync users, and as many the other way (1,000,000 need 2 GiB of memory and an hour);
-- RATE: of each kind that begin in a second. Figures of a million have their plain names, others their number in front.
-- What is measured and how: docs/performance.md. SLOW: how many times longer it may all take, on a machine that is busy
-- with other things; EXPECT: seconds until the Edge's grants begin to end; VERBOSE=1: counts each ten seconds.

local Rig = require "bench.scale_rig";

local N = math.tointeger(tonumber(os.getenv("N") or "")) or 100000;
local RATE = tonumber(os.getenv("RATE") or "") or 1000;
local SLOW = tonumber(os.getenv("SLOW") or "") or 1;
local REFRESHES = 278; -- a second: a million in an hour
local WINDOW = tonumber(os.getenv("SECONDS") or "") or 60; -- of each measurement
local SETTLE = tonumber(os.getenv("SETTLE") or "") or 75; -- the SIP stack forgets the transactions of the last minute
local PATIENCE = 900 * SLOW; -- for the contacts' refreshes
local MILLION = 1000000;

io.stdout:setvbuf("line");

local function remark(format, ...)
	print("# " .. format:format(...));
end

local function figure(key, format, value, unit, target)
	if N ~= MILLION then key, target = ("scale_%d_%s"):format(N, key), target; end
	print(("%s " .. format .. " %s%s"):format(key, value, unit, target and " " .. target or ""));
end

local function show_cores(what, cores, seconds)
	remark("%s: %.1f s; cores: prosody %.3f, worker %.3f; edge_load %.3f, xmpp_load %.3f", what, seconds, cores.prosody,
		cores.worker, cores.edge, cores.xmpp);
end

local function bytes_each(now, rest, which)
	return (now[which] - rest[which]) / (2 * N);
end

local function show_memory(what, now, rest)
	remark("%s: RSS of prosody %.1f MB, worker %.1f MB; a subscription: prosody %.0f, worker %.0f, both %.0f bytes",
		what, now.prosody / 1e6, now.worker / 1e6, bytes_each(now, rest, "prosody"), bytes_each(now, rest, "worker"),
		bytes_each(now, rest, "both"));
end

-- How fast the partners are without the gateway between them: each against another of its kind.
local function show_ceilings()
	local rates = Rig.ceilings(20000);
	remark("load partners against their own kind: edge_load %.0f subscriptions/s, xmpp_load %.0f subscriptions/s",
		rates.edge, rates.xmpp);
end

local function balance(rig)
	local roster, e, x = rig:roster(), rig.edge:stats(), rig.xmpp:stats();
	remark("roster: %d pairs, %d watched, %d subscribed, %d contacts, %d users, %d bytes a pair", roster.pairs,
		roster.active, roster.subscribed, roster.contacts, roster.users, roster.bytes // roster.pairs);
	remark("refused: %d by the gateway, %d by the load; of no pair: %d, %d", e.failed + x.errors, e.told_bad, e.strange,
		x.strange);
	assert(roster.active == N and roster.subscribed == N, "not all are there");
end

local function measure_memory(rig, rest)
	rig:pass(5);
	show_memory("when the last one stands", rig:rss(), rest);
	rig:collect();
	rig:pass(SETTLE);
	local idle = rig:rss();
	show_memory("a minute later, idle", idle, rest);
	figure("bytes_per_subscription", "%.0f", bytes_each(idle, rest, "both"), "bytes", "<=512");
	figure("bytes_per_subscription_prosody", "%.0f", bytes_each(idle, rest, "prosody"), "bytes");
	figure("bytes_per_subscription_worker", "%.0f", bytes_each(idle, rest, "worker"), "bytes");
end

-- What the Edge has seen while fn ran, each second.
local function rates_of(rig, fn)
	local before = rig.edge:stats();
	local cores, seconds = rig:busy(fn);
	local after, rates = rig.edge:stats(), {};
	for name, value in pairs(after) do rates[name] = (value - before[name]) / seconds; end
	return rates, cores, seconds;
end

local function wait(rig)
	rig:pass(WINDOW);
end

-- Theirs: Lync users' subscriptions, one after the other.
local function measure_theirs(rig)
	rig.edge:say("refresh 0 %d %d", N, REFRESHES);
	local rates, cores, seconds = rates_of(rig, function () wait(rig); end);
	rig.edge:say("refresh 0 0 0");
	remark("Lync users' subscriptions refreshed: %.1f/s; contacts' meanwhile: %.1f/s", rates.answered, rates.refreshed);
	show_cores("that", cores, seconds);
	figure("refresh_core_share", "%.3f", cores.both, "cores", "<=0.25");
end

-- Ours: contacts' subscriptions, as the Edge's grants end one after the other from refreshes_at on.
local function measure_ours(rig, refreshes_at)
	local left = refreshes_at + 10 - rig.loop:now();
	if left > PATIENCE then
		return remark("contacts' subscriptions: not refreshed within %d s", PATIENCE);
	end
	rig:pass(math.max(0, left));
	local rates, cores, seconds = rates_of(rig, function () wait(rig); end);
	if rates.refreshed < 1 then
		return remark("contacts' subscriptions: all were refreshed before");
	end
	remark("contacts' subscriptions refreshed: %.1f/s, each after a probe; Lync users' meanwhile: %.1f/s", rates.refreshed,
		rates.answered);
	show_cores("that", cores, seconds);
	figure("refresh_watch_core_share", "%.3f", cores.both, "cores");
end

-- Nothing goes on: before the first refresh, or after the last one. True: measured.
local function measure_idle(rig)
	local rates, cores, seconds = rates_of(rig, function () rig:pass(WINDOW / 2); end);
	if rates.refreshed > 0 then return false; end
	show_cores("idle", cores, seconds);
	figure("idle_core_share", "%.4f", cores.both, "cores");
	return true;
end

local function measure_refreshes(rig, refreshes_at)
	local idle = measure_idle(rig);
	measure_theirs(rig);
	measure_ours(rig, refreshes_at);
	if not idle and not measure_idle(rig) then remark("idle: not measured, as refreshes went on"); end
	assert(rig.edge:stats().failed == 0 and rig.edge:stats().live == N, "a refresh was refused");
end

local function measure_restart(rig, rest)
	local size, blocks = rig:storage();
	figure("storage_mb", "%.1f", blocks / 1e6, "MB");
	remark("storage: %.1f MB of text, %.1f MB of the disk's blocks", size / 1e6, blocks / 1e6);
	local seconds, stopping;
	local cores = rig:busy_after_start(function ()
		seconds, stopping = rig:restart(RATE, (N / RATE * 4 + 300) * SLOW);
	end);
	remark("Prosody ended in %.1f s; all subscriptions stood %.1f s after its start", stopping, seconds);
	show_cores("that", cores, seconds);
	figure("resubscribe_minutes", "%.2f", seconds / 60, "min");
	rig:pass(SETTLE);
	show_memory("after the restart, a minute later", rig:rss(), rest);
end

local function show_progress(text)
	for line in text:gmatch("[^\n]+") do remark("%s", line); end
end

local function main()
	show_ceilings();
	local rig = Rig.new { pairs = N, watch_rate = 2 * RATE, window = math.max(400, RATE // 2),
		on_progress = os.getenv("VERBOSE") and show_progress };
	local ok, err = xpcall(function ()
		local rest, expected = rig:rss(), tonumber(os.getenv("EXPECT") or "");
		expected = expected or N / RATE * 1.3 * SLOW + SETTLE + WINDOW * 1.5 + 30;
		rig.edge:say("spread %g %d", expected, REFRESHES);
		local refreshes_at = rig.loop:now() + expected;
		show_cores("all subscriptions", rig:busy(function () rig:establish(RATE, (N / RATE * 4 + 120) * SLOW); end));
		balance(rig);
		measure_memory(rig, rest);
		measure_refreshes(rig, refreshes_at);
		rig.edge:say("grant 28800");
		measure_restart(rig, rest);
		balance(rig);
		show_cores("their end", rig:busy(function () rig:dissolve(RATE, (N / RATE * 4 + 120) * SLOW); end));
		rig:pass(SETTLE);
		rig:collect();
		show_memory("after the end of all", rig:rss(), rest);
		local roster = rig:roster();
		remark("roster: %d watched, %d subscribed, %d pairs on record", roster.active, roster.subscribed, roster.pairs);
		assert(roster.active == 0 and roster.subscribed == 0, "something is left");
	end, debug.traceback);
	if not ok then
		remark("%s", (rig.gateway.process.output:sub(-3000):gsub("\n", "\n# ")));
	end
	rig:close();
	return ok or error(err, 0);
end

main();
