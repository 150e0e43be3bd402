-- Files that a command replaces: whole or not at all, with a backup, and not what somebody else has just written.
-- SPDX-License-Identifier: MIT

local lfs = require "lfs";
local random_bytes = require "util.random".bytes;
local to_hex = require "util.hex".to;

local program = module:require "program";

local file = {};

local SIZE_MAX = 8 * 1024 * 1024; -- bytes
local ENOENT = 2;
local LINKS_MAX = 8;

-- Where a symbolic link leads to: that file is replaced, the link stays.
function file.real(path)
	for _ = 1, LINKS_MAX do
		if lfs.symlinkattributes(path, "mode") ~= "link" then break; end
		local target = lfs.symlinkattributes(path, "target");
		if not target then break; end
		path = target:sub(1, 1) == "/" and target or path:match("^(.*/)").. target;
	end
	return path;
end

-- -> text | nil: there is none | nil, why it cannot be read
function file.read(path)
	local f, err, code = io.open(path, "rb");
	if not f then
		if code == ENOENT then return nil; end
		return nil, err;
	end
	local text;
	text, err = f:read(SIZE_MAX + 1);
	f:close();
	if not text and err then
		return nil, path..": "..err;
	elseif text and #text > SIZE_MAX then
		return nil, ("%s: more than %d bytes"):format(path, SIZE_MAX);
	end
	return text or "";
end

local function fill(temporary, text, reference)
	local f, err = io.open(temporary, "wb");
	if not f then return nil, err; end
	-- Owner and mode before the first byte: the file may hold the dialback passphrase.
	if reference and not program.run { "cp"; "--attributes-only";
			"--preserve=mode,ownership"; "--"; reference; temporary } then
		f:close();
		return nil, ("%s: cannot be given owner and mode of %s"):format(temporary, reference);
	end
	local ok;
	ok, err = f:write(text);
	if ok then
		ok, err = f:flush();
	end
	local closed, close_err = f:close();
	if not ok or not closed then
		return nil, temporary..": "..tostring(err or close_err);
	end
	program.run { "sync"; "--"; temporary }; -- not everywhere; then the system does it in its own time
	return true;
end

-- new: the file may not be there yet.
local function put(temporary, path, new)
	if new then
		local ok, err = lfs.link(temporary, path);
		if ok then
			os.remove(temporary);
			return true;
		elseif lfs.attributes(path) then
			return nil, err;
		end -- a file system without hard links
	end
	return os.rename(temporary, path);
end

-- The name of the temporary file says nothing to anybody.
local function plainly(err, temporary, path)
	local from, to = err:find(temporary, 1, true);
	return from and err:sub(1, from - 1)..path..err:sub(to + 1) or err;
end

local function write(path, text, reference, new)
	local temporary = path.."."..to_hex(random_bytes(6));
	local ok, err = fill(temporary, text, reference);
	if ok then
		ok, err = put(temporary, path, new);
	end
	if not ok then
		os.remove(temporary);
		return nil, plainly(err, temporary, path);
	end
	program.run { "sync"; "--"; path:match("^(.*)/") or "." };
	return true;
end

-- The file, locked (until it is closed or we end), if it still is what was read.
local function hold(path, old)
	local before = lfs.attributes(path, "ino");
	local f, err = io.open(path, "r+b");
	if not f then return nil, err; end
	local locked = lfs.lock(f, "w");
	if not locked or lfs.attributes(path, "ino") ~= before or f:read("a") ~= old then
		f:close();
		return nil, path..": somebody else is changing it; nothing is written, try again";
	end
	return f;
end

-- Put new in place of old (nil: there was no file), which becomes path.bak. A file that is new gets owner and mode of
-- reference. -> true | nil, error
function file.replace(path, old, new, reference)
	path = file.real(path);
	if old == nil then
		if lfs.attributes(path) then
			return nil, path..": somebody else has just made it; nothing is written, try again";
		end
		return write(path, new, reference and lfs.attributes(reference) and reference or nil, true);
	end
	local lock, err = hold(path, old);
	if not lock then return nil, err; end
	local ok;
	ok, err = write(path..".bak", old, path);
	if ok then
		ok, err = write(path, new, path);
	end
	lock:close();
	return ok, err;
end

return file;
