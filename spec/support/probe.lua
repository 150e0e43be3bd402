-- probe.lua: requests to the bridge written by hand, over connections outside of the Edge's pool, and what comes back.
-- SPDX-License-Identifier: MIT
--
--	local probe = Probe.new(w)			-- a World
--	local response = probe:ask { From = "<sip:mallory@evil.example>;tag=1" }
--	local response = probe:ask { method = "INVITE"; body = sdp; more = { { "Require", "x" } }; ["Max-Forwards"] = 0 }
--	probe:assert_alive()				-- same worker, another connection is answered
--
-- A request is a MESSAGE of lena@contoso.com to romeo@fabrikam.com but for what is said: method, uri, version, body,
-- first and more (headers before and after all others), any of the usual headers by name (false: not there).

local ports = require "spec.support.ports";
local sip = require "spec.support.sip";

local Probe = {};
Probe.__index = Probe;

local USUAL = { "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Type", "Content-Length" };

function Probe.new(w)
	return setmetatable({ w = w, edge = w.edge, loop = w.loop, pid = w:worker_pid(), serial = 0, heard = {} }, Probe);
end

--- Another connection, from an address of its own (one of a few: there is a limit for each).
function Probe:connect(options)
	self.connections = (self.connections or 0) + 1;
	options = options or {};
	options.from = options.from or ports.address("probe" .. self.connections % 20);
	if not options.cert and options.tls == nil then
		self.parameters = self.parameters or self.edge.cert:tls("client", self.edge.tls_options);
		options.parameters = self.parameters;
	end
	local conn = self.edge:raw(options);
	self.loop:wait(function () return conn.ready or conn.closed; end, 5, "a connection to the bridge");
	if conn.closed then error("no connection: " .. tostring(conn.reason), 2); end
	return conn;
end

local function conn_of(self)
	if not self.conn or self.conn.closed then self.conn = self:connect(); end
	return self.conn;
end

--- Headers of a request as { name = value }.
function Probe:defaults(parts)
	self.serial = self.serial + 1;
	local id, method = "probe" .. self.serial .. "x" .. self.pid, parts.method or "MESSAGE";
	return {
		Via = ("SIP/2.0/TLS %s:5061;branch=z9hG4bK%s"):format(self.edge.ip, id), ["Max-Forwards"] = "70",
		From = "<sip:lena@contoso.com>;tag=f" .. id, To = "<sip:romeo@fabrikam.com>", ["Call-ID"] = id,
		CSeq = "1 " .. method, Contact = "<sip:lena@contoso.com;opaque=user:epid:x;gruu>",
		["Content-Type"] = parts.body and "text/plain; charset=UTF-8" or false, ["Content-Length"] = #(parts.body or ""),
	};
end

--- Bytes of a request, its Call-ID.
function Probe:bytes(parts)
	local defaults, lines = self:defaults(parts), {};
	local function line(name, value) lines[#lines + 1] = name .. ": " .. tostring(value); end
	lines[1] = ("%s %s %s"):format(parts.method or "MESSAGE", parts.uri or "sip:romeo@fabrikam.com", parts.version or "SIP/2.0");
	for _, header in ipairs(parts.first or {}) do line(header[1], header[2]); end
	for _, name in ipairs(USUAL) do
		local value = parts[name];
		if value == nil then value = defaults[name]; end
		if value ~= false then line(name, value); end
	end
	for _, header in ipairs(parts.more or {}) do line(header[1], header[2]); end
	return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (parts.body or ""), parts["Call-ID"] or defaults["Call-ID"];
end

--- The final response to a Call-ID, waited for; skip: so many messages of the connection do not count.
function Probe:answer(conn, call_id, seconds, skip)
	return self.loop:wait(function ()
		for i = (skip or 0) + 1, #conn.messages do
			local message = conn.messages[i];
			if message.status and message.status >= 200 and sip.get(message, "Call-ID") == call_id then return message; end
		end
		if conn.closed then error("the bridge has closed the connection: " .. tostring(conn.reason) .. "\n" .. self.loop:tail(), 3); end
	end, seconds or 5, "an answer to " .. tostring(call_id));
end

--- Send a request and wait for its answer. conn: over that connection.
function Probe:ask(parts, conn)
	local bytes, call_id = self:bytes(parts);
	conn = conn or conn_of(self);
	local skip = #conn.messages;
	conn:send(bytes);
	local response = self:answer(conn, call_id, 20, skip);
	if parts.method == "INVITE" then
		conn:send((self:bytes { method = "ACK"; uri = parts.uri; Via = parts.Via or bytes:match("\r\nVia: (.-)\r\n");
			From = sip.get(response, "From"); To = sip.get(response, "To"); ["Call-ID"] = call_id;
			CSeq = (sip.get(response, "CSeq"):gsub("INVITE", "ACK")) }));
	end
	return response;
end

local SILENCE = 1;  -- seconds that the worker may take for an answer
local UNKNOWN = 10; -- the same where the kernel does not tell who had to wait for a processor

-- Seconds that a process has run, and that it was ready to run and had no processor; nil: the kernel does not tell.
local function scheduled(pid)
	local f = io.open("/proc/" .. pid .. "/schedstat");
	if not f then return nil; end
	local ran, waited = f:read("a"):match("^(%d+) (%d+)");
	f:close();
	return tonumber(ran) / 1e9, tonumber(waited) / 1e9;
end

-- What of the time since then was neither ours (this process ran, or waited for its turn) nor the machine's (the worker
-- waited for its turn). A worker that sleeps, where it should answer, is left.
local function silence_since(self, before)
	local ran, waited = scheduled("self");
	local _, worker_waited = scheduled(self.pid);
	local took = self.loop:now() - before.at;
	if not ran or not worker_waited then return took, UNKNOWN; end
	return took - (ran - before.ran) - (waited - before.waited) - (worker_waited - before.worker_waited), SILENCE;
end

local function start_silence(self)
	local before = { at = self.loop:now() };
	before.ran, before.waited = scheduled("self");
	before.worker_waited = select(2, scheduled(self.pid));
	return before;
end

--- The same worker runs, and answers OPTIONS on a connection of its own at once.
function Probe:assert_alive()
	if not self.other or self.other.closed then self.other = self:connect(); end
	local before = start_silence(self);
	local response = self:ask({ method = "OPTIONS"; uri = "sip:xmpp.contoso.com" }, self.other);
	if response.status ~= 200 then error("OPTIONS was answered with " .. response.status, 2); end
	local silence, limit = silence_since(self, before);
	if silence > limit then
		error(("OPTIONS was answered after %.2f s, %.2f s of which nobody but the worker had"):format(self.loop:now() - before.at,
			silence), 2);
	end
	if self.w:worker_pid() ~= self.pid then error("the worker is another one\n" .. self.loop:tail(), 2); end
end

--- Wait for a log line of a refusal with this token, from position on (#probe:log()).
function Probe:wait_token(token, from)
	return self.loop:wait(function ()
		return self:log():find("(token=" .. token .. " ", from or 1, true);
	end, 5, "the token " .. token .. " in the log");
end

function Probe:log()
	return self.w.gateway.process.output;
end

return Probe;
