-- Certificates and requests as tables: LuaSec where it knows, openssl for purposes and requests.
-- SPDX-License-Identifier: MIT

local load_certificate = require "ssl.x509".load;
local parse_time = require "util.datetime".parse;

local certificates = module:require "certificates";
local program = module:require "program";

local read = {};

local oid_subjectaltname = "2.5.29.17";

local months = { Jan = 1; Feb = 2; Mar = 3; Apr = 4; May = 5; Jun = 6; Jul = 7; Aug = 8; Sep = 9; Oct = 10; Nov = 11;
	Dec = 12 };

-- "Dec 31 09:37:37 2030 GMT" -> seconds since 1970, or nil
function read.time(text)
	local month, day, clock, year = tostring(text):match("^(%a+) +(%d+) (%d+:%d+:%d+) (%d+) GMT$");
	if not months[month] then return nil; end
	return parse_time(("%04d-%02d-%02dT%sZ"):format(year, months[month], day, clock));
end

local short = { commonName = "CN"; organizationName = "O"; organizationalUnitName = "OU"; countryName = "C";
	stateOrProvinceName = "ST"; localityName = "L"; emailAddress = "E"; domainComponent = "DC" };

-- A subject or issuer for people; what is in it came from outside.
local function distinguished(parts)
	local words = {};
	for i, part in ipairs(parts) do
		words[i] = ("%s=%s"):format(short[part.name] or part.name or part.oid, (part.value:gsub("%c", "?")));
	end
	return #words > 0 and table.concat(words, ", ") or "(empty)";
end

-- Of a text that openssl prints: the names of purposes.
function read.usage(text)
	local line = ("\n"..text):match("\n *X509v3 Extended Key Usage:[^\n]*\n +([^\n]+)");
	if not line then return nil; end
	return { text = line; any = line:find("Any Extended Key Usage", 1, true) ~= nil;
		server = line:find("TLS Web Server Authentication", 1, true) ~= nil;
		client = line:find("TLS Web Client Authentication", 1, true) ~= nil };
end

