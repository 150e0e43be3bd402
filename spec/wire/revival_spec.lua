-- Fifty subscriptions each way outlive the worker and Prosody, killed without warning: nobody is asked twice, nobody is shown as
-- present who is not or of whom nothing is known, and Lync is asked anew at its pace.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local protection = require "spec.support.protection";

local MANY, RATE = 50, 20;
local STALE = 60; -- seconds that what was shown may be unsure, docs/core.md; with MANY / RATE for all to be asked anew

describe("fifty subscriptions each way", function ()
	local w, crowd;
	local unavailable = {}; -- contacts who have been told so, how often they should be
	local user_of = protection.user;

	local function user(i) return w:lync_user(user_of(i)); end
	local function contact(i) return crowd:contact(("c%d@%s.example"):format(i, i % 2 == 0 and "a" or "b")); end

	local function each(fn, from, to)
		for i = from or 1, to or MANY do fn(i, contact(i), user(i)); end
	end

	setup(function ()
		w, crowd = protection.world("", { notify_interval = 0.1; watch_rate = RATE });
		each(function (i, c, u)
			unavailable[i] = 0;
			u:publish("busy", "before");
			c:show(u.address, "away", "before");
			c:subscribe(u.address);
			u:add(c.jid);
		end);
		each(function (_, c, u)
			c:wait_sees(u.address, "dnd", 10);
			u:wait_sees(c.jid, "away", 10);
		end);
	end);
	teardown(function () w:finish(); end);

	local function workers()
		return select(2, w.gateway.process.output:gsub("started worker: ready", ""));
	end

	-- While nobody is there to be told: one is offline, of the other nothing will be known, some contacts change.
	local function meanwhile(gone, quiet)
		each(function (i, _, u)
			u.mute = true;
			u:publish("offline");
			u.mute = nil;
			unavailable[i] = unavailable[i] + 1;
		end, gone, gone + 4);
		each(function (i, _, u)
			u:answers("SUBSCRIBE", 480);
			unavailable[i] = unavailable[i] + 1;
		end, quiet, quiet + 4);
	end

	-- Their clients notice that the subscription is gone, and ask anew.
	local function refresh_all()
		local sent = {};
		each(function (i, c, u) sent[i] = u:watch_of(c.jid):refresh(); end);
		each(function (i, _, u)
			assert.equal(481, (sent[i]:wait(10)));
			u:log_on();
		end);
	end

	-- The first to each; of whom nothing is to be known is asked again after 10 s, where this takes so long.
	local function subscribed_since(from, quiet)
		local times, asked = {}, {};
		for i = quiet, quiet + 4 do asked["sip:" .. user_of(i)] = 0; end
		for i = from, #w.edge.messages do
			local entry = w.edge.messages[i];
			local uri = entry.direction == "in" and entry.message.method == "SUBSCRIBE" and entry.message.uri;
			if uri and asked[uri] ~= 1 then times[#times + 1] = entry; end
			if uri and asked[uri] then asked[uri] = 1; end
		end
		return times;
	end

	-- All of it is back after a death that left the transcript at message number `from`.
	local function back(from, gone, quiet)
		local began, served = w.loop:now(), w.loop:served();
		each(function (i, c, u)
			local is_quiet = i >= quiet and i < quiet + 5;
			if not is_quiet then u:wait_watched(c.jid, 15); end
		end);
		refresh_all();
		each(function (_, c, u) c:wait_sees(u.address, "unavailable", 10); end, gone, gone + 4);
		each(function (_, c, u) u:wait_sees(c.jid, "away", 10); end);
		local times = subscribed_since(from, quiet);
		assert.equal(MANY, #times);
		-- a worker that stood still has saved up some: then it is not the pace that is measured
		if w.loop:now() - began - (w.loop:served() - served) > 0.2 then
			return print("# revival: the pace was not measured, for the machine stood still");
		end
		local all = times[MANY].at - times[1].earliest;
		assert.is_true(all > 0.9 * (MANY - 1) / RATE, ("%d in %.2f s"):format(MANY, all));
		for i = 1, MANY - RATE do
			local took = times[i + RATE].at - times[i].earliest;
			assert.is_true(took > 0.85, ("%d in %.2f s"):format(RATE + 1, took));
		end
	end

	-- Those of whom nothing is known are shown as they were, for a minute; then not.
	local function stale(quiet)
		local function shown() return contact(quiet):sees(user_of(quiet)); end
		local function wake() contact(MANY):probe(user_of(MANY)); end -- its timer does not know that the clock was set
		w:clock(STALE - 15);
		wake();
		w.loop:never(function () return shown() ~= "dnd"; end, 0.3, "the end of what is not old yet");
		w:clock(15 + MANY // RATE + 2);
		wake();
		each(function (_, c, u) c:wait_sees(u.address, "unavailable", 5); end, quiet, quiet + 4);
	end

	local function nobody_was_asked_again()
		local problems = {};
		each(function (i, c, u)
			local got = { c:count(u.address, "subscribe"); c:count(u.address, "subscribed"); c:count(u.address, "unsubscribed");
				c:count(u.address, "unavailable"); #u.prompts };
			local text = table.concat(got, " ");
			local wanted = table.concat({ 1; 1; 0; unavailable[i]; 1 }, " ");
			if text ~= wanted then problems[#problems + 1] = ("%d: %s, not %s"):format(i, text, wanted); end
		end);
		assert.equal(0, #problems, "subscribe, subscribed, unsubscribed, unavailable, prompts: " .. table.concat(problems, "; "));
	end

	-- News cross both ways, all fifty.
	local function alive(note)
		each(function (_, c, u)
			u:publish("brb", note);
			c:show(u.address, "dnd", note);
		end, 31);
		each(function (_, c, u)
			w.loop:wait(function ()
				local show, text = c:sees(u.address);
				return show == "away" and text == note;
			end, 10, "news for " .. c.jid);
			u:wait_sees(c.jid, "dnd", 10, note);
			c:show(u.address, "away", note);
			u:publish("busy", note);
			c:wait_sees(u.address, "dnd");
		end, 31);
		each(function (_, c, u) u:wait_sees(c.jid, "away", 10); end, 31);
	end

	it("outlive a kill -9 of the worker", function ()
		local from, before = #w.edge.messages + 1, workers();
		w.edge:orphan();
		process.kill(w:worker_pid(), "KILL");
		meanwhile(1, 6);
		w.loop:wait(function () return workers() > before; end, 15, "the next worker");
		back(from, 1, 6);
		stale(6);
		nobody_was_asked_again();
		alive("after the worker");
	end);

	it("outlive a kill -9 of Prosody", function ()
		local search = ("grep -rhsE '\"ag [0-9]' %s | wc -l"):format(process.quote(w.gateway.directory .. "/data"));
		w.loop:wait(function ()
			local f = assert(io.popen(search));
			local count = f:read("n");
			f:close();
			return count == MANY;
		end, 10, "all pairs to be on disk");
		each(function (_, c, u)
			u:answers("SUBSCRIBE", 200);
			u:publish("busy", "again");
			c.shows = "away";
		end, 1, 10);
		local worker = w:worker_pid();
		process.kill(w.gateway.process.pid, "KILL");
		w.loop:wait(function () return not w.gateway.process:running() and not process.alive(worker); end, 5, "the end of both");
		local from = #w.edge.messages + 1; -- what was tried once more until then is nothing of what comes now
		w.edge:orphan();
		meanwhile(16, 21);
		w.gateway:start();
		w.loop:wait(function () return workers() > 0; end, 15, "a worker");
		back(from, 16, 21);
		each(function (_, c, u) c:wait_sees(u.address, "dnd", 10); end, 1, 10); -- of whom nothing was known
		stale(21);
		nobody_was_asked_again();
		alive("after Prosody");
	end);
end);
