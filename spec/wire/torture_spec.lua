-- The torture messages of RFC 4475 and RFC 5118, if they lie in ../shared/torture, over an authenticated connection: what each is
-- answered, and after each of them the same worker answers somebody else. A number: that status. "closed": no answer, and the end
-- of the connection. "none": no answer (a response to nothing; a message that does not end yet). Then each byte by byte, which
-- changes nothing, and cut: at every byte with LG_TORTURE=all (29,468 connections), else at some, others in each run.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local ports = require "spec.support.ports";
local sip = require "spec.support.sip";

local FOLDER = "../shared/torture";
local AT_ONCE = 60;   -- connections; each address may have 16
local SOME = 97;      -- cut after every 97th byte
local SECONDS = 60;   -- for one connection on a busy machine

-- As they are: most say that they come over UDP or TCP, and that alone is enough.
local AS_IS = { badvers = 505, bext01 = 403, insuf = 400, inv2543 = 400, ltgtruri = 400, mcl01 = 400, mismatch01 = 400,
	mismatch02 = 400, ncl = 400, quotbal = 400, scalar02 = 400, noreason = "none", unreason = "none", baddn = "none",
	bcast = "none", clerr = "none" };

-- As an Edge would have sent them on: with TLS in the topmost Via.
local OVER_TLS = {
	["rfc4475/valid"] = { dblreq = 400, esc01 = 403, esc02 = 400, escnull = 400, intmeth = "closed", longreq = 403, lwsdisp = 200,
		mpart01 = 403, noreason = "none", semiuri = 200, transports = 200, unreason = "none", wsinv = 403 };
	["rfc4475/invalid"] = { badaspec = 416, badbranch = 200, baddate = 403, baddn = "none", badinv01 = "closed", badvers = 505,
		bcast = "none", bext01 = 403, bigcode = "closed", clerr = "none", cparam01 = 400, cparam02 = 400, escruri = 403, insuf = 400,
		inv2543 = 400, invut = 403, ltgtruri = 400, lwsruri = "closed", lwsstart = 403, mcl01 = 400, mismatch01 = 400,
		mismatch02 = 400, multi01 = 400, ncl = 400, novelsc = 200, quotbal = 400, regaut01 = 400, regbadct = 400, regescrt = 400,
		scalar02 = 400, scalarlg = "closed", sdp01 = 403, test = "closed", trws = 200, unkscm = 200, unksm2 = 400, zeromf = 483 };
	["rfc5118"] = { ["ipv4-mapped-ipv6"] = 403, ["ipv6-bad"] = "closed", ["ipv6-bug-abnf-3-colons"] = 200,
		["ipv6-correct-abnf-2-colons"] = 200, ["ipv6-good"] = 400, ["ipv6-in-sdp"] = 403, ["mult-ip-in-header"] = 403,
		["mult-ip-in-sdp"] = 403, ["port-ambiguous"] = 400, ["port-unambiguous"] = 400, ["via-received-param-no-delim"] = 200,
		["via-received-param-with-delim"] = 400 };
};

local function read(path)
	local f = io.open(path, "rb");
	if not f then return nil; end
	local bytes = f:read("a");
	f:close();
	return bytes;
end

