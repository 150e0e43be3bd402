-- Presence survives: the worker dies, Prosody restarts or dies, the Edge goes away. Nobody is asked twice, nobody stays green
-- who has gone, and what is agreed stays agreed.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local World = require "spec.support.world";

local ROMEO, LENA = "romeo@fabrikam.com", "lena@contoso.com";

describe("presence", function ()
	local w, romeo, lena, watch;
	before_each(function ()
		w = World.new { wire = { notify_interval = 0.2 } };
		romeo, lena = w:contact("romeo", { roster = true }), w:lync_user("lena", "Lena Berg");
		lena:publish("busy", "before");
		romeo:set_presence("away", "before");
		romeo:subscribe(LENA);
		romeo:wait_sees(LENA, "dnd", 5, "before");
		watch = lena:add(ROMEO):wait_active();
		romeo:wait_presence(LENA, "subscribe");
		romeo:approve(LENA);
		watch:wait_sees("away", 5, "before");
	end);
	after_each(function () w:finish(); end);

	local function worker_ready(count)
		w.loop:wait(function ()
			return select(2, w.gateway.process.output:gsub("started worker: ready", "")) >= count;
		end, 15, "the worker to be ready");
	end

	-- Until the pair is on disk in that state (docs/core.md: a record).
	local function wait_stored(state)
		local search = string.format("grep -rqsE '\"%s [0-9]' %s", state, process.quote(w.gateway.directory .. "/data"));
		w.loop:wait(function () return os.execute(search); end, 5, "the pair to be on disk");
	end

	-- The Lync client notices by itself: its refresh is answered 481, and it subscribes anew.
	local function refreshed()
		assert.equal(481, (watch:refresh():wait()));
		lena:log_on();
		watch = lena:watch_of(ROMEO):wait_active();
		return watch;
	end

	local function nobody_asked_again()
		assert.equal(1, romeo:count_presence(LENA, "subscribe"));
		assert.equal(1, romeo:count_presence(LENA, "subscribed"));
		assert.equal(0, romeo:count_presence(LENA, "unsubscribed"));
		assert.equal(1, #lena.prompts);
		romeo:wait_roster(LENA, "both");
	end

	local PACE <const> = 10; -- a watcher is told at most every 5 s (RFC 3856 6.10)

	-- Both see each other's changes.
	local function alive()
		lena:publish("brb", "after");
		romeo:wait_sees(LENA, "away", 5, "after");
		romeo:set_presence("dnd", "after");
		watch:wait_sees("dnd", PACE, "after");
	end

	it("outlives the worker: no flapping, no question", function ()
		local gone = romeo:count_presence(LENA, "unavailable");
		w.edge:orphan();
		process.kill(w:worker_pid(), "KILL");
		worker_ready(2);
		lena:wait_watched(ROMEO, 10);
		refreshed():wait_sees("away", 5, "before");
		assert.same({ "away" }, watch.history);
		assert.equal(gone, romeo:count_presence(LENA, "unavailable"));
		assert.equal("dnd", (romeo:sees(LENA)));
		alive();
		nobody_asked_again();
	end);

	it("outlives the worker: what changed meanwhile is seen", function ()
		w.edge:orphan();
		lena.mute = true;
		process.kill(w:worker_pid(), "KILL");
		lena:publish("offline");
		lena.mute = nil;
		romeo:set_presence("unavailable");
		worker_ready(2);
		romeo:set_presence("dnd", "back");
		romeo:wait_sees(LENA, "unavailable", 10);
		refreshed():wait_sees("dnd", 5, "back");
		nobody_asked_again();
	end);

	for _, how in ipairs { "restart"; "kill -9" } do
		it("outlives a " .. how .. " of Prosody", function ()
			if how == "kill -9" then
				wait_stored("ag"); -- what is not on disk is lost
				w.edge:orphan();
				process.kill(w.gateway.process.pid, "KILL");
				w.loop:wait(function () return not w.gateway.process:running(); end, 5, "the end of Prosody");
			else
				w.edge:orphan();
				w.gateway:stop();
			end
			lena.mute = true;
			lena:publish("brb", "meanwhile");
			lena.mute = nil;
			romeo:set_presence("dnd", "meanwhile");
			w.gateway:start();
			worker_ready(1);
			lena:wait_watched(ROMEO, 15);
			romeo:wait_sees(LENA, "away", 10, "meanwhile");
			refreshed():wait_sees("dnd", 10, "meanwhile");
			alive();
			nobody_asked_again();
		end);
	end

	it("shows nobody as present who went while Prosody was away", function ()
		w.edge:orphan();
		w.gateway:stop();
		lena.mute = true;
		lena:publish("offline");
		lena.mute = nil;
		w.gateway:start();
		worker_ready(1);
		romeo:wait_sees(LENA, "unavailable", 15);
		romeo:set_presence("unavailable");
		refreshed():wait_sees("offline", 10);
		assert.is_nil(watch.sees.note);
		nobody_asked_again();
	end);

	it("keeps a refusal", function ()
		romeo:deny(LENA);
		watch:wait_sees("offline");
		w.edge:orphan();
		w.gateway:stop();
		w.gateway:start();
		worker_ready(1);
		refreshed():wait_sees("offline");
		w.loop:never(function ()
			return romeo:count_presence(LENA, "subscribe") > 1 or lena:sees(ROMEO) ~= "offline";
		end, 0.5, "a question, or a state");
	end);

	it("outlives the Edge's connections and the module's reload", function ()
		w.edge:drop();
		alive();
		local output, status = w.gateway:ctl("shell", "module", "reload", "lync_gateway");
		assert.equal(0, status, output);
		lena:publish("away", "reloaded");
		romeo:wait_sees(LENA, "away", 5, "reloaded");
		romeo:set_presence("away", "reloaded");
		watch:wait_sees("away", PACE, "reloaded");
		assert.equal("active", watch.state);
		nobody_asked_again();
	end);

	it("outlives an Edge that is away when it is to be asked", function ()
		w.edge:stop_listening();
		w.edge:drop();
		local mia = w:lync_user("mia"):publish("busy");
		romeo:subscribe("mia@contoso.com");
		w.loop:never(function () return romeo:count_presence("mia@contoso.com") > 0; end, 0.3, "an answer");
		w.edge:listen();
		romeo:wait_sees("mia@contoso.com", "dnd", 20);
		mia:wait_watched(ROMEO);
		assert.equal(1, romeo:count_presence("mia@contoso.com", "subscribed"));
	end);
end);
