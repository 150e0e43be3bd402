-- edge_spec.lua: the Access Edge stand-in against a scripted peer: it must accept what is right and see what is wrong.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local Edge = require "spec.support.edge";
local process = require "spec.support.process";
local ports = require "spec.support.ports";
local sip = require "spec.support.sip";
local Bridge = require "spec.support_spec.scripted_bridge";

describe("the Access Edge stand-in", function ()
	local loop, ca_loop, edge, bridge, lena, edge_cert, bridge_cert;

	setup(function ()
		ca_loop = Loop.new();
		local ca = CA.new(process.directory(ca_loop, "ca"));
		edge_cert = ca:issue("edge", { names = { "sip.contoso.com" } });
		bridge_cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	end);
	teardown(function () ca_loop:close(); end);

	before_each(function ()
		loop = Loop.new();
		edge = Edge.new{ loop = loop, cert = edge_cert, listen = ports.address("edge"), contacts = { "fabrikam.com" },
			bridge = { fqdn = "xmpp.contoso.com", ip = ports.address("bridge"), port = 5061 } };
		bridge = Bridge.new(loop, bridge_cert, ports.address("bridge"), 5061, edge.ip, edge.port);
		lena = edge:user("lena@contoso.com", "Lena Berg");
	end);
	after_each(function () loop:close(); end);

	local function violated()
		local tokens = {};
		for _, violation in ipairs(edge.violations) do tokens[#tokens + 1] = violation.token; end
		return table.concat(tokens, " ");
	end

	local function open_from_bridge()
		bridge:invite();
		loop:wait(function () return lena.conversations[1] and lena.conversations[1].acked; end, 3, "the ACK");
		return lena.conversations[1];
	end

	it("opens a conversation, says the first text twice, types and says goodbye", function ()
		local c = lena:open("romeo@fabrikam.com", "hello, Ro\"meo", { huge = 20000 }):wait_open();
		loop:wait(function () return #bridge.texts == 1; end, 3, "the text");
		assert.equal("hello, Ro\"meo", bridge.texts[1]);
		local invite = bridge.seen[1];
		assert.is_true(#invite.raw > 20000);
		assert.equal(2, #sip.list(invite, "Record-Route"));
		assert.equal(3, #sip.list(invite, "Via"));
		assert.is_nil(sip.params(sip.list(invite, "Via")[3]).branch);
		assert.equal(200, c:typing(true):wait());
		assert.equal(200, c:say("more"):wait());
		assert.equal(200, c:reinvite():wait());
		assert.equal(200, c:update():wait());
		assert.equal(200, c:bye():wait());
		loop:wait(function () return bridge.acked == 2; end, 3, "both ACKs");
		edge:assert_clean();
	end);

	it("takes the bridge's conversation and answers in it", function ()
		lena:on_message(function (c, text) c:say("echo " .. text); end);
		local c = open_from_bridge();
		bridge:text("hi");
		lena:wait_message("hi");
		loop:wait(function () return bridge.texts[1]; end, 3, "the echo");
		assert.equal("echo hi", bridge.texts[1]);
		bridge:send("INFO", {
			type = "application/xml", body = '<?xml version="1.0"?><KeyboardActivity><status status="type"/></KeyboardActivity>' });
		lena:wait_typing(true);
		bridge:send("BYE", {});
		assert.equal("bye of the contact", c:wait_end());
		edge:assert_clean();
	end);

	it("answers as told, one after the other", function ()
		lena:answers("MESSAGE", { status = 481, times = 1 }, { status = 202, imdn = 408 });
		open_from_bridge();
		bridge:text("one");
		loop:wait(function () return bridge.last.status == 481; end, 3, "481");
		bridge:text("two");
		loop:wait(function () return bridge.last.status == 481 and #lena.received == 0; end, 3, "481: the dialog has gone");
		edge:assert_clean();
	end);

	it("queues with 202 and tells the fate later", function ()
		lena:answers("MESSAGE", { status = 202, imdn = 408 });
		open_from_bridge();
		bridge:text("two");
		lena:wait_message("two");
		loop:wait(function ()
			local last = bridge.seen[#bridge.seen];
			return last.method == "INFO" and last.body:find("<message%-id>1</message%-id>.*<status>408</status>");
		end, 3, "the IMDN");
		edge:assert_clean();
	end);

	it("refuses, with diagnostics and warning", function ()
		lena:answers("INVITE", { status = 606, warning = '309 lcs.microsoft.com "no"', diag = 16000, after = 0.05 });
		bridge:invite();
		loop:wait(function () return bridge.last and bridge.last.status == 606; end, 3, "606");
		assert.matches("16000", sip.get(bridge.last, "ms-diagnostics-public"));
		assert.matches("309", sip.get(bridge.last, "Warning"));
		edge:assert_clean();
	end);

	it("does not know strangers", function ()
		edge.users = {};
		bridge:invite();
		loop:wait(function () return bridge.last and bridge.last.status == 404; end, 3, "404");
	end);

	it("rings at two endpoints and lets both answer", function ()
		lena:answers("INVITE", { status = 200, fork = "both" });
		local c = open_from_bridge();
		loop:wait(function () return c.other and c.other.state == "ended"; end, 3, "BYE to the second endpoint");
		assert.is_true(c.other.acked);
		assert.equal("open", c.state);
		edge:assert_clean();
	end);

	it("shows a refusal and a refusal without diagnostics", function ()
		bridge.refuse, bridge.refuse_headers = 480, { { "ms-diagnostics-public", '60001;reason="offline"' } };
		assert.equal(480, (lena:open("romeo@fabrikam.com", "x"):wait_failed()));
		loop:wait(function () return bridge.acked == 1; end, 3, "the ACK");
		edge:assert_clean();
		bridge.refuse_headers = nil;
		lena:offer("romeo@fabrikam.com", "audio"):wait_failed();
		assert.equal("no-diagnostics", violated());
	end);

	it("sees a normalised signed route", function ()
		bridge.normalise = true;
		lena:open("romeo@fabrikam.com"):wait_open();
		assert.equal("record-route", violated());
	end);

	it("sees a missing Record-Route", function ()
		bridge.no_record_route = true;
		lena:open("romeo@fabrikam.com"):wait_open();
		assert.equal("record-route", violated());
	end);

	it("sees a changed Route, a repeated CSeq, a foreign From, a broken-out header and a missing verification", function ()
		open_from_bridge();
		local route = bridge.dialog.route;
		bridge:text("a", { route = { route[1]:gsub("%%2f", "/"), route[2] } });
		bridge:text("b", { cseq = 1 });
		bridge:text("c", { headers = { { "X-Evil", "1" } } });
		lena:wait_message("c");
		assert.equal("route cseq-order unexpected-header", violated());
		edge.violations = {};
		bridge.dialog = nil;
		bridge:send("INVITE", { from = "<sip:lena@contoso.com>;tag=1", type = "application/sdp", body = "v=0\r\n" });
		loop:wait(function () return #edge.violations > 0; end, 3, "a violation");
		assert.matches("^from%-domain", violated());
	end);

	it("sees a missing ACK", function ()
		bridge.no_ack = true;
		bridge:invite();
		loop:wait(function () return bridge.last and bridge.last.status == 200; end, 3, "200");
		assert.has_error(function () edge:assert_clean(0.1); end);
		assert.equal("no-ack", violated());
	end);

	it("sees broken framing", function ()
		bridge:invite();
		loop:wait(function () return bridge.last; end, 3, "an answer");
		bridge.conn:send("MESSAGE sip:lena@contoso.com SIP/2.0\r\nFrom: x\nInjected: y\r\n\r\n");
		loop:wait(function () return violated():match("framing"); end, 3, "the violation");
	end);

	it("sends raw bytes and cancels", function ()
		local raw = edge:raw();
		raw:send("OPTIONS sip:xmpp.contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS x;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
			.. "To: <sip:x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
		loop:wait(function () return raw.messages[1]; end, 3, "the answer");
		assert.equal(200, raw.messages[1].status);
		raw:close(true);
		local c = lena:open("romeo@fabrikam.com");
		assert.equal(200, c:cancel():wait());
		assert.equal(200, lena:pager("romeo@fabrikam.com", "page"):wait());
	end);

	it("tells a waiting request that the connection has gone", function ()
		bridge.request = function (_, _, conn) conn:close(true); end;
		local c = lena:open("romeo@fabrikam.com", "x");
		loop:wait(function () return c.state == "failed"; end, 3, "the loss");
		assert.is_nil(c.status);
	end);
end);
