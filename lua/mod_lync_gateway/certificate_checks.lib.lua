-- Is a certificate good for us? Facts in, findings out: { level = "ok" | "warning" | "error", check, text }. Pure.
-- SPDX-License-Identifier: MIT

local expiry = module:require "expiry";

local date = expiry.date;

local checks = {};

local DAY = 86400;

checks.least_bits = { rsa = 2048; ec = 256 };

-- A signature that nobody takes any more?
function checks.is_weak(signature)
	signature = signature:upper():gsub("%-", "");
	return (signature:find("MD[25]") or signature:find("SHA1", 1, true)) ~= nil;
end

local function list(words)
	return table.concat(words, ", ");
end

-- given: { leaf, key = { path, kind } | nil, keys_tried = n }
local function check_key(add, given)
	local leaf = given.leaf;
	if given.key then
		add("ok", "key", "fits %s (%s)", given.key.path, checks.key_words(leaf));
	else
		add("error", "key", "fits none of the %d key(s) here; import the certificate on the server that made the request, "
			.."or name its key with --key FILE", given.keys_tried or 0);
	end
end

function checks.key_words(facts)
	return ("%s %s bits"):format(facts.key_type:upper(), facts.key_bits or "?");
end

local function check_strength(add, given)
	for i, cert in ipairs(given.chain) do
		local what = i == 1 and "the certificate" or cert.subject;
		local least = checks.least_bits[cert.key_type];
		if not least then
			add("error", "strength", "%s: its key is of a kind that Lync does not know (%s); ask for rsa or ec", what,
				cert.key_type);
		elseif (cert.key_bits or 0) < least then
			add("error", "strength", "%s: its key is weak (%s), at least %d are needed; make a new request", what,
				checks.key_words(cert), least);
		elseif checks.is_weak(cert.signature) then
			add("error", "strength", "%s: its signature is weak (%s); ask the CA for SHA-256", what, cert.signature);
		elseif i == 1 then
			add("ok", "strength", "%s, signed with %s", checks.key_words(cert), cert.signature);
		end
	end
end

local function has_name(leaf, name)
	for _, known in ipairs(leaf.names) do
		if known == name then return true; end
	end
	return false;
end

-- Lync compares names letter by letter; partners take wildcards.
local function check_names(add, given)
	local leaf, found = given.leaf, {};
	local function judge(level, name, is_there, why)
		if is_there then
			found[#found+1] = name;
		else
			add(level, "names", "%s is not in subjectAltName (there: %s): %s", name,
				#leaf.names > 0 and list(leaf.names) or "nothing", why);
		end
	end
	if given.roles.bridge then
		judge("error", given.fqdn, has_name(leaf, given.fqdn), "the Access Edge would refuse us; ask for a new certificate");
	end
	for _, domain in ipairs(given.domains) do
		if given.roles.s2s then
			judge("error", domain.host, leaf.is_for(domain.host), "partners would refuse us; ask for a new certificate, or "
				.."import this one with --role bridge");
		end
		if given.roles.bridge then
			judge("warning", "sip."..domain.ascii, has_name(leaf, "sip."..domain.ascii),
				"only needed where others find us by the DNS");
		end
	end
	if #found > 0 then add("ok", "names", "%s", list(found)); end
end

local function check_usage(add, given)
	local usage = given.leaf.usage;
	local level = given.roles.bridge and "error" or "warning";
	if usage and (usage.any or usage.server and usage.client) then
		return add("ok", "usage", "server and client authentication");
	elseif not usage then
		return add(level, "usage", "no extended key usage: ask for server and client authentication");
	elseif not usage.server then
		add("error", "usage", "not for server authentication (there: %s): ask for server and client authentication",
			usage.text);
	end
	if not usage.client then
		add(level, "usage", "not for client authentication (there: %s): %s", usage.text, given.roles.bridge
			and "the Access Edge would refuse us where we connect to it; ask for both, or import it with --role s2s"
			or "partners may refuse us where we connect to them");
	end
end

local function check_dates(add, given)
	for i, cert in ipairs(given.chain) do
		local what = i == 1 and "the certificate" or cert.subject;
		if not cert.not_before or not cert.not_after then
			add("error", "dates", "%s: its dates cannot be read", what);
		elseif given.now < cert.not_before then
			add("error", "dates", "%s is not valid before %s; import it then, or set the clock right", what,
				date(cert.not_before));
		elseif given.now >= cert.not_after then
			add("error", "dates", "%s has expired at %s; ask the CA for a new one", what, date(cert.not_after));
		elseif i == 1 and expiry.threshold(cert.not_after, given.now) then
			add("warning", "dates", "valid until %s, that is only %d day(s)", date(cert.not_after),
				(cert.not_after - given.now) // DAY);
		elseif i == 1 then
			add("ok", "dates", "valid until %s (%d days)", date(cert.not_after), (cert.not_after - given.now) // DAY);
		end
	end
end

-- given.trust: { ok, by, reason, missing = subject that only we have, purposes = { role = reason } }
local function check_chain(add, given)
	local trust, last = given.trust, given.chain[#given.chain];
	if trust.ok and trust.missing then
		add("error", "chain", "%s is in %s but not in the file, so peers do not get it; add it with --chain FILE",
			trust.missing, trust.by);
	elseif trust.ok then
		add("ok", "chain", "%d certificate(s), trusted by %s", #given.chain, trust.by);
	elseif last.subject == last.issuer and #given.chain == 1 then
		add("error", "chain", "self-signed, and not in %s; for a test, name the certificate itself with --cafile FILE",
			trust.by);
	elseif last.subject == last.issuer then
		add("error", "chain", "ends at %s, which is not in %s; name the CA's certificate with --cafile FILE", last.subject,
			trust.by);
	elseif trust.reason:find("unable to get", 1, true) then
		add("error", "chain", "broken: %s is neither in the file nor in %s; add an intermediate certificate with "
			.."--chain FILE, or name the root with --cafile FILE", last.issuer, trust.by);
	else
		add("error", "chain", "openssl refuses it (%s): %s", trust.by, trust.reason);
	end
end

-- given: leaf, chain (leaf first, without the root), key, keys_tried, roles, fqdn, domains { host, ascii }, trust, now
function checks.run(given)
	local findings, errors, warnings = {}, 0, 0;
	local function add(level, check, fmt, ...)
		findings[#findings+1] = { level = level; check = check; text = fmt:format(...) };
		errors = errors + (level == "error" and 1 or 0);
		warnings = warnings + (level == "warning" and 1 or 0);
	end
	for _, check in ipairs { check_key; check_strength; check_names; check_usage; check_dates; check_chain } do
		check(add, given);
	end
	return findings, errors, warnings;
end

-- The chain as it is to be sent: leaf first, each followed by its issuer, without the root and strangers.
-- all: list of facts in any order; leaf: one of them. A self-signed leaf stays. -> list, root | nil
function checks.order(leaf, all)
	local chain, root = { leaf }, nil;
	while chain[#chain].subject ~= chain[#chain].issuer do
		local last, issuer = chain[#chain], nil;
		for _, cert in ipairs(all) do
			if cert.subject == last.issuer and cert ~= last then issuer = issuer or cert; end
		end
		if not issuer or #chain > 10 then break; end
		if issuer.subject == issuer.issuer then
			root = issuer;
			break;
		end
		chain[#chain+1] = issuer;
	end
	return chain, root;
end

return checks;
