-- scale_rig.lua: a gateway between two load partners: subscriptions in numbers, both ways, through real servers.
-- SPDX-License-Identifier: MIT
--
-- A real Prosody with the module and its worker; bench/edge_load over TLS in place of the Access Edge, bench/xmpp_load
-- in place of all partners' servers. For bench/scale.lua and spec/wire/presence_scale_spec.lua. What must be raised by
-- configuration is in SETTINGS.

local Loop = require "spec.support.loop";
local Load = require "bench.load_partner";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";

local Rig = {};
Rig.__index = Rig;

local PER_PARTNER = 80000; -- subscriptions: partner_subscription_limit is 100000 an hour at most

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { watch_rate = %d; subscription_expires = 86400; notify_interval = %s }
	lync_gateway_settings = { partner_subscription_limit = 100000; partner_recipient_limit = 100000;
		stream_inactivity_timeout = 604800; connection_limit = 1000 }
	lync_partners = { %s }
]];

local PARTNER = [[ [%q] = { partner_type = "federated"; enable_keep_alive = false }; ]];

-- ---------------------------------------------------------------------------------------------- load partners --

local function start_load(self, name, address, options)
	return Load.new({ loop = self.loop, build = self.build, name = name, address = address, listen = options.listen,
		port = options.port, cert = options.cert },
		{ "pairs="..self.pairs; "partners="..self.partners; "window="..self.window; table.unpack(options) });
end

-- --------------------------------------------------------------------------------------------------- processes --

--- A load partner of self (loop, build, pairs, partners, window) that runs: for other rigs.
Rig.start_load = start_load;

--- Fields of /proc/PID/smaps_rollup, in bytes.
local function memory(pid)
	local result = {};
	for line in io.lines("/proc/" .. pid .. "/smaps_rollup") do
		local key, kib = line:match("^([%w_]+): +(%d+) kB");
		if key then result[key] = tonumber(kib) * 1024; end
	end
	return result;
end

