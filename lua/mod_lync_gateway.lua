-- mod_lync_gateway: XMPP federation for Lync Server and Skype for Business Server.
-- SPDX-License-Identifier: MIT
--
-- A shared module: this part is loaded once and owns the bridges; add_host hangs one SIP domain into Prosody. It works
-- on a VirtualHost by modules_enabled and as Component "contoso.com" "lync_gateway". Rules are in the core
-- (docs/core.md).

module:set_global();

local async = require "util.async";
local idna_to_ascii = require "util.encodings".idna.to_ascii;
local pton = require "util.net".pton;
local server = require "net.server";
local time_now = require "util.time".now;
local timestamp = require "util.time".monotonic or time_now;

local compat = module:require "compat";
local options = module:require "options";
local plan = module:require "plan";
local bridges = module:require "bridge";
local command = module:require "command";
local managed = module:require "managed";

local prosody, package = prosody, package;

compat.add_cpath(package, prosody, module:get_directory());
local has_core, core = pcall(require, "lync_gateway.core");

local function get_raw(host)
	local options_of = module:context(host);
	return {
		managed = managed.reader(core, prosody.paths, module:get_option("lync_partners_file"));
		get = function (key) return options_of:get_option(key); end;
		find_host_cert = compat.find_host_cert; modules = function () return compat.modules_of(host); end;
		config_path = prosody.paths.config or ".";
	};
end

function module.command(arg)
	local managed_path, managed_error = managed.path(prosody.paths, module:get_option("lync_partners_file"));
	return command.run({
		core = has_core and core or nil; core_error = not has_core and tostring(core) or nil;
		config = require "core.configmanager".getconfig();
		load = function (host) return options.load(core, host, get_raw(host)); end;
		raw = function (host) return options.read(get_raw(host)); end;
		managed_path = managed_path; managed_error = managed_error;
		config_file = prosody.config_file; config_files = require "core.configmanager".files();
		conflicts = function (hosts)
			local _, problems = plan.make(hosts, function () end, bridges.equal);
			return problems;
		end;
		print = print; warn = function (text) io.stderr:write(text, "\n"); end; input = function () return io.read("l"); end;
	}, arg);
end

if not compat.is_server(prosody) then
	return; -- prosodyctl: commands only, no bridge
end

if not has_core then
	error("The C core of mod_lync_gateway cannot be loaded, is it installed? "..tostring(core), 0);
end

local has_dbi, dbi = pcall(require, "DBI"); -- only where a database holds the store, or another module's
if has_dbi then
	module:require "dbi_guard".install(dbi, debug.getregistry());
end

local context = module:require "context";
local errors = module:require "errors";
local certificates = module:require "certificates";
local confine = module:require "confine";
local garbage = module:require "garbage";
local gate_lib = module:require "gate";
local inbound_lib = module:require "inbound";
local outbound_lib = module:require "outbound";
local bounce_lib = module:require "bounce";
local clear_text = module:require "clear_text";
local phases = module:require "phases";
local upkeep_lib = module:require "upkeep";
local next_hop = module:require "next_hop";
local handover_lib = module:require "handover";
local conversation_lib = module:require "conversation";
local x2s_lib = module:require "x2s";
local s2x_lib = module:require "s2x";
local iq_lib = module:require "iq";
local synthetic_lib = module:require "synthetic";
local presence_lib = module:require "presence";
local store_lib = module:require "store";
local subscriptions = module:require "subscriptions";
local metrics_lib = module:require "metrics";
local failures = module:require "failures";
local sessions = module:require "sessions";
local streams = module:require "streams";
local farewell = module:require "farewell";
local expiry_lib = module:require "expiry";
local certificate_read = module:require "certificate_read";
local certificate_locations = module:require "certificate_locations";

errors.refusal = core.refusal;

-- Below the gate (1000), above all of Prosody's: mod_presence, mod_message and mod_iq of a VirtualHost never see what
-- is for a Lync user.
local HANDLER = 100;
-- Bounces of mod_s2s and errors to contacts need streams: before mod_s2s closes them (-200).
local STOPPING = 100;
-- COMPAT(0.12): mod_posix forks for -D in "server-started" (0): a child started before has lost its parent.
local STARTED = -100;
-- After certmanager has indexed the certificates again (0).
local RELOADED = -10;

-- The bridges

local saved = module.saved_state or {};
local pool = saved.pool or bridges.new();

local function log(level, ...)
	module:log(level, ...);
end

-- Whatever the server calls, it calls as a turn of ours.
local turns = module:require "turns".new { now = timestamp; log = log };
local timed = turns.timed;

