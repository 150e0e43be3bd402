-- What a reload has changed, and what failed last: as lines for people.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

local changes, failures, metrics = support.lib("changes"), support.lib("failures"), support.lib("metrics");

describe("changes: lines", function ()
	local LIST = { "a.example"; "b.example" };
	for _, case in ipairs {
		{ "nothing", {}, {}, {} };
		{ "the same", { a = { b = { 1; 2 } } }, { a = { b = { 1; 2 } } }, {} };
		{ "a value", { lync_access_edge = "sip.a" }, { lync_access_edge = "sip.b" }, { 'lync_access_edge: "sip.a" -> "sip.b"' } };
		{ "another type", { a = 1 }, { a = "1" }, { 'a: 1 -> "1"' } };
		{ "a boolean", { a = { b = true } }, { a = { b = false } }, { "a.b: true -> false" } };
		{ "a new option", {}, { lync_bridge_rate = 20 }, { "lync_bridge_rate: added = 20" } };
		{ "an option less", { lync_bridge_rate = 20 }, {}, { "lync_bridge_rate: removed, was 20" } };
		{ "a partner more", { lync_partners = {} }, { lync_partners = { ["a.example"] = { x = 1 } } },
			{ 'lync_partners["a.example"]: added' } };
		{ "a partner less", { lync_partners = { ["a.example"] = { x = 1 } } }, { lync_partners = {} },
			{ 'lync_partners["a.example"]: removed' } };
		{ "a table to a text", { a = { 1 } }, { a = "x" }, { 'a: { … } -> "x"' } };
		{ "a list", { a = LIST }, { a = { "b.example"; "c.example" } }, { 'a: added "c.example"', 'a: removed "a.example"' } };
		{ "order", { a = LIST }, { a = { "b.example"; "a.example" } }, { "a: in another order" } };
		{ "a list of tables", { a = { { x = 1 } } }, { a = { { x = 2 } } }, { "a[1].x: 1 -> 2" } };
		{ "several, sorted", { b = 1; a = 1; c = 1 }, { b = 2; a = 2; c = 1 }, { "a: 1 -> 2", "b: 1 -> 2" } };
		{ "keys of several types", { t = { [1] = "x"; a = "y" } }, { t = { [1] = "x"; a = "z" } }, { 't.a: "y" -> "z"' } };
		{ "a text of several lines", { a = "x\ny" }, { a = "z" }, { 'a: "x\\ y" -> "z"' } };
		{ "a secret", { s = { dialback_passphrase = "one" } }, { s = { dialback_passphrase = "two" } },
			{ "s.dialback_passphrase: changed" } };
		{ "a new secret", { s = {} }, { s = { dialback_passphrase = "two" } }, { "s.dialback_passphrase: changed" } };
		{ "a secret less", { s = { dialback_passphrase = "one" } }, { s = {} }, { "s.dialback_passphrase: changed" } };
		{ "the same secret", { s = { dialback_passphrase = "one" } }, { s = { dialback_passphrase = "one" } }, {} };
		{ "all of it with a secret", {}, { s = { dialback_passphrase = "two" } }, { "s: added" } };
	} do
		it("of " .. case[1], function ()
			assert.same(case[4], (changes.lines(case[2], case[3])));
		end);
	end

	it("are a hundred at most", function ()
		local new = {};
		for i = 1, 250 do new["k" .. i] = i; end
		local lines, more = changes.lines({}, new);
		assert.equal(101, #lines);
		assert.equal(150, more);
		assert.equal("and 150 more", lines[101]);
	end);
end);

describe("changes: a host", function ()
	local function host(options, problems)
		local h = { host = "contoso.com"; problems = problems or {}; connections = {}; options = options };
		function h.sessions() return h.connections; end
		return h;
	end

	local function report(h, seen)
		local lines = {};
		local errors = changes.report(function (line) lines[#lines + 1] = line; end, h, seen);
		return lines, errors;
	end

	it("that is new says so", function ()
		assert.same({ "contoso.com (new)", "  no option has changed" }, (report(host { a = 1 })));
	end);

	it("counts its streams that were closed, no others", function ()
		local h = host {};
		local ours, marked, others, old = { host = "contoso.com"; type = "s2sin" },
			{ host = "x"; type = "s2sin"; lync_authed = { ["contoso.com"] = {} } }, { host = "x"; type = "s2sin" },
			{ host = "contoso.com"; type = "s2sin"; lync_again = true };
		h.connections = { ours; marked; others; old; { host = "contoso.com"; type = "s2sin" } };
		local seen = changes.snapshot({ hosts = { ["contoso.com"] = h } })["contoso.com"];
		ours.lync_again, others.lync_again, marked.type = true, true, nil;
		assert.same({ "contoso.com", "  no option has changed", "  closed   2 stream(s) that comply with the settings no more" },
			(report(h, seen)));
	end);

	it("tells problems, and counts errors", function ()
		local lines, errors = report(host({}, { { level = "error"; text = "E" }, { level = "warn"; text = "W" } }));
		assert.same({ "contoso.com (new)", "  no option has changed", "  error    E", "  warning  W" }, lines);
		assert.equal(1, errors);
	end);

	it("tells options as they were read, before and after", function ()
		local h = host { a = 1 };
		local seen = changes.snapshot({ hosts = { ["contoso.com"] = h } })["contoso.com"];
		h.options = { a = 2; b = 3 };
		assert.same({ "contoso.com", "  changed  a: 1 -> 2", "  changed  b: added = 3" }, (report(h, seen)));
	end);
end);

describe("failures", function ()
	local now, last;
	before_each(function ()
		now = 1000;
		last = failures.new(function () return now; end);
	end);

	it("are none at first", function () assert.same({}, last.lines("fabrikam.com")); end);

	it("are told in the order of the way, the last of each hop, with the host's own", function ()
		last.note("fabrikam.com", "out", "no-stream", "nobody there");
		last.note("fabrikam.com", "in", "tls-required", "TLS is required");
		last.note("fabrikam.com", "in", "certificate-expired", "too late");
		last.note(nil, "edge", "tls-alert", "handshake refused");
		last.note("acme.example", "in", "loop", "another partner's");
		assert.same({ "  last failure           stream from partner: too late (certificate-expired), 0s ago",
			"  last failure           Access Edge: handshake refused (tls-alert), 0s ago",
			"  last failure           stream to partner: nobody there (no-stream), 0s ago" }, last.lines("fabrikam.com"));
		assert.same({ "  last failure           Access Edge: handshake refused (tls-alert), 0s ago" }, last.lines(nil));
	end);

	for _, case in ipairs { { "text (token)", "token", "text (token)" }; { nil, "token", "token" }; { nil, nil, "none" };
		{ "text", nil, "text" }; { "text", "token", "text (token)" } } do
		it(("are told as %q"):format(case[3]), function ()
			last.note("a", "x2s", case[2], case[1]);
			assert.same({ "  last failure           message to Lync: " .. case[3] .. ", 0s ago" }, last.lines("a"));
		end);
	end

	for age, text in pairs { [0] = "0s"; [119] = "119s"; [120] = "2min"; [7199] = "119min"; [7200] = "2h"; [172799] = "47h";
		[172800] = "2d"; [-5] = "0s" } do
		it("are " .. text .. " old", function ()
			last.note("a", "s2x", "x", "y");
			now = now + age;
			assert.matches(", " .. text .. " ago$", last.lines("a")[1]);
		end);
	end
end);

describe("metrics", function ()
	local series, told, m;

	-- What each series of labels has, as text.
	local function module_of()
		local module = {};
		function module:metric(kind, name, _, _, labels)
			return { with_labels = function (_, ...)
				assert.equal(#labels, select("#", ...), name);
				local key = table.concat({ name, ... }, " ");
				series[key] = series[key] or 0;
				local sample = {};
				function sample.add(_, n) assert.equal("counter", kind); series[key] = series[key] + n; end
				function sample.set(_, n) assert.equal("gauge", kind); series[key] = n; end
				function sample.sample() series[key] = series[key] + 1; end
				return sample;
			end };
		end
		return module;
	end

	before_each(function ()
		series, told = {}, {};
		local partners = { ["fabrikam.com"] = "fabrikam.com"; ["na.fabrikam.com"] = "fabrikam.com" };
		m = metrics.new(module_of(), function (domain) return partners[domain]; end, function (partner, hop, token)
			told[#told + 1] = ("%s %s %s"):format(partner, hop, token);
		end);
	end);

	it("begin once", function ()
		m.begin { "fabrikam.com" };
		m.message("romeo@na.fabrikam.com/x", "x2s", "delivered", 0.1);
		m.queue("x2s", 3);
		m.begin { "fabrikam.com", "acme.example" };
		assert.equal(1, series["messages fabrikam.com x2s delivered"]);
		assert.equal(0, series["messages acme.example s2x refused"]);
		assert.equal(3, series["queue_depth x2s"]);
		assert.equal(0, series["queue_depth s2x"]);
		assert.equal(1, series["message x2s"]);
		assert.equal(0, series["stream_failures other in"]);
	end);

	it("tell failures of partners and of the host, not of strangers", function ()
		m.message("romeo@na.fabrikam.com", "x2s", "failed", 1, "timeout", "t");
		m.message("romeo@na.fabrikam.com", "x2s", "delivered", 1, "timeout", "t");
		m.message("x@evil.example", "x2s", "refused", nil, "not-a-partner", "t");
		m.refused("evil.example", "not-a-partner", "t");
		m.refused("fabrikam.com", "loop", "t");
		m.stream_failed("fabrikam.com", "in", "tls-required", "t");
		m.stream_failed(nil, "in", "no-identity", "t");
		m.edge(false, false, "tls-alert", "t");
		m.edge(false);
		m.edge(true, true);
		assert.same({ "fabrikam.com x2s timeout", "fabrikam.com policy loop", "fabrikam.com in tls-required", "nil edge tls-alert" },
			told);
		assert.equal(1, series["delivery_failures fabrikam.com x2s"]);
		assert.equal(1, series["delivery_failures other x2s"]);
		assert.equal(1, series["edge_reconnects"]);
		assert.equal(1, series["edge_connected"]);
	end);

	it("take no label from anybody", function ()
		for _, domain in ipairs { "evil.example", "", "a b", "FABRIKAM.COM.evil.example", ("x"):rep(300) } do
			m.message("x@" .. domain, "x2s", "refused");
			m.refused(domain, "not-a-partner");
			m.refused("x@" .. domain, "What\na token");
			m.stream_failed(domain, "out");
		end
		for key in pairs(series) do
			assert.is_truthy(key:find(" other ", 1, true), key);
			assert.is_nil(key:find("evil", 1, true) or key:find("What", 1, true), key);
		end
	end);

	it("set to 0 what is there no more", function ()
		m.sessions { ["fabrikam.com"] = 2 };
		m.sessions {};
		m.streams { k = { partner = "fabrikam.com"; direction = "in"; method = "sasl-tls"; count = 2 } };
		m.streams {};
		m.subscriptions { k = { partner = "fabrikam.com"; direction = "x2s"; count = 2 } };
		m.subscriptions {};
		assert.equal(0, series["sessions fabrikam.com"]);
		assert.equal(0, series["streams fabrikam.com in sasl-tls"]);
		assert.equal(0, series["subscriptions fabrikam.com x2s"]);
	end);

	it("of the Access Edge follow what the pool knows", function ()
		local edges = { ["contoso.com"] = { up = true } };
		local pool = { hosts = { ["contoso.com"] = { metrics = m; settings = { partners = function () return { "p" }; end } } };
			record_of = function () return { edges = edges }; end };
		metrics.measure(pool);
		assert.equal(1, series["edge_connected"]);
		edges["contoso.com"].up = false;
		metrics.measure(pool);
		assert.equal(0, series["edge_connected"]);
		pool.record_of = function () end;
		metrics.measure(pool);
		assert.equal(0, series["edge_connected"]);
		assert.equal(0, series["edge_reconnects"]);
		assert.equal(0, series["messages p x2s failed"]);
		assert.same({}, told);
	end);
end);
