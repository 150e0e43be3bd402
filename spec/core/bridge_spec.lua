-- The Lua face of the bridge, with test/fake_worker.c as its worker.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local socket = require "socket";

local WORKER = os.getenv("LG_BUILD").."/test/fake-worker";
local PATIENCE = 10; -- seconds

local function settings(fqdn, other)
	local result = {
		worker = WORKER; fqdn = fqdn; listen = { "127.0.0.1:5061" }; certificate = "cert.pem"; key = "key.pem";
		domains = { { name = "contoso.com"; edge = "sip.contoso.com"; address = "127.0.0.1"; port = 5061 } };
	};
	for key, value in pairs(other or {}) do
		result[key] = value;
	end
	return result;
end

local function request(text, other)
	local result = { contact = "Romeo@fabrikam.com/orchard"; user = "alice@contoso.com"; text = text };
	for key, value in pairs(other or {}) do
		result[key] = value;
	end
	return result;
end

-- The next event of that type; those before it are left out.
local function await(bridge, kind)
	local deadline = socket.gettime() + PATIENCE;
	local fd = bridge:fd();
	local readable = { getfd = function () return fd; end; dirty = function () return false; end };
	repeat
		local event = bridge:next();
		while event do
			if event.type == kind then return event; end
			event = bridge:next();
		end
		socket.select({ readable }, nil, math.min(bridge:wait() or 1, 1));
	until socket.gettime() > deadline;
	error("no event "..kind);
end

local function refuses(token, ok, got, text)
	assert.is_nil(ok);
	assert.equal(token, got);
	assert.is_string(text);
end

