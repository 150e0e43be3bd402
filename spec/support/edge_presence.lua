-- edge_presence.lua: presence of Lync users behind the stand-in: methods of edge:user(…), options and methods of the Edge.
-- SPDX-License-Identifier: MIT
--
-- As presentity (edge_presentity.lua), watched by contacts:
--	lena:publish("busy", "in the lab")		-- available, idle, busy, meeting, phone, busy-idle, dnd, brb, away, off-work, offline
--	lena:block(contact); lena:allow(contact); lena:privacy(true)	-- polite block; only the contact list sees anything
--	lena:answers("SUBSCRIBE", { status = 423, min_expires = 60000, times = 1 }, { status = 200, expires = 3600 })
--	lena:answers("REFRESH", 481); lena:answers("UNSUBSCRIBE", "never")
--	local s = lena:wait_watched(contact); s:notify(); s:terminate("deactivated", retry_after); lena:wait_unwatched(contact)
--	lena:forget()		-- the front end restarts: refreshes are answered 481		lena.mute = true	-- NOTIFYs are lost
--	lena.prompts		-- "X has added you": { contact, display, acknowledged } once each; lena:acknowledge(contact)
-- An answer to SUBSCRIBE, as in edge_user.lua, may have: expires (granted), no_expires, min_expires, notify = false (lost) |
-- seconds | "before" (the 200), terminated = reason (at once), retry_after.
--
-- As watcher (edge_watch.lua) of contacts:
--	local w = lena:add(contact, { context = false, legacy = true, expires = 3600, endpoint = "desk", accept = … }):wait_active()
--	lena:sees(contact) --> presence, note, display; lena:wait_sees(contact, "away", seconds, note); w:wait_sees("dnd")
--	w:refresh(); w:unsubscribe(); lena:remove(contact); lena:log_off(silent); lena:log_on(); lena:fetch(contact)
--	lena:answers("NOTIFY", 481 | "never" | { status = 200, after = 1 })
--
-- Options: Edge.new{ presence = { … } } over DEFAULTS below; edge.presence may be changed at any time.

local words = require "spec.support.edge_words";
local presentity = require "spec.support.edge_presentity";
local documents = require "spec.support.edge_documents";
local Watch = require "spec.support.edge_watch";

local presence = {};

local DEFAULTS = {
	notify_within = 5;	-- seconds from the 200 to its NOTIFY; false: whenever
	notify_interval = 5;	-- seconds between two NOTIFYs of a dialog
	answer_within = 5;	-- seconds from our NOTIFY to its answer; false: whenever
	expires_min = 60; expires_max = 604800;	-- what the bridge may ask for
	offer_min = 3600; offer_max = 28800;	-- what the bridge may grant to who leaves it to the bridge
	grants = 28367;		-- what the front end grants at most
	subscribe_rate = 20;	-- new subscriptions per second; false: any
	verified = nil;		-- "verified" | "unverified" | { [domain] = … }: what the bridge has to say of its contacts
	notes = true;		-- Lync users may be told notes: true | false | { [domain] = … }
};

--- The presence part of a new Edge.
function presence.edge(edge, options)
	edge.presence = setmetatable({}, { __index = DEFAULTS });
	for key, value in pairs(options or {}) do edge.presence[key] = value; end
	edge.subscribe_times, edge.owed = {}, {};
end

--- The bridge owes something: done() holds within limit seconds (false: whenever), or missing() is called.
function presence.owe(edge, limit, done, missing)
	if not limit then return; end
	edge.owed[done] = true;
	edge.loop:after_served(limit, function ()
		edge.owed[done] = nil;
		if not done() then missing(); end
	end);
end

--- Is something owed that is not there?
function presence.owing(edge)
	for done in pairs(edge.owed) do
		if not done() then return true; end
	end
	return false;
end

--- The bridge has lost all of its dialogs (a restart): what both sides had is void, and no fault is found with that.
function presence.orphan(edge)
	for _, user in pairs(edge.users) do
		for _, subscription in ipairs(user.watchers) do subscription.orphan = true; end
		for _, list in pairs(user.watches) do
			for _, watch in ipairs(list) do watch.orphan = true; end
		end
	end
end

function presence.user(user)
	user.published, user.contacts, user.blocked = { state = "offline" }, {}, {};
	user.watchers, user.subscribers, user.prompts, user.watches, user.endpoints = {}, {}, {}, {}, {};
end

local function each_watcher(user, contact, fn)
	for _, subscription in ipairs(user.watchers) do
		if subscription.state == "active" and (not contact or subscription.contact == contact) then fn(subscription); end
	end
	return user;
end

local function each_watch(user, contact, fn)
	for who, list in pairs(user.watches) do
		for _, watch in ipairs(list) do
			if (not contact or who == contact) and (watch.state == "active" or watch.state == "asking") then fn(watch); end
		end
	end
	return user;