local function timer(delay, callback, where)
	return compat.timer(delay, timed(where or "timer", callback));
end

local pump = module:require "pump".new {
	timer = timer; now = timestamp; log = log; over = turns.over; close_watch = compat.close_watch; async = async;
	watchfd = function (fd, callback) return server.watchfd(fd, timed("events", callback)); end;
	pool = function () return pool; end;
};

local resolver = module:require "resolver".new({
	lookup = function (callback, name, kind)
		return require "net.adns".resolver():lookup(timed("resolver", callback), name, kind, "IN");
	end;
	timer = timer; now = timestamp; log = log; to_ascii = idna_to_ascii;
	is_address = function (text) return pton(text) ~= nil; end;
	changed = function () pool:schedule(); end;
}, pool.addresses);

bridges.adopt(pool, { core = core; timer = timer; over = turns.over; log = log; pump = pump; resolver = resolver;
	desire = function (hosts, address_of) return plan.make(hosts, address_of, bridges.equal, idna_to_ascii); end; });

for _, record in pairs(pool.records) do -- after a reload
	pump.watch(record);
	pump.kick(record);
end

local function start()
	pool:start();
end

-- Wait for the workers' goodbyes and for what the contacts have to be told, a few seconds at most (all bounded); other
-- handlers and streams go on meanwhile.
local function stopping()
	local wait, done;
	if async.ready() then
		wait, done = async.waiter(1, true);
	end
	pool:stop(function ()
		farewell.wait({ hosts = pool.hosts; timer = compat.timer; streams_of = function (host)
			return prosody.hosts[host] and prosody.hosts[host].s2sout;
		end; }, done or function () end);
	end);
	if wait then
		wait();
	end
end

local function stopped()
	for _, h in pairs(pool.hosts) do
		h.presence.stop(true); -- everything to the store
	end
	for _, record in pairs(pool.records) do
		pool:close(record, true); -- where stopping() could not wait
	end
end

module:hook_global("server-started", start, STARTED);
module:hook_global("server-stopping", stopping, STOPPING);
module:hook_global("server-stopped", stopped);
local measure_turns = metrics_lib.turns(module, turns);
module:hook_global("stats-update", timed("statistics", function ()
	metrics_lib.measure(pool);
	sessions.measure(pool);
	streams.measure(pool);
	subscriptions.measure(pool);
	measure_turns();
end));
module:hook_global("config-reloaded", timed("reload", function ()
	garbage.put_off(function ()
		for _, h in pairs(pool.hosts) do
			h.reconfigure();
		end
		pool:reconcile(true);
	end);
end), RELOADED);

phases.hook_global(turns.hooks(module, "stream"), function (host) return pool.hosts[host]; end);
local unwrap = not compat.has_pre_connect(prosody) and next_hop.wrap(require "net.resolvers.service");

if server.get_backend() ~= "epoll" then
	module:log("warn", "network backend: only epoll is tested with this module (backend=%s)", server.get_backend());
end

if compat.is_running(prosody) then
	pool.running = true; -- loaded at run time; the hosts that follow start the bridges
end

local shell_env = module:shared("/*/admin_shell/env");
local shell = module:require "shell";
shell_env.lync = shell.commands(pool, sessions.collect, prosody.reload_config);
shell_env.lync.test_im = module:require "synthetic_command".test_im(pool);
for name, command_of in pairs(shell_env.lync) do
	if name ~= "reload" then -- Prosody's whole configuration; ours is a turn of its own
		shell_env.lync[name] = timed("shell", command_of);
	end
end
for _, item in ipairs(shell.items(shell_env.lync)) do
	module:add_item("shell-command", item);
end

function module.save()
	return { pool = pool };
end

function module.unload()
	if unwrap then
		unwrap();
	end
	for _, record in pairs(pool.records) do
		if module.reloading then
			pump.unwatch(record);
		end
	end
	if not module.reloading then
		shell_env.lync = nil;
		pool:stop(function () end);
	end
end

-- One host

local confine_rules = confine.rules(module);

