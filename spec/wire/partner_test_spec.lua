-- `prosodyctl mod_lync_gateway partner test`: against servers that are right, and against each thing that can be wrong.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local CA = require "spec.support.ca";
local dns_zone = require "spec.support.dns_zone";
local ejabberd = require "spec.support.ejabberd";
local json = require "dkjson";
local ports = require "spec.support.ports";
local s2s_server = require "spec.support.s2s_server";
local socket = require "socket";
local stream = require "spec.support.stream";

local PARTNERS = [[
	["fabrikam.com"] = { partner_type = "federated"; additional_domains = { "na.fabrikam.com" } },
	["ejabberd.example"] = { partner_type = "federated" },
	["web.example"] = { partner_type = "federated" }, ["strict.example"] = { partner_type = "federated" },
	["port.example"] = { partner_type = "federated" }, ["target.example"] = { partner_type = "federated" },
	["nosrv.example"] = { partner_type = "federated" }, ["nothing.example"] = { partner_type = "federated" },
	["noaddress.example"] = { partner_type = "federated" }, ["closed.example"] = { partner_type = "federated" },
	["refused.example"] = { partner_type = "federated" }, ["mute.example"] = { partner_type = "federated" },
	["full.example"] = { partner_type = "federated" }, ["second.example"] = { partner_type = "federated" },
	["broken.example"] = { partner_type = "nonsense" },
	["proxied.example"] = { partner_type = "federated"; proxy_fqdn = "real.example:5269" },
	["expired.example"] = { partner_type = "federated" }, ["wrongname.example"] = { partner_type = "federated" },
	["foreign.example"] = { partner_type = "federated" }, ["selfsigned.example"] = { partner_type = "federated" },
	["notls.example"] = { partner_type = "federated" }, ["noexternal.example"] = { partner_type = "federated" },
	["refuses.example"] = { partner_type = "federated" }, ["old.example"] = { partner_type = "federated" },
	["plain.example"] = { partner_type = "federated"; tls_negotiation = "optional"; sasl_negotiation = "optional" },
	["either.example"] = { partner_type = "federated"; sasl_negotiation = "optional" },
]];

