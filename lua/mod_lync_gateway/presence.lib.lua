-- Presence is not offered: say so where somebody asks, and leave every roster as it is.
-- SPDX-License-Identifier: MIT
--
--   subscribe  error cancel/feature-not-implemented: the request stays open on the contact's side (RFC 6121 3.1.2), is
--              made again by his server, and succeeds once presence is offered; "unsubscribed" would be a denial.
--   probe      type unavailable: true, and keeps the subscription; "unsubscribed" (RFC 6121 4.3.2) would end it.
--   unsubscribe, subscribed, unsubscribed, available, unavailable: nothing to do, no answer wanted.
--   error      never answered. Anything else is malformed (RFC 6121 4.7.1): modify/bad-request.

local st = require "util.stanza";

local silent = {
	unsubscribe = true; subscribed = true; unsubscribed = true; unavailable = true; error = true;
};

-- h: send
local function new(h)
	local handlers = {};

	function handlers.any(stanza)
		local kind = stanza.attr.type;
		if kind == nil or silent[kind] then
			return true;
		elseif kind == "probe" then
			h.send(st.presence({ from = stanza.attr.to; to = stanza.attr.from; type = "unavailable" }));
		elseif kind == "subscribe" then
			h.send(st.error_reply(stanza, "cancel", "feature-not-implemented", "Presence is not offered by this gateway"));
		else
			h.send(st.error_reply(stanza, "modify", "bad-request", "Invalid presence type"));
		end
		return true;
	end

	return handlers;
end

return { new = new };
