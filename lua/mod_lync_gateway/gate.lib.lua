-- The door: who may have a stream, and whose stanzas come in.
-- SPDX-License-Identifier: MIT
--
-- Hooks gather facts, decide() is the only place that answers, deny_* carry the answer out. decide() asks the core
-- (settings:may) for the partner; what is decided here is where a stanza came from, which only Prosody knows.
-- Each phase is asked again at the next one: what came before is for good errors early.

local st = require "util.stanza";
local jid_host = require "util.jid".host;
local nameprep = require "util.encodings".stringprep.nameprep;
local errors_new = require "util.error".new;

local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";

-- Above everything of Prosody's (mod_s2s -1, mod_dialback 0, mod_tls 500) and of our own handlers (100).
local GATE = 1000;

local texts = {
	["not-a-partner"] = "This domain is not a federated partner";
	["partner-disabled"] = "Federation with this domain is disabled";
	["loop"] = "This domain is served by the gateway itself";
	["not-authenticated-for-us"] = "The stream was not authenticated for this domain";
	["bad-origin"] = "Stanzas of this origin are not accepted";
};

-- facts: phase = "stanza"|"features"|"dialback"|"authenticated"|"route", direction = "in"|"out", remote = domain,
--        own = remote is one of our gateway hosts, origin = "stream"|"bounce"|"client"|"host"|"other" (stanza only),
--        marked = this stream was authenticated for us as remote, is_error = stanza of type error
-- may(direction, domain) -> true | nil, token, text
-- -> nil (go on) | token, text
local function decide(facts, may)
	if facts.phase == "stanza" then
		-- Prosody's own bounces: from nobody's stream, and nothing but errors.
		if facts.is_error and (facts.origin == "bounce" or facts.origin == "host") then
			return nil;
		elseif facts.origin == "bounce" or facts.origin == "other" then
			return "bad-origin", texts["bad-origin"];
		elseif facts.origin == "stream" and not facts.marked then
			return "not-authenticated-for-us", texts["not-authenticated-for-us"];
		end
	end
	if facts.own then
		return "loop", texts["loop"];
	end
	local ok, token, text = may(facts.direction, facts.remote);
	if ok then return nil; end
	return token, texts[token] or text;
end

local function origin_kind(origin)
	if origin.dummy then return "bounce"; end
	local kind = origin.type;
	if kind == "s2sin" or kind == "s2sout" then return "stream"; end
	if kind == "c2s" then return "client"; end
	if kind == "local" or kind == "component" then return "host"; end
	return "other";
end

-- h: the host's context (see mod_lync_gateway.lua)
local function new(h)
	local gate = { decide = decide; priority = GATE };

	local function may(direction, domain)
		return h.settings:may { direction = direction; contact = domain; user = h.host; kind = "stream" };
	end

	local function ask(facts)
		facts.own = h.is_gateway(facts.remote);
		local token, text = decide(facts, may);
		if token then
			h.log("warn", "refused %s: %s (token=%s remote=%q direction=%s)", facts.phase, text or token, token,
				facts.remote, facts.direction);
			h.metrics.refused(facts.remote, token);
		end
		return token, text;
	end

	local function close(session, text)
		local reason = { condition = "policy-violation"; text = text };
		local bounce = errors_new({ type = "cancel"; condition = "policy-violation"; text = text });
		session:close(reason, nil, bounce);
	end

	-- Marks are per host: one stream may be authenticated for one gateway host and not for the next.
	local function marked(session, remote)
		local marks = session.lync_authed and session.lync_authed[h.host];
		return marks ~= nil and marks[remote] ~= nil;
	end

	local function mark(session, remote, mechanism)
		session.lync_authed = session.lync_authed or {};
		session.lync_authed[h.host] = session.lync_authed[h.host] or {};
		session.lync_authed[h.host][remote] = mechanism or "unknown";
	end

	function gate.features(event)
		local session = event.origin;
		if not session.from_host then return; end -- asked again with db:result and s2s-authenticated
		local token, text = ask { phase = "features"; direction = "in"; remote = session.from_host };
		if not token then return; end
		close(session, text);
		return true;
	end

	function gate.dialback_result(event)
		local session, stanza = event.origin, event.stanza;
		if session.type ~= "s2sin_unauthed" and session.type ~= "s2sin" then return; end
		local remote = nameprep(stanza.attr.from or "");
		if not remote or remote == "" then return; end -- mod_dialback closes
		local token = ask { phase = "dialback"; direction = "in"; remote = remote };
		if not token then return; end
		session.sends2s(st.stanza("db:result", { from = stanza.attr.to; to = stanza.attr.from; type = "error" })
			:tag("error", { type = "cancel" }):tag("not-allowed", { xmlns = xmlns_stanzas }));
		return true;
	end

	function gate.authenticated(event)
		local session, remote = event.session, nameprep(event.host or "");
		local direction = session.direction == "outgoing" and "out" or "in";
		local token, text = ask { phase = "authenticated"; direction = direction; remote = remote };
		if token then
			close(session, text);
			return false;
		end
		mark(session, remote, event.mechanism);
	end

	-- Every way out passes here, db:verify too: no connection is made to a stranger.
	function gate.route(event)
		local token = ask { phase = "route"; direction = "out"; remote = event.to_host };
		if token then
			return false;
		end
		if h.queue_behind(event.to_host, event.stanza) then
			return true;
		end
	end

	local function deny_stanza(origin, stanza, kind, token, text)
		local unmarked = token == "not-authenticated-for-us";
		if kind == "stream" and token ~= "loop" then
			-- A stream that is not (or no longer) entitled is of no use to its owner either; a new one is made with us.
			origin:close({ condition = unmarked and "not-authorized" or "policy-violation"; text = text });
		end
		-- A partner's answer goes to where the partner really is, over a stream of our own; a stranger gets none.
		local answer = kind ~= "bounce" and (kind ~= "stream" or token == "loop"
			or unmarked and may("out", jid_host(stanza.attr.from)));
		local reply = answer and h.errors.reply(stanza, token, text);
		if reply then
			h.send(reply);
		end
	end

	function gate.stanza(event)
		local origin, stanza = event.origin, event.stanza;
		local kind, remote = origin_kind(origin), jid_host(stanza.attr.from);
		if not remote then return true; end -- nobody to answer
		local token, text = ask {
			phase = "stanza"; direction = "in"; remote = remote; origin = kind;
			marked = kind == "stream" and marked(origin, remote); is_error = stanza.attr.type == "error";
		};
		if not token then return; end
		deny_stanza(origin, stanza, kind, token, text);
		return true;
	end

	-- After a change of settings: streams of domains that are partners no more end now.
	function gate.recheck(sessions, s2sout)
		local closing = {};
		for _, session in pairs(sessions) do
			if session.to_host == h.host and session.from_host and not session.destroyed then
				closing[session] = session.from_host;
			end
		end
		for domain, session in pairs(s2sout) do
			closing[session] = domain;
		end
		for session, domain in pairs(closing) do
			local direction = session.direction == "outgoing" and "out" or "in";
			local token, text = decide({ phase = "recheck"; direction = direction; remote = domain; own = false }, may);
			if token then
				h.log("info", "closed stream: %s (token=%s remote=%q)", text or token, token, domain);
				close(session, text);
			end
		end
	end

	return gate;
end

return { new = new; decide = decide; origin_kind = origin_kind };
