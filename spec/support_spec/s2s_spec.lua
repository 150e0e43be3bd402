-- s2s_spec.lua: the raw s2s peers against a real Prosody.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local process = require "spec.support.process";
local ports = require "spec.support.ports";
local prosody = require "spec.support.prosody";
local xmpp = require "spec.support.xmpp";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";

describe("raw s2s peers", function ()
	local loop, ca, server, romeo, peer_server;
	setup(function ()
		loop = Loop.new();
		ca = CA.new(process.directory(loop, "ca"));
		local dns = { ["fabrikam.com"] = ports.address("fabrikam"), ["evil.com"] = ports.address("evil") };
		server = prosody.partner(loop, { ca = ca, name = "fabrikam", domains = { "fabrikam.com" }, dns = dns,
			users = { ["romeo@fabrikam.com"] = "secret" }, global = "s2s_secure_auth = false" });
		romeo = xmpp.connect(loop, { jid = "romeo@fabrikam.com", ip = server.address, ca = ca });
		peer_server = s2s_server.new(loop, { domain = "evil.com", ip = dns["evil.com"],
			cert = ca:issue("evil", { names = { "evil.com" } }) });
	end);
	teardown(function () loop:close(); end);

	local function connect(options)
		options = options or {};
		return s2s.connect(loop, { from = "evil.com", to = "fabrikam.com", ip = server.address,
			cert = options.cert or peer_server.cert, version = options.version });
	end
	local function say(peer, text)
		peer:send("<message from='x@evil.com/y' to='romeo@fabrikam.com'><body>" .. text .. "</body></message>");
	end

	it("authenticate with EXTERNAL", function ()
		local peer = connect():authenticate("EXTERNAL");
		say(peer, "external");
		romeo:wait_message("external");
		peer:close();
	end);

	it("authenticate with dialback", function ()
		local peer = connect():authenticate("dialback", { key = "k1" });
		say(peer, "dialback");
		romeo:wait_message("dialback");
		assert.equal("k1", peer_server.verifications[1].key);
		peer:close();
	end);

	it("are refused with a foreign certificate and with a forged key", function ()
		local wrong = CA.self_signed(ca.directory, "selfish", { names = { "evil.com" } });
		assert.same({ false, "not-offered" }, { connect({ cert = wrong }):try("EXTERNAL") });
		peer_server.vouch = "invalid";
		local ok, why = connect():try("dialback");
		assert.is_false(ok);
		assert.is_truthy(why);
		peer_server.vouch = "valid";
	end);

	it("take streams and stanzas", function ()
		romeo:message("someone@evil.com", "to the other side");
		peer_server:wait_message("to the other side");
	end);

	it("see what is wrong with their stream", function ()
		local peer = connect();
		peer:open({ to = "unknown.example" });
		assert.equal("host-unknown", peer:wait_closed());
	end);
end);
