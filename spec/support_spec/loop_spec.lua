-- The loop's limits when the test process stands still: what came meanwhile is read before a limit is over.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local ports = require "spec.support.ports";
local socket = require "socket";
local stream = require "spec.support.stream";

describe("the loop of a process that stands still", function ()
	local loop, writer, heard;
	before_each(function ()
		loop, heard = Loop.new(), nil;
		local listener = stream.listen(loop, ports.address("loop"), nil, nil, function (conn)
			function conn.on_data(_, bytes) heard = { at = loop:now(), earliest = loop:earliest(), text = bytes }; end
		end);
		writer = stream.connect(loop, listener.ip, listener.port);
		loop:at_close(function ()
			listener.close();
			listener.drop();
			writer:close(true);
		end);
		loop:wait(function () return writer.ready and next(listener.connections); end);
	end);
	after_each(function () loop:close(); end);

	-- What a busy machine does to us: all of a sudden it is later.
	local function stand_still(seconds)
		loop:after(0, function () socket.sleep(seconds); end);
	end

	it("reads what came meanwhile, also with a limit that would be over by the clock", function ()
		stand_still(0.4);
		loop:after(0.01, function () writer:send("late\n"); end);
		local from = loop:now();
		loop:within(function () return heard; end, 0.2, "a line");
		assert.is_true(loop:now() - from >= 0.4);
	end);

	it("ends a wait in vain nevertheless, and says how long it was", function ()
		local ok, err = pcall(loop.within, loop, function () return heard; end, 0.1, "a line");
		assert.is_false(ok);
		assert.is_truthy(err:find("waited 0.1 s in vain for a line (0.1 s by the clock)", 1, true), err);
		local from = loop:now();
		assert.is_false((pcall(loop.wait, loop, function () return heard; end, 0.05)));
		assert.is_true(loop:now() - from >= 0.2, "no slack");
	end);

	it("calls what is overdue after it has served so long", function ()
		local called;
		loop:after_served(0.2, function () called = heard and "heard" or "not heard"; end);
		stand_still(0.4);
		loop:after(0.01, function () writer:send("late\n"); end);
		loop:wait(function () return called; end);
		assert.equal("heard", called);
	end);

	it("knows when what it reads can have come at the earliest", function ()
		loop:after(0, function ()
			writer:send("early\n");
			socket.sleep(0.3);
		end);
		loop:wait(function () return heard; end);
		assert.is_true(heard.at - heard.earliest >= 0.3);
		heard = nil;
		writer:send("again\n");
		loop:wait(function () return heard; end);
		assert.is_true(heard.earliest <= heard.at);
	end);

	it("takes what has failed meanwhile once more, and what has failed by itself for that", function ()
		local runs = 0;
		loop:steadily(function ()
			runs = runs + 1;
			if runs == 1 then socket.sleep(0.4); end
			loop:step();
			assert.equal(2, runs);
		end);
		local ok, err = pcall(loop.steadily, loop, function ()
			runs = runs + 1;
			error("by itself", 0);
		end);
		assert.same({ 3, false, "by itself" }, { runs, ok, err });
	end);

	it("lets a coroutine wait beside it", function ()
		local steps = {};
		loop:beside(function (own)
			own:wait(function () return heard; end, 5, "a line");
			table.insert(steps, "beside");
		end);
		loop:wait(function () return loop:served() > 0.05; end);
		table.insert(steps, "here");
		writer:send("go on\n");
		loop:wait(function () return steps[2]; end);
		assert.same({ "here", "beside" }, steps);
		loop:beside(function (own) own:wait(function () return false; end, 0.01, "nothing"); end);
		local ok, err = pcall(loop.wait, loop, function () return false; end);
		assert.is_false(ok);
		assert.is_truthy(err:find("in vain for nothing", 1, true), err);
	end);
end);
