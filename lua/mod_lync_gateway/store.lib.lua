-- Subscriptions and contact lists on disk: by Prosody's storage, whatever its driver, written behind.
-- SPDX-License-Identifier: MIT
--
-- One entry per Lync user: { version = 1; pairs = { [contact] = record } }. A change is on disk WRITE seconds later;
-- drivers write whole entries, so a crash loses what was not written, and nothing that was.

local jid_node = require "util.jid".node;

local VERSION = 1;
local WRITE = 0.5;  -- seconds after a change
local RETRY = 10;   -- after a failure
local STEP = 100;   -- entries of one turn, read or written; or fewer: h.over()
local IN_A_ROW = 3; -- failures: it is the storage then, not the entry

local function readable(entry)
	return type(entry) == "table" and entry.version == VERSION and type(entry.pairs) == "table";
end

-- h: host, state, log, timer, presence; env: open() -> keyval store or nil, error; time() since 1970
-- h.state.store (outlives a reload): read (everything is in the roster), seen (nodes that are, until then), kept (nodes
-- with an entry that cannot be read, and therefore is not overwritten)
local function new(h, env)
	local store = { read = 0; bad = 0; failed = false };
	local keyval, problem = env.open();
	if not keyval then
		h.log("error", "open store: %s; subscriptions are forgotten at a restart", tostring(problem));
		return nil;
	end
	local known = h.state.store or { read = false; seen = {}; kept = {} };
	h.state.store = known;

	local function roster() return h.state.roster; end

	-- ---- reading

	local function get(node)
		local ok, entry, err = pcall(keyval.get, keyval, node);
		if not ok or err then
			return nil, tostring(ok and err or entry);
		elseif entry ~= nil and not readable(entry) then
			return nil, "not of version "..VERSION;
		end
		return entry and entry.pairs or {};
	end

	-- What the roster has already is newer.
	local function missing(found, user)
		local present = roster():pairs_of(user);
		if not present then return found; end
		local result = {};
		for contact, record in pairs(found) do
			result[contact] = not present[contact] and record or nil;
		end
		return result;
	end

	-- False: its entry is to be left alone.
	local function take(node)
		local found, err = get(node);
		if not found then
			if not known.kept[node] then
				h.log("error", "read subscriptions: %s; left as they are, changes are not saved (user=%q)", err, node);
				known.kept[node], store.bad = true, store.bad + 1;
			end
			return false;
		end
		known.kept[node] = nil;
		if not known.read then
			known.seen[node] = true;
		end
		local user = node.."@"..h.host;
		local loaded, bad = roster():load(user, missing(found, user), env.time());
		store.read, store.bad = store.read + loaded, store.bad + bad;
		return true;
	end

	local function finish(done)
		known.read, known.seen = true, {};
		if store.read + store.bad > 0 then
			h.log(store.bad > 0 and "warn" or "info", "read subscriptions: done (pairs=%d bad=%d)", store.read, store.bad);
		end
		done();
	end

	local function read(nodes, first, done)
		local last = first + STEP - 1;
		for i = first, last do
			if not nodes[i] then return finish(done); end
			if not known.seen[nodes[i]] then
				take(nodes[i]);
			end
			if h.over() then
				last = i;
				break;
			end
		end
		store.reading = h.timer(0, function () read(nodes, last + 1, done); end, "storage");
	end

	local function list()
		local nodes = {};
		local ok, err = pcall(function ()
			local next_node, state, first = keyval:users(); -- an iterator; or nil, and perhaps why
			if not next_node then return state; end
			for node in next_node, state, first do
				nodes[#nodes+1] = node;
			end
		end);
		if not ok or err then
			return nil, tostring(err);
		end
		table.sort(nodes);
		return nodes;
	end

	-- All that is there, a step per turn; then done(). A storage that cannot be read yet is tried again, without anybody
	-- waiting for it; then done() again.
	function store.load(done)
		local nodes, err = list();
		if nodes then
			return read(nodes, 1, done);
		end
		if not store.unlisted then
			h.log("error", "list subscriptions: %s; trying again", err);
			store.unlisted = true;
		end
		store.reading = h.timer(RETRY, function () store.load(done); end, "storage");
		done();
	end

	function store.is_read()
		return known.read;
	end

	-- ---- writing

	-- True: written, or not to be written.
	local function write(user)
		local node = jid_node(user);
		if known.kept[node] or not known.read and not known.seen[node] then
			if not take(node) then return true; end
			store.joined = true;
		end
		local pairs_of = roster():pairs_of(user);
		local ok, done, err = pcall(keyval.set, keyval, node,
			pairs_of and { version = VERSION; pairs = pairs_of } or nil);
		if ok and done then
			if store.failed then
				h.log("info", "write subscriptions: works again");
				store.failed = false;
			end
			return true;
		end
		if not store.failed then
			h.log("error", "write subscriptions: %s; trying again (user=%q)", tostring(ok and err or done), user);
			store.failed = true;
		end
		return false;
	end

	local function later(delay)
		store.timer = store.timer or not store.stopped and h.timer(delay, function ()
			store.timer = nil;
			store.flush(STEP);
			if store.joined then -- pairs that could not be read before
				store.joined = false;
				h.presence.changed();
			end
		end, "storage") or nil;
	end

	-- limit: entries, all: in this turn, however long it takes. One that fails does not hold up the others.
	function store.flush(limit, all)
		local failed, in_a_row, user = {}, 0, nil;
		for _ = 1, limit do
			user = roster():dirty();
			if not user then break; end
			if write(user) then
				in_a_row = 0;
			else
				failed[#failed+1], in_a_row = user, in_a_row + 1;
				if in_a_row == IN_A_ROW then break; end
			end
			if not all and h.over() then break; end
		end
		for _, name in ipairs(failed) do
			roster():dirty_again(name);
		end
		if #failed > 0 then
			later(RETRY);
		elseif user then
			later(0);
		end
	end

	function store.touch()
		later(WRITE);
	end

	-- The last word: everything that is not on disk.
	function store.stop()
		store.stopped = true;
		for _, name in ipairs { "timer", "reading" } do
			if store[name] then
				store[name].stop();
				store[name] = nil;
			end
		end
		store.flush(math.maxinteger, true);
	end

	return store;
end

return { new = new; STEP = STEP; WRITE = WRITE; RETRY = RETRY };
