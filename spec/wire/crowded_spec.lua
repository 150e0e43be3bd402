-- More than there is room for: connections by the thousand, handshakes and requests that never end, no file descriptors left in
-- the worker and in Prosody. Who is known is served on, and when it is over nothing is left of it.
-- SPDX-License-Identifier: MIT

local socket = require "socket";

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";

local CONNECTS = 5000;  -- twice
local SLOW = 200;       -- of the 256 that there is room for
local HALF_OPEN = 600;
local HELD = 200;       -- of them open at a time
local SECONDS = 60;     -- on a busy machine
local RSS = 32 << 20;   -- bytes that a crowd may cost
local ADDRESSES = 40;

local function entries(path)
	local p = assert(io.popen("ls " .. path .. " | wc -l"));
	local n = tonumber(p:read("a"));
	p:close();
	return n;
end

local function rss(pid)
	for line in io.lines("/proc/" .. pid .. "/status") do
		local kib = line:match("^VmRSS:%s+(%d+) kB");
		if kib then return tonumber(kib) * 1024; end
	end
end

describe("a crowd at the worker's port", function ()
	local w, probe;
	setup(function ()
		w = World.new { partner = false };
		probe = Probe.new(w);
		probe:assert_alive();
	end);
	teardown(function () w:finish(); end);

	local function knock(from, bytes)
		local sock = assert(socket.tcp4());
		sock:settimeout(0);
		assert(sock:bind(from, 0));
		sock:connect(w.edge.bridge.ip, 5061);
		return { sock = sock, bytes = bytes };
	end

	local function fds() return entries("/proc/" .. probe.pid .. "/fd"); end

	-- Everything is as it was before.
	local function assert_left_nothing(before_fds, before_rss)
		w.loop:wait(function () return fds() <= before_fds; end, SECONDS, "the worker to close what is gone");
		local grown = rss(probe.pid) - before_rss;
		assert.is_true(grown <= RSS, ("the worker has %d bytes more"):format(grown));
		probe:assert_alive();
	end

	for what, source in pairs {
		["from one address"] = function () return ports.address("crowd"); end;
		["from many addresses"] = function (i) return ports.address("crowd" .. i % ADDRESSES); end;
	} do
		it(("of %d connections %s leaves nothing"):format(CONNECTS, what), function ()
			local before_fds, before_rss = fds(), rss(probe.pid);
			local held, at, served = {}, 0, 0;
			local first = w.loop:now();
			while at < CONNECTS do
				for _ = 1, 50 do
					at = at + 1;
					local slot = at % HELD;
					if held[slot] then held[slot].sock:close(); end
					held[slot] = knock(source(at));
				end
				if at % 500 == 0 then -- the Edge is served in between
					probe:assert_alive();
					served = served + 1;
				end
				w.loop:step(0);
			end
			for _, one in pairs(held) do one.sock:close(); end
			print(("# %d connections %s in %.1f s, the Edge answered %d times meanwhile"):format(at, what, w.loop:now() - first,
				served));
			assert_left_nothing(before_fds, before_rss);
		end);
	end

	it("whose handshakes, or requests, never end does not keep the Edge out, and is gone after 10 s", function ()
		local before_fds, before_rss, from = fds(), rss(probe.pid), #probe:log();
		local head = probe:bytes { method = "OPTIONS" }:sub(1, -5);
		local held, slow = {}, {};
		for i = 1, SLOW do -- the Edge's own: slowloris
			slow[i] = w.edge:raw { from = ports.address("slow" .. i % 20); parameters = probe.parameters };
			slow[i].on_open = function (conn)
				local sent = 0;
				w.loop:every(0.5, function ()
					if conn.closed then return false; end
					sent = sent + 1;
					conn:send(sent == 1 and head or ("\r\nX-%d: slow"):format(sent));
				end);
			end;
		end
		w.loop:wait(function ()
			for _, conn in ipairs(slow) do
				if not conn.ready and not conn.closed then return false; end
			end
			return true;
		end, SECONDS, "all that will be slow");
		for i = 1, HALF_OPEN do
			held[i] = knock(ports.address("crowd" .. i % ADDRESSES));
			w.loop:step(0);
		end
		for _, one in ipairs(held) do one.sock:send("\22\3\1\2\0\1\0\1"); end -- the beginning of a ClientHello
		for _ = 1, 20 do
			local conn = probe:connect { from = ports.address("edge2") };
			assert.equal(200, probe:ask({ method = "OPTIONS" }, conn).status);
			conn:close(true);
		end
		probe:wait_token("tls-too-many", from);
		w.loop:wait(function ()
			for _, conn in ipairs(slow) do
				if not conn.closed then return false; end
			end
			return true;
		end, 10 + SECONDS, "the end of all that is slow");
		-- Only ten refusals a second have a line of their own, and on a slow machine the handshakes end in the same one.
		w.loop:wait(function ()
			return probe:log():find("(token=malformed ", from, true) or probe:log():find("connections refused: not shown", from, true);
		end, SECONDS, "a word about what was slow");
		w.loop:wait(function () return fds() <= before_fds; end, SECONDS, "the end of the handshakes");
		for _, one in ipairs(held) do one.sock:close(); end
		assert_left_nothing(before_fds, before_rss);
	end);
end);

