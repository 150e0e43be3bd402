-- The worker's sandbox in a real worker: what is in force, what goes on working in it (certificates above all), what is said where
-- it is off, incomplete or cannot be made.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local World = require "spec.support.world";

local BRIDGE = "xmpp.contoso.com";
local FAKE_KERNEL = (os.getenv("LG_BUILD") or "build") .. "/test/fake-kernel";
local WAIT = 20; -- seconds, of what takes none

local function proc(pid, file)
	local f = assert(io.open(("/proc/%d/%s"):format(pid, file)));
	local text = f:read("a");
	f:close();
	return text;
end

local function status_of(w)
	local text, found = proc(w:worker_pid(), "status"), {};
	for key, value in text:gmatch("(%w+):%s+([^\n]*)") do found[key] = value; end
	return found;
end

-- A build that cannot have one (sanitizers) has nothing to show.
local function impossible(w)
	return w.gateway.process.output:match("sandbox is off: this is ([^\n(]*)");
end

local function logged(w, pattern)
	return select(2, w.gateway.process.output:gsub(pattern, ""));
end

local function both_ways(w, text)
	local romeo, lena = w:contact("romeo"), w:lync_user("lena");
	local id = romeo:message(lena.address, text, { receipt = true });
	lena:wait_message(text, WAIT);
	romeo:wait_receipt(id, WAIT);
	lena:open(romeo.jid, text .. " back", { embed = false });
	romeo:wait_message(text .. " back", WAIT);
end

local function reload(w, old, new)
	local before = logged(w, "configured bridge:");
	w.gateway:reload(old, new);
	w.loop:wait(function () return logged(w, "configured bridge:") > before; end, WAIT, "the bridge to be configured");
end

local function lync_status(w)
	local output, status = w.gateway:ctl("shell", "lync", "status");
	assert.equal(0, status, output);
	return output;
end

describe("the worker's sandbox", function ()
	local w, skip;
	setup(function ()
		w = World.new();
		skip = impossible(w);
		both_ways(w, "before anything");
	end);
	teardown(function () w:finish(); end);

	it("is in force, says the kernel", function ()
		if skip then return pending(skip); end
		local found = status_of(w);
		assert.equal("1", found.NoNewPrivs);
		for _, set in ipairs { "CapInh", "CapPrm", "CapEff", "CapAmb" } do
			assert.equal("0000000000000000", found[set], set);
		end
		local limits = proc(w:worker_pid(), "limits");
		assert.is_truthy(limits:find("Max core file size +0 +0 "), limits);
		assert.is_truthy(limits:find("Max processes +0 +0 "), limits);
		assert.is_truthy(limits:find("Max address space +2147483648 +2147483648 "), limits);
		local output = w.gateway.process.output;
		local said = output:match("sandbox in force: ([^\n]*)") or output:match("sandbox incomplete: ([^\n]*)");
		if said:find("system calls filtered", 1, true) then assert.equal("2", found.Seccomp); end
		assert.is_truthy(lync_status(w):find("  sandbox  no privileges, ", 1, true));
		assert.is_truthy(lync_status(w):find(", 2048 MiB of memory\n", 1, true));
	end);

	it("can read every character set that it takes", function ()
		local romeo = w:contact("romeo");
		local conversation = w:lync_user("lena"):open(romeo.jid, "in UTF-8", { embed = false }):wait_open();
		for charset, bytes in pairs { ["windows-1252"] = "caf\xe9 \x80"; ["iso-8859-1"] = "caf\xe9 1"; ["us-ascii"] = "cafe";
			["utf-8"] = "caf\u{e9}" } do
			local said = conversation:say(bytes, { type = "text/plain; charset=" .. charset });
			assert.equal(200, (said:wait()), charset);
		end
		for _, text in ipairs { "caf\u{e9} \u{20ac}", "caf\u{e9} 1", "cafe", "caf\u{e9}" } do romeo:wait_message(text, WAIT); end
	end);

	-- The certificate that the Edge sees when the bridge connects to it again.
	local function wait_serial(cert)
		local _, wanted = process.run(w.loop, { "openssl", "x509", "-noout", "-serial", "-in", cert });
		wanted = wanted:match("serial=(%x+)"):lower():gsub("^0+", "");
		w.edge:drop();
		w:contact("romeo"):message("lena@contoso.com", "so that it connects");
		w.loop:wait(function ()
			local conn = next(w.edge.listener.connections);
			local got = conn and conn.ready and conn:certificate();
			return got and got:serial():lower():gsub("^0+", "") == wanted;
		end, WAIT, "a connection with the certificate " .. wanted);
	end

	it("takes a renewed certificate that is moved over the old one", function ()
		local pid, new = w:worker_pid(), w.ca:issue("renewed", { names = { BRIDGE } });
		assert(os.rename(new.cert, w.bridge_cert.cert));
		assert(os.rename(new.key, w.bridge_cert.key));
		reload(w);
		wait_serial(w.bridge_cert.cert);
		both_ways(w, "with the renewed one");
		assert.equal(pid, w:worker_pid());
	end);

	it("gives way to another worker when the certificate moves, and takes links that are turned, as certbot's", function ()
		local live = process.directory(w.loop, "live");
		local pid, deaths = w:worker_pid(), logged(w, "lost worker:");
		local function install(n)
			local new = w.ca:issue("certbot" .. n, { names = { BRIDGE } });
			for name, file in pairs { fullchain = new.cert; privkey = new.key } do
				local archived = ("%s/archive/%s%d.pem"):format(live, name, n);
				os.execute(("mkdir -p %s/archive %s/live && mv %s %s && ln -sfn ../archive/%s%d.pem %s/live/%s.pem"):format(live, live, file,
					archived, name, n, live, name));
			end
		end
		install(1);
		reload(w, ("certificate = %q; key = %q"):format(w.bridge_cert.cert, w.bridge_cert.key),
			("certificate = %q; key = %q"):format(live .. "/live/fullchain.pem", live .. "/live/privkey.pem"));
		if w.gateway.process.output:find(" by Landlock ", 1, true) then
			w.gateway:wait_log("replacing worker: the settings name files or ports outside of its sandbox", WAIT);
			w.loop:wait(function () return w:worker_pid() ~= pid; end, WAIT, "another worker");
			assert.equal(deaths + 1, logged(w, "lost worker:"));
		end
		wait_serial(live .. "/live/fullchain.pem");
		both_ways(w, "from another folder");
		pid = w:worker_pid();
		install(2);
		reload(w);
		wait_serial(live .. "/archive/fullchain2.pem");
		both_ways(w, "by a link that was turned");
		assert.equal(pid, w:worker_pid());
	end);

	it("is changed by another worker: off, less memory, on", function ()
		local pid = w:worker_pid();
		local function change(old, new)
			w.gateway:reload(old, new);
			w.loop:wait(function () return w:worker_pid() ~= pid; end, WAIT, "another worker");
			pid = w:worker_pid();
			both_ways(w, "with " .. new);
		end
		change("lync_bridge_wire =", "lync_bridge_sandbox = false\n\tlync_bridge_wire =");
		w.gateway:wait_log("restarting bridge: its sandbox changed");
		w.gateway:wait_log("sandbox is off: lync_bridge_sandbox says so");
		local found = status_of(w);
		assert.equal("0", found.Seccomp);
		assert.equal("0", found.NoNewPrivs);
		assert.is_truthy(lync_status(w):find("  sandbox  off", 1, true));
		change("lync_bridge_sandbox = false", "lync_bridge_sandbox = false; lync_bridge_memory = 256");
		if not skip then
			assert.is_truthy(proc(pid, "limits"):find("Max address space +268435456 +268435456 "));
		end
		change("lync_bridge_sandbox = false; lync_bridge_memory = 256", "");
		assert.equal(skip and "0" or "1", status_of(w).NoNewPrivs);
	end);
end);

