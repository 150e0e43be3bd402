-- The text of lync-partners.cfg.lua: data in Lua's notation, read with its comments. Pure.
-- SPDX-License-Identifier: MIT
--
-- It is read as data, not run: no code, no endless loop, and each mistake has a line. What is accepted is a part of
-- Lua: return { … } with tables, "strings", numbers, true and false, and -- comments.
--
-- node:  { entries = { entry… }, tail = comments before its closing brace }
-- entry: { key = string or nil in a list, value = string | number | boolean | node, line, lead = comments above it,
--          trail = comment behind it }
-- doc:   { header = comments before return, root = node, tail = comments at the end }
-- Comments are lists of lines with their dashes; "" is an empty line.

local parse = {};

-- No message shows the values of these.
parse.secrets = { dialback_passphrase = true };

local DEPTH_MAX = 8;

parse.reserved = {};
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
	until while]]):gmatch("%a+") do
	parse.reserved[word] = true;
end

function parse.is_node(value)
	return type(value) == "table" and value.entries ~= nil;
end

-- A text as Lua writes it, in one line.
function parse.quoted(text)
	return '"'..text:gsub('[%c"\\\127]', function (c)
		if c == '"' or c == "\\" then return "\\"..c; end
		return c == "\n" and "\\n" or ("\\%03d"):format(c:byte());
	end)..'"';
end

function parse.new_node()
	return { entries = {}; tail = {} };
end

local parser = {};
parser.__index = parser;

local function fail(p, message, line)
	error({ message = message; line = line or p.line }, 0);
end

-- The end of what matches here, and the captures; nothing is taken.
local function at(p, pattern)
	return p.text:find("^"..pattern, p.pos);
end

local function accept(p, pattern)
	local _, last, capture = at(p, pattern);
	if not last then return nil; end
	local text = p.text:sub(p.pos, last);
	p.pos, p.token_line = last + 1, p.line;
	return capture or text;
end

