-- The torture messages of RFC 4475 and RFC 5118 over an authenticated connection of the Access Edge: as they are, and again as
-- if they came from a Lync user (From, Via's transport), so that they get past the door. The worker lives, others are answered,
-- nothing reaches a contact. The messages lie beside the project where they are at hand; elsewhere this says what it skipped.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local process = require "spec.support.process";

local FOLDER = process.here:match("^(.*)/spec/support/$").."/../shared/torture";
local COUNT = 62; -- 50 and 12

local function messages()
	local list = {};
	local f = assert(io.popen("find '"..FOLDER.."/rfc4475' '"..FOLDER.."/rfc5118' -type f 2>/dev/null | sort"));
	for path in f:lines() do
		local file = assert(io.open(path, "rb"));
		list[#list + 1] = { name = path:match("/(rfc.*)$"); bytes = file:read("a") };
		file:close();
	end
	f:close();
	return list;
end

-- What a request may be answered with: refusals. A few ask for what everybody may have (OPTIONS: 200).
local REFUSALS = {};
for _, status in ipairs { 400, 403, 404, 405, 413, 415, 416, 420, 481, 482, 483, 488, 489, 500, 501, 504, 505, 513, 603 } do
	REFUSALS[status] = true;
end

-- First Via over TLS, From of a Lync user: only what the Edge's certificate would let pass.
local function as_from_lync(bytes)
	local head, rest = bytes:match("^(.-\r?\n\r?\n)(.*)$");
	head, rest = head or bytes, rest or "";
	head = head:gsub("([Vv][Ii]?[Aa]?%s*:%s*SIP%s*/%s*2%.0%s*/%s*)%a+", "%1TLS", 1);
	head = head:gsub("(\n[Ff][Rr]?[Oo]?[Mm]?%s*:[^\r\n]-[sS][iI][pP]:[^@>\r\n]*@)[^>;:%s]+", "%1contoso.com", 1);
	return head..rest;
end

describe("torture messages", function ()
	local all = messages();
	if #all == 0 then
		pending(("%d messages: no folder %s"):format(COUNT, "../shared/torture"));
		return;
	end

	local w, probe, romeo;
	setup(function ()
		w = World.new { log = "info" };
		probe, romeo = Probe.new(w), w:contact("romeo");
		w.edge:ignore("no-diagnostics", "stray-response", "second-final", "response-path");
	end);
	teardown(function () w:finish(); end);

	local function survives(bytes, is_options)
		local conn = probe:connect();
		conn:send(bytes);
		probe:assert_alive(); -- on another connection, behind it
		for _, message in ipairs(conn.messages) do
			local status = message.status;
			if status and status >= 200 and not (is_options and status == 200) then
				assert.is_true(REFUSALS[status] or false, "answered "..status);
			end
		end
		conn:close(true);
		for _, stanza in ipairs(romeo.stanzas) do
			assert.are_not.equal("message", stanza.name);
		end
	end

	for _, message in ipairs(all) do
		it(message.name, function ()
			local is_options = message.bytes:find("^OPTIONS ") ~= nil;
			survives(message.bytes, is_options);
			survives(as_from_lync(message.bytes), is_options);
		end);
	end

	it("are all there", function ()
		assert.is_true(#all >= COUNT, #all.." messages found");
	end);

	it("cut at every 16th byte, and all in one connection", function ()
		for _, message in ipairs(all) do
			local bytes = as_from_lync(message.bytes);
			local conn = probe:connect();
			for at = 1, #bytes, 16 do
				if conn.closed then break; end
				conn:send(bytes:sub(at, at + 15));
			end
			conn:close(true);
		end
		probe:assert_alive();
		local conn = probe:connect();
		for _, message in ipairs(all) do
			if not conn.closed then conn:send(as_from_lync(message.bytes)); end
		end
		probe:assert_alive();
		conn:close(true);
	end);
end);
