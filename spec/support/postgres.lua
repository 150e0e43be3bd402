-- postgres.lua: Debian's PostgreSQL with a database of its own on loopback, as the user postgres where the test is root.
-- SPDX-License-Identifier: MIT
--
--	local db = postgres.start(loop)		-- db.address, db.port; database "postgres", user "prosody", no password
--	db:stop(); db:start()

local ports = require "spec.support.ports";
local process = require "spec.support.process";

local postgres = {};
local Database = {};
Database.__index = Database;

local function bindir()
	local f = assert(io.popen("ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1"));
	local path = f:read("l");
	f:close();
	return assert(path, "PostgreSQL is not installed");
end

-- It refuses to run as root.
local function as_postgres(argv)
	local f = assert(io.popen("id -u"));
	local root = f:read("l") == "0";
	f:close();
	if not root then return argv; end
	return { "setpriv"; "--reuid=postgres"; "--regid=postgres"; "--clear-groups"; table.unpack(argv) };
end

function Database:start()
	self.process = process.start(self.loop, as_postgres { self.bin .. "/postgres"; "-D"; self.data; "-c"; "listen_addresses=" ..
		self.address; "-c"; "port=" .. self.port; "-c"; "unix_socket_directories="; "-c"; "fsync=off" },
		{ name = "postgres"; cwd = "/" });
	self.process:wait_line("ready to accept connections", 20);
end

--- Without waiting for its clients.
function Database:stop()
	self.process:signal("INT");
	self.process:wait_end(10);
end

function postgres.start(loop)
	local self = setmetatable({ loop = loop; bin = bindir(); address = ports.address("postgres"); port = 5432 }, Database);
	local directory = process.directory(loop, "postgres");
	os.execute("chown postgres " .. process.quote(directory) .. " 2>/dev/null");
	self.data = directory .. "/data";
	local status, output = process.run(loop, as_postgres { self.bin .. "/initdb"; "-D"; self.data; "-U"; "prosody"; "-A"; "trust";
		"-E"; "UTF8"; "--locale=C.UTF-8"; "--no-sync" }, { name = "initdb"; cwd = "/"; quiet = true }, 60);
	assert(status == 0, output);
	self:start();
	return self;
end

return postgres;
