-- Does the Access Edge take us? A connection as the worker makes it, with one OPTIONS.
-- SPDX-License-Identifier: MIT
--
-- look() talks; options(), parse() and judge() are pure.

local check = {};

local HOW = " (New-CsAllowedDomain with -ProxyFqdn, or a hosting provider)";
local SHORT = 1; -- seconds

-- bridge, edge (names), port (of ours), version, id (unique), verification (header with %s, or false) -> the request
function check.options(facts)
	local lines = {
		("OPTIONS sip:%s SIP/2.0"):format(facts.edge);
		("Via: SIP/2.0/TLS %s:%d;branch=z9hG4bK%s"):format(facts.bridge, facts.port, facts.id);
		"Max-Forwards: 70";
		("From: <sip:%s>;tag=%s"):format(facts.bridge, facts.id);
		("To: <sip:%s>"):format(facts.edge);
		("Call-ID: lg-check-%s"):format(facts.id);
		"CSeq: 1 OPTIONS";
		("User-Agent: lync-gateway/%s"):format(facts.version);
		"Content-Length: 0";
	};
	if facts.verification then
		table.insert(lines, #lines, (facts.verification:gsub("%%s", "unverified", 1)));
	end
	return table.concat(lines, "\r\n").."\r\n\r\n";
end

local short = { i = "call-id" };

-- The final answer to our request, among whatever else the peer sends: -> { status, reason, diagnostics } or nil
function check.parse(bytes, id)
	for head in bytes:gmatch("(SIP/2%.0 %d%d%d.-\r\n)\r\n") do
		local status, reason = head:match("^SIP/2%.0 (%d%d%d) ?([^\r\n]*)");
		local headers = {};
		for name, value in head:gmatch("\n([%w-]+)[ \t]*:[ \t]*([^\r\n]*)") do
			name = name:lower();
			headers[short[name] or name] = value;
		end
		if tonumber(status) >= 200 and headers["call-id"] == "lg-check-"..id then
			return { status = tonumber(status); reason = reason;
				diagnostics = headers["ms-diagnostics-public"] or headers["ms-diagnostics"] };
		end
	end
end

-- params: address, port, edge, bridge, listen_port, certificate, key, cafile, timeout, now, id, version, verification;
-- env.probe: the library, env.crl(chain) -> complaint or nil
-- -> { connect = true | { token, text }, tls, named, answer = { status … } | { token, text } | nil: not asked }
local function dial(params, p)
	local sock, token, text = p.connect(params.address, params.port, params.timeout);
	if not sock then
		return nil, { token = token; text = text };
	end
	return p.tls(sock, { name = params.edge; certificate = params.certificate; key = params.key; cafile = params.cafile;
		timeout = params.timeout; now = params.now });
end

local function ask(tls, params, p)
	local bytes, token, text = p.ask(tls, check.options({ edge = params.edge; bridge = params.bridge;
		port = params.listen_port; version = params.version; id = params.id; verification = params.verification }),
		params.timeout, function (buffer) return check.parse(buffer, params.id) ~= nil; end);
	return bytes and check.parse(bytes, params.id) or { token = token; text = text };
end

-- With TLS 1.3 the peer tells after the handshake what it thinks of our certificate. It may close with our request
-- unread, and what it told is lost with the connection: listen on one without a request.
local function listen(params, p)
	local tls = dial(params, p);
	if not tls or not tls.done then
		return tls and tls.token == "alert" and tls.text or nil;
	end
	local alert = p.listen(tls, params.timeout);
	p.close(tls);
	return alert;
end

function check.look(params, env)
	local p = env.probe;
	local tls, failure = dial(params, p);
	if not tls then
		return { connect = failure };
	end
	local facts = { connect = true; tls = tls };
	if not tls.done then return facts; end
	local leaf = tls.chain[1];
	facts.named = leaf ~= nil and p.names(leaf, params.edge);
	facts.revoked = leaf and env.crl and env.crl(tls.chain) or nil;
	if not tls.verified or not facts.named or facts.revoked then -- a stranger gets no request of ours
		facts.heard = p.listen(tls, math.min(params.timeout, SHORT));
		p.close(tls);
		return facts;
	end
	facts.answer = ask(tls, params, p);
	p.close(tls);
	if facts.answer.token == "closed" then
		local alert = listen(params, p);
		facts.answer = alert and { token = "alert"; text = alert } or facts.answer;
	end
	return facts;
end

-- ---- what is to be said

local function judge_connect(add, where, failure)
	local remedies = {
		timeout = "open the port on the firewalls between here and there, and look whether the Access Edge runs";
		refused = "look whether the Access Edge service runs, and whether lync_access_edge has the right port";
		unreachable = "look at the route to it, and at lync_access_edge_address";
	};
	add { level = "error"; id = "edge-connect"; text = ("%s: no connection: %s"):format(where, failure.text);
		remedy = remedies[failure.token] or remedies.unreachable };
end

local OUR_CERTIFICATE = "let the Access Edge trust the CA of our certificate (chain and revocation list), and "
	.."look at what is said about it above";

local alerts = {
	{ "protocol version", "it does not offer TLS 1.2 or later", "enable TLS 1.2 on the Access Edge (Schannel)" };
	{ "handshake failure", "no common cipher, or it wants something else of our certificate", OUR_CERTIFICATE };
	{ "unknown ca", "it does not trust the CA of our certificate", OUR_CERTIFICATE };
	{ "certificate required", "it wants a certificate, and got none", OUR_CERTIFICATE };
	{ "certificate expired", "it says that our certificate has expired", "renew it" };
	{ "certificate revoked", "it says that our certificate is revoked", "get a new one" };
	{ "unrecognized name", "it does not know the name that we asked for", "correct lync_access_edge" };
	{ "certificate", "it does not accept our certificate", OUR_CERTIFICATE };
	{ "access denied", "it does not accept our certificate", OUR_CERTIFICATE };
};

local function judge_alert(add, where, text)
	for _, alert in ipairs(alerts) do
		if text:find(alert[1], 1, true) then
			return add { level = "error"; id = "edge-refuses"; remedy = alert[3];
				text = ("%s: %s (%s)"):format(where, alert[2], text) };
		end
	end
	add { level = "error"; id = "edge-refuses"; text = ("%s: it ends the handshake (%s)"):format(where, text);
		remedy = OUR_CERTIFICATE };
end

local function judge_no_tls(add, where, tls)
	if tls.token == "alert" then
		judge_alert(add, where, tls.text);
	elseif tls.token == "own-files" then
		add { level = "error"; id = "own-files"; text = ("%s: TLS cannot begin: %s"):format(where, tls.text);
			remedy = "correct lync_bridge_certificate" };
	elseif tls.token == "protocol" then
		add { level = "error"; id = "edge-tls"; text = ("%s: no TLS 1.2 or later: %s"):format(where, tls.text);
			remedy = "look whether lync_access_edge has the right port, and enable TLS 1.2 on the Access Edge" };
	else
		add { level = "error"; id = "edge-tls"; text = ("%s: no TLS handshake: %s"):format(where, tls.text);
			remedy = tls.token == "closed" and OUR_CERTIFICATE or "look whether lync_access_edge has the right port" };
	end
end

local function names_of(leaf)
	return #leaf.names > 0 and table.concat(leaf.names, ", ", 1, math.min(#leaf.names, 10)) or leaf.cn or "nobody";
end

local function judge_certificate(add, where, facts, params)
	local tls = facts.tls;
	local leaf = tls.chain[1];
	local told = {};
	for _, err in ipairs(tls.errors) do -- one of each certificate: the others follow from it
		if not told[err.depth] then
			local one = tls.chain[err.depth + 1];
			add { level = "error"; id = "edge-certificate"; text = ("%s: its certificate is not good: %s (%s)"):format(where,
					err.text, one and one.subject or ("certificate %d"):format(err.depth + 1));
				remedy = "correct it on the Access Edge, or name its CA in lync_bridge_certificate.cafile" };
		end
		told[err.depth] = true;
	end
	if facts.revoked then
		add { level = "error"; id = "edge-revoked"; text = ("%s: its certificate: %s (%s)"):format(where, facts.revoked,
				leaf.subject); remedy = "get a new one for the Access Edge, or renew the revocation list" };
	end
	if leaf and not facts.named then
		add { level = "error"; id = "edge-name"; text = ("%s: its certificate is for %s"):format(where, names_of(leaf));
			remedy = "write the name that it carries as lync_access_edge, or correct the certificate" };
	end
	local dates = leaf and tls.verified and params.judge_dates(leaf, params.now);
	if dates then
		dates.text, dates.id = ("%s: its certificate %s"):format(params.edge, dates.text), "edge-"..dates.id;
		add(dates);
	end
	if tls.verified and facts.named and not facts.revoked then
		add { level = "ok"; id = "edge-certificate"; text = ("%s: its certificate is good until %s (issuer: %s)"):format(
			params.edge, leaf.not_after, leaf.issuer) };
	end
	if facts.heard then
		judge_alert(add, where, facts.heard);
	end
end

local function judge_answer(add, where, answer, params)
	if answer.token == "alert" then
		return judge_alert(add, where, answer.text);
	elseif answer.token == "timeout" then
		add { level = "error"; id = "edge-mute";
			text = ("%s: no answer to OPTIONS within %g s"):format(where, params.timeout);
			remedy = "look whether federation is enabled on the Access Edge and whether it knows "..params.bridge..HOW };
		return;
	elseif answer.token then
		add { level = "error"; id = "edge-closed"; text = ("%s: it closes the connection without an answer to OPTIONS: %s")
				:format(where, answer.text); remedy = "see that it trusts our certificate and knows "..params.bridge
				..HOW };
		return;
	end
	local diagnostics = answer.diagnostics and " ("..answer.diagnostics..")" or "";
	local said = ("%d %s%s"):format(answer.status, answer.reason, diagnostics);
	add { level = "ok"; id = "edge-accepts"; text = params.edge..": it accepts our certificate" };
	if answer.status < 300 then
		add { level = "ok"; id = "edge-options"; text = ("%s: OPTIONS answered: %s"):format(params.edge, said) };
	elseif answer.status == 503 then
		add { level = "error"; id = "edge-options"; text = ("%s: OPTIONS answered: %s; the gateway takes it for down")
			:format(where, said); remedy = "look at the Front End servers behind it" };
	elseif answer.status == 403 or answer.status >= 500 then
		add { level = "warning"; id = "edge-options"; text = ("%s: OPTIONS answered: %s"):format(where, said);
			remedy = "look whether it knows "..params.bridge..HOW };
	else
		add { level = "info"; id = "edge-options"; text = ("%s: OPTIONS answered: %s; any answer is a sign of life")
			:format(params.edge, said) };
	end
end

-- facts: of look(); params also: min_tls, judge_dates(described, now) -> finding or nil
function check.judge(facts, params)
	local findings = {};
	local function add(finding) findings[#findings+1] = finding; end
	local where = ("%s (%s port %d)"):format(params.edge, params.address, params.port);
	if facts.connect ~= true then
		judge_connect(add, where, facts.connect);
		return findings;
	elseif not facts.tls.done then
		judge_no_tls(add, where, facts.tls);
		return findings;
	end
	add { level = "ok"; id = "edge-tls"; text = ("%s: %s, %s"):format(where, facts.tls.version or "TLS", facts.tls.cipher
		or "unknown cipher") };
	if params.min_tls == "1.3" and facts.tls.version ~= "TLSv1.3" then
		add { level = "error"; id = "edge-tls"; text = ("%s: %s, and lync_bridge_certificate.min_tls is 1.3"):format(where,
			facts.tls.version or "no TLS 1.3"); remedy = 'write min_tls = "1.2"' };
	end
	judge_certificate(add, where, facts, params);
	if facts.answer then
		judge_answer(add, where, facts.answer, params);
	end
	return findings;
end

return check;
