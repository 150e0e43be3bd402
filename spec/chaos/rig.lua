-- rig.lua: a gateway between two load partners that keep ledgers, with wires between them, and all that can be done to these.
-- SPDX-License-Identifier: MIT
--
--	local rig = Rig.new { seed = 1, convs = 60, each = 1000, rate = 200 (a second, each way) }
--	rig:start(); rig:wait_flow(); rig:apply(event); …; rig:peace(seconds, rate); rig:finish(seconds)
--	rig:balances() --> { x2s = Balance, s2x = Balance }
--
-- Real: Prosody with the module, its worker, TLS everywhere. bench/chaos_xmpp_load is the servers of all partners,
-- bench/chaos_edge_load the Access Edge and the Lync users, bench/chaos_wire_load what lies between.

local Loop = require "spec.support.loop";
local Load = require "bench.load_partner";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";
local balance = require "spec.chaos.balance";
local hands = require "spec.chaos.hands";
local Ledger = require "spec.chaos.ledger";
local Presence = require "spec.chaos.presence";

local Rig = {};
Rig.__index = Rig;

local PARTNERS = 3;
local STALL = 1; -- second
Rig.PARTNERS = PARTNERS;
local FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1";

local SETTINGS = [[
	lync_access_edge = %q
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { answer_wait = 0.05; message_timeout = 5; invite_timeout = 5; options_interval = 2;
		watch_rate = 0; notify_interval = 0.1 }
	lync_gateway_settings = { partner_recipient_limit = 100000; partner_subscription_limit = 100000; keep_alive_interval = 8;
		stream_establishment_timeout = 30 }
	lync_partners = { %s }
]];

-- ---------------------------------------------------------------------------------------------- load partners --

local function new_load(rig, name, listen, port, address, cert, words)
	return Load.new({ loop = rig.loop, build = rig.build, name = name, address = address, listen = listen, port = port,
		cert = cert }, { "partners="..PARTNERS; table.unpack(words) });
end