describe("without file descriptors", function ()
	local LIMIT = 110; -- Prosody and the worker have some 40 and 15 of their own
	local w, probe, peer, home, cert;
	setup(function ()
		w = World.new { partner = false; global = "s2s_secure_auth = false"; wrap = { "prlimit", "--nofile=" .. LIMIT .. ":" .. LIMIT } };
		cert = w.ca:issue("fabrikam", { names = { "fabrikam.com" } });
		home = s2s_server.new(w.loop, { domain = "fabrikam.com"; ip = ports.address("partner"); cert = cert });
		peer = s2s.connect(w.loop, { from = "fabrikam.com"; to = "contoso.com"; ip = w.gateway.address; cert = cert });
		peer:authenticate("EXTERNAL");
		probe = Probe.new(w);
	end);
	teardown(function () w:finish(); end);

	local serial = 0;
	-- A message crosses, and its receipt comes back.
	local function crosses()
		serial = serial + 1;
		local id = "fd" .. serial;
		peer:send(("<message type='chat' id='%s' from='romeo@fabrikam.com/x' to='lena@contoso.com'><body>%s</body>"
			.. "<request xmlns='urn:xmpp:receipts'/></message>"):format(id, id));
		w:lync_user("lena"):wait_message(id, SECONDS);
		home:wait_stanza(function (s)
			local received = s:child("received", "urn:xmpp:receipts");
			return received and received.attr.id == id;
		end, SECONDS);
	end

	local function fill(ip, port, n)
		local held = {};
		for i = 1, n do
			local sock = assert(socket.tcp4());
			sock:settimeout(0);
			assert(sock:bind(ports.address("crowd" .. i % 20), 0));
			sock:connect(ip, port);
			held[i] = sock;
		end
		return held;
	end

	local function empty(held)
		for _, sock in ipairs(held) do sock:close(); end
	end

	it("the worker serves who is there, says so, and takes others again afterwards", function ()
		crosses();
		probe:assert_alive();
		local held = fill(w.edge.bridge.ip, 5061, 200);
		w.gateway:wait_log("no file descriptors left: connections wait", SECONDS);
		for _ = 1, 5 do crosses(); end
		empty(held);
		local conn = probe:connect();
		assert.equal(200, probe:ask({ method = "OPTIONS" }, conn).status);
		conn:close(true);
		assert.equal(probe.pid, w:worker_pid());
	end);

	it("Prosody serves who is there, and starts a new worker when it has some again", function ()
		crosses();
		local pid, prosody_pid = w:worker_pid(), w.gateway.process.pid;
		local function fds() return entries("/proc/" .. prosody_pid .. "/fd"); end
		local held = fill(w.gateway.address, 5269, LIMIT + 50);
		w.loop:wait(function () return fds() >= LIMIT; end, SECONDS, "Prosody to have no more");
		for _ = 1, 5 do crosses(); end
		process.kill(pid, "KILL");
		w.gateway:wait_log("lost worker:", SECONDS);
		w.loop:never(function () end, 1);
		empty(held);
		w.loop:wait(function () return w:worker_pid() ~= pid; end, SECONDS, "a new worker");
		w.loop:wait(function () return w.gateway.process.output:match("connected edge: ready.*connected edge: ready"); end, SECONDS,
			"the Edge again");
		crosses();
		assert.is_true(w.gateway.process:running());
	end);
end);
