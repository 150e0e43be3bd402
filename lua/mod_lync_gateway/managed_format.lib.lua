-- The text of lync-partners.cfg.lua: written, and compared. Pure; what a doc is, and reading: managed_parse.lib.lua.
-- SPDX-License-Identifier: MIT

local parse = module:require "managed_parse";

local format = { parse = parse.text; is_node = parse.is_node; new_node = parse.new_node; secrets = parse.secrets };

format.quoted = parse.quoted;
format.SETTINGS = "lync_gateway_settings";

local quoted = parse.quoted;
local COLUMNS = 100; -- a list that is longer has a line for each item

local function scalar(value)
	if type(value) == "string" then
		return quoted(value);
	end
	local text = tostring(value);
	if math.type(value) == "float" and tonumber(text) ~= value then
		text = ("%.17g"):format(value);
	end
	return text;
end

local function key_text(key, bare)
	if key == nil then
		return "";
	elseif bare and key:find("^[%a_][%w_]*$") and not parse.reserved[key] then
		return key.." = ";
	end
	return "["..quoted(key).."] = ";
end

-- A short list without comments, or nil.
local function inline(node, room)
	local parts, n = {}, 0;
	for i, entry in ipairs(node.entries) do
		if entry.key or parse.is_node(entry.value) or #entry.lead > 0 or entry.trail then return nil; end
		parts[i] = scalar(entry.value);
		n = n + #parts[i] + 2;
		if n > room then return nil; end
	end
	if #node.tail > 0 then return nil; end
	return #parts == 0 and "{}" or "{ "..table.concat(parts, ", ").." }";
end

local function put_comments(lines, comments, indent)
	for _, comment in ipairs(comments) do
		lines[#lines+1] = comment == "" and "" or indent..comment;
	end
end

local put_entries;

-- By level: names of hosts are in quotes, those of options are not, those of partners, policies, sites and users are,
-- and the keys of an entry and of the settings are not.
local function is_bare(depth, within)
	return depth % 2 == 0 or within == format.SETTINGS;
end

local function put_entry(lines, entry, depth, within)
	local indent = ("\t"):rep(depth);
	put_comments(lines, entry.lead, indent);
	local trail = entry.trail and " "..entry.trail or "";
	local key = key_text(entry.key, is_bare(depth, within));
	local text = parse.is_node(entry.value) and inline(entry.value, COLUMNS - #key - 4 * depth)
		or not parse.is_node(entry.value) and scalar(entry.value);
	if text then
		lines[#lines+1] = indent..key..text..";"..trail;
		return;
	end
	lines[#lines+1] = indent..key.."{";
	put_entries(lines, entry.value, depth + 1, entry.key);
	lines[#lines+1] = indent.."};"..trail;
end

function put_entries(lines, node, depth, within)
	for _, entry in ipairs(node.entries) do
		put_entry(lines, entry, depth, within);
	end
	put_comments(lines, node.tail, ("\t"):rep(depth));
end

function format.render(doc)
	local lines = {};
	put_comments(lines, doc.header, "");
	if #lines > 0 then
		lines[#lines+1] = "";
	end
	lines[#lines+1] = "return {";
	put_entries(lines, doc.root, 1);
	lines[#lines+1] = "}";
	put_comments(lines, doc.tail, "");
	return table.concat(lines, "\n").."\n";
end

-- Comparing

local function split(text)
	local lines = {};
	for line in text:gmatch("([^\n]*)\n") do
		lines[#lines+1] = line;
	end
	return lines;
end

local CONTEXT = 3;

-- What is different between two texts: one run of lines that go and come, with lines around it. Commands change one
-- place. nil: nothing is.
function format.diff(old, new)
	if old == new then return nil; end
	local a, b = split(old), split(new);
	local first, last = 1, 0;
	while a[first] and a[first] == b[first] do
		first = first + 1;
	end
	while last < math.min(#a, #b) - first + 1 and a[#a - last] == b[#b - last] do
		last = last + 1;
	end
	local from = math.max(1, first - CONTEXT);
	local lines = { ("@@ line %d @@"):format(first) };
	local function add(mark, list, i, j)
		for n = i, j do
			lines[#lines+1] = mark..list[n];
		end
	end
	add(" ", a, from, first - 1);
	add("-", a, first, #a - last);
	add("+", b, first, #b - last);
	add(" ", a, #a - last + 1, math.min(#a, #a - last + CONTEXT));
	return table.concat(lines, "\n");
end

return format;
