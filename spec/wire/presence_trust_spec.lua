-- Who may see whom: the partner's type, the access policies, partners that are none any more.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";

local ROMEO, TYBALT = "romeo@fabrikam.com", "tybalt@na.fabrikam.com";
local LENA = "lena@contoso.com";
local WIRE = { notify_interval = 0.2 };

local function world(options)
	options.wire = WIRE;
	local w = World.new(options);
	return w, w:contact("romeo", { roster = true }), w:lync_user("lena", "Lena Berg");
end

-- SUBSCRIBEs to the Edge.
local function asked(w)
	return w.edge:count("in", "SUBSCRIBE");
end

for _, partner_type in ipairs { "federated"; "public_verified"; "public_unverified" } do
	local notes, listed_only = partner_type == "federated", partner_type == "public_unverified";

	describe("presence of a partner that is " .. partner_type, function ()
		local w, romeo, lena;
		setup(function ()
			w, romeo, lena = world { partner_type = partner_type };
			lena:publish("busy", "in the lab");
		end);
		teardown(function () w:finish(); end); -- verified or not, and notes: the stand-in looks at each message

		it(listed_only and "is not shown before the Lync user has added the contact" or "is shown without more", function ()
			romeo:subscribe(LENA);
			if not listed_only then
				romeo:wait_presence(LENA, "subscribed");
				romeo:wait_sees(LENA, "dnd", 5, notes and "in the lab");
				return;
			end
			romeo:wait_presence(LENA, "unsubscribed");
			romeo:wait_roster(LENA, "none");
			assert.equal(0, asked(w));
			local id = romeo:message(LENA, "by myself");
			assert.equal("forbidden", (romeo:wait_error(id)));
		end);

		it("crosses both ways once she has added the contact, notes as the type allows", function ()
			local watch = lena:add(ROMEO):wait_active();
			romeo:wait_presence(LENA, "subscribe");
			romeo:set_presence("away", "at lunch");
			romeo:approve(LENA);
			watch:wait_sees("away", 5, notes and "at lunch");
			if listed_only then romeo:subscribe(LENA); end
			romeo:wait_sees(LENA, "dnd", 5, notes and "in the lab");
			romeo:wait_roster(LENA, "both");
			lena:publish("away", "out");
			romeo:wait_sees(LENA, "away", 5, notes and "out");
			romeo:set_presence("dnd", "busy");
			watch:wait_sees(notes and "dnd" or function (doc) return doc.presence == "dnd" or doc.presence == "busy"; end, 5,
				notes and "busy");
		end);

		it("lets messages through once she has", function ()
			romeo:message(LENA, "from somebody on her list");
			lena:wait_message("from somebody on her list");
		end);
	end);
end

describe("access policies", function ()
	local w, romeo, lena, mia;
	local GRANT = '[%q] = %q';
	local DENIED = GRANT:format(LENA, "None");
	setup(function ()
		w, romeo, lena = world { settings = ([[
			lync_access_policies = { global = { enable_xmpp_access = true }; None = { enable_xmpp_access = false } }
			lync_policy_grants = { %s }
		]]):format(DENIED) };
		mia = w:lync_user("mia"):publish("away");
		lena:publish("available");
	end);
	teardown(function () w:finish(); end);

	it("hide a user who may not use XMPP as if there were none, and let her add nobody", function ()
		romeo:subscribe(LENA);
		romeo:wait_presence(LENA, "unsubscribed");
		assert.equal(0, asked(w));
		assert.equal(403, (lena:add(ROMEO):wait_refused()));
		assert.equal(0, romeo:count_presence(LENA, "subscribe"));
	end);

	it("give and take what was agreed, without another question", function ()
		w.gateway:reload(DENIED, "");
		w.loop:wait(function ()
			romeo:subscribe(LENA);
			return pcall(romeo.wait_presence, romeo, LENA, "subscribed", 0.5);
		end, 10, "the permission");
		romeo:wait_sees(LENA, "available");
		local watch = lena:add(ROMEO):wait_active();
		romeo:wait_presence(LENA, "subscribe");
		romeo:approve(LENA);
		watch:wait_sees("available");
		w.gateway:reload("lync_policy_grants = {", "lync_policy_grants = { " .. DENIED);
		romeo:wait_sees(LENA, "unavailable", 10);
		lena:wait_unwatched(ROMEO);
		assert.equal("rejected", watch:wait_terminated());
		w.gateway:reload(DENIED, "");
		romeo:wait_sees(LENA, "available", 10);
		local again = lena:watch(ROMEO):wait_active();
		again:wait_sees("available");
		assert.equal(1, romeo:count_presence(LENA, "subscribe"));
		romeo:wait_roster(LENA, "both");
	end);

	it("are each user's own", function ()
		romeo:subscribe(mia.address);
		romeo:wait_sees(mia.address, "away");
	end);
end);

describe("a partner that is removed", function ()
	local w, romeo, tybalt, lena;
	local MORE = [[; additional_domains = { "na.fabrikam.com" }]];
	setup(function ()
		w, romeo, lena = world { partners = [==[["fabrikam.com"] = { partner_type = "federated"]==] .. MORE .. [[ }]] };
		tybalt = w:contact("tybalt@na.fabrikam.com/square", { roster = true });
		lena:publish("busy");
	end);
	teardown(function () w:finish(); end);

	it("is told nothing more; the others are", function ()
		for _, contact in ipairs { romeo; tybalt } do
			contact:subscribe(LENA);
			contact:wait_sees(LENA, "dnd");
		end
		local watch = lena:add(TYBALT):wait_active();
		w.gateway:reload(MORE, "");
		lena:wait_unwatched(TYBALT, 10);
		assert.equal("rejected", watch:wait_terminated());
		lena:publish("away");
		romeo:wait_sees(LENA, "away");
		w.loop:never(function () return (tybalt:sees(LENA)) == "away"; end, 0.3, "news for who is no partner");
		assert.equal(403, (lena:add(TYBALT):wait_refused()));
	end);
end);
