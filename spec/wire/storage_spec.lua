-- Subscriptions outlive the server, on each of Prosody's storage drivers: a restart, and a death without a last word.
-- SPDX-License-Identifier: MIT

local Loop = require "spec.support.loop";
local postgres = require "spec.support.postgres";
local process = require "spec.support.process";
local World = require "spec.support.world";

local MANY = 250; -- more than one step

-- The contact's own server is not there: what it would say is put in where the gateway takes it. %d is the number i.
local INJECT = [[> for i = FIRST, LAST do prosody.hosts["contoso.com"].events.fire_event("presence/bare",
	{ origin = prosody.hosts["contoso.com"]; stanza = require "util.stanza".presence {
	type = "KIND"; from = ("CONTACT@fabrikam.com"):format(i); to = ("USER@contoso.com"):format(i) } }) end]];

local drivers = {
	internal = function () return ""; end;
	["sql on SQLite"] = function (directory)
		return ('storage = { lync_subscriptions = "sql" }\nsql = { driver = "SQLite3"; database = %q }\n'):format(
			directory .. "/prosody.sqlite");
	end;
	["sql on PostgreSQL"] = function (_, db)
		return ('storage = { lync_subscriptions = "sql" }\nsql = { driver = "PostgreSQL"; database = "postgres"; '
			.. 'username = "prosody"; password = ""; host = %q; port = %d }\n'):format(db.address, db.port);
	end;
};

for name, global in pairs(drivers) do
	describe("subscriptions stored by " .. name, function ()
		local w, db, keep; -- keep: the loop of what is there before the world
		setup(function ()
			keep = Loop.new();
			if name:find("PostgreSQL", 1, true) then db = postgres.start(keep); end
			w = World.new { partner = false; edge_address = false; ready = false;
				global = global(process.directory(keep, "sqlite"), db) };
		end);
		teardown(function ()
			w:finish();
			if db then db:stop(); end
			keep:close();
		end);

		local function says(kind, user, first, last, contact)
			local values = { FIRST = first; LAST = last or first; KIND = kind; USER = user; CONTACT = contact or "c%d" };
			local output, status = w.gateway:shell((INJECT:gsub("%u+", values):gsub("%s+", " ")));
			assert.equal(0, status, output);
		end

		-- How many the running server knows; who: of one user or contact.
		local function known(who)
			local output, status = w.gateway:ctl("shell", "lync", "subscriptions", who or "contoso.com");
			assert.equal(0, status, output);
			return tonumber(output:match("(%d+) subscription%(s%)")), output;
		end

		-- What is on disk, in the words of the module's own storage, without its memory.
		local function stored(user)
			local output, status = w.gateway:shell(([[> local e = require "core.storagemanager".open("contoso.com", ]]
				.. [["lync_subscriptions", "keyval"):get("%s"); local n = 0; for _ in pairs(e and e.pairs or {}) do n = n + 1 end; ]]
				.. [[return "stored "..n]]):format(user));
			assert.equal(0, status, output);
			return tonumber(output:match("stored (%d+)")) or output;
		end

		local function until_stored(user, n)
			for _ = 1, 60 do
				if stored(user) == n then return; end
			end
			assert.equal(n, stored(user));
		end

		it("outlive a restart, written at its end at the latest", function ()
			says("subscribe", "lena", 1, 3);
			says("subscribe", "olaf", 1);
			assert.equal(3, (known("lena@contoso.com")));
			assert.equal(0, w.gateway:stop());
			w.gateway:start();
			assert.equal(3, (known("lena@contoso.com")));
			assert.equal(1, (known("olaf@contoso.com")));
			w.gateway:wait_log("read subscriptions: done %(pairs=4 bad=0%)");
			assert.equal(3, stored("lena"));
		end);

		it("outlive SIGKILL half a second after the change", function ()
			says("subscribe", "lena", 4, 10);
			says("unsubscribe", "olaf", 1);
			until_stored("lena", 10);
			until_stored("olaf", 0);
			w.gateway.process:signal("KILL");
			w.gateway.process:wait_end();
			w.gateway:start();
			assert.equal(10, (known("lena@contoso.com")));
			assert.equal(0, (known("olaf@contoso.com")));
		end);

		it("of many users are read in steps", function ()
			for _, user in ipairs { "a", "b" } do says("subscribe", user, 1, 2); end
			says("subscribe", "u%d", 1, MANY, "many");
			assert.equal(MANY, (known("many@fabrikam.com")));
			assert.equal(0, w.gateway:stop(20));
			w.gateway:start();
			w.gateway:wait_log(("read subscriptions: done %%(pairs=%d bad=0%%)"):format(MANY + 14), 20);
			assert.equal(MANY, (known("many@fabrikam.com")));
		end);

		if name:find("PostgreSQL", 1, true) then
			it("do not end Prosody when the database comes and goes", function ()
				local pid = w.gateway.process.pid;
				for round = 1, 2 do
					says("subscribe", "mia%d", round, round);
					until_stored("mia"..round, 1);
					db:stop();
					says("subscribe", "noa%d", round, round);
					w.gateway:wait_log("write subscriptions: ", 10, true);
					w.gateway:shell("> collectgarbage() collectgarbage()"); -- the lost connection goes
					db:start();
					w.gateway:wait_log("write subscriptions: works again", 25, true);
					w.gateway:shell("> collectgarbage() collectgarbage()"); -- what was prepared on it goes
					until_stored("noa"..round, 1);
					assert.is_true(w.gateway.process:running());
					assert.equal(pid, w.gateway.process.pid);
				end
			end);

			it("are written when the database is back", function ()
				db:stop();
				says("subscribe", "lena", 11);
				w.gateway:wait_log("write subscriptions: ", 10, true);
				db:start();
				w.gateway:wait_log("write subscriptions: works again", 25, true);
				until_stored("lena", 11);
			end);
		end
	end);
end
