-- dns.lua: a name server in the loop, for servers that want a real one (ejabberd).
-- SPDX-License-Identifier: MIT
--
--	local server = dns.server(loop, { ["fabrikam.com"] = "127.1.2.3:5269" })	-- server.ip, server.port
--
-- The table is that of prosody.lua: A of the name, SRV _xmpp-server._tcp of it with the port (5269 unless said). The rest does
-- not exist. It answers only while the loop is served. Queries are noted in server.asked ("SRV _xmpp-server._tcp.x").

local socket = require "socket";
local ports = require "spec.support.ports";

local dns = {};

local A, SRV, IN = 1, 33, 1;
local KINDS = { [A] = "A", [28] = "AAAA", [SRV] = "SRV" };

local function encode_name(name)
	local parts = {};
	for label in name:gmatch("[^.]+") do parts[#parts + 1] = string.pack("s1", label); end
	return table.concat(parts) .. "\0";
end

local function read_question(packet)
	local labels, at = {}, 13;
	while true do
		local length = packet:byte(at);
		if not length or length > 63 then return nil; end
		if length == 0 then break; end
		labels[#labels + 1] = packet:sub(at + 1, at + length);
		at = at + 1 + length;
	end
	if #packet < at + 4 then return nil; end
	local kind = string.unpack(">I2", packet, at + 1);
	return table.concat(labels, "."):lower(), kind, packet:sub(13, at + 4);
end

-- The record's data, and whether the name exists at all.
local function look_up(map, name, kind)
	local domain = name:match("^_xmpp%-server%._tcp%.(.+)$");
	local entry = map[domain or name];
	if not entry then return nil, false; end
	local ip, port = entry:match("^([^:]+):?(%d*)$");
	-- The target is the address, spelt as a name: ejabberd looks targets up by getaddrinfo, which asks the machine's resolver.
	if domain and kind == SRV then return string.pack(">I2I2I2", 0, 0, tonumber(port) or 5269) .. encode_name(ip), true; end
	if not domain and kind == A then return string.char(ip:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")), true; end
	return nil, true;
end

local function answer(self, packet)
	if #packet < 12 then return nil; end
	local name, kind, question = read_question(packet);
	if not name then return nil; end
	table.insert(self.asked, (KINDS[kind] or tostring(kind)) .. " " .. name);
	local data, exists = look_up(self.map, name, kind);
	local head = packet:sub(1, 2) .. string.pack(">I2I2I2I2I2", 0x8580 + (exists and 0 or 3), 1, data and 1 or 0, 0, 0);
	if not data then return head .. question; end
	return head .. question .. "\xc0\x0c" .. string.pack(">I2I2I4s2", kind, IN, 1, data);
end

--- Start it on ip, on a port that is free. map may change while it runs.
function dns.server(loop, map, ip)
	local sock = assert(socket.udp4());
	local self = { map = map, asked = {}, ip = ip or ports.address("dns") };
	assert(sock:setsockname(self.ip, 0));
	sock:settimeout(0);
	local _, port = sock:getsockname();
	self.port = math.tointeger(tonumber(port));
	loop:on_readable(sock, function ()
		local packet, asker, from = sock:receivefrom();
		local reply = packet and answer(self, packet);
		if reply then sock:sendto(reply, asker, from); end
	end);
	loop:at_close(function ()
		loop:on_readable(sock, nil);
		sock:close();
	end);
	return self;
end

return dns;
