-- What import says: items of import_plan as text, or as a table for --json. Secrets are in neither.
-- SPDX-License-Identifier: MIT

local array = require "util.array";
local text = module:require "import_text";
local plan = module:require "import_plan";

local report = {};

local methods = {
	["sasl-tls"] = "SASL over TLS"; ["tls-dialback"] = "TLS dialback"; ["tcp-dialback"] = "TCP dialback";
};
local secrets = { dialback_passphrase = true };
local statuses = { "new", "same", "differs", "refused" };

-- A value as it is written in Prosody's configuration, on one line.
local function literal(value)
	if type(value) == "table" then
		local items = {};
		for i, item in ipairs(value) do
			items[i] = literal(item);
		end
		return #items > 0 and "{ "..table.concat(items, ", ").." }" or "{}";
	elseif type(value) == "string" then
		return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("\xC2([\x80-\x9F])", function (c)
			return ("\\194\\%d"):format(c:byte());
		end));
	end
	return tostring(value);
end

local function shown(key, value)
	if value == nil then
		return "(not set)";
	end
	return secrets[key] and "(not shown)" or literal(value);
end

local keys_of = {
	partner = plan.partner_keys; settings = plan.settings_keys; policy = { "enable_xmpp_access" };
};

local function key_of(item)
	if item.kind == "settings" then
		return "lync_gateway_settings";
	end
	return ("%s[%s]"):format(item.kind == "partner" and "lync_partners" or "lync_access_policies",
		literal(text.printable(item.name, 256)));
end

local function entry_lines(add, item)
	add("  %s = {", key_of(item));
	for _, key in ipairs(keys_of[item.kind]) do
		if item.entry[key] ~= nil then
			add("      %s = %s;", key, shown(key, item.entry[key]));
		end
	end
	add("  }");
end

local function title(item)
	if item.kind == "settings" then
		return "Gateway settings";
	elseif item.kind == "policy" and item.name then
		return "Policy "..text.printable(item.name, 256);
	end
	return item.name and text.printable(item.name, 256) or "Object";
end

