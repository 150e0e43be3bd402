-- Requests for certificates, parsed back with openssl; what is checked before a certificate is taken; the arguments.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local new_id = require "util.id".short;

local host = {};
function host.require(_, name) return support.lib(name, host); end

local arguments = host:require("arguments");
local checks = host:require("certificate_checks");
local program = host:require("program");
local read = host:require("certificate_read");
local request = host:require("certificate_request");

local scope = { fqdn = "xmpp.contoso.com"; hosts = { "contoso.com" }; to_ascii = function (name) return name; end };

local function plan(words, other)
	local parsed = assert(arguments.parse(words, request.kinds));
	return request.plan(parsed, other or scope);
end

describe("certificate arguments", function ()
	local kinds = { now = "flag"; csr = "value"; san = "list"; timeout = 60 };
	it("takes values both ways, lists, flags and the rest", function ()
		assert.same({ now = true; csr = "x"; san = { "a"; "b" }; "contoso.com" },
			arguments.parse({ "--now"; "--csr"; "x"; "--san=a"; "contoso.com"; "--san"; "b" }, kinds));
		assert.same({ timeout = 1.5; "-)" }, arguments.parse({ "--timeout", "1.5", "-)" }, kinds));
		assert.same({ csr = "a=b" }, arguments.parse({ "--csr=a=b" }, kinds));
	end);
	for _, case in ipairs {
		{ { "--colour" }; "Unexpected argument: --colour" }; { { "-n" }; "Unexpected argument: -n" };
		{ { "--csr" }; "--csr needs a value" }; { { "--csr=" }; "--csr needs a value" };
		{ { "--timeout", "0" }; "--timeout wants seconds, 1 to 60, not 0" }; { { "--" }; "Unexpected argument: --" };
		{ { "--timeout=61" }; "--timeout wants seconds, 1 to 60, not 61" }; { { "a"; "b"; "c" }; "Unexpected argument: c" };
		{ { "--timeout=nan" }; "--timeout wants seconds, 1 to 60, not nan" };
		{ { "--now=1" }; "--now takes no value" }; { { "--csr=a", "--csr=b" }; "--csr is given twice" };
	} do
		it("refuses "..table.concat(case[1], " "), function ()
			assert.same({ nil; case[2] }, { arguments.parse(case[1], kinds, 2) });
		end);
	end
end);

