-- Who gets in and out: the allow list on every way, with raw s2s peers against a real Prosody.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";

describe("the gate", function ()
	local w, certs, fabrikam, evil, lena;
	setup(function ()
		w = World.new {
			partner = false;
			dns = { ["evil.example"] = ports.address("evil") };
			global = "s2s_secure_auth = false";
			other_hosts = { "other.example" };
		};
		certs = {};
		for _, domain in ipairs { "fabrikam.com", "evil.example" } do
			certs[domain] = w.ca:issue(domain, { names = { domain; domain == "fabrikam.com" and "na.fabrikam.com" or nil } });
		end
		fabrikam = s2s_server.new(w.loop, { domain = "fabrikam.com"; ip = ports.address("partner"); cert = certs["fabrikam.com"] });
		evil = s2s_server.new(w.loop, { domain = "evil.example"; ip = ports.address("evil"); cert = certs["evil.example"] });
		lena = w:lync_user("lena");
	end);
	teardown(function () w:finish(); end);

	local function connect(from, to, options)
		options = options or {};
		return s2s.connect(w.loop, { from = from; to = to or "contoso.com"; ip = w.gateway.address;
			cert = options.cert or certs[from] or certs["fabrikam.com"]; version = options.version });
	end

	local function say(peer, from, text, to)
		peer:send(("<message type='chat' id='%s' from='%s' to='%s'><body>%s</body></message>"):format(text, from,
			to or "lena@contoso.com", text));
	end

	local function nothing_for_lena(text)
		w.loop:never(function ()
			for _, entry in ipairs(lena.received) do
				if entry.text == text then return true; end
			end
		end, 0.3, "a stranger's message at Lena");
	end

	it("lets a partner in, also with its additional domain", function ()
		local peer = connect("fabrikam.com"):authenticate("EXTERNAL");
		say(peer, "romeo@fabrikam.com/x", "in-primary");
		lena:wait_message("in-primary");
		local second = connect("na.fabrikam.com"):authenticate("EXTERNAL");
		say(second, "tybalt@na.fabrikam.com/x", "in-additional");
		lena:wait_message("in-additional");
		peer:close();
		second:close();
	end);

	it("shows a stranger no features but the door", function ()
		local peer = connect("evil.example");
		peer:open();
		assert.is_nil(peer:wait_features());
		w.loop:wait(function () return peer.closed; end, 5, "the stream to be closed");
		assert.equal("policy-violation", peer.stream_error);
		w.gateway:wait_log('refused features:[^\n]*token=not%-a%-partner');
	end);

	it("answers a stranger's dialback with an error", function ()
		local peer = connect("evil.example", "contoso.com", { version = false });
		peer:open();
		w.loop:wait(function () return peer.opened; end, 5, "the stream header");
		peer:dialback("0123");
		assert.equal("error", peer:wait_result());
		say(peer, "x@evil.example", "after-dialback");
		nothing_for_lena("after-dialback");
		peer:close();
	end);

	it("asks again for each domain of one stream", function ()
		local peer = connect("fabrikam.com"):authenticate("EXTERNAL");
		peer:dialback("0123", "evil.example");
		assert.equal("error", peer:wait_result());
		say(peer, "x@evil.example", "piggyback");
		nothing_for_lena("piggyback");
		peer:close();
	end);

	it("takes no stanza of a stream that was authenticated for another host", function ()
		local peer = connect("evil.example", "other.example"):authenticate("EXTERNAL");
		say(peer, "x@evil.example/x", "cross-host");
		peer:wait_closed();
		assert.equal("not-authorized", peer.stream_error);
		nothing_for_lena("cross-host");
	end);

	it("takes no stanza of a partner's stream for another host either", function ()
		local peer = connect("fabrikam.com", "other.example"):authenticate("EXTERNAL");
		say(peer, "romeo@fabrikam.com/x", "cross-partner");
		peer:wait_closed();
		nothing_for_lena("cross-partner");
	end);

	it("takes no stanza from a domain that the stream does not speak for", function ()
		local peer = connect("fabrikam.com"):authenticate("EXTERNAL");
		say(peer, "x@evil.example/x", "spoofed");
		peer:wait_closed();
		assert.equal("not-authorized", peer.stream_error); -- Prosody's own rule
		nothing_for_lena("spoofed");
	end);

	it("refuses a sender of the gateway's own domain", function ()
		local peer = connect("fabrikam.com"):authenticate("EXTERNAL");
		say(peer, "mallory@contoso.com/x", "own-domain");
		nothing_for_lena("own-domain");
		peer:close();
	end);

	it("opens no connection to a stranger", function ()
		local tried = lena:open("mallory@evil.example", "hello?");
		local status = tried:wait_failed();
		assert.equal(403, status);
		w.loop:never(function () return #evil.streams > 0; end, 0.3, "a stream to a stranger");
		-- and by Prosody's own routing, whatever asks for it
		local output = w.gateway:ctl("shell", "xmpp", "ping", "contoso.com", "evil.example");
		assert.equal(0, #evil.streams, output);
	end);

	it("delivers to a partner over a stream of its own", function ()
		local open = lena:open("romeo@fabrikam.com", "outbound");
		open:wait_open();
		assert.equal("lena@contoso.com", fabrikam:wait_message("outbound").attr.from);
	end);

	it("counts what it refused", function ()
		local output = w.gateway:ctl("shell", "lync", "status");
		assert.is_truthy(output:find("xmpp.contoso.com", 1, true), output);
	end);
end);
