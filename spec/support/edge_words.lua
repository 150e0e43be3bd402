-- edge_words.lua: how a Lync side spells SIP: odd order, capitals, several Via and Record-Route lines in between, signed routes.
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 1.4-1.8, 2.2, 2.3. All values are made up.

local mime = require "mime";
local sip = require "spec.support.sip";

local words = {};

words.user_agent = "UCCAPI/15.0.4569.1503 OC/15.0.4569.1503 (Microsoft Lync)";
words.accept_types = "text/plain multipart/alternative image/gif text/rtf text/html application/x-ms-ink "
	.. "application/ms-imdn+xml text/x-msmsgsinvite";

local serial = 0;

--- A new number, in hex, for branches, tags and Call-IDs.
function words.unique()
	serial = serial + 1;
	return string.format("%08x", (serial * 2654435761) % 4294967296);
end

function words.base64(text)
	return (mime.b64(text));
end

--- The SDP body of an IM session: who is "null" in an offer, a SIP URI in an answer.
function words.sdp(who, media)
	return table.concat({ "v=0", "o=- 0 0 IN IP4 10.1.7.42", "s=session", "c=IN IP4 10.1.7.42", "t=0 0",
		media or "m=message 5060 sip " .. who, "a=accept-types:" .. words.accept_types, "" }, "\r\n");
end

--- Record-Route elements of a new dialog, topmost first: the Edge, then the pool. Escapes and case must come back as they are.
function words.record_route(edge)
	local n = words.unique();
	return {
		string.format("<sip:%s:5061;transport=tls;lr;ms-key-info=jAC%%41AKw3n0YrT5xqZ0m2;ms-route-sig=dmQ7%%2fxN2c1oP~%s>;tag=5B1F2A90C4",
			edge.fqdn:gsub("^%l", string.upper), n),
		string.format("<sip:pool1.%s:5061;transport=TLS;opaque=state%%3aF:Ci.R%s;lr;ms-route-sig=hb8Jm2s9Xw>"
			.. ";ms-rrsig=hbq0Rr11Tz;tag=A07C11DE",
			edge.domain:upper(), n),
	};
end

--- Via lines of a request from the Edge, topmost first: the client's own one has no branch.
function words.via(edge)
	local branch = "z9hG4bK6E0B" .. words.unique() .. ".4FD1C2AA90B33C11";
	return {
		string.format('SIP/2.0/TLS %s:54021;branch=%s;branched=FALSE;ms-internal-info="ckA2pV1s,0QyT;9mUe"', edge.ip, branch),
		"SIP/2.0/TLS 10.1.0.11:61877;branch=z9hG4bK90AB" .. words.unique()
			.. ";branched=FALSE;ms-received-port=61877;ms-received-cid=2C00",
		"SIP/2.0/TLS 10.1.7.42:49733;ms-received-port=49733;ms-received-cid=1A3F00",
	}, branch;
end

--- From/To value of a Lync user: the name touches the bracket, epid stands before tag.
function words.lync_address(user, tag, with_name)
	return string.format("%s<sip:%s>;epid=%s;tag=%s", with_name and '"' .. user.display .. '"' or "", user.address,
		user.epid, tag);
end

--- GRUU of a user's endpoint.
function words.gruu(user)
	return "sip:" .. user.address .. ";opaque=user:epid:" .. user.opaque .. ";gruu";
end

