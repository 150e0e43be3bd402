-- Real certificates, and what OpenSSL says of them over real TLS.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module"; -- Prosody's libraries
local CA = require "spec.support.ca";
local Loop = require "spec.support.loop";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local stream = require "spec.support.stream";
local ssl = require "ssl";

local certificates = support.lib("certificates");
local BUECHER, A_LABEL = "bücher.example", "xn--bcher-kva.example";
local DAY = 86400;

-- subjectAltName in DER, in hexadecimal: with one dNSName, or one id-on-xmppAddr, of any bytes.
local function der(tag, content)
	return string.char(tag, #content)..content;
end
local function san_der(name)
	return (der(0x30, name):gsub(".", function (c) return ("%02X"):format(c:byte()); end));
end
local function dns_name(name)
	return san_der(der(0x82, name));
end
local function xmpp_address(name)
	return san_der(der(0xA0, "\x06\x08\x2B\x06\x01\x05\x05\x07\x08\x05"..der(0xA0, der(0x0C, name))));
end

-- name -> options of CA:issue, domains that it is good for, domains that it is not good for
local names = {
	["a domain"] = { { names = { "fabrikam.com" } }, { "fabrikam.com", "Fabrikam.COM" },
		{ "na.fabrikam.com", "com", "xfabrikam.com", "fabrikam.com.evil.com", "fabrikam" } };
	["several domains"] = { { names = { "other.com", "FABRIKAM.com" } }, { "fabrikam.com", "other.com" }, { "third.com" } };
	["a wildcard"] = { { names = { "*.fabrikam.com" } }, { "na.fabrikam.com", "NA.Fabrikam.com" },
		{ "fabrikam.com", "x.na.fabrikam.com", "nafabrikam.com" } };
	["a wildcard in a label"] = { { names = { "x*.fabrikam.com", "*x.fabrikam.com", "x*y.fabrikam.com" } }, {},
		{ "xa.fabrikam.com", "ax.fabrikam.com", "xay.fabrikam.com", "x.fabrikam.com" } };
	["a wildcard further on"] = { { names = { "na.*.com", "*.*.com", "*" } }, {},
		{ "na.fabrikam.com", "fabrikam.com", "com" } };
	["an SRV name"] = { { srv = { "_xmpp-server.fabrikam.com" } }, { "fabrikam.com" }, { "na.fabrikam.com", "other.com" } };
	["an SRV name with a wildcard"] = { { srv = { "_xmpp-server.*.fabrikam.com" } }, { "na.fabrikam.com" }, { "fabrikam.com" } };
	["SRV names of other services"] = { { srv = { "_xmpp-client.fabrikam.com", "_sip.fabrikam.com", "fabrikam.com" } }, {},
		{ "fabrikam.com" } };
	["an XMPP address"] = { { xmpp = { "fabrikam.com" }, cn = "x" }, { "fabrikam.com" }, { "na.fabrikam.com" } };
	["an XMPP address with a user"] = { { xmpp = { "romeo@fabrikam.com" }, cn = "x" }, {}, { "fabrikam.com", "romeo@fabrikam.com" } };
	["a common name alone"] = { { cn = "fabrikam.com" }, {}, { "fabrikam.com" } };
	["a common name beside another domain"] = { { cn = "fabrikam.com", names = { "other.com" } }, { "other.com" },
		{ "fabrikam.com" } };
	["a common name beside an address"] = { { cn = "fabrikam.com", addresses = { "192.0.2.1" } }, {},
		{ "fabrikam.com", "192.0.2.1" } };
	["an international domain"] = { { names = { A_LABEL } }, { BUECHER, A_LABEL }, { "bucher.example" } };
	["an international SRV name"] = { { srv = { "_xmpp-server."..A_LABEL } }, { BUECHER }, {} };
	["an international XMPP address"] = { { san_der = xmpp_address(BUECHER) }, { BUECHER, "BÜCHER.example" }, { "bucher.example" } };
	["a name with a zero in it"] = { { san_der = dns_name("fabrikam.com\0.evil.com") }, {},
		{ "fabrikam.com", "evil.com", ".evil.com" } };
	["a name that is none"] = { { san_der = dns_name("") }, {}, { "fabrikam.com", "" } };
};

describe("certificates", function ()
	local loop, ca, issued;
	setup(function ()
		loop = Loop.new();
		ca = CA.new(process.directory(loop, "ca"));
		issued = {};
	end);
	teardown(function () loop:close(); end);

	local function issue(options)
		issued[#issued+1] = true;
		return ca:issue("c"..#issued, options);
	end

	local function load(cert)
		local f = assert(io.open(cert.cert));
		local loaded = assert(ssl.loadcertificate(f:read("a")));
		f:close();
		return loaded;
	end

	-- A stream whose certificate has a good chain.
	local function shown(cert)
		local session = { cert_chain_status = "valid" };
		certificates.take(session, cert);
		return session;
	end

	describe("of a good chain", function ()
		for name, case in pairs(names) do
			it("with "..name, function ()
				local session = shown(load(issue(case[1])));
				for _, domain in ipairs(case[2]) do
					assert.equal("valid", certificates.of(session, domain), domain);
				end
				for _, domain in ipairs(case[3]) do
					assert.equal("wrong-name", certificates.of(session, domain), domain);
				end
			end);
		end

		it("is read once for each domain", function ()
			local cert = load(issue { names = { "fabrikam.com" } });
			local reads = 0;
			local session = shown { extensions = function ()
				reads = reads + 1;
				return cert:extensions();
			end };
			for _ = 1, 3 do
				assert.equal("valid", certificates.of(session, "fabrikam.com"));
			end
			local once = reads;
			assert.equal("valid", certificates.of(session, "fabrikam.com"));
			assert.equal(once, reads);
			assert.equal("wrong-name", certificates.of(session, "other.com"));
			assert.is_true(reads > once);
		end);

		it("that cannot be read is nobody's", function ()
			local session = shown { extensions = function () error("boom"); end };
			assert.equal("wrong-name", certificates.of(session, "fabrikam.com"));
		end);

		it("may be for servers only", function ()
			for _, usage in ipairs { "serverAuth", "clientAuth" } do
				assert.equal("valid", certificates.of(shown(load(issue { names = { "fabrikam.com" }, usage = usage })), "fabrikam.com"));
			end
		end);
	end);

	describe("of a stream", function ()
		it("is not known in clear text, and missing when none was shown", function ()
			assert.equal("unknown", certificates.of({}, "fabrikam.com"));
			assert.equal("missing", certificates.of(shown(nil), "fabrikam.com"));
		end);

		it("corrects what Prosody thinks of the name", function ()
			local cert = load(issue { cn = "fabrikam.com" });
			local session = { cert_chain_status = "valid"; cert_identity_status = "valid" };
			certificates.take(session, cert, "fabrikam.com");
			assert.equal("invalid", session.cert_identity_status);
			session = { cert_chain_status = "valid"; cert_identity_status = "invalid" };
			certificates.take(session, load(issue { xmpp = { "fabrikam.com" } }), "fabrikam.com");
			assert.equal("valid", session.cert_identity_status);
			session = { cert_chain_status = "invalid"; cert_identity_status = "valid" };
			certificates.take(session, load(issue { names = { "fabrikam.com" } }), "fabrikam.com");
			assert.equal("invalid", session.cert_identity_status);
		end);

		it("leaves the question open while there is no domain", function ()
			local session = { cert_chain_status = "valid" };
			certificates.take(session, load(issue { names = { "fabrikam.com" } }), nil);
			assert.is_nil(session.cert_identity_status);
			assert.equal("valid", certificates.of(session, "fabrikam.com"));
		end);

		it("runs out", function ()
			local session = shown(load(issue { names = { "fabrikam.com" } }));
			assert.is_false(certificates.expired(session, os.time()));
			assert.is_false(certificates.expired(session, os.time() + 29 * DAY));
			assert.is_true(certificates.expired(session, os.time() + 31 * DAY));
			assert.is_false(certificates.expired(shown(nil), os.time()));
			assert.is_false(certificates.expired({}, os.time()));
		end);
	end);

	describe("of a bad chain", function ()
		local function problem(errors)
			local session = { cert_chain_status = "invalid"; cert_chain_errors = errors };
			certificates.take(session, {});
			return certificates.of(session, "fabrikam.com");
		end

		-- 0.12: [depth + 1] = list of texts; 13.0 may give one text
		for _, case in ipairs {
			{ "expired", { { "certificate has expired" } } };
			{ "expired", "certificate has expired" };
			{ "expired", { {}, { "certificate has expired" } } };
			{ "expired", { { "unable to get local issuer certificate", "certificate has expired" } } };
			{ "not-yet", { { "certificate is not yet valid" } } };
			{ "not-yet", "certificate is not yet valid" };
			{ "self-signed", { { "self signed certificate" } } };
			{ "self-signed", { { "self-signed certificate" } } };
			{ "self-signed", "self-signed certificate" };
			{ "self-signed", "Self-Signed Certificate" };
			{ "untrusted", { {}, { "self-signed certificate in certificate chain" } } };
			{ "untrusted", "self-signed certificate in certificate chain" };
			{ "untrusted", { [2] = { "self-signed certificate" } } };
			{ "untrusted", { { "unable to get local issuer certificate", "unable to verify the first certificate" } } };
			{ "untrusted", { { "certificate revoked" } } };
			{ "untrusted", { "something else" } };
			{ "untrusted", "no matching DANE TLSA records" };
			{ "untrusted", {} };
			{ "untrusted", nil };
			{ "untrusted", 5 };
		} do
			it(("%s: %s"):format(case[1], type(case[2]) == "table" and "a table" or tostring(case[2])), function ()
				assert.equal(case[1], problem(case[2]));
			end);
		end

		-- As mod_s2s_auth_certs asks LuaSec.
		local function over_tls(cert)
			local accepted, ready;
			local ip = ports.address("certificates");
			local listener = stream.listen(loop, ip, 5269, { tls = cert:tls("server", { lax = true }) }, function (conn)
				accepted = conn;
			end);
			local client = ca.client:tls("client", { lax = true; cafile = ca.file });
			local conn = stream.connect(loop, ip, 5269, { tls = client });
			conn.on_open = function () ready = true; end;
			loop:wait(function () return ready and accepted; end, 5, "TLS");
			local session = {};
			local valid, errors = conn.sock:getpeerverification();
			session.cert_chain_status, session.cert_chain_errors = valid and "valid" or "invalid", errors;
			certificates.take(session, conn.sock:getpeercertificate());
			conn:close();
			accepted:close();
			listener:close();
			return certificates.of(session, "fabrikam.com");
		end

		it("and of a good one, by OpenSSL itself", function ()
			ca.client = ca:issue("client", { names = { "contoso.com" } });
			local wrong = ca:wrong_ones("p", { "fabrikam.com" });
			for expected, cert in pairs { valid = ca:issue("good", { names = { "fabrikam.com" } }); expired = wrong.expired;
				["not-yet"] = wrong["not-yet"]; ["self-signed"] = wrong["self-signed"]; untrusted = wrong.foreign;
				["wrong-name"] = wrong["wrong-name"] } do
				assert.equal(expected, over_tls(cert));
			end
			assert.equal("wrong-name", over_tls(wrong["cn-only"]));
		end);
	end);
end);
