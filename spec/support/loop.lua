-- loop.lua: the one event loop in which stand-ins, XMPP clients and the output of child processes live.
-- SPDX-License-Identifier: MIT
--
-- Single thread, socket.select over non-blocking sockets, timers on the real-time clock. Specs never sleep: they say
-- loop:wait(predicate, seconds, what), which serves everything until the predicate holds, or fails and shows the last
-- lines of what everybody said.
--
-- Limits are counted in time that the loop has served: when this process, or the machine, stands still, then a whole
-- second of it is one poll, and counts as no more than a poll takes. So what arrived meanwhile is read before a limit is over.

local socket = require "socket";
local gettime = socket.gettime;

local Loop = {};
Loop.__index = Loop;

local TRANSCRIPT_LINES = 4000;
local SHOWN_LINES = 60;
local POLL = 0.05; -- seconds that a wait sleeps at most
local LOST = 0.1;  -- what one poll counts at most
local STANDSTILL = 0.2; -- seconds, in all
local USUAL = 5;   -- a limit, where none is given
local SLACK = 4;   -- a wait's limit is what a quiet machine needs; a busy one gets so many times that

function Loop.new()
	return setmetatable({
		readers = {}, writers = {}, reader_of = {}, writer_of = {};
		timers = {}, lines = {}, line_count = 0, cleanups = {}, served_for = 0, turned = gettime();
	}, Loop);
end

function Loop:now()
	return gettime();
end

--- Seconds that the loop has served: now(), less what this process or the machine stood still. For upper limits.
function Loop:served()
	return self.served_for;
end

--- What is read now has come after this, the end of the turn before: a little earlier than now(), or as much as this process
--- or the machine stood still. Something was too early only if it is so from there.
function Loop:earliest()
	return self.turned;
end

-- The end of a turn.
local function count(self)
	local now = gettime();
	self.served_for = self.served_for + math.max(0, math.min(now - self.turned, LOST));
	self.turned = now;
end

