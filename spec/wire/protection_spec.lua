-- One partner does not bring trouble upon the others or upon Lync: its limits, the breaker, the pace of what is new.
-- SPDX-License-Identifier: MIT

local protection = require "spec.support.protection";

local user_name = protection.user;
local AT_ONCE = 0.5; -- seconds; nobody else was asked
local NOTIFY_INTERVAL = 0.3;

local function subscribes(w)
	return w.edge:count("in", "SUBSCRIBE");
end

-- Refused at once, for now, by us.
local function overloaded(contact, user, kind)
	local asked = subscribes(contact.crowd.w);
	if kind == "subscribe" then
		contact:subscribe(user);
		local element = contact:wait(user, "error", AT_ONCE);
		local condition, type_ = element:error();
		assert.equal("resource-constraint", condition);
		assert.equal("wait", type_);
		assert.equal(asked, subscribes(contact.crowd.w));
	else
		local condition, type_ = contact:fate(contact:message(user, "too much"), AT_ONCE);
		assert.equal("resource-constraint", condition);
		assert.equal("wait", type_);
	end
end

describe("limits of a partner", function ()
	local w, crowd;
	local A, B = "s%d@a.example", "s%d@b.example";
	setup(function ()
		w, crowd = protection.world("lync_gateway_settings = { partner_subscription_limit = 5; partner_recipient_limit = 8 }",
			{ notify_interval = 0.1 });
		for i = 1, 12 do w:lync_user(user_name(i)):publish("busy"); end
	end);
	teardown(function () w:finish(); end);

	local function subscribed(form, i)
		local contact = crowd:contact(form:format(i));
		contact:subscribe(user_name(i));
		contact:wait(user_name(i), "subscribed");
		contact:wait_sees(user_name(i), "dnd");
	end

	it("let so many subscriptions begin in an hour, and no more", function ()
		for i = 1, 5 do subscribed(A, i); end
		overloaded(crowd:contact("s6@a.example"), user_name(6), "subscribe");
		overloaded(crowd:contact("s1@a.example"), user_name(6), "subscribe");
		w.gateway:wait_log('token=subscription%-limit remote="a.example"');
	end);

	it("let what stands go on", function ()
		local s1 = crowd:contact("s1@a.example");
		s1:subscribe(user_name(1));
		s1:wait(user_name(1), "subscribed");
		w:lync_user(user_name(1)):publish("away");
		s1:wait_sees(user_name(1), "away");
	end);

	it("let it write to so many users, and no more", function ()
		local s1 = crowd:contact("s1@a.example");
		for i = 1, 8 do assert.equal("receipt", (s1:fate(s1:message(user_name(i), "hello")))); end
		overloaded(s1, user_name(9), "message");
		overloaded(crowd:contact("s7@a.example"), user_name(10), "message");
		w.gateway:wait_log('token=recipient%-limit remote="a.example"');
		assert.equal("receipt", (s1:fate(s1:message(user_name(8), "hello again"))));
		assert.equal(0, #w:lync_user(user_name(9)).received);
	end);

	it("are each partner's own", function ()
		for i = 6, 9 do subscribed(B, i); end
		local other = crowd:contact("s1@b.example");
		assert.equal("receipt", (other:fate(other:message(user_name(10), "hello"))));
	end);

	it("let a Lync user write and answer", function ()
		local conversation = w:lync_user(user_name(9)):open("s6@a.example", "hello", { embed = false }):wait_open();
		w.loop:wait(function ()
			local inbox = crowd:contact("s6@a.example").inbox;
			return inbox[#inbox] and inbox[#inbox]:child_text("body") == "hello";
		end);
		conversation:bye():wait();
		w:lync_user(user_name(9)):add("s6@a.example"):wait_active():wait_sees("available");
	end);

	it("begin anew each hour", function ()
		w:clock(3600);
		subscribed(A, 6);
		local s1 = crowd:contact("s1@a.example");
		assert.equal("receipt", (s1:fate(s1:message(user_name(9), "an hour later"))));
	end);
end);

describe("a partner most of whose requests Lync refuses", function ()
	local w, crowd, spammer;
	setup(function ()
		w, crowd = protection.world("", { notify_interval = 0.1 });
		spammer = crowd:contact("spam@c.example");
		for i = 1, 4 do w:lync_user(user_name(i)):publish("busy"); end
	end);
	teardown(function () w:finish(); end);

	it("is in quarantine when that are more than half of the last 50", function ()
		local ids = {};
		spammer:subscribe(user_name(1)); -- the first that goes well
		spammer:wait_sees(user_name(1), "dnd");
		for i = 1, 24 do ids[i] = spammer:message(user_name(1), "hello " .. i); end
		for _, id in ipairs(ids) do assert.equal("receipt", (spammer:fate(id))); end
		for i = 1, 25 do ids[i] = spammer:message(("nobody%d@contoso.com"):format(i), "hello"); end
		for i = 1, 25 do assert.equal("item-not-found", (spammer:fate(ids[i]))); end
		assert.equal("receipt", (spammer:fate(spammer:message(user_name(2), "half of them"))));
		assert.is_nil(w.gateway.process.output:find("quarantined partner", 1, true));
		for i = 26, 27 do ids[i] = spammer:message(("nobody%d@contoso.com"):format(i), "hello"); end
		w.gateway:wait_log('quarantined partner: [^\n]*remote="c.example"');
	end);

	it("is told so at once, whatever is new", function ()
		overloaded(spammer, user_name(1), "message");
		overloaded(spammer, user_name(3), "subscribe");
		overloaded(crowd:contact("innocent@c.example"), user_name(3), "message");
		overloaded(crowd:contact("innocent@c.example"), user_name(3), "subscribe");
		w.gateway:wait_log('token=partner%-quarantined remote="c.example"');
		assert.equal(0, #w:lync_user(user_name(3)).received);
	end);

	it("keeps what stands", function ()
		w:lync_user(user_name(1)):publish("away");
		spammer:wait_sees(user_name(1), "away");
		spammer:probe(user_name(1));
		spammer:wait(user_name(1), "away");
	end);

	it("does no harm to another", function ()
		local other = crowd:contact("good@b.example");
		assert.equal("receipt", (other:fate(other:message(user_name(3), "hello"))));
		other:subscribe(user_name(3));
		other:wait_sees(user_name(3), "dnd");
	end);

	it("is let out after ten minutes", function ()
		w:clock(590);
		overloaded(spammer, user_name(1), "message");
		w:clock(15);
		assert.equal("receipt", (spammer:fate(spammer:message(user_name(1), "sorry"))));
		spammer:subscribe(user_name(4));
		spammer:wait_sees(user_name(4), "dnd");
	end);
end);

describe("the pace", function ()
	local w, crowd;
	local RATE, MANY = 20, 50;
	setup(function () w, crowd = protection.world("", { notify_interval = NOTIFY_INTERVAL; watch_rate = RATE }); end);
	teardown(function () w:finish(); end);

	it("of new subscriptions is watch_rate, and nothing else waits for them", function ()
		local times = {};
		for i = 1, MANY do
			w:lync_user(user_name(i)):publish("busy");
			crowd:contact("c1@a.example"):subscribe(user_name(i));
		end
		local c2 = crowd:contact("c2@b.example");
		local from = w.loop:served();
		assert.equal("receipt", (c2:fate(c2:message(user_name(1), "meanwhile"))));
		assert.is_true(w.loop:served() - from < 0.8 * MANY / RATE);
		assert.is_true(subscribes(w) < MANY);
		for i = 1, MANY do crowd:contact("c1@a.example"):wait_sees(user_name(i), "dnd", 10); end
		for _, entry in ipairs(w.edge.messages) do
			if entry.direction == "in" and entry.message.method == "SUBSCRIBE" then times[#times + 1] = entry; end
		end
		assert.equal(MANY, #times);
		for i = 1, MANY - RATE do
			local took = times[i + RATE].at - times[i].earliest;
			assert.is_true(took > 0.85, ("%d in %.2f s"):format(RATE + 1, took));
		end
		assert.is_true(times[MANY].earliest - times[1].at < 4 * MANY / RATE);
	end);

	it("of news to Lync is notify_interval, and the last is always told", function ()
		local contact, user = crowd:contact("busy@a.example"), w:lync_user("watcher@contoso.com");
		local watch = user:add(contact.jid):wait_active();
		watch:wait_sees("available");
		local before, last = #watch.notifies, nil;
		for i = 1, 30 do
			last = "change " .. i;
			contact:show(user.address, i % 2 == 0 and "away" or "dnd", last);
			w.loop:never(function () return false; end, 0.02);
		end
		watch:wait_sees("away", 5, last);
		w.loop:never(function () return false; end, 2 * NOTIFY_INTERVAL);
		local told = #watch.notifies - before;
		assert.is_true(told >= 2 and told <= 6, told);
		for i = before + 2, #watch.notifies do
			assert.is_true(watch.notifies[i].at - watch.notifies[i - 1].earliest > 0.9 * NOTIFY_INTERVAL);
		end
		assert.equal(last, watch.sees.note);
	end);
end);
