-- SPDX-License-Identifier: MIT

package.loaded["util.timer"] = package.loaded["util.timer"] or { add_task = error; stop = error }; -- wants Prosody's loop

local support = require "spec.support.module";
local new_events = require "util.events".new;

describe("compat", function ()
	describe("between", function ()
		local events, count;
		local function nothing() end
		before_each(function ()
			events = new_events();
			events.add_handler("message/bare", function () end, 1001);
			events.add_handler("message/bare", function () end, 100);
			count = support.lib("compat").between(events, "message/bare", 100, 1001);
		end);

		it("counts what stands strictly between", function ()
			assert.equal(0, count());
			events.add_handler("message/full", nothing, 500);
			events.add_handler("message/bare", nothing, 500);
			assert.equal(1, count());
		end);

		it("sees handlers come and go", function ()
			for _ = 1, 3 do
				assert.equal(0, count());
				events.add_handler("message/bare", nothing, 1000);
				assert.equal(1, count());
				events.remove_handler("message/bare", nothing);
			end
			assert.equal(0, count());
		end);

		it("of an event that has no handlers is 0, until one comes", function ()
			count = support.lib("compat").between(events, "message/host", 100, 1001);
			assert.equal(0, count());
			assert.equal(0, count());
			events.add_handler("message/host", nothing, 500);
			assert.equal(1, count());
		end);
	end);
end);
