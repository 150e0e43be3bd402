-- edge_conversation.lua: one IM dialog of a Lync user with a contact, opened by either side.
-- SPDX-License-Identifier: MIT
--
-- conversation.state: "opening", "open", "failed" (status, reason), "ended" (why); .received (texts), .imdns.
-- say, typing, info, update, reinvite, bye, request give a Sent: { status = nil | number, response, lost = reason }, with
-- sent:wait(seconds) -> status.

local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";
local check = require "spec.support.edge_check";

local Conversation = {};
Conversation.__index = Conversation;

local Sent = {};
Sent.__index = Sent;

function Sent:wait(seconds)
	self.loop:wait(function () return self.status or self.lost; end, seconds or 5, "the answer to a " .. self.method);
	return self.status, self.response;
end

local function new(user, contact, call_id)
	local self = setmetatable({ user = user, edge = user.edge, loop = user.loop, contact = contact:lower(), call_id = call_id,
		tag = words.unique(), cseq = 0, route = {}, received = {}, imdns = {}, pending = {}, state = "opening",
		record_route = words.record_route(user.edge) }, Conversation);
	self.edge.dialogs[self.tag] = self;
	return self;
end

function Conversation.opening(user, contact)
	local self = new(user, contact, words.unique() .. words.unique() .. "5a0e8f1c7b4d4f0f");
	self.target, self.outgoing = "sip:" .. contact, true;
	return self;
end

function Conversation.accepting(user, transaction)
	local request = transaction.request;
	local self = new(user, sip.who(sip.get(request, "From")), sip.get(request, "Call-ID"));
	self.invite_request, transaction.conversation = request, self;
	self.remote_to, self.remote_cseq = sip.get(request, "From"), sip.cseq(request);
	self.target = sip.address(sip.get(request, "Contact") or "").uri or request.uri;
	self.route = sip.list(request, "Record-Route");
	self.expected_route = self.record_route; -- the Edge first, then the pool: as the bridge must say them
	return self;
end

function Conversation:finish(why)
	if self.state == "ended" then return; end
	self.state, self.why = "ended", why;
	self.user:emit("end", self, why);
end

-- --------------------------------------------------------------------------------------------------- requests --

-- A dialog stays on one connection, or its requests would overtake each other; edge.spread = true: each on any.
function Conversation:connection()
	if self.edge.spread then return nil; end
	if not self.conn or self.conn.closed then self.conn = self.edge:connection(); end
	return self.conn;
end

--- Any request of the dialog. parts: uri, body, type, headers, cseq, route, to, from, options. first: it forms a dialog.
function Conversation:request(method, parts, first, on_response)
	if not parts.via then parts.via, parts.branch = words.via(self.edge); end
	if method ~= "ACK" and not parts.cseq then self.cseq = self.cseq + 1; end
	parts.method, parts.cseq, parts.first = method, parts.cseq or self.cseq, first;
	parts.uri = parts.uri or self.target;
	local sent = setmetatable({ loop = self.loop, method = method, parts = parts }, Sent);
	sent.transaction = self.edge:send_request(words.request(self.edge, self, parts), parts.branch,
		{ via = parts.via, record_route = first and self.record_route or nil, conn = self:connection() }, function (response, reason)
			if not response then
				sent.lost = reason;
			elseif response.status >= 200 then
				sent.status, sent.response = response.status, response;
			end
			if on_response then on_response(response, reason); end
		end);
	return sent;
end

-- ACK a final answer to an INVITE. That of a failure belongs to the INVITE's transaction: same branch, no route.
local function acknowledge(self, parts, ok)
	if ok then return self:request("ACK", { cseq = parts.cseq }); end
	self:request("ACK", { uri = parts.uri, cseq = parts.cseq, to = sip.get(self.response, "To"), route = {},
		via = { parts.via[1] }, branch = parts.branch });
end

local function established(self, response)
	self.remote_to = sip.get(response, "To");
	self.target = sip.address(sip.get(response, "Contact") or "").uri or self.target;
	local routes = sip.list(response, "Record-Route");
	self.route = routes[1] and check.own_element(self.edge, routes[1]) and { routes[1] } or {};
	self.expected_route = self.record_route;
	self.state = "open";
end

