-- mod_test_probe: sends messages from the host it is loaded on when a test says so, and tells which came back as errors.
-- SPDX-License-Identifier: MIT
--
-- test_probe = "127.1.2.3:5300": where it listens. A line "send ID DOMAIN" sends <message id=ID from=probe@HOST to=probe@DOMAIN/>;
-- an error for it becomes the line "error ID TYPE CONDITION".

-- luacheck: globals module

local server = require "net.server";
local st = require "util.stanza";

local AFTER_GATE, BEFORE_HANDLERS = 1000, 100; -- priorities of the gateway
local user = "probe@"..module.host;
local testers = {};

local function take(line)
	local id, domain = line:match("^send (%S+) (%S+)$");
	if not id then return; end
	module:send(st.message({ type = "chat"; id = id; from = user; to = "probe@"..domain }, id));
end

module:hook("message/bare", function (event)
	local stanza = event.stanza;
	if stanza.attr.to ~= user or stanza.attr.type ~= "error" then return; end
	local kind, condition = stanza:get_error();
	for conn in pairs(testers) do
		conn:write(("error %s %s %s\n"):format(stanza.attr.id, kind, condition));
	end
	return true;
end, (AFTER_GATE + BEFORE_HANDLERS) / 2);

local listener = {
	onconnect = function (conn) testers[conn] = ""; end;
	ondisconnect = function (conn) testers[conn] = nil; end;
	onincoming = function (conn, bytes)
		testers[conn] = (testers[conn]..bytes):gsub("([^\n]*)\n", function (line) take(line); return ""; end);
	end;
};

local address, port = module:get_option_string("test_probe"):match("^(.*):(%d+)$");
local handle = assert(server.listen(address, tonumber(port), listener, { read_size = "*a" }));

function module.unload()
	handle:close();
end
