-- bridge:carry, the short way of an ordinary message (plugin/lua_carry.c): what it takes, what it leaves to the long way,
-- and what becomes of it; with test/fake_worker.c as the worker.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local socket = require "socket";
local st = require "util.stanza";
local monotonic = require "util.time".monotonic;

local WORKER = os.getenv("LG_BUILD").."/test/fake-worker";
local PATIENCE = 20; -- seconds
local ROMEO, JULIET = "romeo@fabrikam.com/orchard", "juliet@contoso.com";
local CHATSTATES, RECEIPTS = "http://jabber.org/protocol/chatstates", "urn:xmpp:receipts";
local NOW, TIME = monotonic(), os.time();

local OPTIONS = {
	lync_access_edge = "sip.contoso.com"; lync_access_edge_address = "127.0.0.1"; lync_bridge_fqdn = "xmpp.contoso.com";
	lync_bridge_listen = { "127.0.0.1:5061" };
	lync_bridge_certificate = { certificate = "cert.pem"; key = "key.pem"; cafile = "ca.pem" };
	lync_partners = {
		["fabrikam.com"] = { partner_type = "federated"; additional_domains = { "other.example" } };
		["public.example"] = { partner_type = "public_unverified" };
	};
};

describe("bridge:carry", function ()
	local bridge, settings, roster, origin, ours, epoch;

	local function open(mode)
		bridge = assert(core.bridge { worker = WORKER; fqdn = mode..".example"; listen = { "127.0.0.1:5061" };
			certificate = "cert.pem"; key = "key.pem";
			domains = { { name = "contoso.com"; edge = "sip.contoso.com"; address = "127.0.0.1"; port = 5061 } } });
	end

	before_each(function ()
		settings = core.settings("contoso.com", OPTIONS);
		assert.is_true(settings.usable);
		roster = core.roster(nil, TIME);
		origin = { type = "s2sin"; lync_authed = { ["contoso.com"] = {
			["fabrikam.com"] = "sasl-tls"; ["other.example"] = "sasl-tls"; ["public.example"] = "sasl-tls";
			["stranger.example"] = "sasl-tls";
		} } };
		ours, epoch = { ["contoso.com"] = true }, nil;
	end);

	after_each(function ()
		bridge:close();
		roster:close();
	end);

	local function message(attr, text)
		local all = { from = ROMEO; to = JULIET; type = "chat"; id = "m1" };
		for key, value in pairs(attr or {}) do all[key] = value or nil; end
		return st.message(all):text_tag("body", text or "hello");
	end

	local function carry(stanza)
		return bridge:carry(settings, roster, origin, stanza, "contoso.com", ours, NOW, TIME, epoch or 0);
	end

	-- All that bridge:next returns, until something comes.
	local function await()
		local deadline = socket.gettime() + PATIENCE;
		repeat
			local result = table.pack(bridge:next());
			if result[1] and (type(result[1]) ~= "table" or result[1].type == "outcome") then return result; end
			if not result[1] then socket.sleep(0.005); end
		until socket.gettime() > deadline;
		error("no outcome");
	end

	it("takes an ordinary message; that it was delivered comes as plain values", function ()
		open("echo");
		local key, has_state = carry(message():tag("active", { xmlns = CHATSTATES }):up());
		assert.equal("juliet@contoso.com\0romeo@fabrikam.com", key);
		assert.is_true(has_state);
		assert.equal(NOW, origin.lync_stanza);
		assert.equal(1, bridge:inflight());
		local result = await();
		local seconds = table.remove(result, 4);
		assert.same({ "delivered", "contoso.com", "fabrikam.com", 200; n = 5 }, result);
		assert.is_true(seconds >= 0 and seconds <= monotonic() - NOW);
		assert.equal(0, bridge:inflight());
		assert.same({}, bridge:left());
	end);

	it("knows a partner by any of its domains", function ()
		open("echo");
		assert.is_truthy(carry(message { from = "x@other.example/r" }));
		assert.equal("fabrikam.com", await()[3]);
	end);

	-- bridge:feed until it has taken so many, or has an event for Lua.
	local function feed(tally, wanted)
		local deadline, sum = socket.gettime() + PATIENCE, 0;
		repeat
			local result = table.pack(bridge:feed(roster, settings, TIME, 100, tally));
			sum = sum + result[1];
			local ev = result[3];
			if sum >= wanted or ev and (type(ev) ~= "table" or ev.type == "outcome") then return sum, table.unpack(result, 2); end
			if not ev then socket.sleep(0.005); end
		until socket.gettime() > deadline;
		error("nothing comes");
	end

	it("is counted by feed when it was delivered", function ()
		open("echo");
		local tally = core.tally { 0.0001, PATIENCE };
		for i = 1, 5 do assert.is_truthy(carry(message { from = i > 3 and "x@other.example/r" or nil; id = "m"..i })); end
		assert.same({ 5, 0 }, { feed(tally, 5) });
		assert.equal(0, bridge:inflight());
		local by_partner, taken, sum = tally:take();
		assert.same({ ["fabrikam.com"] = 5 }, by_partner);
		assert.equal(3, #taken);
		assert.equal(5, taken[1] + taken[2]);
		assert.equal(0, taken[3]);
		assert.is_true(sum > 0 and sum < 5 * (monotonic() - NOW));
		assert.is_nil(tally:take());
		assert.same({}, bridge:left());
	end);

	it("is not counted where a receipt is wanted, it has failed, there is no tally, or it is another host's", function ()
		open("echo");
		local tally = core.tally {};
		assert.is_truthy(carry(message():tag("request", { xmlns = RECEIPTS }):up()));
		local _, _, ev = feed(tally, 1);
		assert.is_true(ev.entry.receipt);
		assert.is_truthy(carry(message()));
		assert.equal("delivered", (select(3, feed(nil, 1))));
		assert.is_truthy(carry(message()));
		settings = core.settings("other.com", OPTIONS);
		assert.equal("delivered", (select(3, feed(tally, 1))));
		settings = core.settings("contoso.com", OPTIONS);
		assert.is_truthy(carry(message({}, "die")));
		_, _, ev = feed(tally, 1);
		assert.equal("failed", ev.outcome);
		assert.is_nil(tally:take());
	end);

	it("tells when a partner's quarantine begins with an outcome", function ()
		open("echo");
		local tally = core.tally {};
		for _ = 1, 49 do assert.is_false(roster:outcome(settings, ROMEO, 404, TIME)); end
		assert.is_truthy(carry(message()));
		assert.same({ 1, 0, "quarantined", "fabrikam.com" }, { feed(tally, 1) });
		assert.same({ ["fabrikam.com"] = 1 }, (tally:take()));
		assert.is_nil(carry(message()));
	end);

	it("feed tells whether a message of Lync may cross", function ()
		local function said(contact, user)
			open("echo");
			assert(bridge:message { contact = contact; user = user or JULIET; text = "x"; subject = "back" });
			local deadline = socket.gettime() + PATIENCE;
			local ev;
			repeat
				ev = select(3, bridge:feed(roster, settings, TIME, 100));
				if not ev then socket.sleep(0.005); end
				assert.is_true(socket.gettime() < deadline);
			until type(ev) == "table" and ev.type == "message";
			bridge:close();
			return ev.allowed;
		end
		assert.is_true(said("romeo@fabrikam.com/r"));
		assert.is_true(said("x@other.example"));
		assert.is_false(said("x@public.example"));
		assert.is_nil(said("x@stranger.example"));
		assert.is_nil(said("x@fabrikam.com", "juliet@other.com"));
		open("hold");
	end);

	it("has a tally that takes what it can", function ()
		for _, bad in ipairs { { 2, 1 }; { 1, 1 }; { "x" }; { 1, "2" } } do
			assert.is_false((pcall(core.tally, bad)));
		end
		local many = {};
		for i = 1, 17 do many[i] = i; end
		assert.is_false((pcall(core.tally, many)));
		assert.is_false((pcall(core.tally)));
		assert.is_nil(core.tally({}):take());
		open("hold");
		assert.is_false((pcall(bridge.feed, bridge, roster, settings, TIME, 1, {})));
	end);

	it("gives back the entry where somebody wants to know more", function ()
		open("echo");
		assert.is_truthy(carry(message():tag("request", { xmlns = RECEIPTS }):up()));
		local event = await()[1];
		assert.equal("delivered", event.outcome);
		assert.same({ host = "contoso.com"; contact = ROMEO; user = JULIET; id = "m1"; type = "chat"; since = NOW;
			receipt = true }, event.entry);
	end);

	it("gives back the entry of what has failed", function ()
		open("echo");
		assert.is_truthy(carry(message({ type = false; id = false; to = JULIET.."/desk" }, "die")));
		local event = await()[1];
		assert.same({ "failed", "bridge-died" }, { event.outcome, event.token });
		assert.same({ host = "contoso.com"; contact = ROMEO; user = JULIET.."/desk"; since = NOW; receipt = false },
			event.entry);
	end);

	it("tells at the end what has no outcome", function ()
		open("hold");
		for i = 1, 300 do assert.is_truthy(carry(message { id = "m"..i })); end
		local ids = {};
		for _, entry in ipairs(bridge:left()) do ids[entry.id] = true; end
		for i = 1, 300 do assert.is_true(ids["m"..i]); end
		assert.same({}, bridge:left());
	end);

	it("says whether the contact's client shows a state, where that counts", function ()
		open("hold");
		for i, name in ipairs { "active"; "composing"; "paused"; "inactive" } do
			epoch = i;
			assert.is_true((select(2, carry(message():tag(name, { xmlns = CHATSTATES }):up()))));
		end
		assert.is_false((select(2, carry(message()))));
		epoch = 5;
		assert.is_false((select(2, carry(message():tag("dancing", { xmlns = CHATSTATES }):up()))));
		for _, kind in ipairs { "normal"; false } do
			assert.same({ true; n = 1 }, table.pack(carry(message { type = kind }:tag("active", { xmlns = CHATSTATES }):up())));
		end
	end);

	it("says that once in an epoch, and when it is another one", function ()
		open("hold");
		local function says(from, shows)
			local stanza = message { from = from };
			return (select(2, carry(shows and stanza:tag("active", { xmlns = CHATSTATES }):up() or stanza)));
		end
		assert.is_false(says(ROMEO, false));
		assert.is_nil(says(ROMEO, false));
		assert.is_nil(says("romeo@fabrikam.com/balcony", false)); -- the conversation is of bare addresses
		assert.is_true(says(ROMEO, true));
		assert.is_nil(says(ROMEO, true));
		assert.is_false(says("tybalt@fabrikam.com/r", false));
		assert.is_nil(says(ROMEO, true));
		epoch = 1;
		assert.is_true(says(ROMEO, true));
	end);

	it("takes what it does not know, as long as it may be left out", function ()
		open("hold");
		assert.is_truthy(carry(message():tag("markable", { xmlns = "urn:xmpp:chat-markers:0" }):up()
			:text_tag("thread", "t1"):tag("html", { xmlns = "http://jabber.org/protocol/xhtml-im" }):tag("body"):up():up()));
	end);

	local function left_alone(stanza)
		local before = bridge:inflight();
		assert.same({ nil; n = 1 }, table.pack(carry(stanza)));
		assert.equal(before, bridge:inflight());
		assert.is_nil(origin.lync_stanza);
		assert.same({}, bridge:left());
	end

	it("leaves every other form to the long way", function ()
		open("hold");
		for _, attr in ipairs { { type = "error" }; { type = "groupchat" }; { type = "headline" }; { type = "" }; { id = "" };
			{ from = false }; { to = false }; { to = "contoso.com" }; { from = "fabrikam.com" } } do
			left_alone(message(attr));
		end
		for _, text in ipairs { ""; "a\rb"; ("x"):rep(16385) } do left_alone(message(nil, text)); end
		left_alone(st.message { from = ROMEO; to = JULIET; type = "chat" });
		left_alone(message():text_tag("body", "bonjour", { ["xml:lang"] = "fr" }));
		left_alone(message():text_tag("body", "of another namespace", { xmlns = "urn:example" }));
		left_alone(message():text_tag("subject", "s"));
		local no_language = message { ["xml:lang"] = "de" }; -- its body is of none, whatever the stanza is
		no_language.tags[1].attr["xml:lang"] = "";
		left_alone(no_language);
		left_alone(message():tag("gone", { xmlns = CHATSTATES }):up());
		left_alone(message():tag("received", { xmlns = RECEIPTS; id = "m0" }):up());
		left_alone(message():text_tag("thread", "t1"):text_tag("thread", "t2"));
		left_alone(message():text_tag("thread", "t 1"));
		local control = message();
		control.tags[1][1] = "\1"; -- XML has none
		left_alone(control);
		local nested = message();
		nested.tags[1]:tag("b"):up();
		left_alone(nested);
	end);

	it("leaves whatever is not allowed to the long way, which says why", function ()
		open("hold");
		left_alone(message { from = "x@stranger.example/r" });
		left_alone(message { from = "x@public.example/r" }); -- replies only
		left_alone(message { to = "juliet@elsewhere.example" });
		ours["fabrikam.com"] = true;
		left_alone(message()); -- a loop
		ours["fabrikam.com"] = nil;
		for _, change in ipairs { { type = "c2s" }; { type = "s2sin_unauthed" }; { dummy = true }; { lync_authed = {} };
			{ lync_authed = { ["elsewhere.example"] = { ["fabrikam.com"] = "sasl-tls" } } };
			{ lync_authed = { ["contoso.com"] = { ["other.example"] = "sasl-tls" } } };
			{ lync_authed = { ["contoso.com"] = { ["fabrikam.com"] = "tcp-dialback" } } };
			{ lync_authed = { ["contoso.com"] = { ["fabrikam.com"] = "dancing" } } } } do
			origin = { type = "s2sin"; lync_authed = { ["contoso.com"] = { ["fabrikam.com"] = "sasl-tls" } } };
			for key, value in pairs(change) do origin[key] = value; end
			left_alone(message());
		end
		settings = core.settings("contoso.com", {}); -- unusable ones
		left_alone(message());
	end);

	it("leaves to the long way what a partner in quarantine sends", function ()
		open("hold");
		for _ = 1, 50 do roster:outcome(settings, ROMEO, 404, TIME); end
		left_alone(message());
	end);

	it("leaves to the long way what the bridge does not take", function ()
		open("hold");
		bridge:shutdown();
		left_alone(message());
	end);
end);
