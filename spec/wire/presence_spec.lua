-- A contact watches a Lync user: subscription, state, changes, end, and what becomes of it when Lync refuses, fails or forgets;
-- with real servers and real TLS.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local sip = require "spec.support.sip";

local ROMEO = "romeo@fabrikam.com";
local NICK = "http://jabber.org/protocol/nick";
local PACE = 0.2; -- seconds between two NOTIFYs here

-- What a Lync user publishes, and what a contact sees.
local STATES = { available = "available"; idle = "away"; busy = "dnd"; meeting = "dnd"; phone = "dnd"; ["busy-idle"] = "dnd";
	dnd = "dnd"; brb = "away"; away = "away"; ["off-work"] = "xa"; offline = "unavailable" };

-- SUBSCRIBEs of the bridge to that user, oldest first.
local function subscribes(w, address)
	local list = {};
	for _, entry in ipairs(w.edge.messages) do
		local m = entry.message;
		if entry.direction == "in" and m.method == "SUBSCRIBE" and sip.who(sip.get(m, "To")) == address then list[#list + 1] = m; end
	end
	return list;
end

local function names(element)
	local list = {};
	for i, child in ipairs(element:childs()) do list[i] = child.name; end
	return table.concat(list, " ");
end

local function attributes(element)
	local list = {};
	for key in pairs(element.attr) do
		if not key:find("\1lang", 1, true) then list[#list + 1] = key; end
	end
	table.sort(list);
	return table.concat(list, " ");
end

describe("a contact", function ()
	local w, romeo, serial;
	setup(function ()
		w = World.new { wire = { notify_interval = PACE } };
		romeo, serial = w:contact("romeo", { roster = true }), 0;
	end);
	teardown(function () w:finish(); end);

	-- A new Lync user who is in that state, and the address.
	local function somebody(state, note)
		serial = serial + 1;
		local user = w:lync_user("user" .. serial, "User " .. serial);
		return user:publish(state or "available", note), user.address;
	end

	-- One whom romeo sees.
	local function watched(state, note)
		local user, address = somebody(state, note);
		romeo:subscribe(address);
		romeo:wait_presence(address, "subscribed");
		romeo:wait_sees(address, STATES[state or "available"], 5, note or false);
		return user, address, user:wait_watched(ROMEO);
	end

	it("subscribes: Lync accepts at once, the state follows", function ()
		local user, address, subscription = watched("busy", "in the lab");
		romeo:wait_roster(address, "to");
		assert.equal(1, #user.prompts);
		assert.is_true(user.prompts[1].display ~= "");
		assert.equal("active", subscription.state);
		assert.equal(1, romeo:count_presence(address, "subscribed"));
		assert.equal(0, romeo:count_presence(address, "subscribe")); -- nobody has added romeo
		local subscribe = subscribes(w, address)[1];
		assert.equal("28800", sip.get(subscribe, "Expires"));
		assert.equal(1, #subscribes(w, address));
	end);

	it("gets stanzas of exactly this form", function ()
		local user, address = watched("busy", "x < y & z");
		local _, _, element = romeo:sees(address);
		assert.equal(address, element.attr.from);
		assert.matches("^romeo@fabrikam%.com", element.attr.to);
		assert.equal("from to", attributes(element));
		assert.equal("show status nick", names(element));
		assert.equal("dnd", element:child_text("show"));
		assert.equal("x < y & z", element:child_text("status"));
		assert.equal(user.display, element:child("nick", NICK):text());
		user:publish("available");
		element = romeo:wait_sees(address, "available", 5, false);
		assert.is_nil(element.attr.type);
		assert.equal("nick", names(element));
		user:publish("offline", "not told");
		element = romeo:wait_sees(address, "unavailable");
		assert.equal("from to type", attributes(element));
		assert.is_nil(element:child("show") or element:child("nick"));
	end);

	it("sees every change, and the note with it", function ()
		local user, address = watched();
		for state, show in pairs(STATES) do
			if state ~= "offline" then
				user:publish(state, "note " .. state);
				romeo:wait_sees(address, show, 5, "note " .. state);
			end
		end
		user:publish("available");
		romeo:wait_sees(address, "available", 5, false);
		user:publish("offline");
		romeo:wait_sees(address, "unavailable");
	end);

	it("is not told the same twice", function ()
		local user, address, subscription = watched("away", "out");
		local before = romeo:count_presence(address, "away");
		for _ = 1, 3 do assert.equal(200, (subscription:notify():wait())); end
		user:publish("busy");
		romeo:wait_sees(address, "dnd");
		assert.equal(before, romeo:count_presence(address, "away"));
	end);

	it("sees a Lync user on each device, also one that comes later", function ()
		local _, address = watched("away", "out");
		local balcony = w:contact("romeo@fabrikam.com/balcony");
		balcony:wait_sees(address, "away", 5, "out");
		assert.equal(1, #subscribes(w, address));
		balcony:close();
	end);

	it("unsubscribes", function ()
		local _, address, subscription = watched();
		romeo:unsubscribe(address);
		w:lync_user(address):wait_unwatched(ROMEO);
		assert.equal("unsubscribed", subscription.why);
		romeo:wait_sees(address, "unavailable");
		romeo:wait_roster(address, "none");
		romeo:subscribe(address); -- and again
		romeo:wait_sees(address, "available");
		w:lync_user(address):wait_watched(ROMEO);
	end);

	for _, status in ipairs { 403, 404, 489, 603 } do
		it("is refused with " .. status .. ": the request is over", function ()
			local user, address = somebody();
			user:answers("SUBSCRIBE", { status = status; diag = 2004;
				times = status == 489 and 2 or 1 }); -- 489: first a simpler question
			romeo:subscribe(address);
			romeo:wait_presence(address, "unsubscribed");
			romeo:wait_roster(address, "none");
			assert.equal(0, romeo:count_presence(address, "subscribed"));
			romeo:subscribe(address); -- another time it may be allowed
			romeo:wait_presence(address, "subscribed");
		end);
	end

	it("does not learn who exists", function ()
		romeo:subscribe("nobody@contoso.com");
		romeo:wait_presence("nobody@contoso.com", "unsubscribed");
	end);

	for _, reason in ipairs { "rejected", "noresource" } do
		it("is told that it is over when Lync ends it: " .. reason, function ()
			local _, address, subscription = watched();
			subscription:terminate(reason);
			romeo:wait_presence(address, "unsubscribed");
			romeo:wait_sees(address, "unavailable");
			w.loop:never(function () return #subscribes(w, address) > 1; end, 0.3, "a new subscription");
		end);
	end

	it("stays subscribed when Lync wants it anew: deactivated, probation, timeout", function ()
		local user, address, subscription = watched("busy");
		for _, reason in ipairs { "deactivated"; "probation"; "timeout" } do
			subscription:terminate(reason, reason == "probation" and 1 or nil);
			local old = subscription;
			w.loop:wait(function ()
				subscription = user:watched_by(ROMEO);
				return subscription and subscription ~= old;
			end, 15, "another subscription after " .. reason);
			user:wait_watched(ROMEO);
		end
		user:publish("away");
		romeo:wait_sees(address, "away");
		assert.equal(1, romeo:count_presence(address, "subscribed"));
		assert.equal(0, romeo:count_presence(address, "unsubscribed"));
	end);

	it("waits while Lync cannot say: neither yes nor no, then yes", function ()
		local user, address = somebody();
		user:answers("SUBSCRIBE", { status = 504; times = 1 }, 200);
		romeo:subscribe(address);
		w.loop:wait(function () return #subscribes(w, address) == 1; end);
		w.loop:never(function ()
			return romeo:count_presence(address) > 0;
		end, 0.3, "an answer to who subscribed");
		romeo:wait_presence(address, "subscribed", 14); -- after 10 s
		romeo:wait_sees(address, "available");
	end);

	it("is let in when Lync wants a longer subscription", function ()
		local user, address = somebody();
		user:answers("SUBSCRIBE", { status = 423; min_expires = 36000; times = 1 }, { expires = 36000 });
		romeo:subscribe(address);
		romeo:wait_presence(address, "subscribed");
		assert.equal("36000", sip.get(subscribes(w, address)[2], "Expires"));
	end);

	it("sees the state that came before the 200, or a while after it", function ()
		for _, notify in ipairs { "before"; 0.5 } do
			local user, address = somebody("brb", "soon");
			user:answers("SUBSCRIBE", { notify = notify });
			romeo:subscribe(address);
			romeo:wait_sees(address, "away", 5, "soon");
			romeo:wait_presence(address, "subscribed");
		end
	end);

	it("who is blocked sees somebody who is never there", function ()
		local user, address = somebody("available", "secret");
		user:block(ROMEO);
		romeo:subscribe(address);
		romeo:wait_presence(address, "subscribed");
		user:wait_watched(ROMEO);
		user:publish("busy", "secret, too");
		w.loop:never(function ()
			local show = romeo:sees(address);
			return show and show ~= "unavailable";
		end, 0.3, "a state");
		user:allow(ROMEO);
		romeo:wait_sees(address, "dnd", 5, "secret, too");
		user:privacy(true);
		romeo:wait_sees(address, "unavailable");
		user:privacy(false);
		romeo:wait_sees(address, "dnd");
	end);

	it("sees the front end's restart as nothing", function ()
		local user, address, subscription = watched();
		user:forget(); -- refreshes would be answered 481; there is none to wait for here
		assert.equal("terminated", subscription.state);
		romeo:unsubscribe(address);
		w.loop:wait(function () return sip.get(subscribes(w, address)[2] or { headers = {} }, "Expires") == "0"; end);
		romeo:wait_roster(address, "none");
	end);

	it("gets several answers at once, one each", function ()
		local users = {};
		for i = 1, 12 do
			local user, address = somebody("away", "n" .. i);
			users[i] = user;
			romeo:subscribe(address);
		end
		for i, user in ipairs(users) do
			romeo:wait_sees(user.address, "away", 10, "n" .. i);
			assert.equal(1, romeo:count_presence(user.address, "subscribed"));
			assert.equal(1, #subscribes(w, user.address));
		end
	end);
end);
