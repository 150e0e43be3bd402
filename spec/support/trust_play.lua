-- trust_play.lua: plays the pairs of trust.lua: contacts behind raw servers, Lync users behind the stand-in, all at once.
-- SPDX-License-Identifier: MIT
--
--	local play = Play.new(list)
--	play:run(seconds)	-- then pair.actual has the facts of trust.expected(), pair.problem what stopped it
--	play:finish()
--
-- Each pair is a coroutine (together.lua).

local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local sip = require "spec.support.sip";
local together = require "spec.support.together";
local trust = require "spec.support.trust";
local World = require "spec.support.world";
local xml = require "spec.support.xml";

local Play = {};
Play.__index = Play;

local AT_ONCE, PATIENCE = 40, 15;
local STATES, RECEIPTS = "http://jabber.org/protocol/chatstates", "urn:xmpp:receipts";
local CATEGORIES = "application/msrtc-event-categories+xml";
local VERIFICATION = "ms-asserted-verification-level";

local function bare(jid)
	return (jid or ""):match("^[^/]*");
end

-- ------------------------------------------------------------------------------------------------------ world --

-- Contacts of a domain: a server that takes what is for them, and a stream to each host.
local function start_domain(self, domain)
	s2s_server.new(self.loop, { domain = domain; ip = self.w.dns[domain]; cert = self.cert; on_stanza = function (element)
		local pair = self.by_contact[bare(element.attr.to)];
		if not pair then return; end
		table.insert(pair.inbox, element);
		table.insert(pair.all, element);
		if element.attr.type == "probe" and pair.answers_probe then pair.answers_probe(); end
	end });
end

function Play:stream(domain, host)
	local key = domain .. " " .. host;
	if not self.streams[key] then
		self.streams[key] = s2s.connect(self.loop, { from = domain; to = host; ip = self.w.gateway.address; cert = self.cert });
		self.streams[key]:authenticate("EXTERNAL");
	end
	return self.streams[key];
end

-- Whose a message of the bridge is: the contact, and the user.
local function ends_of(self, message)
	local from, to = sip.who(sip.get(message, "From") or ""), sip.who(sip.get(message, "To") or "");
	return self.by_contact[from] or self.by_contact[to], from;
end

-- What Lync was told, pair by pair.
local function watch_edge(self)
	function self.w.edge.on_message(direction, message)
		local pair, from = ends_of(self, message);
		if direction ~= "in" or not pair then return; end
		local _, method = sip.cseq(message);
		if message.status ~= 100 and method ~= "ACK" and method ~= "CANCEL" then
			local level = (sip.get(message, VERIFICATION) or "none"):match("=(.*)$") or "none";
			pair.levels[level] = message;
		end
		local tagged = sip.params(sip.get(message, "To") or "").tag;
		if message.method and from == pair.contact and not tagged then
			pair.requests[message.method] = (pair.requests[message.method] or 0) + 1;
			if sip.has(message, "Accept", CATEGORIES) then pair.actual.asks_notes = true; end
		end
	end
end

local function watch_log(self)
	self.w.gateway.process.on_line = function (line)
		local what, token, remote = line:match('refused (%a+): [^\n]*token=([%w-]+) remote="([^"]*)"');
		if not what then
			what, token, remote = line:match('failed (message): [^\n]*token=([%w-]+) [^\n]*remote="([^"]*)"');
		end
		if not what then return; end
		self.tokens[remote] = self.tokens[remote] or {};
		local key = what .. " " .. token;
		self.tokens[remote][key] = (self.tokens[remote][key] or 0) + 1;
	end;
end

--- A gateway with all settings. options: of World.new, besides.
function Play.new(list, options)
	local self = setmetatable({ list = list; by_contact = {}; streams = {}; tokens = {} }, Play);
	local dns, also, verified, notes = {}, {}, {}, {};
	for _, kind in ipairs(trust.KINDS) do
		for _, state in ipairs(trust.STATES) do
			local domain = trust.domain(kind, state);
			dns[domain] = ports.address(domain);
			verified[domain] = trust.level(kind);
			notes[domain] = kind == "federated";
		end
	end
	for _, host in ipairs(trust.HOSTS) do
		if host ~= "contoso.com" then also[host] = trust.settings(list, host); end
	end
	local all = { partner = false; partners = trust.partners(); dns = dns; also = also;
		wire = { notify_interval = 0.1; watch_rate = 0; typing_interval = 0.1 };
		edge = { contacts = trust.domains(); presence = { verified = verified; notes = notes; notify_interval = 0.1;
			subscribe_rate = false } } };
	for key, value in pairs(options or {}) do all[key] = value; end
	self.w = World.new(all);
	self.loop = together(self.w.loop);
	self.cert = self.w.ca:issue("partners", { names = trust.domains() });
	watch_edge(self);
	watch_log(self);
	for _, domain in ipairs(trust.domains()) do start_domain(self, domain); end
	for _, pair in ipairs(list) do self:enroll(pair); end
	return self;
