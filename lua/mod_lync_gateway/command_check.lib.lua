-- prosodyctl mod_lync_gateway check
-- SPDX-License-Identifier: MIT

local arguments = module:require "arguments";
local options = module:require "options";
local report_lib = module:require "check_report";
local check_certificate = module:require "check_certificate";
local check_dns = module:require "check_dns";
local check_edge = module:require "check_edge";
local check_prosody = module:require "check_prosody";
local check_worker = module:require "check_worker";
local probe = module:require "peer_tls";

local check = {};

local TIMEOUT = 5; -- seconds
local kinds = { offline = "flag"; json = "flag"; timeout = 60 };

check.usage = [[
  check [--offline] [--json] [--timeout S] [HOST]
                          look over configuration, certificates, DNS, the Access
                          Edge, worker and storage of HOST, or of every host that
                          has lync_gateway; --offline: the network is left out
]];

-- ---- configuration

local function set_of(...)
	local set = {};
	for i = 1, select("#", ...) do
		local list = select(i, ...);
		for _, name in ipairs(type(list) == "table" and list or {}) do set[name] = true; end
	end
	return set;
end

local function prosody_facts(env, host, settings)
	local own, everywhere = rawget(env.config, host) or {}, rawget(env.config, "*") or {};
	local disabled = set_of(everywhere.modules_disabled);
	local global_modules = set_of(everywhere.modules_enabled);
	for name in pairs(disabled) do global_modules[name] = nil; end
	local written = {};
	for name in pairs(own) do written[#written+1] = tostring(name); end
	for name in pairs(everywhere) do
		if rawget(own, name) == nil then written[#written+1] = tostring(name); end
	end
	table.sort(written);
	return {
		own = function (key) return rawget(own, key); end; global = function (key) return rawget(everywhere, key); end;
		modules = set_of(env.check.modules(host), own.modules_enabled); global_modules = global_modules;
		disabled = disabled; known = options.keys; written = written;
		listen = settings.usable and settings:bridge().listen or nil;
		establishment_timeout = settings.usable and settings:gateway().stream_establishment_timeout or nil;
	};
end

local function configuration(env, report, host, settings, problems)
	for _, problem in ipairs(problems) do
		report:add(host, { level = problem.level == "error" and "error" or "warning"; section = "configuration";
			id = "setting"; text = problem.message; remedy = problem.remedy; line = problem.text; key = problem.key;
			value = problem.value; partner = problem.partner });
	end
	if settings.usable and #problems == 0 then
		report:add(host, { level = "ok"; section = "configuration"; id = "setting";
			text = ("%d partner(s)"):format(#settings:partners()) });
	end
	report:add_all(host, "prosody", check_prosody.judge(prosody_facts(env, host, settings)));
end

-- ---- certificates

local MAKE_ONE = "ask a CA for one with prosodyctl mod_lync_gateway certificate request; or ";

local function file_env(world)
	return { read = world.read; readable = world.readable; open_to_all = world.open_to_all;
		load_certificate = world.load_certificate; new_context = world.new_context };
end

local function certificates(env, report, host, bridge)
	local world = env.check;
	local now = world.now();
	if bridge and bridge.certificate then
		report:add_all(host, "certificate", check_certificate.judge(check_certificate.facts(file_env(world), bridge), {
			label = "bridge"; now = now; who = "the Access Edge"; client_usage = "error";
			names = check_certificate.bridge_names(bridge.fqdn);
		}));
	elseif bridge then
		report:add(host, { level = "error"; section = "certificate"; id = "no-certificate"; key = "lync_bridge_certificate";
			text = "no certificate for "..bridge.fqdn..": Prosody has none by that name"; remedy = MAKE_ONE
			.."write lync_bridge_certificate = { certificate = …; key = … }" });
	end
	local files, why = world.certificate_of(host);
	if not files then
		report:add(host, { level = "error"; section = "certificate"; id = "no-certificate"; text = ("no certificate for the "
			.."XMPP domain %s: %s"):format(host, why); remedy = MAKE_ONE
			.."put one into Prosody's directory of certificates, or write ssl = { certificate = …; key = … } in the section of "
			.."this host" });
		return;
	end
	report:add_all(host, "certificate", check_certificate.judge(check_certificate.facts(file_env(world), files), {
		label = "XMPP"; now = now; who = "a partner"; client_usage = "warning";
		names = check_certificate.domain_names(host);
	}));
end

-- ---- the network

local function port_set(list, usual)
	local set = {};
	for _, port in ipairs(type(list) == "table" and list or list ~= nil and { list } or usual) do
		set[tonumber(port) or 0] = true;
	end
	set[0] = nil;
	return set;
end

local function port_words(set)
	local list = {};
	for port in pairs(set) do list[#list+1] = port; end
	table.sort(list);
	for i, port in ipairs(list) do list[i] = ("%d"):format(port); end
	return #list > 0 and table.concat(list, ", ") or "no port";
end

local function edge(env, report, host, bridge, address, params)
	local world = env.check;
	local wanted = { address = address; port = bridge.port; edge = bridge.access_edge; bridge = bridge.fqdn;
		listen_port = tonumber((bridge.listen or {})[1] and bridge.listen[1]:match(":(%d+)$")) or 5061;
		certificate = bridge.certificate; key = bridge.key; cafile = bridge.cafile; min_tls = bridge.min_tls;
		timeout = params.timeout; now = world.now(); version = env.core.version; id = world.id();
		verification = bridge.wire.verification_header; judge_dates = check_certificate.judge_dates };
	local looked = check_edge.look(wanted, { probe = probe; crl = bridge.crlfile and function (chain)
		return check_certificate.revoked(chain, bridge);
	end or nil });
	report:add_all(host, "edge", check_edge.judge(looked, wanted));
end

local function network(env, report, host, bridge, params)
	local world = env.check;
	local domain = world.to_ascii(host);
	if not domain then return; end -- the core has complained
	local ours, own = world.addresses(bridge.listen);
	local facts = { domain = domain; bridge = bridge.fqdn; edge = bridge.access_edge; edge_address = bridge.address;
		is_address = world.is_address; ours = ours; own_addresses = own; port_words = port_words;
		ports = port_set(env.config["*"].s2s_ports, { 5269 });
		direct_tls_ports = port_set(env.config["*"].s2s_direct_tls_ports, {}) };
	local answers = {};
	world.ask(check_dns.questions(facts), answers, params.timeout);
	world.ask(check_dns.more_questions(facts, answers), answers, params.timeout);
	report:add_all(host, "dns", check_dns.judge(facts, answers));
	for _, address in ipairs(check_dns.edge_addresses(facts, answers)) do
		edge(env, report, host, bridge, address, params);
	end
end

-- ---- all

local function one_host(env, report, host, loaded, params)
	local settings, problems = loaded.settings, loaded.problems;
	configuration(env, report, host, settings, problems);
	if loaded.conflict then
		report:add(host, { level = "error"; section = "configuration"; id = "conflict"; text = loaded.conflict });
	end
	local bridge = settings.usable and settings:bridge() or nil;
	certificates(env, report, host, bridge);
	report:add_all(host, "storage", check_worker.judge_storage(env.check.storage(host)));
	if bridge and not params.offline then
		network(env, report, host, bridge, params);
	elseif not params.offline then
		report:add(host, { level = "info"; section = "edge"; id = "not-checked"; text = "the network is not looked at before "
			.."the errors in the configuration are corrected" });
	end
end

local function load_all(env, command)
	local loaded = {};
	for _, host in ipairs(command.hosts(env.config)) do
		local settings, problems = env.load(host);
		loaded[host] = { settings = settings; problems = problems };
	end
	for host, text in pairs(env.conflicts(loaded)) do
		loaded[host].conflict = text;
	end
	return loaded;
end

-- command: the library `command`; env.check: the machine (check_shell), another one in tests
function check.run(env, args, command)
	local print = env.print;
	local params, wrong = arguments.parse(args, kinds, 1);
	if not params then
		print(wrong.."\n\n"..command.usage());
		return 2;
	end
	params.timeout = params.timeout or TIMEOUT;
	local wanted, missing = command.select(env, params[1]);
	if not wanted then
		print(params.json and report_lib.json_error(missing) or "error: "..missing);
		return 1;
	end
	env.check = env.check or module:require "check_shell";
	if env.check.quiet then env.check.quiet(); end
	local report, loaded = report_lib.new(), load_all(env, command);
	report:add_all(report_lib.SERVER, "worker", check_worker.judge_worker(env.check.worker(env.core, params.timeout)));
	report:add_all(report_lib.SERVER, "prosody", check_prosody.judge_server(env.config));
	for _, host in ipairs(wanted) do
		one_host(env, report, host, loaded[host], params);
	end
	if params.json then
		print(report:json(#wanted, { version = env.core.version; time = env.check.now(); offline = params.offline }));
	else
		report:print(print, #wanted);
	end
	return report:status();
end

return check;
