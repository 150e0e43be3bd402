-- Attacks on who somebody is: certificates, EXTERNAL, stream headers, and stanzas in another's name.
-- SPDX-License-Identifier: MIT

local Attacks = require "spec.support.attacks";
local CA = require "spec.support.ca";
local sip = require "spec.support.sip";
local mime = require "mime";

local SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
local DNS, URI = 0x82, 0x86; -- GeneralName

-- subjectAltName with one name, in DER.
local function san(tag, text)
	local name = string.pack("Bs1", tag, text);
	return (string.pack("Bs1", 0x30, name):gsub(".", function (c) return ("%02x"):format(c:byte()); end));
end

describe("identity attack:", function ()
	local a;
	setup(function ()
		a = Attacks.new {};
		for domain in pairs(Attacks.ROWS) do a:server(domain); end
	end);
	teardown(function () a:stop(); end);
	before_each(function () a:begin(); end);
	after_each(function () a:finish(); end);

	-- ------------------------------------------------------------------------------------------- certificates --

	local EXPIRED, NAME, UNTRUSTED = "certificate-expired", "certificate-wrong-name", "certificate-untrusted";

	-- what, options of CA:issue, token, domain (fabrikam.com unless said)
	local CERTIFICATES = {
		{ "of another partner", { names = { "strict.example" } }, NAME };
		{ "of a subdomain", { names = { "sub.fabrikam.com" } }, NAME };
		{ "of the domain above", { names = { "com" } }, NAME };
		{ "of a domain that ends like it", { names = { "evilfabrikam.com" } }, NAME };
		{ "of a domain that begins like it", { names = { "fabrikam.com.evil.example" } }, NAME };
		{ "*.com", { names = { "*.com" } }, NAME };
		{ "*", { names = { "*" } }, NAME };
		{ "*.*.com", { names = { "*.*.com" } }, NAME, "na.fabrikam.com" };
		{ "fab*.com", { names = { "fab*.com" } }, NAME };
		{ "*fabrikam.com", { names = { "*fabrikam.com" } }, NAME };
		{ "*.fabrikam.com for the domain itself", { names = { "*.fabrikam.com" } }, NAME };
		{ "*.fabrikam.com two labels below", { names = { "*.fabrikam.com" } }, NAME, "a.na.fabrikam.com" };
		{ "*.*.fabrikam.com", { names = { "*.*.fabrikam.com" } }, NAME, "a.na.fabrikam.com" };
		{ "na*.fabrikam.com", { names = { "n*.fabrikam.com" } }, NAME, "na.fabrikam.com" };
		{ "with a common name alone", { names = { "fabrikam.com" }; san = false }, NAME };
		{ "with a common name besides", { names = { "evil.example" }; cn = "fabrikam.com" }, NAME };
		{ "with NUL in its name", { cn = "evil"; san_der = san(DNS, "fabrikam.com\0.evil.example") }, NAME };
		{ "with a URI", { cn = "evil"; san_der = san(URI, "xmpp:fabrikam.com") }, NAME };
		{ "of a user", { cn = "x"; xmpp = { "x@fabrikam.com" } }, NAME };
		{ "of a resource", { cn = "x"; xmpp = { "fabrikam.com/x" } }, NAME };
		{ "of XMPP clients", { srv = { "_xmpp-client.fabrikam.com" } }, NAME };
		{ "of another service", { srv = { "_sip.fabrikam.com" } }, NAME };
		{ "of an address", { addresses = { "127.0.0.1" }; cn = "fabrikam.com" }, NAME };
		{ "that has expired", { names = { "fabrikam.com" }; expired = true }, EXPIRED };
		{ "that is not valid yet", { names = { "fabrikam.com" }; not_yet = true }, "certificate-not-yet-valid" };
	};

	-- A stream with this certificate, where nothing but EXTERNAL counts, ends at once.
	local function turned_away(cert, token, domain)
		local peer = a:secure(domain or "fabrikam.com", { cert = cert });
		assert.equal("not-authorized", a:ends(peer));
		a:refused(token, domain or "fabrikam.com");
		assert.is_nil(peer.features);
	end

	describe("a certificate", function ()
		for i, case in ipairs(CERTIFICATES) do
			it(case[1] .. " is turned away", function ()
				turned_away(a.ca:issue("wrong-" .. i, case[2]), case[3], case[4]);
			end);
		end

		it("that is missing is turned away", function () turned_away(false, "certificate-missing"); end);

		it("that signs itself is turned away", function ()
			turned_away(CA.self_signed(a.ca.directory, "self", { names = { "fabrikam.com" } }), "certificate-self-signed");
		end);

		it("of an unknown authority is turned away", function ()
			local foreign = CA.new(a.ca.directory .. "/foreign", "Foreign test CA");
			turned_away(foreign:issue("foreign", { names = { "fabrikam.com" } }), UNTRUSTED);
		end);

		it("of the authority itself is turned away", function ()
			local own = setmetatable({ name = "ca"; cert = a.ca.file; key = a.ca.key; ca = a.ca.file },
				getmetatable(a:cert("fabrikam.com")));
			turned_away(own, UNTRUSTED);
		end);

		it("that another partner has signed with its own is turned away", function ()
			local leaf = a.ca:intermediate("leaf", "basicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:strict.example\n");
			turned_away(leaf:issue("by-leaf", { names = { "fabrikam.com" } }), UNTRUSTED);
		end);

		it("with a wildcard is good one label below, and there alone", function ()
			local peer = a:secure("na.fabrikam.com", { cert = a.ca:issue("wildcard", { names = { "*.fabrikam.com" } }) });
			assert.is_true(peer:offers("EXTERNAL"));
		end);

		it("that is wrong is no matter for EXTERNAL where dialback would do", function ()
			local peer = a:secure("secure.example", { cert = a:cert("lax.example") });
			assert.is_false(peer:offers("EXTERNAL"));
			assert.same({ false, "not-authorized" }, { peer:sasl_external() });
			a:refused(NAME, "secure.example");
			a:say(peer, "x@secure.example");
		end);
	end);

	-- ----------------------------------------------------------------------------------------------- EXTERNAL --

	local function auth(peer, mechanism, text)
		peer.failure, peer.success = nil, nil;
		peer:send(("<auth xmlns='%s'%s>%s</auth>"):format(SASL, mechanism and " mechanism='" .. mechanism .. "'" or "", text or ""));
		a.loop:wait(function () return peer.failure or peer.success or peer.closed; end, 5, "the answer to <auth/>");
		return peer.failure or peer.success and "success" or peer.stream_error;
	end

	describe("EXTERNAL", function ()
		for _, name in ipairs { "strict.example", "na.fabrikam.com", "evil.example", "contoso.com", "x@fabrikam.com",
			"fabrikam.com.", "FABRIKAM.COM", "com", "fabrikam.com\0", "\0" } do
			it(("for %q instead is refused"):format(name), function ()
				local peer = a:secure("fabrikam.com");
				assert.equal("invalid-authzid", auth(peer, "EXTERNAL", mime.b64(name)));
				a:say(peer, "x@fabrikam.com");
				a:say(peer, "x@" .. name:gsub("[%z@].*$", ""));
				a:nobody_authenticated("in");
			end);
		end

		for text, condition in pairs { ["!!!!"] = "incorrect-encoding"; [""] = "malformed-request" } do
			it(("with %q is refused"):format(text), function ()
				local peer = a:secure("fabrikam.com");
				assert.equal(condition, auth(peer, "EXTERNAL", text));
				a:say(peer, "x@fabrikam.com");
				a:nobody_authenticated("in");
			end);
		end

		it("with elements in it is refused", function ()
			local peer = a:secure("fabrikam.com");
			peer:send(("<auth xmlns='%s' mechanism='EXTERNAL'><x>=</x></auth>"):format(SASL));
			a.loop:wait(function () return peer.failure or peer.closed; end, 5, "the answer to <auth/>");
			assert.equal("malformed-request", peer.failure);
			a:nobody_authenticated("in");
		end);

		-- from, over TLS, condition, token
		for _, case in ipairs {
			{ "fabrikam.com", false, "encryption-required", "tls-required" };
			{ "lax.example", false, "encryption-required", "tls-required" };
			{ "keys.example", true, "invalid-mechanism", "sasl-not-supported" };
			{ "keys.example", false, "invalid-mechanism", "sasl-not-supported" };
			{ "clear.example", false, "invalid-mechanism", "sasl-not-supported" };
		} do
			local from, tls, condition, token = table.unpack(case);
			it(("where it is not offered is refused: %s, %s"):format(from, tls and "over TLS" or "in clear text"), function ()
				local peer = (tls and a.secure or a.open)(a, from);
				assert.is_false(peer:offers("EXTERNAL"));
				assert.equal(condition, auth(peer, "EXTERNAL", mime.b64(from)));
				a:refused(token, from);
				a:say(peer, "x@" .. from);
				a:nobody_authenticated("in");
			end);
		end

		for _, mechanism in ipairs { "PLAIN", "external", "EXTERNAL ", "ANONYMOUS", "SCRAM-SHA-1", "" } do
			it(("is not %q"):format(mechanism), function ()
				local peer = a:secure("fabrikam.com");
				assert.equal("invalid-mechanism", auth(peer, mechanism, mime.b64("\0fabrikam.com\0secret")));
				a:refused("bad-mechanism", "fabrikam.com");
				a:say(peer, "x@fabrikam.com");
				a:nobody_authenticated("in");
			end);
		end

		it("needs to be said", function ()
			local peer = a:secure("fabrikam.com");
			assert.equal("invalid-mechanism", auth(peer, nil, mime.b64("fabrikam.com")));
			a:refused("bad-mechanism", "fabrikam.com");
		end);

		it("without a name is refused", function ()
			local peer = a:open(nil, { cert = false });
			assert.equal("invalid-authzid", auth(peer, "EXTERNAL", mime.b64("fabrikam.com")));
			a:refused("no-identity");
			a:nobody_authenticated("in");
		end);

		it("does not go on by <response/>, nor end by <abort/>", function ()
			for _, element in ipairs { "response", "abort", "success", "challenge", "failure" } do
				local peer = a:secure("fabrikam.com");
				peer:send(("<%s xmlns='%s'>=</%s>"):format(element, SASL, element));
				a:say(peer, "x@fabrikam.com");
			end
			a:nobody_authenticated("in");
		end);

		it("is not tried for ever", function ()
			local peer = a:secure("fabrikam.com");
			local refused = 0;
			while not peer.closed and refused < 20 do
				if auth(peer, "EXTERNAL", mime.b64("evil.example")) == "invalid-authzid" then refused = refused + 1; end
			end
			assert.equal("policy-violation", a:ends(peer));
			assert.equal(5, refused);
			a:refused("too-many-attempts", "fabrikam.com");
		end);

		it("is not tried for ever in other ways either", function ()
			local peer = a:secure("fabrikam.com");
			for _ = 1, 3 do
				peer:dialback("any-key");
				peer:wait_result();
				auth(peer, "PLAIN");
			end
			assert.equal("policy-violation", a:ends(peer));
			a:refused("too-many-attempts", "fabrikam.com");
		end);
	end);

	-- ------------------------------------------------------------------------------------------------ headers --

	describe("a stream header", function ()
		it("without from shows a door and nothing behind it", function ()
			local peer = a:secure(nil, { cert = a:cert("fabrikam.com") });
			assert.is_falsy(peer:offers("EXTERNAL") or peer:offers("dialback"));
			a:nobody_authenticated("in");
		end);

		it("without from, and with another's after TLS, is judged by that one", function ()
			local peer = a:open(nil, { cert = a:cert("secure.example") });
			assert.is_true(peer:offers("starttls"));
			peer.from = "fabrikam.com";
			peer:starttls();
			assert.equal("not-authorized", a:ends(peer));
			a:refused("certificate-wrong-name", "fabrikam.com");
		end);

		-- attribute, first, then
		for _, case in ipairs {
			{ "from", "secure.example", "fabrikam.com" };
			{ "from", "secure.example", nil };
			{ "to", "contoso.com", "other.example" };
			{ "to", "other.example", "contoso.com" };
			{ "to", "contoso.com", nil };
		} do
			local key, first, second = table.unpack(case);
			it(("with %s %s and then %s ends the stream"):format(key, first, tostring(second)), function ()
				local options = { cert = a:cert("secure.example"); to = key == "to" and first or nil };
				local peer = a:open(key == "from" and first or "secure.example", options);
				peer[key] = second;
				peer:starttls();
				assert.equal("improper-addressing", a:ends(peer));
				a:nobody_authenticated("in");
			end);
		end

		it("with a version at first, and none after TLS, opens no other way", function ()
			local peer = a:open("fabrikam.com");
			peer.version = false;
			peer:starttls();
			a.loop:wait(function () return peer.opened; end, 5, "our header");
			peer:dialback("any-key");
			assert.equal("cancel/policy-violation", a:dialback_error(peer));
			a:refused("sasl-required", "fabrikam.com");
			a:say(peer, "x@fabrikam.com");
		end);

		-- from, condition, token
		for _, case in ipairs {
			{ "evil.example", "policy-violation", "not-a-partner" };
			{ "x@fabrikam.com", "policy-violation", "not-a-partner" };
			{ "fabrikam.com/x", "policy-violation", "not-a-partner" };
			{ "fabrikam.com@evil.example", "policy-violation", "not-a-partner" };
			{ "evil.example/fabrikam.com", "policy-violation", "not-a-partner" };
			{ "sub.fabrikam.com", "policy-violation", "not-a-partner" };
			{ "contoso.com", "undefined-condition" };
			{ "CONTOSO.com", "undefined-condition" };
			{ "other.example", "undefined-condition" };
		} do
			local from, condition, token = table.unpack(case);
			it(("from %s ends the stream"):format(from), function ()
				local peer = a:peer(from, { cert = a:cert("fabrikam.com") });
				peer:open();
				assert.equal(condition, a:ends(peer));
				if token then a:refused(token, from); end
				assert.is_nil(peer.features);
			end);
		end

		it("to a host that is none here ends the stream", function ()
			local peer = a:peer("fabrikam.com", { to = "unknown.example" });
			peer:open();
			assert.equal("host-unknown", a:ends(peer));
		end);
	end);

	-- ------------------------------------------------------------------------------------------------ stanzas --

	local UNAUTHENTICATED = {
		"<message from='x@DOMAIN/x' to='lena@contoso.com' type='chat'><body>attack</body></message>";
		"<message from='x@DOMAIN' to='lena@contoso.com' type='error' id='lync1-0'><error type='cancel'><gone "
			.. "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
		"<presence from='x@DOMAIN' to='lena@contoso.com' type='subscribe'/>";
		"<presence from='x@DOMAIN' to='lena@contoso.com' type='probe'/>";
		"<iq from='x@DOMAIN/x' to='contoso.com' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>";
		"<iq from='x@DOMAIN/x' to='contoso.com' type='get' id='2'/>";
		"<iq from='DOMAIN' to='contoso.com' type='result'/>";
		"<iq from='DOMAIN' to='contoso.com'/>";
		"<message/>";
		"<message to='lena@contoso.com'/>";
		"<message from='x@DOMAIN'/>";
		"<message from='x@DOMAIN' to='lena@unknown.example'/>";
		"<message from='x@DOMAIN' to='x@other.example'/>";
	};

	describe("a stanza", function ()
		for _, tls in ipairs { false, true } do
			it("before authentication is nobody's: " .. (tls and "over TLS" or "in clear text"), function ()
				local peer = (tls and a.secure or a.open)(a, "lax.example");
				for _, text in ipairs(UNAUTHENTICATED) do peer:send((text:gsub("DOMAIN", "lax.example"))); end
			end);
		end

		-- What the name of a JID is made of is looked at before anybody has been authenticated.
		for _, attributes in ipairs { "from='' to='lena@contoso.com'", "from='a@b@c' to='lena@contoso.com'",
			"from='@lax.example' to='lena@contoso.com'", "from='x@lax.example' to=''", "from='x@lax.example' to='a@b@c'",
			"from='x@lax.example/' to='lena@contoso.com'", "from='&#xFFFD;@lax.example' to='lena@contoso.com'" } do
			it("before authentication with names that are none is nobody's: " .. attributes, function ()
				local peer = a:open("lax.example");
				peer:send(("<message %s><body>attack</body></message>"):format(attributes));
				peer:send(("<iq type='get' id='1' %s><ping xmlns='urn:xmpp:ping'/></iq>"):format(attributes));
			end);
		end

		it("before XMPP 1.0 and any name is nobody's", function ()
			local peer = a:old(nil, { from = false; to = false });
			for _, text in ipairs(UNAUTHENTICATED) do peer:send((text:gsub("DOMAIN", "lax.example"))); end
		end);

		-- from, over a stream of lax.example
		for _, from in ipairs { "x@secure.example", "x@contoso.com", "lena@contoso.com", "x@sub.lax.example", "x@evil.example",
			"lax.example@evil.example", "evil.example/lax.example", "x@other.example", "contoso.com" } do
			it("in another's name ends a partner's stream: " .. from, function ()
				local peer = a:peer("lax.example"):authenticate("EXTERNAL");
				a:say(peer, from);
				assert.equal("not-authorized", a:ends(peer));
			end);
		end

		it("of an additional domain that was not authenticated ends the stream", function ()
			local peer = a:peer("fabrikam.com"):authenticate("EXTERNAL");
			a:say(peer, "x@na.fabrikam.com");
			assert.equal("not-authorized", a:ends(peer));
		end);

		for _, attributes in ipairs { "to='lena@contoso.com'", "from='x@lax.example'", "", "from='x@lax.example' to='x@evil.example'" } do
			it(("without a sender or one of us to go to ends the stream: %q"):format(attributes), function ()
				local peer = a:peer("lax.example"):authenticate("EXTERNAL");
				peer:send(("<message %s><body>attack</body></message>"):format(attributes));
				assert.is_truthy(({ ["not-authorized"] = true; ["host-unknown"] = true })[a:ends(peer)]);
			end);
		end

		it("for us on a stream to another host ends that stream", function ()
			local peer = a:peer("lax.example", { to = "other.example" }):authenticate("EXTERNAL");
			a:say(peer, "x@lax.example");
			assert.equal("not-authorized", a:ends(peer));
			a:refused("not-authenticated-for-us", "lax.example");
			a.answered = true; -- the partner is told, where it really is
			a.servers["lax.example"]:wait_stanza(function (stanza) return stanza.attr.type == "error"; end);
		end);

		it("with another's address in its localpart stays the partner's", function ()
			local peer = a:peer("lax.example"):authenticate("EXTERNAL");
			a.delivered = true;
			for i, from in ipairs { "honest\\40fabrikam.com@lax.example", "fabrikam.com@lax.example", "admin@lax.example" } do
				peer:send(("<message from='%s' to='lena@contoso.com'><body>as %d</body></message>"):format(from, i));
				a.lena:wait_message("as " .. i);
			end
			for i = a.from_message + 1, #a.w.edge.messages do
				local entry = a.w.edge.messages[i];
				local from = sip.get(entry.message, "From") or "";
				if entry.direction == "in" and entry.message.method == "INVITE" then
					assert.is_truthy(from:find("@lax%.example[>;]"), from);
				end
			end
		end);
	end);

	it("attacks under a partner's name do not count as its streams", function ()
		for _ = 1, 3 do
			local peer = a:secure("narrow.example", { cert = a:cert("lax.example") });
			assert.equal("valid", a:dialback(peer, "lax.example"));
		end
		local peer = a:secure("narrow.example");
		assert.is_true(peer:sasl_external());
		assert.is_truthy(peer:wait_features());
	end);

	it("leaves the way to partners as it was", function ()
		a:lync_says(a.home, "to an honest partner");
		a.home:wait_message("to an honest partner");
		a.answered = true;
	end);
end);
