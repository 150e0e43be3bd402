-- Prosody's loop is never with the gateway for more than 20 ms at a time, whatever there is to do: by its own metric.
-- SPDX-License-Identifier: MIT

local Rig = require "bench.scale_rig";
local Probe = require "spec.support.probe";
local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local scrape = require "spec.support.scrape";
local sip = require "spec.support.sip";
local stream = require "spec.support.stream";
local Turns = require "spec.support.turns";
local World = require "spec.support.world";

local N = tonumber(os.getenv("LG_N") or 500);
local SECONDS = 200; -- for what takes a few, on a busy machine

describe("a turn of Prosody's loop, with " .. N .. " pairs,", function ()
	local rig, turns;
	setup(function ()
		rig = Rig.new(scrape.world { pairs = N; notify_interval = 1 });
		turns = Turns.new(rig);
	end);
	teardown(function () rig:close(); end);

	it("is short while all of them subscribe, both ways", function ()
		turns:assert_short("subscribe", function ()
			if rig:roster().subscribed > 0 then
				rig:dissolve(0, SECONDS);
				rig.xmpp:say("reset");
			end
			rig:establish(0, SECONDS);
		end);
	end);

	it("is short while the worker tells of all of them at once", function ()
		turns:assert_short("refresh", function ()
			local before = rig.edge:stats();
			rig.edge:say("refresh 0 %d 0", N);
			rig:watch(function () return rig.edge:stats().answered - before.answered == N; end, SECONDS, "all refreshes");
		end);
	end);

	it("is short while they are shown", function ()
		turns:assert_short("shell", function ()
			local output = rig.gateway:shell("lync:subscriptions()");
			assert.matches(N .. " subscription%(s%)", output);
		end);
	end);

	it("is short while all of them end", function ()
		turns:assert_short("dissolve", function ()
			if rig:roster().subscribed == 0 then
				rig.xmpp:say("reset");
				rig:establish(0, SECONDS);
			end
			rig:dissolve(0, SECONDS);
		end);
	end);
end);

-- As many as wait for a stream at most, of one host (handover.lib.lua), and some.
local WAITING = 1100;
local PARTNERS = 1000;
local FLOOD = 3000;

describe("a turn of Prosody's loop, with " .. PARTNERS .. " partners,", function ()
	local w, turns, cert, peer, home;
	setup(function ()
		local list = { [[ ["fabrikam.com"] = { partner_type = "federated"; description = "one" } ]],
			[[ ["dead.example"] = { partner_type = "federated" } ]] };
		for i = 1, PARTNERS do
			table.insert(list, ([[ ["p%d.example"] = { partner_type = "federated"; support_dialback_negotiation = false;
				additional_domains = { "a.p%d.example", "b.p%d.example", "c.p%d.example" } } ]]):format(i, i, i, i));
		end
		w = World.new(scrape.world { partner = false; partners = table.concat(list, ";"); global = "s2s_secure_auth = false\n";
			dns = { ["dead.example"] = ports.address("dead") }; log = "info"; edge = { contacts = { "fabrikam.com", "dead.example" } } });
		cert = w.ca:issue("fabrikam", { names = { "fabrikam.com" } });
		home = s2s_server.new(w.loop, { domain = "fabrikam.com"; ip = ports.address("partner"); cert = cert });
		peer = s2s.connect(w.loop, { from = "fabrikam.com"; to = "contoso.com"; ip = w.gateway.address; cert = cert });
		peer:authenticate("EXTERNAL");
		turns = Turns.new(w);
	end);
	teardown(function () w:finish(); end);

	it("is short when one of them changes", function ()
		local from, to = "one", "two";
		turns:assert_short("reload", function ()
			local begun = #w.gateway.process.output;
			w.gateway:reload(('description = %q'):format(from), ('description = %q'):format(to));
			from, to = to, from;
			w.loop:wait(function () return w.gateway.process.output:find("configured worker", begun, true); end, 20, "the reload");
		end);
	end);

	it("is short while they are shown", function ()
		turns:assert_short("partners", function ()
			assert.matches(" 1002 partner%(s%)", (w.gateway:shell("lync:partners()")));
		end);
	end);

	it("is short with thousands of stanzas at once, most of which have to be refused", function ()
		for i = 0, 9 do w:lync_user("u" .. i); end
		turns:assert_short("stanzas", function ()
			local parts, done = {}, {};
			for i = 1, FLOOD do
				parts[i] = ("<message type='chat' id='f%d' from='romeo@fabrikam.com/x' to='u%d@contoso.com'><body>hello</body>"
					.. "<request xmlns='urn:xmpp:receipts'/></message>"):format(i, i % 10);
			end
			home.stanzas = {};
			peer:send(table.concat(parts));
			w.loop:wait(function ()
				for _, stanza in ipairs(home.stanzas) do
					local received = stanza:child("received", "urn:xmpp:receipts");
					done[received and received.attr.id or stanza.attr.id] = true;
				end
				home.stanzas = {};
				local n = 0;
				for _ in pairs(done) do n = n + 1; end
				return n == FLOOD;
			end, SECONDS, "the fate of each");
		end);
	end);

	it("is short when what waits for a stream, as much as may, is sent back", function ()
		local probe = Probe.new(w);
		local serial = 0;
		turns:assert_short("bounces", function ()
			local dead, parts, answers = nil, {}, {};
			local trap = stream.listen(w.loop, ports.address("dead"), 5269, nil, function (conn)
				if dead == false then conn:close(true); else dead = dead or conn; end
			end);
			local conn = probe:connect();
			serial = serial + 1;
			for i = 1, WAITING do
				local contact = ("sip:x%d@dead.example"):format(i % 40);
				parts[i] = probe:bytes { body = "too late"; uri = contact; To = "<" .. contact .. ">";
					["Call-ID"] = ("wait%d-%d"):format(serial, i) };
			end
			conn:send(table.concat(parts));
			local function answered()
				local n = 0;
				for _, message in ipairs(conn.messages) do
					local id = message.status >= 200 and sip.get(message, "Call-ID");
					if id and not answers[id] then answers[id] = message.status; end
				end
				for _ in pairs(answers) do n = n + 1; end
				return n;
			end
			w.loop:wait(function () return dead and answered() >= WAITING - 1024; end, 20, "all to wait that may");
			local last = dead;
			dead = false;
			last:close(true);
			w.loop:wait(function () return answered() == WAITING; end, SECONDS, "an answer to each");
			for id, status in pairs(answers) do assert.is_true(status >= 400, id .. " " .. status); end
			trap.close();
			conn:close(true);
		end);
	end);
end);
