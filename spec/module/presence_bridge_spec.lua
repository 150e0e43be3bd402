-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local traces = require "spec.support.traces";
local st = require "util.stanza";

local romeo, juliet = traces.romeo, traces.juliet;
local out, to_bridge = traces.out, traces.to_bridge;

local STEP, STEP_INPUT = support.lib("presence").STEP, support.lib("presence").STEP_INPUT;

describe("presence and the bridge", function ()
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

	describe("when the worker", function ()
		local function lost() world.events({ type = "worker"; status = 0 }); return said(); end
		local function back() world.events({ type = "worker"; status = 1 }); return said(); end

		it("is lost and back, everything is said again, and the contact notices nothing", function ()
			watched();
			assert.same({}, lost());
			assert.same({ to_bridge("watch PAIR verified notes") }, back());
			assert.same({}, event("watch", { watch = "active"; status = 200 }));
			assert.same({}, event("state", { presence = "available" }));
			assert.same({}, passes(700));
		end);

		it("is back, and the state is another: that is told", function ()
			watched();
			lost();
			back();
			event("watch", { watch = "active"; status = 200 });
			assert.same({ out(nil, "<show>dnd</show>") }, event("state", { presence = "dnd" }));
		end);

		it("does not come back, what was shown is taken back after a minute", function ()
			watched();
			lost();
			assert.same({}, passes(58));
			assert.same({ out("unavailable") }, passes(3));
			assert.same({ to_bridge("watch PAIR verified notes") }, back());
			event("watch", { watch = "active"; status = 200 });
			assert.same({ out() }, event("state", { presence = "available" }));
		end);

		it("is back, nobody is asked a second time", function ()
			event("subscribe", { id = 7; added = true });
			arrives("subscribe", { from = "tybalt@fabrikam.com" });
			lost();
			assert.same({ "to bridge: watch tybalt@fabrikam.com juliet@contoso.com verified notes" }, back());
			assert.same({ to_bridge("presence PAIR offline verified notes"); to_bridge("answer 1 200 verified") },
				event("subscribe", { id = 1; added = true }));
		end);

		it("says again that it is ready: nothing", function ()
			watched();
			assert.same({}, back());
		end);

		it("refuses settings and goes on: nothing", function ()
			watched();
			world.events({ type = "worker"; status = -1; reason = "no" });
			assert.same({}, said());
		end);

		it("is not there yet, the contact waits", function ()
			lost();
			assert.same({}, arrives("subscribe"));
			assert.same({ to_bridge("watch PAIR verified notes") }, back());
		end);
	end);

	describe("the settings", function ()
		it("withdraw what they allowed, and give it back without a prompt", function ()
			watched();
			granted();
			said();
			h.settings.list["fabrikam.com"] = nil;
			h.presence.reconfigured();
			assert.same({ to_bridge("unwatch PAIR"); to_bridge("reject PAIR") }, said());
			event("unsubscribed", { token = "rejected" });
			h.settings.list["fabrikam.com"] = "fabrikam.com";
			h.presence.reconfigured();
			assert.same({ to_bridge("watch PAIR verified notes") }, said());
		end);

		it("that are not usable stop all, without a flood of warnings", function ()
			watched();
			h.settings.usable = false;
			h.presence.reconfigured();
			world.pool:reconcile(true);
			passes(10);
			assert.is_nil(table.concat(world.logs, "\n"):find("presence not told"));
		end);

		it("that name another bridge move all subscriptions there", function ()
			watched();
			local first = bridge;
			h.settings.bridge_table.fqdn = "xmpp2.contoso.com";
			world.pool:reconcile(true);
			assert.equal(2, #world.core.bridges);
			bridge = world.core.bridges[2];
			t.said = traces.of(h, bridge);
			table.insert(bridge.queue, { type = "worker"; status = 1 }); -- before the last word of the old one
			world.watched[2].onreadable();
			assert.same({ to_bridge("watch PAIR verified notes") }, said());
			table.insert(first.queue, { type = "worker"; status = 0 });
			table.insert(first.queue, { type = "state"; contact = romeo; user = juliet; status = 0; presence = "dnd" });
			world.watched[1].onreadable();
			world.clock.advance(5);
			assert.is_true(first.closed);
			assert.same({}, said());
			assert.same({ to_bridge("unwatch PAIR"); out("unavailable"); out("unsubscribed") }, arrives("unsubscribe"));
		end);
	end);

	describe("a bridge that is full", function ()
		it("is told later, in the order of things", function ()
			bridge.fails.watch = "full";
			arrives("subscribe", { from = "a@fabrikam.com" });
			arrives("subscribe", { from = "b@fabrikam.com" });
			arrives("unsubscribe", { from = "b@fabrikam.com" });
			passes(0.2);
			bridge.fails.watch = nil;
			said();
			assert.same({ "to bridge: watch a@fabrikam.com juliet@contoso.com verified notes";
				out("unsubscribed", nil, { to = "b@fabrikam.com" }) }, passes(0.2));
			assert.same({}, passes(60));
		end);

		it("gets the answer that it did not take", function ()
			bridge.fails.answer = "full";
			event("subscribe", { id = 7; added = true });
			bridge.fails.answer = nil;
			assert.same({ to_bridge("answer 7 200 verified"); out("subscribe") }, passes(0.2));
			assert.same({}, passes(60));
		end);

		it("does not get an answer to a question of the worker before", function ()
			bridge.fails.answer = "full";
			event("subscribe", { id = 7; added = true });
			world.events({ type = "worker"; status = 0 });
			bridge.fails.answer = nil;
			assert.same({ out("subscribe") }, said());
			assert.same({}, passes(60));
		end);

		for _, name in ipairs { "unwatch", "presence", "reject" } do
			it("takes "..name.." later", function ()
				watched();
				granted();
				bridge.fails[name] = "full";
				if name == "unwatch" then arrives("unsubscribe"); end
				if name == "presence" then arrives(nil); end
				if name == "reject" then h.settings.list = {}; h.presence.reconfigured(); end
				said();
				bridge.fails[name] = nil;
				local again = passes(0.2);
				assert.matches("^to bridge: "..name.." ", again[1]);
			end);
		end
	end);

	it("a bridge that refuses for good is not asked again, and that is logged", function ()
		bridge.fails.watch = "bad-uri";
		arrives("subscribe");
		assert.same({}, passes(60));
		assert.is_truthy(table.concat(world.logs, "\n"):find(
			'presence not told: no watch (kind=watch token=bad-uri remote="fabrikam.com")', 1, true));
	end);

	it("a bridge that is down is told everything when it is back", function ()
		world.events({ type = "worker"; status = 0 });
		arrives("subscribe");
		world.pool.records["xmpp.contoso.com"].closing = true;
		assert.same({}, passes(10));
		world.pool.records["xmpp.contoso.com"].closing = nil;
		world.events({ type = "worker"; status = 1 });
		assert.same({ to_bridge("watch PAIR verified notes") }, said());
	end);

	it("does a bounded number of steps per turn", function ()
		world.events({ type = "worker"; status = 0 });
		for i = 1, 2 * STEP + 1 do
			arrives("subscribe", { from = ("c%d@fabrikam.com"):format(i) });
		end
		table.insert(bridge.queue, { type = "worker"; status = 1 });
		world.watched[#world.watched].onreadable();
		assert.equal(STEP_INPUT, #said()); -- many inputs may come in one turn
		local steps = 0;
		while world.clock.step() do
			local n = #said();
			assert.is_true(n <= STEP);
			steps = steps + n;
		end
		assert.equal(2 * STEP + 1 - STEP_INPUT, steps);
		assert.same({}, passes(60));
	end);

	it("does less per turn when it takes long", function ()
		world.events({ type = "worker"; status = 0 });
		for i = 1, 7 do
			arrives("subscribe", { from = ("c%d@fabrikam.com"):format(i) });
		end
		table.insert(bridge.queue, { type = "worker"; status = 1 });
		said();
		world.long = 3;
		world.watched[#world.watched].onreadable();
		local steps = { #said() };
		while world.clock.step() do
			local n = #said();
			if n > 0 then steps[#steps+1] = n; end
		end
		assert.same({ 3, 3, 1 }, steps);
	end);

	it("takes inputs that sending brings about, without going deeper", function ()
		for i = 1, 50 do
			event("subscribe", { id = i; added = true; contact = ("c%d@fabrikam.com"):format(i) });
		end
		local depth, deepest = 0, 0;
		function h.on_send(stanza)
			depth = depth + 1;
			deepest = math.max(deepest, depth);
			if stanza.attr.type == "probe" then
				local n = tonumber(stanza.attr.to:match("%d+"));
				h.presence.any(st.presence { from = stanza.attr.to; to = stanza.attr.from });
				h.presence.any(st.presence { type = "subscribed"; from = ("c%d@fabrikam.com"):format(n + 1); to = juliet });
			end
			depth = depth - 1;
		end
		arrives("subscribed", { from = "c1@fabrikam.com" });
		passes(0);
		assert.equal(1, deepest);
		assert.equal("available", h.presence.explain("c50@fabrikam.com", juliet).contact_presence);
	end);

	it("goes on after an error of its own", function ()
		watched();
		function h.on_send() h.on_send = nil; error("boom"); end
		assert.same({ out("subscribed") }, arrives("subscribe"));
		assert.is_truthy(table.concat(world.logs, "\n"):find("error presence failed: .*boom"));
		assert.same({ out() }, passes(1));
	end);

	it("puts a partner in quarantine for what Lync answers to its messages, not for our own troubles", function ()
		local function answered(ev)
			for i = 1, 60 do
				h.x2s.message(support.message { type = "chat"; id = "m"..i; body = "x"; to = "u"..(i % 3).."@contoso.com" });
				if bridge.last then
					ev.type, ev.id, ev.outcome = "outcome", bridge.last, "failed";
					world.events(ev);
				end
			end
			return h.presence.counts().quarantined;
		end
		assert.equal(0, answered { status = 404; ["local"] = true; token = "timeout" });
		assert.equal(0, answered { status = 486; ["local"] = false });
		assert.equal(1, answered { status = 404; ["local"] = false });
		world.clock.advance(600);
		assert.equal(0, h.presence.counts().quarantined);
	end);

	it("counts the users that a partner addresses, and its failures", function ()
		h.settings.of_gateway = { partner_recipient_limit = 2 };
		for _, user in ipairs { "a", "b", "c" } do
			h.x2s.message(support.message { body = "x"; to = user.."@contoso.com" });
		end
		assert.equal(2, #bridge:called("message"));
		assert.matches("recipient%-limit", tostring(h.sent[1]));
		assert.matches("wait.*resource%-constraint.*recipient%-limit", arrives("subscribe")[1]);
		for _ = 1, 50 do
			h.presence.outcome(romeo, 404);
		end
		assert.is_truthy(table.concat(world.logs, "\n"):find('quarantined partner: .*remote="fabrikam.com"'));
		assert.equal(600, h.presence.explain(romeo, juliet).quarantine);
		h.x2s.message(support.message { body = "x"; to = "a@contoso.com" });
		assert.matches("partner%-quarantined", tostring(h.sent[#h.sent]));
	end);

	describe("while the store is read", function ()
		local function entry(i) return { version = 1; pairs = { [("c%d@fabrikam.com"):format(i)] = "a- 0 0" } }; end

		local function slowly(count)
			local given, data = support.world(), {};
			for i = 1, count do
				data["u"..i] = entry(i);
			end
			given.keyvals["contoso.com"] = support.keyval(data);
			h = support.host(given, "contoso.com");
			given.pool.running = true;
			given.pool:reconcile();
			bridge, world = given.core.bridges[1], given;
			t = traces.over(given, h);
			table.insert(bridge.queue, { type = "worker"; status = 1 });
			given.watched[1].onreadable();
		end

		it("everything waits, then comes in its order", function ()
			slowly(2 * STEP);
			arrives("probe", { from = "c1@fabrikam.com"; to = "u1@contoso.com" });
			arrives("subscribe");
			h.presence.reconfigured();
			assert.same({}, said());
			local lines = passes(0);
			assert.equal(2 * STEP + 1, #lines);
			assert.equal(2 * STEP + 1, #bridge:called("watch"));
		end);

		it("a reload of the module loses nothing", function ()
			slowly(2 * STEP);
			arrives("subscribe");
			h.presence.stop(true);
			support.presence(h, world);
			local lines = passes(0);
			assert.equal(2 * STEP + 1, #lines);
			assert.equal(2 * STEP + 1, h.presence.counts().pairs);
		end);

		it("what a worker said that is lost meanwhile is forgotten", function ()
			slowly(2 * STEP);
			bridge.queue = { { type = "subscribe"; id = 7; added = true; contact = romeo; user = juliet; status = 0 };
				{ type = "worker"; status = 0 }; { type = "worker"; status = 1 } };
			world.watched[1].onreadable();
			arrives("subscribe");
			passes(0);
			assert.same({}, bridge:called("answer"));
			assert.equal(2 * STEP + 1, #bridge:called("watch"));
		end);

		it("no more than 10000 wait, and that is logged once", function ()
			slowly(2 * STEP);
			for _ = 1, 10010 do
				h.presence.any(st.presence { from = romeo; to = juliet; type = "probe" });
			end
			assert.equal(10000, #h.state.held);
			assert.equal(1, select(2, table.concat(world.logs, "\n"):gsub("dropped presence", "")));
		end);
	end);

	describe("a reload of the module", function ()
		it("keeps the roster and says nothing", function ()
			watched();
			granted();
			passes(1);
			local before = world.clock.pending();
			h.presence.stop(true);
			support.presence(h, world);
			assert.same({}, passes(1));
			assert.equal(before, world.clock.pending());
			world.events({ type = "worker"; status = 1 });
			assert.same({}, said());
			assert.same({ out() }, arrives("probe"));
			assert.same(1, world.keyvals["contoso.com"].count("users"));
		end);
	end);

	it("without a store works, and says that all is forgotten", function ()
		local given = support.world();
		given.keyvals["contoso.com"] = false;
		start(given);
		assert.is_truthy(table.concat(world.logs, "\n"):find("error open store: no such driver; subscriptions are forgotten",
			1, true));
		assert.same({ to_bridge("watch PAIR verified notes") }, arrives("subscribe"));
		h.presence.stop(true);
		support.presence(h, world);
		assert.same({}, arrives("probe"));
	end);

	it("is closed with its host", function ()
		watched();
		h.presence.stop(false);
		assert.is_nil(h.state.roster);
		assert.has_error(function () h.presence.counts(); end, "roster is closed");
		assert.is_not_nil(world.keyvals["contoso.com"].data.juliet);
	end);
end);
