-- demo.lua: what `make demo` shows: a conversation both ways on loopback, strangers refused, and the balance.
-- SPDX-License-Identifier: MIT
--
-- Real: both Prosody servers, the gateway and its bridge, TLS on every link. A stand-in: the Access Edge and the Lync
-- users behind it (spec/support/edge.lua). KEEP=1 leaves everything running and lets you speak as either side.

local World = require "spec.support.world";
local xmpp = require "spec.support.xmpp";

local KEEP = os.getenv("KEEP") or "";
local LENA = "lena@contoso.com";
local ROMEO = "romeo@fabrikam.com";

io.stdout:setvbuf("line");

local function say(format, ...)
	print(format:format(...));
end

local function title(number, text)
	say("\n%d. %s", number, text);
end

local function line(who, what)
	say("   %-22s %s", who, what);
end

-- What the people themselves see; the demo's own words stand apart.
local balance = { sent = 0, delivered = 0, refused = 0 };

local function watch(w, romeo, lena)
	romeo:on_message(function (stanza, body)
		line("romeo reads", ("%q from %s"):format(body, stanza.attr.from));
	end);
	romeo:on_stanza(function (stanza)
		for _, state in ipairs { "composing", "paused", "gone" } do
			if stanza:child(state, "http://jabber.org/protocol/chatstates") and not stanza:child("body") then
				line("romeo sees", ("%s: %s"):format(stanza.attr.from, state));
			end
		end
		if stanza:child("received", "urn:xmpp:receipts") then
			line("romeo's client", "delivery receipt");
		end
	end);
	lena:on("message", function (conversation, text)
		line("lena reads", ("%q from %s"):format(text, conversation.contact));
	end);
	lena:on("typing", function (conversation, active)
		line("lena sees", ("%s is %s"):format(conversation.contact, active and "typing" or "not typing any more"));
	end);
	return w;
end

local function delivered()
	balance.sent, balance.delivered = balance.sent + 1, balance.delivered + 1;
end

local function refused()
	balance.sent, balance.refused = balance.sent + 1, balance.refused + 1;
end

-- What somebody writes, shown before it leaves.
local function writes(client, name, to, text, options)
	line(name.." writes", ("%q to %s"):format(text, to));
	return client:message(to, text, options);
end

local function conversation(romeo, lena)
	title(1, "Romeo, an XMPP user at the partner fabrikam.com, writes to Lena, a Lync user at contoso.com.");
	local id = writes(romeo, "romeo", LENA, "Hi Lena, got a minute?", { thread = "balcony", receipt = true, state = "active" });
	local told = lena:wait_message("Hi Lena, got a minute?", 15);
	romeo:wait_receipt(id, 10);
	delivered();

	title(2, "Lena types, and answers in the same conversation.");
	told.conversation:typing(true);
	romeo:wait_state("composing", 10);
	line("lena writes", '"Sure. What is it?" to '..ROMEO);
	told.conversation:say("Sure. What is it?");
	romeo:wait_message("Sure. What is it?", 10);
	delivered();
	romeo:chat_state(LENA, "composing", { thread = "balcony" });
	lena:wait_typing(true, 10);
	writes(romeo, "romeo", LENA, "The contract. Tschüß & <thanks>!", { thread = "balcony", state = "active" });
	lena:wait_message("The contract. Tschüß & <thanks>!", 10);
	delivered();
	line("lena", "closes her window");
	told.conversation:bye();
	romeo:wait_state("gone", 10);

	title(3, "Lena opens a conversation herself.");
	line("lena writes", '"Hello again, Romeo" to '..ROMEO);
	lena:open(ROMEO, "Hello again, Romeo");
	romeo:wait_message("Hello again, Romeo", 15);
	delivered();
end

local function shown(show, status)
	return show .. (status and status ~= "" and (", %q"):format(status) or "");
end

local function presence(romeo, lena)
	title(4, "They add each other, and see each other's presence.");
	lena:publish("busy", "in the lab");
	line("romeo", "adds " .. LENA);
	romeo:subscribe(LENA);
	romeo:wait_presence(LENA, "subscribed", 10);
	romeo:wait_sees(LENA, "dnd", 10);
	line("romeo sees", ("%s: %s"):format(LENA, shown(romeo:sees(LENA))));
	line("lena", "adds " .. ROMEO);
	lena:add(ROMEO);
	romeo:wait_presence(LENA, "subscribe", 10);
	line("romeo's client", "asks whether lena may see him; he agrees");
	romeo:approve(LENA);
	lena:wait_sees(ROMEO, "available", 10);
	line("lena sees", ROMEO .. ": available");
	romeo:set_presence("away", "lunch");
	lena:wait_sees(ROMEO, "away", 10);
	line("lena sees", ("%s: %s"):format(ROMEO, shown((select(1, lena:sees(ROMEO))), (select(2, lena:sees(ROMEO))))));
	lena:publish("available");
	romeo:wait_sees(LENA, "available", 10);
	line("romeo sees", LENA .. ": available");