describe("certificate request", function ()
	for _, case in ipairs {
		{ { "--key-type", "dsa" }; "--key-type dsa: not a type; write rsa or ec" };
		{ { "--key-length", "1024" }; "--key-length 1024: not a length of rsa keys; write 2048, 3072 or 4096" };
		{ { "--key-length", "2048", "--key-type", "ec" };
			"--key-length 2048: not a length of ec keys; write 256 (P-256) or 384 (P-384)" };
		{ { "--key-length", "big" }; "--key-length big: not a length of rsa keys; write 2048, 3072 or 4096" };
		{ { "--passphrase-file", "x" }; "--passphrase-file: is for an export copy of the key; say --exportable as well" };
		{ { "--country", "Germany" }; "--country Germany: longer than 2 characters; write a shorter one" };
		{ { "--country", "D1" }; "--country D1: not a country; write its two letters, as in \"DE\"" };
		{ { "--organization", ("x"):rep(65) }; "--organization "..("x"):rep(65)
			..": longer than 64 characters; write a shorter one" };
		{ { "--city", "a\nCN = evil" };
			"--city: not plain text (UTF-8, no control characters, no space at the ends)" };
		{ { "--unit", "\xff" }; "--unit: not plain text (UTF-8, no control characters, no space at the ends)" };
		{ { "--san", "not a name" };
			"--san not a name: not a host name; write a full name as in \"xmpp.contoso.com\"" };
		{ { "--san", "a.*.com" }; "--san a.*.com: not a host name; write a full name as in \"xmpp.contoso.com\"" };
		{ { "--friendly-name", "../x" }; "--friendly-name ../x: it becomes a file name; write up to 100 bytes without "
			.."\"/\", not beginning with \".\" or \"-\"" };
		{ { "--template", "a\tb" };
			"--template: not a template's name; write what Get-CATemplate shows, up to 64 characters" };
		{ { "--days", "3" }; "--days: is for --now; else the CA decides" };
		{ { "--days", "0", "--now" }; "--days 0: not in the range; write 1 to 825" };
		{ { "--role", "all" }; "--role all: not a role; write bridge (towards the Access Edge) or s2s (towards partners), "
			.."or leave it out: one certificate for both" };
	} do
		it("refuses "..table.concat(case[1], " "):gsub("%c", "?"):sub(1, 60), function ()
			assert.same({ nil; case[2] }, { plan(case[1]) });
		end);
	end

	it("has the names of the wizard: bridge, sip.domain of each domain, each domain, then the others", function ()
		local more = { fqdn = "xmpp.contoso.com"; hosts = { "contoso.com", "fabrikam.de" }; to_ascii = scope.to_ascii };
		assert.same({ "xmpp.contoso.com"; "sip.contoso.com"; "contoso.com"; "sip.fabrikam.de"; "fabrikam.de"; "im.contoso.com";
			"*.contoso.com" }, plan({ "--san", "IM.contoso.com", "--san", "*.contoso.com", "--san", "contoso.com" }, more).names);
		assert.same({ "xmpp.contoso.com"; "sip.contoso.com"; "sip.fabrikam.de" }, plan({ "--role", "bridge" }, more).names);
		local s2s = plan({ "--role", "s2s" }, more);
		assert.same({ "contoso.com"; "fabrikam.de" }, s2s.names);
		assert.equal("contoso.com", s2s.cn);
		assert.same({ "--san *.contoso.com: Lync takes no wildcard for a name; partners may" },
			plan({ "--san", "*.contoso.com" }).warnings);
		assert.equal("other.contoso.com", plan({ "--subject", "other.contoso.com" }).names[4]);
	end);

	it("has A-labels for a domain with others", function ()
		local to_ascii = require "util.encodings".idna.to_ascii;
		local names = plan({}, { fqdn = "xmpp.contoso.com"; hosts = { "münchen.example" }; to_ascii = to_ascii }).names;
		assert.same({ "xmpp.contoso.com"; "sip.xn--mnchen-3ya.example"; "xn--mnchen-3ya.example" }, names);
	end);
end);

