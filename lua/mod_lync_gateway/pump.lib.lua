-- The bridge's events: taken in bounded batches, given to their host, never let an error out into Prosody's loop.
-- SPDX-License-Identifier: MIT
--
-- env: timer, now, log, watchfd(fd, onreadable) -> handle, close_watch(handle), async, pool(), over()

local xpcall = require "util.xpcall".xpcall;
local jid_host = require "util.jid".host;

local BATCH = 64;         -- events per turn of Prosody's loop, or fewer: over()
local DRAIN_MAX = 100000; -- events after a goodbye
local ROWS_MAX = 10000;   -- sessions shown
local DELIVERED = "delivered"; -- of bridge:next, instead of an event

local log_levels = { [0] = "debug", [1] = "info", [2] = "warn", [3] = "error" };

local function new(env)
	local pump = {};
	local handlers = {};

	local function host_of(record, ev)
		local host = ev.host or ev.user and jid_host(ev.user) or ev.domain;
		local h = host and record.hosts[host] and env.pool().hosts[host];
		return h or nil;
	end

	-- An answer that no host can give: the Lync user is not of a domain that we serve.
	local function unserved(record, ev)
		env.log("warn", "refused %s: no such domain (token=not-our-domain user=%q)", ev.type, ev.user or "");
		record.bridge:answer(ev.id, 404, nil, "No such domain here");
	end

	function handlers.outcome(record, ev)
		local entry = ev.entry or record.inflight[ev.id];
		if not entry then return; end
		record.inflight[ev.id] = nil;
		local h = env.pool().hosts[entry.host];
		if h then
			h.x2s.outcome(ev, entry);
		end
	end

	-- What most messages come to (bridge:carry). Nothing of it waits, so it needs no runner.
	local function delivered(host, partner, seconds, status)
		local h = env.pool().hosts[host];
		if h then
			h.x2s.delivered(partner, seconds, status);
		end
	end

	function handlers.offer(record, ev)
		local h = host_of(record, ev);
		if not h then return unserved(record, ev); end
		h.s2x.offer(ev);
	end

	function handlers.message(record, ev)
		local h = host_of(record, ev);
		if not h then return unserved(record, ev); end
		h.s2x.message(ev);
	end

	for _, name in ipairs { "typing", "ended" } do
		handlers[name] = function (record, ev)
			local h = host_of(record, ev);
			if h then
				h.s2x[name](ev);
			end
		end
	end

	for _, name in ipairs { "watch", "state", "subscribe", "unsubscribed" } do
		handlers[name] = function (record, ev)
			local h = host_of(record, ev);
			if record.closing then
				return; -- its subscriptions end with it
			elseif h then
				h.presence.event(ev);
			elseif ev.id then
				unserved(record, ev);
			end
		end
	end

	function handlers.refused(record, ev)
		local h = ev.user and host_of(record, ev) or env.pool().hosts[next(record.hosts)];
		if h then
			h.s2x.refused(ev);
		end
	end

	function handlers.edge(record, ev)
		local h, is_up = host_of(record, ev), ev.status == 1;
		local before = record.edges[ev.domain];
		record.edges[ev.domain] = { up = is_up; ever = is_up or before and before.ever; reason = ev.reason };
		if not h then return; end
		h.metrics.edge(is_up, before ~= nil and before.ever, ev.token, h.errors.one_line(ev.reason));
		if is_up then
			h.log("info", "connected edge: ready (bridge=%s)", record.fqdn);
		else
			h.log("warn", "lost edge: %s (token=%s bridge=%s)", ev.reason or "not connected", ev.token or "none", record.fqdn);
			env.pool().env.resolver:edge_down(h.host);
		end
	end

	local function all_hosts(record, call)
		for host in pairs(record.hosts) do
			local h = env.pool().hosts[host];
			if h then call(h); end
		end
	end

	local function settings_refused(record, ev, consequence)
		all_hosts(record, function (h)
			h.module:log_status("error", "The bridge %s refuses its settings%s: %s", record.fqdn, consequence,
				ev.reason or "no reason");
		end);
	end

	function handlers.worker(record, ev)
		if ev.status == -1 and record.worker == 1 then -- it has lost nothing
			return settings_refused(record, ev, " and goes on with those before");
		end
		local before = record.worker;
		record.worker, record.worker_reason, record.sandbox = ev.status, ev.reason, ev.text;
		if ev.status == 1 then
			env.log("info", before == 1 and "configured worker: ready (bridge=%s pid=%s)"
				or "started worker: ready (bridge=%s pid=%s)", record.fqdn, tostring(record.bridge:pid()));
			return all_hosts(record, function (h)
				h.module:set_status("info", "The bridge is running", false);
				if not record.closing then
					h.presence.event(ev);
				end
			end);
		end
		record.epoch = env.pool():new_epoch();
		record.edges = {};
		all_hosts(record, function (h)
			h.handover.reset();
			if not record.closing then -- else another one may be there already
				h.presence.event { type = "worker"; status = 0 };
			end
			h.metrics.edge(false, false, "bridge-died", h.errors.one_line(ev.reason) or "the worker ended");
		end);
		if ev.status == -1 then
			settings_refused(record, ev, "");
		elseif not record.closing then
			env.log("warn", "lost worker: %s (bridge=%s)", ev.reason or "it ended", record.fqdn);
		end
		record.gone = record.closing;
	end

	function handlers.log(record, ev)
		env.log(log_levels[ev.status] or "debug", "bridge %s: %s", record.fqdn, ev.text or "");
	end

	function handlers.session(record, ev)
		local collecting = record.collecting;
		if collecting and #collecting.rows < ROWS_MAX then
			ev.bridge = record.fqdn;
			collecting.rows[#collecting.rows+1] = ev;
		end
	end

	handlers["sessions-end"] = function (record)
		local collecting = record.collecting;
		record.collecting = nil;
		for _, callback in ipairs(collecting and collecting.callbacks or {}) do
			callback(collecting.rows);
		end
	end;

	local function handle(record, ev)
		local handler = handlers[ev.type];
		if handler then
			handler(record, ev);
		else
			env.log("debug", "ignored event: unknown (type=%q)", tostring(ev.type));
		end
	end

	-- Handlers run in a runner of Prosody's: a storage driver under module:send may wait. Then the pump waits, too.
	local function new_runner(record)
		return env.async.runner(function (ev) handle(record, ev); end, {
			error = function (_, err)
				env.log("error", "event handler failed: %s (bridge=%s)", tostring(err), record.fqdn);
			end;
			ready = function ()
				if record.blocked then
					record.blocked = false;
					pump.pause(record, false);
					pump.kick(record);
				end
			end;
		});
	end

	-- The loop of 0.12 never leaves its inner round while a descriptor stays readable: look away until the timer comes.
	function pump.pause(record, paused)
		if record.handle and record.paused ~= paused then
			record.paused = paused;
			record.handle:setflags(not paused, false);
		end
	end

	-- How many events were taken that need no table of their own (states of Lync users, delivered messages), and the event
	-- after them. Only for a bridge that one host has for itself.
	local function next_event(record, limit)
		local host, bridge = next(record.hosts), record.bridge;
		local h = bridge.feed and host and not next(record.hosts, host) and not record.closing and env.pool().hosts[host];
		if not h then return 0, bridge:next(); end
		return h.presence.feed(bridge, limit);
	end

	local function take(record, limit)
		while limit > 0 do
			local taken, ev, host, partner, seconds, status = next_event(record, limit);
			limit = limit - taken - 1;
			if not ev then
				return limit < 0 and "more" or record.gone and "gone" or "empty";
			elseif ev == DELIVERED then
				delivered(host, partner, seconds, status);
			else
				record.runner:run(ev);
				if record.runner.state ~= "ready" then return "blocked"; end
			end
			if env.over() then break; end
		end
		return "more";
	end

	-- A timer that is due earlier than needed is left alone: it looks again by itself.
	local function arm(record)
		local delay = record.bridge:wait();
		local due = delay and env.now() + delay;
		if record.wait_timer then
			if due and record.wait_due <= due then return; end
			record.wait_timer.stop();
			record.wait_timer = nil;
		end
		if due then
			record.wait_due = due;
			record.wait_timer = env.timer(delay, function ()
				record.wait_timer = nil;
				pump.run(record);
			end, "events");
		end
	end

	local function later(record, delay)
		record.kicked = record.kicked or env.timer(delay, function () pump.resume(record); end, "events");
	end

	local function turn(record)
		local result = take(record, BATCH);
		if result == "gone" then
			return env.pool():close(record);
		elseif result == "empty" then
			return arm(record);
		end
		pump.pause(record, true);
		record.blocked = result == "blocked";
		if result == "more" then
			later(record, 0);
		end
	end

	function pump.run(record)
		if not record.bridge or record.blocked or record.busy then return; end
		record.busy = true;
		local ok, err = xpcall(turn, debug.traceback, record);
		record.busy = false;
		if not ok then
			env.log("error", "pump failed: %s (bridge=%s)", tostring(err), record.fqdn);
			pump.pause(record, true); -- no spinning on what cannot be taken; the timer tries again
			later(record, 1);
		end
	end

	function pump.resume(record)
		record.kicked = nil;
		if record.bridge and not record.blocked then
			pump.pause(record, false);
			pump.run(record);
		end
	end

	-- After requests: the bridge writes when next() is called. Within a turn the turn itself does it.
	function pump.kick(record)
		if record.bridge and not record.busy then
			later(record, 0);
		end
	end

	function pump.watch(record)
		record.runner, record.blocked, record.busy, record.paused = new_runner(record), false, false, false;
		record.handle = env.watchfd(record.bridge:fd(), function () pump.run(record); end);
	end

	function pump.unwatch(record)
		env.close_watch(record.handle);
		record.handle = nil;
		for _, name in ipairs { "wait_timer", "kicked" } do
			if record[name] then
				record[name].stop();
				record[name] = nil;
			end
		end
	end

	-- The last events before the bridge is closed: outcomes above all.
	function pump.drain(record)
		for _ = 1, DRAIN_MAX do
			local ev, host, partner, seconds, status = record.bridge:next();
			if not ev then return; end
			local ok, err;
			if ev == DELIVERED then
				ok, err = xpcall(delivered, debug.traceback, host, partner, seconds, status);
			else
				ok, err = xpcall(handle, debug.traceback, record, ev);
			end
			if not ok then
				env.log("error", "event handler failed: %s (bridge=%s)", tostring(err), record.fqdn);
			end
		end
	end

	-- The list of sessions of one bridge, later: callback(rows).
	function pump.sessions(record, callback)
		if record.collecting then
			table.insert(record.collecting.callbacks, callback);
			return;
		end
		record.collecting = { rows = {}; callbacks = { callback } };
		record.bridge:sessions();
		pump.kick(record);
	end

	return pump;
end

return { new = new; BATCH = BATCH };
