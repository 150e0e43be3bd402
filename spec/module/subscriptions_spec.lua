-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local promise = require "util.promise";
local st = require "util.stanza";

local romeo, juliet = "romeo@fabrikam.com", "juliet@contoso.com";
local subscriptions = support.lib("subscriptions");

local function row(attr)
	local result = { contact = romeo; user = juliet; ["in"] = "none"; out = "none"; user_presence = "offline";
		contact_presence = "offline"; resources = 0; watching = false; sleeps = false; stale = false; subscribed = false;
		watch = "none"; listed_day = 0; asked_day = 0 };
	for key, value in pairs(attr) do result[key] = value; end
	return result;
end

describe("subscriptions: a row", function ()
	for _, case in ipairs {
		{ {}, "" };
		{ { ["in"] = "pending"; watching = true }, "contact sees user: pending" };
		{ { ["in"] = "pending"; watch = "failing"; status = 504 }, "contact sees user: pending, failing 504" };
		{ { ["in"] = "active"; watch = "active"; user_presence = "busy" }, "contact sees user: busy" };
		{ { ["in"] = "active"; watch = "ended"; sleeps = true }, "contact sees user: offline, asleep, ended" };
		{ { out = "asked"; subscribed = true }, "user sees contact: asked, subscribed" };
		{ { out = "denied" }, "user sees contact: denied" };
		{ { out = "granted"; contact_presence = "away" }, "user sees contact: away" };
		{ { subscribed = true }, "user sees contact: none, subscribed" };
		{ { listed_day = 20717 }, "on the contact list, last seen 2026-09-21" };
		{ { ["in"] = "active"; watch = "active"; user_presence = "dnd"; out = "granted"; subscribed = true; listed_day = 1 },
			"contact sees user: dnd; user sees contact: offline, subscribed; on the contact list, last seen 1970-01-02" };
	} do
		it(("says %q"):format(case[2]), function ()
			assert.equal(("  %s  %s  %s"):format(romeo, juliet, case[2]), subscriptions.describe(row(case[1])));
		end);
	end
end);

