-- Settings x direction x what the partner's server does: each cell ends as Microsoft's matrix says.
-- SPDX-License-Identifier: MIT
--
-- The cells are in spec/support/cells.lua, what must come of them in cells_expected.lua. One gateway has all settings at once, a
-- partner each; the cells run many at a time.

local cells = require "spec.support.cells";
local expected = require "spec.support.cells_expected";
local Run = require "spec.support.cells_peer";

local SECONDS = 300; -- for all
local REPORTED = 5; -- failing cells that are shown in full, of each test

describe("cells", function ()
	local list, run = cells.all(), nil;
	setup(function ()
		run = Run.new(list);
		run:play(SECONDS);
		print(("%d cells in %.1f s"):format(#list, run.seconds));
	end);
	teardown(function () run:finish(); end);

	local function of(row, direction)
		local found = {};
		for _, cell in ipairs(list) do
			if cell.row == row and cell.direction == direction then found[#found + 1] = cell; end
		end
		return found;
	end

	local function assert_right(some)
		local names, reports = {}, {};
		for _, cell in ipairs(some) do
			if cell.problem then
				names[#names + 1] = cell.id;
				if #reports < REPORTED then reports[#reports + 1] = run:report(cell); end
			end
		end
		assert.equal(0, #names, ("of %d cells these are wrong: %s\n%s"):format(#some, table.concat(names, " "),
			table.concat(reports, "\n")));
	end

	for _, row in ipairs(cells.ROWS) do
		local settings = expected.rows[row];
		local title = settings.tls and ("row %d, TLS %s, SASL %s, dialback %s"):format(row, settings.tls, settings.sasl,
			tostring(settings.dialback)) or "not listed";
		it(title..": when it connects", function () assert_right(of(row, "in")); end);
		it(title..": when we connect", function () assert_right(of(row, "out")); end);
	end

	it("are at least a thousand, of every row both ways", function ()
		assert.is_true(#list >= 1000, #list);
		for _, row in ipairs(cells.ROWS) do
			for _, direction in ipairs { "in", "out" } do
				local some = of(row, direction);
				assert.is_true(#some >= 10, ("row %s, %s: %d"):format(row, direction, #some));
				for _, cell in ipairs(some) do assert.is_truthy(cell.actual, cell.id); end
			end
		end
	end);

	it("are in the log, each authenticated stream with its method", function ()
		local wanted = {};
		for _, cell in ipairs(list) do
			local method = cell.actual.method; -- which was right, or is complained about above
			if method then
				local key = ("%s %s %s"):format(cell.domain, cell.direction, method);
				wanted[key] = (wanted[key] or 0) + 1;
			end
		end
		local problems = {};
		for key, times in pairs(wanted) do
			local got = run.authenticated[key] or 0;
			if got ~= times then problems[#problems + 1] = ("%s: %d times, not %d"):format(key, got, times); end
		end
		for key, times in pairs(run.authenticated) do
			local question = key:find("%.in%.example out "); -- about a key
			if not wanted[key] and not question then problems[#problems + 1] = ("%s: %d times, not 0"):format(key, times); end
		end
		table.sort(problems);
		assert.equal(0, #problems, table.concat(problems, "\n", 1, math.min(#problems, 20)));
	end);
end);
