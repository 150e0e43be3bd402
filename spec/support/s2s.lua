-- s2s.lua: a raw server-to-server peer that can do everything wrong: the side that connects. The one that listens: s2s_server.lua.
-- SPDX-License-Identifier: MIT
--
--	local peer = s2s.connect(loop, { from = "fabrikam.com", to = "contoso.com", ip = gateway.address, cert = cert })
--	peer:authenticate("EXTERNAL")		-- or "dialback": opens, STARTTLS if offered, authenticates; error when refused
--	peer:send("<message from='romeo@fabrikam.com' to='lena@contoso.com'><body>x</body></message>")
--
-- Step by step: peer:open(), peer:wait_features(), peer:starttls(), peer:sasl_external(authzid), peer:dialback(key),
-- peer:wait_result(); what came: peer.features (element), peer.stanzas, peer.stream_error (condition), peer.closed. Options:
-- version (default "1.0"; false: none), tls (overrides of LuaSec parameters; cert nil: no certificate), direct_tls, header (raw
-- text instead of the stream header), port.

local mime = require "mime";
local stream = require "spec.support.stream";
local xml = require "spec.support.xml";

local s2s = {};
local Peer = {};
Peer.__index = Peer;
s2s.Peer = Peer;

local TLS, SASL = "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-sasl";
local escape, attributes = xml.escape, xml.attributes;

local function take(self, element)
	self.loop:note(self.name, "<= " .. element.name .. (element.attr.type and " " .. element.attr.type or ""));
	table.insert(self.all, element);
	if element.name == "features" then
		self.features = element;
	elseif element.name == "error" and element.xmlns == "http://etherx.jabber.org/streams" then
		self.stream_error = (element:childs()[1] or {}).name;
	elseif element.name == "proceed" then
		self.proceed = true;
		self.features = nil;
		self.conn:start_tls(self:tls_parameters("client"), self.to);
	elseif element.name == "failure" then
		self.failure = (element:childs()[1] or {}).name or "failure";
	elseif element.name == "success" then
		self.success = true;
	elseif element.name == "result" and element.xmlns == "jabber:server:dialback" then
		self.result = element;
	elseif element.name == "verify" and element.xmlns == "jabber:server:dialback" then
		self.verified = element;
	else
		table.insert(self.stanzas, element);
	end
end

--- LuaSec parameters of the peer's side.
function Peer:tls_parameters(mode)
	local parameters = self.cert and self.cert:tls(mode, { verify = { "none" } })
		or { mode = mode, protocol = "any", options = { "all" }, verify = { "none" } };
	for key, value in pairs(self.tls or {}) do parameters[key] = value; end
	return parameters;
end

--- What a peer does with an element; peer.take may be another function, which may call this one.
s2s.take = take;

--- A fresh parser for a new stream on the connection.
function Peer:reset()
	self.opened = nil;
	self.parser = xml.parser({
		opened = function (attr) self.opened = attr; if self.on_opened then self:on_opened(attr); end end;
		element = function (element) (self.take or take)(self, element); end;
		closed = function () self.stream_closed = true; end;
		broken = function (reason) self.loop:note(self.name, "XML: " .. reason); end;
	});
end

function s2s.connect(loop, options)
	local self = setmetatable({ loop = loop, from = options.from, to = options.to, cert = options.cert, tls = options.tls,
		version = options.version == nil and "1.0" or options.version, header = options.header, all = {}, stanzas = {},
		name = options.name or "s2s " .. tostring(options.from) }, Peer);
	self:reset();
	self.conn = stream.connect(loop, options.ip, options.port or 5269, {
		tls = options.direct_tls and self:tls_parameters("client") or nil, server_name = options.to }, {
		on_open = function () self.connected = true; end;
		on_data = function (_, bytes) self.parser:feed(bytes); end;
		on_close = function (_, reason) self.closed, self.reason = true, reason; loop:note(self.name, "closed: " .. reason); end;
	});
	loop:at_close(function () self.conn:close(true); end);
	return self;
end

function Peer:send(text)
	self.loop:note(self.name, "=> " .. text:sub(1, 200));
	return self.conn:send(text);
end

--- Send a stream header (attr overrides; a value false leaves the attribute out).
function Peer:open(attr)
	self:reset();
	self.features = nil;
	if self.header then return self:send(self.header); end
	local all = { from = self.from, to = self.to, version = self.version, ["xml:lang"] = "en", xmlns = "jabber:server",
		["xmlns:stream"] = "http://etherx.jabber.org/streams", ["xmlns:db"] = "jabber:server:dialback" };
	for key, value in pairs(attr or {}) do all[key] = value; end
	for key, value in pairs(all) do
		if value == false then all[key] = nil; end
	end
	return self:send("<?xml version='1.0'?><stream:stream" .. attributes(all) .. ">");
