-- Mistakes in the configuration: a partner's disables that partner, a host's that host; all are named in one run, with
-- key, value and remedy, by the server and by prosodyctl.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local World = require "spec.support.world";

local PARTNERS = [==[
	["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false };
	["acme.example"] = { partner_type = "fedrated"; tls_negotiation = "maybe"; colour = "red" };
	["odd.example"] = { partner_type = "federated"; tls_negotiation = "not_supported"; sasl_negotiation = "optional";
		support_dialback_negotiation = false };
]==];

local PARTNER_PROBLEMS = {
	'contoso.com: lync_partners["acme.example"].colour = "red": unknown key; known are partner_type, ';
	'contoso.com: lync_partners["acme.example"].partner_type = "fedrated": not a valid value; write "federated", ';
	'contoso.com: lync_partners["acme.example"].tls_negotiation = "maybe": not a valid value; write "required", ';
	'contoso.com: lync_partners["odd.example"]: not a valid configuration (TLS not_supported, SASL optional, dialback '
		.. 'false): ';
};

local HOST_PROBLEMS = {
	"bad.example: lync_access_edge = 42: not a string; write a full name, ";
	'bad.example: lync_gateway_settings.speed = "fast": unknown key; known are connection_limit, ';
};

local function assert_all(problems, text)
	for _, problem in ipairs(problems) do
		assert.is_truthy(text:find(problem, 1, true), problem .. "\nis not in\n" .. text);
	end
end

describe("a configuration with mistakes", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new {
			partners = PARTNERS; other_hosts = { "other.example" };
			dns = { ["acme.example"] = ports.address("acme"); ["other.example"] = ports.address("gateway") };
			also = { ["bad.example"] = 'lync_access_edge = 42\nlync_partners = { ["fabrikam.com"] = { partner_type = "federated"; '
				.. 'support_dialback_negotiation = false } }\nlync_gateway_settings = { speed = "fast" }\n' };
		};
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
	end);
	teardown(function () w:finish(); end);

	local function dial(from, to)
		local cert = w.ca:issue(from .. "-raw", { names = { from } });
		return s2s.connect(w.loop, { from = from; to = to; ip = w.gateway.address; cert = cert }):try("EXTERNAL");
	end

	it("is told about in one run of the server, all of it", function ()
		assert_all(PARTNER_PROBLEMS, w.gateway.process.output);
		assert_all(HOST_PROBLEMS, w.gateway.process.output);
	end);

	it("disables the partner that has them, and no other", function ()
		assert.is_false((dial("acme.example", "contoso.com")));
		assert.is_false((dial("odd.example", "contoso.com")));
		assert.equal(403, (lena:open("wile@acme.example", "to a disabled one", { embed = false }):wait_failed()));
		romeo:wait_receipt(romeo:message(lena.address, "to a good one", { receipt = true }));
		lena:open(romeo.jid, "from a good one", { embed = false }):wait_open();
		romeo:wait_message("from a good one");
	end);

	it("shuts the host that has them; Prosody and its other hosts are up", function ()
		assert.is_false((dial("fabrikam.com", "bad.example")));
		assert.is_true((dial("fabrikam.com", "other.example")));
		local condition, kind = romeo:wait_error(romeo:message("lars@bad.example", "to a host without settings"));
		assert.is_string(condition);
		assert.is_string(kind);
		assert.equal(403, (w:lync_user("lars@bad.example"):open(romeo.jid, "from it", { embed = false }):wait_failed()));
	end);

	it("is shown by the shell", function ()
		local output, status = w.gateway:ctl("shell", "lync", "status");
		assert.equal(0, status, output);
		assert_all({ "not usable: " .. HOST_PROBLEMS[1]; "2 host(s), 1 bridge(s)"; "worker ready"; "connected" }, output);
		output, status = w.gateway:ctl("shell", "lync", "partners", "contoso.com");
		assert.equal(0, status, output);
		assert_all({ "acme.example"; "DISABLED: "; "fabrikam.com  federated, row "; "3 partner(s)" }, output);
		output, status = w.gateway:ctl("shell", "lync", "sessions", "fabrikam.com");
		assert.equal(0, status, output);
		assert_all({ romeo.jid; "lena@contoso.com"; "1 session(s)" }, output);
		output = w.gateway:ctl("shell", "lync", "status", "nowhere.example");
		assert_all({ "mod_lync_gateway is not loaded on nowhere.example" }, output);
	end);

	it("is told by prosodyctl, with an exit status", function ()
		local output, status = w.gateway:ctl("mod_lync_gateway", "check", "--offline");
		assert.equal(1, status, output);
		assert_all(PARTNER_PROBLEMS, output);
		assert_all(HOST_PROBLEMS, output);
		output, status = w.gateway:ctl("mod_lync_gateway", "check", "--offline", "contoso.com");
		assert.equal(1, status, output);
		assert_all(PARTNER_PROBLEMS, output);
		assert.is_nil(output:find("bad.example", 1, true));
		for _, words in ipairs { {}, { "chek" }, { "check", "--offline", "a", "b" } } do
			output, status = w.gateway:ctl("mod_lync_gateway", table.unpack(words));
			assert.equal(2, status, output);
			assert_all({ "Usage: prosodyctl mod_lync_gateway" }, output);
		end
		output, status = w.gateway:ctl("mod_lync_gateway", "check", "--offline", "other.example");
		assert.equal(1, status, output);
	end);

	it("is fine when they are corrected: exit status 0, and everybody is served after a reload", function ()
		w.gateway:rewrite(PARTNERS, [==[ ["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false };
			["acme.example"] = { partner_type = "federated"; support_dialback_negotiation = false }; ]==]);
		w.gateway:rewrite("lync_access_edge = 42", 'lync_access_edge = "sip.contoso.com"');
		w.gateway:rewrite('speed = "fast"', "");
		assert(os.execute(("chmod 600 %s/*.key"):format(w.ca.directory))); -- check wants keys kept
		local output, status = w.gateway:ctl("mod_lync_gateway", "check", "--offline");
		assert.equal(0, status, output);
		assert_all({ "2 host(s) checked, 0 finding(s)" }, output);
		w.gateway:reload();
		local lars = w:lync_user("lars@bad.example");
		w.gateway:wait_log("configured bridge:");
		romeo:wait_receipt(romeo:message(lars.address, "corrected", { receipt = true }));
		lars:wait_message("corrected");
		assert.is_true((dial("acme.example", "contoso.com")));
	end);
end);
