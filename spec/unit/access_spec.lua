-- External access policies: global, site and user scope; the closest one decides alone.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local function load(policies, sites, grants)
	local settings, problems = core.settings("contoso.com", {
		lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
		lync_partners = { ["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false } };
		lync_access_policies = policies; lync_sites = sites or nil; lync_policy_grants = grants or nil;
	});
	for _, problem in ipairs(problems) do
		assert.equal("warn", problem.level, problem.text);
	end
	return settings;
end

local function may(settings, user, direction, kind)
	local ok, token = settings:may {
		direction = direction or "in"; kind = kind or "message"; contact = "romeo@fabrikam.com"; user = user;
	};
	return ok or token;
end

local yes, no = { enable_xmpp_access = true }, { enable_xmpp_access = false };

describe("access policy", function ()
	it("absent lets everyone", function ()
		assert.is_true(may(load(), "anyone@contoso.com"));
	end);

	it("empty lets nobody", function ()
		assert.equal("user-not-enabled", may(load({}), "anyone@contoso.com"));
	end);

	it("grants nothing that it does not say", function ()
		assert.equal("user-not-enabled", may(load({ global = {} }), "anyone@contoso.com"));
	end);

	-- Every combination of the three scopes, each absent, allowing or forbidding; the site by domain and by user.
	local word = { [yes] = "yes", [no] = "no" };
	for _, global in ipairs { false, yes, no } do
		for _, site in ipairs { false, yes, no } do
			for _, user in ipairs { false, yes, no } do
				for _, member in ipairs { "contoso.com", "bob@contoso.com" } do
					local name = ("global %s, site %s (%s), user %s"):format(word[global] or "-", word[site] or "-", member,
						word[user] or "-");
					it(name, function ()
						local policies = { global = global or nil; ["site:Redmond"] = site or nil; Sales = user or nil };
						local settings = load(policies, site and { ["site:Redmond"] = { member } },
							user and { ["bob@contoso.com"] = "Sales" });
						local closest = user or site or global or no;
						local want = closest.enable_xmpp_access or "user-not-enabled";
						for _, direction in ipairs { "in", "out" } do
							for _, kind in ipairs { "message", "typing", "offer", "presence" } do
								assert.equal(want, may(settings, "bob@contoso.com", direction, kind));
							end
						end
						-- Streams are the partner's matter.
						assert.is_true(may(settings, "bob@contoso.com", "in", "stream"));
						-- Another user of the same domain: the site only if it is the domain.
						local other = (member == "contoso.com" and site) or global or no;
						assert.equal(other.enable_xmpp_access or "user-not-enabled", may(settings, "eve@contoso.com"));
					end);
				end
			end
		end
	end

	it("of a site by user is closer than by domain", function ()
		local settings = load({ global = no; ["site:A"] = no; ["site:B"] = yes },
			{ ["site:A"] = { "contoso.com" }; ["site:B"] = { "bob@contoso.com" } });
		assert.is_true(may(settings, "bob@contoso.com"));
		assert.equal("user-not-enabled", may(settings, "eve@contoso.com"));
	end);

	it("knows users in any case and spelling", function ()
		local settings = load({ global = no; Sales = yes },
			nil, { ["Bob.Smith@Contoso.com"] = "Sales"; ["sip:o'malley@contoso.com"] = "Sales"; ["Jürgen@contoso.com"] = "Sales" });
		for _, user in ipairs { "bob.smith@contoso.com", "BOB.smith@CONTOSO.com", "bob.smith@contoso.com/phone",
			"o\\27malley@contoso.com", "jürgen@contoso.com", "JÜRGEN@contoso.com" } do
			assert.is_true(may(settings, user));
		end
		assert.equal("user-not-enabled", may(settings, "bob@contoso.com"));
	end);

	it("does not let a user pass for another", function ()
		local settings = load({ global = no; Sales = yes }, nil, { ["bob@contoso.com"] = "Sales" });
		for _, user in ipairs { "bob\0@contoso.com", "bob @contoso.com", "bob", "contoso.com", "", "@contoso.com",
			"bob@contoso.com@contoso.com", "\u{200b}bob@contoso.com", "bob@" } do
			assert.is_not_true(may(settings, user));
		end
	end);

	it("tables of other hosts do no harm", function ()
		local settings = load({ global = no; ["site:A"] = yes; Sales = yes },
			{ ["site:A"] = { "adatum.com" } }, { ["bob@adatum.com"] = "Sales" });
		assert.equal("user-not-enabled", may(settings, "bob@contoso.com"));
		assert.equal("not-our-domain", may(settings, "bob@adatum.com"));
	end);
end);
