-- Which bridges the hosts' settings ask for: pure, no Prosody.
-- SPDX-License-Identifier: MIT

local plan = {};

-- What the hosts of one bridge share, and must therefore agree on.
local shared_keys = {
	"listen"; "certificate"; "key"; "cafile"; "crlfile"; "min_tls"; "rate"; "burst"; "sandbox"; "memory";
	"wire";
	"subscription_refresh_interval";
};

local function sorted_hosts(hosts)
	local names = {};
	for name in pairs(hosts) do
		names[#names+1] = name;
	end
	table.sort(names);
	return names;
end

local function first_difference(equal, a, b)
	for _, key in ipairs(shared_keys) do
		if not equal(a[key], b[key]) then
			return key;
		end
	end
end

-- SIP has A-labels where XMPP has U-labels.
local function add_domain(entry, host, bridge, address, to_ascii)
	entry.hosts[host] = true;
	entry.config.domains[#entry.config.domains+1] = {
		name = to_ascii and to_ascii(host) or host;
		edge = bridge.access_edge; address = bridge.address or address; port = bridge.port;
	};
end

local function new_entry(host, bridge)
	local config = { fqdn = bridge.fqdn; domains = {} };
	for _, key in ipairs(shared_keys) do
		config[key] = bridge[key];
	end
	return { config = config; hosts = {}; first = host };
end

-- Two bridges cannot listen on one address: the host that took it first (by name), or nil.
local function listen_owner(owners, bridge)
	for _, address in ipairs(bridge.listen or {}) do
		local owner = owners[address];
		if owner and owner.fqdn ~= bridge.fqdn then
			return owner, address;
		end
	end
	for _, address in ipairs(bridge.listen or {}) do
		owners[address] = { fqdn = bridge.fqdn; host = bridge.host };
	end
end

-- hosts: name -> { settings }; address_of(host) -> IP or nil; equal: deep comparison; to_ascii(host) -> A-labels or nil
-- -> { [fqdn] = { config for core.bridge, hosts = set } }, { [host] = why it has no bridge }
function plan.make(hosts, address_of, equal, to_ascii)
	local entries, problems, owners = {}, {}, {};
	for _, host in ipairs(sorted_hosts(hosts)) do
		local settings = hosts[host].settings;
		local bridge = settings.usable and settings:bridge();
		if bridge then
			bridge.host = host;
			local entry = entries[bridge.fqdn];
			local key = entry and first_difference(equal, entry.config, bridge);
			local owner, address = listen_owner(owners, bridge);
			if key then
				problems[host] = ("Hosts %s and %s share the bridge %s but differ in its %s: make them equal, or give "
					.."one of them its own lync_bridge_fqdn"):format(entry.first, host, bridge.fqdn, key);
			elseif owner then
				problems[host] = ("Hosts %s and %s have different bridges (%s, %s) that listen on the same address %s")
					:format(owner.host, host, owner.fqdn, bridge.fqdn, address);
			else
				entry = entry or new_entry(host, bridge);
				entries[bridge.fqdn] = entry;
				add_domain(entry, host, bridge, address_of(host), to_ascii);
			end
		end
	end
	return entries, problems;
end

return plan;
