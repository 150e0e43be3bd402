-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local st = require "util.stanza";

local STEP, WRITE, RETRY;
do
	local lib = support.lib("store");
	STEP, WRITE, RETRY = lib.STEP, lib.WRITE, lib.RETRY;
end

local ROMEO = "romeo@fabrikam.com";

-- What the contact's subscription to the user looks like on disk.
local function entry(record, contact)
	return { version = 1; pairs = { [contact or ROMEO] = record } };
end

describe("store", function ()
	local h, world, keyval, bridge;

	-- A server that starts with what is on disk; its worker is ready when all is read.
	local function start(data)
		world = support.world();
		keyval = type(data) == "table" and data.log and data or support.keyval(data);
		world.keyvals["contoso.com"] = keyval;
		h, bridge = support.running(nil, world);
	end
	before_each(function () start(); end);

	local function arrives(kind, user, contact)
		h.presence.any(st.presence { from = contact or ROMEO; to = user.."@contoso.com"; type = kind });
	end

	local function logged(text)
		return select(2, table.concat(world.logs, "\n"):gsub(text:gsub("%p", "%%%0"), ""));
	end

	local function records(user)
		return h.presence.roster:pairs_of(user.."@contoso.com");
	end

	describe("writing", function ()
		it("happens half a second after a change", function ()
			arrives("subscribe", "juliet");
			world.clock.advance(WRITE - 0.1);
			assert.is_nil(keyval.data.juliet);
			world.clock.advance(0.1);
			assert.same(entry("p- 0 0"), keyval.data.juliet);
		end);

		it("joins changes that come together, and does not put off the first", function ()
			for i = 1, 10 do
				arrives("subscribe", "juliet", ("c%d@fabrikam.com"):format(i));
				world.clock.advance(0.1);
			end
			world.clock.advance(WRITE);
			assert.equal(2, keyval.count("set juliet"));
			local n = 0;
			for _ in pairs(keyval.data.juliet.pairs) do n = n + 1; end
			assert.equal(10, n);
		end);

		it("follows the state", function ()
			arrives("subscribe", "juliet");
			world.events({ type = "watch"; watch = "active"; status = 200; contact = ROMEO; user = "juliet@contoso.com" });
			world.clock.advance(WRITE);
			assert.same(entry("a- 0 0"), keyval.data.juliet);
			world.events({ type = "subscribe"; id = 7; added = true; contact = ROMEO; user = "juliet@contoso.com"; status = 0 });
			arrives("subscribed", "juliet");
			world.clock.advance(WRITE);
			local day = support.EPOCH // 86400;
			assert.same(entry(("ag %d %d"):format(day, day)), keyval.data.juliet);
		end);

		it("removes the entry of who has no pairs any more", function ()
			arrives("subscribe", "juliet");
			world.clock.advance(WRITE);
			arrives("unsubscribe", "juliet");
			world.clock.advance(WRITE);
			assert.is_nil(next(keyval.data));
		end);

		it("writes nothing that has not changed", function ()
			arrives("subscribe", "juliet");
			world.clock.advance(WRITE);
			arrives("subscribe", "juliet");
			arrives(nil, "juliet");
			world.events({ type = "watch"; watch = "failing"; status = 504; contact = ROMEO; user = "juliet@contoso.com" });
			world.clock.advance(60);
			assert.equal(1, keyval.count("set"));
		end);

		it("writes a bounded number of entries per turn", function ()
			for i = 1, STEP * 2 + 1 do
				arrives("subscribe", "u"..i);
			end
			local turns = {};
			local set = keyval.set;
			function keyval:set(...)
				local turn = #turns > 0 and turns[#turns].id == world.clock.turn and turns[#turns];
				if not turn then
					turn = { id = world.clock.turn; n = 0 };
					turns[#turns+1] = turn;
				end
				turn.n = turn.n + 1;
				return set(self, ...);
			end
			world.clock.advance(WRITE);
			assert.same({ STEP, STEP, 1 }, { turns[1].n, turns[2].n, turns[3].n });
			assert.equal(3, #turns);
		end);
	end);

	describe("a turn that takes long", function ()
		-- What each of the turns that come now adds to a number.
		local function per_turn(number)
			local turns, before = {}, number();
			while world.clock.step() do
				local n = number();
				if n > before then turns[#turns+1] = n - before; end
				before = n;
			end
			return turns;
		end
		local function count(name)
			return function () return keyval.count(name); end;
		end
		local function pairs_known() return h.presence.counts().pairs; end

		it("writes fewer entries; at the end all", function ()
			for i = 1, 5 do
				arrives("subscribe", "u"..i);
			end
			world.clock.time, world.long = world.clock.time + WRITE, 2;
			assert.same({ 2, 2, 1 }, per_turn(count "set"));
			for i = 1, 5 do
				arrives("unsubscribe", "u"..i);
			end
			world.pool:detach(h);
			h.presence.stop(false);
			assert.is_nil(next(keyval.data));
		end);

		it("reads fewer, and then takes fewer of the stanzas that had to wait, in their order", function ()
			local data = {};
			for i = 1, 4 do
				data["u"..i] = entry("a- 0 0");
			end
			world = support.world();
			keyval, world.long = support.keyval(data), 2;
			world.keyvals["contoso.com"] = keyval;
			h = support.host(world, "contoso.com");
			assert.equal(2, keyval.count("get"));
			for i = 1, 5 do
				arrives("subscribe", "v"..i);
			end
			arrives("unsubscribe", "v5");
			assert.same({ 2 }, per_turn(count "get"));
			assert.equal(4 + 4, pairs_known());
		end);

		it("takes two of them at a time", function ()
			local data = { u1 = entry("a- 0 0"); u2 = entry("a- 0 0"); u3 = entry("a- 0 0") };
			world = support.world();
			keyval, world.long = support.keyval(data), 2;
			world.keyvals["contoso.com"] = keyval;
			h = support.host(world, "contoso.com");
			for i = 1, 5 do
				arrives("subscribe", "v"..i);
			end
			assert.same({ 2, 2, 2 }, per_turn(pairs_known)); -- the last entry and one; then two of them
		end);
	end);

	for _, kind in ipairs { "disk full", "boom" } do
		it("a write that fails is tried again: "..kind, function ()
			keyval.fails.set = kind;
			arrives("subscribe", "juliet");
			world.clock.advance(WRITE);
			assert.equal(1, keyval.count("set"));
			assert.equal(1, logged("error write subscriptions: "));
			world.clock.advance(RETRY - 0.1);
			assert.equal(1, keyval.count("set"));
			world.clock.advance(0.1 + 2 * RETRY);
			assert.equal(4, keyval.count("set"));
			assert.equal(1, logged("error write subscriptions: "));
			keyval.fails.set = nil;
			world.clock.advance(RETRY);
			assert.same(entry("p- 0 0"), keyval.data.juliet);
			assert.equal(1, logged("info write subscriptions: works again"));
			world.clock.advance(RETRY);
			assert.equal(5, keyval.count("set"));
		end);
	end

	it("an entry that cannot be written does not hold up the others", function ()
		function keyval.fails.set(node) return node == "juliet" and "name too long" or nil; end
		for _, user in ipairs { "juliet", "a", "b" } do
			arrives("subscribe", user);
		end
		world.clock.advance(WRITE);
		assert.same({ nil, entry("p- 0 0"), entry("p- 0 0") }, { keyval.data.juliet, keyval.data.a, keyval.data.b });
	end);

	it("a storage that is gone is not asked for every entry", function ()
		keyval.fails.set = "gone";
		for i = 1, 50 do
			arrives("subscribe", "u"..i);
		end
		world.clock.advance(WRITE);
		assert.equal(3, keyval.count("set"));
		keyval.fails.set = nil;
		world.clock.advance(RETRY);
		for i = 1, 50 do
			assert.is_not_nil(keyval.data["u"..i]);
		end
	end);

	describe("the end", function ()
		it("writes all that is left, at once", function ()
			for i = 1, STEP * 2 do
				arrives("subscribe", "u"..i);
			end
			h.presence.stop(true);
			assert.equal(STEP * 2, keyval.count("set"));
			assert.equal(0, h.presence.counts().dirty);
		end);

		it("writes what can be written", function ()
			function keyval.fails.set(node) return node == "juliet" and "name too long" or nil; end
			for _, user in ipairs { "juliet", "a", "b" } do
				arrives("subscribe", user);
			end
			h.presence.stop(true);
			assert.same({ nil, entry("p- 0 0"), entry("p- 0 0") }, { keyval.data.juliet, keyval.data.a, keyval.data.b });
			assert.equal(3, keyval.count("set"));
		end);

		it("leaves no timer behind", function ()
			arrives("subscribe", "juliet");
			world.clock.advance(0);
			keyval.fails.set = "gone";
			h.presence.stop(true);
			assert.equal(0, world.clock.pending());
			h.presence.changed();
			assert.equal(0, world.clock.pending());
		end);
	end);

	it("a crash loses what was not written, and nothing that was", function ()
		arrives("subscribe", "a");
		world.clock.advance(WRITE);
		arrives("subscribe", "b");
		world.clock.advance(WRITE - 0.1); -- here it dies
		start(keyval);
		assert.same({ [ROMEO] = "p- 0 0" }, records "a");
		assert.is_nil(records "b");
		assert.equal("a@contoso.com", bridge:called("watch")[1][1].user);
		assert.equal(1, #bridge:called("watch"));
	end);

	describe("reading", function ()
		it("brings subscriptions back without asking anybody", function ()
			local day = support.EPOCH // 86400;
			start { juliet = entry(("ag %d %d"):format(day, day)); nurse = entry("p- 0 0");
				tybalt = entry(("-a %d %d"):format(day, day)) };
			assert.same({}, h.sent);
			assert.equal(2, #bridge:called("watch"));
			assert.equal(1, logged("info read subscriptions: done (pairs=3 bad=0)"));
			assert.is_true(h.presence.listed(ROMEO, "juliet@contoso.com"));
			for id = 7, 8 do -- what was asked before may be lost: once more
				world.events({ type = "subscribe"; id = id; added = true; contact = ROMEO; user = "tybalt@contoso.com"; status = 0 });
				assert.equal("subscribe", h.sent[1].attr.type);
				assert.equal(1, #h.sent);
			end
			world.clock.advance(61);
			assert.equal("unavailable", h.sent[2].attr.type); -- no word of Lync: juliet was shown once
			assert.equal(2, #h.sent);
		end);

		it("is silent when there is nothing", function ()
			assert.equal(0, logged("read subscriptions"));
		end);

		it("writes nothing back", function ()
			start { juliet = entry("a- 0 0") };
			world.clock.advance(60);
			assert.equal(0, keyval.count("set"));
		end);

		it("knows addresses of other scripts", function ()
			start { ["jürgen"] = entry("a- 0 0", "leser@bücher.example") };
			assert.same({ ["leser@bücher.example"] = "a- 0 0" }, records "jürgen");
		end);

		it("takes a step per turn", function ()
			local data, given = {}, support.world();
			for i = 1, STEP * 2 + 1 do
				data["u"..i] = entry("p- 0 0");
			end
			keyval, world = support.keyval(data), given;
			given.keyvals["contoso.com"] = keyval;
			h = support.host(given, "contoso.com");
			assert.equal(STEP, keyval.count("get"));
			given.clock.step();
			assert.equal(2 * STEP, keyval.count("get"));
			assert.is_not_nil(h.state.held);
			given.clock.step();
			assert.equal(2 * STEP + 1, keyval.count("get"));
			assert.is_nil(h.state.held);
			assert.equal(2 * STEP + 1, h.presence.counts().pairs);
		end);

		it("leaves out records that are none", function ()
			start { juliet = { version = 1; pairs = { [ROMEO] = "a- 0 0"; ["x@fabrikam.com"] = "zz"; ["no jid"] = "a- 0 0"; [7] = {} } } };
			assert.same({ [ROMEO] = "a- 0 0" }, records "juliet");
			assert.equal(1, logged("warn read subscriptions: done (pairs=1 bad=3)"));
		end);
	end);

	for name, value in pairs {
		["of another version"] = { version = 2; pairs = { [ROMEO] = "a- 0 0" } }; ["without a version"] = { [ROMEO] = "a- 0 0" };
		["without pairs"] = { version = 1 }; ["that is no table"] = "text"; ["that is a number"] = 5;
	} do
		it("an entry "..name.." is left as it is", function ()
			start { juliet = value; nurse = entry("a- 0 0") };
			assert.is_nil(records "juliet");
			assert.is_not_nil(records "nurse");
			arrives("subscribe", "juliet", "other@fabrikam.com");
			world.clock.advance(WRITE);
			h.presence.stop(true);
			assert.same(value, keyval.data.juliet);
			assert.equal(1, logged('error read subscriptions: not of version 1; left as they are'));
		end);
	end

	for _, kind in ipairs { "damaged", "boom" } do
		it("an entry that cannot be read now is not overwritten, but joined later: "..kind, function ()
			local data = support.keyval { juliet = entry("a- 0 0") };
			data.fails.get = kind;
			start(data);
			arrives("subscribe", "juliet", "other@fabrikam.com");
			world.clock.advance(WRITE);
			assert.same(entry("a- 0 0"), keyval.data.juliet);
			assert.equal(1, logged("error read subscriptions: "));
			keyval.fails.get = nil;
			arrives("subscribe", "juliet", "third@fabrikam.com");
			world.clock.advance(WRITE);
			assert.same({ version = 1; pairs = { [ROMEO] = "a- 0 0"; ["other@fabrikam.com"] = "p- 0 0";
				["third@fabrikam.com"] = "p- 0 0" } }, keyval.data.juliet);
			assert.same({ "other@fabrikam.com", "third@fabrikam.com", ROMEO }, (function ()
				local contacts = {};
				for i, call in ipairs(bridge:called("watch")) do contacts[i] = call[1].contact; end
				return contacts;
			end)());
		end);
	end

	it("what is known is newer than an entry that is read late", function ()
		local data = support.keyval { juliet = entry("a- 0 0") };
		data.fails.get = "damaged";
		start(data);
		arrives("subscribe", "juliet");
		world.clock.advance(WRITE);
		keyval.fails.get = nil;
		arrives("subscribe", "juliet", "other@fabrikam.com");
		world.clock.advance(WRITE);
		assert.same({ version = 1; pairs = { [ROMEO] = "p- 0 0"; ["other@fabrikam.com"] = "p- 0 0" } }, keyval.data.juliet);
		assert.same(keyval.data.juliet.pairs, records "juliet");
	end);

	describe("that cannot be listed", function ()
		for _, kind in ipairs { "no connection", "boom" } do
			it("is tried again, and nobody waits for it: "..kind, function ()
				local data = support.keyval { juliet = entry("a- 0 0"); nurse = entry("a- 0 0") };
				data.fails.users = kind;
				start(data);
				assert.equal(1, logged("error list subscriptions: "));
				arrives("subscribe", "juliet", "other@fabrikam.com");
				assert.equal(1, #bridge:called("watch"));
				world.clock.advance(WRITE);
				assert.same({ version = 1; pairs = { [ROMEO] = "a- 0 0"; ["other@fabrikam.com"] = "p- 0 0" } }, keyval.data.juliet);
				assert.equal(2, #bridge:called("watch"));
				arrives("unsubscribe", "juliet");
				world.clock.advance(WRITE + 2 * RETRY);
				assert.same(entry("p- 0 0", "other@fabrikam.com"), keyval.data.juliet);
				keyval.fails.users = nil;
				world.clock.advance(RETRY);
				assert.equal(1, logged("error list subscriptions: "));
				assert.same({ [ROMEO] = "a- 0 0" }, records "nurse");
				assert.same({ ["other@fabrikam.com"] = "p- 0 0" }, records "juliet");
				assert.equal(3, #bridge:called("watch"));
				world.clock.advance(10 * RETRY);
				assert.equal(4, keyval.count("users"));
			end);
		end

		it("is told from one that is empty", function ()
			local data = support.keyval();
			function data:users() table.insert(self.log, "users"); end -- nothing, and no error
			start(data);
			assert.equal(0, logged("list subscriptions"));
			arrives("subscribe", "juliet");
			world.clock.advance(60);
			assert.equal(1, keyval.count("users"));
			assert.equal(0, keyval.count("get"));
		end);
	end);
end);
