-- A Lync user adds a contact: the contact is asked once, is offline until it agrees, and is seen as it is from then on; with
-- real servers and real TLS.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local sip = require "spec.support.sip";

local ROMEO = "romeo@fabrikam.com";
local NICK = "http://jabber.org/protocol/nick";
local PACE = 0.2; -- seconds between two NOTIFYs here

-- What a contact shows, and what a Lync user sees in the document with all states, and in PIDF.
local SHOWS = { { "away"; "away"; "away" }; { "xa"; "away"; "away" }; { "dnd"; "dnd"; "busy" };
	{ "chat"; "available"; "available" }; { "available"; "available"; "available" } };

describe("a Lync user", function ()
	local w, romeo, serial;
	setup(function ()
		w = World.new { wire = { notify_interval = PACE } };
		romeo, serial = w:contact("romeo", { roster = true }), 0;
	end);
	teardown(function () w:finish(); end);
	before_each(function () romeo:set_presence(); end);

	local function somebody()
		serial = serial + 1;
		return w:lync_user("user" .. serial, "User " .. serial);
	end

	-- One who has added romeo, and romeo agreed.
	local function seen_by(options)
		local user = somebody();
		local watch = user:add(ROMEO, options):wait_active();
		romeo:wait_presence(user.address, "subscribe");
		romeo:approve(user.address);
		watch:wait_sees("available");
		return user, watch;
	end

	it("adds a contact, who is asked and offline until it agrees", function ()
		local user = somebody();
		local watch = user:add(ROMEO):wait_active();
		assert.equal(3600, watch.granted);
		watch:wait_sees("offline");
		local asked = romeo:wait_presence(user.address, "subscribe");
		assert.equal(user.address, asked.attr.from);
		assert.equal(ROMEO, asked.attr.to);
		assert.equal(user.display, asked:child("nick", NICK):text());
		assert.equal(1, #asked:childs());
		romeo:set_presence("away", "at lunch");
		w.loop:never(function () return #watch.history > 1; end, 2 * PACE, "a state that is not for her yet");
		romeo:approve(user.address);
		watch:wait_sees("away", 5, "at lunch");
		romeo:wait_roster(user.address, "from");
		assert.same({ "offline", "away" }, watch.history);
		assert.is_true((select(3, user:sees(ROMEO)) or "x") ~= "");
	end);

	it("sees a contact's states, with the note", function ()
		local _, watch = seen_by();
		for i, case in ipairs(SHOWS) do
			romeo:set_presence(case[1], "note " .. i);
			watch:wait_sees(case[2], 5, "note " .. i);
		end
		romeo:set_presence("available");
		watch:wait_sees("available", 5, false);
		romeo:set_presence("unavailable");
		watch:wait_sees("offline", 5, false);
		romeo:set_presence("dnd");
		watch:wait_sees("dnd");
	end);

	it("with an older client sees what PIDF says, and no note", function ()
		local _, watch = seen_by({ legacy = true });
		for i, case in ipairs(SHOWS) do
			romeo:set_presence(case[1], "note " .. i);
			watch:wait_sees(case[3], 5, false);
			assert.equal("pidf", watch.sees.form);
		end
	end);

	it("sees the contact's device that counts: highest priority, then most available", function ()
		local _, watch = seen_by();
		romeo:set_presence("dnd", "orchard", 1);
		watch:wait_sees("dnd", 5, "orchard");
		local balcony = w:contact("romeo@fabrikam.com/balcony");
		balcony:set_presence("away", "balcony", 5);
		watch:wait_sees("away", 5, "balcony");
		balcony:set_presence("away", "balcony", 1); -- who is there before who is not
		watch:wait_sees("dnd", 5, "orchard");
		romeo:set_presence("xa", "orchard", 1);
		watch:wait_sees("away", 5, "balcony");
		balcony:set_presence(nil, "hidden", -1);
		watch:wait_sees("away", 5, "orchard");
		romeo:set_presence("unavailable");
		watch:wait_sees("offline");
		balcony:set_presence("chat", "here", 0);
		watch:wait_sees("available", 5, "here");
		balcony:close();
		w.people[balcony.full] = nil;
		watch:wait_sees("offline");
	end);

	it("is told at most once in a while, and then the last", function ()
		local _, watch = seen_by();
		local before = #watch.notifies;
		for i = 1, 20 do romeo:set_presence(i % 2 == 0 and "away" or "dnd", "burst " .. i); end
		watch:wait_sees("away", 5, "burst 20");
		w.loop:never(function () return #watch.notifies > before + 4; end, 2 * PACE, "a NOTIFY for each change");
	end);

	it("is no second question to the contact: refresh, other device, new log-on", function ()
		local user, watch = seen_by();
		romeo:set_presence("away");
		watch:wait_sees("away");
		local n = #watch.notifies;
		assert.equal(200, (watch:refresh():wait()));
		assert.equal("away", watch:wait_notify(n).doc.presence);
		local desk = user:add(ROMEO, { endpoint = "desk" }):wait_active();
		desk:wait_sees("away");
		romeo:set_presence("dnd");
		watch:wait_sees("dnd");
		desk:wait_sees("dnd");
		user:log_off();
		romeo:set_presence("away");
		w.loop:wait(function () return w.edge:count("out", 481) > 0; end, 5, "the NOTIFYs to nobody");
		user:log_on();
		user:wait_sees(ROMEO, "away");
		assert.same({ "away" }, user:watch_of(ROMEO).history); -- at once as it is
		assert.equal(1, romeo:count_presence(user.address, "subscribe"));
	end);

	it("is refused without noticing", function ()
		local user = somebody();
		local watch = user:add(ROMEO):wait_active();
		romeo:wait_presence(user.address, "subscribe");
		romeo:deny(user.address);
		romeo:set_presence("dnd", "go away");
		w.loop:never(function () return watch.state ~= "active" or user:sees(ROMEO) ~= "offline"; end, 2 * PACE, "a sign of the refusal");
		assert.equal(200, (watch:refresh():wait()));
		watch:wait_sees("offline");
		user:log_off();
		user:log_on();
		user:wait_sees(ROMEO, "offline");
		w.loop:never(function () return romeo:count_presence(user.address, "subscribe") > 1; end, 0.3, "a second question");
	end);

	it("loses sight of a contact that changes its mind", function ()
		local user, watch = seen_by();
		romeo:deny(user.address);
		watch:wait_sees("offline");
		romeo:set_presence("dnd");
		w.loop:never(function () return watch.state ~= "active" or user:sees(ROMEO) ~= "offline"; end, 2 * PACE, "a sign of it");
	end);

	it("takes the contact off the list: the last NOTIFY, and the contact keeps what it agreed to", function ()
		local user, watch = seen_by();
		assert.equal(200, (watch:unsubscribe():wait()));
		assert.equal("timeout", watch:wait_terminated());
		romeo:set_presence("away");
		romeo:wait_roster(user.address, "from");
		w.loop:never(function () return romeo:count_presence(user.address, "unsubscribe") > 0; end, 0.2, "an unsubscribe");
		local again = user:add(ROMEO):wait_active();
		again:wait_sees("away");
		assert.equal(1, romeo:count_presence(user.address, "subscribe"));
	end);

	it("and a contact see each other", function ()
		local user, watch = seen_by();
		user:publish("busy", "both");
		romeo:subscribe(user.address);
		romeo:wait_sees(user.address, "dnd", 5, "both");
		romeo:wait_roster(user.address, "both");
		romeo:set_presence("away", "both, too");
		watch:wait_sees("away", 5, "both, too");
		romeo:unsubscribe(user.address);
		user:wait_unwatched(ROMEO);
		romeo:wait_roster(user.address, "from");
		romeo:set_presence("dnd");
		watch:wait_sees("dnd");
	end);

	it("logs off: the contact sees it", function ()
		local user = seen_by();
		user:log_off();
		romeo:set_presence("away");
		romeo:wait_sees(user.address, "unavailable");
		romeo:wait_roster(user.address, "from");
	end);

	it("asks once without subscribing", function ()
		local user = seen_by();
		romeo:set_presence("away");
		user:wait_sees(ROMEO, "away");
		local fetch = user:fetch(ROMEO);
		assert.equal("timeout", fetch:wait_terminated());
		assert.equal("away", fetch.sees.presence);
		assert.equal("active", user:watch_of(ROMEO).state);
	end);

	it("is refused what cannot be: another event, no document, a moment, a stranger", function ()
		local user = somebody();
		local status, response = user:add(ROMEO, { event = "presence.winfo" }):wait_refused();
		assert.equal(489, status);
		assert.equal("presence", sip.get(response, "Allow-Events"));
		assert.equal(406, (user:add(ROMEO, { accept = "application/rlmi+xml" }):wait_refused()));
		assert.equal(423, (user:add(ROMEO, { expires = 5 }):wait_refused()));
		assert.equal(403, (user:add("wile@acme.example"):wait_refused()));
		assert.equal(0, romeo:count_presence(user.address, "subscribe"));
	end);

	it("gets no more than was asked for, and asks for as long as it likes", function ()
		local user = somebody();
		assert.equal(600, user:add(ROMEO, { expires = 600 }):wait_active().granted);
		assert.equal(3600, user:add(ROMEO, { expires = 100000; endpoint = "desk" }):wait_active().granted);
		romeo:wait_presence(user.address, "subscribe");
		w.loop:never(function () return romeo:count_presence(user.address, "subscribe") > 1; end, 0.3, "a second question");
	end);

	it("of whom the bridge knows nothing: 481", function ()
		local _, watch = seen_by();
		local right = watch.remote_to;
		watch.remote_to = right:gsub(";tag=%w+", ";tag=0123456789abcdef");
		assert.equal(481, (watch:request("SUBSCRIBE", { headers = { { "Event", "presence" } }, supported = {} }):wait()));
		watch.remote_to = right;
		assert.equal(200, (watch:refresh():wait()));
	end);
end);
