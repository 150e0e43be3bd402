-- A host of mod_lync_gateway without Prosody: its own code, a fake core, a clock that stands still until it is moved.
-- SPDX-License-Identifier: MIT

local prosody_dir = os.getenv("PROSODY_DIR") or "/usr/lib/prosody";
package.path = prosody_dir.."/?.lua;"..package.path;
package.cpath = prosody_dir.."/?.so;"..package.cpath;

local new_set = require "util.set".new;
local st = require "util.stanza";
local decisions = require "spec.support.decisions";
local fakes = require "spec.support.fakes";

local support = { keyval = fakes.keyval };

support.EPOCH = 1790000000; -- the clock's 0 in seconds since 1970

-- What Prosody's resolvers ask: answers["name TYPE"] = records, none unless said; no network.
support.dns = { asked = {}; answers = {} };
package.loaded["net.adns"] = { resolver = function ()
	return { lookup = function (_, callback, name, kind)
		table.insert(support.dns.asked, name.." "..kind);
		callback(support.dns.answers[name.." "..kind] or {});
	end };
end };

local function copy(map)
	local result = {};
	for key, value in pairs(map or {}) do
		result[key] = value;
	end
	return result;
end

-- A library of the module, as module:require gives it; module: what it sees by that name.
function support.lib(name, module)
	local env = module and setmetatable({ module = module }, { __index = _G }) or _G;
	return assert(loadfile("lua/mod_lync_gateway/"..name..".lib.lua", "t", env))();
end

-- ---- time

function support.clock()
	local clock = { time = 1000; timers = {}; turn = 0 };
	function clock.now() return clock.time; end
	function clock.timer(delay, callback)
		local entry = { at = clock.time + delay; callback = callback };
		clock.timers[entry] = true;
		return { stop = function () clock.timers[entry] = nil; end };
	end
	local function due(limit)
		local first;
		for entry in pairs(clock.timers) do
			if entry.at <= limit and (not first or entry.at < first.at) then
				first = entry;
			end
		end
		return first;
	end
	-- The next timer that is due until then (nil: now); false: none.
	function clock.step(limit)
		local entry = due(limit or clock.time);
		if not entry then return false; end
		clock.timers[entry] = nil;
		clock.time = math.max(clock.time, entry.at);
		clock.turn = clock.turn + 1;
		entry.callback();
		return true;
	end
	-- Let `seconds` pass (0: what is due now).
	function clock.advance(seconds)
		local limit = clock.time + seconds;
		for _ = 1, 10000 do
			if not clock.step(limit) then break; end
		end
		clock.time = limit;
	end
	function clock.pending()
		local n = 0;
		for _ in pairs(clock.timers) do n = n + 1; end
		return n;
	end
	return clock;
end

-- ---- the core (its decisions about streams are its own: decisions.lua)

local statuses = {
	["not-allowed"] = 403; ["forbidden"] = 403; ["item-not-found"] = 404; ["service-unavailable"] = 405;
	["remote-server-timeout"] = 408; ["resource-constraint"] = 500; ["jid-malformed"] = 400; ["not-acceptable"] = 406;
	["remote-server-not-found"] = 404; ["undefined-condition"] = 400;
};

local bridge_methods = {};
local bridge_mt = { __index = bridge_methods };

local function recorded(name, result)
	bridge_methods[name] = function (self, ...)
		table.insert(self.calls, { name, ... });
		if self.fails[name] then
			return nil, self.fails[name], "no "..name;
		end
		return result or true;
	end;
end
recorded("configure"); recorded("typing"); recorded("ended"); recorded("answer"); recorded("sessions");
recorded("watch"); recorded("unwatch"); recorded("presence"); recorded("reject");

function bridge_methods:message(request)
	table.insert(self.calls, { "message", request });
	if self.fails.message then
		return nil, self.fails.message, "no message";
	end
	self.last = (self.last or 0) + 1;
	return self.last;
end

function bridge_methods:next()
	assert(not self.closed, "next() after close()");
	local ev = table.remove(self.queue, 1);
	if ev == "boom" then error("boom"); end
	return ev;
end

function bridge_methods:shutdown()
	table.insert(self.calls, { "shutdown" });
end

function bridge_methods:close()
	assert(not self.closed, "closed twice");
	table.insert(self.calls, { "close" });
	self.closed = true;
end

function bridge_methods.fd() return 7; end
function bridge_methods.wait() return nil; end
function bridge_methods:pid() return self.process; end
function bridge_methods.inflight() return 0; end
function bridge_methods.carry() return nil; end -- all go the long way
function bridge_methods.left() return {}; end

-- Calls of one name, without the name.
function bridge_methods:called(name)
	local found = {};
	for _, call in ipairs(self.calls) do
		if call[1] == name then
			table.insert(found, { table.unpack(call, 2, 6) });
		end
	end
	return found;
end

local settings_methods = decisions.methods();
local settings_mt = { __index = settings_methods };

