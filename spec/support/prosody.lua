-- prosody.lua: a real Prosody, started in the foreground with a configuration, data and certificates of its own.
-- SPDX-License-Identifier: MIT
--
--	local partner = prosody.partner(loop, { ca = ca, name = "partner", domains = { "fabrikam.com" },
--		users = { ["romeo@fabrikam.com"] = "secret" }, dns = dns })
--	local gateway = prosody.gateway(loop, { ca = ca, domain = "contoso.com", dns = dns, settings = [[ lync_… ]] })
--	gateway:shell("lync:status()")
--
-- dns: a table name -> "ip" or "ip:port", shared by all servers of a spec (fill it before the start). Common options: address,
-- name, global (raw Lua for the global section), modules (more of them), env, wrap (argv put before, as { "valgrind" }),
-- cert = { [domain] = certificate }, host (raw Lua of each host of a partner), host_of = { [domain] = raw Lua }, daemon = true
-- (prosody -D; ends by itself after five minutes), log ("info" unless said here or by LG_LOG). The gateway takes its C part from
-- the directory LG_BUILD (default build), and has a port with direct TLS with direct_tls = port.

local daemon = require "spec.support.daemon";
local process = require "spec.support.process";
local ports = require "spec.support.ports";

local prosody = {};
local Server = {};
Server.__index = Server;

local GLOBAL = [[
run_as_root = true
daemonize = false
pidfile = %q
data_path = %q
admin_socket = %q
certificates = %q
plugin_paths = { %s }
interfaces = { %q }
c2s_interfaces = { %q }
s2s_interfaces = { %q }
c2s_ports = { 5222 }
s2s_ports = { 5269 }
c2s_direct_tls_ports = { }
%s
http_ports = { }
https_ports = { }
log = { { levels = { min = %q }, timestamps = false, %s } }
authentication = "internal_plain"
storage = "internal"
statistics = "internal"
test_dns = { %s }
ssl = { cafile = %q, capath = "/nonexistent" }
modules_enabled = { "test_resolver", "tls", "saslauth", "dialback", "roster", "disco", "ping", "admin_shell", "admin_socket",
	"message", "presence", "offline"%s }
modules_disabled = { "s2s_bidi" }
]];

local function quoted_list(list)
	local result = {};
	for i, value in ipairs(list) do result[i] = string.format("%q", value); end
	return table.concat(result, ", ");
end

