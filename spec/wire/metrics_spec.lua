-- The numbers of /metrics against the traffic that was sent, with a real mod_http_openmetrics; and no peer makes a label.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local process = require "spec.support.process";
local Probe = require "spec.support.probe";
local s2s = require "spec.support.s2s";
local scrape = require "spec.support.scrape";
local World = require "spec.support.world";

local FABRIKAM = "fabrikam.com";
local FEW, MANY = 3, 12;
-- What interface.md promises, as Prosody writes it, with the labels.
local FAMILIES = {
	messages_total = { "direction", "host", "partner", "result" }; message_seconds_count = { "direction", "host" };
	sessions = { "host", "partner" }; subscriptions = { "direction", "host", "partner" };
	policy_refusals_total = { "host", "partner", "reason" }; stream_failures_total = { "direction", "host", "partner" };
	delivery_failures_total = { "direction", "host", "partner" }; edge_connected = { "host" };
	edge_reconnects_total = { "host" }; queue_depth = { "direction", "host" };
	streams = { "direction", "host", "method", "partner" }; certificate_expires = { "host", "role" };
	longest_turn_seconds = {}; long_turns_total = { "where" };
};
local SETTINGS = [[
	lync_access_policies = { global = { enable_xmpp_access = true }; barred = { enable_xmpp_access = false } }
	lync_policy_grants = { ["norma@contoso.com"] = "barred" }
]];

