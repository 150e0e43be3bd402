-- balance.lua: the rules of docs/chaos.md: what may have become of a message, from the ledgers of both sides; pure.
-- SPDX-License-Identifier: MIT
--
--	local b = balance.new { direction = "x2s"|"s2x"; sender = lines; receiver = lines;
--		events = { { kind, from, to, deaf, mortal } … };
--		calm = ms; partners = n; on_message = function (class, i, n, sent, seen) | nil }
--	for each conversation: b:evidence(sent, seen); then again: b:conversation(i, sent, seen); b.sums, b.problems
--
-- sent[n] = { at, seq, line, fates, token, second, fate_at, fate_line }, seen[n] = { at, seq, line, count, refused }; n from 0;
-- nil: never. Times are milliseconds; line: a number of `lines`, each { open, end_, how, direction, partner }, how = nil while it
-- stands. token "ok": the sender was told that it is delivered.

local balance = {};
local Balance = {};
Balance.__index = Balance;

local GRACE = 5000;     -- ms after the end of an event in which its consequences may still come
local BOUNCE = 10000;   -- ms that a late failure may take to the sender
local OUTCOME = 10000;  -- ms after which there is an outcome, whatever Lync does
local PROBLEMS_MAX = 50;

-- Errors that do not say whether it arrived.
local UNKNOWN = {
	x2s = { ["bridge-died"] = true; ["connection-lost"] = true; ["timeout"] = true; ["bridge-closed"] = true;
		["shutting-down"] = true };
	s2x = { ["connection"] = true; ["timeout"] = true; ["SIP 408"] = true; ["SIP 503"] = true; ["SIP 504"] = true };
};

function balance.new(world)
	local self = setmetatable({ problems = {}, problem_count = 0, read_to = {}, used = {} }, Balance);
	for key, value in pairs(world) do self[key] = value; end
	self.sums = { sent = 0, delivered = 0, unreceipted = 0, refused = 0, failed = 0, unknown = 0, late = 0, unread = 0,
		unanswered = 0, killed = 0, vanished = 0, bounce_lost = 0, calm = 0, tokens = {} };
	return self;
end

local function problem(self, rule, i, n, text)
	self.problem_count = self.problem_count + 1;
	if #self.problems < PROBLEMS_MAX then
		table.insert(self.problems, { rule = rule, conversation = i, n = n,
			text = ("%s %d/%d: %s: %s"):format(self.direction, i, n, rule, text) });
	end
end

local function note_use(self, line, at)
	self.used[line] = math.max(self.used[line] or 0, at);
end

--- First pass: how far each line of the sender was read, as far as anybody can tell, and when a stream to the partner was of use.
function Balance:evidence(sent, seen)
	for n, s in pairs(sent) do
		if self.direction == "x2s" and s.fates > 0 then note_use(self, s.fate_line, s.fate_at); end
		local r = seen[n];
		if self.direction == "s2x" and r then note_use(self, r.line, r.at); end
		if s.fates > 0 and s.token ~= "connection" and s.token ~= "timeout" or r then
			self.read_to[s.line] = math.max(self.read_to[s.line] or 0, s.seq);
		end
	end
end

-- When streams to the partner ended: at the latest when the next one was opened and nothing came on the old one any more. Who
-- has lost a connection without being told (half-open) learns it never.
local function ends(self)
	local lines, result = self.direction == "x2s" and self.sender or self.receiver, {};
	for id, line in pairs(lines) do
		if line.direction == "in" then
			local at = line.how and line.end_;
			for _, other in pairs(lines) do
				if other.direction == "in" and other.partner == line.partner and other.open > line.open
					and other.open >= (self.used[id] or 0) then
					at = math.min(at or math.huge, other.open);
				end
			end
			if at then table.insert(result, { id = id, at = at, partner = line.partner, how = line.how }); end
		end
	end
	return result;
end

-- Something was done to the processes or connections then.
local function disturbed(self, from, to)
	for _, event in ipairs(self.events) do
		if event.from <= to and from <= (event.to or math.huge) + GRACE then return event; end
	end
end

-- A stream to the partner which ended between `from` and `to`, and is not `but`: what was written to it and not read is gone,
-- and nobody is left who knows.
local function ended(self, partner, from, to, but)
	self.ends = self.ends or ends(self);
	for _, line in ipairs(self.ends) do
		if line.partner == partner and line.id ~= but and line.at >= from and line.at <= to then return true; end
	end
	return false;
end

local function next_where(list, n, last, wanted)
	for i = n + 1, last do
		if list[i] and wanted(list[i]) then return list[i]; end
	end
end

-- Prosody ended, or was killed, with the answer in its hands: waiting for a stream that was being made.
local function in_its_hands(self, from, to)
	for _, event in ipairs(self.events) do
		if event.mortal and event.from >= from and event.from <= to then return true; end
	end
end

-- Nobody at the partner took a connection then, so that an answer could not be given.
local function unreachable(self, from, to)
	for _, event in ipairs(self.events) do
		if event.deaf and event.from <= to and from <= (event.to or math.huge) + GRACE then return true; end
	end
end

