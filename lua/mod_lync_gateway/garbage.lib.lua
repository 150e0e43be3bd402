-- Prosody's garbage collector, and what makes much garbage at once.
-- SPDX-License-Identifier: MIT

local xpcall = require "util.xpcall".xpcall;

local garbage = {};

-- Calls fn while the collector waits. Prosody has it begin anew whenever memory has grown by a twentieth, which a
-- reload of thousands of partners does again and again: each time it would go through all there is, the configuration
-- above all. It catches up afterwards in the small steps of every day. For what ends soon and does not wait.
function garbage.put_off(fn)
	if not collectgarbage("isrunning") then return fn(); end
	collectgarbage("stop");
	local ok, err = xpcall(fn, debug.traceback);
	collectgarbage("restart");
	if not ok then
		error(err, 0);
	end
end

return garbage;
