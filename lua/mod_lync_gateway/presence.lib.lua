-- Presence: what contacts and Lync users let each other see.
-- SPDX-License-Identifier: MIT
--
-- The roster (core.roster, docs/core.md) has the state and the rules. Here its inputs come together (stanzas, events of
-- the bridge, time, settings) and its effects are carried out, a bounded number per turn of Prosody's loop. Nothing is
-- taken in before the store has been read: who had asked whom decides what is said.

local st = require "util.stanza";
local xpcall = require "util.xpcall".xpcall;
local jid_bare = require "util.jid".bare;
local jid_host = require "util.jid".host;
local jid_split = require "util.jid".split;
local new_id = require "util.id".medium;

local stanza_mt = st.stanza_mt;
local xmlns_nick = "http://jabber.org/protocol/nick";

local STEP = 100;        -- effects of one turn, or fewer: h.over()
local STEP_INPUT = 4;    -- of the turn of an input; what is left has turns of its own
local TOGETHER = 0.01;   -- seconds in which states of Lync users are gathered
local HELD_MAX = 10000;  -- inputs that wait for the store
local BUSY = 0.2;        -- seconds, when the bridge takes no more
local TROUBLE = 1;       -- seconds, after an error of ours

local kinds = {
	unavailable = true; subscribe = true; subscribed = true; unsubscribe = true; unsubscribed = true; probe = true;
	error = true;
};

local no_address = { ["bad-jid"] = true; ["too-long"] = true; ["no-user"] = true };

-- The text in the stanza's own language, or the first one.
local function localized(stanza, name)
	local default, first = stanza.attr["xml:lang"], nil;
	for child in stanza:childtags(name) do
		local lang = child.attr["xml:lang"];
		if lang == nil or lang == default then
			return child:get_text(), lang or default;
		end
		first = first or child;
	end
	return first and first:get_text(), first and first.attr["xml:lang"];
end

-- Facts of a presence stanza; nil: not one (RFC 6121 4.7.1).
local function facts_of(stanza)
	local kind = stanza.attr.type;
	if kind and not kinds[kind] then return nil; end
	local status, lang = localized(stanza, "status");
	local priority = math.tointeger(tonumber(stanza:get_child_text("priority")));
	return {
		kind = kind or "available"; contact = stanza.attr.from; user = stanza.attr.to; id = stanza.attr.id;
		show = stanza:get_child_text("show");
		status = status; lang = lang; priority = priority; display = stanza:get_child_text("nick", xmlns_nick);
		wait = kind == "error" and stanza:get_error() == "wait";
	};
end

local function with_nick(stanza, display)
	if display and display ~= "" then
		stanza:text_tag("nick", display, { xmlns = xmlns_nick });
	end
	return stanza;
end

local builders = {};

-- Only of effects that answer an input; the others come as stanzas (roster:say).
function builders.presence(fx)
	local stanza = st.presence({ from = fx.user; to = fx.contact });
	if fx.show == "unavailable" then
		stanza.attr.type = "unavailable";
	elseif fx.show ~= "available" then
		stanza:text_tag("show", fx.show);
	end
	if fx.note and fx.note ~= "" then
		stanza:text_tag("status", fx.note, { ["xml:lang"] = fx.lang });
	end
	return with_nick(stanza, fx.show ~= "unavailable" and fx.display);
end

function builders.subscribe(fx)
	return with_nick(st.presence({ from = fx.user; to = fx.contact; type = "subscribe"; id = new_id() }), fx.display);
end

-- facts: of the stanza that was handed in last
function builders.error(fx, facts)
	local from, id = fx.contact, nil;
	if facts and jid_bare(facts.contact) == fx.contact then
		from, id = facts.contact, facts.id;
	end
	return st.error_reply(st.presence({ from = from; to = fx.user; id = id }), fx.error_type, fx.condition,
		("%s (%s)"):format(fx.text or "refused", fx.token or "refused"));
end

for _, kind in ipairs { "subscribed", "unsubscribe", "unsubscribed", "probe" } do
	builders[kind] = function (fx)
		return st.presence({ from = fx.user; to = fx.contact; type = kind });
	end;
end

