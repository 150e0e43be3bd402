-- What `check` asks the DNS, and what it says of the answers.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local fake = {};
function fake:require(name) return support.lib(name, self); end
local dns = fake:require "check_dns";

local function set(...)
	local result = {};
	for _, name in ipairs { ... } do result[name] = true; end
	return result;
end

local function facts(more)
	local result = { domain = "contoso.com"; edge = "sip.contoso.com"; bridge = "xmpp.contoso.com";
		is_address = function (text) return text:match("^[%d.]+$") ~= nil; end; ours = set("192.0.2.10", "2001:db8::10");
		own_addresses = { "192.0.2.10", "2001:db8::10" }; ports = { [5269] = true }; direct_tls_ports = {};
		port_words = function (ports) return next(ports) and "5269" or "no port"; end };
	for key, value in pairs(more or {}) do result[key] = value; end
	return result;
end

local function answers(more)
	local result = {
		["_xmpp-server._tcp.contoso.com SRV"] = { { target = "xmpp.contoso.com"; port = 5269 } };
		["_sipfederationtls._tcp.contoso.com SRV"] = { { target = "sip.contoso.com"; port = 5061 } };
		["xmpp.contoso.com A"] = { "192.0.2.10" }; ["sip.contoso.com A"] = { "192.0.2.20" };
	};
	for key, value in pairs(more or {}) do result[key] = value; end
	return result;
end

local function judged(more_facts, more_answers)
	local lines = {};
	for i, finding in ipairs(dns.judge(facts(more_facts), answers(more_answers))) do
		lines[i] = finding.level.." "..finding.id..": "..finding.text;
	end
	return lines;
end

local function keys(questions)
	local list = {};
	for i, question in ipairs(questions) do list[i] = question[1].." "..question[2]; end
	table.sort(list);
	return list;
end

describe("check asks", function ()
	it("for what the configuration names, and no more", function ()
		assert.same({ "_sipfederationtls._tcp.contoso.com SRV", "_xmpp-server._tcp.contoso.com SRV",
			"_xmpps-server._tcp.contoso.com SRV", "contoso.com A", "contoso.com AAAA", "sip.contoso.com A",
			"sip.contoso.com AAAA", "xmpp.contoso.com A", "xmpp.contoso.com AAAA" }, keys(dns.questions(facts())));
		assert.equal(7, #dns.questions(facts { edge = "192.0.2.20" }));
	end);

	it("for the targets that it does not know yet, eight at most", function ()
		assert.same({}, keys(dns.more_questions(facts(), answers())));
		local many = {};
		for i = 1, 20 do many[i] = { target = ("t%d.example"):format(i); port = 5269 }; end
		many[3] = { target = ""; port = 0 };
		many[5] = { target = "t1.example"; port = 5269 };
		assert.equal(2 * 6, #dns.more_questions(facts(), answers { ["_xmpp-server._tcp.contoso.com SRV"] = many }));
	end);
end);

describe("check says of the DNS", function ()
	it("that all is well", function ()
		assert.same({
			"ok srv: _xmpp-server._tcp.contoso.com -> xmpp.contoso.com port 5269 (192.0.2.10)";
			"ok sip-srv: _sipfederationtls._tcp.contoso.com -> sip.contoso.com port 5061";
			"ok bridge-address: xmpp.contoso.com: 192.0.2.10"; "ok edge-address: sip.contoso.com: 192.0.2.20";
		}, judged());
	end);

	it("IPv6 alone is an address too", function ()
		assert.equal("ok bridge-address: xmpp.contoso.com: 2001:db8::10", judged(nil, { ["xmpp.contoso.com A"] = {};
			["xmpp.contoso.com AAAA"] = { "2001:db8::10" } })[3]);
	end);

	it("that a server did not answer is not that there is nothing", function ()
		local failed = { failed = "SERVFAIL" };
		assert.same({
			"error srv: _xmpp-server._tcp.contoso.com: the name server did not answer (SERVFAIL)";
			"error sip-srv: _sipfederationtls._tcp.contoso.com: the name server did not answer (SERVFAIL)";
			"error bridge-address: xmpp.contoso.com: the name server did not answer (SERVFAIL)";
			"error edge-address: sip.contoso.com: the name server did not answer (SERVFAIL)";
		}, judged(nil, { ["_xmpp-server._tcp.contoso.com SRV"] = failed; ["_sipfederationtls._tcp.contoso.com SRV"] = failed;
			["xmpp.contoso.com A"] = failed; ["sip.contoso.com A"] = failed }));
	end);

	it("which of several records is wrong", function ()
		local lines = judged(nil, { ["_xmpp-server._tcp.contoso.com SRV"] = { { target = "xmpp.contoso.com"; port = 5269 };
			{ target = "old.contoso.com"; port = 5269 }; { target = "xmpp.contoso.com"; port = 5270 } };
			["old.contoso.com A"] = { "198.51.100.7" } });
		assert.same({ "ok srv"; "warning srv-target"; "error srv-port" },
			{ lines[1]:match("^[^:]+"), lines[2]:match("^[^:]+"), lines[3]:match("^[^:]+") });
	end);

	it("a record for direct TLS needs a port with direct TLS", function ()
		local record = { ["_xmpps-server._tcp.contoso.com SRV"] = { { target = "xmpp.contoso.com"; port = 5270 } } };
		assert.equal("error srv-port: _xmpps-server._tcp.contoso.com -> xmpp.contoso.com port 5270: this server does not listen "
			.."there (it does on no port)", judged(nil, record)[2]);
		assert.equal("ok srv: _xmpps-server._tcp.contoso.com -> xmpp.contoso.com port 5270 (192.0.2.10)",
			judged({ direct_tls_ports = { [5270] = true } }, record)[2]);
	end);

	it("that lync_access_edge_address counts", function ()
		assert.equal("info edge-address: sip.contoso.com: 192.0.2.99, as lync_access_edge_address says; the DNS says 192.0.2.20",
			judged({ edge_address = "192.0.2.99" })[4]);
		assert.equal("ok edge-address: sip.contoso.com: 192.0.2.20, as lync_access_edge_address says",
			judged({ edge_address = "192.0.2.20" })[4]);
	end);

	it("that federation of Lync leads to another Edge", function ()
		assert.equal("info sip-srv: _sipfederationtls._tcp.contoso.com -> edge2.contoso.com port 5061; lync_access_edge is "
			.."sip.contoso.com", judged(nil, { ["_sipfederationtls._tcp.contoso.com SRV"] = { { target = "edge2.contoso.com";
			port = 5061 } } })[2]);
	end);
end);

describe("the Access Edge's addresses", function ()
	it("are the one given, or the DNS's, four at most", function ()
		assert.same({ "192.0.2.20" }, dns.edge_addresses(facts(), answers()));
		assert.same({ "192.0.2.99" }, dns.edge_addresses(facts { edge_address = "192.0.2.99" }, answers()));
		assert.same({ "192.0.2.1" }, dns.edge_addresses(facts { edge = "192.0.2.1" }, {}));
		assert.same({}, dns.edge_addresses(facts(), {}));
		assert.same({ "1.1.1.1", "1.1.1.2", "1.1.1.3", "::1" }, dns.edge_addresses(facts(), answers {
			["sip.contoso.com A"] = { "1.1.1.1", "1.1.1.2", "1.1.1.3" }; ["sip.contoso.com AAAA"] = { "::1", "::2" } }));
	end);
end);
