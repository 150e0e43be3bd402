-- The TLS of a stream to a partner as Prosody would do it, without its event loop; what the certificate says.
-- SPDX-License-Identifier: MIT

local resolve_relative_path = require "util.paths".resolve_relative_path;

local certificates = module:require "certificates";
local locations = module:require "certificate_locations";
local peer = module:require "peer_tls";
local read = module:require "certificate_read";

local prosody = prosody;

local oid_subjectaltname = "2.5.29.17";
local path_keys = { "certificate", "key", "cafile", "capath" };

-- To learn what a server speaks that speaks nothing we take.
local ANYTHING = { mode = "client"; protocol = "any"; options = { "all" }; verify = "none";
	ciphers = "ALL:@SECLEVEL=0" };

local tls = {};

-- What mod_tls wants of a partner's certificate: to look at it, whatever it is.
local LOOK = { verify = { "peer", "client_once" }; verifyext = { "lsec_continue", "lsec_ignore_purpose" } };

-- LuaSec parameters of a host's outgoing streams, as mod_tls makes them; or nil and why not.
function tls.parameters(host)
	local parameters, err = locations.tls_of(host, LOOK);
	if not parameters or err then return nil, err; end
	for _, key in ipairs(path_keys) do
		if type(parameters[key]) == "string" then
			parameters[key] = resolve_relative_path(prosody.paths.config or ".", parameters[key]);
		end
	end
	parameters.dhparam = nil; -- a server's
	return parameters;
end

-- parameters: nil for the probe -> socket | nil, why not
function tls.start(sock, parameters, name, timeout)
	return peer.handshake(sock, parameters or ANYTHING, name, timeout);
end

local function common_name(names)
	local last;
	for _, entry in ipairs(names or {}) do
		if entry.name == "commonName" then return entry.value; end
		last = entry.value;
	end
	return last;
end

-- seconds since 1970, "2026-11-25"; or nil and the text as it is
local function date_of(text)
	local time = read.time(text);
	return time, time and os.date("!%Y-%m-%d", time) or text;
end

local function names_of(cert)
	local names = {};
	for _, values in pairs(cert:extensions()[oid_subjectaltname] or {}) do
		for _, value in ipairs(type(values) == "table" and values or {}) do
			names[#names+1] = tostring(value);
		end
	end
	table.sort(names);
	return names;
end

-- sock: after the handshake -> { status = as of certificates.of, version, cipher, subject, issuer, … }
function tls.describe(sock, domain)
	local info, cert = sock:info(), sock:getpeercertificate();
	local found = { version = info.protocol; cipher = info.cipher };
	local session = {};
	if cert then
		local valid, errors = sock:getpeerverification();
		session.cert_chain_status, session.cert_chain_errors = valid and "valid" or "invalid", errors;
	end
	certificates.take(session, cert);
	found.status = certificates.of(session, domain);
	if not cert then return found; end
	if cert.setencode then cert:setencode("utf8"); end
	found.names, found.subject, found.issuer = names_of(cert), common_name(cert:subject()), common_name(cert:issuer());
	found.expires, found.not_after = date_of(cert:notafter());
	local _;
	_, found.not_before = date_of(cert:notbefore());
	return found;
end

return tls;