local function lines_of(output)
	local lines = {};
	for level, check, text in output:gmatch("  (%l+) +(%l+)  +([^\n]*)") do
		lines[#lines + 1] = { level = level, check = check, text = text };
	end
	return lines;
end

local function run(w, ...)
	return w.gateway:ctl("mod_lync_gateway", "partner", "test", ...);
end

-- Lines "level check pattern" that have to be there, "-> pattern" of a remedy.
local function assert_lines(output, expected)
	for _, wanted in ipairs(expected) do
		local level, check, pattern = wanted:match("^(%l+) (%l+) (.*)$");
		local found = wanted:sub(1, 3) == "-> " and output:find(wanted:gsub("[%-%.%(%)]", "%%%0"));
		for _, line in ipairs(lines_of(output)) do
			found = found or line.level == level and line.check == check and line.text:find(pattern);
		end
		assert.is_truthy(found, ("%s\nis not in\n%s"):format(wanted, output));
	end
end

describe("partner test", function ()
	local w, zone, records;

	local function srv(domain, ip, port, priority)
		local key = "_xmpp-server._tcp." .. domain .. " SRV";
		records[key] = records[key] or {};
		table.insert(records[key], ("%d 5 %d xmpp%s.%s"):format(priority or 0, port or 5269, priority or "", domain));
		records["xmpp" .. (priority or "") .. "." .. domain .. " A"] = { ip };
	end

	-- A scripted server with its certificate (nil: a good one).
	local function scripted(domain, options)
		options.domain, options.ip = domain, ports.address(domain);
		options.cert = options.cert or w.ca:issue(domain, { names = { domain } });
		srv(domain, options.ip);
		return s2s_server.new(w.loop, options);
	end

	setup(function ()
		w = World.new { partners = PARTNERS;
			partner_options = { domains = { "fabrikam.com", "na.fabrikam.com", "port.example" } } };
		records = { ["_xmpp-server._tcp.contoso.com SRV"] = { "0 5 5269 xmpp.contoso.com" } };
		zone = dns_zone.server(w.loop, records);
		w.gateway:rewrite('statistics = "internal"', zone:unbound());
		for _, domain in ipairs { "fabrikam.com", "na.fabrikam.com" } do srv(domain, w.partner.address); end
	end);
	teardown(function () w:finish(); end);

	it("finds nothing wrong with a Prosody that is right", function ()
		local output, status = run(w, "fabrikam.com");
		assert_lines(output, {
			"ok settings ^federated; tls_negotiation required, sasl_negotiation required, "
				.. "support_dialback_negotiation true: row 1, sasl%-tls$";
			"ok dns ^_xmpp%-server%._tcp%.fabrikam%.com: xmpp%.fabrikam%.com port 5269 %(priority 0, weight 5%)$";
			"ok dns ^xmpp%.fabrikam%.com: 127%."; "ok tcp ^connected in %d+ ms$"; "ok stream ^XMPP 1%.0, offers STARTTLS";
			"ok tls ^TLSv1%.3, TLS_";
			"info certificate ^good for %d+ more days: subject fabrikam%.com, issuer throw%-away CA, names fabrikam%.com, valid from %d";
			"ok stream ^over TLS it offers SASL EXTERNAL"; "ok outgoing ^sasl%-tls: it has taken our certificate$";
			"ok dns ^_xmpp%-server%._tcp%.contoso%.com: .*: the partner can find this server$";
			"ok incoming ^when it connects it is offered STARTTLS %(required%); over TLS, with the certificate above %(valid%): "
				.. "SASL EXTERNAL; best: sasl%-tls$";
			"ok directions ^both sasl%-tls$";
		});
		assert.is_truthy(output:find("\n0 error(s), 0 warning(s)\n", 1, true), output);
		assert.equal(0, status);
	end);

	it("dials an additional domain by its own name, and is JSON on demand", function ()
		local output, status = run(w, "--json", "na.fabrikam.com");
		local result = assert(json.decode(output), output);
		assert.same({ "na.fabrikam.com", 0, 0, "contoso.com", "sasl-tls", "sasl-tls" }, { result.domain, result.errors,
			result.warnings, result.results[1].host, result.results[1].outgoing, result.results[1].incoming });
		assert.equal(0, status);
	end);

	it("finds nothing wrong with an ejabberd that is right", function ()
		local partner = ejabberd.partner(w.loop, { ca = w.ca, name = "ejabberd", domains = { "ejabberd.example" }, dns = {} });
		srv("ejabberd.example", partner.address);
		local output, status = run(w, "ejabberd.example");
		assert_lines(output, { "ok outgoing ^sasl%-tls: it has taken our certificate$"; "ok directions ^both sasl%-tls$" });
		assert.equal(0, status, output);
		partner:stop();
	end);

	for name, case in pairs {
		["no SRV record, but a server at the domain"] = { "nosrv.example",
			"warning dns ^_xmpp%-server%._tcp%.nosrv%.example: there is no such record, nosrv%.example port 5269 is tried$";
			"-> its administrator publishes the SRV record"; "ok outgoing ^sasl%-tls";
			before = function ()
				local server = scripted("nosrv.example", {});
				records["_xmpp-server._tcp.nosrv.example SRV"] = nil;
				records["nosrv.example A"] = { server.ip };
			end };
		["no record at all"] = { "nothing.example", "warning dns there is no such record"; "error dns ^nothing%.example: has no address";
			"-> is the domain spelt right%?";
			"error directions ^outgoing impossible, incoming sasl%-tls$" };
		["a target without an address"] = { "noaddress.example", "error dns ^gone%.example: has no address %(A, AAAA%)$";
			"-> its administrator: the SRV record names a target that does not exist";
			before = function () records["_xmpp-server._tcp.noaddress.example SRV"] = { "0 0 5269 gone.example" }; end };
		["a domain that has no server"] = { "closed.example", "error dns says that it has no XMPP server for others$";
			before = function () records["_xmpp-server._tcp.closed.example SRV"] = { "0 0 0 ." }; end };
		["the wrong port"] = { "port.example",
			"error stream ^these mechanisms are for clients$"; "-> this is a port for clients";
			before = function () srv("port.example", w.partner.address, 5222); end };
		["no XMPP server"] = { "web.example",
			"error stream ^no stream: what it sends is not XMPP"; "-> the SRV record names the wrong port";
			before = function ()
				stream.listen(w.loop, ports.address("web"), 80, nil, function (conn)
					conn.on_data = function () conn:send("HTTP/1.1 400 Bad Request\r\n\r\n"); end
				end);
				srv("web.example", ports.address("web"), 80);
			end };
		["the wrong target"] = { "target.example", "error stream ^no features: stream error host%-unknown";
			"-> this server does not have the domain";
			before = function () srv("target.example", w.partner.address); end };
		["nobody there"] = { "refused.example", "error tcp ^connection refused$"; "-> nothing listens there";
			before = function () srv("refused.example", ports.address("nobody")); end };
		["a server that says nothing"] = { "mute.example", "error stream ^no stream: it took the connection and said nothing$";
			"-> it is overloaded"; before = function () scripted("mute.example", { deaf = true }); end };
		["a port that is mute"] = { "full.example", "error tcp ^no answer in time$"; "-> a firewall on the way drops it";
			before = function ()
				local listener, ip = assert(socket.tcp4()), ports.address("full");
				assert(listener:bind(ip, 5269));
				assert(listener:listen(0)); -- its queue is full: the kernel drops what comes
				local inside = {};
				for i = 1, 3 do
					inside[i] = socket.tcp4();
					inside[i]:settimeout(0);
					inside[i]:connect(ip, 5269);
				end
				w.loop:at_close(function ()
					listener:close();
					for _, sock in ipairs(inside) do sock:close(); end
				end);
				srv("full.example", ip);
			end };
		["one of two targets down"] = { "second.example",
			"warning tcp ^connection refused$"; "ok outgoing ^sasl%-tls"; "ok directions ^both";
			before = function ()
				srv("second.example", ports.address("nobody"), 5269, 1);
				local server = scripted("second.example", {});
				records["_xmpp-server._tcp.second.example SRV"][2] = "2 5 5269 xmpp.second.example";
				records["xmpp.second.example A"] = { server.ip };
			end };
		["an expired certificate"] = { "expired.example",
			"error certificate ^expired: subject expired%.example"; "-> its administrator renews";
			"error outgoing %(certificate%-expired%)$"; "error incoming %(certificate%-expired%)$";
			before = function ()
				scripted("expired.example", { cert = w.ca:issue("x-expired", { names = { "expired.example" }, expired = true }) });
			end };
		["a certificate with another name"] = { "wrongname.example",
			"error certificate ^not for wrongname%.example: .*names wrong%.example,";
			"-> its administrator: the domain has to be in subjectAltName"; "error outgoing %(certificate%-wrong%-name%)$";
			before = function () scripted("wrongname.example", { cert = w.ca:issue("x-wrong", { names = { "wrong.example" } }) }); end };
		["a certificate of a foreign CA"] = { "foreign.example",
			"error certificate ^its issuer is not trusted here: .*issuer Foreign CA,";
			"-> its administrator: is the whole chain sent?"; "error outgoing %(certificate%-untrusted%)$";
			before = function ()
				local foreign = CA.new(w.ca.directory .. "/x-foreign", "Foreign CA");
				scripted("foreign.example", { cert = foreign:issue("x", { names = { "foreign.example" } }) });
			end };
		["a self-signed certificate"] = { "selfsigned.example",
			"error certificate ^self%-signed: "; "error outgoing %(certificate%-self%-signed%)$";
			before = function ()
				local cert = CA.self_signed(w.ca.directory, "x-self", { names = { "selfsigned.example" } });
				scripted("selfsigned.example", { cert = cert });
			end };
		["no TLS"] = { "notls.example",
			"ok stream offers dialback$"; "error outgoing %(tls%-required%)$"; "-> its administrator enables TLS";
			before = function () scripted("notls.example", { starttls = false }); end };
		["no EXTERNAL"] = { "noexternal.example", "ok stream ^over TLS it offers dialback$"; "error outgoing %(sasl%-not%-offered%)$";
			"-> it does not offer EXTERNAL"; before = function () scripted("noexternal.example", { sasl = false }); end };
		["EXTERNAL refused"] = { "refuses.example", "error sasl ^it refuses EXTERNAL with our certificate: not%-authorized";
			"error outgoing %(sasl%-failed%)$"; "-> the certificate of this host";
			before = function () scripted("refuses.example", { sasl = "refuse" }); end };
		["our certificate refused in the handshake"] = { "strict.example",
			"error outgoing ^the stream ended right after the TLS handshake: ";
			"-> the certificate of this host"; before = function ()
				local foreign = CA.new(w.ca.directory .. "/x-strict", "Their CA");
				scripted("strict.example", { tls = { verify = { "peer", "fail_if_no_peer_cert" }, verifyext = {}, cafile = foreign.file } });
			end };
		["a TLS version that is too old"] = { "old.example",
			"error tls ^handshake: .*; it speaks only TLSv1%.1$"; "-> its administrator enables TLS 1.2";
			before = function ()
				scripted("old.example", { tls = { ciphers = "ALL:@SECLEVEL=0", options = { "all", "no_tlsv1_2", "no_tlsv1_3" } } });
			end };
	} do
		it("finds what is wrong: " .. name, function ()
			if case.before then case.before(); end
			local output, status = run(w, case[1], "--timeout=2");
			assert_lines(output, { table.unpack(case, 2) });
			assert.equal(1, status, output);
		end);
	end

	it("falls back as a stream does, and says so", function ()
		scripted("plain.example", { starttls = false });
		local output, status = run(w, "plain.example");
		assert_lines(output, { "ok outgoing ^tcp%-dialback: dialback in clear text would follow";
			"warning directions ^they differ: outgoing tcp%-dialback, incoming sasl%-tls$" });
		assert.equal(1, status, output);
		scripted("either.example", { cert = w.ca:issue("x-either", { names = { "other.example" } }) });
		output, status = run(w, "either.example");
		assert_lines(output, { "error certificate ^not for either%.example";
			"ok outgoing ^tls%-dialback"; "ok directions ^both tls%-dialback$" });
		assert.equal(1, status, output);
	end);

	it("goes where proxy_fqdn says", function ()
		local server = scripted("proxied.example", {});
		records["real.example A"] = { server.ip };
		records["_xmpp-server._tcp.proxied.example SRV"] = nil;
		local output, status = run(w, "proxied.example");
		assert_lines(output, { "info dns ^real%.example:5269 is where to connect %(proxy_fqdn%)"; "ok outgoing ^sasl%-tls" });
		assert.equal(0, status, output);
	end);

	for name, case in pairs {
		["a stranger"] = { { "evil.example" }, 1, "error: evil.example is no partner of contoso.com: `partner new evil.example …`" };
		["a partner with an error"] = { { "broken.example" }, 1, "`check` names the line" };
		["another host"] = { { "fabrikam.com", "--host", "localhost" }, 1, "localhost does not have lync_gateway" };
		["no domain"] = { {}, 2, "Which partner?" };
		["two domains"] = { { "a.example", "b.example" }, 2, "Unexpected argument: b.example" };
		["no time"] = { { "a.example", "--timeout", "0" }, 2, "--timeout wants seconds, 1 to 120, not 0" };
		["an unknown option"] = { { "a.example", "--fast" }, 2, "Unexpected argument: --fast" };
	} do
		it("says what it cannot do: " .. name, function ()
			local output, status = run(w, table.unpack(case[1]));
			assert.is_truthy(output:find(case[3], 1, true), output);
			assert.equal(case[2], status, output);
		end);
	end

	it("sends no stanza", function ()
		local server = s2s_server.new(w.loop, { domain = "fabrikam.com", ip = ports.address("counting"),
			cert = w.ca:issue("counting", { names = { "fabrikam.com" } }) });
		local name;
		server.on = { auth = function (_, session) name = session.conn.sock:getsniname(); return true; end };
		records["xmpp.fabrikam.com A"] = { server.ip };
		local _, status = run(w, "fabrikam.com");
		assert.equal(0, status);
		assert.equal("fabrikam.com", name);
		assert.equal("EXTERNAL", server.streams[1].mechanism);
		assert.same({}, server.stanzas);
	end);

	it("says what is wrong with our own key", function ()
		w.gateway:rewrite(w.gateway.cert.key, "/nonexistent/key");
		local output, status = run(w, "fabrikam.com");
		w.gateway:rewrite("/nonexistent/key", w.gateway.cert.key);
		assert_lines(output, { "error tls ^TLS of contoso%.com: .*private key"; "-> the certificate and key of this host" });
		assert.equal(1, status, output);
	end);

	it("says that the name server does not answer", function ()
		zone.mute = true;
		local output, status = run(w, "fabrikam.com", "--timeout", "1");
		assert_lines(output, { "error dns ^_xmpp%-server%._tcp%.fabrikam%.com: the name server did not answer %(no answer within 1 s%)$";
			"-> this server's resolver" });
		assert.equal(1, status, output);
	end);
end);
