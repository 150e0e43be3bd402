-- edge_watch.lua: a Lync user who watches a contact: what her client sends, and what it reads.
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 3.2. The methods that specs use are listed in edge_presence.lua.
--
-- watch.state: "asking", "active", "refused" (status), "leaving", "terminated" (reason), "gone" (481 said, or logged off).
-- watch.notifies: { at, word, params, doc, message } each; watch.sees: the last document; watch.history: its states, in order.

local sip = require "spec.support.sip";
local words = require "spec.support.edge_words";
local edge_check = require "spec.support.edge_check";
local check = require "spec.support.edge_presence_check";
local Conversation = require "spec.support.edge_conversation";
local xml = require "spec.support.xml";

local Watch = { request = Conversation.request; connection = Conversation.connection };
Watch.__index = Watch;

local ACCEPT = "application/msrtc-event-categories+xml, application/xpidf+xml, text/xml+msrtc.pidf, application/pidf+xml, "
	.. "application/rlmi+xml, multipart/related";
local LEGACY_ACCEPT = "application/xpidf+xml, text/xml+msrtc.pidf, application/pidf+xml";
local SUPPORTED = { "com.microsoft.autoextend", "ms-piggyback-first-notify", "ms-benotify", "eventlist" };
local CATEGORIES = { "calendarData", "contactCard", "note", "services", "state" };

local function batch(user, contact, context)
	local wanted = {};
	for i, name in ipairs(CATEGORIES) do wanted[i] = '<category name="' .. name .. '"/>'; end
	return string.format('<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="sip:%s" name="">'
		.. '<action name="subscribe" id="63792024"><adhocList><resource uri="sip:%s">%s</resource></adhocList>'
		.. '<categoryList xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist">%s</categoryList></action></batchSub>',
		xml.escape(user.address), xml.escape(contact), context and (type(context) == "string" and context or "<context/>") or "",
		table.concat(wanted));
end

--- A new subscription; see User:add. endpoint: the user, or another device of hers.
function Watch.new(endpoint, contact, options)
	local edge = endpoint.edge;
	local self = setmetatable({ user = endpoint, edge = edge, loop = edge.loop, contact = contact:lower(),
		call_id = words.unique() .. words.unique() .. "a9e84ba6bb1a5f0d", tag = words.unique(), cseq = 0, route = {},
		target = "sip:" .. contact, record_route = words.record_route(edge), notifies = {}, history = {}, listed = {},
		own_target = words.gruu(endpoint), options = options or {}, state = "asking" }, Watch);
	self.expected_route = self.record_route;
	self.accept = self.options.accept or self.options.legacy and LEGACY_ACCEPT or ACCEPT;
	for element in self.accept:lower():gmatch("[^,%s]+") do self.listed[element] = true; end
	if self.accept == "" then self.listed["application/pidf+xml"] = true; end -- RFC 3856 6.7
	edge.dialogs[self.tag] = self;
	return self;
end

