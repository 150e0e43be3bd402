-- mod_test_resolver: DNS out of a table, for tests: test_dns = { ["fabrikam.com"] = "127.1.2.3:5269" }.
-- SPDX-License-Identifier: MIT
--
-- Each name has an A record and, as a domain, _xmpp-server._tcp pointing at itself with the given port (5269 unless said).
-- ["xmpps:fabrikam.com"] = "at:5270": also _xmpps-server._tcp with that port. "never" in place of an address: no answer comes.
-- What is not in the table does not exist, so nothing ever asks the real DNS.

-- luacheck: globals module

module:set_global();

local adns = require "net.adns";
local table_of = module:get_option("test_dns", {});

local function lookup(_, handler, name, kind)
	name = name:lower():gsub("%.$", "");
	local domain = kind == "SRV" and name:match("^_xmpp%-server%._tcp%.(.+)$");
	local direct = kind == "SRV" and name:match("^_xmpps%-server%._tcp%.(.+)$");
	local entry = table_of[direct and "xmpps:"..direct or domain or name];
	if entry == "never" then return; end
	local answer = { secure = false };
	if entry then
		local ip, port = entry:match("^([^:]+):?(%d*)$");
		if domain or direct then
			answer[1] = { srv = { target = domain or direct, port = tonumber(port) or 5269, priority = 0, weight = 0 } };
		elseif kind == "A" then
			answer[1] = { a = ip };
		end
	end
	module:log("debug", "answered %s %s: %s", kind, name, tostring(answer[1] and entry));
	module:add_timer(0, function () handler(answer); end);
end

local resolver = { lookup = lookup; cancel = function () end };

function module.load()
	adns.resolver = function () return resolver; end;
	adns.lookup = function (handler, ...) return lookup(nil, handler, ...); end;
end
