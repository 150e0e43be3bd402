-- s2s sessions as mod_s2s makes them and wipes them, and as much of mod_s2s as our own streams need.
-- SPDX-License-Identifier: MIT
--
--	local s = sessions.new { type = "s2sin"; from_host = "fabrikam.com" }
--	s.closed = { "policy-violation", … } ("none": without an error); s.texts; s.sent = { stanzas and strings }
--	s.bounces = { "cancel policy-violation", … }, s.told: what who waits for it is told
--
--	local s2s = sessions.s2s(h, "list")		-- h.route and h.outgoing of a host; "queue": as Prosody 13.0
--	s2s.send("fabrikam.com", "m1")			-- a message of ours with this id
--	s2s.made[n], s2s.ways[n] (its method), s2s.waiting(session) -> ids, s2s.bounced = { "m1 policy-violation", … }
--	s2s.fails(session, "connection-timeout (text)")	-- its connection is gone, or the partner's error closed it

local is_error = require "util.error".is_err;
local new_queue = require "util.queue".new;
local st = require "util.stanza";

local sessions = {};

local KEPT = { closed = true; texts = true; bounces = true; told = true; sent = true; conn = true };

-- core/s2smanager.lua: retire_session
local function retire(session)
	for key in pairs(session) do
		if not KEPT[key] then
			session[key] = nil;
		end
	end
	session.destroyed, session.type, session.direction = true, "s2s_destroyed", "destroyed";
	function session.close() end
	function session.sends2s() return false; end
end

-- mod_s2s: an incoming stream that is closed without an error lives on until the other side has closed it.
local function close(session, reason, _, bounce)
	if not session.conn then return; end
	local condition = type(reason) == "table" and reason.condition or reason or "none";
	table.insert(session.closed, condition);
	table.insert(session.texts, type(reason) == "table" and reason.text or "");
	table.insert(session.bounces, bounce and bounce.type.." "..bounce.condition or "none");
	session.told = bounce and bounce.text;
	function session.sends2s() return false; end
	if reason == nil and session.type == "s2sin" then return; end
	if session.on_destroy then
		session.on_destroy(session, bounce or type(reason) == "table" and (reason.text or reason.condition) or reason);
	end
	retire(session);
end

function sessions.new(attr)
	local session = { type = "s2sin"; direction = "incoming"; host = "contoso.com"; to_host = "contoso.com"; conn = {};
		hosts = {}; closed = {}; texts = {}; bounces = {}; sent = {} };
	session.close = close;
	function session.sends2s(data) table.insert(session.sent, data); end
	for key, value in pairs(attr or {}) do
		session[key] = value;
	end
	return session;
end

function sessions.outgoing(attr)
	local session = sessions.new { type = "s2sout_unauthed"; direction = "outgoing"; from_host = "contoso.com";
		to_host = "fabrikam.com" };
	for key, value in pairs(attr or {}) do
		session[key] = value;
	end
	return session;
end

-- ---- mod_s2s: what waits for a stream

local forms = {};

-- 0.12: a list of { what to send, what to bounce }
forms.list = {
	new = function (stanza) return { { tostring(stanza), st.reply(stanza) } }; end;
	push = function (queue, stanza) table.insert(queue, { tostring(stanza), st.reply(stanza) }); end;
	ids = function (queue)
		local ids = {};
		for i, item in ipairs(queue) do
			ids[i] = item[1]:match("id='([^']*)'") or item[1]:match("^<(%S-)[ />]");
		end
		return ids;
	end;
};

-- 13.0: util.queue of stanzas
forms.queue = {
	new = function (stanza)
		local queue = new_queue(100);
		queue:push(st.clone(stanza));
		return queue;
	end;
	push = function (queue, stanza) queue:push(st.clone(stanza)); end;
	ids = function (queue)
		local ids = {};
		for _, stanza in queue:items() do
			table.insert(ids, stanza.attr.id or stanza.name);
		end
		return ids;
	end;
	-- As mod_s2s does it, of a queue or of a piece of one.
	taken = function (queue)
		local ids = {};
		for stanza in queue:consume() do
			table.insert(ids, stanza.attr.id or stanza.name);
		end
		return ids;
	end;
};

-- form: "list" | "queue". Fields for specs: stopping (no new streams), fails_at_once (a string: no connection)
function sessions.s2s(h, form_name)
	local form, s2s = forms[form_name], { made = {}; ways = {}; bounced = {} };

	local function bounce_sendq(session, reason)
		local condition = is_error(reason) and reason.condition or "remote-server-not-found";
		for _, id in ipairs(session.sendq and (form.taken or form.ids)(session.sendq) or {}) do
			if id ~= "lync-again" then
				table.insert(s2s.bounced, id.." "..condition);
			end
		end
		session.sendq = nil;
	end

	-- core/s2smanager.lua: destroy_session
	local function destroy(session, reason)
		h.outgoing[session.to_host] = nil;
		session:bounce_sendq(reason);
	end

	local function new_session(domain, stanza)
		local session = sessions.outgoing { to_host = domain; from_host = h.host; host = h.host;
			sendq = form.new(stanza); bounce_sendq = bounce_sendq; on_destroy = destroy };
		session.conn, session.close = nil, nil; -- both come with the connection
		h.outgoing[domain] = session;
		table.insert(s2s.made, session);
		h.outbound.created { session = session };
		table.insert(s2s.ways, session.lync_way);
		if s2s.fails_at_once then
			s2s.fails(session, s2s.fails_at_once);
		end
		return true;
	end

	-- route/remote: we, then mod_s2s
	function h.route(domain, stanza)
		local result = h.outbound.route { from_host = h.host; to_host = domain; stanza = stanza };
		if result ~= nil then return result; end
		local session = h.outgoing[domain];
		if session and session.type == "s2sout_unauthed" then
			session.sendq = session.sendq or form.new(stanza);
			form.push(session.sendq, stanza);
			return true;
		elseif session then
			return session.sends2s(stanza);
		elseif not s2s.stopping then
			return new_session(domain, stanza);
		end
	end

	function s2s.send(domain, id)
		return h.route(domain, st.message({ from = "juliet@"..h.host; to = "romeo@"..domain; id = id }):body(id));
	end

	-- The connection is there, and the partner's stream header; attr: what else has happened.
	function s2s.opened(session, attr)
		session.conn, session.close, session.had_stream = session.conn or {}, close, true;
		h.connections[session.conn] = session;
		for key, value in pairs(attr or {}) do
			session[key] = value;
		end
		return session;
	end

	function s2s.fails(session, reason)
		destroy(session, reason);
		retire(session);
	end

	-- Prosody has authenticated it and sent what waited.
	function s2s.established(session)
		session.type, session.sendq = "s2sout", nil;
		return session;
	end

	function s2s.waiting(session)
		return session.sendq and form.ids(session.sendq) or {};
	end

	-- The newest stream.
	function s2s.last()
		return s2s.made[#s2s.made];
	end

	return s2s;
end

return sessions;
