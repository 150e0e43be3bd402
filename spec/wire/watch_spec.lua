-- Subscriptions on the wire, without a Prosody: the real worker driven by core.bridge, an Access Edge opposite. What is read of
-- Event, Accept, Expires and Subscription-State, however it is spelt, and what SUBSCRIBE and NOTIFY of ours look like.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local Edge = require "spec.support.edge";
local Probe = require "spec.support.probe";
local check = require "spec.support.edge_check";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local sip = require "spec.support.sip";
local st = require "util.stanza";
local words = require "spec.support.edge_words";

local ROMEO, LENA = "romeo@fabrikam.com", "lena@contoso.com";
local ADDED = [[<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="sip:lena@contoso.com" name="">]]
	.. [[<action name="subscribe" id="63792024"><adhocList><resource uri="sip:romeo@fabrikam.com"><context/></resource></adhocList>]]
	.. [[<categoryList xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist"><category name="state"/></categoryList>]]
	.. [[</action></batchSub>]];
local BUSY = [[<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status" ]]
	.. [[xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" entity="sip:lena@contoso.com"><tuple id="0"><status><basic>open</basic>]]
	.. [[<ep:activities><ep:activity>busy</ep:activity></ep:activities></status></tuple>]]
	.. [[<ci:display-name>Lena Berg</ci:display-name></presence>]];

-- An Edge and a bridge: { loop, edge, bridge, events }, as much of a World as a Probe needs.
local function start()
	local w = { loop = Loop.new(), events = {}, gateway = { process = { output = "" } } };
	local ca = CA.new(process.directory(w.loop, "ca"), "throw-away CA");
	local own = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	w.edge = Edge.new { loop = w.loop; cert = ca:issue("edge", { names = { "sip.contoso.com" } });
		listen = { ip = ports.address("edge"); port = 5061 }; domain = "contoso.com"; contacts = { "fabrikam.com" };
		bridge = { fqdn = "xmpp.contoso.com"; ip = ports.address("gateway"); port = 5061 } };
	w.bridge = assert(core.bridge {
		fqdn = "xmpp.contoso.com"; listen = { ports.address("gateway") .. ":5061" };
		certificate = own.cert; key = own.key; cafile = ca.file; subscription_refresh_interval = 7200;
		wire = { notify_interval = 0.1; watch_rate = 0 };
		domains = { { name = "contoso.com"; edge = "sip.contoso.com"; address = ports.address("edge"); port = 5061 } };
	});
	function w.next() return w.bridge:next(); end
	local function pump()
		for event in function () return w.next(); end do
			w.loop:note("bridge", event.type .. " " .. (event.watch or event.presence or event.reason or event.text or ""));
			table.insert(w.events, event);
		end
	end
	w.loop:on_readable({ getfd = function () return w.bridge:fd(); end; dirty = function () return false; end }, pump);
	w.loop:every(0.05, pump);
	w.loop:at_close(function () w.bridge:close(); end);
	function w.worker_pid() return w.bridge:pid(); end
	-- The next event of that type, taken out of what has come.
	function w:event(kind)
		return self.loop:wait(function ()
			for i, event in ipairs(self.events) do
				if event.type == kind then return table.remove(self.events, i); end
			end
		end, 5, "an event " .. kind);
	end
	assert(w:event("worker").status == 1);
	return w;
end

describe("subscriptions on the wire", function ()
	local w, probe, lena, serial;
	setup(function ()
		w = start();
		probe, lena, serial = Probe.new(w), w.edge:user(LENA, "Lena Berg"), 0;
		w.loop:wait(function () return w.edge:count("out", 200) > 0; end, 5, "the bridge's first OPTIONS");
	end);
	teardown(function ()
		w.edge:assert_clean();
		w.loop:close();
	end);
	after_each(function ()
		probe:assert_alive();
		lena.take_request = nil;
	end);

	-- Requests of one dialog come into a list and are answered 200. -> list
	local function dialog(tag, call_id)
		local taken = {};
		w.edge.dialogs[tag] = { call_id = call_id; take_request = function (_, transaction)
			table.insert(taken, transaction.request);
			w.edge:respond(transaction, { status = 200 });
		end };
		return taken;
	end

	-- SUBSCRIBE by hand, from a watcher of its own each time.
	local function subscribe(more, change)
		serial = serial + 1;
		local parts = { method = "SUBSCRIBE"; From = ("<sip:lena@contoso.com>;tag=s%d"):format(serial); ["Call-ID"] = "sub" .. serial;
			To = ("<sip:romeo%d@fabrikam.com>"):format(serial); uri = ("sip:romeo%d@fabrikam.com"):format(serial); more = more };
		for key, value in pairs(change or {}) do parts[key] = value; end
		local conn = probe.conn or probe:connect();
		probe.conn = conn;
		return conn, parts, dialog("s" .. serial, "sub" .. serial);
	end

	-- Sent, answered by the plugin with 200. -> response, NOTIFYs, event
	local function accepted(more, change)
		local conn, parts, notifies = subscribe(more, change);
		local skip = #conn.messages;
		conn:send((probe:bytes(parts)));
		local event = w:event("subscribe");
		assert(w.bridge:answer(event.id, 200, nil, nil, { verified = true }));
		local response = probe:answer(conn, parts["Call-ID"], nil, skip);
		assert.equal(200, response.status);
		w.loop:wait(function () return notifies[1]; end, 5, "the first NOTIFY");
		return response, notifies, event;
	end

	local function refused(status, more, change)
		local conn, parts = subscribe(more, change);
		local response = probe:ask(parts, conn);
		assert.equal(status, response.status, response.reason);
		assert.is_truthy(sip.get(response, "ms-diagnostics-public"));
		return response;
	end

	describe("of a Lync user", function ()
		it("are accepted, and presence follows", function ()
			local routes = words.record_route(w.edge);
			local more = { { "Event", "presence" }, { "Proxy-Require", "ms-benotify" }, { "Supported", "ms-piggyback-first-notify" },
				{ "Accept", "application/msrtc-event-categories+xml, application/xpidf+xml, text/xml+msrtc.pidf" },
				{ "Accept", "application/pidf+xml, application/rlmi+xml, multipart/related" },
				{ "Record-Route", routes[1] }, { "Record-Route", routes[2] } };
			local response, notifies, event = accepted(more, { body = ADDED;
				["Content-Type"] = "application/msrtc-adrl-categorylist+xml";
				From = '"Lena Berg"<sip:lena@contoso.com>;epid=7f3a19c0d2;tag=s' .. serial + 1 });
			local contact = ("romeo%d@fabrikam.com"):format(serial);
			assert.same({ contact; LENA; "Lena Berg"; true; false },
				{ event.contact; event.user; event.display; event.added; event.again });
			assert.equal("presence", sip.get(response, "Event"));
			assert.equal("3600", sip.get(response, "Expires"));
			assert.equal("active;expires=3600", sip.get(response, "Subscription-State"));
			check.contact(w.edge, response);
			local listed = sip.list(response, "Record-Route");
			assert.is_true(check.own_element(w.edge, listed[1]));
			assert.same({ routes[1]; routes[2] }, { listed[2]; listed[3] });
			local first = notifies[1];
			check.route(w.edge, first, routes, "sip:lena@contoso.com;opaque=user:epid:x;gruu");
			check.contact(w.edge, first);
			assert.equal("presence", sip.get(first, "Event"));
			assert.truthy(sip.get(first, "Subscription-State"):match("^active;expires=3%d%d%d$"));
			assert.equal("application/pidf+xml", sip.get(first, "Content-Type"));
			assert.truthy(first.body:find("<basic>closed</basic>", 1, true));
			assert(w.bridge:presence { contact = contact; user = LENA; presence = "busy"; note = "in a meeting"; verified = true });
			w.loop:wait(function () return notifies[2]; end, 5, "the second NOTIFY");
			assert.truthy(notifies[2].body:find(">busy<", 1, true));
			assert.is_nil(notifies[2].body:find("meeting", 1, true));
			assert(w.bridge:presence { contact = contact; user = LENA; presence = "dnd"; note = "in a meeting"; notes = true });
			w.loop:wait(function () return notifies[3]; end, 5, "the third NOTIFY");
			assert.equal("application/msrtc-event-categories+xml", sip.get(notifies[3], "Content-Type"));
			assert.truthy(notifies[3].body:find("in a meeting", 1, true));
			assert(w.bridge:watches { contact = contact });
			local row = w:event("watch-row");
			assert.same({ contact; LENA; true; "dnd"; 1 }, { row.contact; row.user; row.incoming; row.presence; row.status });
			w:event("watches-end");
			assert(w.bridge:reject { contact = contact; user = LENA });
			w.loop:wait(function () return notifies[4]; end, 5, "the last NOTIFY");
			assert.equal("terminated;reason=rejected", sip.get(notifies[4], "Subscription-State"));
			assert.equal("rejected", w:event("unsubscribed").token);
		end);

		it("may be spelt in any way", function ()
			for what, more in pairs {
				["compact, capitals, parameters"] = { { "o", "PRESENCE ; id=7;x" } };
				["folded"] = { { "Event", "presence\r\n ;id=7" } };
				["no Accept"] = { { "Event", "presence" } };
				["many lines of Accept"] = { { "Event", "presence" }, { "Accept", "application/xpidf+xml" },
					{ "ACCEPT", "text/plain;q=0.1,\r\n\tapplication/pidf+xml;q=0.9" } };
				["an Accept that cannot be read beside one that can"] = { { "Event", "presence" }, { "Accept", "<<, ;;" },
					{ "Accept", "application/pidf+xml" } };
			} do
				local _, notifies = accepted(more);
				assert.equal("application/pidf+xml", sip.get(notifies[1], "Content-Type"), what);
			end
		end);

		it("stand for as long as we say", function ()
			for value, want in pairs { ["600"] = 600; ["99999999999999999999"] = 3600; ["3601"] = 3600; ["soon"] = 3600;
				["Sat, 01 Jan 2028 00:00:00 GMT"] = 3600 } do
				local response = accepted { { "Event", "presence" }, { "Expires", value } };
				assert.equal(tostring(want), sip.get(response, "Expires"), value);
			end
		end);

		it("are refused where they are none of ours", function ()
			for _, event in ipairs { "presence.wpending", "dialog", "presence2" } do
				assert.equal("presence", sip.get(refused(489, { { "Event", event } }), "Allow-Events"));
			end
			refused(489, {});
			refused(406, { { "Event", "presence" }, { "Accept", "text/plain" }, { "Accept", "application/xpidf+xml" } });
			assert.equal("60", sip.get(refused(423, { { "Event", "presence" }, { "Expires", "59" } }), "Min-Expires"));
			refused(420, { { "Event", "presence" }, { "Require", "adhoclist, categoryList" } });
			assert.equal(503, (function ()
				local conn, parts = subscribe({ { "Event", "presence" } });
				local skip = #conn.messages;
				conn:send((probe:bytes(parts)));
				assert(w.bridge:answer(w:event("subscribe").id, 503, 1007, "Temporarily cannot route"));
				return probe:answer(conn, parts["Call-ID"], nil, skip).status;
			end)());
		end);

		it("are refused where they cannot be read", function ()
			refused(400, { { "Event", "presence" }, { "Event", "presence" } });
			refused(400, { { "Event", "presence" }, { "o", "dialog" } });
			refused(400, { { "Event", ";;" } });
			refused(413, { { "Event", "presence" }, { "Accept", ("application/x-%s"):format(("y"):rep(9000)) } });
			refused(413, { { "Event", ("p"):rep(1200) } });
			refused(413, { { "Event", "presence" } }, { body = ("x"):rep(65537); ["Content-Type"] = "application/x" });
		end);

		it("in a dialog that is not there are told so", function ()
			refused(481, { { "Event", "presence" } }, { To = "<sip:romeo@fabrikam.com>;tag=guess" });
			refused(481, { { "Event", "presence" }, { "Subscription-State", "active" } },
				{ method = "NOTIFY"; To = "<sip:romeo@fabrikam.com>;tag=guess" });
		end);
	end);

	describe("of ours", function ()
		-- The bridge subscribes, Lync says yes. -> { request, NOTIFY function }
		local function watch(contact, more)
			local taken, said = {}, {};
			function lena.take_request(_, transaction)
				said.request = transaction.request;
				taken[#taken + 1] = transaction;
			end
			assert(w.bridge:watch { contact = contact; user = LENA; display = "Romeo"; verified = true; notes = more and more.notes });
			w.loop:wait(function () return taken[1]; end, 5, "a SUBSCRIBE");
			said.transaction, said.tag, said.cseq = taken[1], "w" .. words.unique(), 0;
			said.routes = words.record_route(w.edge);
			function said.accept(headers)
				w.edge:respond(said.transaction, { status = 200; contact = "sip:pool1.contoso.com:5061;transport=tls";
					to = sip.get(said.request, "To") .. ";tag=" .. said.tag;
					record_route = { said.routes[2]; said.routes[1]; table.unpack(sip.list(said.request, "Record-Route")) };
					headers = headers or { { "Expires", "7100" }, { "event", "presence" },
						{ "subscription-state", "active;expires=7100" } } });
			end
			function said.parts(change)
				said.cseq = said.cseq + 1;
				local parts = { method = "NOTIFY"; uri = sip.address(sip.get(said.request, "Contact")).uri; body = BUSY;
					["Content-Type"] = "application/pidf+xml"; ["Call-ID"] = sip.get(said.request, "Call-ID");
					From = ("<sip:lena@contoso.com>;tag=%s"):format(said.tag); To = sip.get(said.request, "From");
					CSeq = said.cseq .. " NOTIFY"; Contact = "<sip:pool1.contoso.com:5061;transport=tls>";
					more = { { "Event", "presence" }, { "subscription-state", "active;expires=7100" } } };
				for key, value in pairs(change or {}) do parts[key] = value; end
				return parts;
			end
			function said.notify(change) return probe:ask(said.parts(change)); end
			return said;
		end

		it("are asked for, refreshed by what Lync says, and ended", function ()
			local said = watch(ROMEO);
			local request = said.request;
			assert.equal("presence", sip.get(request, "Event"));
			assert.equal("7200", sip.get(request, "Expires"));
			assert.same({ "application/pidf+xml" }, sip.list(request, "Accept"));
			assert.equal("ms-source-verified-user=verified", sip.get(request, "ms-asserted-verification-level"));
			assert.equal("", request.body);
			said.accept();
			assert.equal(200, said.notify().status);
			local event = w:event("watch");
			assert.same({ "active"; ROMEO; LENA }, { event.watch; event.contact; event.user });
			event = w:event("state");
			assert.same({ "busy"; "Lena Berg"; ROMEO; LENA }, { event.presence; event.display; event.contact; event.user });
			-- the end of it is asked for in the dialog, over its route
			local taken = dialog(said.tag, sip.get(request, "Call-ID"));
			assert(w.bridge:unwatch { contact = ROMEO; user = LENA });
			w.loop:wait(function () return taken[1]; end, 5, "the SUBSCRIBE that ends it");
			assert.same({ "SUBSCRIBE"; "0" }, { taken[1].method; sip.get(taken[1], "Expires") });
			check.route(w.edge, taken[1], said.routes, "sip:pool1.contoso.com:5061;transport=tls");
			assert.equal(200, said.notify({ body = ""; ["Content-Type"] = false;
				more = { { "Event", "presence" }, { "Subscription-State", "terminated;reason=timeout" } } }).status);
			assert.equal("ended", w:event("watch").watch);
		end);

		describe("and a roster", function ()
			local contact, now = "paris@fabrikam.com", os.time();
			local roster, taken, plain;
			-- Events by feed, into the roster of that host.
			local function feed(host)
				local settings = core.settings(host, { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
					lync_partners = { ["fabrikam.com"] = { partner_type = "federated" } } });
				plain, taken, roster = w.next, 0, core.roster(nil, now);
				roster:event(settings, { type = "worker"; status = 1 }, now);
				roster:stanza(settings, { kind = "subscribe"; contact = contact; user = LENA }, now);
				while roster:next(settings, now) do end
				function w.next()
					local n, _, event = w.bridge:feed(roster, settings, now, 64);
					taken = taken + n;
					if event and event.type == "watch" then roster:event(settings, event, now); end
					return event;
				end
				return settings;
			end
			after_each(function ()
				w.next = plain;
				roster:close();
			end);

			local function watched()
				local said = watch(contact);
				said.accept();
				assert.equal(200, said.notify().status);
				assert.equal("active", w:event("watch").watch);
				return said;
			end

			local function ended(said)
				local asked = dialog(said.tag, sip.get(said.request, "Call-ID"));
				assert(w.bridge:unwatch { contact = contact; user = LENA });
				w.loop:wait(function () return asked[1]; end, 20, "the SUBSCRIBE that ends it");
				assert.equal(200, said.notify({ body = ""; ["Content-Type"] = false;
					more = { { "Event", "presence" }, { "Subscription-State", "terminated;reason=timeout" } } }).status);
				assert.equal("ended", w:event("watch").watch);
			end

			it("know of states without an event, of all else by events", function ()
				local settings = feed("contoso.com");
				local said = watched();
				w.loop:wait(function () return taken == 1; end, 20, "the state");
				assert.equal("subscribed", roster:say(settings, now, st.stanza_mt).kind);
				local stanza, domain = roster:say(settings, now, st.stanza_mt);
				assert.same({ "fabrikam.com"; LENA; contact; "dnd"; "Lena Berg" }, { domain; stanza.attr.from; stanza.attr.to;
					stanza:get_child_text("show"); stanza:get_child_text("nick", "http://jabber.org/protocol/nick") });
				ended(said);
				assert.equal(1, taken);
				for _, event in ipairs(w.events) do assert.not_equal("state", event.type); end
			end);

			it("know by events of users of another host", function ()
				feed("other.example");
				local said = watched();
				assert.equal("busy", w:event("state").presence);
				ended(said);
				assert.equal(0, taken);
			end);
		end);

		it("take a NOTIFY before the answer, and ask for notes where they are wanted", function ()
			local contact = "mercutio@fabrikam.com";
			local said = watch(contact, { notes = true });
			assert.same({ "application/msrtc-event-categories+xml"; "application/pidf+xml" }, sip.list(said.request, "Accept"));
			assert.equal("application/msrtc-adrl-categorylist+xml", sip.get(said.request, "Content-Type"));
			assert.truthy(said.request.body:find("sip:lena@contoso.com", 1, true));
			assert.equal(200, said.notify().status);
			said.accept();
			assert.equal("active", w:event("watch").watch);
			assert.equal("busy", w:event("state").presence);
			-- the semicolon at the end is one that Sofia's parser does not bear
			assert.equal(200, said.notify({ body = ""; ["Content-Type"] = false;
				more = { { "Event", "presence" }, { "SUBSCRIPTION-STATE", "Terminated ; Reason=rejected;" } } }).status);
			local event = w:event("watch");
			assert.same({ "refused"; contact }, { event.watch; event.contact });
		end);

		it("are refused with Lync's reason", function ()
			local said = watch("benvolio@fabrikam.com");
			w.edge:respond(said.transaction, { status = 404;
				headers = { { "ms-diagnostics-public", '1003;reason="User does not exist"' } } });
			local event = w:event("watch");
			local condition, error_type = core.to_condition(404, 1003);
			assert.same({ "refused"; 404; 1003; condition; error_type },
				{ event.watch; event.status; event.diag; event.condition; event.error_type });
		end);

		it("are as long as Lync wants", function ()
			local said = watch("tybalt@fabrikam.com");
			local first = said.request;
			w.edge:respond(said.transaction, { status = 423; reason = "Interval Too Brief"; headers = { { "Min-Expires", "9000" } } });
			w.loop:wait(function () return said.request ~= first; end, 15, "another SUBSCRIBE");
			assert.equal("9000", sip.get(said.request, "Expires"));
			assert(w.bridge:unwatch { contact = "tybalt@fabrikam.com"; user = LENA });
		end);

		it("bear a NOTIFY that cannot be read", function ()
			local said = watch("paris@fabrikam.com");
			local skip = #w.events;
			said.accept();
			assert.equal(200, said.notify().status);
			assert.equal("active", w:event("watch").watch);
			assert.equal("busy", w:event("state").presence);
			for what, case in pairs {
				["no package"] = { 489, { more = { { "Subscription-State", "active" } } } };
				["another package"] = { 489, { more = { { "Event", "dialog" }, { "Subscription-State", "active" } } } };
				["two packages"] = { 400, { more = { { "Event", "presence" }, { "Event", "presence" } } } };
				["no XML"] = { 400, { body = "\0\1\2" } };
				["another document"] = { 415, { ["Content-Type"] = "application/x-other" } };
				["too large"] = { 413, { body = ("x"):rep(65537) } };
				["a state without end"] = { 413, { more = { { "Event", "presence" }, { "Subscription-State", ("a"):rep(2000) } } } };
				["no Call-ID"] = { 400, { ["Call-ID"] = false } };
			} do
				if case[2]["Call-ID"] ~= false then
					assert.equal(case[1], said.notify(case[2]).status, what);
				end
			end
			-- without a state, or with one that is none, it is answered all the same
			for _, state in ipairs { false; ";;;"; "active;expires"; "active;expires=\"7100"; "?" } do
				local more = { { "Event", "presence" } };
				if state then more[2] = { "Subscription-State", state }; end
				local response = said.notify({ more = more });
				assert.truthy(response.status == 200 or response.status == 400, response.status);
			end
			assert.equal(200, said.notify().status);
			w.loop:never(function ()
				for i = skip + 1, #w.events do
					if w.events[i].type == "watch" then return true; end
				end
			end, 0.2, "the watch has ended");
		end);
	end);

	it("OPTIONS tells what is taken", function ()
		local response = probe:ask { method = "OPTIONS"; uri = "sip:xmpp.contoso.com" };
		for _, method in ipairs { "INVITE"; "MESSAGE"; "SUBSCRIBE"; "NOTIFY" } do
			assert.is_true(sip.has(response, "Allow", method), method);
		end
		for _, kind in ipairs { "application/pidf+xml"; "text/xml+msrtc.pidf"; "application/msrtc-event-categories+xml" } do
			assert.is_true(sip.has(response, "Accept", kind), kind);
		end
		assert.equal("presence", sip.get(response, "Allow-Events"));
	end);
end);
