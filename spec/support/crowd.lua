-- crowd.lua: many contacts of partners that are raw peers and raw servers: cheap enough for hundreds in a spec.
-- SPDX-License-Identifier: MIT
--
--	local crowd = Crowd.new(w, { "a.example"; "b.example" })	-- w.dns has their addresses
--	local c = crowd:contact("c1@a.example")
--	c:subscribe("u1@contoso.com"); c:wait("u1@contoso.com", "subscribed"); c:wait_sees("u1@contoso.com", "dnd")
--	c:show("u1@contoso.com", "away", "at lunch")	-- and so to every probe of a user whom it has approved
--	local id = c:message("u1@contoso.com", "hello"); c:fate(id)	--> "receipt" | condition, type, seconds
--
-- A contact approves every subscription (c.approves = false: it does not) and answers probes of those it has approved.

local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local xml = require "spec.support.xml";

local Crowd = {};
Crowd.__index = Crowd;
local Contact = {};
Contact.__index = Contact;

local RECEIPTS = "urn:xmpp:receipts";

local function bare(jid)
	return (jid or ""):match("^[^/]*");
end

local function called(element)
	return element.attr.type or element:child_text("show") or "available";
end

local function take(self, element)
	local contact = self.contacts[bare(element.attr.to)];
	if not contact then return; end
	element.at = self.loop:now();
	table.insert(contact.inbox, element);
	table.insert(contact.all, element);
	if element.name ~= "presence" then return; end
	local user, kind = element.attr.from, element.attr.type;
	if kind == "subscribe" and contact.approves then
		contact.approved[user] = true;
		contact:presence(user, "subscribed");
	elseif kind == "probe" and contact.approved[user] then
		contact:show(user, contact.shows, contact.status);
	elseif not kind or kind == "unavailable" then
		contact.seen[user] = element;
	end
end

function Crowd.new(w, domains)
	local self = setmetatable({ w = w, loop = w.loop, contacts = {}, streams = {} }, Crowd);
	self.cert = w.ca:issue("crowd", { names = domains });
	for _, domain in ipairs(domains) do
		s2s_server.new(self.loop, { domain = domain; ip = w.dns[domain]; cert = self.cert;
			on_stanza = function (element) take(self, element); end });
	end
	return self;
end

--- Send on the stream of a domain to a host of the gateway, which is made anew when it is closed. What is to be sent while it is
-- made (a contact answers from within the loop) waits for it.
function Crowd:send(domain, host, text)
	local key = domain .. " " .. host;
	local one = self.streams[key];
	if one and one.peer and not one.peer.closed then return one.peer:send(text); end
	if one and not one.peer then return table.insert(one.waiting, text); end
	one = { waiting = { text } };
	self.streams[key] = one;
	self.loop:beside(function (loop)
		local peer = s2s.connect(loop, { from = domain; to = host; ip = self.w.gateway.address; cert = self.cert });
		peer:authenticate("EXTERNAL");
		peer.loop, one.peer = self.loop, peer;
		for _, waiting in ipairs(one.waiting) do peer:send(waiting); end
	end);
end

function Crowd:contact(jid)
	if not self.contacts[jid] then
		self.contacts[jid] = setmetatable({ crowd = self, loop = self.loop, jid = jid, domain = jid:match("@(.*)$"), serial = 0,
			inbox = {}, all = {}, seen = {}, approved = {}, approves = true, shows = "available" }, Contact);
	end
	return self.contacts[jid];
end

function Contact:send(user, text)
	self.asked_at = self.loop:now();
	self.crowd:send(self.domain, user:match("@(.*)$"), text);
	return self;
end

function Contact:presence(user, kind, inside)
	return self:send(user, ("<presence from='%s%s' to='%s'%s>%s</presence>"):format(self.jid, inside and "/home" or "", user,
		kind and (" type='%s'"):format(kind) or "", inside or ""));
end

function Contact:subscribe(user) return self:presence(user, "subscribe"); end
function Contact:probe(user) return self:presence(user, "probe"); end

--- Tell a user how it is.
function Contact:show(user, show, status)
	self.shows, self.status = show, status;
	if show == "unavailable" then return self:presence(user, "unavailable", ""); end
	return self:presence(user, nil, (show ~= "available" and "<show>" .. show .. "</show>" or "")
		.. (status and "<status>" .. xml.escape(status) .. "</status>" or ""));
end

--- The next presence of a user of that name; given once.
function Contact:wait(user, what, seconds)
	return self.loop:wait(function ()
		for i, element in ipairs(self.inbox) do
			if element.name == "presence" and element.attr.from == user and called(element) == what then
				return table.remove(self.inbox, i);
			end
		end
	end, seconds or 5, ("%s of %s at %s"):format(what, user, self.jid));
end

--- How it sees a user: show or "unavailable", note; nil: was never told.
function Contact:sees(user)
	local element = self.seen[user];
	if element then return called(element), element:child_text("status"); end
end

function Contact:wait_sees(user, show, seconds)
	self.loop:wait(function () return self:sees(user) == show; end, seconds or 5, ("%s to see %s %s"):format(self.jid, user, show));
	return self.seen[user].at;
end

--- How many presences of that name came from a user.
function Contact:count(user, what)
	local n = 0;
	for _, element in ipairs(self.all) do
		if element.name == "presence" and element.attr.from == user and called(element) == what then n = n + 1; end
	end
	return n;
end

--- Write, with a request for a receipt: the id.
function Contact:message(user, text)
	self.serial = self.serial + 1;
	local id = "m" .. self.serial;
	self:send(user, ("<message from='%s/home' to='%s' type='chat' id='%s'><body>%s</body><request xmlns='%s'/></message>")
		:format(self.jid, user, id, xml.escape(text), RECEIPTS));
	return id;
end

--- What became of it.
function Contact:fate(id, seconds)
	local element = self.loop:wait(function ()
		for i, one in ipairs(self.inbox) do
			local received = one:child("received", RECEIPTS);
			if one.attr.id == id and one.attr.type == "error" or received and received.attr.id == id then
				return table.remove(self.inbox, i);
			end
		end
	end, seconds or 5, "the fate of " .. id .. " of " .. self.jid);
	if element.attr.type ~= "error" then return "receipt"; end
	local condition, kind, text = element:error();
	return condition, kind, text;
end

return Crowd;
