-- Where a partner's server is looked for, and what is said of what was seen there.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

local module = {};
function module.require(_, name) return support.lib(name, module); end
local dns, report = support.lib("partner_test_dns", module), support.lib("partner_test_report", module);

local NOW = support.EPOCH;

local function is_address(text) return text:match("^[%d.]+$") ~= nil or text:find(":", 1, true) ~= nil; end

-- answers["name. KIND"]: an answer, a text (an error), or nothing
local function lookup(answers)
	return function (name, kind)
		local answer = answers[name.." "..kind];
		if type(answer) == "string" then return nil, answer; end
		return answer;
	end;
end

local function srv(priority, weight, port, target)
	return { srv = { priority = priority; weight = weight; port = port; target = target } };
end

describe("where a partner is looked for", function ()
	it("is its SRV records, the best first, and all addresses of each", function ()
		local found = dns.locate(lookup {
			["_xmpp-server._tcp.a.example. SRV"] = { srv(10, 0, 5269, "last.a.example."), srv(0, 1, 5269, "light.a.example."),
				srv(0, 9, 5270, "heavy.a.example.") };
			["heavy.a.example. A"] = { { a = "192.0.2.1" } }; ["heavy.a.example. AAAA"] = { { aaaa = "2001:db8::1" } };
			["light.a.example. A"] = { { a = "192.0.2.2" } };
		}, "a.example", nil, is_address);
		assert.same({ { name = "heavy.a.example"; port = 5270; addresses = { "192.0.2.1"; "2001:db8::1" } };
			{ name = "light.a.example"; port = 5269; addresses = { "192.0.2.2" } };
			{ name = "last.a.example"; port = 5269; addresses = {} } }, found.targets);
	end);

	it("is the domain itself where there are none", function ()
		local found = dns.locate(lookup { ["a.example. A"] = { { a = "192.0.2.1" } } }, "a.example", nil, is_address);
		assert.same({ { name = "a.example"; port = 5269; addresses = { "192.0.2.1" } } }, found.targets);
	end);

	it("is nowhere where the domain says so", function ()
		local found = dns.locate(lookup { ["_xmpp-server._tcp.a.example. SRV"] = { srv(0, 0, 0, ".") } }, "a.example", nil, is_address);
		assert.same({}, found.targets);
	end);

	it("is unknown, not nowhere, where nobody answers", function ()
		for answer, why in pairs { [{ rcode = 2 }] = "the name server did not answer"; ["no route"] = "no route";
			[{ rcode = 2; bogus = "signature" }] = "DNSSEC: signature" } do
			local found = dns.locate(lookup { ["_xmpp-server._tcp.a.example. SRV"] = answer }, "a.example", nil, is_address);
			assert.same({ why, {} }, { found.failed, found.targets });
		end
		assert.same({}, dns.services(lookup { ["_xmpp-server._tcp.a.example. SRV"] = { rcode = 3 } }, "_xmpp-server._tcp.", "a.example"));
	end);

	it("is where proxy_fqdn says, name or address", function ()
		local found = dns.locate(lookup { ["p.example. A"] = { { a = "192.0.2.1" } } }, "a.example", "p.example:5299", is_address);
		assert.same({ { name = "p.example"; port = 5299; addresses = { "192.0.2.1" } } }, found.targets);
		found = dns.locate(lookup {}, "a.example", "[2001:db8::1]:5269", is_address);
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
