-- Settings that the worker refuses while it runs: it says why, goes on with those before, and nothing is lost.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local World = require "spec.support.world";

describe("a running bridge that is given a bad key", function ()
	local w, romeo, lena, locked;
	setup(function ()
		w = World.new();
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		locked = w.bridge_cert.key..".locked";
		local status, output = process.run(w.loop, { "openssl", "pkcs8", "-topk8", "-in", w.bridge_cert.key, "-out", locked,
			"-passout", "pass:secret" }, { name = "openssl" });
		assert.equal(0, status, output);
	end);
	teardown(function () w:finish(); end);

	local function both_ways(text)
		local id = romeo:message("lena@contoso.com", text, { receipt = true });
		lena:wait_message(text, 5);
		romeo:wait_receipt(id);
		local conversation = lena:open("romeo@fabrikam.com", text.." back", { embed = false });
		romeo:wait_message(text.." back", 5);
		conversation:wait_open();
		w.loop:wait(function () return conversation.last.status; end, 5, "the answer to the message");
		assert.equal(200, conversation.last.status);
	end

	it("names the reason and goes on", function ()
		local pid = w:worker_pid();
		both_ways("before");
		w.gateway:reload(w.bridge_cert.key, locked);
		w.gateway:wait_log("refuses its settings and goes on with those before: lync_bridge_certificate: key [^\n]* has a passphrase", 5);
		both_ways("meanwhile");
		w.gateway:reload(locked, w.bridge_cert.key);
		w.gateway:wait_log("has a passphrase.*configured worker: ready", 5);
		both_ways("after");
		assert.equal(pid, w:worker_pid());
	end);
end);
