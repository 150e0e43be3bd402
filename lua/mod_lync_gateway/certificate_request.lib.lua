-- What a certificate is asked for with: arguments -> a plan, a plan -> openssl's configuration and arguments. Pure.
-- SPDX-License-Identifier: MIT

local locations = module:require "certificate_locations";

local request = {};

request.kinds = {
	["friendly-name"] = "value"; ["key-type"] = "value"; ["key-length"] = "value"; exportable = "flag";
	["passphrase-file"] = "value"; organization = "value"; unit = "value"; country = "value"; state = "value";
	city = "value"; subject = "value"; san = "list"; template = "value"; csr = "value"; now = "flag"; days = "value";
	role = "value"; overwrite = "flag";
};

local lengths = {
	rsa = { default = 2048; [2048] = true; [3072] = true; [4096] = true; words = "2048, 3072 or 4096" };
	ec = { default = 256; [256] = "P-256"; [384] = "P-384"; words = "256 (P-256) or 384 (P-384)" };
};

-- Of the subject, in the order they stand in: option, name in the configuration, longest (X.520), what it is.
local subject_parts = {
	{ "country", "C", 2 }; { "state", "ST", 128 }; { "city", "L", 128 }; { "organization", "O", 64 };
	{ "unit", "OU", 64 }; { "subject", "CN", 64 };
};

local DAYS_MAX = 825;

local function is_printable(text)
	return utf8.len(text) ~= nil and not text:find("%c") and text:match("^%S") ~= nil and text:match("%S$") ~= nil;
end

-- A name in a certificate; wildcard: may begin with "*."
function request.is_dns_name(name, wildcard)
	if wildcard then name = name:gsub("^%*%.", ""); end
	if #name > 253 or not name:find(".", 1, true) then return false; end
	for label in (name.."."):gmatch("([^.]*)%.") do
		if #label > 63 or not label:match("^[%l%d][%l%d-]*$") or label:sub(-1) == "-" then return false; end
	end
	return true;
end

