-- From SIP to XMPP: events of the bridge become stanzas.
-- SPDX-License-Identifier: MIT

local st = require "util.stanza";
local jid_bare = require "util.jid".bare;
local jid_host = require "util.jid".host;
local jid_prep = require "util.jid".prep;
local valid_utf8 = require "util.encodings".utf8.valid;
local new_id = require "util.id".medium;

local xmlns_chatstates = "http://jabber.org/protocol/chatstates";

local stanza_mt = getmetatable(st.stanza("none"));

-- What XML 1.0 cannot carry: the bridge has removed it already, an XMPP stream must not depend on that.
local function clean(text)
	return (text:gsub("\r\n?", "\n"):gsub("[\0-\8\11\12\14-\31]", ""):gsub("\239\191[\190\191]", ""));
end

-- As util.stanza builds them, in one go: what a message has is known beforehand (spec/module/s2x_spec.lua compares).
local function element(name, attr, child)
	return setmetatable({ name = name, attr = attr, tags = {}, child }, stanza_mt);
end

local function message(attr, tags)
	return setmetatable({ name = "message", attr = attr, tags = tags, table.unpack(tags) }, stanza_mt);
end

-- h: host, core, settings, pool, handover, conversations, errors, send, metrics, log, is_gateway, now
local function new(h)
	local s2x = {};

	-- Both addresses prepared as a stream would do it, or a token. Of a plain event: it has them already.
	local function addresses(ev)
		if ev.plain then
			return ev;
		end
		local contact, user = jid_prep(ev.contact), jid_prep(ev.user);
		if not contact or not user or not contact:find("@", 1, true) or not user:find("@", 1, true) then
			return nil, "bad-jid", "Address is not valid in XMPP";
		end
		return { contact = contact; bare = jid_bare(contact); remote = jid_host(contact); user = jid_bare(user) };
	end

	local function permitted(ev, kind)
		local who, token, text = addresses(ev);
		if not who then return nil, token, text; end
		if h.is_gateway(who.remote) then
			return nil, "loop", "This domain is served by the gateway itself";
		elseif ev.allowed ~= nil and kind == "message" then -- the core has asked (bridge:feed)
			who.verified = ev.allowed;
			return who;
		end
		local ok, flags, of_partner;
		ok, flags, text, of_partner = h.settings:may { direction = "out"; contact = who.bare; user = who.user;
			kind = kind };
		if not ok then return nil, flags, text, of_partner; end
		who.verified = flags.verified;
		return who;
	end

	local function refuse(ev, kind, token, text, of_partner)
		h.log("info", "refused %s: %s (token=%s remote=%q)", kind, text or token, token, jid_host(ev.contact or "") or "");
		h.metrics.refused(ev.contact, token, text);
		local status, diag, reason = h.errors.answer(h.core, token, text);
		h.pool:answer(h, ev.id, status, diag, reason, of_partner and of_partner.verified and { verified = true } or nil);
	end

	function s2x.offer(ev)
		local who, token, text, of_partner = permitted(ev, "offer");
		if not who then
			return refuse(ev, "offer", token, text, of_partner);
		end
		h.pool:answer(h, ev.id, 200, nil, nil, { verified = who.verified });
	end

	local function content(ev, who)
		local states = h.conversations.open(who.bare, who.user);
		states.typing = nil; -- content ends typing
		local plain, tags = ev.plain, {};
		if ev.subject and (plain or valid_utf8(ev.subject)) then
			tags[1] = element("subject", {}, plain and ev.subject or clean(ev.subject));
		end
		tags[#tags+1] = element("body", {}, plain and ev.text or clean(ev.text));
		if ev.thread and (plain or valid_utf8(ev.thread)) then
			tags[#tags+1] = element("thread", {}, plain and ev.thread or clean(ev.thread));
		end
		if states.states ~= false then -- unknown counts as yes: that is how support is found (XEP-0085 5.1)
			tags[#tags+1] = element("active", { xmlns = xmlns_chatstates });
		end
		return message({
			type = "chat"; from = who.user; to = who.contact; id = h.handover.stanza_id(ev.id, who.bare, who.user);
			["xml:lang"] = ev.lang and ev.lang:match("^[%w-]+$");
		}, tags);
	end

	function s2x.message(ev)
		local who, token, text, of_partner = permitted(ev, "message");
		if who and not ev.plain and not (type(ev.text) == "string" and valid_utf8(ev.text)) then
			of_partner, who, token, text = who, nil, "bad-text", "Text is not UTF-8";
		end
		if who then
			local ok;
			ok, token, text = h.handover.expect(ev.id, who.remote, who.verified);
			of_partner, who = who, ok and who;
		end
		if not who then
			h.metrics.message(ev.contact, "s2x", "refused", nil, token, text);
			return refuse(ev, "message", token, text, of_partner);
		end
		h.log_body("s2x", who.user, who.contact, ev.text);
		h.send_to(who.remote, content(ev, who));
		h.handover.sent(ev.id);
	end

	local function notify(who, thread, state)
		local stanza = st.message({ type = "chat"; from = who.user; to = who.contact; id = new_id() })
			:tag(state, { xmlns = xmlns_chatstates }):up();
		if thread and valid_utf8(thread) then
			stanza:text_tag("thread", clean(thread));
		end
		h.send(stanza);
	end

	-- Only to a contact whose client has shown that it knows chat states, and never the same one twice (E11, E13).
	function s2x.typing(ev)
		local who = permitted(ev, "typing");
		local conversation = who and h.conversations.get(who.contact, who.user);
		if not conversation or not conversation.states or conversation.typing == ev.typing then return; end
		if ev.typing ~= "composing" and (ev.typing ~= "paused" or not conversation.typing) then return; end
		conversation.typing = ev.typing;
		notify(who, ev.thread, ev.typing);
	end

	function s2x.ended(ev)
		local who = permitted(ev, "typing");
		local conversation = who and h.conversations.get(who.contact, who.user);
		if not conversation then return; end
		if conversation.states then
			notify(who, ev.thread, "gone");
		end
		h.conversations.close(who.contact, who.user);
	end

	-- The worker refused a SIP request by itself, or (ev.refused) so many.
	function s2x.refused(ev)
		h.log("warn", "refused SIP request: %s (token=%s remote=%q)", h.errors.one_line(ev.reason) or "no reason",
			ev.token or "none", ev.domain or "");
		h.metrics.refused(ev.contact, ev.token, h.errors.one_line(ev.reason), ev.refused);
	end

	return s2x;
end

return { new = new; clean = clean };