describe("metrics", function ()
	local w, romeo, lena;
	setup(function ()
		w = World.new(scrape.world { settings = SETTINGS, wire = { notify_interval = 0.2; imdn_wait = 1 } });
		romeo, lena = w:contact("romeo", { roster = true }), w:lync_user("lena");
	end);
	teardown(function () w:finish(); end);

	-- By how much call lets each of these numbers grow; list: { { family, labels } }. Waits until they are as expected.
	local function grows(list, call)
		local before = scrape.once(w);
		call();
		local seen;
		local ok = pcall(scrape.wait, w, function (page)
			seen = {};
			for i, entry in ipairs(list) do
				seen[i] = { entry[1], entry[2], (page:value(entry[1], entry[2]) or 0) - (before:value(entry[1], entry[2]) or 0) };
			end
			for i, entry in ipairs(list) do
				if seen[i][3] ~= entry[3] then return false; end
			end
			return true;
		end);
		if not ok then assert.same(list, seen); end
	end

	local function messages(direction, result, n, partner)
		return { "messages_total", { direction = direction, result = result, partner = partner or FABRIKAM }, n };
	end

	it("are all there before anything happens, and counters begin at 0", function ()
		local page = scrape.once(w);
		for _, direction in ipairs { "x2s", "s2x" } do
			for _, result in ipairs { "delivered", "accepted", "failed", "refused" } do
				assert.equal(0, page:value("messages_total", { partner = FABRIKAM, direction = direction, result = result }));
			end
			assert.equal(0, page:value("delivery_failures_total", { partner = FABRIKAM, direction = direction }));
			assert.equal(0, page:value("queue_depth", { direction = direction }));
			assert.equal(0, page:value("message_seconds_count", { direction = direction }));
		end
		for _, direction in ipairs { "in", "out" } do
			assert.equal(0, page:value("stream_failures_total", { partner = FABRIKAM, direction = direction }));
		end
		assert.equal(1, page:value("edge_connected", { host = "contoso.com" }));
		assert.equal(0, page:value("edge_reconnects_total", { host = "contoso.com" }));
	end);

	it("count messages both ways, and the time they took", function ()
		grows({ messages("x2s", "delivered", FEW), messages("s2x", "delivered", FEW), messages("x2s", "failed", 0),
			messages("s2x", "failed", 0), { "message_seconds_count", { direction = "x2s" }, FEW },
			{ "message_seconds_count", { direction = "s2x" }, FEW }, { "delivery_failures_total", {}, 0 },
			{ "policy_refusals_total", {}, 0 }, { "sessions", { partner = FABRIKAM }, 1 },
			{ "streams", { partner = FABRIKAM, direction = "in", method = "sasl-tls" }, 1 },
			{ "streams", { partner = FABRIKAM, direction = "out", method = "sasl-tls" }, 1 },
		}, function ()
			for i = 1, FEW do
				romeo:wait_receipt(romeo:message(lena.address, "to " .. i, { receipt = true }));
				lena:wait_message("to " .. i).conversation:say("from " .. i);
				romeo:wait_message("from " .. i);
			end
		end);
	end);

	it("tell what Lync keeps for later, and what it does not take", function ()
		local kept, gone = w:lync_user("kept"), w:lync_user("gone");
		kept:answers("MESSAGE", { status = 202 });
		gone:answers("INVITE", 480);
		grows({ messages("x2s", "accepted", 1), messages("x2s", "failed", 2), messages("x2s", "delivered", 0),
			{ "delivery_failures_total", { partner = FABRIKAM, direction = "x2s" }, 2 }, { "policy_refusals_total", {}, 0 },
		}, function ()
			romeo:message(kept.address, "for later");
			kept:wait_message("for later");
			romeo:wait_error(romeo:message(gone.address, "not now"));
			romeo:wait_error(romeo:message("nobody@contoso.com", "who is there?"));
		end);
	end);

	it("tell what a contact's server sends back", function ()
		grows({ messages("s2x", "failed", 1), { "delivery_failures_total", { partner = FABRIKAM, direction = "s2x" }, 1 } },
			function () lena:open("nobody@fabrikam.com", "is anybody there?"); end);
	end);

	it("tell what is refused, and why", function ()
		grows({ messages("x2s", "refused", 2), messages("s2x", "refused", 1), messages("x2s", "failed", 1),
			{ "policy_refusals_total", { partner = FABRIKAM, reason = "user-not-enabled" }, 4 },
			{ "policy_refusals_total", {}, 4 },
			{ "delivery_failures_total", { partner = FABRIKAM, direction = "x2s" }, 3 },
		}, function ()
			local norma = w:lync_user("norma");
			romeo:wait_error(romeo:message(norma.address, "to one who may not"));
			romeo:wait_error(romeo:message(norma.address, "and again"));
			romeo:wait_error(romeo:message(lena.address, ("x"):rep(16385)));
			norma:pager("romeo@fabrikam.com", "from one who may not"):wait();
			norma:open("romeo@fabrikam.com", "likewise"):wait_failed();
		end);
	end);

	it("show what waits for an answer", function ()
		local slow = w:lync_user("slow");
		slow:answers("MESSAGE", "never");
		romeo:message(slow.address, "take your time");
		scrape.wait(w, function (page) return page:value("queue_depth", { direction = "x2s" }) == 1; end, "one that waits");
	end);

	it("show who watches whom", function ()
		lena:publish("available");
		romeo:subscribe(lena.address);
		romeo:wait_presence(lena.address, "subscribed");
		local watch = lena:add("romeo@fabrikam.com");
		watch:wait_active();
		local page = scrape.wait(w, function (page)
			return page:value("subscriptions", { direction = "x2s", partner = FABRIKAM }) == 1
				and page:value("subscriptions", { direction = "s2x", partner = FABRIKAM }) == 1;
		end, "both subscriptions");
		assert.equal(2, page:value("subscriptions"));
	end);

	it("have the names and labels that are promised, and no others", function ()
		local page = scrape.once(w);
		local derived = { message_seconds_bucket = true; message_seconds_sum = true };
		for family, entries in pairs(page.series) do
			if not family:find("_created$") then
				assert.is_truthy(FAMILIES[family] or derived[family], "not in the list: " .. family);
			end
			for _, entry in ipairs(FAMILIES[family] and entries or {}) do
				local names = {};
				for name in pairs(entry.labels) do names[#names + 1] = name; end
				table.sort(names);
				assert.same(FAMILIES[family], names, family);
			end
		end
		for family in pairs(FAMILIES) do assert.is_truthy(page.series[family], "not there: " .. family); end
	end);

	it("know no partner but the configured ones, whoever comes", function ()
		local labels = scrape.once(w):labels("partner");
		local method = scrape.once(w):labels("method");
		assert.same({ FABRIKAM, "other" }, labels);
		local probe = Probe.new(w);
		grows({ { "stream_failures_total", { partner = "other", direction = "in" }, MANY },
			{ "policy_refusals_total", { partner = "other", reason = "not-a-partner" }, MANY },
			{ "policy_refusals_total", { partner = "other", reason = "from-domain" }, MANY },
		}, function ()
			for i = 1, MANY do
				local name = ("stranger%d.example"):format(i);
				local peer = s2s.connect(w.loop, { from = name; to = "contoso.com"; ip = w.gateway.address;
					cert = w.ca:issue(name, { names = { name } }) });
				assert.is_false((pcall(peer.authenticate, peer, "EXTERNAL")));
				probe:ask { From = ("<sip:x@%s>;tag=%d"):format(name, i); body = "hello" };
			end
		end);
		local page = scrape.once(w);
		assert.same(labels, page:labels("partner"));
		assert.same(method, page:labels("method"));
		assert.same({ "from-domain", "not-a-partner", "user-not-enabled" }, page:labels("reason"));
		assert.same({ "contoso.com" }, page:labels("host"));
		assert.is_nil(page.text:find("stranger", 1, true));
	end);

	it("say when the Access Edge is away, and count its returns", function ()
		w.edge:stop_listening();
		w.edge:drop();
		scrape.wait(w, function (page) return page:value("edge_connected") == 0; end, "edge_connected 0");
		grows({ { "edge_connected", {}, 1 }, { "edge_reconnects_total", {}, 1 } }, function () w.edge:listen(); end);
	end);

	it("count a stream that cannot be made", function ()
		w.partner:stop();
		local page = scrape.wait(w, function (page) return page:value("streams", { partner = FABRIKAM }) == 0; end, "no stream");
		assert.equal(0, page:value("stream_failures_total", { partner = FABRIKAM, direction = "out" }));
		grows({ { "stream_failures_total", { partner = FABRIKAM, direction = "out" }, 1 }, messages("s2x", "failed", 1) },
			function () lena:open("romeo@fabrikam.com", "hello?"); end);
		local output = w.gateway:ctl("shell", "lync", "explain", "romeo@fabrikam.com", lena.address);
		assert.matches("last failure +stream to partner: ", output);
		assert.matches("last failure +message to XMPP: ", output);
		assert.matches("last failure +Access Edge: ", output);
	end);
end);

describe("metrics of a partner with two domains and one that is added by a reload", function ()
	local w;
	setup(function () w = World.new(scrape.world()); end);
	teardown(function () w:finish(); end);

	it("have the primary domain as label", function ()
		local tybalt = w:contact("tybalt@na.fabrikam.com/yard");
		local lena = w:lync_user("lena");
		tybalt:wait_receipt(tybalt:message(lena.address, "hello", { receipt = true }));
		local page = scrape.wait(w, function (page) return page:value("messages_total", { result = "delivered" }) == 1; end);
		assert.equal(1, page:value("messages_total", { partner = FABRIKAM, result = "delivered" }));
		assert.same({ FABRIKAM, "other" }, page:labels("partner"));
	end);

	it("begin when the partner does", function ()
		w.gateway:reload("lync_partners = {", "lync_partners = { [\"acme.example\"] = { partner_type = \"federated\" };");
		local page = scrape.wait(w, function (page) return page:value("messages_total", { partner = "acme.example" }) ~= nil; end);
		assert.same({ "acme.example", FABRIKAM, "other" }, page:labels("partner"));
		assert.equal(ports.address("gateway"), w.gateway.address);
	end);

	it("stay when the module is loaded again: the Access Edge is still connected", function ()
		local before = scrape.once(w);
		assert.equal(1, before:value("messages_total"));
		local output, status = w.gateway:shell('module:reload("lync_gateway", "contoso.com")');
		assert.equal(0, status, output);
		local page = scrape.once(w);
		assert.equal(1, page:value("edge_connected"));
		assert.equal(1, page:value("messages_total"));
		assert.equal(0, page:value("edge_reconnects_total"));
	end);

	it("count the return of a worker that was killed as one of the Access Edge", function ()
		local pid = w:worker_pid();
		process.kill(pid, "KILL");
		w.loop:wait(function () return w:worker_pid() ~= pid; end, 10, "another worker");
		local page = scrape.wait(w, function (page)
			return page:value("edge_connected") == 1 and page:value("edge_reconnects_total") > 0;
		end, "the Access Edge again");
		assert.equal(1, page:value("edge_reconnects_total"));
	end);
end);
