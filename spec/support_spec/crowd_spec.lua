-- The crowd loses nothing: what comes while its own stream is still being made is answered over it, in order.
-- SPDX-License-Identifier: MIT

local CA = require "spec.support.ca";
local Crowd = require "spec.support.crowd";
local Loop = require "spec.support.loop";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";

describe("a crowd", function ()
	local loop, gateway, crowd, stream;

	setup(function ()
		loop = Loop.new();
		local ca = CA.new(process.directory(loop, "ca"));
		local cert = ca:issue("gateway", { names = { "contoso.com" } });
		gateway = s2s_server.new(loop, { domain = "contoso.com"; ip = ports.address("gateway"); cert = cert; on = {} });
		crowd = Crowd.new({ loop = loop, ca = ca, dns = { ["a.example"] = ports.address("a.example") }, gateway = {
			address = ports.address("gateway") } }, { "a.example" });
		stream = s2s.connect(loop, { from = "contoso.com"; to = "a.example"; ip = ports.address("a.example"); cert = cert });
		stream:authenticate("EXTERNAL");
	end);
	teardown(function () loop:close(); end);

	it("answers all probes, whatever comes while it connects", function ()
		local let_in = {};
		function gateway.on.auth(_, session) table.insert(let_in, session); end
		local contacts = {};
		for i = 1, 4 do
			contacts[i] = crowd:contact(("c%d@a.example"):format(i));
			contacts[i].approved["lena@contoso.com"], contacts[i].shows = true, "away";
		end
		local function probe(i)
			stream:send(("<presence type='probe' from='lena@contoso.com' to='%s'/>"):format(contacts[i].jid));
		end
		probe(1);
		loop:wait(function () return let_in[1]; end, 5, "the stream of a.example");
		for i = 2, 4 do
			probe(i); -- in a piece of its own
			loop:never(function () return false; end, 0.05);
		end
		gateway.on.auth = nil;
		let_in[1].mechanism = "EXTERNAL";
		let_in[1].conn:send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
		let_in[1].reset();
		for i = 1, 4 do
			local answer = gateway:wait_stanza(function (s) return s.attr.from == contacts[i].jid .. "/home"; end);
			assert.equal("away", answer:child_text("show"));
			assert.equal("EXTERNAL", answer.session.mechanism);
		end
	end);
end);