function settings_methods:bridge() return copy(self.bridge_table); end

function settings_methods:partners()
	local names = {};
	for name in pairs(self.list) do
		names[#names+1] = name;
	end
	table.sort(names);
	return names;
end

function settings_methods:may(facts)
	table.insert(self.asked, facts);
	local domain = facts.contact:match("@(.*)$") or facts.contact;
	if not self.usable then
		return nil, "no-settings", "no settings";
	elseif not self.list[domain] then
		return nil, "not-a-partner", "not a partner";
	elseif self.refused[facts.user] then
		return nil, "user-not-enabled", "not enabled", self.flags;
	end
	return true, self.flags;
end

function support.settings(host, overrides)
	local bridge = {
		access_edge = "sip."..host; port = 5061; address = "192.0.2.1"; fqdn = "xmpp.contoso.com"; listen = { "*:5061" };
		certificate = "crt"; key = "key"; rate = 0; wire = {};
	};
	for key, value in pairs(overrides or {}) do
		bridge[key] = value;
	end
	return setmetatable({
		usable = true; host = host; bridge_table = bridge; asked = {}; refused = {};
		list = { ["fabrikam.com"] = "fabrikam.com"; ["na.fabrikam.com"] = "fabrikam.com" };
		flags = { verified = true; reply_only = false };
	}, settings_mt);
end

function support.core()
	local core = { bridges = {}; refusal = decisions.refusal; roster = fakes.roster };
	function core.bridge(config)
		if core.refuse then return nil, core.refuse, "refused"; end
		local bridge = setmetatable({ config = config; calls = {}; queue = {}; fails = {}; process = 4711 }, bridge_mt);
		table.insert(core.bridges, bridge);
		return bridge;
	end
	function core.to_status(condition) return statuses[condition] or 480, "Phrase"; end
	function core.to_condition(status)
		if status == 404 then return "item-not-found", "cancel"; end
		return "internal-server-error", "cancel";
	end
	return core;
end

-- ---- the pool and its hosts

function support.metrics()
	local metrics = { messages = {}; refusals = {}; queues = {}; failures = {} };
	function metrics.partner(jid) return jid or "other"; end
	function metrics.message(_, direction, result, _, _, text)
		table.insert(metrics.messages, direction.." "..result);
		metrics.last_text = text;
	end
	function metrics.refused(_, token, _, count)
		for _ = 1, count or 1 do table.insert(metrics.refusals, token); end
	end
	function metrics.stream_failed(domain, direction) table.insert(metrics.failures, direction.." "..(domain or "?")); end
	function metrics.streams(rows) metrics.stream_rows = rows; end
	function metrics.subscriptions(rows) metrics.subscription_rows = rows; end
	function metrics.edge(up, again) metrics.edge_state = { up, again }; end
	function metrics.queue(direction, n) metrics.queues[direction] = n; end
	function metrics.sessions(counts) metrics.session_counts = counts; end
	return metrics;
end

function support.module()
	local module = { statuses = {} };
	function module:log_status(level, fmt, ...) table.insert(self.statuses, { level, fmt:format(...) }); end
	function module:set_status(level, text) table.insert(self.statuses, { level, text }); end
	function module.log() end
	return module;
end

-- async = a runner that does at once what it is given; waits when the handler sets async.wait.
local function fake_async()
	local async = {};
	function async.runner(func, watchers)
		local runner = { state = "ready" };
		function runner:run(ev)
			local ok, err = pcall(func, ev);
			if not ok then watchers.error(self, err); end
			if async.wait then self.state = "waiting"; end
		end
		function runner:continue()
			async.wait, self.state = false, "ready";
			watchers.ready(self);
		end
		async.last = runner;
		return runner;
	end
	return async;
end

function support.world()
	local clock = support.clock();
	local world = { clock = clock; core = support.core(); logs = {}; async = fake_async(); flags = {}; watched = {};
		keyvals = {} };
	local bridges, plan = support.lib("bridge"), support.lib("plan");
	local pool = bridges.new();
	world.pool = pool;
	local function log(level, fmt, ...)
		table.insert(world.logs, level.." "..fmt:format(...));
	end
	world.log = log;
	local function watchfd(fd, onreadable)
		local handle = { fd = fd };
		function handle:setflags(r) self.reading = r; end
		function handle:close() self.closed = true; end
		handle.onreadable = onreadable;
		table.insert(world.watched, handle);
		return handle;
	end
	function world.timed(_, f) return f; end
	-- Has the turn lasted long enough? world.long: after so many questions it has; nil: never.
	function world.over()
		if not world.long then return false; end
		if world.turn ~= clock.turn then world.turn, world.asked = clock.turn, 0; end
		world.asked = world.asked + 1;
		return world.asked >= world.long;
	end
	world.resolver = { downs = {}; address = function () end; forget = function () end; watch = function () end;
		stop = function () end; };
	function world.resolver:edge_down(host) table.insert(self.downs, host); end
	world.pump = support.lib("pump").new { timer = clock.timer; now = clock.now; log = log; watchfd = watchfd; async = world.async;
		over = world.over;
		close_watch = function (handle) handle:close(); end; pool = function () return pool; end; };
	bridges.adopt(pool, { core = world.core; timer = clock.timer; log = log; pump = world.pump;
		resolver = world.resolver; over = world.over;
		desire = function (hosts, address_of) return plan.make(hosts, address_of, bridges.equal); end; });
	return world;
end

-- As lua/mod_lync_gateway.lua does it.
local function build_streams(h, world)
	h.certificates = support.lib("certificates");
	h.next_hop = support.lib("next_hop");
	h.gate = support.lib("gate").new(h, h.certificates);
	h.confine = support.lib("confine").new(h, support.lib("certificates"), world.confine_rules or {
		require_encryption = true; secure_auth = false; secure = new_set {}; insecure = new_set {};
	});
	h.upkeep = support.lib("upkeep").new(h, { time = function () return world.today or os.time(); end;
		expired = h.certificates.expired });
	h.inbound = support.lib("inbound").new(h);
	h.outbound = support.lib("outbound").new(h, support.lib("bounce"));
	h.clear_text = support.lib("clear_text").new(h);
end

-- The same again after a reload of the module; world.keyvals[host] is the store, false: there is none.
function support.presence(h, world)
	local keyval = world.keyvals[h.host];
	if keyval == nil then
		keyval = fakes.keyval();
		world.keyvals[h.host] = keyval;
	end
	local function time() return support.EPOCH + h.now() // 1; end
	local function open()
		if not keyval then return nil, "no such driver"; end
		return keyval;
	end
	h.store = support.lib("store").new(h, { open = open; time = time });
	h.presence = support.lib("presence").new(h, { time = time; store = h.store });
	h.presence.start();
end

function support.host(world, name, settings)
	local h = {
		host = name; module = support.module(); core = world.core; pool = world.pool; errors = support.lib("errors");
		now = world.clock.now; time = os.time; timer = world.clock.timer;
		over = world.over; timed = world.timed; state = world.pool:state(name, "secret of "..name);
		settings = settings or support.settings(name); problems = {}; sent = {}; streams = {}; bounced = {};
		metrics = support.metrics(); log = world.log; locals = {}; connections = {}; outgoing = {};
	};
	h.errors.refusal = h.core.refusal;
	function h.send(stanza)
		table.insert(h.sent, stanza);
		if h.on_send then h.on_send(stanza); end
	end
	function h.send_to(_, stanza) h.send(stanza); end
	function h.log_body() end
	function h.log_bodies() return false; end
	function h.is_gateway(domain) return world.pool.hosts[domain] ~= nil; end
	function h.is_local(domain) return h.locals[domain] == true; end
	function h.stream(domain) return h.streams[domain]; end
	function h.queue_behind(domain, stanza)
		local queue = h.queues and h.queues[domain];
		if queue then table.insert(queue, stanza); end
		return queue ~= nil;
	end
	function h.bounce_stream(domain) table.insert(h.bounced, domain); end
	function h.sessions() return h.connections; end
	function h.s2sout(domain) return h.outgoing[domain]; end
	function h.s2sout_all() return h.outgoing; end
	function h.route() end -- mod_s2s makes a stream: see sessions.lua
	function h.tls_version(session) return session.secure and "TLSv1.3" or nil; end
	h.conversations = support.lib("conversation").new(h.state);
	h.handover = support.lib("handover").new(h);
	build_streams(h, world);
	h.x2s = support.lib("x2s").new(h);
	h.s2x = support.lib("s2x").new(h);
	support.presence(h, world);
	world.pool:attach(h);
	return h;
end

-- One running host with its bridge; given: a world that is prepared.
function support.running(name, given)
	local world = given or support.world();
	local h = support.host(world, name or "contoso.com");
	world.pool:start();
	local bridge = world.core.bridges[1];
	-- Events of the bridge, and everything that is due now.
	function world.events(...)
		for _, ev in ipairs { ... } do
			table.insert(bridge.queue, ev);
		end
		world.watched[#world.watched].onreadable();
		world.clock.advance(0);
	end
	world.events({ type = "worker"; status = 1 });
	return h, bridge, world;
end

-- ---- stanzas

function support.message(attr, build)
	local stanza = st.message({ from = attr.from or "romeo@fabrikam.com/orchard"; to = attr.to or "juliet@contoso.com";
		id = attr.id; type = attr.type; ["xml:lang"] = attr.lang });
	if attr.body then
		stanza:body(attr.body);
	end
	if build then build(stanza); end
	return stanza;
end

-- type, condition, text of an error stanza
function support.error_of(stanza)
	assert(stanza.attr.type == "error", "not an error: "..tostring(stanza));
	return stanza:get_error();
end

return support;
