-- edge_documents.lua: presence documents as a Lync front end writes them and as a Lync client reads them.
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 3.1, 3.4, 3.5.
--
--	local form = documents.choose(sip.list(request, "Accept"))	-- "categories" | "msrtc" | "pidf" | nil
--	local body = documents.write(form, { address = …, state = "busy", note = …, display = … })
--	local doc, why = documents.read(content_type, body)		-- { form, presence, note, display, who, root }
--
-- States: offline, available, idle, busy, busy-idle, dnd, brb, away, off-work; when published also "meeting" and "phone".

local xml = require "spec.support.xml";

local documents = {};

documents.types = {
	categories = "application/msrtc-event-categories+xml"; msrtc = "text/xml+msrtc.pidf"; pidf = "application/pidf+xml";
};

documents.namespaces = {
	pidf = "urn:ietf:params:xml:ns:pidf"; activities = "urn:ietf:params:xml:ns:pidf:status:rpid-status";
	tuple = "urn:ietf:params:xml:ns:pidf:rpid-tuple"; cipid = "urn:ietf:params:xml:ns:pidf:cipid";
	msrtc = "http://schemas.microsoft.com/2002/09/sip/presence";
	categories = "http://schemas.microsoft.com/2006/09/sip/categories"; state = "http://schemas.microsoft.com/2006/09/sip/state";
	note = "http://schemas.microsoft.com/2006/09/sip/note"; card = "http://schemas.microsoft.com/2006/09/sip/contactcard";
	service = "http://schemas.microsoft.com/2006/09/sip/service"; xsi = "http://www.w3.org/2001/XMLSchema-instance";
};
local NS = documents.namespaces;

-- availability of categories, word of PIDF, availability and activity of msrtc.pidf, token of categories.
local STATES = {
	offline = { 18500; nil; 0; 0 };
	available = { 3500; nil; 300; 400 };
	idle = { 5000; "away"; 300; 250 };
	busy = { 6500; "busy"; 300; 600 };
	meeting = { 6500; "busy"; 300; 600; "in-a-meeting" };
	phone = { 6500; "busy"; 300; 500; "on-the-phone" };
	["busy-idle"] = { 7500; "busy"; 300; 600 };
	dnd = { 9500; "busy"; 300; 600; "urgent-interruptions-only" };
	brb = { 12500; "away"; 300; 300 };
	away = { 15500; "away"; 300; 100 };
	["off-work"] = { 15500; "away"; 300; 100; "off-work" };
};
documents.states = STATES;

--- The document that a front end chooses: in this order, whatever that of the header is.
function documents.choose(accept)
	local listed = {};
	for _, element in ipairs(accept) do listed[element:lower():match("^[^;%s]*")] = true; end
	for _, form in ipairs { "categories"; "msrtc"; "pidf" } do
		if listed[documents.types[form]] then return form; end
	end
	return nil;
end

-- ------------------------------------------------------------------------------------------------------ write --

local writers = {};

function writers.pidf(p)
	local state = STATES[p.state];
	local activity = state[2] and "<ep:activities><ep:activity>" .. state[2] .. "</ep:activity></ep:activities>" or "";
	return string.format('<presence xmlns="%s" xmlns:ep="%s" xmlns:et="%s" xmlns:ci="%s" entity="sip:%s"><tuple id="0"><status>'
		.. '<basic>%s</basic>%s</status></tuple>%s</presence>', NS.pidf, NS.activities, NS.tuple, NS.cipid, xml.escape(p.address),
		p.state == "offline" and "closed" or "open", activity,
		p.display and "<ci:display-name>" .. xml.escape(p.display) .. "</ci:display-name>" or "");
end

function writers.msrtc(p)
	local state, epid = STATES[p.state], xml.escape(p.epid or "7f3a19c0d2");
	local away = p.state == "offline";
	return string.format([[
<presentity uri="%s" xmlns="%s">
 <availability aggregate="%d" description="" epid="%s"/>
 <activity aggregate="%d" description="" epid="%s"/>
 <displayName displayName="%s"/>
 <email email="%s"/>
 <phoneNumber label="" number=""/>
 <userInfo/>
 <devices>
  <devicePresence epid="%s" ageOfPresence="30">
   <availability aggregate="%d" description="%s"/>
   <activity aggregate="%d" description="%s" note="%s"/>
   <userInfo/>
  </devicePresence>
 </devices>
</presentity>]], xml.escape(p.address), NS.msrtc, state[3], epid, state[4], epid, xml.escape(p.display or ""),
		xml.escape(p.address), epid, state[3], away and "" or "online", state[4], away and "" or "Active", xml.escape(p.note or ""));
end

local function category(name, container, time, content)
	return string.format('<category name="%s" instance="%d" publishTime="%s" container="%d" version="1" expireType="%s">%s</category>',
		name, name == "state" and 1 or 0, time, container, name == "state" and "user" or "static", content);
end

