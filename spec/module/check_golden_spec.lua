-- Golden files of the configuration's lint: spec/golden/check/NN-NAME.cfg is a configuration of Prosody, NN-NAME.txt what
-- `prosodyctl mod_lync_gateway check --offline` prints about it, to the letter, but for certificates, worker and storage.
-- SPDX-License-Identifier: MIT
--
-- LG_GOLDEN=write writes the .txt files anew: look at them before you commit them. A handful goes through the real prosodyctl.

local support = require "spec.support.module";
local core = require "lync_gateway.core";
local lfs = require "lfs";
local Loop = require "spec.support.loop";
local process = require "spec.support.process";

local DIRECTORY = "spec/golden/check/";
local REAL = { "01"; "04"; "06"; "50"; "57"; "58"; "73"; "76"; "77"; "78" };

local function read(path)
	local f = assert(io.open(path));
	local text = f:read("a");
	f:close();
	return text;
end

-- The libraries of the command; what looks at the machine finds nothing to say here.
local loaded = {};
local fake = {};
function fake:require(name)
	if name == "check_worker" then
		return { judge_worker = function () return {}; end; judge_storage = function () return {}; end };
	elseif name == "check_certificate" then
		local function nothing() return {}; end
		return { facts = nothing; judge = nothing; bridge_names = nothing; domain_names = nothing };
	end
	loaded[name] = loaded[name] or support.lib(name, self);
	return loaded[name];
end

-- A file of Prosody's configuration -> host -> options; those of a host fall back on the global ones.
local function parse(path)
	local config = { ["*"] = {} };
	local mt = { __index = function (_, key) return config["*"][key]; end };
	local current = config["*"];
	local function host(name, more)
		config[name] = setmetatable(more or {}, mt);
		current = config[name];
	end
	local env = setmetatable({}, { __newindex = function (_, key, value) current[key] = value; end });
	rawset(env, "VirtualHost", function (name) host(name); end);
	rawset(env, "Component", function (name)
		host(name, { component_module = "component" });
		return function (kind) config[name].component_module = kind; end;
	end);
	assert(loadfile(path, "t", env))();
	return config;
end

-- As compat.modules_of: those that Prosody loads by itself, the global ones, the host's; a component inherits few.
local INHERITED = { tls = true; saslauth = true; dialback = true; iq = true; s2s = true; s2s_bidi = true; smacks = true };
local function modules_of(config, host)
	local names, off = {}, {};
	for _, name in ipairs(config["*"].modules_disabled or {}) do off[name] = true; end
	local component = rawget(config[host], "component_module");
	for _, name in ipairs { "s2s", "s2s_auth_certs", table.unpack(config["*"].modules_enabled or {}) } do
		if not off[name] and (not component or INHERITED[name] or name == "s2s_auth_certs") then names[#names + 1] = name; end
	end
	for _, name in ipairs(rawget(config[host], "modules_enabled") or {}) do names[#names + 1] = name; end
	return names;
end

local function run(path, ...)
	local config, lines = parse(path), {};
	local options, plan = fake:require "options", fake:require "plan";
	local env = {
		core = core; config = config; print = function (line) lines[#lines + 1] = line; end;
		load = function (host)
			return options.load(core, host, {
				get = function (key) return config[host][key]; end; config_path = "/etc/prosody";
				find_host_cert = function (name) return { certificate = "/etc/prosody/certs/"..name..".crt";
					key = "/etc/prosody/certs/"..name..".key" }; end;
				modules = function () return modules_of(config, host); end;
			});
		end;
		conflicts = function (hosts)
			local _, problems = plan.make(hosts, function () end, fake:require "bridge".equal);
			return problems;
		end;
		check = {
			modules = function (host) return modules_of(config, host); end; now = os.time;
			certificate_of = function () return {}; end; worker = function () end; storage = function () end;
		};
	};
	local status = fake:require "command".run(env, { "check", "--offline", ... });
	return table.concat(lines, "\n").."\n", status;
end

local function names()
	local list = {};
	for file in lfs.dir(DIRECTORY) do
		list[#list + 1] = file:match("^(%d%d%-.*)%.cfg$");
	end
	table.sort(list);
	return list;
end

describe("check --offline of", function ()
	for _, name in ipairs(names()) do
		it(name, function ()
			local output, status = run(DIRECTORY..name..".cfg");
			output = output.."status "..status.."\n";
			if os.getenv("LG_GOLDEN") == "write" then process.write(DIRECTORY..name..".txt", output); end
			assert.equal(read(DIRECTORY..name..".txt"), output);
		end);
	end

	it("has enough of them", function () assert.is_true(#names() >= 40); end);
end);

describe("the real prosodyctl says the same of", function ()
	local loop, directory;
	setup(function ()
		loop = Loop.new();
		directory = process.directory(loop, "golden");
		assert(os.execute(("mkdir -p %s/data %s/certs"):format(directory, directory)));
	end);
	teardown(function () loop:close(); end);

	local here = process.here:match("^(.*)/spec/support/$");
	local HEAD = ("run_as_root = true; pidfile = %%q; data_path = %%q; certificates = %%q; plugin_paths = { %q }\n")
		:format(here.."/lua")
		.. "log = { { levels = { min = \"error\" }, timestamps = false, to = \"file\", filename = \"/dev/null\" } }\n";

	-- What both have: the lines about configuration and Prosody's options.
	local function lines(output)
		local kept = {};
		for line in output:gmatch("[^\n]+") do
			if line:match("^%S+%.%S+$") or line:match("^  %l+ +configuration ") or line:match("^  %l+ +prosody ")
				or line:match("^error: ") then
				kept[#kept + 1] = line;
			end
		end
		return kept;
	end

	for _, name in ipairs(names()) do
		local number = name:match("^%d%d");
		for _, wanted in ipairs(REAL) do
			if wanted == number then
				it(name, function ()
					local config = process.write(directory.."/prosody.cfg.lua", HEAD:format(directory.."/pid", directory.."/data",
						directory.."/certs")..read(DIRECTORY..name..".cfg"));
					local build = os.getenv("LG_BUILD") or "build";
					if build:sub(1, 1) ~= "/" then build = here.."/"..build; end
					local _, output = process.run(loop, { "prosodyctl", "--root", "--config", config, "mod_lync_gateway", "check",
						"--offline" }, { env = { LUA_CPATH = build.."/?.so;;" }; quiet = true });
					assert.same(lines(read(DIRECTORY..name..".txt")), lines(output));
				end);
			end
		end
	end
end);
