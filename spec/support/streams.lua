-- streams.lua: what the specs about the life of streams share: a gateway, and partners that are raw peers and raw servers.
-- SPDX-License-Identifier: MIT
--
--	local t = Streams.new { partners = { ["a.example"] = 9, ["b.example"] = { row = 1; more = "connection_limit = 2" } };
--		gateway_settings = "keep_alive_interval = 2" }		-- further options: of World
--	local server = t:server("a.example", { … })	-- takes our streams; options of s2s_server.lua
--	local peer = t:peer("a.example")		-- opens one to us; options of s2s.connect, see s2s.lua
--	t:hear(peer, "text"); t:say("a.example", "text")	-- to Lena; from Lena: a Sent, see edge_conversation.lua
--	t:mark(); t:logged("pattern"); t:no_log("pattern")	-- lines of the gateway's log since mark()
--	t:settings("keep_alive_interval = 1"); t:partner("a.example", 1)	-- written and read again
--	t:clear()		-- after a case: ends all streams
--
-- A partner: a row of the matrix, or { row = n, more = raw Lua, name = of its entry, dns = false | "ip:port" }.

local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local sip = require "spec.support.sip";
local World = require "spec.support.world";

local Streams = {};
Streams.__index = Streams;

-- TLS, SASL, dialback.
local ROWS = { [1] = { "required", "required", true }; [2] = { "required", "required", false };
	[3] = { "optional", "required", true }; [7] = { "required", "optional", true }; [9] = { "optional", "optional", true };
	[13] = { "required", "not_supported", true }; [15] = { "optional", "not_supported", true };
	[17] = { "not_supported", "not_supported", true } };

local ENTRY = '["%s"] = { partner_type = "federated"; tls_negotiation = "%s"; sasl_negotiation = "%s"; '
	.. "support_dialback_negotiation = %s; %s }";
local GATEWAY = "lync_gateway_settings = { %s }";

local function normal(partner)
	return type(partner) == "table" and partner or { row = partner };
end

--- A partner's entry in lync_partners.
local function entry(domain, partner)
	local tls, sasl, dialback = table.unpack(ROWS[partner.row] or error("no such row"));
	return ENTRY:format(domain, tls, sasl, tostring(dialback), partner.more or "");
end

