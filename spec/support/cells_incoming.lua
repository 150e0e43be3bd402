-- cells_incoming.lua: a cell (cells.lua) whose peer connects to the gateway.
-- SPDX-License-Identifier: MIT
--
--	incoming(cell, loop, run)	-- in a coroutine; fills cell.actual

local cells = require "spec.support.cells";
local s2s = require "spec.support.s2s";

local GATEWAY = "contoso.com";
local TLS, SASL = "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-sasl";
local PATIENCE = 10; -- seconds, for what must come
local SHORT = 1; -- for what may

-- Another partner, for the cells that use two names.
local function other(cell)
	return cell.domain ~= cells.HOST_DOMAIN and cells.HOST_DOMAIN or "row-3.in.example";
end

-- The name in the n-th stream header: false for none.
local function name_in_header(cell, n)
	if cell.from == "missing" or cell.from == "late" and n == 1 then return false; end
	if cell.piggyback or cell.from == "changed" and n > 1 or cell.from == "changed-to" and n == 1 then return other(cell); end
	return cell.domain;
end

-- What is offered, in words.
local function offers(features)
	local list = {};
	local mechanisms = features:child("mechanisms", SASL);
	for _, mechanism in ipairs(mechanisms and mechanisms:childs() or {}) do list[#list + 1] = mechanism:text(); end
	if features:child("dialback") then list[#list + 1] = "dialback"; end
	local starttls = features:child("starttls", TLS);
	if starttls then list[#list + 1] = starttls:child("required") and "starttls!" or "starttls"; end
	return table.concat(list, " ");
end

local function ended(peer)
	return peer.closed or peer.stream_error or peer.stream_closed;
end

local function how_it_ended(peer)
	return peer.stream_error and "stream:"..peer.stream_error or "closed";
end

-- Whatever comes of predicate, or the end of the stream. The first thing that it gives.
local function await(peer, predicate, what, seconds)
	peer.loop:wait(function () return predicate() or ended(peer); end, seconds or PATIENCE, what);
	return predicate();
end

-- Open a stream and see what is offered; false when it ended.
local function open(peer, cell, n, actual, fact)
	peer:open({ from = name_in_header(cell, n) });
	if cell.version == "none" then return await(peer, function () return peer.opened; end, "the stream header"); end
	local features = await(peer, function () return peer.features; end, "features");
	if not features or ended(peer) then return false; end
	actual[fact] = offers(features);
	return true;
end

-- true when TLS is up, else an answer.
local function starttls(peer, cell)
	if cell.tls ~= "starttls" then
		function peer.conn.start_tls(conn)
			if cell.tls == "garbage" then conn:send("\22\3\1\0\5 this is no TLS"); else conn:close(); end
		end
	end
	peer:send("<starttls xmlns='"..TLS.."'/>");
	await(peer, function () return peer.failure or peer.conn.secure; end, "an answer to STARTTLS");
	if not peer.failure then return peer.conn.secure or how_it_ended(peer); end
	peer.loop:wait(function () return ended(peer); end, PATIENCE, "the end of the stream");
	return "starttls-failure "..how_it_ended(peer);
end

local attempts = {};

function attempts.EXTERNAL(peer, cell)
	local authzid = cell.authzid == "empty" and "" or cell.authzid == "other" and "other.example" or cell.domain;
	if peer:sasl_external(authzid, PATIENCE) then
		await(peer, function () return peer.features; end, "features after EXTERNAL");
		return "success";
	end
	return peer.failure and "failure:"..peer.failure or how_it_ended(peer);
end

function attempts.PLAIN(peer)
	peer:send("<auth xmlns='"..SASL.."' mechanism='PLAIN'>AGEAYg==</auth>");
	local failure = await(peer, function () return peer.failure; end, "an answer to PLAIN");
	return failure and "failure:"..failure or how_it_ended(peer);
end

function attempts.unsolicited(peer, cell)
	peer:send(("<db:result from='%s' to='%s' type='valid'/><db:verify from='%s' to='%s' id='%s' type='valid'/>"):format(cell.domain,
		GATEWAY, cell.domain, GATEWAY, peer.opened.id or "x"));
	return "nothing";
end

local function answer_of(result)
	local condition = result.attr.type == "error" and result:error();
	return "result:"..tostring(result.attr.type)..(condition and ":"..condition or "");
end

function attempts.dialback(peer, cell, run)
	local key = cell.vouch.."-"..cell.id;
	local loop, deadline = peer.loop, peer.loop:now() + SHORT;
	peer:dialback(key, cell.domain);
	local result = await(peer, function ()
		if cell.vouch == "silent" and run.asked[key] then return true; end
		if cell.vouch == "absent" and loop:now() > deadline then return true; end
		return peer.result;
	end, "the answer to a key");
	if result == true then return "silence"; end
	if not result then return how_it_ended(peer); end
	return answer_of(result);
end

-- Up to the answer to the attempt.
local function negotiate(peer, cell, actual, run)
	local direct = cell.tls == "direct";
	actual.clear, actual.secure = "", "";
	if direct then await(peer, function () return peer.connected; end, "TLS"); end
	if not open(peer, cell, 1, actual, direct and "secure" or "clear") then return how_it_ended(peer); end
	if not direct and cell.tls ~= "none" then
		local up = starttls(peer, cell);
		if up ~= true then return up; end
		if not open(peer, cell, 2, actual, "secure") then return how_it_ended(peer); end
	end
	return attempts[cell.auth](peer, cell, run);
end

local function message(cell)
	return ("<message type='chat' id='%s' from='romeo@%s/x' to='lena@%s'><body>%s</body></message>"):format(cell.id, cell.domain,
		GATEWAY, cell.id);
end

local function starttls_again(peer, actual)
	peer:send("<starttls xmlns='"..TLS.."'/>");
	peer.loop:wait(function () return ended(peer); end, PATIENCE, "the end of the stream");
	actual.answer = actual.answer.." "..how_it_ended(peer);
end

return function (cell, loop, run)
	local actual = cell.actual;
	local peer = s2s.connect(loop, { from = cell.domain; to = GATEWAY; ip = run.gateway.address; name = cell.id;
		port = cell.tls == "direct" and run.direct_tls or nil; direct_tls = cell.tls == "direct"; cert = run.certs["in"][cell.cert];
		version = cell.version ~= "none" and cell.version });
	actual.answer = negotiate(peer, cell, actual, run);
	if actual.answer == "success" then
		actual.method = "sasl-tls";
	elseif actual.answer == "result:valid" then
		actual.method = peer.conn.secure and "tls-dialback" or "tcp-dialback";
	end
	if not ended(peer) then peer:send(message(cell)); end
	if actual.method then
		loop:wait(function () return run.messages[cell.id]; end, PATIENCE, "the message at the Lync user");
		if cell.after == "starttls" then starttls_again(peer, actual); end
	end
	-- What is behind the end of the stream is not looked at, what is before it is: nothing is under way any more.
	if not ended(peer) then peer:send("</stream:stream>"); end
	loop:wait(function () return peer.closed; end, PATIENCE, "the end of the connection");
	if actual.answer == "silence" and peer.result then actual.answer = answer_of(peer.result); end -- a slow one
end
