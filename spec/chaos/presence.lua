-- presence.lua: presence that comes and goes while messages do, in another SIP domain on the same bridge and worker.
-- SPDX-License-Identifier: MIT
--
--	presence:start(); presence:settle(seconds) -- nothing comes and goes any more, and all of it stands: error if not
--
-- bench/edge_load and bench/xmpp_load are its Access Edge and its partners; they speak to the gateway without wires between.

local ports = require "spec.support.ports";

local Presence = {};
Presence.__index = Presence;

local PAIRS = 240;
local DOMAIN, EDGE, PARTNER = "tailspin.com", "sip.tailspin.com", "p%d.air.example";
local TICK = 1; -- seconds between two turns
local RENEW = 60; -- seconds after which people try again

function Presence.new(rig, new_load)
	local self = setmetatable({ rig = rig, edge_at = ports.address("presence-edge"), xmpp_at = ports.address("presence-xmpp"),
		turn = 0 }, Presence);
	local names = {};
	for i = 0, rig.PARTNERS - 1 do names[#names + 1] = PARTNER:format(i); end
	self.partners = names;
	local words = { "pairs="..PAIRS; "user_domain="..DOMAIN; "contact_domain=air.example"; "window=1000000000" };
	self.edge = new_load(rig, "edge", self.edge_at, 5061, self.edge_at, rig.ca:issue("presence-edge", { names = { EDGE } }),
		{ "listen="..self.edge_at..":5061"; "fqdn="..EDGE; "bridge_fqdn=xmpp.contoso.com"; table.unpack(words) });
	self.xmpp = new_load(rig, "xmpp", self.xmpp_at, 5269, self.xmpp_at, rig.ca:issue("presence-xmpp", { names = names }),
		{ "listen="..self.xmpp_at..":5269"; table.unpack(words) });
	return self;
end

--- Its domains, for the DNS.
function Presence:names(dns)
	dns[DOMAIN] = self.rig.address.gateway;
	for _, name in ipairs(self.partners) do dns[name] = self.xmpp_at; end
end

--- The host, as raw Lua. settings(edge, address, partners): the options.
function Presence:host(settings)
	local cert, parts = self.rig.ca:issue(DOMAIN, { names = { DOMAIN } }), {};
	for i, name in ipairs(self.partners) do
		parts[i] = ('[%q] = { partner_type = "federated"; support_dialback_negotiation = false }; '):format(name);
	end
	return ("Component %q \"lync_gateway\"\n\tssl = { certificate = %q; key = %q; cafile = %q; capath = \"/nonexistent\" }\n%s\n")
		:format(DOMAIN, cert.cert, cert.key, self.rig.ca.file, settings(EDGE, self.edge_at, table.concat(parts)));
end

-- One third of the pairs after the other is subscribed, changes, and is unsubscribed.
local function turn(self)
	local from = self.turn % 3 * PAIRS // 3;
	local to, what = from + PAIRS // 3, self.turn // 3 % 3;
	self.turn = self.turn + 1;
	if what == 0 then
		self.xmpp:say("subscribe %d %d 0", from, to);
		self.edge:say("watch %d %d 0", from, to);
	elseif what == 1 then
		self.xmpp:say("show %d %d 0", from, to);
		self.edge:say("refresh %d %d 0", from, to);
	else
		self.xmpp:say("unsubscribe %d %d 0", from, to);
		self.edge:say("leave %d %d 0", from, to);
	end
end

function Presence:start()
	local rig = self.rig;
	self.edge:say("bridge %s:5061 %s", rig.address.gateway, self.edge_at);
	self.xmpp:say("gateway %s:5269 %s", rig.address.gateway, self.xmpp_at);
	self.running = true;
	rig.loop:every(TICK, function ()
		if self.running then turn(self); end
		return self.running;
	end);
end

--- What it came to.
function Presence:text()
	local e, x = self.edge:stats(), self.xmpp:stats();
	return ("presence: %d pairs; Lync was told %d times, contacts %d times; %d subscriptions to Lync begun, %d by Lync"):format(
		PAIRS, e.notifies, x.stanzas, e.begun, e.asked);
end

-- All of it ends and begins again, as those do who find it gone.
local function renew(self)
	self.edge:say("leave 0 %d 0", PAIRS);
	self.xmpp:say("unsubscribe 0 %d 0", PAIRS);
	self.rig:pass(1);
	self.edge:say("forget");
	self.xmpp:say("reset");
	self.xmpp:say("subscribe 0 %d 0", PAIRS);
	self.edge:say("watch 0 %d 0", PAIRS);
end

local function stands(self)
	local e, x = self.edge:stats(), self.xmpp:stats();
	return e.open == PAIRS and x.subscribed == PAIRS and x.available == PAIRS;
end

--- All pairs subscribe anew, both ways, and are told something. What it came to before.
function Presence:settle(seconds)
	self.running = false;
	local rig, deadline = self.rig, self.rig.loop:now() + seconds;
	local text = self:text();
	repeat
		if rig.loop:now() > deadline then
			error(("presence does not come back\n%s\n%s"):format(self.edge:ask("stats"), self.xmpp:ask("stats")), 0);
		end
		renew(self);
		local try = rig.loop:now() + RENEW;
		while not stands(self) and rig.loop:now() < try do rig:pass(0.3); end
	until stands(self);
	return text;
end

return Presence;
