-- A connection that swallows what it is given: three requests without an answer, and it is given up for a new one.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";

local NAMES = { "a", "b", "c" }; -- SB_EDGE_SILENCES

describe("an Edge that takes requests and answers none", function ()
	local w, romeo;
	setup(function ()
		w = World.new { wire = { message_timeout = 32; options_interval = 0 } };
		romeo = w:contact("romeo");
	end);
	teardown(function () w:finish(); end);

	-- The time-out is the new one for the SIP stack, too: it was made when the bridge was opened.
	it("is called anew when the time-out that a reload has set is over", function ()
		w.gateway:reload("message_timeout = 32", "message_timeout = 1");
		w.gateway:wait_log("configured bridge", 5);
		local pid, ids = w:worker_pid(), {};
		for i, name in ipairs(NAMES) do
			w:lync_user(name):answers("MESSAGE", { never = true, times = 1 }):answers("BYE", "never");
			ids[i] = romeo:message(name.."@contoso.com", "into the void");
		end
		for _, id in ipairs(ids) do
			assert.equal("remote-server-timeout", (romeo:wait_error(id, 5)));
		end
		w.gateway:wait_log("reset connection: 3 requests in a row", 5);
		for _, name in ipairs(NAMES) do
			romeo:message(name.."@contoso.com", "heard again");
			w:lync_user(name):wait_message("heard again", 5);
		end
		assert.equal(pid, w:worker_pid());
	end);
end);
