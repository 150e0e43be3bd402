-- `prosodyctl shell lync …` on a running server: every command's whole output and status, in both ways of writing it.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local World = require "spec.support.world";

local ROMEO = "romeo@fabrikam.com";
local SETTINGS = [[
	lync_access_policies = { global = { enable_xmpp_access = true }; barred = { enable_xmpp_access = false } }
	lync_policy_grants = { ["norma@contoso.com"] = "barred" }
	lync_gateway_settings = { connection_limit = 100 }
]];
local WARNING = [[  warning  contoso.com: lync_partners["%s"]: TLS required, SASL required, dialback true: Dialback will not ]]
	.. [[operate if both SASL and TLS are required; support_dialback_negotiation = false means the same]];

-- Numbers of seconds and addresses vary.
local function usual(output)
	output = output:gsub("until [%d-]+ [%d:]+ UTC %(%d+ days%) ?%u* ?%u*", "until DATE"):gsub("  test_im [^\n]+\n", "")
		:gsub("  sandbox  [^\n]+", "  sandbox  WORDS");
	return (output:gsub("%f[%w]%d+s%f[%W]", "Ns"):gsub("127%.[%d.]+%d", "ADDRESS"):gsub("\n$", ""));
end

local function lines(...)
	return table.concat({ ... }, "\n");
end

local STATUS = lines("contoso.com", "  bridge   xmpp.contoso.com, worker ready, 0 message(s) without an outcome",
	"  sandbox  WORDS",
	"  edge     sip.contoso.com port 5061 (ADDRESS), connected", "  partners 1, 0 message(s) wait for a stream",
	"  certificate bridge until DATE", "  certificate s2s until DATE", "OK: 1 host(s), 1 bridge(s)");
local HELP = lines(
	"  explain WHO WHOM                 Why a contact and a Lync user see each other, or may write, or not",
	"  help                             These lines",
	"  partners [HOST]                  Partners and what their settings mean",
	"  reload                           Read the configuration again and say what has changed",
	"  sessions [PARTNER]               Open conversations, of all partners or one",
	"  status [HOST]                    Bridges, Access Edges, problems; one host or all",
	"  streams [PARTNER]                Streams and how they were authenticated, of all partners or one",
	"  subscriptions [WHO]              Who watches whom: all, or of one address, domain or partner",
	'OK: From a terminal: prosodyctl shell lync COMMAND [ARGUMENT]; here: lync:COMMAND("ARGUMENT")');
local SESSION = "  romeo@fabrikam.com/orchard  lena@contoso.com  dialogs 1, queued 0, open Ns, idle Ns (xmpp.contoso.com)";
local STREAMS = lines("contoso.com", "  in  fabrikam.com  sasl-tls, TLSv1.3, open Ns, idle Ns (ADDRESS)",
	"  out fabrikam.com  sasl-tls, TLSv1.3, open Ns, idle Ns (ADDRESS)", "OK: 2 stream(s)");
local WHO = "Error: Say who and whom: a contact's address and that of a Lync user of a gateway's host";
local NOBODY = "Error: evil.example is no partner's domain on any host; `lync partners` lists them";

