-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local st = require "util.stanza";

local disco = "http://jabber.org/protocol/disco#info";

describe("iq", function ()
	local sent, iq;
	before_each(function ()
		sent = {};
		iq = support.lib("iq").new { send = function (stanza) table.insert(sent, stanza); end };
	end);

	local function request(attr, name, child)
		local stanza = st.stanza("iq", { from = "romeo@fabrikam.com/x"; to = "juliet@contoso.com";
			id = attr.id or "1"; type = attr.type });
		if attr.id == false then stanza.attr.id = nil; end
		if name then stanza:tag(name, child):up(); end
		return stanza;
	end

	local function condition()
		assert.equal(1, #sent);
		return select(2, support.error_of(sent[1]));
	end

	for _, scope in ipairs { "user", "host" } do
		for what, stanza in pairs {
			["get without child"] = request({ type = "get" });
			["set with two children"] = request({ type = "set" }, "a", { xmlns = "x" }):tag("b", { xmlns = "x" }):up();
			["get without id"] = request({ type = "get"; id = false }, "ping", { xmlns = "urn:xmpp:ping" });
			["no type"] = request({}, "ping", { xmlns = "urn:xmpp:ping" });
			["a type that is none"] = request({ type = "banana" }, "ping", { xmlns = "urn:xmpp:ping" });
		} do
			it(scope..": "..what.." is a bad request", function ()
				assert.is_true(iq[scope](st.clone(stanza)));
				assert.equal("bad-request", condition());
			end);
		end

		it(scope..": a result or error without id is swallowed", function ()
			assert.is_true(iq[scope](request { type = "result"; id = false }));
			assert.is_true(iq[scope](request { type = "error"; id = false }));
			assert.same({}, sent);
		end);
	end

	it("to the host goes on to Prosody when it is well-formed", function ()
		assert.is_nil(iq.host(request({ type = "get" }, "query", { xmlns = disco })));
		assert.is_nil(iq.host(request({ type = "result" })));
		assert.same({}, sent);
	end);

	it("to a user: disco#info", function ()
		assert.is_true(iq.user(request({ type = "get" }, "query", { xmlns = disco })));
		local query = sent[1]:get_child("query", disco);
		assert.same({ "gateway", "ocs" }, { query.tags[1].attr.category, query.tags[1].attr.type });
		local features = {};
		for feature in query:childtags("feature") do
			features[feature.attr.var] = true;
		end
		assert.is_true(features["urn:xmpp:receipts"]);
		assert.is_true(features["http://jabber.org/protocol/chatstates"]);
		assert.is_true(features[disco]);
	end);

	it("to a user: disco#info of a node that is not", function ()
		iq.user(request({ type = "get" }, "query", { xmlns = disco; node = "x" }));
		assert.equal("item-not-found", condition());
	end);

	it("to a user: ping", function ()
		iq.user(request({ type = "get" }, "ping", { xmlns = "urn:xmpp:ping" }));
		assert.same({ "result", "1" }, { sent[1].attr.type, sent[1].attr.id });
	end);

	it("to a user: everything else is not here", function ()
		iq.user(request({ type = "set" }, "ping", { xmlns = "urn:xmpp:ping" }));
		assert.equal("service-unavailable", condition());
		sent = {};
		iq.user(request({ type = "get" }, "vCard", { xmlns = "vcard-temp" }));
		assert.equal("service-unavailable", condition());
	end);

	it("to a user: results and errors are swallowed", function ()
		assert.is_true(iq.user(request({ type = "result" })));
		assert.is_true(iq.user(request({ type = "error" })));
		assert.same({}, sent);
	end);
end);
