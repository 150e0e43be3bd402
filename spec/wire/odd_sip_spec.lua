-- SIP that is allowed, but odd: other spellings, bytes one by one or many messages at once, a CANCEL that comes early, and
-- peers who are gone before they are answered.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local ports = require "spec.support.ports";
local sip = require "spec.support.sip";
local stream = require "spec.support.stream";
local words = require "spec.support.edge_words";

describe("odd SIP", function ()
	local w, probe, romeo;
	setup(function ()
		w = World.new { wire = { answer_wait = 0.3 } };
		probe, romeo = Probe.new(w), w:contact("romeo");
	end);
	teardown(function () w:finish(); end);
	after_each(function () probe:assert_alive(); end);

	local function passes(text, parts)
		parts.body = text;
		assert.equal(200, probe:ask(parts).status);
		romeo:wait_message(text);
	end

	it("may lack a branch, or have one of RFC 2543", function ()
		passes("no branch", { Via = "SIP/2.0/TLS 10.1.7.42:5061" });
		passes("an old branch", { Via = "SIP/2.0/TLS 10.1.7.42:5061;branch=7" });
		passes("nothing but magic", { Via = "SIP/2.0/TLS 10.1.7.42:5061;branch=z9hG4bK" });
	end);

	it("may have come a long way", function ()
		local vias = {};
		for i = 1, 40 do vias[i] = { "Via", ("SIP/2.0/TLS 10.0.0.%d:5061;branch=z9hG4bKhop%d"):format(i, i) }; end
		passes("forty hops", { more = vias });
	end);

	it("may use compact forms", function ()
		local conn, none = probe:connect(), {};
		for _, name in ipairs { "Via", "From", "To", "Call-ID", "Content-Type", "Content-Length", "Contact" } do none[name] = false; end
		none.body = "compact";
		none.more = { { "v", "SIP/2.0/TLS 10.1.7.42:5061;branch=z9hG4bKcompact" }, { "f", "<sip:lena@contoso.com>;tag=1" },
			{ "t", "<sip:romeo@fabrikam.com>" }, { "i", "compact" }, { "c", "text/plain;charset=utf-8" }, { "l", "7" }, { "k", "timer" },
			{ "m", "<sip:lena@contoso.com;gruu>" } };
		conn:send((probe:bytes(none)));
		assert.equal(200, probe:answer(conn, "compact").status);
		romeo:wait_message("compact");
		conn:close();
	end);

	it("may fold its headers", function ()
		passes("folded", { From = "\"Lena\r\n Berg\"\r\n\t<sip:lena@contoso.com>\r\n ;tag=1"; ["Call-ID"] = "folded";
			more = { { "Subject", "a\r\n long\r\n one" }, { "Supported", "timer,\r\n histinfo" } } });
	end);

	it("may have hundreds of Supported lines", function ()
		local list = {};
		for i = 1, 300 do list[i] = { "Supported", "tag-" .. i }; end
		passes("so much supported", { more = list });
	end);

	it("may stand behind line ends, in one record with them", function ()
		for _, ends in ipairs { "\r\n", "\r\n\r\n", "\r\n\r\n\r\n", "\r\n\r\n\r\n\r\n" } do
			local conn, text = probe:connect(), ("behind %d bytes"):format(#ends);
			for _, again in ipairs { "first", "second" } do
				local bytes, call_id = probe:bytes { body = text .. again };
				conn:send(ends .. bytes);
				assert.equal(200, probe:answer(conn, call_id).status);
				romeo:wait_message(text .. again);
			end
			conn:close();
		end
	end);

	it("may come byte by byte", function ()
		local conn, sent = probe:connect(), 0;
		local bytes, call_id = probe:bytes { body = "byte by byte" };
		w.loop:every(0, function ()
			sent = sent + 1;
			conn:send(bytes:sub(sent, sent));
			return sent < #bytes;
		end);
		assert.equal(200, probe:answer(conn, call_id, 10).status);
		romeo:wait_message("byte by byte");
		conn:close();
	end);

	it("may come as 200 requests in one write, and each is answered once, the texts in order", function ()
		local conn, all, ids, heard = probe:connect(), {}, {}, {};
		romeo:on_message(function (_, text) heard[#heard + 1] = text; end);
		for i = 1, 200 do
			local method = i % 4 == 0 and "MESSAGE" or "OPTIONS";
			all[i], ids[i] = probe:bytes { method = method; body = method == "MESSAGE" and ("text " .. i) or nil };
		end
		conn:send(table.concat(all));
		for _, id in ipairs(ids) do assert.equal(200, probe:answer(conn, id).status); end
		assert.equal(200, #conn.messages);
		w.loop:wait(function () return #heard == 50; end, 5, "all texts");
		for i = 1, 50 do assert.equal("text " .. 4 * i, heard[i]); end
		romeo:on_message(nil);
		conn:close();
	end);

	it("may cancel what it has just begun", function ()
		local conn = probe:connect();
		local parts = { method = "INVITE"; body = words.sdp("null"); ["Content-Type"] = "application/sdp"; ["Call-ID"] = "early";
			From = "<sip:lena@contoso.com>;tag=early"; Via = "SIP/2.0/TLS 10.1.7.42:5061;branch=z9hG4bKearly" };
		local invite = probe:bytes(parts);
		parts.method, parts.body, parts["Content-Type"] = "CANCEL", nil, nil;
		local cancel = probe:bytes(parts);
		conn:send(invite .. cancel);
		local got = {};
		w.loop:wait(function ()
			for _, message in ipairs(conn.messages) do
				local _, method = sip.cseq(message);
				if message.status >= 200 then got[method] = message.status; end
			end
			return got.INVITE and got.CANCEL;
		end, 5, "both answers");
		assert.equal(200, got.CANCEL);
		assert.is_true(got.INVITE == 487 or got.INVITE == 200, tostring(got.INVITE));
		conn:close();
	end);

	describe("whose sender is gone before its answer", function ()
		local source, calls = ports.address("source"), 0;
		local traps = {};
		setup(function ()
			for i, ip in ipairs { source, ports.address("trap") } do
				traps[i] = stream.listen(w.loop, ip, 6000, nil, function () calls = calls + 1; end);
			end
		end);
		teardown(function () for _, trap in ipairs(traps) do trap.close(); end end);

		it("finds a worker that looks up no names", function ()
			assert.is_nil(probe:log():find("may be looked up", 1, true));
		end);

		for what, via in pairs {
			["by address"] = ports.address("trap") .. ":6000;branch=z9hG4bK%s";
			["by its own address"] = source .. ":6000;branch=z9hG4bK%s";
			["by maddr"] = "gone.example:6000;branch=z9hG4bK%s;maddr=" .. ports.address("trap");
			["by maddr, a name"] = "gone.example:6000;branch=z9hG4bK%s;maddr=slow.gone.example";
			["by name"] = "slow.gone.example:6000;branch=z9hG4bK%s";
			["by received"] = "slow.gone.example:6000;branch=z9hG4bK%s;rport=6000;received=" .. ports.address("trap");
		} do
			it("is not looked for: neither looked up nor connected to (" .. what .. ")", function ()
				local conn, text = probe:connect { from = source }, "gone " .. what;
				conn:send((probe:bytes { body = text; Via = "SIP/2.0/TLS " .. via:format(what:gsub("%W", "")) }));
				romeo:wait_message(text);
				conn:close(true);
				-- its answer is due after answer_wait; meanwhile and then, others are served (a look-up takes a second at least)
				local worst, due = 0, w.loop:now() + 0.6;
				while w.loop:now() < due do
					local asked = w.loop:served();
					probe:assert_alive();
					worst = math.max(worst, w.loop:served() - asked);
				end
				assert.is_true(worst < 0.9, "the worker was silent for " .. worst .. " s");
				assert.equal(0, calls);
			end);
		end
	end);
end);
