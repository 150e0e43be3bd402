-- `prosodyctl mod_lync_gateway COMMAND …`: no server needed. Status 0: fine, 1: findings, 2: usage.
-- SPDX-License-Identifier: MIT
--
-- Each command is a library of its own, command_NAME: { usage = lines for the help, run(env, args) -> status }.
-- env: print, core | nil + core_error, config (host -> options, as core.configmanager's getconfig), load(host) ->
-- settings, problems; conflicts(loaded) -> host -> text.

local command = {};

-- In the order of the help.
local names = {
	"check"; "partner"; "policy"; "gateway"; "certificate"; "import"; "lync-commands"; "test";
};

local function library(name)
	return module:require("command_"..name:gsub("%-", "_"));
end

local function has_module(value)
	if type(value) == "string" then
		return value == "lync_gateway";
	end
	for _, name in ipairs(type(value) == "table" and value or {}) do
		if name == "lync_gateway" then return true; end
	end
	return false;
end

-- config -> sorted list of the hosts that have the gateway
function command.hosts(config)
	local hosts = {};
	local everywhere = has_module(config["*"] and config["*"].modules_enabled);
	for host, values in pairs(config) do
		local is_component = values.component_module ~= nil;
		if host ~= "*" and values.enabled ~= false and (values.component_module == "lync_gateway"
			or has_module(rawget(values, "modules_enabled")) or everywhere and not is_component) then
			hosts[#hosts+1] = host;
		end
	end
	table.sort(hosts);
	return hosts;
end

function command.usage()
	local lines = { "Usage: prosodyctl mod_lync_gateway COMMAND …", "" };
	for _, name in ipairs(names) do
		lines[#lines+1] = library(name).usage;
	end
	return table.concat(lines, "\n");
end

local function contains(list, item)
	for _, value in ipairs(list) do
		if value == item then return true; end
	end
	return false;
end

-- Hosts that have the gateway, or the one asked for; nil and what is wrong.
function command.select(env, host)
	local hosts = command.hosts(env.config);
	if host and not contains(hosts, host) then
		return nil, ("%s does not have lync_gateway: neither in modules_enabled nor as its component"):format(host);
	elseif #hosts == 0 then
		return nil, "no host has lync_gateway: neither in modules_enabled nor as a component";
	end
	return host and { host } or hosts;
end

function command.run(env, arg)
	local name = arg[1];
	if name == "help" or name == "--help" or name == "-h" then
		env.print(command.usage());
		return 0;
	elseif not name or not contains(names, name) then
		env.print((name and "Unknown command: "..name or "A command is missing").."\n\n"..command.usage());
		return 2;
	elseif not env.core then
		env.print("error: "..env.core_error);
		return 1;
	end
	return library(name).run(env, { table.unpack(arg, 2) }, command);
end

return command;
