-- edge_presence_check.lua: what a Lync side would hold against the bridge's SUBSCRIBEs, NOTIFYs and answers to them. Violations
-- as in edge_check.lua; limits are in edge.presence (edge_presence.lua).
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 1.4-1.8, 3, 4; RFC 6665, 3856.

local sip = require "spec.support.sip";
local check = require "spec.support.edge_check";
local documents = require "spec.support.edge_documents";
local dialect = require "spec.support.edge_dialect";

local presence = {};

-- What would make Lync use extensions that we do not want to speak.
local CLAIMS = { "ms-benotify"; "ms-piggyback-first-notify"; "com.microsoft.autoextend"; "eventlist"; "adhoclist"; "categoryList" };

local BATCH = "application/msrtc-adrl-categorylist+xml";
local KNOWN_TYPES = {};
for _, name in pairs(documents.types) do KNOWN_TYPES[name] = true; end

-- A value of an option that may be one for all or { [domain] = value }.
local function by_domain(option, who)
	if type(option) ~= "table" then return option; end
	return option[who:match("@(.*)$") or who];
end

local function common(edge, message, contact)
	local events = sip.all(message, "Event");
	if #events ~= 1 or events[1] ~= "presence" then
		edge:violate("event", message, "%d Event headers: %s", #events, table.concat(events, " | "));
	end
	for _, claim in ipairs(CLAIMS) do
		if sip.has(message, "Supported", claim) then edge:violate("claims-extension", message, "Supported: %s", claim); end
	end
	local level = edge.verification and by_domain(edge.presence.verified, contact);
	local said = edge.verification and sip.get(message, edge.verification);
	if level and said and said ~= "ms-source-verified-user=" .. level then
		edge:violate("verification-level", message, "%s of a contact who is %s", said, level);
	end
end

-- The bridge's Contact is there, and the same for all of the dialog.
local function contact_header(edge, message, dialog)
	local contact = sip.get(message, "Contact") or "";
	if dialog.bridge_contact and contact ~= dialog.bridge_contact then
		edge:violate("contact-changed", message, "%s, was %s", contact, dialog.bridge_contact);
	end
	dialog.bridge_contact = contact;
end

local function number(text)
	return text and text:match("^%d+$") and tonumber(text);
end

-- The one Expires header as a number, or nil and a violation.
local function expires(edge, message)
	local values = sip.all(message, "Expires");
	local seconds = #values == 1 and number(values[1]);
	if not seconds then
		edge:violate("expires", message, "%d Expires headers: %s", #values, table.concat(values, " | "));
	end
	return seconds;
end
presence.expires_of = function (message) return number(sip.get(message, "Expires")); end;

--- Sorted types of Accept.
function presence.accepts(message)
	local types = {};
	for _, element in ipairs(sip.list(message, "Accept")) do types[#types + 1] = element:lower():match("^[^;%s]*"); end
	table.sort(types);
	return types;
end

-- ---------------------------------------------------------------------- SUBSCRIBE of the bridge, a contact watches --

local function accept_list(edge, message, dialog)
	local types = presence.accepts(message);
	local list, listed = table.concat(types, " "), {};
	for _, name in ipairs(types) do
		listed[name] = true;
		if not KNOWN_TYPES[name] then edge:violate("accept", message, "%s", name); end
	end
	if not listed[documents.types.pidf] then edge:violate("accept", message, "%s is not listed", documents.types.pidf); end
	if dialog and dialog.accept and dialog.accept ~= list then
		edge:violate("accept", message, "the refresh lists %s, the dialog began with %s", list, dialog.accept);
	end
	return list, listed;
end

local function body(edge, message, contact, user, listed, first)
	local kind = sip.get(message, "Content-Type");
	if not kind and message.body == "" then
		if first and listed[documents.types.categories] then
			edge:violate("subscribe-body", message, "categories are accepted, but none is asked for");
		end
		return;
	end
	if kind ~= BATCH then return edge:violate("subscribe-body", message, "%s", tostring(kind)); end
	if not listed[documents.types.categories] then
		edge:violate("subscribe-body", message, "asks for categories that are not accepted");
	end
	for _, text in ipairs(dialect.batch(message.body, contact, user)) do edge:violate("subscribe-body", message, "%s", text); end
end

local function rate(edge, message)
	local times, now, limit = edge.subscribe_times, edge.loop:now(), edge.presence.subscribe_rate;
	while times[1] and times[1] <= now - 1 do table.remove(times, 1); end
	times[#times + 1] = edge.loop:earliest();
	if limit and #times > 2 * limit then -- a token bucket may be full and fill again
		edge:violate("subscribe-rate", message, "%d new subscriptions in one second", #times);
	end
end

--- A SUBSCRIBE, of dialog or (nil) a new one. Seconds asked for, types listed.
function presence.subscribe(edge, message, user, dialog)
	local contact = sip.who(sip.get(message, "From"));
	common(edge, message, contact);
	local list, listed = accept_list(edge, message, dialog);
	local asked, limits = expires(edge, message), edge.presence;
	if asked and asked > 0 and (asked < limits.expires_min or asked > limits.expires_max) then
		edge:violate("expires", message, "%d, not between %d and %d", asked, limits.expires_min, limits.expires_max);
	end
	body(edge, message, contact, user.address, listed, not dialog);
	if dialog then
		contact_header(edge, message, dialog);
		presence.sequence(edge, message, dialog);
		check.route(edge, message, dialog.expected_route, dialog.own_target);
	else
		if sip.address(sip.get(message, "From") or "").display == "" then
			edge:violate("from-display", message, "nobody is named to the Lync user");
		end
		if asked == 0 then edge:violate("fetch", message, "Lync knows no polling across federation"); end
		if message.uri ~= "sip:" .. user.address then edge:violate("request-uri", message, "%s", message.uri); end
		rate(edge, message);
	end
	return asked, list;
end

--- CSeq goes up.
function presence.sequence(edge, message, dialog)
	local n = sip.cseq(message) or 0;
	if dialog.remote_cseq and n <= dialog.remote_cseq then
		edge:violate("cseq-order", message, "%d after %d", n, dialog.remote_cseq);
	end
	dialog.remote_cseq = math.max(n, dialog.remote_cseq or 0);
end

--- The bridge's answer to a NOTIFY of ours: at once, and 200 or 481.
function presence.notify_answer(edge, message, late)
	if late then
		edge:violate("notify-answer", message, "not answered within %g s", edge.presence.answer_within);
	elseif message.status ~= 200 and message.status ~= 481 then
		edge:violate("notify-answer", message, "%d", message.status);
	end
end

-- ------------------------------------------------------------ answers to a Lync user's SUBSCRIBE, and the NOTIFYs --

local function granted(edge, message, asked)
	local seconds, limits = expires(edge, message), edge.presence;
	if not seconds then return nil; end
	if asked and seconds > asked then edge:violate("expires", message, "%d, only %d was asked for", seconds, asked); end
	if asked ~= 0 and seconds == 0 then edge:violate("expires", message, "0"); end
	if not asked and (seconds < limits.offer_min or seconds > limits.offer_max) then
		edge:violate("expires", message, "%d, not between %d and %d", seconds, limits.offer_min, limits.offer_max);
	end
	return seconds;
end

--- A final answer to our SUBSCRIBE (asked: its Expires, or nil). Seconds granted.
function presence.answer(edge, message, watch, asked)
	if message.status == 423 and not number(sip.get(message, "Min-Expires")) then
		edge:violate("min-expires", message, "423 without Min-Expires");
	end
	if message.status == 489 and not sip.get(message, "Allow-Events") then
		edge:violate("allow-events", message, "489 without Allow-Events");
	end
	if message.status // 100 ~= 2 then return nil; end
	if message.status ~= 200 then edge:violate("not-200", message, "%d: Lync clients act on 200 only", message.status); end
	common(edge, message, watch.contact);
	contact_header(edge, message, watch);
	local tag = sip.params(sip.get(message, "To") or "").tag;
	if watch.remote_tag and tag ~= watch.remote_tag then
		edge:violate("tag", message, "To has tag %s, the NOTIFY came from %s", tostring(tag), watch.remote_tag);
	end
	watch.remote_tag = tag;
	local seconds = granted(edge, message, asked);
	local state = sip.get(message, "Subscription-State");
	if state and not state:match("^terminated") and state ~= "active;expires=" .. tostring(seconds) then
		edge:violate("subscription-state", message, "%s beside Expires %s", state, tostring(seconds));
	end
	return seconds;
end

local REASONS = { deactivated = true; probation = true; rejected = true; timeout = true; giveup = true; noresource = true;
	invariant = true };

local function state_of(edge, message, watch)
	local values = sip.all(message, "Subscription-State");
	local value = values[1] or "";
	local word, params = value:match("^%a+") or "", sip.params(value);
	if #values ~= 1 then
		edge:violate("subscription-state", message, "%d of them", #values);
	elseif word == "active" then
		local seconds, left = number(params.expires), watch.ends and watch.ends - edge.loop:earliest();
		if not seconds then
			edge:violate("subscription-state", message, "%s: no expires", value);
		elseif left and seconds > left + 2 then
			edge:violate("subscription-state", message, "%s, but %.0f s are left", value, left);
		end
	elseif word == "terminated" then
		if not REASONS[params.reason or ""] then edge:violate("subscription-state", message, "%s: no known reason", value); end
	else
		edge:violate("subscription-state", message, "%q: Lync has no such state", value);
	end
	return word, params;
end

local function pace(edge, message, watch, word)
	local now, limit = edge.loop:now(), edge.presence.notify_interval;
	local since = watch.notified and now - watch.notified or math.huge;
	if watch.credit or word == "terminated" then
		watch.credit = nil; -- the one that every 200 is followed by
	elseif since < limit - math.max(0.1, limit / 10) then
		edge:violate("notify-rate", message, "%.2f s after the last one", since);
	end
	watch.notified = edge.loop:earliest();
end

local function read(edge, message, watch)
	local kind = sip.get(message, "Content-Type");
	local doc, why = documents.read(kind, message.body);
	if not doc then
		edge:violate("document", message, "%s", why);
		return nil;
	end
	if not watch.listed[documents.types[doc.form]] then edge:violate("document-type", message, "%s was not accepted", kind); end
	for _, text in ipairs(dialect.document(doc, watch.contact)) do edge:violate("document", message, "%s", text); end
	if doc.form ~= watch.form then watch.forms = (watch.forms or 0) + 1; end
	if watch.forms and watch.forms > 2 then -- to a richer one, once the bridge knows that there is a note to tell
		edge:violate("document-switch", message, "from %s to %s", watch.form, doc.form);
	end
	watch.form = doc.form;
	if doc.note and not by_domain(edge.presence.notes, watch.contact) then
		edge:violate("note-leak", message, "%q", doc.note);
	end
	return doc;
end

--- A NOTIFY of the bridge. Word of the state, its parameters, the document.
function presence.notify(edge, message, watch)
	common(edge, message, watch.contact);
	check.contact(edge, message);
	contact_header(edge, message, watch);
	for _, route in ipairs(sip.list(message, "Record-Route")) do
		if not check.own_element(edge, route) then edge:violate("record-route", message, "%s", route); end
	end
	check.route(edge, message, watch.expected_route, watch.own_target);
	presence.sequence(edge, message, watch);
	local from = sip.get(message, "From") or "";
	local tag = sip.params(from).tag;
	if watch.remote_tag and tag ~= watch.remote_tag then
		edge:violate("tag", message, "From has tag %s, the 200 came from %s", tostring(tag), watch.remote_tag);
	end
	watch.remote_tag = tag;
	if sip.who(from) ~= watch.contact then edge:violate("from-user", message, "%s, not %s", sip.who(from), watch.contact); end
	if watch.state == "terminated" then edge:violate("after-terminated", message, "the subscription is over"); end
	local last = watch.unanswered; -- 32 s: the bridge has given it up
	if last and not last.transaction.conn.closed and edge.loop:now() - last.at < 31 then
		edge:violate("notify-overlap", message, "the last one has not been answered");
	end
	local word, params = state_of(edge, message, watch);
	pace(edge, message, watch, word);
	if word == "terminated" and message.body == "" then return word, params, nil; end
	return word, params, read(edge, message, watch);
end

return presence;
