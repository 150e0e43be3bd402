-- What is known of a contact in a conversation: does the client use chat states (XEP-0085), and which was shown last.
-- SPDX-License-Identifier: MIT

local jid_bare = require "util.jid".bare;
local cache = require "util.cache";

local CONVERSATIONS_MAX = 10000; -- of one host; the one unused longest is forgotten

-- table_: kept over reloads
local function new(table_)
	local conversations = {};
	table_.cache = table_.cache or cache.new(CONVERSATIONS_MAX);

	local function bare(jid)
		return jid:find("/", 1, true) and jid_bare(jid) or jid;
	end

	local function key(contact, user)
		return bare(user).."\0"..bare(contact);
	end

	function conversations.get(contact, user)
		return table_.cache:get(key(contact, user));
	end

	local function open(k)
		local found = table_.cache:get(k);
		if not found then
			found = {};
			table_.cache:set(k, found);
		end
		return found;
	end

	function conversations.open(contact, user)
		return open(key(contact, user));
	end

	function conversations.close(contact, user)
		table_.cache:set(key(contact, user), nil);
	end

	-- The contact sent a message: with a state (it supports them), or content without one (it does not: E13).
	function conversations.heard(contact, user, has_state)
		conversations.open(contact, user).states = has_state;
	end

	-- As heard(), where the core has made the key (bridge:carry).
	function conversations.heard_key(k, has_state)
		open(k).states = has_state;
	end

	return conversations;
end

return { new = new; CONVERSATIONS_MAX = CONVERSATIONS_MAX };