local function add_name(plan, name)
	for _, known in ipairs(plan.names) do
		if known == name then return; end
	end
	plan.names[#plan.names+1] = name;
end

-- Defaults as the wizard of Lync has them, then what is asked for besides.
local function fill_names(plan, parsed, scope)
	if plan.roles.bridge then add_name(plan, scope.fqdn); end
	for _, host in ipairs(scope.hosts) do
		local domain = scope.to_ascii(host);
		if not domain then return nil, ("%s: not a domain that a certificate can have"):format(host); end
		if plan.roles.bridge then add_name(plan, "sip."..domain); end
		if plan.roles.s2s then add_name(plan, domain); end
	end
	for _, text in ipairs(parsed.san or {}) do
		local name = (scope.to_ascii((text:gsub("^%*%.", ""))) or ""):lower();
		if text:sub(1, 2) == "*." then name = "*."..name; end
		if not request.is_dns_name(name, true) then
			return nil, ("--san %s: not a host name; write a full name as in \"xmpp.contoso.com\""):format(text);
		end
		if name:sub(1, 2) == "*." then
			plan.warnings[#plan.warnings+1] = ("--san %s: Lync takes no wildcard for a name; partners may"):format(text);
		end
		add_name(plan, name);
	end
	return true;
end

local function fill_subject(plan, parsed, scope)
	local values = { subject = plan.roles.bridge and scope.fqdn or scope.to_ascii(scope.hosts[1]) };
	for _, part in ipairs(subject_parts) do
		local option, name, longest = part[1], part[2], part[3];
		local value = parsed[option] or values[option];
		if value then
			if not is_printable(value) then
				return nil, ("--%s: not plain text (UTF-8, no control characters, no space at the ends)"):format(option);
			elseif utf8.len(value) > longest then
				return nil, ("--%s %s: longer than %d characters; write a shorter one"):format(option, value, longest);
			elseif option == "country" and not value:match("^%a%a$") then
				return nil, ("--country %s: not a country; write its two letters, as in \"DE\""):format(value);
			end
			table.insert(plan.subject, { name, option == "country" and value:upper() or value });
			plan.cn = value;
		end
	end
	return true;
end

local function fill_key(plan, parsed)
	local kind = parsed["key-type"] or "rsa";
	local allowed = lengths[kind];
	if not allowed then
		return nil, ("--key-type %s: not a type; write rsa or ec"):format(kind);
	end
	local length = allowed.default;
	if parsed["key-length"] then length = math.tointeger(tonumber(parsed["key-length"])); end
	if not length or not allowed[length] then
		return nil, ("--key-length %s: not a length of %s keys; write %s"):format(parsed["key-length"], kind, allowed.words);
	elseif parsed["passphrase-file"] and not parsed.exportable then
		return nil, "--passphrase-file: is for an export copy of the key; say --exportable as well";
	end
	plan.key_type, plan.key_length, plan.curve = kind, length, kind == "ec" and allowed[length] or nil;
	plan.exportable, plan.passphrase_file = parsed.exportable == true, parsed["passphrase-file"];
	return true;
end

local function fill_rest(plan, parsed, scope)
	plan.name = parsed["friendly-name"] or (plan.roles.bridge and scope.fqdn or scope.hosts[1]);
	if not is_printable(plan.name) or #plan.name > 100 or plan.name:find("/", 1, true) or plan.name:match("^[.-]") then
		return nil, ("--friendly-name %s: it becomes a file name; write up to 100 bytes without \"/\", not beginning with "
			.."\".\" or \"-\""):format(plan.name);
	end
	plan.template = parsed.template;
	if plan.template and (not is_printable(plan.template) or utf8.len(plan.template) > 64
		or plan.template:find("[\xF0-\xF4]")) then
		return nil, "--template: not a template's name; write what Get-CATemplate shows, up to 64 characters";
	end
	plan.days = parsed.days and math.tointeger(tonumber(parsed.days)) or not parsed.days and 365 or nil;
	if parsed.days and not parsed.now then
		return nil, "--days: is for --now; else the CA decides";
	elseif not plan.days or plan.days < 1 or plan.days > DAYS_MAX then
		return nil, ("--days %s: not in the range; write 1 to %d"):format(parsed.days, DAYS_MAX);
	end
	plan.now, plan.csr, plan.overwrite = parsed.now == true, parsed.csr, parsed.overwrite == true;
	return true;
end

-- args; scope: { fqdn, hosts, to_ascii } -> plan, or nil and what is wrong
function request.plan(parsed, scope)
	local roles, wrong = locations.role(parsed.role);
	if not roles then return nil, wrong; end
	local plan = { roles = roles; names = {}; subject = {}; warnings = {} };
	for _, fill in ipairs { fill_key; fill_subject; fill_names; fill_rest } do
		local ok, err = fill(plan, parsed, scope);
		if not ok then return nil, err; end
	end
	-- A name that is the subject alone is not seen: who looks at subjectAltName looks there only.
	if request.is_dns_name(plan.cn:lower(), true) then add_name(plan, plan.cn:lower()); end
	return plan;
end

-- A value in a configuration file of openssl: what means something there is escaped.
local function value(text)
	return (text:gsub("[\\\"'#$;`]", "\\%0"));
end

function request.config(plan)
	local lines = {
		"# "..plan.name; "[req]"; "distinguished_name = subject"; "req_extensions = extensions";
		"x509_extensions = extensions"; "prompt = no"; "utf8 = yes"; "string_mask = utf8only"; "default_md = sha256";
		"[subject]";
	};
	local function add(fmt, ...) lines[#lines+1] = fmt:format(...); end
	for _, part in ipairs(plan.subject) do
		add("%s = %s", part[1], value(part[2]));
	end
	add("[extensions]");
	add("basicConstraints = critical, CA:FALSE");
	add("keyUsage = critical, digitalSignature%s", plan.key_type == "rsa" and ", keyEncipherment" or "");
	add("extendedKeyUsage = serverAuth, clientAuth");
	add("subjectAltName = @names");
	if plan.template then -- szOID_ENROLL_CERTTYPE_EXTENSION
		add("1.3.6.1.4.1.311.20.2 = ASN1:FORMAT:UTF8,BMPSTRING:%s", value(plan.template));
	end
	add("[names]");
	for i, name in ipairs(plan.names) do
		add("DNS.%d = %s", i, name);
	end
	return table.concat(lines, "\n").."\n";
end

-- openssl's arguments. files: { key, config, csr, certificate, export }
function request.key_command(plan, files)
	if plan.key_type == "ec" then
		return { "openssl"; "genpkey"; "-algorithm"; "EC"; "-pkeyopt"; "ec_paramgen_curve:"..plan.curve; "-pkeyopt";
			"ec_param_enc:named_curve"; "-out"; files.key };
	end
	return { "openssl"; "genpkey"; "-algorithm"; "RSA"; "-pkeyopt"; "rsa_keygen_bits:"..plan.key_length; "-out";
		files.key };
end

function request.csr_command(_, files)
	return { "openssl"; "req"; "-new"; "-config"; files.config; "-key"; files.key; "-out"; files.csr };
end

function request.now_command(plan, files)
	return { "openssl"; "req"; "-x509"; "-days"; plan.days; "-config"; files.config; "-key"; files.key; "-out";
		files.certificate };
end

function request.export_command(_, files)
	return { "openssl"; "pkcs8"; "-topk8"; "-v2"; "aes-256-cbc"; "-v2prf"; "hmacWithSHA256"; "-iter"; "100000"; "-in";
		files.key; "-passout"; "file:"..files.passphrase; "-out"; files.export };
end

return request;
