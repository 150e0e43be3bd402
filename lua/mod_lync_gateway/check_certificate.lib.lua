-- Certificates of ours, as files: what openssl says of them, and what is to be said of that.
-- SPDX-License-Identifier: MIT
--
-- judge() is pure; facts() reads with the openssl command. No key is ever printed: openssl and LuaSec read it.

local checks = module:require "certificate_checks";
local certificates = module:require "certificates";
local expiry = module:require "expiry";
local probe = module:require "peer_tls";
local program = module:require "program";
local read = module:require "certificate_read";

local check = {};

local DAY = 86400;
local LONG_LIFE = 100 * DAY; -- what lives longer is renewed by people
local CHAIN_MAX = 10;
local READ_IT = "correct the path, or let Prosody's user read it";

-- ---- facts

local function chain(pem, load)
	local list = {};
	for _, block in ipairs(read.blocks(pem, "CERTIFICATE")) do
		local ok, cert = pcall(load, block);
		if #list >= CHAIN_MAX then break; end
		if not ok or not cert then return nil; end
		list[#list+1] = probe.describe(cert);
	end
	return list;
end

-- What LuaSec does not tell: usage, kind and size of the key, signature. output: of openssl x509 -text.
function check.parse_text(output)
	return {
		algorithm = output:match("\n            Public Key Algorithm: (%S+)");
		bits = tonumber(output:match("\n +Public%-Key: %((%d+) bit%)") or output:match("\n +RSA Public%-Key: %((%d+) bit%)"));
		signature = output:match("\n    +Signature Algorithm: (%S+)");
		usage = read.usage(output);
	};
end

-- openssl verify's complaint: { code, depth, text }
function check.parse_verify(output)
	local code, depth, text = output:match("error (%d+) at (%d+) depth lookup: ([^\n]+)");
	return code and { code = tonumber(code); depth = tonumber(depth); text = text } or nil;
end

-- more: list of words -> complaint | nil
local function verify(files, more)
	local argv = { "openssl"; "verify" };
	local function add(...)
		for _, word in ipairs { ... } do argv[#argv+1] = word; end
	end
	if files.cafile or files.capath then -- else the system's
		add("-no-CAstore");
		if files.cafile then add("-CAfile", files.cafile); else add("-no-CAfile"); end
		if files.capath then add("-CApath", files.capath); else add("-no-CApath"); end
	end
	add(table.unpack(more));
	add("-untrusted", files.certificate, files.certificate);
	local ok, output = program.run(argv);
	if ok then return nil; end
	return check.parse_verify(output) or { code = 0; depth = 0; text = output:match("[^\n]*") or "openssl failed" };
end

-- Chain to a CA that we know; that the certificate itself is out of date is told elsewhere.
local function verify_chain(files)
	local purpose, any_time = { "-purpose"; "sslserver" }, { "-no_check_time" };
	local problem = verify(files, purpose);
	if problem and problem.depth == 0 and (problem.code == 9 or problem.code == 10 or problem.code == 26) then
		problem = verify(files, problem.code == 26 and any_time or { "-no_check_time"; table.unpack(purpose) });
		if problem and problem.depth == 0 and problem.code == 26 then
			problem = verify(files, any_time);
		end
	end
	return problem;
end

local function key_facts(env, files, facts)
	facts.key_readable, facts.key_why = env.readable(files.key);
	if not facts.key_readable then return; end
	facts.key_open_to_all = env.open_to_all(files.key);
	local password = files.password;
	local asked = false;
	local ctx, err = env.new_context({ mode = "server"; protocol = "any";
		certificate = files.certificate; key = files.key;
		password = type(password) == "string" and password or function () asked = true; return ""; end });
	facts.key_fits = ctx ~= nil;
	facts.key_locked = not ctx and asked;
	facts.key_error = not ctx and tostring(err) or nil;
end

local function crl_facts(env, files, facts)
	facts.crl = files.crlfile;
	facts.crl_readable, facts.crl_why = env.readable(files.crlfile);
	if facts.crl_readable then
		local _, output = program.run { "openssl"; "crl"; "-noout"; "-nextupdate"; "-in"; files.crlfile };
		facts.crl_next = output:match("nextUpdate=([^\n]+)");
	end
end

-- files: certificate, key, cafile, capath, crlfile, password; env: read(path), readable(path) -> boolean, why;
-- open_to_all(path), load_certificate(pem), new_context(params)
function check.facts(env, files)
	local facts = { certificate = files.certificate; key = files.key; cafile = files.cafile };
	facts.readable, facts.why = env.readable(files.certificate);
	if files.cafile then
		facts.ca_readable, facts.ca_why = env.readable(files.cafile);
	end
	if files.crlfile then
		crl_facts(env, files, facts);
	end
	if not facts.readable then return facts; end
	facts.chain = chain(env.read(files.certificate) or "", env.load_certificate);
	if not facts.chain or #facts.chain == 0 then return facts; end
	local output;
	facts.openssl, output = program.run { "openssl"; "x509"; "-noout"; "-text"; "-nameopt"; "RFC2253"; "-certopt";
		"no_sigdump"; "-in"; files.certificate };
	for name, value in pairs(check.parse_text(output)) do
		facts[name] = value;
	end
	if files.key then
		key_facts(env, files, facts);
	end
	if facts.openssl and facts.ca_readable ~= false then
		facts.chain_problem = verify_chain(files);
	end
	return facts;
end

-- Is a peer's certificate revoked, by our revocation list? chain: described; files: cafile, crlfile -> complaint | nil
function check.revoked(chain_, files)
	local pems = {};
	for i, described in ipairs(chain_) do pems[i] = described.pem; end
	return program.with_file(table.concat(pems, "\n").."\n", function (path)
		local problem = verify({ certificate = path; cafile = files.cafile }, { "-crl_check"; "-CRLfile"; files.crlfile });
		return problem and problem.text;
	end);
end

-- ---- what is to be said

local function judge_files(add, facts)
	if not facts.readable then
		add { level = "error"; id = "certificate-file"; text = facts.why;
			remedy = READ_IT };
		return false;
	elseif not facts.chain or #facts.chain == 0 then
		add { level = "error"; id = "certificate-file"; text = "no certificate in PEM format";
			remedy = "write the certificate, then its chain, each between BEGIN CERTIFICATE and END CERTIFICATE" };
		return false;
	end
	if facts.ca_readable == false then
		add { level = "error"; id = "ca-file"; text = facts.ca_why; remedy = READ_IT };
	end
	if facts.openssl == false then
		add { level = "warning"; id = "openssl"; text = "the openssl command cannot be run: usage, key size and chain are "
			.."not checked"; remedy = "install the package openssl" };
	end
	return true;
end

local function judge_crl(add, facts, now)
	if not facts.crl then
		return;
	elseif not facts.crl_readable then
		add { level = "error"; id = "crl-file"; text = facts.crl_why; remedy = READ_IT };
		return;
	end
	local ends = read.time(facts.crl_next);
	if facts.openssl ~= false and not ends then
		add { level = "error"; id = "crl-file"; text = facts.crl..": no revocation list in PEM format";
			remedy = "name one, or remove crlfile" };
	elseif ends and ends <= now then
		add { level = "error"; id = "crl-expired"; remedy = "fetch the new one from the CA";
			text = ("the revocation list %s ran out on %s: every peer is refused"):format(facts.crl, facts.crl_next) };
	end
end

local function judge_key(add, facts)
	if not facts.key then
		add { level = "error"; id = "key-file"; text = "no key is named"; remedy = "write key beside certificate" };
	elseif not facts.key_readable then
		add { level = "error"; id = "key-file"; text = facts.key_why; remedy = READ_IT };
	elseif facts.key_locked then
		add { level = "error"; id = "key-passphrase"; text = "key "..facts.key.." has a passphrase, and nobody to ask";
			remedy = "store it without" };
	elseif not facts.key_fits and (facts.key_error or ""):find("^error loading certificate") then
		add { level = "error"; id = "certificate-refused"; text = "OpenSSL refuses it: "..facts.key_error;
			remedy = "get another one" };
	elseif not facts.key_fits then
		local mismatch = (facts.key_error or ""):find("match", 1, true);
		add { level = "error"; id = mismatch and "key-mismatch" or "key-file";
			text = mismatch and ("key %s does not belong to certificate %s"):format(facts.key, facts.certificate)
				or ("key %s: %s"):format(facts.key, facts.key_error or "unusable");
			remedy = mismatch and "name two that do" or "write a private key in PEM format" };
	end
	if facts.key_open_to_all then
		add { level = "warning"; id = "key-mode"; text = "key "..facts.key.." can be read by everybody on this machine";
			remedy = "chmod 640 and chgrp prosody" };
	end
end

-- What is to be said of a certificate's dates -> finding | nil
function check.judge_dates(leaf, now)
	local from, to = read.time(leaf.not_before), read.time(leaf.not_after);
	if not from or not to then return nil; end
	local left, near = to - now, expiry.threshold(to, now);
	if left <= 0 then
		return { level = "error"; id = "expired"; text = ("expired on %s"):format(leaf.not_after); remedy = "renew it" };
	elseif from > now then
		return { level = "error"; id = "not-yet-valid"; text = ("not valid before %s"):format(leaf.not_before);
			remedy = "wait, or set the clock of this machine" };
	elseif near then
		local level = near <= 1 and "error" or (near <= 7 or to - from > LONG_LIFE) and "warning" or "info";
		return { level = level; id = "expires"; remedy = "renew it";
			text = ("expires in %d day(s), on %s"):format(left // DAY, leaf.not_after) };
	end
end

local function judge_usage(add, facts, want)
	local usage = facts.usage;
	if not usage or usage.any then return; end
	if not usage.server then
		add { level = "error"; id = "usage"; text = "its extended key usage lacks serverAuth: "..want.who
			.." refuses it on connections to us"; remedy = "get one with serverAuth and clientAuth" };
	end
	if not usage.client then
		add { level = want.client_usage; id = "usage"; text = "its extended key usage lacks clientAuth: "..want.who
			.." may refuse it on our connections"; remedy = "get one with serverAuth and clientAuth" };
	end
end

-- -> is it strong enough?
local function judge_strength(add, facts)
	local is_rsa = facts.algorithm == "rsaEncryption" or facts.algorithm == "rsassaPss";
	local least = is_rsa and checks.least_bits.rsa or facts.algorithm == "id-ecPublicKey" and checks.least_bits.ec or 0;
	local weak = facts.bits and facts.bits < least;
	if weak then
		add { level = "error"; id = "key-size"; text = ("its key has %d bits"):format(facts.bits);
			remedy = ("make one of %d bits or more"):format(least) };
	end
	local old = checks.is_weak(facts.signature or "");
	if old then
		add { level = "error"; id = "signature"; remedy = "get a new one";
			text = ("it is signed with %s, which is not accepted any more"):format(facts.signature) };
	end
	return not weak and not old;
end

local function judge_chain(add, facts)
	local problem = facts.chain_problem;
	if not problem then return; end
	local last = facts.chain[#facts.chain];
	local trusted = facts.cafile or "the system's CAs";
	if problem.depth == 0 and (problem.code == 18 or #facts.chain == 1 and last.subject == last.issuer) then
		add { level = "warning"; id = "self-signed"; text = "it is signed by itself: nobody trusts it unless told so";
			remedy = "get one from a CA" };
	elseif problem.code == 2 or problem.code == 19 or problem.code == 20 or problem.code == 21 then
		add { level = "warning"; id = "chain"; text = ("its chain ends at \"%s\", which is not in %s"):format(last.issuer,
			trusted); remedy = "append the intermediate certificates to "..facts.certificate
			..", or see to it that the other side trusts that CA" };
	else
		add { level = "error"; id = "chain";
			text = ("its chain: %s (certificate %d)"):format(problem.text, problem.depth + 1);
			remedy = "get a new chain from the CA" };
	end
end

-- facts: of check.facts; want: label, now, who (refuses), client_usage (level), names(leaf) -> level, text, remedy
function check.judge(facts, want)
	local findings, sound = {}, true;
	local function add(finding)
		finding.text = ("%s %s: %s"):format(want.label, facts.certificate, finding.text);
		findings[#findings+1] = finding;
		sound = sound and finding.level ~= "error";
	end
	if not judge_files(add, facts) then
		return findings;
	end
	local leaf = facts.chain[1];
	judge_crl(add, facts, want.now);
	local strong = judge_strength(add, facts);
	if strong or not (facts.key_error or ""):find("^error loading certificate") then
		judge_key(add, facts);
	end
	local level, text, remedy = want.names(leaf);
	if level then
		add { level = level; id = "name"; text = text; remedy = remedy };
	end
	judge_usage(add, facts, want);
	local dates = check.judge_dates(leaf, want.now);
	if dates then add(dates); end
	judge_chain(add, facts);
	if sound then
		add { level = "ok"; id = "certificate"; text = ("until %s, %s"):format(leaf.not_after, facts.bits
			and ("%s %d bits"):format(facts.algorithm, facts.bits) or "usable") };
	end
	return findings;
end

-- The names that a certificate has to have: -> level, text, remedy, or nil.
function check.bridge_names(fqdn)
	return function (leaf)
		local remedy = ("get one with %s in its subjectAltName, or correct lync_bridge_fqdn"):format(fqdn);
		for _, name in ipairs(leaf.names) do
			if name == fqdn:lower() then return nil; end
		end
		if #leaf.names == 0 and leaf.cn == fqdn:lower() then
			return "warning", ("has %s only in its subject, which not every Access Edge takes"):format(fqdn),
				remedy;
		end
		for _, name in ipairs(leaf.names) do
			if name:match("^%*%.") and name:sub(3) == fqdn:lower():gsub("^[^.]+%.", "") then
				return "warning", ("names %s by the wildcard %s, which Access Edges do not take"):format(fqdn, name),
				remedy;
			end
		end
		return "error", ("does not name %s in its subjectAltName"):format(fqdn), remedy;
	end;
end

function check.domain_names(domain)
	return function (leaf)
		if certificates.names(leaf.cert, domain) then return nil; end
		return "error", ("does not name %s"):format(domain),
			("get one with %s in its subjectAltName"):format(domain);
	end;
end

return check;
