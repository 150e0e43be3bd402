-- The conversations of all bridges, for the shell and for the gauges.
-- SPDX-License-Identifier: MIT

local jid_host = require "util.jid".host;

local WAIT = 2; -- seconds for a worker's list

local sessions = {};

-- callback(rows, complete); rows: "session" events with their bridge's name
function sessions.collect(pool, callback)
	local rows, missing, finished = {}, 1, false;
	local timer;
	local function finish(complete)
		if finished then return; end
		finished = true;
		if timer then timer.stop(); end
		callback(rows, complete);
	end
	local function one_less()
		missing = missing - 1;
		if missing == 0 then finish(true); end
	end
	for _, record in pairs(pool.records) do
		if record.bridge and record.worker == 1 and not record.closing then
			missing = missing + 1;
			pool.env.pump.sessions(record, function (found)
				for _, row in ipairs(found) do
					rows[#rows+1] = row;
				end
				one_less();
			end);
		end
	end
	timer = pool.env.timer(WAIT, function () finish(false); end);
	one_less();
end

-- Gauges of every host.
function sessions.measure(pool)
	for host, h in pairs(pool.hosts) do
		local record = pool:record_of(host);
		h.metrics.queue("x2s", record and record.bridge and record.bridge:inflight() or 0);
	end
	sessions.collect(pool, function (rows, complete)
		if not complete then return; end
		local counts = {};
		for _, row in ipairs(rows) do
			local h = pool.hosts[row.user and jid_host(row.user) or ""];
			if h then
				local of_host = counts[h] or {};
				local partner = h.metrics.partner(row.contact);
				of_host[partner] = (of_host[partner] or 0) + 1;
				counts[h] = of_host;
			end
		end
		for _, h in pairs(pool.hosts) do
			h.metrics.sessions(counts[h] or {});
		end
	end);
end

return sessions;
