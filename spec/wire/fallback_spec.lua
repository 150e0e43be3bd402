-- When we connect and a method fails, the next that the partner's row allows is tried, on a new stream, with all that waits; what
-- worked is remembered; and TLS that is required is never done without.
-- SPDX-License-Identifier: MIT

local Streams = require "spec.support.streams";

local TLS, SASL = "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-sasl";
local BACKLOG = 8; -- messages that wait while it falls back

-- Ways to spoil STARTTLS: what a server does with <starttls/>.
local BROKEN = {
	["is refused"] = function (_, session)
		session.conn:send("<failure xmlns='" .. TLS .. "'/></stream:stream>");
		session.conn:close();
	end;
	["is answered by nothing but the end"] = function (_, session) session.conn:close(true); end;
	["ends in garbage"] = function (_, session)
		session.conn:send("<proceed xmlns='" .. TLS .. "'/>");
		session.reset = function () end;
		session.conn.on_data = function (conn) conn:send("this is no TLS record\r\n\r\n"); end;
	end;
	["ends at once"] = function (_, session)
		session.conn:send("<proceed xmlns='" .. TLS .. "'/>");
		session.conn:close();
	end;
	["is for a TLS of the past"] = function (server, session)
		server.tls = { protocol = "tlsv1", options = { "all" } };
		server:proceed(session);
	end;
};

