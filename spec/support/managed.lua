-- managed.lua: a managed file of its own for the specs about it, with comments wherever there can be some.
-- SPDX-License-Identifier: MIT

local lfs = require "lfs";
local support = require "spec.support.module";

local rig = { HOST = "contoso.com" };

-- A module whose libraries have it as well.
rig.module = {};
function rig.module.require(_, name) return support.lib(name, rig.module); end

rig.FILE = [==[
-- header of ours

-- and of somebody else

return {
	["contoso.com"] = {
		-- about all partners
		lync_partners = {
			-- contract 4711
			-- until 2027
			["fabrikam.com"] = {
				partner_type = "federated"; -- by the book
				-- the list
				additional_domains = { "na.fabrikam.com", "eu.fabrikam.com" };
				support_dialback_negotiation = false;
			}; -- behind it
			["acme.example"] = {
				partner_type = "public_unverified";
				support_dialback_negotiation = false;
			};
			-- before the brace
		};
		lync_gateway_settings = {
			keep_alive_interval = 120;
			dialback_passphrase = "correct horse";
		};
	};
}
-- the end
]==];

function rig.write(path, text)
	local f = assert(io.open(path, "w"));
	f:write(text);
	f:close();
end

--- nil: there is none.
function rig.read(path)
	local f = io.open(path);
	if not f then return nil; end
	local text = f:read("a");
	f:close();
	return text;
end

--- A directory -> the managed file's path in it.
function rig.directory()
	local directory = os.tmpname();
	os.remove(directory);
	assert(lfs.mkdir(directory));
	return directory, directory.."/lync-partners.cfg.lua";
end

function rig.remove(directory)
	for name in lfs.dir(directory) do
		os.remove(directory.."/"..name);
	end
	assert(lfs.rmdir(directory));
end

--- Its files, sorted.
function rig.files(directory)
	local names = {};
	for name in lfs.dir(directory) do
		if name:sub(1, 1) ~= "." then table.insert(names, name); end
	end
	table.sort(names);
	return names;
end

return rig;
