-- What became of a stanza after module:send: handed to an authenticated stream, bounced, or neither in time.
-- SPDX-License-Identifier: MIT
--
-- The bridge's message gets 200 only when its stanza has left. A stanza's id carries the event's id and a keyed
-- checksum: a bounce finds back without a table, and nobody can bounce what was not sent to him.

local jid_bare = require "util.jid".bare;
local jid_host = require "util.jid".host;
local jid_resource = require "util.jid".resource;
local hmac_sha256 = require "util.hashes".hmac_sha256;

local PENDING_MAX = 1024; -- stanzas of one host that wait for a stream
local PENDING_TIME = 25;  -- seconds; the bridge gives up after 30 (SB_ANSWER_TIMEOUT_MS)
local MAC_DIGITS = 24;
local VERIFIED, UNVERIFIED = { verified = true }, { verified = false };

local function bare(jid)
	return jid:find("/", 1, true) and jid_bare(jid) or jid;
end

-- h: core, host, state, pool, errors, log, now, timer, stream(domain) -> session|nil, bounce_stream(domain)
local function new(h)
	local handover = {};
	local state = h.state;
	state.pending = state.pending or {};    -- event id -> { domain, since, verified }
	state.pending_n = state.pending_n or 0;

	-- epoch changes with the worker: its ids may begin anew.
	local function mac(hex, contact, user)
		local text = h.pool:epoch(h).."\0"..hex.."\0"..bare(contact).."\0"..bare(user);
		return hmac_sha256(h.state.secret, text, true):sub(1, MAC_DIGITS);
	end

	function handover.stanza_id(id, contact, user)
		local hex = ("%x"):format(id);
		return "lync"..hex.."-"..mac(hex, contact, user);
	end

	-- The event's id of a bounced stanza, or nil when the id is not one of ours for these two.
	function handover.event_id(stanza)
		local hex, sum = (stanza.attr.id or ""):match("^lync(%x+)%-(%x+)$");
		local id = hex and #hex <= 16 and tonumber(hex, 16);
		if not id or not stanza.attr.from or not stanza.attr.to then return nil; end
		if sum ~= mac(("%x"):format(id), stanza.attr.from, stanza.attr.to) then return nil; end
		return id;
	end

	local spare; -- an entry that is free: most are needed for a moment only

	local function forget(id)
		local entry = state.pending[id];
		if entry then
			state.pending[id] = nil;
			state.pending_n = state.pending_n - 1;
		end
		return entry;
	end

	local function report(entry, result, token, text)
		h.metrics.message(entry.domain, "s2x", result, h.now() - entry.since, token, text);
		h.metrics.queue("s2x", state.pending_n);
	end

	-- Before module:send, since a refusal comes back during it. domain: the contact's
	function handover.expect(id, domain, verified)
		if state.pending_n >= PENDING_MAX then
			return nil, "full", "Too many messages wait for a connection to their domain";
		end
		local entry = spare or {};
		spare = nil;
		entry.domain, entry.since, entry.verified = domain, h.now(), verified;
		state.pending[id] = entry;
		state.pending_n = state.pending_n + 1;
		return true;
	end

	local function delivered(id)
		local entry = forget(id);
		if entry then
			h.pool:answer(h, id, 200, nil, nil, entry.verified and VERIFIED or UNVERIFIED);
			report(entry, "delivered");
			spare = entry; -- nobody else has it
		end
	end

	-- After module:send.
	function handover.sent(id)
		local entry = state.pending[id];
		if entry and (h.is_local(entry.domain) or h.stream(entry.domain)) then
			delivered(id);
		elseif entry then
			h.metrics.queue("s2x", state.pending_n);
			handover.watch();
		end
	end

	-- A stream of ours to `domain` is ready and mod_s2s has sent what was queued.
	function handover.established(domain)
		if not h.stream(domain) then return; end
		for id, entry in pairs(state.pending) do
			if entry.domain == domain then
				delivered(id);
			end
		end
	end

	-- A stanza of type error for one of our users: is it about a message from Lync? Also after its 200.
	function handover.bounced(stanza)
		local id = handover.event_id(stanza);
		if not id then return false; end
		local kind, condition, text = stanza:get_error();
		local full = jid_resource(stanza.attr.from) ~= nil;
		local status, diag, reason = h.errors.answer_with(h.core, condition or "undefined-condition", full, kind, text);
		local entry = forget(id);
		h.log("info", "bounced message: %s (status=%d condition=%s remote=%q late=%s)", "error from the XMPP side", status,
			condition or "none", jid_host(stanza.attr.from), tostring(entry == nil));
		h.pool:answer(h, id, status, diag, reason, {
			contact = stanza.attr.from; user = stanza.attr.to; verified = entry and entry.verified;
		});
		local why = h.errors.one_line(text) or "error from the XMPP side";
		if entry then
			report(entry, "failed", condition, why);
		else
			h.metrics.message(stanza.attr.from, "s2x", "failed", nil, condition, why);
		end
		return true;
	end

	local function oldest()
		local since;
		for _, entry in pairs(state.pending) do
			if not since or entry.since < since then
				since = entry.since;
			end
		end
		return since;
	end

	local function expired(now)
		local ids, domains = {}, {};
		for id, entry in pairs(state.pending) do
			if now - entry.since >= PENDING_TIME then
				ids[#ids+1] = id;
				domains[entry.domain] = true;
			end
		end
		return ids, domains;
	end

	-- Whoever waited too long is taken out of mod_s2s' queue (which bounces it), so that the Lync user is not told
	-- "failed" about what is delivered afterwards; what does not come back by that is answered here.
	function handover.expire()
		local ids, domains = expired(h.now());
		for domain in pairs(domains) do
			h.bounce_stream(domain);
		end
		for _, id in ipairs(ids) do
			local entry = forget(id);
			if entry then
				h.log("warn", "failed message: no stream in time (token=no-stream remote=%q)", entry.domain);
				h.pool:answer(h, id, h.errors.answer(h.core, "no-stream", "No connection to the XMPP domain in time"));
				report(entry, "failed", "no-stream", "no connection to the XMPP domain in time");
			end
		end
	end

	-- One timer for all: it looks again when the then oldest is due.
	function handover.watch()
		if state.pending_timer then return; end
		local since = oldest();
		if not since then return; end
		state.pending_timer = h.timer(math.max(0, since + PENDING_TIME - h.now()), function ()
			state.pending_timer = nil;
			handover.expire();
			handover.watch();
		end);
	end

	-- The worker is gone, and with it who wanted to know.
	function handover.reset()
		state.pending, state.pending_n = {}, 0;
		h.metrics.queue("s2x", 0);
	end

	function handover.stop()
		if state.pending_timer then
			state.pending_timer.stop();
			state.pending_timer = nil;
		end
	end

	return handover;
end

return { new = new; PENDING_MAX = PENDING_MAX; PENDING_TIME = PENDING_TIME };
