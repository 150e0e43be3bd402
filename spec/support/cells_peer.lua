-- cells_peer.lua: plays the partner's server of a cell (cells.lua), and tells what came of it.
-- SPDX-License-Identifier: MIT
--
--	local run = Run.new(list, { limit = 40 })	-- a gateway with all partners of the list
--	run:play(seconds)		-- all of them, many at a time; then cell.actual has the facts of cells_expected.lua,
--					-- cell.problem what is wrong, cell.lines the transcript
--	run:finish()
--
-- Each cell is a coroutine; the peers in it are those of s2s.lua and s2s_server.lua, whose loop:wait() gives way to the others.

local cells = require "spec.support.cells";
local expected = require "spec.support.cells_expected";
local incoming = require "spec.support.cells_incoming";
local outgoing = require "spec.support.cells_outgoing";
local ports = require "spec.support.ports";
local s2s_server = require "spec.support.s2s_server";
local stream = require "spec.support.stream";
local World = require "spec.support.world";

local Run = {};
Run.__index = Run;

local DIRECT_TLS, PROBE, FIRST_PORT = 5270, 5300, 20000;
local ESTABLISHED = 10; -- seconds; above what a busy machine needs for any stream, below what a cell waits
local TRANSCRIPT = 200;

local SETTINGS = [[
	modules_enabled = { "test_probe" }
	test_probe = "%s:%d"
	lync_gateway_settings = { connection_limit = 100000; stream_establishment_timeout = %d }
]];

-- The loop as a cell has it: waiting gives way, the transcript and what is to be closed are its own.
local function private_loop(loop, cell)
	local own = loop:yielding();
	own.cleanups = {};
	function own:note(who, line)
		if #cell.lines < TRANSCRIPT then cell.lines[#cell.lines + 1] = ("%.3f %-24s %s"):format(loop:now() % 1000, who, line); end
	end
	function own:at_close(fn) table.insert(self.cleanups, fn); end
	return own;
end

-- The gateway's log: who was authenticated how, and what was refused why.
local function watch_log(run)
	run.gateway.process.on_line = function (line)
		local remote, direction, method = line:match('authenticated stream: [^\n]*remote="([^"]*)" direction=(%a+) method=([%w-]+)');
		if remote then
			local key = ("%s %s %s"):format(remote, direction, method);
			run.authenticated[key] = (run.authenticated[key] or 0) + 1;
		end
		local token, refused = line:match('refused [^\n]*token=([%w-]+) remote="([^"]*)"');
		if token then
			run.tokens[refused] = run.tokens[refused] or {};
			table.insert(run.tokens[refused], token);
		end
	end;
end

-- One certificate of each kind for each direction; what they are, is in cells.lua.
local function issue(run, direction, zone)
	local ca, made = run.w.ca, {};
	local function each(kind, format)
		local list = {};
		for i, domain in ipairs(cells.domains(run.list, direction, function (cell) return cell.cert == kind; end)) do
			list[i] = format:format(domain);
		end
		return list;
	end
	local wildcard = { "*."..zone };
	local names = direction == "in" and cells.domains(run.list, direction) or wildcard;
	for kind, options in pairs({
		good = { names = names };
		wildcard = { names = wildcard };
		exact = { names = each("exact", "%s") };
		srv = { srv = each("srv", "_xmpp-server.%s"); cn = "nobody" };
		xmpp = { xmpp = each("xmpp", "%s"); cn = "nobody" };
		["wrong-name"] = { names = { "wrong.example" } };
		expired = { names = names; expired = true };
		["not-yet"] = { names = names; not_yet = true };
		["server-only"] = { names = names; usage = "serverAuth" };
		["client-only"] = { names = names; usage = "clientAuth" };
		["cn-only"] = { cn = wildcard[1]; san = false };
		["cn-address"] = { cn = wildcard[1]; addresses = { "127.0.0.1" } };
		["wildcard-far"] = { names = { "*."..zone:match("[^.]*$") } };
		["wildcard-part"] = { names = { direction == "in" and "row*."..zone or "out*."..zone } };
		["srv-client"] = { srv = each("srv-client", "_xmpp-client.%s"); cn = "nobody" };
		["xmpp-user"] = { xmpp = each("xmpp-user", "romeo@%s"); cn = "nobody" };
	}) do
		made[kind] = ca:issue(direction.."-"..kind, options);
	end
	made.foreign = ca.new(ca.directory.."/foreign-"..direction, "Foreign test CA"):issue(direction.."-foreign", { names = names });
	made["self-signed"] = ca.self_signed(ca.directory, direction.."-self-signed", { names = names }, ca.file);
	return made;
end

-- The servers that are asked about the keys of incoming cells. A key begins with what is to be said of it.
local function start_authorities(run)
	run.asked = {};
	local function vouch(element)
		local key = element:text();
		run.asked[key] = true;
		local kind = key:match("^%a+");
		return (kind == "valid" or kind == "error") and kind or kind ~= "silent" and "invalid";
	end
	for _, domain in ipairs(run.authorities) do
		local ip, port = run.w.dns[domain]:match("^(.*):(%d+)$");
		s2s_server.new(run.loop, { domain = domain; ip = ip; port = tonumber(port); cert = run.certs["in"].good; vouch = vouch });
	end
end

local function start_probe(run)
	local buffer = "";
	run.probe = stream.connect(run.loop, ports.address("probe"), PROBE, {}, { on_data = function (_, bytes)
		buffer = (buffer..bytes):gsub("([^\n]*)\n", function (line)
			local id, kind, condition = line:match("^error (%S+) (%S+) (%S+)$");
			if id then run.bounces[id] = kind.."/"..condition; end
			return "";
		end);
	end });