local function build(h)
	h.failures = failures.new(os.time);
	h.metrics = metrics_lib.new(h.module, function (domain)
		return (h.settings:primary(domain));
	end, h.failures.note, h.core.tally);
	h.conversations = conversation_lib.new(h.state);
	h.handover = handover_lib.new(h);
	h.next_hop = next_hop;
	h.gate = gate_lib.new(h, certificates);
	h.confine = confine.new(h, certificates, confine_rules);
	h.upkeep = upkeep_lib.new(h, { time = os.time; expired = certificates.expired });
	h.expiry = expiry_lib.new(h, { time = os.time; files = certificate_locations.in_use; ends = certificate_read.ends });
	h.inbound = inbound_lib.new(h);
	h.outbound = outbound_lib.new(h, bounce_lib);
	h.clear_text = clear_text.new(h);
	h.x2s = x2s_lib.new(h);
	h.s2x = s2x_lib.new(h);
	h.iq = iq_lib.new(h);
	h.synthetic = synthetic_lib.new(h);
	local function open() return h.module:open_store("lync_subscriptions", "keyval"); end
	h.presence = presence_lib.new(h, { time = os.time; store = store_lib.new(h, { open = open; time = os.time }) });
end

-- module: whose hooks are turns. The short way is none: it looks at one stanza, which costs less than taking the time.
local function hook_stanzas(module, h) -- luacheck: ignore 431/module
	local function message(event)
		local stanza = event.stanza;
		if stanza.attr.type == "error" then
			if not h.synthetic.bounced(stanza, event.origin) then
				h.handover.bounced(stanza);
			end
		elseif not h.synthetic.heard(stanza) then
			h.x2s.message(stanza);
		end
		return true;
	end
	module:hook("iq/host", function (event)
		return h.upkeep.answered(event.stanza) or h.synthetic.answered(event.stanza) or nil;
	end, HANDLER + 1);
	-- The short way stands before the gate and ends where the handlers are: it is taken only where nobody but the gate
	-- stands between, or a site's own filter would be passed by.
	for _, scope in ipairs { "bare", "full" } do
		local name, first = "message/"..scope, h.gate.priority + 1;
		local between = compat.between(prosody.hosts[h.host].events, name, HANDLER, first);
		h.module:hook(name, function (event)
			if between() == 1 then return h.x2s.carry(event); end
		end, first);
	end
	for _, scope in ipairs { "bare", "full", "host" } do
		local iq = scope == "host" and h.iq.host or h.iq.user;
		module:hook("message/"..scope, message, HANDLER);
		module:hook("presence/"..scope, function (event) return h.presence.any(event.stanza); end, HANDLER);
		module:hook("iq/"..scope, function (event) return iq(event.stanza); end, HANDLER);
	end
	module:hook("s2sout-established", function (event)
		-- mod_s2s sends its queue right after this event: answer when that is done.
		local domain = event.session.to_host;
		h.timer(0, function ()
			h.handover.established(domain);
			h.synthetic.established(domain);
		end);
	end);
end

local function describe(module) -- luacheck: ignore 431/module
	for _, name in ipairs { "disco", "ping" } do
		local ok, err = pcall(module.depends, module, name);
		if not ok then
			module:log("debug", "load dependency: %s (module=%s)", err, name);
		end
	end
	local identity = iq_lib.identity;
	module:add_identity(identity.category, identity.type, identity.name);
	for _, feature in ipairs(iq_lib.host_features) do
		module:add_feature(feature);
	end
end

function module.add_host(module) -- luacheck: ignore 431/module
	local h = context.new(module, {
		core = core; pool = pool; errors = errors; prosody = prosody; now = timestamp; time = os.time; timer = timer;
		timed = timed; over = turns.over; tls_version = compat.tls_version;
		load = function (host) return options.load(core, host, get_raw(host)); end; report = options.report;
	});
	h.configure();
	build(h);
	phases.hook_host(turns.hooks(module, "stream"), h, function () return prosody.hosts[h.host].modules.dialback; end);
	hook_stanzas(turns.hooks(module, "stanza"), h);
	describe(module);

	-- New settings: no stream that complies no more stays open, no other one is touched.
	function h.reconfigure()
		h.configure();
		h.apply_secret();
		h.upkeep.start();
		h.expiry.start();
		h.gate.recheck(h.sessions(), h.s2sout_all());
		h.presence.reconfigured();
	end

	pool:attach(h);
	h.handover.watch(); -- what waited before a reload
	h.upkeep.start();
	h.expiry.start();
	h.presence.start();
	local record = pool:record_of(h.host);
	if record and record.worker == 1 and not record.closing then -- it may not say so again
		h.presence.event { type = "worker"; status = 1 };
	end

	function module.unload()
		h.synthetic.stop();
		h.handover.stop();
		h.upkeep.stop();
		h.expiry.stop();
		h.presence.stop(rawget(module, "reloading"));
		pool:detach(h, rawget(module, "reloading"));
	end
end
