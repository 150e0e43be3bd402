-- What a reload has changed: two sets of options -> lines for people.
-- SPDX-License-Identifier: MIT

local LINES_MAX = 100;
local secret = { dialback_passphrase = true };

local changes = {};

local function is_list(value)
	local n = 0;
	for _ in pairs(value) do
		n = n + 1;
	end
	return n == #value;
end

local function show(value)
	if type(value) == "string" then
		return ("%q"):format(value):gsub("%c+", " ");
	elseif type(value) == "table" then
		return next(value) == nil and "{}" or "{ … }";
	end
	return tostring(value);
end

-- As the core writes the path of a key.
local function path_of(path, key)
	if type(key) == "string" and key:match("^[%a_][%w_]*$") then
		return path == "" and key or path.."."..key;
	end
	return ("%s[%s]"):format(path, show(key));
end

local function sorted_keys(a, b)
	local keys, seen = {}, {};
	for _, map in ipairs { a, b } do
		for key in pairs(map) do
			if not seen[key] then
				seen[key] = true;
				keys[#keys+1] = key;
			end
		end
	end
	table.sort(keys, function (x, y) return tostring(x) < tostring(y); end);
	return keys;
end

local function missing(list, others)
	local have, result = {}, {};
	for _, value in ipairs(others) do
		have[value] = true;
	end
	for _, value in ipairs(list) do
		if not have[value] then
			result[#result+1] = show(value);
		end
	end
	return table.concat(result, ", ");
end

local function of_lists(path, old, new, say)
	local added, removed = missing(new, old), missing(old, new);
	if added ~= "" then say(path..": added "..added); end
	if removed ~= "" then say(path..": removed "..removed); end
	if added == "" and removed == "" and table.concat(old, "\0") ~= table.concat(new, "\0") then
		say(path..": in another order");
	end
end

local function scalars(list)
	for _, value in ipairs(list) do
		if type(value) == "table" then return false; end
	end
	return true;
end

local function compare(path, old, new, say)
	if type(old) == "table" and type(new) == "table" then
		if is_list(old) and is_list(new) and scalars(old) and scalars(new) then
			return of_lists(path, old, new, say);
		end
		for _, key in ipairs(sorted_keys(old, new)) do
			local name = path_of(path, key);
			if secret[key] then
				if old[key] ~= new[key] then say(name..": changed"); end
			else
				compare(name, old[key], new[key], say);
			end
		end
	elseif old == nil and new ~= nil then
		say(("%s: added%s"):format(path, type(new) == "table" and "" or " = "..show(new)));
	elseif new == nil and old ~= nil then
		say(("%s: removed%s"):format(path, type(old) == "table" and "" or ", was "..show(old)));
	elseif old ~= new then
		say(("%s: %s -> %s"):format(path, show(old), show(new)));
	end
end

-- Options by name, before and after -> lines; at most LINES_MAX, and how many more.
function changes.lines(old, new)
	local lines, more = {}, 0;
	compare("", old, new, function (line)
		if #lines < LINES_MAX then
			lines[#lines+1] = line;
		else
			more = more + 1;
		end
	end);
	if more > 0 then
		lines[#lines+1] = ("and %d more"):format(more);
	end
	return lines, more;
end

-- Closed for the settings; of a session that has ended already Prosody has taken away every field.
local function is_over(session)
	return session.lync_again or session.destroyed or session.type == nil;
end

-- What a reload may change, of every host: the options as they were read last, whatever the files say now.
function changes.snapshot(pool)
	local before = {};
	for name, h in pairs(pool.hosts) do
		local seen = { options = h.options; streams = {} };
		for _, session in pairs(h.sessions()) do
			if not is_over(session) then
				seen.streams[session] = session.host == h.host or (session.lync_authed or {})[h.host] ~= nil;
			end
		end
		before[name] = seen;
	end
	return before;
end

local function closed_streams(seen)
	local n = 0;
	for session, is_ours in pairs(seen.streams) do
		if is_ours and is_over(session) then
			n = n + 1;
		end
	end
	return n;
end

-- What became of a host: prints it; number of errors. seen: of changes.snapshot, nil for a host that is new
function changes.report(print, h, seen)
	local errors = 0;
	print(h.host..(seen and "" or " (new)"));
	seen = seen or { options = h.options; streams = {} };
	local lines = changes.lines(seen.options, h.options);
	for _, text in ipairs(lines) do
		print("  changed  "..text);
	end
	if #lines == 0 then
		print("  no option has changed");
	end
	local closed = closed_streams(seen);
	if closed > 0 then
		print(("  closed   %d stream(s) that comply with the settings no more"):format(closed));
	end
	for _, problem in ipairs(h.problems) do
		errors = errors + (problem.level == "error" and 1 or 0);
		print(("  %-8s %s"):format(problem.level == "error" and "error" or "warning", problem.text));
	end
	return errors;
end

return changes;
