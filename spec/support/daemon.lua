-- daemon.lua: a server that detaches from its starter, seen as a process.lua process: by its pid file and its log.
-- SPDX-License-Identifier: MIT
--
--	local p = daemon.start(loop, { "prosody", "-D" }, { name = …, env = …, pidfile = path, log = path })
--	p.pid, p.output (its log), p:running(), p:wait_line, p:wait_port, p:signal("HUP"), p:wait_end(seconds), p:stop()
--
-- It is no child of anybody here: its exit status is not known, and it is ended by its pid at loop:close().

local process = require "spec.support.process";

local daemon = {};
local Daemon = {};

local START = 15; -- seconds for its start

local function read_pid(path)
	local f = io.open(path);
	local pid = f and f:read("n");
	if f then f:close(); end
	return pid;
end

-- What its log says becomes self.output, through a process that follows the file.
local mt = { __index = function (self, key)
	if key == "output" then return self.follower.output; end
	return Daemon[key];
end };

function daemon.start(loop, argv, options)
	os.remove(options.pidfile);
	os.remove(options.log);
	-- A session of its own: run.sh ends the process group of what it started.
	local status, output = process.run(loop, { "setsid", "-w", table.unpack(argv) },
		{ name = options.name, env = options.env }, START);
	if status ~= 0 then error(argv[1] .. " did not detach:\n" .. output, 2); end
	local self = setmetatable({ loop = loop, name = options.name }, mt);
	self.pid = loop:wait(function () return read_pid(options.pidfile); end, START, "the pid file of " .. self.name);
	self.follower = process.start(loop, { "tail", "-n", "+1", "-F", options.log }, { name = options.name });
	loop:at_close(function () self:stop(); end);
	return self;
end

function Daemon:running()
	return process.alive(self.pid);
end

function Daemon:wait_line(pattern, seconds)
	return self.follower:wait_line(pattern, seconds);
end

function Daemon:wait_port(ip, port, seconds)
	self.follower:wait_port(ip, port, seconds);
	return self;
end

function Daemon:signal(name)
	if self:running() then process.kill(self.pid, name); end
end

function Daemon:wait_end(seconds)
	local function look() return not self:running(); end
	self.loop:every(0.02, function () return not look(); end); -- the loop wakes up to look
	self.loop:wait(look, seconds or 10, "the end of " .. self.name);
end

--- TERM, after bound seconds KILL; then nobody follows its log any more.
function Daemon:stop(bound)
	self:signal("TERM");
	self:signal("CONT");
	if not pcall(Daemon.wait_end, self, bound or 5) then
		self.killed = true;
		self:signal("KILL");
		self:wait_end(10);
	end
	self.follower:stop();
end

return daemon;
