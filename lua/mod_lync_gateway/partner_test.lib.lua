-- prosodyctl mod_lync_gateway partner test DOMAIN
-- SPDX-License-Identifier: MIT

local idna_to_ascii = require "util.encodings".idna.to_ascii;
local json_encode = require "util.json".encode;
local nameprep = require "util.encodings".stringprep.nameprep;
local pton = require "util.net".pton;

local arguments = module:require "arguments";
local dial = module:require "partner_test_dial";
local dns = module:require "partner_test_dns";
local lookup = module:require "lookup";
local report = module:require "partner_test_report";
local tls = module:require "partner_test_tls";

local partner_test = {};

local TIMEOUT = 10; -- seconds, for each step
local kinds = { host = "value"; timeout = 120; json = "flag" };

partner_test.usage = [[
  partner test DOMAIN [--host HOST] [--timeout SECONDS] [--json]
                           dial the partner's server: DNS, TCP, TLS,
                           certificate, offers, and what the settings make of
                           it in both directions; no message is sent
]];

-- args -> { domain, host, timeout, json } or nil, what is wrong
local function parse(args)
	local parsed, wrong = arguments.parse(args, kinds, 1);
	if not parsed then
		return nil, wrong;
	elseif not parsed[1] then
		return nil, "Which partner? Say its domain";
	end
	parsed.timeout = parsed.timeout or TIMEOUT;
	parsed.domain = nameprep(parsed[1]);
	if not parsed.domain or not idna_to_ascii(parsed.domain) then
		return nil, parsed[1].." is no domain";
	end
	return parsed;
end

-- What a stream that the partner opens would meet; status: of its certificate.
local function incoming(settings, remote, status)
	local function ask(facts)
		facts.direction, facts.remote, facts.own = "in", remote, false;
		return settings:stream(facts);
	end
	local found = {};
	found.clear, found.token, found.text = ask { phase = "features"; secure = false };
	if not found.clear then return found; end
	local function try(method, secure, mechanism)
		local decision, token, text = ask { phase = "authenticated"; secure = secure; mechanism = mechanism;
			certificate = secure and status or nil };
		if decision then
			found.method = found.method or method;
		else
			found.token, found.text = token, text;
		end
	end
	if found.clear.starttls then
		found.secure, found.token, found.text = ask { phase = "features"; secure = true; certificate = status };
		if found.secure and found.secure.external then try("sasl-tls", true, "external"); end
		if found.secure and found.secure.dialback then try("tls-dialback", true, "dialback"); end
	end
	if found.clear.dialback then try("tcp-dialback", false, "dialback"); end
	if not found.method and not found.token then
		found.token, found.text = "sasl-required", "nothing that it is offered is allowed";
	end
	return found;
end

-- Errors of an address that another one makes up for are warnings.
local function soften(rows, from, to)
	for i = from, to do
		if rows[i].level == "error" then rows[i].level = "warning"; end
	end
end

