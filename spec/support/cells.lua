-- cells.lua: settings of a partner x direction x what its server does: all cells that are tried, always the same.
-- SPDX-License-Identifier: MIT
--
--	local list = cells.all()		-- each { id, row, direction, domain, … }, the rest says what the peer does
--	cells.partners(list)			-- raw Lua for lync_partners
--	cells.describe(cell)			-- one line
--
-- row: 1 to 18 of the matrix, or "unlisted". What an incoming peer does:
--   version "1.0", "none"
--   tls "none" (also where it is offered), "starttls" (also where it is not), "direct", "garbage" or "cut" (after <proceed/>)
--   cert: kind, with TLS
--   from, in the stream header: "present", "missing" (in all), "late" (only from the second on), "changed" (the second has another
--     partner's), "changed-to" (the first has)
--   auth "EXTERNAL", "PLAIN", "dialback", "unsolicited" (answers to nothing); authzid "own", "empty", "other"
--   vouch, what its authoritative server says of the key: "valid", "invalid", "error", "silent", "absent" (no such server)
--   piggyback: the stream is another partner's, the key its own; after = "starttls": once authenticated
-- What a server does to which the gateway connects:
--   version, cert, from (in its headers): as above
--   starttls "offer", "required", "absent", "refuse", "garbage", "cut"
--   sasl "accept", "refuse", "drop" (ends the stream at <auth/>), "gone" (the same, for another reason), "absent"
--   dialback "valid", "invalid", "error", "unknown" (ends the stream at the key), "clear-only" (that, over TLS), "silent",
--     "unsolicited" (says valid before it is asked)

local expected = require "spec.support.cells_expected";

local cells = {};

cells.ROWS = {};
for number in ipairs(expected.rows) do cells.ROWS[number] = number; end
cells.ROWS[#cells.ROWS + 1] = "unlisted";

-- All combinations of lists: product { tls = { "none" }, auth = { "a", "b" } } gives two tables.
local function product(dimensions)
	local names, all = {}, { {} };
	for name in pairs(dimensions) do names[#names + 1] = name; end
	table.sort(names);
	for _, name in ipairs(names) do
		local next_all = {};
		for _, one in ipairs(all) do
			for _, value in ipairs(dimensions[name]) do
				local copy = {};
				for key, v in pairs(one) do copy[key] = v; end
				copy[name] = value;
				next_all[#next_all + 1] = copy;
			end
		end
		all = next_all;
	end
	return all;
end

local BAD = { "self-signed", "wrong-name", "expired", "not-yet", "foreign", "cn-only" };
-- Of these only the name, or the usage, is special. "cn-address": a subjectAltName without a name, and a common name;
-- "wildcard-far": for two labels; "wildcard-part": of a label; "srv-client": of another service; "xmpp-user": of somebody there.
local ODD = { "server-only", "client-only", "cn-address", "wildcard-far", "wildcard-part", "srv-client", "xmpp-user" };
local function with_bad(...)
	local list = { ... };
	for _, kind in ipairs(BAD) do list[#list + 1] = kind; end
	return list;
end

local IN = {
	-- in clear text
	{ version = { "1.0", "none" }, from = { "present", "missing" }, auth = { "dialback" },
		vouch = { "valid", "invalid", "error", "silent" } };
	{ auth = { "dialback" }, vouch = { "absent" } };
	{ auth = { "dialback" }, vouch = { "valid" }, after = { "starttls" } };
	{ auth = { "dialback" }, vouch = { "valid", "invalid" }, piggyback = { true } };
	{ auth = { "EXTERNAL" }, from = { "present", "missing" } };
	{ auth = { "PLAIN", "unsolicited" } };
	-- with TLS
	{ tls = { "starttls" }, cert = with_bad("good", "wildcard", "srv", "xmpp", "none"), auth = { "EXTERNAL" } };
	{ tls = { "starttls" }, cert = ODD, auth = { "EXTERNAL" } };
	{ tls = { "starttls" }, cert = with_bad("good", "xmpp", "none"), auth = { "dialback" }, vouch = { "valid", "invalid" } };
	{ tls = { "starttls" }, cert = { "good", "none" }, auth = { "dialback" }, vouch = { "silent", "absent" } };
	{ tls = { "starttls" }, cert = { "good" }, auth = { "EXTERNAL" }, authzid = { "empty", "other" } };
	{ tls = { "starttls" }, cert = { "good" }, auth = { "PLAIN", "unsolicited" } };
	{ tls = { "starttls" }, cert = { "good" }, auth = { "dialback" }, vouch = { "valid", "invalid" }, piggyback = { true } };
	{ tls = { "starttls" }, cert = { "good", "self-signed", "none" }, from = { "late" }, auth = { "EXTERNAL" } };
	{ tls = { "starttls" }, cert = { "good", "none" }, from = { "late" }, auth = { "dialback" }, vouch = { "valid", "invalid" } };
	{ tls = { "starttls" }, cert = { "good" }, from = { "missing" }, auth = { "EXTERNAL" } };
	{ tls = { "starttls" }, cert = { "good", "none" }, from = { "missing" }, auth = { "dialback" }, vouch = { "valid" } };
	{ tls = { "starttls" }, cert = { "good" }, from = { "changed", "changed-to" }, auth = { "EXTERNAL" } };
	{ tls = { "direct" }, cert = { "good", "xmpp", "self-signed", "wrong-name", "expired", "none" }, auth = { "EXTERNAL" } };
	{ tls = { "direct" }, cert = { "good", "self-signed", "none" }, auth = { "dialback" }, vouch = { "valid", "invalid" } };
	{ version = { "none" }, tls = { "direct" }, cert = { "good", "self-signed", "none" }, auth = { "dialback" },
		vouch = { "valid", "invalid" } };
	{ version = { "none" }, tls = { "starttls" }, cert = { "good" }, auth = { "EXTERNAL" } };
	{ version = { "none" }, tls = { "starttls" }, cert = { "good" }, auth = { "dialback" }, vouch = { "valid" } };
	{ tls = { "garbage", "cut" }, cert = { "good" }, auth = { "EXTERNAL" } };
};

local OUT = {
	{ version = { "none" }, starttls = { "absent" }, dialback = { "valid", "invalid", "error", "unknown", "silent" } };
	{ starttls = { "absent" }, dialback = { "valid", "invalid", "error", "unknown", "unsolicited" } };
	{ starttls = { "absent" }, from = { "missing", "changed" }, dialback = { "valid" } };
	{ starttls = { "refuse", "garbage", "cut" }, cert = { "good" }, sasl = { "accept" }, dialback = { "valid", "invalid" } };
	{ starttls = { "offer" }, cert = with_bad("good", "exact", "srv", "xmpp"), sasl = { "accept" },
		dialback = { "valid", "invalid" } };
	{ starttls = { "offer" }, cert = ODD, sasl = { "accept" }, dialback = { "valid" } };
	{ starttls = { "offer" }, cert = { "good", "self-signed" }, sasl = { "refuse", "drop", "gone", "absent" },
		dialback = { "valid", "invalid", "unknown", "clear-only" } };
	{ starttls = { "offer" }, cert = { "wrong-name", "expired" }, sasl = { "refuse", "absent" }, dialback = { "valid" } };
	{ starttls = { "required" }, cert = { "good", "self-signed" }, sasl = { "accept", "absent" }, dialback = { "valid" } };
	{ starttls = { "offer" }, cert = { "good", "self-signed" }, sasl = { "absent" }, dialback = { "error", "silent" } };
	{ starttls = { "offer" }, cert = { "good" }, sasl = { "accept" }, dialback = { "unsolicited" } };
	{ starttls = { "offer" }, cert = { "good", "self-signed" }, sasl = { "accept", "absent" }, from = { "missing", "changed" },
		dialback = { "valid" } };
};

-- Who is no partner is not connected to, whatever its server would do: little of that is enough.
local OUT_STRANGER = {
	{ version = { "none" }, starttls = { "absent" }, dialback = { "valid" } };
	{ starttls = { "absent" }, dialback = { "valid", "unsolicited" } };
	{ starttls = { "offer", "required" }, cert = { "good", "self-signed" }, sasl = { "accept", "absent" }, dialback = { "valid" } };
};

local DEFAULTS = {
	["in"] = { version = "1.0"; tls = "none"; from = "present"; authzid = "own" };
	out = { version = "1.0"; from = "present" };
};

local function add(list, row, direction, groups)
	local n = 0;
	for _, dimensions in ipairs(groups) do
		for _, cell in ipairs(product(dimensions)) do
			n = n + 1;
			cell.row, cell.direction = row, direction;
			cell.id = ("%s-%s-%d"):format(direction, row, n);
			for key, value in pairs(DEFAULTS[direction]) do cell[key] = cell[key] or value; end
			if direction == "out" then
				cell.domain = cell.id..".out.example";
			else
				cell.domain = ("row-%s.%s.example"):format(row, cell.vouch == "absent" and "nobody" or "in");
			end
			list[#list + 1] = cell;
		end
	end
end

--- All cells.
function cells.all()
	local list = {};
	for _, row in ipairs(cells.ROWS) do
		local stranger = next(expected.rows[row].methods) == nil;
		add(list, row, "in", IN);
		add(list, row, "out", stranger and OUT_STRANGER or OUT);
	end
	for number, cell in ipairs(list) do cell.number = number; end
	cells.HOST_DOMAIN = ("row-%s.in.example"):format(expected.HOST_ROW);
	return list;
end

local PARTNER = '["%s"] = { partner_type = "federated"; tls_negotiation = "%s"; sasl_negotiation = "%s"; '
	.. "support_dialback_negotiation = %s; connection_limit = 10000 }";

--- lync_partners of all domains that are listed.
function cells.partners(list)
	local parts, seen = {}, {};
	for _, cell in ipairs(list) do
		local row = expected.rows[cell.row];
		if row.tls and not seen[cell.domain] then
			seen[cell.domain] = true;
			parts[#parts + 1] = PARTNER:format(cell.domain, row.tls, row.sasl, tostring(row.dialback));
		end
	end
	return table.concat(parts, ";\n\t\t");
end

--- The domains of the cells of a direction for which matches(cell) holds, each once; "nobody"'s are in it too.
function cells.domains(list, direction, matches)
	local domains, seen = {}, {};
	for _, cell in ipairs(list) do
		if cell.direction == direction and not seen[cell.domain] and (not matches or matches(cell)) then
			seen[cell.domain] = true;
			domains[#domains + 1] = cell.domain;
		end
	end
	return domains;
end

local SHOWN = { "version", "tls", "starttls", "cert", "from", "sasl", "auth", "authzid", "vouch", "dialback", "piggyback",
	"after" };

--- Settings and behaviour in one line.
function cells.describe(cell)
	local row, parts = expected.rows[cell.row], {};
	for _, key in ipairs(SHOWN) do
		if cell[key] ~= nil and not (key == "authzid" and cell.auth ~= "EXTERNAL") then
			parts[#parts + 1] = ("%s=%s"):format(key, tostring(cell[key]));
		end
	end
	return ("%s: settings TLS=%s SASL=%s dialback=%s; peer %s"):format(cell.id, tostring(row.tls), tostring(row.sasl),
		tostring(row.dialback), table.concat(parts, " "));
end

return cells;
