-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local streams = support.lib("streams");

describe("streams", function ()
	local h, world;
	before_each(function ()
		local running, _, around = support.running();
		h, world = running, around;
	end);

	local function add(session, marks)
		session.lync_authed = marks and { [h.host] = marks } or nil;
		session.lync_since, session.lync_stanza = h.now(), h.now();
		h.connections[session.conn] = session;
		return session;
	end

	local function words(rows)
		local result = {};
		for i, row in ipairs(rows) do
			result[i] = streams.describe(row);
		end
		return result;
	end

	it("are listed by domain, with how they were authenticated", function ()
		add(sessions.new { from_host = "litware.com"; secure = true; ip = "192.0.2.7" }, { ["litware.com"] = "sasl-tls" });
		local out = add(sessions.outgoing { type = "s2sout" }, { ["fabrikam.com"] = "tcp-dialback" });
		world.clock.advance(12.7);
		out.lync_stanza = h.now();
		add(sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" });
		add(sessions.new { type = "s2sin_unauthed" });
		world.clock.advance(3);
		assert.same({
			"  in  ?  not authenticated yet, clear text, open 3s, idle 3s";
			"  in  fabrikam.com  not authenticated yet, clear text, open 3s, idle 3s";
			"  out fabrikam.com  tcp-dialback, clear text, open 15s, idle 3s";
			"  in  litware.com  sasl-tls, TLSv1.3, open 15s, idle 15s (192.0.2.7)";
		}, words(streams.of_host(h)));
	end);

	it("are listed once for each of their domains", function ()
		add(sessions.new { from_host = "fabrikam.com" }, { ["fabrikam.com"] = "tcp-dialback"; ["na.fabrikam.com"] = "tcp-dialback" });
		local rows = streams.of_host(h);
		assert.same({ "fabrikam.com", "na.fabrikam.com" }, { rows[1].remote, rows[2].remote });
		assert.equal(2, #rows);
	end);

	it("are listed before they are connected, and not twice after", function ()
		local s = sessions.outgoing();
		h.outgoing["fabrikam.com"] = s;
		assert.equal(1, #streams.of_host(h));
		add(s);
		assert.equal(1, #streams.of_host(h));
	end);

	it("of other hosts are not listed, but for what was authenticated for us on them", function ()
		add(sessions.new { host = "localhost"; from_host = "evil.com" });
		assert.same({}, streams.of_host(h));
		add(sessions.new { host = "localhost"; from_host = "fabrikam.com" }, { ["fabrikam.com"] = "tls-dialback" });
		assert.equal(1, #streams.of_host(h));
	end);

	it("that are gone are not listed", function ()
		local s = add(sessions.new { from_host = "fabrikam.com" }, { ["fabrikam.com"] = "tcp-dialback" });
		s:close("reset");
		assert.same({}, streams.of_host(h));
	end);

	it("are measured by partner, direction and method", function ()
		h.metrics.partner = function (domain) return domain:match("fabrikam%.com$") or "other"; end;
		for _, domain in ipairs { "fabrikam.com", "na.fabrikam.com", "x.com" } do
			add(sessions.new { from_host = domain }, { [domain] = "tcp-dialback" });
		end
		add(sessions.outgoing(), { ["fabrikam.com"] = "sasl-tls" });
		add(sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" });
		streams.measure(world.pool);
		local found = {};
		for _, row in pairs(h.metrics.stream_rows) do
			found[#found+1] = ("%s %s %s %d"):format(row.partner, row.direction, row.method, row.count);
		end
		table.sort(found);
		assert.same({ "fabrikam.com in tcp-dialback 2", "fabrikam.com out sasl-tls 1", "other in tcp-dialback 1" }, found);
	end);
end);
