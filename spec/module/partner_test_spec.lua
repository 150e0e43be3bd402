-- Where a partner's server is looked for, and what is said of what was seen there.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

local module = {};
function module.require(_, name) return support.lib(name, module); end
local dns, report = support.lib("partner_test_dns", module), support.lib("partner_test_report", module);

local NOW = support.EPOCH;

local function is_address(text) return text:match("^[%d.]+$") ~= nil or text:find(":", 1, true) ~= nil; end

-- What asks: answers["name KIND"], none unless said
local function asker(answers)
	return function (questions)
		local found = {};
		for _, question in ipairs(questions) do
			local key = question[1].." "..question[2];
			found[key] = answers[key] or {};
		end
		return found;
	end;
end

local function srv(port, target)
	return { target = target; port = port; priority = 0; weight = 0 };
end

describe("where a partner is looked for", function ()
	it("is its SRV records, the best first, and all addresses of each", function ()
		local found = dns.locate(asker {
			["_xmpp-server._tcp.a.example SRV"] = { srv(5270, "heavy.a.example"), srv(5269, "light.a.example"),
				srv(5269, "last.a.example") };
			["heavy.a.example A"] = { "192.0.2.1" }; ["heavy.a.example AAAA"] = { "2001:db8::1" };
			["light.a.example A"] = { "192.0.2.2" };
		}, "a.example", nil, is_address);
		assert.same({ { name = "heavy.a.example"; port = 5270; addresses = { "192.0.2.1"; "2001:db8::1" } };
			{ name = "light.a.example"; port = 5269; addresses = { "192.0.2.2" } };
			{ name = "last.a.example"; port = 5269; addresses = {} } }, found.targets);
	end);

	it("is the domain itself where there are none", function ()
		local found = dns.locate(asker { ["a.example A"] = { "192.0.2.1" } }, "a.example", nil, is_address);
		assert.same({ { name = "a.example"; port = 5269; addresses = { "192.0.2.1" } } }, found.targets);
	end);

	it("is nowhere where the domain says so", function ()
		local found = dns.locate(asker { ["_xmpp-server._tcp.a.example SRV"] = { srv(0, "") } }, "a.example", nil, is_address);
		assert.same({}, found.targets);
	end);

	it("is unknown, not nowhere, where nobody answers", function ()
		local found = dns.locate(asker { ["_xmpp-server._tcp.a.example SRV"] = { failed = "SERVFAIL" } }, "a.example", nil, is_address);
		assert.same({ "SERVFAIL", {} }, { found.failed, found.targets });
		found = dns.locate(asker { ["a.example AAAA"] = { failed = "SERVFAIL" } }, "a.example", nil, is_address);
		assert.same({ { name = "a.example"; port = 5269; addresses = {}; failed = "SERVFAIL" } }, found.targets);
		assert.same({}, dns.services(asker { ["_xmpp-server._tcp.a.example SRV"] = {} }, "_xmpp-server._tcp.", "a.example"));
	end);

	it("is where proxy_fqdn says, name or address", function ()
		local found = dns.locate(asker { ["p.example A"] = { "192.0.2.1" } }, "a.example", "p.example:5299", is_address);
		assert.same({ { name = "p.example"; port = 5299; addresses = { "192.0.2.1" } } }, found.targets);
		found = dns.locate(asker {}, "a.example", "[2001:db8::1]:5269", is_address);
		assert.same({ { name = "2001:db8::1"; port = 5269; addresses = { "2001:db8::1" } } }, found.targets);
	end);
end);

describe("the report about a partner", function ()
	local function rows_of(seen)
		local rows = {};
		seen.took, seen.way = seen.took or 0.001, "sasl-tls";
		report.attempt(rows, seen, "a.example", NOW);
		return rows;
	end

	local function row(rows, check)
		for _, one in ipairs(rows) do
			if one.check == check then return one; end
		end
	end

	local function certificate(overrides)
		local tls = { version = "TLSv1.3"; cipher = "X"; status = "valid"; names = { "a.example" }; subject = "a.example"; issuer = "CA";
			not_before = "2026-01-01"; not_after = "2027-01-01"; expires = NOW + 100 * 86400 };
		for key, value in pairs(overrides) do tls[key] = value; end
		return row(rows_of { header = { version = "1.0" }; clear = { mechanisms = {} }; tls = tls }, "certificate");
	end

	it("counts the days of a certificate", function ()
		assert.equal("ok", certificate({}).level);
		assert.same({ "ok", "info", "info", "warning" }, { certificate({ expires = NOW + 31 * 86400 }).level,
			certificate({ expires = NOW + 30 * 86400 }).level, certificate({ expires = NOW + 8 * 86400 }).level,
			certificate({ expires = NOW + 7 * 86400 }).level });
		assert.is_truthy(certificate({ expires = NOW + 7 * 86400 }).text:find("^good for 7 more days: "));
		assert.equal("error", certificate({ status = "not-yet" }).level);
		assert.equal("it shows none", certificate({ status = "missing" }).text);
	end);

	it("has a remedy for each kind of certificate that is not good", function ()
		for _, status in ipairs { "missing", "expired", "not-yet", "self-signed", "untrusted", "wrong-name" } do
			local found = certificate { status = status };
			assert.equal("error", found.level);
			assert.is_truthy(found.remedy, status);
		end
	end);

	it("has nothing in it that a terminal obeys, and is not endless", function ()
		local rows = rows_of { header = { version = "1.0", from = "a\27[2J\194\155x" }; clear = { mechanisms = { ("é"):rep(1000) } } };
		for _, line in ipairs(report.lines(rows)) do
			assert.is_nil(line:find("[%c\127]"));
			assert.is_nil(line:find("\194[\128-\159]"));
			assert.is_true(#line < 500 and utf8.len(line) ~= nil, line);
		end
	end);

	it("says what an incoming stream meets, whatever it is", function ()
		local rows = {};
		report.incoming(rows, { token = "not-a-partner"; text = "no" }, nil);
		report.incoming(rows, { clear = { starttls = true; required = true }; secure = { external = true }; method = "sasl-tls" },
			"valid");
		report.incoming(rows, { clear = { dialback = true }; method = "tcp-dialback" }, nil);
		assert.same({ "it is refused: no (not-a-partner)";
			"when it connects it is offered STARTTLS (required); over TLS, with the certificate above (valid): SASL EXTERNAL; "
				.."best: sasl-tls";
			"when it connects it is offered dialback in clear text; best: tcp-dialback" }, { rows[1].text, rows[2].text, rows[3].text });
	end);
end);
