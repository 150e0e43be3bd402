-- world.lua: who is who in a wire spec: an Access Edge, the gateway's Prosody, a partner, and two people.
-- SPDX-License-Identifier: MIT
--
--	local w = World.new()				-- contoso.com (Lync) and fabrikam.com (Prosody), all up
--	local romeo, lena = w:contact("romeo"), w:lync_user("lena")
--	romeo:message("lena@contoso.com", "hello"); lena:wait_message("hello")
--	w:finish()					-- fails on violations of the SIP dialect, stops everything
--
-- Options: partner = "prosody" (default) | "ejabberd" | false; component = false (a VirtualHost); settings = raw Lua of
-- the gateway's host; partners = raw Lua, in place of the one entry; wire = { key = value } of lync_bridge_wire;
-- partner_type; global, modules, wrap (of the gateway's Prosody); edge = options of Edge.new; edge_cert, bridge_cert,
-- edge_address (false: nobody there); users; partner_options; dns; other_hosts = { names } of the gateway's Prosody;
-- ready = false (do not wait for the bridge); also = { [domain] = raw Lua } (more Lync domains on the same bridge, with
-- the settings of the first before the raw ones); daemon = true (prosody -D); direct_tls = port of the
-- gateway's Prosody; host_lines = { [name] = raw Lua } of other_hosts.

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local Edge = require "spec.support.edge";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";
local tokens = require "spec.support.tokens";
local xmpp = require "spec.support.xmpp";

local World = {};
World.__index = World;

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { %s }
	lync_partners = { %s }
]];

local PARTNER = [[ ["fabrikam.com"] = { partner_type = %q; additional_domains = { "na.fabrikam.com" } } ]];

-- The 200 to a Lync user is held for an early bounce; specs that are about something else do not wait for that.
local QUICK = { answer_wait = 0.02 };

