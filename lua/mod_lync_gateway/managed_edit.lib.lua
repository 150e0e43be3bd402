-- What the commands that edit the managed file have in common: words, where something stands, refusal, writing.
-- SPDX-License-Identifier: MIT

local arguments = module:require "arguments";
local managed = module:require "managed";

local edit = {};

-- ---- words

local kinds = { host = "value"; whatif = "flag"; json = "flag"; none = "flag" };

local function snake(name)
	return (name:gsub("(%l)(%u)", "%1_%2"):lower());
end

-- args -> { words…, sets = { { key, op, text }… }, host, whatif, json, none } | nil, what is wrong
function edit.parse(args)
	local words, sets = {}, {};
	for _, arg in ipairs(args) do
		local key, op, text = arg:match("^([%w_]+)([+-]?)=(.*)$");
		if key then
			table.insert(sets, { key = key; op = op; text = text });
		elseif arg:find("^%-%a") then
			return nil, ("Unexpected argument: %s; parameters are written as in %s=VALUE"):format(arg, snake(arg:sub(2)));
		else
			table.insert(words, arg);
		end
	end
	local parsed, wrong = arguments.parse(words, kinds);
	if not parsed then return nil, wrong; end
	parsed.sets = sets;
	return parsed;
end

-- verb: { least and most words besides its own, whether KEY=VALUE may (true), must ("some") or may not (nil) be there }
-- -> what is wrong | nil
local function misused(verb, parsed)
	if #parsed - 1 > verb[2] then
		return "Unexpected argument: "..parsed[verb[2] + 2];
	elseif #parsed - 1 < verb[1] then
		return parsed[1]..": an argument is missing";
	elseif not verb[3] and parsed.sets[1] then
		return ("Unexpected argument: %s="):format(parsed.sets[1].key);
	elseif verb[3] == "some" and not parsed.sets[1] then
		return parsed[1]..": KEY=VALUE is missing";
	end
end

-- Run verbs[word] with the words that it takes: { least, most, sets, function (env, parsed, command) -> status }.
function edit.dispatch(verbs, usage, env, args, command)
	local parsed, wrong = edit.parse(args);
	local verb = parsed and verbs[parsed[1] or ""];
	if verb then
		wrong = misused(verb, parsed);
	elseif parsed then
		wrong = parsed[1] and "Unknown word: "..parsed[1] or "A word is missing";
	end
	if wrong then
		env.print(wrong.."\n\nUsage: prosodyctl mod_lync_gateway COMMAND …\n\n"..usage);
		return 2;
	end
	return verb[4](env, parsed, command);
end

-- ---- where something stands

local name_patterns = { '"([^"]*)"', "'([^']*)'", "([%w_]+)%s*=" };

-- Where names stand in the text of a configuration, from the first mention of an option on: "name", 'name' or name =.
-- A guess, for people: the configuration does not tell. -> lower name -> line
function edit.index(text, option)
	local lines, n, inside = {}, 0, false;
	for line in (text.."\n"):gmatch("(.-)\n") do
		n = n + 1;
		local code = line:gsub("%-%-.*$", ""):lower();
		inside = inside or code:find(option, 1, true) ~= nil;
		for _, pattern in ipairs(inside and name_patterns or {}) do
			for name in code:gmatch(pattern) do
				lines[name] = lines[name] or n;
			end
		end
	end
	return lines;
end

local function read_text(path)
	local f = io.open(path);
	if not f then return nil; end
	local text = f:read("a");
	f:close();
	return text;
end

-- What stands where: { names = { as compared -> as written in the configuration }, indexes = one of each file of it,
-- lines = as compared -> line of the managed file }
local function places(t, option)
	t.places = t.places or {};
	local found = t.places[option];
	if found then return found; end
	found = { names = {}; indexes = {}; lines = managed.lines(t.doc, t.host, option) };
	for key in pairs(type(t.raw[option]) == "table" and t.raw[option] or {}) do
		if type(key) == "string" then
			found.names[managed.canon(option, key)] = key;
		end
	end
	for i, path in ipairs(t.env.config_files or {}) do
		local text = read_text(path);
		found.indexes[i] = text and edit.index(text, option) or {};
	end
	t.places[option] = found;
	return found;
end

-- { file, line | nil, managed = boolean } | nil: it stands nowhere
function edit.origin(t, option, name)
	local found, wanted = places(t, option), managed.canon(option, name);
	local own = found.names[wanted];
	if not own then
		return found.lines[wanted] and { file = t.doc.path; line = found.lines[wanted]; managed = true } or nil;
	end
	for i, path in ipairs(t.env.config_files or {}) do
		local line = found.indexes[i][own:lower()];
		if line then
			return { file = path; line = line; managed = false };
		end
	end
	return { file = t.env.config_file or "Prosody's configuration"; managed = false };
end

function edit.describe(origin)
	return origin.file..(origin.line and " line "..origin.line or "");
end

-- ---- hosts, refusal, writing

-- The host of an edit, with its options and the managed file -> t | nil, status
function edit.open(env, parsed, command)
	local hosts, err = command.select(env, parsed.host);
	if not hosts then
		env.print("error: "..err);
		return nil, 1;
	elseif #hosts > 1 then
		env.print(("error: several hosts have lync_gateway (%s): say which with --host HOST")
			:format(table.concat(hosts, ", ")));
		return nil, 2;
	elseif env.managed_error then
		env.print("error: "..env.managed_error);
		return nil, 1;
	elseif not env.managed_path then
		env.print("error: lync_partners_file = false: there is no managed file; edit Prosody's configuration, or remove it");
		return nil, 1;
	end
	local doc;
	doc, err = managed.read(env.managed_path);
	if not doc then
		env.print(("error: %s\nNothing is written: correct it first."):format(err));
		return nil, 1;
	end
	edit.warn_of_strangers(env, doc, command);
	return { env = env; host = hosts[1]; hosts = command.hosts(env.config); doc = doc; raw = env.raw(hosts[1]);
		parsed = parsed };
