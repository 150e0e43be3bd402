-- Streams that we open: what is asked of the other side, and who may have one. Falling back: fallback_spec.lua.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local st = require "util.stanza";
local outbound_lib = support.lib("outbound");

local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";
local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";

local only = {
	["sasl-tls"] = { tls_negotiation = "required"; sasl_negotiation = "required"; support_dialback_negotiation = false };
	["sasl-tls tls-dialback"] = { tls_negotiation = "required"; sasl_negotiation = "optional" };
	["tls-dialback"] = { tls_negotiation = "required"; sasl_negotiation = "not_supported" };
	["tls-dialback tcp-dialback"] = { sasl_negotiation = "not_supported" };
	["tcp-dialback"] = { tls_negotiation = "not_supported"; sasl_negotiation = "not_supported" };
	["sasl-tls tls-dialback tcp-dialback"] = {};
};

-- words: "starttls external plain bidi", "starttls!": required
local function features(words)
	local stanza = st.stanza("features", { xmlns = "http://etherx.jabber.org/streams" });
	if words:find("starttls") then
		stanza:tag("starttls", { xmlns = xmlns_tls });
		if words:find("starttls!", 1, true) then
			stanza:tag("required"):up();
		end
		stanza:up();
	end
	if words:find("external") or words:find("plain") then
		stanza:tag("mechanisms", { xmlns = xmlns_sasl });
		for _, word in ipairs { "plain", "external" } do
			if words:find(word) then
				stanza:text_tag("mechanism", word:upper(), { xmlns = xmlns_sasl });
			end
		end
		stanza:up();
	end
	if words:find("bidi") then
		stanza:tag("bidi", { xmlns = "urn:xmpp:features:bidi" }):up();
	end
	return stanza;
end

