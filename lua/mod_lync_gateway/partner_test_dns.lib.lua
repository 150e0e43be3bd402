-- Where a partner's server is, as Prosody would look for it. lookup is handed in.
-- SPDX-License-Identifier: MIT

local TARGETS_MAX, ADDRESSES_MAX = 8, 4;
local NXDOMAIN, NOERROR = 3, 0;

local dns = {};

-- The resolver that Prosody uses, asked and waited for.
function dns.lookup()
	local ok, unbound = pcall(require, "net.unbound");
	local resolver = ok and unbound.dns or require "net.dns";
	return function (name, kind)
		return resolver.lookup(name, kind);
	end;
end

-- list of records, or nil and why there is no answer
local function ask(lookup, name, kind)
	local answer, err = lookup(name..".", kind);
	if not answer then
		if err then return nil, tostring(err); end
		return {}; -- COMPAT(without lua-unbound): net.dns gives nothing at all for a name that does not exist
	end
	local code = answer.rcode;
	if code and code ~= NOERROR and code ~= NXDOMAIN then
		return nil, answer.bogus and "DNSSEC: "..tostring(answer.bogus) or "the name server did not answer";
	end
	return answer;
end

local function without_dot(name)
	return (name:gsub("%.$", ""));
end

-- -> sorted list of { target, port, priority, weight }, or nil and why not
function dns.services(lookup, service, domain)
	local answer, err = ask(lookup, service..domain, "SRV");
	if not answer then return nil, err; end
	local records = {};
	for _, record in ipairs(answer) do
		if record.srv and #records < TARGETS_MAX then
			records[#records+1] = { target = without_dot(record.srv.target); port = record.srv.port;
				priority = record.srv.priority; weight = record.srv.weight };
		end
	end
	table.sort(records, function (a, b)
		if a.priority ~= b.priority then return a.priority < b.priority; end
		return a.weight > b.weight;
	end);
	return records;
end

-- -> list of addresses, or nil and why not
function dns.addresses(lookup, name)
	local found = {};
	for _, kind in ipairs { "A", "AAAA" } do
		local answer, err = ask(lookup, name, kind);
		if not answer then return nil, err; end
		for _, record in ipairs(answer) do
			local address = record[kind:lower()];
			if address and #found < ADDRESSES_MAX then found[#found+1] = tostring(address); end
		end
	end
	return found;
end

-- domain in A-labels; proxy: proxy_fqdn or nil; is_address(text)
-- -> { records | nil, failed, targets = { { name, port, addresses | nil, failed } }, direct = records }
function dns.locate(lookup, domain, proxy, is_address)
	local found = { targets = {} };
	local function add(name, port)
		local target = { name = name; port = port };
		if is_address(name) then
			target.addresses = { name };
		else
			target.addresses, target.failed = dns.addresses(lookup, name);
		end
		table.insert(found.targets, target);
	end
	if proxy then
		local host, port = proxy:match("^(.+):(%d+)$");
		add(host:match("^%[(.*)%]$") or host, tonumber(port));
		return found;
	end
	found.records, found.failed = dns.services(lookup, "_xmpp-server._tcp.", domain);
	if not found.records then return found; end
	if #found.records == 0 then
		add(domain, 5269);
	end
	for _, record in ipairs(found.records) do
		if record.target ~= "" then add(record.target, record.port); end
	end
	found.direct = dns.services(lookup, "_xmpps-server._tcp.", domain);
	return found;
end

return dns;
