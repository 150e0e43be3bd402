-- traffic.lua: conversations both ways that go on while something happens to the gateway; what became of every message.
-- SPDX-License-Identifier: MIT
--
--	local t = Traffic.new(w, { pairs = 4, interval = 0.02, window = 8 })	-- people u1…, l1…, s1…; start t:run()
--	t:wait_flow(1); …; t:finish()
--	local sums = t:tally("x2s")	-- delivered, failed, unknown, lost, silent, twice, disorder, tokens
--
-- x2s: contact u<i> writes to l<i> and asks for receipts. s2x: s<i> writes to u<i>, in a conversation that s<i> opens
-- anew when it is gone. A message without a fate (receipt, error, final answer, end of its connection) counts as open;
-- of each pair at most `window` are. World options: Traffic.users(pairs).

local Traffic = {};
Traffic.__index = Traffic;

local RECEIPTS = "urn:xmpp:receipts";
local REOPEN = 0.05; -- seconds between two tries to open a conversation

local serial = 0;

function Traffic.users(pairs_n)
	local users = {};
	for i = 1, pairs_n do users["u" .. i .. "@fabrikam.com"] = "secret"; end
	return users;
end

local function new_flow(traffic, direction, i)
	return { traffic = traffic, direction = direction, i = i, list = {}, open = 0, last = 0, disorder = 0 };
end

local function new_message(flow)
	local n = #flow.list + 1;
	local entry = { n = n, at = flow.traffic.loop:now(), seen = 0, fates = {} };
	flow.list[n] = entry;
	flow.open = flow.open + 1;
	return entry, string.format("text %d-%d", flow.traffic.serial, n);
end

-- The sender is told: "ok", or an error's token.
local function fate(flow, entry, what)
	table.insert(entry.fates, what);
	entry.fate_at = flow.traffic.loop:now();
	if #entry.fates == 1 then flow.open = flow.open - 1; end
end

-- What belongs to an earlier traffic, which a failed test has left behind, is not counted.
local function entry_of(flow, text, form)
	local of, n = text:match(form);
	return tonumber(of) == flow.traffic.serial and flow.list[tonumber(n)] or nil;
end

local function seen(flow, text)
	local entry = entry_of(flow, text, "^text (%d+)%-(%d+)$");
	if not entry then return; end
	local n = entry.n;
	if n <= flow.last then flow.disorder = flow.disorder + 1; end
	flow.last = math.max(n, flow.last);
	entry.seen = entry.seen + 1;
end

-- ---------------------------------------------------------------------------------------------------- contacts --

local function say_x2s(self, i)
	local flow = self.x2s[i];
	local entry, text = new_message(flow);
	self.w:contact("u" .. i):message("l" .. i .. "@contoso.com", text, { id = string.format("x%d-%d", self.serial, entry.n),
		receipt = true });
end

local function take_stanza(self, i, stanza)
	local flow, other = self.x2s[i], self.s2x[i];
	local received = stanza:child("received", RECEIPTS);
	local entry = entry_of(flow, received and received.attr.id or stanza.attr.id or "", "^x(%d+)%-(%d+)$");
	if received then
		if entry then fate(flow, entry, "ok"); end
	elseif stanza.attr.type == "error" then
		local condition, _, text = stanza:error();
		if entry then fate(flow, entry, (text or ""):match("%(([%w-]+)%)") or condition); end
	elseif stanza.name == "message" and stanza:child("body") then
		seen(other, stanza:child_text("body"));
	end
end

-- -------------------------------------------------------------------------------------------------- Lync users --

local function open_s2x(self, i)
	local flow = self.s2x[i];
	flow.conversation = self.w:lync_user("s" .. i):open("u" .. i .. "@fabrikam.com", nil, { embed = false });
	flow.opened = (flow.opened or 0) + 1;
	flow.again = self.loop:now() + REOPEN;
end

local function say_s2x(self, i)
	local flow = self.s2x[i];
	local conversation = flow.conversation;
	if conversation.state == "failed" or conversation.state == "ended" then
		if self.loop:now() >= flow.again then open_s2x(self, i); end
	end
	if conversation.state ~= "open" then return; end
	local entry, text = new_message(flow);
	conversation:request("MESSAGE", { body = text, type = "text/plain; charset=UTF-8" }, false, function (response)
		if response and response.status < 200 then return; end
		local ok = response and response.status == 200;
		fate(flow, entry, ok and "ok" or response and tostring(response.status) or "connection");
		if not ok then conversation:finish("answered " .. tostring(response and response.status)); end
	end);
