-- May a stanza come in? And the other questions about streams that the core answers, as Lua sees them: words, numbers,
-- misuse. What is decided about streams is tested in C (test/test_stream*.c).
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local function load(partners, more)
	local options = { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com"; lync_partners = partners;
		lync_gateway_settings = more };
	return (core.settings("contoso.com", options));
end

local function partner(tls, sasl, dialback, more)
	local result = { partner_type = "federated"; tls_negotiation = tls; sasl_negotiation = sasl;
		support_dialback_negotiation = dialback };
	for key, value in pairs(more or {}) do
		result[key] = value;
	end
	return result;
end

local settings = load {
	["fabrikam.com"] = partner("optional", "optional", true, { additional_domains = { "na.fabrikam.com" } });
	["sasl.com"] = partner("required", "required", false); ["tls.com"] = partner("required", "not_supported", true);
	["both.com"] = partner("required", "optional", true); ["tcp.com"] = partner("not_supported", "not_supported", true);
	["dialback.com"] = partner("optional", "not_supported", true);
	["saslrequired.com"] = partner("required", "required", true);
	["broken.com"] = partner("sometimes", "required", true);
};

describe("stanza", function ()
	local CLEAR = "tcp-dialback";
	for _, case in ipairs {
		-- origin, method of the stream, is an error, of our own host, sender's domain -> token
		{ "stream", CLEAR, false, false, "fabrikam.com", nil };
		{ "stream", CLEAR, true, false, "fabrikam.com", nil };
		{ "stream", "sasl-tls", false, false, "na.fabrikam.com", nil };
		{ "stream", "tls-dialback", false, false, "FABRIKAM.com", nil };
		{ "stream", nil, false, false, "fabrikam.com", "not-authenticated-for-us" };
		{ "stream", nil, true, false, "fabrikam.com", "not-authenticated-for-us" };
		{ "stream", nil, false, false, "evil.com", "not-authenticated-for-us" };
		{ "stream", CLEAR, false, false, "evil.com", "not-a-partner" };
		{ "stream", CLEAR, true, false, "evil.com", "not-a-partner" };
		{ "stream", CLEAR, false, false, "broken.com", "partner-disabled" };
		{ "stream", CLEAR, false, true, "contoso.com", "loop" };
		{ "bounce", nil, true, false, "evil.com", nil };
		{ "bounce", nil, false, false, "fabrikam.com", "bad-origin" };
		{ "host", nil, true, true, "contoso.com", nil };
		{ "host", nil, true, false, "evil.com", nil };
		{ "host", nil, false, true, "contoso.com", "loop" };
		{ "host", nil, false, false, "fabrikam.com", nil };
		{ "host", nil, false, false, "localhost", "not-a-partner" };
		{ "host", nil, false, false, "broken.com", "partner-disabled" };
		{ "client", nil, false, false, "fabrikam.com", nil };
		{ "client", nil, false, false, "localhost", "not-a-partner" };
		{ "client", nil, true, false, "localhost", "not-a-partner" };
		{ "client", nil, false, true, "contoso.com", "loop" };
		{ "other", nil, false, false, "fabrikam.com", "bad-origin" };
		{ "other", nil, true, false, "fabrikam.com", "bad-origin" };
	} do
		local origin, method, is_error, own, remote, expected = table.unpack(case, 1, 6);
		local name = ("%s method=%s err=%s own=%s %s: %s"):format(origin, method, is_error, own, remote, expected);
		it(name, function ()
			local ok, token, text = settings:stanza(origin, remote, method, is_error, own);
			assert.same({ expected == nil or nil, expected }, { ok, token });
			assert.equal(expected ~= nil, text ~= nil);
		end);
	end

	-- The settings changed under the stream: by what it was authenticated, token for each partner.
	for method, tokens in pairs {
		["sasl-tls"] = { ["sasl.com"] = false; ["both.com"] = false; ["tls.com"] = "sasl-not-supported";
			["dialback.com"] = "sasl-not-supported"; ["tcp.com"] = "tls-not-supported" };
		["tls-dialback"] = { ["tls.com"] = false; ["both.com"] = false; ["sasl.com"] = "dialback-not-supported";
			["saslrequired.com"] = "sasl-required"; ["tcp.com"] = "tls-not-supported" };
		["tcp-dialback"] = { ["tcp.com"] = false; ["dialback.com"] = false; ["sasl.com"] = "tls-required";
			["both.com"] = "tls-required"; ["tls.com"] = "tls-required" };
	} do
		it("on a stream by "..method, function ()
			for remote, token in pairs(tokens) do
				local ok, got = settings:stanza("stream", remote, method, false, false);
				assert.same({ not token or nil, token or nil }, { ok, got }, remote);
			end
		end);
	end

	it("comes in nowhere while the settings are not usable, but for bounces", function ()
		local unusable = core.settings("contoso.com", {});
		for _, origin in ipairs { "stream", "host", "client" } do
			assert.equal("no-settings", (select(2, unusable:stanza(origin, "fabrikam.com", CLEAR, false, false))));
		end
		assert.is_true((unusable:stanza("bounce", "fabrikam.com", nil, true, false)));
	end);

	it("of no domain is no partner's", function ()
		for _, remote in ipairs { "", " ", "fabrikam.com\0", "a@fabrikam.com", "\xff", ("x"):rep(5000) } do
			assert.equal("not-a-partner", (select(2, settings:stanza("client", remote, nil, false, false))));
		end
	end);

	it("raises on misuse", function ()
		assert.has_error(function () settings:stanza("sideways", "fabrikam.com"); end);
		assert.has_error(function () settings:stanza("stream", nil, CLEAR); end);
		assert.has_error(function () settings:stanza("stream", {}, CLEAR); end);
		assert.has_error(function () settings:stanza("stream", "fabrikam.com", "by post"); end);
		assert.has_error(function () settings.stanza({}, "stream", "fabrikam.com"); end);
	end);
end);

