-- The Access Edge is not there, deaf, slow, or goes in the middle of something.
-- SPDX-License-Identifier: MIT

local Edge = require "spec.support.edge";
local World = require "spec.support.world";
local ports = require "spec.support.ports";

describe("an Access Edge that is not there", function ()
	local w, romeo;
	setup(function ()
		w = World.new { edge_address = false; ready = false };
		w.gateway:wait_log("started worker: ready", 10);
		romeo = w:contact("romeo");
	end);
	teardown(function () w:finish(); end);

	it("at the start is an error at once for every message", function ()
		for _ = 1, 3 do
			local started = w.loop:served();
			local condition, kind, text = romeo:wait_error(romeo:message("lena@contoso.com", "hello?"));
			assert.is_true(w.loop:served() - started < 2);
			assert.equal("wait", kind, condition);
			assert.is_truthy(text:find("503", 1, true) or text:find("(no-connection)", 1, true), text);
		end
		for _ in w.gateway.process.output:gmatch("connected edge") do error("nobody is there"); end
	end);

	it("is found by itself when it comes", function ()
		w.edge = Edge.new { loop = w.loop; cert = w.ca:issue("edge", { names = { "sip.contoso.com" } });
			listen = { ip = ports.address("edge"); port = 5061 }; contacts = { "fabrikam.com" };
			bridge = { fqdn = "xmpp.contoso.com"; ip = ports.address("gateway"); port = 5061 } };
		local lena = w:lync_user("lena");
		w.gateway:wait_log("connected edge", 20);
		romeo:wait_receipt(romeo:message("lena@contoso.com", "at last", { receipt = true }));
		lena:wait_message("at last");
	end);
end);

describe("an Access Edge", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { wire = { message_timeout = 1; invite_timeout = 5 } };
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		romeo:message("lena@contoso.com", "open");
		lena:wait_message("open");
	end);
	teardown(function () w:finish(); end);

	it("that drops its connections with a message under way gives it one outcome", function ()
		lena:answers("MESSAGE", { never = true, times = 1 }, 200);
		local id = romeo:message("lena@contoso.com", "under way", { receipt = true });
		w.loop:wait(function ()
			local last = w.edge.messages[#w.edge.messages];
			return last.direction == "in" and last.message.body == "under way";
		end, 2, "the MESSAGE");
		w.edge:drop();
		local condition, kind, text = romeo:wait_error(id);
		assert.equal("wait", kind, condition);
		assert.is_truthy(text:find("may or may not have been delivered", 1, true), text);
		w.loop:never(function () return romeo:heard_of(id); end, 0.3, "a second outcome");
	end);

	it("is connected again at once when it only dropped its connections", function ()
		w.loop:wait(function () return w.edge:count("in", "OPTIONS") > 1; end, 5, "the bridge to be back");
		local id = romeo:message("lena@contoso.com", "after the drop", { receipt = true });
		lena:wait_message("after the drop");
		romeo:wait_receipt(id);
	end);

	it("that takes requests and never answers is an error in time", function ()
		w:lync_user("mia");
		w.edge.deaf = true;
		local id = romeo:message("mia@contoso.com", "deaf?", { receipt = true });
		local started = w.loop:served();
		local condition, kind = romeo:wait_error(id, 4);
		assert.same({ "remote-server-timeout", "wait" }, { condition, kind });
		assert.is_true(w.loop:served() - started < 3);
		w.edge.deaf = nil;
		w.loop:wait(function ()
			local again = romeo:message("mia@contoso.com", "hearing again?", { receipt = true });
			local answer = w.loop:wait(function () return romeo:heard_of(again); end, 6, "an outcome");
			return answer.attr.type ~= "error";
		end, 10, "the Edge to be used again");
	end);
end);

describe("an Access Edge that is slow", function ()
	local w, romeo;
	setup(function ()
		w = World.new { wire = { message_timeout = 10; invite_timeout = 20 } };
		romeo = w:contact("romeo");
	end);
	teardown(function () w:finish(); end);

	it("is waited for", function ()
		w:lync_user("slow"):answers("INVITE", { status = 200, after = 1.5 });
		w:lync_user("slow"):answers("MESSAGE", { status = 200, after = 0.7 });
		local ids = {};
		for i = 1, 3 do ids[i] = romeo:message("slow@contoso.com", "slow " .. i, { receipt = true }); end
		for i = 1, 3 do
			w:lync_user("slow"):wait_message("slow " .. i);
			romeo:wait_receipt(ids[i]);
		end
	end);
end);
