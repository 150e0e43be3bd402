-- scripted_bridge.lua: a minimal SIP-over-TLS peer that behaves as a bridge should, and wrongly on demand: for testing edge.lua.
-- SPDX-License-Identifier: MIT

local stream = require "spec.support.stream";
local sip = require "spec.support.sip";

local Bridge = {};
Bridge.__index = Bridge;

local OWN = "<sip:xmpp.contoso.com:5061;transport=tls;lr>";
local CONTACT = "<sip:romeo@xmpp.contoso.com:5061;transport=tls>";
local SDP = "v=0\r\no=- 0 0 IN IP4 192.0.2.10\r\ns=session\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=message 5060 sip null\r\n";
local VERIFIED = { "ms-asserted-verification-level", "ms-source-verified-user=verified" };

local function attach(self, conn)
	local parser = sip.parser();
	function conn.on_data(_, bytes)
		for _, message in ipairs(parser:feed(bytes)) do
			table.insert(self.seen, message);
			if message.status then self:response(message); else self:request(message, conn); end
		end
	end
end

function Bridge.new(loop, cert, ip, port, edge_ip, edge_port)
	local self = setmetatable({ loop = loop, cert = cert, edge_ip = edge_ip, edge_port = edge_port, seen = {}, texts = {},
		number = 0, acked = 0 }, Bridge);
	self.listener = stream.listen(loop, ip, port, { tls = cert:tls("server") }, function (conn) attach(self, conn); end);
	loop:at_close(function () self.listener:close(); self.listener.drop(); end);
	return self;
end

function Bridge:answer(request, conn, status, more)
	local headers = {};
	for _, via in ipairs(sip.list(request, "Via")) do headers[#headers + 1] = { "Via", via }; end
	if request.method == "INVITE" and status == 200 then
		if not self.no_record_route then headers[#headers + 1] = { "Record-Route", OWN }; end
		for _, route in ipairs(sip.list(request, "Record-Route")) do
			headers[#headers + 1] = { "Record-Route", self.normalise and route:lower() or route };
		end
		headers[#headers + 1] = { "Contact", CONTACT };
		headers[#headers + 1] = { "Content-Type", "application/sdp" };
		self.dialog = { route = sip.list(request, "Record-Route"), target = sip.address(sip.get(request, "Contact")).uri,
			from = sip.get(request, "To") .. ";tag=b7e0q1", to = sip.get(request, "From"), call_id = sip.get(request, "Call-ID") };
	end
	local to = sip.get(request, "To");
	if not sip.params(to).tag then to = to .. ";tag=b7e0q1"; end
	for _, header in ipairs({ { "From", sip.get(request, "From") }, { "To", to }, { "Call-ID", sip.get(request, "Call-ID") },
		{ "CSeq", sip.get(request, "CSeq") }, VERIFIED }) do headers[#headers + 1] = header; end
	for _, header in ipairs(more or {}) do headers[#headers + 1] = header; end
	conn:send(sip.bytes("SIP/2.0 " .. status .. " Whatever", headers, request.method == "INVITE" and status == 200 and SDP or nil));
end

function Bridge:request(request, conn)
	if request.method == "SUBSCRIBE" or request.method == "NOTIFY" then return self:take_presence(request, conn); end
	if request.method == "ACK" then
		self.acked = self.acked + 1;
		return;
	end
	if self.refuse and request.method == "INVITE" then return self:answer(request, conn, self.refuse, self.refuse_headers); end
	if request.method == "MESSAGE" then table.insert(self.texts, request.body); end
	self:answer(request, conn, 200);
end

function Bridge:send(method, parts)
	self.number = self.number + 1;
	local d = self.dialog or {};
	self:connect();
	local headers = { { "Via", "SIP/2.0/TLS xmpp.contoso.com:5061;branch=" .. (parts.branch or "z9hG4bK-" .. self.number) } };
	for _, route in ipairs(parts.route or d.route or {}) do headers[#headers + 1] = { "Route", route }; end
	if method == "INVITE" then
		headers[#headers + 1] = { "Record-Route", OWN };
		headers[#headers + 1] = { "Contact", CONTACT };
	end
	for _, header in ipairs({ { "Max-Forwards", 70 }, { "From", parts.from or d.from or "<sip:romeo@fabrikam.com>;tag=77" },
		{ "To", d.to or "<sip:lena@contoso.com>" }, { "Call-ID", d.call_id or "call-1@xmpp.contoso.com" },
		{ "CSeq", (parts.cseq or self.number) .. " " .. method }, VERIFIED }) do headers[#headers + 1] = header; end
	for _, header in ipairs(parts.headers or {}) do headers[#headers + 1] = header; end
	if parts.type then headers[#headers + 1] = { "Content-Type", parts.type }; end
	self.conn:send(sip.bytes(method .. " " .. (d.target or "sip:lena@contoso.com") .. " SIP/2.0", headers, parts.body));
	return self.number;
end

function Bridge:invite()
	return self:send("INVITE", { type = "application/sdp", body = SDP });
end

function Bridge:text(text, parts)
	parts = parts or {};
	parts.type, parts.body = "text/plain; charset=UTF-8", text;
	return self:send("MESSAGE", parts);
end

function Bridge:response(message)
	self.last = message;
	local number, method = sip.cseq(message);
	if method == "SUBSCRIBE" or method == "NOTIFY" then return self:presence_answered(message, method); end
	if method ~= "INVITE" or message.status < 200 or self.no_ack then return; end
	if message.status >= 300 then
		self.dialog = { to = sip.get(message, "To") };
		self:send("ACK", { cseq = number, branch = sip.branch(message), from = sip.get(message, "From") });
		self.dialog = nil;
		return;
	end
	local routes = {};
	for _, route in ipairs(sip.list(message, "Record-Route")) do table.insert(routes, 1, route); end
	table.remove(routes, 1); -- our own
	local dialog = { route = routes, target = sip.address(sip.get(message, "Contact")).uri, from = sip.get(message, "From"),
		to = sip.get(message, "To"), call_id = sip.get(message, "Call-ID") };
	local first = self.dialog;
	self.dialog = dialog;
	self:send("ACK", { cseq = number });
	if first then
		self:send("BYE", {});
		self.dialog = first;
	end
end

function Bridge:connect()
	if not self.conn then
		self.conn = stream.connect(self.loop, self.edge_ip, self.edge_port, { tls = self.cert:tls("client"),
			server_name = "sip.contoso.com" });
		attach(self, self.conn);
	end
	return self.conn;
end

require "spec.support_spec.scripted_presence"(Bridge, { own = OWN, contact = CONTACT, verified = VERIFIED });

return Bridge;
