-- edge_user.lua: a Lync user behind the stand-in: how she answers, what she starts.
-- SPDX-License-Identifier: MIT
--
--	lena:answers("INVITE", 486)				-- from now on
--	lena:answers("INVITE", { status = 488, diag = 52035, times = 1 }, 200)
--	lena:on_message(function (conversation, text) conversation:say("yes?"); end)
--	local c = lena:open("romeo@fabrikam.com", "hello")	-- a Conversation (edge_conversation.lua)
--
-- An answer: a status, "never", or { status, reason, diag, diag_text, warning, headers, after = seconds, times, ringing = true,
-- crossing = true (its 200 crosses the CANCEL), fork = true (180s of two endpoints), fork = "both" (and a 200 of both), to_host
-- (of the second), message_id, imdn = status, imdn_method }. Presence: edge_presence.lua.

local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";
local Conversation = require "spec.support.edge_conversation";
local presence = require "spec.support.edge_presence";

local User = {};
User.__index = User;

function User.new(edge, address, display)
	local id = words.unique();
	local self = setmetatable({ edge = edge, loop = edge.loop, address = address, display = display or address:match("^[^@]*"),
		epid = id .. "d2", opaque = words.base64("Endpoint " .. id):gsub("=", "") .. "AA", rules = {}, handlers = {},
		received = {}, conversations = {}, typing = {} }, User);
	presence.user(self);
	return self;
end

--- How to answer requests of a method (INVITE, MESSAGE, INFO, BYE …): one answer after the other; the last one stays unless it
-- has times.
function User:answers(method, ...)
	local rules = {};
	for i, rule in ipairs({ ... }) do
		if rule == "never" then rule = { never = true }; end
		if type(rule) == "number" then rule = { status = rule }; end
		local copy = {};
		for key, value in pairs(rule) do copy[key] = value; end
		copy.status = copy.status or 200;
		rules[i] = copy;
	end
	self.rules[method] = rules;
	return self;
end

--- The answer due now for a method: a rule, or { status = default }.
function User:rule(method, default)
	local rules = self.rules[method] or {};
	local rule = rules[1];
	if not rule then return { status = default or 200 }; end
	if rule.times then
		rule.times = rule.times - 1;
		if rule.times <= 0 then table.remove(rules, 1); end
	elseif #rules > 1 then
		table.remove(rules, 1);
	end
	return rule;
end

--- Call fn on an event: "message" (conversation, text), "typing" (conversation, active), "open" (conversation),
-- "end" (conversation, why), "imdn" (conversation, status, id).
function User:on(event, fn)
	self.handlers[event] = fn;
	return self;
end
function User:on_message(fn) return self:on("message", fn); end
function User:on_typing(fn) return self:on("typing", fn); end
function User:on_open(fn) return self:on("open", fn); end
function User:on_end(fn) return self:on("end", fn); end

function User:emit(event, ...)
	if event == "message" then
		local conversation, text = ...;
		table.insert(self.received, { conversation = conversation, text = text, from = conversation.contact });
	elseif event == "typing" then
		table.insert(self.typing, (select(2, ...)));
	end
	if self.handlers[event] then self.handlers[event](...); end
end

