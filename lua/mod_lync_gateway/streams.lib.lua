-- The s2s streams of the gateway's hosts, for the shell and for the gauges.
-- SPDX-License-Identifier: MIT

local streams = {};

local function age(now, since)
	return since and math.max(0, math.floor(now - since)) or 0;
end

-- Streams of one host, by domain: { host, remote, direction, ip, method|nil, tls|nil, age, idle }; without a method it
-- is not authenticated yet
function streams.of_host(h)
	local rows, now = {}, h.now();
	local function add(session, remote, method)
		rows[#rows+1] = {
			host = h.host; remote = remote or "?"; direction = h.gate.direction_of(session); ip = session.ip;
			method = method; tls = h.tls_version(session); age = age(now, session.lync_since);
			idle = age(now, session.lync_stanza or session.lync_since);
		};
	end
	local seen = {};
	for _, session in pairs(h.sessions()) do
		local marks = session.lync_authed and session.lync_authed[h.host];
		for remote, method in pairs(marks or {}) do
			add(session, remote, method);
		end
		if not marks and session.host == h.host then
			add(session, h.gate.remote_of(session));
		end
		seen[session] = true;
	end
	for remote, session in pairs(h.s2sout_all()) do
		if not seen[session] then -- not connected yet
			add(session, remote);
		end
	end
	table.sort(rows, function (a, b)
		return a.remote..a.direction < b.remote..b.direction;
	end);
	return rows;
end

function streams.describe(row)
	return ("  %-3s %s  %s, %s, open %ds, idle %ds%s"):format(row.direction, row.remote,
		row.method or "not authenticated yet", row.tls or "clear text", row.age, row.idle,
		row.ip and " ("..row.ip..")" or "");
end

-- Gauges of every host: authenticated streams.
function streams.measure(pool)
	for _, h in pairs(pool.hosts) do
		local counts = {};
		for _, row in ipairs(streams.of_host(h)) do
			if row.method then
				local partner = h.metrics.partner(row.remote);
				local key = partner.." "..row.direction.." "..row.method;
				local entry = counts[key] or { count = 0 };
				entry.partner, entry.direction, entry.method = partner, row.direction, row.method;
				counts[key] = entry;
				entry.count = entry.count + 1;
			end
		end
		h.metrics.streams(counts);
	end
end

return streams;