end

-- What stands in the file for a host that has no gateway is read by nobody.
function edit.warn_of_strangers(env, doc, command)
	for _, found in ipairs(managed.strangers(doc, command.hosts(env.config))) do
		env.warn(("warning: %s line %d: %s does not have lync_gateway, this is not read"):format(doc.path, found.line,
			found.host));
	end
end

-- Each host with what it has, to be shown -> list of t, settings and problems with them | nil, status
function edit.open_all(env, parsed, command)
	local hosts, err = command.select(env, parsed.host);
	if not hosts then
		env.print("error: "..err);
		return nil, 1;
	end
	local doc = managed.parse();
	if env.managed_error then
		doc, err = nil, env.managed_error;
	elseif env.managed_path then
		doc, err = managed.read(env.managed_path);
	end
	if not doc then
		env.print("error: "..err);
		return nil, 1;
	end
	edit.warn_of_strangers(env, doc, command);
	local all = {};
	for i, host in ipairs(hosts) do
		local t = { env = env; host = host; doc = doc; raw = env.raw(host) };
		t.settings, t.problems = env.load(host);
		t.merged = managed.merge(host, t.raw, doc);
		all[i] = t;
	end
	return all;
end

function edit.refuse(t, text)
	t.env.print(("error: %s: %s"):format(t.host, text));
	t.env.print("Nothing is written.");
	return 1;
end

-- An entry that the configuration has is not ours to change -> true: refused
function edit.foreign(t, option, name, what)
	local origin = edit.origin(t, option, name);
	if not origin or origin.managed then return false; end
	edit.refuse(t, ("%s stands in %s, not in %s; edit it there"):format(what, edit.describe(origin), t.doc.path));
	return true;
end

-- Hosts on one bridge have to agree on some settings: with which this one does not after the change.
local function conflict(t, settings)
	local loaded = {};
	for _, host in ipairs(t.hosts) do
		loaded[host] = { settings = host == t.host and settings or (t.env.load(host)) };
	end
	return t.env.conflicts(loaded)[t.host];
end

local function write(t, done)
	local backup = t.doc.source and (" (before: %s.bak)"):format(t.doc.path) or "";
	local ok, err = managed.save(t.doc, t.env.managed_path, t.env.config_file);
	if not ok then
		local hint = err:find("ermission denied") and "; do it as root: prosodyctl --root mod_lync_gateway …" or "";
		return edit.refuse(t, "cannot write "..err..hint);
	end
	t.env.print(("%s: %s"):format(t.host, done));
	t.env.print(("Written: %s%s. `prosodyctl reload` puts it in force."):format(t.doc.path, backup));
	return 0;
end

-- Check what t.doc has become, and write it, or say why not. about: see managed.check -> status
function edit.finish(t, about, done)
	local print, parsed = t.env.print, t.parsed;
	local errors, warnings, settings = managed.check(t.env.core, t.host, t.raw, t.doc, about);
	for _, found in ipairs(errors) do
		print("error: "..found.text);
	end
	if #errors > 0 then
		print("Nothing is written.");
		return 1;
	end
	for _, found in ipairs(warnings) do
		print("warning: "..found.text);
	end
	local other = conflict(t, settings);
	if other then
		print("warning: "..other);
	end
	local diff = managed.diff(t.doc);
	if not diff then
		print(("%s: nothing to change"):format(t.host));
		return 0;
	elseif parsed.whatif then
		print(("--- %s\n+++ %s\n%s\n--whatif: nothing is written."):format(t.doc.path, t.doc.path, diff));
		return 0;
	end
	return write(t, done);
end

-- ---- showing

function edit.show(value)
	if value == nil then
		return "-";
	elseif type(value) == "table" then
		return #value > 0 and table.concat(value, ", ") or "-";
	end
	return tostring(value);
end

-- rows: lists of texts -> lines with the columns below each other
function edit.columns(rows, indent)
	local widths, lines = {}, {};
	for _, row in ipairs(rows) do
		for i, text in ipairs(row) do
			widths[i] = math.max(widths[i] or 0, utf8.len(text) or #text);
		end
	end
	for n, row in ipairs(rows) do
		local parts = {};
		for i, text in ipairs(row) do
			parts[i] = text..(" "):rep(widths[i] - (utf8.len(text) or #text));
		end
		lines[n] = (indent..table.concat(parts, "  ")):gsub("%s+$", "");
	end
	return table.concat(lines, "\n");
end

-- Keys of a table: those that are known, in their order, then others.
function edit.keys(option, ...)
	local keys, seen = {}, {};
	for _, key in ipairs(managed.keys[option]) do
		keys[#keys+1], seen[key] = key, true;
	end
	for _, values in ipairs { ... } do
		local more = {};
		for key in pairs(values) do
			if type(key) == "string" and not seen[key] then
				more[#more+1], seen[key] = key, true;
			end
		end
		table.sort(more);
		table.move(more, 1, #more, #keys + 1, keys);
	end
	return keys;
end

return edit;
