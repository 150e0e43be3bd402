-- play.lua: one run: faults by a schedule, then peace, then the balance.
-- SPDX-License-Identifier: MIT

local Rig = require "spec.chaos.rig";
local schedule = require "spec.chaos.schedule";

local CONVS = 240;
local PEACE = 3; -- seconds
local FLOW = 240; -- seconds (a busy machine needs them) in which messages must get through again, both ways, after each fault

local function kinds_here(rig, say)
	local kinds, missing = {}, rig:missing();
	for _, kind in ipairs(schedule.kinds) do
		if missing[kind] then
			say(("not possible here: %s (%s)"):format(kind, missing[kind]));
		else
			kinds[#kinds + 1] = kind;
		end
	end
	return kinds;
end

local function faults(rig, options, say)
	local kinds = kinds_here(rig, say);
	local next_event = schedule.new(options.seed, kinds);
	local began, count = rig.loop:now(), 0;
	repeat
		local event = next_event();
		rig:pass(event.pause * (options.pace or 1));
		say(("%8.1f s  %s"):format(rig.loop:now() - began, schedule.text(event)));
		rig:apply(event);
		rig:wait_flow(FLOW);
		count = count + 1;
		local over;
		if options.events then over = count >= math.min(options.events, #kinds);
		elseif options.messages then over = rig:begun() >= options.messages;
		else over = rig.loop:now() - began >= (options.seconds or 600); end
	until over;
	return count, rig.loop:now() - began;
end

local function verdict(rig, say)
	local sound = true;
	local balances = rig:balances();
	for _, direction in ipairs { "x2s", "s2x" } do
		local b = balances[direction];
		for _, line in ipairs(b:report()) do say(line); end
		for i = 1, math.min(#b.problems, 20) do say("  WRONG "..b.problems[i].text); end
		sound = sound and b.problem_count == 0 and b.strange == 0;
		if b.strange > 0 then say(("  WRONG %d outcomes or messages that nobody sent"):format(b.strange)); end
	end
	local complaints = rig:complaints();
	for i = 1, math.min(#complaints, 20) do say("  "..complaints[i]); end
	local trouble = rig:trouble();
	if trouble then say("WRONG in Prosody's log: "..trouble); end
	return sound and not trouble, balances;
end

--- options: seed, rate (each way), seconds | messages | events (how many faults), convs, pace (of the pauses), log (of Prosody).
-- Returns whether all came out, and the balances.
return function (options, say)
	options.seed = options.seed or os.time() % 1000000;
	local convs, rate = options.convs or CONVS, options.rate or 500;
	-- there must be enough of them for peace, too, and where time is the limit
	local most = options.messages and options.messages // 2 + rate * 600 or rate * ((options.seconds or 120) + 600);
	local each = math.ceil(most / convs);
	say(("SEED=%d, %d conversations each way, up to %d messages each, %d messages a second each way")
		:format(options.seed, convs, each, rate));
	local rig = Rig.new { seed = options.seed; convs = convs; each = each; rate = rate; log = options.log; say = say };
	local ok, sound, balances = xpcall(function ()
		rig:start();
		local count, seconds = faults(rig, options, say);
		rig:peace(PEACE);
		say(rig.presence:settle(2 * FLOW));
		rig:finish(90);
		say(("%d faults in %.0f s"):format(count, seconds));
		return verdict(rig, say);
	end, debug.traceback);
	rig:close();
	if not ok then error(("SEED=%d: %s"):format(options.seed, sound), 0); end
	return sound, balances;
end;
