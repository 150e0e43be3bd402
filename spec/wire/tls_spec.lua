-- Who may connect to the bridge, and how: certificates, versions, limits; a stranger's failure disturbs nobody.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local CA = require "spec.support.ca";
local Traffic = require "spec.support.traffic";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local stream = require "spec.support.stream";

local EDGE, HALF_OPEN = "sip.contoso.com", 10;
local PER_PEER, BYTES_PER_CONNECTION = 16, 3 * 1024;

describe("TLS from the Edge's side", function ()
	local w, probe, good, wrong, revoked, half_open, opened_at;
	setup(function ()
		w = World.new { users = Traffic.users(2) };
		probe = Probe.new(w);
		half_open = stream.connect(w.loop, w.gateway.address, 5061, { from = ports.address("silent") });
		opened_at = w.loop:now();
		wrong = w.ca:wrong_ones("in", { EDGE });
		good = { ["server and client use"] = w.edge_cert; ["server use only"] = wrong["server-only"];
			["client use only"] = wrong["client-only"]; ["CN only"] = wrong["cn-only"];
			["an intermediate CA"] = w.ca:intermediate("middle"):issue("in-middle", { names = { EDGE } });
			["further names"] = w.ca:issue("in-more", { names = { "other.contoso.com", EDGE:upper() } });
			["an RSA key"] = w.ca:issue("in-rsa", { names = { EDGE }, key = "rsa:2048" }) };
		revoked = wrong["revoked"];
		for _, name in ipairs { "cn-only", "server-only", "client-only", "revoked" } do wrong[name] = nil; end
		wrong["wildcard"] = w.ca:issue("in-wildcard", { names = { "*.contoso.com" }, cn = "Access Edge" });
		wrong["mismatch"] = w.ca:issue("in-mismatch", { names = { "other.contoso.com" }, cn = EDGE });
		wrong["name of the gateway"] = w.bridge_cert;
	end);
	teardown(function () w:finish(); end);

	-- A connection with that certificate (none: false). handshake: LuaSec options in place of the usual.
	local function connect(cert, handlers, more)
		local tls = (cert or w.edge_cert):tls("client", more);
		if not cert then tls.key, tls.certificate = nil, nil; end
		probe.connections = (probe.connections or 0) + 1;
		return stream.connect(w.loop, w.gateway.address, 5061, { tls = tls, server_name = "xmpp.contoso.com",
			from = ports.address("probe" .. probe.connections % 20) }, handlers);
	end

	local function closed(conn, seconds)
		w.loop:within(function () return conn.closed; end, seconds or 6, "the connection to be closed");
	end

	local function refused(cert, token, why)
		local from = #probe:log();
		closed(connect(cert));
		w.loop:wait(function ()
			local line = probe:log():match("refused SIP request: ([^\n]*%(peer=127[%d.]+%) %(token=" .. token:gsub("%-", "%%-")
				.. " )", from);
			return line and (not why or line:find(why, 1, true));
		end, 3, token .. ": " .. (why or ""));
	end

	local function accepted(cert)
		local conn = probe:connect { cert = cert };
		assert.equal(200, probe:ask({ method = "OPTIONS" }, conn).status);
		conn:close();
	end

	it("takes its certificate: with server and client use, or either, by CN, by an intermediate CA", function ()
		for _, cert in pairs(good) do accepted(cert); end
	end);

	for name, case in pairs {
		["wrong-name"] = { "tls-name", "names no configured Access Edge" }; ["wildcard"] = { "tls-name", "Access Edge" };
		["mismatch"] = { "tls-name", "sip.contoso.com" }; ["name of the gateway"] = { "tls-name", "xmpp.contoso.com" };
		["foreign"] = { "tls-certificate", "unable to get local issuer certificate" };
		["expired"] = { "tls-certificate", "certificate has expired" };
		["not-yet"] = { "tls-certificate", "certificate is not yet valid" };
		["self-signed"] = { "tls-certificate", "self-signed certificate" };
	} do
		it("refuses a certificate (" .. name .. ")", function () refused(wrong[name], case[1], case[2]); end);
	end

	it("refuses to speak without a certificate", function () refused(false, "tls-alert", "handshake refused"); end);

	it("speaks TLS 1.2 and 1.3, not 1.1", function ()
		for version, off in pairs { ["TLSv1.2"] = "no_tlsv1_3", ["TLSv1.3"] = "no_tlsv1_2" } do
			local conn = probe:connect { tls = { options = { "all", "no_tlsv1", "no_tlsv1_1", off } } };
			assert.equal(version, conn.sock:info("protocol"));
			assert.equal(200, probe:ask({ method = "OPTIONS" }, conn).status);
			conn:close();
		end
		local from = #probe:log();
		local conn = connect(w.edge_cert, nil, { ciphers = "ALL:@SECLEVEL=0", options = { "all", "no_tlsv1_2", "no_tlsv1_3" } });
		closed(conn);
		assert.is_truthy(conn.reason:find("protocol version", 1, true), conn.reason);
		probe:wait_token("tls-alert", from);
	end);

	it("gives no session tickets", function ()
		local request = probe:bytes { method = "OPTIONS" };
		for _, version in ipairs { "-tls1_3", "-tls1_2" } do
			local command = "printf %%s %s | openssl s_client %s -ign_eof -connect %s:5061 -cert %s -key %s -CAfile %s";
			local p = process.start(w.loop, { "bash", "-c", command:format(process.quote(request), version, w.gateway.address,
				w.edge_cert.cert, w.edge_cert.key, w.ca.file) }, { quiet = true });
			p:wait_line("SIP/2%.0 200 OK");
			assert.is_nil(p.output:find("ession [Tt]icket"), p.output);
			assert.is_nil(p.output:find("Session%-ID: %x"), p.output);
			p:stop();
		end
	end);

	it("goes on with everybody's messages while strangers fail", function ()
		local t = Traffic.new(w, { pairs = 2, interval = 0.005, window = 8 }):run();
		t:wait_flow(10);
		local names, left, sent = {}, 0, 0;
		for name in pairs(wrong) do names[#names + 1] = name; end
		local function failed() left = left - 1; end
		w.loop:every(0.01, function ()
			sent, left = sent + 1, left + 1;
			if sent % 4 == 0 then
				connect(false, { on_close = failed });
			elseif sent % 4 == 1 then
				stream.connect(w.loop, w.gateway.address, 5061, { from = ports.address("probe" .. sent % 20) }, { on_close = failed,
					on_open = function (conn) conn:send("GET / HTTP/1.0\r\n\r\nINVITE sip:x SIP/2.0\r\n\r\n"); end });
			else
				connect(wrong[names[sent % #names + 1]], { on_close = failed });
			end
			return sent < 60;
		end);
		w.loop:wait(function () return sent == 60 and left == 0; end, 10, "sixty failures");
		t:wait_flow(10);
		t:finish(5);
		for _, direction in ipairs { "x2s", "s2x" } do
			local sums = t:tally(direction);
			assert.is_true(sums.sent > 40, direction .. ": " .. sums.sent);
			assert.equal(sums.sent, sums.delivered, direction);
			assert.equal(0, sums.disorder + sums.twice + sums.lost, direction);
		end
		assert.is_nil(probe:log():find("lost edge", 1, true));
		probe:assert_alive();
	end);

	-- OpenSSL's error queue belongs to the thread: what a stranger leaves there must not meet half a record of somebody else.
	it("goes on with a record that comes in two halves, a stranger's failure before each", function ()
		local half;
		local relay = stream.listen(w.loop, ports.address("relay"), 5061, nil, function (from)
			local to = stream.connect(w.loop, w.gateway.address, 5061, { from = ports.address("relay") }, {
				on_data = function (_, bytes) from:send(bytes); end;
				on_close = function () from:close(); end;
			});
			function from.on_data(_, bytes)
				half = function (part) to:send(part == 1 and bytes:sub(1, #bytes // 2) or bytes:sub(#bytes // 2 + 1)); end
				if not from.chop then to:send(bytes); end
			end
		end);
		local answers = "";
		local conn = stream.connect(w.loop, relay.ip, 5061, { tls = w.edge_cert:tls("client"), server_name = "xmpp.contoso.com" },
			{ on_data = function (_, bytes) answers = answers .. bytes; end });
		w.loop:wait(function () return conn.ready; end);
		local client = next(relay.connections);
		conn:send((probe:bytes { method = "OPTIONS" }));
		w.loop:wait(function () return answers:find("SIP/2.0 200", 1, true); end, 3, "an answer");
		client.chop = true;
		local function stranger(i)
			if i % 2 == 0 then return closed(connect(wrong["foreign"])); end
			closed(stream.connect(w.loop, w.gateway.address, 5061, { from = ports.address("probe3") },
				{ on_open = function (c) c:send("GET / HTTP/1.0\r\n\r\n"); end }));
		end
		for i = 1, 10 do
			answers, half = "", nil;
			conn:send((probe:bytes { method = "OPTIONS" }));
			w.loop:wait(function () return half; end, 3, "a record");
			for part = 1, 2 do
				stranger(i + part);
				half(part);
			end
			w.loop:wait(function () return answers:find("SIP/2.0 200", 1, true) or conn.closed; end, 3, "an answer");
			assert.is_falsy(conn.closed, "the connection was closed in round " .. i);
		end
		conn:close();
		relay.close();
	end);

	it("has so many connections from one address, and a place again when one goes", function ()
		local from, conns = #probe:log(), {};
		local function more() conns[#conns + 1] = probe.edge:raw { from = ports.address("greedy") }; return conns[#conns]; end
		for _ = 1, PER_PEER do
			local conn = more();
			w.loop:wait(function () return conn.ready or conn.closed; end);
			assert.is_true(conn.ready);
		end
		w.loop:wait(function () -- more than one try: of many refusals in a second not all are shown
			closed(more());
			return probe:log():find("(token=tls-too-many ", from, true);
		end, 5, "the token in the log");
		probe:assert_alive();
		for _, conn in ipairs(conns) do conn:close(true); end
		for _ = 1, 3 * PER_PEER do -- one after the other
			local conn = more();
			w.loop:wait(function () return conn.ready or conn.closed; end);
			assert.is_true(conn.ready, conn.reason);
			probe:ask({ method = "OPTIONS" }, conn);
			conn:close(true);
		end
	end);

	local function rss()
		local f = assert(io.open("/proc/" .. math.tointeger(probe.pid) .. "/status"));
		local kb = f:read("a"):match("VmRSS:%s+(%d+) kB");
		f:close();
		return tonumber(kb) * 1024;
	end

	it("ends a connection that never begins its handshake after 10 s", function ()
		closed(half_open, HALF_OPEN + 4);
		local took = w.loop:now() - opened_at;
		assert.is_true(took >= HALF_OPEN - 0.1);
		probe:wait_token("tls-timeout");
	end);

	it("honours a revocation list as soon as it has one", function ()
		accepted(revoked);
		w.gateway:reload(("cafile = %q }\n\tlync_bridge_wire"):format(w.ca.file),
			("cafile = %q; crlfile = %q }\n\tlync_bridge_wire"):format(w.ca.file, w.ca.crl));
		w.gateway:wait_log("configured bridge: worker has new settings", 5, true);
		refused(revoked, "tls-certificate", "certificate revoked");
		accepted(w.edge_cert);
		w.ca:revoke(good["further names"]); -- the list grows: read anew with a reload, without a change of settings
		accepted(good["further names"]);
		w.gateway:reload();
		w.gateway:wait_log("configured bridge: worker has new settings", 5, true);
		refused(good["further names"], "tls-certificate", "certificate revoked");
		probe:assert_alive();
	end);

	it("has no CA of its own making", function ()
		local other = CA.new(process.directory(w.loop, "other"), "throw-away CA"):issue("same-ca-name", { names = { EDGE } });
		other.ca = w.ca.file;
		refused(other, "tls-certificate");
	end);

	-- last: the log shows some refusals in a second only, and these are many
	it("keeps nothing of a connection", function ()
		local done, started = 0, 0;
		local names = {};
		for name in pairs(wrong) do names[#names + 1] = name; end
		local function finished() done = done + 1; end
		local function one()
			started = started + 1;
			local options = { from = ports.address("crowd" .. started % 12) };
			local kind = started % 3;
			if kind == 0 then
				stream.connect(w.loop, w.gateway.address, 5061, options, { on_close = finished,
					on_open = function (conn) conn:send("garbage, and no TLS at all\r\n\r\n"); end });
				return;
			end
			options.tls = (kind == 1 and w.edge_cert or wrong[names[started % #names + 1]]):tls("client");
			stream.connect(w.loop, w.gateway.address, 5061, options, { on_close = finished,
				on_open = function (conn) conn:send((probe:bytes { method = "OPTIONS" })); end,
				on_data = function (conn) conn:close(true); end });
		end
		local function until_(n)
			w.loop:wait(function ()
				while started < n and started - done < 12 do one(); end
				return done == n;
			end, 90, n .. " connections");
			probe:assert_alive();
			return rss();
		end
		local before = until_(300);
		local grown = until_(1500) - before;
		assert.is_true(grown < 1200 * BYTES_PER_CONNECTION, ("%d bytes for each connection"):format(grown // 1200));
	end);
end);