describe("subscriptions", function ()
	local h, bridge, world, commands, printed;
	before_each(function ()
		h, bridge, world = support.running();
		commands = support.lib("shell", { require = function (_, name) return support.lib(name); end })
			.commands(world.pool, function () end, function () return true; end);
		printed = {};
	end);

	local function arrives(kind, contact, user)
		h.presence.any(st.presence { from = contact or romeo; to = user or juliet; type = kind });
	end

	local function event(kind, attr)
		local ev = { type = kind; contact = romeo; user = juliet; status = 0 };
		for key, value in pairs(attr) do ev[key] = value; end
		world.events(ev);
	end

	local session = { session = { print = function (text) printed[#printed+1] = text; end } };

	-- A command's result, and what it printed.
	local function lync(name, ...)
		printed = {};
		local ok, text = commands[name](session, ...);
		table.sort(printed);
		return ok, text, printed;
	end

	describe("on the shell: lync subscriptions", function ()
		before_each(function ()
			arrives("subscribe");
			arrives("subscribe", "tybalt@na.fabrikam.com");
			arrives("subscribe", romeo, "nurse@contoso.com");
			h.settings.list["other.com"] = "other.com";
			arrives("subscribe", "x@other.com");
		end);

		local function shown(who)
			local ok, text, lines = lync("subscriptions", who);
			assert.is_true(ok);
			return text, lines;
		end

		it("shows all", function ()
			local text, lines = shown();
			assert.equal("4 subscription(s)", text);
			assert.same({ "  romeo@fabrikam.com  juliet@contoso.com  contact sees user: pending",
				"  romeo@fabrikam.com  nurse@contoso.com  contact sees user: pending",
				"  tybalt@na.fabrikam.com  juliet@contoso.com  contact sees user: pending",
				"  x@other.com  juliet@contoso.com  contact sees user: pending", "contoso.com" }, lines);
		end);

		for who, expected in pairs {
			[romeo] = 2; [juliet] = 3; ["nurse@contoso.com"] = 1; ["Romeo@FABRIKAM.com"] = 2; ["na.fabrikam.com"] = 3;
			["fabrikam.com"] = 3; ["other.com"] = 1; ["evil.com"] = 0; ["nobody@fabrikam.com"] = 0; [""] = 0; ["@"] = 0;
		} do
			it(("of %q"):format(who), function ()
				assert.equal(expected.." subscription(s)", (shown(who)));
			end);
		end

		it("leaves the server turns for others", function ()
			for i = 1, 200 do
				arrives("subscribe", ("c%d@other.com"):format(i));
			end
			world.long = 1;
			local result;
			local waits = lync("subscriptions");
			waits:next(function (text) result = text; end);
			assert.is_true(#printed < 100);
			local steps = 0;
			while not result and world.clock.step() do
				steps = steps + 1;
			end
			assert.equal("204 subscription(s)", result);
			assert.equal(205, #printed);
			assert.is_true(steps >= 3);
		end);

		it("tells the result that comes before the server takes up the promise", function ()
			for i = 1, 60 do
				arrives("subscribe", ("c%d@other.com"):format(i));
			end
			world.long = 1;
			promise.set_nexttick(function (f) world.clock.timer(0.001, f); end); -- a timer, as in util.startup
			finally(function () promise.set_nexttick(function (f) f(); end); end);
			local result;
			lync("subscriptions"):next(function (text) result = text; end);
			world.clock.advance(1);
			assert.equal("64 subscription(s)", result);
		end);

		it("goes on when a host is taken away meanwhile", function ()
			for i = 1, 200 do
				arrives("subscribe", ("c%d@other.com"):format(i));
			end
			for _, name in ipairs { "a.example", "z.example" } do world.pool.hosts[name] = h; end
			world.long = 1;
			local result;
			lync("subscriptions", "other.com"):next(function (text) result = text; end);
			world.pool.hosts["contoso.com"] = nil;
			while not result and world.clock.step() do end
			assert.equal("402 subscription(s)", result);
		end);

		it("shows a thousand, and counts the rest", function ()
			for i = 1, 1010 do
				arrives("subscribe", ("c%d@other.com"):format(i));
				if i % 400 == 0 then world.clock.advance(3600); end -- partner_subscription_limit
			end
			local text, lines = shown("other.com");
			local more = tonumber(text:match("^1000 subscription%(s%), (%d+) more are not shown$"));
			assert.equal(h.presence.counts().pairs - 3 - 1000, more);
			assert.equal(1001, #lines);
		end);
	end);

	describe("on the shell: lync explain", function ()
		local function explained(...)
			local ok, text, lines = lync("explain", ...);
			assert.is_true(ok, text);
			local result = {};
			for _, line in ipairs(lines) do
				if line:sub(1, 2) == "  " then
					result[line:sub(3, 24):match("^(.-) *$")] = line:sub(26);
				end
			end
			return result, lines;
		end

		it("says everything there is to say", function ()
			arrives("subscribe");
			event("watch", { watch = "active"; status = 200 });
			event("state", { presence = "busy" });
			event("subscribe", { id = 7; added = true });
			assert.same({ partner = "fabrikam.com, federated"; ["access policy"] = "none needed";
				["contact list"] = "yes, 30 day(s) left"; ["contact sees user"] = "active";
				["user sees contact"] = "asked (the contact approves the Lync user)";
				["contact writes to user"] = "allowed"; ["last word of Lync"] = "active 200"; ["user writes to contact"] = "allowed";
				["streams of partner"] = "none now, made when needed"; ["Access Edge"] = "not connected yet" },
				(explained(romeo, juliet)));
		end);

		it("takes both in any order and spelling", function ()
			local wanted = explained(romeo, juliet);
			assert.same(wanted, (explained(juliet, romeo)));
			assert.same(wanted, (explained("Juliet@CONTOSO.com", "ROMEO@fabrikam.com/orchard")));
		end);

		it("of who is no partner", function ()
			local e = explained("x@evil.com", juliet);
			assert.same({ "none", "no", "not-a-partner (add the domain to lync_partners)",
				"not-a-partner (add the domain to lync_partners)", "not-a-partner (add the domain to lync_partners)" },
				{ e.partner, e["contact list"], e["contact sees user"], e["user sees contact"], e["contact writes to user"] });
			assert.is_nil(e["last word of Lync"]);
		end);

		it("of a partner in quarantine", function ()
			for _ = 1, 50 do
				h.presence.outcome(romeo, 404);
			end
			world.clock.advance(10);
			local e = explained(romeo, juliet);
			assert.equal("590 more second(s)", e.quarantine);
			assert.equal("partner-quarantined (wait)", e["contact writes to user"]);
		end);

		it("of what Lync refused, and of a policy", function ()
			h.settings.options = { lync_access_policies = { global = { enable_xmpp_access = true } } };
			arrives("subscribe");
			event("watch", { watch = "refused"; status = 404 });
			local e = explained(romeo, juliet);
			assert.same({ "global", "not-subscribed (the contact adds the Lync user)", "refused 404" },
				{ e["access policy"], e["contact sees user"], e["last word of Lync"] });
			h.settings.options = { lync_access_policies = { global = { enable_xmpp_access = false } } };
			assert.equal("user-not-enabled (give the Lync user a policy with enable_xmpp_access)",
				explained(romeo, juliet)["contact sees user"]);
		end);

		it("of a contact that a public partner does not vouch for", function ()
			h.settings.of_partner = { ["fabrikam.com"] = { partner_type = "public_unverified" } };
			local e = explained(romeo, juliet);
			assert.same({ "not-on-contact-list (the Lync user adds the contact)", "reply-only (the Lync user adds the contact)" },
				{ e["contact sees user"], e["contact writes to user"] });
		end);

		it("wants two addresses, one of them of ours", function ()
			for _, arguments in ipairs { {}, { romeo }, { juliet }, { romeo, "x@evil.com" }, { "", "" }, { "@", "a b@c" } } do
				local ok, text = lync("explain", table.unpack(arguments));
				assert.is_nil(ok);
				assert.matches("^Say who and whom", text);
			end
		end);

		it("says when there is no such address", function ()
			local ok, text = lync("explain", "fabrikam.com", juliet);
			assert.is_nil(ok);
			assert.matches("%(bad%-jid%)$", text);
		end);
	end);

	it("commands are described for later versions of Prosody", function ()
		local items = support.lib("shell", { require = function (_, name) return support.lib(name); end }).items(commands);
		local names = {};
		for _, item in ipairs(items) do
			assert.is_function(item.handler);
			names[#names+1] = item.name;
		end
		table.sort(names);
		assert.same({ "explain", "help", "partners", "reload", "sessions", "status", "streams", "subscriptions" }, names);
	end);

	describe("as gauges", function ()
		local function counts()
			local result = {};
			for _, entry in pairs(h.metrics.subscription_rows) do
				result[entry.partner.." "..entry.direction] = entry.count;
			end
			return result;
		end
		before_each(function ()
			function h.metrics.partner(jid) return (h.settings:primary(jid:match("@(.*)") or jid)); end
		end);

		it("count pairs by partner and direction", function ()
			subscriptions.measure(world.pool);
			assert.same({}, counts());
			arrives("subscribe");
			arrives("subscribe", "tybalt@na.fabrikam.com");
			event("subscribe", { id = 7; added = true });
			subscriptions.measure(world.pool);
			assert.same({ ["fabrikam.com x2s"] = 2; ["fabrikam.com s2x"] = 1 }, counts());
			arrives("unsubscribe");
			subscriptions.measure(world.pool);
			assert.same({ ["fabrikam.com x2s"] = 1; ["fabrikam.com s2x"] = 1 }, counts());
			world.events({ type = "worker"; status = 0 });
			subscriptions.measure(world.pool);
			assert.same({}, counts());
		end);

		it("are counted in steps, and no second time meanwhile", function ()
			h.settings.of_gateway = { partner_subscription_limit = 100000; partner_recipient_limit = 100000 };
			for i = 1, 3000 do
				arrives("subscribe", ("c%d@fabrikam.com"):format(i));
			end
			world.clock.advance(1);
			h.metrics.subscription_rows = nil;
			subscriptions.measure(world.pool);
			assert.is_nil(h.metrics.subscription_rows);
			local waits = world.clock.pending();
			subscriptions.measure(world.pool);
			assert.equal(waits, world.clock.pending());
			world.clock.advance(0);
			assert.same({ ["fabrikam.com x2s"] = 3000 }, counts());
		end);

		it("are counted in more steps when they take long", function ()
			for i = 1, 200 do
				arrives("subscribe", ("c%d@fabrikam.com"):format(i));
			end
			world.clock.advance(1);
			world.long, h.metrics.subscription_rows = 1, nil;
			subscriptions.measure(world.pool);
			for _ = 1, 3 do
				assert.is_nil(h.metrics.subscription_rows);
				world.clock.step();
			end
			world.clock.advance(0);
			assert.same({ ["fabrikam.com x2s"] = 200 }, counts());
		end);

		it("of a host that has gone are not finished", function ()
			h.settings.of_gateway = { partner_subscription_limit = 100000; partner_recipient_limit = 100000 };
			for i = 1, 3000 do
				arrives("subscribe", ("c%d@fabrikam.com"):format(i));
			end
			subscriptions.measure(world.pool);
			h.presence.stop(false);
			world.pool:detach(h);
			world.clock.advance(0);
			assert.is_nil(h.metrics.subscription_rows);
		end);
	end);

	describe("events of the bridge", function ()
		it("reach the host that serves the user", function ()
			local other = support.host(world, "litware.com", support.settings "litware.com");
			world.pool:reconcile();
			event("subscribe", { id = 7; added = true; user = "kim@litware.com" });
			assert.equal(1, other.presence.counts().pairs);
			assert.equal(0, h.presence.counts().pairs);
			assert.equal("kim@litware.com", other.sent[1].attr.from);
		end);

		it("for a domain that nobody serves: 404 to who asks, silence to others", function ()
			event("subscribe", { id = 7; user = "x@nowhere.com" });
			assert.same({ { 7, 404, nil, "No such domain here" } }, bridge:called("answer"));
			assert.is_truthy(table.concat(world.logs, "\n"):find("refused subscribe: no such domain", 1, true));
			event("subscribe", { user = "x@nowhere.com"; again = true });
			event("state", { user = "x@nowhere.com"; presence = "busy" });
			event("watch", { user = "x@nowhere.com"; watch = "active" });
			event("unsubscribed", { user = "x@nowhere.com"; token = "expired" });
			assert.equal(1, #bridge:called("answer"));
			assert.equal(0, h.presence.counts().pairs);
		end);

		it("that make no sense are survived", function ()
			for _, attr in ipairs {
				{ presence = "odd" }, { watch = "odd" }, { contact = "" }, { user = "" }, { contact = "\255@fabrikam.com" },
			} do
				for _, kind in ipairs { "watch", "state", "subscribe", "unsubscribed" } do
					event(kind, attr);
				end
			end
			arrives("subscribe");
			assert.equal(1, h.presence.counts().pairs);
		end);
	end);
end);