end

--- Make a pair known: { contact, user, … }.
function Play:enroll(pair)
	pair.inbox, pair.all, pair.levels, pair.requests, pair.actual, pair.serial = {}, {}, {}, {}, {}, 0;
	pair.refused_with = {};
	self.by_contact[pair.contact] = pair;
	return pair;
end

--- All pairs; afterwards what is under way has come.
function Play:run(seconds)
	local from = self.loop:now();
	for _, domain in ipairs(trust.domains()) do
		for _, host in ipairs(trust.HOSTS) do self:stream(domain, host); end
	end
	self.loop:together(self.list, AT_ONCE, seconds, function (pair) self:play(pair); end, function (pair, problem)
		pair.problem = problem;
	end);
	self.loop:never(function () return false; end, 0.3);
	for _, pair in ipairs(self.list) do self:count(pair); end
	self.seconds = self.loop:now() - from;
end

function Play:finish()
	self.w:finish();
end

-- ----------------------------------------------------------------------------------------------------- actions --

function Play:say(pair, text)
	self:stream(pair.domain, pair.host):send(text);
end

--- The contact sends a presence. inside: raw XML.
function Play:presence(pair, kind, inside)
	self:say(pair, ("<presence from='%s%s' to='%s'%s>%s</presence>"):format(pair.contact, inside and "/home" or "", pair.user,
		kind and (" type='%s'"):format(kind) or "", inside or ""));
end

--- Wait for the next stanza to the contact for which matches(element) holds; given once.
function Play:next(pair, matches, what)
	return self.loop:wait(function ()
		for i, element in ipairs(pair.inbox) do
			if matches(element) then return table.remove(pair.inbox, i); end
		end
	end, PATIENCE, what);
end

local function presence_of(pair, ...)
	local kinds = {};
	for _, kind in ipairs { ... } do kinds[kind] = true; end
	return function (element)
		return element.name == "presence" and element.attr.from == pair.user and kinds[element.attr.type or "available"];
	end
end

-- The answer to something about presence: its type, or how the user is.
local function shown(element)
	if element.attr.type then return element.attr.type; end
	return { show = element:child_text("show") or "available"; note = element:child_text("status") };
end

local function typing(self, pair)
	self:say(pair, ("<message from='%s/home' to='%s' type='chat'><composing xmlns='%s'/></message>")
		:format(pair.contact, pair.user, STATES));
end

--- The contact writes: "receipt", or the error's condition; and the element.
function Play:write(pair, text)
	pair.serial = pair.serial + 1;
	local id = ("m%d"):format(pair.serial);
	self:say(pair, ("<message from='%s/home' to='%s' type='chat' id='%s'><body>%s</body><request xmlns='%s'/></message>")
		:format(pair.contact, pair.user, id, xml.escape(text), RECEIPTS));
	local answer = self:next(pair, function (element)
		local received = element:child("received", RECEIPTS);
		return element.attr.id == id or received and received.attr.id == id;
	end, "the fate of " .. text);
	return answer:child("received") and "receipt" or (answer:error()), answer;
end

-- ------------------------------------------------------------------------------------------------------- plays --

