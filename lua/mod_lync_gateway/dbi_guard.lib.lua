-- Statements of LuaDBI keep the connection that they were prepared on.
-- SPDX-License-Identifier: MIT
--
-- COMPAT(LuaDBI 0.7): a statement speaks over its connection once more when it is collected, but does not keep it.
-- Prosody's util.sql lets a lost connection go at once, and what was prepared on it only when there is another: in
-- between lies the end of Prosody, at the latest when the store's database is back. So each statement keeps its
-- connection here for as long as it lives: a key that is collected holds its value until its finalizer has run (Lua 5.4
-- manual, 2.5.4).

local KEPT = "lync_gateway_kept"; -- in a driver's methods: done already, by whichever load of the module

local drivers = { "DBD.PostgreSQL.Connection"; "DBD.MySQL.Connection"; "DBD.SQLite3.Connection" };

-- methods: those of a driver's connections
local function guard(methods)
	local prepare = type(methods) == "table" and not methods[KEPT] and methods.prepare;
	if not prepare then return; end
	local kept = setmetatable({}, { __mode = "k" });
	methods[KEPT] = kept;
	function methods.prepare(connection, ...)
		local statement, err = prepare(connection, ...);
		if statement then
			kept[statement] = connection;
		end
		return statement, err;
	end
end

local function guard_connection(connection, ...)
	local mt = connection ~= nil and getmetatable(connection);
	guard(mt and mt.__index);
	return connection, ...;
end

-- dbi: LuaDBI, whose drivers are loaded when they are wanted; registry: where drivers that are loaded are found.
local function install(dbi, registry)
	for _, name in ipairs(drivers) do
		guard(registry[name] and registry[name].__index);
	end
	if dbi[KEPT] then return; end
	local connect = dbi.Connect;
	dbi[KEPT] = true;
	function dbi.Connect(...)
		return guard_connection(connect(...));
	end
end

return { install = install };
