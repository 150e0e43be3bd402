-- xmpp.lua: an XMPP client in the loop: STARTTLS, SASL PLAIN, bind; messages, chat states, receipts. Roster and presence:
-- xmpp_presence.lua.
-- SPDX-License-Identifier: MIT
--
--	local romeo = xmpp.connect(loop, { jid = "romeo@fabrikam.com/balcony", password = "secret", ip = partner.address, ca = ca })
--	local id = romeo:message("lena@contoso.com", "hello", { receipt = true })
--	romeo:wait_receipt(id); romeo:wait_message("hi"); romeo:wait_state("composing"); romeo:wait_error(id)

local mime = require "mime";
local stream = require "spec.support.stream";
local xml = require "spec.support.xml";

local xmpp = {};
local Client = {};
Client.__index = Client;

local STATES, RECEIPTS = "http://jabber.org/protocol/chatstates", "urn:xmpp:receipts";
local escape, attributes = xml.escape, xml.attributes;
local serial = 0;

local function header(self)
	self.parser = xml.parser({
		opened = function () end;
		element = function (element) self:take(element); end;
		closed = function () self.stream_closed = true; end;
		broken = function (reason) self:fail("XML: " .. reason); end;
	});
	self.conn:send(string.format("<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
		.. "xmlns:stream='http://etherx.jabber.org/streams'>", escape(self.domain)));
end

function Client:fail(reason)
	self.failure = self.failure or reason;
	self.loop:note(self.user, "FAILED " .. reason);
	self.conn:close(true);
end

local function features(self, element)
	if element:child("starttls") and not self.conn.secure then
		self.conn:send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	elseif element:child("mechanisms") then
		local credentials = mime.b64("\0" .. self.user .. "\0" .. self.password);
		self.conn:send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" .. credentials .. "</auth>");
	elseif element:child("bind") then
		self.conn:send(string.format("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
			.. "<resource>%s</resource></bind></iq>", escape(self.resource)));
	end
end

local function bound(self, element)
	if element.attr.type ~= "result" then return self:fail("no bind"); end
	self.full = element:child("bind"):child_text("jid");
	self.ready = true;
	if self.roster_wanted then
		self.roster_wanted = nil;
		self:want_roster();
	end
	self:send("<presence/>");
end