local function dns_list(dns)
	local result = {};
	for name, target in pairs(dns or {}) do result[#result + 1] = string.format("[%q] = %q", name, target); end
	table.sort(result);
	return table.concat(result, ", ");
end

-- Prosody's name of a directory in its data path.
local function encoded(name)
	return (name:gsub("%W", function (c) return string.format("%%%02x", c:byte()); end));
end

local function project()
	return process.here:match("^(.*)/spec/support/$");
end

local function host_section(self, kind, cert, text)
	local ssl = string.format("\tssl = { certificate = %q, key = %q, cafile = %q, capath = \"/nonexistent\" }\n", cert.cert, cert.key,
		self.ca.file);
	return kind .. "\n" .. ssl .. (text or "") .. "\n";
end

-- A port with TLS from the first byte, and the certificate of that port.
local function direct_tls(port, cert)
	if not port then return "s2s_direct_tls_ports = { }"; end
	return string.format("s2s_direct_tls_ports = { %d }\ns2s_direct_tls_ssl = { certificate = %q, key = %q, cafile = %q, "
		.. "capath = \"/nonexistent\" }", port, cert.cert, cert.key, cert.ca);
end

local function configuration(self, options, hosts)
	local extra = {};
	if options.daemon then extra[1] = '; "test_end"'; end
	for _, name in ipairs(options.modules or {}) do extra[#extra + 1] = string.format("; %q", name); end
	local paths = { project() .. "/spec/support/prosody_modules", project() .. "/lua" };
	for _, path in ipairs(options.plugin_paths or {}) do paths[#paths + 1] = path; end
	local text = GLOBAL:format(self.directory .. "/prosody.pid", self.directory .. "/data", self.directory .. "/prosody.sock",
		self.directory .. "/certs", quoted_list(paths), self.address, self.address, self.address,
		direct_tls(options.direct_tls, self.cert), options.log or os.getenv("LG_LOG") or "info",
		options.daemon and string.format("to = \"file\", filename = %q", self.directory .. "/log") or "to = \"console\"",
		dns_list(options.dns), self.ca.file, table.concat(extra));
	return text .. (options.global or "") .. "\n" .. hosts;
end

local function new_server(loop, options, hosts, env)
	local self = setmetatable({ loop = loop, ca = options.ca, name = options.name or "prosody",
		address = options.address or ports.address(options.name or "prosody") }, Server);
	self.directory = process.directory(loop, self.name);
	os.execute("mkdir -p " .. process.quote(self.directory .. "/data") .. " " .. process.quote(self.directory .. "/certs"));
	self.config = self.directory .. "/prosody.cfg.lua";
	for jid, password in pairs(options.users or {}) do self:add_user(jid, password); end
	process.write(self.config, configuration(self, options, hosts(self)));
	self.env = env;
	self.wrap = options.wrap or {};
	self.daemon = options.daemon;
	self:start();
	return self;
end

--- Start (again, after :stop()).
function Server:start()
	if self.daemon then
		self.process = daemon.start(self.loop, { "prosody", "-D", "--config", self.config }, { name = self.name, env = self.env,
			pidfile = self.directory .. "/prosody.pid", log = self.directory .. "/log" });
		return self:wait_ports();
	end
	local argv = { table.unpack(self.wrap) };
	for _, word in ipairs({ "prosody", "-F", "--config", self.config }) do argv[#argv + 1] = word; end
	if #self.wrap > 0 then argv[#self.wrap + 1] = "lua5.4"; table.insert(argv, #self.wrap + 2, "/usr/bin/prosody"); end
	if #self.wrap > 0 then table.remove(argv, #self.wrap + 3); end
	self.process = process.start(self.loop, argv, { name = self.name, env = self.env });
	self:wait_ports();
end

function Server:wait_ports()
	for _, port in ipairs { 5269, 5222 } do
		self.process:wait_port(self.address, port, #self.wrap > 0 and 60 or 15);
	end
end

function Server:stop(bound)
	return self.process:stop(bound);
end

function Server:add_user(jid, password)
	local user, domain = jid:match("^(.-)@(.+)$");
	local directory = string.format("%s/data/%s/accounts", self.directory, encoded(domain));
	os.execute("mkdir -p " .. process.quote(directory));
	process.write(directory .. "/" .. encoded(user) .. ".dat", string.format("return { [\"password\"] = %q; }\n", password));
end

--- Replace a piece of the configuration (plain text) in its file.
function Server:rewrite(old, new)
	local f = assert(io.open(self.config));
	local text = f:read("a");
	f:close();
	local from, to = text:find(old, 1, true);
	assert(from, "not in the configuration: " .. old);
	process.write(self.config, text:sub(1, from - 1) .. new .. text:sub(to + 1));
end

--- Rewrite, and have it read again. Without arguments: only the latter.
function Server:reload(old, new)
	if old then self:rewrite(old, new); end
	self.process:signal("HUP");
end

--- prosodyctl --config … with these words: output, status.
function Server:ctl(...)
	local status, output = process.run(self.loop, { "prosodyctl", "--root", "--config", self.config, ... },
		{ name = "prosodyctl", env = self.env });
	return output, status;
end

--- A command of the running server's shell ("lync:status()"): output, status.
function Server:shell(command)
	return self:ctl("shell", command);
end

--- Wait for a pattern in its log, from now on with from_now.
function Server:wait_log(pattern, seconds, from_now)
	local start = from_now and #self.process.output + 1 or 1;
	return self.loop:wait(function () return self.process.output:match(pattern, start); end, seconds or 5,
		string.format("%q in the log of %s", pattern, self.name));
end

--- A server with ordinary users.
function prosody.partner(loop, options)
	return new_server(loop, options, function (self)
		local sections = {};
		for _, domain in ipairs(options.domains) do
			local cert = (options.cert or {})[domain] or self.ca:issue(self.name .. "-" .. domain, { names = { domain } });
			sections[#sections + 1] = host_section(self, string.format("VirtualHost %q", domain), cert,
				(options.host or "") .. ((options.host_of or {})[domain] or ""));
		end
		return table.concat(sections);
	end);
end

--- A server with the gateway for domain. settings: raw Lua, the lync_… options; hosts: raw Lua after it.
function prosody.gateway(loop, options)
	local build = os.getenv("LG_BUILD") or project() .. "/build";
	if build:sub(1, 1) ~= "/" then build = project() .. "/" .. build; end
	local env = { LUA_CPATH = build .. "/?.so;;" };
	for key, value in pairs(options.env or {}) do env[key] = value; end
	return new_server(loop, options, function (self)
		local domain = options.domain;
		local cert = (options.cert or {})[domain] or self.ca:issue(self.name .. "-" .. domain, { names = { domain } });
		self.cert = cert;
		local kind = options.component == false
			and string.format("VirtualHost %q\n\tmodules_enabled = { \"lync_gateway\" }", domain)
			or string.format("VirtualHost \"localhost\"\nComponent %q \"lync_gateway\"", domain);
		return host_section(self, kind, cert, options.settings) .. (options.hosts or "");
	end, env);
end

return prosody;
