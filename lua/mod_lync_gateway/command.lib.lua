-- `prosodyctl mod_lync_gateway …`: no server needed. Status 0: fine, 1: findings, 2: usage.
-- SPDX-License-Identifier: MIT

local command = {};

local usage = [[
Usage: prosodyctl mod_lync_gateway check --offline [HOST]

  check --offline [HOST]   look over the configuration of HOST, or of every host
                           that has lync_gateway; nothing is contacted
]];

local function has_module(value)
	if type(value) == "string" then
		return value == "lync_gateway";
	end
	for _, name in ipairs(type(value) == "table" and value or {}) do
		if name == "lync_gateway" then return true; end
	end
	return false;
end

-- config: host -> options (core.configmanager's getconfig)
function command.hosts(config)
	local hosts = {};
	local everywhere = has_module(config["*"] and config["*"].modules_enabled);
	for host, values in pairs(config) do
		local is_component = values.component_module ~= nil;
		if host ~= "*" and values.enabled ~= false and (values.component_module == "lync_gateway"
			or has_module(values.modules_enabled) or everywhere and not is_component) then
			hosts[#hosts+1] = host;
		end
	end
	table.sort(hosts);
	return hosts;
end

-- arg -> { offline, host } or nil, what is wrong
function command.parse(arg)
	local parsed = {};
	if arg[1] ~= "check" then
		return nil, arg[1] and ("Unknown command: "..arg[1]) or "A command is missing";
	end
	for i = 2, #arg do
		if arg[i] == "--offline" then
			parsed.offline = true;
		elseif arg[i]:sub(1, 1) == "-" or parsed.host then
			return nil, "Unexpected argument: "..arg[i];
		else
			parsed.host = arg[i];
		end
	end
	if not parsed.offline then
		return nil, "Only checks without the network are available: say --offline";
	end
	return parsed;
end

local function contains(list, item)
	for _, value in ipairs(list) do
		if value == item then return true; end
	end
	return false;
end

-- env: core | nil + core_error, config, load(host) -> settings, problems; conflicts(hosts) -> problems; print
function command.run(env, arg)
	local print = env.print;
	local parsed, wrong = command.parse(arg);
	if not parsed then
		print(wrong.."\n\n"..usage);
		return 2;
	end
	if not env.core then
		print("error: "..env.core_error);
		return 1;
	end
	local hosts = command.hosts(env.config);
	if parsed.host and not contains(hosts, parsed.host) then
		print(("error: %s does not have lync_gateway: neither in modules_enabled nor as its component"):format(parsed.host));
		return 1;
	elseif #hosts == 0 then
		print("error: no host has lync_gateway: neither in modules_enabled nor as a component");
		return 1;
	end
	local findings, loaded = 0, {};
	for _, host in ipairs(hosts) do
		local settings, problems = env.load(host);
		loaded[host] = { settings = settings };
		if not parsed.host or parsed.host == host then
			for _, problem in ipairs(problems) do
				print(problem.text);
			end
			findings = findings + #problems;
		end
	end
	for host, text in pairs(env.conflicts(loaded)) do
		if not parsed.host or parsed.host == host then
			print("error: "..text);
			findings = findings + 1;
		end
	end
	print(("%d host(s) checked, %d finding(s)"):format(parsed.host and 1 or #hosts, findings));
	return findings == 0 and 0 or 1;
end

return command;
