-- bench_presence.lua: presence of Lync users for their watchers, beside a module that only sends it.
-- SPDX-License-Identifier: MIT
--
-- Two Prosodys with the same options, each with a bench/xmpp_load that has the watchers' servers (TLS, SASL EXTERNAL).
-- One has the gateway, with bench/publish_load as Access Edge: NOTIFY in, a stanza to the watcher out. The other one
-- has bench/prosody_modules/mod_bench_presence, which sends the same stanzas. All users change once in each round;
-- rounds take turns. Processor time is the kernel's, of one process. Details: docs/performance.md.
-- ROUNDS, PAIRS: other numbers than the usual ones; GC: Lua text of Prosody's `gc`, empty for its default.

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";
local start_load = require "bench.scale_rig".start_load;

local ROUNDS = tonumber(os.getenv("ROUNDS") or "") or 7;
local PAIRS = math.tointeger(tonumber(os.getenv("PAIRS") or "")) or 6000;
local GC = os.getenv("GC") or "{ threshold = 1000 }";
local PARTNERS = 4;
local PATIENCE = 60; -- seconds for a step

local GLOBAL = "network_settings = { min_wait = 0 }\n" .. (GC ~= "" and "gc = "..GC.."\n" or "");

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { watch_rate = 0 }
	lync_gateway_settings = { partner_subscription_limit = 100000; partner_recipient_limit = 100000 }
	lync_partners = { %s }
]];

-- Nanoseconds of processor that a process has used.
local function cpu(pid)
	local f = assert(io.open("/proc/" .. pid .. "/schedstat"));
	local ns = f:read("n");
	f:close();
	return ns;
end

local function partner_names()
	local names = {};
	for i = 0, PARTNERS - 1 do names[#names + 1] = ("p%d.fed.example"):format(i); end
	return names;
end

local function new_side(rig, name)
	local side = { loop = rig.loop, name = name, build = rig.build, pairs = PAIRS, partners = PARTNERS, window = 400,
		address = ports.address(name), partner = ports.address(name.."-partner"), dns = {} };
	for _, domain in ipairs(partner_names()) do side.dns[domain] = side.partner; end
	side.xmpp = start_load(side, "xmpp", side.partner, { listen = side.partner; port = 5269; cert = rig.partners_cert;
		"listen="..side.partner..":5269" });
	return side;
end

local function connect(side)
	side.xmpp:say("gateway %s:5269 %s", side.address, side.partner);
	side.loop:wait(function () return side.xmpp:stats().up == PARTNERS; end, 30, "the streams of "..side.name);
end

local function new_plain(rig)
	local side = new_side(rig, "plain");
	local root = process.here:match("^(.*)/spec/support/$");
	side.server = prosody.partner(rig.loop, { ca = rig.ca, name = "plain", domains = { "contoso.com" }, dns = side.dns,
		global = GLOBAL .. ("bench_pairs = %d\nbench_partners = %d\n"):format(PAIRS, PARTNERS),
		plugin_paths = { root.."/bench/prosody_modules" }, modules = { "bench_presence" } });
	connect(side);
	return side;
end

local function new_gateway(rig)
	local side, entries = new_side(rig, "gateway"), {};
	local edge, cert = ports.address("edge"), rig.ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	for i, domain in ipairs(partner_names()) do entries[i] = ("[%q] = { partner_type = 'federated' }"):format(domain); end
	side.edge = start_load(side, "publish", edge, { listen = edge; port = 5061;
		cert = rig.ca:issue("edge", { names = { "sip.contoso.com" } }); "listen="..edge..":5061"; "fqdn=sip.contoso.com";
		"bridge_fqdn=xmpp.contoso.com" });
	side.server = prosody.gateway(rig.loop, { ca = rig.ca, name = "gateway", domain = "contoso.com", dns = side.dns,
		global = GLOBAL, settings = SETTINGS:format(edge, side.address, cert.cert, cert.key, rig.ca.file,
		table.concat(entries, "; ")) });
	side.server:wait_log("started worker: ready", 20);
	side.worker = tonumber((side.server.process.output:match("started worker: ready %(bridge=[^ ]+ pid=(%d+)%)")));
	side.edge:say("bridge %s:5061 %s", side.address, edge);
	connect(side);
	side.xmpp:say("subscribe 0 %d 0", PAIRS);
	side.loop:wait(function () return side.xmpp:stats().available == PAIRS; end, PATIENCE, "all watches");
	return side;
end

-- fn() has a stanza sent to each watcher: microseconds of each process for one, and stanzas in a second.
local function round(side, fn)
	local before, pids = side.xmpp:stats(), { prosody = side.server.process.pid; worker = side.worker };
	local used, start = {}, side.loop:now();
	for name, pid in pairs(pids) do used[name] = -cpu(pid); end
	fn();
	side.loop:wait(function ()
		side.loop:never(function () end, 0.02);
		return side.xmpp:stats().stanzas - before.stanzas >= PAIRS;
	end, PATIENCE, "a stanza for each watcher");
	local seconds = side.loop:now() - start;
	for name, pid in pairs(pids) do used[name] = (used[name] + cpu(pid)) / PAIRS / 1000; end
	used.rate = PAIRS / seconds;
	local n = side.xmpp:stats();
	assert(n.stanzas - before.stanzas == PAIRS and n.errors == 0 and n.strange == 0, side.name..": not one each");
	return used;
end

local function plain_round(side)
	return round(side, function () side.xmpp:say("show 0 1 0"); end);
end

local function gateway_round(side)
	local used = round(side, function () side.edge:say("publish"); end);
	local n = side.edge:stats();
	assert(n.bad == 0 and n.begun == PAIRS, "a NOTIFY was refused");
	side.loop:wait(function () n = side.edge:stats(); return n.told == n.told_ok; end, PATIENCE, "all answers");
	return used;
end

local function median(list, key)
	local values = {};
	for i, entry in ipairs(list) do values[i] = entry[key]; end
	table.sort(values);
	local words = {};
	for i, value in ipairs(values) do words[i] = ("%.1f"):format(value); end
	return values[#values // 2 + 1], table.concat(words, " ");
end

local function measure(rig)
	local plain, gateway = new_plain(rig), new_gateway(rig);
	local costs = { plain = {}, gateway = {} };
	for i = 0, ROUNDS do -- the first one makes the streams
		local a, b = plain_round(plain), gateway_round(gateway);
		if i > 0 then
			table.insert(costs.plain, a);
			table.insert(costs.gateway, b);
		end
	end
	local sent, sent_all = median(costs.plain, "prosody");
	local through, through_all = median(costs.gateway, "prosody");
	local worker = median(costs.gateway, "worker");
	print(("# presence, a stanza: module %s us; gateway %s us; gc = %s"):format(sent_all, through_all,
		GC ~= "" and GC or "default"));
	print(("presence_cpu_ratio %.3f ratio >=0.8"):format(sent / through));
	print(("presence_plain_us %.2f us"):format(sent));
	print(("presence_us %.2f us"):format(through));
	print(("presence_worker_us %.2f us"):format(worker));
	print(("presence_rate %.0f 1/s"):format((median(costs.gateway, "rate"))));
end

local function main()
	local rig = { loop = Loop.new(), build = os.getenv("LG_BUILD") or "build" };
	local ok, err = xpcall(function ()
		rig.ca = CA.new(process.directory(rig.loop, "ca"));
		rig.partners_cert = rig.ca:issue("partners", { names = partner_names() });
		measure(rig);
	end, debug.traceback);
	rig.loop:close();
	return ok or error(err, 0);
end

main();
