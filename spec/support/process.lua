-- process.lua: child processes of a test: start, read, signal, stop, reap; none outlives the test process.
-- SPDX-License-Identifier: MIT
--
--	local p = process.start(loop, { "prosody", "-F" }, { name = "gateway", env = { A = "b" }, cwd = dir })
--	p:wait_line("started", 10)	-- Lua pattern, in what it prints (stdout and stderr)
--	p:stop()			-- TERM, after 10 s KILL; waits for the end; kills what it left behind
--	local status, output = process.run(loop, { "prosodyctl", "about" })
--
-- run.sh keeps each child and tells its pid and its end over loopback sockets, for Lua has no fork.

local socket = require "socket";
local stream = require "spec.support.stream";
local ports = require "spec.support.ports";

local process = {};
local Process = {};
Process.__index = Process;

local OUTPUT_MAX = 1048576;

local function absolute(directory)
	local f = assert(io.popen("cd '" .. directory .. "' && pwd"));
	local path = f:read("l");
	f:close();
	return path .. "/";
end

local here = absolute(debug.getinfo(1, "S").source:match("^@(.*)/") or ".");
process.here = here; -- where the support files lie
local serial = 0;

local function quote(text)
	return "'" .. tostring(text):gsub("'", "'\\''") .. "'";
end
process.quote = quote;

local function take_output(self, bytes)
	self.output = self.output .. bytes;
	if #self.output > OUTPUT_MAX then self.output = self.output:sub(-OUTPUT_MAX // 2); end
	self.partial = self.partial .. bytes;
	while true do
		local line, rest = self.partial:match("^([^\n]*)\n(.*)$");
		if not line then break; end
		self.partial = rest;
		if not self.quiet then self.loop:note(self.name, line); end
		if self.on_line then self.on_line(line); end
	end
end

local function take_word(self, line)
	local word, value = line:match("^(%a+) (%d+)$");
	if word == "pid" then
		self.pid = tonumber(value);
	elseif word == "exit" then
		self.status = tonumber(value);
		self.loop:note(self.name, "ended with status " .. value);
	end
end

local function take_connection(self, conn)
	local buffer, take = "", nil;
	function conn.on_data(_, bytes)
		if take then return take(bytes); end
		buffer = buffer .. bytes;
		local kind, key, rest = buffer:match("^(%a+) (%w+)\n(.*)$");
		if not kind then return; end
		if key ~= self.key then return conn:close(true); end
		if kind == "out" then
			take = function (more) take_output(self, more); end
			self.out = conn;
		else
			local words = "";
			take = function (more)
				words = (words .. more):gsub("([^\n]*)\n", function (line) take_word(self, line); return ""; end);
			end
			self.words = conn;
		end
		if rest ~= "" then take(rest); end
	end
	function conn.on_close()
		if conn == self.words then
			self.ended = true;
			self.status = self.status or -1;
			self.listener:close();
			if self.keeper then self.keeper:close(); self.keeper = nil; end
		elseif conn == self.out then
			self.out_ended = true;
		end
	end
end

