-- Prosody's own options beside a partner's settings: other hosts of the same Prosody stay as strict as they are, whatever the
-- gateway's host lets in; what is stricter than a partner's settings is told, with the line to write.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local stream = require "spec.support.stream";
local Streams = require "spec.support.streams";

local HERE = "\n\ts2s_require_encryption = false\n\ts2s_secure_auth = false\n";
local MARK = "\t-- own options of this host\n";
local STRICT = "s2s_require_encryption = true\ns2s_secure_auth = true\ns2s_insecure_domains = { \"pardoned.example\" }\n";

-- What the log and check say under STRICT, sorted. None about those who need nothing of it.
local CLEAR, ANY = " takes away tcp-dialback", " lets dialback over TLS pass with a good certificate only";
local FINDINGS = {};
for domain, problems in pairs {
	["clear.example"] = { { "s2s_secure_auth", CLEAR .. ", and nothing is left" };
		{ "s2s_require_encryption", CLEAR .. ", and nothing is left" } };
	["lax.example"] = { { "s2s_secure_auth", CLEAR }; { "s2s_secure_auth", ANY }; { "s2s_require_encryption", CLEAR } };
	["pardoned.example"] = { { "s2s_require_encryption", CLEAR } };
	["secure.example"] = { { "s2s_secure_auth", ANY } };
	["self.example"] = { { "s2s_secure_auth", CLEAR }; { "s2s_secure_auth", ANY }; { "s2s_require_encryption", CLEAR } };
} do
	for _, problem in ipairs(problems) do
		FINDINGS[#FINDINGS + 1] = ('contoso.com: lync_partners["%s"]: %s = true%s; write %s = false in the section of this host'):format(
			domain, problem[1], problem[2], problem[1]);
	end
end
table.sort(FINDINGS);

-- A gateway and other.example on one Prosody. lax.example: does everything, clear.example: no TLS, self.example: bad certificate.
local function start(options)
	local probe = ports.address("probe");
	local t = Streams.new {
		global = options.global; settings = '\tmodules_enabled = { "test_secure" }\n' .. MARK; modules = { "test_secure" };
		partners = { ["lax.example"] = 9; ["clear.example"] = 17; ["self.example"] = 9; ["good.example"] = 2; ["secure.example"] = 7;
			["pardoned.example"] = 9 };
		dns = { ["other.example"] = ports.address("gateway") };
		other_hosts = { "other.example" };
		host_lines = { ["other.example"] = ('\tmodules_enabled = { "test_probe" }\n\ttest_probe = "%s:5300"\n'):format(probe) };
	};
	t.answers = "";
	t.probe = stream.connect(t.loop, probe, 5300, nil, { on_data = function (_, bytes) t.answers = t.answers .. bytes; end });
	t.bad = t.ca.self_signed(t.ca.directory .. "/bad", "self", { names = { "self.example", "pardoned.example" } }, t.ca.file);
	-- What other.example is told when it says something to a domain that fails.
	function t:bounced(domain)
		self.serial = self.serial + 1;
		local id = "probe" .. self.serial;
		self.probe:send(("send %s %s\n"):format(id, domain));
		return self.loop:wait(function () return self.answers:match("error " .. id .. " (%w+ %S+)\n"); end, 5, "the error for " .. id);
	end
	return t;
end

