-- tokens.lua: the tokens and the log lines of the sources, and those that docs/tokens.md explains.
-- SPDX-License-Identifier: MIT
--
--	tokens.used()		-- token -> { files }: what may stand behind token=, in an error's text, in policy_refusals
--	tokens.lines()		-- beginning of a log line -> { files }; … for what varies
--	tokens.documented()	-- { tokens = { [token] = count }, lines = { [beginning] = count } }
--
-- A new way of making a token needs a pattern here; the end of every wire spec finds those that are missed (world.lua).

local tokens = {};

local ROOT = debug.getinfo(1, "S").source:match("^@(.*)spec/support/tokens%.lua$");
local PAGE = "docs/tokens.md";

local function read(path)
	local f = assert(io.open(ROOT .. path));
	local text = f:read("a");
	f:close();
	return text;
end

local function files(pattern)
	local list = {};
	local p = assert(io.popen("cd '" .. (ROOT == "" and "." or ROOT) .. "' && ls " .. pattern));
	for name in p:lines() do list[#list + 1] = name; end
	p:close();
	return list;
end

local function add(map, key, file)
	map[key] = map[key] or {};
	if map[key][#map[key]] ~= file then table.insert(map[key], file); end
end

-- Patterns of one line of C, white space made single, %T: a token.
local C = {
	"sb_verdict_local%([^,;]-, \"%T\"", "sb_why_local%([^,;]-, \"%T\"", "fail_head%([^;]-, %d+, \"%T\"", "cannot%([^;]-, %d+, \"%T\"",
	"token = SB_STR%(\"%T\"%)", "%[SB_W?R_[%u_]+%] = {\"%T\"", "%[SB_SE_[%u_]+%] = \"%T\"", "sb_tls_refuse%([^,;]+, [^,;]+, \"%T\"",
	"refuse%(e, irq, [^;]-, %d+, %d+, \"%T\"", "sb_edge_refused%([^,;]+, [^,;]+, \"%T\"", "%(struct why%){\"%T\"",
	"%*token = \"%T\"", "%*token = [^;]-%? \"%T\"", "%*token = [^;]-: \"%T\"", "%*token = [^;]-%? [^;]-%? \"%T\"",
	"sb_tls_refuse%([^;]-%? \"%T\"", "sb_tls_refuse%([^;]-: \"%T\"", "%*token = [^;]-%? [^;]-%? [^;]-: \"%T\"",
};

-- Lua: what is given with a nil, named, or refused with.
local LUA = {
	"nil, \"%T\", ", "token = \"%T\"", "token, text = \"%T\"", "token, text = who, nil, \"%T\"", "%(token=%T[ %)]",
	"lync_refused = \"%T\"",
	"gate%.refuse%([^,\n]+, \"[%l]+\", \"%T\"", "fail%(stanza, \"%T\"", "errors%.answer%([^,\n]+, \"%T\"",
	"or \"(none)\", ", "metrics%.edge%(false, false, \"%T\"",
	"and \"(certificate%-%l+)\" or", "or \"(certificate%-%l+)\"",
};

-- Words of commands' results, which are in no log.
local COMMANDS = { "/command_", "/check_", "/certificate_", "/import", "/managed", "/partner_test", "/peer_tls", "/synthetic_",
	"/arguments", "/program", "/lookup", "/one_line" };

local function is_command(file)
	for _, piece in ipairs(COMMANDS) do
		if file:find(piece, 1, true) then return true; end
	end
	return false;
end

local function scan(map, file, text, patterns)
	for _, pattern in ipairs(patterns) do
		for token in text:gmatch((pattern:gsub("%%T", "([%%l%%d]+[%%l%%d-]*)"))) do add(map, token, file); end
	end
end

function tokens.used()
	local map = {};
	for token in read("plugin/error.c"):gmatch("{LG_%u+,%s*\"([%l-]+)\"") do add(map, token, "plugin/error.c"); end
	for token in read("sipbridge/err.c"):gmatch("return \"([%l-]+)\"") do add(map, token, "sipbridge/err.c"); end
	for token in read("lua/mod_lync_gateway/errors.lib.lua"):gmatch("%[\"([%l-]+)\"%] = {") do
		add(map, token, "errors.lib.lua");
	end
	for _, file in ipairs(files("plugin/*.c sipbridge/*.c")) do
		scan(map, file, read(file):gsub("/%*.-%*/", " "):gsub("%s+", " "), C);
	end
	for _, file in ipairs(files("lua/*.lua lua/*/*.lua")) do
		if not is_command(file) then
			scan(map, file, read(file):gsub("%-%-[^\n]*", ""):gsub("%s+", " "), LUA);
		end
	end
	map.ok = nil; -- nothing is wrong
	return map;
end

-- What is the same in every such line: up to the first colon or parenthesis.
local function beginning(format)
	local text = format:match("^(.-): ") or format:match("^(.-) %(") or format;
	text = text:match("^(.-) %(") or text;
	return (text:gsub("%%[%d.]*%a", "…"));
end

local function lua_lines(map, file)
	for call in read(file):gmatch("[%.:]log_?s?t?a?t?u?s?(%b())") do
		for literal in call:gmatch('"(.-[^\\])"') do
			if literal:find(": ", 1, true) or literal:find(" (", 1, true) then add(map, beginning(literal), file); end
		end
	end
end

function tokens.lines()
	local map = {};
	for _, file in ipairs(files("lua/*.lua lua/*/*.lua")) do lua_lines(map, file); end
	for _, file in ipairs(files("sipbridge/*.c")) do
		for literal in read(file):gsub("\"%s*\n%s*\"", ""):gmatch("sb_edge_log%(e, %d, \"(.-)\"") do
			add(map, "bridge …: " .. beginning(literal), file);
		end
	end
	return map;
end

-- Words in backticks of the first column of the tables, by chapter.
function tokens.documented()
	local found, chapter = { tokens = {}, lines = {} }, nil;
	for line in read(PAGE):gmatch("[^\n]+") do
		local title = line:match("^## (.*)");
		if title then chapter = title:match("^Lines") and "lines" or title:match("^Tokens") and "tokens" or nil; end
		local cell = chapter and line:match("^| (.-) |");
		for word in (cell or ""):gmatch("`([^`]+)`") do
			found[chapter][word] = (found[chapter][word] or 0) + 1;
		end
	end
	return found;
end

--- Tokens of a log that the page does not have.
function tokens.unknown(log)
	local have, list, seen = tokens.documented().tokens, {}, {};
	for token in log:gmatch("%(token=([%w-]+)[ )]") do
		if not have[token] and not seen[token] then
			seen[token] = true;
			list[#list + 1] = token;
		end
	end
	return list;
end

return tokens;
