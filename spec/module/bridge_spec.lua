-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

describe("pool", function ()
	local world;
	before_each(function ()
		world = support.world();
	end);

	local function two(overrides)
		local a = support.host(world, "contoso.com");
		local b = support.host(world, "litware.com", support.settings("litware.com", overrides));
		return a, b;
	end

	local function names(domains)
		local result = {};
		for i, domain in ipairs(domains) do
			result[i] = domain.name;
		end
		return result;
	end

	it("starts nothing before the server runs", function ()
		two();
		world.clock.advance(10);
		assert.equal(0, #world.core.bridges);
	end);

	it("takes the bridge that stays for a host's, not one that closes", function ()
		for _, names_ in ipairs { { "a", "b" }, { "b", "a" } } do
			world.pool.records = { [names_[1]] = { hosts = { ["contoso.com"] = true }; closing = true } };
			assert.is_true(world.pool:record_of("contoso.com").closing);
			world.pool.records[names_[2]] = { hosts = { ["contoso.com"] = true } };
			assert.is_nil(world.pool:record_of("contoso.com").closing);
		end
	end);

	it("gives one bridge to hosts with the same name", function ()
		two();
		world.pool:start();
		assert.equal(1, #world.core.bridges);
		assert.same({ "contoso.com", "litware.com" }, names(world.core.bridges[1].config.domains));
	end);

	it("gives a bridge each to hosts with different names", function ()
		two { fqdn = "xmpp.litware.com"; listen = { "*:5062" } };
		world.pool:start();
		assert.equal(2, #world.core.bridges);
	end);

	for _, key in ipairs { "listen", "certificate", "key", "cafile" } do
		it("refuses hosts of one bridge that differ in "..key..", naming both", function ()
			local a, b = two { [key] = key == "listen" and { "*:5062" } or "other" };
			world.pool:start();
			assert.same({ "contoso.com" }, names(world.core.bridges[1].config.domains));
			assert.same({}, a.module.statuses);
			assert.equal("error", b.module.statuses[1][1]);
			assert.matches("contoso%.com and litware%.com .* "..key, b.module.statuses[1][2]);
			world.pool:reconcile();
			assert.equal(1, #b.module.statuses);
		end);
	end

	it("refuses two bridges on one address", function ()
		local _, b = two { fqdn = "xmpp.litware.com" };
		world.pool:start();
		assert.equal(1, #world.core.bridges);
		assert.matches("contoso%.com and litware%.com", b.module.statuses[1][2]);
	end);

	it("leaves a host without usable settings out", function ()
		local _, b = two();
		b.settings.usable = false;
		world.pool:start();
		assert.same({ "contoso.com" }, names(world.core.bridges[1].config.domains));
	end);

	it("takes new settings over without a restart, and only when there are any", function ()
		local a = two();
		world.pool:start();
		local bridge = world.core.bridges[1];
		world.pool:reconcile();
		assert.same({}, bridge:called("configure"));
		a.settings.bridge_table.address = "192.0.2.2";
		world.pool:reconcile();
		assert.equal("192.0.2.2", bridge:called("configure")[1][1].domains[1].address);
		assert.equal(1, #world.core.bridges);
		world.pool:reconcile(true);
		assert.equal(2, #bridge:called("configure"));
	end);

	it("restarts the bridge for new listeners, after the goodbye", function ()
		local a = support.host(world, "contoso.com");
		world.pool:start();
		local old = world.core.bridges[1];
		table.insert(old.queue, { type = "worker"; status = 1 });
		world.clock.advance(0);
		a.settings.bridge_table.listen = { "*:5099" };
		world.pool:reconcile();
		assert.equal(1, #world.core.bridges);
		assert.is_nil((world.pool:message(a, {}, {})));
		table.insert(old.queue, { type = "worker"; status = 0 });
		world.watched[1].onreadable();
		world.clock.advance(0);
		assert.is_true(old.closed);
		assert.is_true(world.watched[1].closed);
		assert.same({ "*:5099" }, world.core.bridges[2].config.listen);
	end);

	it("closes the bridge of the last host that goes, and keeps it over a reload", function ()
		local a = support.host(world, "contoso.com");
		world.pool:start();
		world.pool:detach(a, true);
		world.clock.advance(10);
		assert.is_nil(world.core.bridges[1].closed);
		world.pool:detach(a, false);
		world.clock.advance(10);
		assert.is_true(world.core.bridges[1].closed);
		assert.is_nil(next(world.pool.records));
	end);

	it("keeps a host's state for its successor", function ()
		local a = support.host(world, "contoso.com");
		a.conversations.heard("x@fabrikam.com", "y@contoso.com", true);
		world.pool:detach(a, true);
		local b = support.host(world, "contoso.com");
		assert.is_true(b.conversations.get("x@fabrikam.com", "y@contoso.com").states);
		assert.equal(a.state.secret, b.state.secret);
	end);

	it("says so when a bridge does not open", function ()
		local a = support.host(world, "contoso.com");
		world.core.refuse = "invalid";
		world.pool:start();
		assert.equal("error", a.module.statuses[1][1]);
		assert.equal("bridge-down", (select(2, world.pool:message(a, {}, {}))));
	end);

	describe("at the end", function ()
		local function stop()
			local stopped = { false };
			world.pool:stop(function () stopped[1] = true; end);
			return stopped;
		end

		it("waits for the goodbye", function ()
			local _, bridge, w = support.running();
			world = w;
			local stopped = stop();
			assert.equal(1, #bridge:called("shutdown"));
			world.events({ type = "worker"; status = 0 });
			assert.is_true(stopped[1]);
			assert.is_true(bridge.closed);
		end);

		it("waits no longer than three seconds", function ()
			local h, bridge, w = support.running();
			world = w;
			local stopped = stop();
			world.clock.advance(2.9);
			assert.is_false(stopped[1]);
			world.clock.advance(0.1);
			assert.is_true(stopped[1]);
			assert.is_true(bridge.closed);
			h.presence.stop(true);
			assert.equal(0, world.clock.pending());
		end);

		it("does not wait for a worker that is not there", function ()
			local _, bridge, w = support.running();
			world = w;
			bridge.process = 0;
			local stopped = stop();
			world.clock.advance(0);
			assert.is_true(stopped[1]);
		end);

		it("takes the last outcomes", function ()
			local h, bridge, w = support.running();
			world = w;
			h.x2s.message(support.message { body = "x"; id = "1" });
			stop();
			table.insert(bridge.queue, { type = "worker"; status = 0 });
			table.insert(bridge.queue, { type = "outcome"; id = 1; outcome = "delivered"; status = 200 });
			world.clock.advance(0);
			assert.is_true(bridge.closed);
			assert.same({}, h.sent);
			assert.same({ "x2s delivered" }, h.metrics.messages);
		end);

		it("has nothing to wait for without bridges", function ()
			assert.is_true(stop()[1]);
		end);
	end);
end);

describe("pump", function ()
	local h, bridge, world;
	before_each(function ()
		h, bridge, world = support.running();
	end);

	local function log_event(i) return { type = "log"; status = 1; text = "line "..i }; end

	it("takes no more than a batch per turn, and lets timers run in between", function ()
		local batch = support.lib("pump").BATCH;
		for i = 1, batch + 10 do
			table.insert(bridge.queue, log_event(i));
		end
		world.watched[1].onreadable();
		assert.equal(10, #bridge.queue);
		assert.is_false(world.watched[1].reading);
		world.clock.advance(0);
		assert.equal(0, #bridge.queue);
		assert.is_true(world.watched[1].reading);
	end);

	it("takes fewer when they take long", function ()
		world.long = 3;
		for i = 1, 7 do
			table.insert(bridge.queue, log_event(i));
		end
		world.watched[1].onreadable();
		assert.equal(4, #bridge.queue);
		assert.is_false(world.watched[1].reading);
		world.clock.step();
		assert.equal(1, #bridge.queue);
		world.clock.step();
		assert.equal(0, #bridge.queue);
		assert.is_true(world.watched[1].reading);
	end);

	it("outlives an error of a handler", function ()
		h.s2x.offer = function () error("bug"); end;
		world.events({ type = "offer"; id = 1; contact = "x@fabrikam.com"; user = "y@contoso.com" }, log_event(1));
		assert.equal(0, #bridge.queue);
		assert.matches("event handler failed: .*bug", table.concat(world.logs, "\n"));
	end);

	it("outlives an error of the bridge, without spinning", function ()
		table.insert(bridge.queue, "boom");
		assert.has_no.errors(function () world.watched[1].onreadable(); end);
		assert.is_false(world.watched[1].reading);
		table.insert(bridge.queue, log_event(1));
		world.clock.advance(1);
		assert.equal(0, #bridge.queue);
		assert.is_true(world.watched[1].reading);
	end);

	it("waits while a handler waits, and takes no event twice", function ()
		local seen = {};
		h.s2x.typing = function (ev)
			table.insert(seen, ev.n);
			if ev.n == 1 then world.async.wait = true; end
		end;
		local function typing(n) return { type = "typing"; user = "y@contoso.com"; n = n }; end
		world.events(typing(1), typing(2));
		assert.same({ 1 }, seen);
		world.watched[1].onreadable();
		assert.same({ 1 }, seen);
		world.async.last:continue();
		world.clock.advance(0);
		assert.same({ 1, 2 }, seen);
	end);

	it("calls again when the bridge asks for it", function ()
		local n = 0;
		bridge.wait = function () n = n + 1; return n == 1 and 5 or nil; end;
		world.events(log_event(1));
		table.insert(bridge.queue, log_event(2));
		world.clock.advance(4);
		assert.equal(1, #bridge.queue);
		world.clock.advance(1);
		assert.equal(0, #bridge.queue);
	end);

	it("tells the edge's coming and going", function ()
		world.events({ type = "edge"; domain = "contoso.com"; status = 1 });
		assert.same({ true, false }, h.metrics.edge_state);
		world.events({ type = "edge"; domain = "contoso.com"; status = 0; reason = "reset" });
		assert.is_false(h.metrics.edge_state[1]);
		assert.same({ "contoso.com" }, world.resolver.downs);
		world.events({ type = "edge"; domain = "contoso.com"; status = 1 });
		assert.same({ true, true }, h.metrics.edge_state);
	end);

	it("shows a worker that refuses its settings", function ()
		world.events({ type = "worker"; status = -1; reason = "no such certificate" });
		local status = h.module.statuses[#h.module.statuses];
		assert.equal("error", status[1]);
		assert.matches("no such certificate", status[2]);
	end);

	it("goes on with a worker that refuses new settings and keeps those before", function ()
		world.events({ type = "worker"; status = 1 }, { type = "edge"; domain = "contoso.com"; status = 1 });
		local record, id = world.pool:record_of("contoso.com"), h.handover.stanza_id(7, "x@fabrikam.com", "y@contoso.com");
		h.handover.expect(7, "fabrikam.com", true);
		world.events({ type = "worker"; status = -1; reason = "no such certificate" });
		assert.matches("no such certificate", h.module.statuses[#h.module.statuses][2]);
		assert.equal(1, h.state.pending_n);
		assert.equal(id, h.handover.stanza_id(7, "x@fabrikam.com", "y@contoso.com")); -- bounces find back
		assert.is_true(record.edges["contoso.com"].up);
		assert.is_true(h.metrics.edge_state[1]);
		assert.equal(1, record.worker);
	end);

	it("counts what the worker refused", function ()
		world.events({ type = "refused"; token = "from-domain"; reason = "x\ny"; domain = "evil.com" });
		assert.same({ "from-domain" }, h.metrics.refusals);
	end);

	it("counts them also where the worker tells of several at once", function ()
		world.events({ type = "refused"; token = "prosody-busy"; reason = "x"; refused = 3 });
		assert.same({ "prosody-busy"; "prosody-busy"; "prosody-busy" }, h.metrics.refusals);
	end);

	it("does not mind events that it does not know", function ()
		world.events({ type = "banana" }, { type = "outcome"; id = 99 }, { type = "session" }, { type = "sessions-end" });
		assert.equal(0, #bridge.queue);
	end);

	it("collects the sessions, for the gauges by partner", function ()
		local sessions = support.lib("sessions");
		sessions.measure(world.pool);
		local row = { type = "session"; contact = "x@fabrikam.com"; user = "y@contoso.com" };
		world.events(row, row, { type = "sessions-end" });
		assert.same({ ["x@fabrikam.com"] = 2 }, h.metrics.session_counts);
	end);

	it("does not wait for ever for a list", function ()
		local got;
		support.lib("sessions").collect(world.pool, function (rows, complete) got = { #rows, complete }; end);
		world.clock.advance(2);
		assert.same({ 0, false }, got);
	end);
end);

describe("farewell", function ()
	local farewell = support.lib("farewell");

	local function wait(clock, streams)
		local done = { false };
		farewell.wait({ hosts = { ["contoso.com"] = true }; timer = clock.timer;
			streams_of = function (host) return host == "contoso.com" and streams or nil; end; },
			function () done[1] = true; end);
		return done;
	end

	it("has nothing to wait for when no queue is left", function ()
		assert.is_true(wait(support.clock(), { a = {}; b = { sendq = {}; destroyed = true } })[1]);
	end);

	it("ends when the queue has left", function ()
		local clock, session = support.clock(), { sendq = {} };
		local done = wait(clock, { a = session });
		clock.advance(0.5);
		assert.is_false(done[1]);
		session.sendq = nil;
		clock.advance(0.1);
		assert.is_true(done[1]);
	end);

	it("ends after two seconds", function ()
		local clock = support.clock();
		local done = wait(clock, { a = { sendq = {} } });
		clock.advance(1.9);
		assert.is_false(done[1]);
		clock.advance(0.2);
		assert.is_true(done[1]);
		assert.equal(0, clock.pending());
	end);
end);
