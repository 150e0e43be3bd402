-- `prosodyctl mod_lync_gateway test im` and `prosodyctl shell lync test_im`: through real servers.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local json = require "dkjson";
local ports = require "spec.support.ports";
local process = require "spec.support.process";

local PARTNERS = [[ ["fabrikam.com"] = { partner_type = "federated" }, ["tailspin.com"] = { partner_type = "federated" },
	["broken.com"] = { partner_type = "wrong" }, ["web.com"] = { partner_type = "public_unverified" } ]];
local SETTINGS = [[
	lync_access_policies = { global = { enable_xmpp_access = true }, Nobody = { enable_xmpp_access = false } }
	lync_policy_grants = { ["off@contoso.com"] = "Nobody" }
]];

local function command(w, ...)
	return w.gateway:ctl("mod_lync_gateway", "test", ...);
end

-- What a client was sent, but presence.
local function sent_to(client)
	local names = {};
	for _, stanza in ipairs(client.stanzas) do
		if stanza.name ~= "presence" then names[#names + 1] = stanza.name.." "..(stanza.attr.from or "?"); end
	end
	return table.concat(names, "\n");
end

-- The fields of the report.
local function fields(output)
	local found = {};
	for key, value in ("\n"..output):gmatch("\n(%u%l+) +([^\n]*)") do
		found[key] = value;
	end
	return found;
end

local function assert_report(expected, output, status, wanted_status)
	local found = fields(output);
	for key, pattern in pairs(expected) do
		assert.is_truthy((found[key] or ""):find(pattern), ("%s of\n%s"):format(key, output));
	end
	assert.equal(wanted_status, status, output);
end

describe("test im", function ()
	local w, lena, romeo;
	setup(function ()
		w = World.new { partners = PARTNERS; settings = SETTINGS; wire = { options_interval = 0.3 } };
		lena = w:lync_user("lena", "Lena Berg");
		romeo = w:contact("romeo");
	end);
	teardown(function () w:finish(); end);

	it("reaches a Lync user, who reads a line that says what it is", function ()
		local output, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com");
		assert_report({ Target = "^sip%.contoso%.com:5061$"; Result = "^Success$"; Latency = "^%d%.%d%d%d s$"; Error = "^none$";
			Diagnosis = "a client of the user confirmed it" }, output, status, 0);
		local heard = lena:wait_message("^Test of the gateway between Lync and XMPP by its administrator, "
			.."%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ %(lync%-test%-%S+%)%. Please ignore%.$", 5, true);
		assert.equal("romeo@fabrikam.com", heard.from);
	end);

	it("says what was told, and nothing to the contact in whose name it is", function ()
		lena:answers("INVITE", { status = 480, diag = 60001, times = 1 });
		lena.conversations[#lena.conversations]:bye():wait();
		local output, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com", "one more");
		assert_report({ Result = "^Failure$"; Error = "^SIP 480 .*ms%-diagnostics 60001"; Diagnosis = "^Answered by Lync$" },
			output, status, 1);
		assert.is_truthy(output:find("The user is not signed in", 1, true), output);
		lena:answers("INVITE", 200);
		assert.equal("", sent_to(romeo));
	end);

	it("tells an unknown user from one who is away", function ()
		local output, status = command(w, "im", "romeo@fabrikam.com", "nobody@contoso.com");
		assert_report({ Result = "^Failure$"; Error = "^SIP 404 " }, output, status, 1);
		assert.is_truthy(output:find("Lync has no user with this address", 1, true), output);
	end);

	it("reaches a contact, whose client confirms", function ()
		local output, status = command(w, "im", "lena@contoso.com", "romeo@fabrikam.com", 'a "text" with \\ and ü');
		assert_report({ Target = "^fabrikam%.com$"; Result = "^Success$"; Error = "^none$";
			Diagnosis = "the contact's client confirmed it %(receipt%)$" }, output, status, 0);
		local stanza = romeo:wait_message('a "text" with \\ and ü');
		assert.equal("lena@contoso.com", stanza.attr.from);
		assert.equal("", sent_to(romeo));
	end);

	it("does not claim more than the partner's server has shown", function ()
		w.partner:add_user("offline@fabrikam.com", "secret");
		local output, status = command(w, "im", "lena@contoso.com", "offline@fabrikam.com");
		assert_report({ Result = "^Success$"; Diagnosis = "Not proved: that the contact has seen it" }, output, status, 0);
	end);

	it("tells that the partner has no such user", function ()
		local output, status = command(w, "im", "lena@contoso.com", "nobody@fabrikam.com");
		assert_report({ Result = "^Failure$"; Error = "^service%-unavailable"; Diagnosis = "^Answered by the partner's server$" },
			output, status, 1);
	end);

	for name, case in pairs {
		["a user who is not enabled, to a contact"] = { "off@contoso.com", "romeo@fabrikam.com", "user%-not%-enabled",
			"lync_policy_grants" };
		["a user who is not enabled, from a contact"] = { "romeo@fabrikam.com", "off@contoso.com", "user%-not%-enabled",
			"lync_policy_grants" };
		["no partner, to it"] = { "lena@contoso.com", "eve@evil.example", "not%-a%-partner", "evil.example is on nobody's list" };
		["no partner, from it"] = { "eve@evil.example", "lena@contoso.com", "not%-a%-partner", "evil.example is on nobody's list" };
		["a partner with an error"] = { "lena@contoso.com", "x@broken.com", "partner%-disabled", "see `check`" };
		["an unverified contact"] = { "x@web.com", "lena@contoso.com", "not%-authorized", "by design" };
	} do
		it("is stopped by the policy: "..name, function ()
			local output, status = command(w, "im", case[1], case[2]);
			assert_report({ Result = "^Failure$"; Error = "%("..case[3].."%)$"; Diagnosis = "^Stopped by the gateway's policy$" },
				output, status, 1);
			assert.is_truthy(output:find(case[4], 1, true), output);
		end);
	end

	it("tells that the partner's server is not there", function ()
		local output, status = command(w, "im", "lena@contoso.com", "x@tailspin.com");
		assert_report({ Target = "^tailspin%.com$"; Result = "^Failure$"; Error = "^remote%-server%-";
			Diagnosis = "^Stopped on the stream to the partner's server$" }, output, status, 1);
		assert.is_truthy(output:find("run `partner test tailspin.com`", 1, true), output);
	end);

	it("is JSON on demand", function ()
		local output, status = command(w, "im", "--json", "--timeout", "20", "romeo@fabrikam.com", "lena@contoso.com");
		local result = assert(json.decode(output), output);
		assert.equal(0, status);
		assert.same({ "x2s", "Success", true, "romeo@fabrikam.com", "lena@contoso.com", "sip.contoso.com:5061", "delivered" },
			{ result.direction, result.result, result.success, result.from, result.to, result.target, result.proof });
		assert.is_true(result.latency > 0 and result.latency < 10);
		assert.is_true(#result.diagnosis >= 2);
	end);

	for name, case in pairs {
		["two Lync users"] = { "im", "a@contoso.com", "b@contoso.com", says = "both Lync users" };
		["two contacts"] = { "im", "a@fabrikam.com", "b@fabrikam.com",
			says = "Neither a@fabrikam.com nor b@fabrikam.com is a Lync user of this gateway, which has: contoso.com" };
		["no person"] = { "im", "fabrikam.com", "lena@contoso.com", says = "fabrikam.com is no address of a person" };
		["no UTF-8"] = { "im", "a@contoso.com", "b@fabrikam.com", "\xff\xfe", says = "The text is empty, or not UTF-8" };
		["nothing to say"] = { "im", "a@contoso.com", "b@fabrikam.com", " ", says = "The text is empty, or not UTF-8" };
		["no address at all"] = { "im", "\xff@contoso.com", "b@fabrikam.com", says = "This is no address of a person" };
		["one address"] = { "im", "a@contoso.com", says = "wants two addresses" };
		["no test"] = { says = "Which test?" };
		["another test"] = { "voice", says = "There is no such test: voice" };
		["a wrong time-out"] = { "im", "--timeout=0", "a@contoso.com", "b@fabrikam.com", says = "--timeout wants seconds" };
		["an unquoted text"] = { "im", "a@contoso.com", "b@fabrikam.com", "two", "words", says = "quote the text" };
	} do
		it("is told that it was asked wrongly: "..name, function ()
			local output, status = command(w, table.unpack(case));
			assert.is_truthy(output:find(case.says, 1, true), output);
			assert.equal(2, status);
		end);
	end

	it("is a command of the shell, too", function ()
		local output, status = w.gateway:ctl("shell", "lync", "test_im", "romeo@fabrikam.com", "lena@contoso.com");
		assert.is_truthy(output:find("Result      Success", 1, true), output);
		assert.is_truthy(output:find("Success\n$"), output);
		assert.equal(0, status);
		output, status = w.gateway:shell("lync:test_im('eve@evil.example', 'lena@contoso.com')");
		assert.is_truthy(output:find("Error: Failure", 1, true), output);
		assert.equal(1, status);
	end);

	it("says when the Access Edge is down, and why", function ()
		w.edge:stop_listening();
		w.edge:drop();
		w.gateway:wait_log("lost edge", 10);
		local output, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com");
		w.edge:listen();
		w.gateway:wait_log("connected edge", 20, true);
		assert_report({ Result = "^Failure$"; Error = "%(no%-connection%)$";
			Diagnosis = "^Stopped between the gateway and the Access Edge$" }, output, status, 1);
		assert.is_truthy(output:find("Access Edge: down", 1, true), output);
	end);

	it("ends after its time-out", function ()
		local slow = w:lync_user("slow");
		slow:answers("INVITE", "never");
		local output, status = command(w, "im", "romeo@fabrikam.com", "slow@contoso.com", "--timeout", "1");
		assert_report({ Result = "^Failure$"; Latency = "^1%.%d"; Error = "%(timeout%)$" }, output, status, 1);
	end);
end);

describe("test im with a partner on ejabberd", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { partner = "ejabberd" };
		romeo, lena = w:contact("romeo"), w:lync_user("lena", "Lena Berg");
	end);
	teardown(function () w:finish(); end);

	it("does not claim more than the partner's server has shown, also over a stream that has to be made", function ()
		romeo.receipts = false;
		local output, status = command(w, "im", "lena@contoso.com", "romeo@fabrikam.com", "no receipt");
		romeo:wait_message("no receipt");
		romeo.receipts = true;
		assert_report({ Result = "^Success$"; Diagnosis = "Not proved: that the contact has seen it" }, output, status, 0);
	end);

	it("reaches a contact, whose client confirms", function ()
		local output, status = command(w, "im", "lena@contoso.com", "romeo@fabrikam.com", "to ejabberd");
		assert_report({ Result = "^Success$"; Diagnosis = "the contact's client confirmed it" }, output, status, 0);
		romeo:wait_message("to ejabberd");
	end);

	it("tells that the partner has no such user", function ()
		local output, status = command(w, "im", "lena@contoso.com", "nobody@fabrikam.com");
		assert_report({ Result = "^Failure$"; Error = "^service%-unavailable"; Diagnosis = "^Answered by the partner's server$" },
			output, status, 1);
	end);

	it("reaches a Lync user", function ()
		local _, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com", "from ejabberd's side");
		assert.equal(0, status);
		lena:wait_message("from ejabberd's side");
	end);

	it("ends when the module is reloaded under it", function ()
		lena:answers("MESSAGE", "never");
		local run = process.start(w.loop, { "prosodyctl", "--root", "--config", w.gateway.config, "mod_lync_gateway", "test", "im",
			"romeo@fabrikam.com", "lena@contoso.com", "stuck" }, { env = w.gateway.env });
		w.loop:wait(function ()
			local last = w.edge.messages[#w.edge.messages];
			return last.direction == "in" and last.message.body == "stuck";
		end, 5, "the MESSAGE");
		w.gateway:shell("module:reload('lync_gateway', 'contoso.com')");
		assert.equal(1, run:wait_end(5));
		assert_report({ Result = "^Failure$"; Error = "stopped or reloaded meanwhile %(stopped%)$" }, run.output, 1, 1);
	end);
end);

describe("test im without a gateway", function ()
	local w;
	setup(function ()
		w = World.new { partner = false; ready = false; edge_address = ports.address("nobody") };
	end);
	teardown(function () w:finish(); end);

	it("says what to do when the server does not run", function ()
		w.gateway:stop();
		local output, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com");
		assert.is_truthy(output:find("error: nobody answers on "..w.gateway.directory.."/prosody.sock", 1, true), output);
		assert.is_truthy(output:find("Start Prosody", 1, true), output);
		assert.equal(1, status);
		output, status = command(w, "im", "--json", "romeo@fabrikam.com", "lena@contoso.com");
		local result = json.decode(output);
		assert.same({ "Failure", false, 1 }, { result.result, result.success, status });
		assert.is_truthy(result.error:find("nobody answers", 1, true));
	end);

	it("says what to do when the shell is not there", function ()
		w.gateway:rewrite('"admin_shell", ', "");
		w.gateway:start();
		local output, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com");
		assert.is_truthy(output:find('"admin_shell" is not loaded in the running server', 1, true), output);
		assert.equal(1, status);
	end);

	it("says what to do when the gateway is not loaded", function ()
		w.gateway:rewrite('modules_enabled = { ', 'modules_enabled = { "admin_shell"; ');
		w.gateway:rewrite('"lync_gateway"', '"muc"');
		w.gateway:stop();
		w.gateway:start();
		local output, status = command(w, "im", "romeo@fabrikam.com", "lena@contoso.com");
		assert.is_truthy(output:find("is not loaded in the running server: see its log", 1, true), output);
		assert.equal(1, status);
	end);
end);
