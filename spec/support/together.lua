-- together.lua: many plays in one loop, each written as if it were alone: whatever waits in one gives way to the others.
-- SPDX-License-Identifier: MIT
--
--	together(loop)
--	loop:together(list, 40, 60, function (item) … helpers that wait … end, function (item, problem) … end)

local Loop = require "spec.support.loop";

return function (loop)
	function loop.wait(self, predicate, seconds, what)
		if not coroutine.isyieldable() then return Loop.wait(self, predicate, seconds, what); end
		local value = predicate() or coroutine.yield(predicate, self:limit(seconds));
		return value or error(("waited %g s in vain for %s"):format(seconds or 5, what or "a condition"), 2);
	end
	--- Run fn(item) of all items, at most `limit` at a time. done(item, problem) is called for each.
	function loop.together(self, items, limit, seconds, fn, done)
		local next_item, running = 1, {};
		Loop.wait(self, function ()
			while #running < limit and items[next_item] do
				table.insert(running, { item = items[next_item]; thread = coroutine.create(fn) });
				next_item = next_item + 1;
			end
			for i = #running, 1, -1 do
				local one = running[i];
				local first = not one.predicate;
				local value = first or one.predicate();
				if value or self:served() > one.deadline then
					local ok, predicate, deadline = coroutine.resume(one.thread, first and one.item or value);
					one.predicate, one.deadline = predicate, deadline;
					if not ok or coroutine.status(one.thread) == "dead" then
						table.remove(running, i);
						done(one.item, not ok and tostring(predicate) or nil);
					end
				end
			end
			return #running == 0 and not items[next_item];
		end, seconds, "all of them to end");
	end
	return loop;
end;
