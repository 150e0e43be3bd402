-- attacks.lua: what the attack specs share: a gateway with partners of several rows, an honest partner, and what must hold after
-- every attack, whatever it was.
-- SPDX-License-Identifier: MIT
--
--	local a = Attacks.new { hostile = { [1] = 9, [7] = 5 } }	-- further options: of World
--	before_each(function () a:begin(); end); after_each(function () a:finish(); end); teardown(function () a:stop(); end);
--	local peer = a:peer("strict.example")		-- connects to us; a:open(peer) and so on, see s2s.lua
--	local server = a:hostile(7, { starttls = false })	-- a fresh domain of that row, to which we connect
--	a:refused("tls-required", server.domain, "out")	-- the log has it
--
-- Partners: ROWS below; strangers and others of this Prosody: evil.example, other.example. finish() ends the attackers' streams
-- and fails when a request has reached a Lync user, an attacker has got a stanza, a server of ours has been sent one, the honest
-- partner is not heard any more, or Prosody has met a Lua error. What a case is meant to set off it says: a.answered = true,
-- a.delivered = true.

local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local sip = require "spec.support.sip";
local World = require "spec.support.world";

local Attacks = {};
Attacks.__index = Attacks;

-- TLS, SASL, dialback of the rows in use.
local SETTINGS = {
	[1] = { "required", "required", true };
	[2] = { "required", "required", false };
	[7] = { "required", "optional", true };
	[9] = { "optional", "optional", true };
	[13] = { "required", "not_supported", true };
	[17] = { "not_supported", "not_supported", true };
};

Attacks.ROWS = { ["fabrikam.com"] = 1; ["strict.example"] = 2; ["secure.example"] = 7; ["lax.example"] = 9; ["keys.example"] = 13;
	["clear.example"] = 17; ["xn--bcher-kva.example"] = 2; ["narrow.example"] = 7 };

local EXTRA = { ["narrow.example"] = "connection_limit = 2" };

local MORE = { ["fabrikam.com"] = { "na.fabrikam.com"; "a.na.fabrikam.com" } };
local STANZAS = { message = true; presence = true; iq = true };
local HONEST = "honest@fabrikam.com";
local OTHERS = { "evil.example", "other.example" };

local function partner(domain, row)
	local settings, more = SETTINGS[row], {};
	for i, name in ipairs(MORE[domain] or {}) do more[i] = ("%q"):format(name); end
	return ('[%q] = { partner_type = "federated"; additional_domains = { %s }; tls_negotiation = %q; sasl_negotiation = %q; '
		.. "support_dialback_negotiation = %s; %s }"):format(domain, table.concat(more, "; "), settings[1], settings[2],
		tostring(settings[3]), EXTRA[domain] or "");
end

