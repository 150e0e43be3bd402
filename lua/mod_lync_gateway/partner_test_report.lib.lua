-- What dialling a partner has shown, line by line: level, what was looked at, what it is, what to do. Pure.
-- SPDX-License-Identifier: MIT

local expiry = module:require "expiry";
local lookup = module:require "lookup";
local one_line = module:require "one_line";
local words = module:require "partner_test_words";

local report = {};

local TEXT_MAX = 400; -- bytes of a peer's words that are shown

local function plain(text)
	return one_line(text, TEXT_MAX);
end
report.plain = plain;

local function adder(rows)
	return function (level, check, text, remedy)
		rows[#rows+1] = { level = level; check = check; text = plain(text); remedy = remedy and plain(remedy) };
	end
end

local function list(values, none)
	return #values > 0 and table.concat(values, ", ") or none or "nothing";
end

-- Settings

-- partner: as settings:partner gives it
function report.settings(rows, partner)
	local add = adder(rows);
	if partner.disabled then
		add("error", "settings", partner.disabled, "`check` names the line");
		return false;
	end
	add("ok", "settings", ("%s; tls_negotiation %s, sasl_negotiation %s, support_dialback_negotiation %s: row %d, %s")
		:format(partner.partner_type, partner.tls_negotiation, partner.sasl_negotiation,
			tostring(partner.support_dialback_negotiation), partner.row, list(partner.methods, "no method")));
	if partner.warning then
		add("info", "settings", partner.warning);
	end
	if #partner.methods == 0 then
		add("error", "settings", "no method is left",
			"Prosody's own options forbid what the partner's settings allow: `check`");
	end
	return #partner.methods > 0;
end

-- DNS

local function describe_records(records)
	local texts = {};
	for i, record in ipairs(records) do
		texts[i] = ("%s port %d (priority %d, weight %d)"):format(record.target == "" and "." or record.target, record.port,
			record.priority, record.weight);
	end
	return list(texts);
end

-- What to do about a name without an address: it comes from the SRV record, from proxy_fqdn, or is the domain itself.
local function no_address(found)
	if not found.records then return "correct proxy_fqdn, or the DNS: there is no such server"; end
	if #found.records > 0 then return "its administrator: the SRV record names a target that does not exist"; end
	return "is the domain spelt right? Nothing in the DNS leads to an XMPP server of it: its administrator";
end

-- found: as partner_test_dns gives it; true when there is an address
function report.dns(rows, domain, found, proxy)
	local add = adder(rows);
	local name = "_xmpp-server._tcp."..domain;
	if proxy then
		add("info", "dns", ("%s is where to connect (proxy_fqdn), SRV records are not asked for"):format(proxy));
	elseif not found.records then
		add("error", "dns", lookup.no_answer(name, found.failed), words.no_dns);
		return false;
	elseif #found.records == 0 then
		add("warning", "dns", ("%s: there is no such record, %s port 5269 is tried"):format(name, domain),
			("its administrator publishes the SRV record %s, unless the domain itself is the server"):format(name));
	elseif #found.records == 1 and found.records[1].target == "" then
		add("error", "dns", ("%s is \".\": the domain says that it has no XMPP server for others"):format(name),
			"ask its administrator; proxy_fqdn goes past DNS");
		return false;
	else
		add("ok", "dns", ("%s: %s"):format(name, describe_records(found.records)));
	end
	if found.direct and #found.direct > 0 then
		add("info", "dns", ("_xmpps-server._tcp.%s: %s; direct TLS is not dialled here")
			:format(domain, describe_records(found.direct)));
	end
	local count = 0;
	for _, target in ipairs(found.targets) do
		local addresses = target.addresses or {};
		count = count + #addresses;
		if #addresses > 0 then
			add("ok", "dns", ("%s: %s"):format(target.name, list(addresses)));
		else
			add("error", "dns", target.failed and lookup.no_answer(target.name, target.failed)
				or target.name..": has no address (A, AAAA)",
				target.failed and words.no_dns or no_address(found));
		end
	end
	return count > 0;
end

-- The other way round: can it find us?
function report.own_dns(rows, host, records, failed, addresses)
	local add = adder(rows);
	if not records then
		add("warning", "dns", lookup.no_answer("_xmpp-server._tcp."..host, failed), words.no_dns);
	elseif #records > 0 then
		add("ok", "dns", ("_xmpp-server._tcp.%s: %s: the partner can find this server"):format(host,
			describe_records(records)));
	elseif #(addresses or {}) > 0 then
		add("ok", "dns", ("%s: %s: the partner can find this server on port 5269"):format(host, list(addresses)));
	else
		add("warning", "dns", ("_xmpp-server._tcp.%s: there is no such record, and the domain has no address"):format(host),
			"publish it, or the partner has to enter this server by hand; `lync-commands` prints it");
	end
end

-- One attempt on one address

local function describe_features(features)
	local texts = {};
	if features.starttls then texts[#texts+1] = features.required and "STARTTLS (required)" or "STARTTLS"; end
	for _, mechanism in ipairs(features.mechanisms) do
		texts[#texts+1] = "SASL "..mechanism;
	end
	if features.dialback then texts[#texts+1] = "dialback"; end
	return list(texts);
end

local function tls_rows(add, seen, domain, today)
	if seen.tls_error then
		local old = seen.speaks and ("; it speaks only %s"):format(seen.speaks) or "";
		add("error", "tls", ("handshake: %s%s"):format(seen.tls_error, old), seen.speaks and words.old_tls
			or words.tls(seen.tls_error));
		return;
	end
	local tls = seen.tls;
	add("ok", "tls", ("%s, %s"):format(tls.version, tls.cipher));
	if tls.status == "missing" then
		add("error", "certificate", "it shows none", words.certificate.missing);
		return;
	end
	local text = ("subject %s, issuer %s, names %s, valid from %s to %s"):format(tls.subject or "none",
		tls.issuer or "none", list(tls.names, "none"), tls.not_before, tls.not_after);
	local near = expiry.threshold(tls.expires, today);
	if tls.status ~= "valid" then
		add("error", "certificate", ("%s: %s"):format((words.status[tls.status] or tls.status):format(domain), text),
			words.certificate[tls.status]);
	elseif near then
		add(near <= 7 and "warning" or "info", "certificate",
			("good for %d more days: %s"):format((tls.expires - today) // 86400, text), "its administrator renews it");
	else
		add("ok", "certificate", ("good: %s"):format(text));
	end
end

local function stream_rows(add, seen, domain)
	local header = seen.header;
	if not header then
		add("error", "stream", ("no stream: %s"):format(seen.error == "timeout" and "it took the connection and said nothing"
			or seen.error), words.stream(seen.error, seen.condition));
		return false;
	elseif not header.version then
		add("warning", "stream", "it speaks no XMPP 1.0: no TLS", "its administrator");
	elseif not seen.clear then
		add("error", "stream", ("no features: %s"):format(seen.error), words.stream(seen.error, seen.condition));
		return false;
	else
		add("ok", "stream", ("XMPP %s, offers %s"):format(header.version, describe_features(seen.clear)));
	end
	if header.from and header.from ~= domain then
		add("warning", "stream", ("it calls itself %s"):format(header.from), "is it the right server?");
	end
	return true;
end

local methods = {
	["sasl-tls"] = "sasl-tls: it has taken our certificate";
	["tls-dialback"] = "tls-dialback: dialback over TLS would follow; whether it takes our key, `test im` shows";
	["tcp-dialback"] = "tcp-dialback: dialback in clear text would follow; whether it takes our key, `test im` shows";
};

local function outcome_rows(add, seen)
	if seen.sasl then
		add(seen.method and "warning" or "error", "sasl", ("it refuses EXTERNAL with our certificate: %s%s")
			:format(seen.sasl.condition or "no reason", seen.sasl.text and " ("..seen.sasl.text..")" or ""), words.sasl);
	end
	if seen.method then
		add("ok", "outgoing", methods[seen.method]);
	elseif seen.refused and seen.stage then
		add("error", "outgoing", ("refused by our settings: %s (%s)"):format(seen.refused.text, seen.refused.token),
			words.refused[seen.refused.token]);
	elseif seen.header and seen.clear and not seen.tls_error and not seen.sasl then
		-- TLS 1.3 tells only after the handshake that a certificate is not taken.
		local ended_by_tls = seen.tls and not seen.secure and not seen.condition and seen.error ~= "timeout";
		add("error", "outgoing", ("the stream ended%s: %s"):format(ended_by_tls and " right after the TLS handshake" or "",
			seen.error or "no step is left"), ended_by_tls and words.sasl or words.stream(seen.error, seen.condition));
	end
end

-- today: seconds since 1970
function report.attempt(rows, seen, domain, today)
	local add = adder(rows);
	if seen.tcp_error then
		add("error", "tcp", seen.tcp_error == "timeout" and "no answer in time" or seen.tcp_error,
			words.tcp(seen.tcp_error));
		return;
	end
	add("ok", "tcp", ("connected in %d ms"):format(seen.took * 1000 // 1));
	if not stream_rows(add, seen, domain) then return; end
	if seen.tls or seen.tls_error then
		tls_rows(add, seen, domain, today);
	end
	if seen.secure then
		add("ok", "stream", ("over TLS it offers %s"):format(describe_features(seen.secure)));
		if #seen.secure.mechanisms > 0 and not seen.secure.external then
			add("error", "stream", "these mechanisms are for clients", words.client_port);
		end
	end
	outcome_rows(add, seen);
end

function report.next_attempt(rows, before, seen)
	adder(rows)("warning", "fallback", ("%s has failed, %s is next"):format(before.way, seen.way),
		"each stream begins with the first; see above for what failed");
end

-- Both directions

-- decisions of the core about a stream that the partner opens: { clear =, secure =, method = | nil, token =, text = };
-- status: of the certificate it is judged by, or nil when none was seen
function report.incoming(rows, incoming, status)
	local add = adder(rows);
	local with = status and ("with the certificate above (%s)"):format(status) or "with a good certificate";
	if not incoming.clear then
		add("error", "incoming", ("it is refused: %s (%s)"):format(incoming.text, incoming.token),
			words.refused[incoming.token]);
		return;
	end
	local offers = {};
	if incoming.clear.starttls then offers[1] = incoming.clear.required and "STARTTLS (required)" or "STARTTLS"; end
	if incoming.clear.dialback then offers[#offers+1] = "dialback in clear text"; end
	local over = {};
	if incoming.secure and incoming.secure.external then over[1] = "SASL EXTERNAL"; end
	if incoming.secure and incoming.secure.dialback then over[#over+1] = "dialback"; end
	local text = ("when it connects it is offered %s%s"):format(list(offers),
		incoming.clear.starttls and ("; over TLS, %s: %s"):format(with, list(over)) or "");
	if incoming.method then
		add("ok", "incoming", text..("; best: %s"):format(incoming.method));
	else
		add("error", "incoming", text..("; refused: %s (%s)"):format(incoming.text, incoming.token),
			words.refused[incoming.token]);
	end
end

function report.compare(rows, outgoing, incoming)
	local add = adder(rows);
	if outgoing and incoming and outgoing ~= incoming then
		add("warning", "directions", ("they differ: outgoing %s, incoming %s"):format(outgoing, incoming), words.directions);
	elseif outgoing and incoming then
		add("ok", "directions", ("both %s"):format(outgoing));
	else
		add("error", "directions", ("outgoing %s, incoming %s"):format(outgoing or "impossible", incoming or "impossible"),
			"the lines above say why");
	end
end

-- Lines

function report.count(rows)
	local errors, warnings = 0, 0;
	for _, row in ipairs(rows) do
		if row.level == "error" then errors = errors + 1; end
		if row.level == "warning" then warnings = warnings + 1; end
	end
	return errors, warnings;
end

function report.lines(rows)
	local lines = {};
	for _, row in ipairs(rows) do
		if row.level == "title" then
			lines[#lines+1] = row.text;
		else
			lines[#lines+1] = ("  %-7s  %-11s  %s"):format(row.level, row.check, row.text);
			if row.remedy and row.level ~= "ok" then
				lines[#lines+1] = ("  %-7s  %-11s  -> %s"):format("", "", row.remedy);
			end
		end
	end
	return lines;
end

return report;
