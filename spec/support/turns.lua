-- turns.lua: how long Prosody's loop was with the gateway at a time, by its own metric, less what the machine did to it.
-- SPDX-License-Identifier: MIT
--
--	local turns = Turns.new(w)	-- a World or a Rig of scrape.world
--	turns:assert_short(function () … end)	-- no turn of more than 20 ms while that went on
--
-- The metric is the clock on the wall. While Prosody was ready to run and had no processor, or the machine itself had
-- none, that was not the gateway: both are known to the kernel, and are taken off window by window.

local scrape = require "spec.support.scrape";

local Turns = {};
Turns.__index = Turns;

local LIMIT = 0.02;
local WINDOW = 0.05; -- seconds between two looks
local TRIES = 3;     -- a disk that is slow for a moment is not our loop

local function first_line(path)
	local f = assert(io.open(path));
	local line = f:read("l");
	f:close();
	return line;
end

-- Seconds that the process waited for a processor, and that this machine did.
local function lost(pid)
	local waited = tonumber((first_line("/proc/" .. pid .. "/schedstat"):match("^%d+ (%d+)"))) / 1e9;
	local steal = tonumber((first_line("/proc/stat"):match("^cpu +%d+ %d+ %d+ %d+ %d+ %d+ %d+ (%d+)"))) / 100;
	return waited + steal;
end

function Turns.new(w)
	local self = setmetatable({ w = w, worst = 0, excess = 0, windows = 0 }, Turns);
	w.loop:every(WINDOW, function () self:look(); end);
	return self;
end

function Turns:look()
	if self.busy or not self.since then return; end
	self.busy = true;
	scrape.start(self.w, function (page)
		local now = lost(self.w.gateway.process.pid);
		local longest = page:value("longest_turn_seconds");
		self.worst = math.max(self.worst, longest);
		self.excess = math.max(self.excess, longest - LIMIT - (now - self.since));
		self.since, self.busy, self.windows, self.page = now, false, self.windows + 1, page;
	end);
end

local function by_where(page)
	local parts = {};
	for _, entry in ipairs(page.series.long_turns_total or {}) do
		parts[#parts + 1] = entry.labels.where .. "=" .. entry.value;
	end
	return table.concat(parts, " ");
end

-- Calls fn and says by how much the longest turn was too long (0: not at all), and how long it was.
function Turns:watch(fn)
	local loop = self.w.loop;
	scrape.once(self.w);
	self.worst, self.excess, self.windows, self.since = 0, 0, 0, lost(self.w.gateway.process.pid);
	fn();
	local n = self.windows;
	loop:wait(function () return self.windows >= n + 2; end, 20, "the numbers of what went on last");
	self.since = nil;
	loop:wait(function () return not self.busy; end, 20, "the last numbers");
	return self.excess, self.worst;
end

--- fn may be called again.
function Turns:assert_short(what, fn)
	local tried = {};
	for i = 1, TRIES do
		local excess, worst = self:watch(fn);
		tried[i] = ("%s: %.1f ms (%s)"):format(what, worst * 1000, by_where(self.page));
		if excess <= 0 then
			print("# longest turn, " .. tried[i]);
			return;
		end
	end
	error("turns of more than 20 ms, each time:\n" .. table.concat(tried, "\n") .. "\n" .. self.w.loop:tail(), 2);
end

return Turns;
