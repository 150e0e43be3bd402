-- mod_bench_reload: what a reload of the configuration takes of Prosody's thread, part by part.
-- SPDX-License-Identifier: MIT
--
-- Logs, in milliseconds of processor time: file, reading the configuration's files; gateway, what mod_lync_gateway does
-- in its handler; others, what other modules do; after, everything in the second that follows (timers, garbage, and
-- AFTER seconds of an idle server).

local AFTER = 1;
local GATEWAY = -10; -- the priority of mod_lync_gateway's handler

module:set_global();

local clock = os.clock;
local start, read, before, gateway;

local function ms(seconds)
	return ("%.2f"):format(seconds * 1000);
end

module:hook_global("reloading-config", function () start = clock(); end, 1000);
module:hook_global("config-reloaded", function () read = clock(); end, 1000);
module:hook_global("config-reloaded", function () before = clock(); end, GATEWAY + 0.001);
module:hook_global("config-reloaded", function () gateway = clock(); end, GATEWAY - 0.001);
module:hook_global("config-reloaded", function ()
	local done = clock();
	module:add_timer(AFTER, function ()
		module:log("info", "reloaded: file=%s gateway=%s others=%s after=%s", ms(read - start), ms(gateway - before),
			ms(before - read + done - gateway), ms(clock() - done));
	end);
end, -1000);