describe("stream", function ()
	local function ask(facts)
		facts.direction = facts.direction or "in";
		facts.phase = facts.phase or "features";
		return settings:stream(facts);
	end

	it("has a decision in words", function ()
		assert.same({ starttls = true; required = false; external = false; dialback = true; step = "none" },
			ask { remote = "fabrikam.com" });
		assert.same({ starttls = false; required = false; external = true; dialback = true; step = "none" },
			ask { remote = "fabrikam.com"; secure = true; certificate = "valid" });
		assert.same({ starttls = true; required = true; external = false; dialback = false; step = "none" },
			ask { remote = "sasl.com" });
		assert.equal("starttls", ask({ remote = "fabrikam.com"; direction = "out"; starttls = true }).step);
		assert.equal("dialback", ask({ remote = "fabrikam.com"; direction = "out"; starttls = true; way = "tcp-dialback" }).step);
		assert.equal("external", ask({ remote = "fabrikam.com"; direction = "out"; secure = true; external = true;
			certificate = "valid" }).step);
		assert.equal("tls-dialback", ask({ phase = "authenticated"; remote = "fabrikam.com"; secure = true;
			mechanism = "dialback" }).method);
	end);

	it("has a token and a text when it may not be", function ()
		local decision, token, text = ask { remote = "evil.com" };
		assert.same({ nil, "not-a-partner", "this domain is not a federated partner" }, { decision, token, text });
	end);

	it("needs no domain before it is known", function ()
		assert.same({ starttls = true; required = false; external = false; dialback = false; step = "none" }, ask {});
		assert.same("no-identity", (select(2, ask { phase = "authenticated"; mechanism = "dialback" })));
	end);

	it("counts in whole numbers, whatever the clock says", function ()
		local limited = load({ ["fabrikam.com"] = partner("optional", "optional", true) },
			{ connection_limit = 3, partner_connection_limit = 2 });
		local function route(streams, of_partner)
			local ok, token = limited:stream { phase = "route"; direction = "out"; remote = "fabrikam.com"; streams = streams;
				partner_streams = of_partner };
			return ok and "ok" or token;
		end
		assert.equal("ok", route(2, 1));
		assert.equal("ok", route());
		assert.equal("ok", route(-5, -1e300));
		assert.equal("partner-connection-limit", route(2, 2));
		assert.equal("connection-limit", route(3, 0));
		assert.equal("connection-limit", route(1e300, 0));
		assert.equal("connection-limit", route(math.huge, 0));
	end);

	it("raises on misuse", function ()
		for _, facts in ipairs { {}, { phase = "features" }, { direction = "in" }, { phase = "x"; direction = "in" },
			{ phase = "features"; direction = "up" }, { phase = "features"; direction = "in"; certificate = "good" },
			{ phase = "features"; direction = "in"; mechanism = "EXTERNAL" }, { phase = "features"; direction = "in"; way = "tls" },
			{ phase = "features"; direction = "in"; remote = 5 }, { phase = "features"; direction = "in"; streams = "many" } } do
			assert.has_error(function () settings:stream(facts); end);
		end
		assert.has_error(function () settings:stream(); end);
		assert.has_error(function () settings.stream({}, { phase = "features"; direction = "in" }); end);
	end);
end);

