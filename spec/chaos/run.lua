-- run.lua: what `make chaos` and `make chaos-full` do: messages both ways under a schedule of faults, then the balance.
-- SPDX-License-Identifier: MIT
--
--	lua5.4 spec/chaos/run.lua [SECONDS=600] [MESSAGES=n] [SEED=n] [RATE=each way]
-- Faults until so many seconds are over (SECONDS) or so many messages are sent, both ways together (MESSAGES). Status 1 when the
-- balance does not come out.

local play = require "spec.chaos.play";

local options = {};
for _, word in ipairs(arg) do
	local key, value = word:match("^(%u+)=(%d*)$");
	if not key then error("not KEY=number: "..word, 0); end
	options[key:lower()] = tonumber(value);
end
io.stdout:setvbuf("line");
os.exit(play(options, print) and 0 or 1);
