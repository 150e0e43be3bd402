-- The parts of `check` that need no machine: report, OPTIONS, certificates' dates and texts, worker and storage.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local json = require "util.json";

local fake = {};
function fake:require(name) return support.lib(name, self); end
local report = fake:require "check_report";
local edge = fake:require "check_edge";
local certificate = fake:require "check_certificate";
local read = fake:require "certificate_read";
local worker = fake:require "check_worker";
local probe = fake:require "peer_tls";

describe("a report", function ()
	local function filled()
		local r = report.new();
		r:add("contoso.com", { level = "ok"; section = "dns"; id = "srv"; text = "fine" });
		r:add("contoso.com", { level = "error"; section = "edge"; id = "edge-name"; text = "wrong\27[31m\nname"; remedy = "do it";
			key = "lync_access_edge"; value = '"x"' });
		r:add("contoso.com", { level = "info"; section = "prosody"; id = "smacks"; text = "\194\155hm" });
		r:add(report.SERVER, { level = "warning"; section = "worker"; id = "worker"; text = ("ä"):rep(400) });
		return r;
	end

	it("is lines for people, without a peer's control characters", function ()
		local lines = {};
		filled():print(function (line) lines[#lines + 1] = line; end, 1);
		assert.same({ "contoso.com"; "  ok       dns            fine"; "  error    edge           wrong?[31m?name; do it";
			"  info     prosody        ?hm"; "This server"; "  warning  worker         "..("ä"):rep(300).."…";
			"1 host(s) checked, 2 finding(s): 1 error(s), 1 warning(s)" }, lines);
	end);

	it("is an object for machines, the same each time", function ()
		local text = filled():json(1, { version = "0.1.0"; time = 0; offline = true });
		assert.equal(text, filled():json(1, { version = "0.1.0"; time = 0; offline = true }));
		local object = assert(json.decode(text));
		assert.same({ format = 1; version = "0.1.0"; time = "1970-01-01T00:00:00Z"; offline = true; status = 1;
			summary = { hosts = 1; errors = 1; warnings = 1; infos = 1; ok = 1 } }, { format = object.format;
			version = object.version; time = object.time; offline = object.offline; status = object.status;
			summary = object.summary });
		assert.same({ level = "error"; section = "edge"; check = "edge-name"; text = "wrong?[31m?name"; remedy = "do it";
			key = "lync_access_edge"; value = '"x"' }, object.hosts[1].findings[2]);
		assert.equal("*", object.hosts[2].host);
	end);

	it("has a list of hosts even when there is none", function ()
		assert.is_truthy(report.new():json(0, { version = "0"; time = 0 }):find('"hosts":[]', 1, true));
		assert.same({ format = 1; status = 1; error = "no" }, json.decode(report.json_error("no")));
	end);
end);

describe("OPTIONS", function ()
	it("is what the worker sends", function ()
		assert.equal(table.concat({ "OPTIONS sip:sip.contoso.com SIP/2.0"; "Via: SIP/2.0/TLS xmpp.contoso.com:5061;branch=z9hG4bKid";
			"Max-Forwards: 70"; "From: <sip:xmpp.contoso.com>;tag=id"; "To: <sip:sip.contoso.com>"; "Call-ID: lg-check-id";
			"CSeq: 1 OPTIONS"; "User-Agent: lync-gateway/0.1.0"; "ms-x: unverified%"; "Content-Length: 0" }, "\r\n").."\r\n\r\n",
			edge.options { edge = "sip.contoso.com"; bridge = "xmpp.contoso.com"; port = 5061; version = "0.1.0"; id = "id";
				verification = "ms-x: %s%" });
		local without = edge.options { edge = "a"; bridge = "b"; port = 1; version = "0"; id = "i"; verification = false };
		assert.is_nil(without:find("ms-", 1, true));
	end);

	local function answer(status, more)
		return "SIP/2.0 "..status.."\r\nCALL-ID: lg-check-id\r\n"..(more or "").."Content-Length: 0\r\n\r\n";
	end

	it("has an answer among other things", function ()
		assert.is_nil(edge.parse("", "id"));
		assert.is_nil(edge.parse(answer("200 OK"):sub(1, -2), "id"));
		assert.is_nil(edge.parse(answer("100 Trying"), "id"));
		assert.is_nil(edge.parse(answer("200 OK"), "other"));
		assert.same({ status = 200; reason = "OK" }, edge.parse(answer("100 Trying")..answer("200 OK"), "id"));
		assert.same({ status = 200; reason = "" }, edge.parse("\r\n\r\n"..answer("200"), "id"));
		assert.same({ status = 200; reason = "OK" }, edge.parse("SIP/2.0 200 OK\r\ni: lg-check-id\r\n\r\n", "id"));
		assert.same({ status = 403; reason = "Forbidden"; diagnostics = '1011;reason="no"' },
			edge.parse(answer("403 Forbidden", 'ms-diagnostics: 1011;reason="no"\r\n'), "id"));
		assert.is_nil(edge.parse(("x"):rep(10000), "id"));
	end);

	local PARAMS = { edge = "sip.contoso.com"; version = "0"; listen_port = 5061; id = "id";
		address = "192.0.2.20"; port = 5061; bridge = "xmpp.contoso.com"; timeout = 5;
		now = 0; judge_dates = function () end };
	local function judged(status, reason)
		local facts = { connect = true; named = true; answer = { status = status; reason = reason };
			tls = { done = true; verified = true; errors = {}; version = "TLSv1.2"; cipher = "C"; chain = { { not_after = "later";
				issuer = "CA"; names = { "sip.contoso.com" } } } } };
		local findings = edge.judge(facts, PARAMS);
		return findings[#findings].level;
	end

	it("is answered well or badly", function ()
		assert.same({ "ok", "info", "info", "warning", "error", "warning" }, { judged(200, "OK"), judged(405, ""), judged(404, ""),
			judged(403, ""), judged(503, ""), judged(504, "") });
	end);

	it("says what an alert means", function ()
		local function said(text, token)
			local finding = edge.judge({ connect = true; tls = { done = false; token = token or "alert"; text = text } }, PARAMS)[1];
			return finding.id.." "..finding.text:match("5061%): (.*)$");
		end
		assert.equal("edge-refuses it does not trust the CA of our certificate (tlsv1 alert unknown ca)",
			said("tlsv1 alert unknown ca"));
		assert.equal("edge-refuses it does not offer TLS 1.2 or later (tlsv1 alert protocol version)",
			said("tlsv1 alert protocol version"));
		assert.equal("edge-refuses it says that our certificate has expired (sslv3 alert certificate expired)",
			said("sslv3 alert certificate expired"));
		assert.equal("edge-refuses it does not accept our certificate (sslv3 alert bad certificate)",
			said("sslv3 alert bad certificate"));
		assert.equal("edge-refuses it ends the handshake (tlsv1 alert internal error)", said("tlsv1 alert internal error"));
		assert.equal("edge-tls no TLS 1.2 or later: unsupported protocol", said("unsupported protocol", "protocol"));
		assert.equal("edge-tls no TLS handshake: the connection was closed", said("the connection was closed", "closed"));
	end);

	-- A library peer_tls that does what it is told; log: what it was asked.
	local function peer(does)
		local log = {};
		local lib = {};
		local function note(name, ...) log[#log + 1] = name; return ...; end
		function lib.connect() if does.connect then return note("connect", nil, "refused", "refused"); end return note("connect", {}); end
		function lib.tls() return note("tls", { done = does.done ~= false; token = "alert"; text = "alert one"; chain = { {} };
			verified = does.verified ~= false; errors = {} }); end
		function lib.names() return does.named ~= false; end
		function lib.ask() return note("ask", table.unpack(does.ask or {}, 1, 3)); end
		function lib.listen() return note("listen", does.alert); end
		function lib.close() note("close"); end
		return lib, log;
	end

	it("is asked of nobody who is not the Access Edge", function ()
		for _, does in ipairs { { verified = false }, { named = false } } do
			local lib, log = peer(does);
			assert.is_nil(edge.look(PARAMS, { probe = lib }).answer);
			assert.same({ "connect", "tls", "listen", "close" }, log);
		end
		local lib, log = peer {};
		assert.equal("revoked", edge.look(PARAMS, { probe = lib; crl = function () return "revoked"; end }).revoked);
		assert.same({ "connect", "tls", "listen", "close" }, log);
	end);

	it("may lose the peer's alert with the connection, which is then heard on another", function ()
		local params = setmetatable({ id = "id" }, { __index = PARAMS });
		local lib, log = peer { ask = { nil, "closed", "closed" }; alert = "tlsv1 alert unknown ca" };
		assert.same({ token = "alert"; text = "tlsv1 alert unknown ca" }, edge.look(params, { probe = lib }).answer);
		assert.same({ "connect", "tls", "ask", "close", "connect", "tls", "listen", "close" }, log);
		lib = peer { ask = { nil, "closed", "closed" } };
		assert.same({ token = "closed"; text = "closed" }, edge.look(params, { probe = lib }).answer);
		lib, log = peer { ask = { nil, "timeout", "no answer" }; alert = "never asked for" };
		assert.same({ token = "timeout"; text = "no answer" }, edge.look(params, { probe = lib }).answer);
		assert.same({ "connect", "tls", "ask", "close" }, log);
	end);

	it("tells when TLS 1.3 is wanted and not there", function ()
		local params = setmetatable({ min_tls = "1.3" }, { __index = PARAMS });
		local facts = { connect = true; named = false; tls = { done = true; verified = true; errors = {}; version = "TLSv1.2";
			cipher = "C"; chain = { { not_after = "later"; issuer = "CA"; names = {} } } } };
		assert.equal('write min_tls = "1.2"', edge.judge(facts, params)[2].remedy);
	end);
end);

describe("a certificate", function ()
	local DAY = 86400;

	it("has dates", function ()
		assert.equal(0, read.time("Jan  1 00:00:00 1970 GMT"));
		assert.equal(951782400, read.time("Feb 29 00:00:00 2000 GMT"));
		assert.equal(1798675199, read.time("Dec 30 23:59:59 2026 GMT") - 0);
		assert.equal(4102444800, read.time("Jan  1 00:00:00 2100 GMT"));
		assert.is_nil(read.time("tomorrow"));
		for _ = 1, 200 do
			local t = math.random(0, 4102444800);
			assert.equal(t, read.time((os.date("!%b %d %H:%M:%S %Y GMT", t):gsub(" 0(%d) ", "  %1 "))));
		end
	end);

	it("is told about 30, 7 and 1 days before its end, the first only if it lives long", function ()
		local function said(left, life)
			local now = 1790000000;
			local function text(t) return os.date("!%b %d %H:%M:%S %Y GMT", t); end
			local finding = certificate.judge_dates({ not_before = text(now + left - life); not_after = text(now + left) }, now);
			return finding and finding.level.." "..finding.id or nil;
		end
		assert.is_nil(said(31 * DAY, 365 * DAY));
		assert.equal("warning expires", said(29 * DAY, 365 * DAY));
		assert.equal("info expires", said(29 * DAY, 90 * DAY));
		assert.equal("warning expires", said(6 * DAY, 90 * DAY));
		assert.equal("error expires", said(DAY - 1, 90 * DAY));
		assert.equal("error expired", said(0, 90 * DAY));
		assert.equal("error not-yet-valid", said(90 * DAY, 89 * DAY));
	end);

	it("is read from openssl's text", function ()
		assert.same({ algorithm = "rsaEncryption"; bits = 2048; signature = "sha256WithRSAEncryption";
			usage = { text = "TLS Web Server Authentication, TLS Web Client Authentication"; any = false; server = true;
				client = true } },
			certificate.parse_text("Certificate:\n    Data:\n        Signature Algorithm: sha256WithRSAEncryption\n"
				.."        Subject Public Key Info:\n            Public Key Algorithm: rsaEncryption\n"
				.."                Public-Key: (2048 bit)\n            X509v3 Extended Key Usage: \n"
				.."                TLS Web Server Authentication, TLS Web Client Authentication\n"));
		assert.same({}, certificate.parse_text("nonsense"));
		assert.is_nil(certificate.parse_text("Certificate:\n        Subject: CN=X509v3 Extended Key Usage:,O=x\n"
			.."        Subject Public Key Info:\n").usage);
		assert.same({ code = 20; depth = 0; text = "unable to get local issuer certificate" }, certificate.parse_verify(
			"CN = x\nerror 20 at 0 depth lookup: unable to get local issuer certificate\nerror x.crt: verification failed\n"));
	end);

	it("names a domain in subjectAltName, or not at all", function ()
		local function said(names)
			local cert = { extensions = function () return { ["2.5.29.17"] = { dNSName = names } }; end;
				subject = function () return { { oid = "2.5.4.3"; name = "commonName"; value = "contoso.com" } }; end };
			return (certificate.domain_names("contoso.com") { cert = cert; names = names });
		end
		assert.is_nil(said { "contoso.com" });
		assert.equal("error", said { "sip.contoso.com" });
		assert.equal("error", said {}); -- a stream to us asks the same
		assert.equal("error", said { "*.com" });
	end);

	it("names hosts by whole names", function ()
		local function names(list, cn) return probe.names({ names = list; cn = cn }, "SIP.contoso.com"); end
		assert.is_true(names({ "a.example", "sip.contoso.com" }));
		assert.is_false(names({ "*.contoso.com" }));
		assert.is_false(names({ "a.example" }, "sip.contoso.com"));
		assert.is_true(names({}, "sip.contoso.com"));
		assert.is_false(names({}));
	end);
end);

describe("words of LuaSocket and OpenSSL", function ()
	it("become tokens", function ()
		local expected = { wantread = "timeout"; timeout = "timeout"; ["connection refused"] = "refused"; closed = "closed";
			["Connection reset by peer"] = "closed"; ["tlsv1 alert unknown ca"] = "alert"; ["wrong version number"] = "protocol";
			["No route to host"] = "unreachable"; ["Network is unreachable"] = "unreachable" };
		for text, word in pairs(expected) do assert.equal(word, (probe.token(text)), text); end
	end);
end);

describe("worker and storage", function ()
	it("are told about", function ()
		local function said(facts) return worker.judge_worker(facts)[1].text; end
		assert.equal("sipbridge-worker: no such file", said {});
		assert.equal("/w: no such file", said { path = "/w"; found = false });
		assert.equal("/w: Prosody's user may not execute it", said { path = "/w"; found = true; executable = false });
		assert.equal("/w: does not start: other version", said { path = "/w"; found = true; executable = true;
			reason = "other version" });
		assert.equal("/w starts and speaks version 1", said { path = "/w"; found = true; executable = true; started = true;
			core_version = "1" });
		assert.equal("error", worker.judge_storage({ opened = false; error = "no" })[1].level);
		assert.equal("warning", worker.judge_storage({ opened = true; driver = "memory" })[1].level);
		assert.equal("ok", worker.judge_storage({ opened = true; driver = "sql" })[1].level);
	end);
end);