-- All messages of a folder that the table names: { name, bytes }, sorted; how many are missing.
local function messages(folder, table_)
	local list, missing = {}, 0;
	for name in pairs(table_) do
		local path = ("%s/%s/%s"):format(FOLDER, folder, name);
		local bytes = read(path .. ".dat") or read(path);
		if bytes then list[#list + 1] = { name = name, bytes = bytes }; else missing = missing + 1; end
	end
	table.sort(list, function (a, b) return a.name < b.name; end);
	return list, missing;
end

local function over_tls(bytes)
	return (bytes:gsub("([Vv][Ii]?[Aa]?[ \t]*:%s*SIP%s*/%s*2%.0%s*/%s*)[UT][DC]P", "%1TLS", 1));
end

describe("torture messages", function ()
	local w, probe, romeo;
	local total = 0;
	for folder, expected in pairs(OVER_TLS) do
		local _, missing = messages(folder, expected);
		total = total + missing;
	end
	if total > 0 then
		pending(("%d messages of RFC 4475 and RFC 5118 are not at hand: skipped"):format(total));
	end

	local function start()
		w = World.new();
		probe, romeo = Probe.new(w), w:contact("romeo");
	end

	-- What came back over a connection of its own, as in the tables; the response.
	local function outcome(bytes, expected)
		local conn = probe:connect();
		conn:send(bytes);
		if expected == "none" then
			w.loop:never(function () return conn.messages[1] or conn.closed; end, 0.2, "an answer");
		else
			w.loop:wait(function () return conn.messages[1] or conn.closed; end, 3, "an answer, or the end of the connection");
		end
		local response = conn.messages[1];
		conn:close(true);
		return response and response.status or conn.reason ~= "closed here" and "closed" or "none", response;
	end

	local function run(name, bytes, expected)
		local got, response = outcome(bytes, expected);
		assert.equal(expected, got, name);
		-- the stack's own answers to what it cannot read (they end the connection) say no more than the status
		if response and got >= 400 and (name == "bext01" or not AS_IS[name]) then
			assert.is_truthy(sip.get(response, "ms-diagnostics-public"), name);
		end
		probe:assert_alive();
	end

	for folder, expected in pairs(OVER_TLS) do
		local list, missing = messages(folder, expected);
		if #list > 0 then
			it(("of %s: %d as they are (%d skipped)"):format(folder, #list, missing), function ()
				if not w then start(); end
				for _, message in ipairs(list) do
					run(message.name, message.bytes, AS_IS[message.name] or "closed");
				end
			end);
			it(("of %s: %d said to have come over TLS (%d skipped)"):format(folder, #list, missing), function ()
				if not w then start(); end
				for _, message in ipairs(list) do
					run(message.name, over_tls(message.bytes), expected[message.name]);
				end
			end);
		end
	end

	-- All messages as an Edge would have sent them: { name, bytes, expected }.
	local function all()
		local list = {};
		for folder, expected in pairs(OVER_TLS) do
			for _, message in ipairs((messages(folder, expected))) do
				list[#list + 1] = { name = folder .. "/" .. message.name, bytes = over_tls(message.bytes),
					expected = expected[message.name] };
			end
		end
		table.sort(list, function (a, b) return a.name < b.name; end);
		return list;
	end

	-- Connections from many addresses, some at once. begin(conn, job): when it is up; job.done: it may be closed.
	local function each(jobs, begin)
		local open, next_job, left, parameters = {}, 1, #jobs, w.edge_cert:tls("client");
		local function start_one()
			local job = jobs[next_job];
			next_job = next_job + 1;
			local conn = w.edge:raw { from = ports.address("probe" .. next_job % 20); parameters = parameters };
			conn.job = job;
			function conn.on_open() begin(conn, job); end
			open[conn] = w.loop:now() + SECONDS;
		end
		local function look()
			local n, now = 0, w.loop:now();
			for conn, deadline in pairs(open) do
				local job = conn.job;
				if conn.closed or job.done then
					job.response, job.reason = conn.messages[1], conn.reason;
					conn:close(true);
					open[conn], left = nil, left - 1;
				elseif now > deadline then
					error(job.what .. ": the connection stands still");
				else
					n = n + 1;
				end
			end
			while n < AT_ONCE and jobs[next_job] do
				start_one();
				n = n + 1;
			end
			return left == 0;
		end
		w.loop:wait(look, SECONDS + #jobs / 20, "all connections");
	end

	local list = all();
	if #list > 0 then
		it(("byte by byte: %d"):format(#list), function ()
			if not w then start(); end
			for _, job in ipairs(list) do job.what = job.name; end
			each(list, function (conn, job)
				local sent = 0;
				w.loop:every(0, function ()
					if conn.closed then return false; end
					sent = sent + 1;
					conn:send(job.bytes:sub(sent, sent));
					if sent < #job.bytes then return true; end
					w.loop:after(job.expected == "none" and 0.2 or SECONDS, function () job.done = true; end);
					return false;
				end);
				if job.expected ~= "none" then
					local on_data = conn.on_data;
					function conn.on_data(...)
						on_data(...);
						job.done = conn.messages[1] ~= nil;
					end
				end
			end);
			for _, job in ipairs(list) do
				local got = job.response and job.response.status or job.reason and job.reason ~= "closed here" and "closed" or "none";
				-- an answer of the stack's own, which closes the connection, may be lost to bytes that come behind
				if got ~= "closed" or not tonumber(AS_IS[job.name:match("[^/]*$")]) then
					assert.equal(job.expected, got, job.name);
				end
			end
			probe:assert_alive();
		end);

		it("cut", function ()
			if not w then start(); end
			local step = os.getenv("LG_TORTURE") == "all" and 1 or SOME;
			local first, jobs = math.random(step), {};
			for _, message in ipairs(list) do
				for at = first, #message.bytes - 1, step do
					jobs[#jobs + 1] = { what = ("%s after byte %d"):format(message.name, at), bytes = message.bytes:sub(1, at) };
				end
			end
			each(jobs, function (conn, job)
				conn:send(job.bytes);
				-- until the worker has read it: what is sent behind is not answered, but it has come
				w.loop:after(0.02, function () job.done = true; end);
			end);
			print(("# %d connections, cut at byte %d and each %d after it"):format(#jobs, first, step));
			probe:assert_alive();
		end);
	end

	teardown(function ()
		if not w then return; end
		for _, stanza in ipairs(romeo.stanzas) do assert.is_nil(stanza:child_text("body")); end
		w:finish();
	end);
end);
