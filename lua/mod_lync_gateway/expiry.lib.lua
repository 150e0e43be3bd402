-- When our own certificates end: the bridge's, and Prosody's for the host. Said in the log, the shell and the metrics.
-- SPDX-License-Identifier: MIT
--
-- What counts is what is in use: files are read when the servers read them, at the start and on a reload.

local expiry = {};

local DAY = 86400;
local PERIOD = 3600; -- seconds between two looks
local THRESHOLDS = { 1, 7, 30 }; -- days before the end

-- Seconds since 1970, both -> 0 (it has ended), 1, 7, 30, or nil: far away, or unknown
function expiry.threshold(not_after, now)
	if not not_after then return nil; end
	if now >= not_after then return 0; end
	for _, days in ipairs(THRESHOLDS) do
		if not_after - now <= days * DAY then return days; end
	end
end

-- Is it to be said? Once a day, and at once when it gets worse. said: role -> { threshold, day, not_after }, kept
function expiry.due(said, role, not_after, now)
	local threshold, day, last = expiry.threshold(not_after, now), now // DAY, said[role];
	if not threshold then
		said[role] = nil;
		return nil;
	end
	if last and last.threshold == threshold and last.day == day and last.not_after == not_after then return nil; end
	said[role] = { threshold = threshold; day = day; not_after = not_after };
	return threshold;
end

function expiry.date(time)
	return os.date("!%Y-%m-%d %H:%M UTC", time);
end

-- "until 2026-12-25 09:00 UTC (29 days)"
function expiry.describe(not_after, now)
	local date = expiry.date(not_after);
	if now >= not_after then return ("EXPIRED at %s"):format(date); end
	return ("until %s (%d days)%s"):format(date, (not_after - now) // DAY,
		expiry.threshold(not_after, now) and " RENEW IT" or "");
end

-- h: state, timer, log, metrics; env: time(), files(h) -> list of { role, path }, ends(path) -> seconds | nil, why
function expiry.new(h, env)
	local watch = { rows = {} };
	h.state.expiry = h.state.expiry or {};

	function watch.look()
		local now = env.time();
		for _, row in ipairs(watch.rows) do
			if row.not_after then h.metrics.certificate(row.role, row.not_after); end
			local threshold = expiry.due(h.state.expiry, row.role, row.not_after, now);
			if threshold then
				h.log(threshold <= 1 and "error" or "warn", "certificate %s: %s (token=%s role=%s file=%q)", threshold == 0
					and "has expired" or "expires soon", expiry.describe(row.not_after, now), threshold == 0
					and "certificate-expired" or "certificate-expires", row.role, row.path);
			end
		end
	end

	local function again()
		watch.timer = h.timer(PERIOD, function ()
			again(); -- first: whatever happens, it goes on
			watch.look();
		end);
	end

	-- The servers have read their certificates.
	function watch.start()
		watch.stop();
		watch.rows = env.files(h);
		for _, row in ipairs(watch.rows) do
			row.not_after, row.problem = env.ends(row.path);
		end
		watch.look();
		again();
	end

	function watch.stop()
		if watch.timer then
			watch.timer.stop();
			watch.timer = nil;
		end
	end

	-- Words for `lync status`, one line each.
	function watch.lines()
		local lines = {};
		for i, row in ipairs(watch.rows) do
			lines[i] = ("%s %s"):format(row.role, row.not_after and expiry.describe(row.not_after, env.time())
				or ("unknown: %s"):format(row.problem or row.path));
		end
		return lines;
	end

	return watch;
end

return expiry;
