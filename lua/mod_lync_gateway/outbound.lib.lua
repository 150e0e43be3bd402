-- Streams that we open: the best method that the partner's settings allow, then the next, each on a new stream.
-- SPDX-License-Identifier: MIT
--
-- Fields on mod_s2s' sessions: lync_way (the best method that this stream may try), lync_tried (streams made for the
-- same stanzas, this one included), lync_remembered (the way comes from memory), lync_tls_failed, lync_key_refused,
-- lync_again, lync_full (said that too much waits for it).

local st = require "util.stanza";

local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";
local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";

local MEMORY = 600; -- seconds that a way which worked is taken first
-- Ends of ours after which the sender has been told of a failure: the next message takes the next way.
local too_late = { ["establishment-timeout"] = true; ["no-stream"] = true };
local WAITING_MAX = 10000; -- stanzas that wait for one stream
local TRIES = 4;    -- streams for the same stanzas: three methods, and once from the beginning

local function has_external(features)
	local offered = features:get_child("mechanisms", xmlns_sasl);
	for mechanism in (offered or st.stanza("none")):childtags("mechanism") do
		if mechanism:get_text() == "EXTERNAL" then return true; end
	end
	return false;
end

-- How far the stream came; words of enum lg_stage.
local function stage_of(session)
	if session.type ~= "s2sout_unauthed" then return "done"; end
	if session.lync_tls_failed or session.secure == false then return "tls"; end
	if session.lync_step == "starttls" and not session.secure then return "tls"; end -- asked for, no answer
	if not session.had_stream then return "connect"; end
	if session.lync_key_refused then return "refused"; end
	if session.dialback_key then return "dialback"; end
	if session.external_auth then return "sasl"; end
	return session.secure and "secure" or "open";
end

-- The condition of the partner's stream error: mod_s2s hands it on as "condition (text)".
local function condition_of(reason)
	return type(reason) == "string" and reason:match("^([%l-]+)") or nil;
end

