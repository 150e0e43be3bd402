-- cells_outgoing.lua: a cell (cells.lua) whose server is connected to by the gateway, because somebody there gets a message.
-- SPDX-License-Identifier: MIT
--
--	outgoing(cell, loop, run)	-- in a coroutine; fills cell.actual

local s2s_server = require "spec.support.s2s_server";

local GATEWAY = "contoso.com";
local PATIENCE = 15; -- seconds; more than the gateway has to make a stream
local TLS = "urn:ietf:params:xml:ns:xmpp-tls";

local ERROR = "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";

local function end_stream(session, condition)
	session.conn:send(condition and ERROR:format(condition) or "</stream:stream>");
	session.conn:close();
end

-- What the server does instead of the honest thing. Each gives true to do the honest thing.
local starttls = {};

function starttls.refuse(_, session)
	session.conn:send("<failure xmlns='"..TLS.."'/>");
	end_stream(session);
end

starttls.absent = starttls.refuse;

function starttls.garbage(_, session)
	session.conn:send("<proceed xmlns='"..TLS.."'/>");
	session.conn.on_data = function (conn) conn:send("HTTP/1.0 400 this is no TLS\r\n\r\n"); conn:close(); end;
end

function starttls.cut(_, session)
	session.conn:send("<proceed xmlns='"..TLS.."'/>");
	session.conn:close();
end

local auth = {};
function auth.drop(_, session) end_stream(session, "not-authorized"); end
function auth.gone(_, session) end_stream(session, "system-shutdown"); end

local result = {};
function result.unknown(_, session) end_stream(session, "unsupported-stanza-type"); end

result["clear-only"] = function (_, session)
	if not session.secure then return true; end
	end_stream(session, "unsupported-stanza-type");
end;

function result.error(_, session, element)
	session.conn:send(("<db:result from='%s' to='%s' type='error'><error type='cancel'><item-not-found "
		.. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"):format(element.attr.to, element.attr.from));
end

local function unsolicited(cell)
	return function (_, session)
		if not session.secure then
			session.conn:send(("<db:result from='%s' to='%s' type='valid'/>"):format(cell.domain, GATEWAY));
		end
		return true;
	end;
end

-- Note what is seen, then do as the cell says.
local function hooks(cell, seen)
	local function noting(words, instead)
		return function (server, session, element)
			seen[type(words) == "string" and words or words(session)] = true;
			if instead then return instead(server, session, element); end
			return true;
		end;
	end
	local function answer_key(server, session, element)
		if cell.starttls == "required" and not session.secure then return end_stream(session, "policy-violation"); end
		if not result[cell.dialback] then return true; end
		return result[cell.dialback](server, session, element);
	end
	return {
		opened = noting("stream", cell.dialback == "unsolicited" and unsolicited(cell) or nil);
		starttls = noting("starttls", starttls[cell.starttls]);
		auth = noting("EXTERNAL", auth[cell.sasl]);
		result = noting(function (session) return session.secure and "secure-key" or "clear-key"; end, answer_key);
	};
end

local DIALBACK = { invalid = "refuse"; silent = "silent"; unknown = false };
local FROM = { missing = { from = false }; changed = { from = "somebody-else.example" } };

local function start(cell, loop, run)
	local dialback = DIALBACK[cell.dialback];
	return s2s_server.new(loop, { domain = cell.domain; ip = cell.ip; port = cell.port; name = cell.id;
		cert = run.certs.out[cell.cert]; starttls = cell.starttls ~= "absent" and (cell.starttls == "required" and "required" or "offer");
		sasl = cell.sasl == "refuse" and "refuse" or cell.sasl ~= "absent" and "EXTERNAL";
		dialback = dialback == nil and true or dialback; version = cell.version ~= "none" and cell.version;
		header = FROM[cell.from]; on = hooks(cell, cell.actual.seen) });
end

-- The method that authenticated the stream on which the message came.
local function method_of(server, cell)
	if #server.stanzas == 0 then return nil; end
	local session = server.stanzas[1].session;
	if #server.stanzas > 1 or server.stanzas[1]:child_text("body") ~= cell.id then return "other messages"; end
	if not session.mechanism then return "none, but the message came"; end
	if session.mechanism == "EXTERNAL" then return "sasl-tls"; end
	return session.secure and "tls-dialback" or "tcp-dialback";
end

local function streams_ended(server)
	for _, session in ipairs(server.streams) do
		if not session.closed then return false; end
	end
	return true;
end

return function (cell, loop, run)
	local actual = cell.actual;
	local server = start(cell, loop, run);
	run.probe:send(("send %s %s\n"):format(cell.id, cell.domain));
	loop:wait(function () return #server.stanzas > 0 or run.bounces[cell.id]; end, PATIENCE, "the message, or an error for it");
	actual.bounce = run.bounces[cell.id];
	if actual.bounce then loop:wait(function () return streams_ended(server); end, PATIENCE, "the end of the streams"); end
	actual.method, actual.streams = method_of(server, cell), tostring(#server.streams);
	for _, session in ipairs(server.streams) do actual.stream = session.error or actual.stream; end
	server:close();
end