-- After a 200 the bridge has to tell the state at once; after the last one, that it is over.
local function expect_notify(self, since, last)
	local limit = self.edge.presence.notify_within;
	self.edge:owe(limit, function ()
		local heard = self.notifies[#self.notifies];
		if self.orphan or self.state == "gone" then return true; end
		if last then return self.state == "terminated"; end
		return heard and heard.at >= since;
	end, function ()
		self.edge:violate(last and "no-final-notify" or "notify-late", nil, "none to %s of %s, %g s after the 200",
			self.user.address, self.contact, limit);
	end);
end

local function established(self, response)
	if self.established then return; end
	self.established = true;
	self.remote_to = sip.get(response, "To");
	self.target = sip.address(sip.get(response, "Contact") or "").uri or self.target;
	local routes = sip.list(response, "Record-Route");
	self.route = routes[1] and edge_check.own_element(self.edge, routes[1]) and { routes[1] } or {};
end

local function answered(self, response, asked, since)
	self.status, self.response = response.status, response;
	local seconds = check.answer(self.edge, response, self, asked);
	if response.status // 100 ~= 2 then
		if self.state == "asking" then self.state = "refused"; end
		if response.status == 481 and self.state ~= "refused" then self:vanish(); end
		return;
	end
	established(self, response);
	self.granted, self.ends, self.credit = seconds, self.loop:now() + (seconds or 0), true;
	if self.state == "asking" then self.state = "active"; end
	expect_notify(self, since, asked == 0);
end

--- SUBSCRIBE. options: expires, headers, context, body, type, accept.
function Watch:subscribe(options)
	local o, since = setmetatable(options or {}, { __index = self.options }), self.loop:now();
	local headers = { { "Event", o.event or "presence" } };
	if self.accept ~= "" then headers[#headers + 1] = { "Accept", self.accept }; end
	for _, tag in ipairs(SUPPORTED) do headers[#headers + 1] = { "Supported", tag }; end
	headers[#headers + 1] = { "Proxy-Require", "ms-benotify" };
	if o.expires then headers[#headers + 1] = { "Expires", o.expires }; end
	for _, header in ipairs(o.headers or {}) do headers[#headers + 1] = header; end
	local parts = { headers = headers, supported = {}, from = o.from, to = o.to, cseq = o.cseq };
	if not o.legacy then
		parts.type = "application/msrtc-adrl-categorylist+xml";
		parts.body = o.body or batch(self.user, self.contact, o.context);
	end
	self.credit = true;
	return self:request("SUBSCRIBE", parts, not self.established, function (response, reason)
		if not response then
			self.lost = reason;
		elseif response.status >= 200 then
			answered(self, response, o.expires, since);
		end
	end);
end

--- Say that it is to go on. options: expires.
function Watch:refresh(options)
	local o = options or {};
	o.context = false; -- it was added before
	return self:subscribe(o);
end

--- Say that it is over.
function Watch:unsubscribe()
	self.state = "leaving";
	return self:subscribe({ expires = 0, context = false });
end

--- The client has gone without a word. silent: nothing answers for it any more, else the Edge says 481.
function Watch:vanish(silent)
	self.state, self.silent = "gone", silent;
	if not silent then self.edge.dialogs[self.tag] = nil; end
end

local function heard(self, message)
	local word, params, doc = check.notify(self.edge, message, self);
	table.insert(self.notifies, { at = self.loop:now(), earliest = self.loop:earliest(), word = word, params = params, doc = doc,
		message = message });
	if doc then
		self.sees = doc;
		table.insert(self.history, doc.presence or "nothing");
		self.loop:note(self.user.address, string.format("sees %s %s%s", self.contact, tostring(doc.presence),
			doc.note and string.format(" %q", doc.note) or ""));
	end
	if word == "terminated" then self.state, self.reason = "terminated", params.reason; end
end

--- A NOTIFY of the bridge.
function Watch:take_request(transaction)
	local request = transaction.request;
	if self.state == "gone" then return; end
	if request.method ~= "NOTIFY" then
		self.edge:violate("method", request, "%s in a presence subscription", request.method);
		return self.edge:respond(transaction, { status = 405 });
	end
	heard(self, request);
	local rule = self.user:rule("NOTIFY");
	self.unanswered = { transaction = transaction, at = self.loop:now() };
	if rule.never then return; end
	self.loop:after(rule.after or 0, function ()
		self.unanswered = nil;
		self.edge:respond(transaction, { status = rule.status, reason = rule.reason, headers = self.user.failure_headers(rule) });
		if rule.status == 481 then self:vanish(); end
	end);
end

-- ------------------------------------------------------------------------------------------------------ waits --

function Watch:wait_active(seconds)
	self.loop:wait(function () return self.state ~= "asking" or self.lost; end, seconds or 5, "the answer to a SUBSCRIBE");
	if self.state ~= "active" and self.state ~= "terminated" then
		error("the subscription is " .. self.state .. ": " .. tostring(self.status or self.lost), 2);
	end
	return self;
end

function Watch:wait_refused(seconds)
	self.loop:wait(function () return self.state == "refused"; end, seconds or 5, "the refusal of a SUBSCRIBE");
	return self.status, self.response;
end

function Watch:wait_terminated(seconds)
	self.loop:wait(function () return self.state == "terminated"; end, seconds or 5, "the end of a subscription");
	return self.reason;
end

--- Wait until the last document says so. state: a state, or a function of the document; note: a text, or false (none).
function Watch:wait_sees(state, seconds, note)
	return self.loop:wait(function ()
		local doc = self.sees;
		if not doc then return; end
		local right = type(state) == "function" and state(doc) or doc.presence == state;
		return right and (note == nil or (doc.note or false) == note) and doc;
	end, seconds or 5, string.format("%s to see %s %s", self.user.address, self.contact, tostring(state)));
end

--- Wait for the next NOTIFY after number n (default: what there is now).
function Watch:wait_notify(n, seconds)
	n = n or #self.notifies;
	self.loop:wait(function () return #self.notifies > n; end, seconds or 5, "a NOTIFY to " .. self.user.address);
	return self.notifies[n + 1];
end

return Watch;
