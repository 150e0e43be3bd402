-- Streams that stand: counted, kept alive, and ended when they are idle, dead, late or past their certificate.
-- SPDX-License-Identifier: MIT
--
-- One timer looks at all streams of the host; the core says what each one needs (settings:care). mod_s2s' own tables
-- are the list of streams, so there is none that could differ from them.

local st = require "util.stanza";
local add_filter = require "util.filters".add_filter;
local new_id = require "util.id".medium;

local PERIOD_MIN, PERIOD_MAX = 0.25, 10; -- seconds between two looks
local PREFIX = "lync-alive-";

-- h: host, gate, settings, timer, now, log, sessions() -> mod_s2s' connections, s2sout_all(); env: time() since 1970,
-- expired(session, time)
local function new(h, env)
	local upkeep = { asked = setmetatable({}, { __mode = "v" }) }; -- id -> session

	local function is_marked(session)
		return session.lync_authed ~= nil and session.lync_authed[h.host] ~= nil;
	end

	-- Authenticated streams: of all partners, and of the one that has this domain.
	function upkeep.count(domain, except)
		local primary = domain and h.settings:primary(domain);
		local all, of_partner = 0, 0;
		for _, session in pairs(h.sessions()) do
			if session ~= except and is_marked(session) then
				all = all + 1;
				for remote in pairs(primary and session.lync_authed[h.host] or {}) do
					if h.settings:primary(remote) == primary then
						of_partner = of_partner + 1;
						break;
					end
				end
			end
		end
		return all, of_partner;
	end

	local function heard(data, session)
		session.lync_heard, session.lync_asked = h.now(), nil;
		return data;
	end

	-- A stream has been authenticated.
	function upkeep.begin(session)
		local now = h.now();
		session.lync_stanza, session.lync_heard = now, now;
		add_filter(session, "bytes/in", heard);
	end

	-- A stanza came in on a stream.
	function upkeep.seen(session, stanza)
		local id = stanza.name == "iq" and stanza.attr.id;
		if not id or id:sub(1, #PREFIX) ~= PREFIX then
			session.lync_stanza = h.now();
		end
	end

	-- An answer to our ping: it proves the stream that the ping left by. True when it was one.
	function upkeep.answered(stanza)
		local kind, id = stanza.attr.type, stanza.attr.id;
		if stanza.name ~= "iq" or kind ~= "result" and kind ~= "error" or not id then return false; end
		local session = upkeep.asked[id];
		if not session or session.destroyed or stanza.attr.from ~= session.to_host then return false; end
		upkeep.asked[id] = nil;
		session.lync_heard, session.lync_asked = h.now(), nil;
		return true;
	end

	local function ask(session)
		session.lync_asked = h.now();
		if session.direction == "incoming" then
			session.sends2s(" "); -- theirs is the word on it; a connection that is gone will say so
			return;
		end
		local id = PREFIX..new_id();
		upkeep.asked[id] = session;
		session.sends2s(st.iq({ type = "get"; id = id; from = h.host; to = session.to_host })
			:tag("ping", { xmlns = "urn:xmpp:ping" }));
	end

	local function care(session, now)
		local since = session.lync_since or now;
		session.lync_since = since;
		local remote = h.gate.remote_of(session);
		local authenticated = h.gate.is_authenticated(session);
		if authenticated and not is_marked(session) then return; end
		local action, token, text = h.settings:care {
			remote = remote or ""; authenticated = authenticated; since = now - since;
			stanza = now - (session.lync_stanza or since); heard = now - (session.lync_heard or since);
			asked = session.lync_asked and now - session.lync_asked or nil;
			expired = authenticated and h.gate.method(session, remote) == "sasl-tls" and env.expired(session, env.time());
		};
		if action == "ask" then
			ask(session);
		elseif action == "close" then
			-- Theirs that is silent may be well: nothing obliges them to answer white space.
			local harmless = token == "inactive"
				or token == "keep-alive-timeout" and session.direction == "incoming";
			h.log(harmless and "info" or "warn", "closed stream: %s (token=%s remote=%q direction=%s)", text, token,
				remote or "", h.gate.direction_of(session));
			if not harmless then
				h.metrics.stream_failed(remote, h.gate.direction_of(session), token, text);
			end
			h.gate.close(session, token, text);
			if not authenticated and not session.destroyed then
				h.bounce_stream(remote); -- not connected yet: what waits is told, and what comes waits as long again
				session.lync_since = now;
			end
		end
	end

	function upkeep.look()
		local now, streams = h.now(), {};
		for _, session in pairs(h.sessions()) do
			if session.host == h.host then streams[#streams+1] = session; end
		end
		for _, session in pairs(h.s2sout_all()) do
			if not session.conn then streams[#streams+1] = session; end
		end
		for _, session in ipairs(streams) do
			if not session.destroyed and not session.lync_refused then
				care(session, now);
			end
		end
	end

	local function period()
		local g = h.settings:gateway();
		local shortest = math.min(g.keep_alive_interval, g.stream_establishment_timeout, g.stream_inactivity_timeout);
		return math.max(PERIOD_MIN, math.min(PERIOD_MAX, shortest / 10));
	end

	function upkeep.start()
		upkeep.stop();
		upkeep.timer = h.timer(period(), function ()
			upkeep.start(); -- first: whatever happens, it goes on
			upkeep.look();
		end);
	end

	function upkeep.stop()
		if upkeep.timer then
			upkeep.timer.stop();
			upkeep.timer = nil;
		end
	end

	return upkeep;
end

return { new = new };