-- What other.example thinks of streams: the same in every case.
local function stays_strict(get, strict_certificates)
	local t;
	before_each(function () t = get(); t:mark(); end);
	after_each(function () t:clear(); end);

	it("refuses clear text from a partner whose clear text the gateway's host takes", function ()
		t:server("lax.example");
		local peer = t:peer("lax.example", { to = "other.example" });
		local ok = peer:try("dialback", { no_tls = true });
		assert.is_false(ok);
		assert.equal("policy-violation", peer:wait_closed());
	end);

	it("opens no stream in clear text to such a partner", function ()
		local server = t:server("clear.example", { cert = false });
		assert.is_truthy(t:bounced("clear.example"));
		assert.equal(0, #server.stanzas);
		for _, element in ipairs(server.streams[1].all) do assert.not_equal("result", element.name); end
	end);

	-- Nothing of this peer comes to other.example: it would answer, over a stream of its own.
	local function nothing_crosses(peer, server)
		peer:send(("<message id='across' from='c@%s/x' to='nobody@other.example'><body>across</body></message>"):format(peer.from));
		t.loop:never(function ()
			for _, stanza in ipairs(server.stanzas) do
				if stanza.attr.from == "nobody@other.example" then return true; end
			end
		end, 0.3, "an answer of other.example");
	end

	-- Nor when the peer first claims, on the same stream, to be known to other.example.
	local function claims(peer)
		peer.result = nil;
		peer:send(("<db:result from='%s' to='other.example'>a-key</db:result>"):format(peer.from));
		t.loop:wait(function () return peer.closed or peer.result; end, 5, "what becomes of the claim");
		assert.is_true(peer.closed or peer.result.attr.type ~= "valid");
	end

	for _, case in ipairs { { "lax.example", "in clear text", no_tls = true }, { "self.example", "with a bad certificate" } } do
		local domain, how, no_tls = case[1], case[2], case.no_tls;
		it("takes nothing over a stream " .. how .. " that was made with the gateway's host", function ()
			if no_tls or strict_certificates then
				local cert = domain == "self.example" and t.bad or nil;
				local server = t:server(domain, { cert = cert });
				for _, first in ipairs { function () end, claims } do
					local peer = t:peer(domain, { cert = cert });
					if peer:try("dialback", { no_tls = no_tls }) then -- else not even the gateway's host takes it
						first(peer);
						if not peer.closed then nothing_crosses(peer, server); end
					end
				end
			end
		end);
	end
end

describe("Prosody's options", function ()
	local t;
	local function get() return t; end

	local function clear_text_works()
		local server = t:server("clear.example", { cert = false });
		local peer = t:peer("clear.example"):authenticate("dialback", { no_tls = true });
		t:hear(peer);
		t:reach(server);
		t:logged('authenticated stream: %(remote="clear%.example" direction=in method=tcp%-dialback tls=none%)');
		t:logged('authenticated stream: %(remote="clear%.example" direction=out method=tcp%-dialback tls=none%)');
	end

	local function bad_certificate_works()
		local server = t:server("self.example", { cert = t.bad });
		local peer = t:peer("self.example", { cert = t.bad }):authenticate("dialback");
		t:hear(peer);
		t:reach(server);
		assert.is_true(server.streams[1].secure);
		t:logged('authenticated stream: %(remote="self%.example" direction=in method=tls%-dialback tls=TLSv1%.%d%)');
		t:logged('authenticated stream: %(remote="self%.example" direction=out method=tls%-dialback tls=TLSv1%.%d%)');
	end

	-- Everything that a module could have seen of streams in clear text is the truth.
	local function nobody_was_lied_to()
		local n = 0;
		for _, line in ipairs(t.lines) do
			local event, remote, secure = line:match("seen (%S+): host=contoso%.com remote=(%S+) secure=(%l+)");
			if event and remote == "clear.example" then
				n = n + 1;
				assert.equal("false", secure, line);
			elseif event and remote == "good.example" then
				n = n + 1;
				assert.equal("true", secure, line);
			end
		end
		assert.is_true(n >= 24, tostring(n)); -- two partners, two directions, six handlers
	end

	describe("that are not written have no say:", function ()
		setup(function () t = start {}; end);
		teardown(function () t:stop(); end);
		before_each(function () t:mark(); end);
		after_each(function () t:clear(); end);

		it("clear text works where a partner's settings want it", clear_text_works);
		it("a bad certificate does with dialback", bad_certificate_works);

		it("no module sees clear text as encrypted", function ()
			clear_text_works();
			t:hear(t:stream("good.example"));
			t:reach(t:server("good.example"));
			nobody_was_lied_to();
		end);

		it("nothing is said about them", function ()
			for _, line in ipairs(t.lines) do
				assert.is_nil(line:find("lync_gateway.*takes away"), line);
			end
		end);

		describe("another host", function () stays_strict(get); end);
	end);

	describe("that are stricter", function ()
		setup(function () t = start { global = STRICT }; end);
		teardown(function () t:stop(); end);
		before_each(function () t:mark(); end);
		after_each(function () t:clear(); end);

		local function findings(lines)
			local found = {};
			for _, line in ipairs(lines) do
				local text = line:match("contoso%.com: lync_partners.*");
				if text and not text:find("SASL requires TLS", 1, true) then found[#found + 1] = text; end
			end
			table.sort(found);
			return found;
		end

		it("are told in the log, and by check", function ()
			assert.same(FINDINGS, findings(t.lines));
			local output, status = t.w.gateway:ctl("mod_lync_gateway", "check", "--offline");
			assert.equal(1, status);
			local lines = {};
			for line in output:gmatch("[^\n]+") do lines[#lines + 1] = line; end
			assert.same(FINDINGS, findings(lines));
		end);

		it("are told by lync partners, of those that dialback is left to", function ()
			local told, of = {}, nil;
			for line in t.w.gateway:ctl("shell", "lync", "partners"):gmatch("[^\n]+") do
				of = line:match("^  (%S+)  ") or of;
				if line:find("dialback over TLS needs a good certificate", 1, true) then told[of] = true; end
			end
			assert.same({ ["lax.example"] = true; ["secure.example"] = true; ["self.example"] = true }, told);
		end);

		it("win", function ()
			t:server("lax.example");
			local peer = t:peer("lax.example");
			assert.is_false((peer:try("dialback", { no_tls = true })));
			t:told("refused dialback", "tls-required", "lax.example", "in");
			peer = t:peer("self.example", { cert = t.bad });
			assert.is_false((peer:try("dialback")));
			assert.equal("not-authorized", peer:wait_closed());
			t:told("refused certificate", "certificate-self-signed", "self.example", "in");
			assert.equal(403, (t.lena:open("c@clear.example", "disabled", { embed = false }):wait_failed()));
			-- s2s_insecure_domains
			local server = t:server("pardoned.example", { cert = t.bad });
			t:hear(t:peer("pardoned.example", { cert = t.bad }):authenticate("dialback"));
			t:reach(server);
		end);

		describe("leave another host", function () stays_strict(get, true); end);

		describe("have no say when the gateway's section says so:", function ()
			setup(function () t:reload(MARK, HERE); end);

			it("the log and check are silent", function ()
				local output = t.w.gateway:ctl("mod_lync_gateway", "check", "--offline");
				assert.is_nil(output:find("takes away", 1, true), output);
				assert.is_nil(output:find("s2s_", 1, true), output);
			end);
			it("clear text works where a partner's settings want it", clear_text_works);
			it("a bad certificate does with dialback", bad_certificate_works);
			it("no module sees clear text as encrypted", function ()
				t:hear(t:stream("good.example"));
				t:reach(t:server("good.example"));
				nobody_was_lied_to();
			end);

			describe("another host", function ()
				stays_strict(get, true);

				it("refuses the bad certificate", function ()
					t:server("self.example", { cert = t.bad });
					local peer = t:peer("self.example", { to = "other.example", cert = t.bad });
					assert.is_false((peer:try("dialback")));
					assert.equal("not-authorized", peer:wait_closed());
					assert.is_truthy(t:bounced("self.example"));
					assert.equal(0, #t.servers["self.example"].stanzas);
				end);
			end);

			it("and the same after a restart", function ()
				t:restart();
				clear_text_works();
				bad_certificate_works();
			end);
		end);
	end);
end);
