-- Where a partner's server is, as Prosody would look for it. What asks is handed in.
-- SPDX-License-Identifier: MIT
--
-- ask(questions) -> answers, both as those of the library lookup

local lookup = module:require "lookup";

local TARGETS_MAX, ADDRESSES_MAX = 8, 4;

local dns = {};

local function first(list, most)
	return { table.unpack(list, 1, math.min(#list, most)) };
end

-- -> sorted list of { target, port, priority, weight }, or nil and why not
local function records_of(answers, name)
	local answer = answers[lookup.key(name, "SRV")];
	if answer.failed then return nil, answer.failed; end
	return first(answer, TARGETS_MAX);
end

function dns.services(ask, service, domain)
	return records_of(ask { { service..domain, "SRV" } }, service..domain);
end

-- -> list of addresses; where there are none, also why nobody answered, if so
function dns.addresses(ask, name)
	local questions = {};
	lookup.want_addresses(questions, {}, name);
	return lookup.addresses(ask(questions), name);
end

-- The addresses of all targets, asked for at once.
local function find_addresses(ask, targets, is_address)
	local questions, seen = {}, {};
	for _, target in ipairs(targets) do
		if not is_address(target.name) then lookup.want_addresses(questions, seen, target.name); end
	end
	local answers = #questions > 0 and ask(questions) or {};
	for _, target in ipairs(targets) do
		if is_address(target.name) then
			target.addresses = { target.name };
		else
			local list;
			list, target.failed = lookup.addresses(answers, target.name);
			target.addresses = first(list, ADDRESSES_MAX);
		end
	end
end

-- domain in A-labels; proxy: proxy_fqdn or nil; is_address(text)
-- -> { records | nil, failed, targets = { { name, port, addresses, failed } }, direct = records }
function dns.locate(ask, domain, proxy, is_address)
	local found = { targets = {} };
	local function add(name, port)
		table.insert(found.targets, { name = name; port = port });
	end
	if proxy then
		local host, port = proxy:match("^(.+):(%d+)$");
		add(host:match("^%[(.*)%]$") or host, tonumber(port));
	else
		local service, direct = "_xmpp-server._tcp."..domain, "_xmpps-server._tcp."..domain;
		local answers = ask { { service, "SRV" }; { direct, "SRV" } };
		found.records, found.failed = records_of(answers, service);
		if not found.records then return found; end
		found.direct = records_of(answers, direct);
		if #found.records == 0 then
			add(domain, 5269);
		end
		for _, record in ipairs(found.records) do
			if record.target ~= "" then add(record.target, record.port); end
		end
	end
	find_addresses(ask, found.targets, is_address);
	return found;
end

return dns;