describe("outbound", function ()
	local h, outbound, world;
	before_each(function ()
		local running, _, around = support.running();
		h, outbound, world = running, running.outbound, around;
	end);

	local function allow(methods)
		h.settings.of_partner = { ["fabrikam.com"] = assert(only[methods]) };
	end

	local function known(status)
		return setmetatable({}, { __index = function () return status; end });
	end

	local function created(attr)
		local s = sessions.outgoing(attr);
		s.bounce_sendq = function () end;
		outbound.created { session = s };
		return s;
	end

	local function over_tls(status)
		local s = created();
		s.secure, s.lync_certs, s.had_stream = true, known(status), true;
		return s;
	end

	describe("a new stream", function ()
		it("begins with the best method", function ()
			local s = created();
			assert.same({ "sasl-tls", 1, false, h.now() }, { s.lync_way, s.lync_tried, s.lync_remembered, s.lync_since });
			assert.is_nil(s.ssl_ctx); -- mod_tls'
			allow("tls-dialback tcp-dialback");
			assert.equal("tls-dialback", created().lync_way);
		end);

		it("to whom only clear text is allowed has no TLS, nor a port with it", function ()
			allow("tcp-dialback");
			local s = created();
			assert.equal("tcp-dialback", s.lync_way);
			assert.is_false(s.ssl_ctx);
		end);

		it("of an additional domain follows its partner", function ()
			allow("tcp-dialback");
			assert.equal("tcp-dialback", created({ to_host = "na.fabrikam.com" }).lync_way);
		end);

		it("goes to the partner's proxy", function ()
			local set = {};
			h.next_hop.set = function (...) table.insert(set, { ... }); end;
			created();
			assert.same({ { h.settings, "fabrikam.com" } }, set);
		end);
	end);

	describe("features", function ()
		for _, case in ipairs {
			-- methods, certificate or false: clear text, what is offered, step or the token of the refusal
			{ "sasl-tls", false, "starttls external", "starttls" };
			{ "sasl-tls", false, "external", "tls-required" };
			{ "sasl-tls", "valid", "external bidi", "external" };
			{ "sasl-tls", "valid", "plain", "sasl-not-offered" };
			{ "sasl-tls", "valid", "", "sasl-not-offered" };
			{ "sasl-tls", "untrusted", "external", "certificate-untrusted" };
			{ "sasl-tls tls-dialback", false, "bidi", "tls-required" };
			{ "sasl-tls tls-dialback", "valid", "plain external", "external" };
			{ "sasl-tls tls-dialback", "self-signed", "external", "dialback" };
			{ "sasl-tls tls-dialback", "valid", "plain bidi", "dialback" };
			{ "tls-dialback", false, "starttls", "starttls" };
			{ "tls-dialback", "valid", "external", "dialback" };
			{ "tls-dialback tcp-dialback", false, "starttls", "starttls" };
			{ "tls-dialback tcp-dialback", false, "", "dialback" };
			{ "tcp-dialback", false, "starttls", "dialback" };
			{ "tcp-dialback", false, "starttls!", "tls-not-supported" };
			{ "tls-dialback tcp-dialback", false, "starttls!", "starttls" };
			{ "sasl-tls tls-dialback tcp-dialback", false, "external", "dialback" };
		} do
			local methods, certificate, offered, expected = table.unpack(case);
			it(("%q over %s with %s: %s"):format(offered, certificate or "clear text", methods, expected), function ()
				allow(methods);
				local s = certificate and over_tls(certificate) or created();
				local stanza = features(offered);
				local result = outbound.features { origin = s; stanza = stanza };
				if #s.closed > 0 then
					assert.is_true(result);
					assert.same({ expected }, h.metrics.refusals);
					return;
				end
				assert.is_nil(result);
				assert.equal(expected, s.lync_step);
				-- mod_saslauth takes what it sees, mod_tls what it finds
				local mechanisms = stanza:get_child("mechanisms", xmlns_sasl);
				assert.equal(offered:find("external") ~= nil and expected == "external", certificate and mechanisms ~= nil or false);
				assert.equal(offered:find("bidi") ~= nil, stanza:get_child("bidi", "urn:xmpp:features:bidi") ~= nil);
				if not certificate and expected == "dialback" then
					assert.is_false(s.ssl_ctx);
				end
			end);
		end

		it("offer EXTERNAL in vain on a stream that goes a lesser way", function ()
			local s = over_tls("valid");
			s.lync_way = "tls-dialback";
			local stanza = features("external");
			assert.is_nil(outbound.features { origin = s; stanza = stanza });
			assert.equal("dialback", s.lync_step);
			assert.is_nil(stanza:get_child("mechanisms", xmlns_sasl));
		end);

		it("that insist on TLS are in vain where it has failed before", function ()
			local s = created();
			s.lync_way = "tcp-dialback";
			assert.is_true(outbound.features { origin = s; stanza = features("starttls!") });
			assert.same({ "policy-violation" }, s.closed);
			assert.same({ "wait remote-server-timeout" }, s.bounces);
			assert.same({ "tls-failed" }, h.metrics.refusals);
		end);

		it("of an authenticated stream, of another kind of stream, are Prosody's", function ()
			for _, kind in ipairs { "s2sout", "s2sin" } do
				local s = sessions.new { type = kind };
				assert.is_nil(outbound.features { origin = s; stanza = features("starttls") });
				assert.is_nil(outbound.features_after_tls { origin = s; stanza = features("starttls") });
				assert.is_nil(s.lync_step);
			end
		end);

		it("tell the other side what is missing", function ()
			allow("sasl-tls");
			for _, case in ipairs {
				{ created(), "", "policy-violation" }; { over_tls("valid"), "", "unsupported-feature" };
				{ over_tls("expired"), "external", "not-authorized" };
			} do
				assert.is_true(outbound.features { origin = case[1]; stanza = features(case[2]) });
				assert.same({ case[3] }, case[1].closed);
				assert.same({ "cancel policy-violation" }, case[1].bounces);
			end
		end);

		it("go on without TLS where this host has none and clear text will do, and say so", function ()
			local s = created();
			outbound.features { origin = s; stanza = features("starttls") };
			assert.equal("starttls", s.lync_step);
			assert.is_nil(outbound.features_after_tls { origin = s; stanza = features("starttls") });
			assert.equal("dialback", s.lync_step);
			assert.matches("^error start TLS: not available", world.logs[#world.logs]);
			allow("sasl-tls");
			s = created();
			outbound.features { origin = s; stanza = features("starttls") };
			assert.is_true(outbound.features_after_tls { origin = s; stanza = features("starttls") });
			assert.same({ "policy-violation" }, s.closed);
		end);

		it("are looked at once where TLS was not to come", function ()
			allow("tcp-dialback");
			local s = created();
			outbound.features { origin = s; stanza = features("starttls") };
			local lines = #world.logs;
			assert.is_nil(outbound.features_after_tls { origin = s; stanza = features("starttls") });
			assert.same({}, s.closed);
			assert.equal(lines, #world.logs);
		end);
	end);

	it("goes on with a server of old in clear text only", function ()
		local s = created();
		assert.is_nil(outbound.legacy { origin = s });
		assert.is_false(s.ssl_ctx); -- mod_tls would try
		allow("sasl-tls tls-dialback");
		s = created();
		assert.is_true(outbound.legacy { origin = s });
		assert.same({ "unsupported-version" }, s.closed);
		assert.same({ "version-too-old" }, h.metrics.refusals);
	end);

	describe("a refused EXTERNAL", function ()
		local function fails(s, reason)
			s.external_auth, s.external_auth_failure_reason = "failed", reason;
			return outbound.sasl_failed { origin = s; stanza = st.stanza("failure", { xmlns = xmlns_sasl }) };
		end

		it("is followed by dialback on the same stream", function ()
			assert.is_nil(fails(over_tls("valid")));
			assert.matches("^info fell back: ", world.logs[#world.logs]);
		end);

		it("is the end where nothing else is allowed", function ()
			allow("sasl-tls");
			local s = over_tls("valid");
			assert.is_true(fails(s));
			assert.same({ "none" }, s.closed); -- it was the other side that said no
			assert.same({ "wait remote-server-timeout" }, s.bounces);
			assert.same({ "sasl-failed" }, h.metrics.refusals);
		end);

		it("is told with its reason", function ()
			allow("sasl-tls");
			for expected, reason in pairs {
				["no reason"] = false; ["not-authorized"] = { condition = "not-authorized" };
				["your certificate has expired"] = { condition = "not-authorized"; text = "your certificate has expired" };
			} do
				local s = over_tls("valid");
				fails(s, reason or nil);
				assert.is_truthy(s.told:find(": "..expected, 1, true), s.told);
			end
		end);

		it("that was not ours to begin is not looked at", function ()
			allow("sasl-tls");
			local s = over_tls("valid");
			assert.is_nil(outbound.sasl_failed { origin = s });
			s.type, s.external_auth = "s2sout", "failed";
			assert.is_nil(outbound.sasl_failed { origin = s });
			assert.same({}, s.closed);
		end);
	end);

	it("remembers that the other side refused STARTTLS, and nothing of its own streams", function ()
		local s, other = created(), sessions.new();
		outbound.tls_failed { origin = s };
		outbound.tls_failed { origin = other };
		assert.equal("tls", outbound_lib.stage_of(s));
		assert.is_nil(other.lync_tls_failed);
	end);

	describe("the answer to our dialback key", function ()
		local function answer(s, attr)
			local stanza = st.stanza("db:result", { from = "fabrikam.com"; to = "contoso.com"; type = "valid" });
			for key, value in pairs(attr or {}) do
				stanza.attr[key] = value;
			end
			return outbound.dialback_answer { origin = s; stanza = stanza };
		end

		it("is mod_dialback's", function ()
			local s = created();
			s.dialback_key = "key";
			assert.is_nil(answer(s));
			assert.is_false(s.lync_key_refused);
			assert.is_nil(answer(s, { type = "invalid" }));
			assert.is_true(s.lync_key_refused);
			assert.is_nil(answer(sessions.new(), {})); -- theirs: a question
		end);

		for name, case in pairs {
			["nobody asked for"] = { {}, {} };
			["came twice"] = { { type = "s2sout"; dialback_key = "key" }, {} };
			["is of another domain"] = { { dialback_key = "key" }, { from = "na.fabrikam.com" } };
			["is for another host"] = { { dialback_key = "key" }, { to = "litware.com" } };
		} do
			it("that "..name.." ends the stream", function ()
				local s = created();
				for key, value in pairs(case[1]) do
					s[key] = value;
				end
				assert.is_true(answer(s, case[2]));
				assert.same({ "not-authorized" }, s.closed);
				assert.same({ "unsolicited-answer" }, h.metrics.refusals);
			end);
		end

		it("ends the stream when dialback is allowed no more", function ()
			local s = created();
			s.dialback_key = "key";
			allow("sasl-tls tls-dialback");
			assert.is_true(answer(s));
			assert.same({ "policy-violation" }, s.closed);
		end);
	end);

	describe("a way out", function ()
		local function route(domain, stanza)
			return outbound.route { from_host = "contoso.com"; to_host = domain; stanza = stanza or st.message() };
		end
		local function message()
			return support.message { from = "juliet@contoso.com"; to = "romeo@fabrikam.com"; id = "1"; body = "x" };
		end

		it("to a partner is mod_s2s'", function ()
			assert.is_nil(route("fabrikam.com", message()));
			assert.is_nil(route("na.fabrikam.com", st.stanza("db:verify")));
			assert.same({}, h.sent);
		end);

		it("to a stranger, or to ourselves, is none: db:verify neither", function ()
			for _, domain in ipairs { "evil.com", "contoso.com" } do
				assert.is_false(route(domain, st.stanza("db:verify")));
				h.sent = {};
				assert.is_true(route(domain, message()));
				local kind, condition = support.error_of(h.sent[1]);
				assert.same({ "cancel", "not-allowed" }, { kind, condition });
			end
			assert.same({ "not-a-partner", "not-a-partner", "loop", "loop" }, h.metrics.refusals);
		end);

		it("does not answer errors and results", function ()
			for _, stanza in ipairs { st.message({ type = "error" }), st.iq({ type = "result"; id = "1" }) } do
				assert.is_false(route("evil.com", stanza));
			end
			assert.same({}, h.sent);
		end);

		it("is for a while none above the limit, what has a stream goes on", function ()
			h.settings.of_gateway = { partner_connection_limit = 2 };
			for _, domain in ipairs { "na.fabrikam.com", "fabrikam.com" } do
				local s = sessions.new { from_host = domain; lync_authed = { ["contoso.com"] = { [domain] = "sasl-tls" } } };
				h.connections[s.conn] = s;
			end
			assert.is_true(route("fabrikam.com", message()));
			local kind, condition = support.error_of(h.sent[1]);
			assert.same({ "wait", "resource-constraint" }, { kind, condition });
			assert.same({ "partner-connection-limit" }, h.metrics.refusals);
			h.outgoing["fabrikam.com"] = sessions.outgoing { type = "s2sout" };
			assert.is_nil(route("fabrikam.com", message()));
		end);

		it("keeps its stream from being idle", function ()
			local s = sessions.outgoing { type = "s2sout" };
			h.outgoing["fabrikam.com"] = s;
			world.clock.advance(7);
			assert.is_nil(route("fabrikam.com", message()));
			assert.equal(h.now(), s.lync_stanza);
		end);

		it("ends with the partner, whatever stream there is", function ()
			h.outgoing["fabrikam.com"] = sessions.outgoing { type = "s2sout" };
			h.settings.list = {};
			assert.is_true(route("fabrikam.com", message()));
			assert.equal("not-allowed", (select(2, support.error_of(h.sent[1]))));
		end);

		for form, queue in pairs {
			list = function (n)
				local list = {};
				for i = 1, n do list[i] = {}; end
				return list;
			end;
			queue = function (n) return { push = true; count = function () return n; end }; end;
		} do
			it("has an end: no more wait for one stream, which is said once ("..form..")", function ()
				local max = outbound_lib.WAITING_MAX;
				local s = sessions.outgoing { sendq = queue(max - 1) };
				h.outgoing["fabrikam.com"] = s;
				assert.is_nil(route("fabrikam.com", message()));
				s.sendq = queue(max);
				for _ = 1, 3 do
					h.sent = {};
					assert.is_true(route("fabrikam.com", message()));
					assert.same({ "wait", "resource-constraint" }, { (support.error_of(h.sent[1])), (select(2, support.error_of(h.sent[1]))) });
				end
				assert.same({ "full", "full", "full" }, h.metrics.refusals);
				assert.equal(1, select(2, table.concat(world.logs, "\n"):gsub("warn refused route: [^\n]*token=full", "")));
			end);
		end

		it("lets nothing overtake what waits for the same stream, and queues for no stranger", function ()
			h.queues = { ["fabrikam.com"] = {}; ["evil.com"] = {} };
			assert.is_true(route("fabrikam.com", message()));
			assert.is_true(route("evil.com", message()));
			assert.same({ 1, 0 }, { #h.queues["fabrikam.com"], #h.queues["evil.com"] });
		end);
	end);
end);

describe("outbound: words", function ()
	it("of the partner's stream error", function ()
		for reason, condition in pairs {
			["host-unknown (no such host)"] = "host-unknown"; ["system-shutdown"] = "system-shutdown";
			["policy-violation (TLS, please)"] = "policy-violation"; ["TLS negotiation failed"] = false;
			["Error during negotiation of encrypted connection: closed"] = false;
		} do
			assert.equal(condition or nil, outbound_lib.condition_of(reason));
		end
		assert.is_nil(outbound_lib.condition_of(nil));
		assert.is_nil(outbound_lib.condition_of({ condition = "x" }));
	end);

	it("of STARTTLS that was not answered, and of TLS that came about", function ()
		assert.equal("tls", outbound_lib.stage_of(sessions.outgoing { had_stream = true; lync_step = "starttls" }));
		assert.equal("secure", outbound_lib.stage_of(sessions.outgoing { had_stream = true; lync_step = "starttls"; secure = true }));
		assert.equal("tls", outbound_lib.stage_of(sessions.outgoing { had_stream = true; lync_tls_failed = true }));
	end);

	for stage, attr in pairs {
		connect = {}; open = { had_stream = true }; tls = { had_stream = true; secure = false };
		secure = { had_stream = true; secure = true }; sasl = { had_stream = true; secure = true; external_auth = "attempting" };
		dialback = { had_stream = true; secure = true; external_auth = "failed"; dialback_key = "k" };
		refused = { had_stream = true; dialback_key = "k"; lync_key_refused = true };
		done = { had_stream = true; type = "s2sout" };
	} do
		it("of how far a stream came: "..stage, function ()
			assert.equal(stage, outbound_lib.stage_of(sessions.outgoing(attr)));
		end);
	end
end);
