-- How many streams a partner, and all partners together, may have: one more is refused, those before it live.
-- SPDX-License-Identifier: MIT

local Streams = require "spec.support.streams";

local NORMAL = "partner_connection_limit = 20";

describe("a limit of streams", function ()
	local t;
	setup(function ()
		t = Streams.new {
			gateway_settings = NORMAL; contacts = { "more.a.example" };
			partners = { ["a.example"] = { row = 9; more = 'additional_domains = { "more.a.example" }' }; ["b.example"] = 9;
				["c.example"] = 9; ["few.example"] = { row = 9; more = "connection_limit = 2" } };
		};
	end);
	teardown(function () t:stop(); end);
	before_each(function () t:mark(); end);
	after_each(function () t:clear(); end);

	-- One stream more is not to be had, in whatever way; those before go on.
	local function full(domain, token)
		local peer = t:peer(domain);
		local ok, why = peer:try("EXTERNAL");
		assert.is_false(ok);
		assert.equal("resource-constraint", why);
		assert.equal("resource-constraint", peer:wait_closed());
		t:told("refused sasl", token, domain, "in");

		for _, way in ipairs { { no_tls = true }; {} } do
			peer = t:peer(domain);
			ok, why = peer:try("dialback", way);
			assert.is_false(ok);
			assert.equal("resource-constraint", why);
			assert.equal("wait", select(2, peer.result:error()));
			assert.is_nil(peer.closed);
			peer:send("</stream:stream>");
			peer:wait_closed();
		end
		t:told("refused dialback", token, domain, "in");
	end

	local function no_way_out(domain, token)
		local server = t.servers[domain] or t:server(domain);
		local before = #server.streams;
		local status, reason = t:fails(t:say(domain));
		assert.equal(500, status, reason);
		t:told("refused route", token, domain, "out");
		assert.equal(before, #server.streams);
		assert.is_truthy(reason:find(token, 1, true), reason);
	end

	it("of all partners holds for both directions, and an end makes room", function ()
		t:settings("connection_limit = 3; partner_connection_limit = 3");
		local server = t:server("a.example");
		local first, second = t:stream("a.example"), t:stream("b.example");
		local ours = t:reach(server);
		full("c.example", "connection-limit");
		no_way_out("c.example", "connection-limit");
		t:hear(first);
		t:hear(second);
		assert.equal(ours, t:reach(server));

		second:send("</stream:stream>");
		second:wait_closed();
		local third = t:stream("c.example");
		t:hear(third);
		no_way_out("c.example", "connection-limit");
		ours.conn:send("</stream:stream>");
		t:ended(ours);
		t:reach(t.servers["c.example"]);
		full("b.example", "connection-limit");
		t:hear(third);
	end);

	it("of a partner is the general one, for all its domains together", function ()
		t:settings("partner_connection_limit = 2");
		t:server("a.example");
		local first, second = t:stream("a.example"), t:stream("more.a.example");
		full("a.example", "partner-connection-limit");
		no_way_out("a.example", "partner-connection-limit");
		local peer = t:peer("more.a.example");
		assert.is_false((peer:try("EXTERNAL")));
		t:told("refused sasl", "partner-connection-limit", "more.a.example", "in");
		local other = t:stream("b.example"); -- another partner has room
		t:hear(other);
		t:hear(first);
		t:hear(second);
		t:settings("partner_connection_limit = 3");
		t:reach(t.servers["a.example"]);
	end);

	it("of a partner can be its own", function ()
		t:settings(NORMAL);
		local server = t:server("few.example");
		local first = t:stream("few.example", "dialback", { no_tls = true });
		assert.equal(1, #server.verifications); -- on a stream of ours, which is the second
		full("few.example", "partner-connection-limit");
		t:hear(first);
		t:reach(server);
		first:send("</stream:stream>");
		first:wait_closed();
		t:hear(t:stream("few.example"));
		full("few.example", "partner-connection-limit");
		for _ = 1, 3 do t:stream("b.example"); end
	end);

	it("does not count streams that are not authenticated", function ()
		t:settings("connection_limit = 2; partner_connection_limit = 2");
		for _ = 1, 3 do
			local waiting = t:peer("a.example");
			waiting:open();
			waiting:wait_features();
		end
		for _ = 1, 2 do t:hear(t:stream("a.example")); end
		full("a.example", "partner-connection-limit");
	end);

	it("of two that come at the same moment lets one in", function ()
		t:settings("connection_limit = 2; partner_connection_limit = 2");
		t:stream("a.example");
		local peers = { t:peer("a.example"), t:peer("b.example"), t:peer("c.example") };
		for _, peer in ipairs(peers) do
			peer:open();
			peer:wait_features();
			peer:starttls();
			peer:wait_features();
		end
		for _, peer in ipairs(peers) do peer:send(("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")); end
		local function count(fact)
			local n = 0;
			for _, peer in ipairs(peers) do n = n + (peer[fact] and 1 or 0); end
			return n;
		end
		t.loop:wait(function () return count("success") == 1 and count("closed") == 2; end, 5, "one success and two ends");
	end);
end);
