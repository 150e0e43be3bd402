-- Where certificates, keys and requests lie, and how files get there: whole or not at all, with a backup, readable by
-- Prosody and by nobody else.
-- SPDX-License-Identifier: MIT

local lfs = require "lfs";
local pposix = require "util.pposix";
local new_id = require "util.id".short;
local resolve_path = require "util.paths".resolve_relative_path;

local program = module:require "program";

local files = {};

local EACCES = 13;

files.REQUESTS = "lync_certificates"; -- in Prosody's data: a key that waits is not for its index of certificates

-- The path as the administrator means it: prosodyctl has changed to Prosody's data directory by now.
function files.from_shell(path)
	return resolve_path(os.getenv("PWD") or lfs.currentdir(), path);
end

function files.exists(path)
	return lfs.symlinkattributes(path, "mode") ~= nil;
end

function files.read(path)
	local file, err = io.open(path, "rb");
	if not file then return nil, err; end
	local bytes = file:read("a");
	file:close();
	return bytes;
end

-- "0640", or nil
function files.mode(path)
	local permissions = lfs.attributes(path, "permissions");
	if not permissions then return nil; end
	local mode = 0;
	for i = 1, 9 do
		mode = mode << 1 | (permissions:sub(i, i) ~= "-" and 1 or 0);
	end
	return ("%04o"):format(mode);
end

-- user:group for what root writes, or nil. config: of configmanager
function files.owner(config)
	local global = config["*"] or {};
	if pposix.getuid() ~= 0 or global.run_as_root then return nil; end
	local user = global.prosody_user or "prosody";
	return ("%s:%s"):format(user, global.prosody_group or user);
end

-- Files made by call() have this mode at most, from the first moment on.
function files.with_mode(mode, call)
	local before = pposix.umask(("%04o"):format(~tonumber(mode, 8) & 511));
	local results = table.pack(pcall(call));
	pposix.umask(before);
	if not results[1] then error(results[2], 0); end
	return table.unpack(results, 2, results.n);
end

function files.chown(path, owner)
	if not owner then return true; end
	local ok, output = program.run { "chown"; "-h"; "--"; owner; path };
	return ok or nil, not ok and output:gsub("%s+$", "") or nil;
end

-- A file beside path with these bytes, on the disk. -> its path, or nil and why
function files.stage(path, bytes, mode, owner)
	local directory, name = path:match("^(.*)/([^/]*)$");
	local temporary = ("%s/.%s.%s"):format(directory, name, new_id());
	local ok, err = files.with_mode(mode, function ()
		local file, problem = io.open(temporary, "wb");
		if not file then return nil, problem; end
		local written = file:write(bytes);
		local closed = file:close();
		if not written or not closed then return nil, temporary..": cannot be written (disk full?)"; end
		return true;
	end);
	if ok then ok, err = files.chown(temporary, owner); end
	if not ok then
		os.remove(temporary);
		return nil, err;
	end
	program.run { "sync"; temporary };
	return temporary;
end

-- Bytes to a path, replaced at once. -> true, or nil and why
function files.write(path, bytes, mode, owner)
	local temporary, err = files.stage(path, bytes, mode, owner);
	if not temporary then return nil, err; end
	local ok;
	ok, err = os.rename(temporary, path);
	if not ok then
		os.remove(temporary);
		return nil, err;
	end
	return true;
end

-- As prosodyctl cert names them; a name with "fullchain" would be in Prosody's index of certificates.
function files.backup_name(path, now)
	local directory, name = path:match("^(.*)/([^/]*)$");
	return ("%s/%s.bkp~%s"):format(directory, (name:gsub("fullchain", "full-chain")), os.date("!%Y%m%dT%H%M%SZ", now));
end

