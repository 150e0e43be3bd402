-- schedule.lua: what happens when, out of a seed; pure.
-- SPDX-License-Identifier: MIT
--
--	local next_event = schedule.new(seed, { kinds })	-- kinds: those that can be done here (schedule.kinds: all)
--	local event = next_event()	-- { kind, pause (seconds before it), lasts (seconds), wire, … }
--
-- Events are dealt from a shuffled pack of all kinds: none is missing in a short run, and none comes in a fixed order. The same
-- seed and kinds give the same events for ever.

local schedule = {};

local XMPP, SIP = { "xmpp-out", "xmpp-in" }, { "sip-out", "sip-in" };
local WIRES = { XMPP[1], XMPP[2], SIP[1], SIP[2] };
schedule.wires = WIRES;

-- xorshift32; math.random would do, were it promised to stay as it is.
function schedule.random(seed)
	local state = (seed * 2654435761 + 1013904223) & 0xffffffff;
	if state == 0 then state = 1; end
	local function draw()
		state = state ~ state << 13 & 0xffffffff;
		state = state ~ state >> 17;
		state = state ~ state << 5 & 0xffffffff;
		return state;
	end
	for _ = 1, 8 do draw(); end
	local r = {};
	function r.between(low, high) return low + (high - low) * draw() / 0x100000000; end
	function r.whole(low, high) return low + draw() % (high - low + 1); end
	function r.one_of(list) return list[r.whole(1, #list)]; end
	return r;
end

-- kind -> what there is to draw. Those with lasts are undone after so many seconds.
local KINDS = {
	["worker-kill"] = function () return {}; end;
	["worker-stop"] = function (r) return { lasts = r.between(0.5, 4) }; end; -- SIGSTOP; less than the heartbeat forgives
	["prosody-kill"] = function (r) return { lasts = r.between(0.1, 1.5) }; end;
	["prosody-end"] = function (r) return { lasts = r.between(0.1, 1) }; end; -- SIGTERM
	["prosody-stop"] = function (r) return { lasts = r.between(0.5, 3) }; end;
	["partner-kill"] = function (r) return { lasts = r.between(0.1, 3) }; end;
	["edge-kill"] = function (r) return { lasts = r.between(0.1, 3) }; end;
	["wire-reset"] = function (r) return { wire = r.one_of(WIRES) }; end;
	["wire-cut"] = function (r) return { wire = r.one_of(WIRES) }; end;
	["wire-half"] = function (r) return { wire = r.one_of(WIRES) }; end;
	["wire-stall"] = function (r) return { wire = r.one_of(WIRES); lasts = r.between(0.5, 6) }; end;
	["wire-refuse"] = function (r) return { wire = r.one_of(WIRES); reset = true; lasts = r.between(0.5, 4) }; end;
	["wire-loss"] = function (r)
		return { wire = r.one_of(WIRES); share = r.between(0.005, 0.05); lasts = r.between(2, 6) };
	end;
	["partition"] = function (r) return { side = r.one_of { "xmpp", "sip" }; lasts = r.between(0.5, 6) }; end;
	["disk-full"] = function (r) return { lasts = r.between(1, 4) }; end;
	["reload"] = function () return {}; end;
	["certificates"] = function () return {}; end;
	["clock"] = function (r) return { step = r.one_of { -1, 1 } * r.whole(1, 6 * 3600) }; end;
};

schedule.kinds = {};
for kind in pairs(KINDS) do table.insert(schedule.kinds, kind); end
table.sort(schedule.kinds);

function schedule.new(seed, kinds)
	local r, pack = schedule.random(seed), {};
	local sorted = { table.unpack(kinds or schedule.kinds) };
	table.sort(sorted);
	local function shuffle()
		for i, kind in ipairs(sorted) do pack[i] = kind; end
		for i = #pack, 2, -1 do
			local j = r.whole(1, i);
			pack[i], pack[j] = pack[j], pack[i];
		end
	end
	return function ()
		if #pack == 0 then shuffle(); end
		local kind = table.remove(pack);
		local event = KINDS[kind](r);
		event.kind, event.pause = kind, r.between(0.5, 2.5);
		return event;
	end
end

--- In one line; seed and kinds give the same lines again.
function schedule.text(event)
	local words = { event.kind };
	for _, key in ipairs { "wire", "side", "share", "step", "lasts" } do
		local value = event[key];
		if value then
			words[#words + 1] = key.."="..(math.type(value) == "float" and ("%.3f"):format(value) or tostring(value));
		end
	end
	return table.concat(words, " ");
end

return schedule;
