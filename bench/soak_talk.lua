-- soak_talk.lua: what goes on in bench/soak.lua, and what it is measured by.
-- SPDX-License-Identifier: MIT

local Run = {};
Run.__index = Run;

local SLOTS = 400; -- conversations that go on at a time, of each side
local STEPS, TURNS = 61, 20; -- of a conversation: TALK_STEPS and TALK_TURNS of talk.h
local CHUNK = 2000; -- pairs of one question

-- How long Prosody's loop was not in its timers: by the clock, and by the processor time that it took meanwhile, which
-- others on the machine do not disturb. A timer each INTERVAL sees it.
local PROBE = [=[(function ()
	local p, clock, now = { turn = 0, late = 0 }, os.clock, require "util.time".monotonic or require "util.time".now;
	local cpu, due = clock(), now() + 0.005;
	package.loaded.soak_probe = p;
	require "util.timer".add_task(0.005, function ()
		local c, t = clock(), now();
		if c - cpu > p.turn then p.turn = c - cpu; end
		if t - due > p.late then p.late = t - due; end
		cpu, due = c, t + 0.005;
		return 0.005;
	end);
	return "probe";
end)()]=];
PROBE = PROBE:gsub("%s+", " ");

local READ_PROBE = [=[(function ()
	local p = package.loaded.soak_probe;
	local text = string.format("turn=%.0f late=%.0f", p.turn * 1e6, p.late * 1e6);
	p.turn, p.late = 0, 0;
	return text;
end)()]=];
READ_PROBE = READ_PROBE:gsub("%s+", " ");

local function numbers(text)
	local result = {};
	for key, value in text:gmatch("([%w_]+)=(%d+)") do result[key] = math.tointeger(tonumber(value)); end
	return result;
end

local function descriptors(pid)
	local pipe = assert(io.popen("ls /proc/" .. pid .. "/fd | wc -l"));
	local n = pipe:read("n");
	pipe:close();
	return n;
end

local function new(rig)
	assert(rig:evaluate(PROBE):find("probe", 1, true), "no probe in Prosody");
	return setmetatable({ rig = rig }, Run);
end

--- im, presence: of both sides together, a second; seconds: how long Lync users take to refresh all subscriptions.
function Run:start(im, presence, seconds)
	self.began, self.log_at = self.rig.loop:now(), #self.rig.gateway.process.output + 1;
	local steps = im / 4 * STEPS / TURNS; -- a quarter opens on each side, the other side answers
	for _, load in ipairs { self.rig.edge, self.rig.xmpp } do
		load:say("talk %g %d", steps, SLOTS);
		load:say("change %g", presence / 2);
	end
	self.rig.edge:say("refresh 0 %d %g", self.rig.pairs, self.rig.pairs / seconds);
end

function Run:stop()
	for _, load in ipairs { self.rig.edge, self.rig.xmpp } do
		load:say("talk 0 %d", SLOTS);
		load:say("change 0");
	end
	self.rig.edge:say("refresh 0 0 0");
end

--- Everything at this moment. turn, late: of the time since the last sample, in ms.
function Run:sample()
	local rig = self.rig;
	local e, x = numbers(rig.edge:ask("talked")), numbers(rig.xmpp:ask("talked"));
	local changed = numbers(rig.edge:ask("changed")).changed + x.changed;
	local pids, rss, cpu = rig:pids(), rig:rss(), rig:processor();
	local sample = { at = rig.loop:now() - self.began, prosody = rss.prosody, worker = rss.worker,
		prosody_cpu = cpu.prosody, worker_cpu = cpu.worker, prosody_fds = descriptors(pids.prosody),
		worker_fds = descriptors(pids.worker), said = e.said + x.said, typed = e.typed + x.typed, changed = changed,
		invites = e.invites, invited = e.invited, again = e.again, refused = e.refused, errors = x.errors,
		twice = e.twice + x.twice, late_ones = e.late + x.late, strange = e.strange + x.strange };
	sample.to_lync = { said = x.said, heard = e.heard, typed = x.typed, typing = e.typing, p50 = e.p50, p99 = e.p99,
		longest = e.longest };
	sample.to_xmpp = { said = e.said, heard = x.heard, typed = e.typed, typing = x.typing, p50 = x.p50, p99 = x.p99,
		longest = x.longest };
	local probe = numbers(rig:evaluate(READ_PROBE));
	sample.turn, sample.late = probe.turn / 1e3, probe.late / 1e3;
	return sample;
end

function Run:settled(sample)
	return sample.to_lync.said == sample.to_lync.heard and sample.to_xmpp.said == sample.to_xmpp.heard;
end

-- Pairs of which the hearer sees something else than was shown.
local function differing(rig, teller, hearer)
	local n = 0;
	for from = 0, rig.pairs - 1, CHUNK do
		local to = math.min(from + CHUNK, rig.pairs);
		local shown = teller:ask(("shown %d %d"):format(from, to));
		local seen = hearer:ask(("seen %d %d"):format(from, to));
		assert(#shown == to - from and #seen == #shown, "states of pairs");
		for i = 1, #shown do n = n + (shown:byte(i) == seen:byte(i) and 0 or 1); end
	end
	return n;
end

--- Of either way: texts said and not heard (yet), and those that their sender was told to have failed.
function Run.unheard(sample)
	return { to_lync = sample.to_lync.said - sample.to_lync.heard; to_xmpp = sample.to_xmpp.said - sample.to_xmpp.heard;
		told_xmpp = sample.errors; told_lync = sample.refused };
end

--- When all is quiet: messages lost (told as failed or not), doubled or out of order; pairs with a wrong presence.
function Run:losses(last)
	local rig, gone = self.rig, self.unheard(last);
	-- what was told to have failed is not heard either: once
	local lost = math.max(gone.to_lync, gone.told_xmpp) + math.max(gone.to_xmpp, gone.told_lync);
	local wrong = differing(rig, rig.edge, rig.xmpp) + differing(rig, rig.xmpp, rig.edge);
	return lost, last.twice + last.late_ones + last.strange, wrong;
end

--- What the senders were told of texts that failed: lines, and the last SIP status.
function Run:told()
	local lines = {};
	for line in self.rig.xmpp.process.output:gmatch("[^\n]*<error[^\n]*") do lines[#lines + 1] = line; end
	return lines, numbers(self.rig.edge:ask("talked")).status;
end

--- Lines of the gateway's log that an administrator would be woken for, since start().
function Run:trouble()
	local lines = {};
	for line in self.rig.gateway.process.output:sub(self.log_at):gmatch("[^\n]+") do
		if line:find("^%S+%s+warn\t") or line:find("^%S+%s+error\t") then lines[#lines + 1] = line; end
	end
	return lines;
end

return { new = new; unheard = Run.unheard };
