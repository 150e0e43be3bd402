-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local new_set = require "util.set".new;
local st = require "util.stanza";

local confine = support.lib("confine");

-- As util.set is in mod_s2s' options: the other hosts' rules, and what they take.
local function rules(options)
	return { require_encryption = options.require_encryption ~= false; secure_auth = options.secure_auth == true;
		secure = new_set(options.secure or {}); insecure = new_set(options.insecure or {}) };
end

describe("confine: what other hosts take", function ()
	for _, case in ipairs {
		-- options, clear text, TLS, TLS with a good certificate
		{ {}, false, true, true };
		{ { require_encryption = false }, true, true, true };
		{ { secure_auth = true }, false, false, true };
		{ { secure_auth = true; require_encryption = false }, false, false, true };
		{ { secure_auth = true; require_encryption = false; insecure = { "fabrikam.com" } }, true, true, true };
		{ { secure_auth = true; insecure = { "fabrikam.com" } }, false, true, true };
		{ { secure = { "fabrikam.com" }; require_encryption = false }, false, false, true };
		{ { secure = { "other.com" }; require_encryption = false }, true, true, true };
	} do
		local options = case[1];
		it(("%s %s"):format(tostring(options.require_encryption), tostring(options.secure_auth)), function ()
			local r = rules(options);
			assert.same({ case[2], case[3], case[4] }, { confine.taken(r, "fabrikam.com", false, false),
				confine.taken(r, "fabrikam.com", true, false), confine.taken(r, "fabrikam.com", true, true) });
		end);
	end

	it("is read as mod_s2s reads it", function ()
		local asked = {};
		local module = {};
		function module.get_option_boolean(_, name, default) asked[name] = default; return default; end
		function module.get_option_set(_, name) asked[name] = "set"; return new_set {}; end
		assert.is_false(confine.taken(confine.rules(module), "fabrikam.com", false, false));
		assert.same({ s2s_require_encryption = true; s2s_secure_auth = false; s2s_secure_domains = "set";
			s2s_insecure_domains = "set" }, asked);
	end);
end);

describe("confine", function ()
	local h, session, closed;
	before_each(function ()
		h = support.running();
		h.locals = { ["other.example"] = true; ["contoso.com"] = true };
		closed = {};
		session = { type = "s2sin"; direction = "incoming"; host = "contoso.com"; from_host = "fabrikam.com" };
		function session:close(reason) table.insert(closed, reason.condition); self.destroyed = true; end
	end);

	local function says(to)
		return session.filter("stanzas/in", st.message({ from = "a@fabrikam.com"; to = to })) ~= nil;
	end

	it("ends a stream in clear text that speaks to another host", function ()
		h.confine.check(session, "fabrikam.com");
		assert.is_true(says("lena@contoso.com") and says("x@elsewhere.example") and says(nil));
		assert.is_false(says("x@other.example/y"));
		assert.same({ "not-authorized" }, closed);
		assert.same({ "other-host" }, h.metrics.refusals);
	end);

	it("also when it asks another host to believe it", function ()
		h.confine.check(session, "fabrikam.com");
		local claim = st.stanza("db:result", { from = "fabrikam.com"; to = "other.example" });
		assert.is_nil(session.filter("stanzas/in", claim));
	end);

	it("leaves alone what other hosts would take", function ()
		session.secure = true;
		function h.tls_version() return "TLSv1.3"; end
		h.confine.check(session, "fabrikam.com");
		assert.is_nil(session.filters);
	end);

	it("looks once", function ()
		h.confine.check(session, "fabrikam.com");
		h.confine.check(session, "na.fabrikam.com");
		assert.equal(1, #session.filters["stanzas/in"]);
	end);
end);
