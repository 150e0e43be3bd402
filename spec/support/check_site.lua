-- check_site.lua: what `prosodyctl mod_lync_gateway check` looks at: a configuration, certificates, a name server, an Access Edge;
-- no server of ours runs.
-- SPDX-License-Identifier: MIT
--
--	local site = Site.new()
--	local output, status = site:check("--offline")		-- with the settings as they are
--	site:check_with({ bridge_cert = other }, …)		-- with others, this once
--	site:zone { "srv-host=_xmpp-server._tcp.contoso.com,xmpp.contoso.com,5269" }	-- dnsmasq's words
--
-- Settings (site.settings): bridge_cert, host_cert (certificates of ca.lua), cafile, crlfile, global, host (raw Lua), partners, as
-- (the server's user, in place of root), build (directory of core.so).

local CA = require "spec.support.ca";
local Edge = require "spec.support.edge";
local Loop = require "spec.support.loop";
local ports = require "spec.support.ports";
local process = require "spec.support.process";

local Site = {};
Site.__index = Site;

local CONFIG = [[
%s
pidfile = "%s/prosody.pid"
data_path = "%s/data"
admin_socket = "%s/prosody.sock"
certificates = "%s/certs"
plugin_paths = { %q }
interfaces = { %q }
log = { { levels = { min = "error" }, timestamps = false, to = "console" } }
authentication = "internal_plain"
storage = "internal"
statistics = "internal"
network_settings = { min_wait = 0 }
unbound = { resolvconf = false; hoststxt = false; forward = %q; options = { ["do-not-query-localhost:"] = "no" } }
ssl = { cafile = %q, capath = "/nonexistent" }
modules_enabled = { "tls"; "saslauth"; "dialback"; "disco"; "roster"; "smacks"; "admin_shell" }
%s
VirtualHost "localhost"
Component "contoso.com" "lync_gateway"
	ssl = { certificate = %q, key = %q }
	lync_access_edge = "sip.contoso.com"
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q; crlfile = %s }
	lync_partners = { %s }
	%s
]];

local PARTNER = [[ ["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false } ]];

local function project()
	return process.here:match("^(.*)/spec/support/$");
end

--- A certificate whose key is Prosody's alone.
function Site:issue(name, options, ca)
	local cert = (ca or self.ca):issue(name, options);
	os.execute("chmod 600 " .. process.quote(cert.key));
	return cert;
end

-- The records of a site where everything is right.
function Site:records()
	local here, edge = ports.address("gateway"), ports.address("edge");
	return {
		"srv-host=_xmpp-server._tcp.contoso.com,xmpp.contoso.com,5269,0,0";
		"srv-host=_sipfederationtls._tcp.contoso.com,sip.contoso.com,5061,0,0";
		"host-record=xmpp.contoso.com," .. here;
		"host-record=sip.contoso.com," .. edge;
	};
end

--- Start the name server (again) with these records and nothing else.
function Site:zone(records)
	if self.dns then self.dns:stop(); end
	local argv = { "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
		"--user=", "--group=", "--pid-file=", "--log-facility=-", "--log-queries", "--port=5353",
		"--listen-address=" .. ports.address("dns"), "--local=/com/" };
	for _, record in ipairs(records) do argv[#argv + 1] = "--" .. record; end
	self.dns = process.start(self.loop, argv, { name = "dnsmasq", quiet = true });
	self.dns:wait_line("started, version");
end

function Site.new()
	local self = setmetatable({ loop = Loop.new() }, Site);
	self.directory = process.directory(self.loop, "site");
	os.execute(("mkdir -p %s/data %s/certs"):format(self.directory, self.directory));
	self.ca = CA.new(process.directory(self.loop, "ca"), "throw-away CA");
	self.settings = { bridge_cert = self:issue("bridge", { names = { "xmpp.contoso.com" } });
		host_cert = self:issue("host", { names = { "contoso.com" } }); cafile = self.ca.file; global = ""; host = "";
		partners = PARTNER };
	self:zone(self:records());
	self.edge = Edge.new { loop = self.loop; cert = self.ca:issue("edge", { names = { "sip.contoso.com" } });
		listen = { ip = ports.address("edge"); port = 5061 };
		bridge = { fqdn = "xmpp.contoso.com"; ip = ports.address("gateway"); port = 5061 } };
	return self;
end

function Site:write(more)
	local s = setmetatable(more or {}, { __index = self.settings });
	local d, here = self.directory, ports.address("gateway");
	return process.write(d .. "/prosody.cfg.lua", CONFIG:format(s.as and ("prosody_user = %q"):format(s.as)
		or "run_as_root = true", d, d, d, d, project() .. "/lua", here,
		ports.address("dns") .. "@5353", self.ca.file, s.global, s.host_cert.cert, s.host_cert.key, here, s.bridge_cert.cert,
		s.bridge_cert.key, s.cafile,
		s.crlfile and ("%q"):format(s.crlfile) or "nil", s.partners, s.host));
end

--- prosodyctl mod_lync_gateway check … -> output, status
function Site:check_with(more, ...)
	local build = more and more.build or os.getenv("LG_BUILD") or project() .. "/build";
	if build:sub(1, 1) ~= "/" then build = project() .. "/" .. build; end
	local config = self:write(more);
	local status, output = process.run(self.loop, { "prosodyctl", "--root", "--config", config, "mod_lync_gateway", "check", ... },
		{ name = "prosodyctl", env = { LUA_CPATH = build .. "/?.so;;" } });
	return output, status;
end

function Site:check(...)
	return self:check_with(nil, ...);
end

function Site:finish()
	self.loop:close();
end

return Site;
