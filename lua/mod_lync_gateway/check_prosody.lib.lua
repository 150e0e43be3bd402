-- Prosody's own options that stand in the gateway's way, and misspelt options of ours. Pure.
-- SPDX-License-Identifier: MIT
--
-- What takes negotiation methods away from partners (s2s_require_encryption and its kin, missing modules) is the
-- core's to judge, with the partners; here is the rest.

local check = {};

-- mod_limits' own figures (bytes per second): without an option for a kind of stream, and for one it cannot read.
local LIMIT_DEFAULT, LIMIT_BROKEN = 30 * 1024, 3000;
local LIMIT_LOW, LIMIT_TIGHT = 30000, 100000;
local UNITS = { b = 1; k = 1e3; m = 1e6; g = 1e9; t = 1e12 };
local STANZA = 400; -- bytes of a usual one

local S2S_TIMEOUT = 90;          -- Prosody's default, seconds
local STANZA_SIZE_LOW = 65536;   -- bytes: a message may have so many
local NEAR = 3;                  -- letters that a misspelt name may be off

-- Modules that decide about streams before us.
local rivals = { "s2s_blacklist"; "s2s_whitelist"; "isolate_host"; "host_guard"; "s2s_auth_fingerprint"; };

local function rate(value)
	local number, unit = tostring(value):match("^(%d+) ?([^/]+)/s$");
	local factor = unit and UNITS[unit:sub(1, 1):lower()];
	return factor and tonumber(number) * factor;
end

-- Seconds; nil for what it is not. COMPAT(13.0): also "2 minutes".
local function seconds(value)
	if type(value) == "number" then return value; end
	local number, unit = tostring(value):match("^(%d+)%s*(%a*)$");
	local factors = { [""] = 1; s = 1; m = 60; h = 3600; d = 86400 };
	return number and factors[unit:sub(1, 1)] and tonumber(number) * factors[unit:sub(1, 1)];
end

local function limit_of(add, limits, kind)
	local entry = limits[kind];
	local written = type(entry) == "table" and entry.rate;
	local key, value = "limits."..kind..".rate", written and ("%q"):format(tostring(written)) or nil;
	local figure = kind == "s2sin" and LIMIT_DEFAULT or nil;
	if entry ~= nil then
		figure = type(entry) == "table" and rate(written);
		if not figure then
			add { level = "error"; id = "limits"; key = key; value = value;
				text = ("%s%s: mod_limits cannot read it and lets %d bytes a second through"):format(key,
					value and " = "..value or " is missing", LIMIT_BROKEN);
				remedy = 'write it as in limits = { '..kind..' = { rate = "1mb/s" } }, in the global section' };
			return;
		end
	end
	if not figure or figure >= LIMIT_TIGHT then return; end
	add { level = figure < LIMIT_LOW and "warning" or "info"; id = "limits"; key = key; value = value;
		text = ("mod_limits reads %d bytes a second from a partner's stream, some %d stanzas (%s%s): more waits, presence "
			.."after a partner's restart for minutes"):format(figure, figure // STANZA, key,
			value and " = "..value or ", not written"):gsub("%.0", "");
		remedy = 'write limits = { '..kind..' = { rate = "1mb/s" } } in the global section' };
end

local function limits(add, facts)
	if facts.own("limits") ~= nil then
		add { level = "warning"; id = "limits"; key = "limits";
			text = "limits stands in the section of this host, where mod_limits does not read it";
			remedy = "move it to the global section" };
	end
	if not facts.global_modules.limits then return; end
	local written = facts.global("limits");
	written = type(written) == "table" and written or {};
	limit_of(add, written, "s2sin");
	limit_of(add, written, "s2sout");
end

