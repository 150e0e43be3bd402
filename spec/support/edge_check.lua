-- edge_check.lua: what a Lync side would hold against the bridge; each finding is a violation { token, text } of the stand-in.
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 0, 1.4-1.8, 2; RFC 3261.

local sip = require "spec.support.sip";

local check = {};

-- Every header the bridge has a reason to send. Another one is a mistake, or something of a user's that broke out.
local KNOWN = {};
for name in ([[via record-route route max-forwards from to call-id cseq contact user-agent server supported allow accept
	content-type content-length ms-asserted-verification-level ms-conversation-id roster-manager endpoints ms-text-format
	subject ms-diagnostics-public unsupported retry-after event expires subscription-state accept-encoding accept-language
	warning reason p-asserted-identity content-language message-id date allow-events rseq min-expires]]):gmatch("%S+") do
	KNOWN[name] = true;
end

-- Headers that must be there once.
local ONCE = { "From", "To", "Call-ID", "CSeq", "Content-Length" };

local function own_element(edge, element)
	local _, host = sip.user_host(sip.address(element).uri);
	return host == edge.bridge.fqdn:lower();
end
check.own_element = own_element;

-- What a transaction layer says by itself on one hop: nobody looks for the sender's verification in it.
local function hop_by_hop(message)
	local _, method = sip.cseq(message);
	return message.status == 100 or method == "CANCEL" or message.method == "ACK";
end

