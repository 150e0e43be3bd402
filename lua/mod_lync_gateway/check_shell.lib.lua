-- What `check` needs of this machine and of Prosody: files, processes, DNS, storage.
-- SPDX-License-Identifier: MIT

local lfs = require "lfs";
local socket = require "socket";
local ssl = require "ssl";
local config = require "core.configmanager";
local idna_to_ascii = require "util.encodings".idna.to_ascii;
local net = require "util.net";
local getuid = require "util.pposix".getuid;
local paths = require "util.paths";

local compat = module:require "compat";
local locations = module:require "certificate_locations";
local lookup = module:require "lookup";
local program = module:require "program";

local prosody, package = prosody, package;
local load_certificate, new_context = ssl.loadcertificate, ssl.newcontext;

local shell = {
	ask = lookup.ask;
	now = os.time; load_certificate = load_certificate; new_context = new_context; to_ascii = idna_to_ascii;
	id = require "util.id".medium; modules = compat.modules_of;
};

-- What Prosody would log meanwhile goes to the terminal, into our output; check says it in its own words.
function shell.quiet()
	require "util.logger".reset();
end

-- ---- files and processes

function shell.read(path)
	local f = io.open(path, "rb");
	local text = f and f:read(1024 * 1024);
	if f then f:close(); end
	return text;
end

-- Prosody's user, where we are root and the server will not be; else nil.
local function other_user()
	if getuid() ~= 0 or config.get("*", "run_as_root") == true then return nil; end
	return tostring(config.get("*", "prosody_user") or "prosody");
end

-- Does test(1) say so, for Prosody's user? -> boolean; nil: test did not say
local function test(what, path, user)
	local argv = { "test"; what; path };
	if user then argv = { "runuser"; "-u"; user; "--"; table.unpack(argv) }; end
	local ok, _, status = program.run(argv);
	if ok or status == 1 then return ok; end
end

-- May Prosody read it? -> boolean, why not
function shell.readable(path)
	local f, err = io.open(path, "rb");
	if f then
		local ok, problem = f:read(0);
		f:close();
		if not ok and problem then
			return false, ("%s: %s"):format(path, problem); -- a directory
		end
	else
		return false, err;
	end
	local user = other_user();
	if user and test("-r", path, user) == false then
		return false, ("%s: the user %s may not read it"):format(path, user);
	end
	return true;
end

function shell.open_to_all(path)
	local permissions = lfs.attributes(path, "permissions") or "";
	if permissions:sub(7, 7) ~= "r" then return false; end
	-- unless a directory above lets nobody through
	local directory = path:match("^(/.*)/[^/]*$");
	while directory and directory ~= "" do
		if (lfs.attributes(directory, "permissions") or ""):sub(9, 9) == "-" then return false; end
		directory = directory:match("^(.*)/[^/]*$");
	end
	return true;
end

-- ---- certificates of Prosody

-- The files that Prosody gives a host's streams: { certificate, key, cafile, capath, password } | nil, why
function shell.certificate_of(host)
	local files, why = locations.tls_of(host);
	if not files or not files.certificate then
		return nil, why or "Prosody has none for it";
	end
	local has_directory = files.capath and lfs.attributes(files.capath, "mode") == "directory";
	return { certificate = files.certificate; key = files.key; cafile = files.cafile;
		capath = has_directory and files.capath or nil;
		password = type(files.password) == "string" and files.password or nil };
end

-- ---- addresses

-- This server's addresses: of its interfaces, of the ports it is told to open, of external_addresses. -> set, list
function shell.addresses(listen)
	local set, list = {}, {};
	local function add(address)
		address = type(address) == "string" and address:gsub("^%[(.*)%]$", "%1") or "";
		local packed = net.pton(address);
		address = packed and net.ntop(packed) or address; -- one spelling of each
		if packed and not set[address] then
			set[address] = true;
			if packed:find("[^%z]") then list[#list+1] = address; end -- "any" is no address
		end
	end
	local given = config.get("*", "external_addresses");
	for _, address in ipairs(type(given) == "table" and given or {}) do add(address); end
	for _, address in ipairs(net.local_addresses("both", false) or {}) do add(address); end
	for _, key in ipairs { "s2s_interfaces"; "interfaces" } do
		local interfaces = config.get("*", key);
		for _, address in ipairs(type(interfaces) == "table" and interfaces or { interfaces }) do add(address); end
	end
	for _, entry in ipairs(listen or {}) do add(entry:match("^(.*):%d+$")); end
	return set, list;
end

function shell.is_address(text)
	return net.pton(text) ~= nil;
end

-- ---- worker

local function first_word(bridge, seconds)
	local fd = { getfd = function () return bridge:fd(); end; dirty = function () return false; end };
	local deadline = socket.gettime() + seconds;
	while socket.gettime() < deadline do
		socket.select({ fd }, nil, math.max(0, math.min(0.5, deadline - socket.gettime())));
		local event = bridge:next();
		while event do
			if event.type == "worker" then return event; end
			event = bridge:next();
		end
	end
end

-- Start the worker with settings that it has to refuse (an address that no machine has, a certificate that does not
-- exist): it opens no port, and that it refuses them for such a reason says that it runs and understands us.
local NO_ADDRESS, NO_FILE = "192.0.2.1:5061", "/nonexistent/lync-gateway-check";

function shell.worker(core, seconds)
	local facts = { core_version = core.version };
	local so = package.searchpath("lync_gateway.core", package.cpath);
	local _, resolved = program.run { "realpath"; so or "" };
	local real = resolved:match("^(/[^\n]*)") or so;
	local directory = real and real:match("^(.*)/");
	facts.path = directory and paths.join(directory, "sipbridge-worker");
	facts.found = facts.path ~= nil and lfs.attributes(facts.path, "mode") == "file";
	facts.executable = facts.found and test("-x", facts.path, other_user()) == true;
	if not facts.executable then return facts; end
	local ok, bridge, _, text = pcall(core.bridge, { worker = facts.path; fqdn = "check.invalid";
		listen = { NO_ADDRESS }; certificate = NO_FILE; key = NO_FILE; domains = {} });
	if not ok or not bridge then
		facts.reason = tostring(ok and text or bridge);
		return facts;
	end
	local event = first_word(bridge, seconds);
	bridge:close();
	local reason = event and event.reason or "";
	facts.reason = event and event.reason;
	facts.started = event ~= nil and event.status == -1
		and (reason:find(NO_FILE, 1, true) or reason:find(NO_ADDRESS, 1, true)) ~= nil;
	return facts;
end

-- ---- storage

function shell.storage(host)
	local storagemanager = require "core.storagemanager";
	local facts = {};
	local ok, err = pcall(function ()
		storagemanager.initialize_host(host); -- prosodyctl's hosts are not
		local _, driver = storagemanager.get_driver(host, "lync_subscriptions");
		facts.driver = type(driver) == "string" and driver or nil;
		local store, problem = storagemanager.open(host, "lync_subscriptions", "keyval");
		if not store then error(problem, 0); end
		local _, reason = store:get("lync-gateway-check"); -- of nobody: nothing is found, or it fails
		if reason then error(reason, 0); end
	end);
	facts.opened, facts.error = ok, not ok and tostring(err) or nil;
	if not ok or facts.driver ~= "internal" then return facts; end
	local data = prosody.paths.data;
	if not test("-w", data, other_user()) then
		facts.opened, facts.error = false, data..": Prosody's user may not write there";
	end
	return facts;
end

return shell;
