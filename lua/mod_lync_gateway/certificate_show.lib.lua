-- Certificates, keys and requests in words, and as a table for JSON. Pure.
-- SPDX-License-Identifier: MIT

local show = {};

local DAY = 86400;

local function iso(time)
	return time and os.date("!%Y-%m-%dT%H:%M:%SZ", time) or nil;
end

local function left(facts, now)
	if not facts.not_after then return "unknown"; end
	local days = (facts.not_after - now) // DAY;
	if now >= facts.not_after then return ("EXPIRED for %d day(s)"):format((now - facts.not_after) // DAY); end
	if facts.not_before and now < facts.not_before then return "NOT YET VALID"; end
	return ("%d day(s) left"):format(days);
end

local function spaced(fingerprint)
	return fingerprint:gsub("%x%x", "%0:"):sub(1, -2);
end

local function usage_words(usage)
	if not usage then return "any (none is named)"; end
	return usage.text;
end

-- key: { path, mode, state = "fits" | "does not fit" | "missing" | "not readable" }
local function key_lines(key)
	local line = ("  key          %s: %s"):format(key.path, key.state);
	if key.mode then line = line..(", mode %s"):format(key.mode); end
	if key.exportable ~= nil then line = line..(key.exportable and ", exportable" or ", not exportable"); end
	local lines = { line };
	if key.mode and key.mode:sub(-1) ~= "0" then
		lines[2] = "  WARNING      everybody on this machine may read the key: chmod o= "..key.path;
	end
	return lines;
end

local function append(lines, more)
	for _, line in ipairs(more) do
		lines[#lines+1] = line;
	end
end

-- item: { title, path, facts, key, chain = n, problem }
function show.certificate(item, now)
	local facts, lines = item.facts, { item.title };
	if item.path then lines[#lines+1] = "  file         "..item.path; end
	if not facts then
		lines[#lines+1] = "  PROBLEM      "..item.problem;
		return lines;
	end
	append(lines, {
		"  subject      "..facts.subject; "  names        "..(#facts.names > 0 and table.concat(facts.names, ", ") or "none");
		"  issuer       "..facts.issuer;
		("  valid        %s to %s, %s"):format(iso(facts.not_before), iso(facts.not_after), left(facts, now));
		"  usage        "..usage_words(facts.usage);
		("  strength     %s %s bits, %s"):format(facts.key_type:upper(), facts.key_bits or "?", facts.signature);
		"  serial       "..facts.serial; "  fingerprint  SHA-256 "..spaced(facts.fingerprint);
	});
	if item.chain then lines[#lines+1] = ("  chain        %d certificate(s) in the file"):format(item.chain); end
	if item.key then append(lines, key_lines(item.key)); end
	if item.problem then lines[#lines+1] = "  PROBLEM      "..item.problem; end
	return lines;
end

-- item: { name, path, facts, key, problem }
function show.request(item)
	local facts, lines = item.facts, { ("request %s"):format(item.name or item.path), "  file         "..item.path };
	if not facts then
		lines[#lines+1] = "  PROBLEM      "..item.problem;
		return lines;
	end
	append(lines, {
		"  subject      "..facts.subject; "  names        "..table.concat(facts.names, ", ");
		"  usage        "..usage_words(facts.usage);
		("  strength     %s %s bits, %s"):format(facts.key_type:upper(), facts.key_bits or "?", facts.signature);
	});
	if facts.template then lines[#lines+1] = "  template     "..facts.template; end
	if item.key then append(lines, key_lines(item.key)); end
	return lines;
end

local function usage_table(usage)
	return usage and { text = usage.text; server = usage.server or usage.any; client = usage.client or usage.any } or nil;
end

-- The same for programs. array: makes lists
function show.table(item, now, array)
	local facts = item.facts or {};
	return {
		role = item.role; host = item.host; name = item.name; file = item.path; problem = item.problem; key = item.key;
		subject = facts.subject; names = facts.names and array(facts.names); issuer = facts.issuer;
		not_before = iso(facts.not_before);
		not_after = iso(facts.not_after); days_left = facts.not_after and (facts.not_after - now) // DAY or nil;
		usage = usage_table(facts.usage); key_type = facts.key_type; key_bits = facts.key_bits; template = facts.template;
		signature = facts.signature; serial = facts.serial; fingerprint = facts.fingerprint; chain = item.chain;
	};
end

return show;
