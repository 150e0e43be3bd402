-- Connections outlive what was prepared on them. LuaDBI is stood in for by objects that note when they are collected.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

describe("the guard of LuaDBI", function ()
	local guard = support.lib("dbi_guard");
	local ended, dbi, methods;

	local function object(name, index)
		return setmetatable({}, { __index = index; __gc = function () table.insert(ended, name); end });
	end

	before_each(function ()
		ended = {};
		methods = { prepare = function (_, sql)
			if sql == "bad" then return nil, "syntax"; end
			return object("statement");
		end };
		dbi = { Connect = function (driver)
			if driver == "none" then return nil, "no driver"; end
			return object("connection", methods);
		end };
	end);

	local function collect() collectgarbage(); collectgarbage(); collectgarbage(); end

	-- A connection is let go before its statement: in what order do they end?
	local function order()
		local connection = dbi.Connect("any");
		local statement = connection:prepare("good");
		connection = nil; -- luacheck: ignore 311/connection
		collect();
		table.insert(ended, statement and "let go");
		statement = nil; -- luacheck: ignore 311/statement
		collect();
		return table.concat(ended, ", ");
	end

	it("is needed", function ()
		assert.equal("connection, let go, statement", order());
	end);

	it("has a connection wait for its statements, and go then", function ()
		guard.install(dbi, {});
		assert.equal("let go, statement, connection", order());
	end);

	it("does so for drivers that are loaded already", function ()
		guard.install({ Connect = dbi.Connect }, { ["DBD.PostgreSQL.Connection"] = { __index = methods } });
		assert.equal("let go, statement, connection", order());
	end);

	it("is there once, however often the module is loaded", function ()
		guard.install(dbi, {});
		dbi.Connect("any");
		local connect, prepare = dbi.Connect, methods.prepare;
		support.lib("dbi_guard").install(dbi, { ["DBD.MySQL.Connection"] = { __index = methods } });
		dbi.Connect("any");
		assert.equal(connect, dbi.Connect);
		assert.equal(prepare, methods.prepare);
	end);

	it("passes errors on", function ()
		guard.install(dbi, {});
		assert.same({ nil, "no driver" }, { dbi.Connect("none") });
		assert.same({ nil, "syntax" }, { dbi.Connect("any"):prepare("bad") });
	end);
end);