-- h: core, settings, state, pool, errors, send, log, metrics, timer; env: time() since 1970, store or nil
-- h.state (outlives a reload): roster, worker (its last status), held (inputs that wait for the store)
local function new(h, env)
	local presence = {};
	local roster = h.state.roster;
	if not roster then
		roster = assert(h.core.roster({}, env.time()));
		h.state.roster = roster;
	end

	local function refused(contact, token, text)
		h.log("info", "refused presence: %s (token=%s remote=%q)", text or token, token, jid_host(contact or "") or "");
		h.metrics.refused(contact, token, text);
	end

	-- ---- effects

	local function to_bridge(fx)
		if fx.kind == "answer" then
			if fx.token then
				refused(fx.contact, fx.token, fx.text);
			end
			return h.pool:answer(h, fx.id, fx.status, fx.diag, h.errors.one_line(fx.text), { verified = fx.verified });
		end
		if not fx.display and (fx.kind == "watch" or fx.kind == "presence") then
			fx.display = fx.contact; -- Lync asks its user about somebody with a name
		end
		return h.pool[fx.kind](h.pool, h, fx);
	end

	local function to_contact(fx)
		if fx.token and fx.kind ~= "error" then
			h.log("info", "ended subscription: %s (token=%s remote=%q)", fx.text or fx.token, fx.token,
				jid_host(fx.contact) or "");
		end
		h.send(builders[fx.kind](fx, presence.last));
	end

	-- False: the bridge is full, this one comes again.
	local function carry(fx)
		if fx.to ~= "bridge" then
			to_contact(fx);
			return true;
		end
		local ok, token, text = to_bridge(fx);
		if ok or token == "bridge-down" or token == "no-settings" then -- a new worker is told everything
			return true;
		elseif token == "full" then
			if fx.kind == "answer" then
				presence.unsaid = fx; -- the roster knows of it no more
			else
				roster:again(fx);
			end
			return false;
		end
		h.log("warn", "presence not told: %s (kind=%s token=%s remote=%q)", text or token, fx.kind, tostring(token),
			jid_host(fx.contact) or "");
		return true;
	end

	-- Says what is next: false when nothing was left, "full" when the bridge takes no more.
	local function say_next(now)
		local fx = presence.unsaid;
		presence.unsaid = nil;
		if fx then
			return carry(fx) or "full";
		end
		local said, domain = roster:say(h.settings, now, stanza_mt);
		if not said then
			return false;
		elseif domain then
			h.send_to(domain, said);
			return true;
		end
		return carry(said) or "full";
	end

	-- What is due, and what follows from it: seconds until the next time.
	local function round(limit)
		local now = env.time();
		local seconds = roster:tick(h.settings, now);
		for _ = 1, limit do
			local said = say_next(now);
			if said == "full" then return BUSY; end
			if not said then return seconds; end
			if h.over() then break; end
		end
		return 0;
	end

	-- What is sent to a contact of the same server may come back as an input at once: one round at a time.
	local function drain(limit)
		if presence.draining then
			presence.more = true;
			return;
		end
		presence.draining, presence.more = true, false;
		local ok, delay = xpcall(round, debug.traceback, limit);
		presence.draining = false;
		if not ok then
			h.log("error", "presence failed: %s", tostring(delay));
			delay = TROUBLE;
		elseif presence.more then
			delay = 0;
		end
		if presence.timer then
			presence.timer.stop();
		end
		presence.timer = not presence.stopped and h.timer(delay, function ()
			presence.timer = nil;
			presence.changed(STEP);
		end, "presence") or nil;
	end

	-- Something is to be said, perhaps. limit: effects of this turn
	function presence.changed(limit)
		drain(limit or STEP_INPUT);
		if env.store then
			env.store.touch();
		end
	end

	-- They are said together: one write to each stream.
	local function gather()
		presence.fed = presence.fed or h.timer(TOGETHER, function ()
			presence.fed = nil;
			presence.changed(STEP);
		end, "presence");
	end

	local function quarantined(domain)
		h.log("warn", "quarantined partner: too much of what it sends is refused by Lync (remote=%q)", domain);
	end

	local function plus(n, more, ...)
		return n + more, ...;
	end

	local function fed(bridge, limit, taken, states, ev, ...)
		if states > 0 then gather(); end
		if taken > states then h.metrics.tallied(); end
		if ev ~= "quarantined" then return taken, ev, ...; end
		quarantined(...);
		return plus(taken, presence.feed(bridge, limit - taken));
	end

	-- How many events needed nothing of Lua: states of users went into the roster, delivered messages were counted; and
	-- what bridge:next() gives after them.
	function presence.feed(bridge, limit)
		if h.state.held or presence.stopped then return 0, bridge:next(); end
		return fed(bridge, limit, bridge:feed(roster, h.settings, env.time(), limit, h.metrics.tally));
	end

	-- ---- inputs

	local inputs = {};

	-- Held back while the store is read.
	local function input(name, arg)
		local held = h.state.held;
		if not held then
			inputs[name](arg);
			presence.changed();
		elseif #held < HELD_MAX then
			table.insert(held, { name, arg });
		elseif not presence.overflown then
			presence.overflown = true;
			h.log("warn", "dropped presence: too much arrived while the store was read");
		end
	end

	function inputs.stanza(facts)
		local ok, token, text = roster:stanza(h.settings, facts, env.time());
		presence.last = facts;
		if ok then return; end
		refused(facts.contact, token, text);
		if facts.kind == "subscribe" and no_address[token] then -- the roster cannot: it has no such pair
			h.send(h.errors.reply(st.presence({ type = "subscribe"; from = facts.contact; to = facts.user; id = facts.id }),
				token, text));
		end
	end

	-- A worker that is ready says so after each new settings; a host that comes later hears it then.
	function inputs.event(ev)
		if ev.type == "worker" then
			if h.state.worker == ev.status then return; end
			h.state.worker = ev.status;
			presence.unsaid = nil; -- its ids are gone
		end
		local ok, token, text = roster:event(h.settings, ev, env.time());
		if not ok and not ev.id then -- the answer says it otherwise
			refused(ev.contact, token, text);
		end
	end

	function inputs.settings()
		roster:settings();
	end

	function presence.any(stanza)
		local facts = facts_of(stanza);
		if not facts then
			h.send(st.error_reply(stanza, "modify", "bad-request", "Invalid presence type"));
		elseif jid_split(stanza.attr.to) then -- the domain itself has no presence
			input("stanza", facts);
		end
		return true;
	end

	-- Of the bridge: "watch", "state", "subscribe", "unsubscribed", "worker".
	function presence.event(ev)
		if ev.type == "worker" and ev.status ~= 1 and h.state.held then -- what it said is void, its ids above all
			local held = {};
			for _, entry in ipairs(h.state.held) do
				held[#held+1] = entry[1] ~= "event" and entry or nil;
			end
			h.state.held = held;
		end
		input("event", ev);
	end

	function presence.reconfigured()
		input("settings");
	end

	-- ---- trust, for messages

	function presence.listed(contact, user)
		return roster:listed(h.settings, contact, user, env.time());
	end

	function presence.may_address(contact, user)
		return roster:may_address(h.settings, contact, user, env.time());
	end

	function presence.outcome(contact, status)
		if roster:outcome(h.settings, contact, status, env.time()) then
			quarantined(jid_host(contact) or "");
		end
	end

	-- ---- showing

	-- Some pairs, counted by the contact's domain: those that watch, those that are watched, cursor of the next ones;
	-- nil: the end.
	function presence.tally(cursor)
		return roster:tally(cursor);
	end

	-- All pairs, a turn's worth at a time: callback(row) each, then done().
	function presence.rows(callback, done)
		local function walk(cursor)
			while not presence.stopped do
				local rows;
				rows, cursor = roster:rows(cursor);
				if not cursor then break; end
				for _, row in ipairs(rows) do
					callback(row);
				end
				if h.over() then
					return h.timer(0, function () walk(cursor); end, "shell");
				end
			end
			done();
		end
		walk();
	end

	function presence.explain(contact, user)
		return roster:explain(h.settings, contact, user, env.time());
	end

	function presence.counts()
		return roster:counts(env.time());
	end

	-- ---- life

	-- What was held back, a turn's worth at a time; what comes meanwhile stands behind it.
	local function ready()
		local held, i = h.state.held or {}, 0;
		while i < #held do
			i = i + 1;
			inputs[held[i][1]](held[i][2]);
			if i < #held and h.over() then
				h.state.held = table.move(held, i + 1, #held, 1, {});
				presence.waking = h.timer(0, ready, "presence");
				return;
			end
		end
		h.state.held, presence.waking = nil, nil;
		presence.changed();
	end

	function presence.start()
		if not env.store or env.store.is_read() then
			return ready();
		end
		h.state.held = h.state.held or {};
		env.store.load(ready);
	end

	-- reloading: the roster stays, for the module's next instance
	function presence.stop(reloading)
		presence.stopped = true;
		for _, name in ipairs { "timer", "waking", "fed" } do
			if presence[name] then
				presence[name].stop();
				presence[name] = nil;
			end
		end
		if env.store then
			env.store.stop();
		end
		if not reloading then
			roster:close();
			h.state.roster, h.state.store, h.state.held, h.state.worker = nil, nil, nil, nil;
		end
	end

	presence.roster = roster;
	return presence;
end

return { new = new; facts_of = facts_of; builders = builders; STEP = STEP; STEP_INPUT = STEP_INPUT };