local function start_loads(self)
	local names, a = {}, self.address;
	for i = 0, PARTNERS - 1 do names[#names + 1] = ("p%d.fed.example"):format(i); end
	self.names = { xmpp = names; edge = { "sip.contoso.com" }; bridge = { "xmpp.contoso.com" }; gateway = { "contoso.com" } };
	self.certs.edge = self.ca:issue("edge", { names = self.names.edge });
	self.certs.xmpp = self.ca:issue("xmpp", { names = names });
	self.directory = process.directory(self.loop, "ledgers");
	local function ledger(name)
		return "ledger="..self.directory.."/"..name, "pairs="..self.convs, "convs="..self.convs, "each="..self.each,
			("zero=%.6f"):format(self.zero);
	end
	local function wire(name, listen, to, from)
		return ("wire=%s,%s:%d,%s:%d,%s"):format(name, listen, name:match("^sip") and 5061 or 5269, to,
			name:match("^sip") and 5061 or 5269, from);
	end
	self.wires = new_load(self, "chaos_wire", a.sip_in, 5061, a.wire, self.certs.edge, { "pairs=1"; "seed="..self.seed;
		wire("xmpp-out", a.xmpp_out, a.xmpp, a.wire); wire("xmpp-in", a.xmpp_in, a.gateway, a.wire);
		wire("sip-out", a.sip_out, a.edge, a.wire); wire("sip-in", a.sip_in, a.gateway, a.wire) });
	self.edge = new_load(self, "chaos_edge", a.edge, 5061, a.edge, self.certs.edge, { "listen="..a.edge..":5061";
		"fqdn=sip.contoso.com"; "bridge_fqdn=xmpp.contoso.com"; ledger("edge") });
	self.xmpp = new_load(self, "chaos_xmpp", a.xmpp, 5269, a.xmpp, self.certs.xmpp, { "listen="..a.xmpp..":5269";
		ledger("xmpp") });
	self.presence = Presence.new(self, new_load);
end

-- -------------------------------------------------------------------------------------------------- the gateway --

-- A file system that can be filled, where this process may make one: { argv before the command }, and the holder.
local function small_disk(self)
	for _, how in ipairs { { { "unshare", "-m" }, { "nsenter", "-m" } },
		{ { "unshare", "-rm" }, { "nsenter", "--preserve-credentials", "-U", "-m" } } } do
		local try = table.concat(how[1], " ").." sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null";
		if os.execute(try) then
			local argv = { table.unpack(how[1]) };
			argv[#argv + 1] = "sleep";
			argv[#argv + 1] = "infinity";
			self.holder = process.start(self.loop, argv, { name = "disk" });
			-- it is what it shall be when it sleeps
			self.loop:wait(function ()
				local f = io.open("/proc/"..self.holder.pid.."/comm");
				local name = f and f:read("l");
				if f then f:close(); end
				return name == "sleep";
			end, 10, "a mount namespace");
			local wrap = { table.unpack(how[2]) };
			for _, word in ipairs { "-t", tostring(self.holder.pid), "--", "bash", process.here.."../chaos/small_disk.sh" } do
				wrap[#wrap + 1] = word;
			end
			return wrap;
		end
	end
end

local function library(pattern)
	local f = assert(io.popen("ls "..pattern.." 2>/dev/null"));
	local path = f:read("l");
	f:close();
	return path;
end

-- Prosody's and the worker's real clock can be stepped by writing a file. It is half a day ahead at first.
local function clock(self, wrap)
	local path = library(FAKETIME);
	if not path or not wrap then return; end
	self.clock_file = process.write(self.directory.."/clock", ("+%d\n"):format(self.ahead));
	for _, word in ipairs { "env"; "LD_PRELOAD="..path; "FAKETIME_TIMESTAMP_FILE="..self.clock_file;
		"FAKETIME_CACHE_DURATION=1"; "FAKETIME_DONT_FAKE_MONOTONIC=1" } do
		wrap[#wrap + 1] = word;
	end
end

local function start_gateway(self)
	local a, parts, dns = self.address, {}, { ["contoso.com"] = self.address.gateway };
	self.certs.bridge = self.ca:issue("bridge", { names = self.names.bridge });
	for i, name in ipairs(self.names.xmpp) do
		dns[name] = a.xmpp_out;
		parts[i] = ('[%q] = { partner_type = "federated"; description = "0" }; '):format(name);
	end
	local cert, wrap = self.certs.bridge, small_disk(self);
	clock(self, wrap);
	local function settings(edge, address, partners)
		return SETTINGS:format(edge, address, a.gateway, cert.cert, cert.key, self.ca.file, partners);
	end
	self.presence:names(dns);
	self.gateway = prosody.gateway(self.loop, { ca = self.ca; name = "gateway"; domain = "contoso.com"; dns = dns;
		global = "network_settings = { min_wait = 0 }"; wrap = wrap; log = self.log;
		settings = settings("sip.contoso.com", a.sip_out, table.concat(parts)); hosts = self.presence:host(settings) });
	self.certs.gateway = self.gateway.cert;
	self:wait_worker(20);
end

--- Process id of the worker, or nil.
function Rig:worker_pid()
	local pid = self.gateway.process.pid;
	local f = io.open(("/proc/%d/task/%d/children"):format(pid, pid));
	for child in (f and f:read("a") or ""):gmatch("%d+") do
		local exe = library("-l /proc/"..child.."/exe");
		if exe and exe:find("sipbridge-worker", 1, true) then
			if f then f:close(); end
			return math.tointeger(tonumber(child));
		end
	end
	if f then f:close(); end
end

function Rig:wait_worker(seconds)
	return self.loop:wait(function () return self:worker_pid(); end, seconds, "a worker");
end

-- ------------------------------------------------------------------------------------------------------ the rig --

function Rig.new(options)
	local self = setmetatable({ loop = Loop.new(), seed = options.seed, convs = options.convs, each = options.each,
		rate = options.rate, log = options.log or "warn", say = options.say or function () end, certs = {}, events = {},
		build = os.getenv("LG_BUILD") or "build", address = {}, reloads = 0, ahead = 43200 }, Rig);
	self.loop.note = function (_, who, line)
		if os.getenv("LG_TRANSCRIPT") then print(who, line); end
	end;
	for _, name in ipairs { "gateway", "edge", "xmpp", "wire", "xmpp_out", "xmpp_in", "sip_out", "sip_in" } do
		self.address[name] = ports.address("chaos-"..name);
	end
	self.address.gateway = ports.address("gateway"); -- prosody.lua's
	self.zero = self.loop:now() - 1;
	local ok, err = xpcall(function ()
		self.ca = CA.new(process.directory(self.loop, "ca"));
		start_loads(self);
		start_gateway(self);
	end, debug.traceback);
	if not ok then
		pcall(self.loop.close, self.loop);
		error(err, 0);
	end
	return self;
end

--- Milliseconds on the ledgers' clock.
function Rig:now()
	return math.floor((self.loop:now() - self.zero) * 1000);
end

function Rig:pass(seconds)
	self.loop:never(function () end, seconds);
end

--- Tell a load partner, which may have been started anew, where to connect and how fast to write.
function Rig:instruct(load)
	if load == self.edge then
		load:say("bridge %s:5061 %s", self.address.sip_in, self.address.edge);
	else
		load:say("gateway %s:5269 %s", self.address.xmpp_in, self.address.xmpp);
	end
	load:say(self.rate and "rate %g" or "rest", self.rate);
end

-- When this process itself did not come to its turn, the others hardly did: times mean little then.
local function watch_stalls(self)
	local last = self.loop:now();
	self.loop:every(0.1, function ()
		local now = self.loop:now();
		if now - last > STALL then
			table.insert(self.events, { kind = "stall", from = math.floor((last - self.zero) * 1000), to = self:now() });
		end
		last = now;
	end);
end

function Rig:start()
	watch_stalls(self);
	self:instruct(self.edge);
	self:instruct(self.xmpp);
	self.presence:start();
	self:wait_flow(60);
end

-- Has receiver, a load partner's count now, got something since then? Or has the other one nothing left to send?
local function flows(receiver, before, sender)
	return receiver.seen > before.seen or sender.begun == sender.total;
end

--- Until messages get through, both ways.
function Rig:wait_flow(seconds)
	local e, x = self.edge:stats(), self.xmpp:stats();
	local deadline = self.loop:now() + seconds;
	local after_e, after_x;
	repeat
		self:pass(0.1);
		after_e, after_x = self.edge:stats(), self.xmpp:stats();
		if self.loop:now() > deadline then
			error("waited in vain for messages both ways\n"..self:describe().."\n"..self.gateway.process.output:sub(-3000), 2);
		end
	until flows(after_e, e, after_x) and flows(after_x, x, after_e) and after_x.up == PARTNERS;
end

--- How many messages have been begun, both ways together.
function Rig:begun()
	return self.edge:stats().begun + self.xmpp:stats().begun;
end

function Rig:describe()
	return self.edge:ask("stats"):gsub("^stats", "edge") .. "\n" .. self.xmpp:ask("stats"):gsub("^stats", "xmpp") .. "\n"
		.. self.wires:ask("stats"):gsub("^stats", "wires");
end

--- Kinds of events that cannot be had here: { kind = why }.
function Rig:missing()
	return { ["disk-full"] = not self.holder and "no mount namespace" or nil;
		clock = not self.clock_file and "no libfaketime or mount namespace" or nil };
end

--- Do it, undo it, and note when it was.
function Rig:apply(event)
	local entry = { kind = event.kind, from = self:now() };
	entry.mortal = event.kind == "prosody-kill" or event.kind == "prosody-end";
	entry.deaf = event.kind == "partner-kill" or event.kind == "wire-refuse" and event.wire == "xmpp-out";
	table.insert(self.events, entry);
	hands[event.kind](self, event);
	entry.to = self:now();
end

--- Nothing is done to anybody any more: messages get through; those sent from here on must.
function Rig:peace(seconds)
	self:wait_flow(60);
	self.calm = math.huge;
	self:pass(9); -- what has been stalled, half-open or late is over: message_timeout is 5 s, keep_alive_interval 8 s
	self:wait_flow(60);
	self.calm = self:now();
	self:pass(seconds);
end

--- Stop writing; until everything has its outcome, and what was delivered has arrived.
function Rig:finish(seconds)
	self.rate = nil;
	self.edge:say("rest");
	self.xmpp:say("rest");
	local deadline, seen = self.loop:now() + seconds, nil;
	repeat
		self:pass(0.5);
		local e, x = self.edge:stats(), self.xmpp:stats();
		local quiet = e.open + x.open == 0 and seen == e.seen + x.seen;
		seen = e.seen + x.seen;
	until quiet or self.loop:now() > deadline;
end

-- LG_VERBOSE=1: each message that was not simply delivered, or refused as it should be.
local function show(self, direction)
	if not os.getenv("LG_VERBOSE") then return nil; end
	return function (class, i, n, s, r)
		if class == "delivered" or class == "refused" then return; end
		self.say(("%s %d/%d %s: sent %d, %s at %d, arrived %s"):format(direction, i, n, class, s.at, s.token or "no outcome",
			s.fate_at, r and r.at or "never"));
	end;
end

--- What became of every message.
function Rig:balances()
	for _, event in ipairs(os.getenv("LG_VERBOSE") and self.events or {}) do
		self.say(("%d to %d: %s"):format(event.from, event.to or -1, event.kind));
	end
	local edge, xmpp = Ledger.read(self.directory.."/edge"), Ledger.read(self.directory.."/xmpp");
	local result = {};
	for direction, side in pairs { x2s = { xmpp, edge }, s2x = { edge, xmpp } } do
		local from, to = side[1], side[2];
		local b = balance.new { direction = direction; sender = from.lines; receiver = to.lines; events = self.events;
			calm = self.calm; partners = PARTNERS; on_message = show(self, direction) };
		for i = 0, self.convs - 1 do b:evidence(from:sent(i), to:seen(i)); end
		for i = 0, self.convs - 1 do b:conversation(i, from:sent(i), to:seen(i)); end
		b.strange = from.strange + to.strange;
		result[direction] = b;
	end
	return result;
end

--- What is wrong with the gateway itself, by its log.
function Rig:trouble()
	local output = self.gateway.process.output;
	return self.trouble_seen or output:match("[^\n]*Traceback[^\n]*\n[^\n]*\n?[^\n]*")
		or output:match("[^\n]*Top%-level error[^\n]*");
end

--- What the load partners have to say.
function Rig:complaints()
	local result = {};
	for _, load in ipairs { self.edge, self.xmpp } do
		for line in ((load.before or "")..load.process.output):gmatch("[^\n]+") do
			if not line:match("^stream: ") then result[#result + 1] = load.name..": "..line; end
		end
	end
	return result;
end

function Rig:close()
	self.loop:close();
end

return Rig;
