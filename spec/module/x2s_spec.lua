-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local message, error_of = support.message, support.error_of;

local xmlns_chatstates = "http://jabber.org/protocol/chatstates";

local function with(state, thread)
	return function (stanza)
		if state then
			stanza:tag(state, { xmlns = xmlns_chatstates }):up();
		end
		if thread then
			stanza:text_tag("thread", thread);
		end
	end;
end

local function wants_receipt(stanza)
	stanza:tag("request", { xmlns = "urn:xmpp:receipts" }):up();
end

describe("x2s", function ()
	local h, bridge, world;
	before_each(function ()
		h, bridge, world = support.running();
	end);

	local function only_error()
		assert.equal(1, #h.sent);
		return error_of(h.sent[1]);
	end

	describe("a message", function ()
		it("goes to the bridge with all that it says", function ()
			h.x2s.message(message({ type = "chat"; id = "m1"; body = "hello"; lang = "en" }, function (stanza)
				stanza:text_tag("subject", "a\nsubject"):text_tag("thread", "t1");
			end));
			assert.same({ { {
				contact = "romeo@fabrikam.com/orchard"; user = "juliet@contoso.com"; text = "hello"; lang = "en"; thread = "t1";
				subject = "a subject"; verified = true; reply_only = false;
			} } }, bridge:called("message"));
			assert.same({}, h.sent);
			assert.same({ direction = "in"; contact = "romeo@fabrikam.com"; user = "juliet@contoso.com"; kind = "message" },
				h.settings.asked[1]);
		end);

		it("to a full address goes to the user", function ()
			h.x2s.message(message({ type = "chat"; to = "juliet@contoso.com/x"; body = "hello" }));
			assert.equal("juliet@contoso.com", bridge:called("message")[1][1].user);
		end);

		it("that is only an answer says so", function ()
			h.settings.flags = { verified = false; reply_only = true };
			h.x2s.message(message { body = "hello" });
			assert.is_true(bridge:called("message")[1][1].reply_only);
			assert.is_false(bridge:called("message")[1][1].verified);
		end);

		it("has the body of its own language", function ()
			h.x2s.message(message({ lang = "de" }, function (stanza)
				stanza:body("hello", { ["xml:lang"] = "en" }):body("hallo", { ["xml:lang"] = "de" });
			end));
			assert.equal("hallo", bridge:called("message")[1][1].text);
			assert.equal("de", bridge:called("message")[1][1].lang);
		end);

		it("of an unknown type counts as normal", function ()
			h.x2s.message(message { type = "banana"; body = "hello" });
			assert.equal(1, #bridge:called("message"));
		end);

		it("may have 16 KiB and not a byte more", function ()
			h.x2s.message(message { body = ("x"):rep(16384) });
			assert.same({}, h.sent);
			h.x2s.message(message { body = ("x"):rep(16385); id = "big" });
			local kind, condition = only_error();
			assert.same({ "modify", "policy-violation" }, { kind, condition });
			assert.equal("big", h.sent[1].attr.id);
			assert.equal(1, #bridge:called("message"));
		end);
	end);

	describe("what is no message for a user", function ()
		local cases = {
			{ "groupchat", message { type = "groupchat"; body = "x" }, "cancel", "service-unavailable" };
			{ "to the gateway itself", message { to = "contoso.com"; body = "x" }, "cancel", "service-unavailable" };
			{ "a subject without a body", message({}, function (s)
				s:text_tag("subject", "x");
			end), "modify", "not-acceptable" };
			{ "an invitation to a room", message({}, function (s)
				s:tag("x", { xmlns = "jabber:x:conference"; jid = "room@x" }):up();
			end), "cancel", "not-acceptable" };
			{ "a mediated invitation", message({}, function (s)
				s:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" }):tag("invite"):up():up();
			end), "cancel", "not-acceptable" };
			{ "headline", message { type = "headline"; body = "x" } };
			{ "headline to the gateway", message { type = "headline"; to = "contoso.com"; body = "x" } };
			{ "an empty body", message { body = "" } };
			{ "nothing at all", message {} };
			{ "a receipt", message({}, function (s) s:tag("received", { xmlns = "urn:xmpp:receipts"; id = "1" }):up(); end) };
			{ "an unknown chat state", message({ type = "chat" }, with("dancing")) };
			{ "a chat state without type chat", message({}, with("composing")) };
		};
		for _, case in ipairs(cases) do
			it(("%s: %s"):format(case[1], case[4] or "silence"), function ()
				h.x2s.message(case[2]);
				assert.same({}, bridge:called("message"));
				assert.same({}, bridge:called("typing"));
				if not case[4] then
					assert.same({}, h.sent);
					return;
				end
				local kind, condition = only_error();
				assert.same({ case[3], case[4] }, { kind, condition });
			end);
		end
	end);

	describe("a refusal", function ()
		it("by the policy is an error with the token", function ()
			h.x2s.message(message { from = "x@evil.com"; body = "x"; id = "a" });
			local kind, condition, text = only_error();
			assert.same({ "cancel", "not-allowed" }, { kind, condition });
			assert.matches("not%-a%-partner", text);
			assert.same({ "not-a-partner" }, h.metrics.refusals);
			assert.same({ "x2s refused" }, h.metrics.messages);
		end);

		it("of a user is another one", function ()
			h.settings.refused["juliet@contoso.com"] = true;
			h.x2s.message(message { body = "x" });
			local _, condition, text = only_error();
			assert.equal("forbidden", condition);
			assert.matches("user%-not%-enabled", text);
		end);

		it("of our own domain breaks the loop", function ()
			h.settings.list["contoso.com"] = "contoso.com";
			h.x2s.message(message { from = "romeo@contoso.com"; body = "x" });
			local _, _, text = only_error();
			assert.matches("loop", text);
			assert.same({}, bridge:called("message"));
		end);

		for token, expected in pairs {
			["full"] = "wait resource-constraint"; ["bridge-down"] = "wait remote-server-timeout";
			["too-big"] = "modify policy-violation"; ["bad-text"] = "modify not-acceptable";
			["bad-jid"] = "modify jid-malformed"; ["system"] = "cancel internal-server-error";
		} do
			it("by the bridge: "..token, function ()
				bridge.fails.message = token;
				h.x2s.message(message { body = "x"; id = "a" });
				local kind, condition, text = only_error();
				assert.equal(expected, kind.." "..condition);
				assert.matches("("..token:gsub("%-", "%%-")..")", text);
				assert.same({ "x2s failed" }, h.metrics.messages);
			end);
		end

		it("without usable settings", function ()
			h.settings.usable = false;
			world.pool:reconcile();
			world.clock.advance(10);
			h.x2s.message(message { body = "x" });
			local _, condition, text = only_error();
			assert.equal("service-unavailable", condition);
			assert.matches("no%-settings", text);
		end);
	end);

	describe("an outcome", function ()
		local function send(attr, build)
			h.x2s.message(message(attr, build));
			assert.same({}, h.sent);
		end

		it("delivered: nothing", function ()
			send { body = "x"; id = "m1" };
			world.events({ type = "outcome"; id = 1; outcome = "delivered"; status = 200 });
			assert.same({}, h.sent);
			assert.same({ "x2s delivered" }, h.metrics.messages);
		end);

		it("delivered, receipt wanted: a receipt with the message's id", function ()
			send({ type = "chat"; body = "x"; id = "m1"; to = "juliet@contoso.com/lync" }, wants_receipt);
			world.events({ type = "outcome"; id = 1; outcome = "delivered"; status = 200 });
			assert.equal(1, #h.sent);
			local receipt = h.sent[1];
			assert.equal("m1", receipt:get_child("received", "urn:xmpp:receipts").attr.id);
			assert.equal("chat", receipt.attr.type);
			assert.equal("romeo@fabrikam.com/orchard", receipt.attr.to);
			assert.equal("juliet@contoso.com/lync", receipt.attr.from);
			assert.is_nil(receipt:get_child("request", "urn:xmpp:receipts"));
			assert.not_equal("m1", receipt.attr.id);
		end);

		it("delivered, receipt wanted without an id: none", function ()
			send({ body = "x" }, wants_receipt);
			world.events({ type = "outcome"; id = 1; outcome = "delivered"; status = 200 });
			assert.same({}, h.sent);
		end);

		it("accepted: no receipt", function ()
			send({ body = "x"; id = "m1" }, wants_receipt);
			world.events({ type = "outcome"; id = 1; outcome = "accepted"; status = 202 });
			assert.same({}, h.sent);
		end);

		it("failed: an error that tells the peer's answer", function ()
			send({ type = "chat"; body = "x"; id = "m1" }, wants_receipt);
			world.events({ type = "outcome"; id = 1; outcome = "failed"; status = 404; reason = "Not Found\r\nX: y";
				condition = "item-not-found"; error_type = "cancel"; token = "sip-failure"; retry_after = 30 });
			local kind, condition, text = only_error();
			assert.same({ "cancel", "item-not-found", "SIP 404 Not Found X: y (sip-failure); try again in 30 seconds" },
				{ kind, condition, text });
			assert.equal("m1", h.sent[1].attr.id);
			assert.equal("romeo@fabrikam.com/orchard", h.sent[1].attr.to);
			assert.equal("juliet@contoso.com", h.sent[1].attr.from);
			assert.same({ "x2s failed" }, h.metrics.messages);
		end);

		it("failed here: an error that does not blame the peer", function ()
			send { body = "x"; id = "m1" };
			world.events({ type = "outcome"; id = 1; outcome = "failed"; status = 503; ["local"] = true;
				reason = "The worker died"; condition = "internal-server-error"; error_type = "cancel"; token = "bridge-died" });
			local kind, condition, text = only_error();
			assert.same({ "wait", "remote-server-timeout", "The worker died (bridge-died)" }, { kind, condition, text });
		end);

		it("comes once: a second one is ignored", function ()
			send { body = "x"; id = "m1" };
			local failed = { type = "outcome"; id = 1; outcome = "failed"; status = 500; condition = "internal-server-error";
				error_type = "cancel" };
			world.events(failed, failed);
			assert.equal(1, #h.sent);
		end);

		it("is made here when the bridge ends without one", function ()
			send { body = "x"; id = "m1" };
			world.pool:stop(function () end);
			world.clock.advance(4);
			local _, condition, text = only_error();
			assert.equal("internal-server-error", condition);
			assert.matches("bridge%-closed", text);
		end);

		it("is made so for many a few per turn, and all are made before the end", function ()
			for i = 1, 5 do send { body = "x"; id = "m"..i }; end
			local closed;
			world.pool:stop(function () closed = #h.sent; end);
			world.long = 2;
			local steps, before = {}, 0;
			for _ = 1, 20 do
				if not world.clock.step(world.clock.time + 4) then break; end
				if #h.sent > before then steps[#steps+1] = #h.sent - before; end
				before = #h.sent;
			end
			assert.same({ 2, 2, 1 }, steps);
			assert.equal(5, closed);
		end);
	end);

	describe("a chat state", function ()
		for _, state in ipairs { "active", "composing", "paused", "inactive" } do
			it(state.." by itself is typing", function ()
				h.x2s.message(message({ type = "chat" }, with(state, "t1")));
				assert.same({ { {
					contact = "romeo@fabrikam.com/orchard"; user = "juliet@contoso.com"; state = state; thread = "t1";
					verified = true; reply_only = false;
				} } }, bridge:called("typing"));
				assert.same({}, h.sent);
			end);
		end

		it("gone ends the conversation", function ()
			h.x2s.message(message({ type = "chat" }, with("gone", "t1")));
			assert.equal(1, #bridge:called("ended"));
			assert.same({}, bridge:called("typing"));
			assert.is_nil(h.conversations.get("romeo@fabrikam.com", "juliet@contoso.com"));
		end);

		it("gone with a body ends it after the message", function ()
			h.x2s.message(message({ type = "chat"; body = "bye" }, with("gone")));
			assert.equal("message", bridge.calls[1][1]);
			assert.equal("ended", bridge.calls[2][1]);
		end);

		it("with a body is not typing", function ()
			h.x2s.message(message({ type = "chat"; body = "x" }, with("active")));
			assert.same({}, bridge:called("typing"));
		end);

		it("of a stranger is not answered", function ()
			h.x2s.message(message({ type = "chat"; from = "x@evil.com" }, with("composing")));
			assert.same({}, h.sent);
			assert.same({}, bridge:called("typing"));
			assert.same({ "not-a-partner" }, h.metrics.refusals);
		end);

		it("is remembered, and its absence, too", function ()
			local function known() return h.conversations.get("romeo@fabrikam.com", "juliet@contoso.com").states; end
			h.x2s.message(message({ type = "chat"; body = "x" }, with("active")));
			assert.is_true(known());
			h.x2s.message(message { type = "chat"; body = "x" });
			assert.is_false(known());
		end);
	end);
end);
