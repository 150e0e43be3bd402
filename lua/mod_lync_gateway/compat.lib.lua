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

-- The modules that the configuration gives to a host; nil where modulemanager does not tell. mod_s2s_auth_certs is
-- global: any VirtualHost brings it in.
function compat.modules_of(host)
	local modulemanager, config = require "core.modulemanager", require "core.configmanager";
	if not modulemanager.get_modules_for_host then return nil; end
	local ok, modules = pcall(modulemanager.get_modules_for_host, host);
	if not ok or not modules then return nil; end
	local names, has_auth_certs = {}, true;
	for name in modules do
		names[#names+1] = name;
	end
	for _, name in ipairs(config.get("*", "modules_disabled") or {}) do
		has_auth_certs = has_auth_certs and name ~= "s2s_auth_certs";
	end
	if has_auth_certs then
		names[#names+1] = "s2s_auth_certs";
	end
	return names;
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

-- "TLSv1.3", or nil in clear text. COMPAT(0.12): conn:ssl_info() came later.
function compat.tls_version(conn)
	if not conn then return nil; end
	local info;
	if conn.ssl_info then
		info = conn:ssl_info();
	else
		local sock = conn.socket and conn:socket();
		info = sock and sock.info and sock:info();
	end
	return type(info) == "table" and info.protocol or nil;
end

-- Whether s2sout-pre-connect is fired (0.12.4 and later).
function compat.has_pre_connect(prosody)
	local features = prosody.features;
	return type(features) == "table" and features.contains ~= nil and features:contains("s2sout-pre-connect-event");
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

-- Returns a function: how many handlers of an event stand between two priorities now. COMPAT(0.12, 13.0): util.events
-- makes a new list whenever one comes or goes, so looking again is rarely needed.
function compat.between(events, name, low, high)
	local seen, n;
	return function ()
		local list = events.get_handlers(name);
		if list ~= seen or not list then
			seen, n = list, 0;
			for _, priority in pairs(events._event_map[name] or {}) do
				if priority > low and priority < high then
					n = n + 1;
				end
			end
		end
		return n;
	end;
end

return compat;