local function streams(add, facts)
	if facts.disabled.s2s then
		add { level = "error"; id = "s2s-module"; key = "modules_disabled";
			text = 'modules_disabled has "s2s": no partner can be reached';
			remedy = 'take "s2s" out of modules_disabled' };
	end
	local ports = facts.global("s2s_ports");
	if type(ports) == "table" and #ports == 0 then
		add { level = "error"; id = "s2s-ports"; key = "s2s_ports"; value = "{}";
			text = "s2s_ports = {}: no partner can connect";
			remedy = "write s2s_ports = { 5269 } in the global section, or remove it" };
	end
	local timeout, wanted = seconds(facts.global("s2s_timeout") or S2S_TIMEOUT), facts.establishment_timeout;
	if timeout and wanted and timeout < wanted then
		add { level = "warning"; id = "s2s-timeout"; key = "s2s_timeout"; value = tostring(facts.global("s2s_timeout"));
			text = ("s2s_timeout = %s ends streams before lync_gateway_settings.stream_establishment_timeout = %d does")
				:format(tostring(facts.global("s2s_timeout") or S2S_TIMEOUT), wanted);
			remedy = ("write s2s_timeout = %d in the global section, or a lower stream_establishment_timeout")
				:format(wanted) };
	end
	local size = tonumber(facts.global("s2s_stanza_size_limit"));
	if size and size < STANZA_SIZE_LOW then
		add { level = "warning"; id = "stanza-size"; key = "s2s_stanza_size_limit"; value = ("%d"):format(size);
			text = ("s2s_stanza_size_limit = %d: a partner's stream is closed by a longer message"):format(size);
			remedy = ("write %d or more, or remove it"):format(STANZA_SIZE_LOW) };
	end
	for _, name in ipairs(rivals) do
		if facts.modules[name] or facts.global_modules[name] then
			add { level = "warning"; id = "rival-module"; key = "modules_enabled"; value = ("%q"):format(name);
				text = ('the module "%s" decides about streams as well, and may refuse partners'):format(name);
				remedy = "make it let every partner of lync_partners through, or take it out of modules_enabled" };
		end
	end
end

-- Ports that Prosody opens by itself, and those that only an option opens.
local port_options = { s2s_ports = { 5269 }; c2s_ports = { 5222 }; s2s_direct_tls_ports = {}; c2s_direct_tls_ports = {};
	http_ports = {}; https_ports = {}; component_ports = {} };

local any_address = { ["*"] = true; ["::"] = true; ["0.0.0.0"] = true };

-- Do the addresses of one of Prosody's services meet one of ours?
local function meets(facts, key, address)
	local interfaces = facts.global((key:gsub("_ports$", "_interfaces"))) or facts.global("interfaces")
		or key == "component_ports" and { "127.0.0.1"; "::1" } or { "*" };
	if any_address[address] then return true; end
	for _, interface in ipairs(type(interfaces) == "table" and interfaces or { interfaces }) do
		if any_address[interface] or interface == address then return true; end
	end
	return false;
end

local function ports(add, facts)
	local taken = {};
	for key, usual in pairs(port_options) do
		local given = facts.global(key);
		for _, port in ipairs(type(given) == "table" and given or given ~= nil and { given } or usual) do
			taken[tonumber(port) or 0] = key;
		end
	end
	for _, endpoint in ipairs(facts.listen or {}) do
		local address, port = endpoint:match("^%[?(.-)%]?:(%d+)$");
		local key = taken[tonumber(port)];
		if key and meets(facts, key, address) then
			add { level = "error"; id = "port-taken"; key = "lync_bridge_listen"; value = ("%q"):format(endpoint);
				text = ("lync_bridge_listen has %q: Prosody listens on port %s itself (%s)"):format(endpoint, port, key);
				remedy = "choose another one, 5061 is usual, or an address that Prosody does not use" };
		end
	end
end

-- What concerns the server as a whole. hosts: name -> options
function check.judge_server(hosts)
	for name, options in pairs(hosts) do
		if name ~= "*" and rawget(options, "component_module") == nil and rawget(options, "enabled") ~= false then
			return {};
		end
	end
	return { { level = "error"; id = "no-virtual-host";
		text = "there is no VirtualHost, and without one Prosody does not start";
		remedy = 'write VirtualHost "localhost" before the first Component' } };
