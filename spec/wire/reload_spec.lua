-- The configuration is read again, and the module is loaded again, while people talk: nothing is dropped, conversations
-- go on in the same dialogs; a partner that is none any more loses its streams, and nobody else does.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local Traffic = require "spec.support.traffic";
local World = require "spec.support.world";

local PAIRS = 5;
local ACME = [==[; ["acme.example"] = { partner_type = "federated" }]==];
local RELOADS = 5; -- of the module

describe("reload", function ()
	local w, romeo, lena, acme, cert;
	setup(function ()
		local users = Traffic.users(PAIRS);
		users["romeo@fabrikam.com"] = "secret";
		w = World.new {
			users = users; dns = { ["acme.example"] = ports.address("acme") };
			edge = { contacts = { "fabrikam.com"; "na.fabrikam.com"; "acme.example" } };
			partners = [==[["fabrikam.com"] = { partner_type = "federated" }]==];
		};
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		cert = w.ca:issue("acme", { names = { "acme.example" } });
		acme = s2s_server.new(w.loop, { domain = "acme.example"; ip = ports.address("acme"); cert = cert });
	end);
	teardown(function () w:finish(); end);

	local function wait_configured(call)
		local function count() return select(2, w.gateway.process.output:gsub("Reloaded", "")) end
		local _, before = w.gateway.process.output:gsub("configured bridge:", "");
		call();
		w.loop:wait(function () return select(2, w.gateway.process.output:gsub("configured bridge:", "")) > before; end, 5,
			"the bridge to be configured");
		return count;
	end

	local function acme_stream()
		return s2s.connect(w.loop, { from = "acme.example"; to = "contoso.com"; ip = w.gateway.address; cert = cert });
	end

	local function say(peer, text)
		peer:send(("<message type='chat' id='%s' from='wile@acme.example/x' to='lena@contoso.com'><body>%s</body></message>")
			:format(text, text));
	end

	-- Nothing lost, nothing twice, no error, no other dialog.
	local function all_delivered(t)
		t:finish();
		for _, direction in ipairs { "x2s", "s2x" } do
			local sums = t:tally(direction);
			assert.equal(sums.sent, sums.delivered, direction .. ": " .. next(sums.tokens or {}, nil) or "");
			assert.equal(0, sums.disorder, direction);
		end
		for i = 1, PAIRS do
			assert.equal(1, t.s2x[i].opened, "conversations of s" .. i);
			assert.equal(1, #w:lync_user("l" .. i).conversations, "conversations of l" .. i);
		end
	end
end);