-- h: gate, settings, host, state, log, now, timer, timed, over, pool, next_hop, s2sout(domain), route(domain, stanza);
-- bounce_lib: the library
local function new(h, bounce_lib)
	local outbound, gate = {}, h.gate;
	h.state.ways = h.state.ways or {}; -- domain -> { method, rule, since }
	local starting; -- what the next stream continues

	-- What the partner's settings allow, as one word.
	local function rule(domain)
		local partner = h.settings:partner(domain);
		return table.concat(partner and partner.methods or {}, " ");
	end

	-- Memory holds while the partner's settings come to the same methods and the time is not over.
	local function remembered(domain)
		local entry = h.state.ways[domain];
		if entry and (entry.rule ~= rule(domain) or h.now() - entry.since >= MEMORY) then
			h.state.ways[domain], entry = nil, nil;
		end
		return entry and entry.method;
	end

	local function remember(domain, way)
		h.state.ways[domain] = way and { method = way; rule = rule(domain); since = h.now() } or nil;
	end

	function outbound.ways()
		return h.state.ways;
	end

	-- s2sout-created, before mod_tls makes its context for the stream.
	function outbound.created(event)
		local session = event.session;
		local domain = session.to_host;
		local _, best = h.settings:primary(domain);
		local way = starting and starting.way or remembered(domain);
		session.lync_since = h.now();
		session.lync_way, session.lync_remembered = way or best, way ~= nil and not starting;
		session.lync_tried = (starting and starting.tried or 0) + 1;
		if session.lync_way == "tcp-dialback" then
			session.ssl_ctx = false; -- no STARTTLS, no xmpps-server records
		end
		local bounce = session.bounce_sendq;
		session.bounce_sendq = h.timed("stream", function (ended, reason)
			if not outbound.again(ended, reason) then
				bounce_lib.run(h, ended, reason, bounce);
			end
		end);
		h.next_hop.set(h.settings, domain);
	end

	local function refuse(session, token, text)
		gate.close(session, token, text);
		return true;
	end

	-- Ask what comes next; without_tls: mod_tls did not take the offer.
	local function advance(session, features, without_tls)
		local starttls = not without_tls and features:get_child("starttls", xmlns_tls);
		local decision, token, text = gate.ask(session, { phase = "features"; way = session.lync_way;
			starttls = starttls and true; insists = starttls and starttls:get_child("required") ~= nil;
			external = session.external_auth ~= "failed" and has_external(features) });
		if not decision then
			return refuse(session, token, text);
		end
		session.lync_step = decision.step;
		if decision.step == "dialback" then
			if session.secure then
				features:maptags(function (tag) return tag.name ~= "mechanisms" and tag or nil; end);
			else
				session.ssl_ctx = false; -- or mod_tls tries what was not offered
			end
		end
	end

	function outbound.features(event)
		local session = event.origin;
		if session.type ~= "s2sout_unauthed" then return; end
		return advance(session, event.stanza, false);
	end

	-- Between mod_tls and the rest: TLS was to come, and mod_tls has let it go.
	function outbound.features_after_tls(event)
		local session = event.origin;
		if session.type ~= "s2sout_unauthed" or session.lync_step ~= "starttls" or session.secure then return; end
		h.log("error", "start TLS: not available on this host, see the log of mod_tls (remote=%q)", session.to_host);
		return advance(session, event.stanza, true);
	end

	function outbound.legacy(event)
		local session = event.origin;
		local decision, token, text = gate.ask(session, { phase = "legacy" });
		if not decision then
			return refuse(session, token, text);
		end
		session.ssl_ctx = false;
	end

	function outbound.tls_failed(event)
		local session = event.origin;
		if session.direction == "outgoing" then
			session.lync_tls_failed = true;
		end
	end

	-- After mod_saslauth has seen it (500), before mod_dialback goes on (100).
	function outbound.sasl_failed(event)
		local session = event.origin;
		if session.type ~= "s2sout_unauthed" or session.external_auth ~= "failed" then return; end
		local decision, token, text = gate.ask(session, { phase = "sasl"; mechanism = "external" });
		if not decision then
			local why = session.external_auth_failure_reason or {};
			return refuse(session, token, ("%s: %s"):format(text, why.text or why.condition or "no reason"));
		end
		remember(session.to_host, "tls-dialback");
		h.log("info", "fell back: next method on the same stream (remote=%q from=%s to=tls-dialback stage=sasl)",
			session.to_host, session.lync_way);
	end

	-- The partner's verdict about our key.
	function outbound.dialback_answer(event)
		local session, stanza = event.origin, event.stanza;
		if session.type ~= "s2sout_unauthed" and session.type ~= "s2sout" then return; end
		local mine = stanza.attr.from == session.to_host and stanza.attr.to == h.host;
		local decision, token, text = gate.ask(session, { phase = "dialback"; mechanism = "dialback";
			asked = session.dialback_key ~= nil and mine and session.type == "s2sout_unauthed" });
		if not decision then
			return refuse(session, token, text);
		end
		session.lync_key_refused = stanza.attr.type ~= "valid";
	end

	-- Make a stream that takes over what waits for the one that has ended.
	local function continue(ended, way)
		local queue, domain = ended.sendq, ended.to_host;
		starting = { way = way; tried = ended.lync_tried };
		local ok, err = pcall(h.route, domain, st.stanza("lync-again"));
		starting = nil;
		local session = h.s2sout(domain);
		if not ok or not session or session == ended or session.destroyed then
			h.log("debug", "no further stream (remote=%q reason=%s)", domain, tostring(err));
			return false;
		end
		session.sendq, ended.sendq = queue, nil;
		return true;
	end

	-- Has the end of a stream to do with the way it went? The core knows the conditions that have not; here they are asked
	-- as of the best method, after which there always is another when this one was not the best.
	local function blames_method(domain, best, stage, condition)
		return stage ~= "connect" and stage ~= "refused" and h.settings:next_method { remote = domain; way = best;
			secure = true; stage = "sasl"; condition = condition } ~= nil;
	end

	local function next_way(ended, stage, condition)
		return h.settings:next_method { remote = ended.to_host; way = ended.lync_way; secure = ended.secure == true;
			stage = stage; condition = condition };
	end

	-- A stream has ended: is there another way? False: bounce what waits.
	function outbound.again(ended, reason)
		local domain, stage = ended.to_host, stage_of(ended);
		if stage == "done" or not ended.sendq or ended.lync_tried >= TRIES then return false; end
		local primary, best = h.settings:primary(domain);
		if not primary or not best then return false; end
		if ended.lync_again then -- the settings have changed under it
			return continue(ended, best);
		end
		local condition, refused = condition_of(reason), ended.lync_refused;
		if refused and refused ~= "tls-failed" then -- by us: what waits has an answer by that
			remember(domain, too_late[refused] and next_way(ended, stage) or nil);
			return false;
		end
		h.metrics.stream_failed(domain, "out", condition or stage, h.errors.one_line(tostring(reason or "the stream ended")));
		if ended.lync_remembered and ended.lync_way ~= best then
			if not blames_method(domain, best, stage, condition) then return false; end
			h.log("info", "fell back: to the first method again (remote=%q from=%s stage=%s)", domain, ended.lync_way, stage);
			remember(domain, nil);
			return continue(ended, best);
		end
		local way = next_way(ended, stage, condition);
		remember(domain, way);
		if not way then return false; end
		h.log("info", "fell back: next method (remote=%q from=%s to=%s stage=%s)", domain, ended.lync_way, way, stage);
		return continue(ended, way);
	end

	local function send_back(event, token, text)
		local stanza = event.stanza;
		local is_stanza = stanza.name == "message" or stanza.name == "presence" or stanza.name == "iq";
		local reply = is_stanza and h.errors.reply(stanza, token, text);
		if not reply then return false; end
		h.send(reply);
		return true;
	end

	-- A new stream is wanted: also a limit may say no, and then for a while only.
	local function refuse_route(event, token, text)
		gate.report("route", token, text, event.to_host, "out");
		return send_back(event, token, text);
	end

	-- mod_s2s' own queue has no end. COMPAT(0.12): a plain list there
	local function is_full(session)
		local queue = session and session.sendq;
		return queue ~= nil and (queue.push and queue:count() or #queue) >= WAITING_MAX;
	end

	-- One line for each stream, or the log would be full as well.
	local function refuse_waiting(event, session)
		local token, text = "full", "Too much waits for a connection to that domain";
		if not session.lync_full then
			session.lync_full = true;
			gate.report("route", token, text, event.to_host, "out");
		else
			h.metrics.refused(event.to_host, token, text);
		end
		return send_back(event, token, text);
	end

	-- route/remote: every way out passes here, db:verify too: no connection is made to a stranger.
	function outbound.route(event)
		local remote = event.to_host;
		local own, session = h.is_gateway(remote), h.s2sout(remote);
		local ok, token, text;
		if session then
			ok, token, text = h.settings:stanza("host", remote, nil, false, own);
			session.lync_stanza = h.now();
		else
			local streams, of_partner = h.upkeep.count(remote);
			ok, token, text = h.settings:stream { phase = "route"; direction = "out"; remote = remote; own = own;
				streams = streams; partner_streams = of_partner };
		end
		if not ok then
			return refuse_route(event, token, text);
		end
		if is_full(session) then
			return refuse_waiting(event, session);
		end
		if h.queue_behind(remote, event.stanza) then
			return true;
		end
	end

	return outbound;
end

return { new = new; stage_of = stage_of; condition_of = condition_of; MEMORY = MEMORY;
	WAITING_MAX = WAITING_MAX };
