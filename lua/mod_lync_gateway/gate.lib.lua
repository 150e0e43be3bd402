-- The door: what every hook on streams and stanzas shares: facts in, the core's answer, effects out.
-- SPDX-License-Identifier: MIT
--
-- The core decides (settings:stream, settings:stanza). Here is what only Prosody knows: what a stream is, whose
-- certificate it showed, and whom it was authenticated for. inbound and outbound ask for their phases.
--
-- Fields on Prosody's sessions: lync_authed[host][domain] = method (the mark), lync_cert and lync_certs (certificate),
-- lync_since, lync_heard, lync_stanza, lync_asked (times), lync_attempts, lync_claims[domain] = id of the stream on
-- which dialback was asked for it, lync_refused = token, and outbound's own.

local jid_host = require "util.jid".host;
local errors_new = require "util.error".new;

-- Above everything of Prosody's (mod_s2s -1, mod_dialback 0, mod_tls 500) and of our own handlers (100).
local GATE = 1000;
local ATTEMPTS_MAX = 5; -- refused ones on one stream

local mechanisms = { ["sasl-tls"] = "external"; ["tls-dialback"] = "dialback"; ["tcp-dialback"] = "dialback" };

local function origin_kind(origin)
	if origin.dummy then return "bounce"; end
	local kind = origin.type;
	if kind == "s2sin" or kind == "s2sout" then return "stream"; end
	if kind == "c2s" then return "client"; end
	if kind == "local" or kind == "component" then return "host"; end
	return "other";
end

local function is_authenticated(session)
	return session.type == "s2sin" or session.type == "s2sout";
end

local function direction_of(session)
	return session.direction == "outgoing" and "out" or "in";
end

local function remote_of(session)
	return session.direction == "outgoing" and session.to_host or session.from_host;
end

