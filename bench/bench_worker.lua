-- bench_worker.lua: what a message costs our worker, beside a bare nta program that says the same SIP.
-- SPDX-License-Identifier: MIT
--
-- Both talk to the same Access Edge (bench/worker_edge_load) over the same mutual TLS, in rounds that take turns. The
-- worker is driven through its channel by bench/channel_load: no Prosody takes part. Processor time is the kernel's, of
-- that one process, while so many messages pass; conversations were opened before. Details: docs/performance.md.
-- ROUNDS, MESSAGES: other numbers than the usual ones; PROFILE=way keeps to one program, for perf.

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local stream = require "spec.support.stream";

local ROUNDS = tonumber(os.getenv("ROUNDS") or "") or 7;
local MESSAGES = tonumber(os.getenv("MESSAGES") or "") or 20000;
-- Conversations at the same time. An answer to Lync is held for 0.3 s (answer_wait), for a bounce that comes early.
local TALKS = { x2s = 50; s2x = 2000 };
local WAYS = { "x2s", "s2x" };

local build = os.getenv("LG_BUILD") or "build";

local function start_edge(loop, ca, dir)
	local address = ports.address("edge");
	local cert = ca:issue("edge", { names = { "sip.contoso.com" } });
	local control = ports.free(address);
	local edge = { replies = {}, buffer = "" };
	edge.process = process.start(loop, { build.."/bench/worker_edge_load", ("control=%s:%d"):format(address, control),
		"cert="..cert.cert, "key="..cert.key, "pairs=12", "listen="..address..":5061", "fqdn=sip.contoso.com",
		"bridge_fqdn=xmpp.contoso.com", "dir="..dir }, { name = "edge" });
	edge.process:wait_port(address, 5061, 5);
	edge.control = stream.connect(loop, address, control, nil, { on_data = function (_, bytes)
		edge.buffer = (edge.buffer .. bytes):gsub("([^\n]*)\n", function (line)
			table.insert(edge.replies, line);
			return "";
		end);
	end });
	function edge.stats()
		edge.control:send("stats\n");
		local line = loop:wait(function () return table.remove(edge.replies, 1); end, 20, "the Edge's counts");
		local result = {};
		for key, value in line:gmatch("([%w_]+)=(%S+)") do result[key] = math.tointeger(tonumber(value)) or value; end
		return result;
	end
	return edge;
end

-- Where Sofia looks for certificates.
local function certificates_of(loop, ca, cert)
	local dir = process.directory(loop, "bare");
	local function read(path)
		local f = assert(io.open(path));
		local text = f:read("a");
		f:close();
		return text;
	end
	process.write(dir.."/agent.pem", read(cert.cert)..read(cert.key));
	process.write(dir.."/cafile.pem", read(ca.file));
	return dir;
end

local function median(values)
	table.sort(values);
	return values[#values // 2 + 1];
end

local function show_values(what, values)
	local words = {};
	for i, value in ipairs(values) do words[i] = ("%.2f"):format(value); end
	print(("# %s: %s us"):format(what, table.concat(words, " ")));
end

local function new_rig(loop)
	local ca = CA.new(process.directory(loop, "ca"));
	local cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	local rig = { loop = loop, cert = cert, ca = ca };
	rig.dir = certificates_of(loop, ca, cert);
	rig.edge = start_edge(loop, ca, rig.dir);
	rig.here = ports.address("gateway");
	return rig;
end

-- One round of one program: microseconds of processor for a message, messages in a second.
local function round(rig, program, way, messages)
	local before = rig.edge.stats();
	if way == "s2x" then
		rig.edge.control:send(("talk %d %s:5061 %s\n"):format(TALKS[way], rig.here, ports.address("edge")));
	end
	local status, output = process.run(rig.loop, { build.."/bench/"..program.."_load", "way="..way, "talks="..TALKS[way],
		"warm="..2 * TALKS[way] + 1000, "messages="..messages, "fqdn=xmpp.contoso.com",
		"listen="..rig.here..":5061", "cert="..rig.cert.cert, "key="..rig.cert.key,
		"cafile="..rig.ca.file, "edge="..ports.address("edge"), "dir="..rig.dir,
		"worker="..build.."/lync_gateway/sipbridge-worker" }, { name = program }, 120);
	local us, rate = output:match("us=(%S+) rate=(%S+)");
	if status ~= 0 or not us then error(("%s ended with status %d: %s"):format(program, status, output), 0); end
	rig.edge.control:send("talk 0 - -\n");
	local after = rig.edge.stats();
	local passed = way == "x2s" and after.heard - before.heard or after.said - before.said;
	-- its end refuses what each conversation says last
	local refused = after.bad - before.bad;
	assert(refused <= (way == "x2s" and 0 or TALKS[way]), "refused: " .. rig.edge.process.output);
	assert(passed >= messages, "too few messages at the Edge");
	rig.cipher = rig.cipher or {};
	rig.cipher[program] = after.cipher;
	return tonumber(us), tonumber(rate);
end

local function measure(rig, way)
	local us, rates = { bare = {}, channel = {} }, { bare = {}, channel = {} };
	for i = 1, ROUNDS do
		for _, program in ipairs(i % 2 == 0 and { "channel", "bare" } or { "bare", "channel" }) do
			local cost, rate = round(rig, program, way, MESSAGES);
			table.insert(us[program], cost);
			table.insert(rates[program], rate);
		end
	end
	show_values(way..": bare nta program", us.bare);
	show_values(way..": worker", us.channel);
	assert(rig.cipher.bare == rig.cipher.channel, "not the same TLS");
	print(("# %s: rates: bare %.0f/s, worker %.0f/s; TLS: %s"):format(way, median(rates.bare), median(rates.channel),
		rig.cipher.bare));
	local bare, ours = median(us.bare), median(us.channel);
	local prefix = way == "x2s" and "worker" or "worker_s2x";
	print(("%s_cpu_ratio %.3f ratio >=0.7"):format(prefix, bare / ours));
	print(("%s_us %.2f us"):format(prefix, ours));
	print(("%s_bare_us %.2f us"):format(prefix, bare));
end

local function main()
	local loop = Loop.new();
	local ok, err = xpcall(function ()
		local rig = new_rig(loop);
		local profile = os.getenv("PROFILE");
		for _, way in ipairs(WAYS) do
			if not profile then
				measure(rig, way);
			elseif profile:match(way) then
				print("#", round(rig, profile:match("^%a+"), way, MESSAGES));
			end
		end
	end, debug.traceback);
	loop:close();
	return ok or error(err, 0);
end

main();
