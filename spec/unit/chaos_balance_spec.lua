-- The judge of chaos: what is in order passes, and each way of losing, doubling or confusing a message is found.
-- SPDX-License-Identifier: MIT

local balance = require "spec.chaos.balance";

local N = 12;

-- Two conversations each way in which all is well; lines: 1 from the contacts' server, 2 to it, 3 of the Edge.
local function world(direction)
	local w = { direction = direction, events = {}, partners = 1, sent = {}, seen = {} };
	w.xmpp = { { open = 0, direction = "out", partner = 0, end_ = 0 }, { open = 0, direction = "in", partner = 0, end_ = 0 } };
	w.edge = { { open = 0, direction = "out", partner = 0, end_ = 0 } };
	w.sender, w.receiver = w.xmpp, w.edge;
	if direction == "s2x" then w.sender, w.receiver = w.edge, w.xmpp; end
	local seq = 0;
	for i = 0, 1 do
		w.sent[i], w.seen[i] = {}, {};
		for n = 0, N - 1 do
			seq = seq + 1;
			local at = 1000 + n * 100;
			w.sent[i][n] = { at = at, seq = seq, line = 1, fates = 1, token = "ok", fate_at = at + 20,
				fate_line = direction == "x2s" and 2 or 1 };
			w.seen[i][n] = { at = at + 10, seq = seq, line = direction == "x2s" and 1 or 2, count = 1, refused = 0 };
		end
	end
	return w;
end

