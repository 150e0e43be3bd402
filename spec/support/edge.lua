-- edge.lua: the Access Edge stand-in: TLS both ways, transactions, transcript, violations. Users: edge_user.lua.
-- SPDX-License-Identifier: MIT
--
--	local edge = Edge.new{ loop = loop, cert = ca:issue(…), listen = { ip = …, port = 5061 },
--		bridge = { fqdn = "xmpp.contoso.com", ip = …, port = 5061 }, fqdn = "sip.contoso.com", domain = "contoso.com" }
--	local lena = edge:user("lena@contoso.com", "Lena Berg")
--	… edge:assert_clean()		-- no violation, every final answer to an INVITE acknowledged
--
-- Further options: domains (more of its own), contacts (list: the only domains From may have), record_route = false and
-- verification = false (the bridge's switches are off), connections (to the bridge, 1..4, default 2), tls (overrides), presence
-- (edge_presence.lua).

local stream = require "spec.support.stream";
local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";
local check = require "spec.support.edge_check";
local User = require "spec.support.edge_user";
local presence = require "spec.support.edge_presence";

local Edge = {};
Edge.__index = Edge;

local function set(list, first)
	local result = {};
	if first then result[first:lower()] = true; end
	for _, name in ipairs(list or {}) do result[name:lower()] = true; end
	return result;
end

function Edge.new(options)
	local self = setmetatable({
		loop = options.loop, cert = options.cert, bridge = options.bridge, tls_options = options.tls,
		domain = options.domain or "contoso.com", fqdn = options.fqdn or "sip." .. (options.domain or "contoso.com"),
		record_route = options.record_route ~= false, limit = options.connections or 2,
		users = {}, dialogs = {}, client = {}, server = {}, messages = {}, violations = {}, ignored = {},
		out = {}, turn = 0, pings = 0, name = options.name or "edge",
	}, Edge);
	self.verification = options.verification ~= false and (options.verification or "ms-asserted-verification-level") or nil;
	presence.edge(self, options.presence);
	self.serves = set(options.domains, self.domain);
	self.contacts = options.contacts and set(options.contacts);
	local listen = type(options.listen) == "table" and options.listen or { ip = options.listen };
	self.ip, self.port = listen.ip, listen.port or 5061;
	self:listen();
	self.loop:at_close(function () self:close(); end);
	return self;
end

--- A Lync user, created on first mention.
function Edge:user(address, display)
	address = address:lower();
	if not self.users[address] then self.users[address] = User.new(self, address, display); end
	return self.users[address];
end

--- Note a violation of the bridge's. Tokens in edge.ignored are left out.
function Edge:violate(token, message, format, ...)
	if self.ignored[token] then return; end
	local text = string.format("%s: %s (%s)", token, format:format(...), message and sip.describe(message) or "-");
	self.loop:note(self.name, "VIOLATION " .. text);
	table.insert(self.violations, { token = token, text = text, message = message });
end

--- Do not note these violations: for specs that provoke them.
function Edge:ignore(...)
	for _, token in ipairs({ ... }) do self.ignored[token] = true; end
end

--- Fails when the bridge did something that Lync would not take; first waits until its ACKs and NOTIFYs are there.
function Edge:assert_clean(seconds)
	local function missing()
		for _, transaction in pairs(self.server) do
			if transaction.final and transaction.request.method == "INVITE" and not transaction.acked then return transaction; end
		end
	end
	pcall(self.loop.within, self.loop, function () return not missing() and not presence.owing(self); end, seconds or 5);
	local transaction = missing();
	if transaction then self:violate("no-ack", transaction.request, "final %d was not acknowledged", transaction.final); end
	if #self.violations == 0 then return true; end
	local texts = {};
	for i, violation in ipairs(self.violations) do texts[i] = violation.text; end
	error(#texts .. " violations:\n" .. table.concat(texts, "\n") .. "\n" .. self.loop:tail(), 2);
end

-- ------------------------------------------------------------------------------------------------ connections --

local function record(self, direction, message, conn)
	table.insert(self.messages, { direction = direction, message = message, conn = conn, at = self.loop:now(),
		earliest = self.loop:earliest() });
	local arrow = direction == "in" and "bridge => edge" or "edge => bridge";
	self.loop:note(self.name, arrow .. "  " .. sip.describe(message));
	if self.on_message then self.on_message(direction, message, conn); end
end

local function attach(self, conn)
	local parser = sip.parser();
	function conn.on_data(_, bytes)
		local messages = parser:feed(bytes);
		self.pings = self.pings + parser.pings;
		parser.pings = 0;
		for _, message in ipairs(messages) do
			record(self, "in", message, conn);
			if message.method then self:take_request(message, conn); else self:take_response(message, conn); end
		end
		if parser.error then
			self:violate("framing", nil, "%s", parser.error);
			conn:close(true);
		end
	end
	function conn.on_close(_, reason)
		self.loop:note(self.name, "connection closed: " .. reason);
		for i, other in ipairs(self.out) do
			if other == conn then table.remove(self.out, i); break; end
		end
		local waiting = {};
		for branch, sent in pairs(self.client) do
			if sent.conn == conn then
				self.client[branch] = nil;
				if not sent.final then waiting[#waiting + 1] = sent; end
			end
		end
		for _, sent in ipairs(waiting) do sent.on_response(nil, reason); end
	end
end

--- Listen (again): also after edge:stop_listening(), with another certificate if given.
function Edge:listen(cert)
	self.cert = cert or self.cert;
	self.listener = stream.listen(self.loop, self.ip, self.port, { tls = self.cert:tls("server", self.tls_options) }, function (conn)
		attach(self, conn);
		function conn.on_open()
			self.loop:note(self.name, "the bridge has connected");
			if not conn:peer_names()[self.bridge.fqdn:lower()] then
				self:violate("bridge-certificate", nil, "its client certificate does not say %s", self.bridge.fqdn);
			end
		end
	end);
end

function Edge:stop_listening()
	self.listener:close();
end

--- Close all connections, as a restart of the Edge does.
function Edge:drop()
	self.listener.drop();
	for _, conn in ipairs({ table.unpack(self.out) }) do conn:close(true); end
end

function Edge:close()
	self:stop_listening();
	self:drop();
end

--- A TLS connection to the bridge outside of the pool, for raw bytes. options: cert, tls, server_name, from, parameters (of
-- LuaSec, in place of the first two: read once for many). The connection
-- collects .messages (parsed responses and requests), .received (bytes), .closed, .reason.
function Edge:raw(options)
	options = options or {};
	local parser, handlers = sip.parser(), { messages = {}, received = "" };
	function handlers.on_data(conn, bytes)
		conn.received = conn.received .. bytes;
		for _, message in ipairs(parser:feed(bytes)) do table.insert(conn.messages, message); end
	end
	local tls = options.tls ~= false and (options.parameters
		or (options.cert or self.cert):tls("client", options.tls or self.tls_options)) or nil;
	return stream.connect(self.loop, self.bridge.ip, self.bridge.port or 5061, { tls = tls,
		server_name = options.server_name or self.bridge.fqdn, from = options.from or self.ip }, handlers);
end

--- A connection to the bridge out of the pool.
function Edge:connection()
	if #self.out < self.limit then
		local conn = self:raw();
		attach(self, conn);
		function conn.on_open()
			if not conn:peer_names()[self.bridge.fqdn:lower()] then
				self:violate("bridge-certificate", nil, "its server certificate does not say %s", self.bridge.fqdn);
			end
		end
		table.insert(self.out, conn);
		return conn;
	end
	self.turn = self.turn % #self.out + 1;
	return self.out[self.turn];
end

-- ----------------------------------------------------------------------------------------------- transactions --

--- Send a request's bytes to the bridge. sent: { via, record_route }; on_response(message | nil, reason) is called for each
-- response, and with nil when the connection goes.
function Edge:send_request(bytes, branch, sent, on_response)
	sent.message = assert(sip.parse_head(bytes:match("^(.-)\r\n\r\n")));
	sent.message.body = bytes:match("\r\n\r\n(.*)$");
	sent.conn = sent.conn or self:connection();
	sent.on_response = on_response;
	record(self, "out", sent.message, sent.conn);
	if sent.message.method ~= "ACK" then self.client[branch .. sent.message.method] = sent; end
	sent.conn:send(bytes);
	return sent;
end

function Edge:take_response(message, conn)
	local _, method = sip.cseq(message);
	local sent = self.client[(sip.branch(message) or "") .. tostring(method)];
	if not sent then return self:violate("stray-response", message, "no such transaction"); end
	if sent.conn ~= conn then self:violate("response-path", message, "not on the connection of its request"); end
	if sent.final then return self:violate("second-final", message, "after %d", sent.final); end
	check.response(self, message, sent);
	if message.status >= 200 then sent.final = message.status; end
	sent.on_response(message);
end

--- Answer a request of the bridge. parts as of words.response.
function Edge:respond(transaction, parts)
	if transaction.final or transaction.conn.closed then return; end
	local request = transaction.request;
	parts.reason = parts.reason or words.reasons[parts.status] or "Status";
	parts.to = parts.to or sip.get(request, "To") .. (sip.params(sip.get(request, "To")).tag and "" or ";tag=" .. words.unique());
	local bytes = words.response(self, request, parts);
	if parts.status >= 200 then transaction.final = parts.status; end
	if parts.again then transaction.final = nil; end
	record(self, "out", assert(sip.parse_head(bytes:match("^(.-)\r\n\r\n"))), transaction.conn);
	transaction.conn:send(bytes);
end

local function take_ack(self, message)
	for _, transaction in pairs(self.server) do
		local request = transaction.request;
		if request.method == "INVITE" and sip.get(request, "Call-ID") == sip.get(message, "Call-ID")
			and sip.cseq(request) == sip.cseq(message) then
			if not transaction.final then self:violate("early-ack", message, "before a final answer"); end
			transaction.acked = true;
			local conversation = self.dialogs[sip.params(sip.get(message, "To") or "").tag];
			if conversation and transaction.final and transaction.final < 300 then conversation:take_ack(message); end
			return;
		end
	end
	self:violate("stray-ack", message, "no such INVITE");
end

local function take_cancel(self, message, conn)
	local transaction = self.server[(sip.branch(message) or "") .. "INVITE"];
	if not transaction then return self:respond({ request = message, conn = conn }, { status = 481 }); end
	self:respond({ request = message, conn = conn }, { status = 200 });
	if transaction.crossing then return transaction.crossing(); end
	if transaction.final then return; end
	transaction.cancelled = true;
	self:respond(transaction, { status = 487 });
	if transaction.conversation then transaction.conversation:finish("cancelled"); end
end

function Edge:take_request(message, conn)
	check.request(self, message);
	if message.method == "ACK" then return take_ack(self, message); end
	if message.method == "CANCEL" then return take_cancel(self, message, conn); end
	local key = (sip.branch(message) or "") .. message.method;
	if self.server[key] then return self:violate("repeated", message, "the same branch again, on a reliable transport"); end
	local transaction = { request = message, conn = conn };
	self.server[key] = transaction;
	if self.deaf then return; end
	local tag = sip.params(sip.get(message, "To") or "").tag;
	local conversation = tag and self.dialogs[tag];
	if conversation and sip.get(message, "Call-ID") == conversation.call_id then return conversation:take_request(transaction); end
	if tag then return self:respond(transaction, { status = 481 }); end
	if message.method == "OPTIONS" then return self:respond(transaction, { status = 200 }); end
	local user = self.users[sip.who("<" .. message.uri .. ">")];
	if not user then
		return self:respond(transaction, { status = 404, headers = {
			{ "ms-diagnostics-public", '1003;reason="User does not exist"' } } });
	end
	user:take_request(transaction);
end

--- The bridge has restarted: its presence subscriptions of both kinds are void.
Edge.orphan = presence.orphan;
Edge.owe = presence.owe;

--- How many messages match: direction "in"/"out", method or status.
function Edge:count(direction, what)
	local count = 0;
	for _, entry in ipairs(self.messages) do
		if entry.direction == direction and (entry.message.method == what or entry.message.status == what) then count = count + 1; end
	end
	return count;
end

return Edge;