--- Send the INVITE that opens it; see User:open.
function Conversation:invite(text, options)
	options.text = text;
	local parts = { options = options, headers = options.headers, type = options.type or "application/sdp",
		body = options.body or words.sdp("null"), to = options.to, from = options.from };
	self.inviting = self:request("INVITE", parts, true, function (response, reason)
		self.response, self.status = response, response and response.status;
		if not response then
			self.state, self.reason = "failed", reason;
		elseif response.status < 200 then
			self.ringing = response.status > 100 or self.ringing;
		elseif response.status < 300 then
			established(self, response);
			acknowledge(self, parts, true);
			self.user:emit("open", self);
			if text and options.say ~= false and not sip.has(response, "Supported", "ms-text-format") then self:say(text); end
			for _, later in ipairs(self.pending) do self:say(later); end
			self.pending = {};
		else
			self.state, self.reason = "failed", response.reason;
			acknowledge(self, parts, false);
		end
	end);
	return self.inviting;
end

--- CANCEL the INVITE that is not answered yet.
function Conversation:cancel()
	local invite = self.inviting.parts;
	local bytes = sip.bytes("CANCEL " .. invite.uri .. " SIP/2.0", { { "Via", invite.via[1] }, { "Max-Forwards", 67 },
		{ "From", words.lync_address(self.user, self.tag, true) }, { "To", "<sip:" .. self.contact .. ">" },
		{ "Call-ID", self.call_id }, { "CSeq", invite.cseq .. " CANCEL" } });
	local sent = setmetatable({ loop = self.loop, method = "CANCEL" }, Sent);
	self.edge:send_request(bytes, invite.branch, { via = { invite.via[1] }, conn = self.inviting.transaction.conn },
		function (response, reason)
			sent.status, sent.lost = response and response.status, reason;
		end);
	return sent;
end

--- Say a text; before the dialog is up it waits for it. options: type, headers.
function Conversation:say(text, options)
	if self.state == "opening" then
		table.insert(self.pending, text);
		return nil;
	end
	options = options or {};
	self.last = self:request("MESSAGE", { body = text, headers = options.headers, type = options.type
		or "text/plain; charset=UTF-8; msgr=WAAtAE0ATQBTAC0ASQBNAC0ARgBvAHIAbQBhAHQAOgAgAA0ACgANAAoA" });
	return self.last;
end

--- Type (true) or stop typing (false).
function Conversation:typing(active)
	return self:info("application/xml", string.format(
		'<?xml version="1.0"?><KeyboardActivity><status status="%s"/></KeyboardActivity>', active and "type" or "idle"));
end

function Conversation:info(kind, body)
	return self:request("INFO", { type = kind, body = body });
end

function Conversation:update()
	return self:request("UPDATE", { headers = { { "Session-Expires", "720;refresher=uac" } } });
end

function Conversation:reinvite()
	local parts = { type = "application/sdp", body = words.sdp("null") };
	return self:request("INVITE", parts, false, function (response)
		if response and response.status >= 200 then
			self.response = response;
			acknowledge(self, parts, response.status < 300);
		end
	end);
end

function Conversation:bye()
	self:finish("bye of the user");
	return self:request("BYE", {});
end

--- Tell the fate of message id after a 202. method: INFO, NOTIFY or MESSAGE.
function Conversation:imdn(id, status, method)
	return self:request(method or "INFO", { type = "application/ms-imdn+xml", body = string.format('<imdn xmlns="urn:ietf:params:'
		.. 'xml:ns:imdn"><message-id>%s</message-id><recipient uri="sip:%s"><status>%d</status></recipient></imdn>', id,
		self.user.address, status) });
end

--- Wait until it is open; error with the status when it failed.
function Conversation:wait_open(seconds)
	self.loop:wait(function () return self.state ~= "opening"; end, seconds or 5, "the conversation to open");
	if self.state ~= "open" then error("the conversation is " .. self.state .. ": " .. tostring(self.status or self.why), 2); end
	return self;
end

function Conversation:wait_failed(seconds)
	self.loop:wait(function () return self.state == "failed"; end, seconds or 5, "the INVITE to fail");
	return self.status, self.response;
end

function Conversation:wait_end(seconds)
	self.loop:wait(function () return self.state == "ended"; end, seconds or 5, "the end of the conversation");
	return self.why;
end

require "spec.support.edge_answers"(Conversation);

return Conversation;