-- A copy of what is there, not the thing itself: at no time is there nothing.
local function backup(path, owner, now)
	if not files.exists(path) then return nil; end
	local bytes, err = files.read(path);
	if not bytes then return false, err; end
	local name, n = files.backup_name(path, now), 1;
	local free = name;
	while files.exists(free) do
		n = n + 1;
		free = name.."-"..n;
	end
	local ok;
	ok, err = files.write(free, bytes, files.mode(path), owner);
	if not ok then return false, err; end
	return free;
end
files.backup = backup;

local function undo(list, staged, backups)
	for i, item in ipairs(list) do
		local saved = backups[i];
		if staged[i] then
			os.remove(staged[i]);
			if saved then os.remove(saved); end
		elseif staged[i] == false and saved then
			os.rename(saved, item.path);
		elseif staged[i] == false then
			os.remove(item.path);
		end
	end
end

-- list: { path, bytes, mode, owner }. All of them, or none: what is in the way is copied before, and comes back when
-- something fails. -> list of backups (false: there was nothing), or nil and why
function files.install(list, now)
	local staged, backups, err = {}, {}, nil;
	for i, item in ipairs(list) do
		staged[i], err = files.stage(item.path, item.bytes, item.mode, item.owner);
		if staged[i] then
			backups[i], err = backup(item.path, item.owner, now);
			backups[i] = backups[i] or false;
		end
		if err then break; end
	end
	for i, item in ipairs(err and {} or list) do
		local ok;
		ok, err = os.rename(staged[i], item.path);
		if not ok then break; end
		staged[i], err = false, nil;
	end
	if err then
		undo(list, staged, backups);
		return nil, err;
	end
	return backups;
end

-- The directory of requests, made when it is not there. -> path, or nil and why
function files.requests(data, owner)
	local directory = data.."/"..files.REQUESTS;
	if lfs.symlinkattributes(directory, "mode") == "directory" then return directory; end
	local ok, err = files.with_mode("0750", function () return lfs.mkdir(directory); end);
	if ok then ok, err = files.chown(directory, owner); end
	if not ok then return nil, ("%s: %s"):format(directory, err); end
	return directory;
end

-- A directory that nobody else can look into, for as long as call(path) runs: as root, nothing is made where the
-- server's user could lay a trap. -> results
function files.in_private(call)
	local ok, output = program.run { "mktemp"; "-d" };
	local directory = ok and output:match("^(/[^\n]+)\n$");
	if not directory then return nil, output; end
	local results = table.pack(pcall(call, directory));
	program.run { "rm"; "-rf"; "--"; directory };
	if not results[1] then error(results[2], 0); end
	return table.unpack(results, 2, results.n);
end

function files.list(directory, pattern)
	local names = {};
	if lfs.attributes(directory, "mode") == "directory" then
		for name in lfs.dir(directory) do
			local base = name:sub(1, 1) ~= "." and name:match(pattern);
			if base then names[#names+1] = base; end
		end
	end
	table.sort(names);
	return names;
end

-- Why a file cannot be put there, or nil.
function files.obstacle(path)
	local directory = path:match("^(.*)/[^/]*$");
	local target = lfs.symlinkattributes(path, "mode") == "link" and lfs.symlinkattributes(path, "target");
	if target then
		return ("%s is a symbolic link to %s: something else manages it; remove the link, or import there")
			:format(path, target);
	end
	local kind, _, errno = lfs.attributes(directory, "mode");
	if errno == EACCES then
		return ("%s: Prosody's user, who prosodyctl is now, may not go there; write to another directory (as in /tmp), "
			.."or run it as root: prosodyctl --root mod_lync_gateway certificate …"):format(directory);
	elseif kind ~= "directory" then
		return ("%s: no such directory; make it, or correct the path"):format(directory);
	end
	local temporary, err = files.stage(path, "", "0600");
	if temporary then
		os.remove(temporary);
		return nil;
	end
	return ("%s: cannot be written (%s); run it as root: prosodyctl --root mod_lync_gateway certificate …")
		:format(directory, (err:match("[^:]*$"):gsub("^%s+", "")));
end

return files;
