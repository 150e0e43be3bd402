-- What Lync is told when a partner's server does not take a message, before its 200 and after it.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local sip = require "spec.support.sip";

local LENA = "lena@contoso.com";
local STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";

-- What the partner's server says, and what Lync gets. The error is from the address that was spoken to, which is bare.
local BOUNCES = {
	{ "item-not-found", "cancel", 604, 1003 };
	{ "service-unavailable", "cancel", 403, 60002 };
	{ "recipient-unavailable", "wait", 600, 60001 };
	{ "forbidden", "auth", 603, 60002 };
	{ "not-acceptable", "modify", 606, 60002 };
	{ "policy-violation", "modify", 403 };
	{ "gone", "cancel", 410 };
	{ "remote-server-timeout", "wait", 504, 1007 }; -- RFC 4320: nobody answers MESSAGE with 408
	{ "resource-constraint", "wait", 500 };
	{ "no-such-condition", "cancel", 400 };
};

describe("a message from Lync", function ()
	local w, peer, home, lena, serial;
	setup(function ()
		w = World.new { partner = false; wire = { answer_wait = 0.3 }; dns = { ["na.fabrikam.com"] = ports.address("nobody") } };
		local cert = w.ca:issue("fabrikam", { names = { "fabrikam.com" } });
		home = s2s_server.new(w.loop, { domain = "fabrikam.com"; ip = ports.address("partner"); cert = cert });
		peer = s2s.connect(w.loop, { from = "fabrikam.com"; to = "contoso.com"; ip = w.gateway.address; cert = cert });
		peer:authenticate("EXTERNAL");
		lena, serial = w:lync_user("lena"), 0;
	end);
	teardown(function () w:finish(); end);

	local function bounce(stanza, condition, kind, from, text)
		peer:send(("<message type='error' id='%s' from='%s' to='%s'><error type='%s'><%s xmlns='%s'/>%s</error></message>"):format(
			stanza.attr.id, from or stanza.attr.to, stanza.attr.from, kind, condition, STANZAS,
			text and ("<text xmlns='%s'>%s</text>"):format(STANZAS, text) or ""));
	end

	-- A session with a new contact, what was said in it, and its stanza.
	local function said()
		serial = serial + 1;
		local contact = "contact" .. serial .. "@fabrikam.com";
		local conversation = lena:open(contact):wait_open();
		local sent = conversation:say("to " .. contact);
		return home:wait_message("to " .. contact), conversation, sent;
	end

	local function no_imdn(conversation, count)
		w.loop:never(function () return #conversation.imdns > (count or 0); end, 0.4, "a second report");
	end

	for _, case in ipairs(BOUNCES) do
		it(("is answered with %d for %s before its 200"):format(case[3], case[1]), function ()
			local stanza, conversation, sent = said();
			bounce(stanza, case[1], case[2], nil, "because &lt;of&gt;&#10;this");
			local status, response = sent:wait();
			assert.equal(case[3], status);
			local diagnostics = sip.get(response, "ms-diagnostics-public");
			assert.is_truthy(diagnostics:match("^%d+;reason=\"because <of> this\"$"), diagnostics);
			if case[4] then assert.equal(case[4], tonumber(diagnostics:match("^%d+"))); end
			assert.equal("open", conversation.state);
		end);
	end

	it("that bounced is not reported once more, and the session goes on", function ()
		local stanza, conversation, sent = said();
		bounce(stanza, "service-unavailable", "cancel");
		bounce(stanza, "service-unavailable", "cancel");
		assert.equal(403, (sent:wait()));
		no_imdn(conversation);
		local again = conversation:say("second text");
		home:wait_message("second text");
		assert.equal(200, (again:wait()));
	end);

	it("is reported with its Message-Id when it bounces after its 200, once", function ()
		local stanza, conversation, sent = said();
		local status, response = sent:wait();
		assert.equal(200, status);
		bounce(stanza, "item-not-found", "cancel");
		w.loop:wait(function () return #conversation.imdns > 0; end, 2, "the IMDN");
		assert.equal(604, conversation.imdns[1].status);
		assert.equal(sip.get(response, "Message-Id"), conversation.imdns[1].id);
		bounce(stanza, "item-not-found", "cancel");
		no_imdn(conversation, 1);
	end);

	it("can be bounced by nobody but its addressee, with the id that it had", function ()
		local stanza, conversation, sent = said();
		local id = stanza.attr.id;
		stanza.attr.id = id:gsub("%x$", function (digit) return digit == "0" and "1" or "0"; end);
		bounce(stanza, "item-not-found", "cancel");
		stanza.attr.id = id;
		bounce(stanza, "item-not-found", "cancel", "mallory@fabrikam.com");
		assert.equal(200, (sent:wait()));
		bounce(stanza, "item-not-found", "cancel", "mallory@fabrikam.com/x");
		no_imdn(conversation);
	end);

	it("to a domain that cannot be reached is answered with a reason, once", function ()
		local conversation = lena:open("tybalt@na.fabrikam.com"):wait_open();
		local status, response = conversation:say("into the void"):wait(10);
		assert.is_truthy(({ [404] = true; [480] = true; [504] = true })[status], tostring(status));
		assert.is_truthy(sip.get(response, "ms-diagnostics-public"):match("^100[57];"), sip.get(response, "ms-diagnostics-public"));
		no_imdn(conversation);
	end);

	it("to a stranger's domain is refused before anything is said", function ()
		local status, response = lena:open("mallory@evil.example", "hello"):wait_failed();
		assert.equal(403, status);
		assert.is_truthy(sip.get(response, "ms-diagnostics-public"):find("^1002;"));
	end);

	it("is not answered by errors about what was never said", function ()
		for _, id in ipairs { "lync1-0123456789abcdef01234567", "lyncffffffffffffffff-00", "lync-", "x" } do
			peer:send(("<message type='error' id='%s' from='contact1@fabrikam.com' to='%s'><error type='cancel'><gone xmlns='%s'/>"
				.. "</error></message>"):format(id, LENA, STANZAS));
		end
		local before = #home.stanzas;
		w.loop:never(function () return #home.stanzas > before; end, 0.3, "an answer to an error");
	end);
end);

describe("a message from Lync to a partner's server", function ()
	local w, lena;
	setup(function ()
		w = World.new { wire = { answer_wait = 2 } };
		lena = w:lync_user("lena");
	end);
	teardown(function () w:finish(); end);

	it("is refused when the contact does not exist there", function ()
		local conversation = lena:open("nobody@fabrikam.com"):wait_open();
		local status, response = conversation:say("anybody there?"):wait();
		assert.equal(403, status);
		assert.is_truthy(sip.get(response, "ms-diagnostics-public"):find("^60002;"));
		w.loop:never(function () return #conversation.imdns > 0; end, 0.3, "a second report");
	end);

	it("is accepted when the contact is away and the server keeps it", function ()
		local conversation = lena:open("romeo@fabrikam.com"):wait_open();
		assert.equal(200, (conversation:say("for later"):wait()));
		w:contact("romeo"):wait_message("for later");
	end);
end);
