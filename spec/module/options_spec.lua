-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

describe("options", function ()
	local options = support.lib("options");

	local function read(values)
		return options.read {
			get = function (key) return values[key]; end;
			config_path = "/etc/prosody";
			find_host_cert = function (name)
				return name == "xmpp.contoso.com" and { certificate = "certs/x.crt"; key = "certs/x.key" } or nil;
			end;
		};
	end

	it("hands every option over as it is", function ()
		local values = {};
		for i, key in ipairs(options.keys) do
			values[key] = i;
		end
		assert.same(values, read(values));
	end);

	it("hands over Prosody's own that bear on partners, and the modules of the host where they are known", function ()
		local known = {};
		for _, key in ipairs(options.keys) do
			known[key] = true;
		end
		for _, key in ipairs { "allow_encryption", "insecure_domains", "require_encryption", "secure_auth", "secure_domains" } do
			assert.is_true(known["s2s_"..key]);
		end
		assert.is_nil(read({}).prosody_modules);
		local env = { get = function () end; find_host_cert = function () end; modules = function () return { "tls" }; end };
		assert.same({ "tls" }, options.read(env).prosody_modules);
	end);

	it("takes Prosody's certificate for the bridge's name, relative to the configuration", function ()
		assert.same({ certificate = "/etc/prosody/certs/x.crt"; key = "/etc/prosody/certs/x.key" },
			read({ lync_bridge_fqdn = "xmpp.contoso.com" }).lync_bridge_certificate);
	end);

	it("adds it to a list of CAs", function ()
		assert.same({ certificate = "/etc/prosody/certs/x.crt"; key = "/etc/prosody/certs/x.key"; cafile = "/ca.pem" },
			read({ lync_bridge_fqdn = "xmpp.contoso.com"; lync_bridge_certificate = { cafile = "/ca.pem" } })
				.lync_bridge_certificate);
	end);

	it("does not mix it with a given one", function ()
		assert.same({ certificate = "/own.pem" },
			read({ lync_bridge_fqdn = "xmpp.contoso.com"; lync_bridge_certificate = { certificate = "/own.pem" } })
				.lync_bridge_certificate);
	end);

	it("leaves nonsense for the core", function ()
		assert.equal(5, read({ lync_bridge_fqdn = {}; lync_bridge_certificate = 5 }).lync_bridge_certificate);
		assert.is_nil(read({ lync_bridge_fqdn = "other.com" }).lync_bridge_certificate);
	end);

	it("does not change the configuration", function ()
		local own = { certificate = "own.pem" };
		read({ lync_bridge_certificate = own });
		assert.equal("own.pem", own.certificate);
	end);

	it("logs each problem and the worst becomes the status", function ()
		local logged, status = {}, nil;
		local module = {
			log = function (_, level, fmt, ...) table.insert(logged, level.." "..fmt:format(...)); end;
			set_status = function (_, level, text, override) status = { level, text, override }; end;
		};
		options.report(module, { { level = "warn"; text = "a %d" }, { level = "error"; text = "b" } });
		assert.same({ "warn a %d", "error b" }, logged);
		assert.equal("error", status[1]);
		assert.is_true(status[3]);
		options.report(module, { { level = "warn"; text = "a" } });
		assert.equal("warn", status[1]);
		options.report(module, {});
		assert.equal("info", status[1]);
	end);

	describe("tells warnings", function ()
		local logged, module;
		before_each(function ()
			logged = {};
			module = { log = function (_, level, fmt, ...) table.insert(logged, level.." "..fmt:format(...)); end;
				set_status = function () end };
		end);

		local function warnings(first, last)
			local list = {};
			for i = first, last do list[#list+1] = { level = "warn"; text = "w"..i }; end
			return list;
		end

		it("once: at a reload those that are new, and how many are not", function ()
			options.report(module, warnings(2, 4), warnings(1, 3));
			assert.same({ "warn w4"; "info 2 warning(s) in the configuration as before; prosodyctl mod_lync_gateway check shows them" },
				logged);
		end);

		it("a hundred of one load, and how many more there are", function ()
			options.report(module, warnings(1, 103));
			assert.equal(101, #logged);
			assert.equal("warn w100", logged[100]);
			assert.equal("warn 3 more warning(s) in the configuration; prosodyctl mod_lync_gateway check shows them all", logged[101]);
		end);

		it("and errors each time", function ()
			local problems = { { level = "error"; text = "e" } };
			options.report(module, problems, problems);
			assert.same({ "error e" }, logged);
		end);
	end);
end);

describe("command", function ()
	local module = {};
	function module.require(_, name) return support.lib(name, module); end
	local command = support.lib("command", module);
	local config, env, printed, problems;
	before_each(function ()
		config = { ["*"] = { modules_enabled = { "tls" } }; ["contoso.com"] = { component_module = "lync_gateway" };
			["litware.com"] = { modules_enabled = { "lync_gateway" } }; ["localhost"] = {};
			["muc.x"] = { component_module = "muc" }; };
		printed, problems = {}, {};
		env = {
			core = {}; config = config; print = function (text) table.insert(printed, text); end;
			load = function (host) return {}, problems[host] or {}; end;
			conflicts = function () return {}; end;
		};
	end);

	-- What looks at certificates, worker and storage has nothing to say here.
	before_each(function ()
		local function nothing() return {}; end
		local quiet = { check_worker = { judge_worker = nothing; judge_storage = nothing };
			check_certificate = { facts = nothing; judge = nothing; bridge_names = nothing; domain_names = nothing } };
		function module.require(_, name) return quiet[name] or support.lib(name, module); end
		env.check = { worker = nothing; storage = nothing; certificate_of = nothing; modules = nothing; now = os.time };
	end);

	it("finds the hosts", function ()
		assert.same({ "contoso.com", "litware.com" }, command.hosts(config));
		config["*"].modules_enabled = { "lync_gateway" };
		assert.same({ "contoso.com", "litware.com", "localhost" }, command.hosts(config));
		config["litware.com"].enabled = false;
		assert.same({ "contoso.com", "localhost" }, command.hosts(config));
	end);

	for _, arg in ipairs { {}, { "banana" }, { "check", "--offline", "a", "b" }, { "check", "--timeout", "-1" },
		{ "check", "--banana" } } do
		it(("is used wrongly: %s"):format(table.concat(arg, " ")), function ()
			assert.equal(2, command.run(env, arg));
			assert.matches("Usage", printed[1]);
		end);
	end

	it("says when all is well", function ()
		assert.equal(0, command.run(env, { "check", "--offline" }));
		assert.equal(0, command.run(env, { "check", "--offline", "contoso.com" }));
	end);

	it("prints what it finds", function ()
		problems["litware.com"] = { { level = "error"; text = "litware.com: bad"; message = "bad" } };
		assert.equal(1, command.run(env, { "check", "--offline" }));
		assert.matches("  error    configuration  litware.com: bad", table.concat(printed, "\n"), 1, true);
		assert.equal(0, command.run(env, { "check", "contoso.com", "--offline" }));
	end);

	it("prints conflicts between hosts", function ()
		env.conflicts = function (hosts)
			assert.is_truthy(hosts["contoso.com"].settings);
			return { ["litware.com"] = "both listen" };
		end;
		assert.equal(1, command.run(env, { "check", "--offline", "litware.com" }));
		assert.matches("both listen", table.concat(printed, "\n"));
	end);

	it("knows hosts that are none", function ()
		assert.equal(1, command.run(env, { "check", "--offline", "localhost" }));
	end);

	it("says when the core is missing", function ()
		env.core, env.core_error = nil, "module not found";
		assert.equal(1, command.run(env, { "check", "--offline" }));
		assert.matches("module not found", printed[1]);
	end);
end);

describe("resolver", function ()
	local clock, asked, resolver, changes;
	before_each(function ()
		clock, asked, changes = support.clock(), {}, 0;
		resolver = support.lib("resolver").new({
			lookup = function (callback, name, kind) table.insert(asked, { callback, name, kind }); return true; end;
			timer = clock.timer; now = clock.now; log = function () end; changed = function () changes = changes + 1; end;
			is_address = function (text) return text:match("^[%d.]+$") ~= nil; end;
			to_ascii = function (name) return name ~= "bad name" and name or nil; end;
		}, {});
	end);

	local function a(ttl, ...)
		local answer = {};
		for i, address in ipairs { ... } do
			answer[i] = { a = address; ttl = ttl };
		end
		return answer;
	end

	-- Answer the last pair of questions.
	local function answer(v4, v6, reason)
		asked[#asked-1][1](v4, reason);
		asked[#asked][1](v6, reason);
	end

	it("asks for both families and prefers IPv4", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		assert.same({ "sip.contoso.com", "A" }, { asked[1][2], asked[1][3] });
		assert.equal("AAAA", asked[2][3]);
		assert.is_nil(resolver:address("contoso.com"));
		answer(a(300, "192.0.2.1"), { { aaaa = "2001:db8::1"; ttl = 300 } });
		assert.equal("192.0.2.1", resolver:address("contoso.com"));
		assert.equal(1, changes);
	end);

	it("takes IPv6 alone", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		answer(nil, { { aaaa = "2001:db8::1"; ttl = 300 } });
		assert.equal("2001:db8::1", resolver:address("contoso.com"));
	end);

	for ttl, delay in pairs { [0] = 30; [100] = 100; [86400] = 3600 } do
		it(("asks again after %d s when the TTL is %d"):format(delay, ttl), function ()
			resolver:watch("contoso.com", "sip.contoso.com");
			answer(a(ttl, "192.0.2.1"), {});
			clock.advance(delay - 1);
			assert.equal(2, #asked);
			clock.advance(1);
			assert.equal(4, #asked);
			answer(a(ttl, "192.0.2.1"), {});
			assert.equal(1, changes);
			clock.advance(delay);
			answer(a(ttl, "192.0.2.9"), {});
			assert.equal(2, changes);
		end);
	end

	it("keeps the old address when the DNS fails, and asks again", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		answer(a(30, "192.0.2.1"), {});
		clock.advance(30);
		answer(nil, nil, "SERVFAIL");
		assert.equal("192.0.2.1", resolver:address("contoso.com"));
		clock.advance(30);
		assert.equal(6, #asked);
	end);

	it("asks again when no answer comes at all, and ignores it when it comes late", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		clock.advance(30);
		assert.equal(4, #asked);
		asked[1][1](a(30, "192.0.2.66"));
		asked[2][1](a(30, "192.0.2.66"));
		assert.is_nil(resolver:address("contoso.com"));
		answer(a(30, "192.0.2.1"), {});
		assert.equal("192.0.2.1", resolver:address("contoso.com"));
	end);

	it("ignores an answer that DNSSEC found bogus", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		local bogus = a(300, "192.0.2.66");
		bogus.bogus = "yes";
		answer(bogus, {});
		assert.is_nil(resolver:address("contoso.com"));
	end);

	it("asks when the edge is down and goes on to its next address, but not all the time", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		answer(a(300, "192.0.2.1", "192.0.2.2"), {});
		resolver:edge_down("contoso.com");
		assert.equal(2, #asked);
		clock.advance(5);
		assert.equal(4, #asked);
		answer(a(300, "192.0.2.1", "192.0.2.2"), {});
		assert.equal("192.0.2.2", resolver:address("contoso.com"));
		clock.advance(100);
		resolver:edge_down("contoso.com");
		assert.equal(6, #asked);
		answer(a(300, "192.0.2.1", "192.0.2.2"), {});
		assert.equal("192.0.2.1", resolver:address("contoso.com"));
	end);

	it("takes an address as it is, and no impossible name", function ()
		resolver:watch("contoso.com", "192.0.2.7");
		assert.equal("192.0.2.7", resolver:address("contoso.com"));
		resolver:watch("litware.com", "bad name");
		resolver:edge_down("litware.com");
		assert.same({}, asked);
	end);

	it("forgets", function ()
		resolver:watch("contoso.com", "sip.contoso.com");
		answer(a(300, "192.0.2.1"), {});
		resolver:stop();
		assert.equal(0, clock.pending());
		assert.is_nil(resolver:address("contoso.com"));
	end);
end);

describe("metrics", function ()
	it("have labels of our own making only", function ()
		local label = support.lib("metrics").token_label;
		assert.equal("not-a-partner", label("not-a-partner"));
		for _, token in ipairs { "A", "a b", ("x"):rep(41), "x\n", "", 'x"' } do
			assert.equal("other", label(token));
		end
		assert.equal("other", label(nil));
	end);
end);
