-- The end of the server: errors and receipts that wait for a stream get a moment to leave.
-- SPDX-License-Identifier: MIT

local WAIT = 2;     -- seconds at most
local STEP = 0.05;  -- mod_s2s sends its queue after its event: look, do not guess

local farewell = {};

-- Is anything of these hosts still in mod_s2s' queues? streams_of(host) -> domain -> session
function farewell.waiting(hosts, streams_of)
	for host in pairs(hosts) do
		for _, session in pairs(streams_of(host) or {}) do
			if session.sendq and not session.destroyed then
				return true;
			end
		end
	end
	return false;
end

-- env: hosts, streams_of(host), timer; callback when all has left or the time is over
function farewell.wait(env, callback)
	local left = WAIT;
	local function look()
		if left <= 0 or not farewell.waiting(env.hosts, env.streams_of) then
			return callback();
		end
		left = left - STEP;
		env.timer(STEP, look);
	end
	look();
end

return farewell;
