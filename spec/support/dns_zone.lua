-- dns_zone.lua: a name server in the loop with records as they are written, for commands that ask a real one.
-- SPDX-License-Identifier: MIT
--
--	local zone = dns_zone.server(loop, { ["_xmpp-server._tcp.fabrikam.com SRV"] = { "0 5 5269 xmpp.fabrikam.com" },
--		["xmpp.fabrikam.com A"] = { "192.0.2.1" } })
--	zone.ip, zone.port; zone.asked[1] == "A xmpp.fabrikam.com"
--	zone.mute = true		-- answers nothing any more
--	gateway:rewrite(…, zone:unbound())	-- Prosody's option that has it asked
--
-- A name with records of another type exists, any other does not. It answers only while the loop is served.

local socket = require "socket";
local ports = require "spec.support.ports";

local dns_zone = {};
local Zone = {};
Zone.__index = Zone;

local KINDS, IN = { [1] = "A", [28] = "AAAA", [33] = "SRV" }, 1;

local function encode_name(name)
	local parts = {};
	for label in name:gmatch("[^.]+") do parts[#parts + 1] = string.pack("s1", label); end
	return table.concat(parts) .. "\0";
end

local encode = {
	A = function (text) return string.char(text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")); end;
	SRV = function (text)
		local priority, weight, port, target = text:match("^(%d+) (%d+) (%d+) (%S+)$");
		return string.pack(">I2I2I2", tonumber(priority), tonumber(weight), tonumber(port)) .. encode_name(target);
	end;
};

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

local function exists(self, name)
	if self.exists then return self.exists(name); end
	for key in pairs(self.records) do
		if key:match("^%S+") == name then return true; end
	end
	return false;
end

local function answer(self, packet)
	if #packet < 12 then return nil; end
	local name, kind, question = read_question(packet);
	if not name then return nil; end
	local word = KINDS[kind];
	table.insert(self.asked, (word or tostring(kind)) .. " " .. name);
	if self.mute then return nil; end
	local records = word and self.records[name .. " " .. word] or {};
	local parts = { packet:sub(1, 2), string.pack(">I2I2I2I2I2", 0x8580 + (exists(self, name) and 0 or 3), 1, #records, 0, 0),
		question };
	for _, text in ipairs(records) do
		parts[#parts + 1] = "\xc0\x0c" .. string.pack(">I2I2I4s2", kind, IN, 1, encode[word](text));
	end
	return table.concat(parts);
end

--- options: ip (else one of its own); exists(name) (else what the records say).
function dns_zone.server(loop, records, options)
	options = options or {};
	local sock = assert(socket.udp4());
	local self = setmetatable({ records = records, asked = {}, ip = options.ip or ports.address("zone"),
		exists = options.exists }, Zone);
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

--- The option `unbound`, so that Prosody asks this one and nobody else.
function Zone:unbound()
	return string.format("unbound = { forward = \"%s@%d\", hoststxt = false, resolvconf = false, "
		.. "options = { [\"do-not-query-localhost:\"] = \"no\" } }\n", self.ip, self.port);
end

return dns_zone;
