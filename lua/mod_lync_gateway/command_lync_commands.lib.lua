-- prosodyctl mod_lync_gateway lync-commands
-- SPDX-License-Identifier: MIT

local idna_to_ascii = require "util.encodings".idna.to_ascii;

local arguments = module:require "arguments";
local lync_commands = module:require "lync_commands";
local managed = module:require "managed";
local text = module:require "import_text";

local command_lync_commands = {};

command_lync_commands.usage = [[
  lync-commands [--host HOST]
                           the PowerShell that the Lync administrator has to
                           run for these partners, and the DNS records
]];

local function partners_of(settings)
	local partners = {};
	for _, primary in ipairs(settings:partners()) do
		local info = settings:partner(primary);
		local domains = { primary };
		local more = { table.unpack(info.additional_domains or {}) };
		table.sort(more);
		for _, domain in ipairs(more) do
			domains[#domains+1] = domain;
		end
		info.domains = domains;
		partners[#partners+1] = info;
	end
	return partners;
end

-- Addresses of lync_bridge_listen that others may reach
local function addresses_of(listen)
	local addresses = {};
	for _, where in ipairs(listen or {}) do
		local address = where:match("^%[(.*)%]:%d+$") or where:match("^(.*):%d+$");
		if address and address ~= "*" and address ~= "::" and address ~= "0.0.0.0" and address ~= "::1"
			and not address:find("^127%.") then
			addresses[#addresses+1] = address;
		end
	end
	return addresses;
end

local function boolean_policies(raw)
	if type(raw) ~= "table" then
		return nil;
	end
	local policies = {};
	for name, policy in pairs(raw) do
		if type(name) == "string" and type(policy) == "table" then
			policies[name] = policy.enable_xmpp_access == true;
		end
	end
	return policies;
end

local function strings(raw)
	local result = {};
	for key, value in pairs(type(raw) == "table" and raw or {}) do
		if type(key) == "string" and type(value) == "string" then
			result[key] = value;
		end
	end
	return result;
end

-- Settings of the core, options of the host -> facts of lync_commands
local function facts_of(host, settings, config)
	local bridge = settings:bridge();
	return { host = host; fqdn = idna_to_ascii(bridge.fqdn) or bridge.fqdn; edge = bridge.access_edge;
		addresses = addresses_of(bridge.listen);
		partners = partners_of(settings); policies = boolean_policies(config.lync_access_policies);
		grants = strings(config.lync_policy_grants) };
end

-- command: the library `command`
function command_lync_commands.run(env, args, command)
	local parsed, wrong = arguments.parse(args, { host = "value" }, 1);
	if not parsed then
		env.print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local hosts, missing = command.select(env, parsed.host or parsed[1]);
	if not hosts then
		env.print("error: "..missing);
		return 1;
	end
	local status = 0;
	for i, host in ipairs(hosts) do
		local settings, problems = env.load(host);
		if i > 1 then
			env.print("");
		end
		if not settings.usable then
			env.print(("error: the configuration of %s is not usable, see check: %s"):format(host,
				problems[1] and text.printable(problems[1].text, 1024) or ""));
			status = 1;
		else
			local config = env.raw(host);
			local doc = env.managed_path and managed.read(env.managed_path);
			if doc then
				config = managed.merge(host, config, doc);
			end
			env.print(lync_commands.render(facts_of(host, settings, config)));
		end
	end
	return status;
end

return command_lync_commands;
