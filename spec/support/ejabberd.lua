-- ejabberd.lua: a real ejabberd (Debian's 23.01) in the foreground, as an XMPP partner.
-- SPDX-License-Identifier: MIT
--
--	local partner = ejabberd.partner(loop, { ca = ca, name = "tailspin", domains = { "tailspin.com" }, dns = dns,
--		users = { ["juliet@tailspin.com"] = "secret" } })
--	partner:ctl("registered_users", "tailspin.com")
--
-- dns as in prosody.lua. Options: address, log ("info" unless said), use_starttls ("required" unless said), dialback = true
-- (mod_s2s_dialback), auth_method ("internal" unless said; "anonymous" lets everybody in), config (raw YAML),
-- cert = { [domain] = certificate }.
-- The Erlang node listens for nobody but ctl, on a port of its own, without epmd.

local process = require "spec.support.process";
local ports = require "spec.support.ports";
local dns = require "spec.support.dns";

local ejabberd = {};
local Server = {};
Server.__index = Server;

local LIBS = "/usr/lib/x86_64-linux-gnu";

local CONFIG = [[
hosts:
%s
loglevel: %s
certfiles:
%s
ca_file: %q
s2s_use_starttls: %s
s2s_cafile: %q
listen:
  - { port: 5222, ip: %q, module: ejabberd_c2s, starttls: true, max_stanza_size: 262144, access: c2s, backlog: 128 }
  - { port: 5269, ip: %q, module: ejabberd_s2s_in, max_stanza_size: 524288, backlog: 128 }
auth_method: %s
auth_password_format: plain
acl: { local: { user_regexp: "" } }
access_rules: { local: { allow: local }, c2s: { allow: all }, register: { deny: all } }
modules:
  mod_disco: {}
  mod_ping: {}
  mod_roster: {}
  mod_offline: {}
  mod_admin_extra: {}
%s
%s
]];

local function tuple(ip)
	return "{" .. ip:gsub("%.", ",") .. "}";
end

-- Erlang's resolver: the node's own host name, and the name server of the loop for the rest.
local function inetrc(self)
	return table.concat({ "{lookup, [file, dns]}.", string.format("{host, %s, [\"lab\"]}.", tuple(self.address)),
		"{resolv_conf, \"/dev/null\"}.", string.format("{nameserver, %s, %d}.", tuple(self.dns.ip), self.dns.port), "" }, "\n");
end

local function configuration(self, options)
	local hosts, certificates = {}, {};
	for i, domain in ipairs(options.domains) do
		local cert = (options.cert or {})[domain] or options.ca:issue(self.name .. "-" .. domain, { names = { domain } });
		local pem = self.directory .. "/" .. domain .. ".pem";
		assert(os.execute(string.format("cat %s %s > %s && chmod 644 %s", process.quote(cert.cert), process.quote(cert.key),
			process.quote(pem), process.quote(pem))));
		hosts[i], certificates[i] = "  - " .. domain, "  - " .. pem;
	end
	local dialback = options.dialback and "  mod_s2s_dialback: {}" or "";
	local level = options.log or os.getenv("LG_LOG") or "info";
	return CONFIG:format(table.concat(hosts, "\n"), level, table.concat(certificates, "\n"), options.ca.file,
		options.use_starttls or "required", options.ca.file,
		self.address, self.address, options.auth_method or "internal", dialback, options.config or "");
end

local function erl(self, name, words)
	local argv = { "erl", "-sname", name, "+K", "true", "+P", "100000", "-kernel", "inet_dist_use_interface",
		tuple(self.address), "-erl_epmd_port", tostring(self.dist_port), "-start_epmd", "false",
		"-setcookie", self.name .. "cookie" };
	for _, word in ipairs(words) do argv[#argv + 1] = word; end
	return argv;
end

local function environment(self)
	return { ERL_LIBS = LIBS, ERL_INETRC = self.directory .. "/inetrc", EJABBERD_CONFIG_PATH = self.directory .. "/ejabberd.yml",
		EJABBERD_LOG_PATH = self.directory .. "/ejabberd.log", ERL_CRASH_DUMP = self.directory .. "/crash", HOME = self.directory,
		ERL_MAX_PORTS = "4096", ERL_DIST_PORT = tostring(self.dist_port) };
end

function ejabberd.partner(loop, options)
	local name = options.name or "ejabberd";
	local self = setmetatable({ loop = loop, name = name, address = options.address or ports.address(name) }, Server);
	self.directory = process.directory(loop, name);
	self.dns = dns.server(loop, options.dns or {}, self.address);
	self.dist_port = ports.free(self.address);
	self.node = name .. "@lab";
	process.write(self.directory .. "/inetrc", inetrc(self));
	process.write(self.directory .. "/ejabberd.yml", configuration(self, options));
	self:start();
	for jid, password in pairs(options.users or {}) do
		local user, domain = jid:match("^(.-)@(.+)$");
		local output, status = self:ctl("register", user, domain, password);
		if status ~= 0 then error("ejabberd does not register " .. jid .. ": " .. output, 2); end
	end
	return self;
end

function Server:start()
	self.process = process.start(self.loop, erl(self, self.node, { "-noinput", "-mnesia", "dir",
		"\"" .. self.directory .. "/mnesia\"", "-s", "ejabberd" }), { name = self.name, env = environment(self), cwd = self.directory });
	self.process:wait_port(self.address, 5269, 30);
	self.loop:wait(function () return self.process.output:match("ejabberd .- is started"); end, 30, "ejabberd to start");
end

--- A command of ejabberdctl: output, status.
function Server:ctl(...)
	local words = { "-hidden", "-noinput", "-dist_listen", "false", "-s", "ejabberd_ctl", "-extra", self.node, "--no-timeout", ... };
	local status, output = process.run(self.loop, erl(self, string.format("ctl%d@lab", ports.free(self.address)), words),
		{ name = "ejabberdctl", env = environment(self), cwd = self.directory });
	return output, status;
end

function Server:stop(bound)
	return self.process:stop(bound);
end

return ejabberd;
