-- sipp.lua: SIPp as the Lync side. Debian's SIPp speaks no TLS, so stunnel stands in between, with mutual TLS both ways.
-- SPDX-License-Identifier: MIT
--
--	sipp.relay(loop, { cert = edge_cert, tls = "127.a.b.c:5061", plain = "127.a.b.c:5060", bridge = "127.a.b.d:5061",
--		peer = "127.a.b.e:5060", name = "xmpp.contoso.com" })
--	sipp.front(loop, "127.a.b.e:5060", "127.a.b.e:5070")	-- in place of peer: below
--	local uac = sipp.start(loop, { scenario = "uac_im", ip = "127.a.b.e", remote = "127.a.b.c:5060",
--		keys = { user = "lena@contoso.com", contact = "romeo@fabrikam.com", text = "hello" } })
--	uac:heard("NOTIFY.-open")	-- wait for a pattern in what it has sent and received
--	uac:finish()			-- error with SIPp's own words unless every call succeeded
--
-- The relay takes TLS on tls and hands it to SIPp at peer; it takes TCP on plain and hands it to the bridge by TLS.
-- The front answers OPTIONS by itself and hands all else to a SIPp behind it, which need not be there yet; 0.1 s later, since SIPp
-- gives up when the NOTIFY is there before the 200, which comes by another connection.
-- Scenarios: sipp/*.xml. Options of start: scenario, ip, port (5060), remote (UAC; without it a UAS, which takes calls until
-- finish), keys, calls (1), rate, timeout (s), transport of the Contact ("tls").

local process = require "spec.support.process";
local sip = require "spec.support.sip";
local stream = require "spec.support.stream";

local sipp = {};

local STUNNEL = [[
foreground = yes
pid =
debug = notice
[from-bridge]
accept = %s
connect = %s
cert = %s
key = %s
CAfile = %s
requireCert = yes
verifyChain = yes
sslVersionMin = TLSv1.2
[to-bridge]
client = yes
accept = %s
connect = %s
cert = %s
key = %s
CAfile = %s
verifyChain = yes
checkHost = %s
sni = %s
sslVersionMin = TLSv1.2
]];

function sipp.relay(loop, options)
	local directory, cert = process.directory(loop, "stunnel"), options.cert;
	local config = process.write(directory .. "/stunnel.conf", STUNNEL:format(options.tls, options.peer, cert.cert, cert.key, cert.ca,
		options.plain, options.bridge, cert.cert, cert.key, cert.ca, options.name, options.name));
	local p = process.start(loop, { "stunnel4", config }, { name = "stunnel" });
	p:wait_line("Configuration successful", 10);
	return p;
end

local function split(address)
	local ip, port = address:match("^(.*):(%d+)$");
	return ip, tonumber(port);
end

local function pong(request)
	local headers = {};
	for _, name in ipairs { "Via", "From", "To", "Call-ID", "CSeq" } do
		for _, value in ipairs(sip.all(request, name)) do
			headers[#headers + 1] = { name, name == "To" and value .. ";tag=front" or value };
		end
	end
	return sip.bytes("SIP/2.0 200 OK", headers);
end

function sipp.front(loop, listen, peer)
	local ip, port = split(listen);
	local listener = stream.listen(loop, ip, port, nil, function (conn)
		local parser, behind = sip.parser(), nil;
		local function hand_over(message)
			if not behind or behind.closed then
				local peer_ip, peer_port = split(peer);
				behind = stream.connect(loop, peer_ip, peer_port, nil, {
					on_data = function (_, bytes) if not conn.closed then conn:send(bytes); end end;
				});
			end
			behind:send(message.raw);
		end
		function conn.on_data(_, bytes)
			for _, message in ipairs(parser:feed(bytes)) do
				if message.method == "OPTIONS" then
					conn:send(pong(message));
				else
					loop:after(0.1, function () hand_over(message); end);
				end
			end
		end
	end);
	loop:at_close(function () listener:close(); listener:drop(); end);
	return listener;
end

local function finish(p, seconds)
	if p.server then p:signal("USR1"); end -- no new calls; ends when those it has are done
	local status = p:wait_end(seconds or 30);
	if status == 0 then return true; end
	local log = "";
	for _, name in ipairs({ "errors", "messages" }) do
		local f = io.open(p.directory .. "/" .. name);
		if f then
			log = log .. name .. ":\n" .. f:read("a"):sub(-6000) .. "\n";
			f:close();
		end
	end
	error("SIPp ended with status " .. status .. "\n" .. log .. p.output:sub(-1500), 2);
end

local function messages(p)
	local f = io.open(p.directory .. "/messages");
	if not f then return ""; end
	local text = f:read("a");
	f:close();
	return text;
end

-- Each call looks behind what the last one has found.
local function heard(p, pattern, seconds)
	return p.loop:wait(function ()
		local _, last = messages(p):find(pattern, p.seen);
		if not last and p.ended then
			p.finish(p);
			error("SIPp ended before " .. pattern, 3);
		end
		p.seen = last and last + 1 or p.seen;
		return last;
	end, seconds or 5, string.format("SIPp to see %q", pattern));
end

function sipp.start(loop, options)
	local directory = process.directory(loop, "sipp");
	local argv = { "sipp", "-sf", process.here .. "sipp/" .. options.scenario .. ".xml", "-t", "t1", "-i", options.ip, "-p",
		tostring(options.port or 5060), "-r", tostring(options.rate or 10), "-nostdin", "-trace_err",
		"-error_file", directory .. "/errors", "-trace_msg", "-message_file", directory .. "/messages", "-timeout",
		(options.timeout or 20) .. "s", "-timeout_error", "-recv_timeout", tostring((options.timeout or 20) * 1000),
		"-key", "peer_transport", options.transport or "tls" };
	if options.remote or options.calls then
		for _, word in ipairs({ "-m", tostring(options.calls or 1) }) do argv[#argv + 1] = word; end
	end
	for key, value in pairs(options.keys or {}) do
		for _, word in ipairs({ "-key", key, value }) do argv[#argv + 1] = word; end
	end
	if options.remote then argv[#argv + 1] = options.remote; end
	local p = process.start(loop, argv, { name = "sipp", quiet = true, env = { TERM = "dumb" }, cwd = directory });
	p.directory, p.finish, p.heard, p.seen, p.server = directory, finish, heard, 1, not options.remote;
	if not options.remote then p:wait_port(options.ip, options.port or 5060); end
	return p;
end

return sipp;
