-- A partner's negotiation settings change while its streams stand: those that comply no more end, with the reason; those that do,
-- and everybody else's, notice nothing; what waits for a stream that is being made is not lost.
-- SPDX-License-Identifier: MIT

local Streams = require "spec.support.streams";

describe("new settings of a partner", function ()
	local t, bystander;
	setup(function ()
		local partners = { ["bystander.example"] = 9 };
		for i = 1, 20 do partners[("p%d.example"):format(i)] = 9; end
		t = Streams.new { partners = partners };
		bystander = { server = t:server("bystander.example"); clear = t:stream("bystander.example", "dialback", { no_tls = true });
			secure = t:stream("bystander.example", "dialback"); external = t:stream("bystander.example") };
		bystander.session = t:reach(bystander.server);
	end);
	teardown(function () t:stop(); end);

	local serial = 0;
	before_each(function () t:mark(); serial = serial + 1; end);
	-- The streams of another partner are the same ones as ever.
	after_each(function ()
		for _, kind in ipairs { "clear", "secure", "external" } do t:hear(bystander[kind]); end
		assert.equal(bystander.session, t:reach(bystander.server));
		t:no_log('closed stream:.*remote="bystander');
	end);

	local function fresh()
		serial = serial + 1;
		return ("p%d.example"):format(serial);
	end

	-- Streams of a domain, each as the partner has it: clear, secure (dialback), external; and ours to it, made in that way.
	local function streams(domain, ours)
		local all = { domain = domain, server = t:server(domain, ours) };
		if not ours or ours.cert ~= false then
			all.external = t:stream(domain);
			all.secure = t:stream(domain, "dialback");
		end
		all.clear = t:stream(domain, "dialback", { no_tls = true });
		all.out = t:reach(all.server);
		return all;
	end

	local function stays(peer) t:hear(peer); end

	local function ends(all, kind, token, condition)
		assert.equal(condition or "policy-violation", all[kind]:wait_closed(), kind);
		t:told("closed stream", token, all.domain, "in");
	end

	local function ours_ends(all, token)
		assert.equal("policy-violation", t:ended(all.out));
		t:told("closed stream", token, all.domain, "out");
	end

	-- How the stream of a session was made.
	local function method(session)
		return session.mechanism == "EXTERNAL" and "sasl-tls" or session.secure and "tls-dialback" or "tcp-dialback";
	end

	local function next_is(all, expected)
		local session = t:reach(all.server);
		assert.not_equal(all.out, session);
		assert.equal(expected, method(session));
	end

	it("that require TLS and SASL end the others", function ()
		local all = streams(fresh());
		t:partner(all.domain, 1);
		ends(all, "clear", "tls-required");
		ends(all, "secure", "sasl-required", "unsupported-feature");
		stays(all.external);
		assert.equal(all.out, t:reach(all.server));
		t:partner(all.domain, 2); -- the same by other words
		stays(all.external);
		assert.equal(all.out, t:reach(all.server));
	end);

	it("that require TLS end clear text alone", function ()
		local all = streams(fresh());
		t:partner(all.domain, 7);
		ends(all, "clear", "tls-required");
		stays(all.secure);
		stays(all.external);
		assert.equal(all.out, t:reach(all.server));
	end);

	it("that forbid SASL end what EXTERNAL has made, both ways", function ()
		local all = streams(fresh());
		t:partner(all.domain, 15);
		ends(all, "external", "sasl-not-supported");
		ours_ends(all, "sasl-not-supported");
		stays(all.secure);
		stays(all.clear);
		next_is(all, "tls-dialback");
	end);

	it("that forbid TLS end all that is encrypted, both ways", function ()
		local all = streams(fresh());
		t:partner(all.domain, 17);
		ends(all, "external", "sasl-not-supported");
		ends(all, "secure", "tls-not-supported");
		ours_ends(all, "sasl-not-supported");
		stays(all.clear);
		next_is(all, "tcp-dialback");
	end);

	it("end our stream in clear text when they require TLS; the next one has it", function ()
		local all = streams(fresh(), { cert = false, starttls = false });
		assert.equal("tcp-dialback", method(all.out));
		t:partner(all.domain, 7);
		ours_ends(all, "tls-required");
		ends(all, "clear", "tls-required");
		all.server.cert, all.server.starttls = t:cert(all.domain), "offer";
		next_is(all, "sasl-tls");
	end);

	it("end streams of theirs that are being made and cannot comply any more", function ()
		local domain = fresh();
		local clear, secure = t:peer(domain), t:peer(domain);
		clear:open();
		clear:wait_features();
		secure:open();
		secure:wait_features();
		secure:starttls();
		secure:wait_features();
		t:partner(domain, 17);
		assert.equal("policy-violation", secure:wait_closed());
		t:told("closed stream", "tls-not-supported", domain, "in");
		t:server(domain, { cert = false });
		clear:dialback();
		assert.equal("valid", (clear:wait_result()));
		stays(clear);
	end);

	it("keep what waits for a stream that is being made: it goes on by the new ones", function ()
		for _, case in ipairs { { 17, "tcp-dialback" }, { 15, "tls-dialback" }, { 7, "sasl-tls" } } do
			local domain = fresh();
			local held;
			local server = t:server(domain, { on = { auth = function (_, session)
				if held then return true; end
				held = session; -- our EXTERNAL has no answer yet
			end } });
			local order = {};
			server.on_stanza = function (stanza) order[#order + 1] = stanza:child_text("body"); end
			for i = 1, 3 do t:say(domain, "waits " .. i); end
			t.loop:wait(function () return held; end, 5, "our EXTERNAL");
			t:partner(domain, case[1]);
			if case[1] == 7 then -- it still complies
				assert.is_nil(held.closed);
				held.mechanism = "EXTERNAL";
				held.conn:send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
				held.reset();
			else -- EXTERNAL is on its way, and must not be any more
				assert.equal("policy-violation", t:ended(held));
			end
			for i = 1, 3 do assert.equal(case[2], method(server:wait_message("waits " .. i).session)); end
			assert.same({ "waits 1", "waits 2", "waits 3" }, order);
			assert.equal(case[1] == 7 and 1 or 2, #server.streams);
		end
	end);

	it("answer what waits when no partner is left of it", function ()
		local domain = fresh();
		local held;
		t:server(domain, { on = { auth = function (_, session) held = session; end } });
		local sent = t:say(domain);
		t.loop:wait(function () return held; end, 5, "our EXTERNAL");
		t:partner(domain, { row = 9; more = "connection_limit = -1" }); -- a mistake: it is disabled
		assert.equal("policy-violation", t:ended(held));
		local status, reason = t:fails(sent);
		assert.equal(403, status, reason);
		assert.is_truthy(reason:find("partner-disabled", 1, true), reason);
	end);
end);
