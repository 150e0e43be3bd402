-- The configuration is read again, and the module is loaded again, while people talk: nothing is dropped, conversations
-- go on in the same dialogs; a partner that is none any more loses its streams, and nobody else does.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local Traffic = require "spec.support.traffic";
local World = require "spec.support.world";

local PAIRS = 5;
local FABRIKAM = [==[["fabrikam.com"] = { partner_type = "federated" }]==];
local ACME = [==[; ["acme.example"] = { partner_type = "federated" }]==];
local RELOADS = 20; -- of the module

describe("reload", function ()
	local w, romeo, lena, acme, cert;
	setup(function ()
		local users = Traffic.users(PAIRS);
		users["romeo@fabrikam.com"] = "secret";
		w = World.new {
			users = users; dns = { ["acme.example"] = ports.address("acme") };
			edge = { contacts = { "fabrikam.com"; "na.fabrikam.com"; "acme.example" } };
			partners = FABRIKAM;
		};
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		cert = w.ca:issue("acme", { names = { "acme.example" } });
		acme = s2s_server.new(w.loop, { domain = "acme.example"; ip = ports.address("acme"); cert = cert });
	end);
	teardown(function () w:finish(); end);

	local function logged(pattern, server)
		return select(2, (server or w.gateway).process.output:gsub(pattern, ""));
	end

	-- Until the worker has the new settings.
	local function configured(call)
		local before = logged("configured bridge:");
		call();
		w.loop:wait(function () return logged("configured bridge:") > before; end, 5, "the bridge to be configured");
	end

	local function acme_stream()
		return s2s.connect(w.loop, { from = "acme.example"; to = "contoso.com"; ip = w.gateway.address; cert = cert });
	end

	local function say(peer, text)
		peer:send(("<message type='chat' id='%s' from='wile@acme.example/x' to='lena@contoso.com'><body>%s</body></message>")
			:format(text, text));
	end

	-- Nothing lost, nothing twice, no error, no other dialog, no other stream, no other worker.
	local function undisturbed(call)
		local t = Traffic.new(w, { pairs = PAIRS }):run();
		t:wait_flow(3);
		local worker, streams = w:worker_pid(), logged("s2s connection", w.partner);
		call(t);
		t:wait_flow(3);
		t:finish();
		for _, direction in ipairs { "x2s", "s2x" } do
			local sums = t:tally(direction);
			assert.equal(sums.sent, sums.delivered, direction);
			assert.equal(0, sums.disorder, direction);
		end
		for i = 1, PAIRS do
			assert.equal(1, t.s2x[i].opened, "conversations of s" .. i);
			assert.equal(1, #w:lync_user("l" .. i).conversations, "conversations of l" .. i);
		end
		assert.equal(worker, w:worker_pid());
		assert.equal(streams, logged("s2s connection", w.partner), "streams of the partner");
	end

	it("adds a partner", function ()
		assert.is_false((acme_stream():try("EXTERNAL")));
		assert.equal(403, (lena:open("wile@acme.example", "too early", { embed = false }):wait_failed()));
		undisturbed(function ()
			configured(function () w.gateway:reload(FABRIKAM, FABRIKAM .. ACME); end);
			local peer = acme_stream():authenticate("EXTERNAL");
			say(peer, "from a new partner");
			lena:wait_message("from a new partner");
			lena:open("wile@acme.example", "to a new partner", { embed = false }):wait_open();
			acme:wait_message("to a new partner");
			peer:close();
		end);
	end);

	it("removes a partner: its streams end with a reason, those of another stay", function ()
		local peer = acme_stream():authenticate("EXTERNAL");
		say(peer, "still a partner");
		lena:wait_message("still a partner");
		local out = acme.streams[#acme.streams];
		assert.is_nil(out.closed);
		undisturbed(function ()
			w.gateway:reload(FABRIKAM .. ACME, FABRIKAM);
			assert.equal("policy-violation", peer:wait_closed());
			w.loop:wait(function () return out.closed; end, 5, "the end of the stream to the partner");
			assert.equal("policy-violation", out.error);
			assert.is_false((acme_stream():try("EXTERNAL")));
			assert.equal(403, (lena:open("wile@acme.example", "too late", { embed = false }):wait_failed()));
		end);
		assert.equal(0, logged('closed stream:[^\n]*remote="fabrikam.com"'));
	end);

	it("changes a switch of the wire", function ()
		assert.equal(200, (lena:pager(romeo.jid, "pager"):wait()));
		romeo:wait_message("pager");
		undisturbed(function ()
			configured(function ()
				w.gateway:reload("lync_bridge_wire = { ", "lync_bridge_wire = { accept_pager_message = false; ");
			end);
			assert.equal(403, (lena:pager(romeo.jid, "pager again"):wait()));
		end);
	end);

	it("of an open conversation goes on in the same dialog, on SIGHUP, prosodyctl and the shell", function ()
		romeo:wait_receipt(romeo:message(lena.address, "before", { receipt = true }));
		local dialogs = #lena.conversations;
		local conversation = lena.conversations[dialogs];
		undisturbed(function ()
			configured(function () w.gateway:reload(); end);
			configured(function ()
				local output, status = w.gateway:ctl("reload");
				assert.equal(0, status, output);
			end);
			configured(function ()
				local output, status = w.gateway:ctl("shell", "lync", "reload");
				assert.equal(0, status, output);
			end);
		end);
		romeo:wait_receipt(romeo:message(lena.address, "after", { receipt = true }));
		assert.equal(200, (conversation:say("and back"):wait()));
		romeo:wait_message("and back");
		assert.equal(dialogs, #lena.conversations);
	end);

	it("of the module itself loses nothing", function ()
		undisturbed(function (t)
			for _ = 1, RELOADS do
				local output, status = w.gateway:ctl("shell", "module", "reload", "lync_gateway");
				assert.equal(0, status, output);
				assert.is_truthy(output:find("Reloaded on contoso.com", 1, true), output);
				t:wait_flow(1);
			end
		end);
		local output = w.gateway:ctl("shell", "lync", "sessions");
		assert.is_truthy(output:find("u1@fabrikam.com", 1, true), output);
	end);

	it("with a setting that is wrong changes nothing, loudly; the next good one is taken", function ()
		undisturbed(function (t)
			local good = 'lync_access_edge = "sip.contoso.com"';
			w.gateway:reload(good, "lync_access_edge = 42");
			w.gateway:wait_log("lync_access_edge = 42: not a string; write");
			w.gateway:wait_log("the settings before stay in force");
			t:wait_flow(2);
			local output = w.gateway:ctl("shell", "lync", "status");
			assert.is_truthy(output:find("lync_access_edge", 1, true), output);
			w.gateway:reload("lync_access_edge = 42", good);
			w.gateway:wait_log("configured worker: ready", 5, true);
			t:wait_flow(2);
		end);
	end);
end);