-- h: the host's context (see mod_lync_gateway.lua); certificates: the library
local function new(h, certificates)
	local gate = { priority = GATE; direction_of = direction_of; remote_of = remote_of;
		is_authenticated = is_authenticated };

	-- facts of a phase, with what holds in any -> decision | nil, token, text
	function gate.judge(session, facts)
		facts.direction = facts.direction or direction_of(session);
		facts.remote = facts.remote or remote_of(session);
		facts.own = facts.remote ~= nil and h.is_gateway(facts.remote);
		facts.secure = session.secure == true and h.tls_version(session) ~= nil;
		facts.authenticated = is_authenticated(session);
		facts.certificate = facts.secure and facts.remote and certificates.of(session, facts.remote) or nil;
		return h.settings:stream(facts);
	end

	function gate.report(phase, token, text, remote, direction)
		h.log("warn", "refused %s: %s (token=%s remote=%q direction=%s)", phase, text or token, token, remote or "",
			direction);
		h.metrics.refused(remote, token, text);
		h.metrics.stream_failed(remote, direction, token, text);
	end

	-- As judge, and a refusal is told to the administrator.
	function gate.ask(session, facts)
		local decision, token, text = gate.judge(session, facts);
		if not decision then
			gate.report(facts.phase, token, text, facts.remote, facts.direction);
		end
		return decision, token, text;
	end

	-- What waits for the stream is bounced with the reason, too. mod_s2s lets what is under way on a stream of theirs come
	-- in when it is told no reason at all. A connection that is still being made has no close: nothing is done then.
	function gate.close(session, token, text)
		local refusal = h.core.refusal(token);
		local bounce = errors_new({ type = refusal.type; condition = refusal.condition;
			text = ("%s (%s)"):format(text, token) });
		if not session.close then return; end
		session.lync_refused = token;
		local conn, in_handshake = session.conn, session.secure == false;
		if refusal.stream then
			session:close({ condition = refusal.stream; text = text }, text, bounce);
		else
			session:close(nil, nil, bounce);
		end
		if in_handshake and conn and conn.destroy then
			conn:destroy(); -- or it waits for a handshake that does not come, to say goodbye
			h.sessions()[conn] = nil; -- mod_s2s is not told of it
		end
	end

	-- Refused for what it is, whoever speaks.
	function gate.refuse(session, phase, token, remote)
		local text = h.core.refusal(token).text;
		gate.report(phase, token, text, remote or remote_of(session), direction_of(session));
		gate.close(session, token, text);
		return true;
	end

	-- One more refused attempt; true when the stream was closed for it.
	function gate.attempt(session)
		session.lync_attempts = (session.lync_attempts or 0) + 1;
		if session.lync_attempts <= ATTEMPTS_MAX then return false; end
		return gate.refuse(session, "stream", "too-many-attempts");
	end

	-- Marks are per host: one stream may be authenticated for one gateway host and not for the next.
	function gate.method(session, remote)
		local marks = session.lync_authed and session.lync_authed[h.host];
		return marks and marks[remote];
	end

	local function mark(session, remote, method)
		session.lync_authed = session.lync_authed or {};
		session.lync_authed[h.host] = session.lync_authed[h.host] or {};
		session.lync_authed[h.host][remote] = method;
	end

	-- The stream's certificate: s2s-check-certificate, between mod_s2s_auth_certs (509) and mod_s2s (-1), whose global
	-- rules are not asked any more: the core knows what they say about this host.
	function gate.certificate(event)
		local session = event.session;
		certificates.take(session, event.cert, event.host);
		local decision, token, text = gate.ask(session, { phase = "certificate" });
		if decision then
			h.confine.check(session, remote_of(session) or "");
			return true;
		end
		gate.close(session, token, text);
		return false;
	end

	-- The last word about each authentication.
	function gate.authenticated(event)
		local session, remote = event.session, event.host;
		if event.mechanism == "dialback" and session.direction == "incoming"
			and (session.lync_claims or {})[remote] ~= session.streamid then
			gate.refuse(session, "authenticated", "unsolicited-answer", remote); -- of the stream before STARTTLS
			return false;
		end
		local streams, of_partner = h.upkeep.count(remote, session);
		local mechanism = ({ EXTERNAL = "external"; dialback = "dialback" })[event.mechanism] or "other";
		local decision, token, text = gate.ask(session, { phase = "authenticated"; remote = remote; mechanism = mechanism;
			streams = streams; partner_streams = of_partner });
		if not decision then
			gate.close(session, token, text);
			return false;
		end
		mark(session, remote, decision.method);
		if session.direction == "incoming" and remote ~= session.from_host then
			session.outgoing = nil; -- XEP-0288: mod_s2s would send there what is for the name in the header
		end
		h.upkeep.begin(session);
		h.confine.check(session, remote);
		h.log("info", "authenticated stream: (remote=%q direction=%s method=%s tls=%s)", remote, direction_of(session),
			decision.method, h.tls_version(session) or "none");
	end

	local function deny_stanza(origin, stanza, kind, token, text)
		local unmarked = token == "not-authenticated-for-us";
		if kind == "stream" and token ~= "loop" then
			-- A stream that is not (or no longer) entitled is of no use to its owner either; a new one is made with us.
			gate.close(origin, token, text);
		end
		-- A partner's answer goes to where the partner really is, over a stream of our own; a stranger gets none.
		local remote = jid_host(stanza.attr.from);
		local answer = kind ~= "bounce" and (kind ~= "stream" or token == "loop"
			or unmarked and h.settings:stanza("host", remote, nil, false, h.is_gateway(remote)));
		local reply = answer and h.errors.reply(stanza, token, text);
		if reply then
			h.send(reply);
		end
	end

	function gate.stanza(event)
		local origin, stanza = event.origin, event.stanza;
		local kind, remote = origin_kind(origin), jid_host(stanza.attr.from);
		if not remote then return true; end -- nobody to answer
		local method = kind == "stream" and gate.method(origin, remote) or nil;
		local ok, token, text = h.settings:stanza(kind, remote, method, stanza.attr.type == "error", h.is_gateway(remote));
		if ok then
			if kind == "stream" then
				h.upkeep.seen(origin, stanza);
			end
			return;
		end
		h.log("warn", "refused stanza: %s (token=%s remote=%q direction=in)", text, token, remote);
		h.metrics.refused(remote, token, text);
		deny_stanza(origin, stanza, kind, token, text);
		return true;
	end

	-- Every domain that a stream was authenticated for, with how.
	local function marks_of(session)
		local marks = session.lync_authed and session.lync_authed[h.host];
		local found = {};
		for remote, method in pairs(marks or {}) do
			found[#found+1] = { phase = "standing"; remote = remote; mechanism = mechanisms[method] };
		end
		if #found == 0 and session.host == h.host then
			found[1] = { phase = "standing"; way = session.lync_way };
		end
		return found;
	end

	-- After a change of settings: streams that comply no more end now, the others notice nothing.
	function gate.recheck(sessions, s2sout)
		local looked = {};
		for _, session in pairs(sessions) do
			looked[session] = true;
		end
		for _, session in pairs(s2sout) do
			looked[session] = true;
		end
		for session in pairs(looked) do
			for _, facts in ipairs(session.destroyed and {} or marks_of(session)) do
				local decision, token, text = gate.judge(session, facts);
				if not decision and not session.destroyed then
					h.log("info", "closed stream: %s (token=%s remote=%q direction=%s)", text, token, facts.remote or "",
						facts.direction);
					session.lync_again = true;
					gate.close(session, token, text);
				end
			end
		end
	end

	return gate;
end

return { new = new; origin_kind = origin_kind };