local function general(edge, message)
	for _, name in ipairs(ONCE) do
		local count = #sip.all(message, name);
		if count ~= 1 then edge:violate("header-count", message, "%d times %s", count, name); end
	end
	for _, header in ipairs(message.headers) do
		if not KNOWN[sip.canonical(header[1])] then edge:violate("unexpected-header", message, "%s", header[1]); end
		if header[2]:find("%c") then edge:violate("control-character", message, "in %s", header[1]); end
	end
	if sip.get(message, "ms-edge-proxy-message-trust") then
		edge:violate("edge-trust-header", message, "only an Edge may say ms-edge-proxy-message-trust");
	end
	if edge.verification and not hop_by_hop(message) then
		local value = sip.get(message, edge.verification);
		if not value then
			edge:violate("no-verification", message, "%s is missing", edge.verification);
		elseif value ~= "ms-source-verified-user=verified" and value ~= "ms-source-verified-user=unverified" then
			edge:violate("verification-value", message, "%s: %s", edge.verification, value);
		end
	end
	local diagnostics = sip.all(message, "ms-diagnostics-public");
	if #diagnostics > 1 then edge:violate("diagnostics-twice", message, "%d of them", #diagnostics); end
	if sip.has(message, "Supported", "ms-text-format") or sip.has(message, "Supported", "ms-embedded-first-message") then
		edge:violate("claims-first-message", message, "Supported says the first message was shown");
	end
	if #message.body > 0 and not sip.get(message, "Content-Type") then
		edge:violate("no-content-type", message, "%d bytes of body", #message.body);
	end
end

local function identity(edge, message)
	local _, host = sip.user_host(sip.address(sip.get(message, "From") or "").uri);
	if not host or edge.serves[host] then
		edge:violate("from-domain", message, "From is of %s, our own or none", tostring(host));
	elseif edge.contacts and not edge.contacts[host] then
		edge:violate("from-domain", message, "From is of %s, which is not the partner's", host);
	end
end

local DIALOG_FORMING = { INVITE = true, SUBSCRIBE = true };
local DIAGNOSTICS_ALLOWED = { BYE = true, CANCEL = true };

--- A request that came from the bridge.
function check.request(edge, message)
	general(edge, message);
	if message.method ~= "OPTIONS" then identity(edge, message); end
	local number, method = sip.cseq(message);
	if not number or method ~= message.method then edge:violate("cseq", message, "%s", tostring(sip.get(message, "CSeq"))); end
	local via = sip.list(message, "Via");
	if #via ~= 1 then edge:violate("via", message, "%d Vias on the first hop", #via); end
	if not (via[1] or ""):match("^SIP/2%.0/TLS ") then edge:violate("via", message, "%s is not TLS", tostring(via[1])); end
	if not (sip.branch(message) or ""):match("^z9hG4bK.") then edge:violate("via", message, "no RFC 3261 branch"); end
	local hops = tonumber(sip.get(message, "Max-Forwards") or "");
	if not hops or hops < 1 then edge:violate("max-forwards", message, "%s", tostring(sip.get(message, "Max-Forwards"))); end
	if sip.get(message, "Require") then edge:violate("require", message, "%s", sip.get(message, "Require")); end
	if sip.get(message, "ms-diagnostics-public") and not DIAGNOSTICS_ALLOWED[message.method] then
		edge:violate("diagnostics-place", message, "in a %s", message.method);
	end
	if not sip.params(sip.get(message, "From") or "").tag then edge:violate("tag", message, "From without tag"); end
	if DIALOG_FORMING[message.method] then
		check.contact(edge, message);
		local inside = message.method == "SUBSCRIBE" and sip.params(sip.get(message, "To") or "").tag; -- a refresh may leave it out
		local routes = sip.list(message, "Record-Route");
		if edge.record_route and not (inside and #routes == 0) then
			if #routes ~= 1 or not own_element(edge, routes[1]) then
				edge:violate("record-route", message, "not our peer alone: %s", table.concat(routes, ", "));
			end
		end
	end
	if message.method == "MESSAGE" then check.text(edge, message); end
end

--- Contact: host is the bridge's FQDN, no GRUU.
function check.contact(edge, message)
	local contacts = sip.list(message, "Contact");
	local _, host = sip.user_host(sip.address(contacts[1] or "").uri);
	if #contacts ~= 1 or host ~= edge.bridge.fqdn:lower() then
		edge:violate("contact", message, "%s", table.concat(contacts, ", "));
	elseif contacts[1]:lower():find(";gruu", 1, true) then
		edge:violate("contact", message, "a GRUU: %s", contacts[1]);
	end
end

function check.text(edge, message)
	local kind = (sip.get(message, "Content-Type") or ""):lower();
	if kind:match("^text/plain") then
		if not kind:match("charset=utf%-8") then edge:violate("charset", message, "%s", kind); end
		if not utf8.len(message.body) then edge:violate("utf-8", message, "the text is not UTF-8"); end
		if message.body == "" then edge:violate("empty-text", message, "a MESSAGE without text"); end
	elseif not kind:match("^application/") then
		edge:violate("message-type", message, "%s", kind);
	end
end

local function uri_of(element)
	return element:match("<([^>]*)>");
end

--- Route of an in-dialog request: exactly the expected elements, each URI byte for byte.
function check.route(edge, message, expected, target)
	local routes = sip.list(message, "Route");
	local same = #routes == #expected;
	for i, element in ipairs(expected) do
		local got = routes[i];
		same = same and got and uri_of(got) == uri_of(element) and (got:match(">(.*)$") == "" or got == element);
	end
	if not same then
		edge:violate("route", message, "came as  %s\n\tsigned as %s", table.concat(routes, ", "), table.concat(expected, ", "));
	end
	if message.uri ~= target then edge:violate("request-uri", message, "%s instead of %s", message.uri, target); end
end

--- A response of the bridge to our request (sent: { message, via, record_route }).
function check.response(edge, message, sent)
	general(edge, message);
	local via = sip.list(message, "Via");
	local same = #via == #sent.via and (via[1] or ""):sub(1, #sent.via[1]) == sent.via[1];
	for i = 2, #sent.via do same = same and via[i] == sent.via[i]; end
	if not same then
		edge:violate("via-changed", message, "%s\n\tsent %s", table.concat(via, " | "), table.concat(sent.via, " | "));
	end
	for _, name in ipairs({ "From", "To" }) do
		local got, want = sip.address(sip.get(message, name) or ""), sip.address(sip.get(sent.message, name));
		if got.uri ~= want.uri or got.params.epid ~= want.params.epid and want.params.epid
			or want.params.tag and got.params.tag ~= want.params.tag then
			edge:violate("echo", message, "%s came back as %s", name, tostring(sip.get(message, name)));
		end
	end
	for _, name in ipairs({ "Call-ID", "CSeq" }) do
		if sip.get(message, name) ~= sip.get(sent.message, name) then edge:violate("echo", message, "%s", name); end
	end
	if message.status > 100 and not sip.params(sip.get(message, "To") or "").tag then
		edge:violate("tag", message, "To without tag");
	end
	if message.status >= 400 and not sip.get(message, "ms-diagnostics-public") then
		edge:violate("no-diagnostics", message, "a failure without ms-diagnostics-public");
	end
	if message.status == 415 and not sip.get(message, "Accept") then edge:violate("accept", message, "415 without Accept"); end
	if message.status // 100 == 2 and DIALOG_FORMING[sent.message.method] then check.dialog(edge, message, sent); end
end

--- A 2xx that forms a dialog: Contact, and all Record-Routes back, under the bridge's own one.
function check.dialog(edge, message, sent)
	check.contact(edge, message);
	if not sent.record_route then return; end
	local routes = sip.list(message, "Record-Route");
	local expected = table.concat(sent.record_route, ", ");
	local own = #routes == #sent.record_route + 1 and own_element(edge, routes[1]) and table.remove(routes, 1);
	if edge.record_route and not own then edge:violate("record-route", message, "the bridge's own entry is not on top"); end
	if table.concat(routes, ", ") ~= expected then
		edge:violate("record-route", message, "came back as %s\n\tsent as %s", table.concat(routes, ", "), expected);
	end
end

return check;