--- Seconds of processor that it has used.
local function cpu(pid)
	local f = assert(io.open("/proc/" .. pid .. "/stat"));
	local rest = f:read("a"):match("%) (.*)$");
	f:close();
	local fields = {};
	for word in rest:gmatch("%S+") do fields[#fields + 1] = word; end
	return (tonumber(fields[12]) + tonumber(fields[13])) / 100;
end

function Rig:pids()
	return { prosody = self.gateway.process.pid; worker = self:worker_pid(); edge = self.edge.process.pid;
		xmpp = self.xmpp.process.pid };
end

function Rig:worker_pid()
	local pid;
	for text in self.gateway.process.output:gmatch("started worker: ready %(bridge=[^ ]+ pid=(%d+)%)") do
		pid = tonumber(text);
	end
	return pid;
end

--- Memory of the gateway's two processes: { prosody, worker, both }, each of smaps_rollup's Rss.
function Rig:rss()
	local pids = self:pids();
	local a, b = memory(pids.prosody).Rss, memory(pids.worker).Rss;
	return { prosody = a; worker = b; both = a + b };
end

--- Seconds of processor that each process has used: { prosody, worker, edge, xmpp }.
function Rig:processor()
	local result = {};
	for name, pid in pairs(self:pids()) do result[name] = cpu(pid); end
	return result;
end

--- Calls fn, and says how many cores each process used meanwhile, and how many seconds it took.
function Rig:busy(fn)
	local before, start = self:processor(), self.loop:now();
	fn();
	local seconds, cores = self.loop:now() - start, {};
	for name, used in pairs(self:processor()) do cores[name] = (used - before[name]) / seconds; end
	cores.both = cores.prosody + cores.worker;
	return cores, seconds;
end

--- As busy(), where fn restarts the gateway: what its processes have used since.
function Rig:busy_after_start(fn)
	local before = self:pids();
	local edge, xmpp, start = cpu(before.edge), cpu(before.xmpp), self.loop:now();
	fn();
	local pids, seconds = self:pids(), self.loop:now() - start;
	local cores = { prosody = cpu(pids.prosody) / seconds; worker = cpu(pids.worker) / seconds;
		edge = (cpu(pids.edge) - edge) / seconds; xmpp = (cpu(pids.xmpp) - xmpp) / seconds };
	cores.both = cores.prosody + cores.worker;
	return cores, seconds;
end

--- Serve everything for so long.
function Rig:pass(seconds)
	self.loop:never(function () end, seconds);
end

--- Evaluate in Prosody; returns what a string result says.
function Rig:evaluate(lua)
	local output = self.gateway:shell("> " .. lua);
	return output:match("Result: (.-)%s*$") or output;
end

local SAVED = [=[require"core.modulemanager".get_module("*","lync_gateway").module.save()]=];
local GATEWAY = SAVED .. [=[.pool.hosts["contoso.com"]]=];

local COUNTS = ([=[(function ()
	local parts = {};
	for name, value in pairs(%s.presence.counts()) do parts[#parts+1] = name.."="..value; end
	return table.concat(parts, " ");
end)()]=]):format(GATEWAY):gsub("%s+", " ");
local COLLECT = [=[(function ()
	collectgarbage(); collectgarbage();
	return math.floor(collectgarbage("count")).." KiB";
end)()]=];
COLLECT = COLLECT:gsub("%s+", " ");

--- Counts of the roster (core.roster).
function Rig:roster()
	local result = {};
	for key, value in self:evaluate(COUNTS):gmatch("([%w_]+)=(%d+)") do result[key] = math.tointeger(tonumber(value)); end
	return result;
end

local ROWS = ([=[(function ()
	local _, record = next(%s.pool.records);
	record.bridge:watches();
	for _ = 1, 1000000 do
		local ev = record.bridge:next();
		if ev and ev.type == "watches-end" then return "rows="..ev.status; end
	end
end)()]=]):format(SAVED):gsub("%s+", " ");

--- How many subscriptions the worker knows, both ways together. Only while nothing goes on: it takes the events away.
function Rig:worker_rows()
	return math.tointeger(tonumber((self:evaluate(ROWS):match("rows=(%d+)"))));
end

--- A full collection of Prosody's garbage; KiB that Lua has.
function Rig:collect()
	return tonumber((self:evaluate(COLLECT):match("(%d+) KiB")));
end

-- ------------------------------------------------------------------------------------------------------ the rig --

local function partners_text(self)
	local parts = {};
	for i = 0, self.partners - 1 do parts[#parts + 1] = PARTNER:format(("p%d.fed.example"):format(i)); end
	return table.concat(parts);
end

local function start_gateway(self)
	local bridge_cert = self.ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	local dns = { ["contoso.com"] = ports.address("gateway") };
	for i = 0, self.partners - 1 do dns[("p%d.fed.example"):format(i)] = ports.address("partner"); end
	self.gateway = prosody.gateway(self.loop, { ca = self.ca; name = "gateway"; domain = "contoso.com"; dns = dns;
		global = self.global; modules = self.modules;
		settings = SETTINGS:format(ports.address("edge"), ports.address("gateway"), bridge_cert.cert, bridge_cert.key,
			self.ca.file, self.watch_rate, self.notify_interval, partners_text(self)) });
	self.gateway:wait_log("started worker: ready", 10);
end

local function start_loads(self)
	local names = {};
	for i = 0, self.partners - 1 do names[#names + 1] = ("p%d.fed.example"):format(i); end
	self.edge = start_load(self, "edge", ports.address("edge"), { listen = ports.address("edge"); port = 5061;
		cert = self.ca:issue("edge", { names = { "sip.contoso.com" } }); "listen="..ports.address("edge")..":5061";
		"fqdn=sip.contoso.com"; "bridge_fqdn=xmpp.contoso.com"; self.keep and "keep=1" or "keep=0" });
	self.xmpp = start_load(self, "xmpp", ports.address("partner"), { listen = ports.address("partner"); port = 5269;
		cert = self.ca:issue("partners", { names = names }); "listen="..ports.address("partner")..":5269" });
end

--- The links stand.
function Rig:connect(seconds)
	self.edge:say("bridge %s:5061 %s", ports.address("gateway"), ports.address("edge"));
	self.xmpp:say("gateway %s:5269 %s", ports.address("gateway"), ports.address("partner"));
	self:wait_connected(seconds);
end

function Rig:wait_connected(seconds)
	self:watch(function ()
		return self.xmpp:stats().up == self.partners and self.edge:stats().connected == 1;
	end, seconds or 20, "the streams and the link");
end

--- Wait, looking twice a second; progress(edge's stats, xmpp's stats) each ten seconds.
function Rig:watch(predicate, seconds, what)
	local deadline, shown = self.loop:now() + seconds, self.loop:now();
	while not predicate() do
		if self.loop:now() > deadline then
			error(("waited %g s in vain for %s\n%s"):format(seconds, what, self:describe()), 2);
		end
		self:pass(0.3);
		if self.on_progress and self.loop:now() - shown > 10 then
			shown = self.loop:now();
			self.on_progress(self:describe());
		end
	end
end

function Rig:describe()
	return self.edge:ask("stats"):gsub("^stats", "edge") .. "\n" .. self.xmpp:ask("stats"):gsub("^stats", "xmpp");
end

--- options: pairs; watch_rate (lync_bridge_wire, 0: any), notify_interval, window (how many subscriptions wait for an
--- answer, each way), on_progress, global (raw Lua), modules (of the gateway), keep (the Edge keeps what changes of
--- presence need).
function Rig.new(options)
	local self = setmetatable({ loop = Loop.new(), pairs = options.pairs, window = options.window or 400,
		watch_rate = options.watch_rate or 0, notify_interval = options.notify_interval or 5, global = options.global,
		modules = options.modules, keep = options.keep,
		partners = math.max(2, math.ceil(options.pairs / PER_PARTNER)), on_progress = options.on_progress,
		build = os.getenv("LG_BUILD") or "build" }, Rig);
	local ok, err = xpcall(function ()
		self.ca = CA.new(process.directory(self.loop, "ca"), "throw-away CA");
		start_loads(self);
		start_gateway(self);
		self:connect();
	end, debug.traceback);
	if not ok then
		pcall(self.loop.close, self.loop);
		error(err, 0);
	end
	return self;
end

--- All subscriptions, both ways (contacts are asked if they were not before), until each contact and each Lync user
--- sees the other available.
function Rig:establish(rate, seconds)
	local n, begun = self.pairs, self.edge:stats().begun;
	self.xmpp:say("subscribe 0 %d %g", n, rate);
	self.edge:say("watch 0 %d %g", n, rate);
	self:watch(function ()
		local e, x = self.edge:stats(), self.xmpp:stats();
		if e.failed > 0 or x.errors > 0 or e.told_bad > 0 then
			error("refused: " .. self:describe() .. "\n" .. self.xmpp:ask("error"), 3);
		end
		return x.subscribed == n and x.available == n and e.open == n and e.begun - begun == n
			and e.told_ok == e.told and e.answered == e.asked;
	end, seconds, n .. " subscriptions each way");
end

--- All of them end, by those who have them. What contacts agreed to and the contact lists stay on record.
function Rig:dissolve(rate, seconds)
	local n, e = self.pairs, self.edge:stats();
	self.xmpp:say("unsubscribe 0 %d %g", n, rate);
	self.edge:say("leave 0 %d %g", n, rate);
	self:watch(function ()
		local now = self.edge:stats();
		return now.left - e.left == n and now.ended - e.ended == n and now.live == 0 and now.told_ok == now.told
			and self.xmpp:stats().available == 0;
	end, seconds, "the end of all subscriptions");
end

--- Prosody and the worker end and start again, Lync's dialogs with them are gone: until all stand again. Seconds from
--- Prosody's start on, and those that its end took.
function Rig:restart(rate, seconds)
	local begun, left = self.edge:stats().begun, self.loop:now();
	self.gateway.process:stop(120);
	self.edge:say("forget");
	local start = self.loop:now();
	self.gateway:start();
	self.gateway:wait_log("started worker: ready", 20);
	self:wait_connected(60);
	self.edge:say("watch 0 %d %g", self.pairs, rate);
	self:watch(function ()
		local e = self.edge:stats();
		return e.begun - begun >= self.pairs and e.open == self.pairs and e.told_ok == e.told;
	end, seconds, "all subscriptions again");
	return self.loop:now() - start, start - left;
end

-- Two load partners of a kind, the second in the gateway's place: subscriptions in a second.
local function race(self, kind)
	local ca, here, there = CA.new(process.directory(self.loop, "ca")), ports.address("edge"), ports.address("gateway");
	local cert = ca:issue("both", { names = { "p0.fed.example"; "contoso.com" } });
	local function start(address)
		return start_load(self, kind.name, address, { listen = address; port = kind.port; cert = cert;
			("listen=%s:%d"):format(address, kind.port); "fqdn=sip.contoso.com"; "bridge_fqdn=xmpp.contoso.com" });
	end
	local first, second = start(here), start(there);
	first:say("%s %s:%d %s", kind.link, there, kind.port, here);
	second:say("%s %s:%d %s", kind.link, here, kind.port, there);
	for _, load in ipairs { first, second } do
		self:watch(function ()
			local stats = load:stats();
			return stats.connected == 1 or stats.up == self.partners;
		end, 10, "a connection");
	end
	local began = self.loop:now();
	first:say("%s 0 %d 0", kind.work, self.pairs);
	self.loop:wait(function () return first:stats()[kind.count] == self.pairs; end, 60, "all of them");
	return self.pairs / (self.loop:now() - began);
end

--- What the load partners can do themselves: { edge, xmpp }, subscriptions in a second.
function Rig.ceilings(n)
	local rates = {};
	for _, kind in ipairs {
		{ name = "edge"; port = 5061; link = "bridge"; work = "watch"; count = "open" };
		{ name = "xmpp"; port = 5269; link = "gateway"; work = "subscribe"; count = "available" };
	} do
		local self = setmetatable({ loop = Loop.new(), pairs = n, window = 400, partners = 2,
			build = os.getenv("LG_BUILD") or "build" }, Rig);
		local ok, result = xpcall(race, debug.traceback, self, kind);
		self.loop:close();
		rates[kind.name] = ok and result or error(result, 0);
	end
	return rates;
end

--- Bytes of the store: those of the files, and those of the disk's blocks.
function Rig:storage()
	local path = process.quote(self.gateway.directory .. "/data");
	local function du(option)
		local f = assert(io.popen("du -s -B1 " .. option .. " " .. path));
		local bytes = f:read("n");
		f:close();
		return bytes;
	end
	return du("--apparent-size"), du("");
end

function Rig:close()
	local trouble = self.gateway.process.output:match("[^\n]*Traceback[^\n]*\n[^\n]*\n?[^\n]*");
	self.loop:close();
	if trouble then error("Lua error in Prosody: " .. trouble, 0); end
end

return Rig;