local function wire_text(wire)
	local keys, parts = {}, {};
	for key in pairs(wire) do keys[#keys + 1] = key; end
	table.sort(keys);
	for i, key in ipairs(keys) do
		parts[i] = string.format(type(wire[key]) == "string" and "%s = %q" or "%s = %s", key, tostring(wire[key]));
	end
	return table.concat(parts, "; ");
end

local function wire_options(wire)
	local all = {};
	for key, value in pairs(QUICK) do all[key] = value; end
	for key, value in pairs(wire or {}) do all[key] = value; end
	return all;
end

local function also_domains(more)
	local names = {};
	for name in pairs(more or {}) do names[#names + 1] = name; end
	return names;
end

-- What the Edge may expect of presence with these settings.
local function presence_options(options, more)
	local result, kind = {}, options.partner_type or "federated";
	if not options.partners then
		result.verified = kind == "public_unverified" and "unverified" or "verified";
		result.notes = kind == "federated";
	end
	result.notify_interval = options.wire and options.wire.notify_interval;
	for key, value in pairs(more or {}) do result[key] = value; end
	return result;
end

local function start_edge(self, options)
	local more = options.edge or {};
	self.edge_cert = options.edge_cert or self.ca:issue("edge", { names = { "sip.contoso.com" } });
	local parameters = {
		loop = self.loop; cert = self.edge_cert; listen = { ip = ports.address("edge"), port = 5061 };
		bridge = { fqdn = "xmpp.contoso.com"; ip = ports.address("gateway"); port = 5061 };
		domain = "contoso.com"; domains = also_domains(options.also); contacts = { "fabrikam.com"; "na.fabrikam.com" };
	};
	for key, value in pairs(more) do parameters[key] = value; end
	parameters.presence = presence_options(options, more.presence);
	self.edge = Edge.new(parameters);
end

-- Other hosts of the gateway's Prosody, with a certificate each.
local function other_hosts(self, names, lines)
	local sections = {};
	for i, name in ipairs(names or {}) do
		local cert = self.ca:issue(name, { names = { name } });
		sections[i] = ("VirtualHost %q\n\tssl = { certificate = %q; key = %q; cafile = %q; capath = \"/nonexistent\" }\n")
			:format(name, cert.cert, cert.key, self.ca.file) .. ((lines or {})[name] or "");
	end
	return table.concat(sections);
end

-- More Lync domains, VirtualHosts all.
local function also_hosts(self, more, settings)
	local names, sections = {}, {};
	for name in pairs(more or {}) do names[#names + 1] = name; end
	table.sort(names);
	for i, name in ipairs(names) do
		local cert = self.ca:issue(name, { names = { name } });
		sections[i] = ("VirtualHost %q\n\tmodules_enabled = { \"lync_gateway\" }\n\tssl = { certificate = %q; key = %q; cafile = %q; "
			.. "capath = \"/nonexistent\" }\n%s%s\n"):format(name, cert.cert, cert.key, self.ca.file, settings, more[name]);
	end
	return table.concat(sections);
end

local function start_gateway(self, options)
	self.bridge_cert = options.bridge_cert or self.ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	local settings = SETTINGS:format(options.edge_address or ports.address("edge"), ports.address("gateway"),
		self.bridge_cert.cert, self.bridge_cert.key, self.ca.file, wire_text(wire_options(options.wire)),
		options.partners or PARTNER:format(options.partner_type or "federated"));
	self.gateway = prosody.gateway(self.loop, {
		ca = self.ca; name = "gateway"; domain = "contoso.com"; component = options.component; dns = self.dns;
		settings = settings .. (options.settings or ""); global = options.global; modules = options.modules;
		wrap = options.wrap; env = options.env; log = options.log; daemon = options.daemon;
		direct_tls = options.direct_tls;
		hosts = (options.hosts or "")..other_hosts(self, options.other_hosts, options.host_lines)
			..also_hosts(self, options.also, settings);
	});
end

local function start_partner(self, options)
	local kind = options.partner == nil and "prosody" or options.partner;
	if not kind then return; end
	local parameters = {
		ca = self.ca; name = "partner"; domains = { "fabrikam.com"; "na.fabrikam.com" }; dns = self.dns;
		users = options.users or { ["romeo@fabrikam.com"] = "secret"; ["tybalt@na.fabrikam.com"] = "secret" };
	};
	for key, value in pairs(options.partner_options or {}) do parameters[key] = value; end
	self.partner = kind == "ejabberd" and require "spec.support.ejabberd".partner(self.loop, parameters)
		or prosody.partner(self.loop, parameters);
end

function World.new(options)
	options = options or {};
	local self = setmetatable({ loop = Loop.new(), people = {} }, World);
	local ok, err = xpcall(function ()
		self.ca = CA.new(process.directory(self.loop, "ca"), "throw-away CA");
		self.dns = { ["contoso.com"] = ports.address("gateway"); ["fabrikam.com"] = ports.address("partner");
			["na.fabrikam.com"] = ports.address("partner") };
		for name in pairs(options.also or {}) do self.dns[name] = ports.address("gateway"); end
		for name, target in pairs(options.dns or {}) do self.dns[name] = target; end
		if options.edge_address ~= false then start_edge(self, options); end
		start_gateway(self, options);
		start_partner(self, options);
		if options.ready ~= false then self:wait_ready(); end
	end, debug.traceback);
	if not ok then
		pcall(self.loop.close, self.loop);
		error(err, 0);
	end
	return self;
end

--- The bridge has its settings, and the Edge has answered it.
function World:wait_ready(seconds)
	self.gateway:wait_log("started worker: ready", seconds or 10);
	if self.edge then
		self.loop:wait(function () return self.edge:count("out", 200) > 0; end, seconds or 10, "the bridge's first OPTIONS");
	end
end

--- A contact's client, by localpart or JID.
function World:contact(jid, options)
	if not jid:find("@", 1, true) then jid = jid .. "@fabrikam.com/orchard"; end
	if not self.people[jid] then
		self.people[jid] = xmpp.connect(self.loop, { jid = jid; password = "secret"; ip = self.partner.address; ca = self.ca;
			receipts = options and options.receipts; roster = options and options.roster });
	end
	return self.people[jid];
end

--- A Lync user, by localpart or address.
function World:lync_user(name, display)
	return self.edge:user(name:find("@", 1, true) and name or name .. "@contoso.com", display);
end

--- Process id of the bridge's worker.
function World:worker_pid()
	local pid;
	for text in self.gateway.process.output:gmatch("started worker: ready %(bridge=[^ ]+ pid=(%d+)%)") do
		pid = tonumber(text);
	end
	return assert(pid, "no worker in the log");
end

--- The end of a spec: nothing was wrong on the SIP side, Prosody has met no error of ours.
function World:finish()
	local ok, err = xpcall(function ()
		if self.edge then self.edge:assert_clean(); end
		local trouble = self.gateway.process.output:match("[^\n]*Traceback[^\n]*\n[^\n]*\n?[^\n]*")
			or self.gateway.process.output:match("[^\n]*Top%-level error[^\n]*");
		if trouble then error("Lua error in Prosody: " .. trouble, 0); end
		local unknown = tokens.unknown(self.gateway.process.output)[1];
		if unknown then error("a token in the log that docs/tokens.md does not explain: " .. unknown, 0); end
	end, function (e) return e; end);
	local closed, problem = pcall(self.loop.close, self.loop);
	if not ok then error(err, 0); end
	if not closed then error(problem, 0); end
end

return World;
