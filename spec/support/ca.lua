-- ca.lua: a throw-away certification authority, by the openssl command, in a directory of its own.
-- SPDX-License-Identifier: MIT
--
--	local ca = CA.new(directory)			-- ca.file: its certificate (PEM)
--	local edge = ca:issue("edge", { names = { "sip.contoso.com" } })	-- edge.cert, edge.key (PEM files)
--	stream.listen(loop, ip, 5061, { tls = edge:tls("server") }, …)
--
-- Options of issue: names (SAN dNSName), addresses (SAN IP), cn (default: first name), xmpp (SAN id-on-xmppAddr list),
-- srv (SAN SRVName list), san = false (CN only), san_der (the whole SAN in DER, hexadecimal), usage ("serverAuth,clientAuth"
-- unless said), expired = true, not_yet = true, valid_for = seconds from now, revoked = true (then in ca.crl), key ("ec" |
-- "rsa:2048").
-- CA.self_signed(directory, name, options). ca:sign(csr, name, options): what others have asked for.

local CA = {};
CA.__index = CA;
local Certificate = {};
Certificate.__index = Certificate;

local CONFIG = [[
[ca]
default_ca = lab
[lab]
database = %s/index.txt
new_certs_dir = %s/issued
serial = %s/serial
crlnumber = %s/crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = optional
[req]
distinguished_name = name
prompt = no
[name]
]];

local function quote(text)
	return "'" .. tostring(text):gsub("'", "'\\''") .. "'";
end

local function run(format, ...)
	local command = string.format(format, ...) .. " 2>&1";
	local f = assert(io.popen(command));
	local output = f:read("a");
	if not f:close() then error("openssl failed: " .. command .. "\n" .. output, 3); end
end

local function write(path, text)
	local f = assert(io.open(path, "w"));
	f:write(text);
	f:close();
	return path;
end

local function new_key(path, kind)
	if kind and kind:match("^rsa:") then
		run("openssl genrsa -out %s %d", quote(path), kind:match("%d+"));
	else
		run("openssl ecparam -name prime256v1 -genkey -noout -out %s", quote(path));
	end
	return path;
end