end

local function until_closed(self, predicate, seconds, what)
	return self.loop:wait(function () return predicate() or self.closed; end, seconds or 5, what .. " at " .. self.name)
		and predicate();
end

--- The features element, or nil when the stream ended instead.
function Peer:wait_features(seconds)
	return until_closed(self, function () return self.features; end, seconds, "stream features");
end

--- Is a mechanism (of SASL) or a feature ("starttls", "dialback") offered?
function Peer:offers(name)
	if not self.features then return false; end
	if self.features:child(name) then return true; end
	local mechanisms = self.features:child("mechanisms", SASL);
	for _, mechanism in ipairs(mechanisms and mechanisms:childs() or {}) do
		if mechanism:text() == name then return true; end
	end
	return false;
end

--- STARTTLS and a new stream; true when it is up.
function Peer:starttls(seconds)
	self:send("<starttls xmlns='" .. TLS .. "'/>");
	until_closed(self, function () return self.conn.secure or self.failure; end, seconds, "TLS");
	if not self.conn.secure then return false; end
	self:open();
	return true;
end

--- SASL EXTERNAL; true, or false and the condition. authzid: default from; "" sends "=".
function Peer:sasl_external(authzid, seconds)
	authzid = authzid or self.from;
	self.success, self.failure = nil, nil;
	self:send(string.format("<auth xmlns='%s' mechanism='EXTERNAL'>%s</auth>", SASL, authzid == "" and "=" or mime.b64(authzid)));
	until_closed(self, function () return self.success or self.failure; end, seconds, "the answer to EXTERNAL");
	if not self.success then return false, self.failure or self.stream_error or "closed"; end
	self:open();
	return true;
end

--- Send a dialback key; the answer comes to wait_result(). Whether it holds is said by the s2s_server of self.from.
function Peer:dialback(key, from)
	self.result = nil;
	return self:send(string.format("<db:result%s>%s</db:result>", attributes({ from = from or self.from, to = self.to }),
		escape(key or "a-key")));
end

--- "valid", "invalid", "error" or nil (the stream ended); and the element.
function Peer:wait_result(seconds)
	local result = until_closed(self, function () return self.result; end, seconds, "a dialback result");
	return result and result.attr.type, result;
end

--- All steps of an honest peer; true, or false and why. options: no_tls (do not use it even if offered), key.
function Peer:try(mechanism, options)
	options = options or {};
	self:open();
	if not self:wait_features(options.seconds) then return false, self.stream_error or "closed"; end
	if self:offers("starttls") and not options.no_tls then
		if not self:starttls(options.seconds) then return false, "tls"; end
		if not self:wait_features(options.seconds) then return false, self.stream_error or "closed"; end
	end
	if mechanism == "EXTERNAL" then
		if not self:offers("EXTERNAL") then return false, "not-offered"; end
		local ok, why = self:sasl_external(nil, options.seconds);
		if not ok then return false, why; end
		if not self:wait_features(options.seconds) then return false, self.stream_error or "closed"; end
		return true;
	end
	self:dialback(options.key);
	local kind, element = self:wait_result(options.seconds);
	if kind == "valid" then return true; end
	return false, element and element:error() or kind or self.stream_error or "closed";
end

--- As try, but an error when it fails.
function Peer:authenticate(mechanism, options)
	local ok, why = self:try(mechanism, options);
	if not ok then error(string.format("%s: %s failed: %s\n%s", self.name, mechanism, tostring(why), self.loop:tail()), 2); end
	return self;
end

--- Wait for a stanza; given once.
function Peer:wait_stanza(matches, seconds, what)
	return self.loop:wait(function ()
		for i, element in ipairs(self.stanzas) do
			if matches(element) then return table.remove(self.stanzas, i); end
		end
	end, seconds or 5, (what or "a stanza") .. " at " .. self.name);
end

--- Wait for its end; with seconds, which are the matter then, the end by that time.
function Peer:wait_closed(seconds)
	local wait = seconds and self.loop.within or self.loop.wait;
	wait(self.loop, function () return self.closed; end, seconds, "the end of the stream of " .. self.name);
	return self.stream_error;
end

function Peer:close()
	self.conn:send("</stream:stream>");
	self.conn:close();
end

return s2s;
