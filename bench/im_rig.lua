-- im_rig.lua: messages through real servers: a Prosody with the gateway, one without, each between load partners.
-- SPDX-License-Identifier: MIT
--
-- Both Prosodys have the same configuration but for the gateway's host. bench/im_load is, for each of them, the other
-- server (TLS, SASL EXTERNAL) and an external component; for the gateway the Access Edge as well. Whatever is said has
-- a number, and a round in which something is lost, doubled, out of order or refused is an error.

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";
local start_load = require "bench.scale_rig".start_load;

local Side = {};
Side.__index = Side;
local Rig = {};
Rig.__index = Rig;

local SECRET = "of-the-component";
local PATIENCE = 60; -- seconds for a round

local GLOBAL = [[
network_settings = { min_wait = 0, nagle = false }
component_ports = { 5347 }
component_interfaces = { %q }
]];

local HOSTS = [[
Component "drop.example" "bench_drop"
	ssl = { certificate = %q, key = %q, cafile = %q, capath = "/nonexistent" }
Component "send.example" "bench_traffic"
	ssl = { certificate = %q, key = %q, cafile = %q, capath = "/nonexistent" }
Component "component.example"
	component_secret = %q
]];

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { answer_wait = 0 }
	lync_partners = { ["p0.fed.example"] = { partner_type = "federated" } }
]];

-- Nanoseconds of processor that a process has used (all of ours have one thread).
local function cpu(pid)
	local f = assert(io.open("/proc/" .. pid .. "/schedstat"));
	local ns = f:read("n");
	f:close();
	return ns;
end

local function hosts_text(rig)
	local cert = rig.ca:issue("hosts", { names = { "drop.example"; "send.example" } });
	return HOSTS:format(cert.cert, cert.key, rig.ca.file, cert.cert, cert.key, rig.ca.file, SECRET);
end

local function new_side(rig, name, with_gateway)
	local self = setmetatable({ loop = rig.loop, pairs = rig.pairs, name = name, with_gateway = with_gateway,
		address = ports.address(name), partner = ports.address(name .. "-partner"), edge = ports.address(name .. "-edge") },
		Side);
	local both = rig.ca:issue(name .. "-load", { names = { "p0.fed.example"; "sip.contoso.com" } });
	self.load = start_load({ loop = rig.loop, build = rig.build, pairs = rig.pairs, partners = 1, window = 0 }, "im",
		self.partner, { listen = self.partner; port = 5269; cert = both; "listen=" .. self.partner .. ":5269";
		"listen_sip=" .. self.edge .. ":5061"; "fqdn=sip.contoso.com"; "bridge_fqdn=xmpp.contoso.com" });
	local dns = { ["p0.fed.example"] = self.partner };
	local options = { ca = rig.ca; name = name; address = self.address; dns = dns; global = GLOBAL:format(self.address)
		.. (rig.global or ""); plugin_paths = { rig.modules }; wrap = rig.wrap; log = rig.log };
	if with_gateway then
		local cert = rig.ca:issue("bridge", { names = { "xmpp.contoso.com" } });
		options.domain, options.hosts = "contoso.com", hosts_text(rig);
		options.settings = SETTINGS:format(self.edge, self.address, cert.cert, cert.key, rig.ca.file);
		self.server = prosody.gateway(rig.loop, options);
		self.server:wait_log("started worker: ready", 20);
	else
		options.domains, options.host = { "base.example" }, hosts_text(rig);
		self.server = prosody.partner(rig.loop, options);
	end
	self:connect();
	self:pin();
	return self;
end

-- Prosody has one core, and everything else the other: what it has in its caches stays there. Both sides alike.
function Side:pin()
	local others = { self.load.process.pid, self.with_gateway and self:worker_pid() or nil };
	os.execute(("taskset -pc 0 %d >/dev/null"):format(self.server.process.pid));
	for _, pid in ipairs(others) do
		os.execute(("taskset -pc 1 %d >/dev/null"):format(pid));
	end
end

function Side:worker_pid()
	return tonumber((self.server.process.output:match("started worker: ready %(bridge=[^ ]+ pid=(%d+)%)")));
end

function Side:wait(predicate, what)
	local deadline = self.loop:now() + PATIENCE;
	while not predicate(self.load:stats()) do
		if self.loop:now() > deadline then
			error(("%s: waited in vain for %s\n%s\n%s"):format(self.name, what, self.load:ask("stats"),
				self.load:ask("error")), 2);
		end
		self.loop:never(function () end, 0.02);
	end
end

