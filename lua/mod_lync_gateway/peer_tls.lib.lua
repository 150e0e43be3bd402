-- A TLS peer looked at from close by: blocking, for prosodyctl only.
-- SPDX-License-Identifier: MIT
--
--	local sock = probe.connect("192.0.2.20", 5061, 5)        --> sock | nil, token, text
--	local facts = probe.tls(sock, { name = "sip.contoso.com"; certificate = …; key = …; cafile = …; timeout = 5 })
--	probe.ask(facts, "OPTIONS …", 5, is_complete)            --> bytes | nil, token, text
--
-- The peer is not trusted: a certificate that is not good does not end the handshake, facts.errors tell. Tokens:
-- "timeout", "refused", "unreachable", "closed", "alert" (the peer's, with its words), "protocol", "own-files".

local socket = require "socket";
local ssl = require "ssl";

local probe = {};

local CHUNK = 8192;
local ANSWER_MAX = 32768; -- bytes
local CHAIN_MAX = 10;
local SYSTEM_CAS = "/etc/ssl/certs";
local OID_SAN, OID_CN = "2.5.29.17", "2.5.4.3";

local waits = { wantread = true; wantwrite = true; timeout = true };

-- What LuaSocket and OpenSSL call it -> our word for it.
local function token(err)
	err = tostring(err);
	if waits[err] then
		return "timeout", "no answer in time";
	elseif err:find("refused", 1, true) then
		return "refused", err;
	elseif err:find("alert", 1, true) then
		return "alert", err;
	elseif err == "closed" or err == "Broken pipe" or err:find("reset", 1, true) or err:find("unexpected eof") then
		return "closed", "the connection was closed";
	elseif err:find("unsupported protocol", 1, true) or err:find("wrong version", 1, true)
		or err:find("packet length", 1, true) or err:find("http request", 1, true) then
		return "protocol", err;
	end
	return "unreachable", err;
end
probe.token = token;

-- -> socket | nil, why not
function probe.dial(address, port, timeout)
	local sock, err = (address:find(":", 1, true) and socket.tcp6 or socket.tcp4)();
	if not sock then
		return nil, tostring(err);
	end
	sock:settimeout(timeout);
	local ok;
	ok, err = sock:connect(address, port);
	if not ok then
		sock:close();
		return nil, err;
	end
	return sock;
end

function probe.connect(address, port, timeout)
	local sock, err = probe.dial(address, port, timeout);
	if not sock then return nil, token(err); end
	return sock;
end

-- A handshake as client over a connected socket, which is closed if there is none. with: a context or its parameters;
-- name: for SNI, or nil -> socket | nil, why not
function probe.handshake(sock, with, name, timeout)
	local wrapped, err = ssl.wrap(sock, with);
	if not wrapped then
		sock:close();
		return nil, err;
	end
	wrapped:settimeout(timeout);
	if name then wrapped:sni(name); end
	local ok;
	ok, err = wrapped:dohandshake();
	if not ok then
		wrapped:close();
		return nil, waits[err] and "timeout" or err;
	end
	return wrapped;
end

-- { subject, issuer, not_before, not_after (text), names (of its SAN, lower case), cn, pem, expired, early }
function probe.describe(cert, now)
	if cert.setencode then cert:setencode("utf8"); end
	local san, names, cn = cert:extensions()[OID_SAN] or {}, {}, nil;
	for _, name in ipairs(san.dNSName or {}) do
		names[#names+1] = name:lower();
	end
	local function text(dn)
		local parts = {};
		for _, part in ipairs(dn) do
			parts[#parts+1] = ("%s=%s"):format(part.name or part.oid, part.value);
		end
		return table.concat(parts, ", ");
	end
	for _, part in ipairs(cert:subject()) do
		if part.oid == OID_CN then cn = cn or part.value:lower(); end
	end
	return {
		subject = text(cert:subject()); issuer = text(cert:issuer()); not_before = cert:notbefore();
		not_after = cert:notafter(); names = names; cn = cn; pem = cert:pem(); cert = cert;
		valid = cert:validat(now or os.time());
	};
end

local function context(params)
	return ssl.newcontext({
		mode = "client"; protocol = "any"; options = { "all"; "no_sslv2"; "no_sslv3"; "no_tlsv1"; "no_tlsv1_1" };
		verify = { "peer" }; verifyext = { "lsec_continue" };
		certificate = params.certificate; key = params.key;
		password = function () return ""; end; -- or OpenSSL would ask the terminal
		cafile = params.cafile; capath = not params.cafile and (params.capath or SYSTEM_CAS) or nil;
	});
end

local function look(facts, params)
	local sock = facts.sock;
	local info = sock:info() or {};
	facts.version, facts.cipher = info.protocol, info.cipher;
	facts.chain = {};
	for i, cert in ipairs(sock:getpeerchain() or {}) do
		if i <= CHAIN_MAX then
			facts.chain[i] = probe.describe(cert, params.now);
		end
	end
	local ok, errors = sock:getpeerverification();
	facts.verified, facts.errors = ok == true, {};
	for depth, list in pairs(type(errors) == "table" and errors or {}) do
		for _, err in ipairs(type(list) == "table" and list or { list }) do
			table.insert(facts.errors, { depth = depth - 1; text = tostring(err) });
		end
	end
	table.sort(facts.errors, function (a, b) return a.depth < b.depth; end);
end

-- A handshake as client over a connected socket, which belongs to the probe then. params: name (for SNI), certificate,
-- key, cafile or capath (default: the system's CAs), timeout, now.
-- -> { done, sock, version, cipher, chain = { described }, verified, errors = { { depth, text } } }, or { token, text }
function probe.tls(sock, params)
	local ctx, err = context(params);
	if not ctx then
		sock:close();
		return { done = false; token = "own-files"; text = tostring(err) };
	end
	local wrapped;
	wrapped, err = probe.handshake(sock, ctx, params.name, params.timeout);
	if not wrapped then
		local word, text = token(err);
		return { done = false; token = word; text = text };
	end
	local facts = { done = true; sock = wrapped };
	look(facts, params);
	return facts;
end

-- Send bytes and read until complete(buffer) or nothing comes: TLS 1.3 tells only now that it does not take our
-- certificate. Not to be called again after a failure.
function probe.ask(facts, bytes, timeout, complete)
	local sock, deadline = facts.sock, socket.gettime() + timeout;
	local sent, err = sock:send(bytes);
	if not sent then
		return nil, token(err);
	end
	local buffer = "";
	sock:settimeout(0);
	while not complete(buffer) do
		local left = deadline - socket.gettime();
		if left <= 0 then
			return nil, token("timeout");
		end
		socket.select({ sock }, nil, left);
		local data, reason, part = sock:receive(CHUNK);
		buffer = buffer..(data or part or "");
		if not data and not waits[reason] and not complete(buffer) then
			return nil, token(reason);
		elseif #buffer > ANSWER_MAX then
			return nil, "protocol", "too long an answer";
		end
	end
	return buffer;
end

-- Wait for what the peer has to say to our certificate, without a word of ours: -> its alert | nil
function probe.listen(facts, timeout)
	local sock, deadline, reason = facts.sock, socket.gettime() + timeout, "timeout";
	sock:settimeout(0);
	while waits[reason] and socket.gettime() < deadline do
		socket.select({ sock }, nil, deadline - socket.gettime());
		local _;
		_, reason = sock:receive(1); -- session tickets come as nothing
	end
	local word, text = token(reason or "timeout");
	return word == "alert" and text or nil;
end

function probe.close(facts)
	if facts.sock then facts.sock:close(); end
end

-- Does a certificate name a host, by the rules of the worker: whole names only, the subject's CN where there is no SAN?
function probe.names(described, fqdn)
	fqdn = fqdn:lower();
	for _, name in ipairs(described.names) do
		if name == fqdn then return true; end
	end
	return #described.names == 0 and described.cn == fqdn;
end

return probe;
