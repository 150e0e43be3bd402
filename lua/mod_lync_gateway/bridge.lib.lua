-- The bridges: one per lync_bridge_fqdn, shared by the hosts that name it.
-- SPDX-License-Identifier: MIT
--
-- The pool outlives a reload of the module: it is handed over as data and gets the new code's methods (adopt).
-- reconcile() compares what the settings want with what runs: start, reload, new addresses, a host that goes.
-- Calls of hosts (message, typing, ended, answer) never block and never raise for what a peer sent.

local CLOSE_TIME = 3; -- seconds a worker has to say goodbye

local AT_START = { "listen"; "sandbox"; "memory" }; -- what a worker cannot change

local pool_methods = {};
local pool_mt = { __index = pool_methods };

-- env: core, timer, over, log, now, resolver, desire(hosts) -> plan, problems; pump (see pump.lib.lua)
local function new()
	return {
		records = {}; hosts = {}; states = {}; problems = {}; addresses = {}; epochs = 0;
		running = false; stopping = false;
	};
end

local function adopt(pool, env)
	pool.env = env;
	return setmetatable(pool, pool_mt);
end

local function equal(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then
		return a == b;
	end
	for key, value in pairs(a) do
		if not equal(value, b[key]) then return false; end
	end
	for key in pairs(b) do
		if a[key] == nil then return false; end
	end
	return true;
end

-- What a host left behind for its successor (reload), or a new beginning.
function pool_methods:state(host, secret)
	local state = self.states[host];
	if not state then
		state = { secret = secret };
		self.states[host] = state;
	end
	return state;
end

function pool_methods:attach(h)
	self.hosts[h.host] = h;
	self:schedule();
end

function pool_methods:detach(h, reloading)
	if reloading or self.hosts[h.host] ~= h then return; end
	self.hosts[h.host], self.states[h.host] = nil, nil;
	self.env.resolver:forget(h.host);
	self:schedule();
end

-- Several hosts load one after the other: look once, after the last.
function pool_methods:schedule()
	if not self.running or self.stopping or self.scheduled then return; end
	self.scheduled = self.env.timer(0, function ()
		self.scheduled = nil;
		self:reconcile();
	end);
end

function pool_methods:start()
	self.running = true;
	self:reconcile();
end

function pool_methods:watch_addresses()
	for host, h in pairs(self.hosts) do
		local bridge = h.settings.usable and h.settings:bridge();
		if bridge and not bridge.address then
			self.env.resolver:watch(host, bridge.access_edge);
		else
			self.env.resolver:forget(host);
		end
	end
end

-- Once, not at every new address.
function pool_methods:complain(problems)
	for host, problem in pairs(problems) do
		if self.problems[host] ~= problem then
			self.hosts[host].module:log_status("error", "%s", problem);
		end
	end
	self.problems = problems;
end

-- force: files behind the settings (certificates) may have changed although the settings have not
function pool_methods:reconcile(force)
	if not self.running or self.stopping then return; end
	self:watch_addresses();
	local plan, problems = self.env.desire(self.hosts, function (host) return self.env.resolver:address(host); end);
	self:complain(problems);
	for fqdn, record in pairs(self.records) do
		if not plan[fqdn] then
			self:retire(record);
		end
	end
	for fqdn, wanted in pairs(plan) do
		self:apply(fqdn, wanted, force);
	end
end

function pool_methods:apply(fqdn, wanted, force)
	local record = self.records[fqdn];
	if not record then
		return self:open(fqdn, wanted);
	elseif record.closing then
		return; -- its end calls reconcile
	end
	record.hosts = wanted.hosts;
	if equal(record.config, wanted.config) and not force then return; end
	for _, key in ipairs(AT_START) do
		if not equal(record.config[key], wanted.config[key]) then
			self.env.log("info", "restarting bridge: its %s changed (bridge=%s)", key, fqdn);
			return self:retire(record);
		end
	end
	local ok, token, text = record.bridge:configure(wanted.config);
	if ok then
		record.config = wanted.config;
		self.env.log("info", "configured bridge: worker has new settings (bridge=%s)", fqdn);
		self.env.pump.kick(record);
	else
		self.env.log("error", "configure bridge: %s (token=%s bridge=%s)", text or token, token, fqdn);
	end
end

function pool_methods:open(fqdn, wanted)
	local bridge, token, text = self.env.core.bridge(wanted.config);
	if not bridge then
		self.env.log("error", "open bridge: %s (token=%s bridge=%s)", text or token, token, fqdn);
		for host in pairs(wanted.hosts) do
			self.hosts[host].module:log_status("error", "The bridge %s does not start: %s", fqdn, text or token);
		end
		return;
	end
	local record = {
		fqdn = fqdn; bridge = bridge; config = wanted.config; hosts = wanted.hosts; inflight = {}; edges = {};
		epoch = self:new_epoch();
	};
	self.records[fqdn] = record;
	self.env.log("info", "opened bridge: worker is starting (bridge=%s)", fqdn);
	self.env.pump.watch(record);
	self.env.pump.kick(record);
end

-- Say goodbye, then close: after the worker's last word or CLOSE_TIME.
function pool_methods:retire(record, callback)
	record.on_closed = callback or record.on_closed;
	if record.closing then return; end
	record.closing = true;
	for host in pairs(record.hosts) do
		local h = self.hosts[host];
		if h then
			h.presence.event { type = "worker"; status = 0 };
		end
	end
	local pid = record.bridge:pid();
	record.bridge:shutdown();
	local nobody = not pid or pid == 0; -- no worker, no last word to wait for
	record.close_timer = self.env.timer(nobody and 0 or CLOSE_TIME, function ()
		if not nobody then
			self.env.log("warn", "closing bridge: the worker took too long (bridge=%s)", record.fqdn);
		end
		self:close(record);
	end);
	self.env.pump.kick(record);
end

-- at_once: the server's loop has ended, there are no more turns
function pool_methods:close(record, at_once)
	if not record.bridge then return; end
	record.close_timer.stop();
	self.env.pump.drain(record);
	self.env.pump.unwatch(record);
	for _, entry in ipairs(record.bridge:left()) do
		table.insert(record.inflight, entry);
	end
	record.bridge:close();
	record.bridge = nil;
	self.records[record.fqdn] = nil;
	self:abandon(record, at_once, function ()
		self.env.log("info", "closed bridge: done (bridge=%s)", record.fqdn);
		if record.on_closed then
			record.on_closed();
		end
		self:schedule();
	end);
end

-- Fate: whatever has no outcome yet gets one, a turn's worth at a time; then done().
function pool_methods:abandon(record, at_once, done)
	local condition, error_type = self.env.core.to_condition(503);
	local inflight = record.inflight;
	record.inflight = {};
	local function some()
		for id, entry in pairs(inflight) do
			inflight[id] = nil;
			local h = self.hosts[entry.host];
			if h then
				h.x2s.outcome({
					type = "outcome"; outcome = "failed"; status = 503; ["local"] = true; token = "bridge-closed";
					reason = "The gateway is shutting down"; condition = condition; error_type = error_type;
				}, entry);
			end
			if not at_once and self.env.over() then
				return self.env.timer(0, some, "events");
			end
		end
		done();
	end
	some();
end

-- End of the server, or of the module: callback when all are closed.
function pool_methods:stop(callback)
	self.stopping = true;
	self.env.resolver:stop();
	local open = 0;
	for _ in pairs(self.records) do
		open = open + 1;
	end
	if open == 0 then
		return callback();
	end
	for _, record in pairs(self.records) do
		self:retire(record, function ()
			open = open - 1;
			if open == 0 then
				callback();
			end
		end);
	end
end

function pool_methods:record_of(host)
	local closing;
	for _, record in pairs(self.records) do
		if record.hosts[host] and not record.closing then
			return record;
		elseif record.hosts[host] then
			closing = record;
		end
	end
	return closing;
end

-- As record_of(); the last one, as long as it holds, needs no look at all of them.
local function record_for(self, h)
	local record = h.last_record;
	if not record or self.records[record.fqdn] ~= record or record.closing or not record.hosts[h.host] then
		record = self:record_of(h.host);
		h.last_record = record;
	end
	return record;
end

-- Ids of events are told apart by it: a new worker may count from the beginning again.
function pool_methods:new_epoch()
	self.epochs = self.epochs + 1;
	return self.epochs;
end

function pool_methods:epoch(h)
	local record = record_for(self, h);
	return record and record.epoch or 0;
end

local function usable(self, h)
	local record = record_for(self, h);
	if record and record.bridge and not record.closing then
		return record;
	end
	if not h.settings.usable then
		return nil, "no-settings", "The gateway is not configured correctly";
	end
	return nil, "bridge-down", "The gateway to Lync is not running";
end

-- entry comes back with the outcome (h.x2s.outcome); plain data, it survives a reload.
function pool_methods:message(h, request, entry)
	local record, token, text = usable(self, h);
	if not record then return nil, token, text; end
	local id;
	id, token, text = record.bridge:message(request);
	if not id then return nil, token, text; end
	entry.host = h.host;
	record.inflight[id] = entry;
	self.env.pump.kick(record);
	return id;
end

-- The short way of an ordinary message (plugin/lua_carry.c): what bridge:carry returns. h.now: the clock of entries.
function pool_methods:carry(h, origin, stanza)
	local record = record_for(self, h);
	if not record or not record.bridge or record.closing then return nil; end
	local taken, has_state = record.bridge:carry(h.settings, h.presence.roster, origin, stanza, h.host, self.hosts,
		h.now(), h.time(), h.conversations.kept.epoch);
	if taken and not record.kicked then
		self.env.pump.kick(record);
	end
	return taken, has_state;
end

local function forward(method)
	return function (self, h, ...)
		local record, token, text = usable(self, h);
		if not record then return nil, token, text; end
		local ok;
		ok, token, text = record.bridge[method](record.bridge, ...);
		self.env.pump.kick(record);
		return ok, token, text;
	end
end

pool_methods.typing = forward("typing");
pool_methods.ended = forward("ended");
pool_methods.answer = forward("answer");
pool_methods.watch = forward("watch");
pool_methods.unwatch = forward("unwatch");
pool_methods.presence = forward("presence");
pool_methods.reject = forward("reject");

return { new = new; adopt = adopt; equal = equal; CLOSE_TIME = CLOSE_TIME };