-- Domains for servers that attack, one each: nothing of an earlier case is left there. { [row] = { domain, … } }
local function pools(counts)
	local all, rows = {}, {};
	for row in pairs(counts or {}) do rows[#rows + 1] = row; end
	table.sort(rows);
	for _, row in ipairs(rows) do
		all[row] = {};
		for i = 1, counts[row] do all[row][i] = ("hostile%d-%d.example"):format(row, i); end
	end
	return all;
end

--- All domains with a settings entry, and where they are.
local function directory(pool)
	local entries, dns, contacts = {}, {}, {};
	local function add(domain, row)
		entries[#entries + 1] = partner(domain, row);
		dns[domain], contacts[#contacts + 1] = ports.address(domain), domain;
		for _, name in ipairs(MORE[domain] or {}) do dns[name], contacts[#contacts + 1] = ports.address(domain), name; end
	end
	for domain, row in pairs(Attacks.ROWS) do add(domain, row); end
	for row, domains in pairs(pool) do
		for _, domain in ipairs(domains) do add(domain, row); end
	end
	for _, domain in ipairs(OTHERS) do dns[domain] = ports.address(domain); end
	dns["other.example"] = ports.address("gateway");
	table.sort(entries);
	return table.concat(entries, ";\n\t\t"), dns, contacts;
end

local function watch_log(self)
	self.lines = {};
	for line in self.w.gateway.process.output:gmatch("[^\n]+") do self.lines[#self.lines + 1] = line; end
	self.w.gateway.process.on_line = function (line) self.lines[#self.lines + 1] = line; end
end

--- options: hostile = { [row] = how many domains }, and those of World.
function Attacks.new(options)
	local self = setmetatable({ pool = pools(options.hostile), serial = 0, certs = {}, servers = {}, peers = {} }, Attacks);
	local partners, dns, contacts = directory(self.pool);
	local parameters = { partner = false; partners = partners; dns = dns; other_hosts = { "other.example" };
		edge = { contacts = contacts }; wire = { answer_wait = 5 } };
	for key, value in pairs(options) do parameters[key] = value; end
	parameters.hostile = nil;
	self.w = World.new(parameters);
	self.loop, self.ca = self.w.loop, self.w.ca;
	watch_log(self);
	self.lena, self.toby = self.w:lync_user("lena"), self.w:lync_user("toby");
	self.home = self:server("fabrikam.com");
	self.honest = s2s.connect(self.loop, { from = "fabrikam.com"; to = "contoso.com"; ip = self.w.gateway.address;
		cert = self:cert("fabrikam.com"); name = "honest" }):authenticate("EXTERNAL");
	self:begin();
	self:honest_heard();
	return self;
end

function Attacks:stop() self.w:finish(); end

--- A good certificate of a domain, made on first use. The names of its partner are in it.
function Attacks:cert(domain)
	if not self.certs[domain] then
		self.certs[domain] = self.ca:issue(domain, { names = { domain; table.unpack(MORE[domain] or {}) } });
	end
	return self.certs[domain];
end

-- ------------------------------------------------------------------------------------------------------ servers --

--- The honest server of a domain: it knows its own keys (server.keys[stream id]) and calls all others invalid. A case may change
-- server.vouch; begin() puts server.honest back.
function Attacks:server(domain, options)
	if self.servers[domain] then return self.servers[domain]; end
	local parameters = { domain = domain; ip = ports.address(domain); cert = self:cert(domain); keys = {} };
	if self.ROWS[domain] == 17 then parameters.cert = nil; end
	for key, value in pairs(options or {}) do parameters[key] = value; end
	local server = s2s_server.new(self.loop, parameters);
	function server.honest(element)
		return server.keys[element.attr.id] == element:text() and "valid" or "invalid";
	end
	server.vouch = server.honest;
	self.servers[domain] = server;
	return server;
end

--- A server of a fresh domain of that row, that vouches for everything. options: of s2s_server.
function Attacks:hostile(row, options)
	local domain = assert(table.remove(self.pool[row], 1), "no domain left in the pool of row " .. row);
	local parameters = { domain = domain; ip = ports.address(domain) };
	for key, value in pairs(options or {}) do parameters[key] = value; end
	if parameters.cert == nil and row ~= 17 then parameters.cert = self:cert(domain); end
	local server = s2s_server.new(self.loop, parameters);
	self.hostiles[#self.hostiles + 1] = server;
	return server;
end

--- Toby says something to somebody there, which makes us connect: what he is answered comes to :wait().
function Attacks:lync_says(server, text)
	self.serial = self.serial + 1;
	self.conversation = self.toby:open(("c%d@%s"):format(self.serial, server.domain)):wait_open();
	return self.conversation:say(text or "to you");
end

--- Wait for the end of the nth stream at a server (default: the first); the error that it was told, or nil.
function Attacks:server_closed(server, n, seconds)
	self.loop:wait(function () return (server.streams[n or 1] or {}).closed; end, seconds or 5,
		"the end of our stream at " .. server.name);
	return server.streams[n or 1].error;
end

--- Has a server been sent an element of that name, on any stream?
function Attacks.was_sent(_, server, name)
	for _, session in ipairs(server.streams) do
		for _, element in ipairs(session.all) do
			if element.name == name then return element; end
		end
	end
	return nil;
end

-- -------------------------------------------------------------------------------------------------------- peers --

--- A peer that connects to us. options: to, cert (false: none), and those of s2s.connect.
function Attacks:peer(from, options)
	options = options or {};
	local parameters = { from = from; to = options.to or "contoso.com"; ip = self.w.gateway.address };
	for key, value in pairs(options) do parameters[key] = value; end
	if options.cert == nil and from then parameters.cert = self:cert(from); end
	local peer = s2s.connect(self.loop, parameters);
	self.peers[#self.peers + 1] = peer;
	return peer;
end

--- A peer that has its features: in clear text, or over TLS with tls = true.
function Attacks:open(from, options)
	local peer = self:peer(from, options);
	peer:open();
	if not peer:wait_features() then return peer; end
	if options and options.tls_up then
		peer:starttls();
		peer:wait_features();
	end
	return peer;
end

--- The same on an encrypted stream.
function Attacks:secure(from, options)
	local parameters = { tls_up = true };
	for key, value in pairs(options or {}) do parameters[key] = value; end
	return self:open(from, parameters);
end

--- A pre-XMPP-1.0 stream that has seen our header. attr: overrides of its own.
function Attacks:old(from, attr, options)
	local parameters = { version = false };
	for key, value in pairs(options or {}) do parameters[key] = value; end
	local peer = self:peer(from, parameters);
	peer:open(attr);
	self.loop:wait(function () return peer.opened or peer.closed; end, 5, "our stream header");
	return peer;
end

--- An honest dialback of peer as from, whose server knows the key; "valid" or what else came.
function Attacks:dialback(peer, from)
	self:server(from or peer.from).keys[peer.opened.id] = "key-" .. peer.opened.id;
	peer:dialback("key-" .. peer.opened.id, from);
	return (peer:wait_result());
end

--- A stanza that must reach nobody. from: JID; to: default Lena.
function Attacks:say(peer, from, to)
	self.serial = self.serial + 1;
	peer:send(("<message type='chat' id='attack-%d' from='%s' to='%s'><body>attack %d</body></message>"):format(self.serial, from,
		to or self.lena.address, self.serial));
end

--- Send text on a stream that is to end of it, or to stay (then the peer ends it itself); the stream error or nil.
function Attacks:ends(peer, seconds)
	self.loop:wait(function () return peer.closed; end, seconds or 5, "the end of the stream of " .. peer.name);
	return peer.stream_error;
end

--- Condition and type of the error that answers a db:result; error unless there is one.
function Attacks:dialback_error(peer)
	local kind, element = peer:wait_result();
	if kind ~= "error" then self:fail("db:result of type error expected, not " .. tostring(kind or peer.stream_error)); end
	local condition, class = element:error();
	return class .. "/" .. tostring(condition);
end

-- ------------------------------------------------------------------------------------------------------- checks --

function Attacks:fail(format, ...)
	error(format:format(...) .. "\n" .. self.loop:tail(50), 3);
end

--- A line of the gateway's log since begin(); error after seconds.
function Attacks:logged(pattern, seconds)
	local seen = self.from_line;
	return self.loop:wait(function ()
		while seen < #self.lines do
			seen = seen + 1;
			if self.lines[seen]:find(pattern) then return self.lines[seen]; end
		end
	end, seconds or 3, string.format("%q in the gateway's log", pattern));
end

local function literal(text) return (text:gsub("%p", "%%%0")); end

--- The log says that this was refused. remote: domain (nil: any); direction: "in" (default) or "out".
function Attacks:refused(token, remote, direction)
	return self:logged(('refused %%l+: [^\n]*%%(token=%s remote="%s" direction=%s[ )]'):format(literal(token),
		remote and literal(remote) or '[^"]*', direction or "in"));
end

--- The log says that a stream was ended for this.
function Attacks:ended(token, remote, direction)
	return self:logged(('closed stream: [^\n]*%%(token=%s remote="%s" direction=%s[ )]'):format(literal(token), literal(remote),
		direction or "in"));
end

--- Nobody has been authenticated since the case began. direction: "in", "out" or nil (either); remote: domain or nil (any).
function Attacks:nobody_authenticated(direction, remote)
	for i = self.from_line + 1, #self.lines do
		local who, way = self.lines[i]:match('authenticated stream: %(remote="([^"]*)" direction=(%l+)');
		if who and (not direction or way == direction) and (not remote or who == remote) then self:fail("%s", self.lines[i]); end
	end
end

--- The honest partner's stream, which was there before, still brings messages to Lena.
function Attacks:honest_heard()
	self.serial = self.serial + 1;
	local text = "honest " .. self.serial;
	if self.honest.closed then self:fail("the honest partner's stream has ended: %s", tostring(self.honest.stream_error)); end
	self.honest:send(("<message type='chat' id='honest-%d' from='%s/x' to='%s'><body>%s</body></message>"):format(self.serial, HONEST,
		self.lena.address, text));
	self.lena:wait_message(text);
end

--- Before each case.
function Attacks:begin()
	self.from_line, self.from_message = #self.lines, #self.w.edge.messages;
	self.peers, self.hostiles, self.answered, self.delivered = {}, {}, false, false;
	self.counted = {};
	for domain, server in pairs(self.servers) do
		self.counted[domain], server.vouch = #server.stanzas, server.honest;
	end
end

local function end_streams(self)
	for _, peer in ipairs(self.peers) do
		if not peer.closed and peer.conn.ready then peer:send("</stream:stream>"); end
	end
	for _, peer in ipairs(self.peers) do
		pcall(self.loop.within, self.loop, function () return peer.closed or not peer.conn.ready; end, 1);
		peer.conn:close(true);
	end
end

local function check_edge(self)
	if self.delivered then return; end
	for i = self.from_message + 1, #self.w.edge.messages do
		local entry = self.w.edge.messages[i];
		local method = entry.message.method;
		if entry.direction == "in" and (method == "INVITE" or method == "MESSAGE")
			and sip.who(sip.get(entry.message, "From")) ~= HONEST then
			self:fail("a Lync user has been sent: %s", sip.describe(entry.message));
		end
	end
end

local function first_stanza(elements, from)
	for i = from or 1, #elements do
		if STANZAS[elements[i].name] then return elements[i]; end
	end
	return nil;
end

local function check_answers(self)
	if self.answered then return; end
	for _, peer in ipairs(self.peers) do
		local stanza = first_stanza(peer.stanzas);
		if stanza then self:fail("%s has been sent a stanza: %s", peer.name, stanza.name); end
	end
	for domain, server in pairs(self.servers) do
		local stanza = first_stanza(server.stanzas, (self.counted[domain] or 0) + 1);
		if stanza then self:fail("the server of %s has been sent a stanza: %s", domain, stanza.name); end
	end
	for _, server in ipairs(self.hostiles) do
		local stanza = first_stanza(server.stanzas);
		if stanza then self:fail("%s has been sent a stanza: %s", server.name, stanza.name); end
	end
end

--- After each case: see above.
function Attacks:finish()
	end_streams(self);
	self:honest_heard();
	check_edge(self);
	check_answers(self);
	for _, server in ipairs(self.hostiles) do server:close(); end
	for i = self.from_line + 1, #self.lines do
		if self.lines[i]:find("Traceback", 1, true) then
			self:fail("Lua error in Prosody: %s\n%s\n%s", self.lines[i], self.lines[i + 1] or "", self.lines[i + 2] or "");
		end
	end
end

return Attacks;