local function append(list, ...)
	for _, header in ipairs({ ... }) do list[#list + 1] = header; end
end

local INVITE_TAGS = { "ms-dialog-route-set-update", "ms-embedded-first-message", "ms-delayed-accept",
	"ms-renders-mime-alternative", "timer", "histinfo", "ms-safe-transfer", "ms-sender", "ms-early-media" };

local function invite_headers(list, conversation, options)
	local text, user, contact = options.text, conversation.user, conversation.contact;
	append(list, { "Supported", INVITE_TAGS[1] });
	if text and options.embed ~= false then
		append(list, { "ms-text-format", "text/plain; charset=UTF-8; ms-body=" .. words.base64(text) },
			{ "ms-im-format", "text/html; charset=UTF-8; ms-body=" .. words.base64("<SPAN lang=\"en-us\">" .. text .. "</SPAN>") });
	end
	if options.huge then
		append(list, { "ms-im-format", "text/rtf; charset=UTF-8; ms-body=" .. words.base64(("rtf "):rep(options.huge * 3 // 16)) });
	end
	for i = 2, 4 do append(list, { "Supported", INVITE_TAGS[i] }); end
	append(list, { "Ms-Conversation-ID", options.conversation_id or words.base64("conv-" .. words.unique() .. "-2013-id") });
	for i = 5, #INVITE_TAGS do append(list, { "Supported", INVITE_TAGS[i] }); end
	append(list, { "Roster-Manager", "sip:" .. user.address },
		{ "EndPoints", options.endpoints or string.format("<sip:%s>, <sip:%s>", user.address, contact) },
		{ "Supported", "com.microsoft.rtc-multiparty" }, { "ms-keep-alive", "UAC;hop-hop=yes" },
		{ "Allow", "INVITE, BYE, ACK, CANCEL, INFO, MESSAGE, UPDATE, REFER, NOTIFY, BENOTIFY" },
		{ "ms-subnet", "10.1.7.0" }, { "Supported", "ms-conf-invite" },
		{ "history-info", string.format("<sip:%s>;index=1", contact) });
end

--- Bytes of a request of a conversation. parts: method, uri, cseq, via, body, type, headers (extra), options (INVITE's);
-- first: dialog-forming; contact; server (a front end, not a client), supported = {} (the headers have it).
function words.request(edge, conversation, parts)
	local c, list = conversation, {};
	local routes = parts.first and c.record_route or {};
	for i = 1, math.max(#routes, #parts.via) do
		if routes[i] then append(list, { "Record-Route", routes[i] }); end
		if parts.via[i] then append(list, { "Via", parts.via[i] }); end
	end
	for _, route in ipairs(parts.first and {} or parts.route or c.route) do append(list, { "Route", route }); end
	append(list, { "MAX-FORWARDS", 67 }, { "CONTENT-LENGTH", true });
	if edge.verification then append(list, { edge.verification, "ms-source-verified-user=verified" }); end
	if parts.first then
		append(list, { "P-Asserted-Identity", string.format('"%s"<sip:%s>,<tel:+15550100>', c.user.display, c.user.address) });
	end
	append(list, { "FROM", parts.from or words.lync_address(c.user, c.tag, true) },
		{ "To", parts.to or c.remote_to or string.format("<sip:%s>", c.contact) }, { "Call-ID", c.call_id },
		{ "CSEQ", parts.cseq .. " " .. parts.method }, { "Contact", parts.contact or "<" .. words.gruu(c.user) .. ">" });
	append(list, parts.server and { "Server", "RTC/5.0" } or { "User-Agent", words.user_agent });
	if parts.method == "INVITE" then
		invite_headers(list, c, parts.options or {});
	elseif not parts.server and not parts.supported then
		append(list, { "Supported", "ms-dialog-route-set-update" }, { "Supported", "timer" });
	end
	for _, header in ipairs(parts.headers or {}) do append(list, header); end
	if parts.type then append(list, { "Content-Type", parts.type }); end
	return sip.bytes(parts.method .. " " .. parts.uri .. " SIP/2.0", list, parts.body);
end

--- Bytes of a response to a request of the bridge. parts: status, reason, to, record_route (list, topmost first), contact,
-- headers, body, type, server (of a front end).
function words.response(edge, request, parts, received_port)
	local list, via = {}, sip.list(request, "Via");
	via[1] = string.format("%s;received=%s;ms-received-port=%s;ms-received-cid=44A100", via[1] or "", parts.received or "192.0.2.10",
		tostring(received_port or 40112));
	for _, value in ipairs(via) do append(list, { "Via", value }); end
	for _, value in ipairs(parts.record_route or {}) do append(list, { "Record-Route", value }); end
	append(list, { "CONTENT-LENGTH", true }, { "FROM", sip.get(request, "From") or "" }, { "TO", parts.to },
		{ "CALL-ID", sip.get(request, "Call-ID") or "" }, { "CSeq", sip.get(request, "CSeq") or "" });
	if parts.contact then append(list, { "Contact", "<" .. parts.contact .. ">" }); end
	if edge.verification then append(list, { edge.verification, "ms-source-verified-user=verified" }); end
	append(list, parts.server and { "Server", "RTC/5.0" } or { "User-Agent", words.user_agent });
	if parts.status < 300 and not parts.server then
		for _, tag in ipairs({ "ms-sender", "histinfo", "ms-safe-transfer", "ms-dialog-route-set-update", "ms-conf-invite" }) do
			append(list, { "Supported", tag });
		end
	end
	for _, header in ipairs(parts.headers or {}) do append(list, header); end
	if parts.type then append(list, { "Content-Type", parts.type }); end
	return sip.bytes(string.format("SIP/2.0 %d %s", parts.status, parts.reason), list, parts.body);
end

words.reasons = { [100] = "Trying", [180] = "Ringing", [183] = "Session Progress", [200] = "OK", [202] = "Accepted",
	[403] = "Forbidden", [404] = "Not Found", [406] = "Not Acceptable", [408] = "Request Timeout",
	[415] = "Unsupported Media Type",
	[420] = "Bad Extension", [423] = "Interval Too Brief", [489] = "Bad Event",
	[480] = "Temporarily Unavailable", [481] = "Call/Transaction Does Not Exist", [486] = "Busy Here", [487] = "Request Terminated",
	[488] = "Not Acceptable Here", [500] = "Server Internal Error", [503] = "Service Unavailable", [504] = "Server time-out",
	[603] = "Decline", [606] = "Not Acceptable" };

return words;