-- All blocks of a kind ("CERTIFICATE") in a text.
function read.blocks(text, kind)
	local blocks, open, close = {}, "-----BEGIN "..kind.."-----", "-----END "..kind.."-----";
	local at = 1;
	while true do
		local from = text:find(open, at, true);
		local _, to = text:find(close, from or #text + 1, true);
		if not to then return blocks; end
		blocks[#blocks+1] = text:sub(from, to).."\n";
		at = to + 1;
	end
end

-- What openssl knows alone.
local function add_purposes(facts)
	local ok, output = program.with_file(facts.pem, function (path)
		return program.run { "openssl"; "x509"; "-in"; path; "-noout"; "-ext"; "extendedKeyUsage,basicConstraints" };
	end);
	facts.usage = ok and read.usage(output) or nil;
	facts.is_ca = ok and output:find("CA:TRUE", 1, true) ~= nil;
end

-- Host names of subjectAltName, for people, too.
local function host_names(cert)
	if cert.setencode then cert:setencode("utf8"); end
	local names = {};
	for i, name in ipairs((cert:extensions()[oid_subjectaltname] or {}).dNSName or {}) do
		names[i] = name:lower():gsub("[^%g]", "?");
	end
	return names;
end

-- PEM of one certificate -> facts, or nil
function read.certificate(pem)
	local cert = load_certificate(pem);
	if not cert then return nil; end
	local key, key_type, key_bits = cert:pubkey();
	local facts = {
		pem = pem; public_key = key; key_type = key_type:lower(); key_bits = key_bits; names = host_names(cert);
		subject = distinguished(cert:subject()); issuer = distinguished(cert:issuer()); serial = cert:serial();
		not_before = read.time(cert:notbefore()); not_after = read.time(cert:notafter());
		signature = cert:getsignaturename(); fingerprint = cert:digest("sha256"):upper();
	};
	function facts.is_for(domain)
		return certificates.names(cert, domain);
	end
	add_purposes(facts);
	return facts;
end

-- The end of the first certificate in a file, by LuaSec alone: for the running server -> seconds since 1970 | nil, why
function read.ends(path)
	local file, err = io.open(path, "rb");
	if not file then return nil, err; end
	local block = read.blocks(file:read("a") or "", "CERTIFICATE")[1];
	file:close();
	local cert = block and load_certificate(block);
	if not cert then return nil, path..": no certificate in it"; end
	return read.time(cert:notafter());
end

local conversions = {
	{ "x509"; "-inform"; "DER" }; { "pkcs7"; "-print_certs"; "-inform"; "DER" }; { "pkcs7"; "-print_certs" };
};

-- A file as a CA gives it: PEM, DER or PKCS #7 (.cer, .p7b) -> list of facts, or nil and why
function read.file(path)
	local file, err = io.open(path, "rb");
	if not file then return nil, err; end
	local text = file:read("a");
	file:close();
	if not text then return nil, path..": cannot be read"; end -- a directory
	local blocks = read.blocks(text, "CERTIFICATE");
	for _, conversion in ipairs(conversions) do
		if #blocks > 0 then break; end
		local ok, output = program.run { "openssl"; conversion[1]; "-in"; path; table.unpack(conversion, 2) };
		blocks = ok and read.blocks(output, "CERTIFICATE") or blocks;
	end
	local list = {};
	for i, block in ipairs(blocks) do
		list[i] = read.certificate(block);
		if not list[i] then return nil, ("%s: certificate %d in it cannot be read"):format(path, i); end
	end
	if #list == 0 then return nil, path..": no certificate in it (PEM, DER or PKCS #7)"; end
	return list;
end

-- The public half of a key's file, or nil and why. A passphrase is not asked for: the servers could not either.
function read.public_key(path)
	local ok, output = program.run { "openssl"; "pkey"; "-in"; path; "-passin"; "pass:"; "-pubout" };
	local blocks = ok and read.blocks(output, "PUBLIC KEY") or {};
	if not blocks[1] then return nil, "not a private key without a passphrase, or not readable"; end
	return blocks[1];
end

-- The key itself, as the servers want it (PEM), or nil.
function read.private_key(path)
	local ok, output = program.run { "openssl"; "pkey"; "-in"; path; "-passin"; "pass:" };
	return ok and read.blocks(output, "PRIVATE KEY")[1] or nil;
end

-- The name in the extension of Microsoft's templates, a BMPString, or nil.
local function template_of(path)
	local ok, output = program.run { "openssl"; "asn1parse"; "-in"; path };
	local hex = ok and output:match("1%.3%.6%.1%.4%.1%.311%.20%.2\n[^\n]*%[HEX DUMP%]:(%x+)");
	local utf16 = hex and (hex:match("^1E81%x%x(%x*)") or hex:match("^1E%x%x(%x*)"));
	return utf16 and (utf16:gsub("%x%x%x%x", function (unit) return utf8.char(tonumber(unit, 16)); end):gsub("%c", "?"));
end

-- A request's file -> { subject, names, public_key, key, usage, template }, or nil and why
function read.request(path)
	local ok, output = program.run { "openssl"; "req"; "-in"; path; "-noout"; "-text"; "-pubkey"; "-verify"; "-nameopt";
		"utf8,esc_ctrl,sep_comma_plus_space" };
	if not ok then return nil, program.reason(output); end
	local facts = {
		names = {}; usage = read.usage(output); public_key = read.blocks(output, "PUBLIC KEY")[1];
		subject = output:match("Subject: ([^\n]*)") or "(empty)"; template = template_of(path);
		key_type = ({ rsaEncryption = "rsa"; ["id-ecPublicKey"] = "ec" })[output:match("Public Key Algorithm: (%S+)")]
			or "other";
		key_bits = tonumber(output:match("Public%-Key: %((%d+) bit"));
		signature = output:match("Signature Algorithm: (%S+)");
	};
	local names = output:match("Subject Alternative Name:[^\n]*\n([^\n]*)") or "";
	for name in names:gmatch("DNS:([^,%s]+)") do
		facts.names[#facts.names+1] = name;
	end
	return facts;
end

return read;
