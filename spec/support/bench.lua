-- bench.lua: the usual test bench in one call: CA, Access Edge stand-in, gateway, XMPP partner.
-- SPDX-License-Identifier: MIT
--
--	local bench = Bench.new()		-- options below
--	bench.lena, bench.romeo, bench.edge, bench.gateway, bench.partner, bench.ca, bench.loop
--	bench:close()
--
-- Options: loop, partner = "prosody" | "ejabberd" | "scripted" (s2s_server) | false, partner_type, partner_settings (raw Lua inside the
-- partner's table), settings (raw Lua on the host), global (raw Lua in the gateway's global section), wire (raw Lua inside
-- lync_bridge_wire), edge (options of Edge.new; false: somebody else at ports.address("edge"):5061), dns (more names), certificate (of the bridge), partner_options, gateway_options.

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local Edge = require "spec.support.edge";
local process = require "spec.support.process";
local ports = require "spec.support.ports";
local prosody = require "spec.support.prosody";
local ejabberd = require "spec.support.ejabberd";
local s2s_server = require "spec.support.s2s_server";
local xmpp = require "spec.support.xmpp";

local Bench = {};
Bench.__index = Bench;

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { %s }
	lync_partners = { ["fabrikam.com"] = { partner_type = %q; %s } }
	%s
]];

local function merge(...)
	local all = {};
	for _, map in pairs({ ... }) do
		for key, value in pairs(map) do all[key] = value; end
	end
	return all;
end

local function start_gateway(self, options)
	local certificate = options.certificate or self.ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	self.bridge_certificate = certificate;
	self.settings = SETTINGS:format(ports.address("edge"), ports.address("gateway"), certificate.cert, certificate.key, self.ca.file,
		options.wire or "", options.partner_type or "federated", options.partner_settings or "", options.settings or "");
	self.gateway = prosody.gateway(self.loop, merge({ ca = self.ca, name = "gateway", domain = "contoso.com", dns = self.dns,
		settings = self.settings, global = options.global or "s2s_secure_auth = true" }, options.gateway_options or {}));
end

local function start_partner(self, options)
	if options.partner == false then return; end
	if options.partner == "scripted" then
		self.partner = s2s_server.new(self.loop, merge({ domain = "fabrikam.com", ip = self.dns["fabrikam.com"],
			cert = self.ca:issue("fabrikam", { names = { "fabrikam.com" } }) }, options.partner_options or {}));
		return;
	end
	local kind = options.partner == "ejabberd" and ejabberd or prosody;
	self.partner = kind.partner(self.loop, merge({ ca = self.ca, name = "fabrikam", domains = { "fabrikam.com" }, dns = self.dns,
		users = { ["romeo@fabrikam.com"] = "secret" } }, options.partner_options or {}));
	self.romeo = self:login("romeo@fabrikam.com/balcony");
end

--- Start everything. The parts are fields of the result.
function Bench.new(options)
	options = options or {};
	local self = setmetatable({ loop = options.loop or Loop.new(), options = options }, Bench);
	local ok, err = xpcall(function ()
		self.ca = CA.new(process.directory(self.loop, "ca"));
		self.dns = merge({ ["contoso.com"] = ports.address("gateway"), ["fabrikam.com"] = ports.address("fabrikam"),
			["sip.contoso.com"] = ports.address("edge"), ["xmpp.contoso.com"] = ports.address("gateway") }, options.dns or {});
		self.edge = options.edge ~= false and Edge.new(merge({ loop = self.loop, cert = self.ca:issue("edge", { names = { "sip.contoso.com" } }),
			listen = ports.address("edge"), contacts = { "fabrikam.com" },
			bridge = { fqdn = "xmpp.contoso.com", ip = ports.address("gateway"), port = 5061 } }, options.edge or {}));
		self.lena = self.edge and self.edge:user("lena@contoso.com", "Lena Berg");
		start_gateway(self, options);
		start_partner(self, options);
		self.gateway.process:wait_port(ports.address("gateway"), 5061, 15);
	end, debug.traceback);
	if not ok then
		local tail = self.loop:tail();
		pcall(Loop.close, self.loop);
		error(err .. "\n" .. tail, 2);
	end
	return self;
end

--- A client of the partner's.
function Bench:login(jid, password)
	return xmpp.connect(self.loop, { jid = jid, password = password, ip = self.partner.address, ca = self.ca });
end

function Bench:close()
	self.loop:close();
end

return Bench;