end

-- --------------------------------------------------------------------------------------------------------- all --

--- Log all contacts in and open all conversations. options: pairs (4), interval (0.02 s between two messages of one pair
-- and direction), window (8 open messages of it).
function Traffic.new(w, options)
	options = options or {};
	serial = serial + 1;
	local self = setmetatable({ w = w, serial = serial, loop = w.loop, n = options.pairs or 4, interval = options.interval or 0.02,
		window = options.window or 8, x2s = {}, s2x = {} }, Traffic);
	for i = 1, self.n do
		self.x2s[i], self.s2x[i] = new_flow(self, "x2s", i), new_flow(self, "s2x", i);
		w:lync_user("l" .. i):on_message(function (_, text) seen(self.x2s[i], text); end);
		w:contact("u" .. i):on_stanza(function (stanza) take_stanza(self, i, stanza); end);
		open_s2x(self, i);
	end
	-- A stock Prosody lets stanzas overtake those that have waited for its stream: the partner's is up before we count.
	w:contact("u1"):message("l1@contoso.com", "first");
	w:lync_user("l1"):wait_message("first", 10);
	for i = 1, self.n do self.s2x[i].conversation:wait_open(20); end
	return self;
end

--- Start talking.
function Traffic:run()
	self.running = true;
	self.loop:every(self.interval, function ()
		if not self.running then return false; end
		for i = 1, self.n do
			if self.x2s[i].open < self.window then say_x2s(self, i); end
			if self.s2x[i].open < self.window then say_s2x(self, i); end
		end
	end);
	return self;
end

--- All messages of a direction.
function Traffic:each(direction, fn)
	for _, flow in ipairs(self[direction]) do
		for _, entry in ipairs(flow.list) do fn(entry, flow); end
	end
end

--- How many have no fate yet.
function Traffic:open(direction)
	local count = 0;
	for _, flow in ipairs(self[direction]) do count = count + flow.open; end
	return count;
end

function Traffic:tally(direction)
	local sums = { sent = 0, delivered = 0, failed = 0, unknown = 0, lost = 0, silent = 0, twice = 0, disorder = 0, tokens = {} };
	self:each(direction, function (entry)
		local first = entry.fates[1];
		local kind = not first and "silent" or #entry.fates > 1 and "twice" or entry.seen > 1 and "twice"
			or first == "ok" and (entry.seen == 1 and "delivered" or "lost") or entry.seen == 1 and "unknown" or "failed";
		sums.sent, sums[kind] = sums.sent + 1, sums[kind] + 1;
		if first and first ~= "ok" then sums.tokens[first] = (sums.tokens[first] or 0) + 1; end
	end);
	for _, flow in ipairs(self[direction]) do sums.disorder = sums.disorder + flow.disorder; end
	return sums;
end

--- Wait until every pair has had `count` messages delivered that were sent from now on, in both directions.
function Traffic:wait_flow(count, seconds)
	local from = self.loop:now();
	local function flows()
		for _, direction in ipairs { "x2s", "s2x" } do
			for _, flow in ipairs(self[direction]) do
				local found = 0;
				for n = #flow.list, 1, -1 do
					local entry = flow.list[n];
					if entry.at < from then break; end
					if entry.fates[1] == "ok" and entry.seen > 0 then found = found + 1; end
				end
				if found < count then return false; end
			end
		end
		return true;
	end
	self.loop:wait(flows, seconds or 10, "traffic both ways");
	return self.loop:now() - from;
end

--- Stop talking; wait until every message has its fate, and what was delivered has arrived.
function Traffic:finish(seconds)
	self.running = false;
	self.loop:wait(function () return self:open("x2s") + self:open("s2x") == 0; end, seconds or 10, "a fate of every message");
	pcall(self.loop.within, self.loop, function () -- what is missing then is in the tally
		return self:tally("x2s").lost + self:tally("s2x").lost == 0;
	end, seconds or 10);
	return self:tally("x2s"), self:tally("s2x");
end

return Traffic;
