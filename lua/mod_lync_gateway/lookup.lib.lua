-- The DNS as prosodyctl asks it: by Prosody's resolver and its settings, in a time that is set.
-- SPDX-License-Identifier: MIT
--
-- Questions are { name, type }; answers["name type"] is a list: of { target, port, priority, weight } for SRV, the best
-- first, of addresses for A and AAAA; empty where there is none, with .failed (text) where nobody answered.

local socket = require "socket";
local dns = require "util.dns";

local lookup = {};

local function key(name, kind)
	return name.." "..kind;
end
lookup.key = key;

-- Add the questions for a name's addresses, once.
function lookup.want_addresses(questions, seen, name)
	if name == "" or seen[name] then return; end
	seen[name] = true;
	table.insert(questions, { name, "A" });
	table.insert(questions, { name, "AAAA" });
end

-- -> list of a name's addresses; where there are none, also why nobody answered, if so
function lookup.addresses(answers, name)
	local list, failed = {}, nil;
	for _, kind in ipairs { "A", "AAAA" } do
		local answer = answers[key(name, kind)] or {};
		failed = failed or answer.failed;
		for _, address in ipairs(answer) do
			list[#list+1] = address;
		end
	end
	return list, #list == 0 and failed or nil;
end

-- What is said where nobody answered.
function lookup.no_answer(what, failed)
	return ("%s: the name server did not answer (%s)"):format(what, failed);
end

local RCODE_FINE, RCODE_NO_NAME = 0, 3;

local readers = {
	SRV = function (srv)
		return { target = srv.target:gsub("%.$", ""):lower(); port = srv.port; priority = srv.priority; weight = srv.weight };
	end;
	A = tostring; AAAA = tostring;
};

-- records of one kind, answer: its rcode and bogus
function lookup.read(kind, records, answer)
	local list = {};
	for i, record in ipairs(records) do
		list[i] = readers[kind](record);
	end
	if answer.bogus then
		list.failed = "bogus: "..tostring(answer.bogus);
	elseif answer.rcode and answer.rcode ~= RCODE_FINE and answer.rcode ~= RCODE_NO_NAME then
		list.failed = dns.errors[answer.rcode] or ("code %d"):format(answer.rcode);
	end
	if kind == "SRV" then
		table.sort(list, function (a, b)
			if a.priority ~= b.priority then return a.priority < b.priority; end
			if a.weight ~= b.weight then return a.weight > b.weight; end
			return a.target < b.target;
		end);
	end
	return list;
end

-- The resolver's settings, as net.unbound reads them.
local function unbound_settings(unbound)
	local settings = { hoststxt = false };
	for name, value in pairs(unbound.config or {}) do
		if settings[name] == nil then settings[name] = value; end
	end
	local given = require "core.configmanager".get("*", "unbound");
	for name, value in pairs(type(given) == "table" and given or {}) do settings[name] = value; end
	return settings;
end

-- All at once: libunbound's own descriptor is waited for, so that the time ends when it shall.
local function ask_unbound(unbound, questions, answers, deadline)
	local resolver, missing = unbound.new(unbound_settings(unbound)), 0;
	for _, question in ipairs(questions) do
		local answer_key, kind = key(question[1], question[2]), question[2];
		local function answered(answer, reason)
			local records = {};
			for i = 1, answer and not answer.bogus and #answer or 0 do
				records[i] = dns.parsers[kind](answer[i]);
			end
			answers[answer_key] = answer and lookup.read(kind, records, answer) or { failed = tostring(reason or "no answer") };
			missing = missing - 1;
		end
		local query, reason = resolver:resolve_async(answered, question[1], dns.types[kind], dns.classes.IN);
		missing = missing + 1;
		if not query then answered(nil, reason); end
	end
	local fd = { getfd = function () return resolver:getfd(); end; dirty = function () return false; end };
	while missing > 0 and socket.gettime() < deadline do
		socket.select({ fd }, nil, math.max(0, deadline - socket.gettime()));
		resolver:process();
	end
end

-- Prosody without lua-unbound.
local function ask_in_turn(questions, answers, deadline)
	local resolver = require "net.dns";
	for _, question in ipairs(questions) do
		if socket.gettime() >= deadline then return; end
		local kind, records = question[2], {};
		local answer = resolver.lookup(question[1], kind, "IN") or {};
		for i, record in ipairs(answer) do
			records[i] = record[kind:lower()];
		end
		answers[key(question[1], kind)] = lookup.read(kind, records, {});
	end
end

-- Ask by Prosody's resolver and its settings; add to answers what comes within seconds, and what does not.
function lookup.ask(questions, answers, seconds)
	local deadline = socket.gettime() + seconds;
	local ok, unbound = pcall(require, "lunbound");
	if ok then
		ask_unbound(unbound, questions, answers, deadline);
	else
		ask_in_turn(questions, answers, deadline);
	end
	for _, question in ipairs(questions) do
		local answer_key = key(question[1], question[2]);
		answers[answer_key] = answers[answer_key] or { failed = ("no answer within %g s"):format(seconds) };
	end
end

return lookup;
