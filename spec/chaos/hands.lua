-- hands.lua: what can be done to a rig: event kind -> function (rig, event), which returns when it is undone.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";

local hands = {};

local START = 120; -- seconds for whatever starts; a busy machine takes its time
local DAY = 86400;

local function all_wires(rig, words, wires)
	for _, wire in ipairs(wires) do rig.wires:ask(words, wire); end
end

-- ---------------------------------------------------------------------------------------------------- processes --

hands["worker-kill"] = function (rig)
	local pid = rig:wait_worker(START);
	process.kill(pid, "KILL");
	rig.loop:wait(function ()
		local now = rig:worker_pid();
		return now and now ~= pid;
	end, START, "a new worker");
end;

local function stop(rig, pid, seconds)
	process.kill(pid, "STOP");
	rig:pass(seconds);
	process.kill(pid, "CONT");
end

hands["worker-stop"] = function (rig, event) stop(rig, rig:wait_worker(START), event.lasts); end;
hands["prosody-stop"] = function (rig, event) stop(rig, rig.gateway.process.pid, event.lasts); end;

local function restart_gateway(rig, event, signal)
	local worker = rig:worker_pid();
	rig.trouble_seen = rig:trouble();
	rig.gateway.process:signal(signal);
	rig.gateway.process:wait_end(START);
	-- the worker notices by itself that it is alone
	rig.loop:wait(function () return not worker or not process.alive(worker); end, START, "the end of the worker");
	rig:pass(event.lasts);
	rig.gateway:start();
	rig:wait_worker(START);
end

hands["prosody-kill"] = function (rig, event) restart_gateway(rig, event, "KILL"); end;
hands["prosody-end"] = function (rig, event) restart_gateway(rig, event, "TERM"); end;

local function restart_load(rig, load, event)
	load:kill();
	rig:pass(event.lasts);
	load:start();
	rig:instruct(load);
end

hands["partner-kill"] = function (rig, event) restart_load(rig, rig.xmpp, event); end;
hands["edge-kill"] = function (rig, event) restart_load(rig, rig.edge, event); end;

-- -------------------------------------------------------------------------------------------------- connections --

hands["wire-reset"] = function (rig, event) rig.wires:ask("reset %s", event.wire); end;
hands["wire-cut"] = function (rig, event) rig.wires:ask("cut %s", event.wire); end;

-- Who speaks on it notices by itself, in the seconds that the rig's settings say.
hands["wire-half"] = function (rig, event)
	rig.wires:ask("half %s", event.wire);
	rig:wait_flow(START);
	rig:pass(3);
end;

hands["wire-stall"] = function (rig, event)
	rig.wires:ask("stall %s", event.wire);
	rig:pass(event.lasts);
	rig.wires:ask("flow %s", event.wire);
end;

hands["wire-refuse"] = function (rig, event)
	rig.wires:ask("refuse %s", event.wire);
	rig.wires:ask("reset %s", event.wire);
	rig:pass(event.lasts);
	rig.wires:ask("flow %s", event.wire);
end;

-- A lost packet is one that comes after a retransmission, with all behind it.
hands["wire-loss"] = function (rig, event)
	rig.wires:ask("loss %s %f 0.2 0.6", event.wire, event.share);
	rig:pass(event.lasts);
	rig.wires:ask("flow %s", event.wire);
end;

hands["partition"] = function (rig, event)
	local wires = { event.side.."-out", event.side.."-in" };
	all_wires(rig, "stall %s", wires);
	rig:pass(event.lasts);
	all_wires(rig, "flow %s", wires);
end;

-- --------------------------------------------------------------------------------------------------- the machine --

hands["disk-full"] = function (rig, event)
	local filler = ("/proc/%d/root%s/data/filler"):format(rig.holder.pid, rig.gateway.directory);
	os.execute("dd if=/dev/zero bs=4096 of="..process.quote(filler).." 2>/dev/null"); -- until there is no room
	rig:pass(event.lasts);
	os.remove(filler);
end;

hands["reload"] = function (rig)
	local old = ("description = \"%d\""):format(rig.reloads);
	rig.reloads = rig.reloads + 1;
	rig.gateway:reload(old, ("description = \"%d\""):format(rig.reloads));
end;

hands["certificates"] = function (rig)
	for _, name in ipairs { "edge", "xmpp", "bridge", "gateway" } do
		rig.ca:issue(rig.certs[name].name, { names = rig.names[name] });
	end
	rig.edge:say("renew");
	rig.xmpp:say("renew");
	rig.gateway:reload();
	rig:pass(0.2);
	for _, wire in ipairs { "xmpp-in", "sip-out" } do rig.wires:ask("reset %s", wire); end -- or the new ones are never used
end;

hands["clock"] = function (rig, event)
	local step = event.step;
	if rig.ahead + step < 0 or rig.ahead + step > DAY then step = -step; end -- when the certificates are valid
	rig.ahead = rig.ahead + step;
	local path = rig.clock_file;
	process.write(path..".new", ("%+d\n"):format(rig.ahead));
	assert(os.rename(path..".new", path));
	rig:pass(1.5); -- it is read each second
end;

return hands;