local function extensions(options)
	local lines, san = { "basicConstraints = critical, CA:FALSE" }, {};
	lines[#lines + 1] = "keyUsage = critical, digitalSignature, keyEncipherment";
	lines[#lines + 1] = "extendedKeyUsage = " .. (options.usage or "serverAuth,clientAuth");
	for _, name in ipairs(options.names or {}) do san[#san + 1] = "DNS:" .. name; end
	for _, ip in ipairs(options.addresses or {}) do san[#san + 1] = "IP:" .. ip; end
	for _, jid in ipairs(options.xmpp or {}) do san[#san + 1] = "otherName:1.3.6.1.5.5.7.8.5;UTF8:" .. jid; end
	for _, srv in ipairs(options.srv or {}) do san[#san + 1] = "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:" .. srv; end
	if options.san_der then
		lines[#lines + 1] = "subjectAltName = DER:" .. options.san_der;
	elseif #san > 0 and options.san ~= false then
		lines[#lines + 1] = "subjectAltName = " .. table.concat(san, ",");
	end
	return table.concat(lines, "\n") .. "\n";
end

local function period(options)
	local day, now = 86400, os.time();
	local from, to = now - day, now + 30 * day;
	if options.expired then from, to = now - 20 * day, now - day; end
	if options.not_yet then from, to = now + day, now + 20 * day; end
	if options.valid_for then to = now + options.valid_for; end
	return string.format("-startdate %s -enddate %s", os.date("!%Y%m%d%H%M%SZ", from), os.date("!%Y%m%d%H%M%SZ", to));
end

--- LuaSec parameters of this certificate for a role ("server" or "client"). more: overrides. The peer's certificate is
-- demanded and verified against the CA; with more.lax it is asked for, but anything is taken (for tests that look).
function Certificate:tls(mode, more)
	local parameters = { mode = mode, protocol = "any", options = { "all", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
		key = self.key, certificate = self.cert, cafile = self.ca, verify = { "peer", "fail_if_no_peer_cert" } };
	for key, value in pairs(more or {}) do parameters[key] = value; end
	if more and more.lax then
		parameters.verify, parameters.verifyext, parameters.lax = { "peer" }, { "lsec_continue" }, nil;
	end
	return parameters;
end

local function certificate(directory, name, ca_file)
	return setmetatable({ name = name, ca = ca_file, key = directory .. "/" .. name .. ".key",
		cert = directory .. "/" .. name .. ".crt" }, Certificate);
end

--- A new CA in directory (created). name: its CN.
function CA.new(directory, name)
	run("mkdir -p %s", quote(directory .. "/issued"));
	local self = setmetatable({ directory = directory, file = directory .. "/ca.crt", key = directory .. "/ca.key",
		crl = directory .. "/ca.crl", config = directory .. "/ca.cnf" }, CA);
	write(self.config, (CONFIG:gsub("%%s", (directory:gsub("%%", "%%%%")))));
	write(directory .. "/index.txt", "");
	write(directory .. "/serial", "1000\n");
	write(directory .. "/crlnumber", "01\n");
	new_key(self.key);
	run("openssl req -x509 -config %s -key %s -days 30 -subj %s -addext basicConstraints=critical,CA:TRUE "
		.. "-addext keyUsage=critical,keyCertSign,cRLSign -out %s", quote(self.config), quote(self.key),
		quote("/CN=" .. (name or "Throw-away test CA")), quote(self.file));
	self:write_crl();
	return self;
end

--- Issue a certificate into <directory>/<name>.crt and .key (readable by everyone: it is worth nothing).
function CA:issue(name, options)
	options = options or {};
	local cert = certificate(self.directory, name, self.file);
	local base = self.directory .. "/" .. name;
	local cn = options.cn or (options.names or {})[1] or (options.xmpp or {})[1] or name;
	new_key(cert.key, options.key);
	write(base .. ".ext", extensions(options));
	run("openssl req -new -config %s -key %s -subj %s -out %s", quote(self.config), quote(cert.key),
		quote("/CN=" .. cn), quote(base .. ".csr"));
	run("openssl ca -batch -notext -config %s -cert %s -keyfile %s -in %s -extfile %s %s -out %s", quote(self.config),
		quote(self.file), quote(self.key), quote(base .. ".csr"), quote(base .. ".ext"), period(options), quote(cert.cert));
	run("chmod 644 %s", quote(cert.key));
	if self.chain then
		run("cat %s >>%s", quote(self.chain), quote(cert.cert));
		cert.ca = self.root;
	end
	if options.revoked then self:revoke(cert); end
	return cert;
end

--- Sign a request's file: what it asks for, or with options as of issue that instead. -> the certificate's path.
function CA:sign(csr, name, options)
	local base = self.directory .. "/" .. name;
	if not options then
		run("openssl x509 -req -in %s -CA %s -CAkey %s -CAcreateserial -days 90 -copy_extensions copyall -out %s", quote(csr),
			quote(self.file), quote(self.key), quote(base .. ".crt"));
	else
		write(base .. ".ext", extensions(options));
		run("openssl ca -batch -notext -config %s -cert %s -keyfile %s -in %s -extfile %s %s -out %s", quote(self.config),
			quote(self.file), quote(self.key), quote(csr), quote(base .. ".ext"), period(options), quote(base .. ".crt"));
	end
	return base .. ".crt";
end

--- A CA whose certificate this one issues: what it issues is trusted by who trusts this one, if the chain is sent; it is.
-- extensions: of its certificate, as openssl wants them, for one that should not be a CA.
function CA:intermediate(name, extensions_text)
	local sub = CA.new(self.directory .. "/" .. name, name);
	local base = sub.directory .. "/chain";
	write(base .. ".ext", extensions_text or "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n");
	run("openssl req -new -config %s -key %s -subj %s -out %s", quote(sub.config), quote(sub.key), quote("/CN=" .. name),
		quote(base .. ".csr"));
	run("openssl ca -batch -notext -config %s -cert %s -keyfile %s -in %s -extfile %s -out %s", quote(self.config),
		quote(self.file), quote(self.key), quote(base .. ".csr"), quote(base .. ".ext"), quote(base .. ".crt"));
	sub.chain, sub.root = base .. ".crt", self.file;
	return sub;
end

--- Revoke a certificate and write the CRL anew (ca.crl).
function CA:revoke(cert)
	run("openssl ca -config %s -cert %s -keyfile %s -revoke %s", quote(self.config), quote(self.file), quote(self.key),
		quote(cert.cert));
	self:write_crl();
end

function CA:write_crl()
	run("openssl ca -gencrl -config %s -cert %s -keyfile %s -out %s", quote(self.config), quote(self.file),
		quote(self.key), quote(self.crl));
end

--- A certificate that nobody vouches for. Options as of issue. ca_file: whom its TLS parameters trust.
function CA.self_signed(directory, name, options, ca_file)
	local cert = certificate(directory, name, ca_file);
	run("mkdir -p %s", quote(directory));
	new_key(cert.key, options.key);
	cert.ca = ca_file or cert.cert;
	local san = {};
	for _, dns in ipairs(options.names or {}) do san[#san + 1] = "DNS:" .. dns; end
	run("openssl req -x509 -key %s -days 30 -subj %s -addext subjectAltName=%s -out %s", quote(cert.key),
		quote("/CN=" .. (options.cn or options.names[1])), quote(table.concat(san, ",")), quote(cert.cert));
	run("chmod 644 %s", quote(cert.key));
	return cert;
end

--- The set of wrong certificates that TLS tests walk through: name -> certificate, all for these DNS names but "wrong-name".
function CA:wrong_ones(prefix, names)
	local foreign = CA.new(self.directory .. "/" .. prefix .. "-foreign", "Foreign test CA");
	local foreign_cert = foreign:issue(prefix .. "-foreign", { names = names });
	foreign_cert.ca = self.file;
	return {
		["expired"] = self:issue(prefix .. "-expired", { names = names, expired = true });
		["not-yet"] = self:issue(prefix .. "-not-yet", { names = names, not_yet = true });
		["wrong-name"] = self:issue(prefix .. "-wrong-name", { names = { "wrong.example" } });
		["cn-only"] = self:issue(prefix .. "-cn-only", { names = names, san = false });
		["server-only"] = self:issue(prefix .. "-server-only", { names = names, usage = "serverAuth" });
		["client-only"] = self:issue(prefix .. "-client-only", { names = names, usage = "clientAuth" });
		["revoked"] = self:issue(prefix .. "-revoked", { names = names, revoked = true });
		["foreign"] = foreign_cert;
		["self-signed"] = CA.self_signed(self.directory, prefix .. "-self-signed", { names = names }, self.file);
	};
end

return CA;