describe("a request that openssl has made", function ()
	local directory;
	setup(function ()
		directory = os.tmpname();
		os.remove(directory);
		assert(os.execute("mkdir -m 700 '"..directory.."'"));
	end);
	teardown(function () os.execute("rm -r '"..directory.."'"); end);

	local function run(argv)
		local ok, output = program.run(argv);
		assert.is_true(ok, output);
		return output;
	end

	-- Files, and the request as openssl shows it.
	local function made(words)
		local made_plan = assert(plan(words));
		local base = directory.."/it's "..new_id();
		local files = { key = base..".key"; config = base..".cnf"; csr = base..".csr"; certificate = base..".pem";
			export = base..".p8"; passphrase = base..".pass" };
		local file = assert(io.open(files.config, "w"));
		file:write(request.config(made_plan));
		file:close();
		run(request.key_command(made_plan, files));
		run(request.csr_command(made_plan, files));
		local text = run { "openssl"; "req"; "-in"; files.csr; "-noout"; "-text"; "-verify"; "-nameopt";
			"utf8,sep_comma_plus_space" };
		assert.is_truthy(text:find("self-signature verify OK", 1, true), text);
		return text, files, made_plan;
	end

	local function has(text, piece)
		assert.is_truthy(text:find(piece, 1, true), piece.."\nis not in\n"..text);
	end

	it("has the defaults: RSA 2048, SHA-256, names, uses", function ()
		local text, files = made {};
		has(text, "Subject: CN=xmpp.contoso.com\n");
		has(text, "Public-Key: (2048 bit)");
		has(text, "Public Key Algorithm: rsaEncryption");
		has(text, "Signature Algorithm: sha256WithRSAEncryption");
		has(text, "X509v3 Subject Alternative Name: \n                    DNS:xmpp.contoso.com, DNS:sip.contoso.com, "
			.."DNS:contoso.com\n");
		has(text, "X509v3 Extended Key Usage: \n                    TLS Web Server Authentication, TLS Web Client "
			.."Authentication\n");
		has(text, "X509v3 Key Usage: critical\n                    Digital Signature, Key Encipherment\n");
		has(text, "X509v3 Basic Constraints: critical\n                    CA:FALSE\n");
		assert.is_nil(text:find("311.20.2", 1, true));
		local facts = read.request(files.csr);
		assert.same({ "xmpp.contoso.com"; "sip.contoso.com"; "contoso.com" }, facts.names);
		assert.same({ "rsa"; 2048; "CN=xmpp.contoso.com"; true; true },
			{ facts.key_type; facts.key_bits; facts.subject; facts.usage.server; facts.usage.client });
		assert.equal(read.public_key(files.key), facts.public_key);
	end);

	it("has the whole subject, with every character", function ()
		local text, files = made { "--organization", [[A "B" $HOME # c\d, e+f; 'g' = `h`]]; "--unit", "Büro für IT";
			"--country", "de"; "--state", "Bayern"; "--city", "München"; "--subject", "gw.contoso.com" };
		has(text, [[Subject: C=DE, ST=Bayern, L=München, O=A "B" $HOME # c\d, e+f; 'g' = `h`, OU=Büro für IT, CN=gw.contoso.com]]);
		has(text, "DNS:xmpp.contoso.com, DNS:sip.contoso.com, DNS:contoso.com, DNS:gw.contoso.com\n");
		has(read.request(files.csr).subject, "L=München");
	end);

	for _, case in ipairs {
		{ { "--key-length", "3072" }; "Public-Key: (3072 bit)"; "rsaEncryption" };
		{ { "--key-length", "4096" }; "Public-Key: (4096 bit)"; "rsaEncryption" };
		{ { "--key-type", "ec" }; "ASN1 OID: prime256v1"; "id-ecPublicKey" };
		{ { "--key-type", "ec", "--key-length", "384" }; "ASN1 OID: secp384r1"; "id-ecPublicKey" };
	} do
		it("has the key that is wanted: "..table.concat(case[1], " "), function ()
			local text = made(case[1]);
			has(text, case[2]);
			has(text, case[3]);
			assert.equal(case[3] == "rsaEncryption", text:find("Key Encipherment", 1, true) ~= nil);
		end);
	end

	for _, name in ipairs { "WebServer", "Lync Edge, extern", "Büro-Server", ("x"):rep(64) } do
		it("names a Microsoft template: "..name, function ()
			local text, files = made { "--template", name; "--key-type", "ec" };
			has(text, "1.3.6.1.4.1.311.20.2:");
			assert.equal(name, read.request(files.csr).template);
			has(run { "openssl"; "asn1parse"; "-in"; files.csr; "-strparse";
				(run { "openssl"; "asn1parse"; "-in"; files.csr }:match("311%.20%.2\n%s*(%d+):")) }, "BMPSTRING");
		end);
	end

	it("is self-signed with --now, and its key exported under the passphrase alone", function ()
		local _, files, made_plan = made { "--key-type", "ec"; "--now"; "--days", "10"; "--exportable"; "--passphrase-file",
			"x" };
		local file = assert(io.open(files.passphrase, "w"));
		file:write("correct horse\n");
		file:close();
		run(request.now_command(made_plan, files));
		run(request.export_command(made_plan, files));
		local facts = assert(read.file(files.certificate))[1];
		assert.equal(facts.subject, facts.issuer);
		assert.equal(10 * 86400, facts.not_after - facts.not_before);
		assert.same({ "xmpp.contoso.com"; "sip.contoso.com"; "contoso.com" }, facts.names);
		assert.is_true(facts.usage.server and facts.usage.client);
		assert.is_nil((read.public_key(files.export)));
		assert.equal(facts.public_key, run { "openssl"; "pkey"; "-in"; files.export; "-passin"; "file:"..files.passphrase;
			"-pubout" });
		has(run { "openssl"; "asn1parse"; "-in"; files.export }, "aes-256-cbc");
		assert.is_false((program.run { "openssl"; "pkey"; "-in"; files.export; "-passin"; "pass:wrong"; "-noout" }));
	end);

	it("leaves nothing to the shell", function ()
		local ok, output = program.run { "printf"; "%s|"; "a b"; "$(id)"; "`id`"; "it's"; "; id"; "" };
		assert.is_true(ok);
		assert.equal("a b|$(id)|`id`|it's|; id||", output);
		assert.is_false((program.run { "false" }));
	end);
end);

describe("the checks of a certificate", function ()
	local DAY, NOW = 86400, 1790000000;

	local function facts(more)
		local result = { subject = "CN=xmpp.contoso.com"; issuer = "CN=CA"; key_type = "rsa"; key_bits = 2048;
			signature = "RSA-SHA256"; names = { "xmpp.contoso.com"; "sip.contoso.com"; "contoso.com" };
			usage = { server = true; client = true; text = "both" }; not_before = NOW - DAY; not_after = NOW + 100 * DAY };
		function result.is_for(name)
			for _, known in ipairs(result.names) do
				if known == name then return true; end
			end
			return false;
		end
		for key, value in pairs(more or {}) do result[key] = value ~= "none" and value or nil; end
		return result;
	end

	local function given(more, others)
		local leaf = facts(more);
		local result = { leaf = leaf; chain = { leaf }; key = { path = "/k" }; roles = { bridge = true; s2s = true };
			fqdn = "xmpp.contoso.com"; domains = { { host = "contoso.com"; ascii = "contoso.com" } }; now = NOW;
			trust = { ok = true; by = "the system's CAs" } };
		for key, value in pairs(others or {}) do result[key] = value; end
		return result;
	end

	local function findings(...)
		local lines = {};
		for i, finding in ipairs((checks.run(given(...)))) do
			lines[i] = finding.level.." "..finding.check..": "..finding.text;
		end
		return lines;
	end

	local function contains(lines, wanted)
		for _, line in ipairs(lines) do
			if line == wanted then return; end
		end
		error(("%s\nis not in\n%s"):format(wanted, table.concat(lines, "\n")), 2);
	end

	it("says what is right", function ()
		assert.same({ "ok key: fits /k (RSA 2048 bits)"; "ok strength: RSA 2048 bits, signed with RSA-SHA256";
			"ok names: xmpp.contoso.com, contoso.com, sip.contoso.com"; "ok usage: server and client authentication";
			"ok dates: valid until "..host:require("expiry").date(NOW + 100 * DAY).." (100 days)";
			"ok chain: 1 certificate(s), trusted by the system's CAs" }, findings());
	end);

	local until_text = host:require("expiry").date(NOW + 10 * DAY);
	for _, case in ipairs {
		{ { names = { "contoso.com" } }; nil; "error names: xmpp.contoso.com is not in subjectAltName (there: contoso.com): "
			.."the Access Edge would refuse us; ask for a new certificate" };
		{ { names = { "*.contoso.com"; "contoso.com" } }; nil; "error names: xmpp.contoso.com is not in subjectAltName (there: "
			.."*.contoso.com, contoso.com): the Access Edge would refuse us; ask for a new certificate" };
		{ { names = { "xmpp.contoso.com" } }; nil; "error names: contoso.com is not in subjectAltName (there: xmpp.contoso.com"
			.."): partners would refuse us; ask for a new certificate, or import this one with --role bridge" };
		{ { names = { "xmpp.contoso.com"; "contoso.com" } }; nil; "warning names: sip.contoso.com is not in subjectAltName "
			.."(there: xmpp.contoso.com, contoso.com): only needed where others find us by the DNS" };
		{ { names = {} }; nil; "error names: xmpp.contoso.com is not in subjectAltName (there: nothing): the Access Edge would "
			.."refuse us; ask for a new certificate" };
		{ { usage = { server = true; text = "S" } }; nil; "error usage: not for client authentication (there: S): the Access "
			.."Edge would refuse us where we connect to it; ask for both, or import it with --role s2s" };
		{ { usage = { server = true; text = "S" } }; { roles = { s2s = true } }; "warning usage: not for client authentication "
			.."(there: S): partners may refuse us where we connect to them" };
		{ { usage = { client = true; text = "C" } }; nil; "error usage: not for server authentication (there: C): ask for "
			.."server and client authentication" };
		{ { usage = "none" }; nil; "error usage: no extended key usage: ask for server and client authentication" };
		{ { usage = { any = true; text = "any" } }; nil; "ok usage: server and client authentication" };
		{ { not_after = NOW }; nil; "error dates: the certificate has expired at "..host:require("expiry").date(NOW)
			.."; ask the CA for a new one" };
		{ { not_before = NOW + 1 }; nil; "error dates: the certificate is not valid before "..host:require("expiry").date(NOW + 1)
			.."; import it then, or set the clock right" };
		{ { not_after = NOW + 10 * DAY }; nil; "warning dates: valid until "..until_text..", that is only 10 day(s)" };
		{ { not_after = "none" }; nil; "error dates: the certificate: its dates cannot be read" };
		{ { key_bits = 1024 }; nil; "error strength: the certificate: its key is weak (RSA 1024 bits), at least 2048 are needed;"
			.." make a new request" };
		{ { key_type = "ec"; key_bits = 224 }; nil; "error strength: the certificate: its key is weak (EC 224 bits), at least "
			.."256 are needed; make a new request" };
		{ { key_type = "unknown" }; nil; "error strength: the certificate: its key is of a kind that Lync does not know "
			.."(unknown); ask for rsa or ec" };
		{ { signature = "RSA-SHA1" }; nil; "error strength: the certificate: its signature is weak (RSA-SHA1); ask the CA for "
			.."SHA-256" };
		{ { signature = "ecdsa-with-SHA1" }; nil; "error strength: the certificate: its signature is weak (ecdsa-with-SHA1); "
			.."ask the CA for SHA-256" };
		{ {}; { key = false; keys_tried = 3 }; "error key: fits none of the 3 key(s) here; import the certificate on the server "
			.."that made the request, or name its key with --key FILE" };
		{ {}; { trust = { by = "T"; reason = "unable to get local issuer certificate" } }; "error chain: broken: CN=CA is "
			.."neither in the file nor in T; add an intermediate certificate with --chain FILE, or name the root with --cafile "
			.."FILE" };
		{ { issuer = "CN=xmpp.contoso.com" }; { trust = { by = "T"; reason = "self-signed certificate" } }; "error chain: "
			.."self-signed, and not in T; for a test, name the certificate itself with --cafile FILE" };
		{ {}; { trust = { by = "T"; reason = "CA md too weak" } }; "error chain: openssl refuses it (T): CA md too weak" };
		{ {}; { trust = { ok = true; by = "T"; missing = "CN = middle" } }; "error chain: CN = middle is in T but not in the "
			.."file, so peers do not get it; add it with --chain FILE" };
	} do
		it("finds: "..case[3]:sub(1, 70), function () contains(findings(case[1], case[2]), case[3]); end);
	end

	it("looks at the chain's certificates, too", function ()
		local middle = facts { subject = "CN=middle"; not_after = NOW - 1; key_bits = 1024 };
		local leaf = facts();
		local lines = findings(nil, { leaf = leaf; chain = { leaf; middle } });
		contains(lines, "error dates: CN=middle has expired at "..host:require("expiry").date(NOW - 1).."; ask the CA for a new one");
		contains(lines, "error strength: CN=middle: its key is weak (RSA 1024 bits), at least 2048 are needed; make a new "
			.."request");
	end);

	it("puts the chain in order, without the root and without strangers", function ()
		local leaf, middle = { subject = "leaf"; issuer = "middle" }, { subject = "middle"; issuer = "root" };
		local root, stranger = { subject = "root"; issuer = "root" }, { subject = "x"; issuer = "root" };
		assert.same({ { leaf; middle }; root }, { checks.order(leaf, { root; stranger; middle; leaf }) });
		assert.same({ { leaf } }, { checks.order(leaf, { leaf; stranger }) });
		assert.same({ { root } }, { checks.order(root, { root }) });
		local a, b = { subject = "a"; issuer = "b" }, { subject = "b"; issuer = "a" };
		assert.is_true(#(checks.order(a, { a; b })) < 20);
	end);
end);

describe("files of certificates", function ()
	local files, directory = host:require("certificate_files"), nil;
	before_each(function ()
		directory = os.tmpname();
		os.remove(directory);
		assert(os.execute("mkdir -m 700 '"..directory.."'"));
	end);
	after_each(function () os.execute("rm -r '"..directory.."'"); end);

	local function names()
		local list = files.list(directory, "^(.*)$");
		local hidden = io.popen("ls -A '"..directory.."' | wc -l"):read("n");
		assert.equal(#list, hidden, "something is left over");
		return list;
	end

	it("are all there, with their modes and backups", function ()
		assert(files.write(directory.."/a.key", "old", "0640"));
		local backups = assert(files.install({ { path = directory.."/a.key"; bytes = "new"; mode = "0600" },
			{ path = directory.."/b.crt"; bytes = "crt"; mode = "0644" } }, 0));
		assert.same({ directory.."/a.key.bkp~19700101T000000Z"; false }, backups);
		assert.same({ "new"; "crt"; "old" }, { files.read(directory.."/a.key"); files.read(directory.."/b.crt");
			files.read(backups[1]) });
		assert.same({ "0600"; "0644"; "0640" }, { files.mode(directory.."/a.key"); files.mode(directory.."/b.crt");
			files.mode(backups[1]) });
		assert.same({ "a.key"; "a.key.bkp~19700101T000000Z"; "b.crt" }, names());
		assert.equal(directory.."/a.key.bkp~19700101T000000Z-2",
			assert(files.install({ { path = directory.."/a.key"; bytes = "newer"; mode = "0600" } }, 0))[1]);
	end);

	it("are as they were when one cannot be written", function ()
		assert(files.write(directory.."/a.key", "old", "0640"));
		assert(os.execute("mkdir '"..directory.."/d'"));
		for _, wrong in ipairs { directory.."/nowhere/x"; directory.."/d" } do -- at the first step, at the last
			local ok, err = files.install({ { path = directory.."/a.key"; bytes = "new"; mode = "0600" },
				{ path = directory.."/b.crt"; bytes = "crt"; mode = "0644" }, { path = wrong; bytes = "x"; mode = "0600" } }, 0);
			assert.is_nil(ok);
			assert.is_string(err);
			assert.same({ "a.key"; "d" }, names());
			assert.equal("old", files.read(directory.."/a.key"));
			assert.equal("0640", files.mode(directory.."/a.key"));
		end
	end);

	it("have backups that Prosody does not take for certificates", function ()
		assert.equal("/x/full-chain.pem.bkp~19700101T000000Z", files.backup_name("/x/fullchain.pem", 0));
	end);

	it("say what is in the way", function ()
		assert.is_nil(files.obstacle(directory.."/new.crt"));
		assert.equal(directory.."/no: no such directory; make it, or correct the path",
			files.obstacle(directory.."/no/x.crt"));
		local lfs = require "lfs";
		local attributes = lfs.attributes;
		function lfs.attributes() return nil, "cannot obtain information: Permission denied", 13; end -- root may go anywhere
		local text = files.obstacle(directory.."/x.crt");
		lfs.attributes = attributes;
		assert.equal(directory..": Prosody's user, who prosodyctl is now, may not go there; write to another directory (as in "
			.."/tmp), or run it as root: prosodyctl --root mod_lync_gateway certificate …", text);
		os.execute("ln -s /nonexistent '"..directory.."/link.crt'");
		assert.equal(directory.."/link.crt is a symbolic link to /nonexistent: something else manages it; remove the link, or "
			.."import there", files.obstacle(directory.."/link.crt"));
	end);

	it("of a user are read by nobody else on the way", function ()
		files.with_mode("0600", function ()
			local file = io.open(directory.."/x", "w");
			file:close();
		end);
		assert.equal("0600", files.mode(directory.."/x"));
		local seen;
		files.in_private(function (path) seen = path; return files.write(path.."/y", "", "0600"); end);
		assert.is_false(files.exists(seen));
	end);
end);

describe("where certificates go", function ()
	local locations, command, env;
	setup(function ()
		rawset(_G, "prosody", { paths = { config = "/etc/prosody" } });
		locations, command = host:require("certificate_locations"), host:require("command");
	end);
	teardown(function () rawset(_G, "prosody", nil); end);

	local function configured(hosts, global)
		env = { config = { ["*"] = global or {} } };
		local settings = {};
		for name, bridge in pairs(hosts) do
			env.config[name] = { component_module = "lync_gateway"; lync_bridge_certificate = bridge.named };
			settings[name] = bridge;
		end
		env.load = function (name)
			local bridge = settings[name];
			return { bridge = function () return bridge; end }, bridge.fqdn and {}
				or { { key = "lync_bridge_fqdn"; text = name..": bad name" } };
		end;
	end

	local function targets(roles, name)
		local found = assert(locations.scope(env, command, name));
		local lines = {};
		for i, target in ipairs(locations.targets(env, found, roles)) do
			lines[i] = ("%s %s %s"):format(table.concat(target.roles, "+"), target.certificate, target.key);
		end
		return lines;
	end

	it("is Prosody's directory, by name, for all domains of the bridge", function ()
		configured { ["b.com"] = { fqdn = "x.com" }; ["a.com"] = { fqdn = "x.com" } };
		local all = { "bridge x.com /etc/prosody/certs/x.com.crt /etc/prosody/certs/x.com.key";
			"s2s a.com /etc/prosody/certs/a.com.crt /etc/prosody/certs/a.com.key";
			"s2s b.com /etc/prosody/certs/b.com.crt /etc/prosody/certs/b.com.key" };
		assert.same(all, targets { bridge = true; s2s = true });
		assert.same(all, targets({ bridge = true; s2s = true }, "b.com"));
		assert.same({ all[1] }, targets { bridge = true });
		assert.same({ all[2]; all[3] }, targets { s2s = true });
	end);

	it("is one place for a bridge that is called as its domain", function ()
		configured({ ["a.com"] = { fqdn = "a.com" } }, { certificates = "/srv/tls/" });
		assert.same({ "bridge a.com+s2s a.com /srv/tls/a.com.crt /srv/tls/a.com.key" }, targets { bridge = true; s2s = true });
	end);

	it("is what the host or the global section names for the bridge", function ()
		local named = { certificate = "c"; key = "k" };
		configured { ["a.com"] = { fqdn = "x.com"; certificate = "/c"; key = "/k"; named = named } };
		assert.same({ "bridge x.com /c /k" }, targets { bridge = true });
		configured({ ["a.com"] = { fqdn = "x.com"; certificate = "/c"; key = "/k" } }, { lync_bridge_certificate = named });
		assert.same({ "bridge x.com /c /k" }, targets { bridge = true });
		configured({ ["a.com"] = { fqdn = "x.com"; certificate = "/found"; key = "/k"; named = { cafile = "ca" } } });
		assert.same({ "bridge x.com /etc/prosody/certs/x.com.crt /etc/prosody/certs/x.com.key" }, targets { bridge = true });
	end);

	it("is asked for where there are several bridges", function ()
		configured { ["b.com"] = { fqdn = "y.com" }; ["a.com"] = { fqdn = "x.com" } };
		assert.same({ nil; "there are several bridges, say one of its hosts: x.com (a.com), y.com (b.com)" },
			{ locations.scope(env, command) });
		assert.same({ "s2s b.com /etc/prosody/certs/b.com.crt /etc/prosody/certs/b.com.key" },
			targets({ s2s = true }, "b.com"));
	end);

	it("is nowhere without a bridge's name", function ()
		configured { ["a.com"] = {} };
		assert.same({ nil; "a.com: bad name" }, { locations.scope(env, command, "a.com") });
	end);
end);
