-- The cells and what is expected of them: the matrix is whole, and nobody gets in by what it does not name.
-- SPDX-License-Identifier: MIT

local cells = require "spec.support.cells";
local expected = require "spec.support.cells_expected";

describe("the expectations of the cells", function ()
	local list = cells.all();

	it("have the 18 rows, 13 of them valid, each combination once", function ()
		local seen, valid = {}, 0;
		for _, row in ipairs(expected.rows) do
			local key = ("%s %s %s"):format(row.tls, row.sasl, tostring(row.dialback));
			assert.is_nil(seen[key], key);
			seen[key] = true;
			valid = valid + (next(row.methods) and 1 or 0);
		end
		assert.same({ 18, 13 }, { #expected.rows, valid });
	end);

	it("read the table as its compact rules do", function ()
		for _, row in ipairs(expected.rows) do
			local tls, sasl = row.tls ~= "not_supported", row.sasl ~= "not_supported";
			local both = row.tls == "required" and row.sasl == "required";
			assert.same({
				["sasl-tls"] = tls and sasl or nil;
				["tls-dialback"] = row.dialback and tls and not both or nil;
				["tcp-dialback"] = row.dialback and row.tls ~= "required" or nil;
			}, row.methods, "row "..row.number);
		end
	end);

	it("are of cells that all differ, the same each time", function ()
		local ids, lines, again = {}, {}, cells.all();
		for i, cell in ipairs(list) do
			local line = cells.describe(cell):match(": (.*)$").." "..cell.row.." "..cell.direction;
			assert.is_nil(ids[cell.id], cell.id);
			assert.is_nil(lines[line], line);
			ids[cell.id], lines[line] = true, true;
			assert.same(cell, again[i]);
		end
	end);

	it("let nobody in by a method that is not in the row, and somebody by each that is, both ways", function ()
		local used = { ["in"] = {}, out = {} };
		for _, cell in ipairs(list) do
			for _, outcome in ipairs(expected.of(cell)) do
				if outcome.method then
					assert.is_true(expected.rows[cell.row].methods[outcome.method], cell.id);
					used[cell.direction][cell.row.." "..outcome.method] = true;
				end
			end
		end
		for _, row in ipairs(expected.rows) do
			for method in pairs(row.methods) do
				for direction, set in pairs(used) do
					assert.is_true(set[row.number.." "..method], direction.." "..row.number.." "..method);
				end
			end
		end
	end);

	it("see what is wrong", function ()
		local cell = { row = 7; direction = "in"; version = "1.0"; tls = "starttls"; cert = "good"; from = "present"; auth = "EXTERNAL";
			authzid = "own" };
		local actual = { clear = "starttls!"; secure = "EXTERNAL dialback"; answer = "success"; method = "sasl-tls"; seen = {} };
		assert.is_nil(expected.compare(cell, actual));
		for fact, word in pairs { clear = "starttls"; secure = "EXTERNAL"; answer = "failure:not-authorized"; method = "tls-dialback" } do
			local right = actual[fact];
			actual[fact] = word;
			assert.equal(fact, expected.compare(cell, actual));
			actual[fact] = right;
		end
		cell.row = 1;
		assert.equal("secure", expected.compare(cell, actual));
	end);

	it("see what must not have been there", function ()
		local cell = { row = 15; direction = "out"; version = "1.0"; starttls = "offer"; cert = "good"; from = "present"; sasl = "accept";
			dialback = "valid" };
		local actual = { method = "tls-dialback"; streams = "1"; seen = { stream = true; starttls = true; ["secure-key"] = true } };
		assert.is_nil(expected.compare(cell, actual));
		actual.seen.EXTERNAL = true;
		assert.equal("seen EXTERNAL", expected.compare(cell, actual));
	end);
end);
