-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local st = require "util.stanza";

local xmlns_chatstates = "http://jabber.org/protocol/chatstates";
local romeo, juliet = "romeo@fabrikam.com/orchard", "juliet@contoso.com";

describe("s2x", function ()
	local h, bridge, world;
	before_each(function ()
		h, bridge, world = support.running();
	end);

	local function event(attr)
		local ev = { type = "message"; id = 17; contact = romeo; user = juliet; text = "hello"; thread = "t1" };
		for key, value in pairs(attr or {}) do
			ev[key] = value;
		end
		return ev;
	end

	local function bounce(stanza, condition, text, kind)
		return st.error_reply(stanza, kind or "cancel", condition, text);
	end

	-- Arguments of bridge:answer: a 200 says whom the partner's type vouches for, a bounce names both its ends.
	local function taken(id)
		return { id, 200, nil, nil, { verified = true } };
	end

	local function returned(id, status, text, early)
		return { id, status, nil, text, { contact = romeo; user = juliet; verified = early } };
	end

	local function contact_uses_states(uses)
		h.conversations.heard(romeo, juliet, uses);
	end

	describe("an offer", function ()
		it("is taken when the policy allows it", function ()
			world.events(event { type = "offer" });
			assert.same({ taken(17) }, bridge:called("answer"));
			assert.same({ direction = "out"; contact = "romeo@fabrikam.com"; user = juliet; kind = "offer" },
				h.settings.asked[1]);
		end);

		it("for a stranger is refused with the reason", function ()
			world.events(event { type = "offer"; contact = "x@evil.com" });
			assert.same({ { 17, 403, nil, "not a partner" } }, bridge:called("answer"));
			assert.same({ "not-a-partner" }, h.metrics.refusals);
		end);

		it("of a user who may not", function ()
			h.settings.refused[juliet] = true;
			world.events(event { type = "offer" });
			assert.equal(403, bridge:called("answer")[1][2]);
			assert.same({ verified = true }, bridge:called("answer")[1][5]); -- of the contact's partner, all the same
		end);

		it("for one of our own hosts is a loop", function ()
			h.settings.list["contoso.com"] = "contoso.com";
			world.events(event { type = "offer"; contact = "x@contoso.com" });
			assert.equal(403, bridge:called("answer")[1][2]);
			assert.same({ "loop" }, h.metrics.refusals);
		end);

		it("of a domain that no host serves is 404", function ()
			world.events(event { type = "offer"; user = "x@nowhere.com" }, event { id = 18; user = "x@nowhere.com" });
			assert.equal(404, bridge:called("answer")[1][2]);
			assert.equal(404, bridge:called("answer")[2][2]);
			assert.same({}, h.sent);
		end);
	end);

	describe("a message", function ()
		it("becomes a chat stanza", function ()
			h.streams["fabrikam.com"] = {};
			world.events(event { subject = "s"; lang = "en" });
			local stanza = h.sent[1];
			assert.same({ "chat", juliet, romeo, "en" },
				{ stanza.attr.type, stanza.attr.from, stanza.attr.to, stanza.attr["xml:lang"] });
			assert.equal("hello", stanza:get_child_text("body"));
			assert.equal("s", stanza:get_child_text("subject"));
			assert.equal("t1", stanza:get_child_text("thread"));
			assert.matches("^lync11%-%x+$", stanza.attr.id);
		end);

		it("is built as util.stanza builds it", function ()
			for _, ev in ipairs { {}; { plain = true; bare = "romeo@fabrikam.com"; remote = "fabrikam.com"; host = "contoso.com" } } do
				h.sent = {};
				ev.subject, ev.lang = "s", "en";
				world.events(event(ev));
				local got = h.sent[1];
				local want = st.message({ type = "chat"; from = juliet; to = romeo; id = got.attr.id; ["xml:lang"] = "en" })
					:text_tag("subject", "s"):text_tag("body", "hello"):text_tag("thread", "t1")
					:tag("active", { xmlns = "http://jabber.org/protocol/chatstates" }):up();
				want.last_add = nil;
				assert.same(want, got);
				assert.is_true(st.is_stanza(got) and st.is_stanza(got.tags[4]));
				assert.equal(tostring(want), tostring(got));
				assert.equal(tostring(want:tag("x"):up()), tostring(got:tag("x"):up()));
				assert.equal(tostring(st.error_reply(want, "cancel", "gone")), tostring(st.error_reply(got, "cancel", "gone")));
			end
		end);

		it("is not asked about again where the core has asked", function ()
			local may, asked = h.settings.may, 0;
			function h.settings.may(...)
				asked = asked + 1;
				return may(...);
			end
			local plain = { plain = true; bare = "romeo@fabrikam.com"; remote = "fabrikam.com"; host = "contoso.com" };
			world.events(event(plain));
			assert.equal(1, asked);
			plain.allowed, plain.id = true, 18;
			world.events(event(plain));
			assert.equal(1, asked);
			assert.is_true(h.state.pending[18].verified);
			plain.allowed, plain.id = false, 19;
			world.events(event(plain));
			assert.equal(1, asked);
			assert.is_false(h.state.pending[19].verified);
		end);

		it("carries nothing that XML cannot", function ()
			world.events(event { text = "a\0b\1c\r\nd\te\239\191\190f\127"; thread = "x\0y" });
			assert.equal("abc\nd\tef\127", h.sent[1]:get_child_text("body"));
			assert.equal("xy", h.sent[1]:get_child_text("thread"));
		end);

		it("escapes nothing itself: markup stays text", function ()
			world.events(event { text = "<b>&" });
			assert.is_truthy(tostring(h.sent[1]):find("<body>&lt;b&gt;&amp;</body>", 1, true));
		end);

		it("that is not UTF-8 is refused", function ()
			world.events(event { text = "\255" });
			assert.same({}, h.sent);
			assert.equal(406, bridge:called("answer")[1][2]);
		end);

		for _, address in ipairs { "fabrikam.com", "a b@fabrikam.com", "@fabrikam.com", "", "x@" } do
			it(("to the impossible address %q is refused"):format(address), function ()
				world.events(event { contact = address });
				assert.same({}, h.sent);
				assert.equal(400, bridge:called("answer")[1][2]);
			end);
		end

		it("is answered 200 at once when a stream is there", function ()
			h.streams["fabrikam.com"] = {};
			world.events(event());
			assert.same({ taken(17) }, bridge:called("answer"));
			assert.same({ "s2x delivered" }, h.metrics.messages);
		end);

		it("is answered 200 at once when the domain is local", function ()
			h.locals["fabrikam.com"] = true;
			world.events(event());
			assert.same({ taken(17) }, bridge:called("answer"));
		end);

		it("waits for the stream", function ()
			world.events(event(), event { id = 18; contact = "tybalt@na.fabrikam.com" });
			assert.same({}, bridge:called("answer"));
			assert.equal(2, h.metrics.queues.s2x);
			h.handover.established("fabrikam.com"); -- not ready after all
			assert.same({}, bridge:called("answer"));
			h.streams["fabrikam.com"] = {};
			h.handover.established("fabrikam.com");
			assert.same({ taken(17) }, bridge:called("answer"));
			assert.equal(1, h.metrics.queues.s2x);
		end);

		it("refused by Prosody during sending is not answered 200", function ()
			h.streams["fabrikam.com"] = {};
			h.on_send = function (stanza)
				h.handover.bounced(bounce(stanza, "not-allowed", "no way"));
			end;
			world.events(event());
			assert.same({ returned(17, 403, "no way", true) }, bridge:called("answer"));
			assert.same({ "s2x failed" }, h.metrics.messages);
		end);

		it("bounced while it waits is answered with the mapped code, once", function ()
			world.events(event());
			local back = bounce(h.sent[1], "remote-server-not-found", "Server-to-server connection failed\nX: y");
			assert.is_true(h.handover.bounced(back));
			assert.same({ returned(17, 404, "Server-to-server connection failed X: y", true) }, bridge:called("answer"));
			h.streams["fabrikam.com"] = {};
			h.handover.established("fabrikam.com");
			assert.equal(1, #bridge:called("answer"));
		end);

		it("bounced after its 200 is told as well", function ()
			h.streams["fabrikam.com"] = {};
			world.events(event());
			h.handover.bounced(bounce(h.sent[1], "item-not-found"));
			assert.same({ taken(17), returned(17, 404, "Phrase") }, bridge:called("answer"));
		end);

		it("cannot be bounced by anybody else", function ()
			h.streams["fabrikam.com"] = {};
			world.events(event());
			local back = bounce(h.sent[1], "item-not-found");
			back.attr.from = "tybalt@fabrikam.com";
			assert.is_false(h.handover.bounced(back));
			back = bounce(h.sent[1], "item-not-found");
			back.attr.to = "nurse@contoso.com";
			assert.is_false(h.handover.bounced(back));
			back = bounce(h.sent[1], "item-not-found");
			back.attr.id = back.attr.id:gsub("^lync11", "lync12");
			assert.is_false(h.handover.bounced(back));
			for _, id in ipairs { "", "lync", "lync11", "lync11-", "lync11-00", "lync"..("f"):rep(40).."-00", "x" } do
				back.attr.id = id;
				assert.is_false(h.handover.bounced(back));
			end
			assert.equal(1, #bridge:called("answer"));
		end);

		it("may be bounced without the resource", function ()
			world.events(event());
			local back = bounce(h.sent[1], "item-not-found");
			back.attr.from = "romeo@fabrikam.com";
			assert.is_true(h.handover.bounced(back));
		end);

		it("of a worker that is gone is forgotten", function ()
			world.events(event());
			local back = bounce(h.sent[1], "item-not-found");
			world.events({ type = "worker"; status = 0 });
			assert.is_false(h.handover.bounced(back));
			assert.equal(0, h.state.pending_n);
			world.clock.advance(60);
			assert.same({}, bridge:called("answer"));
		end);

		it("without a stream in time fails, and is taken out of the queue", function ()
			world.events(event());
			world.clock.advance(24);
			assert.same({}, bridge:called("answer"));
			world.clock.advance(1);
			assert.same({ "fabrikam.com" }, h.bounced);
			assert.same({ { 17, 408, nil, "No connection to the XMPP domain in time" } }, bridge:called("answer"));
			assert.equal(0, h.state.pending_n);
			h.presence.stop(true);
			assert.equal(0, world.clock.pending());
		end);

		it("that mod_s2s bounces on our demand is answered once", function ()
			world.events(event());
			function h.bounce_stream()
				h.handover.bounced(bounce(h.sent[1], "remote-server-timeout", "No stream in time", "wait"));
			end
			world.clock.advance(25);
			assert.same({ returned(17, 408, "No stream in time", true) }, bridge:called("answer"));
		end);

		it("later than the first has its own time", function ()
			world.events(event());
			world.clock.advance(10);
			world.events(event { id = 18 });
			world.clock.advance(15);
			assert.equal(1, #bridge:called("answer"));
			world.clock.advance(9);
			assert.equal(1, #bridge:called("answer"));
			world.clock.advance(1);
			assert.equal(18, bridge:called("answer")[2][1]);
		end);

		it("beyond the limit is refused at once", function ()
			local limit = support.lib("handover").PENDING_MAX;
			for id = 1, limit do
				h.s2x.message(event { id = id });
			end
			h.s2x.message(event { id = limit + 1 });
			assert.equal(limit, #h.sent);
			assert.same({ { limit + 1, 500, nil, "Too many messages wait for a connection to their domain",
				{ verified = true } } },
				bridge:called("answer"));
		end);
	end);

	describe("chat states", function ()
		local function active_in(stanza)
			return stanza:get_child("active", xmlns_chatstates) ~= nil;
		end

		it("go with content unless the contact has shown not to know them", function ()
			world.events(event());
			assert.is_true(active_in(h.sent[1]));
			contact_uses_states(false);
			world.events(event { id = 18 });
			assert.is_false(active_in(h.sent[2]));
			contact_uses_states(true);
			world.events(event { id = 19 });
			assert.is_true(active_in(h.sent[3]));
		end);

		it("by themselves go only to a contact who has used them", function ()
			world.events(event { type = "typing"; typing = "composing" });
			contact_uses_states(false);
			world.events(event { type = "typing"; typing = "composing" });
			assert.same({}, h.sent);
			contact_uses_states(true);
			world.events(event { type = "typing"; typing = "composing" });
			assert.equal(1, #h.sent);
			assert.is_truthy(h.sent[1]:get_child("composing", xmlns_chatstates));
			assert.equal("t1", h.sent[1]:get_child_text("thread"));
			assert.equal("chat", h.sent[1].attr.type);
			assert.equal(2, #h.sent[1].tags);
		end);

		it("are never the same twice, and content ends typing", function ()
			contact_uses_states(true);
			local function typing(state) return event { type = "typing"; typing = state }; end
			world.events(typing "paused", typing "composing", typing "composing", typing "paused", typing "paused");
			assert.equal(2, #h.sent);
			assert.is_truthy(h.sent[2]:get_child("paused", xmlns_chatstates));
			world.events(typing "composing", event(), typing "paused", typing "composing");
			assert.equal(5, #h.sent); -- composing, content, composing
		end);

		it("that do not exist are not sent", function ()
			contact_uses_states(true);
			world.events(event { type = "typing"; typing = "dancing" });
			assert.same({}, h.sent);
		end);

		it("gone tells the end, to who knows it", function ()
			contact_uses_states(true);
			world.events(event { type = "ended" }, event { type = "ended" });
			assert.equal(1, #h.sent);
			assert.is_truthy(h.sent[1]:get_child("gone", xmlns_chatstates));
			contact_uses_states(false);
			world.events(event { type = "ended" });
			assert.equal(1, #h.sent);
		end);

		it("do not go to a stranger", function ()
			h.conversations.heard("x@evil.com", juliet, true);
			world.events(event { type = "typing"; typing = "composing"; contact = "x@evil.com" });
			assert.same({}, h.sent);
		end);
	end);
end);
