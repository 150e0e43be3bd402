-- mod_test_filter: a site's own filter, between the gateway's gate and its handlers: refuses what has the word "forbidden".
-- SPDX-License-Identifier: MIT

-- luacheck: globals module

local st = require "util.stanza";

local AFTER_GATE, BEFORE_HANDLERS = 1000, 100; -- priorities of the gateway

local function filter(event)
	local stanza = event.stanza;
	if not (stanza:get_child_text("body") or ""):find("forbidden", 1, true) then return; end
	module:send(st.error_reply(stanza, "cancel", "policy-violation", "The site's filter"));
	return true;
end

for _, name in ipairs { "message/bare", "message/full" } do
	module:hook(name, filter, (AFTER_GATE + BEFORE_HANDLERS) / 2);
end
