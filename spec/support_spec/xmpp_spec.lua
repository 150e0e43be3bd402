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

	it("let their users see each other", function ()
		local ca = CA.new(process.directory(loop, "ca"));
		local dns = { ["fabrikam.com"] = ports.address("fabrikam"), ["na.fabrikam.com"] = ports.address("fabrikam") };
		local server = prosody.partner(loop, { ca = ca, name = "fabrikam", domains = { "fabrikam.com", "na.fabrikam.com" }, dns = dns,
			users = { ["romeo@fabrikam.com"] = "secret", ["tybalt@na.fabrikam.com"] = "secret" } });
		local romeo = xmpp.connect(loop, { jid = "romeo@fabrikam.com/orchard", ip = server.address, ca = ca, roster = true });
		local tybalt = xmpp.connect(loop, { jid = "tybalt@na.fabrikam.com/square", ip = server.address, ca = ca });
		romeo:subscribe(tybalt.jid);
		tybalt:wait_presence(romeo.jid, "subscribe");
		tybalt:approve(romeo.jid);
		romeo:wait_presence(tybalt.jid, "subscribed");
		romeo:wait_sees(tybalt.jid, "available");
		romeo:wait_roster(tybalt.jid, "to");
		tybalt:wait_roster(romeo.jid, "from");
		tybalt:set_presence("dnd", "fighting", 3);
		romeo:wait_sees(tybalt.jid, "dnd", 5, "fighting");
		local second = xmpp.connect(loop, { jid = "tybalt@na.fabrikam.com/home", ip = server.address, ca = ca });
		loop:wait(function () return romeo.seen[tybalt.jid]["tybalt@na.fabrikam.com/home"]; end, 5, "the other resource");
		second:close();
		tybalt:set_presence("unavailable");
		romeo:wait_sees(tybalt.jid, "unavailable");
		assert.equal(1, tybalt:count_presence(romeo.jid, "subscribe"));
		tybalt:set_presence();
		romeo:unsubscribe(tybalt.jid);
		tybalt:wait_roster(romeo.jid, "none");
		romeo:subscribe(tybalt.jid);
		loop:wait(function () return tybalt:count_presence(romeo.jid, "subscribe") == 2; end);
		romeo:forget(tybalt.jid);
		romeo:wait_roster(tybalt.jid, "none");
	end);
end);
