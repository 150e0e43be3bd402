-- What people write is in no line of the log, at debug level, whatever becomes of it; unless the administrator wants it.
-- SPDX-License-Identifier: MIT

local Probe = require "spec.support.probe";
local World = require "spec.support.world";

local SETTINGS = [[
	lync_access_policies = { global = { enable_xmpp_access = true }; barred = { enable_xmpp_access = false } }
	lync_policy_grants = { ["norma@contoso.com"] = "barred" }
]];
local BODY = "zebra quagga okapi";

-- All that can become of a message, with that text in each.
local function everything(w)
	local romeo, lena, norma = w:contact("romeo"), w:lync_user("lena"), w:lync_user("norma");
	local kept, gone, deaf = w:lync_user("kept"), w:lync_user("gone"), w:lync_user("deaf");
	kept:answers("MESSAGE", { status = 202, imdn = 408 });
	gone:answers("INVITE", 480);
	deaf:answers("MESSAGE", "never");
	romeo:wait_receipt(romeo:message(lena.address, BODY .. " delivered", { receipt = true }));
	lena:wait_message(BODY .. " delivered").conversation:say(BODY .. " back");
	romeo:wait_message(BODY .. " back");
	romeo:wait_error(romeo:message(kept.address, BODY .. " kept"));
	romeo:wait_error(romeo:message(gone.address, BODY .. " gone"));
	romeo:wait_error(romeo:message(deaf.address, BODY .. " deaf"));
	romeo:wait_error(romeo:message(norma.address, BODY .. " barred"));
	romeo:wait_error(romeo:message(lena.address, BODY .. (" too big"):rep(3000)));
	lena:open("nobody@fabrikam.com", BODY .. " bounced");
	w.gateway:wait_log("bounced message", 5);
	lena:open("stranger@evil.example", BODY .. " to a stranger"):wait_failed();
	lena:pager("romeo@fabrikam.com", BODY .. " pager"):wait();
	romeo:wait_message(BODY .. " pager");
	local probe = Probe.new(w);
	probe:ask { From = "<sip:mallory@evil.example>;tag=1"; body = BODY .. " from a wrong domain" };
	probe:ask { ["Content-Type"] = "text/plain; charset=UTF-8"; body = BODY .. " not UTF-8 \xff\xfe" };
	probe:ask { method = "INFO"; ["Content-Type"] = "application/" .. ("x"):rep(50); body = BODY .. " info" };
	probe:ask { CSeq = "banana"; body = BODY .. " malformed" };
	return romeo;
end

describe("bodies", function ()
	local w;
	after_each(function () w:finish(); end);

	it("are in no line of Prosody's log at level debug", function ()
		w = World.new { settings = SETTINGS; log = "debug"; wire = { message_timeout = 1; imdn_wait = 2 } };
		everything(w);
		local log = w.gateway.process.output;
		assert.is_truthy(log:find("lync_gateway *debug") or log:find("debug"), "this is no log at level debug");
		for line in log:gmatch("[^\n]+") do
			for _, word in ipairs { "zebra", "quagga", "okapi", "emVicmE" } do -- the last: base64
				assert.is_nil(line:find(word, 1, true), line);
			end
		end
	end);

	it("are in one line each, where the administrator wants it", function ()
		w = World.new { settings = SETTINGS .. "\tlync_gateway_settings = { enable_logging_all_message_bodies = true }\n" };
		local romeo, lena = w:contact("romeo"), w:lync_user("lena");
		romeo:wait_receipt(romeo:message(lena.address, "one\ntwo (token=fake)", { receipt = true }));
		lena:wait_message("one\ntwo (token=fake)").conversation:say(BODY);
		romeo:wait_message(BODY);
		local lines = {};
		for line in w.gateway.process.output:gmatch("message body: [^\n]+") do lines[#lines + 1] = line; end
		w.gateway.process.output = ""; -- that token is not ours
		assert.same({ 'message body: one two (token=fake) (direction=x2s from="romeo@fabrikam.com/orchard" to="lena@contoso.com")',
			'message body: zebra quagga okapi (direction=s2x from="lena@contoso.com" to="romeo@fabrikam.com/orchard")' }, lines);
	end);
end);
