-- Who is not an Access Edge keeps none out, and fills no log; and two Edges behind one address are two.
-- SPDX-License-Identifier: MIT

local socket = require "socket";
local Edge = require "spec.support.edge";
local ports = require "spec.support.ports";
local World = require "spec.support.world";

local HALF_OPEN = 300; -- more than SB_TLS_CONNECTIONS
local FROM_ONE = 5;    -- fewer than SB_TLS_PER_PEER
local SHOWN = 10;      -- refusals in the log a second

local function both_ways(contact, user, text)
	local id = contact:message(user.address, text, { receipt = true });
	user:wait_message(text, 5);
	contact:wait_receipt(id);
	user:open("romeo@fabrikam.com", text .. " back"):wait_open();
	contact:wait_message(text .. " back", 5);
end

describe("strangers", function ()
	local w, romeo, lena;
	local sockets = {};
	setup(function ()
		w = World.new();
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
	end);
	teardown(function ()
		for _, s in ipairs(sockets) do s:close(); end
		w:finish();
	end);

	-- From many addresses, each below its own limit: connected, and silent.
	local function crowd()
		for i = 1, HALF_OPEN do
			local s = assert(socket.tcp4());
			assert(s:bind(ports.prefix()..(100 + i // FROM_ONE), 0));
			assert(s:connect(ports.address("gateway"), 5061));
			sockets[i] = s;
		end
	end

	it("that connect and say nothing keep no Edge out, nor us from calling it", function ()
		local started = w.loop:now();
		crowd();
		w.gateway:wait_log("too many connections", 5);
		w.edge:drop();
		both_ways(romeo, lena, "past the crowd");
		assert.is_true(w.loop:now() - started < 9, "the crowd was gone already");
	end);

	it("do not fill the log", function ()
		w.gateway:wait_log("more connections refused", 5);
		local lines = select(2, w.gateway.process.output:gsub("tls%-too%-many", ""));
		assert.is_true(lines < 4 * SHOWN, lines.." lines");
	end);
end);

describe("two Edges at one address", function ()
	local w, other;
	setup(function ()
		w = World.new {
			also = { ["litware.com"] = 'lync_access_edge = "sip.litware.com:5071"\n' };
			ready = false;
		};
		other = Edge.new {
			loop = w.loop; cert = w.ca:issue("other", { names = { "sip.litware.com" } });
			listen = { ip = ports.address("edge"); port = 5071 }; domain = "litware.com"; contacts = { "fabrikam.com" };
			bridge = { fqdn = "xmpp.contoso.com", ip = ports.address("gateway"), port = 5061 }; name = "other";
		};
		w:wait_ready();
		w.loop:wait(function () return other:count("out", 200) > 0; end, 10, "OPTIONS to the other");
	end);
	teardown(function ()
		other:assert_clean();
		w:finish();
	end);

	it("are told apart by port, each by its own certificate", function ()
		local romeo = w:contact("romeo");
		both_ways(romeo, w:lync_user("lena"), "to the one");
		both_ways(romeo, other:user("toby@litware.com"), "to the other");
	end);
end);