local function judge(w)
	local b = balance.new(w);
	for i = 0, 1 do b:evidence(w.sent[i], w.seen[i]); end
	for i = 0, 1 do b:conversation(i, w.sent[i], w.seen[i]); end
	local rules = {};
	for _, problem in ipairs(b.problems) do rules[#rules + 1] = problem.rule; end
	return b, rules;
end

local function no_outcome(s)
	s.fates, s.token, s.fate_at, s.fate_line = 0, nil, 0, 0;
end

for _, direction in ipairs { "x2s", "s2x" } do
	describe("the balance of "..direction, function ()
		local w;
		before_each(function () w = world(direction); end);

		-- What came out: the class of one message, with all others in order; or the rule that it broke.
		local function is_class(class)
			local b, rules = judge(w);
			assert.same({}, rules);
			assert.equal(1, b.sums[class], class);
			assert.equal(2 * N - 1, b.sums.delivered);
		end
		local function is_problem(rule)
			local b, rules = judge(w);
			assert.same({ rule }, rules);
			assert.equal(2 * N, b.sums.sent);
			assert.equal(1, b.problem_count);
		end

		it("is in order when all are delivered", function ()
			local b, rules = judge(w);
			assert.same({}, rules);
			assert.equal(2 * N, b.sums.delivered);
			local _, total = b:report();
			assert.equal(2 * N, total);
		end);

		it("finds a message that arrived twice", function ()
			w.seen[1][4].count = 2;
			is_problem("doubled");
		end);

		it("finds one that arrived and was refused", function ()
			w.seen[1][4].refused = 1;
			is_problem("doubled");
		end);

		it("finds one that its sender thinks delivered", function ()
			w.seen[1][4] = nil;
			is_problem("lost");
		end);

		it("finds one of which nobody heard again", function ()
			w.seen[1][4] = nil;
			no_outcome(w.sent[1][4]);
			is_problem("silent");
		end);

		it("finds two that changed places", function ()
			local seen = w.seen[0];
			seen[6].seq, seen[7].seq = seen[7].seq, seen[6].seq;
			is_problem("out of order");
			seen[6].seq, seen[7].seq = seen[7].seq, seen[6].seq;
			seen[6].seq = 1000; -- before all that follow
			assert.equal(N - 7, judge(w).problem_count);
		end);

		it("finds one that was never sent", function ()
			w.sent[0][N - 1] = nil;
			local _, rules = judge(w);
			assert.same({ "never sent" }, rules);
		end);

		it("finds two outcomes", function ()
			w.sent[0][3].fates, w.sent[0][3].second = 2, "SIP 480";
			is_problem("two outcomes");
			w.sent[0][3].second = "ok";
			is_problem("two outcomes");
			w.sent[0][3].fates, w.sent[0][3].second = 3, "imdn";
			is_problem("two outcomes");
			if direction == "x2s" then
				w.sent[0][3].fates = 2;
				is_problem("two outcomes");
			end
		end);

		it("finds one that was delivered and called failed", function ()
			w.sent[0][3].token = direction == "x2s" and "SIP 480" or "SIP 404";
			is_problem("delivered and failed");
		end);

		it("takes an unknown outcome where something was killed, and nowhere else", function ()
			w.sent[0][3].token = direction == "x2s" and "bridge-died" or "connection";
			is_problem("unknown without a cause");
			w.events = { { kind = "worker-kill", from = 1305, to = 1310 } };
			is_class("unknown");
			w.events = { { kind = "worker-kill", from = 9000, to = 9010 } };
			is_problem("unknown without a cause");
			w.events = { { kind = "worker-kill", from = 9000 - 18000, to = 9010 - 18000 } };
			is_problem("unknown without a cause");
		end);

		it("takes an error for what did not arrive", function ()
			w.sent[0][3].token, w.seen[0][3] = "bridge-down", nil;
			is_class("failed");
		end);

		it("takes an error for what was refused, and nothing else", function ()
			w.seen[0][3].count, w.seen[0][3].refused = 0, 1;
			is_problem("lost");
			w.sent[0][3].token = "SIP 488";
			is_class("refused");
		end);

		it("wants everything delivered in peace", function ()
			w.calm = 1250;
			w.sent[0][3].token, w.seen[0][3] = "bridge-down", nil;
			is_problem("not delivered in peace");
			w.events = { { kind = "stall", from = 1200, to = 1301 } };
			assert.equal(0, judge(w).problem_count);
			w.events = { { kind = "stall", from = 1321, to = 1400 } };
			is_problem("not delivered in peace");
			w.calm = 1350;
			local b = judge(w);
			assert.equal(0, b.problem_count);
		end);
	end);
end

describe("the balance of x2s, of a stream that ended,", function ()
	local w;
	before_each(function () w = world("x2s"); end);

	-- The contacts' server had its stream end, and went on with number 4 after message `last` of either conversation.
	local function out_ends(how, last, at)
		w.xmpp[1].how, w.xmpp[1].end_ = how, at;
		w.xmpp[4] = { open = at, direction = "out", partner = 0 };
		for i = 0, 1 do
			for n = last + 1, N - 1 do w.sent[i][n].line = 4; end
		end
	end
	-- So did the gateway, with number 5.
	local function in_ends(last, at)
		w.xmpp[2].how, w.xmpp[2].end_ = "broken", at;
		w.xmpp[5] = { open = at, direction = "in", partner = 0 };
		for i = 0, 1 do
			for n = last + 1, N - 1 do w.sent[i][n].fate_line = 5; end
		end
	end
	local function lose(i, n)
		no_outcome(w.sent[i][n]);
		w.seen[i][n] = nil;
	end

	it("takes what was written last and not read", function ()
		out_ends("broken", 5, 1550);
		lose(1, 5);
		local b, rules = judge(w);
		assert.same({}, rules);
		assert.equal(1, b.sums.unread);
	end);

	it("calls it killed where the contacts' own server was", function ()
		out_ends("killed", 5, 1550);
		lose(1, 5);
		assert.equal(1, judge(w).sums.killed);
	end);

	it("does not take what was written before something that was read", function ()
		out_ends("broken", 5, 1550);
		lose(1, 4); -- number 5 was read
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("does not take it while the stream stands", function ()
		lose(1, N - 1);
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("takes an answer that was on its way", function ()
		in_ends(5, 1540);
		no_outcome(w.sent[1][5]);
		local b, rules = judge(w);
		assert.same({}, rules);
		assert.equal(1, b.sums.unreceipted);
		lose(1, 5);
		assert.equal(1, judge(w).sums.unanswered);
		w.seen[1][5] = { at = 1510, seq = 18, line = 1, count = 0, refused = 1 }; -- the error was
		assert.equal(1, judge(w).sums.unanswered);
	end);

	it("takes it from a stream whose end nobody told, once there is another", function ()
		in_ends(5, 1540);
		w.xmpp[2].how = nil;
		no_outcome(w.sent[1][5]);
		assert.equal(1, judge(w).sums.unreceipted);
		w.xmpp[2].how, w.xmpp[2].end_ = "broken", 9000; -- long after
		assert.equal(1, judge(w).sums.unreceipted);
		w.xmpp[5].partner = 1; -- the other one is of another partner
		w.xmpp[2].how = nil;
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
		w.xmpp[5].partner = 0;
		w.sent[0][9].fate_line = 2; -- but it was in use
		_, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("does not take a stream that ended after the next receipt had come", function ()
		in_ends(5, 1540);
		w.xmpp[5].open = 0; -- it had long been there
		w.xmpp[2].end_ = 1700;
		no_outcome(w.sent[1][5]);
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("does not take the stream by which the next receipt came, though it ended then", function ()
		w.xmpp[2].how, w.xmpp[2].end_ = "broken", w.sent[1][N - 1].fate_at;
		no_outcome(w.sent[1][N - 2]);
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("does not take it for what was called delivered", function ()
		in_ends(5, 1540);
		w.seen[1][5] = nil;
		local _, rules = judge(w);
		assert.same({ "lost" }, rules);
	end);

	it("does not take an answer that later ones on the same stream have overtaken", function ()
		in_ends(5, 1540);
		lose(1, 4);
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("does not take one that was sent after the end", function ()
		in_ends(5, 1540);
		lose(1, 6);
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("does not take the end of another partner's stream", function ()
		in_ends(5, 1540);
		w.xmpp[2].partner = 1;
		lose(1, 5);
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("takes what Prosody had in its hands when it was killed, and not before or after", function ()
		no_outcome(w.sent[1][5]);
		for _, from in ipairs { 1499, 1621 } do
			w.events = { { kind = "prosody-kill", from = from, to = from + 500, mortal = true } };
			local _, rules = judge(w);
			assert.same({ "silent" }, rules);
		end
		w.events[1].from = 1505;
		assert.equal(1, judge(w).sums.unreceipted);
		w.events[1].mortal = nil;
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
	end);

	it("takes an answer while the contacts' server took no connection", function ()
		lose(1, 5);
		w.events = { { kind = "wire-refuse", from = 1490, to = 1600 } };
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
		w.events[1].deaf = true;
		assert.equal(1, judge(w).sums.unanswered);
	end);
end);

describe("the balance of s2x, of a stream that ended,", function ()
	local w;
	before_each(function () w = world("s2x"); end);

	local function ends(last, at)
		w.xmpp[2].how, w.xmpp[2].end_ = "broken", at;
		w.xmpp[4] = { open = at, direction = "in", partner = 0 };
		for i = 0, 1 do
			for n = last + 1, N - 1 do w.seen[i][n].line = 4; end
		end
	end

	it("takes what was on it", function ()
		ends(5, 1540);
		w.seen[0][5] = nil;
		local b, rules = judge(w);
		assert.same({}, rules);
		assert.equal(1, b.sums.vanished);
	end);

	it("takes it where nobody told the end, once there is another", function ()
		ends(5, 1540);
		w.xmpp[2].how = nil;
		w.seen[0][5] = nil;
		assert.equal(1, judge(w).sums.vanished);
		w.seen[1][9].line = 2;
		local _, rules = judge(w);
		assert.same({ "lost" }, rules);
	end);

	it("does not take a stream that ended after the next one had come, or with it", function ()
		ends(5, 1540);
		w.xmpp[4].open = 0;
		w.xmpp[2].end_ = 1700;
		w.seen[0][5] = nil;
		local _, rules = judge(w);
		assert.same({ "lost" }, rules);
		w = world("s2x");
		w.xmpp[2].how, w.xmpp[2].end_ = "broken", w.seen[0][N - 1].at;
		w.seen[0][N - 2] = nil;
		_, rules = judge(w);
		assert.same({ "lost" }, rules);
	end);

	it("does not take what later ones on it have overtaken", function ()
		ends(5, 1540);
		w.seen[0][4] = nil;
		local _, rules = judge(w);
		assert.same({ "lost" }, rules);
	end);

	it("does not take what was sent after its end", function ()
		ends(5, 1540);
		w.seen[0][6] = nil;
		local _, rules = judge(w);
		assert.same({ "lost" }, rules);
	end);

	it("takes a late failure, and one that was lost when something was killed", function ()
		w.sent[0][3].fates, w.sent[0][3].second = 2, "imdn";
		w.seen[0][3] = nil;
		assert.equal(1, judge(w).sums.late);
		w.sent[0][3].token, w.sent[0][3].second = "imdn", "ok"; -- on another connection
		assert.equal(1, judge(w).sums.late);
		w.sent[0][3].fates, w.sent[0][3].token, w.sent[0][3].second = 1, "ok", nil;
		w.seen[0][3] = { at = 1310, seq = 4, line = 2, count = 0, refused = 1 };
		w.events = { { kind = "worker-kill", from = 1312, to = 1400 } };
		local b, rules = judge(w);
		assert.same({}, rules);
		assert.equal(1, b.sums.bounce_lost);
	end);

	it("does not take silence, whatever was killed", function ()
		no_outcome(w.sent[0][3]);
		w.events = { { kind = "prosody-kill", from = 1200, to = 1400 } };
		local _, rules = judge(w);
		assert.same({ "silent" }, rules);
		w.edge[1].how = "broken";
		_, rules = judge(w);
		assert.same({ "silent" }, rules);
		w.edge[1].how = "killed"; -- but for the sender's own server
		w.seen[0][3] = nil;
		assert.equal(1, judge(w).sums.killed);
	end);
end);
