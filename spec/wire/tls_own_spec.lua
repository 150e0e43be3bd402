-- The bridge as the one who connects, and its own certificate: whom it believes, who does not believe it, and what is said when
-- files are wrong; each is repaired without a restart.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local Probe = require "spec.support.probe";
local CA = require "spec.support.ca";
local process = require "spec.support.process";

local EDGE, BRIDGE = "sip.contoso.com", "xmpp.contoso.com";

local function copy(from, to)
	local f = assert(io.open(from, "rb"));
	local bytes = f:read("a");
	f:close();
	process.write(to, bytes);
end

describe("the bridge's connection to the Edge", function ()
	local w, romeo, lena, good, certs, foreign;
	setup(function ()
		w = World.new { wire = { options_interval = 0.3 } };
		romeo, lena, good = w:contact("romeo"), w:lync_user("lena"), w.edge_cert;
		certs = w.ca:wrong_ones("out", { EDGE });
		certs["wildcard"] = w.ca:issue("out-wildcard", { names = { "*.contoso.com" }, cn = "Access Edge" });
		certs["mismatch"] = w.ca:issue("out-mismatch", { names = { "other.contoso.com" }, cn = EDGE });
		foreign = CA.new(process.directory(w.loop, "distrust"), "CA of another world");
	end);
	teardown(function () w:finish(); end);

	local function both_ways(text)
		local id = romeo:message("lena@contoso.com", text, { receipt = true });
		local conversation = lena:wait_message(text).conversation;
		romeo:wait_receipt(id);
		assert.equal(200, (conversation:say("re: " .. text):wait()));
		romeo:wait_message("re: " .. text);
	end

	-- The Edge restarts with another certificate.
	local function present(cert)
		w.edge:stop_listening();
		w.edge:drop();
		w.edge:listen(cert);
	end

	local function log_since(from, pattern)
		return w.loop:wait(function () return w.gateway.process.output:match(pattern, from); end, 5, pattern);
	end

	-- A sender is told, the log says why, and all is well with the right certificate.
	local function fails(cert, token, why)
		local from, pid = #w.gateway.process.output, w:worker_pid();
		present(cert);
		log_since(from, "lost edge: " .. EDGE:gsub("%.", "%%.") .. ":5061 %([%d.]+%): ");
		log_since(from, why .. "[^\n]*%(peer=[%d.]+%) %(token=" .. token:gsub("%-", "%%-") .. " ");
		local asked = w.loop:served();
		local _, kind, text = romeo:wait_error(romeo:message("lena@contoso.com", "to nobody"));
		assert.equal("wait", kind);
		assert.is_truthy(text:find("(no-connection)", 1, true), text);
		assert.is_true(w.loop:served() - asked < 3);
		from = #w.gateway.process.output;
		present(good);
		w.loop:wait(function () return w.gateway.process.output:find("connected edge: ready", from, true); end, 8, "the Edge again");
		both_ways("after " .. why);
		assert.equal(pid, w:worker_pid());
	end

	it("says whom it wants to reach (SNI)", function ()
		both_ways("an ordinary one");
		local conn = next(w.edge.listener.connections);
		assert.equal(EDGE, conn.sock:getsniname());
	end);

	for name, case in pairs {
		["wrong-name"] = { "tls-name", "names no configured Access Edge" };
		["wildcard"] = { "tls-name", "names no configured Access Edge" };
		["mismatch"] = { "tls-name", "names no configured Access Edge" }; ["expired"] = { "tls-certificate", "certificate has expired" };
		["foreign"] = { "tls-certificate", "unable to get local issuer certificate" };
		["self-signed"] = { "tls-certificate", "self%-signed certificate" };
		["client-only"] = { "tls-certificate", "unsuitable certificate purpose" };
	} do
		it("does not trust it with a certificate (" .. name .. ")", function () fails(certs[name], case[1], case[2]); end);
	end

	it("takes one for server use only", function ()
		present(certs["server-only"]);
		w.loop:wait(function ()
			local conn = next(w.edge.listener.connections);
			return conn and conn.ready;
		end, 5, "the bridge to connect");
		both_ways("server use only");
	end);

	it("tells when the Edge refuses ours", function ()
		local distrusting = setmetatable({ ca = foreign.file }, { __index = good });
		fails(distrusting, "tls-alert", "peer refused us: unknown CA");
	end);
end);