local function item_lines(add, item)
	local status = item.status;
	if item.unconfirmed then
		status = status..", not confirmed";
	end
	add("%s (line %d%s): %s", title(item), item.line, item.cmdlet and ", "..item.cmdlet or "", status);
	if item.name and item.status ~= "same" then
		entry_lines(add, item);
	end
	for _, change in ipairs(item.status ~= "refused" and item.changes or {}) do
		add("  change: %s: %s -> %s", change.key, shown(change.key, change.old), shown(change.key, change.new));
	end
	if item.status ~= "refused" and item.row then
		local names = {};
		for i, method in ipairs(item.methods or {}) do
			names[i] = methods[method] or method;
		end
		add("  row %d of the negotiation settings: %s", item.row,
			#names > 0 and table.concat(names, ", ") or "no method is left");
	end
	for _, message in ipairs(item.errors) do
		add("  error: %s", message);
	end
	for _, problem in ipairs(item.problems) do
		add("  %s: %s", problem.level == "error" and "error" or "warning", problem.text);
	end
	for _, message in ipairs(item.status ~= "refused" and item.blocked or {}) do
		add("  error: %s", message);
	end
	for _, message in ipairs(item.guessed) do
		add("  guessed: %s", message);
	end
	for _, message in ipairs(item.remarks) do
		add("  note: %s", message);
	end
	for _, lost in ipairs(item.lost) do
		add("  %s: %s = %s: %s", lost.lossy and "lost" or "not taken over", lost.name, lost.value, lost.why);
	end
end

function report.count(items)
	local n = { new = 0; same = 0; differs = 0; refused = 0; unconfirmed = 0; blocked = 0; lossy = 0; warnings = 0;
		written = 0 };
	for _, item in ipairs(items) do
		n[item.status] = n[item.status] + 1;
		n.unconfirmed = n.unconfirmed + (item.unconfirmed and 1 or 0);
		n.blocked = n.blocked + (#item.blocked > 0 and 1 or 0);
		for _, lost in ipairs(item.lost) do
			n.lossy = n.lossy + (lost.lossy and 1 or 0);
		end
		for _, problem in ipairs(item.problems) do
			n.warnings = n.warnings + (problem.level == "error" and 0 or 1);
		end
		n.written = n.written + (plan.writes(item) and 1 or 0);
	end
	return n;
end

-- 1: something of the file did not or would not get in.
function report.status(count)
	return count.refused + count.unconfirmed + count.blocked + count.lossy > 0 and 1 or 0;
end

-- Remarks about all of it: { text }
function report.general(items, raw)
	local now = raw.lync_access_policies;
	local notes, adds_policy, has_global = {}, false, type(now) == "table" and now.global ~= nil;
	for _, item in ipairs(items) do
		local is_new = item.kind == "policy" and item.status == "new";
		adds_policy = adds_policy or is_new;
		has_global = has_global or is_new and item.name == "global";
	end
	if adds_policy and now == nil then
		notes[1] = "without lync_access_policies every Lync user may use XMPP; with these, only whom a policy allows";
	end
	if adds_policy and not has_global then
		notes[#notes+1] = "there is no policy global: whom no other policy names may not use XMPP";
	end
	return notes;
end

-- head: { file, format, encoding, host }; outcome: { committed, path, message }
function report.text(head, items, general, outcome)
	local lines = {};
	local function add(format, ...)
		lines[#lines+1] = format:format(...);
	end
	add("%s: %s, %s, %d object(s); for %s", head.file, head.format, head.encoding, #items, head.host);
	for _, item in ipairs(items) do
		add("");
		item_lines(add, item);
	end
	add("");
	for _, note in ipairs(general) do
		add("note: %s", note);
	end
	local n = report.count(items);
	add("%d object(s): %d new, %d same, %d different, %d refused, %d not confirmed; %d warning(s)", #items, n.new, n.same,
		n.differs, n.refused, n.unconfirmed, n.warnings);
	if n.unconfirmed > 0 then
		add("%s", "Not confirmed: compare what was guessed with the Lync side and say --accept-numbers, or export with "
			.."Export-Clixml.");
	end
	if n.blocked > 0 then
		add("Not written: %d object(s), because of what stands in Prosody's configuration.", n.blocked);
	end
	add("%s", outcome.message);
	return table.concat(lines, "\n");
end

local function list(values)
	local result = array {};
	for i, value in ipairs(values) do
		result[i] = value;
	end
	return result;
end

local function plain(key, value)
	if secrets[key] and value ~= nil then
		return "(not shown)";
	end
	return type(value) == "table" and list(value) or value;
end

local function entry_table(entry)
	local result = {};
	for key, value in pairs(entry) do
		result[key] = plain(key, value);
	end
	return result;
end

local function item_table(item)
	local result = { line = item.line; cmdlet = item.cmdlet; kind = item.kind; name = item.name; status = item.status;
		confirmed = not item.unconfirmed; entry = entry_table(item.entry); row = item.row;
		methods = item.methods and list(item.methods); errors = list(item.errors);
		blocked = list(item.blocked); notes = list(item.remarks);
		guessed = list(item.guessed); warnings = array {}; changes = array {}; not_taken_over = array {} };
	for _, problem in ipairs(item.problems) do
		local where = problem.level == "error" and result.errors or result.warnings;
		where[#where+1] = problem.text;
	end
	for i, change in ipairs(item.changes) do
		result.changes[i] = { key = change.key; old = plain(change.key, change.old);
			new = plain(change.key, change.new) };
	end
	for i, lost in ipairs(item.lost) do
		result.not_taken_over[i] = { name = lost.name; value = lost.value; why = lost.why; lossy = lost.lossy or false };
	end
	return result;
end

function report.table(head, items, general, outcome)
	local objects, count = array {}, report.count(items);
	for i, item in ipairs(items) do
		objects[i] = item_table(item);
	end
	local summary = { warnings = count.warnings; not_confirmed = count.unconfirmed;
		blocked = count.blocked };
	for _, status in ipairs(statuses) do
		summary[status] = count[status];
	end
	return { file = head.file; format = head.format; encoding = head.encoding; host = head.host; objects = objects;
		notes = list(general); summary = summary; committed = outcome.committed; written_to = outcome.path;
		message = outcome.message };
end

return report;
