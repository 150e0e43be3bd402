-- mod_test_secure: a third party's module that looks whether a stream is encrypted when it is established, and tells the log.
-- SPDX-License-Identifier: MIT
--
-- Lines: "seen EVENT: host=H remote=R secure=true|false by=global|host".

-- luacheck: globals module

module:set_global();

local function look(by, host, name)
	return function (event)
		local session = event.session;
		if host and session.host ~= host then return; end
		local remote = session.direction == "outgoing" and session.to_host or session.from_host;
		module:log("info", "seen %s: host=%s remote=%s secure=%s by=%s", name, session.host, remote,
			tostring(session.secure == true), by);
	end;
end

for _, name in ipairs { "s2sin-established", "s2sout-established" } do
	for _, priority in ipairs { 99999, 1000, 0, -1000 } do
		module:hook_global(name, look("global", nil, name), priority);
	end
end

function module.add_host(module) -- luacheck: ignore 431/module
	for _, name in ipairs { "s2sin-established", "s2sout-established" } do
		module:hook(name, look("host", module.host, name), 100000);
		module:hook(name, look("host", module.host, name));
	end
end