local function take_stanza(self, element)
	table.insert(self.stanzas, element);
	local body = element.name == "message" and element:child_text("body");
	local condition = element.attr.type == "error" and element:error();
	self.loop:note(self.user, string.format("<= %s%s from %s%s", element.name, element.attr.type and " " .. element.attr.type or "",
		element.attr.from or "?", body and string.format(" %q", body) or condition and " " .. condition or ""));
	local from = element.attr.from;
	if element.name == "message" and element.attr.type ~= "error" and element:child("request", RECEIPTS) and self.receipts then
		self:send(string.format("<message to='%s'><received xmlns='%s' id='%s'/></message>", escape(from), RECEIPTS,
			escape(element.attr.id or "")));
	end
	if self:note_presence(element) then return; end
	if element.name == "iq" and (element.attr.type == "get" or element.attr.type == "set") then
		self:send(string.format("<iq type='error' to='%s' id='%s'><error type='cancel'><service-unavailable "
			.. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", escape(from or self.domain), escape(element.attr.id or "")));
	end
	if body and element.attr.type ~= "error" and self.message_handler then self.message_handler(element, body); end
	if self.stanza_handler then self.stanza_handler(element); end
end

function Client:take(element)
	if element.name == "features" then
		features(self, element);
	elseif element.name == "proceed" then
		self.conn:start_tls({ mode = "client", protocol = "any", options = { "all" }, cafile = self.cafile,
			verify = self.cafile and { "peer" } or { "none" } }, self.domain);
	elseif element.name == "success" then
		header(self);
	elseif element.name == "failure" or element.name == "error" then
		local first = element:childs()[1];
		self:fail(element.name .. ": " .. (first and first.name or "?"));
	elseif not self.ready and element.name == "iq" and element.attr.id == "bind" then
		bound(self, element);
	else
		take_stanza(self, element);
	end
end

--- Connect and wait until it is ready (no_wait = true: do not). options: jid, password, ip, port, ca, receipts = false (do
-- not answer requests for receipts), roster = true (ask for it at once).
function xmpp.connect(loop, options)
	local user, domain, resource = options.jid:match("^([^@]+)@([^/]+)/?(.*)$");
	local self = setmetatable({ loop = loop, user = user, domain = domain, resource = resource ~= "" and resource or "spec",
		jid = user .. "@" .. domain, password = options.password or "secret",
		stanzas = {}, presences = {}, seen = {}, roster = {}, cafile = options.ca and options.ca.file,
		receipts = options.receipts ~= false, roster_wanted = options.roster }, Client);
	self.conn = stream.connect(loop, options.ip, options.port or 5222, nil, {
		on_open = function () header(self); end;
		on_data = function (_, bytes) self.parser:feed(bytes); end;
		on_close = function (_, reason) self.closed, self.failure = true, self.failure or not self.ready and reason or nil; end;
	});
	loop:at_close(function () self:close(); end);
	if not options.no_wait then self:wait_ready(); end
	return self;
end

function Client:wait_ready(seconds)
	self.loop:wait(function ()
		if self.failure then error(self.jid .. " cannot log in: " .. self.failure .. "\n" .. self.loop:tail(), 3); end
		return self.ready;
	end, seconds or 10, self.jid .. " to log in");
	return self;
end

function Client:send(text)
	self.conn:send(text);
end

local function next_id()
	serial = serial + 1;
	return "spec-" .. serial;
end

--- Send a message; its id. options: id, type (chat), thread, subject, lang, receipt = true, state = "active" …, extra (raw XML).
function Client:message(to, body, options)
	options = options or {};
	local id = options.id or next_id();
	local attr = { to = to, id = id, type = options.type or "chat", ["xml:lang"] = options.lang };
	local parts = { "<message" .. attributes(attr) .. ">" };
	if options.subject then parts[#parts + 1] = "<subject>" .. escape(options.subject) .. "</subject>"; end
	if body then parts[#parts + 1] = "<body>" .. escape(body) .. "</body>"; end
	if options.thread then parts[#parts + 1] = "<thread>" .. escape(options.thread) .. "</thread>"; end
	if options.state then parts[#parts + 1] = string.format("<%s xmlns='%s'/>", options.state, STATES); end
	if options.receipt then parts[#parts + 1] = string.format("<request xmlns='%s'/>", RECEIPTS); end
	parts[#parts + 1] = (options.extra or "") .. "</message>";
	self.loop:note(self.user, string.format("=> message to %s%s%s", to, body and string.format(" %q", body:sub(1, 120)) or "",
		options.state and " [" .. options.state .. "]" or ""));
	self:send(table.concat(parts));
	return id;
end

function Client:chat_state(to, state, options)
	options = options or {};
	options.state = state;
	return self:message(to, nil, options);
end

function Client:on_message(fn) self.message_handler = fn; end
function Client:on_stanza(fn) self.stanza_handler = fn; end

--- Wait for a stanza for which matches(element) holds; each stanza is given once.
function Client:wait_stanza(matches, seconds, what)
	return self.loop:wait(function ()
		for i, element in ipairs(self.stanzas) do
			if matches(element) then return table.remove(self.stanzas, i); end
		end
		if self.closed then error(self.jid .. " has lost its stream\n" .. self.loop:tail(), 3); end
	end, seconds or 5, (what or "a stanza") .. " at " .. self.jid);
end

--- Wait for a message with that body (nil: any body).
function Client:wait_message(body, seconds, from)
	return self:wait_stanza(function (element)
		local text = element.name == "message" and element.attr.type ~= "error" and element:child_text("body");
		return text and (not body or text == body) and (not from or element.attr.from:find(from, 1, true) == 1);
	end, seconds, string.format("the message %q", tostring(body)));
end

--- Wait for the error to message id: condition, type, text, element.
function Client:wait_error(id, seconds)
	local element = self:wait_stanza(function (element)
		return element.attr.type == "error" and element.attr.id == id;
	end, seconds, "an error for " .. id);
	local condition, kind, text = element:error();
	return condition, kind, text, element;
end

function Client:wait_receipt(id, seconds)
	return self:wait_stanza(function (element)
		local received = element.name == "message" and element:child("received", RECEIPTS);
		return received and received.attr.id == id;
	end, seconds, "a receipt for " .. id);
end

--- Wait for a chat state without a body (composing, paused, active, gone …).
function Client:wait_state(state, seconds)
	return self:wait_stanza(function (element)
		return element.name == "message" and element.attr.type ~= "error" and element:child(state, STATES) and not element:child("body");
	end, seconds, "the chat state " .. state);
end

--- Did anything arrive for that id (an error or a receipt)?
function Client:heard_of(id)
	for _, element in ipairs(self.stanzas) do
		local received = element:child("received", RECEIPTS);
		if element.attr.id == id or received and received.attr.id == id then return element; end
	end
	return nil;
end

function Client:close()
	if self.conn.closed then return; end
	self.conn:send("</stream:stream>");
	self.conn:close();
end

require "spec.support.xmpp_presence"(Client);

return xmpp;
