-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local st = require "util.stanza";
local gate_lib = support.lib("gate");

-- A certificate that proves what verify_identity is told (certificates_spec has real ones).
local function certificate(name)
	return { extensions = function () return { ["2.5.29.17"] = { dNSName = { name } } }; end;
		subject = function () return {}; end; validat = function () return true; end; };
end

-- A stream over TLS whose certificate has this name.
local function secure(attr, name)
	local s = sessions.new(attr);
	s.secure, s.cert_chain_status, s.lync_cert, s.lync_certs = true, "valid", certificate(name or "fabrikam.com"), {};
	return s;
end

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

	local function authenticated(session, remote, mechanism, of)
		local result = (of or h).gate.authenticated { session = session; host = remote or "fabrikam.com";
			mechanism = mechanism or "dialback" };
		if result == nil and not session.destroyed then
			session.type = session.direction == "outgoing" and "s2sout" or "s2sin"; -- mod_s2s
		end
		return result;
	end

	local function logged(pattern)
		for _, line in ipairs(world.logs) do
			if line:find(pattern) then return line; end
		end
	end

	describe("facts", function ()
		local seen;
		before_each(function ()
			h.settings.stream = function (_, facts)
				seen = facts;
				return {};
			end;
		end);

		it("are those of the session", function ()
			gate.judge(sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" }, { phase = "features" });
			assert.same({ phase = "features"; direction = "in"; remote = "fabrikam.com"; own = false; secure = false;
				authenticated = false }, seen);
			gate.judge(sessions.outgoing { type = "s2sout"; to_host = "contoso.com" }, { phase = "standing" });
			assert.same({ phase = "standing"; direction = "out"; remote = "contoso.com"; own = true; secure = false;
				authenticated = true }, seen);
		end);

		it("are not secure while TLS is under way", function ()
			gate.judge(sessions.new { secure = false; lync_certs = {}; from_host = "x.com" }, { phase = "features" });
			assert.is_false(seen.secure);
			assert.is_nil(seen.certificate);
		end);

		it("tell the certificate for the domain in question, not for the stream's", function ()
			local s = secure({ from_host = "fabrikam.com" });
			gate.judge(s, { phase = "features" });
			assert.equal("valid", seen.certificate);
			gate.judge(s, { phase = "dialback"; remote = "na.fabrikam.com" });
			assert.equal("wrong-name", seen.certificate);
		end);

		it("may lack a domain", function ()
			gate.judge(secure({}), { phase = "features" });
			assert.is_nil(seen.remote);
			assert.is_nil(seen.certificate);
			assert.is_false(seen.own);
		end);
	end);

	it("says what was refused, and counts it by its token and by its direction", function ()
		local s = sessions.new { type = "s2sin_unauthed"; from_host = "evil.com" };
		assert.is_nil((gate.ask(s, { phase = "features" })));
		assert.equal('warn refused features: this domain is not a federated partner (token=not-a-partner remote="evil.com" '
			.. "direction=in)", world.logs[#world.logs]);
		assert.same({ "not-a-partner" }, h.metrics.refusals);
		assert.same({ "in evil.com" }, h.metrics.failures);
	end);

	describe("close", function ()
		for token, told in pairs {
			["not-a-partner"] = { "policy-violation", "cancel not-allowed" };
			["tls-required"] = { "policy-violation", "cancel policy-violation" };
			["sasl-not-offered"] = { "unsupported-feature", "cancel policy-violation" };
			["certificate-expired"] = { "not-authorized", "cancel policy-violation" };
			["connection-limit"] = { "resource-constraint", "wait resource-constraint" };
			["establishment-timeout"] = { "connection-timeout", "wait remote-server-timeout" };
			["sasl-failed"] = { "none", "wait remote-server-timeout" };
			["inactive"] = { "none", "wait remote-server-timeout" };
		} do
			it("tells both sides of "..token, function ()
				local s = sessions.outgoing();
				gate.close(s, token, "because");
				assert.same({ told[1] }, s.closed);
				assert.same({ told[1] == "none" and "" or "because" }, s.texts);
				assert.same({ told[2] }, s.bounces);
			end);
		end

		it("is for good: an incoming stream may live on until the other side has closed it", function ()
			local s = sessions.new { type = "s2sin" };
			gate.close(s, "inactive", "because");
			assert.is_nil(s.destroyed);
			assert.equal("inactive", s.lync_refused);
		end);
	end);

	it("lets five refused attempts pass, the sixth ends the stream", function ()
		local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" };
		for _ = 1, 5 do
			assert.is_false(gate.attempt(s));
		end
		assert.same({}, s.closed);
		assert.is_true(gate.attempt(s));
		assert.same({ "policy-violation" }, s.closed);
		assert.same({ "too-many-attempts" }, h.metrics.refusals);
	end);

	describe("a certificate", function ()
		local function shown(s, cert)
			return gate.certificate { session = s; cert = cert; host = s.from_host };
		end

		it("that is good ends the question, before Prosody's rules for all hosts", function ()
			local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com"; secure = true;
				cert_chain_status = "valid"; cert_identity_status = "invalid" };
			assert.is_true(shown(s, certificate("fabrikam.com")));
			assert.equal("valid", s.cert_identity_status); -- what mod_saslauth asks
		end);

		it("that is another's is no identity for mod_saslauth, whatever Prosody found", function ()
			local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com"; secure = true;
				cert_chain_status = "valid"; cert_identity_status = "valid" };
			assert.is_true(shown(s, certificate("other.com"))); -- dialback is still possible
			assert.equal("invalid", s.cert_identity_status);
		end);

		it("that is bad ends the stream where nothing else is allowed", function ()
			h.settings.of_partner = { ["fabrikam.com"] = { tls_negotiation = "required"; sasl_negotiation = "required" } };
			for token, case in pairs {
				["certificate-wrong-name"] = { certificate("other.com"), "valid" };
				["certificate-missing"] = { nil, nil };
				["certificate-expired"] = { certificate("fabrikam.com"), "invalid", { { "certificate has expired" } } };
				["certificate-untrusted"] = { certificate("fabrikam.com"), "invalid" };
			} do
				local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com"; secure = true;
					cert_chain_status = case[2]; cert_chain_errors = case[3] };
				assert.is_false(shown(s, case[1]));
				assert.same({ "not-authorized" }, s.closed);
				assert.equal(token, h.metrics.refusals[#h.metrics.refusals]);
			end
		end);

		it("is kept when the domain is not known yet", function ()
			local s = sessions.new { type = "s2sin_unauthed"; secure = true; cert_chain_status = "valid" };
			local cert = certificate("fabrikam.com");
			assert.is_true(shown(s, cert));
			assert.equal(cert, s.lync_cert);
			assert.is_nil(s.cert_identity_status);
		end);
	end);

	describe("authentication", function ()
		it("of a stranger who has proved who he is is refused", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			assert.is_false(authenticated(s, "evil.com", "EXTERNAL"));
			assert.same({ "policy-violation" }, s.closed);
			assert.is_nil(s.lync_authed);
		end);

		it("is marked with its method, and logged", function ()
			for _, case in ipairs {
				{ sessions.new { type = "s2sin_unauthed" }, "dialback", "tcp-dialback", "none" };
				{ secure { type = "s2sin_unauthed" }, "dialback", "tls-dialback", "TLSv1.3" };
				{ secure { type = "s2sin_unauthed" }, "EXTERNAL", "sasl-tls", "TLSv1.3" };
			} do
				local s = case[1];
				assert.is_nil(authenticated(s, "fabrikam.com", case[2]));
				assert.equal(case[3], gate.method(s, "fabrikam.com"));
				assert.is_nil(gate.method(s, "na.fabrikam.com"));
				assert.equal(('info authenticated stream: (remote="fabrikam.com" direction=in method=%s tls=%s)')
					:format(case[3], case[4]), world.logs[#world.logs]);
				assert.equal(h.now(), s.lync_stanza);
			end
		end);

		it("in another way than allowed is refused, in whatever direction", function ()
			h.settings.of_partner = { ["fabrikam.com"] = { tls_negotiation = "required"; sasl_negotiation = "not_supported" } };
			for _, case in ipairs {
				{ sessions.new { type = "s2sin_unauthed" }, "dialback", "tls-required" };
				{ secure { type = "s2sin_unauthed" }, "EXTERNAL", "sasl-not-supported" };
				{ secure { type = "s2sin_unauthed" }, "onion", "sasl-not-supported" };
				{ secure { type = "s2sout_unauthed"; direction = "outgoing"; to_host = "fabrikam.com" }, "EXTERNAL",
					"sasl-not-supported" };
			} do
				assert.is_false(authenticated(case[1], "fabrikam.com", case[2]));
				assert.equal("policy-violation", case[1].closed[1]);
				assert.equal(case[3], h.metrics.refusals[#h.metrics.refusals]);
			end
		end);

		it("heeds the limits, of all and of the partner", function ()
			h.settings.of_gateway = { connection_limit = 3, partner_connection_limit = 2 };
			h.settings.list["litware.com"] = "litware.com";
			local function stream(remote)
				local s = sessions.new { type = "s2sin_unauthed"; from_host = remote };
				h.connections[s.conn] = s;
				local result = authenticated(s, remote);
				return result == nil, s;
			end
			assert.is_true((stream("fabrikam.com")));
			local _, second = stream("na.fabrikam.com");
			assert.is_true(authenticated(second, "fabrikam.com") == nil); -- itself does not count
			local ok, s = stream("fabrikam.com");
			assert.is_false(ok);
			assert.same({ "resource-constraint" }, s.closed);
			assert.equal("partner-connection-limit", h.metrics.refusals[1]);
			assert.is_true((stream("litware.com")));
			assert.is_false((stream("litware.com")));
			assert.equal("connection-limit", h.metrics.refusals[2]);
		end);
	end);

	describe("a stanza", function ()
		it("on a stream that was authenticated for us comes in", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			authenticated(s);
			world.clock.advance(5);
			assert.is_nil(arrives(s, support.message { body = "x" }));
			assert.equal(h.now(), s.lync_stanza);
		end);

		it("on a stream that was authenticated for another host only closes it", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			authenticated(s, nil, nil, support.host(world, "litware.com", support.settings("litware.com")));
			assert.is_true(arrives(s, support.message { body = "x"; id = "1" }));
			assert.same({ "not-authorized" }, s.closed);
			assert.equal("policy-violation", (select(2, support.error_of(h.sent[1])))); -- over our own stream
		end);

		it("of a stranger on such a stream closes it without a word", function ()
			local s = sessions.new {};
			assert.is_true(arrives(s, support.message { from = "x@evil.com"; body = "x"; id = "1" }));
			assert.same({ "not-authorized" }, s.closed);
			assert.same({}, h.sent);
		end);

		it("of one domain has nothing of another's mark", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			authenticated(s);
			assert.is_true(arrives(s, support.message { from = "x@na.fabrikam.com"; body = "x" }));
			assert.same({ "not-authorized" }, s.closed);
		end);

		it("of a domain that is a partner no more closes the stream", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			authenticated(s);
			h.settings.list["fabrikam.com"] = nil;
			assert.is_true(arrives(s, support.message { body = "x"; id = "1" }));
			assert.same({ "policy-violation" }, s.closed);
			assert.same({}, h.sent);
		end);

		it("on a stream whose method is allowed no more closes it", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			authenticated(s);
			h.settings.of_partner = { ["fabrikam.com"] = { tls_negotiation = "required" } };
			assert.is_true(arrives(s, support.message { body = "x" }));
			assert.same({ "policy-violation" }, s.closed);
			assert.equal("tls-required", h.metrics.refusals[1]);
			assert.is_truthy(logged('^warn refused stanza: .* %(token=tls%-required remote="fabrikam.com" direction=in%)'));
		end);

		it("of one of our own hosts gets an error and leaves the stream", function ()
			local s = sessions.new { type = "s2sin_unauthed" };
			authenticated(s);
			s.lync_authed["contoso.com"]["contoso.com"] = "tcp-dialback";
			assert.is_true(arrives(s, support.message { from = "x@contoso.com"; body = "x"; id = "1" }));
			assert.same({}, s.closed);
			assert.equal("not-allowed", (select(2, support.error_of(h.sent[1]))));
		end);

		it("that is a bounce of mod_s2s comes in, and nothing else from there", function ()
			local dummy = { type = "s2sin"; dummy = true };
			assert.is_nil(arrives(dummy, support.message { type = "error"; from = "x@evil.com" }));
			assert.is_true(arrives(dummy, support.message { body = "x" }));
			assert.same({}, h.sent);
		end);

		it("without a sender is dropped", function ()
			local stanza = support.message { body = "x" };
			stanza.attr.from = nil;
			assert.is_true(arrives({ type = "c2s" }, stanza));
			assert.same({}, h.sent);
		end);

		it("of a local stranger is answered with an error, errors with silence", function ()
			local client = { type = "c2s" };
			assert.is_true(arrives(client, support.message { from = "x@localhost/y"; body = "x"; id = "1" }));
			local _, condition, text = support.error_of(h.sent[1]);
			assert.equal("not-allowed", condition);
			assert.matches("not%-a%-partner", text);
			assert.is_true(arrives(client, support.message { from = "x@localhost/y"; type = "error" }));
			local result = st.iq({ from = "x@localhost/y"; to = "juliet@contoso.com"; type = "result"; id = "1" });
			assert.is_true(arrives(client, result));
			assert.equal(1, #h.sent);
			assert.same({ "not-a-partner", "not-a-partner", "not-a-partner" }, h.metrics.refusals);
			assert.same({}, h.metrics.failures); -- no stream has failed
		end);
	end);

	describe("after a change", function ()
		local function standing(remote, attr)
			local s = sessions.new(attr or { type = "s2sin_unauthed"; from_host = remote });
			if s.type == "s2sin_unauthed" or s.type == "s2sout_unauthed" then
				assert.is_nil(authenticated(s, remote));
			end
			return s;
		end

		it("closes the streams of those who are out, and no other", function ()
			h.settings.list["old.com"] = "old.com";
			local ours, gone = standing("fabrikam.com"), standing("old.com");
			local theirs = sessions.new { host = "localhost"; to_host = "localhost"; from_host = "evil.com" };
			local out = standing("old.com", sessions.outgoing { to_host = "old.com" });
			local making = sessions.outgoing { to_host = "old.com" };
			h.settings.list["old.com"] = nil;
			gate.recheck({ ours, theirs, gone }, { ["old.com"] = out; ["x.old.com"] = making });
			assert.same({ {}, {}, { "policy-violation" }, { "policy-violation" }, { "policy-violation" } },
				{ ours.closed, theirs.closed, gone.closed, out.closed, making.closed });
			assert.is_truthy(logged('closed stream: .* %(token=not%-a%-partner remote="old.com" direction=out%)'));
		end);

		it("closes those whose method is not allowed any more", function ()
			local clear, tls = standing("fabrikam.com"), secure { type = "s2sin_unauthed"; from_host = "fabrikam.com" };
			authenticated(tls, "fabrikam.com");
			local external = secure { type = "s2sin_unauthed"; from_host = "fabrikam.com" };
			authenticated(external, "fabrikam.com", "EXTERNAL");
			local all = { clear, tls, external };
			gate.recheck(all, {});
			h.settings.of_partner = { ["fabrikam.com"] = { tls_negotiation = "required" } };
			gate.recheck(all, {});
			assert.same({ { "policy-violation" }, {}, {} }, { clear.closed, tls.closed, external.closed });
			h.settings.of_partner = { ["fabrikam.com"] = { sasl_negotiation = "required"; tls_negotiation = "required" } };
			gate.recheck(all, {});
			assert.same({ { "unsupported-feature" }, {} }, { tls.closed, external.closed });
		end);

		it("judges each domain of a stream, and closes it once", function ()
			local s = standing("fabrikam.com");
			h.settings.list["old.com"] = "old.com";
			authenticated(s, "old.com");
			h.settings.list["old.com"] = nil;
			gate.recheck({ s }, { ["fabrikam.com"] = s });
			assert.same({ "policy-violation" }, s.closed);
		end);

		it("closes what was authenticated for us on another host's stream, and leaves what was not", function ()
			local s = sessions.new { host = "localhost"; to_host = "localhost"; from_host = "fabrikam.com"; type = "s2sin" };
			assert.is_nil(authenticated(s, "fabrikam.com"));
			local theirs = sessions.new { host = "localhost"; to_host = "localhost"; from_host = "fabrikam.com" };
			h.settings.list = {};
			gate.recheck({ s, theirs }, {});
			assert.same({ { "policy-violation" }, {} }, { s.closed, theirs.closed });
		end);

		it("leaves alone what is gone, and what has not said who it is", function ()
			local gone = sessions.new { destroyed = true };
			local nameless = sessions.new { type = "s2sin_unauthed" };
			gate.recheck({ gone, nameless }, {});
			assert.same({ {}, {} }, { gone.closed, nameless.closed });
		end);
	end);
end);