end

local function wait_answer(client, id, what)
	local _, _, text = client:wait_error(id, 10);
	line(what, ("error: %s"):format(text or "?"));
	refused();
end

local function strangers(w, romeo, lena)
	title(5, "A message that cannot be delivered comes back and says why.");
	wait_answer(romeo, writes(romeo, "romeo", "nobody@contoso.com", "Are you there?"), "romeo's client");

	title(6, "A stranger: evil.example is not on the list of partners.");
	local mallory = xmpp.connect(w.loop, {
		jid = "mallory@evil.example/x"; password = "secret"; ip = w.partner.address; ca = w.ca;
	});
	wait_answer(mallory, writes(mallory, "mallory", LENA, "Cheap watches!"), "mallory's client");
	line("lena writes", '"Who are you?" to mallory@evil.example');
	local tried = lena:open("mallory@evil.example", "Who are you?");
	local status, response = tried:wait_failed(10);
	refused();
	local diagnostics = "";
	for _, header in ipairs(response.headers) do
		if header[1]:lower() == "ms-diagnostics-public" then diagnostics = header[2]; end
	end
	line("lena's client", ("%d %s"):format(status, diagnostics));
end

-- What `prosodyctl shell lync streams` says on the gateway.
local function streams(w)
	say("\nThe streams between the two XMPP servers, and how they were authenticated (lync streams):");
	local output = w.gateway:ctl("shell", "lync", "streams");
	for text in output:gmatch("[^\n]+") do
		local direction, rest = text:match("^  (%l+) +(.+)$");
		if direction then
			line(direction == "in" and "from the partner" or "to the partner", rest);
		end
	end
end

local function introduce()
	say("Lync Gateway for Prosody: a demonstration on loopback, with throw-away certificates.\n");
	say("   romeo@fabrikam.com     XMPP user on a Prosody of the partner fabrikam.com (the real server)");
	say("   lena@contoso.com       Lync user behind sip.contoso.com (a stand-in: no Microsoft software here)");
	say("   the gateway            Prosody with mod_lync_gateway for contoso.com, and its SIP bridge");
	say("\nStarting them; this takes a few seconds ...");
end

local function start()
	return World.new {
		dns = { ["evil.example"] = require "spec.support.ports".address("partner") };
		wire = { typing_interval = 0.1; notify_interval = 0.5 };
		partner_options = {
			domains = { "fabrikam.com"; "evil.example" };
			users = { [ROMEO] = "secret"; ["mallory@evil.example"] = "secret" };
		};
	};
end

local function keep(w, romeo, lena)
	say("\nKEEP=1: everything goes on until you press Ctrl-C or end the input. Speak as either of them:");
	say("   romeo: text            lena: text");
	say("An XMPP client of your own: romeo@fabrikam.com, password secret, server %s port 5222.", w.partner.address);
	say("The gateway: prosodyctl --root --config %s shell lync status", w.gateway.config);
	local going = true;
	io.stdin:setvbuf("no"); -- what stdio has read ahead is readable no more
	w.loop:on_readable({ getfd = function () return 0; end }, function ()
		local text = io.read("L");
		if not text then
			going = false;
			return;
		end
		local who, what = text:match("^(%a+):%s*(.-)%s*$");
		if who == "romeo" and what ~= "" then
			romeo:message(LENA, what);
		elseif who == "lena" and what ~= "" then
			local open = lena.conversations[#lena.conversations];
			if open and open.state == "open" then open:say(what); else lena:open(ROMEO, what); end
		else
			say("   romeo: text   or   lena: text");
		end
	end);
	w.loop:wait(function () return not going; end, math.huge, "the end");
end

local function main()
	introduce();
	local w = start();
	local romeo, lena = w:contact("romeo"), w:lync_user("lena", "Lena Berg");
	watch(w, romeo, lena);
	conversation(romeo, lena);
	presence(romeo, lena);
	strangers(w, romeo, lena);
	streams(w);
	say("\nBalance: %d messages sent = %d delivered + %d answered with an error.", balance.sent, balance.delivered,
		balance.refused);
	if KEEP ~= "" and KEEP ~= "0" then
		keep(w, romeo, lena);
	end
	w:finish();
	return balance.sent == balance.delivered + balance.refused;
end

local ok, result = xpcall(main, debug.traceback);
if not ok then
	print("\nThe demonstration failed:\n" .. tostring(result));
	os.exit(1);
end
say(result and "The demonstration went well." or "The balance is wrong.");
os.exit(result and 0 or 1);
