-- Where we connect to (proxy_fqdn), and with which dialback keys (dialback_passphrase).
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local prosody = require "spec.support.prosody";
local s2s_server = require "spec.support.s2s_server";
local stream = require "spec.support.stream";
local Streams = require "spec.support.streams";

local PORT = 5299; -- of the next hop
local PASSPHRASE, SECRET = "the passphrase of both gateways", "the secret of Prosody";

-- XEP-0185, by other means than ours.
local function hmac(key, text)
	local f = assert(io.popen(("printf %%s '%s' | openssl dgst -sha256 -hmac '%s' -r"):format(text, key)));
	local digest = f:read("a"):match("^%x+");
	f:close();
	return digest;
end

local function hash(text)
	local f = assert(io.popen(("printf %%s '%s' | openssl dgst -sha256 -r"):format(text)));
	local digest = f:read("a"):match("^%x+");
	f:close();
	return digest;
end

describe("the next hop", function ()
	local t, hop, probe;

	local function partner(more)
		return { row = 9; more = more; dns = ports.address("decoy") };
	end

	setup(function ()
		local probe_port = ports.address("probe") .. ":5300";
		t = Streams.new {
			gateway_settings = ("dialback_passphrase = %q"):format(PASSPHRASE);
			global = ("dialback_secret = %q\n"):format(SECRET);
			contacts = { "more.named.example" };
			partners = {
				["named.example"] = partner(('proxy_fqdn = "hop.example:%d"; additional_domains = { "more.named.example" }'):format(PORT));
				["no-srv.example"] = { row = 1; more = 'proxy_fqdn = "port.example"'; dns = false };
				["address.example"] = partner(('proxy_fqdn = "%s:%d"'):format(ports.address("hop"), PORT));
				["nowhere.example"] = partner('proxy_fqdn = "no-such-name.example"');
				["strict.example"] = { row = 1; more = ('proxy_fqdn = "hop.example:%d"'):format(PORT); dns = ports.address("decoy") };
				["plain.example"] = partner("");
				["later.example"] = partner("");
			};
			dns = { ["hop.example"] = ports.address("hop"); ["port.example"] = ports.address("hop");
				["more.named.example"] = ports.address("decoy"); ["xmpps:named.example"] = "direct:5270" };
			other_hosts = { "other.example" };
			host_lines = { ["other.example"] = ('\tmodules_enabled = { "test_probe" }\n\ttest_probe = %q\n'):format(probe_port) };
		};
		probe = stream.connect(t.loop, ports.address("probe"), 5300);
	end);
	teardown(function () t:stop(); end);
	before_each(function () t:mark(); end);
	after_each(function ()
		t:clear();
		if hop then hop:close(); hop = nil; end
	end);

	-- A server at the next hop, for one domain; options of s2s_server.
	local function at_hop(domain, options)
		local parameters = { domain = domain, ip = ports.address("hop"), port = PORT, name = "hop of " .. domain };
		for key, value in pairs(options or {}) do parameters[key] = value; end
		if parameters.cert == nil then parameters.cert = t:cert(domain); end
		hop = s2s_server.new(t.loop, parameters);
		return hop;
	end

	-- A server where the SRV records of all of them point.
	local function decoy(domain)
		return t:server(domain, { ip = ports.address("decoy") });
	end

	it("is where all domains of a partner are reached, whatever their SRV records say", function ()
		local elsewhere, direct = decoy("named.example"), 0;
		local tls = stream.listen(t.loop, ports.address("decoy"), 5270, nil, function () direct = direct + 1; end);
		for _, domain in ipairs { "named.example", "more.named.example" } do
			t:reach(at_hop(domain));
			assert.equal(domain, hop.streams[1].to);
			hop:close();
		end
		assert.equal(0, #elsewhere.streams);
		assert.equal(0, direct);
		tls.close();
	end);

	it("has the port 5269 unless said, and needs no record of the domain at all", function ()
		t:reach(at_hop("no-srv.example", { port = 5269 }));
		assert.equal("EXTERNAL", hop.streams[1].mechanism);
	end);

	it("can be an address", function ()
		t:reach(at_hop("address.example"));
	end);

	it("is asked about the partner's dialback keys too", function ()
		local server = at_hop("named.example");
		local elsewhere = decoy("named.example");
		local peer = t:stream("named.example", "dialback", { no_tls = true });
		t:hear(peer);
		assert.equal(1, #server.verifications);
		assert.equal(0, #elsewhere.streams);
	end);

	it("that does not exist is told to Lena", function ()
		local elsewhere = decoy("nowhere.example");
		local status, reason = t:fails(t:say("nowhere.example"));
		assert.equal(404, status, reason);
		assert.equal(0, #elsewhere.streams);
	end);

	it("that is down is told to Lena", function ()
		local status, reason = t:fails(t:say("named.example"));
		assert.equal(404, status, reason);
	end);

	it("has to prove the domain, not its own name", function ()
		local cert = t.ca:issue("hop", { names = { "hop.example" } });
		local server = at_hop("strict.example", { cert = cert });
		local status, reason = t:fails(t:say("strict.example"));
		assert.equal(403, status, reason);
		t:told("refused certificate", "certificate-wrong-name", "strict.example", "out");
		server.cert = t:cert("strict.example");
		t:reach(server);
	end);

	it("takes part in falling back", function ()
		local elsewhere = decoy("named.example");
		local server = at_hop("named.example", { on = { starttls = function (_, session) session.conn:close(true); end } });
		t:reach(server);
		assert.equal(2, #server.streams);
		assert.equal(0, #elsewhere.streams);
	end);

	it("is for this host alone: another one asks the DNS", function ()
		local server, elsewhere = at_hop("named.example"), decoy("named.example");
		probe:send("send m1 named.example\n");
		elsewhere:wait_message("m1");
		assert.equal("other.example", elsewhere.streams[1].from);
		t:reach(server);
		-- and at the same moment, in either order
		for i = 1, 3 do
			server.streams[#server.streams].conn:send("</stream:stream>");
			elsewhere.streams[#elsewhere.streams].conn:send("</stream:stream>");
			t:ended(server.streams[#server.streams]);
			t:ended(elsewhere.streams[#elsewhere.streams]);
			if i % 2 == 0 then probe:send(("send both-%d named.example\n"):format(i)); end
			t:say("named.example", "both " .. i);
			if i % 2 == 1 then probe:send(("send both-%d named.example\n"):format(i)); end
			elsewhere:wait_message("both-" .. i);
			server:wait_message("both " .. i);
		end
		for _, session in ipairs(server.streams) do assert.equal("contoso.com", session.from); end
		for _, session in ipairs(elsewhere.streams) do assert.equal("other.example", session.from); end
	end);

	it("is taken and given up on a reload, for the next stream", function ()
		local elsewhere = decoy("later.example");
		local before = t:reach(elsewhere);
		t:partner("later.example", partner(('proxy_fqdn = "hop.example:%d"'):format(PORT)));
		assert.equal(before, t:reach(elsewhere)); -- the stream that stands goes on
		before.conn:send("</stream:stream>");
		t:ended(before);
		local server = at_hop("later.example");
		t:reach(server);
		t:partner("later.example", partner(""));
		server.streams[1].conn:send("</stream:stream>");
		t:ended(server.streams[1]);
		t:reach(elsewhere);
		assert.equal(1, #server.streams);
	end);

	-- ------------------------------------------------------------------------------------------------------ keys --

	-- The key that we sent on a stream, and the stream's id.
	local function key_of(session)
		for _, element in ipairs(session.all) do
			if element.name == "result" then return element:text(), session.id; end
		end
		error("no key was sent");
	end

	local function keyed(domain)
		local server = t.servers[domain] or t:server(domain, { ip = ports.address("decoy"); cert = false });
		local last = server.streams[#server.streams];
		if last and not last.closed then
			last.conn:send("</stream:stream>");
			t:ended(last);
		end
		return key_of(t:reach(server));
	end

	-- A question of a partner, on a stream of its own: "valid" or "invalid".
	local function vouched(ip, id, key)
		local peer = t:peer("plain.example", { ip = ip, cert = t:cert("plain.example") }):authenticate("EXTERNAL");
		peer:send(("<db:verify from='plain.example' to='contoso.com' id='%s'>%s</db:verify>"):format(id, key));
		t.loop:wait(function () return peer.verified; end, 5, "the answer about a key");
		return peer.verified.attr.type;
	end

	it("hears keys by the passphrase (XEP-0185); by another one after a reload; without one by Prosody's secret", function ()
		local key, id = keyed("plain.example");
		assert.equal(hmac(hash(PASSPHRASE), "plain.example contoso.com " .. id), key);
		assert.equal("valid", vouched(nil, id, key));
		assert.equal("invalid", vouched(nil, id .. "x", key));
		assert.equal("invalid", vouched(nil, id, hmac(hash(SECRET), "plain.example contoso.com " .. id)));

		t:settings('dialback_passphrase = "another passphrase"');
		key, id = keyed("plain.example");
		assert.equal(hmac(hash("another passphrase"), "plain.example contoso.com " .. id), key);
		assert.equal("valid", vouched(nil, id, key));

		t:settings("");
		key, id = keyed("plain.example");
		assert.equal(hmac(hash(SECRET), "plain.example contoso.com " .. id), key);
		t:settings(("dialback_passphrase = %q"):format(PASSPHRASE));
	end);

	it("keeps the passphrase when the module, or mod_dialback, is loaded again", function ()
		for _, module in ipairs { "lync_gateway", "dialback" } do
			local output, status = t.w.gateway:ctl("shell", "module", "reload", module);
			assert.equal(0, status, output);
			local key, id = keyed("plain.example");
			assert.equal(hmac(hash(PASSPHRASE), "plain.example contoso.com " .. id), key, module);
		end
	end);

	it("does not see the passphrase in the log", function ()
		assert.is_nil(t.w.gateway.process.output:find(PASSPHRASE, 1, true));
	end);

	it("may ask another gateway of the same passphrase", function ()
		local f = assert(io.open(t.w.gateway.config));
		local text = f:read("a"):match('Component "contoso.com" "lync_gateway"\n(.-)VirtualHost');
		f:close();
		local own, edge = ports.address("gateway"):gsub("%p", "%%%0"), ports.address("edge"):gsub("%p", "%%%0");
		text = text:gsub(own, ports.address("second")):gsub(edge, ports.address("no edge")):gsub("\tssl = [^\n]*\n", "");
		local second = prosody.gateway(t.loop, { ca = t.ca; name = "second"; domain = "contoso.com"; dns = t.w.dns;
			settings = text });
		local key, id = keyed("plain.example");
		assert.equal("valid", vouched(second.address, id, key));
		assert.equal("invalid", vouched(second.address, id .. "0", key));
		second:stop();
	end);
end);