describe("prosodyctl shell lync", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { settings = SETTINGS };
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		romeo:wait_receipt(romeo:message(lena.address, "hello", { receipt = true }));
	end);
	teardown(function () w:finish(); end);

	local function lync(...)
		local output, status = w.gateway:ctl("shell", "lync", ...);
		return usual(output), status;
	end

	-- "OK: " is "Result: " where a command of 0.12 has waited.
	local function says(expected, status, output, got)
		assert.equal(expected, (output:gsub("Result: ", "OK: ")));
		assert.equal(status, got);
	end

	for _, case in ipairs {
		{ { "help" }, 0, HELP };
		{ { "status" }, 0, STATUS }; { { "status", "contoso.com" }, 0, STATUS }; { { "status", "CONTOSO.com" }, 0, STATUS };
		{ { "status", "other.example" }, 1, "Error: mod_lync_gateway is not loaded on other.example; it is on: contoso.com" };
		{ { "partners" }, 0, lines("contoso.com", "  fabrikam.com  federated, row 1: sasl-tls",
			"    warning: Dialback will not operate if both SASL and TLS are required.", "OK: 1 partner(s)") };
		{ { "partners", "other.example" }, 1,
			"Error: mod_lync_gateway is not loaded on other.example; it is on: contoso.com" };
		{ { "sessions" }, 0, lines(SESSION, "OK: 1 session(s)") };
		{ { "sessions", "fabrikam.com" }, 0, lines(SESSION, "OK: 1 session(s)") };
		{ { "sessions", "na.fabrikam.com" }, 0, lines(SESSION, "OK: 1 session(s)") };
		{ { "sessions", "evil.example" }, 1, NOBODY };
		{ { "streams" }, 0, STREAMS }; { { "streams", "Fabrikam.COM" }, 0, STREAMS };
		{ { "streams", "evil.example" }, 1, NOBODY };
		{ { "subscriptions" }, 0, lines("contoso.com", "OK: 0 subscription(s)") };
		{ { "subscriptions", "evil.example" }, 0, lines("contoso.com", "OK: 0 subscription(s)") };
		{ { "explain" }, 1, WHO }; { { "explain", ROMEO }, 1, WHO }; { { "explain", ROMEO, "x@evil.example" }, 1, WHO };
		{ { "explain", ROMEO, "lena@contoso.com" }, 0, lines("romeo@fabrikam.com and lena@contoso.com",
			"  partner                fabrikam.com, federated", "  access policy          global",
			"  contact list           no", "  contact sees user      not-subscribed (the contact adds the Lync user)",
			"  user sees contact      not-subscribed (the Lync user adds the contact)", "  contact writes to user allowed",
			"  user writes to contact allowed", "  streams of partner     in sasl-tls, out sasl-tls",
			"  Access Edge            connected", "OK: Explained") };
		{ { "explain", "x@evil.example", "lena@contoso.com" }, 0, lines("x@evil.example and lena@contoso.com",
			"  partner                none", "  access policy          none needed", "  contact list           no",
			"  contact sees user      not-a-partner (add the domain to lync_partners)",
			"  user sees contact      not-a-partner (add the domain to lync_partners)",
			"  contact writes to user not-a-partner (add the domain to lync_partners)",
			"  user writes to contact not-a-partner (this domain is not a federated partner)",
			"  Access Edge            connected", "OK: Explained") };
	} do
		it(table.concat(case[1], " "), function () says(case[3], case[2], lync(table.unpack(case[1]))); end);
	end

	it("takes the words of the console as well", function ()
		for command, expected in pairs {
			["lync:status()"] = STATUS; ['lync:status("contoso.com")'] = STATUS; ["lync:help()"] = HELP;
			["lync:streams()"] = STREAMS; ['lync:sessions("fabrikam.com")'] = lines(SESSION, "OK: 1 session(s)");
		} do
			local output, status = w.gateway:shell(command);
			says(expected, 0, usual(output), status);
		end
	end);

	it("refuses what is not a text, and words that are none of it", function ()
		for command, expected in pairs {
			["lync:status(5)"] = "Error: HOST: a text is expected, write it in quotes";
			["lync:partners({})"] = "Error: HOST: a text is expected, write it in quotes";
			["lync:sessions(true)"] = "Error: PARTNER: a text is expected, write it in quotes";
			["lync:streams(5)"] = "Error: PARTNER: a text is expected, write it in quotes";
			["lync:subscriptions(5)"] = "Error: WHO: a text is expected, write it in quotes";
			["lync:explain(5, {})"] = WHO;
			["lync:banana()"] = "Error: lync has no command banana; `lync help` lists them";
		} do
			local output, status = w.gateway:shell(command);
			assert.equal(expected, usual(output));
			assert.equal(1, status);
		end
	end);

	describe("explain", function ()
		-- The lines about failures.
		local function failures(user)
			local output, list = lync("explain", ROMEO, user or "lena@contoso.com"), {};
			for line in output:gmatch("last failure +([^\n]+)") do list[#list + 1] = line; end
			return list;
		end

		it("tells the last failure of every hop", function ()
			romeo:wait_error(romeo:message("nobody@contoso.com", "who is there?"));
			assert.same({ "message to Lync: SIP 404 User does not exist (refused-by-peer), Ns ago" }, failures());
			romeo:wait_error(romeo:message("norma@contoso.com", "to one who may not"));
			assert.same({ "refused: the external access policy does not let this Lync user use XMPP (user-not-enabled), Ns ago",
				"message to Lync: the external access policy does not let this Lync user use XMPP (user-not-enabled), Ns ago" },
				failures("norma@contoso.com"));
			lena:open("nobody@fabrikam.com", "is anybody there?");
			w.gateway:wait_log("bounced message", 5, true);
			assert.matches("^message to XMPP: .+ %(service%-unavailable%), Ns ago$", failures()[3]);
		end);

		it("tells nobody's failures of a domain that is no partner", function ()
			assert.is_nil(lync("explain", "x@evil.example", "lena@contoso.com"):find("last failure", 1, true));
		end);
	end);

	describe("reload", function ()
		it("says when nothing has changed", function ()
			says(lines("contoso.com", "  no option has changed", WARNING:format("fabrikam.com"),
				"OK: Configuration and certificates read again"), 0, lync("reload"));
		end);

		it("says what has changed, not a secret, and what is wrong", function ()
			w.gateway:rewrite("connection_limit = 100", 'connection_limit = 200; dialback_passphrase = "tell it to nobody at all"');
			w.gateway:rewrite('additional_domains = { "na.fabrikam.com" }', 'additional_domains = { "eu.fabrikam.com" }; description = "F"');
			w.gateway:rewrite("lync_partners = {", 'lync_partners = { ["acme.example"] = { partner_type = "fedrated" };');
			says(lines("contoso.com",
				"  changed  lync_gateway_settings.connection_limit: 100 -> 200",
				"  changed  lync_gateway_settings.dialback_passphrase: changed",
				'  changed  lync_partners["acme.example"]: added',
				'  changed  lync_partners["fabrikam.com"].additional_domains: added "eu.fabrikam.com"',
				'  changed  lync_partners["fabrikam.com"].additional_domains: removed "na.fabrikam.com"',
				'  changed  lync_partners["fabrikam.com"].description: added = "F"',
				WARNING:format("acme.example"),
				'  error    contoso.com: lync_partners["acme.example"].partner_type = "fedrated": not a valid value; write "federated", '
					.. '"public_verified" or "public_unverified"',
				WARNING:format("fabrikam.com"),
				"Error: Configuration read again, 1 error(s): what they concern is not in force"), 1, lync("reload"));
			assert.matches("\n  acme%.example  %?, row 1: sasl%-tls  DISABLED: .+\n  fabrikam%.com  federated, row 1: ", (lync("partners")));
		end);

		it("says what was changed by command", function ()
			local output, status = w.gateway:ctl("mod_lync_gateway", "partner", "new", "managed.example", "partner_type=federated");
			assert.equal(0, status, output);
			assert.is_truthy(lync("reload"):find('\n  changed  lync_partners["managed.example"]: added\n', 1, true));
			w.gateway:ctl("mod_lync_gateway", "partner", "set", "managed.example", "tls_negotiation=optional");
			assert.is_truthy(lync("reload"):find('changed  lync_partners["managed.example"].tls_negotiation: added = "optional"', 1, true));
			w.gateway:ctl("mod_lync_gateway", "partner", "remove", "managed.example");
			assert.is_truthy(lync("reload"):find('\n  changed  lync_partners["managed.example"]: removed\n', 1, true));
		end);

		it("says which streams it has closed: a partner less", function ()
			w.gateway:rewrite('["fabrikam.com"] = {', '["else.example"] = {');
			local output, status = lync("reload");
			assert.matches('\n  changed  lync_partners%["fabrikam.com"%]: removed\n', output);
			assert.matches('\n  closed   2 stream%(s%) that comply with the settings no more\n', output);
			assert.equal(1, status); -- acme.example still has its error
		end);

		it("says when the file cannot be read", function ()
			w.gateway:rewrite("lync_partners = {", "lync_partners = { {{");
			local output, status = w.gateway:shell("lync:reload()");
			assert.matches("A problem occurred while reading the config file", output); -- prosodyctl itself
			assert.equal(1, status);
			assert.equal(w.gateway.address, ports.address("gateway"));
		end);
	end);
end);