end

local function addresses(run)
	local dns = {};
	run.authorities = cells.domains(run.list, "in", function (cell) return cell.vouch ~= "absent"; end);
	for i, domain in ipairs(run.authorities) do dns[domain] = ("%s:%d"):format(ports.address("authority"), FIRST_PORT + i); end
	for _, cell in ipairs(run.list) do
		if cell.direction == "out" then
			cell.ip, cell.port = ports.address("cells"), FIRST_PORT + cell.number;
			dns[cell.domain] = ("%s:%d"):format(cell.ip, cell.port);
		end
	end
	return dns;
end

--- A gateway for the cells of list. options: limit (cells at a time).
function Run.new(list, options)
	local self = setmetatable({ list = list, limit = options and options.limit or 40, authenticated = {}, tokens = {}, bounces = {},
		messages = {} }, Run);
	self.w = World.new { partner = false; dns = addresses(self); partners = cells.partners(list); direct_tls = DIRECT_TLS;
		settings = SETTINGS:format(ports.address("probe"), PROBE, ESTABLISHED);
		edge = { contacts = cells.domains(list, "in") } };
	self.loop, self.gateway, self.direct_tls = self.w.loop, self.w.gateway, DIRECT_TLS;
	local ok, err = xpcall(function ()
		watch_log(self);
		self.certs = { ["in"] = issue(self, "in", "in.example"); out = issue(self, "out", "out.example") };
		start_authorities(self);
		start_probe(self);
		self.w:lync_user("lena"):on_message(function (_, text) self.messages[text] = (self.messages[text] or 0) + 1; end);
	end, debug.traceback);
	if not ok then
		pcall(self.loop.close, self.loop);
		error(err, 0);
	end
	return self;
end

local function start(run, cell)
	cell.lines = {};
	local loop = private_loop(run.loop, cell);
	local routine = coroutine.create(function ()
		cell.actual = { seen = {} };
		local ok, err = xpcall(cell.direction == "in" and incoming or outgoing, function (e)
			return tostring(e):find("waited .* in vain") and e or debug.traceback(e);
		end, cell, loop, run);
		if not ok then cell.trouble = err; end
		for i = #loop.cleanups, 1, -1 do loop.cleanups[i](); end
	end);
	return routine;
end

-- Those that wait for a timeout come first, for the rest goes on meanwhile; else rows and directions are mixed.
local function in_order(list)
	local order, step = {}, 7919;
	for i, cell in ipairs(list) do
		order[i] = { cell = cell, key = (cell.dialback == "silent" and 0 or #list) + i * step % #list };
	end
	table.sort(order, function (a, b) return a.key < b.key or a.key == b.key and a.cell.number < b.cell.number; end);
	return order;
end

local function resume(active)
	local n = 0;
	for i = 1, #active do
		local routine = active[i];
		local ok, err = coroutine.resume(routine);
		if not ok then error(err, 0); end
		if coroutine.status(routine) ~= "dead" then
			n = n + 1;
			active[n] = routine;
		end
	end
	for i = #active, n + 1, -1 do active[i] = nil; end
end

--- Play all cells; error after seconds.
function Run:play(seconds)
	local began, limit, order, at, slow, active = self.loop:now(), self.loop:limit(seconds), in_order(self.list), 0, 0, {};
	while at < #order or #active > 0 do
		while at < #order and #active < self.limit + slow do
			at = at + 1;
			if order[at].cell.dialback == "silent" then slow = slow + 1; end
			active[#active + 1] = start(self, order[at].cell);
		end
		resume(active);
		self.loop:step(0.02);
		if self.loop:served() > limit then error(("%d of %d cells after %d s"):format(at, #order, seconds), 0); end
	end
	self.seconds = self.loop:now() - began;
	self:judge();
end

-- What came late counts too: a message of somebody who was to be kept out.
function Run:judge()
	self.loop:never(function () return false; end, 0.3);
	for _, cell in ipairs(self.list) do
		local times = self.messages[cell.id] or 0;
		if cell.direction == "in" and times ~= (cell.actual.method and 1 or 0) then
			cell.actual.method = ("%s, but %d messages came through"):format(tostring(cell.actual.method), times);
		end
		if cell.direction == "out" then cell.actual.token = table.concat(self.tokens[cell.domain] or {}, " "); end
		cell.problem = cell.trouble or expected.compare(cell, cell.actual);
	end
end

local function show(facts)
	local names, parts = {}, {};
	for name in pairs(facts) do names[#names + 1] = name; end
	table.sort(names);
	for _, name in ipairs(names) do
		local value = facts[name];
		parts[#parts + 1] = ("%s=%s"):format(name, type(value) == "table" and "{"..show(value).."}" or ("%q"):format(value));
	end
	return table.concat(parts, " ");
end

--- All about a cell that is not as it should be.
function Run:report(cell)
	local lines = { cells.describe(cell), "  wrong: "..cell.problem };
	for _, outcome in ipairs(expected.of(cell)) do lines[#lines + 1] = "  expected: "..show(outcome); end
	lines[#lines + 1] = "  actual: "..show(cell.actual);
	for _, line in ipairs(cell.lines) do lines[#lines + 1] = "    "..line; end
	return table.concat(lines, "\n");
end

function Run:finish() self.w:finish(); end

return Run;
