-- dns.lua: a name server in the loop, for servers that want a real one (ejabberd).
-- SPDX-License-Identifier: MIT
--
--	local server = dns.server(loop, { ["fabrikam.com"] = "127.1.2.3:5269" })	-- server.ip, server.port
--
-- The table is that of prosody.lua: A of the name, SRV _xmpp-server._tcp of it with the port (5269 unless said). The rest does
-- not exist. It answers only while the loop is served. Queries are noted in server.asked ("SRV _xmpp-server._tcp.x").

local dns_zone = require "spec.support.dns_zone";
local ports = require "spec.support.ports";

local dns = {};

-- What is asked about -> the entry it stands in, whether it is the SRV record's name.
local function find(map, name)
	local domain = name:match("^_xmpp%-server%._tcp%.(.+)$");
	return map[domain or name], domain ~= nil;
end

--- Start it on ip, on a port that is free. map may change while it runs.
function dns.server(loop, map, ip)
	local records = setmetatable({}, { __index = function (_, key)
		local name, kind = key:match("^(%S+) (%u+)$");
		local entry, is_service = find(map, name);
		local address, port = (entry or ""):match("^([^:]+):?(%d*)$");
		-- The target is the address, spelt as a name: ejabberd looks targets up by getaddrinfo, which asks the machine's resolver.
		if is_service and kind == "SRV" and address then
			return { ("0 0 %d %s"):format(math.tointeger(tonumber(port)) or 5269, address) };
		end
		return not is_service and kind == "A" and address and { address } or nil;
	end });
	return dns_zone.server(loop, records, { ip = ip or ports.address("dns");
		exists = function (name) return find(map, name) ~= nil; end });
end

return dns;
