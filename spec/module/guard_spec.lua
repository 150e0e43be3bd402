-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

describe("guard", function ()
	local guard, session, limits;
	before_each(function ()
		guard = support.lib("guard").new { unauthed = 10000; authed = 524288; children = 25000 };
		limits = {};
		session = { direction = "incoming"; stream = {
			set_stanza_size_limit = function (_, bytes, children) limits = { bytes, children or "none" }; end;
		} };
	end);

	it("limits what a stranger may say", function ()
		guard.created { session = session };
		assert.same({ 10000, 25000 }, limits);
	end);

	it("limits what a server may say that we connect to", function ()
		session.direction = "outgoing";
		guard.created { session = session };
		assert.same({ 10000, 25000 }, limits);
	end);

	it("lets errors about addresses that are none fall through", function ()
		guard.created { session = session };
		assert.is_false(session.send("an error"));
	end);

	it("does not take a stream's own way to answer", function ()
		local own = function () end;
		session.send = own;
		guard.created { session = session };
		assert.equal(own, session.send);
	end);

	it("widens the limit once the stream is authenticated, and keeps the one on children for our hosts", function ()
		guard.established({ session = session }, true);
		assert.same({ 524288, 25000 }, limits);
		guard.established({ session = session }, false);
		assert.same({ 524288, "none" }, limits);
	end);

	it("reads Prosody's options", function ()
		local module = { get_option_number = function (_, name, default)
			return ({ s2s_stanza_size_limit = 100000 })[name] or default;
		end };
		assert.same({ unauthed = 10000; authed = 100000; children = 25000 }, support.lib("guard").options(module));
	end);
end);