describe("primary", function ()
	it("is a partner's first domain, with its best method", function ()
		for domain, expected in pairs { ["fabrikam.com"] = "sasl-tls"; ["NA.fabrikam.com."] = "sasl-tls"; } do
			assert.same({ "fabrikam.com", expected }, { settings:primary(domain) });
		end
		assert.same({ "tls.com", "tls-dialback" }, { settings:primary("tls.com") });
		assert.same({ "tcp.com", "tcp-dialback" }, { settings:primary("tcp.com") });
	end);

	it("is nobody's of a stranger", function ()
		for _, domain in ipairs { "evil.com", "", "x.fabrikam.com", "\0" } do
			assert.is_nil((settings:primary(domain)));
		end
		assert.has_error(function () settings:primary(); end);
	end);
end);

describe("next method", function ()
	local function follows(way, stage, more)
		local facts = { remote = "fabrikam.com"; way = way; stage = stage; secure = true };
		for key, value in pairs(more or {}) do
			facts[key] = value;
		end
		return settings:next_method(facts);
	end

	it("is the one that the core says", function ()
		assert.equal("tls-dialback", follows("sasl-tls", "sasl"));
		assert.equal("tcp-dialback", follows("tls-dialback", "dialback"));
		assert.equal("tcp-dialback", follows("sasl-tls", "tls", { secure = false }));
		assert.is_nil(follows("tcp-dialback", "dialback", { secure = false }));
		assert.is_nil(follows("sasl-tls", "connect"));
		assert.is_nil(follows("sasl-tls", "sasl", { condition = "host-unknown" }));
		assert.equal("tls-dialback", follows("sasl-tls", "sasl", { condition = "not-authorized" }));
		assert.is_nil(follows("sasl-tls", "sasl", { remote = "sasl.com" }));
	end);

	it("is none of strangers and of who is disabled", function ()
		assert.is_nil(follows("sasl-tls", "sasl", { remote = "evil.com" }));
		assert.is_nil(follows("sasl-tls", "sasl", { remote = "broken.com" }));
	end);

	it("raises on misuse", function ()
		assert.has_error(function () follows("by post", "sasl"); end);
		assert.has_error(function () follows("sasl-tls", "later"); end);
		assert.has_error(function () settings:next_method(); end);
	end);
end);

describe("care", function ()
	local function care(age)
		age.remote = age.remote or "fabrikam.com";
		return settings:care(age);
	end

	it("is nothing, a question or the end", function ()
		assert.is_nil((care { authenticated = true; since = 5; stanza = 5; heard = 5 }));
		assert.same({ "ask" }, { care { authenticated = true; since = 200; stanza = 200; heard = 200 } });
		assert.same({ "close", "keep-alive-timeout", "there was no sign of life" },
			{ care { authenticated = true; since = 400; stanza = 400; heard = 400 } });
		assert.equal("establishment-timeout", (select(2, care { since = 60.5 })));
		assert.is_nil((care { since = 59.9 }));
	end);

	it("asks once in a silence, and again in the next one, however quick the answer was", function ()
		assert.is_nil((care { authenticated = true; heard = 200.7; asked = 50.2 }));
		assert.equal("ask", (care { authenticated = true; heard = 150.2; asked = 150.21 }));
		assert.equal("ask", (care { authenticated = true; heard = 150.2; asked = 300 }));
	end);

	it("takes a clock that was set back for no time at all", function ()
		assert.is_nil((care { since = -1e9 }));
		assert.is_nil((care { authenticated = true; since = -5; stanza = -5; heard = -5; asked = -5 }));
	end);

	it("is of everybody before authentication, of partners after it", function ()
		assert.equal("close", (care { remote = "evil.com"; since = 60 }));
		assert.equal("close", (care { remote = ""; since = 60 }));
		assert.is_nil((care { remote = "evil.com"; authenticated = true; since = 9999; stanza = 9999; heard = 9999 }));
	end);

	it("raises on misuse", function ()
		assert.has_error(function () settings:care(); end);
		assert.has_error(function () care { since = "long" }; end);
		assert.has_error(function () care { remote = {} }; end);
	end);
end);
