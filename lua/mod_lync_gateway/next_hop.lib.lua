-- proxy_fqdn: a host and port to connect to in place of a domain's SRV records.
-- SPDX-License-Identifier: MIT
--
-- COMPAT(0.12.3): no s2sout-pre-connect there, so what mod_s2s asks for its targets is wrapped. mod_s2s fires
-- s2sout-created and asks for "xmpp-server" and perhaps "xmpps-server" right after it: `wanted` is for these questions.

local basic = require "net.resolvers.basic";

local next_hop = {};

local wanted; -- { domain, host, port, used }

local function target(proxy, extra)
	return basic.new(proxy.host, proxy.port, "tcp", extra);
end

-- Of the stream that is being made (s2sout-created).
function next_hop.set(settings, domain)
	local partner = settings:partner(domain);
	local host, port = (partner and partner.proxy_fqdn or ""):match("^(.+):(%d+)$");
	wanted = host and { domain = domain; host = host:match("^%[(.*)%]$") or host; port = tonumber(port) } or nil;
end

-- s2sout-pre-connect
function next_hop.pre_connect(event)
	if wanted and wanted.domain == event.session.to_host then
		event.resolver = target(wanted);
	end
	wanted = nil;
end

-- service: net.resolvers.service -> a function that undoes it
function next_hop.wrap(service)
	local original = service.new;
	local function wrapped(hostname, name, kind, extra)
		local proxy = wanted;
		if proxy and proxy.domain == hostname and name == "xmpp-server" and not proxy.used then
			proxy.used = true;
			return target(proxy, extra);
		elseif proxy and proxy.used and proxy.domain == hostname and name == "xmpps-server" then
			wanted = nil;
			return { next = function (_, callback) callback(nil); end; hostname = hostname };
		end
		wanted = nil; -- of another stream
		return original(hostname, name, kind, extra);
	end
	service.new = wrapped;
	return function ()
		if service.new == wrapped then
			service.new = original;
		end
	end;
end

return next_hop;
