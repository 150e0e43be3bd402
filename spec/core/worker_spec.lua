-- The worker and a plugin that reads late: nothing is lost, and the worker does not end for it.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local socket = require "socket";
local CA = require "spec.support.ca";
local Loop = require "spec.support.loop";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local Rig = require "bench.scale_rig";

local MANY = 200000; -- events of more bytes than the channel holds
local PATIENCE = 60; -- seconds

local WATCHES, RATE = 24000, 6000; -- in a second
local CONTACT, USER = "romeo@fabrikam.com", "user%d@contoso.com";

describe("the worker", function ()
	local loop, bridge, edge, ca;
	before_each(function ()
		loop = Loop.new();
		ca = CA.new(process.directory(loop, "ca"));
	end);
	after_each(function ()
		if bridge then bridge:close(); end
		bridge = nil;
		loop:close();
	end);

	-- bench/edge_load in place of the Access Edge
	local function start_edge(pairs)
		local address = ports.address("edge");
		edge = Rig.start_load({ loop = loop; build = os.getenv("LG_BUILD") or "build"; pairs = pairs; partners = 1;
			window = 4 * MANY }, "edge", address, { cert = ca:issue("edge", { names = { "sip.contoso.com" } }); listen = address;
			port = 5061; "listen=" .. address .. ":5061"; "fqdn=sip.contoso.com"; "bridge_fqdn=xmpp.contoso.com" });
	end

	local function open()
		local cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
		return assert(core.bridge { fqdn = "xmpp.contoso.com"; listen = { ports.address("gateway") .. ":5061" };
			certificate = cert.cert; key = cert.key; cafile = ca.file;
			domains = { { name = "contoso.com"; edge = "sip.contoso.com"; address = ports.address("edge"); port = 5061 } };
			wire = { watch_rate = RATE } });
	end

	-- Events until predicate(event) is true. The worker must not end.
	local function read(predicate)
		local deadline, fd = socket.gettime() + PATIENCE, bridge:fd();
		local readable = { getfd = function () return fd; end; dirty = function () return false; end };
		repeat
			local event = bridge:next();
			if event then
				assert(event.type ~= "worker" or event.status == 1, event.reason);
				if predicate(event) then return event; end
			else
				socket.select({ readable }, nil, math.min(bridge:wait() or 1, 1));
			end
		until socket.gettime() > deadline;
		error("waited in vain");
	end

	local function wait_ready()
		read(function (event) return event.type == "worker"; end);
	end

	local function connect_edge()
		edge:say("bridge %s:5061 %s", ports.address("gateway"), ports.address("edge"));
		loop:wait(function () return edge:stats().connected == 1; end, PATIENCE, "a connection");
	end

	it("takes no more requests than their events can be told", function ()
		bridge = open();
		wait_ready();
		local sent, ended = 0, 0;
		local function send()
			while sent < MANY and bridge:unwatch { contact = CONTACT; user = USER:format(sent + 1) } do
				sent = sent + 1;
			end
		end
		local early = socket.gettime() + 2;
		repeat send(); until sent == MANY or socket.gettime() > early; -- nobody reads
		assert.is_true(sent > 20000);
		read(function (event)
			if event.type == "watch" and event.watch == "ended" then ended = ended + 1; end
			send();
			return ended == MANY;
		end);
		assert.equal(MANY, sent);
	end);

	-- What Lync has been asked for twice a second, until nothing more comes.
	local function wait_quiet(count)
		local last, now = -1, edge:stats()[count];
		while now ~= last do
			last = now;
			loop:never(function () end, 2);
			now = edge:stats()[count];
		end
		return now;
	end

	it("makes no more subscriptions than their answers can be told", function ()
		start_edge(WATCHES);
		bridge = open();
		wait_ready();
		connect_edge();
		for i = 1, WATCHES do assert(bridge:watch { contact = CONTACT; user = USER:format(i) }); end
		local active = 0;
		local function take(event)
			if event.type == "watch" and event.watch == "active" then active = active + 1; end
			return active == WATCHES;
		end
		for _ = 1, 100 do -- what is queued is written, and hardly anything read
			local event = bridge:next();
			if event then take(event); end
			loop:never(function () end, 0.01);
		end
		local deadline, begun = loop:now() + PATIENCE;
		repeat begun = wait_quiet("begun"); until begun > 0 or loop:now() > deadline;
		assert.is_true(begun > 0 and begun < WATCHES // 2, begun);
		read(take);
		assert.equal(WATCHES, edge:stats().begun);
	end);

	it("has Lync wait when its requests cannot be told", function ()
		local n, answered, again, told = 2000, 0, 0, nil;
		start_edge(2 * n);
		bridge = open();
		wait_ready();
		connect_edge();
		edge:say("watch 0 %d 0", n);
		edge:stats();
		local function serve(event)
			if event.type == "subscribe" and event.id then
				bridge:answer(event.id, 200);
				answered = answered + 1;
			elseif event.type == "subscribe" then
				again = again + 1;
			elseif event.type == "refused" and event.token == "prosody-busy" then
				told = event;
			end
			return answered;
		end
		read(function (event) return serve(event) == n; end);
		loop:wait(function () bridge:next(); return edge:stats().live == n; end, PATIENCE, "the subscriptions");
		-- From here on nobody reads: each of these waits for its answer, each refresh gets one at once.
		local fresh = 0;
		local function round()
			local asked = edge:stats().asked;
			edge:say("refresh 0 %d 0", n);
			loop:wait(function ()
				local e = edge:stats();
				return (e.asked == asked + n or e.live < n) and e.asked - e.answered <= fresh;
			end, PATIENCE, "answers");
		end
		repeat
			local asked = edge:stats().asked;
			edge:say("watch %d %d 0", n + fresh, n + fresh + 1);
			loop:wait(function () return edge:stats().asked > asked; end, PATIENCE, "a subscription");
			fresh = fresh + 1;
			round();
		until edge:stats().status == 503;
		local e = edge:stats();
		assert.equal(n, e.live, "a refresh was refused before there was need");
		repeat round(); until edge:stats().live < n; -- refused, too, in the end
		loop:never(function () end, 1);
		e = edge:stats();
		read(function (event)
			serve(event);
			return again == e.answered - e.failed - n and told;
		end);
		assert.equal(503, told.status);
		assert.is_true(told.refused > 0);
	end);
end);