-- Prosody and its worker on a kernel that lacks something.
local function kernel(words, options)
	options.wrap = { FAKE_KERNEL; table.unpack(words) };
	options.wrap[#options.wrap + 1] = "--";
	return World.new(options);
end

describe("a kernel without Landlock", function ()
	local w;
	setup(function () w = kernel({ "landlock" }, {}); end);
	teardown(function () w:finish(); end);

	it("still has the rest; the log and the status say what is missing", function ()
		if impossible(w) then return pending(impossible(w)); end
		w.gateway:wait_log("sandbox incomplete: no privileges, system calls filtered, files not restricted %(no Landlock here%)");
		assert.is_truthy(lync_status(w):find("files not restricted (no Landlock here)", 1, true));
		both_ways(w, "without Landlock");
	end);
end);

describe("a kernel without seccomp", function ()
	local w;
	setup(function () w = kernel({ "seccomp" }, {}); end);
	teardown(function () w:finish(); end);

	it("likewise", function ()
		if impossible(w) then return pending(impossible(w)); end
		w.gateway:wait_log("sandbox incomplete: no privileges, system calls not filtered %(no seccomp here%), ");
		both_ways(w, "without seccomp");
		assert.equal("1", status_of(w).NoNewPrivs);
	end);
end);

describe("a sandbox that cannot be made", function ()
	local w;
	setup(function () w = kernel({ "restrict" }, { ready = false }); end);
	teardown(function () w:finish(); end);

	it("keeps the bridge down, says why and what to do; without it, it runs", function ()
		local said = "the sandbox cannot be made: Landlock: Argument list too long; mend it, or write lync_bridge_sandbox = false";
		w.loop:wait(function ()
			return w.gateway.process.output:find(said, 1, true) or w.gateway.process.output:find("started worker: ready", 1, true);
		end, WAIT, "the worker's word");
		if w.gateway.process.output:find("started worker: ready", 1, true) then
			return pending(impossible(w) or "no Landlock here");
		end
		assert.is_nil(w.gateway.process.output:match("sandbox in force"));
		w.gateway:reload("lync_bridge_wire =", "lync_bridge_sandbox = false\n\tlync_bridge_wire =");
		w:wait_ready(WAIT);
		both_ways(w, "without a sandbox");
	end);
end);
