-- Presence with SIP stacks that are neither ours nor Sofia: Debian's Kamailio as presence server of the Lync side and as a
-- record-routing proxy, and SIPp as a watcher, with mutual TLS in the Access Edge's place.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local presence = require "spec.support.kamailio_presence";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";
local sipp = require "spec.support.sipp";
local xmpp = require "spec.support.xmpp";

local ROMEO = "romeo@fabrikam.com";

-- The bridge refreshes half-way, and asks the plugin 15 s before that: it has its answer at once, and goes on 15 s after the grant.
local EXPIRES = 60;

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { %q }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_bridge_wire = { notify_interval = 0.2 }
	lync_partners = { ["fabrikam.com"] = { partner_type = "federated" } }
]];

local pidf = presence.pidf;

describe("presence and another SIP stack:", function ()
	local edge_ip, bridge, peer_ip = ports.address("edge"), ports.address("gateway") .. ":5061", ports.address("sipp");
	local loop, gateway, romeo, serial;

	-- Whoever is in the Edge's place has to be there first: the bridge tries again only after a while.
	local function start(start_front)
		loop, serial = Loop.new(), 0;
		local ca = CA.new(process.directory(loop, "ca"));
		local cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
		local dns = { ["contoso.com"] = ports.address("gateway"), ["fabrikam.com"] = ports.address("fabrikam") };
		local front = start_front(ca:issue("edge", { names = { "sip.contoso.com" } }));
		gateway = prosody.gateway(loop, { ca = ca, name = "gateway", domain = "contoso.com", dns = dns,
			settings = SETTINGS:format(edge_ip, bridge, cert.cert, cert.key, ca.file) });
		local partner = prosody.partner(loop, { ca = ca, name = "fabrikam", domains = { "fabrikam.com" }, dns = dns,
			users = { [ROMEO] = "secret" } });
		gateway:wait_log("connected edge: ready", 10);
		romeo = xmpp.connect(loop, { jid = ROMEO .. "/balcony", ip = partner.address, ca = ca, roster = true });
		-- Both streams are up from here on: a Prosody that authenticates one sends what comes just then before what has waited,
		-- and its "unavailable" that acknowledges a subscribe would come after the "available" of who agrees at once.
		romeo:send("<iq type='get' id='streams' to='contoso.com'><ping xmlns='urn:xmpp:ping'/></iq>");
		romeo:wait_stanza(function (element) return element.attr.id == "streams"; end, 10, "an answer of contoso.com");
		return front;
	end

	local function somebody()
		serial = serial + 1;
		return "user" .. serial .. "@contoso.com";
	end

	local function watcher(scenario, address, transport)
		return sipp.start(loop, { scenario = scenario, ip = peer_ip, port = 5070, remote = edge_ip .. ":5060", transport = transport,
			keys = { user = address, contact = ROMEO, expires = "600", via = transport:upper() } });
	end

	-- SIPp subscribes to romeo, who agrees and goes away; it refreshes and leaves.
	local function watched_by(address, transport)
		romeo:set_presence();
		local uac = watcher("uac_watch", address, transport);
		romeo:wait_presence(address, "subscribe");
		uac:heard("NOTIFY sip:.-<basic>closed<");
		romeo:approve(address);
		uac:heard("NOTIFY sip:.-<basic>open<");
		romeo:set_presence("away", "gone for a walk");
		uac:finish();
		romeo:set_presence();
	end

	describe("Kamailio's presence server", function ()
		local server;
		setup(function ()
			server = start(function (cert)
				return presence.start(loop, { cert = cert, ip = edge_ip, bridge = bridge, name = "xmpp.contoso.com", expires = EXPIRES });
			end);
		end);
		teardown(function ()
			server:stop(0);
			loop:close();
		end);

		local function unwatched(address)
			loop:wait(function () return not server:watched(address); end, 5, "Kamailio to have no watcher of " .. address);
		end

		it("tells a contact what a client publishes, until the contact unsubscribes", function ()
			local address = somebody();
			local user = server:presentity(address):publish(pidf(address, "open"));
			assert.is_false(server:watched(address));
			romeo:subscribe(address);
			romeo:wait_presence(address, "subscribed");
			romeo:wait_sees(address, "available");
			assert.is_true(server:watched(address));
			for _, case in ipairs { { "busy"; "dnd" }; { "away"; "away" }; { "on-the-phone"; "dnd" } } do
				user:publish(pidf(address, "open", { activity = case[1] }));
				romeo:wait_sees(address, case[2]);
			end
			user:publish(pidf(address, "closed"));
			romeo:wait_sees(address, "unavailable");
			user:publish(pidf(address, "open"));
			romeo:wait_sees(address, "available");
			romeo:unsubscribe(address);
			unwatched(address);
			romeo:wait_sees(address, "unavailable");
			romeo:wait_roster(address, "none");
			local asked = server:lines("SUBSCRIBE", address);
			assert.same({ { from = ROMEO, expires = 28800, dialog = false }, { from = ROMEO, expires = 0, dialog = true } }, asked);
		end);

		it("knows nothing of somebody: the contact is let in, and sees who comes", function ()
			local address = somebody();
			romeo:subscribe(address);
			romeo:wait_presence(address, "subscribed");
			assert.is_true(server:watched(address)); -- and the first NOTIFY had no body
			assert.is_true((romeo:sees(address) or "unavailable") == "unavailable");
			local user = server:presentity(address):publish(pidf(address, "open", { activity = "away" }));
			romeo:wait_sees(address, "away");
			user:withdraw();
			romeo:wait_sees(address, "unavailable");
		end);

		it("joins the documents of two clients: the more available one is seen", function ()
			local address = somebody();
			server:presentity(address):publish(pidf(address, "open", { activity = "away" }));
			romeo:subscribe(address);
			romeo:wait_sees(address, "away");
			local phone = server:presentity(address, "phone"):publish(pidf(address, "open", { tuple = "t2" }));
			romeo:wait_sees(address, "available");
			phone:publish(pidf(address, "closed", { tuple = "t2" }));
			romeo:wait_sees(address, "away");
		end);

		it("writes RFC 4480 and notes, which a contact is not shown", function ()
			local address = somebody();
			server:presentity(address):publish(pidf(address, "open", { person = "meeting", note = "a < b" }));
			romeo:subscribe(address);
			romeo:wait_sees(address, "available", 5, false);
		end);

		it("passes on a watcher, who looks once or stays", function ()
			local address = somebody();
			watcher("uac_look", address, "tcp"):finish();
			assert.equal(0, romeo:count_presence(address, "subscribe"));
			watched_by(address, "tcp");
			assert.equal(1, romeo:count_presence(address, "subscribe"));
		end);

		it("is asked again in time; forgets all, and is asked anew, for as long as it wants", function ()
			local address = somebody();
			local user = server:presentity(address):publish(pidf(address, "open", { activity = "busy" }));
			watched_by(address, "tcp"); -- who is subscribed both ways answers the question before a refresh
			romeo:subscribe(address);
			romeo:wait_sees(address, "dnd");
			local function asked(n)
				return loop:wait(function () return server:lines("SUBSCRIBE", address)[n]; end, 20, n .. " SUBSCRIBEs");
			end
			assert.same({ from = ROMEO, expires = 28800, dialog = true }, asked(2));
			server:wait_told();
			local told = romeo:count_presence(address, "dnd");
			server:stop(0);
			server:start { shortest = 30000, expires = 40000 };
			assert.same({ from = ROMEO, expires = 28800, dialog = true }, asked(1)); -- 423, before it looks whose dialog it is
			assert.same({ from = ROMEO, expires = 30000, dialog = true }, asked(2)); -- 481
			assert.same({ from = ROMEO, expires = 30000, dialog = false }, asked(3));
			server:wait_told();
			user:publish(pidf(address, "open", { activity = "away" }), 30000);
			romeo:wait_sees(address, "away");
			assert.equal(1, romeo:count_presence(address, "subscribed"));
			assert.equal(told, romeo:count_presence(address, "dnd"));
			romeo:unsubscribe(address);
			unwatched(address);
		end);
	end);

	it("SIPp alone, over TLS", function ()
		start(function (cert)
			sipp.front(loop, peer_ip .. ":5060", peer_ip .. ":5070");
			return sipp.relay(loop, { cert = cert, tls = edge_ip .. ":5061", plain = edge_ip .. ":5060", bridge = bridge,
				peer = peer_ip .. ":5060", name = "xmpp.contoso.com" });
		end);
		finally(function () loop:close(); end);
		local address = somebody();
		watcher("uac_look", address, "tls"):finish();
		watched_by(address, "tls");
		assert.equal(1, romeo:count_presence(address, "subscribe"));
	end);
end);
