-- A test message disturbs nothing, and its report says no more than was shown.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local core = require "lync_gateway.core";
local st = require "util.stanza";

local CONTACT, USER = "romeo@fabrikam.com", "juliet@contoso.com";

local function library(name)
	return support.lib(name, { require = function (_, other) return support.lib(other); end });
end

describe("a test message", function ()
	local h, bridge, world, results;
	before_each(function ()
		h, bridge, world = support.running();
		results = {};
		h.synthetic = library("synthetic").new(h);
	end);

	local function run(direction, overrides)
		local request = { direction = direction; contact = CONTACT; user = USER; text = "hello?"; timeout = 30 };
		for key, value in pairs(overrides or {}) do request[key] = value; end
		return h.synthetic.run(request, function (result) table.insert(results, result); end);
	end

	local function only()
		assert.equal(1, #results);
		return results[1];
	end

	describe("to a Lync user", function ()
		it("is what the bridge gets of a contact, and tells nobody but the administrator", function ()
			local timers = world.clock.pending();
			assert.is_true(run("x2s"));
			assert.same({ { { contact = CONTACT; user = USER; text = "hello?"; verified = true; reply_only = false } } },
				bridge:called("message"));
			assert.same({}, results);
			world.clock.advance(3);
			world.events({ type = "outcome"; id = 1; outcome = "delivered"; status = 200 });
			assert.same({ true, "delivered", 3.0, "lync" }, { only().success, only().proof, only().latency, only().hop });
			assert.same({}, h.sent);
			assert.same({ "x2s delivered" }, h.metrics.messages);
			assert.is_true(world.clock.pending() <= timers, "no timer of its own is left");
		end);

		it("is not held against the partner when it fails, and counts as a message", function ()
			local held = 0;
			function h.presence.outcome() held = held + 1; end
			run("x2s");
			world.events({ type = "outcome"; id = 1; outcome = "failed"; status = 404; reason = "Not Found"; diag = 1003 });
			assert.same({ false, "lync", 404, 1003, "Not Found" }, { only().success or false, only().hop, only().status, only().diag,
				only().text });
			assert.same({ "x2s failed" }, h.metrics.messages);
			assert.equal("SIP 404 Not Found", h.metrics.last_text);
			assert.equal(0, held);
			assert.same({}, h.sent);
		end);

		it("leaves a real conversation as it is", function ()
			h.conversations.heard(CONTACT, USER, true);
			run("x2s");
			assert.is_true(h.conversations.get(CONTACT, USER).states);
			run("s2x");
			assert.is_true(h.conversations.get(CONTACT, USER).states);
		end);

		it("names what stopped it: the policy, the bridge", function ()
			h.settings.refused[USER] = true;
			run("x2s");
			assert.same({ "policy", "user-not-enabled" }, { only().hop, only().token });
			h.settings.refused = {};
			bridge.fails.message = "full";
			run("x2s");
			assert.same({ "bridge", "full" }, { results[2].hop, results[2].token });
			run("x2s", { text = ("x"):rep(20000) });
			assert.same({ "policy", "A message may have 16384 bytes (too-big)" }, { results[3].hop, results[3].text });
			assert.same({}, h.sent);
		end);

		it("ends with its time-out, and an outcome after that is counted only", function ()
			run("x2s");
			world.clock.advance(30);
			assert.same({ "lync", "timeout", 30.0 }, { only().hop, only().token, only().latency });
			world.events({ type = "outcome"; id = 1; outcome = "delivered"; status = 200 });
			assert.equal(1, #results);
			assert.same({ "x2s delivered" }, h.metrics.messages);
		end);
	end);

	describe("to a contact", function ()
		local function receipt(id, from)
			return st.message({ from = from or CONTACT.."/orchard"; to = USER })
				:tag("received", { xmlns = "urn:xmpp:receipts", id = id }):up();
		end

		it("is followed by a ping when it has been handed over, and the ping's answer proves the server", function ()
			h.streams["fabrikam.com"] = {};
			run("s2x");
			world.clock.advance(0);
			assert.same({ "message", "iq" }, { h.sent[1].name, h.sent[2].name });
			assert.is_truthy(h.sent[1]:get_child("request", "urn:xmpp:receipts"));
			assert.equal("hello?", h.sent[1]:get_child_text("body"));
			world.clock.advance(1);
			local answer = st.reply(h.sent[2]);
			answer.attr.from = "evil.example";
			assert.is_false(h.synthetic.answered(answer));
			assert.is_true(h.synthetic.answered(st.reply(h.sent[2])));
			world.clock.advance(1.9);
			assert.same({}, results, "a receipt may still come");
			world.clock.advance(0.1);
			assert.same({ true, "server", 1.0 }, { only().success, only().proof, only().latency });
			assert.same({}, bridge:called("answer"), "the bridge knows nothing of it");
		end);

		it("is proved by the client's receipt, and by nobody else's", function ()
			h.streams["fabrikam.com"] = {};
			run("s2x");
			assert.is_false(h.synthetic.heard(receipt("another")));
			assert.is_false(h.synthetic.heard(receipt(h.sent[1].attr.id, "mercutio@fabrikam.com/x")));
			assert.is_true(h.synthetic.heard(receipt(h.sent[1].attr.id)));
			assert.same({ true, "client" }, { only().success, only().proof });
		end);

		it("fails by an error of the partner, also after the ping's answer", function ()
			h.streams["fabrikam.com"] = {};
			run("s2x");
			world.clock.advance(0);
			h.synthetic.answered(st.reply(h.sent[2]));
			assert.is_true(h.synthetic.bounced(st.error_reply(h.sent[1], "cancel", "item-not-found", "Who?"),
				{ type = "s2sin"; host = "contoso.com" }));
			assert.same({ "partner", "item-not-found", "Who?" }, { only().hop, only().condition, only().text });
			world.clock.advance(5);
			assert.equal(1, #results);
		end);

		it("waits for a stream, and tells whose error it was that there is none", function ()
			run("s2x");
			assert.equal(1, #h.sent);
			assert.is_false(h.handover.bounced(st.error_reply(h.sent[1], "cancel", "remote-server-not-found")), "not the bridge's");
			local bounce = st.error_reply(h.sent[1], "wait", "remote-server-timeout", "Refused (tls-required)");
			assert.is_true(h.synthetic.bounced(bounce, { type = "s2sin"; dummy = true }));
			assert.same({ "stream", "remote-server-timeout", "tls-required" }, { only().hop, only().condition, only().token });
			run("s2x");
			world.clock.advance(25);
			assert.same({ "stream", "no-stream" }, { results[2].hop, results[2].token });
			run("s2x");
			bounce = st.error_reply(h.sent[#h.sent], "wait", "resource-constraint", "Enough (connection-limit)");
			assert.is_true(h.synthetic.bounced(bounce, { type = "component"; host = "contoso.com" }));
			assert.same({ "stream", "connection-limit" }, { results[3].hop, results[3].token }, "our own word");
			run("s2x");
			h.streams["fabrikam.com"] = {};
			h.synthetic.established("fabrikam.com");
			world.clock.advance(0);
			assert.equal("iq", h.sent[#h.sent].name);
			world.clock.advance(30);
			assert.same({ "partner", "timeout" }, { results[4].hop, results[4].token });
		end);

		it("is stopped by the policy with its word", function ()
			h.settings.refused[USER] = true;
			run("s2x");
			assert.same({ "policy", "user-not-enabled" }, { only().hop, only().token });
			assert.same({}, h.sent);
		end);
	end);

	it("is one of ten at most, and ends with the gateway", function ()
		for _ = 1, 10 do assert.is_true(run("x2s")); end
		local ok, err = run("x2s");
		assert.is_nil(ok);
		assert.is_truthy(err:find("10 tests are under way", 1, true));
		h.synthetic.stop();
		assert.equal(10, #results);
		assert.same({ "gateway", "stopped" }, { results[1].hop, results[1].token });
		assert.is_true(run("x2s"));
	end);
end);

describe("the report of a test message", function ()
	local fake = {};
	function fake.require(_, name) return support.lib(name, fake); end
	local report = support.lib("synthetic_report", fake);

	local function complete(overrides)
		local result = { direction = "x2s"; domain = "fabrikam.com"; target = "sip.contoso.com:5061"; latency = 0.25;
			edge = "connected" };
		for key, value in pairs(overrides) do result[key] = value; end
		return report.complete(result);
	end

	it("is five lines and what was not tested", function ()
		assert.same({
			"Target      sip.contoso.com:5061"; "Result      Failure"; "Latency     0.250 s";
			"Error       SIP 404 Not Found (ms-diagnostics 1003)"; "Diagnosis   Answered by Lync";
			"            Lync has no user with this address";
			"            Not tested: the stream from the partner to this server; `partner test` shows what it would be offered";
		}, report.lines(complete { hop = "lync"; status = 404; diag = 1003; text = "Not Found" }));
	end);

	it("takes the diagnostics code before the status", function ()
		assert.equal("The user may not communicate with federated partners",
			complete({ hop = "lync"; status = 403; diag = 1027 }).diagnosis[2]);
		assert.is_truthy(complete({ hop = "lync"; status = 403 }).diagnosis[2]:find("federation for this user", 1, true));
	end);

	it("has nothing in it that a terminal obeys", function ()
		local result = complete { hop = "lync"; status = 480; text = "a\27[2Jb\194\155c" };
		assert.equal("Error       SIP 480 a?[2Jb?c", report.lines(result)[4]);
	end);

	for _, token in ipairs { "not-a-partner", "partner-disabled", "user-not-enabled", "not-our-domain", "loop", "no-settings",
		"recipient-limit", "partner-quarantined", "not-authorized" } do
		it("says what to do about "..token, function ()
			local result = complete { hop = "policy"; token = token; text = (core.refusal(token) or {}).text or "x" };
			assert.is_truthy(result.error:find("("..token..")", 1, true));
			assert.equal(3, #result.diagnosis, table.concat(result.diagnosis, "\n"));
		end);
	end

	it("names the domain where it says what to run, and nothing odd of it is a pattern", function ()
		local result = complete { direction = "s2x"; hop = "stream"; condition = "remote-server-not-found"; domain = "a%1.example" };
		assert.equal("No server of a%1.example could be reached: run `partner test a%1.example`", result.diagnosis[2]);
	end);

	it("tells the state of the Access Edge where it matters, and only there", function ()
		local result = complete { hop = "bridge"; token = "no-connection"; text = "no way"; edge = "down: refused" };
		assert.equal("Access Edge: down: refused", result.diagnosis[3]);
		result = complete { success = true; proof = "accepted"; edge = "connected" };
		assert.equal(2, #result.diagnosis);
		assert.is_truthy(result.diagnosis[1]:find("nobody has confirmed it yet", 1, true));
	end);
end);