local function command_line(self, argv, options)
	local words = { "exec", "bash", quote(here .. "run.sh"), self.listener.ip, self.listener.port, self.key };
	local environment = {};
	for key, value in pairs(options.env or {}) do
		environment[#environment + 1] = quote(key .. "=" .. value);
	end
	if #environment > 0 then
		table.sort(environment);
		words[#words + 1] = "env " .. table.concat(environment, " ");
	end
	for _, word in ipairs(argv) do words[#words + 1] = quote(word); end
	local script = table.concat(words, " ") .. " 2>&1";
	if not options.cwd then return script; end
	return "cd " .. quote(options.cwd) .. " && " .. script;
end

--- Start argv. options: name (for the transcript), env (added to ours), cwd, quiet (output not in the transcript).
function process.start(loop, argv, options)
	options = options or {};
	serial = serial + 1;
	local self = setmetatable({ loop = loop, name = options.name or argv[1]:match("[^/]*$"), quiet = options.quiet,
		output = "", partial = "", key = string.format("%x%x", serial, socket.gettime() * 1000 // 1) }, Process);
	self.listener = stream.listen(loop, ports.address("process"), nil, nil, function (conn)
		take_connection(self, conn);
	end);
	self.keeper = assert(io.popen(command_line(self, argv, options), "r"));
	loop:wait(function () return self.pid or self.ended; end, 10, "the start of " .. self.name);
	loop:at_close(function () self:stop(); end);
	return self;
end

--- Still there?
function Process:running()
	return not self.status and not self.ended;
end

--- Wait for a printed line that matches the pattern; lines from before the call count too.
function Process:wait_line(pattern, seconds)
	return self.loop:wait(function ()
		local found = self.output:match(pattern);
		if not found and self.ended then
			error(string.format("%s ended (status %d) before it printed %q:\n%s", self.name, self.status, pattern,
				self.output:sub(-4000)), 3);
		end
		return found;
	end, seconds or 10, string.format("%q from %s", pattern, self.name));
end

--- Wait until ip:port accepts a connection.
function Process:wait_port(ip, port, seconds)
	local state = {};
	local function try()
		stream.connect(self.loop, ip, port, nil, {
			on_open = function (conn) state.up = true; conn:close(true); end;
			on_close = function () if not state.up then self.loop:after(0.05, try); end end;
		});
	end
	try();
	self.loop:wait(function ()
		if self.ended then
			error(string.format("%s ended (status %d):\n%s", self.name, self.status, self.output:sub(-4000)), 3);
		end
		return state.up;
	end, seconds or 10, string.format("%s to listen on %s:%d", self.name, ip, port));
	return self;
end

--- Send a signal by name ("HUP", "STOP", …) to the child alone.
function Process:signal(name)
	if self:running() then self.words:send(name .. "\n"); end
end

local function gone(self)
	return self.ended and (self.out_ended or not self.out);
end

--- Wait for its end; returns the exit status.
function Process:wait_end(seconds)
	self.loop:wait(function () return gone(self); end, seconds, "the end of " .. self.name);
	return self.status;
end

--- TERM, after bound seconds (10) KILL for its whole group. Returns the exit status.
function Process:stop(bound)
	if self.ended then return self.status; end
	self:signal("TERM");
	self:signal("CONT");
	if not pcall(self.loop.within, self.loop, function () return gone(self); end, bound or 10) then
		self.loop:note(self.name, "does not end: KILL");
		self.killed = true;
		self.words:send("group\n");
		self:wait_end(10);
	end
	return self.status;
end

--- Run to the end while the loop goes on: status, output.
function process.run(loop, argv, options, seconds)
	local p = process.start(loop, argv, options);
	local status = p:wait_end(seconds or 30);
	return status, p.output;
end

--- Send a signal to some process id that a test has learnt (for example the bridge's worker).
function process.kill(pid, name)
	return os.execute(string.format("kill -s %s %d 2>/dev/null", name, math.tointeger(pid)));
end

--- Is a process with this id alive (a zombie is not)?
function process.alive(pid)
	local f = io.open("/proc/" .. math.tointeger(pid) .. "/stat");
	if not f then return false; end
	local state = f:read("a"):match("%) (%a)");
	f:close();
	return state ~= "Z" and state ~= "X";
end

--- A new temporary directory, removed when the loop is closed (kept with LG_KEEP=1).
function process.directory(loop, name)
	serial = serial + 1;
	local path = string.format("%s/lg-%d-%d-%s", os.getenv("TMPDIR") or "/tmp", ports.pid(), serial, name or "dir");
	assert(os.execute("mkdir -p -m 755 " .. quote(path)));
	loop:at_close(function ()
		if os.getenv("LG_KEEP") then return; end
		os.execute("rm -rf " .. quote(path));
	end);
	return path;
end

--- Write a file.
function process.write(path, text)
	local f = assert(io.open(path, "w"));
	assert(f:write(text));
	assert(f:close());
	return path;
end

return process;