local function watch_log(self)
	self.lines, self.from_line = self.lines or {}, 0;
	for line in self.w.gateway.process.output:gmatch("[^\n]+") do self.lines[#self.lines + 1] = line; end
	self.w.gateway.process.on_line = function (line) self.lines[#self.lines + 1] = line; end
end

local function directory(options)
	local entries, dns, contacts = {}, {}, {};
	for domain, partner in pairs(options.partners) do
		partner = normal(partner);
		entries[#entries + 1], contacts[#contacts + 1] = entry(domain, partner), domain;
		if partner.dns ~= false then dns[domain] = partner.dns or ports.address(domain); end
	end
	for name, target in pairs(options.dns or {}) do dns[name] = target; end
	for _, name in ipairs(options.contacts or {}) do contacts[#contacts + 1] = name; end
	table.sort(entries);
	return entries, dns, contacts;
end

function Streams.new(options)
	local entries, dns, contacts = directory(options);
	local self = setmetatable({ certs = {}, servers = {}, peers = {}, conversations = {}, serial = 0, partners = options.partners,
		gateway = options.gateway_settings or "" }, Streams);
	local parameters = { partner = false; wire = { answer_wait = 0.1 } };
	for key, value in pairs(options) do parameters[key] = value; end
	parameters.partners, parameters.dns = table.concat(entries, ";\n\t\t"), dns;
	parameters.edge = { contacts = contacts };
	parameters.settings = "\t" .. GATEWAY:format(self.gateway) .. "\n" .. (options.settings or "");
	self.w = World.new(parameters);
	self.loop, self.ca = self.w.loop, self.w.ca;
	watch_log(self);
	self.lena = self.w:lync_user("lena");
	return self;
end

function Streams:stop() self.w:finish(); end

--- Stop the gateway's Prosody and start it again; the log goes on.
function Streams:restart()
	self.w.gateway:stop();
	self.w.gateway:start();
	watch_log(self);
	self:mark();
	self.w:wait_ready();
end

--- A good certificate of a domain, made on first use.
function Streams:cert(domain)
	self.certs[domain] = self.certs[domain] or self.ca:issue(domain, { names = { domain } });
	return self.certs[domain];
end

--- The server of a domain, where the DNS says. options: of s2s_server; cert = false: none.
function Streams:server(domain, options)
	local parameters = { domain = domain, ip = ports.address(domain) };
	for key, value in pairs(options or {}) do parameters[key] = value; end
	if parameters.cert == nil then parameters.cert = self:cert(domain); end
	self.servers[domain] = s2s_server.new(self.loop, parameters);
	return self.servers[domain];
end

--- A peer that connects to us. options: of s2s.connect; cert = false: none. It answers the end of the stream with its own, after
-- what peer:last_words() gives.
function Streams:peer(from, options)
	local parameters = { from = from; to = "contoso.com"; ip = self.w.gateway.address };
	for key, value in pairs(options or {}) do parameters[key] = value; end
	if parameters.cert == nil then parameters.cert = self:cert(from); end
	local peer = s2s.connect(self.loop, parameters);
	self.peers[#self.peers + 1] = peer;
	peer.bytes = "";
	local take = peer.conn.on_data;
	function peer.conn.on_data(conn, bytes)
		peer.bytes = peer.bytes .. bytes; -- white space is no element
		take(conn, bytes);
		if peer.stream_closed and not peer.has_closed and not peer.closed then
			peer.has_closed = true;
			peer:send((peer.last_words and peer:last_words() or "") .. "</stream:stream>");
		end
	end
	return peer;
end

--- A peer whose stream is authenticated over TLS, by EXTERNAL unless said.
function Streams:stream(from, mechanism, options)
	return self:peer(from, options):authenticate(mechanism or "EXTERNAL", options);
end

-- ----------------------------------------------------------------------------------------------------- messages --

--- A message of a peer, as bytes. text: of letters and digits.
function Streams.stanza(_, domain, text)
	return ("<message type='chat' id='%s' from='c@%s/x' to='lena@contoso.com'><body>%s</body></message>"):format(text:gsub("%W", "-"),
		domain, text);
end

--- Lena hears what a peer says.
function Streams:hear(peer, text, seconds)
	self.serial = self.serial + 1;
	text = text or "to Lena " .. self.serial;
	peer:send(self:stanza(peer.from, text));
	return self.lena:wait_message(text, seconds);
end

--- Lena says something to the contact c of a domain: a Sent.
function Streams:say(domain, text)
	local conversation = self.conversations[domain];
	if not conversation or conversation.state ~= "open" then
		conversation = self.lena:open("c@" .. domain, nil, { embed = false }):wait_open();
		self.conversations[domain] = conversation;
	end
	self.serial = self.serial + 1;
	return conversation:say(text or "from Lena " .. self.serial);
end

--- Lena says something, and the server gets it; the server's stream that it came on.
function Streams:reach(server, text, seconds)
	self.serial = self.serial + 1;
	text = text or "from Lena " .. self.serial;
	self:say(server.domain, text);
	return server:wait_message(text, seconds).session;
end

--- What Lena is told about a message that fails: status and text of the reason.
function Streams:fails(sent, seconds)
	local status, response = sent:wait(seconds or 5);
	if not status or status < 300 then
		error(("the message has not failed: %s\n%s"):format(tostring(status or sent.lost), self.loop:tail()), 2);
	end
	return status, sip.get(response, "ms-diagnostics-public") or "";
end

-- ---------------------------------------------------------------------------------------------------------- log --

--- Lines before are not looked at any more.
function Streams:mark()
	self.from_line = #self.lines;
end

local function find(self, pattern, from)
	for i = from + 1, #self.lines do
		if self.lines[i]:find(pattern) then return self.lines[i], i; end
	end
end

--- A line since mark(), for which it waits.
function Streams:logged(pattern, seconds)
	return self.loop:wait(function () return (find(self, pattern, self.from_line)); end, seconds or 5,
		("%q in the gateway's log"):format(pattern));
end

--- No such line since mark(), so far.
function Streams:no_log(pattern)
	local line = find(self, pattern, self.from_line);
	if line then error(("in the log, but must not be: %s\n%s"):format(line, self.loop:tail()), 2); end
end

--- How many lines since mark().
function Streams:count_log(pattern)
	local n, _, at = 0, find(self, pattern, self.from_line);
	while at do
		n = n + 1;
		_, at = find(self, pattern, at);
	end
	return n;
end

local function literal(text) return (text:gsub("%p", "%%%0")); end
Streams.literal = literal;

--- kind: "refused PHASE", "closed stream"; of that token and partner.
function Streams:told(kind, token, remote, direction, seconds)
	return self:logged(("%s: .*%%(token=%s remote=\"%s\" direction=%s[ )]"):format(kind, literal(token), literal(remote), direction),
		seconds);
end

-- ----------------------------------------------------------------------------------------------------- settings --

--- Replace text of the configuration and wait until it is in force.
function Streams:reload(old, new)
	local before = self:count_log("configured bridge:");
	self.w.gateway:reload(old, new);
	self.loop:wait(function () return self:count_log("configured bridge:") > before; end, 5, "the configuration to be read again");
end

--- Other lync_gateway_settings.
function Streams:settings(text)
	local old = self.gateway;
	self.gateway = text;
	if old ~= text then self:reload(GATEWAY:format(old), GATEWAY:format(text)); end
end

--- Another row or other settings for a partner.
function Streams:partner(domain, partner)
	local old = entry(domain, normal(self.partners[domain]));
	self.partners[domain] = partner;
	self:reload(old, entry(domain, normal(partner)));
end

--- End all streams of our peers and to our servers, and wait until they have ended; the servers are away.
function Streams:clear()
	for _, peer in ipairs(self.peers) do
		if peer.conn.ready then peer:send("</stream:stream>"); end
		if not peer.opened then peer.conn:close(true); end
	end
	for _, server in pairs(self.servers) do
		for _, session in ipairs(server.streams) do session.conn:send("</stream:stream>"); end
	end
	for _, peer in ipairs(self.peers) do
		self.loop:wait(function () return peer.closed; end, 5, "the end of the stream of " .. peer.name);
	end
	for _, server in pairs(self.servers) do
		for _, session in ipairs(server.streams) do self:ended(session); end
		server:close();
	end
	self.peers, self.servers = {}, {};
end

--- Wait for the end of a session of a server.
function Streams:ended(session, seconds)
	self.loop:wait(function () return session.closed; end, seconds or 5, "the end of a stream to " .. tostring(session.to));
	return session.error;
end

return Streams;