local function add_comment(p, text)
	if p.token_line == p.line and not p.trail and #p.comments == 0 then
		p.trail = text;
		return;
	end
	local before = p.comments[#p.comments];
	if before and p.line - p.comment_line > 1 then
		p.comments[#p.comments+1] = "";
	end
	p.comments[#p.comments+1], p.comment_line = text, p.line;
end

-- White space and comments; these are kept in p.comments, one on the line of the last token in p.trail.
local function skip(p)
	while true do
		local _, last = at(p, "[ \t\r\f\v]+");
		if not last and at(p, "\n") then
			p.line, last = p.line + 1, p.pos;
		elseif not last and at(p, "%-%-") then
			if at(p, "%-%-%[=*%[") then
				fail(p, "a comment of several lines; write -- at the beginning of each");
			end
			_, last = at(p, "[^\n]*");
			add_comment(p, (p.text:sub(p.pos, last):gsub("%s+$", "")));
		end
		if not last then return; end
		p.pos = last + 1;
	end
end

local function take_comments(p)
	local comments = p.comments;
	if p.trail then
		table.insert(comments, 1, p.trail);
	end
	p.comments, p.trail = {}, nil;
	return comments;
end

local escapes = { n = "\n"; t = "\t"; r = "\r"; a = "\a"; b = "\b"; f = "\f"; v = "\v"; ["\\"] = "\\"; ['"'] = '"';
	["'"] = "'"; };

local function unescape(p, body)
	return (body:gsub("\\(.)(%d?%d?)", function (c, more)
		if escapes[c] then
			return escapes[c]..more;
		end
		local code = c:match("%d") and tonumber(c..more);
		if not code or code > 255 then
			fail(p, "a \\ in a string that means nothing; write a backslash as \\\\");
		end
		return string.char(code);
	end));
end

local function read_string(p)
	local quote = p.text:sub(p.pos, p.pos);
	local pos = p.pos + 1;
	while true do
		local found = p.text:match('^[^"\'\\\n]*()', pos) or pos; -- nil: the file ends with a backslash
		local c = p.text:sub(found, found);
		if c == "" or c == "\n" then
			fail(p, "a string without its closing quote");
		elseif c == quote then
			local body = p.text:sub(p.pos + 1, found - 1);
			p.pos, p.token_line = found + 1, p.line;
			return unescape(p, body);
		end
		pos = found + (c == "\\" and 2 or 1);
	end
end

local words = { ["true"] = true; ["false"] = false };

local function here(p)
	if p.secret then return "something else"; end
	local word = p.text:match("^[%w_.]+", p.pos) or p.text:sub(p.pos, p.pos);
	return word == "" and "the end of the file" or parse.quoted(word);
end

local function read_scalar(p)
	if at(p, "[\"']") then
		return read_string(p);
	end
	local word = p.text:match("^[%w_.+-]+", p.pos);
	local value = words[word];
	if value == nil and word and word:find("^%-?[%d.]") then
		value = tonumber(word);
		if value and value - value ~= 0 then -- beyond all numbers: there is no way to write it
			value = nil;
		end
	end
	if value == nil then
		fail(p, ("%s is not a value; write \"text\" in quotes, a number, true, false or { … }"):format(here(p)));
	end
	p.pos, p.token_line = p.pos + #word, p.line;
	return value;
end

-- [ "name" ] = or name =
local function read_key(p)
	if accept(p, "%[") then
		skip(p);
		if not at(p, "[\"']") then
			fail(p, "a key in brackets is to be a name in quotes, as in [\"fabrikam.com\"]");
		end
		local key = read_string(p);
		skip(p);
		if not accept(p, "%]") then fail(p, ("] expected, found %s"):format(here(p))); end
		return key;
	end
	local name = p.text:match("^[%a_][%w_]*", p.pos);
	if not name or parse.reserved[name] or not p.text:match("^%s*=", p.pos + #name) then
		return nil;
	end
	p.pos, p.token_line = p.pos + #name, p.line;
	return name;
end

local read_node;

local function read_entry(p, depth)
	local entry = { lead = take_comments(p); line = p.line };
	entry.key = read_key(p);
	p.secret = parse.secrets[entry.key];
	if entry.key then
		skip(p);
		if not accept(p, "=") then fail(p, ("= expected, found %s"):format(here(p))); end
		skip(p);
	end
	if at(p, "{") then
		entry.value = read_node(p, depth + 1);
	else
		entry.value = read_scalar(p);
	end
	p.secret = nil;
	return entry;
end

local function check_twice(p, seen, entry)
	if entry.key == nil then return; end
	if seen[entry.key] then
		fail(p, ("%s stands in line %d already; remove one of them"):format(parse.quoted(entry.key), seen[entry.key]),
			entry.line);
	end
	seen[entry.key] = entry.line;
end

function read_node(p, depth)
	if depth > DEPTH_MAX then fail(p, "too many tables within each other"); end
	local node, seen = parse.new_node(), {};
	accept(p, "{");
	skip(p);
	while not accept(p, "}") do
		local entry = read_entry(p, depth);
		check_twice(p, seen, entry);
		node.entries[#node.entries+1] = entry;
		skip(p);
		local before = p.trail; -- "value -- comment" and only then the separator
		local separated = accept(p, "[;,]");
		skip(p);
		entry.trail, p.trail = before or p.trail, nil;
		if not separated and not at(p, "}") then
			fail(p, ("; or } expected, found %s"):format(here(p)));
		end
	end
	node.tail = take_comments(p);
	return node;
end

local function read_doc(p)
	skip(p);
	local doc = { header = take_comments(p) };
	if not accept(p, "return%f[^%w_]") then
		fail(p, ("return { … } expected, found %s: this file is data, not configuration"):format(here(p)));
	end
	skip(p);
	for _, comment in ipairs(take_comments(p)) do
		table.insert(doc.header, comment);
	end
	if not at(p, "{") then fail(p, ("{ expected, found %s"):format(here(p))); end
	doc.root = read_node(p, 1);
	skip(p);
	accept(p, ";");
	skip(p);
	if p.pos <= #p.text then fail(p, ("the end of the file expected, found %s"):format(here(p))); end
	doc.tail = take_comments(p);
	return doc;
end

-- text -> doc | nil, message, line
function parse.text(text)
	text = text:gsub("\r\n?", "\n"); -- ends a line for Lua, too
	local p = setmetatable({ text = text; pos = 1; line = 1; comments = {} }, parser);
	local ok, result = pcall(read_doc, p);
	if ok then
		return result;
	elseif type(result) ~= "table" then
		error(result, 0);
	end
	return nil, result.message, result.line;
end

return parse;
