-- The one question: may this cross?
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local kinds = { "stream", "message", "typing", "offer", "presence" };

local settings = core.settings("contoso.com", {
	lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
	lync_partners = {
		["federated.com"] = { partner_type = "federated"; additional_domains = { "more.example" } };
		["verified.com"] = { partner_type = "public_verified" };
		["unverified.com"] = { partner_type = "public_unverified" };
		["broken.com"] = { partner_type = "federated"; tls_negotiation = "x"; additional_domains = { "broken.example" } };
	};
	lync_access_policies = { global = { enable_xmpp_access = true }; Never = { enable_xmpp_access = false } };
	lync_policy_grants = { ["eve@contoso.com"] = "Never" };
});

local function may(direction, kind, contact, user)
	return settings:may { direction = direction; kind = kind; contact = contact; user = user };
end

local function each(check)
	for _, direction in ipairs { "in", "out" } do
		for _, kind in ipairs(kinds) do
			check(direction, kind);
		end
	end
end

describe("may", function ()
	-- contact's domain, verified, reply_only when it comes in
	local types = {
		{ "federated.com", true, false }; { "more.example", true, false }; { "verified.com", true, false };
		{ "unverified.com", false, true };
	};
	for _, row in ipairs(types) do
		it(row[1] .. " cross", function ()
			each(function (direction, kind)
				local ok, flags = may(direction, kind, "romeo@" .. row[1], "bob@contoso.com");
				assert.is_true(ok);
				assert.same({ verified = row[2]; reply_only = row[3] and direction == "in" }, flags);
			end);
		end);
	end

	it("lets who is on the contact list speak first", function ()
		each(function (direction, kind)
			for domain, verified in pairs { ["unverified.com"] = false; ["federated.com"] = true } do
				local ok, flags = settings:may { direction = direction; kind = kind; contact = "romeo@" .. domain;
					user = "bob@contoso.com"; listed = true };
				assert.same({ true, { verified = verified; reply_only = false } }, { ok, flags });
			end
		end);
	end);

	it("refuses who is no partner", function ()
		for _, domain in ipairs { "stranger.com", "x.federated.com", "federated.com.evil.com", "com", "contoso.com" } do
			each(function (direction, kind)
				local ok, token, text = may(direction, kind, "romeo@" .. domain, "bob@contoso.com");
				assert.same({ nil, "not-a-partner" }, { ok, token });
				assert.is_string(text);
			end);
		end
	end);

	it("refuses a partner with a mistake, by all its domains", function ()
		for _, domain in ipairs { "broken.com", "broken.example" } do
			each(function (direction, kind)
				assert.equal("partner-disabled", select(2, may(direction, kind, "romeo@" .. domain, "bob@contoso.com")));
			end);
		end
	end);

	it("refuses users of other domains and those without access, but no stream", function ()
		local refused = { ["bob@adatum.com"] = "not-our-domain"; ["bob@sub.contoso.com"] = "not-our-domain";
			["eve@contoso.com"] = "user-not-enabled"; ["EVE@Contoso.com/x"] = "user-not-enabled";
			["contoso.com"] = "bad-jid"; [""] = "bad-jid"; ["a b@contoso.com"] = "bad-jid" };
		for user, token in pairs(refused) do
			each(function (direction, kind)
				local ok, got = may(direction, kind, "romeo@federated.com", user);
				if kind == "stream" then
					assert.is_true(ok);
				else
					assert.equal(token, got);
				end
			end);
		end
	end);

	it("asks about the partner first", function ()
		assert.equal("not-a-partner", select(2, may("in", "message", "a@stranger.com", "eve@adatum.com")));
		assert.equal("not-our-domain", select(2, may("in", "message", "a@federated.com", "eve@adatum.com")));
	end);

	it("takes a bare domain and a full JID", function ()
		assert.is_true((may("in", "stream", "federated.com")));
		assert.is_true((may("out", "stream", "FEDERATED.com.")));
		assert.is_true((may("in", "message", "romeo@federated.com/garden/x@y", "bob@contoso.com")));
	end);

	it("refuses what is no JID", function ()
		for _, contact in ipairs { "", "@", "@federated.com", "a@", "/x", "a@federated.com/" } do
			assert.equal("bad-jid", select(2, may("in", "stream", contact)));
		end
		for _, contact in ipairs { "a@b@federated.com", "a@federated.com\0", "federated.com ", "a@\xfffederated.com" } do
			assert.equal("not-a-partner", select(2, may("in", "stream", contact)));
		end
		assert.equal("bad-jid", select(2, may("in", "message", nil, "bob@contoso.com")));
		assert.equal("bad-jid", select(2, may("in", "message", "a@federated.com", nil)));
		assert.equal("bad-jid", select(2, may("in", "stream", ("x"):rep(100000))));
	end);

	it("lets nothing through unusable settings", function ()
		local unusable = core.settings("contoso.com", { lync_partners = { ["a.com"] = { partner_type = "federated" } } });
		assert.is_false(unusable.usable);
		each(function (direction, kind)
			local ok, token = unusable:may { direction = direction; kind = kind; contact = "x@a.com"; user = "b@contoso.com" };
			assert.same({ nil, "no-settings" }, { ok, token });
		end);
	end);

	it("raises on misuse", function ()
		assert.has_error(function () settings:may(); end);
		assert.has_error(function () settings:may {}; end);
		assert.has_error(function () may("sideways", "message", "a@federated.com", "b@contoso.com"); end);
		assert.has_error(function () may("in", "call", "a@federated.com", "b@contoso.com"); end);
		assert.has_error(function () may("in", "message", 5, "b@contoso.com"); end);
		assert.has_error(function () settings.may({}, { direction = "in", kind = "stream", contact = "federated.com" }); end);
	end);

	it("serves an international domain in both spellings", function ()
		local idn = core.settings("bücher.example", {
			lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
			lync_partners = { ["中国"] = { partner_type = "federated" } };
		});
		for _, contact in ipairs { "a@中国", "a@xn--fiqs8s" } do
			for _, user in ipairs { "b@bücher.example", "b@xn--bcher-kva.example", "B@BÜCHER.example" } do
				assert.is_true((idn:may { direction = "in"; kind = "message"; contact = contact; user = user }));
			end
		end
	end);
end);