-- The Lync user adds the contact, who answers as the state says.
local function add(self, pair, user)
	local watch = user:add(pair.contact);
	pair.watch = watch;
	self.loop:wait(function () return watch.state ~= "asking"; end, PATIENCE, "an answer to the SUBSCRIBE");
	pair.actual.added = watch.status == 200 and 200 or "refused";
	pair.refused_with[#pair.refused_with + 1] = watch.status ~= 200 and watch.status or nil;
	if watch.status ~= 200 then return; end
	self:next(pair, presence_of(pair, "subscribe"), "the prompt");
	local function online()
		self:presence(pair, nil, "<show>away</show><status>at lunch</status>");
	end
	if pair.state == "approved" then
		pair.answers_probe = online;
		self:presence(pair, "subscribed");
		watch:wait_sees("away", PATIENCE);
	elseif pair.state == "denied" then
		self:presence(pair, "unsubscribed");
	end
end

local function contact_begins(self, pair, user)
	local a = pair.actual;
	self:presence(pair, "probe");
	a.probe = shown(self:next(pair, presence_of(pair, "unsubscribed", "available", "unavailable"), "an answer to the probe"));
	typing(self, pair);
	a.message = self:write(pair, "first");
	typing(self, pair);
	self:presence(pair, "subscribe");
	a.subscribe = shown(self:next(pair, presence_of(pair, "subscribed", "unsubscribed", "error"), "an answer to subscribe"));
	if a.subscribe == "subscribed" then
		a.sees = shown(self:next(pair, presence_of(pair, "available"), "the user's presence"));
	end
	self:presence(pair, "probe");
	a.probe_again = shown(self:next(pair, presence_of(pair, "unsubscribed", "available", "unavailable"), "an answer to the probe"));
	user:publish("away", "back soon");
	if a.subscribe == "subscribed" then a.news = shown(self:next(pair, presence_of(pair, "available"), "the news")); end
end

local function user_writes(self, pair, user)
	local a = pair.actual;
	local conversation = user:open(pair.contact, "hello", { embed = false });
	self.loop:wait(function () return conversation.state ~= "opening"; end, PATIENCE, "an answer to the INVITE");
	if conversation.state == "open" then
		a.written = self:next(pair, function (element) return element:child("body"); end, "the text"):child_text("body");
		a.reply = self:write(pair, "reply");
		typing(self, pair);
		self.loop:wait(function () return #user.typing > (a.message == "receipt" and 1 or 0); end, PATIENCE, "that it types");
		conversation:typing(true);
		self:next(pair, function (element) return element:child("composing", STATES); end, "that she types");
		a.composing = true;
	else
		a.written = "refused";
		table.insert(pair.refused_with, conversation.status);
		a.reply = self:write(pair, "reply");
	end
	for _, one in ipairs(user.conversations) do
		if one.state == "open" then one:bye():wait(); end
	end
	a.after_end = self:write(pair, "afterwards");
end

--- What a pair does.
function Play:play(pair)
	local user = self.w:lync_user(pair.user):publish("dnd", "in the lab");
	if pair.state ~= "unlisted" then add(self, pair, user); end
	contact_begins(self, pair, user);
	user_writes(self, pair, user);
end

--- What came of it in the end.
function Play:count(pair)
	local a, user, prompts = pair.actual, self.w:lync_user(pair.user), 0;
	for _, element in ipairs(pair.all) do
		if element.attr.type == "subscribe" then prompts = prompts + 1; end
	end
	local doc = pair.watch and pair.watch.sees;
	a.prompts, a.user_sees, a.user_note = prompts, doc and doc.presence, doc and doc.note;
	a.texts, a.typed = {}, #user.typing;
	for i, entry in ipairs(user.received) do a.texts[i] = entry.text; end
	a.SUBSCRIBE, a.INVITE = pair.requests.SUBSCRIBE or 0, pair.requests.INVITE or 0;
end

-- --------------------------------------------------------------------------------------------------- no probing --

local function plain(text)
	return (text:gsub("%p", "%%%0"));
end

-- An element with everything in it, in one line, apart from the addresses of the two and ids.
local function written(element, pair)
	if type(element) == "string" then return element; end
	local parts, attrs = { element.xmlns .. " " .. element.name }, {};
	for name, value in pairs(element.attr) do
		if name ~= "id" or element.attr.type == "error" or element.attr.type == "result" then
			attrs[#attrs + 1] = name .. "=" .. value:gsub(plain(pair.user), "USER"):gsub(plain(pair.contact), "CONTACT");
		end
	end
	table.sort(attrs);
	for _, list in ipairs { attrs; element.children } do
		for _, one in ipairs(list) do parts[#parts + 1] = written(one, pair); end
	end
	return "<" .. table.concat(parts, " ") .. ">";
end

--- Send all texts (USER, CONTACT: the addresses), and what came of it in some seconds, sorted.
function Play:provoke(pair, texts, seconds)
	for _, text in ipairs(texts) do self:say(pair, (text:gsub("USER", pair.user):gsub("CONTACT", pair.contact))); end
	local deadline = self.loop:now() + seconds;
	self.loop:wait(function () return self.loop:now() > deadline; end, seconds + 5);
	local lines = {};
	for i, element in ipairs(pair.all) do lines[i] = written(element, pair); end
	table.sort(lines);
	return lines;
end

return Play;
