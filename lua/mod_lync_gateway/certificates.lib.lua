-- What a stream's certificate says about a domain, as the core's word for it.
-- SPDX-License-Identifier: MIT
--
-- The chain is OpenSSL's verdict, which mod_s2s_auth_certs leaves on the session. The identity is asked again: it is
-- taken from subjectAltName alone, for each domain that wants to use the stream (Prosody asks once per stream, takes a
-- common name for an identity on 0.12, and overlooks id-on-xmppAddr when it is asked for "xmpp-server").

local verify_identity = require "util.x509".verify_identity;

local certificates = {};

local oid_subjectaltname = "2.5.29.17";

-- What OpenSSL says, the more telling before.
local reasons = {
	{ "certificate has expired", "expired" }; { "certificate is not yet valid", "not-yet" };
};

-- session.cert_chain_errors: [depth + 1] = list of texts (or, on later versions, one text)
local function chain_problem(errors)
	if type(errors) ~= "table" then
		errors = { { tostring(errors or "") } };
	end
	for depth, texts in pairs(errors) do
		for _, text in ipairs(type(texts) == "table" and texts or {}) do
			for _, reason in ipairs(reasons) do
				if text:find(reason[1], 1, true) then return reason[2]; end
			end
			if depth == 1 and text:lower():find("^self[ -]signed certificate$") then
				return "self-signed";
			end
		end
	end
	return "untrusted";
end

-- Names without wildcards that stand for a whole top-level domain ("*.com").
local function narrow(names)
	local kept = {};
	for _, name in ipairs(names) do
		local below = type(name) == "string" and name:match("%*%.([^.]*)%.?$");
		if not below then
			kept[#kept+1] = name;
		end
	end
	return kept;
end

-- The certificate as verify_identity sees it: names of subjectAltName alone. Its subject 0.12 takes for a name where
-- subjectAltName has none that it knows (an address, say).
local function names_of(cert)
	if cert.setencode then
		cert:setencode("utf8");
	end
	local names = {};
	for kind, values in pairs(cert:extensions()[oid_subjectaltname] or {}) do
		names[kind] = type(values) == "table" and narrow(values) or values;
	end
	return { extensions = function () return { [oid_subjectaltname] = names }; end; subject = function () return {}; end };
end

-- Does it name an XMPP domain? cert: of LuaSec
function certificates.names(cert, domain)
	local ok, verified = pcall(function ()
		return verify_identity(domain, "_xmpp-server", names_of(cert));
	end);
	return ok and verified == true;
end

local function judge(session, domain)
	local cert = session.lync_cert;
	if cert == false then return "missing"; end
	if not cert then return "unknown"; end
	if session.cert_chain_status ~= "valid" then
		return chain_problem(session.cert_chain_errors);
	end
	return certificates.names(cert, domain) and "valid" or "wrong-name";
end

-- TLS is up: keep the certificate, and tell Prosody's modules what counts here.
function certificates.take(session, cert, domain)
	session.lync_cert, session.lync_certs = cert or false, {};
	if domain then
		session.cert_identity_status = certificates.of(session, domain) == "valid" and "valid" or "invalid";
	end
end

-- "unknown" | "valid" | "missing" | "expired" | "not-yet" | "self-signed" | "untrusted" | "wrong-name"
function certificates.of(session, domain)
	local known = session.lync_certs;
	if not known then return "unknown"; end
	known[domain] = known[domain] or judge(session, domain);
	return known[domain];
end

-- Has it run out since? time: seconds since 1970
function certificates.expired(session, time)
	local cert = session.lync_cert;
	return cert ~= nil and cert ~= false and not cert:validat(time);
end

return certificates;
