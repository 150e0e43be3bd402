-- edge_presentity.lua: a Lync user whom contacts watch: what the front end does with the bridge's SUBSCRIBEs.
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 3.1, 3.3, 4. The methods that specs use are listed in edge_presence.lua.

local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";
local check = require "spec.support.edge_presence_check";
local documents = require "spec.support.edge_documents";
local Conversation = require "spec.support.edge_conversation";

local presentity = {};

local Subscription = { request = Conversation.request; connection = Conversation.connection };
Subscription.__index = Subscription;

-- A front end's Contact: an internal name, of no use but to be said again byte for byte.
local function pool_uri(edge)
	return string.format("sip:pool1.%s:5061;transport=tls;ms-fe=FE01.%s", edge.domain, edge.domain:upper());
end

local function with_tag(self, request)
	local to = sip.get(request, "To");
	return sip.params(to).tag and to or to .. ";tag=" .. self.tag;
end

local function new(user, request, accept)
	local edge, contact = user.edge, sip.who(sip.get(request, "From"));
	local self = setmetatable({ user = user, edge = edge, loop = edge.loop, contact = contact, call_id = sip.get(request, "Call-ID"),
		tag = words.unique():upper(), cseq = 0, remote_cseq = sip.cseq(request), remote_to = sip.get(request, "From"),
		route = sip.list(request, "Record-Route"), target = sip.address(sip.get(request, "Contact") or "").uri or request.uri,
		record_route = words.record_route(edge), own_target = pool_uri(edge), accept = accept, notifies = {},
		form = documents.choose(sip.list(request, "Accept")), display = sip.address(sip.get(request, "From")).display,
		bridge_contact = sip.get(request, "Contact"), state = "active" }, Subscription);
	self.expected_route = self.record_route; -- the Edge first, then the pool
	return self;
end

-- ---------------------------------------------------------------------------------------------------- NOTIFY --

local function document(self)
	local user, view = self.user, self.user:view_of(self.contact);
	return documents.write(self.form, { address = user.address, state = view.state, note = view.note, hidden = view.hidden,
		display = user.display, epid = user.epid, time = self.loop:now() });
end

