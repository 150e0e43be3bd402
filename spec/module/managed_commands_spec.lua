-- The commands that edit the managed file: what they write, print and refuse, and their exit status. The core is the real
-- one, files are real.
-- SPDX-License-Identifier: MIT

local json = require "util.json";
local core = require "lync_gateway.core";
local support = require "spec.support.module";
local rig = require "spec.support.managed";

local module, HOST, FILE, write, read = rig.module, rig.HOST, rig.FILE, rig.write, rig.read;
local directory, path;

local function setup_directory() directory, path = rig.directory(); end
local function remove_directory() rig.remove(directory); end
local function files() return rig.files(directory); end

describe("the commands that edit the managed file", function ()
	local command = module:require("command");
	local managed = module:require("managed");
	local env, printed, raws;

	local function run(...)
		printed = {};
		local status = command.run(env, { ... });
		return status, table.concat(printed, "\n");
	end

	local function ok(...)
		local status, output = run(...);
		assert.equal(0, status, output);
		return output;
	end

	-- Status and output, and that the file is as it was.
	local function refused(wanted, text, ...)
		local before = read(path);
		local status, output = run(...);
		assert.equal(wanted, status, output);
		assert.is_truthy(output:find(text, 1, true), output);
		assert.equal(before, read(path));
	end

	before_each(function ()
		setup_directory();
		write(directory.."/prosody.cfg.lua", '-- ["litware.com"] is below\nComponent "contoso.com" "lync_gateway"\n'
			..'lync_partners = {\n["litware.com"] = {}\n}\nlync_gateway_settings = { stream_inactivity_timeout = 700 }\n');
		raws = { [HOST] = { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
			lync_bridge_certificate = { certificate = "/c.pem"; key = "/k.pem" };
			lync_gateway_settings = { stream_inactivity_timeout = 700 };
			lync_partners = { ["litware.com"] = { partner_type = "federated"; support_dialback_negotiation = false;
				additional_domains = { "na.litware.com" } } } } };
		env = {
			core = core; config = { ["*"] = {}; [HOST] = { component_module = "lync_gateway" } };
			print = function (text) table.insert(printed, text); end; warn = function (text) table.insert(printed, text); end;
			input = function () return "correct horse"; end;
			raw = function (host) return raws[host]; end; conflicts = function () return {}; end;
			load = function (host) return managed.load(core, host, raws[host], managed.read(path)); end;
			managed_path = path; config_file = directory.."/prosody.cfg.lua"; config_files = { directory.."/prosody.cfg.lua" };
		};
	end);
	after_each(remove_directory);

	local NEW = { "partner", "new", "fabrikam.com", "partner_type=federated", "support_dialback_negotiation=$false",
		"description=Fabrikam, contract 4711", "additional_domains=na.fabrikam.com, eu.fabrikam.com", "connection_limit=20" };
	local ENTRY = '\t\t\t["fabrikam.com"] = {\n\t\t\t\tpartner_type = "federated";\n'
		..'\t\t\t\tdescription = "Fabrikam, contract 4711";\n'
		..'\t\t\t\tadditional_domains = { "na.fabrikam.com", "eu.fabrikam.com" };\n'
		..'\t\t\t\tsupport_dialback_negotiation = false;\n\t\t\t\tconnection_limit = 20;\n\t\t\t};\n';

	it("add a partner", function ()
		assert.equal(("contoso.com: partner fabrikam.com is added\nWritten: %s. `prosodyctl reload` puts it in force."):format(path),
			ok(table.unpack(NEW)));
		assert.is_truthy(read(path):find(ENTRY, 1, true), read(path));
		assert.equal("federated", env.load(HOST):partner("eu.fabrikam.com").partner_type);
	end);

	it("show what they would write", function ()
		local output = ok("partner", "new", "--whatif", table.unpack(NEW, 3));
		assert.is_truthy(output:find(("\n"..ENTRY):gsub("\n(.)", "\n+%1"):sub(2), 1, true), output);
		assert.matches("%-%-whatif: nothing is written%.$", output);
		assert.same({ "prosody.cfg.lua" }, files());
	end);

	it("read values as their keys want them", function ()
		ok("partner", "new", "a.example", "partner_type=federated", "description=4711", "enable_keep_alive=FALSE",
			"support_dialback_negotiation=false");
		assert.same({ partner_type = "federated"; description = "4711"; enable_keep_alive = false;
			support_dialback_negotiation = false }, managed.get(managed.read(path), HOST, "lync_partners", "a.example"));
		ok("partner", "set", "A.example", "description=true", "enable_keep_alive=default", "additional_domains=b.example");
		ok("partner", "set", "a.example", "additional_domains+=c.example,d.example", "additional_domains-=B.example");
		assert.same({ partner_type = "federated"; description = "true"; additional_domains = { "c.example", "d.example" };
			support_dialback_negotiation = false }, managed.get(managed.read(path), HOST, "lync_partners", "a.example"));
		ok("partner", "set", "a.example", "description=$null", "additional_domains=");
		assert.same({ partner_type = "federated"; support_dialback_negotiation = false },
			managed.get(managed.read(path), HOST, "lync_partners", "a.example"));
	end);

	it("change and remove a partner, its comments stay", function ()
		write(path, FILE);
		ok("partner", "set", "fabrikam.com", "connection_limit=7");
		assert.equal((FILE:gsub("(\t+)(support_dialback_negotiation = false;)", "%1%2\n%1connection_limit = 7;", 1)), read(path));
		assert.matches("%(before: .*lync%-partners%.cfg%.lua%.bak%)", ok("partner", "remove", "ACME.example"));
		assert.is_nil(read(path):find("acme", 1, true));
	end);

	for text, words in pairs {
		['lync_partners["x.example"].TlsNegotiation = "Required": unknown key; did you mean "tls_negotiation"?']
			= { "new", "x.example", "partner_type=federated", "TlsNegotiation=Required" };
		['tls_negotiation = "Required": not a valid value; write "required", "optional" or "not_supported"']
			= { "set", "fabrikam.com", "tls_negotiation=Required" };
		["not a valid configuration (TLS not_supported, SASL required, dialback false): Because SASL requires TLS, and TLS is not "
			.."available, SASL/TLS cannot succeed. TCP Dialback is set to false, and cannot be used; write tls_negotiation"]
			= { "set", "fabrikam.com", "tls_negotiation=not_supported" };
		['lync_partners["x.example"].partner_type: missing; write "federated", "public_verified" or "public_unverified"']
			= { "new", "x.example", "description=x" };
		["connection_limit = 0: out of range; write a whole number from 1 to 100000"] = { "set", "fabrikam.com", "connection_limit=0" };
		['connection_limit = "many": not a number; write a whole number from 1 to 100000']
			= { "set", "fabrikam.com", "connection_limit=many" };
		["enable_keep_alive: no value; write true or false, or enable_keep_alive=default"]
			= { "set", "fabrikam.com", "enable_keep_alive=" };
		['"bad domain": not a domain name; write it as in "fabrikam.com"']
			= { "set", "fabrikam.com", "additional_domains+=bad domain" };
		['"acme.example": claimed by partner "acme.example" too; name it once']
			= { "set", "fabrikam.com", "additional_domains+=acme.example" };
		["additional_domains: x.example is not in it (na.fabrikam.com, eu.fabrikam.com)"]
			= { "set", "fabrikam.com", "additional_domains-=x.example" };
		["connection_limit is not a list; write connection_limit=VALUE"] = { "set", "fabrikam.com", "connection_limit+=1" };
		['conection_limit: unknown key; did you mean "connection_limit"?'] = { "set", "fabrikam.com", "conection_limit=" };
		["na.fabrikam.com is an additional domain of partner fabrikam.com; name that"] = { "set", "na.fabrikam.com", "description=x" };
		["NA.fabrikam.com is an additional domain of partner fabrikam.com already"]
			= { "new", "NA.fabrikam.com", "partner_type=federated" };
		["Fabrikam.com is a partner already, in "] = { "new", "Fabrikam.com", "partner_type=federated" };
		["x.example is no partner; `partner get` lists them, `partner new` adds one"] = { "remove", "x.example" };
		["contoso.com: lync_partners[\"contoso.com\"]: this host's own domain is no partner; remove it"]
			= { "new", "contoso.com", "partner_type=federated" };
		["partner litware.com stands in "] = { "set", "litware.com", "description=x" };
		["partner LitWare.com stands in "] = { "remove", "LitWare.com" };
		["litware.com is a partner already, in "] = { "new", "litware.com", "partner_type=federated" };
	} do
		it(("refuse: partner %s (%s)"):format(table.concat(words, " "), text:sub(1, 30)), function ()
			write(path, FILE);
			refused(1, text, "partner", table.unpack(words));
			assert.equal("Nothing is written.", printed[#printed]);
			assert.same({ "lync-partners.cfg.lua", "prosody.cfg.lua" }, files());
		end);
	end

	for _, words in ipairs { { "partner" }, { "partner", "banana" }, { "partner", "new", "x.example" },
		{ "partner", "set", "x.example" }, { "partner", "remove" },
		{ "partner", "get", "a", "b" }, { "partner", "get", "x=y" }, { "partner", "remove", "a", "--banana" },
		{ "partner", "set", "a", "b=c", "--host" }, { "policy", "grant", "a@contoso.com" }, { "policy", "grant", "a@b", "c", "--none" },
		{ "gateway", "set" }, { "gateway", "get", "x" }, { "partner", "set", "a", "-TlsNegotiation", "Required" } } do
		it("are used wrongly: "..table.concat(words, " "), function ()
			refused(2, "Usage: prosodyctl mod_lync_gateway", table.unpack(words));
		end);
	end

	it("name the way to write a parameter of a cmdlet", function ()
		refused(2, "-TlsNegotiation; parameters are written as in tls_negotiation=VALUE", "partner", "set", "a", "-TlsNegotiation",
			"Required");
	end);

	it("show a partner with all that is in force", function ()
		write(path, FILE);
		assert.equal(table.concat({
			"fabrikam.com, partner of contoso.com";
			"  partner_type                  federated";
			"  description                   -";
			"  additional_domains            na.fabrikam.com, eu.fabrikam.com";
			"  tls_negotiation               required (default)";
			"  sasl_negotiation              required (default)";
			"  support_dialback_negotiation  false";
			"  enable_keep_alive             true (default)";
			"  connection_limit              20 (default: partner_connection_limit)";
			"  proxy_fqdn                    - (default: the DNS)";
			"  row of the matrix             2";
			"  methods                       SASL over TLS";
			("  stands in                     %s line 11"):format(path);
		}, "\n"), ok("partner", "get", "NA.fabrikam.com"));
		assert.equal(table.concat({
			"contoso.com";
			("  acme.example  public_unverified  row 2: SASL over TLS  %s line 17"):format(path);
			("  fabrikam.com  federated          row 2: SASL over TLS  %s line 11"):format(path);
			("  litware.com   federated          row 2: SASL over TLS  %s/prosody.cfg.lua line 4"):format(directory);
		}, "\n"), ok("partner", "get"));
		local list = json.decode(ok("partner", "get", "--json"));
		assert.same({ "acme.example", "fabrikam.com", "litware.com" }, { list[1].domain, list[2].domain, list[3].domain });
		assert.same({ false, 4, true }, { list[3].origin.managed, list[3].origin.line, list[2].origin.managed });
		assert.same({ "na.fabrikam.com", "eu.fabrikam.com" }, { table.unpack(list[2].additional_domains) });
		assert.equal(table.concat({
			"contoso.com";
			("  fabrikam.com  federated  row 2: SASL over TLS  %s line 11"):format(path);
			("  litware.com   federated  row 2: SASL over TLS  %s/prosody.cfg.lua line 4"):format(directory);
		}, "\n"), ok("partner", "get", "*.com"));
		refused(1, "x.example is no partner of contoso.com", "partner", "get", "x.example");
		refused(1, "*.org is no partner of contoso.com", "partner", "get", "*.org");
	end);

	it("edit policies, sites and grants", function ()
		assert.is_truthy(ok("policy", "get"):find("no policy: every Lync user may use XMPP", 1, true));
		local warned = ok("policy", "new", "site:Redmond", "enable_xmpp_access=true",
			"members=redmond.contoso.com,bob@contoso.com");
		assert.is_truthy(warned:find("warning: contoso.com: lync_access_policies.global: missing", 1, true), warned);
		ok("policy", "set", "global", "enable_xmpp_access=$false");
		ok("policy", "new", "SalesAccessPolicy", "enable_xmpp_access=true");
		ok("policy", "grant", "carol@contoso.com", "SalesAccessPolicy");
		ok("policy", "set", "site:Redmond", "members-=bob@contoso.com", "members+=dan@contoso.com");
		local settings = env.load(HOST);
		local function may(user)
			return settings:may { direction = "out"; kind = "message"; contact = "a@litware.com"; user = user };
		end
		for user, allowed in pairs { carol = true, bob = false, dan = true, eve = false } do
			assert.equal(allowed, may(user.."@contoso.com") == true, user);
		end
		local output = ok("policy", "get"):gsub(" +"..path:gsub("%p", "%%%0").." line %d+", "");
		assert.equal(table.concat({ "contoso.com"; "  global  enable_xmpp_access = false";
			"  site:Redmond  enable_xmpp_access = true"; "    members     redmond.contoso.com, dan@contoso.com";
			"  SalesAccessPolicy  enable_xmpp_access = true"; "    granted to  carol@contoso.com" }, "\n"), output);
		local list = json.decode(ok("policy", "get", "site:Redmond", "--json"));
		assert.same({ 1, "site", true }, { #list, list[1].scope, list[1].enable_xmpp_access });
		refused(1, "no such policy in lync_access_policies; did you mean", "policy", "grant", "eve@contoso.com", "SalesAcessPolicy");
		refused(1, 'lync_policy_grants["carol@contoso.com"] = "SalesAccessPolicy": no such policy', "policy", "remove",
			"SalesAccessPolicy");
		refused(1, "eve@contoso.com has no policy of its own", "policy", "grant", "eve@contoso.com", "--none");
		refused(1, "is not a site's policy", "policy", "set", "SalesAccessPolicy", "members+=x");
		refused(1, 'not a boolean; write true or false', "policy", "set", "SalesAccessPolicy", "enable_xmpp_access=yes");
		refused(1, "there is no policy Sales", "policy", "get", "Sales");
		refused(1, "policy global is there already", "policy", "new", "global");
		ok("policy", "grant", "sip:Carol@contoso.com", "--none");
		ok("policy", "remove", "SalesAccessPolicy");
		ok("policy", "remove", "site:Redmond");
		ok("policy", "remove", "global");
		assert.is_truthy(ok("policy", "get"):find("no policy is left: no Lync user may use XMPP", 1, true));
		settings = env.load(HOST);
		assert.is_nil((may("carol@contoso.com")));
	end);

	it("edit the gateway's settings", function ()
		ok("gateway", "set", "keep_alive_interval=120", "enable_logging_all_message_bodies=true", "dialback_passphrase=-");
		assert.equal("correct horse", managed.get(managed.read(path), HOST, "lync_gateway_settings", "dialback_passphrase"));
		local output = ok("gateway", "get");
		for _, line in ipairs { "keep_alive_interval                120             "..path.." line ";
			"stream_inactivity_timeout          700             "..directory.."/prosody.cfg.lua line 6";
			"connection_limit                   1000            default"; "dialback_passphrase                set, not shown  " } do
			assert.is_truthy(output:find("\n  "..line, 1, true), output);
		end
		local one = json.decode(ok("gateway", "get", "--json"))[1];
		assert.same({ 120, true, nil }, { one.keep_alive_interval, one.dialback_passphrase_set, one.dialback_passphrase });
		output = ok("gateway", "set", "--whatif", "dialback_passphrase=battery staple", "connection_limit=2000");
		assert.is_nil((output:find("battery", 1, true) or output:find("horse", 1, true)));
		refused(1, "lync_gateway_settings.dialback_passphrase: too short; write 8 to 1024 bytes", "gateway", "set",
			"dialback_passphrase=short");
		refused(1, 'KeepAliveInterval = "5": unknown key; did you mean "keep_alive_interval"?', "gateway", "set", "KeepAliveInterval=5");
		refused(1, "stream_inactivity_timeout stands in "..directory.."/prosody.cfg.lua line 6", "gateway", "set",
			"stream_inactivity_timeout=60");
		ok("gateway", "set", "keep_alive_interval=default", "enable_logging_all_message_bodies=default",
			"dialback_passphrase=");
		assert.same({}, managed.options(managed.read(path), HOST));
	end);

	it("want to know the host where there are several", function ()
		env.config["litware.example"] = { modules_enabled = { "lync_gateway" } };
		raws["litware.example"] = raws[HOST];
		refused(2, "several hosts have lync_gateway (contoso.com, litware.example): say which with --host HOST", table.unpack(NEW));
		ok("partner", "--host", "litware.example", table.unpack(NEW, 2));
		ok("gateway", "set", "--host="..HOST, "connection_limit=5");
		assert.is_truthy(managed.options(managed.read(path), "litware.example").lync_partners["fabrikam.com"]);
		assert.is_nil(managed.options(managed.read(path), HOST).lync_partners);
		assert.equal(2, #json.decode(ok("gateway", "get", "--json")));
		assert.equal(1, #json.decode(ok("gateway", "get", "--json", "--host", HOST)));
		refused(1, "nowhere.example does not have lync_gateway", "gateway", "get", "--host", "nowhere.example");
	end);

	it("do not write over what they cannot read", function ()
		write(path, FILE:gsub("return", "retrun"));
		refused(1, path..' line 5: return { … } expected, found "retrun"', "partner", "set", "fabrikam.com", "description=x");
		refused(1, path.." line 5: ", "partner", "get");
	end);

	it("warn of what nobody reads", function ()
		write(path, FILE:gsub("contoso.com", "contoso.example"));
		assert.is_truthy(ok("partner", "get"):find(("warning: %s line 6: contoso.example does not have lync_gateway, this is not read")
			:format(path), 1, true));
		assert.is_truthy(ok(table.unpack(NEW)):find("warning: ", 1, true));
		assert.is_truthy(read(path):find("4711", 1, true));
	end);

	it("leave the test of a partner to its own library", function ()
		refused(2, "Unknown word: tset", "partner", "tset", "fabrikam.com");
		local with_test = {};
		function with_test.require(_, name)
			if name ~= "partner_test" then return support.lib(name, with_test); end
			return { usage = "  partner test DOMAIN\n"; run = function (_, args, lib)
				return args[1] == "fabrikam.com" and lib == command and 42;
			end };
		end
		local partner = with_test:require("command_partner");
		assert.equal(42, partner.run(env, { "test", "fabrikam.com" }, command));
		assert.is_truthy(partner.usage:find("  partner test DOMAIN\n", 1, true));
	end);

	it("are quick with many partners", function ()
		local doc, many = managed.read(path), 3000;
		for i = 1, many do
			managed.set_partner(doc, HOST, ("p%d.example"):format(i), { partner_type = "federated";
				support_dialback_negotiation = false });
		end
		assert(managed.save(doc, path));
		local from = os.clock();
		assert.equal(many + 1, #json.decode(ok("partner", "get", "--json")));
		ok("partner", "set", "p7.example", "description=x");
		assert.is_true(os.clock() - from < 5, os.clock() - from);
	end);

	it("have nothing to do without a managed file, or without a change", function ()
		write(path, FILE);
		assert.equal("contoso.com: nothing to change", ok("gateway", "set", "keep_alive_interval=120"));
		assert.same({ "lync-partners.cfg.lua", "prosody.cfg.lua" }, files());
		env.managed_path = nil;
		refused(1, "lync_partners_file = false", "partner", "set", "fabrikam.com", "description=x");
		env.managed_error = "lync_partners_file = 5";
		refused(1, "error: lync_partners_file = 5", "partner", "set", "fabrikam.com", "description=x");
		refused(1, "error: lync_partners_file = 5", "partner", "get");
		env.managed_error = nil;
		env.load = function () return core.settings(HOST, raws[HOST]); end
		assert.is_truthy(ok("partner", "get"):find("litware.com", 1, true));
	end);

	it("warn where hosts on one bridge no longer agree", function ()
		env.conflicts = function (loaded)
			return loaded[HOST].settings:gateway().subscription_refresh_interval == 60 and { [HOST] = "they differ" } or {};
		end
		assert.is_truthy(ok("gateway", "set", "subscription_refresh_interval=60"):find("warning: they differ", 1, true));
	end);

	it("go ahead past errors that are not theirs, and fix those that are", function ()
		raws[HOST].lync_access_edge = 5;
		raws[HOST].lync_gateway_settings.connection = 5;
		ok("gateway", "set", "connection_limit=5");
		refused(1, "partner_connection_limit = 0: out of range", "gateway", "set", "partner_connection_limit=0");
		write(path, FILE:gsub("public_unverified", "public"));
		ok("partner", "set", "fabrikam.com", "description=x");
		refused(1, 'partner_type = "public": not a valid value', "partner", "set", "acme.example", "description=x");
		ok("partner", "set", "acme.example", "partner_type=federated");
	end);
end);