end

local function network(add, facts)
	local backend = facts.global("network_backend") or facts.global("use_libevent") == true and "event" or "epoll";
	if backend ~= "epoll" then
		add { level = "warning"; id = "network-backend"; key = "network_backend"; value = ("%q"):format(tostring(backend));
			text = ("network_backend = %q: the gateway is tested with epoll only"):format(tostring(backend));
			remedy = "remove it" };
		return;
	end
	local settings = facts.global("network_settings");
	local wait = type(settings) == "table" and tonumber(settings.min_wait) or nil;
	if wait == nil or wait > 0 then
		add { level = "info"; id = "min-wait"; key = "network_settings.min_wait"; value = wait and tostring(wait);
			text = "network_settings.min_wait is not 0: Prosody sleeps a millisecond for each backlogged read of TLS";
			remedy = "for heavy traffic write network_settings = { min_wait = 0 } in the global section" };
	end
end

local function comfort(add, facts)
	if not facts.global_modules.admin_shell and not facts.modules.admin_shell then
		add { level = "info"; id = "admin-shell"; key = "modules_enabled";
			text = '"admin_shell" is not enabled: there is no `prosodyctl shell lync …`';
			remedy = 'add "admin_shell" to modules_enabled in the global section' };
	end
	if not facts.global_modules.smacks and not facts.modules.smacks then
		add { level = "info"; id = "smacks"; key = "modules_enabled";
			text = '"smacks" is not enabled: what a stream loses when it breaks, nobody is told';
			remedy = 'add "smacks" to modules_enabled in the global section' };
	end
	if facts.global_modules.http_openmetrics and not facts.global("statistics") then
		add { level = "warning"; id = "statistics"; key = "statistics";
			text = '"http_openmetrics" is enabled and statistics is not: there are no metrics';
			remedy = 'write statistics = "internal" in the global section' };
	end
end

-- Levenshtein's distance of two short words.
local function distance(a, b)
	local row = {};
	for j = 0, #b do row[j] = j; end
	for i = 1, #a do
		local diagonal = row[0];
		row[0] = i;
		for j = 1, #b do
			local best = diagonal + (a:byte(i) == b:byte(j) and 0 or 1);
			diagonal = row[j];
			row[j] = math.min(best, row[j] + 1, row[j - 1] + 1);
		end
	end
	return row[#b];
end

local function nearest(name, known)
	local least, found = NEAR + 1, nil;
	for _, candidate in ipairs(known) do
		local d = #name < 64 and distance(name, candidate) or least;
		if d < least then
			least, found = d, candidate;
		end
	end
	return found;
end

-- Options that begin like ours and are none: the core never sees them.
local function strangers(add, facts)
	local known, ours = {}, {};
	for _, key in ipairs(facts.known) do
		if key:match("^lync_") then
			known[key] = true;
			ours[#ours+1] = key;
		end
	end
	for _, key in ipairs(facts.written) do
		if key:match("^lync_") and not known[key] then
			local near = nearest(key, ours);
			add { level = "error"; id = "unknown-option"; key = key; text = key..": unknown option, it has no effect";
				remedy = near and ('did you mean "%s"?'):format(near) or "known are "..table.concat(ours, ", ") };
		end
	end
end

-- facts: own(key), global(key): raw options of this host's section and of the global one; modules, global_modules,
-- disabled: sets of names; listen: addresses of the bridge or nil; establishment_timeout: seconds or nil; known: our
-- options; written: sorted names of all options that hold for this host
function check.judge(facts)
	local findings = {};
	local function add(finding) findings[#findings+1] = finding; end
	strangers(add, facts);
	streams(add, facts);
	limits(add, facts);
	ports(add, facts);
	network(add, facts);
	comfort(add, facts);
	return findings;
end

return check;
