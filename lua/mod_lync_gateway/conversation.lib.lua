-- What is known of a contact in a conversation: does the client use chat states (XEP-0085), and which was shown last.
-- SPDX-License-Identifier: MIT

local jid_bare = require "util.jid".bare;
local cache = require "util.cache";

local CONVERSATIONS_MAX = 10000; -- of one host; the one unused longest is forgotten

-- kept: a table that outlives a reload: cache; epoch, another number whenever something that was known may be gone
local function new(kept)
	local conversations = { kept = kept };

	local function forgotten()
		kept.epoch = kept.epoch + 1;
	end

	kept.epoch = kept.epoch or 0;
	kept.cache = kept.cache or cache.new(CONVERSATIONS_MAX, forgotten);

	local function bare(jid)
		return jid:find("/", 1, true) and jid_bare(jid) or jid;
	end

	local function key(contact, user)
		return bare(user).."\0"..bare(contact);
	end

	function conversations.get(contact, user)
		return kept.cache:get(key(contact, user));
	end

	local function open(k)
		local found = kept.cache:get(k);
		if not found then
			found = {};
			kept.cache:set(k, found);
		end
		return found;
	end

	function conversations.open(contact, user)
		return open(key(contact, user));
	end

	function conversations.close(contact, user)
		kept.cache:set(key(contact, user), nil);
		forgotten();
	end

	-- The contact sent a message: with a state (it supports them), or content without one (it does not: E13).
	function conversations.heard(contact, user, has_state)
		local found = conversations.open(contact, user);
		if found.states ~= has_state then
			found.states = has_state;
			forgotten();
		end
	end

	-- As heard(), where the core has made the key; it says so once in an epoch and minute (bridge:carry).
	function conversations.heard_key(k, has_state)
		open(k).states = has_state;
	end

	return conversations;
end

return { new = new; CONVERSATIONS_MAX = CONVERSATIONS_MAX };