-- A contact was told nothing: its server takes the gateway's word over streams of which it knows the end.
local function silent(self, i, n, s, r, last, sent)
	local line = self.sender[s.line];
	local lost = r and r.count > 0 and "unreceipted" or line and line.how == "killed" and "killed" or "unanswered";
	if self.direction == "s2x" then -- a Lync user's server has its own clock: only its death takes the outcome along
		if line and line.how == "killed" then return lost; end
		return problem(self, "silent", i, n, "no outcome");
	end
	if line and line.how and not r and s.seq > (self.read_to[s.line] or 0) then
		return line.how == "killed" and "killed" or "unread";
	end
	-- Receipts of a conversation come in order: its own was on a stream that had ended when the next one came.
	local later = next_where(sent, n, last, function (other) return other.token == "ok"; end);
	local by = later and later.fate_at or math.huge;
	if line and ended(self, line.partner, s.at, by, later and later.fate_line) or in_its_hands(self, s.at, by) then
		return lost;
	elseif unreachable(self, r and r.at or s.at, (r and r.at or s.at + OUTCOME) + GRACE) then
		return lost;
	end
	return problem(self, "silent", i, n, ("no outcome; sent at %d as %d of line %d, which was read to %d; arrived: %s"):format(
		s.at, s.seq, s.line, self.read_to[s.line] or 0, r and r.at or "no"));
end

-- The sender was told that it is delivered, and it is not.
local function vanished(self, i, n, s, last, seen)
	if self.direction == "s2x" then
		-- The gateway had written it to a stream of the partner's, which ended before it was read.
		local later = next_where(seen, n, last, function () return true; end);
		if ended(self, i % self.partners, s.at, later and later.at or math.huge, later and later.line) then
			return "vanished";
		end
	end
	return problem(self, "lost", i, n, "told that it is delivered");
end

local function refusal(self, i, n, s, r)
	if s.token ~= "ok" or s.second then return "refused"; end
	if self.direction == "s2x" and disturbed(self, r.at - GRACE, r.at + BOUNCE) then return "bounce_lost"; end
	return problem(self, "lost", i, n, "told that it is delivered, but it was refused");
end

-- A late failure comes on another connection than the 200, and may be there first.
local function failed_late(self, s)
	return self.direction == "s2x" and s.fates == 2
		and (s.token == "ok" and s.second == "imdn" or s.token == "imdn" and s.second == "ok");
end

local function with_outcome(self, i, n, s, r, last, seen)
	if s.fates > 1 and not failed_late(self, s) then
		return problem(self, "two outcomes", i, n, s.token.." and "..tostring(s.second));
	elseif r and r.refused > 0 then
		return refusal(self, i, n, s, r);
	elseif s.second then -- a failure after the 200
		if not r then return "late"; end
		return disturbed(self, s.at, s.fate_at) and "unknown" or problem(self, "delivered and failed", i, n, "late failure");
	elseif s.token == "ok" then
		return r and "delivered" or vanished(self, i, n, s, last, seen);
	elseif not r then
		return "failed";
	end
	if not UNKNOWN[self.direction][s.token] then
		return problem(self, "delivered and failed", i, n, s.token);
	elseif not disturbed(self, s.at, s.fate_at) then
		return problem(self, "unknown without a cause", i, n, s.token);
	end
	return "unknown";
end

local function judge(self, i, n, s, r, last, sent, seen)
	local kind;
	if r and r.count + r.refused > 1 then
		kind = problem(self, "doubled", i, n, ("arrived %d times"):format(r.count + r.refused));
	elseif s.fates == 0 then
		kind = silent(self, i, n, s, r, last, sent);
	else
		kind = with_outcome(self, i, n, s, r, last, seen);
	end
	self.sums.sent = self.sums.sent + 1;
	if kind then self.sums[kind] = self.sums[kind] + 1; end
	if self.on_message then self.on_message(kind or "wrong", i, n, s, r); end
	if s.fates > 0 and s.token ~= "ok" then self.sums.tokens[s.token] = (self.sums.tokens[s.token] or 0) + 1; end
	if self.calm and s.at >= self.calm then
		self.sums.calm = self.sums.calm + 1;
		if kind and kind ~= "delivered" and kind ~= "refused" and not disturbed(self, s.at, math.max(s.at, s.fate_at)) then
			problem(self, "not delivered in peace", i, n, kind.." "..tostring(s.token));
		end
	end
end

--- Second pass.
function Balance:conversation(i, sent, seen)
	local last, latest = -1, 0;
	for n in pairs(sent) do last = math.max(last, n); end
	for n in pairs(seen) do
		if not sent[n] then problem(self, "never sent", i, n, "but it arrived"); end
	end
	for n = 0, last do
		local s, r = sent[n], seen[n];
		if s then judge(self, i, n, s, r, last, sent, seen); end
		if r and r.seq < latest then
			problem(self, "out of order", i, n, "after a later one");
		end
		latest = math.max(latest, r and r.seq or 0);
	end
end

local CLASSES = { "delivered", "unreceipted", "refused", "failed", "late", "unknown", "unread", "unanswered", "vanished", "killed",
	"bounce_lost" };

--- Lines of a table.
function Balance:report()
	local sums, lines = self.sums, {};
	local total = 0;
	for _, class in ipairs(CLASSES) do
		total = total + sums[class];
		lines[#lines + 1] = ("  %-12s %9d"):format(class, sums[class]);
	end
	lines[#lines + 1] = ("  %-12s %9d"):format("wrong", self.problem_count);
	table.insert(lines, 1, ("%s: %d sent, %d of them in the peace at the end"):format(self.direction, sums.sent, sums.calm));
	local tokens = {};
	for token, count in pairs(sums.tokens) do tokens[#tokens + 1] = token.." "..count; end
	table.sort(tokens);
	lines[#lines + 1] = "  errors told: "..table.concat(tokens, ", ");
	return lines, total;
end

return balance;
