-- mod_test_end: a Prosody that has left its starter (-D) ends by itself, should the test not live to end it.
-- luacheck: globals module prosody
-- SPDX-License-Identifier: MIT

module:set_global();

local SECONDS = 300;

local shutdown = prosody.shutdown;

module:add_timer(SECONDS, function ()
	shutdown("The test is over");
end);
