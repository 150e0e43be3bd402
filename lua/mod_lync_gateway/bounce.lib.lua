-- What waited for a stream that cannot be made goes back to who sent it: mod_s2s does that for a whole queue at once;
-- here it gets the queue in pieces, and others have turns in between.
-- SPDX-License-Identifier: MIT

local STEP = 16; -- stanzas of a piece

local bounce = {};

-- A queue for mod_s2s with the next stanzas of another one; nil: it is empty. COMPAT(0.12): a plain list there.
local function piece(queue, at)
	if not queue.push then
		return queue[at] and table.move(queue, at, math.min(at + STEP - 1, #queue), 1, {});
	elseif queue:count() == 0 then
		return nil;
	end
	local left = STEP;
	local function pop()
		left = left - 1;
		return left >= 0 and queue:pop() or nil;
	end
	return { count = function () return math.min(STEP, queue:count()); end; consume = function () return pop; end };
end

-- send_back(session, reason): mod_s2s' own, for a session's whole queue; ended: the session, whose fields Prosody wipes
-- as soon as this returns
function bounce.run(h, ended, reason, send_back)
	local queue, log = ended.sendq, ended.log or h.log;
	if not queue then return; end
	ended.sendq = nil;
	log("info", "Sending error replies for %d queued stanzas because of failed outgoing connection to %s",
		queue.push and queue:count() or #queue, ended.to_host);
	local session = { to_host = ended.to_host; from_host = ended.from_host; had_stream = ended.had_stream; log =
		function (level, ...)
			if level ~= "info" then log(level, ...); end -- that line again, for each piece
		end };
	local at = 1;
	local function some()
		repeat
			session.sendq, at = piece(queue, at), at + STEP;
			if not session.sendq then return; end
			send_back(session, reason);
		until h.over() and not h.pool.stopping;
		h.timer(0, some, "stream");
	end
	some();
end

return bounce;