local function stream_error(condition)
	return function (_, session)
		session.conn:send(("<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
			:format(condition));
		session.conn:close();
	end;
end

-- A server that ends the stream when it gets a dialback key over TLS, and takes one in clear text.
local function clear_keys_only(_, session)
	if not session.secure then return true; end
	session.conn:close(true);
end

-- Pool of partner domains: rows, with as many as the cases need.
local POOL = { [1] = 8; [3] = 3; [7] = 10; [9] = 30; [15] = 15 };

describe("falling back", function ()
	local t, pool;
	setup(function ()
		local partners = {};
		pool = {};
		for row, n in pairs(POOL) do
			pool[row] = {};
			for i = 1, n do
				local domain = ("r%d-%d.example"):format(row, i);
				partners[domain], pool[row][n - i + 1] = row, domain;
			end
		end
		t = Streams.new { partners = partners };
	end);
	teardown(function () t:stop(); end);
	before_each(function () t:mark(); end);

	-- A server for a fresh domain of a row.
	local function fresh(row, options)
		return t:server(assert(table.remove(pool[row]), "no domain left of row " .. row), options);
	end

	local function sent(session, name)
		for _, element in ipairs(session.all) do
			if element.name == name then return true; end
		end
		return false;
	end

	-- What was tried on each stream of a server, in order: "starttls", "tls", "EXTERNAL", "dialback".
	local function tried(server)
		local list = {};
		for i, session in ipairs(server.streams) do
			local words = {};
			if sent(session, "starttls") then words[#words + 1] = session.secure and "tls" or "starttls"; end
			if sent(session, "auth") then words[#words + 1] = "EXTERNAL"; end
			if sent(session, "result") then words[#words + 1] = "dialback"; end
			list[i] = table.concat(words, " ");
		end
		return list;
	end

	local function fell_back(server, from, to, stage)
		t:logged(('fell back: next method %%(remote="%s" from=%s to=%s stage=%s%%)'):format(Streams.literal(server.domain),
			Streams.literal(from), Streams.literal(to), stage));
	end

	local function authenticated(server, method)
		return t:logged(('authenticated stream: %%(remote="%s" direction=out method=%s tls='):format(Streams.literal(server.domain),
			Streams.literal(method)));
	end

	-- Lena's message fails, once, and nothing more is tried.
	local function lost(server, text)
		local status, reason = t:fails(t:say(server.domain, text));
		local streams = #server.streams;
		t.loop:never(function () return #server.streams > streams; end, 0.1, "a further stream");
		assert.equal(0, #server.stanzas);
		return status, reason;
	end

	-- One partner after the other: every way to break TLS, in the rows that may do without it.
	for _, row in ipairs { 9, 15, 3 } do
		for what, starttls in pairs(BROKEN) do
			if row ~= 3 or what == "ends at once" then
				it(("goes on in clear text when STARTTLS %s, row %d"):format(what, row), function ()
					local server = fresh(row, { on = { starttls = starttls } });
					local best = row == 15 and "tls-dialback" or "sasl-tls";
					t:reach(server, nil, 5);
					assert.same({ "starttls", "dialback" }, tried(server));
					fell_back(server, best, "tcp-dialback", "tls");
					assert.is_truthy(authenticated(server, "tcp-dialback"):find("tls=none", 1, true));
				end);
			end
		end
	end

	for what, starttls in pairs(BROKEN) do
		it(("never goes on in clear text where TLS is required, though STARTTLS %s"):format(what), function ()
			for _, row in ipairs { 1, 7 } do
				local server = fresh(row, { on = { starttls = starttls } });
				local status, reason = lost(server);
				assert.equal(504, status, reason);
				assert.same({ "starttls" }, tried(server));
			end
			t:no_log("fell back");
			t:no_log("authenticated stream");
		end);
	end

	it("says nothing in clear text to a server without STARTTLS where TLS is required", function ()
		for _, row in ipairs { 1, 7 } do
			local server = fresh(row, { starttls = false });
			local status, reason = lost(server);
			assert.equal(403, status, reason);
			assert.is_truthy(reason:find("TLS", 1, true), reason);
			assert.same({ "" }, tried(server));
			t:told("refused features", "tls-required", server.domain, "out");
			assert.equal("policy-violation", server.streams[1].error);
		end
		t:no_log("fell back");
	end);

	it("tries dialback on the same stream when EXTERNAL is refused", function ()
		for _, row in ipairs { 7, 9, 3 } do
			local server = fresh(row, { sasl = "refuse" });
			t:reach(server);
			assert.same({ "tls EXTERNAL dialback" }, tried(server));
			t:logged('fell back: next method on the same stream %(remote="' .. Streams.literal(server.domain)
				.. '" from=sasl%-tls to=tls%-dialback stage=sasl%)');
			authenticated(server, "tls-dialback");
		end
	end);

	it("gives up when EXTERNAL is refused and nothing else is allowed", function ()
		local server = fresh(1, { sasl = "refuse" });
		local status, reason = lost(server);
		assert.equal(504, status, reason);
		assert.same({ "tls EXTERNAL" }, tried(server));
		t:told("refused sasl", "sasl-failed", server.domain, "out");
		assert.is_nil(server.streams[1].error);
		t:no_log("fell back");
	end);

	it("makes a new stream for dialback over TLS when EXTERNAL ends the first", function ()
		for _, case in ipairs { { 7, "not-authorized" }; { 9, "policy-violation" }; { 3 } } do
			local row, condition = table.unpack(case);
			local server = fresh(row, { on = { auth = condition and stream_error(condition)
				or function (_, session) session.conn:close(true); end } });
			t:reach(server);
			assert.same({ "tls EXTERNAL", "tls dialback" }, tried(server));
			fell_back(server, "sasl-tls", "tls-dialback", "sasl");
			authenticated(server, "tls-dialback");
		end
	end);

	it("goes on in clear text when dialback over TLS has no answer but the end, row 15", function ()
		local server = fresh(15, { on = { result = clear_keys_only } });
		t:reach(server);
		assert.same({ "tls dialback", "dialback" }, tried(server));
		fell_back(server, "tls-dialback", "tcp-dialback", "dialback");
		authenticated(server, "tcp-dialback");
	end);

	it("has nothing after dialback over TLS in row 7", function ()
		local server = fresh(7, { sasl = false, on = { result = clear_keys_only } });
		local status, reason = lost(server);
		assert.equal(504, status, reason);
		assert.same({ "tls dialback" }, tried(server));
		t:no_log("fell back");
	end);

	it("does not help a key that is called invalid: it would be so in clear text as well", function ()
		for _, row in ipairs { 7, 9, 15 } do
			local server = fresh(row, { sasl = false, dialback = "refuse" });
			local status, reason = lost(server);
			assert.equal(504, status, reason);
			assert.same({ "tls dialback" }, tried(server));
		end
		t:no_log("fell back");
	end);

	it("tries each method once and no more, where none works", function ()
		local server = fresh(9, { on = { auth = stream_error("not-authorized"), result = stream_error("policy-violation") } });
		local status, reason = lost(server);
		assert.equal(504, status, reason);
		assert.same({ "tls EXTERNAL", "tls dialback", "dialback" }, tried(server));
		assert.equal(2, t:count_log("fell back: next method"));
		local conversation = t.conversations[server.domain];
		t.loop:never(function () return #conversation.imdns > 0; end, 0.1, "a second report");
	end);

	it("goes on to clear text when both EXTERNAL and dialback fail on one stream", function ()
		local server = fresh(9, { sasl = "refuse", on = { result = clear_keys_only } });
		t:reach(server);
		assert.same({ "tls EXTERNAL dialback", "dialback" }, tried(server));
		fell_back(server, "sasl-tls", "tcp-dialback", "dialback");
	end);

	it("takes the question about the partner's own key along", function ()
		local server = fresh(9, { on = { starttls = BROKEN["is refused"] } });
		local peer = t:stream(server.domain, "dialback", { no_tls = true });
		assert.same({ "starttls", "dialback" }, tried(server));
		assert.equal(1, #server.verifications);
		t:hear(peer);
		peer:close();
	end);

	for _, condition in ipairs { "host-unknown", "host-gone", "system-shutdown", "resource-constraint", "see-other-host",
		"internal-server-error", "connection-timeout", "reset" } do
		it("does not follow " .. condition, function ()
			local server = fresh(9, { on = { auth = stream_error(condition) } });
			lost(server);
			assert.same({ "tls EXTERNAL" }, tried(server));
			t:no_log("fell back");
		end);
	end

	it("takes along what waits, in order, once", function ()
		local held = {};
		local server = fresh(9, { on = {
			starttls = BROKEN["is refused"];
			opened = function (_, session) held[#held + 1] = session; return #held > 1; end; -- the first hears no features for now
		} });
		local all = {};
		for i = 1, BACKLOG do all[i] = t:say(server.domain, "waits " .. i); end
		t.loop:wait(function () return held[1]; end, 5, "the first stream");
		held[1].conn:send("<stream:features><starttls xmlns='" .. TLS .. "'/></stream:features>");
		server:wait_stanza(function (stanza) return stanza:child_text("body") == "waits " .. BACKLOG; end);
		t:reach(server, "afterwards");
		local heard = {};
		for i, stanza in ipairs(server.stanzas) do heard[i] = stanza:child_text("body"); end
		local expected = {};
		for i = 1, BACKLOG - 1 do expected[i] = "waits " .. i; end
		assert.same(expected, heard);
		for _, message in ipairs(all) do assert.equal(200, (message:wait())); end
		assert.same({ "starttls", "dialback" }, tried(server));
	end);

	-- A server that ends our standing stream, and sees how the next one begins.
	local function again(server, text)
		local session = server.streams[#server.streams];
		if not session.closed then session.conn:send("</stream:stream>"); end
		t:ended(session);
		return t:reach(server, text);
	end

	local function first_method_again(server)
		t:logged('fell back: to the first method again %(remote="' .. Streams.literal(server.domain)
			.. '" from=tcp%-dialback stage=%l+%)');
	end

	it("remembers what worked: the next stream begins with it", function ()
		local clear = fresh(9, { on = { starttls = BROKEN["is refused"] } });
		t:reach(clear);
		again(clear);
		assert.same({ "starttls", "dialback", "dialback" }, tried(clear));
		local dialback = fresh(9, { on = { auth = stream_error("not-authorized") } });
		t:reach(dialback);
		again(dialback);
		assert.same({ "tls EXTERNAL", "tls dialback", "tls dialback" }, tried(dialback));
	end);

	it("forgets it when it fails, and begins again with the best at once", function ()
		local server = fresh(9, { on = { starttls = BROKEN["is refused"] } });
		t:reach(server);
		server.on = { result = stream_error("policy-violation") }; -- its administrator has been at it
		again(server);
		assert.same({ "starttls", "dialback", "dialback", "tls EXTERNAL" }, tried(server));
		first_method_again(server);
		again(server);
		assert.equal("tls EXTERNAL", tried(server)[5]);
	end);

	it("says nothing in clear text to a server that has come to insist on TLS", function ()
		local server = fresh(9, { on = { starttls = BROKEN["is refused"] } });
		t:reach(server);
		server.on, server.starttls = nil, "required";
		again(server);
		assert.same({ "starttls", "dialback", "", "tls EXTERNAL" }, tried(server));
		t:told("refused features", "tls-failed", server.domain, "out");
		first_method_again(server);
	end);

	it("gives up when TLS is broken and the server insists on it", function ()
		for what, starttls in pairs(BROKEN) do
			local server = fresh(15, { starttls = "required", on = { starttls = starttls } });
			local status, reason = lost(server);
			assert.equal(504, status, reason);
			assert.same({ "starttls", "" }, tried(server), what);
			t:told("refused features", "tls-failed", server.domain, "out");
		end
	end);

	it("forgets it when the partner's settings change", function ()
		for _, case in ipairs { { 7, "tls EXTERNAL" }; { 15, "tls dialback" } } do
			local server = fresh(9, { on = { starttls = BROKEN["is refused"] } });
			t:reach(server);
			server.on = nil;
			t:partner(server.domain, case[1]);
			local session = server.streams[2];
			t.loop:wait(function () return case[1] == 15 or session.closed; end, 5, "the end of the stream in clear text");
			again(server);
			assert.same({ "starttls", "dialback", case[2] }, tried(server));
		end
		t:no_log("fell back: to the first method");
	end);

	it("does not remember for a partner whose best method works", function ()
		local server = fresh(9);
		t:reach(server);
		again(server);
		assert.same({ "tls EXTERNAL", "tls EXTERNAL" }, tried(server));
		t:no_log("fell back");
	end);

	it("is not offered EXTERNAL by words alone: only <mechanism>EXTERNAL</mechanism> is", function ()
		local server = fresh(9, { sasl = false, on = { opened = function (_, session)
			if not session.secure then return true; end
			session.conn:send("<stream:features><mechanisms xmlns='" .. SASL .. "'><mechanism>PLAIN</mechanism></mechanisms>"
				.. "<dialback xmlns='urn:xmpp:features:dialback'/></stream:features>");
		end } });
		t:reach(server);
		assert.same({ "tls dialback" }, tried(server));
	end);
end);
