-- Prosody's own options beside a partner's settings: what they leave of its methods, and what is said about it.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local D = "fabrikam.com";
local WORDS = { "required", "optional", "not_supported" };
local SECTION = " in the section of this host";
local AUTH = "write s2s_secure_auth = false" .. SECTION;
local ENCRYPTION = "write s2s_require_encryption = false" .. SECTION;
local LISTED = "take the partner's domains out of it";

-- Options of Prosody -> settings, the lines about the partner that are not about its row.
local function load(options, tls, sasl, dialback, more)
	local partner = { partner_type = "federated"; tls_negotiation = tls; sasl_negotiation = sasl;
		support_dialback_negotiation = dialback };
	for key, value in pairs(more or {}) do
		partner[key] = value;
	end
	local all = { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
		lync_partners = { [D] = partner; ["other.com"] = { partner_type = "federated"; support_dialback_negotiation = false } } };
	for key, value in pairs(options) do
		all[key] = value;
	end
	local settings, problems = core.settings("contoso.com", all);
	local lines = {};
	for _, problem in ipairs(problems) do
		local level, text = problem.level == "error" and "E" or "W", problem.text:match('^contoso%.com: (.*)$');
		if not text:find("SASL and TLS are required", 1, true) and not text:find("SASL requires TLS", 1, true) then
			lines[#lines+1] = level .. " " .. text:gsub('^lync_partners%["fabrikam%.com"%]: ', "");
		end
	end
	return settings, lines;
end

-- fn(tls, sasl, dialback, row) for the 13 valid rows
local function each_row(fn)
	for _, tls in ipairs(WORDS) do
		for _, sasl in ipairs(WORDS) do
			for _, dialback in ipairs { true, false } do
				local row = core.negotiation(tls, sasl, dialback);
				if row.valid then fn(tls, sasl, dialback, row); end
			end
		end
	end
end

-- The table of docs/streams.md: option -> what it takes, what it is called, how to be rid of it, is it strict.
local TLS, CLEAR = { ["sasl-tls"] = true; ["tls-dialback"] = true }, { ["tcp-dialback"] = true };
local effects = {
	{ "nothing written", {} };
	{ "s2s_require_encryption = false", { s2s_require_encryption = false } };
	{ "s2s_require_encryption = true", { s2s_require_encryption = true }, CLEAR, "s2s_require_encryption = true", ENCRYPTION };
	{ "s2s_secure_auth = false", { s2s_secure_auth = false } };
	{ "s2s_secure_auth = true", { s2s_secure_auth = true }, CLEAR, "s2s_secure_auth = true", AUTH, true };
	{ "s2s_secure_auth = true, but not for the partner", { s2s_secure_auth = true; s2s_insecure_domains = { D, "x.com" } } };
	{ "s2s_secure_auth = true, but not for others", { s2s_secure_auth = true; s2s_insecure_domains = { "x.com" } }, CLEAR,
		"s2s_secure_auth = true", AUTH, true };
	{ "s2s_insecure_domains alone", { s2s_insecure_domains = { D } } };
	{ "s2s_secure_domains with the partner", { s2s_secure_domains = { "x.com", D } }, CLEAR, "s2s_secure_domains", LISTED, true };
	{ "s2s_secure_domains with others", { s2s_secure_domains = { "x.com" } } };
	{ "s2s_secure_domains against s2s_insecure_domains", { s2s_secure_domains = { D }; s2s_insecure_domains = { D } }, CLEAR,
		"s2s_secure_domains", LISTED, true };
	{ "s2s_allow_encryption = true", { s2s_allow_encryption = true } };
	{ "s2s_allow_encryption = false", { s2s_allow_encryption = false }, TLS, "s2s_allow_encryption = false", "remove it" };
};

local function list(words)
	return table.concat(words, " and ");
end

-- Methods that are left, lines.
local function expected(row, taken_away, name, remedy, strict)
	local left, taken = {}, {};
	for _, method in ipairs(row.methods) do
		table.insert(taken_away and taken_away[method] and taken or left, method);
	end
	if #left == 0 then
		return {}, { ("E %s takes away %s, and nothing is left; %s"):format(name, list(taken), remedy) };
	end
	local lines = {};
	if #taken > 0 then
		lines[#lines+1] = ("W %s takes away %s; %s"):format(name, list(taken), remedy);
	end
	if strict and list(left):find("tls-dialback", 1, true) then
		lines[#lines+1] = ("W %s lets dialback over TLS pass with a good certificate only; %s"):format(name, remedy);
	end
	return left, lines;
end

describe("Prosody's options", function ()
	for _, effect in ipairs(effects) do
		local name, options, taken_away, called, remedy, strict = table.unpack(effect, 1, 6);
		it(name, function ()
			each_row(function (tls, sasl, dialback, row)
				local settings, lines = load(options, tls, sasl, dialback);
				local partner = settings:partner(D);
				local methods, wanted = expected(row, taken_away, called, remedy, strict);
				-- "other.com" needs nothing but TLS: it is hit by one option alone
				local others = { "E lync_partners[\"other.com\"]: s2s_allow_encryption = false takes away sasl-tls, and nothing is "
					.. "left; remove it" };
				for _, line in ipairs(options.s2s_allow_encryption == false and others or {}) do
					table.insert(wanted, line);
				end
				assert.same(wanted, lines, "row " .. row.row);
				assert.same(methods, partner.methods, "row " .. row.row);
				local disabled = wanted[1] ~= nil and wanted[1]:find("^E s2s") ~= nil;
				assert.equal(disabled, partner.disabled ~= nil, "row " .. row.row);
				assert.equal(strict or false, partner.strict, "row " .. row.row);
				assert.is_true(settings.usable);
			end);
		end);
	end

	it("is said in whole lines", function ()
		local _, problems = core.settings("contoso.com", { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "x.contoso.com";
			s2s_secure_auth = true; lync_partners = { ["a.com"] = { partner_type = "federated"; tls_negotiation = "not_supported";
				sasl_negotiation = "not_supported"; support_dialback_negotiation = true } } });
		assert.same({ {
			level = "error"; host = "contoso.com"; partner = "a.com"; key = 'lync_partners["a.com"]';
			message = "s2s_secure_auth = true takes away tcp-dialback, and nothing is left";
			remedy = "write s2s_secure_auth = false in the section of this host";
			text = 'contoso.com: lync_partners["a.com"]: s2s_secure_auth = true takes away tcp-dialback, and nothing is left; '
				.. "write s2s_secure_auth = false in the section of this host";
		} }, problems);
	end);

	it("names every option that takes something, each with what it takes", function ()
		local all = { s2s_require_encryption = true; s2s_secure_auth = true; s2s_secure_domains = { D } };
		local settings, lines = load(all, "optional", "optional", true);
		assert.same({ "sasl-tls", "tls-dialback" }, settings:partner(D).methods);
		assert.same({ "W s2s_secure_auth = true takes away tcp-dialback; " .. AUTH,
			"W s2s_secure_auth = true lets dialback over TLS pass with a good certificate only; " .. AUTH,
			"W s2s_require_encryption = true takes away tcp-dialback; " .. ENCRYPTION }, lines);
		all.s2s_secure_auth, all.s2s_secure_domains = nil, nil;
		assert.same({ "W s2s_require_encryption = true takes away tcp-dialback; " .. ENCRYPTION },
			(select(2, load(all, "optional", "optional", true))));
		settings, lines = load({ s2s_allow_encryption = false; s2s_require_encryption = true }, "optional", "optional", true);
		assert.same({ "W s2s_allow_encryption = false takes away sasl-tls and tls-dialback; remove it",
			"E s2s_require_encryption = true takes away tcp-dialback, and nothing is left; " .. ENCRYPTION }, { lines[1], lines[2] });
		assert.is_string(settings:partner(D).disabled);
	end);

	it("disables the partner, for whatever asks", function ()
		local settings = load({ s2s_require_encryption = true }, "not_supported", "not_supported", true);
		local ok, token = settings:stream { phase = "features"; direction = "in"; remote = D };
		assert.same({ nil, "partner-disabled" }, { ok, token });
		assert.equal("partner-disabled", (select(2, settings:stanza("client", D, nil, false, false))));
		assert.equal("partner-disabled", (select(2, settings:may { direction = "in"; kind = "message"; contact = "a@" .. D;
			user = "b@contoso.com" })));
		assert.is_nil(settings:partner("other.com").disabled);
	end);

	it("makes dialback over TLS need a good certificate", function ()
		local function dialback(options, certificate)
			local settings = load(options, "required", "not_supported", true);
			local ok, token = settings:stream { phase = "dialback"; direction = "in"; remote = D; secure = true;
				mechanism = "dialback"; certificate = certificate };
			return ok and "ok" or token;
		end
		for _, options in ipairs { { s2s_secure_auth = true }, { s2s_secure_domains = { D } } } do
			assert.equal("ok", dialback(options, "valid"));
			assert.equal("certificate-self-signed", dialback(options, "self-signed"));
			assert.equal("certificate-missing", dialback(options, "missing"));
			assert.equal("certificate-wrong-name", dialback(options, "wrong-name"));
		end
		assert.equal("ok", dialback({ s2s_secure_auth = true; s2s_insecure_domains = { D } }, "missing"));
	end);

	describe("of a partner with several domains", function ()
		local function strict(options)
			return load(options, "optional", "optional", true, { additional_domains = { "na.fabrikam.com", "bücher.example" } })
				:partner(D).strict;
		end

		it("asks for certificates when one of them has to have one", function ()
			for _, domain in ipairs { D, "na.fabrikam.com", "bücher.example", "xn--bcher-kva.example", "NA.Fabrikam.com" } do
				assert.is_true(strict { s2s_secure_domains = { domain } }, domain);
			end
			assert.is_false(strict { s2s_secure_domains = { "x.fabrikam.com" } });
		end);

		it("asks for none when none of them has to have one", function ()
			assert.is_true(strict { s2s_secure_auth = true; s2s_insecure_domains = { D } });
			assert.is_true(strict { s2s_secure_auth = true; s2s_insecure_domains = { D, "na.fabrikam.com" } });
			assert.is_false(strict { s2s_secure_auth = true; s2s_insecure_domains = { D, "na.fabrikam.com", "bücher.example" } });
			assert.is_false(strict { s2s_secure_auth = true;
				s2s_insecure_domains = { D, "na.fabrikam.com", "xn--bcher-kva.example" } });
		end);
	end);

	describe("as Prosody reads them", function ()
		local function methods(options)
			return #load(options, "optional", "optional", true):partner(D).methods;
		end

		it("are words, too", function ()
			for _, word in ipairs { true, "true", "yes", "on", "1", 1 } do
				assert.equal(2, methods { s2s_require_encryption = word });
				assert.equal(2, methods { s2s_secure_auth = word });
			end
			for _, word in ipairs { false, "false", "no", "off", "0", 0 } do
				assert.equal(3, methods { s2s_require_encryption = word });
				assert.equal(3, methods { s2s_secure_auth = word });
			end
		end);

		it("have one domain in place of a list", function ()
			assert.equal(2, methods { s2s_secure_domains = D });
			assert.equal(3, methods { s2s_secure_auth = true; s2s_insecure_domains = D });
		end);

		it("are nothing of ours when they are nonsense", function ()
			for _, value in ipairs { {}, { 5, true, {} }, print, 7, "", { x = D .. "x" } } do
				local settings, lines = load({ s2s_secure_domains = value; s2s_insecure_domains = value }, "optional", "optional", true);
				assert.same({}, lines);
				assert.equal(3, #settings:partner(D).methods);
			end
		end);
	end);

	describe("about modules", function ()
		local all = { "dialback", "disco", "s2s", "s2s_auth_certs", "saslauth", "tls" };
		local function without(name, tls, sasl, dialback)
			local modules = {};
			for _, module in ipairs(all) do
				if module ~= name then modules[#modules+1] = module; end
			end
			return load({ prosody_modules = modules }, tls or "optional", sasl or "optional", dialback ~= false);
		end

		for name, taken in pairs {
			tls = "sasl-tls and tls-dialback"; saslauth = "sasl-tls"; s2s_auth_certs = "sasl-tls";
			dialback = "tls-dialback and tcp-dialback";
		} do
			it("name what goes without "..name, function ()
				local _, lines = without(name);
				assert.equal(('W the missing module "%s" takes away %s; add "%s" to modules_enabled in the section of this host')
					:format(name, taken, name), lines[1]);
			end);
		end

		it("disable whom nothing is left of", function ()
			local settings, lines = without("saslauth", "required", "required", false);
			assert.is_string(settings:partner(D).disabled);
			assert.equal('E the missing module "saslauth" takes away sasl-tls, and nothing is left; add "saslauth" to '
				.. "modules_enabled in the section of this host", lines[1]);
		end);

		it("say nothing when all are there, or nothing is known", function ()
			for _, options in ipairs { { prosody_modules = all }, {} } do
				assert.same({}, (select(2, load(options, "optional", "optional", true))));
			end
		end);
	end);

	it("hold for ten thousand partners, and lists as long, in no time", function ()
		local partners, domains = {}, {};
		for i = 1, 10000 do
			local domain = ("p%05d.example"):format(i);
			partners[domain] = { partner_type = "federated"; support_dialback_negotiation = false };
			domains[i] = domain;
		end
		local before = os.clock();
		local settings, problems = core.settings("contoso.com", { lync_access_edge = "sip.contoso.com";
			lync_bridge_fqdn = "xmpp.contoso.com"; lync_partners = partners; s2s_secure_domains = domains;
			s2s_insecure_domains = domains; s2s_secure_auth = true });
		assert.same({}, problems);
		assert.is_true(settings:partner("p10000.example").strict);
		assert.is_true(os.clock() - before < 2);
	end);
end);
