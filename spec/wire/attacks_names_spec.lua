-- Attacks by dialback in names: spellings, look-alikes, and several domains on one stream.
-- SPDX-License-Identifier: MIT

local Attacks = require "spec.support.attacks";

local CYRILLIC = "l\u{430}x.example"; -- lax.example, to the eye

describe("dialback attack by names:", function ()
	local a;
	setup(function ()
		a = Attacks.new {};
		for domain in pairs(Attacks.ROWS) do a:server(domain); end
	end);
	teardown(function () a:stop(); end);
	before_each(function () a:begin(); end);
	after_each(function () a:finish(); end);

	-- A raw claim; attributes as text.
	local function claim(peer, attributes, key)
		peer.result = nil;
		peer:send(("<db:result %s>%s</db:result>"):format(attributes, key or "forged"));
	end

	describe("a name", function ()
		-- from, what is answered, token
		for _, case in ipairs {
			{ "STRICT.example", "cancel/policy-violation", "dialback-not-supported", "strict.example" };
			{ "strict.example.", "cancel/policy-violation", "dialback-not-supported", "strict.example" };
			{ "b\u{fc}cher.example", "cancel/policy-violation", "dialback-not-supported" };
			{ "xn--bcher-kva.example", "cancel/policy-violation", "dialback-not-supported" };
			{ "B\u{dc}CHER.example", "cancel/policy-violation", "dialback-not-supported" };
			{ CYRILLIC, "cancel/not-allowed", "not-a-partner" };
			{ "xn--lx-7kc.example", "cancel/not-allowed", "not-a-partner" };
			{ "sub.lax.example", "cancel/not-allowed", "not-a-partner" };
			{ "ax.example", "cancel/not-allowed", "not-a-partner" };
			{ "xlax.example", "cancel/not-allowed", "not-a-partner" };
			{ "lax.example evil.example", "cancel/not-allowed", "not-a-partner" };
			{ "evil.example lax.example", "cancel/not-allowed", "not-a-partner" };
			{ "x@lax.example", "cancel/not-allowed", "not-a-partner" };
			{ "lax.example/x", "cancel/not-allowed", "not-a-partner" };
			{ "lax.example:5269", "cancel/not-allowed", "not-a-partner" };
			{ "[127.0.0.1]", "cancel/not-allowed", "not-a-partner" };
			{ "evil.example", "cancel/not-allowed", "not-a-partner" };
			{ "contoso.com", "cancel/not-allowed", "loop" };
			{ "other.example", "cancel/not-allowed", "not-a-partner" };
		} do
			local from, expected, token, logged = table.unpack(case);
			it(("is judged as it is written: %q"):format(from), function ()
				local peer = a:secure("lax.example");
				claim(peer, ("from='%s' to='contoso.com'"):format(from));
				assert.equal(expected, a:dialback_error(peer));
				a:refused(token, logged or from:find("[\128-\255]") == nil and from or nil);
				a:say(peer, "x@" .. from:gsub("^.*@", ""):gsub("[ /].*$", ""));
			end);
		end

		it("is judged so before XMPP 1.0, in clear text, without one in the header", function ()
			local peer = a:old(nil, { from = false; to = false });
			peer:dialback("good-key", "secure.example");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			peer:dialback("good-key", "evil.example");
			assert.equal("cancel/not-allowed", a:dialback_error(peer));
			a:refused("tls-required", "secure.example");
			a:refused("not-a-partner", "evil.example");
			a:say(peer, "x@secure.example");
		end);

		it("of a partner with a dot behind it needs the partner's own word", function ()
			local peer = a:open("lax.example");
			claim(peer, "from='lax.example.' to='contoso.com'");
			assert.not_equal("valid", (peer:wait_result()));
			a:say(peer, "x@lax.example.");
		end);

		it("that is empty is nobody's", function ()
			local peer = a:secure("lax.example");
			claim(peer, "from='' to='contoso.com'");
			a:say(peer, "x@lax.example");
			a.loop:never(function () return peer.result; end, 0.1, "an answer to nobody");
		end);

		it("that is missing ends the stream", function ()
			local peer = a:secure("lax.example");
			claim(peer, "to='contoso.com'");
			a:say(peer, "x@lax.example");
			assert.equal("improper-addressing", a:ends(peer));
		end);

		it("of ours that is missing, or of a host that is none here, ends the stream", function ()
			local peer = a:secure("lax.example");
			claim(peer, "from='lax.example'");
			assert.equal("improper-addressing", a:ends(peer));
			peer = a:secure("lax.example");
			claim(peer, "from='lax.example' to='unknown.example'");
			assert.is_truthy(a:ends(peer));
		end);
	end);

	describe("another domain on the same stream", function ()
		it("is refused when it is a stranger, on a good partner's stream", function ()
			local peer = a:peer("lax.example"):authenticate("EXTERNAL");
			claim(peer, "from='evil.example' to='contoso.com'");
			assert.equal("cancel/not-allowed", a:dialback_error(peer));
			a:refused("not-a-partner", "evil.example");
			a:say(peer, "x@evil.example");
			assert.equal("not-authorized", a:ends(peer));
		end);

		it("is refused when it is a stricter partner", function ()
			local peer = a:open("lax.example");
			assert.equal("valid", a:dialback(peer));
			claim(peer, "from='secure.example' to='contoso.com'");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("tls-required", "secure.example");
			claim(peer, "from='strict.example' to='contoso.com'");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("tls-required", "strict.example");
			a:say(peer, "x@secure.example");
			assert.equal("not-authorized", a:ends(peer));
		end);

		it("is refused when it is a partner that has no TLS", function ()
			local peer = a:secure("secure.example");
			claim(peer, "from='clear.example' to='contoso.com'");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("tls-not-supported", "clear.example");
			a:say(peer, "x@clear.example");
		end);

		it("is refused when it is an additional one of a partner that has SASL only", function ()
			local peer = a:peer("fabrikam.com"):authenticate("EXTERNAL");
			claim(peer, "from='na.fabrikam.com' to='contoso.com'");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("sasl-required", "na.fabrikam.com");
			a:say(peer, "x@na.fabrikam.com");
			assert.equal("not-authorized", a:ends(peer));
		end);

		it("is refused when it is ours, for a host that is another's", function ()
			-- Authenticated for another host of this Prosody, by its rules; then stanzas for us.
			local peer = a:secure("lax.example", { to = "other.example" });
			a.servers["lax.example"].keys[peer.opened.id] = "good-key";
			peer:dialback("good-key");
			assert.equal("valid", (peer:wait_result()));
			a:say(peer, "x@lax.example");
			assert.equal("not-authorized", a:ends(peer));
			a:refused("not-authenticated-for-us", "lax.example");
			a.answered = true; -- the partner is told, where it really is
			a.servers["lax.example"]:wait_stanza(function (stanza) return stanza.attr.type == "error"; end);
		end);

		it("is judged by our rules on a stream to another host", function ()
			local peer = a:secure("lax.example", { to = "other.example" });
			claim(peer, "from='strict.example' to='contoso.com'");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("dialback-not-supported", "strict.example");
			a:say(peer, "x@strict.example");
		end);

		it("that is another host's claim on our stream lets nothing in to us", function ()
			local peer = a:secure("lax.example");
			a.servers["lax.example"].keys[peer.opened.id] = "good-key";
			claim(peer, "from='lax.example' to='other.example'", "good-key");
			peer:wait_result();
			a:say(peer, "x@lax.example");
			a:ends(peer);
			a.answered = true;
		end);
	end);
end);
