-- s2s_server.lua: a scripted XMPP server for s2s that listens: it takes streams (and stanzas) and vouches for dialback keys.
-- SPDX-License-Identifier: MIT
--
--	local server = s2s_server.new(loop, { domain = "fabrikam.com", ip = ports.address("fabrikam"), cert = cert })
--	server:wait_stanza(function (stanza) … end)
--
-- Options, all may be changed while it runs:
-- starttls: "offer" (default), "required", false; sasl: "EXTERNAL" (default; over TLS), "refuse" (offered, then refused), false;
-- dialback: true (default: offered and accepted), "refuse", "silent", false; vouch: the answer to db:verify: "valid" (default),
-- "invalid", "error", false (none), or a function (element, session) that gives one of them; version: "1.0" (default), false;
-- deaf: takes the connection and says nothing; cert: without one STARTTLS is not offered; tls: LuaSec overrides; header: attributes
-- of the stream header (false: left out); on = { [element's name, or "opened"] = function (server, session, element or attributes)
-- }: what it does instead of the honest thing (when it gives true: besides).
-- Facts: server.streams (each with .from, .secure, .mechanism, .stanzas, .all), server.stanzas (all), server.verifications.

local stream = require "spec.support.stream";
local xml = require "spec.support.xml";

local s2s_server = {};
local Server = {};
Server.__index = Server;

local TLS, SASL, DIALBACK = "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-sasl", "jabber:server:dialback";
local attributes = xml.attributes;

local function features(self, session)
	local parts = { "<stream:features>" };
	if session.mechanism ~= "EXTERNAL" then
		if self.starttls and self.cert and not session.secure then
			parts[#parts + 1] = string.format("<starttls xmlns='%s'>%s</starttls>", TLS,
				self.starttls == "required" and "<required/>" or "");
		end
		if self.sasl and session.secure then
			parts[#parts + 1] = string.format("<mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism></mechanisms>", SASL);
		end
		if self.dialback then parts[#parts + 1] = "<dialback xmlns='urn:xmpp:features:dialback'/>"; end
	end
	return table.concat(parts) .. "</stream:features>";
end

local function opened(self, session, attr)
	session.from, session.to = attr.from or session.from, attr.to or session.to;
	if self.deaf then return; end
	self.serial = (self.serial or 0) + 1;
	session.id = "stream-" .. self.serial;
	session.conn:send(self:header_text(session));
	local instead = self.on and self.on.opened;
	if instead and not instead(self, session, attr) then return; end
	if self.version and attr.version then session.conn:send(features(self, session)); end
end

--- The stream header to a session, as text.
function Server:header_text(session)
	local attr = { from = self.domain, to = session.from, id = session.id, version = self.version or nil, xmlns = "jabber:server",
		["xmlns:stream"] = "http://etherx.jabber.org/streams", ["xmlns:db"] = DIALBACK };
	for key, value in pairs(self.header or {}) do attr[key] = value or nil; end
	return "<?xml version='1.0'?><stream:stream" .. attributes(attr) .. ">";
end

local take = {};

--- Take STARTTLS. extra: bytes right behind <proceed/>.
function Server:proceed(session, extra)
	session.conn:send("<proceed xmlns='" .. TLS .. "'/>" .. (extra or ""));
	local parameters = self.cert:tls("server", { verify = { "peer" }, verifyext = { "lsec_continue" } });
	for key, value in pairs(self.tls or {}) do parameters[key] = value; end
	session.reset();
	session.conn.on_open = function () session.secure = true; end;
	session.conn:start_tls(parameters);
end

function take.starttls(self, session)
	if self.cert then return self:proceed(session); end
	session.conn:send("<failure xmlns='" .. TLS .. "'/></stream:stream>");
	session.conn:close();
end

function take.auth(self, session)
	if self.sasl == "refuse" then
		return session.conn:send("<failure xmlns='" .. SASL .. "'><not-authorized/></failure>");
	end
	session.mechanism = "EXTERNAL";
	session.conn:send("<success xmlns='" .. SASL .. "'/>");
	session.reset();
end

function take.result(self, session, element)
	if self.dialback == "silent" then return; end
	local kind = (self.dialback and self.dialback ~= "refuse") and "valid" or "invalid";
	if kind == "valid" then session.mechanism = "dialback"; end
	session.conn:send("<db:result" .. attributes({ from = element.attr.to, to = element.attr.from, type = kind }) .. "/>");
end

function take.verify(self, session, element)
	table.insert(self.verifications, { id = element.attr.id, key = element:text(), from = element.attr.from,
		secure = session.secure });
	local kind = self.vouch;
	if type(kind) == "function" then kind = kind(element, session); end
	if not kind then return; end
	session.conn:send("<db:verify" .. attributes({ from = element.attr.to, to = element.attr.from, id = element.attr.id,
		type = kind }) .. "/>");
end

local function element_taken(self, session, element)
	self.loop:note(self.name, "<= " .. element.name .. " from " .. tostring(session.from));
	table.insert(session.all, element);
	local instead = self.on and self.on[element.name];
	if instead and not instead(self, session, element) then return; end
	local special = take[element.name];
	if special and element.xmlns ~= "jabber:server" then return special(self, session, element); end
	if element.name == "error" then session.error = (element:childs()[1] or {}).name; return; end
	element.session = session;
	table.insert(session.stanzas, element);
	table.insert(self.stanzas, element);
	if self.on_stanza then self.on_stanza(element, session); end
end

local function accept(self, conn)
	local session = { conn = conn, stanzas = {}, all = {} };
	local parser;
	table.insert(self.streams, session);
	function session.reset()
		parser = xml.parser({
			opened = function (attr) opened(self, session, attr); end;
			element = function (element) element_taken(self, session, element); end;
			closed = function () session.ended = true; conn:send("</stream:stream>"); conn:close(); end;
		});
	end
	session.reset();
	conn.on_data = function (_, bytes) parser:feed(bytes); end;
	conn.on_close = function (_, reason) session.closed, session.reason = true, reason; end;
end

function s2s_server.new(loop, options)
	local self = setmetatable({ loop = loop, streams = {}, stanzas = {}, verifications = {}, starttls = "offer", sasl = "EXTERNAL",
		dialback = true, vouch = "valid", version = "1.0", name = options.name or "s2s " .. options.domain }, Server);
	for key, value in pairs(options) do self[key] = value; end
	self.listener = stream.listen(loop, options.ip, options.port or 5269, nil, function (conn) accept(self, conn); end);
	loop:at_close(function () self:close(); end);
	return self;
end

--- Wait for a stanza; given once. matches(stanza) may be nil.
function Server:wait_stanza(matches, seconds, what)
	return self.loop:wait(function ()
		for i, element in ipairs(self.stanzas) do
			if not matches or matches(element) then return table.remove(self.stanzas, i); end
		end
	end, seconds or 5, (what or "a stanza") .. " at " .. self.name);
end

--- Wait for a message with that body.
function Server:wait_message(body, seconds)
	return self:wait_stanza(function (element)
		return element.name == "message" and element.attr.type ~= "error" and element:child_text("body") == body;
	end, seconds, string.format("the message %q", body));
end

--- Stop listening, end all streams.
function Server:close()
	self.listener:close();
	self.listener.drop();
end

return s2s_server;
