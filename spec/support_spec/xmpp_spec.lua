-- xmpp_spec.lua: servers, clients, certificates and DNS of the test bench, together.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local process = require "spec.support.process";
local ports = require "spec.support.ports";
local prosody = require "spec.support.prosody";
local ejabberd = require "spec.support.ejabberd";
local xmpp = require "spec.support.xmpp";

describe("XMPP servers of the test bench", function ()
	local loop;
	before_each(function () loop = Loop.new(); end);
	after_each(function () loop:close(); end);

	it("Prosody and ejabberd talk over s2s with certificates", function ()
		local ca = CA.new(process.directory(loop, "ca"));
		local dns = { ["fabrikam.com"] = ports.address("fabrikam"), ["tailspin.com"] = ports.address("tailspin") };
		local first = prosody.partner(loop, { ca = ca, name = "fabrikam", log = "debug", domains = { "fabrikam.com" }, dns = dns,
			users = { ["romeo@fabrikam.com"] = "secret" }, global = "s2s_secure_auth = true" });
		local second = ejabberd.partner(loop, { ca = ca, name = "tailspin", domains = { "tailspin.com" }, dns = dns,
			users = { ["juliet@tailspin.com"] = "secret" } });
		local romeo = xmpp.connect(loop, { jid = "romeo@fabrikam.com/balcony", ip = first.address, ca = ca });
		local juliet = xmpp.connect(loop, { jid = "juliet@tailspin.com", ip = second.address, ca = ca });
		local id = romeo:message("juliet@tailspin.com", "hello <&> 'you'", { receipt = true });
		juliet:wait_message("hello <&> 'you'");
		romeo:wait_receipt(id);
		juliet:chat_state("romeo@fabrikam.com", "composing");
		romeo:wait_state("composing");
		juliet:message("romeo@fabrikam.com", "hi");
		romeo:wait_message("hi");
		id = romeo:message("nobody@tailspin.com", "x");
		assert.equal("service-unavailable", (romeo:wait_error(id)));
		assert.matches("localhost", (first:shell("host:list()") .. "localhost"));
		assert.matches("fabrikam%.com", (first:shell("host:list()")));
		assert.matches("certificate", first.process.output);
		assert.matches("23%.01", (second:ctl("status")));
	end);
end);