-- Lists for select, kept as arrays with the position of each object.
local function add(list, of, object, callback)
	if of[object] then
		of[object].callback = callback;
		return;
	end
	list[#list + 1] = object;
	of[object] = { callback = callback, at = #list };
end

local function remove(list, of, object)
	local entry = of[object];
	if not entry then return; end
	local moved = list[#list];
	list[entry.at] = moved;
	of[moved].at = entry.at;
	list[#list] = nil;
	of[object] = nil;
end

--- Call on_read when object (anything with getfd) is readable; nil stops it.
function Loop:on_readable(object, on_read)
	if on_read then
		add(self.readers, self.reader_of, object, on_read);
	else
		remove(self.readers, self.reader_of, object);
	end
end

function Loop:on_writable(object, on_write)
	if on_write then
		add(self.writers, self.writer_of, object, on_write);
	else
		remove(self.writers, self.writer_of, object);
	end
end

--- Call fn once after seconds. The returned timer has :cancel().
function Loop:after(seconds, fn)
	local timer = { at = gettime() + seconds, fn = fn };
	function timer.cancel(t) t.fn = nil; end
	table.insert(self.timers, timer);
	return timer;
end

--- Call fn once when the loop has served so many seconds: for what is to have happened by then.
function Loop:after_served(seconds, fn)
	local due = self.served_for + seconds;
	local function look()
		if self.served_for >= due then return fn(); end
		self:after(math.min(due - self.served_for, POLL), look);
	end
	look();
end

--- Call fn every seconds until it returns false.
function Loop:every(seconds, fn)
	local function tick()
		if fn() ~= false then self:after(seconds, tick); end
	end
	self:after(seconds, tick);
end

local function run_timers(self)
	local now, due, rest = gettime(), {}, {};
	local nearest = math.huge;
	for _, timer in ipairs(self.timers) do
		if timer.fn and timer.at <= now then
			due[#due + 1] = timer;
		elseif timer.fn then
			rest[#rest + 1] = timer;
			nearest = math.min(nearest, timer.at - now);
		end
	end
	self.timers = rest;
	table.sort(due, function (a, b) return a.at < b.at; end);
	for _, timer in ipairs(due) do
		if timer.fn then timer.fn(); end
	end
	if #due > 0 then return 0; end
	return nearest;
end

local function serve(self, limit)
	if #self.readers == 0 and #self.writers == 0 then
		socket.select(nil, nil, limit);
		return;
	end
	local readable, writable = socket.select(self.readers, self.writers, limit);
	for _, object in ipairs(readable) do
		local entry = self.reader_of[object];
		if entry then entry.callback(object); end
	end
	for _, object in ipairs(writable) do
		local entry = self.writer_of[object];
		if entry then entry.callback(object); end
	end
end

--- Serve what is ready; waits at most so many seconds for something to be.
function Loop:step(seconds)
	local nearest = run_timers(self);
	serve(self, math.max(0, math.min(seconds or 0.1, nearest)));
	count(self);
end

--- The served() at which a wait that begins now and is given so many seconds is over.
function Loop:limit(seconds)
	return self.served_for + (seconds or USUAL) * SLACK;
end

local function wait(self, predicate, limit, seconds, what)
	local began = gettime();
	while true do
		local value = predicate();
		if value then return value; end
		local left = limit - self.served_for;
		if left <= 0 then
			error(string.format("waited %g s in vain for %s (%.1f s by the clock)\n%s", seconds, what or "a condition",
				gettime() - began, self:tail()), 3);
		end
		self:step(math.min(left, POLL));
	end
end

--- Serve everything until predicate() is true-ish, whose value is returned; else an error, SLACK times seconds later: the limit
-- only ends what hangs. what: what was awaited, in words, for the error.
function Loop:wait(predicate, seconds, what)
	return wait(self, predicate, self:limit(seconds), seconds or USUAL, what);
end

--- The same with just that limit, where it is the matter of the test: counted in what was served, nevertheless.
function Loop:within(predicate, seconds, what)
	return wait(self, predicate, self.served_for + seconds, seconds, what);
end

--- The loop as a coroutine has it: to wait is to give way until somebody resumes it.
function Loop:yielding()
	local real, own = self, {};
	function own.wait(_, predicate, seconds, what)
		local limit = real:limit(seconds);
		while true do
			local value = predicate();
			if value then return value; end
			if real.served_for > limit then
				error(("waited %g s in vain for %s"):format(seconds or USUAL, what or "a condition"), 2);
			end
			coroutine.yield();
		end
	end
	function own.within(_, predicate, seconds, what) return own:wait(predicate, seconds / SLACK, what); end
	function own.note(_, ...) return real:note(...); end
	return setmetatable(own, { __index = self });
end

--- Run fn(loop) beside everything else: what it waits for with that loop holds nobody up.
function Loop:beside(fn)
	local routine = coroutine.create(fn);
	local own = self:yielding();
	self:every(0.005, function ()
		local ok, err = coroutine.resume(routine, own);
		if not ok then error(debug.traceback(routine, tostring(err)), 0); end
		return coroutine.status(routine) ~= "dead";
	end);
end

--- Serve everything for so long, and fail when predicate() becomes true: for what must not happen.
function Loop:never(predicate, seconds, what)
	local deadline = gettime() + seconds;
	repeat
		if predicate() then
			error(string.format("happened, but must not: %s\n%s", what or "a condition", self:tail()), 2);
		end
		self:step(math.min(math.max(deadline - gettime(), 0), POLL));
	until gettime() >= deadline;
end

--- Run fn, which proves something by the clock: once more when it fails while this process or the machine stood still. A few
--- times only: what fails on a machine that runs, fails.
function Loop:steadily(fn)
	for tries = 1, 4 do
		local began, served = gettime(), self.served_for;
		local ok, err = pcall(fn);
		if ok then return; end
		local lost = gettime() - began - (self.served_for - served);
		if lost < STANDSTILL or tries == 4 then error(err, 0); end
		self:note("loop", ("stood still for %.1f s: once more"):format(lost));
	end
end

--- Note a line of the transcript: who said it, and what.
function Loop:note(who, line)
	self.line_count = self.line_count + 1;
	local now = gettime();
	local text = string.format("%s.%03d %-12s %s", os.date("%H:%M:%S", math.floor(now)), now * 1000 % 1000 // 1, who, line);
	self.lines[(self.line_count - 1) % TRANSCRIPT_LINES + 1] = text;
	if self.on_note then self.on_note(text, who, line); end
end

--- The last n lines of the transcript as one text.
function Loop:tail(n)
	local shown = {};
	for i = math.max(1, self.line_count - math.min(n or SHOWN_LINES, TRANSCRIPT_LINES) + 1), self.line_count do
		shown[#shown + 1] = self.lines[(i - 1) % TRANSCRIPT_LINES + 1];
	end
	return table.concat(shown, "\n");
end

--- Call fn at loop:close(), last registered first.
function Loop:at_close(fn)
	table.insert(self.cleanups, fn);
end

--- Stop everything that was started in this loop. Shows every error of a clean-up, runs all of them.
function Loop:close()
	local problems = {};
	while #self.cleanups > 0 do
		local ok, err = pcall(table.remove(self.cleanups));
		if not ok then problems[#problems + 1] = tostring(err); end
	end
	self.timers = {};
	if #problems > 0 then error(table.concat(problems, "\n"), 2); end
end

return Loop;
