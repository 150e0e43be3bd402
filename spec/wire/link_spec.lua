-- The link to the Access Edge: paced, kept alive, several connections, and nothing but TLS.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";

local function requests(edge, method)
	local list = {};
	for _, entry in ipairs(edge.messages) do
		if entry.direction == "in" and entry.message.method == method then list[#list + 1] = entry; end
	end
	return list;
end

describe("lync_bridge_rate", function ()
	local RATE = 20;
	local w;
	setup(function () w = World.new { settings = "lync_bridge_rate = "..RATE.."\n"; users = {
		["a@fabrikam.com"] = "secret"; ["b@fabrikam.com"] = "secret"; ["c@fabrikam.com"] = "secret";
	} }; end);
	teardown(function () w:finish(); end);

	it("keeps every second's requests below it, loses nothing, keeps the order", function ()
		-- A stock Prosody lets stanzas overtake those that have waited for its stream.
		w:contact("a"):message("first@contoso.com", "first");
		w:lync_user("first"):wait_message("first", 10);
		local each, received = 30, 0;
		local order = {};
		for _, name in ipairs { "a", "b", "c" } do
			w:lync_user("to-"..name):on_message(function (_, text)
				local n = tonumber(text);
				assert.equal((order[name] or 0) + 1, n);
				order[name], received = n, received + 1;
			end);
			local contact = w:contact(name);
			for i = 1, each do contact:message("to-"..name.."@contoso.com", tostring(i)); end
		end
		w.loop:wait(function () return received == 3 * each; end, 15, "all texts");
		local times = {};
		for _, method in ipairs { "INVITE", "MESSAGE", "OPTIONS" } do
			for _, entry in ipairs(requests(w.edge, method)) do times[#times + 1] = entry; end
		end
		table.sort(times, function (a, b) return a.at < b.at; end);
		-- the bucket holds a second's worth: at most two of them in any one second, and the rate itself in the long run
		for i = 1, #times do
			local in_second = 0;
			for j = i, #times do
				if times[j].at - times[i].earliest >= 1 then break; end
				in_second = in_second + 1;
			end
			assert.is_true(in_second <= 2 * RATE + 1, in_second.." requests in one second");
		end
		assert.is_true(times[#times].at - times[1].earliest >= (#times - RATE) / RATE - 0.5, "faster than the rate");
	end);
end);

describe("the link", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new { wire = { options_interval = 0.3 }; edge = { connections = 4 } };
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
	end);
	teardown(function () w:finish(); end);

	it("is kept alive by OPTIONS while nothing else is said", function ()
		local before = #requests(w.edge, "OPTIONS");
		w.loop:wait(function () return #requests(w.edge, "OPTIONS") >= before + 3; end, 5, "three OPTIONS");
	end);

	it("takes four connections of the Edge at once", function ()
		for i = 1, 8 do
			lena:open("romeo@fabrikam.com", "over connection "..i):wait_open();
			romeo:wait_message("over connection "..i);
		end
		assert.equal(4, #w.edge.out);
	end);

	it("has no UDP socket and no listener but its own", function ()
		local pid = w:worker_pid();
		local f = assert(io.popen("ss -H -u -l -a -p 2>/dev/null; ss -H -t -l -n -p"));
		local listeners = {};
		for line in f:lines() do
			if line:find("pid="..pid..",", 1, true) then listeners[#listeners + 1] = line; end
		end
		f:close();
		assert.equal(1, #listeners, table.concat(listeners, "\n"));
		assert.is_truthy(listeners[1]:find(w.gateway.address..":5061", 1, true), listeners[1]);
	end);

	it("tells at once what was under way on a connection that closes", function ()
		lena:answers("MESSAGE", "never");
		local id = romeo:message("lena@contoso.com", "under way");
		w.loop:wait(function () return #requests(w.edge, "MESSAGE") > 0; end, 5, "the MESSAGE");
		local started = w.loop:served();
		w.edge:drop();
		local condition, kind = romeo:wait_error(id, 10);
		assert.is_true(w.loop:served() - started < 3);
		assert.equal("wait", kind, condition);
		lena:answers("MESSAGE", 200);
		w.gateway:wait_log("connected edge", 10, true);
	end);

	it("comes back by itself after an outage, and answers at once meanwhile", function ()
		w.edge:stop_listening();
		w.edge:drop();
		w.gateway:wait_log("lost edge", 10);
		local started = w.loop:served();
		local condition, kind = romeo:wait_error(romeo:message("lena@contoso.com", "into the void"), 5);
		assert.is_true(w.loop:served() - started < 2);
		assert.equal("wait", kind, condition);
		w.edge:listen();
		w.gateway:wait_log("connected edge", 10, true);
		romeo:message("lena@contoso.com", "after the outage");
		lena:wait_message("after the outage", 10);
	end);
end);
