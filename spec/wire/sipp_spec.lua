-- sipp_spec.lua: SIPp and Kamailio in the Access Edge's place, against the whole gateway: other SIP stacks than ours and Sofia.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local kamailio = require "spec.support.kamailio";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";
local sipp = require "spec.support.sipp";
local xmpp = require "spec.support.xmpp";

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { %q }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_partners = { ["fabrikam.com"] = { partner_type = "federated" } }
]];

describe("another SIP stack", function ()
	local loop, romeo, front, uas;
	local edge_ip, bridge, peer_ip = ports.address("edge"), ports.address("gateway") .. ":5061", ports.address("sipp");

	-- Those in the Edge's place have to be there first: the bridge tries again only after a while.
	local function start(transport, start_front)
		local ca = CA.new(process.directory(loop, "ca"));
		local cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
		local dns = { ["contoso.com"] = ports.address("gateway"), ["fabrikam.com"] = ports.address("fabrikam") };
		uas = sipp.start(loop, { scenario = "uas_im", ip = peer_ip, transport = transport });
		front = start_front(ca:issue("edge", { names = { "sip.contoso.com" } }));
		local gateway = prosody.gateway(loop, { ca = ca, name = "gateway", domain = "contoso.com", dns = dns,
			settings = SETTINGS:format(edge_ip, bridge, cert.cert, cert.key, ca.file) });
		local partner = prosody.partner(loop, { ca = ca, name = "fabrikam", domains = { "fabrikam.com" }, dns = dns,
			users = { ["romeo@fabrikam.com"] = "secret" } });
		gateway:wait_log("connected edge: ready", 10);
		romeo = xmpp.connect(loop, { jid = "romeo@fabrikam.com/balcony", ip = partner.address, ca = ca });
	end
	before_each(function () loop = Loop.new(); end);
	after_each(function () loop:close(); end);

	local function lync_opens(remote, text, transport)
		local uac = sipp.start(loop, { scenario = "uac_im", ip = peer_ip, port = 5070, remote = remote, transport = transport,
			keys = { user = "lena@contoso.com", contact = "romeo@fabrikam.com", text = text } });
		romeo:wait_message(text, 15);
		uac:finish();
	end

	local function contact_opens(text)
		local id = romeo:message("lena@contoso.com", text, { receipt = true, state = "active" });
		romeo:wait_receipt(id, 15);
		romeo:chat_state("lena@contoso.com", "gone");
		uas:finish();
	end

	it("SIPp over TLS", function ()
		start("tls", function (cert)
			return sipp.relay(loop, { cert = cert, tls = edge_ip .. ":5061", plain = edge_ip .. ":5060", bridge = bridge,
				peer = peer_ip .. ":5060", name = "xmpp.contoso.com" });
		end);
		contact_opens("romeo opens");
		lync_opens(edge_ip .. ":5060", "lena opens");
		assert.is_true(front:running());
	end);

	it("SIPp behind a record-routing Kamailio", function ()
		start("tcp", function (cert)
			return kamailio.start(loop, { cert = cert, ip = edge_ip, bridge = bridge, peer = peer_ip .. ":5060" });
		end);
		contact_opens("romeo opens again");
		lync_opens(edge_ip .. ":5060", "lena opens again", "tcp");
		assert.is_true(front:running());
	end);
end);