function Side:connect()
	local at = ("%s:5269 %s"):format(self.address, self.partner);
	self.load:say("stream drop.example %s", at);
	self.load:say("component %s:5347 %s component.example %s", self.address, self.partner, SECRET);
	if self.with_gateway then
		self.load:say("stream contoso.com %s", at);
		self.load:say("bridge %s:5061 %s", self.address, self.edge);
	end
	self:wait(function (n)
		return n.component == 1 and n.up == (self.with_gateway and 2 or 1)
			and n.connected == (self.with_gateway and 1 or 0);
	end, "its connections");
	if self.with_gateway then
		self.load:say("dialogs");
		self:wait(function (n) return n.dialogs == self.pairs; end, "dialogs");
		self:s2x(1, 1); -- from here on the streams the other way stand
	else
		self:send(1);
	end
	self:drop(1);
end

-- Calls fn: what each process has used meanwhile (nanoseconds), and the seconds.
function Side:measure(fn)
	local pids = { prosody = self.server.process.pid; worker = self.with_gateway and self:worker_pid() or nil;
		load = self.load.process.pid };
	local before, used, start = {}, {}, self.loop:now();
	for name, pid in pairs(pids) do before[name] = cpu(pid); end
	fn();
	used.seconds = self.loop:now() - start;
	for name, pid in pairs(pids) do used[name] = cpu(pid) - before[name]; end
	return used;
end

-- Nothing was lost, doubled, refused or out of order.
function Side:assert_sound(n)
	if n.wrong + n.errors + n.failed > 0 then
		error(("%s: not sound: %s\n%s"):format(self.name, self.load:ask("stats"), self.load:ask("error")), 2);
	end
end

local function per_message(used, count)
	return { prosody_us = used.prosody / count / 1000; worker_us = (used.worker or 0) / count / 1000;
		load_us = used.load / count / 1000; rate = count / used.seconds };
end

--- One round: command (a line of im_load's), until predicate(its stats) holds. At a rate it takes its time, in which
--- this process must not disturb: there are two cores, and whoever asks takes one of them.
function Side:round(count, rate, predicate, format, ...)
	local command = format:format(...);
	local used = self:measure(function ()
		self.load:say("%s", command);
		if rate > 0 then os.execute(("sleep %g"):format(count / rate)); end
		self:wait(predicate, command);
	end);
	self:assert_sound(self.load:stats());
	return per_message(used, count);
end

--- count messages of the stream end in a hook; known by the answer to an iq behind them.
function Side:drop(count)
	local pongs = self.load:stats().pongs;
	local used = self:measure(function ()
		self.load:say("x2s drop.example drop.example %d 0 0", count);
		self:wait(function (n) return n.sent == count; end, "all sent");
		self.load:say("ping drop.example drop.example");
		self:wait(function (n) return n.pongs == pongs + 1; end, "the end of what was sent");
	end);
	self:assert_sound(self.load:stats());
	return per_message(used, count);
end

--- The same to an external component.
function Side:component(count, window)
	return self:round(count, 0, function (n) return n.arrived == count; end, "x2s drop.example component.example %d %d 0",
		count, window);
end

--- The same through the gateway to Lync users.
function Side:x2s(count, window, rate)
	rate = rate or 0;
	return self:round(count, rate, function (n) return n.arrived == count; end, "x2s contoso.com contoso.com %d %d %g",
		count, window, rate);
end

--- Lync users write, until their clients know that it was delivered.
function Side:s2x(count, window, rate)
	rate = rate or 0;
	return self:round(count, rate, function (n) return n.arrived == count and n.answered == count; end, "s2x %d %d %g",
		count, window, rate);
end

--- A module builds and sends as many as Lync users would write.
function Side:send(count)
	return self:round(count, 0, function (n) return n.arrived == count; end, "ask drop.example send.example %d", count);
end

--- Nanoseconds of the last round's messages from their writing to their reading: { n, p50, p99, max }.
function Side:latency()
	local n, p50, p99, max = self.load:ask("latency"):match("n=(%d+) p50_ns=(%d+) p99_ns=(%d+) max_ns=(%d+)");
	return { n = tonumber(n); p50 = tonumber(p50); p99 = tonumber(p99); max = tonumber(max) };
end

--- options: pairs (conversations), global (raw Lua for both Prosodys), wrap (of both).
function Rig.new(options)
	local self = setmetatable({ loop = Loop.new(), pairs = options.pairs, global = options.global, wrap = options.wrap,
		log = options.log, build = os.getenv("LG_BUILD") or "build" }, Rig);
	local ok, err = xpcall(function ()
		self.modules = process.here:match("^(.*)/spec/support/$") .. "/bench/prosody_modules";
		self.ca = CA.new(process.directory(self.loop, "ca"), "throw-away CA");
		self.plain = not options.no_plain and new_side(self, "plain", false) or nil;
		self.gateway = new_side(self, "gateway", true);
	end, debug.traceback);
	if not ok then
		pcall(self.loop.close, self.loop);
		error(err, 0);
	end
	return self;
end

function Rig:close()
	local trouble = self.gateway.server.process.output:match("[^\n]*Traceback[^\n]*\n[^\n]*\n?[^\n]*");
	self.loop:close();
	if trouble then error("Lua error in Prosody: " .. trouble, 0); end
end

return Rig;
