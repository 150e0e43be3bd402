-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local st = require "util.stanza";
local gate_lib = support.lib("gate");

local function session(attr)
	local s = { type = "s2sin"; direction = "incoming"; closed = {}; sent = {} };
	function s:close(reason) table.insert(self.closed, reason.condition); end
	function s.sends2s(stanza) table.insert(s.sent, stanza); end
	for key, value in pairs(attr or {}) do
		s[key] = value;
	end
	return s;
end

describe("gate: decide", function ()
	local function partner(_, domain)
		if domain == "fabrikam.com" then return true; end
		return nil, "not-a-partner";
	end

	for _, case in ipairs {
		-- phase, origin, marked, is_error, own, remote -> token
		{ "features", nil, nil, nil, false, "fabrikam.com", nil };
		{ "features", nil, nil, nil, false, "evil.com", "not-a-partner" };
		{ "features", nil, nil, nil, true, "fabrikam.com", "loop" };
		{ "dialback", nil, nil, nil, false, "evil.com", "not-a-partner" };
		{ "authenticated", nil, nil, nil, false, "evil.com", "not-a-partner" };
		{ "route", nil, nil, nil, false, "evil.com", "not-a-partner" };
		{ "stanza", "stream", true, false, false, "fabrikam.com", nil };
		{ "stanza", "stream", false, false, false, "fabrikam.com", "not-authenticated-for-us" };
		{ "stanza", "stream", false, true, false, "fabrikam.com", "not-authenticated-for-us" };
		{ "stanza", "stream", true, false, false, "evil.com", "not-a-partner" };
		{ "stanza", "stream", true, true, false, "evil.com", "not-a-partner" };
		{ "stanza", "bounce", false, true, false, "evil.com", nil };
		{ "stanza", "bounce", false, false, false, "fabrikam.com", "bad-origin" };
		{ "stanza", "host", false, true, true, "contoso.com", nil };
		{ "stanza", "host", false, false, true, "contoso.com", "loop" };
		{ "stanza", "host", false, false, false, "fabrikam.com", nil };
		{ "stanza", "host", false, false, false, "localhost", "not-a-partner" };
		{ "stanza", "client", false, false, false, "fabrikam.com", nil };
		{ "stanza", "client", false, false, false, "localhost", "not-a-partner" };
		{ "stanza", "client", false, true, false, "localhost", "not-a-partner" };
		{ "stanza", "client", false, false, true, "contoso.com", "loop" };
		{ "stanza", "other", false, false, false, "fabrikam.com", "bad-origin" };
		{ "stanza", "other", false, true, false, "fabrikam.com", "bad-origin" };
	} do
		local phase, origin, marked, is_error, own, remote, expected = table.unpack(case, 1, 7);
		local name = ("%s %s marked=%s err=%s own=%s %s: %s"):format(phase, origin, marked, is_error, own, remote, expected);
		it(name, function ()
			local token = gate_lib.decide({ phase = phase; direction = "in"; origin = origin; marked = marked;
				is_error = is_error; own = own; remote = remote }, partner);
			assert.equal(expected, token);
		end);
	end
end);

describe("gate: origin", function ()
	for expected, origin in pairs {
		stream = { type = "s2sout" }; bounce = { type = "s2sin"; dummy = true }; client = { type = "c2s" };
		host = { type = "component" }; other = { type = "s2sin_unauthed" };
	} do
		it(expected, function ()
			assert.equal(expected, gate_lib.origin_kind(origin));
		end);
	end
end);