-- hidden = "nothing" (container 0: identity only, the rest removed) or "blocked" (container 32000: offline, the rest empty).
function writers.categories(p)
	local time = os.date("!%Y-%m-%dT%H:%M:%S.000Z", math.floor(p.time or os.time()));
	local container = p.hidden == "blocked" and 32000 or p.hidden and 0 or 100;
	local parts = { string.format('<categories xmlns="%s" uri="sip:%s">', NS.categories, xml.escape(p.address)) };
	if p.hidden == "nothing" then
		parts[#parts + 1] = category("state", container, time, "")..category("note", container, time, "");
	else
		local state = STATES[p.state];
		parts[#parts + 1] = category("state", container, time, string.format('<state xmlns="%s" xmlns:xsi="%s" '
			.. 'xsi:type="aggregateState" lastActive="%s"><availability>%d</availability>%s<endpointLocation/></state>', NS.state,
			NS.xsi, time:sub(1, 19), state[1], state[5] and string.format('<activity token="%s" minAvailability="%d" '
			.. 'maxAvailability="%d"/>', state[5], state[1] - 500, state[1] + 2499) or ""));
		parts[#parts + 1] = category("note", container, time, p.note and p.note ~= "" and string.format('<note xmlns="%s">'
			.. '<body type="personal" uri="">%s</body></note>', NS.note, xml.escape(p.note)) or "");
	end
	parts[#parts + 1] = category("contactCard", 0, time, string.format('<contactCard xmlns="%s"><identity><name><displayName>%s'
		.. '</displayName></name><email>%s</email></identity></contactCard>', NS.card, xml.escape(p.display or ""),
		xml.escape(p.address)));
	return table.concat(parts) .. "</categories>";
end

--- The document of that form. p: address, state, note, display, hidden, epid, time.
function documents.write(form, p)
	return writers[form](p);
end

-- ------------------------------------------------------------------------------------------------------- read --

local readers = {};

function readers.pidf(root, doc)
	local tuple = root:child("tuple");
	local status = tuple and tuple:child("status");
	local basic = status and status:child_text("basic");
	doc.who = root.attr.entity;
	local card = root:child("display-name", NS.cipid) or tuple and tuple:child("display-name", NS.cipid);
	doc.display = card and card:text();
	if basic == "closed" then doc.presence = "offline"; return; end
	if basic ~= "open" then return; end
	local activities = status:child("activities", NS.activities);
	local word = activities and activities:child_text("activity", NS.activities);
	doc.presence = (word == "busy" or word == "away") and word or "available"; -- other words say nothing to a Lync client
end

-- Activity classes of msrtc.pidf.
local ACTIVITIES = { { 100; "available" }; { 200; "away" }; { 300; "idle" }; { 400; "brb" }; { 500; "available" }; { 700; "busy" };
	{ 800; "away" }; { 1000; "available" } };

function readers.msrtc(root, doc)
	local function aggregate(name)
		local element = root:child(name);
		return element and tonumber(element.attr.aggregate);
	end
	local availability, activity = aggregate("availability"), aggregate("activity");
	local name = root:child("displayName");
	doc.who, doc.display = root.attr.uri, name and name.attr.displayName;
	local devices = root:child("devices");
	local device = devices and devices:child("devicePresence");
	local act = device and device:child("activity");
	doc.note = act and act.attr.note ~= "" and act.attr.note or nil;
	if not availability then return; end
	if availability < 200 then doc.presence = "offline"; return; end
	for _, class in ipairs(ACTIVITIES) do
		if (activity or 0) < class[1] then doc.presence = class[2]; return; end
	end
end

-- Lower bounds of availability, highest first.
local BOUNDS = { { 18000; "offline" }; { 15000; "away" }; { 12000; "brb" }; { 9000; "dnd" }; { 7500; "busy-idle" };
	{ 6000; "busy" }; { 4500; "idle" }; { 3000; "available" }; { 0; "offline" } };

local function read_state(element, doc)
	local state = element:child("state");
	local number = state and tonumber(state:child_text("availability"));
	local activity = state and state:child("activity");
	doc.availability, doc.token = number, activity and activity.attr.token;
	for _, bound in ipairs(number and BOUNDS or {}) do
		if number >= bound[1] then doc.presence = bound[2]; break; end
	end
	if doc.presence == "away" and doc.token == "off-work" then doc.presence = "off-work"; end
	if not state then doc.presence = "offline"; end -- unpublished
end

local function read_note(element, doc, newest)
	local time = element.attr.publishTime or "";
	if newest and time < newest then return newest; end
	local note = element:child("note");
	local text = note and note:child_text("body");
	doc.note, doc.has_note = text ~= "" and text or nil, true;
	return time;
end

function readers.categories(root, doc)
	local newest;
	doc.who = root.attr.uri;
	for _, element in ipairs(root:childs()) do
		local name = element.name == "category" and element.attr.name;
		if name == "state" then
			read_state(element, doc);
		elseif name == "note" then
			newest = read_note(element, doc, newest);
		elseif name == "contactCard" then
			local card = element:child("contactCard");
			local identity = card and card:child("identity");
			local inner = identity and identity:child("name");
			doc.display = inner and inner:child_text("displayName");
		end
	end
end

--- Read a NOTIFY's body. nil and why when a Lync client cannot.
function documents.read(content_type, body)
	local kind = (content_type or ""):lower():match("^[^;%s]*");
	for form, name in pairs(documents.types) do
		if name == kind then
			local root, why = xml.document(body);
			if not root then return nil, why; end
			local doc = { form = form, root = root };
			readers[form](root, doc);
			return doc;
		end
	end
	return nil, "Content-Type " .. tostring(content_type);
end

return documents;
