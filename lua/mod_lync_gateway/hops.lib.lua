-- What is between a contact and a Lync user, for `lync explain`: may the user write, what connects both sides now, and
-- what failed last.
-- SPDX-License-Identifier: MIT

local jid_bare = require "util.jid".bare;
local jid_host = require "util.jid".host;

local hops = {};

local function line(what, text)
	return ("  %-22s %s"):format(what, text);
end

local function streams_of(settings, primary, rows)
	local found = {};
	for _, row in ipairs(rows) do
		if settings:primary(row.remote) == primary then
			found[#found+1] = ("%s %s"):format(row.direction, row.method or "not authenticated yet");
		end
	end
	return #found > 0 and table.concat(found, ", ") or "none now, made when needed";
end

-- h: settings, failures; rows: of streams.of_host; edge: what the bridge says of the Access Edge
function hops.lines(h, contact, user, rows, edge)
	local ok, token, text = h.settings:may { direction = "out"; contact = jid_bare(contact); user = jid_bare(user);
		kind = "message" };
	local lines = { line("user writes to contact", ok and "allowed" or ("%s (%s)"):format(token, text or "refused")) };
	local primary = h.settings:primary(jid_host(contact));
	if primary then
		lines[2] = line("streams of partner", streams_of(h.settings, primary, rows));
	end
	lines[#lines+1] = line("Access Edge", edge);
	for _, failure in ipairs(h.failures and h.failures.lines(primary) or {}) do
		lines[#lines+1] = failure;
	end
	return lines;
end

return hops;
