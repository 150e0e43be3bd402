-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local queue_lib = require "util.queue";

local bounce = support.lib("bounce");

describe("bounce", function ()
	local world, h, returned, logs;
	before_each(function ()
		world = support.world();
		h = { over = world.over; timer = world.clock.timer; pool = world.pool };
		returned, logs = {}, {};
	end);

	-- What mod_s2s does, each version of it.
	local function take(session, item, reason)
		table.insert(returned, ("%s %s %s %s"):format(item, session.from_host, session.to_host, reason));
	end
	local kinds = {
		["0.12"] = { new = function (n)
			local list = {};
			for i = 1, n do list[i] = tostring(i); end
			return list;
		end; send_back = function (session, reason)
			session.log("info", "Sending %d", #session.sendq);
			for i, item in ipairs(session.sendq) do
				take(session, item, reason);
				session.sendq[i] = nil;
			end
			session.sendq = nil;
		end };
		["13.0"] = { new = function (n)
			local queue = queue_lib.new(n + 1);
			for i = 1, n do queue:push(tostring(i)); end
			return queue;
		end; send_back = function (session, reason)
			session.log("info", "Sending %d", session.sendq.count());
			for item in session.sendq:consume() do take(session, item, reason); end
			session.sendq = nil;
		end };
	};

	for version, kind in pairs(kinds) do
		local function run(n)
			local ended = { sendq = kind.new(n); from_host = "contoso.com"; to_host = "a.example"; log = function (_, fmt, ...)
				table.insert(logs, fmt:format(...));
			end };
			bounce.run(h, ended, "gone", kind.send_back);
			for key in pairs(ended) do ended[key] = nil; end
		end

		it("gives all back, in order, and says so once ("..version..")", function ()
			run(100);
			assert.equal(100, #returned);
			for i = 1, 100 do assert.equal(i.." contoso.com a.example gone", returned[i]); end
			assert.same({ "Sending error replies for 100 queued stanzas because of failed outgoing connection to a.example" }, logs);
		end);

		it("gives a turn's worth back at a time ("..version..")", function ()
			world.long = 2;
			run(100);
			local steps = { #returned };
			while world.clock.step() do steps[#steps+1] = #returned; end
			assert.same({ 32, 64, 96, 100 }, steps);
		end);

		it("gives all back at once when the server ends ("..version..")", function ()
			world.long, world.pool.stopping = 1, true;
			run(100);
			assert.equal(100, #returned);
		end);

		it("has nothing to do for nobody ("..version..")", function ()
			run(0);
			bounce.run(h, {}, "gone", kind.send_back);
			assert.same({}, returned);
		end);
	end
end);
