-- edge_presence_checks_spec.lua: each thing that a bridge can do wrong about presence is seen by the Access Edge stand-in.
-- SPDX-License-Identifier: MIT

local documents = require "spec.support.edge_documents";
local sip = require "spec.support.sip";
local stage = require "spec.support_spec.presence_stage".new();

local ROMEO = "romeo@fabrikam.com";
local CATEGORIES = "application/msrtc-event-categories+xml, application/pidf+xml";

describe("the Access Edge stand-in, of presence,", function ()
	local loop, edge, bridge, lena;
	setup(function () stage:certificates(); end);
	teardown(function () stage:finish(); end);
	before_each(function () loop, edge, bridge, lena = stage:raise(); end);
	after_each(function () stage:lower(); end);

	local WRONG_SUBSCRIBE = {
		["event"] = function (m) m:set("Event", "presence.winfo"); end;
		["from-display"] = function (m) m:set("From", "<sip:romeo@fabrikam.com>;tag=q"); end;
		["accept"] = function (m) m:set("Accept", "application/pidf+xml, application/rlmi+xml"); end;
		["expires"] = function (m) m:set("Expires", "5"); end;
		["claims-extension"] = function (m) m:add("Supported", "ms-benotify"); end;
		["unexpected-header"] = function (m) m:add("Proxy-Require", "ms-benotify"); end;
		["contact"] = function (m) m:set("Contact", "<sip:romeo@fabrikam.com>"); end;
		["record-route"] = function (m) m:set("Record-Route", nil); end;
		["max-forwards"] = function (m) m:set("Max-Forwards", "0"); end;
		["from-domain"] = function (m) m:set("From", '"X" <sip:romeo@contoso.com>;tag=q'); end;
		["fetch"] = function (m) m:set("Expires", "0"); end;
		["verification-level"] = function () edge.presence.verified = { ["fabrikam.com"] = "unverified" }; end;
		["subscribe-body"] = function (m) m:set("Accept", CATEGORIES); end;
	};
	for token, spoil in pairs(WRONG_SUBSCRIBE) do
		it("sees " .. token .. " in a SUBSCRIBE", function ()
			bridge.spoil.SUBSCRIBE = spoil;
			stage:answered();
			assert.equal(token, stage:violated());
		end);
	end

	it("reads the body of a SUBSCRIBE for categories", function ()
		local right = '<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="sip:romeo@fabrikam.com" name="">'
			.. '<action name="subscribe" id="1"><adhocList><resource uri="sip:lena@contoso.com"/></adhocList><categoryList '
			.. 'xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist"><category name="state"/><category name="note"/>'
			.. '</categoryList></action></batchSub>';
		local body = right;
		bridge.spoil.SUBSCRIBE = function (m)
			m:add("Content-Type", "application/msrtc-adrl-categorylist+xml");
			m.body = body;
		end
		stage:watched({ accept = CATEGORIES });
		assert.equal(0, #lena.prompts); -- enhanced, without context: it was added long ago
		assert.equal("", stage:violated());
		edge:ignore("watched-twice");
		for _, change in ipairs { { "lena", "mia" }; { "romeo", "tybalt" }; { 'name="state"', 'name="x"' }; { "</action>", "" } } do
			edge.violations = {};
			body = right:gsub(change[1], change[2], 1);
			stage:answered({ accept = CATEGORIES });
			assert.equal("subscribe-body", stage:violated());
		end
	end);

	local WRONG_REFRESH = {
		["route"] = function (m) m:set("Route", "<sip:sip.contoso.com:5061;lr>"); end;
		["request-uri"] = function (m) m.uri = m.uri:lower(); end;
		["cseq-order"] = function (m) m:set("CSeq", "1 SUBSCRIBE"); end;
		["contact-changed"] = function (m) m:set("Contact", "<sip:other@xmpp.contoso.com:5061;transport=tls>"); end;
		["accept"] = function (m) m:set("Accept", "application/pidf+xml, text/xml+msrtc.pidf"); end;
	};
	for token, spoil in pairs(WRONG_REFRESH) do
		it("sees " .. token .. " in a refresh", function ()
			stage:watched();
			bridge.spoil.SUBSCRIBE = spoil;
			bridge:resubscribe();
			stage:wait_notified(2);
			assert.equal(token, stage:violated());
		end);
	end

	it("sees a second subscription, too many of them, and an answer that is late or wrong", function ()
		stage:watched();
		stage:answered();
		assert.equal("watched-twice", stage:violated());
		edge:ignore("watched-twice");
		edge.violations, edge.presence.subscribe_rate = {}, 1;
		stage:answered();
		assert.equal("subscribe-rate", stage:violated());
		edge.presence.subscribe_rate, edge.violations, bridge.notify_answer = false, {}, 202;
		stage:answered();
		stage:wait_violation("notify-answer");
		edge.violations, bridge.deaf = {}, true;
		stage:answered();
		stage:wait_violation("notify-answer");
	end);

	local WRONG_ANSWER = {
		["not-200"] = function () bridge.subscribe_answer = 202; end;
		["expires"] = { function (m) m:set("Expires", nil); end; function (m) m:set("Expires", "7200"); end;
			function (m) m:set("Expires", "0"); end };
		["event"] = function (m) m:set("Event", nil); end;
		["claims-extension"] = function (m) m:add("Supported", "ms-piggyback-first-notify"); end;
		["contact"] = function (m) m:set("Contact", "<sip:romeo@10.0.0.1>"); end;
		["record-route"] = function (m) m:set("Record-Route", nil); end;
		["subscription-state"] = function (m) m:add("Subscription-State", "pending;expires=60"); end;
		["no-verification"] = function (m) m:set("ms-asserted-verification-level", nil); end;
		["verification-level"] = function (m) m:set("ms-asserted-verification-level", "ms-source-verified-user=unverified"); end;
		["notify-late"] = function () bridge.no_notify = true; end;
		["tag"] = function (m) m:set("To", "<sip:romeo@fabrikam.com>;tag=other"); end;
	};
	for token, spoils in pairs(WRONG_ANSWER) do
		for i, spoil in ipairs(type(spoils) == "table" and spoils or { spoils }) do
			it("sees " .. token .. " (" .. i .. ") in an answer", function ()
				edge.presence.verified = "verified";
				if token == "not-200" or token == "notify-late" then spoil(); else bridge.spoil["200"] = spoil; end
				lena:add(ROMEO, { expires = 3600 });
				stage:wait_violation(token);
				loop:wait(function () return lena:watch_of(ROMEO).status; end, 2, "the answer");
				local rest = stage:violated():gsub(token == "contact" and "contact%-changed" or "^$", ""); -- the NOTIFY has the right one
				assert.equal(token, (rest:gsub("%s+", "")));
			end);
		end
	end

	it("sees what is missing in a refusal", function ()
		for status, token in pairs { [489] = "allow-events"; [423] = "min-expires"; [480] = "no-diagnostics" } do
			bridge.subscribe_answer, edge.violations = status, {};
			if token ~= "no-diagnostics" then edge:ignore("no-diagnostics"); else edge.ignored = {}; end
			assert.equal(status, (lena:add(ROMEO):wait_refused()));
			assert.equal(token, stage:violated());
		end
	end);

	local function replaced(from, to)
		return function (m) m.body = m.body:gsub(from, to); end;
	end

	local WRONG_NOTIFY = {
		["event"] = { function (m) m:add("Event", "presence"); end; function (m) m:set("Event", nil); end };
		["claims-extension"] = { function (m) m:add("Supported", "com.microsoft.autoextend"); end };
		["verification-level"] = { function () edge.presence.verified = "unverified"; end };
		["contact"] = { function (m) m:set("Contact", "<sip:romeo@xmpp.contoso.com;gruu>"); end };
		["record-route"] = { function (m) m:add("Record-Route", "<sip:proxy.fabrikam.com;lr>"); end };
		["route"] = { function (m) m:set("Route", nil); end };
		["request-uri"] = { function (m) m.uri = m.uri:gsub(";gruu", ""); end };
		["cseq-order"] = { function (m) m:set("CSeq", "1 NOTIFY"); end };
		["from-user"] = { function (m) m:set("From", (sip.get(m, "From"):gsub("romeo", "tybalt"))); end };
		["subscription-state"] = { function (m) m:set("Subscription-State", nil); end;
			function (m) m:set("Subscription-State", "pending;expires=10"); end; function (m) m:set("Subscription-State", "active"); end;
			function (m) m:set("Subscription-State", "active;expires=99999"); end;
			function (m) m:set("Subscription-State", "terminated;reason=mood"); end };
		["document"] = { replaced("away", "on-the-phone"); replaced("romeo@", "tybalt@"); replaced("sip:romeo", "pres:romeo");
			replaced("open", "closed"); replaced("</tuple>", "</tuple><tuple id='1'><status><basic>open</basic></status></tuple>");
			replaced("</tuple>", "</tuple><note>n</note>"); replaced("status:rpid%-status", "rpid"); replaced("</presence>", "");
			replaced("^", "<!DOCTYPE x>"); replaced("utf%-8", "iso-8859-1"); replaced("Romeo", "\255");
			function (m) m.body = ""; m:set("Content-Type", nil); end; replaced(" id=\"0\"", "") };
		["document-type"] = { function (m)
			m:set("Content-Type", documents.types.msrtc);
			m.body = documents.write("msrtc", { address = ROMEO, state = "away" });
		end };
	};
	for token, spoils in pairs(WRONG_NOTIFY) do
		for i, spoil in ipairs(spoils) do
			it("sees " .. token .. " (" .. i .. ") in a NOTIFY", function ()
				local w = lena:add(ROMEO, { accept = "application/pidf+xml", legacy = true }):wait_active();
				w:wait_sees("available");
				if token == "contact" or token == "from-user" then edge:ignore("contact-changed"); end
				bridge.spoil.NOTIFY = spoil;
				bridge:is("away");
				stage:wait_violation(token);
				assert.equal(token, stage:violated());
			end);
		end
	end

	it("sees notes that are not for everybody, and what is wrong with categories", function ()
		local function categories(state, note, change)
			bridge.document_type = documents.types.categories;
			bridge.document = documents.write("categories", { address = ROMEO, state = state, note = note, display = "Romeo" });
			if change then bridge.document = bridge.document:gsub(change[1], change[2]); end
			edge.violations = {};
			bridge:is("x");
			lena:watch_of(ROMEO):wait_notify();
		end
		lena:add(ROMEO):wait_active():wait_sees("available");
		categories("dnd", "at the ball");
		assert.same({ "dnd", "at the ball", "Romeo" }, { lena:sees(ROMEO) });
		assert.equal("", stage:violated());
		for _, change in ipairs { { "9500", "9600" }; { "sip:romeo", "sip:tybalt" }; { "aggregateState", "userState" };
			{ 'type="personal"', 'type="OOF"' }; { ' publishTime="[^"]*"', "" }; { 'name="state"', 'name="calendarData"' };
			{ "sip/note", "sip/notes" }; { "urgent%-interruptions%-only", "in-a-meeting" } } do
			categories("dnd", "at the ball", change);
			assert.equal("document", stage:violated(), change[1]);
		end
		edge.presence.notes = { ["fabrikam.com"] = false };
		categories("away", "at home");
		assert.equal("note-leak", stage:violated());
		categories("away", nil);
		assert.equal("", stage:violated());
		bridge.document, bridge.document_type = nil, nil;
		bridge:is("away");
		lena:watch_of(ROMEO):wait_notify();
		assert.equal("document-switch", stage:violated());
	end);

	it("sees NOTIFYs that come too often, and before the last is answered; lets the ones after a 200 pass", function ()
		edge.presence.notify_interval = 0.5;
		local w = lena:add(ROMEO):wait_active();
		w:wait_sees("available");
		w:refresh():wait();
		w:wait_notify(1);
		assert.equal("", stage:violated());
		bridge:is("away");
		lena:wait_sees(ROMEO, "away");
		assert.equal("notify-rate", stage:violated());
		edge.violations, edge.presence.notify_interval = {}, 0;
		lena:answers("NOTIFY", { status = 200, after = 0.2 });
		bridge:is("busy");
		bridge:is("available");
		lena:wait_sees(ROMEO, "available");
		assert.equal("notify-overlap", stage:violated());
	end);

	it("sees a NOTIFY after the last one", function ()
		local w = lena:add(ROMEO):wait_active();
		w:wait_sees("available");
		bridge:notify(bridge.watchers[1], "terminated;reason=giveup");
		assert.equal("giveup", w:wait_terminated());
		bridge:is("away");
		stage:wait_violation("after-terminated");
		assert.equal("after-terminated", stage:violated());
	end);

	it("sees that the last NOTIFY is missing", function ()
		local w = lena:add(ROMEO):wait_active();
		w:wait_sees("available");
		bridge.no_notify = true;
		w:unsubscribe():wait();
		stage:wait_violation("no-final-notify");
	end);
end);
