-- ports.lua: loopback addresses of this run, so that parallel runs and this machine's own servers never meet.
-- SPDX-License-Identifier: MIT
--
-- Linux answers on all of 127.0.0.0/8. Each run takes one /24 of it, found from its process id and held by a listening
-- socket on .254; in it every server has an address of its own and the usual port (5061, 5222, 5269).

local socket = require "socket";

local ports = {};
local prefix, lock;
local names, last = {}, 0;

local function own_pid()
	local f = assert(io.open("/proc/self/stat"));
	local pid = tonumber(f:read("n"));
	f:close();
	return pid;
end

local function try(n)
	local candidate = string.format("127.%d.%d.", 1 + (n // 254) % 254, 1 + n % 254);
	local s = assert(socket.tcp4());
	if s:bind(candidate .. "254", 9) and s:listen(1) then
		prefix, lock = candidate, s;
		return true;
	end
	s:close();
	return false;
end

local function claim()
	local pid = own_pid();
	for i = 0, 499 do
		if try(pid + i * 127) then return; end
	end
	error("no free /24 in 127.0.0.0/8");
end

--- "127.a.b." of this run.
function ports.prefix()
	if not lock then claim(); end
	return prefix;
end

--- The address of a name: the same name has the same address for the whole run.
function ports.address(name)
	if not names[name] then
		assert(last < 250, "too many addresses in one run");
		last = last + 1;
		names[name] = ports.prefix() .. last;
	end
	return names[name];
end

--- A TCP port that is free on the address now (for servers that cannot have the usual one).
function ports.free(address)
	local s = assert(socket.tcp4());
	assert(s:bind(address or ports.address("free"), 0));
	local _, port = s:getsockname();
	s:close();
	return math.tointeger(tonumber(port));
end

ports.pid = own_pid;

return ports;
