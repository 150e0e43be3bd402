-- How long Prosody's loop is kept by us: each call of ours from the loop is a turn, timed from its begin to its end;
-- all but the short way of an ordinary message, which costs less than taking the time.
-- SPDX-License-Identifier: MIT
--
-- A handler that runs within another one of ours belongs to that one's turn. What waits (a coroutine of Prosody's that
-- yields) is counted no further. Loops over many things ask over() after each, and go on in another turn.

local running, status = coroutine.running, coroutine.status;

local LIMIT = 0.02;   -- seconds: what the documentation promises
local BUDGET = 0.005; -- after so many a loop of ours stops
local TOLD = 10;      -- seconds between two lines in the log

-- env: now() in seconds, log(level, ...)
local function new(env)
	local now = env.now;
	local turns = { longest = 0; long = {} };
	local owner, started; -- of the turn that runs
	local told, untold = -TOLD, 0;

	local function tell(where, seconds)
		turns.long[where] = turns.long[where] + 1;
		if started - told < TOLD then
			untold = untold + 1;
			return;
		end
		env.log("info", "long turn: the server waited for the gateway (where=%s ms=%d more=%d)", where,
			math.floor(seconds * 1000), untold);
		told, untold = started, 0;
	end

	local function ended(where)
		if owner ~= running() then return; end -- it had waited, and others were there meanwhile
		owner = nil;
		local seconds = now() - started;
		if seconds > turns.longest then
			turns.longest = seconds;
		end
		if seconds > LIMIT then
			tell(where, seconds);
		end
	end

	local enders = {};
	local function ender(where)
		if not enders[where] then
			enders[where] = setmetatable({}, { __close = function () ended(where); end });
			turns.long[where] = 0;
		end
		return enders[where];
	end

	-- The same function, as a turn. where: a word of ours, which is a label.
	function turns.timed(where, f)
		local guard = ender(where);
		return function (...)
			if owner then
				local state = status(owner);
				if state ~= "suspended" and state ~= "dead" then return f(...); end
			end
			owner, started = running(), now();
			local _ <close> = guard;
			return f(...);
		end;
	end

	-- A module's API whose hooks are turns.
	function turns.hooks(module, where) -- luacheck: ignore 431/module
		return setmetatable({
			hook = function (_, name, f, priority) return module:hook(name, turns.timed(where, f), priority); end;
			hook_global = function (_, name, f, priority)
				return module:hook_global(name, turns.timed(where, f), priority);
			end;
		}, { __index = module });
	end

	-- Has this turn lasted long enough?
	function turns.over()
		return owner ~= nil and now() - started > BUDGET;
	end

	-- The longest turn since the last call, and how many were too long by where, since the beginning.
	function turns.take()
		local longest = turns.longest;
		turns.longest = 0;
		return longest, turns.long;
	end

	return turns;
end

return { new = new; LIMIT = LIMIT; BUDGET = BUDGET };