describe("the bridge's own certificate", function ()
	local w, fine, files;
	setup(function ()
		w = World.new { ready = false; bridge_cert = { cert = "/nonexistent/bridge.crt", key = "/nonexistent/bridge.key" } };
		fine = w.ca:issue("fine", { names = { BRIDGE } });
		files = { cert = "/nonexistent/bridge.crt", key = "/nonexistent/bridge.key" };
	end);
	teardown(function () w:finish(); end);

	local function entry(cert)
		return ("certificate = %q; key = %q; cafile"):format(cert.cert, cert.key);
	end

	local function configure(cert)
		w.gateway:reload(entry(files), entry(cert));
		files = cert;
	end

	-- The log tells what is wrong and where; Prosody is up and answers.
	local function complains(from, ...)
		for _, words in ipairs { ... } do
			w.loop:wait(function ()
				for line in w.gateway.process.output:sub(from):gmatch("[^\n]+") do
					if line:find("error", 1, true) and line:find(words, 1, true) then return true; end
				end
			end, 5, words .. " in a line of an error");
		end
		local output, status = w.gateway:ctl("shell", "lync", "status");
		assert.equal(0, status, output);
		assert.is_true(w.gateway.process:running());
	end

	it("that is missing", function ()
		complains(1, "lync_bridge_certificate: certificate /nonexistent/bridge.crt: No such file or directory: correct the path");
	 end);

	it("whose key is another one's", function ()
		local from = #w.gateway.process.output;
		configure { cert = fine.cert, key = w.edge_cert.key };
		complains(from, ("lync_bridge_certificate: key %s does not belong to certificate %s"):format(w.edge_cert.key, fine.cert));
	end);

	it("whose key is missing", function ()
		local from = #w.gateway.process.output;
		configure { cert = fine.cert, key = "/nonexistent/bridge.key" };
		complains(from, "lync_bridge_certificate: key /nonexistent/bridge.key: No such file or directory: correct the path");
	end);

	it("that does not name the bridge", function ()
		local from, other = #w.gateway.process.output, w.ca:issue("misnamed", { names = { "other.contoso.com" } });
		configure(other);
		complains(from, ("lync_bridge_certificate: certificate %s does not name %s in its subjectAltName"):format(other.cert, BRIDGE));
	end);

	it("is taken when it is right at last", function ()
		configure(fine);
		w:wait_ready();
		local romeo, lena = w:contact("romeo"), w:lync_user("lena");
		romeo:message("lena@contoso.com", "at last");
		lena:wait_message("at last");
	end);

	local function serial_of(probe)
		local conn = probe:connect();
		local serial = conn:certificate():serial();
		conn:close();
		return serial;
	end

	it("is changed without a restart: new connections see the new one, open ones go on", function ()
		local probe, romeo, lena = Probe.new(w), w:contact("romeo"), w:lync_user("lena");
		local conversation = lena:open("romeo@fabrikam.com", "before", { embed = false }):wait_open();
		romeo:wait_message("before");
		local before, connections = serial_of(probe), #w.edge.out;
		local renewed = w.ca:issue("renewed", { names = { BRIDGE } });
		copy(renewed.cert, fine.cert);
		copy(renewed.key, fine.key);
		local from = #w.gateway.process.output;
		w.gateway:reload();
		w.loop:wait(function () return w.gateway.process.output:find("configured bridge: worker has new settings", from, true); end);
		w.loop:wait(function () return serial_of(probe) ~= before; end, 3, "the new certificate");
		assert.equal(200, (conversation:say("and after"):wait()));
		romeo:wait_message("and after");
		assert.equal(connections, #w.edge.out);
		probe:assert_alive();
		w.edge:drop(); -- and towards the Edge
		romeo:message("lena@contoso.com", "and towards the Edge");
		w.loop:wait(function () return next(w.edge.listener.connections); end, 5, "the bridge to connect again");
		local conn = next(w.edge.listener.connections);
		w.loop:wait(function () return conn.ready; end);
		assert.not_equal(before, conn:certificate():serial());
	end);

	it("stays as it is when what is to replace it is wrong", function ()
		local probe, from = Probe.new(w), #w.gateway.process.output;
		local before, key = serial_of(probe), w.ca:issue("stranger", { names = { BRIDGE } }).key;
		copy(key, fine.key);
		w.gateway:reload();
		complains(from, fine.key, "goes on with those before");
		assert.equal(before, serial_of(probe));
		probe:assert_alive();
	end);
end);
