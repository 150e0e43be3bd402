-- From XMPP to SIP: messages of contacts go to the bridge, and what became of them comes back.
-- SPDX-License-Identifier: MIT
--
-- Every message with a body ends in exactly one of: nothing (delivered, or accepted by Lync for later), a receipt
-- (delivered and asked for), an error stanza. Errors are never answered.

local st = require "util.stanza";
local jid_bare = require "util.jid".bare;
local jid_host = require "util.jid".host;
local jid_split = require "util.jid".split;
local new_id = require "util.id".medium;

local xmlns_chatstates = "http://jabber.org/protocol/chatstates";
local xmlns_receipts = "urn:xmpp:receipts";
local xmlns_muc_user = "http://jabber.org/protocol/muc#user";
local xmlns_conference = "jabber:x:conference";

-- as sipbridge/session_out.c says it
local REPLY_ONLY = "Only replies inside a conversation opened by the Lync user are allowed";
local BODY_MAX = 16384; -- bytes; SB_TEXT_MAX

local chat_states = { active = true; composing = true; paused = true; inactive = true; gone = true };

-- The child in the stanza's language, or the first: (text, language).
local function localized(stanza, name)
	local default = stanza.attr["xml:lang"];
	local first;
	for child in stanza:childtags(name) do
		local lang = child.attr["xml:lang"];
		if lang == nil or lang == default then
			first = child;
			break;
		end
		first = first or child;
	end
	local text = first and first:get_text();
	if not text or text == "" then return nil; end
	return text, first.attr["xml:lang"] or default;
end

-- A SIP header is one line.
local function one_line(text)
	return text and (text:gsub("%s+", " "));
end

local function chat_state(stanza)
	for _, child in ipairs(stanza.tags) do
		if child.attr.xmlns == xmlns_chatstates then
			return chat_states[child.name] and child.name or nil;
		end
	end
end

local function invites_to_room(stanza)
	local x = stanza:get_child("x", xmlns_muc_user);
	return stanza:get_child("x", xmlns_conference) or x and x:get_child("invite");
end

