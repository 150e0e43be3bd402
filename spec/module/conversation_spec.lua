-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

local conversation_lib = support.lib("conversation");
local ROMEO, JULIET = "romeo@fabrikam.com/orchard", "juliet@contoso.com";

describe("conversations", function ()
	local kept, conversations;
	before_each(function ()
		kept = {};
		conversations = conversation_lib.new(kept);
	end);

	it("are of bare addresses, and know what was heard last", function ()
		assert.is_nil(conversations.get(ROMEO, JULIET));
		conversations.heard(ROMEO, JULIET, true);
		assert.is_true(conversations.get("romeo@fabrikam.com", JULIET).states);
		conversations.heard_key(JULIET.."\0romeo@fabrikam.com", false);
		assert.is_false(conversations.get(ROMEO, JULIET).states);
		conversations.close(ROMEO, JULIET);
		assert.is_nil(conversations.get(ROMEO, JULIET));
	end);

	-- Else the core would think that what it said is still known (bridge:carry).
	it("have another epoch whenever something that was known is gone", function ()
		local function changes(fn, ...)
			local before = kept.epoch;
			fn(...);
			return kept.epoch ~= before;
		end
		assert.is_true(changes(conversations.heard, ROMEO, JULIET, true));
		assert.is_false(changes(conversations.heard, ROMEO, JULIET, true));
		assert.is_true(changes(conversations.heard, ROMEO, JULIET, false));
		assert.is_false(changes(conversations.heard_key, JULIET.."\0romeo@fabrikam.com", true));
		assert.is_false(changes(conversations.open, ROMEO, JULIET));
		assert.is_true(changes(conversations.close, ROMEO, JULIET));
		local epoch = kept.epoch;
		conversations = conversation_lib.new(kept); -- a reload
		assert.equal(epoch, kept.epoch);
	end);

	it("have another epoch when the oldest one makes room, also after a reload", function ()
		conversations.heard("first@fabrikam.com", JULIET, true);
		for i = 2, conversation_lib.CONVERSATIONS_MAX do conversations.open(("c%d@fabrikam.com"):format(i), JULIET); end
		conversations = conversation_lib.new(kept);
		local epoch = kept.epoch;
		conversations.open("one-more@fabrikam.com", JULIET);
		assert.is_nil(conversations.get("first@fabrikam.com", JULIET));
		assert.is_true(kept.epoch ~= epoch);
	end);
end);
