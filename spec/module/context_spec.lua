-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local st = require "util.stanza";

describe("context", function ()
	local h, hosts, sent, loaded, logged, shared, problems, reported;
	before_each(function ()
		loaded, logged = { usable = true }, {};
		hosts = { ["contoso.com"] = { s2sout = {} }; ["localhost"] = {} };
		sent, shared, problems, reported = {}, {}, {}, nil;
		local module = { host = "contoso.com"; send = function (_, stanza) table.insert(sent, stanza); end;
			log = function (_, level) table.insert(logged, level); end;
			shared = function (_, path) shared[path] = shared[path] or {}; return shared[path]; end };
		h = support.lib("context").new(module, { prosody = { hosts = hosts };
			pool = { hosts = { ["contoso.com"] = {} }; state = function () return {}; end };
			tls_version = function (conn) return conn.version; end;
			load = function () return loaded, problems; end; report = function (_, told) reported = told; end; });
	end);

	it("keeps the settings before when a reload brings unusable ones", function ()
		local good, bad = { usable = true }, { usable = false };
		loaded = bad;
		h.configure();
		assert.equal(bad, h.settings); -- nothing before: the host stays closed
		loaded = good;
		h.configure();
		assert.equal(good, h.settings);
		loaded = bad;
		h.configure();
		assert.equal(good, h.settings);
		assert.same({ "error" }, logged);
		loaded = { usable = true };
		h.configure();
		assert.equal(loaded, h.settings);
	end);

	describe("sends to a domain", function ()
		local stanza, routed, takes;
		before_each(function ()
			stanza, routed, takes = st.presence { from = "juliet@contoso.com"; to = "romeo@fabrikam.com" }, {}, true;
			hosts["contoso.com"].events = { fire_event = function (name, event)
				table.insert(routed, { name, event });
				return takes;
			end };
		end);

		it("of another server the way that Prosody's router takes", function ()
			h.send_to("fabrikam.com", stanza);
			assert.same({ { "route/remote", { origin = hosts["contoso.com"]; stanza = stanza; from_host = "contoso.com";
				to_host = "fabrikam.com" } } }, routed);
			assert.same({}, sent);
		end);

		it("and by the router itself where nobody takes it, or it is here", function ()
			takes = nil;
			h.send_to("fabrikam.com", stanza);
			assert.equal(1, #sent);
			hosts["romeo@fabrikam.com"] = {};
			h.send_to("fabrikam.com", stanza);
			h.send_to("localhost", stanza);
			assert.equal(3, #sent);
			assert.equal(1, #routed);
		end);
	end);

	local function stream(session)
		hosts["contoso.com"].s2sout["fabrikam.com"] = session;
		return h.stream("fabrikam.com") ~= nil;
	end

	it("knows which streams take stanzas at once", function ()
		assert.is_false(stream(nil));
		assert.is_true(stream { type = "s2sout" });
		assert.is_true(stream { type = "s2sin" }); -- bidi
		assert.is_false(stream { type = "s2sout_unauthed" });
		assert.is_false(stream { type = "s2sout"; sendq = {} });
		assert.is_false(stream { type = "s2sout"; destroyed = true });
	end);

	it("lets nothing overtake the queue of a stream that is ready but has not sent it", function ()
		local function queued(session, stanza)
			stream(session);
			return h.queue_behind("fabrikam.com", stanza);
		end
		local message = support.message { body = "second"; from = "lena@contoso.com"; to = "romeo@fabrikam.com" };
		local session = { type = "s2sout"; sendq = { { "first" } } };
		assert.is_true(queued(session, message));
		assert.is_truthy(session.sendq[2][1]:find("<body>second</body>", 1, true));
		assert.equal("romeo@fabrikam.com", session.sendq[2][2].attr.from); -- what mod_s2s bounces
		assert.is_false(queued(session, st.stanza("db:verify")));
		assert.is_true(queued(session, st.reply(message):tag("error"):up()));
		local pushed = {};
		assert.is_true(queued({ type = "s2sout"; sendq = { push = function (_, item)
			table.insert(pushed, item);
			return true;
		end } }, message));
		assert.equal("second", pushed[1]:get_child_text("body"));
		assert.is_false(queued(nil, message));
		assert.is_false(queued({ type = "s2sout" }, message));
		assert.is_false(queued({ type = "s2sout_unauthed"; sendq = {} }, message)); -- mod_s2s does it
		assert.is_false(queued({ type = "s2sout"; sendq = {}; destroyed = true }, message));
	end);

	it("knows its hosts", function ()
		assert.is_true(h.is_gateway("contoso.com"));
		assert.is_false(h.is_gateway("localhost"));
		assert.is_true(h.is_local("localhost"));
		assert.is_false(h.is_local("fabrikam.com"));
	end);

	it("knows mod_s2s' streams, those of ours by their domain", function ()
		local ours, theirs = { type = "s2sout_unauthed" }, { type = "s2sin" };
		hosts["contoso.com"].s2sout["fabrikam.com"] = ours;
		assert.equal(ours, h.s2sout("fabrikam.com"));
		assert.is_nil(h.s2sout("evil.com"));
		assert.same({ ["fabrikam.com"] = ours }, h.s2sout_all());
		shared["/*/s2s/sessions"] = { theirs };
		assert.same({ theirs }, h.sessions());
	end);

	it("knows the TLS of a stream, when there is one", function ()
		local conn = { version = "TLSv1.3" };
		assert.equal("TLSv1.3", h.tls_version { secure = true; conn = conn });
		assert.is_nil(h.tls_version { secure = false; conn = conn });
		assert.is_nil(h.tls_version { conn = conn });
	end);

	it("routes as this host does", function ()
		local fired;
		hosts["contoso.com"].events = { fire_event = function (...)
			fired = { ... };
			return true;
		end };
		local stanza = st.stanza("lync-again");
		assert.is_true(h.route("fabrikam.com", stanza));
		assert.same({ "route/remote", { from_host = "contoso.com"; to_host = "fabrikam.com"; stanza = stanza } }, fired);
	end);

	it("gives up on a stream for those who wait, not for those to come", function ()
		local seen = {};
		local session = { type = "s2sout_unauthed"; bounce_sendq = function (self) table.insert(seen, self.lync_refused); end };
		stream(session);
		h.bounce_stream("fabrikam.com");
		assert.same({ "no-stream" }, seen); -- no other way is tried
		assert.is_nil(session.lync_refused);
	end);

	it("bounces the queue of a stream that does not come about, and of no other", function ()
		local calls = {};
		local function session(kind, conn)
			return { type = kind; conn = conn;
				close = function (_, reason, _, err) table.insert(calls, "close "..reason.condition.." "..err.condition); end;
				bounce_sendq = function (_, err) table.insert(calls, "bounce "..err.condition); end; };
		end
		stream(session("s2sout_unauthed", {}));
		h.bounce_stream("fabrikam.com");
		stream(session("s2sout_unauthed"));
		h.bounce_stream("fabrikam.com");
		stream(session("s2sout", {}));
		h.bounce_stream("fabrikam.com");
		h.bounce_stream("other.com");
		assert.same({ "close connection-timeout remote-server-timeout", "bounce remote-server-timeout" }, calls);
	end);

	it("reads its settings, and tells what is wrong with them", function ()
		h.configure();
		assert.equal(loaded, h.settings);
		assert.equal(problems, h.problems);
		assert.equal(problems, reported);
	end);
end);
