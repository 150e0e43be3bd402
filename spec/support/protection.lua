-- protection.lua: a world of three partners with many people, and a clock that can be set, for specs about limits and deaths.
-- SPDX-License-Identifier: MIT
--
--	local w, crowd = protection.world(settings, wire)	-- settings: raw Lua; wire: lync_bridge_wire
--	w:clock(3600)		-- the gateway's os.time() is an hour later

local process = require "spec.support.process";
local ports = require "spec.support.ports";
local Crowd = require "spec.support.crowd";
local World = require "spec.support.world";

local protection = {};

local DOMAINS = { "a.example"; "b.example"; "c.example" };

-- In Prosody's configuration, which is Lua: before any module sees os.time. The file holds seconds.
local CLOCK = [[
	os.really = os.really or os.time
	function os.time(t)
		if t then return os.really(t) end
		local f = io.open(%q)
		local ahead = f and f:read("n") or 0
		if f then f:close() end
		return os.really() + ahead
	end
]];

-- A file is replaced, so that nobody reads half of it.
local function set(path, ahead)
	process.write(path .. ".new", ("%d"):format(ahead));
	assert(os.rename(path .. ".new", path));
end

function protection.world(settings, wire)
	local dns, parts = {}, {};
	for i, domain in ipairs(DOMAINS) do
		dns[domain] = ports.address(domain);
		parts[i] = ("[%q] = { partner_type = \"federated\" }"):format(domain);
	end
	local path, ahead = os.tmpname(), 3600 - os.time() % 3600; -- an hour begins now: the limits count by the hour
	set(path, ahead);
	local w = World.new { partner = false; partners = table.concat(parts, "; "); dns = dns; wire = wire;
		global = CLOCK:format(path); settings = settings; edge = { contacts = DOMAINS;
			presence = { notify_interval = wire.notify_interval } } };
	w.loop:at_close(function () os.remove(path); end);
	function w.clock(_, seconds)
		ahead = ahead + seconds;
		set(path, ahead);
	end
	return w, Crowd.new(w, DOMAINS);
end

--- The i-th Lync user's address.
function protection.user(i)
	return ("u%d@contoso.com"):format(i);
end

return protection;