--- Tell the contact's bridge how the user is. options: state (of the subscription, a whole value), body, type, cseq, headers.
function Subscription:notify(options)
	options = options or {};
	local left = math.max(0, math.floor((self.ends or 0) - self.loop:now()));
	local state = options.state or "active;expires=" .. left;
	local headers = { { "Event", options.event or "presence" }, { "subscription-state", state } };
	for _, header in ipairs(options.headers or {}) do headers[#headers + 1] = header; end
	local parts = { from = string.format("<sip:%s>;tag=%s", self.user.address, self.tag), contact = "<" .. self.own_target .. ">",
		server = true, headers = headers, cseq = options.cseq, type = options.type or documents.types[self.form],
		body = options.body or document(self) };
	if parts.body == "" then parts.type = nil; end
	local sent = self:request("NOTIFY", parts, false, function (response)
		if not response or response.status < 200 then return; end
		check.notify_answer(self.edge, response);
		if response.status == 481 then self:forget("481 of the bridge"); end
	end);
	table.insert(self.notifies, sent);
	self.edge:owe(self.edge.presence.answer_within, function () return sent.status or sent.lost or self.orphan; end,
		function () check.notify_answer(self.edge, sent.transaction.message, true); end);
	return sent;
end

--- End it from this side: NOTIFY terminated. reason: deactivated, probation, rejected, timeout, giveup, noresource, invariant.
function Subscription:terminate(reason, retry_after, headers)
	local state = "terminated;reason=" .. reason .. (retry_after and ";retry-after=" .. retry_after or "");
	self:forget(reason);
	return self:notify({ state = state, headers = headers });
end

--- Know nothing of it any more: refreshes are answered 481.
function Subscription:forget(why)
	if self.state == "active" then self.state, self.why = "terminated", why; end
	self.edge.dialogs[self.tag] = nil;
	if self.timer then self.timer:cancel(); end
end

-- ------------------------------------------------------------------------------------------------- SUBSCRIBE --

local function first_notify(self, rule)
	if rule.notify == false or self.user.mute then return; end
	if type(rule.notify) == "number" then
		self.loop:after(rule.notify, function () if self.state == "active" then self:notify(); end end);
		return;
	end
	self:notify();
end

local function lasts(self, seconds)
	self.ends = self.loop:now() + seconds;
	if self.timer then self.timer:cancel(); end
	self.timer = self.loop:after(seconds, function ()
		if self.state ~= "active" then return; end
		if not self.orphan then self.edge:violate("expired", nil, "%s let %s go", self.contact, self.user.address); end
		self:terminate("timeout");
	end);
end

-- What the server grants: what it likes, but no more than was asked for.
local function grant(self, rule, asked)
	return rule.expires or math.min(asked or self.edge.presence.grants, self.edge.presence.grants);
end

local function say_ok(self, transaction, rule, seconds)
	local request, routes = transaction.request, nil;
	local headers = { { "Expires", seconds }, { "Event", "presence" }, { "subscription-state", "active;expires=" .. seconds } };
	if rule.no_expires then table.remove(headers, 1); end
	if not sip.params(sip.get(request, "To")).tag then
		routes = { self.record_route[2], self.record_route[1] };
		for _, element in ipairs(sip.list(request, "Record-Route")) do routes[#routes + 1] = element; end
	end
	for _, header in ipairs(rule.headers or {}) do headers[#headers + 1] = header; end
	self.edge:respond(transaction, { status = rule.status, reason = rule.reason, to = with_tag(self, request), record_route = routes,
		contact = self.own_target, headers = headers, server = true });
end

local function refuse(user, transaction, rule)
	local headers = user.failure_headers(rule);
	if rule.min_expires then headers[#headers + 1] = { "Min-Expires", rule.min_expires }; end
	user.edge:respond(transaction, { status = rule.status, reason = rule.reason, headers = headers, server = true });
end

-- A watcher is shown to the user once: "Ada has added you". Enhanced subscriptions only if they say that she has just done so.
local function prompt(self, request)
	local user = self.user;
	if user.subscribers[self.contact] or self.form == "categories" and not request.body:find("<context", 1, true) then return; end
	user.subscribers[self.contact] = { contact = self.contact, display = self.display, acknowledged = false };
	table.insert(user.prompts, user.subscribers[self.contact]);
end

local function accept(user, transaction, rule, asked, list)
	local request = transaction.request;
	local self = new(user, request, list);
	local seconds = grant(self, rule, asked);
	if not self.form then return refuse(user, transaction, { status = 406 }); end
	for _, other in ipairs(user.watchers) do
		if other.contact == self.contact and other.state == "active" and not other.orphan then
			user.edge:violate("watched-twice", request, "%s has another subscription", self.contact);
		end
	end
	table.insert(user.watchers, self);
	user.edge.dialogs[self.tag] = self;
	prompt(self, request);
	if seconds > 0 then lasts(self, seconds); end
	if rule.notify == "before" then self:notify(); end
	self.loop:after(rule.notify == "before" and 0.05 or 0, function ()
		say_ok(self, transaction, rule, seconds);
		if rule.terminated then return self:terminate(rule.terminated, rule.retry_after); end
		if seconds == 0 then return self:terminate("timeout"); end
		if rule.notify ~= "before" then first_notify(self, rule); end
	end);
end

--- A SUBSCRIBE outside of a dialog.
function presentity.take(user, transaction)
	local request, rule = transaction.request, user:rule("SUBSCRIBE");
	local contact = sip.who(sip.get(request, "From"));
	local asked, list = check.subscribe(user.edge, request, user);
	if rule.never then return; end
	if (sip.get(request, "Event") or ""):lower() ~= "presence" then
		rule = { status = 489; headers = { { "Allow-Events", "presence" } } };
	elseif user.edge.verification and not user.contacts[contact]
		and sip.get(request, user.edge.verification) == "ms-source-verified-user=unverified" then
		rule = { status = 403; diag = 2004; diag_text = "subscriber not authorised to subscribe" };
	end
	user.loop:after(rule.after or 0, function ()
		if rule.status >= 300 then return refuse(user, transaction, rule); end
		accept(user, transaction, rule, asked, list);
	end);
end

--- A SUBSCRIBE inside of it: refresh, or the end.
function Subscription:take_request(transaction)
	local request, user = transaction.request, self.user;
	if request.method ~= "SUBSCRIBE" then
		self.edge:violate("method", request, "%s in a presence subscription", request.method);
		return self.edge:respond(transaction, { status = 405 });
	end
	local asked = check.subscribe(self.edge, request, user, self);
	local rule = user:rule(asked == 0 and "UNSUBSCRIBE" or "REFRESH");
	self.refreshes = (self.refreshes or 0) + (asked == 0 and 0 or 1);
	if rule.never then return; end
	self.loop:after(rule.after or 0, function ()
		if rule.status >= 300 then
			if rule.status == 481 then self:forget("481 of the front end"); end
			return refuse(user, transaction, rule);
		end
		local seconds = asked == 0 and 0 or grant(self, rule, asked);
		if seconds > 0 then lasts(self, seconds); end
		say_ok(self, transaction, rule, seconds);
		if seconds > 0 then return first_notify(self, rule); end
		if not (user.mute or rule.notify == false) then self:terminate("timeout"); end
		self:forget("unsubscribed");
		self.why = "unsubscribed";
	end);
end

return presentity;
