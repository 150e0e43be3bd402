-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local traces = require "spec.support.traces";

local romeo, juliet = traces.romeo, traces.juliet;
local out, to_bridge = traces.out, traces.to_bridge;
local xmlns_nick = "http://jabber.org/protocol/nick";

local DAY = 86400;

describe("presence", function ()
	local t, h, bridge, world;

	local function start(given)
		t = traces.start(given);
		h, bridge, world = t.h, t.bridge, t.world;
	end
	before_each(function () start(); end);

	local function said() return t.said(); end
	local function arrives(...) return t.arrives(...); end
	local function event(...) return t.event(...); end
	local function passes(seconds) return t.passes(seconds); end
	local function watched() return t.watched(); end
	local function granted() return t.granted(); end

	describe("a contact subscribes", function ()
		it("and sees the user when Lync agrees", function ()
			assert.same({ to_bridge("watch PAIR verified notes display=Romeo") }, arrives("subscribe", nil, function (stanza)
				stanza:text_tag("nick", "Romeo", { xmlns = xmlns_nick });
			end));
			assert.same({ out("subscribed") }, event("watch", { watch = "active"; status = 200 }));
			assert.same({ out(nil, "<show>away</show><status>at lunch</status>"
				.."<nick xmlns='http://jabber.org/protocol/nick'>Juliet</nick>") },
				event("state", { presence = "brb"; text = "at lunch"; display = "Juliet" }));
		end);

		for presence, inner in pairs {
			available = false; idle = "<show>away</show>"; busy = "<show>dnd</show>"; dnd = "<show>dnd</show>";
			["busy-idle"] = "<show>dnd</show>"; brb = "<show>away</show>"; away = "<show>away</show>";
			["off-work"] = "<show>xa</show>";
		} do
			it("and the state "..presence.." is shown", function ()
				arrives("subscribe");
				event("watch", { watch = "active"; status = 200 });
				assert.same({ out(nil, inner) }, event("state", { presence = presence }));
				assert.same({}, event("state", { presence = presence }));
				assert.same({ out("unavailable") }, event("state", { presence = "offline" }));
			end);
		end

		for _, status in ipairs { 403, 404, 489, 603 } do
			it("and is refused when Lync says "..status, function ()
				arrives("subscribe");
				assert.same({ out("unsubscribed") }, event("watch", { watch = "refused"; status = status }));
				assert.is_nil(h.presence.roster:pairs_of(juliet));
			end);
		end

		it("and waits while the watch fails", function ()
			arrives("subscribe");
			assert.same({}, event("watch", { watch = "failing"; status = 504 }));
			assert.same({ out("subscribed") }, event("watch", { watch = "active"; status = 200 }));
		end);

		it("again while it waits: nothing; when it may: the same answer", function ()
			arrives("subscribe");
			assert.same({}, arrives("subscribe"));
			event("watch", { watch = "active"; status = 200 });
			event("state", { presence = "busy" });
			assert.same({ out("subscribed"); out(nil, "<show>dnd</show>") }, arrives("subscribe"));
		end);

		it("and unsubscribes", function ()
			watched();
			assert.same({ to_bridge("unwatch PAIR"); out("unavailable"); out("unsubscribed") }, arrives("unsubscribe"));
			assert.same({}, arrives("unsubscribe"));
			assert.same({}, event("watch", { watch = "ended" }));
		end);

		it("without permission: unknown users and users without access alike", function ()
			h.settings.options = { lync_access_policies = { global = { enable_xmpp_access = false } } };
			assert.same({ out("unsubscribed") }, arrives("subscribe"));
			assert.same({ "user-not-enabled" }, h.metrics.refusals);
			assert.same({ out("unsubscribed") }, arrives("probe"));
		end);

		it("not being a partner: an error for the stanza", function ()
			assert.same({ "to contact: <presence from='juliet@contoso.com' id='s1' to='x@evil.com/r' type='error'>"
				.."<error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
				.."<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>this domain is not a federated partner (not-a-partner)</text>"
				.."</error></presence>" },
				arrives("subscribe", { from = "x@evil.com/r"; id = "s1" }));
		end);

		it("to an address that SIP cannot have: an error", function ()
			local lines = arrives("subscribe", { to = ("x"):rep(1100).."@contoso.com"; id = "s1" });
			assert.equal(1, #lines);
			assert.matches("id='s1'.*type='error'.*<jid%-malformed ", lines[1]);
			assert.same({}, arrives("probe", { to = ("x"):rep(1100).."@contoso.com" }));
		end);
	end);

	describe("a public partner that proves nothing", function ()
		before_each(function ()
			h.settings.of_partner = { ["fabrikam.com"] = { partner_type = "public_unverified" } };
		end);

		it("is refused while the user has not added the contact", function ()
			assert.same({ out("unsubscribed") }, arrives("subscribe"));
			assert.is_false(h.presence.listed(romeo, juliet));
		end);

		it("may subscribe once the user has, and sees no notes", function ()
			assert.same({ to_bridge("presence PAIR offline"); to_bridge("answer 7 200"); out("subscribe") },
				event("subscribe", { id = 7; added = true }));
			assert.is_true(h.presence.listed(romeo, juliet));
			assert.same({ to_bridge("watch PAIR") }, arrives("subscribe"));
			event("watch", { watch = "active"; status = 200 });
			assert.same({ out() }, event("state", { presence = "available"; text = "secret" }));
		end);

		it("may write once the user has added the contact", function ()
			h.settings.flags = { verified = false; reply_only = true };
			event("subscribe", { id = 7; added = true });
			h.x2s.message(support.message { body = "hello" });
			assert.is_true(h.settings.asked[#h.settings.asked].listed);
			assert.equal(1, #bridge:called("message"));
		end);
	end);

	it("tells notes to a federated partner only", function ()
		h.settings.of_partner = { ["fabrikam.com"] = { partner_type = "public_verified" } };
		assert.same({ to_bridge("watch PAIR verified") }, arrives("subscribe"));
		event("watch", { watch = "active"; status = 200 });
		assert.same({ out() }, event("state", { presence = "available"; text = "secret" }));
		event("subscribe", { id = 7; added = true });
		arrives("subscribed");
		assert.same({ to_bridge("presence PAIR available verified") }, arrives(nil, nil, function (stanza)
			stanza:text_tag("status", "secret");
		end));
	end);

	describe("a probe", function ()
		it("is answered with what is known", function ()
			watched();
			event("state", { presence = "dnd"; text = "quiet" });
			assert.same({ out(nil, "<show>dnd</show><status>quiet</status>") }, arrives("probe", { from = romeo.."/r" }));
			event("state", { presence = "offline" });
			assert.same({ out("unavailable") }, arrives("probe"));
		end);

		it("without a subscription: unsubscribed", function ()
			assert.same({ out("unsubscribed") }, arrives("probe"));
		end);

		it("while the subscription waits: nothing", function ()
			arrives("subscribe");
			assert.same({}, arrives("probe"));
		end);

		it("of who was allowed once: unavailable", function ()
			watched();
			h.settings.of_partner = { ["fabrikam.com"] = { partner_type = "public_unverified" } };
			h.presence.reconfigured();
			assert.same({ to_bridge("unwatch PAIR"); out("unavailable") }, said());
			assert.same({ out("unavailable") }, arrives("probe"));
		end);
	end);

	describe("a Lync user subscribes", function ()
		it("and sees the contact when it agrees", function ()
			assert.same({ to_bridge("presence PAIR offline verified notes"); to_bridge("answer 7 200 verified");
				out("subscribe", "<nick xmlns='http://jabber.org/protocol/nick'>Juliet</nick>") },
				event("subscribe", { id = 7; added = true; display = "Juliet" }));
			assert.same({ out("probe") }, arrives("subscribed"));
			assert.same({ to_bridge("presence PAIR away verified notes note=lunch lang=en display=Romeo") },
				arrives(nil, { from = romeo.."/r"; lang = "en" }, function (stanza)
					stanza:text_tag("show", "away"):text_tag("status", "lunch")
						:text_tag("nick", "Romeo", { xmlns = xmlns_nick });
				end));
			assert.same({ to_bridge("presence PAIR offline verified notes display=Romeo") }, arrives("unavailable", { from = romeo.."/r" }));
		end);

		it("again: the contact is not asked again on that day", function ()
			event("subscribe", { id = 7; added = true });
			event("unsubscribed", { token = "unsubscribed" });
			assert.same({ to_bridge("presence PAIR offline verified notes"); to_bridge("answer 8 200 verified") },
				event("subscribe", { id = 8; added = true }));
			assert.same({}, event("subscribe", { again = true }));
			event("unsubscribed", { token = "unsubscribed" });
			passes(DAY);
			assert.same(out("subscribe"), event("subscribe", { id = 9 })[3]);
		end);

		it("again: the contact is asked again when it could not be reached", function ()
			event("subscribe", { id = 7; added = true });
			assert.same({}, arrives("error"));
			assert.same(out("subscribe"), event("subscribe", { id = 8; added = true })[3]);
			assert.is_nil(event("subscribe", { id = 9; added = true })[3]);
		end);

		it("and is told nothing when the contact declines", function ()
			event("subscribe", { id = 7; added = true });
			assert.same({}, arrives("unsubscribed"));
			assert.same({}, arrives(nil));
			passes(DAY);
			event("unsubscribed", { token = "expired" });
			assert.same({ to_bridge("presence PAIR offline verified notes"); to_bridge("answer 8 200 verified") },
				event("subscribe", { id = 8 }));
		end);

		it("and sees the contact no more when it takes that back", function ()
			granted();
			arrives(nil);
			assert.same({ to_bridge("presence PAIR offline verified notes") }, arrives("unsubscribed"));
		end);

		it("and is answered with the reason when it may not", function ()
			assert.same({ to_bridge("answer 7 403 this domain is not a federated partner") },
				event("subscribe", { id = 7; contact = "x@evil.com" }));
			assert.is_truthy(table.concat(world.logs, "\n"):find("refused presence: .*token=not%-a%-partner"));
			assert.same({ "not-a-partner" }, h.metrics.refusals);
			assert.same({ "to bridge: reject x@evil.com juliet@contoso.com" },
				event("subscribe", { contact = "x@evil.com"; again = true }));
		end);

		it("to what is no address: 400", function ()
			local lines = event("subscribe", { id = 7; contact = "fabrikam.com" });
			assert.equal(1, #lines);
			assert.matches("^to bridge: answer 7 4%d%d ", lines[1]);
		end);

		it("and logs off: who does not watch itself hears of it", function ()
			granted();
			assert.same({ out("unavailable") }, event("unsubscribed", { token = "unsubscribed" }));
			assert.same({}, event("unsubscribed", { token = "unsubscribed" }));
		end);

		it("and logs off: who watches hears it from the watch", function ()
			watched();
			granted();
			assert.same({}, event("unsubscribed", { token = "unsubscribed" }));
		end);
	end);

	describe("of several resources", function ()
		before_each(granted);

		it("the highest priority counts, then the most available", function ()
			local function is(resource, show, priority)
				return arrives(nil, { from = romeo.."/"..resource }, function (stanza)
					if show then stanza:text_tag("show", show); end
					if priority then stanza:text_tag("priority", priority); end
				end);
			end
			assert.same({ to_bridge("presence PAIR away verified notes") }, is("a", "away", "5"));
			assert.same({}, is("b", nil, "1"));
			assert.same({ to_bridge("presence PAIR dnd verified notes") }, is("c", "dnd", "5"));
			assert.same({ to_bridge("presence PAIR away verified notes") }, arrives("unavailable", { from = romeo.."/c" }));
			assert.same({ to_bridge("presence PAIR available verified notes") }, is("b", "chat", "\n 127 "));
			assert.same({ to_bridge("presence PAIR away verified notes") }, is("b", "chat", "-1"));
			is("a", "away", "junk");
			is("a", "nonsense", "1e99");
			assert.equal("available", h.presence.explain(romeo, juliet).contact_presence);
		end);

		it("the status of the stanza's own language is told", function ()
			assert.same({ to_bridge("presence PAIR available verified notes note=Mittag lang=de") },
				arrives(nil, { lang = "de" }, function (stanza)
					stanza:text_tag("status", "lunch", { ["xml:lang"] = "en" })
						:text_tag("status", "Mittag", { ["xml:lang"] = "de" });
				end));
			assert.same({ to_bridge("presence PAIR available verified notes note=lunch lang=en") },
				arrives(nil, { lang = "fr" }, function (stanza)
					stanza:text_tag("status", "lunch", { ["xml:lang"] = "en" })
						:text_tag("status", "Mittag", { ["xml:lang"] = "de" });
				end));
			assert.same({ to_bridge("presence PAIR available verified notes note=own lang=fr") },
				arrives(nil, { lang = "fr" }, function (stanza)
					stanza:text_tag("status", "lunch", { ["xml:lang"] = "en" }):text_tag("status", "own");
				end));
			assert.same({ to_bridge("presence PAIR available verified notes") }, arrives(nil, nil, function (stanza)
				stanza:tag("status"):up();
			end));
		end);
	end);

	describe("what is odd", function ()
		it("a type that does not exist is a bad request", function ()
			for _, kind in ipairs { "banana", "available", "" } do
				local lines = arrives(kind, { id = "p1" });
				assert.equal(1, #lines);
				assert.matches("id='p1'.*type='error'.*<bad%-request ", lines[1]);
			end
		end);

		it("presence of and for the domain itself is taken silently", function ()
			for _, kind in ipairs { "subscribe", "probe", "unavailable", "subscribed", "error" } do
				assert.same({}, arrives(kind, { to = "contoso.com" }));
			end
			assert.same({}, arrives(nil, { to = "contoso.com" }));
			assert.equal(0, h.presence.counts().pairs);
		end);

		it("an error is not answered, whatever it says", function ()
			assert.same({}, arrives("error"));
			assert.same({}, arrives("error", { from = "x@evil.com" }));
			assert.same({}, arrives("error", { to = ("x"):rep(1100).."@contoso.com" }));
			assert.same({}, arrives("error", nil, function (stanza) stanza:tag("error", { type = "cancel" }):up(); end));
		end);

		it("an error takes what is known of the contact", function ()
			granted();
			arrives(nil);
			assert.same({ to_bridge("presence PAIR offline verified notes") }, arrives("error"));
		end);

		it("kinds nobody asked for are taken silently", function ()
			for _, kind in ipairs { false, "unavailable", "unsubscribe", "subscribed", "unsubscribed" } do
				assert.same({}, arrives(kind or nil));
			end
			assert.equal(0, h.presence.counts().pairs);
		end);

		it("markup in texts stays text", function ()
			arrives("subscribe");
			event("watch", { watch = "active"; status = 200 });
			assert.same({ out(nil, "<status>&lt;b&gt;&amp;</status>") }, event("state", { presence = "available"; text = "<b>&" }));
		end);
	end);

	it("a contact that has not approved the user is not asked before a refresh", function ()
		watched();
		assert.same({ to_bridge("watch PAIR verified notes") }, event("watch", { watch = "due" }));
		assert.same({}, passes(60));
	end);

	describe("before a refresh", function ()
		before_each(function ()
			watched();
			granted();
		end);

		it("the contact is probed, and any answer lets it go on", function ()
			assert.same({ out("probe") }, event("watch", { watch = "due" }));
			assert.same({ to_bridge("watch PAIR verified notes") }, arrives("unavailable"));
			assert.same({}, passes(60));
		end);

		it("an error that may pass is an answer, too; one that lasts is not", function ()
			event("watch", { watch = "due" });
			assert.same({ to_bridge("watch PAIR verified notes") }, arrives("error", nil, function (stanza)
				stanza:tag("error", { type = "wait" }):tag("remote-server-timeout",
					{ xmlns = "urn:ietf:params:xml:ns:xmpp-stanzas" }):up():up();
			end));
			event("watch", { watch = "due" });
			assert.same({}, arrives("error", nil, function (stanza) stanza:tag("error", { type = "cancel" }):up(); end));
		end);

		it("without an answer in 30 s the watch sleeps until the contact is back", function ()
			event("watch", { watch = "due" });
			assert.same({}, passes(29));
			assert.same({ to_bridge("unwatch PAIR"); out("unavailable") }, passes(1));
			assert.same({}, passes(7200));
			assert.same({ to_bridge("watch PAIR verified notes"); to_bridge("presence PAIR available verified notes") }, arrives(nil));
		end);
	end);
end);
