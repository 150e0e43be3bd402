-- The drop-in for systemd: systemd takes it, and the gateway works under what can be tried of it without systemd: no privileges,
-- its system calls alone, no code in memory that is written.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local Loop = require "spec.support.loop";
local World = require "spec.support.world";

local ROOT = process.here:match("^(.*)/spec/support/$");
local DROP_IN = ROOT .. "/conf.d/systemd/hardening.conf";
local FAKE_KERNEL = (os.getenv("LG_BUILD") or "build") .. "/test/fake-kernel";
local UNIT = "/lib/systemd/system/prosody.service";
local EXPOSURE_MAX = 2.0; -- of 10; Debian's unit has 9.2

local function readable(path)
	local f = io.open(path);
	if f then f:close(); end
	return f ~= nil;
end

local function run(loop, ...)
	return process.run(loop, { ... });
end

-- Names of the calls that the drop-in's lines allow, taken and withdrawn in their order.
local function allowed_calls(loop)
	local _, text = run(loop, "systemd-analyze", "syscall-filter", "--no-pager");
	local groups, group = {}, nil;
	for line in text:gmatch("[^\n]+") do
		local name = line:match("^(@[%w-]+)");
		if name then
			group = {};
			groups[name] = group;
		elseif group and line:match("^ +[@%w]") then
			group[#group + 1] = line:match("^ +([@%w_-]+)");
		end
	end
	local calls = {};
	local function each(name, allow)
		for _, member in ipairs(groups[name] or { name }) do
			if groups[member] then each(member, allow); else calls[member] = allow or nil; end
		end
	end
	each("@default", true);
	for line in io.lines(DROP_IN) do
		local refuse, names = line:match("^SystemCallFilter=(~?)(.*)$");
		for name in (names or ""):gmatch("%S+") do each(name, refuse == ""); end
	end
	return calls;
end

describe("the drop-in for systemd", function ()
	local loop, missing;
	setup(function ()
		loop = Loop.new();
		missing = not readable("/usr/bin/systemd-analyze") and "systemd-analyze is not installed"
			or not readable(UNIT) and "no unit of Debian's" or nil;
	end);
	teardown(function () loop:close(); end);

	it("is understood, and takes away what it says", function ()
		if missing then return pending(missing); end
		local directory = process.directory(loop, "units");
		os.execute(("mkdir %s/prosody.service.d && cp %s %s && cp %s %s/prosody.service.d/"):format(directory, UNIT, directory, DROP_IN,
			directory));
		local status, output = run(loop, "systemd-analyze", "verify", directory .. "/prosody.service");
		assert.is_nil(output:match("[^\n]*hardening%.conf[^\n]*"), output);
		assert.equal(0, status, output);
		status, output = process.run(loop, { "systemd-analyze", "security", "--offline=true", "--no-pager", "prosody.service" },
			{ env = { SYSTEMD_UNIT_PATH = directory .. ":" } });
		assert.equal(0, status, output);
		local exposure = tonumber(output:match("Overall exposure level for prosody.service: ([%d.]+)"));
		assert.is_true(exposure and exposure <= EXPOSURE_MAX, output);
	end);

	it("leaves the gateway what it needs", function ()
		if missing then return pending(missing); end
		local list, names = process.directory(loop, "calls") .. "/allowed", {};
		for name in pairs(allowed_calls(loop)) do names[#names + 1] = name; end
		assert.is_true(#names > 100);
		process.write(list, table.concat(names, "\n") .. "\n");
		local w = World.new { wrap = { "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", FAKE_KERNEL, "only", list,
			"--" } };
		local ok, err = xpcall(function ()
			local romeo, lena = w:contact("romeo"), w:lync_user("lena");
			local id = romeo:message(lena.address, "hardened", { receipt = true });
			lena:wait_message("hardened", 20);
			romeo:wait_receipt(id, 20);
			local output = w.gateway.process.output;
			assert.is_truthy(output:find("sandbox in force", 1, true) or output:find("sandbox is off: this is", 1, true)
				or output:find("sandbox incomplete", 1, true), output);
			-- as in the unit: nobody may do what the list does not name
			local f = assert(io.open(("/proc/%d/status"):format(w.gateway.process.pid)));
			local status = f:read("a");
			f:close();
			assert.is_truthy(status:find("Seccomp:%s+2"));
			assert.is_truthy(status:find("CapEff:%s+0000000000000000"));
		end, debug.traceback);
		w:finish();
		assert(ok, err);
	end);
end);
