-- edge_presence_spec.lua: presence of the Access Edge stand-in against a scripted bridge: what is right passes.
-- SPDX-License-Identifier: MIT

local documents = require "spec.support.edge_documents";
local sip = require "spec.support.sip";
local stage = require "spec.support_spec.presence_stage".new();

local ROMEO = "romeo@fabrikam.com";
local CATEGORIES = "application/msrtc-event-categories+xml, application/pidf+xml";

describe("presence of the Access Edge stand-in", function ()
	local loop, edge, bridge, lena;
	setup(function () stage:certificates(); end);
	teardown(function () stage:finish(); end);
	before_each(function () loop, edge, bridge, lena = stage:raise(); end);
	after_each(function () stage:lower(); end);

	describe("of a user who is watched", function ()
		it("is accepted, told at once and on every change", function ()
			lena:publish("busy", "in the lab");
			local subscription = stage:watched();
			local doc, notify = stage:wait_notified(1);
			assert.same({ "pidf", "busy", "Lena Berg" }, { doc.form, doc.presence, doc.display });
			assert.equal("sip:romeo@xmpp.contoso.com:5061;transport=tls", notify.uri);
			assert.matches("^active;expires=28%d+$", sip.get(notify, "Subscription-State"));
			for _, name in ipairs { "Expires", "Event", "Subscription-State" } do assert(sip.get(bridge.subscribe_response, name)); end
			assert.equal(3, #sip.list(bridge.subscribe_response, "Record-Route"));
			assert.matches("^<sip:pool1%.", sip.get(bridge.subscribe_response, "Contact"));
			for i, state in ipairs { "away", "dnd", "available", "offline" } do
				lena:publish(state);
				assert.equal(({ "away", "busy", "available", "offline" })[i], (stage:wait_notified(i + 1)).presence);
			end
			assert.equal("active", subscription.state);
			edge:assert_clean();
		end);

		it("has the document that the server prefers", function ()
			lena:publish("dnd", "not <now>");
			for accept, form in pairs { [CATEGORIES] = "categories";
				["application/pidf+xml, text/xml+msrtc.pidf"] = "msrtc"; ["application/pidf+xml"] = "pidf" } do
				edge:ignore("watched-twice", "subscribe-body");
				bridge.notified = nil;
				bridge:subscribe({ accept = accept });
				local doc = stage:wait_notified(1);
				assert.equal(form, doc.form);
				assert.equal(form == "categories" and "dnd" or "busy", doc.presence);
				assert.equal(form ~= "pidf" and "not <now>" or nil, doc.note);
				assert.equal("Lena Berg", doc.display);
			end
		end);

		it("says every state in every form", function ()
			for form, kind in pairs(documents.types) do
				for state in pairs(documents.states) do
					local doc = assert(documents.read(kind, documents.write(form, { address = "lena@contoso.com", state = state })));
					local coarse = ({ meeting = "busy"; phone = "busy" })[state] or state;
					if form == "categories" then assert.equal(coarse, doc.presence, form); end
					assert.equal(state == "offline", doc.presence == "offline", form);
				end
			end
		end);

		it("is refreshed, and ends with a last NOTIFY", function ()
			local subscription = stage:watched();
			bridge:resubscribe();
			stage:wait_notified(2);
			assert.equal(1, subscription.refreshes);
			bridge:resubscribe({ expires = 0 });
			local _, notify = stage:wait_notified(3);
			assert.equal("terminated;reason=timeout", sip.get(notify, "Subscription-State"));
			lena:wait_unwatched(ROMEO);
			bridge:resubscribe();
			loop:wait(function () return bridge.subscribe_status == 481; end, 2, "481");
			edge:assert_clean();
		end);

		it("is hidden from who is blocked, and from strangers in privacy mode", function ()
			lena:publish("available", "secret");
			stage:watched();
			lena:block(ROMEO);
			assert.equal("offline", (stage:wait_notified(2)).presence);
			lena:allow(ROMEO);
			assert.equal("available", (stage:wait_notified(3)).presence);
			lena:privacy(true);
			assert.equal("offline", (stage:wait_notified(4)).presence);
			lena.contacts[ROMEO] = true;
			lena:privacy(true);
			assert.equal("available", (stage:wait_notified(5)).presence);
			lena.contacts[ROMEO] = nil;
			edge:ignore("watched-twice", "subscribe-body");
			bridge:subscribe({ accept = CATEGORIES });
			local doc = stage:wait_notified(6);
			assert.same({ "categories", "Lena Berg", "offline" }, { doc.form, doc.display, doc.presence });
			assert.is_nil(doc.note);
		end);

		it("prompts once for each watcher", function ()
			stage:watched();
			assert.equal(1, #lena.prompts);
			assert.same({ contact = ROMEO, display = "Romeo", acknowledged = false }, lena.prompts[1]);
			lena:acknowledge(ROMEO);
			lena:forget();
			stage:watched();
			assert.equal(1, #lena.prompts);
			assert.is_true(lena.prompts[1].acknowledged);
			edge:assert_clean();
		end);

		it("answers as told", function ()
			lena:answers("SUBSCRIBE", { status = 423, min_expires = 60000, times = 1 }, { status = 403, diag = 2004, times = 1 },
				{ status = 504, after = 0.05, times = 1 }, { expires = 3600, notify = false });
			for _, status in ipairs { 423, 403, 504, 200 } do
				assert.equal(status, stage:answered());
				if status == 423 then assert.equal("60000", sip.get(bridge.subscribe_response, "Min-Expires")); end
				if status == 403 then assert.matches("^2004;", sip.get(bridge.subscribe_response, "ms-diagnostics-public")); end
			end
			assert.equal("3600", sip.get(bridge.subscribe_response, "Expires"));
			assert.is_nil(bridge.notified);
			edge:assert_clean();
		end);

		it("tells before the 200, later, not at all, or the end at once", function ()
			lena:answers("SUBSCRIBE", { notify = "before", times = 1 }, { notify = 0.1, times = 1 }, { terminated = "probation",
				retry_after = 7 });
			bridge:subscribe();
			stage:wait_notified(1);
			assert.is_nil(bridge.subscribe_status);
			loop:wait(function () return bridge.subscribe_status == 200; end, 2, "200");
			lena:forget();
			bridge:subscribe();
			stage:wait_notified(2);
			lena:forget();
			bridge:subscribe();
			local _, notify = stage:wait_notified(3);
			assert.equal("terminated;reason=probation;retry-after=7", sip.get(notify, "Subscription-State"));
			lena:publish("away");
			assert.equal(3, #bridge.notified);
			edge:assert_clean();
		end);

		it("is terminated, forgotten, and lost", function ()
			stage:watched():terminate("deactivated");
			local _, notify = stage:wait_notified(2);
			assert.equal("terminated;reason=deactivated", sip.get(notify, "Subscription-State"));
			stage:watched();
			lena:forget();
			bridge:resubscribe();
			loop:wait(function () return bridge.subscribe_status == 481; end, 2, "481");
			stage:watched();
			local before = #bridge.notified;
			lena.mute = true;
			lena:publish("away");
			loop:never(function () return #bridge.notified > before; end, 0.1, "a NOTIFY");
			bridge.notify_answer = 481;
			lena.mute = nil;
			lena:publish("busy");
			lena:wait_unwatched(ROMEO);
			edge:assert_clean();
		end);

		it("runs out, which is the bridge's fault", function ()
			lena:answers("SUBSCRIBE", { expires = 0.1 });
			bridge.watch = nil;
			bridge:subscribe();
			stage:wait_violation("expired");
			assert.equal("terminated;reason=timeout", sip.get(select(2, stage:wait_notified(2)), "Subscription-State"));
		end);

		it("does not go to who is not vouched for and not on the list", function ()
			bridge.spoil.SUBSCRIBE = function (m) m:set("ms-asserted-verification-level", "ms-source-verified-user=unverified"); end
			bridge:subscribe();
			loop:wait(function () return bridge.subscribe_status == 403; end, 2, "403");
			lena.contacts[ROMEO] = true;
			stage:watched();
		end);
	end);

	-- --------------------------------------------------------------------------------------------- as watcher --

	describe("of a user who watches", function ()
		it("is asked for as a Lync client asks", function ()
			local w = lena:add(ROMEO):wait_active();
			w:wait_sees("available");
			local subscribe = bridge.seen[1];
			assert.equal("ms-benotify", sip.get(subscribe, "Proxy-Require"));
			assert.same({ "com.microsoft.autoextend", "ms-piggyback-first-notify", "ms-benotify", "eventlist" },
				sip.all(subscribe, "Supported"));
			assert.is_nil(sip.get(subscribe, "Expires"));
			assert.matches("<context/>", subscribe.body, 1, true);
			assert.same({ "available", nil, "Romeo" }, { lena:sees(ROMEO) });
			for _, state in ipairs { "away", "busy", "offline" } do
				bridge:is(state);
				lena:wait_sees(ROMEO, state);
			end
			assert.same({ "available", "away", "busy", "offline" }, w.history);
			edge:assert_clean();
		end);

		it("is asked for as older clients do, with another body, and by several devices", function ()
			lena:add(ROMEO, { legacy = true, expires = 1800 }):wait_active();
			assert.equal("", stage:subscribe_seen(1).body);
			assert.is_nil(sip.get(stage:subscribe_seen(1), "Content-Type"));
			assert.equal("1800", sip.get(stage:subscribe_seen(1), "Expires"));
			local desk = lena:watch(ROMEO, { endpoint = "desk" }):wait_active();
			desk:wait_sees("available");
			assert.is_nil(stage:subscribe_seen(2).body:find("<context"));
			assert.is_true(sip.get(stage:subscribe_seen(1), "Contact") ~= sip.get(stage:subscribe_seen(2), "Contact"));
			lena:watch(ROMEO, { context = "<context><contextData>1</contextData></context>" }):wait_active();
			assert.matches("contextData", stage:subscribe_seen(3).body);
			assert.equal(desk, lena:watch_of(ROMEO, "desk"));
			edge:assert_clean();
		end);

		it("goes on, and ends", function ()
			local w = lena:add(ROMEO):wait_active();
			w:wait_sees("available");
			assert.equal(200, (w:refresh():wait()));
			w:wait_notify(1);
			assert.is_nil(stage:subscribe_seen(2).body:find("<context"));
			assert.equal(200, (w:unsubscribe():wait()));
			assert.equal("timeout", w:wait_terminated());
			edge:assert_clean();
			assert.equal("terminated", lena:fetch(ROMEO):wait_active() and lena:remove(ROMEO) and w.state);
			edge:assert_clean();
		end);

		it("goes without a word, and comes back", function ()
			local w = lena:add(ROMEO):wait_active();
			w:wait_sees("available");
			lena:log_off();
			assert.is_nil(lena:sees(ROMEO));
			bridge:is("away");
			loop:wait(function () return bridge.notify_status == 481; end, 2, "481");
			bridge.watchers[1].over = true;
			lena:log_on();
			lena:wait_sees(ROMEO, "away");
			loop:wait(function () return bridge.notify_status == 200; end, 2, "200");
			assert.is_true(lena:watch_of(ROMEO).call_id ~= w.call_id);
			lena:log_off(true);
			bridge.notify_status = nil;
			bridge:is("busy");
			loop:never(function () return bridge.notify_status; end, 0.2, "an answer");
			edge:assert_clean();
		end);

		it("is told before the 200; refused; answers NOTIFYs as told", function ()
			bridge.notify_first = true;
			local w = lena:add(ROMEO);
			w:wait_notify(0);
			assert.equal("asking", w.state);
			w:wait_active();
			bridge.notify_first = nil;
			lena:answers("NOTIFY", 481);
			bridge:is("away");
			loop:wait(function () return bridge.notify_status == 481; end, 2, "481");
			assert.equal("gone", w.state);
			bridge.subscribe_answer = 423;
			edge:ignore("no-diagnostics");
			assert.equal(423, (lena:add(ROMEO):wait_refused()));
			assert.equal("min-expires", stage:violated());
		end);

		it("goes with a restart", function ()
			lena:add(ROMEO):wait_active():wait_sees("available");
			stage:watched();
			edge:orphan();
			stage:watched();
			edge:assert_clean();
		end);
	end);
end);
