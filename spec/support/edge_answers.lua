-- edge_answers.lua: the half of a conversation that answers the bridge's requests.
-- SPDX-License-Identifier: MIT

local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";
local check = require "spec.support.edge_check";

-- Record-Route of a 2xx to the bridge's INVITE: the pool, the Edge, the bridge's own.
local function answer_routes(conversation, request)
	local list = { conversation.record_route[2], conversation.record_route[1] };
	for _, element in ipairs(sip.list(request, "Record-Route")) do list[#list + 1] = element; end
	return list;
end

-- To of an answer: epid before tag, as Lync does.
local function to_with_tag(conversation, request)
	local to = sip.get(request, "To");
	if sip.params(to).tag then return to; end
	return string.format("%s;epid=%s;tag=%s", to, conversation.user.epid, conversation.tag);
end

return function (Conversation)
	local function accept(self, transaction, again, headers, to_host)
		local request, to = transaction.request, to_with_tag(self, transaction.request);
		if to_host then to = to:gsub("@[^>;]*", "@" .. to_host); end
		self.edge:respond(transaction, { status = 200, to = to, contact = words.gruu(self.user), again = again,
			headers = headers, record_route = answer_routes(self, request), type = "application/sdp",
			body = words.sdp("sip:" .. self.user.address) });
		if self.state == "opening" then self.state = "open"; end
	end

	local function other_endpoint(self)
		local other = Conversation.accepting(self.user, { request = self.invite_request });
		self.other = other;
		return other;
	end

	--- Answer the INVITE that opened this conversation, as the rule says.
	function Conversation:answer_invite(transaction, rule)
		local request = transaction.request;
		local provisional = { status = 180, to = to_with_tag(self, request) };
		if rule.never then return; end
		if rule.ringing or rule.fork or rule.after or rule.crossing then
			self.edge:respond(transaction, { status = 100, to = sip.get(request, "To") });
			self.edge:respond(transaction, provisional);
		end
		if rule.crossing then
			transaction.crossing = function () accept(self, transaction); end;
			return;
		end
		local other = rule.fork and other_endpoint(self);
		if other then
			transaction.conversation = self;
			self.edge:respond(transaction, { status = 183, to = to_with_tag(other, request) });
		end
		self.loop:after(rule.after or 0, function ()
			if transaction.final or transaction.cancelled then return; end
			if rule.status >= 300 then
				self.state = "failed";
				return self.edge:respond(transaction, { status = rule.status, reason = rule.reason, to = to_with_tag(self, request),
					headers = self.user.failure_headers(rule) });
			end
			accept(self, transaction, rule.fork == "both", rule.headers);
			if rule.fork == "both" then accept(other, transaction, nil, nil, rule.to_host); end
			self.user:emit("open", self);
		end);
	end

	function Conversation:take_ack(message)
		self.acked = true;
		check.route(self.edge, message, self.expected_route, words.gruu(self.user));
	end

	local function take_text(self, transaction, rule)
		local request = transaction.request;
		local headers = self.user.failure_headers(rule);
		if rule.status == 202 then
			self.message_id = (self.message_id or 0) + 1;
			headers[#headers + 1] = { "Message-Id", rule.message_id or self.message_id };
		end
		self.edge:respond(transaction, { status = rule.status, reason = rule.reason, headers = headers });
		if rule.status >= 300 then return; end
		if rule.imdn then self:imdn(rule.message_id or self.message_id, rule.imdn, rule.imdn_method); end
		table.insert(self.received, request.body);
		self.user:emit("message", self, request.body, request);
	end

	local function take_imdn(self, body)
		local status, id = tonumber(body:match("<status>(%d+)</status>")), body:match("<message%-id>([^<]*)<");
		table.insert(self.imdns, { status = status, id = id, body = body });
		self.user:emit("imdn", self, status, id);
	end

	local function take_body(self, transaction, rule)
		local request = transaction.request;
		local kind = (sip.get(request, "Content-Type") or ""):lower():match("^[^;%s]*");
		if request.method == "MESSAGE" and kind:match("^text/") then return take_text(self, transaction, rule); end
		self.edge:respond(transaction, { status = rule.status, reason = rule.reason, headers = self.user.failure_headers(rule) });
		if rule.status >= 300 then return; end
		local activity = request.body:match("<KeyboardActivity>.-status=\"(%a+)\"");
		if kind == "application/xml" and activity then
			self.user:emit("typing", self, activity == "type");
		elseif kind == "application/ms-imdn+xml" then
			take_imdn(self, request.body);
		elseif request.method == "INFO" then
			self.edge:violate("info", request, "an INFO that Lync does not know: %s", kind);
		end
	end

	--- A request of the bridge inside this dialog.
	function Conversation:take_request(transaction)
		local request = transaction.request;
		local number = sip.cseq(request) or 0;
		check.route(self.edge, request, self.expected_route or {}, words.gruu(self.user));
		if number <= (self.remote_cseq or 0) then
			self.edge:violate("cseq-order", request, "%d after %d", number, self.remote_cseq);
		end
		self.remote_cseq = number;
		if self.outgoing and self.state == "opening" then self.edge:violate("early-request", request, "the dialog is not up"); end
		local rule = self.user:rule(request.method);
		if rule.never then return; end
		if self.state == "ended" then return self.edge:respond(transaction, { status = 481 }); end
		self.loop:after(rule.after or 0, function ()
			if request.method == "BYE" then
				self.edge:respond(transaction, { status = rule.status });
				self:finish("bye of the contact");
			elseif request.method == "INVITE" then
				accept(self, transaction);
			elseif request.method == "MESSAGE" or request.method == "INFO" then
				take_body(self, transaction, rule);
			else
				self.edge:respond(transaction, { status = rule.status });
			end
			if rule.status == 481 or rule.status == 480 or rule.status == 408 then self:finish("answered " .. rule.status); end
		end);
	end
end;