describe("core.bridge", function ()
	local bridge;

	local function open(fqdn, other)
		bridge = assert(core.bridge(settings(fqdn, other)));
		return bridge;
	end

	after_each(function ()
		if bridge then
			bridge:close();
			bridge = nil;
		end
	end);

	it("sends a message and tells its outcome with JIDs", function ()
		local id = assert(open("echo.example"):message(request("hi\r\nthere", { thread = "t"; verified = true })));
		assert.equal("integer", math.type(id));
		assert.equal(1, bridge:inflight());
		assert.same({
			type = "outcome"; id = id; outcome = "delivered"; status = 200; ["local"] = false;
			contact = "romeo@fabrikam.com"; user = "alice@contoso.com";
		}, await(bridge, "outcome"));
		assert.equal(0, bridge:inflight());
	end);

	-- contact and text of a message from Lync -> its event
	local function from_lync(contact, text, thread)
		assert(bridge:message(request(text, { contact = contact; subject = "back"; thread = thread })));
		return await(bridge, "message");
	end

	it("says of a message from Lync that there is nothing to check in it", function ()
		open("echo.example");
		local event = from_lync("romeo.m-1_x@fabrikam.com/Orchard 1", "hi\tthere,\nGr\195\188\195\159e", "t1");
		assert.same({ true, "romeo.m-1_x@fabrikam.com/Orchard 1", "romeo.m-1_x@fabrikam.com", "fabrikam.com", "contoso.com" },
			{ event.plain, event.contact, event.bare, event.remote, event.host });
		event = from_lync("romeo@fabrikam.com", "hi");
		assert.same({ true, "romeo@fabrikam.com" }, { event.plain, event.bare });
	end);

	it("does not say so where something has to be prepared", function ()
		open("echo.example");
		for _, contact in ipairs { "r\195\182meo@fabrikam.com"; "romeo@b\195\188cher.example"; "romeo@fabrikam.com/\195\182" } do
			local event = from_lync(contact, "hi");
			assert.same({ nil, nil, nil, nil; n = 4 }, table.pack(event.plain, event.bare, event.remote, event.host), contact);
			assert.equal(contact, event.contact);
		end
	end);

	it("carries typing both ways", function ()
		open("echo.example");
		for state, want in pairs { composing = "composing"; active = "paused"; paused = "paused"; inactive = "paused" } do
			assert.is_true(bridge:typing(request(nil, { state = state; thread = "t1" })));
			local event = await(bridge, "typing");
			assert.equal(want, event.typing);
			assert.equal("t1", event.thread);
		end
		refuses("invalid", bridge:typing(request(nil, { state = "dancing" })));
	end);

	it("watches a Lync user and tells what comes of it", function ()
		open("echo.example");
		local pair = { contact = "Romeo@fabrikam.com/orchard"; user = "alice@contoso.com"; display = "Alice"; notes = true };
		assert.is_true(bridge:watch(pair));
		local event = await(bridge, "watch");
		assert.same({ type = "watch"; watch = "active"; status = 0; contact = "romeo@fabrikam.com"; user = "alice@contoso.com" },
			event);
		assert.same({ type = "state"; presence = "busy-idle"; display = "Alice"; text = "with a note"; status = 0;
			contact = "romeo@fabrikam.com"; user = "alice@contoso.com" }, await(bridge, "state"));
		event = await(bridge, "subscribe");
		assert.same({ true; false; "romeo@fabrikam.com"; "alice@contoso.com" },
			{ event.added; event.again; event.contact; event.user });
		assert.is_true(bridge:answer(event.id, 200));
		assert.equal("refused", await(bridge, "watch").watch);
		assert.equal("accepted", await(bridge, "log").text);
		assert.is_true(bridge:unwatch(pair));
		assert.equal("ended", await(bridge, "watch").watch);
		assert.is_true(bridge:reject(pair));
		assert.equal("rejected", await(bridge, "unsubscribed").token);
		assert.equal(0, bridge:inflight());
	end);

	it("says why a watch was refused, as XMPP says it", function ()
		open("echo.example");
		assert.is_true(bridge:watch { contact = "romeo@fabrikam.com"; user = "alice@contoso.com" });
		assert.is_nil(await(bridge, "state").text);
		local condition, error_type = core.to_condition(403, 1034);
		assert.same({ type = "watch"; watch = "refused"; status = 403; diag = 1034; retry_after = 5; reason = "no";
			condition = condition; error_type = error_type; contact = "romeo@fabrikam.com"; user = "alice@contoso.com" },
			await(bridge, "watch"));
	end);

	it("tells Lync a contact's presence", function ()
		local states = { "offline"; "available"; "idle"; "busy"; "busy-idle"; "dnd"; "brb"; "away"; "off-work" };
		open("echo.example");
		for _, state in ipairs(states) do
			assert.is_true(bridge:presence(request(nil, { presence = state; note = "two\r\nlines"; display = "R" })));
			local event = await(bridge, "state");
			assert.same({ state; "two\nlines"; "R"; "romeo@fabrikam.com"; 0 },
				{ event.presence; event.text; event.display; event.contact; event.status });
		end
		assert.is_true(bridge:presence(request(nil, { presence = "dnd"; verified = true; notes = true })));
		assert.equal(5, await(bridge, "state").status); -- SB_F_VERIFIED | SB_F_NOTES
		assert.is_true(bridge:presence(request(nil, { presence = "dnd"; note = ("x"):rep(1023).."é"..("x"):rep(100000) })));
		assert.equal(("x"):rep(1023), await(bridge, "state").text);
		refuses("invalid", bridge:presence(request(nil, { presence = "unknown" })));
		refuses("invalid", bridge:presence(request(nil, { presence = "dancing" })));
		refuses("invalid", bridge:presence(request(nil)));
		refuses("bad-text", bridge:presence(request(nil, { presence = "dnd"; note = "\1" })));
	end);

	it("lists watches, all or those of one", function ()
		open("echo.example");
		assert.is_true(bridge:watches());
		assert.equal(1, await(bridge, "watches-end").status);
		assert.is_true(bridge:watches { contact = "romeo@fabrikam.com/x"; user = "alice@contoso.com" });
		assert.same({ type = "watch-row"; contact = "romeo@fabrikam.com"; user = "alice@contoso.com"; incoming = true;
			watch = "failing"; presence = "dnd"; status = 3; age_ms = 61000; idle_ms = 2000; pending = 55 },
			await(bridge, "watch-row"));
		await(bridge, "watches-end");
		refuses("bad-jid", bridge:watches { contact = "@x" });
	end);

	it("refuses to watch what is none", function ()
		open("echo.example");
		refuses("bad-jid", bridge:watch(request(nil, { contact = "@x" })));
		refuses("no-user", bridge:unwatch(request(nil, { user = "contoso.com" })));
		refuses("no-user", bridge:reject(request(nil, { user = "contoso.com" })));
		refuses("bad-text", bridge:watch(request(nil, { display = "a\nRoute: b" })));
		assert.has_error(function () bridge:watch(); end);
		assert.has_error(function () bridge:presence("x"); end);
	end);

	it("takes the rest", function ()
		open("echo.example");
		assert.is_true(bridge:ended(request(nil)));
		assert.is_true(bridge:answer(1, 200, nil, nil, { verified = true }));
		assert.is_true(bridge:answer(1, 404, 1003, "No such user"));
		assert.is_true(bridge:sessions());
		await(bridge, "sessions-end");
		assert.is_true(bridge:configure(settings("echo.example", { rate = 20 })));
	end);

	it("fails what was under way when the worker dies, and comes back", function ()
		local id = assert(open("echo.example"):message(request("die")));
		local event = await(bridge, "outcome");
		assert.equal(id, event.id);
		assert.equal("failed", event.outcome);
		assert.equal("bridge-died", event.token);
		assert.equal(503, event.status);
		assert.is_true(event["local"]);
		assert.same({ core.to_condition(503) }, { event.condition, event.error_type });
		assert.equal(0, await(bridge, "worker").status);
		assert.equal(1, await(bridge, "worker").status);
		assert.is_true(bridge:pid() > 0);
	end);

	it("refuses bad requests", function ()
		open("echo.example");
		refuses("bad-jid", bridge:message(request("x", { contact = "@x" })));
		refuses("no-user", bridge:message(request("x", { user = "contoso.com" })));
		refuses("invalid", bridge:message(request("")));
		refuses("too-big", bridge:message(request(("x"):rep(16385))));
		refuses("bad-text", bridge:message(request("x", { thread = "a\nRoute: b" })));
		refuses("bad-text", bridge:message(request("\xff")));
		refuses("bad-text", bridge:message(request("a\0b")));
		refuses("invalid", bridge:answer(1, 302));
		refuses("invalid", bridge:answer(1, 2 ^ 32 + 200 | 0));
		assert.has_error(function () bridge:message(request({})); end);
		assert.has_error(function () bridge:message("x"); end);
	end);

	it("refuses bad settings", function ()
		refuses("invalid", core.bridge(settings("echo.example", { listen = {} })));
		refuses("too-big", core.bridge(settings("echo.example", { listen = { 1; 2; 3; 4; 5; 6; 7; 8; 9 } })));
		refuses("invalid", core.bridge(settings("echo.example", { certificate = false })));
		refuses("invalid", core.bridge(settings("echo.example", { wire = { session_idle = 1e300 } })));
		refuses("invalid", core.bridge(settings("echo.example", { wire = { imdn_method = "BYE" } })));
		refuses("invalid", core.bridge(settings("echo.example", { wire = { subscription_expires = 86401 } })));
		refuses("invalid", core.bridge(settings("echo.example", { wire = { notify_interval = -1 } })));
		refuses("invalid", core.bridge(settings("echo.example", { wire = { watch_rate = 1e7 } })));
		refuses("invalid", core.bridge(settings("echo.example", { subscription_refresh_interval = 86401 })));
		refuses("invalid", core.bridge(settings("echo.example",
			{ domains = { { name = "a"; edge = "b"; port = 70000 } } })));
		refuses("invalid", open("echo.example"):configure(settings("other.example")));
		assert.has_error(function () core.bridge(); end);
		assert.has_error(function () core.bridge(settings("echo.example", { key = {} })); end);
	end);

	it("is down until other settings come when the worker refuses them", function ()
		local event = await(open("refuse.example"), "worker");
		assert.equal(-1, event.status);
		assert.equal("no good domain", event.reason);
		refuses("bridge-down", bridge:message(request("x")));
		local domains = { { name = "good"; edge = "sip.good"; port = 5061 } };
		assert.is_true(bridge:configure(settings("refuse.example", { domains = domains })));
		assert.equal(1, await(bridge, "worker").status);
		assert(bridge:message(request("x")));
	end);

	it("says goodbye and closes any number of times", function ()
		await(open("echo.example"), "worker");
		bridge:shutdown();
		assert.equal(0, await(bridge, "worker").status);
		bridge:close();
		bridge:close();
		assert.has_error(function () bridge:next(); end, "bridge is closed");
		assert.is_false(getmetatable(bridge));
		local kept;
		do
			local scoped <close> = assert(core.bridge(settings("echo.example")));
			kept = scoped;
		end
		assert.has_error(function () kept:fd(); end);
	end);
end);
