-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

local turns_lib = support.lib("turns");
local LIMIT, BUDGET = turns_lib.LIMIT, turns_lib.BUDGET;

describe("turns", function ()
	local time, turns, logs;
	before_each(function ()
		time, logs = 1000, {};
		turns = turns_lib.new { now = function () return time; end; log = function (level, fmt, ...)
			table.insert(logs, level.." "..fmt:format(...));
		end };
	end);

	local function lasts(seconds)
		return function (...)
			time = time + seconds;
			return ...;
		end;
	end

	it("pass arguments and results on", function ()
		assert.same({ n = 3; 1, nil, 3 }, table.pack(turns.timed("timer", lasts(0))(1, nil, 3)));
	end);

	it("know the longest since it was asked for, and count what is too long by where", function ()
		turns.timed("timer", lasts(1 / 64))();
		turns.timed("stanza", lasts(1 / 128))();
		assert.same({ 1 / 64, { timer = 0; stanza = 0 } }, { turns.take() });
		assert.same({ 0, { timer = 0; stanza = 0 } }, { turns.take() });
		for _ = 1, 2 do turns.timed("stanza", lasts(2 * LIMIT))(); end
		turns.timed("timer", lasts(3 * LIMIT))();
		local longest, long = turns.take();
		assert.near(3 * LIMIT, longest, 1e-9);
		assert.same({ stanza = 2; timer = 1 }, long);
	end);

	it("within a turn belong to it", function ()
		local inner = turns.timed("stanza", lasts(2 * LIMIT));
		turns.timed("events", function ()
			inner();
			coroutine.wrap(inner)();
		end)();
		local longest, long = turns.take();
		assert.near(4 * LIMIT, longest, 1e-9);
		assert.same({ events = 1; stanza = 0 }, long);
	end);

	it("end with an error, too", function ()
		assert.has_error(turns.timed("timer", function ()
			time = time + 2 * LIMIT;
			error("boom", 0);
		end), "boom");
		turns.timed("stanza", lasts(2 * LIMIT))();
		assert.same({ timer = 1; stanza = 1 }, select(2, turns.take()));
	end);

	it("that wait are counted no further, and do not hide others", function ()
		local waits = coroutine.wrap(turns.timed("stanza", function () coroutine.yield(); end));
		waits();
		time = time + 60;
		turns.timed("timer", lasts(2 * LIMIT))();
		waits();
		local longest, long = turns.take();
		assert.near(2 * LIMIT, longest, 1e-9);
		assert.same({ stanza = 0; timer = 1 }, long);
	end);

	it("are told in the log, one in ten seconds, with how many were not", function ()
		local long = turns.timed("timer", lasts(1 / 32));
		for _ = 1, 3 do long(); end
		time = time + 10;
		long();
		assert.same({ "info long turn: the server waited for the gateway (where=timer ms=31 more=0)",
			"info long turn: the server waited for the gateway (where=timer ms=31 more=2)" }, logs);
	end);

	it("say when they have lasted long enough; outside of one there is no end", function ()
		assert.is_false(turns.over());
		turns.timed("timer", function ()
			assert.is_false(turns.over());
			time = time + 1.01 * BUDGET;
			assert.is_true(turns.over());
		end)();
		assert.is_false(turns.over());
	end);

	it("are made of a module's hooks", function ()
		local hooked = {};
		local module = { host = "contoso.com" };
		function module.hook(_, name, f, priority) hooked[name] = { f, priority }; end
		function module.hook_global(_, name, f, priority) hooked["global "..name] = { f, priority }; end
		local timed = turns.hooks(module, "stream");
		assert.equal("contoso.com", timed.host);
		timed:hook("a", lasts(2 * LIMIT), 7);
		timed:hook_global("b", lasts(2 * LIMIT));
		assert.equal(7, hooked.a[2]);
		assert.equal("x", hooked.a[1]("x"));
		hooked["global b"][1]();
		assert.same({ stream = 2 }, select(2, turns.take()));
	end);
end);
