-- What a SIP message may hold that it should not, field by field, and bodies in parts: refused with a status or the end of the
-- connection, never an answer to something else; nothing comes through but what was meant.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local sip = require "spec.support.sip";

local SECONDS = 60; -- on a busy machine

describe("a hostile field", function ()
	local w, probe, romeo, heard;
	setup(function ()
		w = World.new();
		probe, romeo, heard = Probe.new(w), w:contact("romeo"), {};
		romeo:on_message(function (stanza, text) heard[#heard + 1] = { stanza.attr.from, text }; end);
	end);
	teardown(function () w:finish(); end);
	after_each(function ()
		for _, one in ipairs(heard) do assert.same({ "lena@contoso.com", "meant" }, one); end
		probe:assert_alive();
	end);

	local function final(conn)
		for _, message in ipairs(conn.messages) do
			if message.status >= 200 then return message; end
		end
	end

	-- What became of requests, each on a connection of its own: statuses, "closed", or "none" after so many seconds.
	local function outcomes(list, seconds)
		local conns, ids, result = {}, {}, {};
		for i, parts in ipairs(list) do
			conns[i] = probe:connect();
			local bytes;
			bytes, ids[i] = probe:bytes(parts);
			conns[i]:send(bytes);
		end
		pcall(w.loop.wait, w.loop, function ()
			for _, conn in ipairs(conns) do
				if not final(conn) and not conn.closed then return false; end
			end
			return true;
		end, seconds or SECONDS);
		for i, conn in ipairs(conns) do
			local answer = final(conn);
			conn:close(true);
			if answer and not list[i].garbled and list[i]["Call-ID"] ~= false then assert.equal(ids[i], sip.get(answer, "Call-ID")); end
			result[i] = answer and answer.status or conn.reason ~= "closed here" and "closed" or "none";
		end
		return result;
	end

	local function outcome(parts)
		return outcomes({ parts })[1];
	end

	describe("(Content-Length)", function ()
		for value, expected in pairs { ["4294967295"] = 413; ["4294967296"] = 400; ["+5"] = 400; ["5 5"] = 400; ["0x5"] = 400 } do
			it("of " .. value .. " ends the connection", function ()
				local parts = { ["Content-Length"] = value; body = "never"; garbled = true };
				assert.equal(expected, outcome(parts));
			end);
		end
		it("of 0 before a body: what is behind is no message", function ()
			local conn = probe:connect();
			conn:send((probe:bytes { ["Content-Length"] = 0; body = "never\r\n\r\n"; method = "OPTIONS" }));
			w.loop:wait(function () return conn.closed; end, SECONDS, "the end of the connection");
			assert.equal(200, conn.messages[1].status);
		end);
	end);

	for what, bytes in pairs { NUL = "a\0b", CR = "a\rb", LF = "a\nb", ["CR LF"] = "a\r\nb", ["a byte of 255"] = "a\255b" } do
		it("(" .. what .. " in each of them) brings nothing but what was meant", function ()
			local list, names = {}, { "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Type", "Max-Forwards", "uri", "version",
				"method", "Subject", "P-Asserted-Identity", "Supported", "Record-Route", "Ms-Conversation-ID" };
			for i, name in ipairs(names) do
				local parts = { body = "meant"; garbled = true };
				local usual = probe:defaults(parts)[name];
				if usual or name == "uri" or name == "version" or name == "method" then
					parts[name] = (usual or ({ uri = "sip:romeo@fabrikam.com", version = "SIP/2.0", method = "MESSAGE" })[name]) .. bytes;
				else
					parts.more = { { name, bytes } };
				end
				list[i] = parts;
			end
			-- a message that ends at NUL goes on for ever: for 10 s, see hostile_sip_spec
			for i, got in ipairs(outcomes(list, 1)) do
				assert.is_true(got == "closed" or got == "none" or got == 200 or got >= 400, ("%s: %s"):format(names[i], got));
			end
		end);
	end

	describe("(Via)", function ()
		it("that is missing ends the connection, and no name is looked up", function ()
			assert.equal("closed", outcome { Via = false });
		end);
		it("may be there seventy times", function ()
			local list = {};
			for i = 1, 70 do list[i] = { "Via", ("SIP/2.0/TLS 10.0.0.%d:5061;branch=z9hG4bKv%d"):format(i, i) }; end
			assert.equal(200, outcome { more = list; body = "meant" });
		end);
		it("of another transport ends the connection", function ()
			assert.equal("closed", outcome { Via = "SIP/2.0/UDP 10.1.7.42:5060;branch=z9hG4bKudp" });
		end);
	end);

	for what, case in pairs {
		["CSeq of 2^32"] = { 400, { CSeq = "4294967296 MESSAGE" } }; ["CSeq of 2^31"] = { 200, { CSeq = "2147483648 MESSAGE" } };
		["CSeq of another method"] = { 400, { CSeq = "1 INVITE" } }; ["CSeq without a number"] = { 400, { CSeq = "MESSAGE" } };
		["no CSeq"] = { 400, { CSeq = false } }; ["no Call-ID"] = { 400, { ["Call-ID"] = false } };
		["no From"] = { 400, { From = false } }; ["no To"] = { 400, { To = false } };
		["a From without a tag"] = { 200, { From = "<sip:lena@contoso.com>" } };
	} do
		it("(" .. what .. ") is answered with " .. case[1], function ()
			case[2].body = "meant";
			assert.equal(case[1], outcome(case[2]));
		end);
	end

	describe("(a body in parts)", function ()
		local bodies = {
			["a part that begins with NUL"] = "--b\r\n\0\r\n--b--\r\n"; ["a boundary longer than the body"] = "--b";
			["no close"] = "--b\r\nContent-Type: text/plain\r\n\r\nx"; ["an empty part"] = "--b\r\n\r\n--b--\r\n";
			["a preamble and an epilogue"] = "pre\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\nepi";
			["a boundary that begins another"] = "--bb\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n";
			["a thousand parts"] = ("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"):rep(1000) .. "--b--\r\n";
			["ten levels"] = (function ()
				local inner = "x";
				for i = 1, 10 do
					inner = ("--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n%s\r\n--b%d--\r\n"):format(i, i - 1, inner, i);
				end
				return inner;
			end)();
		};
		for what, body in pairs(bodies) do
			it("with " .. what .. " is refused, unread", function ()
				local list = {};
				for _, kind in ipairs { "multipart/mixed;boundary=b", 'multipart/alternative; boundary="b"', "multipart/related;boundary=" ..
					("b"):rep(60), "multipart/mixed" } do
					list[#list + 1] = { body = body; ["Content-Type"] = kind };
					list[#list + 1] = { method = "INVITE"; body = body; ["Content-Type"] = kind };
				end
				for i, got in ipairs(outcomes(list)) do
					assert.is_true(got == 415 or i % 2 == 0 and got == 488, ("%s: %s"):format(list[i]["Content-Type"], got));
				end
			end);
		end
	end);
end);

describe("very many requests in one write", function ()
	local w;
	before_each(function () w = World.new { partner = false }; end);
	after_each(function () w:finish(); end);
	for _, n in ipairs { 1000, os.getenv("LG_TORTURE") == "all" and 20000 or nil } do
		it(("(%d): each is answered once, and others are served meanwhile"):format(n), function ()
			local probe = Probe.new(w);
			local conn, parts, chunks, got, carry = probe:connect(), {}, {}, 0, "";
			function conn.on_data(_, bytes)
				chunks[#chunks + 1] = bytes;
				bytes = carry .. bytes;
				for _ in bytes:gmatch("SIP/2%.0 200 ") do got = got + 1; end
				carry = bytes:sub(-11); -- one that is not there as a whole
			end
			local one = probe:bytes { method = "OPTIONS"; ["Call-ID"] = "pNNNN"; Via = "SIP/2.0/TLS 10.1.7.42:5061;branch=z9hG4bKNNNN" };
			for i = 1, n do parts[i] = one:gsub("NNNN", tostring(i)); end
			conn:send(table.concat(parts));
			local other, id = probe:bytes { method = "OPTIONS" };
			local another = probe:connect();
			another:send(other);
			assert.equal(200, probe:answer(another, id, SECONDS).status);
			w.loop:wait(function () return got >= n or conn.closed; end, 60, "all answers");
			local answered, count = {}, 0;
			for number in table.concat(chunks):gmatch("\r\nCall%-ID: p(%d+)\r\n") do
				assert.is_nil(answered[number], "answered twice: " .. number);
				answered[number], count = true, count + 1;
			end
			assert.equal(n, count);
		end);
	end
end);
