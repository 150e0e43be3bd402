-- The worker and a plugin that reads late: nothing is lost, and the worker does not end for it.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local socket = require "socket";
local CA = require "spec.support.ca";
local Loop = require "spec.support.loop";
local ports = require "spec.support.ports";
local process = require "spec.support.process";

local MANY = 200000; -- events of more bytes than the channel holds
local PATIENCE = 60; -- seconds

describe("the worker", function ()
	local loop, bridge;
	setup(function () loop = Loop.new(); end);
	teardown(function ()
		if bridge then bridge:close(); end
		loop:close();
	end);

	local function open()
		local ca = CA.new(process.directory(loop, "ca"));
		local cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
		return assert(core.bridge { fqdn = "xmpp.contoso.com"; listen = { ports.address("gateway") .. ":5061" };
			certificate = cert.cert; key = cert.key; cafile = ca.file;
			domains = { { name = "contoso.com"; edge = "sip.contoso.com"; address = ports.address("edge"); port = 5061 } } });
	end

	-- Events until predicate(event) is true.
	local function read(predicate)
		local deadline, fd = socket.gettime() + PATIENCE, bridge:fd();
		local readable = { getfd = function () return fd; end; dirty = function () return false; end };
		repeat
			local event = bridge:next();
			if event and predicate(event) then return event; end
			if not event then socket.select({ readable }, nil, math.min(bridge:wait() or 1, 1)); end
		until socket.gettime() > deadline;
		error("waited in vain");
	end

	it("takes no more requests than their events can be told", function ()
		bridge = open();
		assert.equal(1, read(function (event) return event.type == "worker"; end).status);
		local sent, ended = 0, 0;
		local function send()
			while sent < MANY and bridge:unwatch { contact = "romeo@fabrikam.com"; user = "user" .. sent + 1 .. "@contoso.com" } do
				sent = sent + 1;
			end
		end
		local early = socket.gettime() + 2;
		repeat send(); until sent == MANY or socket.gettime() > early; -- nobody reads
		assert.is_true(sent > 20000);
		read(function (event)
			assert.not_equal("worker", event.type, event.reason);
			if event.type == "watch" and event.watch == "ended" then ended = ended + 1; end
			send();
			return ended == MANY;
		end);
		assert.equal(MANY, sent);
	end);
end);
