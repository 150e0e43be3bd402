-- Around mod_s2s' last word, on a real event bus.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local sessions = require "spec.support.sessions";
local new_events = require "util.events".new;

local clear_text = support.lib("clear_text");

describe("clear text", function ()
	local h, events, global, seen;
	before_each(function ()
		h = support.running();
		events, global, seen = new_events(), new_events(), {};
		-- phases.lib.lua
		events.add_handler("s2s-authenticated", h.gate.authenticated, h.gate.priority);
		events.add_handler("s2s-authenticated", h.clear_text.authenticated, clear_text.PRIORITY);
		events.add_wrapper("s2s-authenticated", clear_text.around);
		for _, name in ipairs { "s2sin-established", "s2sout-established" } do
			global.add_handler(name, clear_text.restore, clear_text.ESTABLISHED);
			for _, bus in ipairs { global, events } do
				bus.add_handler(name, function (event) table.insert(seen, event.session.secure or false); end, 500);
			end
		end
	end);

	local s2s; -- what mod_s2s does in this test with a stream that it takes for authenticated

	local function established(event)
		local session = event.session;
		local name = session.direction == "outgoing" and "s2sout-established" or "s2sin-established";
		session.type = session.direction == "outgoing" and "s2sout" or "s2sin";
		global.fire_event(name, event);
		events.fire_event(name, event);
		return true;
	end

	-- mod_s2s 0.12 and 13.0: make_authenticated, with s2s_require_encryption and s2s_secure_auth for all hosts
	local function strict(event)
		local session = event.session;
		if not session.secure then
			session:close({ condition = "policy-violation" });
		elseif session.type == "s2sout_unauthed" and not session.authenticated_remote then
			session:close({ condition = "policy-violation" });
			return;
		end
		return s2s(event);
	end

	before_each(function ()
		s2s = established;
		events.add_handler("s2s-authenticated", strict, -1);
	end);

	local function authenticated(session, remote)
		return events.fire_event("s2s-authenticated", { session = session; host = remote or "fabrikam.com"; mechanism = "dialback" });
	end

	local function incoming(attr)
		local s = sessions.new { type = "s2sin_unauthed"; from_host = "fabrikam.com" };
		for key, value in pairs(attr or {}) do
			s[key] = value;
		end
		return s;
	end

	it("passes mod_s2s where a partner's settings allow it, and nobody else sees it as encrypted", function ()
		for _, s in ipairs { incoming(), sessions.outgoing() } do
			seen = {};
			assert.is_true(authenticated(s));
			assert.same({}, s.closed);
			assert.same({ false, false }, seen); -- global and host handlers
			assert.is_nil(s.secure);
			assert.is_nil(s.lync_clear);
		end
	end);

	it("is refused before mod_s2s where TLS is required", function ()
		h.settings.of_partner = { ["fabrikam.com"] = { tls_negotiation = "required" } };
		local s = incoming();
		assert.is_false(authenticated(s));
		assert.same({ "policy-violation" }, s.closed);
		assert.same({}, seen);
	end);

	it("is refused to strangers", function ()
		local s = incoming();
		assert.is_false(authenticated(s, "evil.com"));
		assert.same({ "policy-violation" }, s.closed);
	end);

	it("is nothing to a stream of another host: mod_s2s' rules hold", function ()
		local other = new_events(); -- our handlers are on our host's bus alone
		other.add_handler("s2s-authenticated", strict, -1);
		local s = incoming();
		other.fire_event("s2s-authenticated", { session = s; host = "fabrikam.com"; mechanism = "dialback" });
		assert.same({ "policy-violation" }, s.closed);
	end);

	it("is nothing to a domain that was not let in by our last word", function ()
		local s = incoming { lync_authed = { ["contoso.com"] = { ["na.fabrikam.com"] = "tcp-dialback" } } };
		h.clear_text.authenticated { session = s; host = "fabrikam.com" };
		assert.is_nil(s.secure);
		s = incoming { lync_authed = { ["litware.com"] = { ["fabrikam.com"] = "tcp-dialback" } } };
		h.clear_text.authenticated { session = s; host = "fabrikam.com" };
		assert.is_nil(s.secure);
		s = incoming { destroyed = true; lync_authed = { ["contoso.com"] = { ["fabrikam.com"] = "tcp-dialback" } } };
		h.clear_text.authenticated { session = s; host = "fabrikam.com" };
		assert.is_nil(s.secure);
	end);

	it("is over when mod_s2s says no all the same", function ()
		s2s = function (event)
			event.session.was = event.session.secure;
			return false;
		end;
		local s = incoming();
		assert.is_false(authenticated(s));
		assert.is_true(s.was);
		assert.is_nil(s.secure);
	end);

	it("is over when mod_s2s, or a handler after it, fails", function ()
		s2s = function () error("boom", 0); end;
		local s = incoming();
		assert.has_error(function () authenticated(s); end, "boom");
		assert.is_nil(s.secure);
		assert.is_nil(s.lync_clear);
	end);

	it("is over when a handler between us and mod_s2s ends the event", function ()
		events.add_handler("s2s-authenticated", function () return false; end, -0.75);
		local s = incoming();
		assert.is_false(authenticated(s));
		assert.is_nil(s.secure);
	end);

	it("is over when mod_s2s closes the stream, and wipes it", function ()
		s2s = function (event)
			event.session:close({ condition = "undefined-condition" });
		end;
		local s = incoming();
		assert.is_nil(authenticated(s));
		assert.same({ "undefined-condition" }, s.closed);
		assert.is_nil(s.secure);
	end);

	it("leaves encrypted streams encrypted", function ()
		local known = setmetatable({}, { __index = function () return "self-signed"; end });
		for _, s in ipairs { incoming { secure = true; lync_certs = known }, sessions.outgoing { secure = true; lync_certs = known } } do
			seen = {};
			assert.is_true(authenticated(s));
			assert.same({ true, true }, seen);
			assert.is_true(s.secure);
		end
	end);

	it("lets a further domain in on a stream in clear text", function ()
		local s = incoming();
		authenticated(s);
		seen = {};
		assert.is_true(authenticated(s, "na.fabrikam.com"));
		assert.same({ false, false }, seen);
		assert.is_nil(s.secure);
	end);

	it("says of our streams that the other side's certificate has been judged", function ()
		local s = sessions.outgoing();
		authenticated(s);
		assert.is_true(s.authenticated_remote);
		s = incoming();
		authenticated(s);
		assert.is_nil(s.authenticated_remote);
	end);
end);
