-- prosodyctl mod_lync_gateway check, against real name servers, certificates and an Access Edge.
-- SPDX-License-Identifier: MIT

local CA = require "spec.support.ca";
local Site = require "spec.support.check_site";
local json = require "util.json";
local ports = require "spec.support.ports";
local process = require "spec.support.process";

local XMPP = { "xmpp.contoso.com" };
local EDGE = { "sip.contoso.com" };

describe("check", function ()
	local site, foreign;
	setup(function ()
		site = Site.new();
		foreign = CA.new(process.directory(site.loop, "foreign"), "Foreign CA");
	end);
	teardown(function () site:finish(); end);

	-- The findings that are none of "ok" and "info", as "level section: text; remedy", in the order printed.
	local function findings(output)
		local found = {};
		for level, section, text in output:gmatch("\n  (%l+) +(%l+) +([^\n]+)") do
			if level == "warning" or level == "error" then found[#found + 1] = level .. " " .. section .. ": " .. text; end
		end
		return found;
	end

	-- Exactly these findings, each given by what it begins with and what it has in it.
	local function assert_found(expected, output, status)
		local found = findings(output);
		assert.equal(#expected, #found, output);
		for i, parts in ipairs(expected) do
			assert.equal(parts[1], found[i]:sub(1, #parts[1]), output);
			for j = 2, #parts do assert.is_truthy(found[i]:find(parts[j], 1, true), parts[j] .. "\nis not in\n" .. found[i]); end
		end
		assert.equal(#expected > 0 and 1 or 0, status, output);
		assert.is_truthy(output:find(("\n1 host(s) checked, %d finding(s)"):format(#expected), 1, true), output);
	end

	it("is fine where everything is right, and says what it has looked at", function ()
		local output, status = site:check();
		assert_found({}, output, status);
		for _, text in ipairs { "sipbridge-worker starts and speaks version "; "1 partner(s)"; "store lync_subscriptions opens";
			"_xmpp-server._tcp.contoso.com -> xmpp.contoso.com port 5269"; "_sipfederationtls._tcp.contoso.com -> sip.contoso.com";
			"sip.contoso.com: " .. ports.address("edge"); "TLSv1.3"; "it accepts our certificate"; "OPTIONS answered: 200 OK" } do
			assert.is_truthy(output:find(text, 1, true), text .. "\n" .. output);
		end
		site.edge:assert_clean(); -- its OPTIONS is one that Lync takes
		assert.equal(1, site.edge:count("in", "OPTIONS"));
	end);

	it("leaves the network alone with --offline", function ()
		local before = site.edge:count("in", "OPTIONS");
		local output, status = site:check("--offline");
		assert_found({}, output, status);
		assert.is_nil(output:find("\n  %l+ +dns"), output);
		assert.is_nil(output:find("\n  %l+ +edge"), output);
		assert.equal(before, site.edge:count("in", "OPTIONS"));
	end);

	it("speaks JSON", function ()
		local output, status = site:check("--json", "contoso.com");
		local object = assert(json.decode(output), output);
		assert.equal(0, status);
		assert.same({ 1, 0, false, "contoso.com", 1 }, { object.format, object.status, object.offline, object.hosts[2].host,
			object.summary.hosts });
		assert.same({ 0, 0 }, { object.summary.errors, object.summary.warnings });
		local checks = {};
		for _, finding in ipairs(object.hosts[2].findings) do checks[finding.check] = finding; end
		assert.equal("ok", checks["edge-options"].level);
		assert.equal("edge", checks["edge-options"].section);
	end);

	it("speaks nothing but JSON then, also where Prosody would log", function ()
		local cert = { cert = site.settings.bridge_cert.cert, key = site.settings.host_cert.key };
		local output, status = site:check_with({ host_cert = cert }, "--json", "--offline");
		assert.equal(1, status);
		assert.equal(1, assert(json.decode(output), output).status);
		output, status = site:check("--json", "nowhere.example");
		assert.equal(1, status);
		assert.is_truthy(json.decode(output).error:find("nowhere.example", 1, true));
	end);

	it("tells wrong words from findings", function ()
		for _, words in ipairs { { "--colour" }, { "--timeout", "never" }, { "--timeout=0" }, { "a", "b" } } do
			local output, status = site:check(table.unpack(words));
			assert.equal(2, status, output);
			assert.is_truthy(output:find("Usage: prosodyctl mod_lync_gateway", 1, true));
		end
		local output, status = site:check("--offline", "nowhere.example");
		assert.equal(1, status);
		assert.is_truthy(output:find("nowhere.example does not have lync_gateway", 1, true));
	end);

	-- ---- DNS

	local function without(pattern, more)
		local kept = {};
		for _, record in ipairs(site:records()) do
			if not record:find(pattern, 1, true) then kept[#kept + 1] = record; end
		end
		kept[#kept + 1] = more;
		return kept;
	end

	local function dns_case(name, records, expected)
		it("finds " .. name, function ()
			finally(function () site:zone(site:records()); end);
			site:zone(records());
			assert_found(expected(), site:check());
		end);
	end

	dns_case("a missing SRV record", function () return without("_xmpp-server"); end, function () return {
		{ "error dns: _xmpp-server._tcp.contoso.com: no SRV record, partners cannot find this server; create "
			.. "_xmpp-server._tcp.contoso.com. SRV 0 0 5269 with a name of this server for a target" } };
	end);
	dns_case("a missing SRV record where the domain itself leads here", function ()
		return without("_xmpp-server", "host-record=contoso.com," .. ports.address("gateway"));
	end, function () return {
		{ "warning dns: _xmpp-server._tcp.contoso.com: no SRV record; partners find this server by the address of contoso.com only" } };
	end);
	dns_case("an SRV record with a wrong port", function ()
		return without("_xmpp-server", "srv-host=_xmpp-server._tcp.contoso.com,xmpp.contoso.com,5222");
	end, function () return {
		{ "error dns: _xmpp-server._tcp.contoso.com -> xmpp.contoso.com port 5222: this server does not listen there (it does on "
			.. "5269); correct the record's port to 5269" } };
	end);
	dns_case("an SRV record with a wrong target", function ()
		return without("_xmpp-server", "srv-host=_xmpp-server._tcp.contoso.com,sip.contoso.com,5269");
	end, function () return {
		{ "warning dns: _xmpp-server._tcp.contoso.com -> sip.contoso.com port 5269 leads to " .. ports.address("edge")
			.. ", which is none of this server's addresses (", ports.address("gateway"), "external_addresses" } };
	end);
	dns_case("an SRV record with a target that does not exist", function ()
		return without("_xmpp-server", "srv-host=_xmpp-server._tcp.contoso.com,gone.contoso.com,5269");
	end, function () return {
		{ "error dns: _xmpp-server._tcp.contoso.com -> gone.contoso.com port 5269: the target has neither an A nor an AAAA" } };
	end);
	dns_case("an SRV record that says no", function ()
		return without("_xmpp-server", "srv-host=_xmpp-server._tcp.contoso.com");
	end, function () return { { 'error dns: _xmpp-server._tcp.contoso.com -> ".": says that there is no XMPP server' } }; end);
	dns_case("other Lyncs led to the gateway", function ()
		return without("_sipfederationtls", "srv-host=_sipfederationtls._tcp.contoso.com,xmpp.contoso.com,5061");
	end, function () return { { "error dns: _sipfederationtls._tcp.contoso.com -> xmpp.contoso.com port 5061: other "
		.. "organizations with Lync would come to the gateway" } };
	end);
	dns_case("a bridge without an address", function () return without("host-record=xmpp."); end, function () return {
		{ "error dns: _xmpp-server._tcp.contoso.com -> xmpp.contoso.com port 5269: the target has neither" };
		{ "error dns: xmpp.contoso.com: no A record; the Access Edge finds the gateway by it" } };
	end);
	dns_case("an Access Edge without an address", function () return without("host-record=sip."); end, function () return {
		{ "error dns: sip.contoso.com: neither an A nor an AAAA record, the gateway cannot connect; correct lync_access_edge, create "
			.. "the record, or write lync_access_edge_address" } };
	end);

	it("is content without _sipfederationtls", function ()
		finally(function () site:zone(site:records()); end);
		site:zone(without("_sipfederationtls"));
		local output, status = site:check();
		assert_found({}, output, status);
		assert.is_truthy(output:find("info     dns            _sipfederationtls._tcp.contoso.com: no SRV record", 1, true), output);
	end);

	it("does not wait for a dead name server for ever", function ()
		finally(function () site:zone(site:records()); end);
		site.dns:stop();
		local before = site.loop:served();
		local output, status = site:check_with({ host = ("lync_access_edge_address = %q"):format(ports.address("edge")) },
			"--timeout", "1");
		assert.equal(1, status);
		assert.is_truthy(output:find("_xmpp-server._tcp.contoso.com: the name server did not answer", 1, true), output);
		assert.is_truthy(output:find("OPTIONS answered: 200 OK", 1, true), output);
		assert.is_true(site.loop:served() - before < 8);
	end);

	it("takes addresses that are told", function ()
		finally(function () site:zone(site:records()); end);
		site:zone(without("host-record=xmpp.", "host-record=xmpp.contoso.com,192.0.2.77"));
		assert_found({ { "warning dns: _xmpp-server._tcp.contoso.com -> xmpp.contoso.com port 5269 leads to 192.0.2.77" };
			{ "warning dns: xmpp.contoso.com leads to 192.0.2.77" } }, site:check());
		assert_found({}, site:check_with { global = 'external_addresses = { "192.0.2.77" }' });
	end);

	-- ---- our certificates

	local function certificate_case(name, issue, expected, host_too)
		it("finds a bridge's certificate " .. name, function ()
			assert_found(expected(), site:check_with({ bridge_cert = issue() }, "--offline"));
		end);
		if host_too then
			it("finds an XMPP certificate " .. name, function ()
				local cert = issue({ "contoso.com" }, "host-");
				assert_found(host_too(), site:check_with({ host_cert = cert }, "--offline"));
			end);
		end
	end

	certificate_case("that has expired", function (names, prefix)
		return site:issue((prefix or "") .. "expired", { names = names or XMPP, expired = true });
	end, function () return { { "error certificate: bridge ", "/expired.crt: expired on ", "; renew it" } }; end, function ()
		return { { "error certificate: XMPP ", "/host-expired.crt: expired on ", "; renew it" } };
	end);
	certificate_case("that is not valid yet", function () return site:issue("not-yet", { names = XMPP, not_yet = true }); end,
		function () return { { "error certificate: bridge ", "/not-yet.crt: not valid before " } }; end);
	certificate_case("that expires in three days", function ()
		return site:issue("three", { names = XMPP, valid_for = 3 * 86400 + 60 });
	end, function () return { { "warning certificate: bridge ", "/three.crt: expires in 3 day(s), on ", "; renew it" } }; end);
	certificate_case("that expires today", function () return site:issue("today", { names = XMPP, valid_for = 3600 }); end,
		function () return { { "error certificate: bridge ", "/today.crt: expires in 0 day(s), on " } }; end);
	certificate_case("with a wrong name", function (names, prefix)
		return site:issue((prefix or "") .. "wrong", { names = { names and "other.example" or "wrong.example" } });
	end, function () return { { "error certificate: bridge ", "does not name xmpp.contoso.com in its subjectAltName; get one with "
		.. "xmpp.contoso.com in its subjectAltName, or correct lync_bridge_fqdn" } };
	end, function () return { { "error certificate: XMPP ", "does not name contoso.com; get one with contoso.com" } }; end);
	certificate_case("with a wildcard", function () return site:issue("wild", { names = { "*.contoso.com" } }); end,
		function () return { { "warning certificate: bridge ", "by the wildcard *.contoso.com" } }; end);
	certificate_case("without clientAuth", function (names, prefix)
		return site:issue((prefix or "") .. "server-only", { names = names or XMPP, usage = "serverAuth" });
	end, function () return { { "error certificate: bridge ", "lacks clientAuth: the Access Edge may refuse it" } }; end,
		function () return { { "warning certificate: XMPP ", "lacks clientAuth: a partner may refuse it" } }; end);
	certificate_case("without serverAuth", function () return site:issue("client-only", { names = XMPP, usage = "clientAuth" }); end,
		function () return { { "error certificate: bridge ", "lacks serverAuth: the Access Edge refuses it" } }; end);
	certificate_case("of a foreign CA", function (names, prefix)
		return site:issue((prefix or "") .. "foreign", { names = names or XMPP }, foreign);
	end, function () return { { "warning certificate: bridge ", 'its chain ends at "commonName=Foreign CA", which is not in ',
		"/ca.crt", "trusts that CA" } };
	end, function () return { { "warning certificate: XMPP ", 'its chain ends at "commonName=Foreign CA"' } }; end);
	certificate_case("that nobody signed", function ()
		local cert = CA.self_signed(process.directory(site.loop, "self"), "self", { names = XMPP });
		os.execute("chmod 600 " .. process.quote(cert.key));
		return cert;
	end, function () return { { "warning certificate: bridge ", "it is signed by itself" } }; end);
	certificate_case("with another one's key", function ()
		return { cert = site.settings.bridge_cert.cert, key = site.settings.host_cert.key };
	end, function () return { { "error certificate: bridge ", "does not belong to certificate ", "; name two that do" } }; end,
		function () return { { "error certificate: XMPP ", "does not belong to certificate " };
			{ "error certificate: XMPP ", "does not name contoso.com" } };
		end);
	certificate_case("with a weak key", function () return site:issue("weak", { names = XMPP, key = "rsa:1024" }); end,
		function () return { { "error certificate: bridge ", "its key has 1024 bits; make one of 2048 bits or more" } }; end);
	certificate_case("that is not there", function ()
		return { cert = "/nonexistent/bridge.crt", key = site.settings.bridge_cert.key };
	end, function () return { { "error certificate: bridge /nonexistent/bridge.crt: /nonexistent/bridge.crt: No such file" } }; end);
	certificate_case("that is none", function ()
		local path = process.write(site.directory .. "/none.crt", "hello\n");
		return { cert = path, key = site.settings.bridge_cert.key };
	end, function () return { { "error certificate: bridge ", "no certificate in PEM format" } }; end);
	certificate_case("with a key that has a passphrase", function ()
		local key = site.directory .. "/locked.key";
		assert(os.execute(("openssl pkcs8 -topk8 -v2 aes128 -passout pass:kept-secret -in %s -out %s && chmod 600 %s"):format(
			site.settings.bridge_cert.key, key, key)));
		return { cert = site.settings.bridge_cert.cert, key = key };
	end, function () return { { "error certificate: bridge ", "has a passphrase, and nobody to ask; store it without" } }; end);
	certificate_case("with a key that everybody can read", function ()
		local key = site.directory .. "/open.key";
		assert(os.execute(("cp %s %s && chmod 644 %s"):format(site.settings.bridge_cert.key, key, key)));
		return { cert = site.settings.bridge_cert.cert, key = key };
	end, function () return { { "warning certificate: bridge ", "/open.key can be read by everybody on this machine" } }; end);

	it("looks at the certificate that s2s_ssl names", function ()
		local cert = site:issue("streams", { names = { "elsewhere.example" } });
		assert_found({ { "error certificate: XMPP " .. cert.cert, "does not name contoso.com" } }, site:check_with({
			host = ("s2s_ssl = { certificate = %q, key = %q }"):format(cert.cert, cert.key) }, "--offline"));
	end);

	it("takes a chain from the file, and misses it", function ()
		local sub = site.ca:intermediate("sub");
		local cert = site:issue("chained", { names = XMPP }, sub);
		assert_found({}, site:check_with({ bridge_cert = cert }, "--offline"));
		local leaf = process.run(site.loop, { "sh", "-c", ("openssl x509 -in %s -out %s.leaf"):format(cert.cert, cert.cert) });
		assert.equal(0, leaf);
		assert_found({ { "warning certificate: bridge ", 'its chain ends at "commonName=sub"', "append the intermediate" } },
			site:check_with({ bridge_cert = { cert = cert.cert .. ".leaf", key = cert.key } }, "--offline"));
	end);

	it("finds revocation lists that are of no use", function ()
		local list = site.directory .. "/old.crl";
		assert_found({}, site:check_with({ crlfile = site.ca.crl }, "--offline"));
		assert(os.execute(("openssl ca -gencrl -config %s -cert %s -keyfile %s -crl_lastupdate 20200101000000Z "
			.. "-crl_nextupdate 20200201000000Z -out %s 2>/dev/null"):format(site.ca.config, site.ca.file, site.ca.key, list)));
		assert_found({ { "error certificate: bridge ", "the revocation list " .. list .. " ran out on Feb  1 00:00:00 2020 GMT: "
			.. "every peer is refused; fetch the new one from the CA" } }, site:check_with({ crlfile = list }, "--offline"));
		assert_found({ { "error certificate: bridge ", "/nonexistent.crl: No such file" } },
			site:check_with({ crlfile = "/nonexistent.crl" }, "--offline"));
		assert_found({ { "error certificate: bridge ", ": no revocation list in PEM format" } },
			site:check_with({ crlfile = site.ca.file }, "--offline"));
	end);

	-- ---- the Access Edge

	local function edge_case(name, change, expected, more, undo)
		it("finds an Access Edge " .. name, function ()
			local cert = site.edge.cert;
			finally(function ()
				site.edge:close();
				site.edge.tls_options, site.edge.deaf = nil, nil;
				site.edge:listen(cert);
				if undo then undo(); end
			end);
			site.edge:stop_listening();
			change(site.edge);
			local output, status = site:check_with(more and more(), "--timeout", "2");
			assert_found(expected(), output, status);
		end);
	end

	local function edge_cert(name, options, ca)
		return function (edge)
			local cert = (ca and ca() or site.ca):issue(name, options);
			cert.ca = site.ca.file;
			edge:listen(cert);
		end
	end

	local WHERE = function () return ("error edge: sip.contoso.com (%s port 5061): "):format(ports.address("edge")); end

	edge_case("that is down", function () end, function ()
		return { { WHERE() .. "no connection: connection refused; look whether the Access Edge service runs" } };
	end);
	for _, version in ipairs { "tlsv1_2", "tlsv1_3" } do
		edge_case("that refuses our certificate, with " .. version, function (edge)
			edge.tls_options = { protocol = version; cafile = foreign.file };
			edge:listen();
		end, function ()
			return { { WHERE() .. "it does not trust the CA of our certificate (", "unknown ca", "let the Access Edge trust the CA" } };
		end);
	end
	edge_case("that presents a wrong name", edge_cert("edge-wrong", { names = { "edge.example" } }), function ()
		return { { WHERE() .. "its certificate is for edge.example; write the name that it carries as lync_access_edge" } };
	end);
	edge_case("that presents a wrong name and refuses us as well", function (edge)
		edge.tls_options = { protocol = "tlsv1_3"; cafile = foreign.file };
		edge_cert("edge-both", { names = { "edge.example" } })(edge);
	end, function ()
		return { { WHERE() .. "its certificate is for edge.example" }; { WHERE() .. "it does not trust the CA of our certificate" } };
	end);
	edge_case("with an expired certificate", edge_cert("edge-expired", { names = EDGE, expired = true }), function ()
		return { { WHERE() .. "its certificate is not good: certificate has expired (", "correct it on the Access Edge" } };
	end);
	edge_case("with a certificate for clients", edge_cert("edge-client", { names = EDGE, usage = "clientAuth" }), function ()
		return { { WHERE() .. "its certificate is not good: unsuitable certificate purpose" } };
	end);
	edge_case("of a foreign CA", edge_cert("edge-foreign", { names = EDGE }, function () return foreign; end), function ()
		return { { WHERE() .. "its certificate is not good: unable to get local issuer certificate" } };
	end);
	edge_case("whose certificate is revoked", function (edge)
		edge:listen(site.ca:issue("edge-revoked", { names = EDGE, revoked = true }));
	end, function () return { { WHERE() .. "its certificate: certificate revoked" } }; end, function ()
		return { crlfile = site.ca.crl };
	end);
	edge_case("that is mute on OPTIONS", function (edge) edge.deaf = true; edge:listen(); end, function ()
		return { { WHERE() .. "no answer to OPTIONS within 2 s; look whether federation is enabled", "xmpp.contoso.com" } };
	end);
	edge_case("that is no TLS server", function (edge)
		local stream = require "spec.support.stream";
		edge.listener = stream.listen(site.loop, edge.ip, edge.port, nil, function (conn)
			function conn.on_data() conn:send("HTTP/1.0 400 Bad Request\r\n\r\n"); end
		end);
	end, function () return { { WHERE(), "TLS" } }; end);

	it("looks at each address of an Access Edge", function ()
		finally(function () site:zone(site:records()); end);
		local records = without("host-record=sip.");
		for _, name in ipairs { "edge", "edge2" } do
			records[#records + 1] = "host-record=sip.contoso.com," .. ports.address(name);
		end
		site:zone(records);
		assert_found({ { ("error edge: sip.contoso.com (%s port 5061): no connection: "):format(ports.address("edge2")) } },
			site:check());
	end);

	it("asks for the Access Edge by its name", function ()
		local stream = require "spec.support.stream";
		local cert, name = site.edge.cert, nil;
		finally(function () site.edge:close(); site.edge:listen(cert); end);
		site.edge:stop_listening();
		site.edge.listener = stream.listen(site.loop, site.edge.ip, site.edge.port, { tls = cert:tls("server") }, function (conn)
			function conn.on_open() name = conn.sock:getsniname(); end
		end);
		site:check("--timeout", "1");
		assert.equal("sip.contoso.com", name);
	end);

	it("sends nothing to an Access Edge that is not the right one", function ()
		local cert, before = site.edge.cert, site.edge:count("in", "OPTIONS");
		finally(function () site.edge:close(); site.edge:listen(cert); end);
		site.edge:stop_listening();
		edge_cert("edge-other", { names = { "other.example" } })(site.edge);
		site:check("--timeout", "2");
		assert.equal(before, site.edge:count("in", "OPTIONS"));
	end);

	-- ---- configuration, with real prosodyctl (all of it: spec/module/check_golden_spec.lua)

	it("tells mistakes in the configuration with the rest", function ()
		local output, status = site:check_with({ partners = '["fabrikam.com"] = { partner_type = "fedrated" }';
			host = 'lync_acces_edge_address = "192.0.2.1"'; global = 'modules_disabled = { "dialback" }\n'
				.. 'limits = { s2sin = { rate = "1000" } }\ns2s_timeout = 10' }, "--offline");
		assert.equal(1, status);
		for _, text in ipairs {
			'contoso.com: lync_partners["fabrikam.com"].partner_type = "fedrated": not a valid value';
			'lync_acces_edge_address: unknown option, it has no effect; did you mean "lync_access_edge_address"?';
			"s2s_timeout = 10 ends streams before lync_gateway_settings.stream_establishment_timeout = 60 does";
		} do assert.is_truthy(output:find(text, 1, true), text .. "\n" .. output); end
	end);

	it("finds what the server's user may not read or write, asked by root", function ()
		os.execute("chmod a+rX " .. process.quote(site.directory));
		local output, status = site:check_with({ as = "nobody" }, "--offline");
		assert.equal(1, status, output);
		for _, text in ipairs { "/bridge.key: the user nobody may not read it"; "/host.key: the user nobody may not read it";
			"/data: Prosody's user may not write there" } do
			assert.is_truthy(output:find(text, 1, true), text .. "\n" .. output);
		end
		assert.is_nil(output:find("sipbridge-worker: ", 1, true), output);
	end);

	it("finds a storage that cannot be used, and one that forgets", function ()
		local output, status = site:check_with({ host = 'storage = "nosuchthing"' }, "--offline");
		assert.equal(1, status);
		assert.is_truthy(output:find("error    storage        the store lync_subscriptions cannot be used", 1, true), output);
		output, status = site:check_with({ host = 'storage = "none"' }, "--offline");
		assert.equal(1, status);
		assert.is_truthy(output:find('warning  storage        the store lync_subscriptions is in "none"', 1, true), output);
	end);

	it("finds a worker that is not there, and one of another release", function ()
		local build = os.getenv("LG_BUILD") or "build";
		local copy = process.directory(site.loop, "build") .. "/lync_gateway";
		assert(os.execute(("mkdir -p %s && cp %s/lync_gateway/core.so %s"):format(copy, build, copy)));
		local function check(...) return site:check_with({ build = copy:match("^(.*)/") }, "--offline", ...); end
		local output, status = check();
		assert.equal(1, status);
		assert.is_truthy(output:find("error    worker         " .. copy .. "/sipbridge-worker: no such file", 1, true), output);
		process.write(copy .. "/sipbridge-worker", "#!/bin/sh\nexit 3\n");
		output = check();
		assert.is_truthy(output:find("sipbridge-worker: Prosody's user may not execute it", 1, true), output);
		assert(os.execute("chmod 755 " .. copy .. "/sipbridge-worker"));
		output = check();
		assert.is_truthy(output:find("sipbridge-worker: does not start: ", 1, true), output);
		local version = require "lync_gateway.core".version;
		local other, changed = assert(io.open(build .. "/lync_gateway/sipbridge-worker", "rb")):read("a"):gsub(
			"%f[%w]" .. version:gsub("%.", "%%.") .. "%f[%W]", (version:gsub("%d$", "x")));
		assert.is_true(changed > 0);
		process.write(copy .. "/sipbridge-worker", other);
		output, status = check("--timeout", "3");
		assert.equal(1, status);
		assert.is_truthy(output:find("does not start: the worker is of another build than the plugin", 1, true), output);
	end);
end);
