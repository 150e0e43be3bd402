-- Settings of a host: every mistake in words, defaults, partners.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local here = debug.getinfo(1, "S").source:match("^@(.*)settings_spec%.lua$");
local cases = dofile(here .. "lint_cases.lua");

local function options(more)
	local result = {
		lync_access_edge = "sip.contoso.com";
		lync_bridge_fqdn = "xmpp.contoso.com";
		lync_partners = { ["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false } };
	};
	for key, value in pairs(more or {}) do
		result[key] = value or nil;
	end
	return result;
end

local function load(more)
	return core.settings("contoso.com", options(more));
end

local function lines(problems)
	local result = {};
	for i, problem in ipairs(problems) do
		local text = problem.text:match("^contoso%.com: (.*)$");
		result[i] = (problem.level == "error" and "E " or "W ") .. text;
	end
	return result;
end

describe("lint", function ()
	for _, case in ipairs(cases) do
		it("of " .. case[1], function ()
			local _, problems = load(case[2]);
			assert.same(case[3], lines(problems));
		end);
	end

	it("has enough cases", function ()
		assert.is_true(#cases >= 40);
	end);

	it("says nothing about what is right", function ()
		local settings, problems = load();
		assert.same({}, problems);
		assert.is_true(settings.usable);
		assert.equal("contoso.com", settings.host);
	end);

	it("gives the parts of a line", function ()
		local _, problems = load { lync_partners = {
			["fabrikam.com"] = { partner_type = "federated", tls_negotiation = "require" };
		} };
		assert.same({ {
			level = "error"; host = "contoso.com"; partner = "fabrikam.com";
			key = 'lync_partners["fabrikam.com"].tls_negotiation'; value = '"require"'; message = "not a valid value";
			remedy = 'write "required", "optional" or "not_supported"';
			text = 'contoso.com: lync_partners["fabrikam.com"].tls_negotiation = "require": not a valid value; '
				.. 'write "required", "optional" or "not_supported"';
		} }, problems);
	end);

	it("takes whole numbers however they are written", function ()
		local settings, problems = load { lync_gateway_settings = { connection_limit = 1200.0 } };
		assert.same({}, problems);
		assert.equal("integer", math.type(settings:gateway().connection_limit));
	end);

	it("ends with a table within itself", function ()
		local loop = {};
		loop.lync_partners = loop;
		loop[1] = loop;
		local settings, problems = core.settings("contoso.com", loop);
		assert.is_false(settings.usable);
		assert.is_true(#problems > 0);
	end);

	it("refuses a host that is no domain", function ()
		local settings, problems = core.settings("not a domain", options());
		assert.is_false(settings.usable);
		assert.equal('not a domain: host = "not a domain": not a domain name; name the VirtualHost after the Lync SIP domain',
			problems[1].text);
	end);

	it("raises on misuse", function ()
		assert.has_error(function () core.settings("contoso.com"); end);
		assert.has_error(function () core.settings(nil, {}); end);
		assert.has_error(function () core.settings("contoso.com", "x"); end);
		assert.is_false(getmetatable((load())));
	end);
end);

describe("what a mistake disables", function ()
	it("is the partner alone", function ()
		local settings, problems = load { lync_partners = {
			["a.com"] = { partner_type = "federated", additional_domains = { "x.a.com" }, proxy_fqdn = 5 };
			["b.com"] = { partner_type = "federated" };
		} };
		assert.is_true(settings.usable);
		assert.equal(problems[2].text, settings:partner("x.a.com").disabled);
		assert.is_nil(settings:partner("b.com").disabled);
		assert.same({ "a.com", "b.com" }, settings:partners());
	end);

	it("is the host above that", function ()
		for _, case in ipairs(cases) do
			local settings, problems = load(case[2]);
			local above = false;
			for _, problem in ipairs(problems) do
				above = above or (problem.level == "error" and not problem.partner);
			end
			assert.equal(not above, settings.usable, case[1]);
		end
	end);

	it("is both partners that claim an additional domain, and the claimant of a primary one", function ()
		local function claims(a, b)
			return load { lync_partners = {
				["a.com"] = { partner_type = "federated", additional_domains = a };
				["b.com"] = { partner_type = "federated", additional_domains = b };
				["c.com"] = { partner_type = "federated" };
			} };
		end
		local settings = claims({ "x.com" }, { "x.com" });
		for _, domain in ipairs { "a.com", "b.com", "x.com" } do
			assert.is_string(settings:partner(domain).disabled);
		end
		assert.is_nil(settings:partner("c.com").disabled);
		settings = claims({ "b.com" }, {});
		assert.is_string(settings:partner("a.com").disabled);
		assert.is_nil(settings:partner("b.com").disabled);
		assert.equal("b.com", settings:partner("b.com").domain);
	end);

	it("is both spellings of one domain", function ()
		local settings = load { lync_partners = {
			["Fabrikam.com"] = { partner_type = "federated" }; ["fabrikam.com"] = { partner_type = "federated" };
		} };
		assert.same({ "fabrikam.com" }, settings:partners());
		assert.is_string(settings:partner("fabrikam.com").disabled);
	end);

	it("is nothing more than its partner, whatever the value", function ()
		local values = { 0, -1, 1.5, "", "x", true, false, {}, { {} }, print, ("y"):rep(5000), "\0", "\xff", math.huge };
		local keys = { "partner_type", "description", "additional_domains", "tls_negotiation", "sasl_negotiation",
			"support_dialback_negotiation", "enable_keep_alive", "connection_limit", "proxy_fqdn", "other" };
		for _, key in ipairs(keys) do
			for _, value in ipairs(values) do
				local bad = { partner_type = "federated" };
				bad[key] = value;
				local settings, problems = load { lync_partners = { ["bad.com"] = bad, ["b.com"] = { partner_type = "federated" } } };
				assert.is_true(settings.usable);
				assert.is_nil(settings:partner("b.com").disabled);
				local errors = 0;
				for _, problem in ipairs(problems) do
					if problem.level == "error" then
						assert.equal("bad.com", problem.partner);
						errors = errors + 1;
					end
				end
				assert.equal(errors > 0, settings:partner("bad.com").disabled ~= nil);
			end
		end
	end);
end);

describe("settings", function ()
	it("has Lync's defaults", function ()
		assert.same({
			connection_limit = 1000; partner_connection_limit = 20; keep_alive_interval = 300;
			stream_establishment_timeout = 60; stream_inactivity_timeout = 600; subscription_refresh_interval = 28800;
			enable_logging_all_message_bodies = false; contact_authorization_days = 30;
			partner_subscription_limit = 1000; partner_recipient_limit = 500;
		}, (load()):gateway());
	end);

	it("keeps a passphrase to itself", function ()
		local settings, problems = load { lync_gateway_settings = { dialback_passphrase = "s3cr3tf0rd14lb4ck" } };
		assert.same({}, problems);
		assert.equal("s3cr3tf0rd14lb4ck", settings:gateway().dialback_passphrase);
		for _, bad in ipairs { "s3cr3t", ("s3cr3t"):rep(200), "s3cr3t\0", { "s3cr3tf0rd14lb4ck" } } do
			settings, problems = load { lync_gateway_settings = { dialback_passphrase = bad } };
			for _, problem in ipairs(problems) do
				for _, part in pairs(problem) do
					assert.is_nil(tostring(part):find("s3cr3t", 1, true));
				end
				assert.is_nil(problem.value);
			end
			assert.is_nil(settings:gateway().dialback_passphrase);
		end
	end);

	it("takes a passphrase of any bytes", function ()
		for _, text in ipairs { ("x"):rep(8), ("x"):rep(1024), "\0\1\2\xff\xfe '\"" } do
			local settings, problems = load { lync_gateway_settings = { dialback_passphrase = text } };
			assert.same({}, problems);
			assert.equal(text, settings:gateway().dialback_passphrase);
		end
	end);

	it("has the bridge's defaults", function ()
		assert.same({
			access_edge = "sip.contoso.com"; port = 5061; fqdn = "xmpp.contoso.com"; listen = { "*:5061" }; min_tls = "1.2";
			rate = 0; burst = 0; sandbox = true; memory = 2048; subscription_refresh_interval = 28800;
			wire = {
				verification_header = "ms-asserted-verification-level: ms-source-verified-user=%s";
				record_route = true; first_message_in_invite = false; accept_pager_message = true; imdn_method = "INFO";
				first_message_wait = 5; answer_wait = 0.3; invite_timeout = 180; message_timeout = 60; imdn_wait = 300;
				session_idle = 900; typing_interval = 5; typing_timeout = 30; options_interval = 60;
				subscription_expires = 3600; notify_interval = 5; watch_rate = 20; ask_categories = true; tell_categories = true;
			};
		}, (load()):bridge());
	end);

	it("keeps what is set", function ()
		local wire = {
			verification_header = false; record_route = false; first_message_in_invite = true; accept_pager_message = false;
			imdn_method = "MESSAGE"; first_message_wait = 1.5; answer_wait = 0; invite_timeout = 30; message_timeout = 12.25;
			imdn_wait = 60; session_idle = 60; typing_interval = 0.5; typing_timeout = 10; options_interval = 0;
			subscription_expires = 60; notify_interval = 0.5; watch_rate = 0; ask_categories = false; tell_categories = false;
		};
		local settings, problems = load {
			lync_access_edge = "Edge.Contoso.com:5062"; lync_access_edge_address = "2001:db8::20";
			lync_bridge_listen = { "192.0.2.10:5061", "[2001:db8::10]:5061" };
			lync_bridge_certificate = { certificate = "a.pem", key = "a.key", cafile = "ca", crlfile = "crl", min_tls = "1.3" };
			lync_bridge_rate = { rate = 15, burst = 30 }; lync_bridge_wire = wire; lync_bridge_memory = 512;
		};
		assert.same({}, problems);
		assert.same({
			access_edge = "edge.contoso.com"; port = 5062; address = "2001:db8::20"; fqdn = "xmpp.contoso.com";
			listen = { "192.0.2.10:5061", "[2001:db8::10]:5061" };
			certificate = "a.pem"; key = "a.key"; cafile = "ca"; crlfile = "crl"; min_tls = "1.3"; rate = 15; burst = 30;
			sandbox = true; memory = 512; wire = wire; subscription_refresh_interval = 28800;
		}, settings:bridge());
	end);

	it("lets a subscription stand for a day at most", function ()
		for interval, want in pairs { [60] = 60; [86399] = 86399; [86400] = 86400; [86401] = 86400; [604800] = 86400 } do
			local settings, problems = load { lync_gateway_settings = { subscription_refresh_interval = interval } };
			assert.same({}, problems);
			assert.equal(want, settings:bridge().subscription_refresh_interval);
			assert.equal(interval, settings:gateway().subscription_refresh_interval);
		end
	end);

	it("warns of a worker without a sandbox", function ()
		local given = options();
		given.lync_bridge_sandbox = false;
		local settings, problems = core.settings("contoso.com", given);
		assert.same({ "W lync_bridge_sandbox = false: whoever takes the worker over may do all that Prosody's user may; write true "
			.. "unless something of yours does not work in it" }, lines(problems));
		assert.is_true(settings.usable);
		assert.is_false(settings:bridge().sandbox);
	end);

	it("takes a rate as a number", function ()
		local bridge = (load { lync_bridge_rate = 20 }):bridge();
		assert.same({ 20, 20 }, { bridge.rate, bridge.burst });
	end);

	it("has a partner's defaults", function ()
		local settings = load { lync_gateway_settings = { partner_connection_limit = 7 };
			lync_partners = { ["fabrikam.com"] = { partner_type = "public_unverified" } } };
		assert.same({
			domain = "fabrikam.com"; additional_domains = {}; partner_type = "public_unverified";
			tls_negotiation = "required"; sasl_negotiation = "required"; support_dialback_negotiation = true;
			enable_keep_alive = true; connection_limit = 7; verified = false; row = 1; methods = { "sasl-tls" }; strict = false;
			warning = "Dialback will not operate if both SASL and TLS are required.";
		}, settings:partner("fabrikam.com"));
	end);

	it("keeps what is set of a partner, and finds it by every domain", function ()
		local settings, problems = load { lync_partners = { ["Bücher.example"] = {
			partner_type = "public_verified"; description = "Bücher, contract 4711";
			additional_domains = { "NA.fabrikam.com", "xn--fiqs8s" }; tls_negotiation = "not_supported";
			sasl_negotiation = "not_supported"; support_dialback_negotiation = true; enable_keep_alive = false;
			connection_limit = 3; proxy_fqdn = "XMPP.fabrikam.com";
		} } };
		assert.same({}, problems);
		local want = {
			domain = "bücher.example"; description = "Bücher, contract 4711"; additional_domains = { "na.fabrikam.com", "中国" };
			partner_type = "public_verified"; tls_negotiation = "not_supported"; sasl_negotiation = "not_supported";
			support_dialback_negotiation = true; enable_keep_alive = false; connection_limit = 3;
			proxy_fqdn = "xmpp.fabrikam.com:5269"; verified = true; row = 17; methods = { "tcp-dialback" };
			strict = false;
		};
		for _, domain in ipairs { "bücher.example", "BÜCHER.EXAMPLE.", "xn--bcher-kva.example", "na.fabrikam.com",
			"Na.Fabrikam.Com", "中国", "XN--FIQS8S" } do
			assert.same(want, settings:partner(domain));
		end
		for _, domain in ipairs { "", "example", "x.na.fabrikam.com", "fabrikam.com", "na.fabrikam.com..", "na.fabrikam.com\0" } do
			assert.is_nil(settings:partner(domain));
		end
	end);

	it("holds all 18 rows as the matrix says", function ()
		local words = { "required", "optional", "not_supported" };
		for _, tls in ipairs(words) do
			for _, sasl in ipairs(words) do
				for _, dialback in ipairs { true, false } do
					local row = core.negotiation(tls, sasl, dialback);
					local settings, problems = load { lync_partners = { ["a.com"] = { partner_type = "federated";
						tls_negotiation = tls; sasl_negotiation = sasl; support_dialback_negotiation = dialback } } };
					local partner = settings:partner("a.com");
					assert.equal(row.row, partner.row);
					assert.same(row.methods, partner.methods);
					assert.equal(row.valid, partner.disabled == nil);
					assert.equal(row.warning and row.note or nil, partner.warning);
					assert.equal((row.warning or not row.valid) and 1 or 0, #problems);
				end
			end
		end
	end);

	it("is good for ten thousand partners", function ()
		local partners = {};
		for i = 1, 10000 do
			partners[("p%05d.example"):format(i)] = { partner_type = "federated"; support_dialback_negotiation = false;
				additional_domains = { ("x.p%d.example"):format(i) } };
		end
		local settings, problems = load { lync_partners = partners };
		assert.same({}, problems);
		assert.equal(10000, #settings:partners());
		for i = 1, 10000 do
			assert.equal(("p%05d.example"):format(i), settings:partner(("x.p%d.example"):format(i)).domain);
		end
	end);
end);

describe("settings: the next hop", function ()
	for written, read in pairs {
		["xmpp.fabrikam.com"] = "xmpp.fabrikam.com:5269"; ["xmpp.fabrikam.com:1"] = "xmpp.fabrikam.com:1";
		["192.0.2.7"] = "192.0.2.7:5269"; ["192.0.2.7:5270"] = "192.0.2.7:5270";
		["[2001:db8::7]"] = "[2001:db8::7]:5269"; ["[2001:db8::7]:5270"] = "[2001:db8::7]:5270";
	} do
		it(written, function ()
			local settings, problems = core.settings("contoso.com", options { lync_partners = {
				["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false; proxy_fqdn = written };
			} });
			assert.same({}, problems);
			assert.equal(read, settings:partner("fabrikam.com").proxy_fqdn);
		end);
	end
	for _, wrong in ipairs { "", ":5269", "a.b:0", "192.0.2.7:", "192.0.2.256", "[2001:db8::7", "[]:5269", "[a.b]x",
		"2001:db8::7:5269:x" } do
		it("is not "..wrong, function ()
			local settings, problems = core.settings("contoso.com", options { lync_partners = {
				["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false; proxy_fqdn = wrong };
			} });
			assert.equal("error", problems[1].level);
			assert.is_truthy(settings:partner("fabrikam.com").disabled);
		end);
	end
end);
