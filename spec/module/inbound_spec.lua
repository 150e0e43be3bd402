-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local st = require "util.stanza";

local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";
local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
local xmlns_dialback = "urn:xmpp:features:dialback";

-- Settings of fabrikam.com that leave these methods.
local only = {
	["sasl-tls"] = { tls_negotiation = "required"; sasl_negotiation = "required"; support_dialback_negotiation = false };
	["sasl-tls tls-dialback"] = { tls_negotiation = "required"; sasl_negotiation = "optional" };
	["tls-dialback"] = { tls_negotiation = "required"; sasl_negotiation = "not_supported" };
	["tls-dialback tcp-dialback"] = { sasl_negotiation = "not_supported" };
	["tcp-dialback"] = { tls_negotiation = "not_supported"; sasl_negotiation = "not_supported" };
	["sasl-tls tls-dialback tcp-dialback"] = {};
};

describe("inbound", function ()
	local h, inbound, world;
	before_each(function ()
		local running, _, around = support.running();
		h, inbound, world = running, running.inbound, around;
	end);

	local function allow(methods)
		h.settings.of_partner = { ["fabrikam.com"] = assert(only[methods]) };
	end

	local function peer(attr)
		local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" };
		for key, value in pairs(attr or {}) do
			s[key] = value;
		end
		return s;
	end

	local function nameless(s)
		s.from_host = nil;
		return s;
	end

	local function known(status)
		return setmetatable({}, { __index = function () return status; end });
	end

	local function over_tls(status, attr)
		local s = peer(attr);
		s.secure, s.lync_certs = true, known(status);
		return s;
	end

	-- mod_tls, mod_saslauth and mod_dialback; mod_tls adds one and the same element to all streams.
	local starttls = st.stanza("starttls", { xmlns = xmlns_tls }):tag("required"):up();
	local function offered(session)
		local features = st.stanza("stream:features");
		local event = { origin = session; features = features };
		if inbound.features(event) then return nil; end
		if session.ssl_ctx ~= false and not session.secure then
			features:add_child(starttls);
		end
		if session.secure and session.type == "s2sin_unauthed" then
			session.external_auth = "offered";
			features:tag("mechanisms", { xmlns = xmlns_sasl }):text_tag("mechanism", "EXTERNAL"):up();
		end
		features:tag("dialback", { xmlns = xmlns_dialback }):up():tag("bidi", { xmlns = "urn:xmpp:features:bidi" }):up();
		inbound.offered(event);
		local names = {};
		for _, tag in ipairs(features.tags) do
			names[#names+1] = tag.name..(tag:get_child("required") and "!" or "");
		end
		return table.concat(names, " "), features;
	end

	describe("offers", function ()
		local cases = {
			-- methods, in clear text, over TLS with a good certificate, with a bad one (false: the stream ends)
			{ "sasl-tls", "starttls! bidi", "mechanisms bidi", false };
			{ "sasl-tls tls-dialback", "starttls! bidi", "mechanisms dialback bidi", "dialback bidi" };
			{ "tls-dialback", "starttls! bidi", "dialback bidi", "dialback bidi" };
			{ "tls-dialback tcp-dialback", "starttls dialback bidi", "dialback bidi", "dialback bidi" };
			{ "tcp-dialback", "dialback bidi", false, false };
			{ "sasl-tls tls-dialback tcp-dialback", "starttls dialback bidi", "mechanisms dialback bidi", "dialback bidi" };
		};
		for _, case in ipairs(cases) do
			it("of "..case[1], function ()
				allow(case[1]);
				assert.equal(case[2], (offered(peer())));
				assert.equal(case[3] or nil, (offered(over_tls("valid"))));
				assert.equal(case[4] or nil, (offered(over_tls("wrong-name"))));
			end);
		end

		it("are taken from none: mod_tls' element stays as it is", function ()
			allow("tls-dialback tcp-dialback");
			local _, features = offered(peer());
			assert.is_nil(features:get_child("starttls", xmlns_tls):get_child("required"));
			assert.is_truthy(starttls:get_child("required"));
			allow("sasl-tls");
			assert.is_truthy(select(2, offered(peer())):get_child("starttls", xmlns_tls):get_child("required"));
		end);

		it("that were taken away are not to be had", function ()
			allow("sasl-tls tls-dialback");
			local s = over_tls("expired");
			offered(s);
			assert.is_nil(s.external_auth);
			allow("tcp-dialback");
			s = peer();
			offered(s);
			assert.is_false(s.ssl_ctx); -- mod_tls answers <starttls/> with failure
		end);

		it("are STARTTLS alone while the name is missing", function ()
			local s = nameless(peer());
			assert.equal("starttls bidi", (offered(s)));
			s.secure, s.lync_certs = true, known("valid");
			assert.equal("bidi", (offered(s)));
		end);

		it("are judged anew with the name in the next header", function ()
			allow("sasl-tls");
			local s = nameless(peer());
			offered(s);
			s.secure, s.lync_certs, s.from_host = true, known("valid"), "fabrikam.com";
			assert.equal("mechanisms bidi", (offered(s)));
			s.from_host = "evil.com";
			assert.is_nil((offered(s)));
			assert.same({ "policy-violation" }, s.closed);
		end);

		it("after authentication are dialback for further domains, where it is allowed", function ()
			assert.equal("dialback bidi", (offered(over_tls("valid", { type = "s2sin" }))));
			allow("sasl-tls");
			assert.equal("bidi", (offered(over_tls("valid", { type = "s2sin" }))));
		end);

		it("of others stay as they are", function ()
			local event = { origin = peer(); features = st.stanza("stream:features")
				:tag("starttls", { xmlns = "x" }):up():tag("mechanisms", { xmlns = "x" }):up():tag("dialback", { xmlns = "x" }):up() };
			allow("sasl-tls");
			inbound.features(event);
			event.features:add_child(starttls);
			inbound.offered(event);
			assert.equal(4, #event.features.tags);
			event.origin.lync_offers = nil; -- it was refused
			inbound.offered(event);
			assert.equal(4, #event.features.tags);
			event.origin.lync_offers = { dialback = true }; -- whoever offered TLS then
			inbound.offered(event);
			assert.equal(3, #event.features.tags);
			assert.is_nil(event.features:get_child("starttls", xmlns_tls));
			for _, line in ipairs(world.logs) do
				assert.is_nil(line:find("not available", 1, true));
			end
		end);

		it("cannot be made up for: without TLS on this host it is said", function ()
			allow("sasl-tls");
			local s = peer();
			local event = { origin = s; features = st.stanza("stream:features") };
			inbound.features(event);
			inbound.offered(event);
			assert.same({}, event.features.tags);
			assert.matches('^error offer TLS: not available .*remote="fabrikam.com"', world.logs[#world.logs]);
		end);
	end);

	it("closes a stranger's stream at its features", function ()
		local s = peer { from_host = "evil.com" };
		assert.is_true(inbound.features { origin = s; features = st.stanza("stream:features") });
		assert.same({ "policy-violation" }, s.closed);
		assert.same({ "not-a-partner" }, h.metrics.refusals);
	end);

	it("closes the streams of all while the settings are not usable", function ()
		h.settings.usable = false;
		for _, from in ipairs { "fabrikam.com", "evil.com" } do
			local s = peer { from_host = from };
			assert.is_nil((offered(s)));
			assert.same({ "policy-violation" }, s.closed);
		end
	end);

	it("remembers when a stream began", function ()
		local s = peer();
		offered(s);
		local since = h.now();
		assert.equal(since, s.lync_since);
		world.clock.advance(10);
		offered(s);
		assert.equal(since, s.lync_since);
	end);

	describe("STARTTLS", function ()
		local function asks(s)
			return inbound.starttls { origin = s; stanza = st.stanza("starttls", { xmlns = xmlns_tls }) };
		end

		it("is mod_tls' where it may be", function ()
			assert.is_nil(asks(peer()));
			assert.is_nil(asks(nameless(peer())));
			assert.is_nil(asks({ type = "c2s_unauthed" }));
		end);

		for name, case in pairs {
			["is refused where only clear text is allowed"] = { {}, "tls-not-supported" };
			["is refused after authentication"] = { { type = "s2sin" }, "tls-too-late" };
			["is refused within TLS"] = { { secure = true; lync_certs = {} }, "tls-too-late" };
			["is refused to a stranger"] = { { from_host = "evil.com" }, "not-a-partner" };
		} do
			it(name, function ()
				allow(case[2] == "tls-not-supported" and "tcp-dialback" or "sasl-tls tls-dialback tcp-dialback");
				local s = peer(case[1]);
				assert.is_true(asks(s));
				assert.equal("failure", s.sent[1].name);
				assert.equal(xmlns_tls, s.sent[1].attr.xmlns);
				assert.same({ "policy-violation" }, s.closed);
				assert.same({ case[2] }, h.metrics.refusals);
			end);
		end

		it("is refused to a server that we have connected to", function ()
			for _, kind in ipairs { "s2sout_unauthed", "s2sout" } do
				local s = sessions.outgoing { type = kind };
				assert.is_true(asks(s));
				assert.same({ "policy-violation" }, s.closed);
			end
			assert.same({ "tls-too-late", "tls-too-late" }, h.metrics.refusals);
			assert.same({ "out fabrikam.com", "out fabrikam.com" }, h.metrics.failures);
		end);
	end);

	describe("SASL", function ()
		local function auth(s, mechanism)
			return inbound.auth { origin = s; stanza = st.stanza("auth", { xmlns = xmlns_sasl; mechanism = mechanism or "EXTERNAL" }) };
		end
		local function failure(s)
			local last = s.sent[#s.sent];
			return last and last.name == "failure" and last.attr.xmlns == xmlns_sasl and last.tags[1].name or nil;
		end

		it("is mod_saslauth's where it was offered and may be", function ()
			local s = over_tls("valid", { external_auth = "offered" });
			assert.is_nil(auth(s));
			assert.same({}, s.sent);
		end);

		for _, case in ipairs {
			-- methods, certificate or false: clear text, mechanism, condition
			{ "sasl-tls", false, "EXTERNAL", "encryption-required" };
			{ "sasl-tls tls-dialback", "wrong-name", "EXTERNAL", "not-authorized" };
			{ "sasl-tls", "expired", "EXTERNAL", "not-authorized" };
			{ "sasl-tls", "valid", "PLAIN", "invalid-mechanism" };
			{ "sasl-tls", "valid", "", "invalid-mechanism" };
			{ "tls-dialback", "valid", "EXTERNAL", "invalid-mechanism" };
			{ "tcp-dialback", false, "EXTERNAL", "invalid-mechanism" };
		} do
			it(("%s over %s with %s is %s"):format(case[3], case[2] or "clear text", case[1], case[4]), function ()
				allow(case[1]);
				local s = case[2] and over_tls(case[2], { external_auth = "offered" }) or peer();
				assert.is_true(auth(s, case[3]));
				assert.equal(case[4], failure(s));
				assert.same({}, s.closed); -- it may try again
			end);
		end

		it("that was not offered is refused", function ()
			local s = over_tls("valid");
			assert.is_true(auth(s));
			assert.equal("not-authorized", failure(s));
		end);

		it("of nobody and of strangers is refused", function ()
			local s = nameless(over_tls("valid", { external_auth = "offered" }));
			assert.is_true(auth(s));
			assert.equal("invalid-authzid", failure(s));
			s = over_tls("valid", { external_auth = "offered"; from_host = "evil.com" });
			assert.is_true(auth(s));
			assert.equal("not-authorized", failure(s));
		end);

		it("above the limit ends the stream: it is one too many", function ()
			h.settings.of_gateway = { partner_connection_limit = 2 };
			for _ = 1, 2 do
				local other = sessions.new { from_host = "na.fabrikam.com";
					lync_authed = { ["contoso.com"] = { ["na.fabrikam.com"] = "sasl-tls" } } };
				h.connections[other.conn] = other;
			end
			local s = over_tls("valid", { external_auth = "offered" });
			assert.is_true(auth(s));
			assert.same({ "resource-constraint" }, s.closed);
			assert.same({}, s.sent);
		end);

		it("is tried six times at most", function ()
			allow("tls-dialback");
			local s = over_tls("valid");
			for _ = 1, 5 do
				assert.is_true(auth(s));
			end
			assert.same({}, s.closed);
			assert.is_true(auth(s));
			assert.same({ "policy-violation" }, s.closed);
			assert.equal(5, #s.sent);
		end);

		it("of what mod_saslauth refuses counts too", function ()
			local s = over_tls("valid", { external_auth = "offered" });
			for _ = 1, 5 do
				assert.is_nil(auth(s)); -- mod_saslauth says invalid-authzid
			end
			assert.is_true(auth(s));
			assert.same({ "policy-violation" }, s.closed);
		end);

		it("of clients, and on streams that are done, is not ours", function ()
			assert.is_nil(auth { type = "c2s_unauthed" });
			assert.is_nil(auth(over_tls("valid", { type = "s2sin" })));
		end);
	end);

	describe("a dialback key", function ()
		local function result(s, from)
			return inbound.dialback_result { origin = s;
				stanza = st.stanza("db:result", { from = from or "fabrikam.com"; to = "contoso.com" }):text("key") };
		end

		it("of a stranger is answered with an error, the stream stays", function ()
			local s = peer { type = "s2sin" };
			assert.is_true(result(s, "EVIL.com"));
			local attr = s.sent[1].attr;
			assert.same({ "EVIL.com", "contoso.com", "error" }, { attr.to, attr.from, attr.type });
			assert.equal("cancel", s.sent[1]:get_child("error").attr.type);
			assert.is_truthy(s.sent[1]:find("error/{urn:ietf:params:xml:ns:xmpp-stanzas}not-allowed"));
			assert.same({}, s.closed);
			assert.same({ "in evil.com" }, h.metrics.failures);
		end);

		it("of a partner, and answers to ours, are mod_dialback's", function ()
			assert.is_nil(result(peer(), "Fabrikam.COM"));
			assert.is_nil(result(peer { type = "s2sout" }, "evil.com"));
		end);

		for _, case in ipairs {
			-- methods, certificate or false: clear text, condition or nil: it may be
			{ "tcp-dialback", false, nil };
			{ "tcp-dialback", "valid", "policy-violation" };
			{ "tls-dialback", "self-signed", nil };
			{ "tls-dialback", false, "policy-violation" };
			{ "sasl-tls", "valid", "policy-violation" };
			{ "sasl-tls tls-dialback", "missing", nil };
		} do
			it(("over %s with %s: %s"):format(case[2] or "clear text", case[1], case[3] or "goes on"), function ()
				allow(case[1]);
				local s = case[2] and over_tls(case[2]) or peer();
				assert.equal(case[3] and true or nil, (result(s)));
				local error_tag = s.sent[1] and s.sent[1]:get_child("error");
				assert.equal(case[3] or "none", error_tag and error_tag.tags[1].name or "none");
				assert.same({}, s.closed);
			end);
		end

		it("is judged by its own domain, not by the stream's", function ()
			h.settings.list["litware.com"] = "litware.com";
			h.settings.of_partner = { ["litware.com"] = only["sasl-tls"] };
			local s = over_tls("valid", { type = "s2sin" });
			assert.is_true(result(s, "litware.com"));
			assert.is_nil(result(s, "na.fabrikam.com"));
			assert.same({}, s.closed);
		end);

		it("above the limit is refused for a while", function ()
			h.settings.of_gateway = { connection_limit = 2; partner_connection_limit = 2 };
			for _ = 1, 2 do
				local other = sessions.new { from_host = "x.com"; lync_authed = { ["contoso.com"] = { ["na.fabrikam.com"] = "sasl-tls" } } };
				h.connections[other.conn] = other;
			end
			local s = peer();
			assert.is_true(result(s));
			assert.equal("wait", s.sent[1]:get_child("error").attr.type);
			assert.is_truthy(s.sent[1]:find("error/{urn:ietf:params:xml:ns:xmpp-stanzas}resource-constraint"));
		end);

		it("is tried six times at most", function ()
			local s = peer { type = "s2sin" };
			for _ = 1, 6 do
				assert.is_true(result(s, "evil.com"));
			end
			assert.same({ "policy-violation" }, s.closed);
			assert.equal("too-many-attempts", h.metrics.refusals[#h.metrics.refusals]);
		end);

		it("of nobody, or of no domain, ends the stream", function ()
			for _, from in ipairs { "", "a b", ("x"):rep(2000), "\xff" } do
				local s = peer();
				local stanza = st.stanza("db:result", { to = "contoso.com" });
				stanza.attr.from = from ~= "" and from or nil;
				local handled = inbound.dialback_result { origin = s; stanza = stanza };
				assert.is_true(handled);
				assert.is_true(s.destroyed or s.sent[1].attr.type == "error", from); -- not mod_dialback's to stumble over
			end
		end);
	end);

	describe("a dialback question", function ()
		local whole = { from = "fabrikam.com"; to = "contoso.com"; id = "1" };
		local function verify(s, attr, key)
			return inbound.dialback_verify { origin = s; stanza = st.stanza("db:verify", attr):text(key or "") };
		end

		it("that is whole is mod_dialback's", function ()
			assert.is_nil(verify(peer(), whole, "key"));
			assert.is_nil(verify(sessions.outgoing(), whole)); -- an answer has no key
			assert.is_nil(verify({ type = "c2s" }, {}));
		end);

		it("with an answer in it ends the stream: nobody asked there", function ()
			local s = peer();
			assert.is_true(verify(s, { from = "a.b"; to = "contoso.com"; id = "1"; type = "valid" }));
			assert.same({ "not-authorized" }, s.closed);
		end);

		it("of what is no name is answered invalid", function ()
			local s = peer();
			assert.is_true(verify(s, { from = "evil.com contoso.com"; to = "contoso.com"; id = "1" }, "key"));
			assert.equal("invalid", s.sent[1].attr.type);
		end);

		for _, missing in ipairs { "from", "to", "id" } do
			it("without "..missing.." ends the stream", function ()
				for _, s in ipairs { peer(), sessions.outgoing { type = "s2sout" } } do
					local attr = { from = "fabrikam.com"; to = "contoso.com"; id = "1" };
					attr[missing] = nil;
					assert.is_true(verify(s, attr, "key"));
					assert.same({ "improper-addressing" }, s.closed);
					assert.matches('^warn refused dialback: .*token=bad%-jid remote="fabrikam.com"', world.logs[#world.logs]);
				end
			end);
		end

		it("without a key ends the stream", function ()
			local s = peer();
			assert.is_true(inbound.dialback_verify { origin = s; stanza = st.stanza("db:verify", whole) });
			assert.same({ "improper-addressing" }, s.closed);
			s = peer();
			assert.is_true(inbound.dialback_verify { origin = s; stanza = st.stanza("db:verify", whole):tag("x") });
			assert.same({ "improper-addressing" }, s.closed);
		end);
	end);
end);