end

return setmetatable(presence, { __call = function (_, User)
	presence.take = presentity.take;

	local function tell(user, contact)
		if user.mute then return user; end
		return each_watcher(user, contact, function (subscription) subscription:notify(); end);
	end

	--- Be in that state, with that note ("What's happening today"), or none.
	function User:publish(state, note)
		assert(documents.states[state], "no such state: " .. tostring(state));
		self.published = { state = state, note = note };
		return tell(self);
	end

	--- What the contact may see: state, note, hidden.
	function User:view_of(contact)
		if self.blocked[contact] then return { state = "offline", hidden = "blocked" }; end
		if self.private and not self.contacts[contact] then return { state = "offline", hidden = "nothing" }; end
		return self.published;
	end

	function User:block(contact)
		self.blocked[contact] = true;
		return tell(self, contact);
	end

	function User:allow(contact)
		self.blocked[contact] = nil;
		return tell(self, contact);
	end

	function User:privacy(on)
		self.private = on;
		return tell(self);
	end

	--- The user has seen that the contact added her.
	function User:acknowledge(contact)
		assert(self.subscribers[contact], contact .. " was not shown to " .. self.address).acknowledged = true;
		return self;
	end

	--- The front end restarts.
	function User:forget()
		return each_watcher(self, nil, function (subscription) subscription:forget("restart of the front end"); end);
	end

	--- The contact's subscription that is active now, or nil.
	function User:watched_by(contact)
		local found;
		each_watcher(self, contact, function (subscription) found = subscription; end);
		return found;
	end

	--- Wait until the contact watches her, and has been told how she is.
	function User:wait_watched(contact, seconds)
		return self.loop:wait(function ()
			local subscription = self:watched_by(contact);
			local last = subscription and subscription.notifies[#subscription.notifies];
			return last and last.status and not subscription.orphan and subscription;
		end, seconds or 5, contact .. " to watch " .. self.address);
	end

	function User:wait_unwatched(contact, seconds)
		self.loop:wait(function () return not self:watched_by(contact); end, seconds or 5,
			contact .. " to watch " .. self.address .. " no more");
	end

	--- A device of hers: "main" is herself.
	function User:endpoint(name)
		if not name or name == "main" then return self; end
		if not self.endpoints[name] then
			local id = words.unique();
			self.endpoints[name] = setmetatable({ epid = id .. "e7", opaque = words.base64("Endpoint " .. id):gsub("=", "") .. "AA" },
				{ __index = self });
		end
		return self.endpoints[name];
	end

	--- Put a contact on the contact list and watch it, or watch it from another endpoint. options: see above. A Watch.
	function User:add(contact, options)
		local o = { context = true };
		for key, value in pairs(options or {}) do o[key] = value; end
		contact = contact:lower();
		local watch = Watch.new(self:endpoint(o.endpoint), contact, o);
		self.contacts[contact] = true;
		self.watches[contact] = self.watches[contact] or {};
		table.insert(self.watches[contact], watch);
		watch:subscribe();
		return watch;
	end

	--- Watch it as after a new log-on: without saying that it was just added.
	function User:watch(contact, options)
		local o = { context = false };
		for key, value in pairs(options or {}) do o[key] = value; end
		return self:add(contact, o);
	end

	--- Ask once: Expires 0 out of a dialog.
	function User:fetch(contact)
		local watch = Watch.new(self, contact, { expires = 0, context = false });
		watch:subscribe();
		return watch;
	end

	--- Take a contact from the contact list.
	function User:remove(contact)
		self.contacts[contact] = nil;
		return each_watch(self, contact, function (watch) watch:unsubscribe(); end);
	end

	--- All clients go without a word. silent: NOTIFYs are not even answered.
	function User:log_off(silent)
		return each_watch(self, nil, function (watch) watch:vanish(silent); end);
	end

	--- Watch all of the contact list again.
	function User:log_on(options)
		for contact in pairs(self.contacts) do self:watch(contact, options); end
		return self;
	end

	--- The newest subscription to that contact, of that endpoint if named.
	function User:watch_of(contact, endpoint)
		local list = self.watches[contact:lower()] or {};
		for i = #list, 1, -1 do
			if not endpoint or list[i].user == self:endpoint(endpoint) then return list[i]; end
		end
		return nil;
	end

	--- How she sees the contact: presence, note, display; nil when she sees nothing.
	function User:sees(contact)
		local watch = self:watch_of(contact);
		local doc = watch and watch.state ~= "gone" and watch.sees;
		if not doc then return nil; end
		return doc.presence, doc.note, doc.display;
	end

	--- See Watch:wait_sees; waits for the subscription, too.
	function User:wait_sees(contact, state, seconds, note)
		return assert(self:watch_of(contact), self.address .. " has not added " .. contact):wait_sees(state, seconds, note);
	end
end });
