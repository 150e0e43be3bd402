-- Certificates by command with a real server: a request, what a CA makes of it, every reason to refuse that, and a renewal in
-- the middle of conversations.
-- SPDX-License-Identifier: MIT

local CA = require "spec.support.ca";
local json = require "util.json";
local process = require "spec.support.process";
local http = require "socket.http";
local s2s = require "spec.support.s2s";
local ports = require "spec.support.ports";
local stream = require "spec.support.stream";
local Traffic = require "spec.support.traffic";
local World = require "spec.support.world";

local BRIDGE, DOMAIN = "xmpp.contoso.com", "contoso.com";
local NAMES = { BRIDGE, "sip.contoso.com", DOMAIN };
local PAIRS = 3;

local function read(path)
	local f = io.open(path, "rb");
	if not f then return nil; end
	local bytes = f:read("a");
	f:close();
	return bytes;
end

local function shell(fmt, ...)
	local words = table.pack(...);
	for i = 1, words.n do words[i] = process.quote(words[i]); end
	local f = assert(io.popen(fmt:format(table.unpack(words, 1, words.n))));
	local output = f:read("a");
	f:close();
	return output;
end

describe("certificates by command", function ()
	local w, certs, requests, old, foreign;

	-- The layout that prosodyctl cert makes: certs/NAME.crt and NAME.key, nothing named in the configuration.
	local function default_layout()
		local gateway = w.gateway;
		for name, cert in pairs { [BRIDGE] = w.bridge_cert, [DOMAIN] = gateway.cert } do
			process.write(("%s/%s.crt"):format(certs, name), read(cert.cert));
			process.write(("%s/%s.key"):format(certs, name), read(cert.key));
		end
		gateway:rewrite(("certificate = %q; key = %q; cafile"):format(w.bridge_cert.cert, w.bridge_cert.key), "cafile");
		gateway:rewrite(("certificate = %q, key = %q, cafile"):format(gateway.cert.cert, gateway.cert.key), "cafile");
	end

	setup(function ()
		w = World.new { users = Traffic.users(PAIRS); modules = { "http_openmetrics" }; global = ("http_ports = { 5280 }\n"
			.. "http_interfaces = { %q }\nopenmetrics_allow_cidr = \"127.0.0.0/8\"\n"):format(ports.address("gateway")) };
		certs, requests = w.gateway.directory .. "/certs", w.gateway.directory .. "/data/lync_certificates";
		default_layout();
		local configured = #w.gateway.process.output;
		w.gateway:reload();
		w.loop:wait(function () return w.gateway.process.output:find("configured bridge", configured, true); end, 5);
		foreign = CA.new(process.directory(w.loop, "foreign"), "Foreign CA");
	end);
	teardown(function () w:finish(); end);

	local function ctl(...)
		return w.gateway:ctl("mod_lync_gateway", "certificate", ...);
	end

	local function has(text, ...)
		for _, piece in ipairs { ... } do
			assert.is_truthy(text:find(piece, 1, true), piece .. "\nis not in\n" .. text);
		end
	end

	-- Names, modes and contents of everything that a refusal may not touch.
	local function state()
		return shell("cd %s && find . -type f -printf '%%%%p %%%%m ' -exec sha256sum {} \\; | sort", w.gateway.directory .. "/certs")
			.. shell("cd %s && find . -type f -printf '%%%%p %%%%m ' -exec sha256sum {} \\; | sort", requests);
	end

	-- SHA-256 of what a server presents: the bridge by TLS, Prosody by STARTTLS.
	local function presented(what)
		if what == "bridge" then
			local conn = stream.connect(w.loop, w.gateway.address, 5061, { tls = w.edge_cert:tls("client", { lax = true }),
				server_name = BRIDGE, from = ports.address("probe") });
			w.loop:wait(function () return conn.ready or conn.closed; end, 5, "TLS with the bridge");
			local digest = conn.sock:getpeercertificate():digest("sha256");
			conn:close();
			return digest;
		end
		local peer = s2s.connect(w.loop, { from = "fabrikam.com", to = DOMAIN, ip = w.gateway.address,
			cert = w.ca:issue("peer", { names = { "fabrikam.com" } }) });
		peer:open();
		peer:wait_features();
		peer:starttls();
		local digest = peer.conn.sock:getpeercertificate():digest("sha256");
		peer.conn:close(true);
		return digest;
	end

	it("says how it is used", function ()
		for _, words in ipairs { {}, { "revoke" }, { "import" }, { "show", "a", "b" }, { "request", "--what" },
			{ "request", DOMAIN, "x" }, { "import", "a", DOMAIN, "b" } } do
			local output, status = ctl(table.unpack(words));
			assert.equal(2, status, output);
			has(output, "certificate request [HOST]", "certificate import FILE", "certificate show");
		end
		local output, status = w.gateway:ctl("mod_lync_gateway", "help");
		assert.equal(0, status);
		has(output, "certificate request");
	end);

	it("knows the hosts that have a gateway, and no others", function ()
		for _, words in ipairs { { "request", "localhost" }, { "show", "other.example" }, { "import", "x.pem", "localhost" } } do
			local output, status = ctl(table.unpack(words));
			assert.equal(1, status, output);
			has(output, "error: " .. words[#words] .. " does not have lync_gateway");
		end
	end);

	it("makes a request: files, modes, names", function ()
		local output, status = ctl("request", "--organization", "Contoso & Söhne; $(id)", "--country", "DE", "--csr", "out.csr");
		assert.equal(0, status, output);
		has(output, "names    xmpp.contoso.com, sip.contoso.com, contoso.com", "(RSA 2048 bits, not exportable)", "Next: send");
		assert.equal("600 .key\n644 .csr\n", shell("stat -c '%%a .key' %s; stat -c '%%a .csr' %s", requests .. "/" .. BRIDGE .. ".key",
			requests .. "/" .. BRIDGE .. ".csr"));
		has(shell("openssl req -in %s -noout -text -verify -nameopt utf8,sep_comma_plus_space 2>&1", requests .. "/" .. BRIDGE
			.. ".csr"), "verify OK", "Subject: C=DE, O=Contoso & Söhne; $(id), CN=xmpp.contoso.com",
			"DNS:xmpp.contoso.com, DNS:sip.contoso.com, DNS:contoso.com");
		local copy = output:match("request  (/[^\n]*out%.csr)");
		assert.equal(read(requests .. "/" .. BRIDGE .. ".csr"), read(copy));
		os.remove(copy);
		assert.is_nil(output:find("PRIVATE", 1, true));
	end);

	it("does not lose the key of a request that waits", function ()
		local before = state();
		local output, status = ctl("request");
		assert.equal(1, status, output);
		has(output, 'there is a request "xmpp.contoso.com" already', "--overwrite");
		assert.equal(before, state());
		local key = read(requests .. "/" .. BRIDGE .. ".key");
		output, status = ctl("request", "--overwrite", "--key-type", "ec");
		assert.equal(0, status, output);
		assert.are_not.equal(key, read(requests .. "/" .. BRIDGE .. ".key"));
		assert.equal(key, shell("cat %s/*.key.bkp~*", requests));
		shell("rm %s/*.bkp~*", requests);
	end);

	it("makes an exportable key, with an encrypted copy", function ()
		local passphrase = w.gateway.directory .. "/passphrase";
		process.write(passphrase, "short\n");
		local output, status = ctl("request", "--friendly-name", "to export", "--exportable", "--passphrase-file", passphrase);
		assert.equal(1, status, output);
		has(output, "at least 8 characters");
		process.write(passphrase, "correct horse battery\n");
		output, status = ctl("request", "--friendly-name", "to export", "--exportable", "--passphrase-file", passphrase);
		assert.equal(0, status, output);
		has(output, "(RSA 2048 bits, exportable)");
		assert.equal("640\n640\n", shell("stat -c %%a %s %s", requests .. "/to export.key", requests .. "/to export.p8"));
		assert.equal(shell("openssl pkey -in %s -pubout", requests .. "/to export.key"),
			shell("openssl pkey -in %s -passin %s -pubout", requests .. "/to export.p8", "file:" .. passphrase));
		assert.is_nil(output:find("correct", 1, true));
		os.remove(requests .. "/to export.key");
	end);

	it("shows what is in use and what is asked for", function ()
		local output, status = ctl("show");
		assert.equal(0, status, output);
		has(output, "bridge xmpp.contoso.com (contoso.com)\n  file         " .. certs .. "/xmpp.contoso.com.crt\n",
			"s2s contoso.com\n  file         " .. certs .. "/contoso.com.crt\n", "  names        contoso.com\n",
			"TLS Web Server Authentication, TLS Web Client Authentication", "29 day(s) left", "EC 256 bits",
			"fingerprint  SHA-256 ", ":", "request xmpp.contoso.com\n", "xmpp.contoso.com.key: fits, mode 0600, not exportable",
			"does not wait here any more");
		output, status = ctl("show", "--json");
		assert.equal(0, status, output);
		local all = json.decode(output:match("{.*"));
		assert.is_table(all, output);
		assert.same({ "bridge", "s2s", 2, 2 }, { all.certificates[1].role, all.certificates[2].role, #all.certificates,
			#all.requests });
		assert.equal("ec", all.certificates[1].key_type);
		assert.equal("fits", all.certificates[1].key.state);
		assert.is_true(all.certificates[1].usage.client);
		assert.equal(29, all.certificates[1].days_left);
		assert.is_nil(output:find("PRIVATE", 1, true));
	end);

	it("shows a request, a file, and what it cannot read", function ()
		has(ctl("show", BRIDGE), "request xmpp.contoso.com\n", "EC 256 bits");
		has(ctl("show", w.edge_cert.cert), "certificate\n", "names        sip.contoso.com\n");
		local output, status = ctl("show", w.gateway.config);
		assert.equal(1, status);
		has(output, "PROBLEM      " .. w.gateway.config .. ": no certificate in it (PEM, DER or PKCS #7)");
	end);

	it("shows nothing that a terminal would obey", function ()
		local evil = w.ca:issue("evil", { names = NAMES, san_der = "300F820D781B5B316D2E6578616D706C65" });
		local output = ctl("show", evil.cert);
		has(output, "names        x?[1m.example\n");
		local path = w.gateway.directory .. "/evil.csr";
		shell("openssl req -new -key %s -subj %s -out %s 2>&1", evil.key, "/CN=a\27[1mb", path);
		output = output .. ctl("show", path);
		has(output, "request " .. path, "CN=a\\1B[1mb\n");
		assert.is_nil(output:find("[\27]"));
	end);

	it("says when there is no openssl", function ()
		local directory = w.gateway.directory .. "/bin";
		shell("mkdir %s && for p in prosodyctl lua5.4 env sh; do ln -s \"$(command -v $p)\" %s/; done", directory, directory);
		local _, output = process.run(w.loop, { "prosodyctl", "--root", "--config", w.gateway.config, "mod_lync_gateway",
			"certificate", "show" }, { name = "prosodyctl", env = { PATH = directory, LUA_CPATH = w.gateway.env.LUA_CPATH } });
		has(output, "error: the openssl command cannot be run: apt-get install openssl");
	end);

	describe("import refuses", function ()
		local csr;
		setup(function () csr = requests .. "/" .. BRIDGE .. ".csr"; end);

		local function refused(file, words, ...)
			local before = state();
			local output, status = ctl("import", file, table.unpack(words));
			assert.equal(1, status, output);
			has(output, ...);
			has(output, "refused: nothing is changed");
			assert.equal(before, state());
		end

		for name, case in pairs {
			["a name that is missing"] = { { names = { BRIDGE } }; "error    names     contoso.com is not in subjectAltName (there: "
				.. "xmpp.contoso.com)" };
			["the bridge's name that is missing"] = { { names = { DOMAIN } }; "error    names     xmpp.contoso.com is not in" };
			["a common name alone"] = { { names = NAMES, san = false }; "xmpp.contoso.com is not in subjectAltName (there: nothing)" };
			["server use alone"] = { { names = NAMES, usage = "serverAuth" }; "error    usage     not for client authentication" };
			["client use alone"] = { { names = NAMES, usage = "clientAuth" }; "error    usage     not for server authentication" };
			["an expired one"] = { { names = NAMES, expired = true }; "error    dates     the certificate has expired at " };
			["one that is not yet valid"] = { { names = NAMES, not_yet = true }; "error    dates     the certificate is not valid before" };
		} do
			it(name, function ()
				refused(w.ca:sign(csr, "bad-" .. name:gsub("%W", "-"), case[1]), {}, case[2], "ok       key       fits ",
					"ok       chain     1 certificate(s), trusted by " .. w.ca.file .. " (lync_bridge_certificate.cafile)");
			end);
		end

		it("a certificate of another key", function ()
			refused(w.ca:issue("otherkey", { names = NAMES }).cert, {}, "error    key       fits none of the 3 key(s) here");
		end);

		it("a certificate whose key is named and is another's", function ()
			refused(w.ca:issue("otherkey2", { names = NAMES }).cert, { "--key", w.edge_cert.key },
				"error    key       fits none of the 1 key(s) here");
		end);

		it("a foreign CA's", function ()
			refused(foreign:sign(csr, "foreign", { names = NAMES }), {}, "error    chain     broken: CN=Foreign CA is neither in the "
				.. "file nor in " .. w.ca.file .. " (lync_bridge_certificate.cafile), the system's CAs");
			refused(foreign:sign(csr, "foreign2", { names = NAMES }), { "--chain", foreign.file }, "error    chain     broken");
			refused(w.ca:sign(csr, "native", { names = NAMES }), { "--cafile", foreign.file }, "error    chain     broken");
		end);

		it("a broken chain, and one whose middle only we have", function ()
			local middle = w.ca:intermediate("middle");
			local leaf = middle:sign(csr, "in-middle", { names = NAMES });
			refused(leaf, {}, "error    chain     broken: CN=middle is neither in the file nor in ");
			process.write(leaf .. ".cas", read(middle.chain) .. read(w.ca.file));
			refused(leaf, { "--cafile", leaf .. ".cas" }, "error    chain     CN = middle is in " .. leaf .. ".cas (--cafile) but not");
			local output, status = ctl("import", leaf, "--chain", middle.chain, "--whatif");
			assert.equal(0, status, output);
			has(output, "ok       chain     2 certificate(s), trusted by", "would write " .. certs .. "/xmpp.contoso.com.crt");
		end);

		it("a weak key, a weak signature", function ()
			local dir = w.gateway.directory;
			shell("openssl genrsa -out %s 1024 2>&1; openssl req -new -key %s -subj /CN=x -out %s 2>&1", dir .. "/weak.key",
				dir .. "/weak.key", dir .. "/weak.csr");
			refused(w.ca:sign(dir .. "/weak.csr", "weak", { names = NAMES }), { "--key", dir .. "/weak.key" },
				"its key is weak (RSA 1024 bits)", "EE certificate key too weak");
			shell("openssl x509 -req -sha1 -in %s -CA %s -CAkey %s -CAcreateserial -copy_extensions copyall -days 9 -out %s 2>&1", csr,
				w.ca.file, w.ca.key, dir .. "/sha1.crt");
			refused(dir .. "/sha1.crt", {}, "its signature is weak (ecdsa-with-SHA1)");
		end);

		it("what is no certificate, and a file that is not there", function ()
			for _, path in ipairs { w.gateway.config, "/nonexistent.pem", certs } do
				local before = state();
				local output, status = ctl("import", path);
				assert.equal(1, status, output);
				has(output, "error: " .. path);
				assert.equal(before, state());
			end
		end);

		it("a place that something else manages, or where Prosody would choose at random", function ()
			local good = w.ca:sign(csr, "good-place");
			process.write(certs .. "/other.crt", read(w.gateway.cert.cert));
			process.write(certs .. "/other.key", read(w.gateway.cert.key));
			refused(good, {}, "error    place     " .. certs .. "/other.crt is for contoso.com as well");
			os.remove(certs .. "/other.crt");
			os.remove(certs .. "/other.key");
			refused(good, { "--role", "bridge" }, "error    place     " .. certs .. "/contoso.com.crt is for contoso.com as well");
			os.rename(certs .. "/contoso.com.crt", certs .. "/elsewhere");
			shell("ln -s elsewhere %s", certs .. "/contoso.com.crt");
			refused(good, {}, "contoso.com.crt is a symbolic link to elsewhere: something else manages it");
			os.rename(certs .. "/elsewhere", certs .. "/contoso.com.crt");
		end);
	end);

	it("is imported while people talk: nothing is dropped, and new connections see it on both sides", function ()
		local path = w.ca:sign(requests .. "/" .. BRIDGE .. ".csr", "renewed");
		local digest = shell("openssl x509 -in %s -noout -fingerprint -sha256", path):match("=(%S+)"):gsub(":", ""):lower();
		old = { bridge = presented("bridge"), s2s = presented("s2s"), crt = read(certs .. "/contoso.com.crt") };
		assert.are_not.equal(digest, old.bridge);
		assert.are_not.equal(digest, old.s2s);
		local t = Traffic.new(w, { pairs = PAIRS }):run();
		t:wait_flow(3);
		local worker, from = w:worker_pid(), #w.gateway.process.output;
		local function streams() return select(2, w.partner.process.output:gsub("s2s connection", "")); end
		local before = streams();
		local output, status = ctl("import", path);
		assert.equal(0, status, output);
		has(output, "ok       key       fits " .. requests, "0 error(s), 0 warning(s)", "written  " .. certs
			.. "/xmpp.contoso.com.key (mode 0600), before: ", "written  " .. certs .. "/contoso.com.crt (mode 0644), before: ",
			"Prosody and the bridge read it again; nothing is dropped");
		w.loop:wait(function () return w.gateway.process.output:find("configured bridge", from, true); end, 5, "the bridge");
		w.loop:wait(function () return w.gateway.process.output:find("Certificates reloaded", from, true); end, 5, "mod_tls");
		t:wait_flow(5);
		t:finish();
		for _, direction in ipairs { "x2s", "s2x" } do
			local sums = t:tally(direction);
			assert.is_true(sums.sent > 10);
			assert.equal(sums.sent, sums.delivered, direction);
			assert.equal(0, sums.disorder, direction);
		end
		for i = 1, PAIRS do
			assert.equal(1, t.s2x[i].opened);
			assert.equal(1, #w:lync_user("l" .. i).conversations);
		end
		assert.equal(worker, w:worker_pid());
		assert.equal(before, streams());
		assert.equal(digest, presented("bridge"));
		assert.equal(digest, presented("s2s"));
	end);

	it("has kept what was there, and one key", function ()
		assert.equal(old.crt, shell("cat %s/contoso.com.crt.bkp~*", certs));
		assert.equal("600\n600\n", shell("stat -c %%a %s %s", certs .. "/contoso.com.key", certs .. "/xmpp.contoso.com.key"));
		assert.is_nil(read(requests .. "/" .. BRIDGE .. ".key"));
		assert.equal("", shell("find %s -name '.*.*'", certs));
		local output, status = ctl("show");
		assert.equal(0, status, output);
		has(output, "contoso.com.key: fits, mode 0600");
		assert.is_truthy(output:find(", [89][90] day%(s%) left"), output);
	end);

	it("is imported again with the key in use: DER, PKCS #7", function ()
		local path = w.ca:sign(requests .. "/" .. BRIDGE .. ".csr", "again");
		shell("openssl x509 -in %s -outform DER -out %s", path, path .. ".cer");
		shell("openssl crl2pkcs7 -nocrl -certfile %s -certfile %s -outform DER -out %s", w.ca.file, path, path .. ".p7b");
		for _, kind in ipairs { ".cer", ".p7b" } do
			local output, status = ctl("import", path .. kind);
			assert.equal(0, status, output);
			assert.equal(read(path), read(certs .. "/xmpp.contoso.com.crt"));
			assert.is_nil(output:find(".key", output:find("written") or #output, true), output);
		end
		local before = state();
		local output, status = ctl("import", path);
		assert.equal(0, status, output);
		has(output, "It is in place already");
		assert.equal(before, state());
	end);

	it("warns of an end that is near: log, status, metric", function ()
		local path = w.ca:sign(requests .. "/" .. BRIDGE .. ".csr", "short", { names = NAMES, valid_for = 3 * 86400 - 600 });
		local from = #w.gateway.process.output;
		local output, status = ctl("import", path);
		assert.equal(0, status, output);
		has(output, "warning  dates     valid until", "that is only 2 day(s)", "0 error(s), 1 warning(s)");
		for _, role in ipairs { "bridge", "s2s" } do
			w.loop:wait(function ()
				return w.gateway.process.output:match("certificate expires soon: until [^\n]*%(2 days%) RENEW IT %(token=certificate%-expires "
					.. "role=" .. role .. " ", from);
			end, 5, "a warning of " .. role);
		end
		output = w.gateway:ctl("shell", "lync", "status");
		has(output, "certificate bridge until ", "certificate s2s until ", "(2 days) RENEW IT");
		local ends = shell("date -d \"$(openssl x509 -in %s -noout -enddate | cut -d= -f2)\" +%%s", path):match("%d+");
		local answer = http.request(("http://%s:5280/metrics"):format(w.gateway.address));
		for _, role in ipairs { "bridge", "s2s" } do
			local value = answer:match('prosody_mod_lync_gateway__certificate_expires{host="contoso.com",role="' .. role .. '"} ([%d.e+]+)');
			assert.equal(tonumber(ends), tonumber(value), answer);
		end
	end);

	it("is refused nothing when the server is down, and says so", function ()
		local path = w.ca:sign(requests .. "/" .. BRIDGE .. ".csr", "down");
		w.gateway:stop();
		local output, status = ctl("import", path);
		assert.equal(0, status, output);
		has(output, "Prosody is not running: it takes the certificate when it starts");
	end);

	it("gives files to Prosody's user when root runs it", function ()
		local config, text = w.gateway.config:gsub("prosody%.cfg", "user.cfg"), read(w.gateway.config);
		process.write(config, (text:gsub("run_as_root = true\n", "", 1)));
		local _, output = process.run(w.loop, { "prosodyctl", "--root", "--config", config, "mod_lync_gateway", "certificate",
			"request", "--friendly-name", "owner", "--key-type", "ec" }, { name = "prosodyctl", env = w.gateway.env });
		has(output, "owner.key (EC 256 bits, not exportable)");
		assert.equal("prosody:prosody 600\n", shell("stat -c '%%U:%%G %%a' %s", requests .. "/owner.key"));
		assert.equal("prosody:prosody 644\n", shell("stat -c '%%U:%%G %%a' %s", requests .. "/owner.csr"));
	end);

	it("takes certificate and key from a PFX, of old Windows, too", function ()
		local passphrase = w.gateway.directory .. "/pfx.pass";
		process.write(passphrase, "correct horse\n");
		for i, how in ipairs { "", "-legacy" } do
			local cert = w.ca:issue("pfx" .. i, { names = NAMES });
			shell("openssl pkcs12 -export " .. how .. " -in %s -inkey %s -certfile %s -passout %s -out %s", cert.cert, cert.key,
				w.ca.file, "file:" .. passphrase, cert.cert .. ".pfx");
			local output, status = ctl("import", cert.cert .. ".pfx", "--passphrase-file", w.gateway.config);
			assert.equal(1, status, output);
			has(output, "error: " .. cert.cert .. ".pfx: not a PFX file, or another passphrase");
			output, status = ctl("import", cert.cert .. ".pfx", "--passphrase-file", passphrase);
			assert.equal(0, status, output);
			has(output, "ok       key       fits " .. cert.cert .. ".pfx (EC 256 bits)", "/contoso.com.key (mode 0600)");
			assert.equal(read(cert.cert), read(certs .. "/contoso.com.crt"));
			assert.equal(shell("openssl pkey -in %s", cert.key), shell("openssl pkey -in %s", certs .. "/contoso.com.key"));
			assert.is_nil(output:find("correct", 1, true));
		end
	end);

	it("is self-signed for tests", function ()
		local output, status = ctl("request", "--friendly-name", "test", "--now", "--days", "5", "--key-type", "ec");
		assert.equal(0, status, output);
		local file = requests .. "/test.pem";
		has(output, "signed   " .. file, "import " .. file .. " --cafile " .. file);
		output, status = ctl("import", file);
		assert.equal(1, status, output);
		has(output, "error    chain     self-signed, and not in ");
		output, status = ctl("import", file, "--cafile", file);
		assert.equal(0, status, output);
		assert.equal(read(file), read(certs .. "/contoso.com.crt"));
	end);

	it("goes where the configuration says, key and certificate in one file or not; the key may come with it", function ()
		local cert, there = w.ca:issue("bundle", { names = NAMES, key = "rsa:2048" }), w.gateway.directory .. "/named";
		shell("mkdir %s", there);
		process.write(cert.cert .. ".both", read(cert.cert) .. read(cert.key));
		w.gateway:rewrite("lync_bridge_certificate = { cafile", ("lync_bridge_certificate = { certificate = %q; key = %q; cafile")
			:format(there .. "/bridge.crt", there .. "/bridge.key"));
		w.gateway:rewrite("\tssl = { cafile", ("\tssl = { certificate = %q, key = %q, cafile"):format(there .. "/one.pem",
			there .. "/one.pem"));
		local before = shell("cat %s/*", certs);
		local output, status = ctl("import", cert.cert .. ".both");
		assert.equal(0, status, output);
		has(output, "ok       key       fits " .. cert.cert .. ".both (RSA 2048 bits)");
		assert.equal(read(cert.cert), read(there .. "/bridge.crt"));
		assert.equal(read(cert.cert), read(there .. "/one.pem"):sub(1, #read(cert.cert)));
		for _, name in ipairs { "bridge.key", "one.pem" } do
			assert.equal(shell("openssl pkey -in %s", cert.key), shell("openssl pkey -in %s", there .. "/" .. name));
			assert.equal("600\n", shell("stat -c %%a %s", there .. "/" .. name));
		end
		assert.equal(before, shell("cat %s/*", certs));
		output, status = ctl("show");
		assert.equal(0, status, output);
		has(output, there .. "/bridge.key: fits", there .. "/one.pem: fits");
		assert.equal(before, shell("cat %s/*", certs));
		output, status = ctl("import", cert.cert .. ".both", "--role", "s2s");
		assert.equal(0, status, output);
		has(output, "It is in place already");
	end);
end);
