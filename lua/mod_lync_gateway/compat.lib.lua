-- What differs between Prosody 0.12 and 13.0, and where the C core is found.
-- SPDX-License-Identifier: MIT

local timer = require "util.timer";

local compat = {};

-- COMPAT(0.12): prosody.state came with 13.0; 0.12 sets start_time just before "server-started".
function compat.is_running(prosody)
	if prosody.state ~= nil then
		return prosody.state == "running";
	end
	return prosody.start_time ~= nil;
end

function compat.is_server(prosody)
	return prosody.process_type ~= "prosodyctl";
end

-- COMPAT(0.12, 13.0): package.cpath lacks the tree that `prosodyctl install` writes to.
function compat.add_cpath(package, prosody, directory)
	local wanted = {};
	if prosody.paths and prosody.paths.installer then
		wanted[#wanted+1] = prosody.paths.installer.."/lib/lua/5.4/?.so";
	end
	if directory then
		wanted[#wanted+1] = directory.."/?.so";
	end
	for _, entry in ipairs(wanted) do
		if not (";"..package.cpath..";"):find(";"..entry..";", 1, true) then
			package.cpath = package.cpath..";"..entry;
		end
	end
end

-- Prosody's own idea of which certificate belongs to a name; nil where certmanager does not tell.
function compat.find_host_cert(name)
	local ok, certmanager = pcall(require, "core.certmanager");
	if not ok or type(certmanager) ~= "table" or not certmanager.find_host_cert then
		return nil;
	end
	local found;
	ok, found = pcall(certmanager.find_host_cert, name);
	return ok and found or nil;
end

-- Timers that do not die with the module: the bridge outlives a reload. The callback may not return anything.
function compat.timer(delay, callback)
	local id = timer.add_task(delay, function ()
		callback();
	end);
	return {
		stop = function ()
			timer.stop(id);
		end;
	};
end

-- COMPAT(server_event): its watcher has no close.
function compat.close_watch(handle)
	if not handle then return; end
	if handle.close then
		handle:close();
	else
		handle:setflags(false, false);
	end
end

return compat;
