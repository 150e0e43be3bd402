-- The torture messages of RFC 4475 and RFC 5118, if they lie in ../shared/torture, over an authenticated connection: what each is
-- answered, and after each of them the same worker answers somebody else. A number: that status. "closed": no answer, and the end
-- of the connection. "none": no answer (a response to nothing; a message that does not end yet).
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local sip = require "spec.support.sip";

local FOLDER = "../shared/torture";

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

	teardown(function ()
		if not w then return; end
		for _, stanza in ipairs(romeo.stanzas) do assert.is_nil(stanza:child_text("body")); end
		w:finish();
	end);
end);
