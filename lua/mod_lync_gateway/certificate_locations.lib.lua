-- Which certificate files Prosody and the bridge use, and where new ones have to go to be used.
-- SPDX-License-Identifier: MIT

local resolve_path = require "util.paths".resolve_relative_path;

local prosody = prosody;

local locations = {};

-- What Prosody gives a host's streams between servers, as mod_tls makes it: LuaSec's parameters and, where OpenSSL
-- refuses them, why; or nil and why there are none. more: defaults beneath the configuration, or nil
function locations.tls_of(host, more)
	local ok, certmanager = pcall(require, "core.certmanager");
	if not ok or type(certmanager) ~= "table" or not certmanager.create_context then return nil, "no certmanager"; end
	local get, parent = require "core.configmanager".rawget, host:match("%.(.*)$");
	local function option(key) return get(host, key) or parent and get(parent, key) or {}; end
	-- "client": a stream that we open has the same, and nobody is told that there is none yet.
	local done, context, err, found = pcall(certmanager.create_context, host, "client", option("s2s_ssl"), option("ssl"),
		get("*", "s2s_ssl") or {}, more or {});
	if not done then return nil, tostring(context); end
	err = not context and tostring(err) or nil;
	return type(found) == "table" and found or nil, err;
end

-- Prosody's own certificate of a host -> { certificate, key, cafile } | nil, and whether the configuration names it
function locations.of_host(host)
	local found = locations.tls_of(host);
	if not found or not found.certificate or not found.key then return nil, false; end
	local own = require "core.certmanager".find_host_cert(host);
	local automatic = own ~= nil and own.certificate == found.certificate;
	return { certificate = found.certificate; key = found.key; cafile = found.cafile }, not automatic;
end

-- The bridge's -> { certificate, key, cafile } | nil, and whether the configuration names it
function locations.of_bridge(config, host, bridge)
	local own, global = config[host] or {}, config["*"] or {};
	local option = own.lync_bridge_certificate;
	if option == nil then option = global.lync_bridge_certificate; end
	local is_named = type(option) == "table" and option.certificate ~= nil;
	if not bridge.certificate then return nil, is_named; end
	return { certificate = bridge.certificate; key = bridge.key; cafile = bridge.cafile }, is_named;
end

-- The directory that Prosody looks into for certificates.
function locations.directory(config)
	local directory = (config["*"] or {}).certificates or "certs";
	return (resolve_path(prosody.paths.config or ".", directory):gsub("/+$", ""));
end

-- Hosts whose certificate is one matter: those of one bridge. -> { fqdn, hosts, bridge, host }, or nil and why not
function locations.scope(env, command, host)
	local selected, missing = command.select(env, host);
	if not selected then return nil, missing; end
	local scope = { hosts = {}; bridges = {} };
	local by_fqdn, names = {}, {};
	for _, name in ipairs(command.hosts(env.config)) do
		local settings, problems = env.load(name);
		local bridge = settings:bridge() or {};
		scope.bridges[name] = bridge;
		if bridge.fqdn and not by_fqdn[bridge.fqdn] then
			by_fqdn[bridge.fqdn] = {};
			names[#names+1] = ("%s (%s)"):format(bridge.fqdn, name);
		end
		if bridge.fqdn then table.insert(by_fqdn[bridge.fqdn], name); end
		if not bridge.fqdn and (host == name or not host) then
			for _, problem in ipairs(problems) do
				if problem.key == "lync_bridge_fqdn" then return nil, problem.text; end
			end
			return nil, name..": lync_bridge_fqdn: missing";
		end
	end
	if not host and #names > 1 then
		return nil, "there are several bridges, say one of its hosts: "..table.concat(names, ", ");
	end
	scope.fqdn = scope.bridges[selected[1]].fqdn;
	scope.hosts, scope.bridge = by_fqdn[scope.fqdn], scope.bridges[selected[1]];
	scope.host = selected[1];
	return scope;
end

-- Where a certificate has to go: list of { role, name, certificate, key }, no path twice.
function locations.targets(env, scope, roles)
	local directory, list, known = locations.directory(env.config), {}, {};
	local function add(role, name, named)
		local target = named or { certificate = ("%s/%s.crt"):format(directory, name);
			key = ("%s/%s.key"):format(directory, name) };
		if known[target.certificate] then
			table.insert(known[target.certificate].roles, role.." "..name);
			return;
		end
		local item = { role = role; name = name; certificate = target.certificate; key = target.key;
			is_named = named ~= nil; roles = { role.." "..name } };
		known[target.certificate] = item;
		list[#list+1] = item;
	end
	if roles.bridge then
		local current, is_named = locations.of_bridge(env.config, scope.host, scope.bridge);
		add("bridge", scope.fqdn, is_named and current or nil);
	end
	for _, host in ipairs(roles.s2s and scope.hosts or {}) do
		local current, is_named = locations.of_host(host);
		add("s2s", host, is_named and current or nil);
	end
	return list;
end

-- Other files among which Prosody would choose one at random: its index knows certificates by every name in them.
-- names: of the new certificate; -> list of { name, path }
function locations.rivals(env, targets, names)
	local certmanager, directory = require "core.certmanager", locations.directory(env.config);
	local ours, found, wanted, is_indexed = {}, {}, {}, false;
	for _, target in ipairs(targets) do
		ours[target.certificate] = true;
		is_indexed = is_indexed or target.certificate:sub(1, #directory + 1) == directory.."/";
		if not target.is_named then wanted[target.name] = true; end
	end
	for _, name in ipairs(is_indexed and names or {}) do -- a host that this certificate is not for would get it as well
		if rawget(env.config, name) and not select(2, locations.of_host(name)) then wanted[name] = true; end
	end
	local index = certmanager.index_certs and certmanager.index_certs(directory, {}) or {};
	for name in pairs(wanted) do
		for path in pairs(index[name] or {}) do
			if not ours[path] then found[#found+1] = { name = name; path = path }; end
		end
	end
	table.sort(found, function (a, b) return a.name..a.path < b.name..b.path; end);
	return found;
end

-- What is in use for a host of the running server: list of { role, path }
function locations.in_use(h)
	local bridge, list = h.settings:bridge(), {};
	if bridge and bridge.certificate then list[1] = { role = "bridge"; path = bridge.certificate }; end
	local own = locations.of_host(h.host);
	if own then list[#list+1] = { role = "s2s"; path = own.certificate }; end
	return list;
end

locations.roles = { bridge = true; s2s = true };

-- --role ROLE -> set of roles, or nil and what is wrong
function locations.role(value)
	if not value then return { bridge = true; s2s = true }; end
	if not locations.roles[value] then
		return nil, ("--role %s: not a role; write bridge (towards the Access Edge) or s2s (towards partners), or leave it "
			.."out: one certificate for both"):format(value);
	end
	return { [value] = true };
end

return locations;