-- Dials all addresses: the method of the first good one, the certificate's status.
local function dial_all(env, call, rows, targets)
	local method, status, failed = nil, nil, {};
	for _, target in ipairs(targets) do
		for _, address in ipairs(target.addresses or {}) do
			rows[#rows+1] = { level = "title"; check = "address";
				text = ("%s, %s port %d"):format(target.name, address, target.port) };
			local from, good = #rows + 1, nil;
			local attempts = dial.address(call, address, target.port);
			for i, seen in ipairs(attempts) do
				if i > 1 then report.next_attempt(rows, attempts[i-1], seen); end
				report.attempt(rows, seen, call.remote, env.time());
				good, status = good or seen.method, status or seen.tls and seen.tls.status;
			end
			method = method or good;
			if not good then failed[#failed+1] = { from, #rows }; end
		end
	end
	for _, range in ipairs(method and failed or {}) do
		soften(rows, range[1], range[2]);
	end
	return method, status;
end

local function own_dns(rows, ask, host)
	local ascii = idna_to_ascii(host);
	local records, failed = dns.services(ask, "_xmpp-server._tcp.", ascii);
	report.own_dns(rows, ascii, records, failed, records and #records == 0 and dns.addresses(ask, ascii) or nil);
end

-- One host of ours: rows, the methods of both directions.
local function test_host(env, parsed, host, settings)
	local rows, partner = {}, settings:partner(parsed.domain);
	local result = { host = host; rows = rows };
	rows[1] = { level = "title"; check = "partner"; text = ("%s, partner of %s"):format(parsed.domain, host) };
	if not report.settings(rows, partner) then return result; end
	local ascii = idna_to_ascii(parsed.domain);
	local found = dns.locate(env.ask, ascii, partner.proxy_fqdn, function (text) return pton(text) ~= nil; end);
	local status;
	if report.dns(rows, ascii, found, partner.proxy_fqdn) then
		local parameters, err = env.parameters(host);
		if not parameters then
			rows[#rows+1] = { level = "error"; check = "tls"; text = report.plain(("TLS of %s: %s"):format(host, err));
				remedy = "the certificate and key of this host; run this as root or as Prosody's user" };
		else
			if not parameters.certificate then
				rows[#rows+1] = { level = "error"; check = "tls"; text = "no certificate is configured for "..host;
					remedy = "`certificate request` and `certificate import`, or ssl = { certificate = …, key = … }" };
			end
			result.outgoing, status = dial_all(env, { settings = settings; host = host; remote = parsed.domain; ascii = ascii;
				parameters = parameters; timeout = parsed.timeout }, rows, found.targets);
		end
	end
	rows[#rows+1] = { level = "title"; check = "directions"; text = "Both directions" };
	if not found.failed then
		own_dns(rows, env.ask, host);
	end
	local back = incoming(settings, parsed.domain, status or "valid");
	report.incoming(rows, back, status);
	result.incoming = back.method;
	report.compare(rows, result.outgoing, result.incoming);
	return result;
end

-- What asks the name server, for so many seconds each time.
local function asker(seconds)
	return function (questions)
		local answers = {};
		lookup.ask(questions, answers, seconds);
		return answers;
	end;
end

-- Hosts that have this partner: list of { host, settings }, or nil and what is wrong.
local function hosts_of(env, parsed, command)
	local wanted, missing = command.select(env, parsed.host);
	if not wanted then return nil, missing; end
	local found = {};
	for _, host in ipairs(wanted) do
		local settings = env.load(host);
		if settings:partner(parsed.domain) then
			found[#found+1] = { host = host; settings = settings };
		end
	end
	if #found == 0 then
		return nil, ("%s is no partner of %s: `partner new %s …`, if it is wanted"):format(parsed.domain,
			table.concat(wanted, ", "), parsed.domain);
	end
	return found;
end

-- env.ask, env.parameters, env.time: for tests
function partner_test.run(env, args, command)
	local parsed, wrong = parse(args);
	if not parsed then
		env.print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local hosts, missing = hosts_of(env, parsed, command);
	if not hosts then
		env.print("error: "..missing);
		return 1;
	end
	local inner = setmetatable({ ask = env.ask or asker(parsed.timeout); parameters = env.parameters or tls.parameters;
		time = env.time or os.time }, { __index = env });
	local results, errors, warnings = {}, 0, 0;
	for i, entry in ipairs(hosts) do
		results[i] = test_host(inner, parsed, entry.host, entry.settings);
		local e, w = report.count(results[i].rows);
		errors, warnings = errors + e, warnings + w;
	end
	if parsed.json then
		env.print(json_encode { domain = parsed.domain; results = results; errors = errors; warnings = warnings });
	else
		for _, result in ipairs(results) do
			for _, line in ipairs(report.lines(result.rows)) do env.print(line); end
		end
		env.print(("%d error(s), %d warning(s)"):format(errors, warnings));
	end
	return errors + warnings == 0 and 0 or 1;
end

return partner_test;