-- h: host, settings, pool, conversations, errors, send, metrics, log, is_gateway, now
local function new(h)
	local x2s = {};

	local function reply(stanza, kind, condition, text)
		local error_stanza = h.errors.reply_with(stanza, kind, condition, text);
		if error_stanza then
			h.send(error_stanza);
		end
	end

	local function permitted(contact, user, kind)
		if h.is_gateway(jid_host(contact)) then
			return nil, "loop", "This domain is served by the gateway itself";
		end
		local facts = { direction = "in"; contact = jid_bare(contact); user = user; kind = kind };
		local ok, flags, text, of_partner = h.settings:may(facts);
		if (of_partner or flags).reply_only then
			facts.listed = h.presence.listed(facts.contact, user);
			ok, flags, text, of_partner = h.settings:may(facts);
		end
		return ok, flags, text, of_partner;
	end

	-- alike: the contact is told what it would be told of any Lync user (no probing); log and counter have the reason.
	local function fail(stanza, token, text, policy, alike)
		h.log("info", "refused message: %s (token=%s remote=%q)", text or token, token, jid_host(stanza.attr.from));
		if policy then
			h.metrics.refused(stanza.attr.from, token, text);
		end
		h.metrics.message(stanza.attr.from, "x2s", policy and "refused" or "failed", nil, token, text);
		if alike then token, text = "not-authorized", REPLY_ONLY; end
		local error_stanza = h.errors.reply(stanza, token, text);
		if error_stanza then
			h.send(error_stanza);
		end
	end

	-- Types that never reach a user here (RFC 6121 8.5.2, 8.5.3): true when done.
	local function unsuitable(stanza, localpart)
		local kind = stanza.attr.type;
		if kind == "headline" then
			return true; -- "MUST silently ignore" where no resource wants it
		elseif kind == "groupchat" then
			reply(stanza, "cancel", "service-unavailable", "Lync users cannot be spoken to as a room");
			return true;
		elseif not localpart then
			reply(stanza, "cancel", "service-unavailable", "The gateway itself takes no messages");
			return true;
		end
		return false;
	end

	-- A state by itself. Nothing is answered: the conversation goes on without it.
	local function state_only(stanza, user, state, thread)
		local contact = stanza.attr.from;
		local ok, flags, text = permitted(contact, user, "typing");
		if not ok then
			h.metrics.refused(contact, flags, text);
		elseif state == "gone" then
			h.pool:ended(h, { contact = contact; user = user; thread = thread });
			h.conversations.close(contact, user);
		else
			h.pool:typing(h, { contact = contact; user = user; state = state; thread = thread; verified = flags.verified;
				reply_only = flags.reply_only });
		end
	end

	local function without_body(stanza, user, state, thread)
		if state then
			state_only(stanza, user, state, thread);
		elseif invites_to_room(stanza) then
			reply(stanza, "cancel", "not-acceptable", "Lync users cannot be invited to a room");
		elseif stanza:get_child("subject") then
			reply(stanza, "modify", "not-acceptable", "A message without a body cannot be delivered");
		end
		-- Receipts, markers and the like: content for nobody here.
	end

	local function with_body(stanza, user, body, lang, thread)
		local contact, kind = stanza.attr.from, stanza.attr.type;
		if #body > BODY_MAX then
			return fail(stanza, "too-big", ("A message may have %d bytes"):format(BODY_MAX));
		end
		local ok, flags, text, of_partner = permitted(contact, user, "message");
		if not ok then
			return fail(stanza, flags, text, true, of_partner and of_partner.reply_only);
		end
		local id, token;
		ok, token, text = h.presence.may_address(contact, user);
		if not ok then
			return fail(stanza, token, text, true);
		end
		id, token, text = h.pool:message(h, {
			contact = contact; user = user; text = body; lang = lang; thread = thread;
			subject = one_line(localized(stanza, "subject")); verified = flags.verified; reply_only = flags.reply_only;
		}, {
			contact = contact; user = stanza.attr.to; id = stanza.attr.id; type = kind; since = h.now();
			receipt = stanza.attr.id ~= nil and stanza:get_child("request", xmlns_receipts) ~= nil;
		});
		if not id then
			return fail(stanza, token, text);
		end
		h.log_body("x2s", contact, user, body);
		return true;
	end

	function x2s.message(stanza)
		local localpart, host = jid_split(stanza.attr.to);
		if unsuitable(stanza, localpart) then return; end
		local contact, user = stanza.attr.from, localpart.."@"..host;
		local body, lang = localized(stanza, "body");
		local state = stanza.attr.type == "chat" and chat_state(stanza) or nil;
		local thread = one_line(stanza:get_child_text("thread"));
		if stanza.attr.type == "chat" and (body or state) then
			h.conversations.heard(contact, user, state ~= nil);
		end
		if not body then
			return without_body(stanza, user, state, thread);
		end
		local accepted = with_body(stanza, user, body, lang, thread);
		if accepted and state == "gone" then
			state_only(stanza, user, state, thread);
		end
	end

	local function receipt(entry)
		h.send(st.message({ type = entry.type; from = entry.user; to = entry.contact; id = new_id() })
			:tag("received", { xmlns = xmlns_receipts; id = entry.id }):up());
	end

	-- The short way of a message that is like most: true when the bridge has it. All others, and whatever is refused, go
	-- through the gate and message() as if this were not.
	function x2s.carry(event)
		if h.log_bodies() then return; end
		local key, has_state = h.pool:carry(h, event.origin, event.stanza);
		if not key then return; end
		if key ~= true then
			h.conversations.heard_key(key, has_state);
		end
		return true;
	end

	-- Such a message was delivered, and was not counted by bridge:feed. partner: its primary domain
	function x2s.delivered(partner, seconds, status)
		h.metrics.delivered(partner, "x2s", seconds);
		h.presence.outcome(partner, status);
	end

	-- ev: the bridge's outcome; entry: what x2s.message gave to pool:message
	function x2s.outcome(ev, entry)
		if entry.synthetic then -- an administrator's
			return h.synthetic.outcome(ev, entry);
		end
		local text = ev.outcome == "failed" and h.errors.outcome_text(ev) or nil;
		h.metrics.message(entry.contact, "x2s", ev.outcome, (ev.at or h.now()) - entry.since, ev.token, text);
		if not ev["local"] then
			h.presence.outcome(entry.contact, ev.status or 0);
		end
		if ev.outcome == "delivered" and entry.receipt then
			receipt(entry);
		elseif ev.outcome == "failed" then
			h.log("info", "failed message: %s (token=%s status=%d remote=%q)", h.errors.one_line(ev.reason) or "no reason",
				ev.token or "none", ev.status or 0, jid_host(entry.contact));
			local original = st.message({ type = entry.type; from = entry.contact; to = entry.user; id = entry.id });
			local kind, condition = h.errors.outcome(ev);
			reply(original, kind, condition, text);
		end
	end

	return x2s;
end

return { new = new; BODY_MAX = BODY_MAX };
