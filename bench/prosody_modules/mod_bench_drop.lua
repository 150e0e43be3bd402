-- mod_bench_drop: a host where messages end in a hook: what Prosody itself costs.
-- SPDX-License-Identifier: MIT

local st = require "util.stanza";

for _, scope in ipairs { "bare", "full", "host" } do
	module:hook("message/"..scope, function () return true; end, 1000);
end

-- Answered after everything that came before it.
module:hook("iq/host", function (event)
	if event.stanza.attr.type == "get" then
		module:send(st.reply(event.stanza));
		return true;
	end
end, 1000);