--- Headers of a failing answer.
function User.failure_headers(rule)
	local headers = {};
	if rule.diag then
		headers[1] = { "ms-diagnostics-public", string.format('%d;reason="%s"', rule.diag, rule.diag_text or "as the test wants it") };
	end
	if rule.warning then headers[#headers + 1] = { "Warning", rule.warning }; end
	for _, header in ipairs(rule.headers or {}) do headers[#headers + 1] = header; end
	return headers;
end

--- A request out of any dialog.
function User:take_request(transaction)
	local request = transaction.request;
	if request.method == "INVITE" then
		local conversation = Conversation.accepting(self, transaction);
		table.insert(self.conversations, conversation);
		return conversation:answer_invite(transaction, self:rule("INVITE"));
	end
	if request.method == "SUBSCRIBE" then return presence.take(self, transaction); end
	local rule = self:rule(request.method, request.method == "OPTIONS" and 200 or 405);
	if rule.never then return; end
	self.loop:after(rule.after or 0, function ()
		self.edge:respond(transaction, { status = rule.status, reason = rule.reason, headers = self.failure_headers(rule) });
	end);
end

--- Open a conversation with a contact. text is in the INVITE and, after the ACK, in a MESSAGE. options: embed = false (not in
-- the INVITE), say = false (no MESSAGE), huge (bytes of a further header), headers (extra), endpoints, sdp/type/body (of the
-- INVITE), conversation_id, to (other To), from (other From).
function User:open(contact, text, options)
	local conversation = Conversation.opening(self, contact);
	table.insert(self.conversations, conversation);
	conversation:invite(text, options or {});
	return conversation;
end

--- INVITEs that are not IM: kind = "audio", "file", "data", "sharing", "conference", "multiparty", "2005".
function User:offer(contact, kind)
	local options = ({
		audio = { body = words.sdp("", "m=audio 50000 RTP/SAVP 0 8 101\r\nm=video 50002 RTP/SAVP 121") };
		data = { body = words.sdp("", "m=data 6891 TCP/RTP/SAVP 127") };
		sharing = { body = words.sdp("", "m=applicationsharing 50004 TCP/RTP/SAVP 127") };
		file = { type = 'multipart/mixed; boundary="b0undary"', body = "--b0undary\r\nContent-Type: application/sdp\r\n\r\n"
			.. words.sdp("null") .. "\r\n--b0undary\r\nContent-Type: application/ms-filetransfer+xml\r\n\r\n"
			.. "<request xmlns=\"http://schemas.microsoft.com/rtc/2009/05/filetransfer\"/>\r\n--b0undary--\r\n" };
		conference = { type = "application/ms-conf-invite+xml", body = "<Conferencing version=\"2.0\"><focus-uri>"
			.. "sip:lena@contoso.com;gruu;opaque=app:conf:focus:id:1</focus-uri><subject/><im available=\"true\"/></Conferencing>" };
		multiparty = { headers = { { "Require", "com.microsoft.rtc-multiparty" } } };
		["2005"] = { body = words.sdp("", "m=x-ms-message 5060 sip null"), text_media = "x-ms-message" };
	})[kind];
	return self:open(contact, nil, assert(options, "no such kind of INVITE: " .. tostring(kind)));
end

--- A MESSAGE outside of any dialog.
function User:pager(contact, text, headers)
	return self:out_of_dialog(contact, "MESSAGE", { body = text, type = "text/plain; charset=UTF-8", headers = headers });
end

--- Any request outside of a dialog: a Sent (edge_conversation.lua). parts: body, type, headers, to, from.
function User:out_of_dialog(contact, method, parts)
	return Conversation.opening(self, contact):request(method, parts or {}, true);
end

--- Wait for a text (a Lua pattern when is_pattern) among what she was told; each entry is given once.
function User:wait_message(text, seconds, is_pattern)
	return self.loop:wait(function ()
		for _, entry in ipairs(self.received) do
			if not entry.taken and (text == nil or entry.text == text or is_pattern and entry.text:match(text)) then
				entry.taken = true;
				return entry;
			end
		end
	end, seconds or 5, string.format("the text %q at %s", tostring(text), self.address));
end

--- Wait for the next typing event that has not been waited for: true or false.
function User:wait_typing(active, seconds)
	return self.loop:wait(function ()
		for i, was in ipairs(self.typing) do
			if was == active then
				for _ = 1, i do table.remove(self.typing, 1); end
				return true;
			end
		end
	end, seconds or 5, string.format("typing=%s at %s", tostring(active), self.address));
end

presence(User);

User.who = function (header) return sip.who(header); end;

return User;
