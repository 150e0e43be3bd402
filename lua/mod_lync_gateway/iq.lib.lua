-- Requests to the gateway and to Lync users: little is offered, everything is answered.
-- SPDX-License-Identifier: MIT

local st = require "util.stanza";

local xmlns_disco_info = "http://jabber.org/protocol/disco#info";
local xmlns_ping = "urn:xmpp:ping";

local iq = {};

-- XMPP registrar, category gateway: Lync Server is what Office Communications Server became.
iq.identity = { category = "gateway"; type = "ocs"; name = "Lync Gateway" };
iq.host_features = { "jid\\20escaping"; "http://jabber.org/protocol/chatstates"; "urn:xmpp:receipts" };

-- The same for every address, so that nobody learns which users exist.
local user_features = {
	xmlns_disco_info; xmlns_ping; "http://jabber.org/protocol/chatstates"; "urn:xmpp:receipts";
};

local types = { get = true; set = true; result = true; error = true };

-- Prosody checks these for clients only (RFC 6120 8.2.3): nil, or what is wrong.
local function invalid(stanza)
	local kind = stanza.attr.type;
	if not types[kind] then
		return "Invalid IQ type";
	elseif not stanza.attr.id then
		return "Missing required 'id' attribute";
	elseif (kind == "get" or kind == "set") and #stanza.tags ~= 1 then
		return "Incorrect number of children for IQ stanza";
	end
end

local function disco_info(stanza)
	local reply = st.reply(stanza):query(xmlns_disco_info):tag("identity", iq.identity):up();
	for _, feature in ipairs(user_features) do
		reply:tag("feature", { var = feature }):up();
	end
	return reply;
end

local function answer(stanza)
	local child = stanza.tags[1];
	local is_get = stanza.attr.type == "get";
	if is_get and child.name == "query" and child.attr.xmlns == xmlns_disco_info then
		if child.attr.node then
			return st.error_reply(stanza, "cancel", "item-not-found");
		end
		return disco_info(stanza);
	elseif is_get and child.name == "ping" and child.attr.xmlns == xmlns_ping then
		return st.reply(stanza);
	end
	return st.error_reply(stanza, "cancel", "service-unavailable");
end

-- h: send
function iq.new(h)
	local handlers = {};

	local function refuse(stanza, wrong)
		if stanza.attr.type ~= "error" and stanza.attr.type ~= "result" then
			h.send(st.error_reply(stanza, "modify", "bad-request", wrong));
		end
	end

	-- The gateway itself: only what is malformed; the rest is Prosody's (mod_iq, mod_disco, mod_ping).
	function handlers.host(stanza)
		local wrong = invalid(stanza);
		if wrong then
			refuse(stanza, wrong);
			return true;
		end
	end

	function handlers.user(stanza)
		local wrong = invalid(stanza);
		if wrong then
			refuse(stanza, wrong);
		elseif stanza.attr.type == "get" or stanza.attr.type == "set" then
			h.send(answer(stanza));
		end
		return true; -- results and errors: no user of ours has asked
	end

	return handlers;
end

return iq;
