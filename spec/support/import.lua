-- Commands of prosodyctl without Prosody: what they print and their exit status, with the real core.
-- SPDX-License-Identifier: MIT
--
--	local commands = require "spec.support.import"
--	local env = commands.env { host = { lync_… of contoso.com }, managed = path, hosts = { [name] = options } }
--	local output, status = commands.run(env, "import", "FILE", "--json")

local core = require "lync_gateway.core";
local support = require "spec.support.module";

local commands = { directory = "spec/golden/import/" };

local loaded = {};
local module = {};

function module:require(name)
	loaded[name] = loaded[name] or support.lib(name, module);
	return loaded[name];
end

--- A library of the module, with those it requires.
function commands.lib(name)
	return module:require(name);
end

local defaults = { component_module = "lync_gateway"; lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com" };

local function with_defaults(options)
	local result = {};
	for _, source in ipairs { defaults, options or {} } do
		for key, value in pairs(source) do
			result[key] = value;
		end
	end
	return result;
end

function commands.env(options)
	local managed, settings = module:require "managed", module:require "options";
	local env = { core = core; managed_path = options.managed or "spec/golden/import/lync-partners.cfg.lua"; lines = {} };
	env.config_files = options.config_files;
	env.config = { ["*"] = {} };
	for host, values in pairs(options.hosts or { ["contoso.com"] = options.host or {} }) do
		env.config[host] = with_defaults(values);
	end
	function env.raw(host)
		local raw = {};
		for _, key in ipairs(settings.keys) do
			raw[key] = env.config[host][key];
		end
		return raw;
	end
	function env.load(host)
		return managed.load(core, host, env.raw(host), managed.read(env.managed_path));
	end
	function env.conflicts()
		return {};
	end
	function env.print(text)
		env.lines[#env.lines + 1] = text;
	end
	return env;
end

--- -> output, status
function commands.run(env, ...)
	env.lines = {};
	local status = module:require "command".run(env, { ... });
	return table.concat(env.lines, "\n"), status;
end

return commands;
