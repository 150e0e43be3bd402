-- presence_stage.lua: the Access Edge stand-in and the scripted bridge for specs of presence.
-- SPDX-License-Identifier: MIT
--
--	local s = stage.new(); s:certificates() (setup), s:raise() (before_each), s:lower() (after_each), s:finish() (teardown)

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local Edge = require "spec.support.edge";
local documents = require "spec.support.edge_documents";
local process = require "spec.support.process";
local ports = require "spec.support.ports";
local sip = require "spec.support.sip";
local Bridge = require "spec.support_spec.scripted_bridge";

local Stage = {};
Stage.__index = Stage;

function Stage:certificates()
	self.ca_loop = Loop.new();
	local ca = CA.new(process.directory(self.ca_loop, "ca"));
	self.edge_cert = ca:issue("edge", { names = { "sip.contoso.com" } });
	self.bridge_cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
end

--- Edge, bridge, and lena, who is available.
function Stage:raise()
	self.loop = Loop.new();
	self.edge = Edge.new{ loop = self.loop, cert = self.edge_cert, listen = ports.address("edge"), contacts = { "fabrikam.com" },
		bridge = { fqdn = "xmpp.contoso.com", ip = ports.address("bridge"), port = 5061 },
		presence = { notify_interval = 0, notify_within = 0.3, answer_within = 0.3 } };
	self.bridge = Bridge.new(self.loop, self.bridge_cert, ports.address("bridge"), 5061, self.edge.ip, self.edge.port);
	self.bridge.spoil = {};
	self.lena = self.edge:user("lena@contoso.com", "Lena Berg"):publish("available");
	return self.loop, self.edge, self.bridge, self.lena;
end

function Stage:lower() self.loop:close(); end
function Stage:finish() self.ca_loop:close(); end

--- Tokens of the violations, each once.
function Stage:violated()
	local tokens, seen = {}, {};
	for _, violation in ipairs(self.edge.violations) do
		if not seen[violation.token] then tokens[#tokens + 1] = violation.token; end
		seen[violation.token] = true;
	end
	return table.concat(tokens, " ");
end

function Stage:wait_violation(token)
	self.loop:wait(function ()
		return (" " .. self:violated() .. " "):find(" " .. token .. " ", 1, true);
	end, 2, "the violation " .. token);
end

--- Wait until the bridge has n NOTIFYs: the last one's document, the last one.
function Stage:wait_notified(n)
	local bridge = self.bridge;
	self.loop:wait(function () return bridge.notified and #bridge.notified >= n; end, 3, n .. " NOTIFYs");
	local notify = bridge.notified[#bridge.notified];
	return assert(documents.read(sip.get(notify, "Content-Type"), notify.body)), notify;
end

--- Romeo subscribes, and has been told.
function Stage:watched(options)
	self.bridge:subscribe(options);
	return self.lena:wait_watched("romeo@fabrikam.com");
end

--- Romeo subscribes: the status of the answer.
function Stage:answered(options)
	self.bridge.subscribe_status = nil;
	self.bridge:subscribe(options);
	return self.loop:wait(function () return self.bridge.subscribe_status; end, 2, "an answer");
end

--- The n-th SUBSCRIBE that the bridge has got.
function Stage:subscribe_seen(n)
	for _, message in ipairs(self.bridge.seen) do
		if message.method == "SUBSCRIBE" then n = n - 1; end
		if n == 0 then return message; end
	end
end

return { new = function () return setmetatable({}, Stage); end };
