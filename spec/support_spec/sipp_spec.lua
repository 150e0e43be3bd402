-- sipp_spec.lua: SIPp and Kamailio in the Access Edge's place, against the whole gateway: other SIP stacks than ours and Sofia.
-- SPDX-License-Identifier: MIT

local Bench = require "spec.support.bench";
local kamailio = require "spec.support.kamailio";
local ports = require "spec.support.ports";
local sipp = require "spec.support.sipp";

describe("another SIP stack", function ()
	local bench, loop, cert;
	local edge_ip, bridge, peer_ip = ports.address("edge"), ports.address("gateway") .. ":5061", ports.address("sipp");

	setup(function ()
		bench = Bench.new({ edge = false });
		loop = bench.loop;
		cert = bench.ca:issue("edge", { names = { "sip.contoso.com" } });
	end);
	teardown(function () bench:close(); end);

	local function lync_opens(remote, text, transport)
		local uac = sipp.start(loop, { scenario = "uac_im", ip = peer_ip, port = 5070, remote = remote, transport = transport,
			keys = { user = "lena@contoso.com", contact = "romeo@fabrikam.com", text = text } });
		bench.romeo:wait_message(text, 15);
		bench.romeo:wait_state("composing");
		uac:finish();
	end

	local function contact_opens(text, transport)
		local uas = sipp.start(loop, { scenario = "uas_im", ip = peer_ip, transport = transport });
		local id = bench.romeo:message("lena@contoso.com", text, { receipt = true, state = "active" });
		bench.romeo:wait_receipt(id, 15);
		bench.romeo:chat_state("lena@contoso.com", "gone");
		uas:finish();
	end

	it("SIPp over TLS", function ()
		local relay = sipp.relay(loop, { cert = cert, tls = edge_ip .. ":5061", plain = edge_ip .. ":5060", bridge = bridge,
			peer = peer_ip .. ":5060", name = "xmpp.contoso.com" });
		contact_opens("romeo opens");
		lync_opens(edge_ip .. ":5060", "lena opens");
		relay:stop();
	end);

	it("SIPp behind a record-routing Kamailio", function ()
		local proxy = kamailio.start(loop, { cert = cert, ip = edge_ip, bridge = bridge, peer = peer_ip .. ":5060" });
		contact_opens("romeo opens again", "tcp");
		lync_opens(edge_ip .. ":5060", "lena opens again", "tcp");
		proxy:stop();
	end);
end);