describe("gate", function ()
	local h, gate, world;
	before_each(function ()
		local running, _, around = support.running();
		h, gate, world = running, running.gate, around;
	end);

	local function arrives(origin, stanza)
		return gate.stanza { origin = origin; stanza = stanza };
	end

	it("closes a stranger's stream at its features", function ()
		local s = session { type = "s2sin_unauthed"; from_host = "evil.com" };
		assert.is_true(gate.features { origin = s });
		assert.same({ "policy-violation" }, s.closed);
	end);

	it("lets a partner's features and a nameless stream's pass", function ()
		assert.is_nil(gate.features { origin = session { from_host = "fabrikam.com" } });
		assert.is_nil(gate.features { origin = session {} });
	end);

	it("answers a stranger's dialback with an error and keeps the stream", function ()
		local s = session { type = "s2sin" };
		local claim = st.stanza("db:result", { from = "EVIL.com"; to = "contoso.com" });
		assert.is_true(gate.dialback_result { origin = s; stanza = claim });
		local attr = s.sent[1].attr;
		assert.same({ "EVIL.com", "contoso.com", "error" }, { attr.to, attr.from, attr.type });
		assert.is_truthy(s.sent[1]:find("error/{urn:ietf:params:xml:ns:xmpp-stanzas}not-allowed"));
		assert.same({}, s.closed);
	end);

	it("leaves a partner's dialback, and answers to ours, to mod_dialback", function ()
		assert.is_nil(gate.dialback_result { origin = session {};
			stanza = st.stanza("db:result", { from = "Fabrikam.COM" }) });
		assert.is_nil(gate.dialback_result { origin = session { type = "s2sout" };
			stanza = st.stanza("db:result", { from = "evil.com" }) });
	end);

	it("refuses a stranger who has proved who he is", function ()
		local s = session { type = "s2sin_unauthed" };
		assert.is_false(gate.authenticated { session = s; host = "evil.com"; mechanism = "EXTERNAL" });
		assert.same({ "policy-violation" }, s.closed);
		assert.is_nil(s.lync_authed);
	end);

	it("refuses connections to strangers, db:verify as well", function ()
		assert.is_false(gate.route { to_host = "evil.com"; stanza = st.stanza("db:verify") });
		assert.is_nil(gate.route { to_host = "fabrikam.com"; stanza = st.message() });
		assert.is_false(gate.route { to_host = "contoso.com"; stanza = st.message() });
	end);

	it("lets nothing overtake what waits for the same stream, and queues for no stranger", function ()
		h.queues = { ["fabrikam.com"] = {}; ["evil.com"] = {} };
		assert.is_true(gate.route { to_host = "fabrikam.com"; stanza = st.message() });
		assert.is_false(gate.route { to_host = "evil.com"; stanza = st.message() });
		assert.same({ 1, 0 }, { #h.queues["fabrikam.com"], #h.queues["evil.com"] });
	end);

	it("lets in what comes on a stream that was authenticated for us", function ()
		local s = session { hosts = { ["fabrikam.com"] = { authed = true } } };
		gate.authenticated { session = s; host = "fabrikam.com"; mechanism = "dialback" };
		assert.is_nil(arrives(s, support.message { body = "x" }));
	end);

	it("closes a stream that was authenticated for another host only", function ()
		local s = session { hosts = { ["fabrikam.com"] = { authed = true } } };
		local other = support.host(world, "litware.com", support.settings("litware.com"));
		other.gate.authenticated { session = s; host = "fabrikam.com"; mechanism = "dialback" };
		assert.is_true(arrives(s, support.message { body = "x"; id = "1" }));
		assert.same({ "not-authorized" }, s.closed);
		assert.equal("policy-violation", (select(2, support.error_of(h.sent[1])))); -- over our own stream
	end);

	it("closes a stranger's stream of that kind without a word", function ()
		local s = session { hosts = { ["evil.com"] = { authed = true } } };
		assert.is_true(arrives(s, support.message { from = "x@evil.com"; body = "x"; id = "1" }));
		assert.same({ "not-authorized" }, s.closed);
		assert.same({}, h.sent);
	end);

	it("does not take one domain's mark for another's", function ()
		local s = session {};
		gate.authenticated { session = s; host = "fabrikam.com"; mechanism = "dialback" };
		assert.is_true(arrives(s, support.message { from = "x@na.fabrikam.com"; body = "x" }));
		assert.same({ "not-authorized" }, s.closed);
	end);

	it("closes the stream of a domain that is a partner no more", function ()
		local s = session {};
		gate.authenticated { session = s; host = "fabrikam.com"; mechanism = "EXTERNAL" };
		h.settings.list["fabrikam.com"] = nil;
		assert.is_true(arrives(s, support.message { body = "x" }));
		assert.same({ "policy-violation" }, s.closed);
	end);

	it("lets bounces of mod_s2s in, and nothing else from there", function ()
		local dummy = { type = "s2sin"; dummy = true };
		assert.is_nil(arrives(dummy, support.message { type = "error"; from = "x@evil.com" }));
		assert.is_true(arrives(dummy, support.message { body = "x" }));
		assert.same({}, h.sent);
	end);

	it("answers a local stranger with an error, and errors with silence", function ()
		local client = { type = "c2s" };
		assert.is_true(arrives(client, support.message { from = "x@localhost/y"; body = "x"; id = "1" }));
		local _, condition, text = support.error_of(h.sent[1]);
		assert.equal("not-allowed", condition);
		assert.matches("not%-a%-partner", text);
		assert.is_true(arrives(client, support.message { from = "x@localhost/y"; type = "error" }));
		local result = st.iq({ from = "x@localhost/y"; to = "juliet@contoso.com"; type = "result"; id = "1" });
		assert.is_true(arrives(client, result));
		assert.equal(1, #h.sent);
	end);

	it("counts each refusal by its token", function ()
		gate.features { origin = session { from_host = "evil.com" } };
		assert.same({ "not-a-partner" }, h.metrics.refusals);
	end);

	it("after a change closes the streams of those who are out, and no other", function ()
		local ours, theirs = session { to_host = "contoso.com"; from_host = "fabrikam.com" },
			session { to_host = "localhost"; from_host = "evil.com" };
		local gone = session { to_host = "contoso.com"; from_host = "old.com" };
		local out = session { direction = "outgoing"; from_host = "contoso.com"; to_host = "old.com" };
		gate.recheck({ ours, theirs, gone }, { ["old.com"] = out });
		assert.same({ {}, {}, { "policy-violation" }, { "policy-violation" } },
			{ ours.closed, theirs.closed, gone.closed, out.closed });
	end);
end);
