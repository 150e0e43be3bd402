-- The managed file: what is read and written, and what it means beside the configuration. The core is the real one, files
-- are real.
-- SPDX-License-Identifier: MIT

local lfs = require "lfs";
local core = require "lync_gateway.core";
local rig = require "spec.support.managed";

local module, HOST, FILE, write, read = rig.module, rig.HOST, rig.FILE, rig.write, rig.read;
local directory, path;

local function setup_directory() directory, path = rig.directory(); end
local function remove_directory() rig.remove(directory); end
local function files() return rig.files(directory); end

describe("the managed file's text", function ()
	local format = module:require("managed_format");

	it("comes back as it was, comments and all", function ()
		assert.equal(FILE, format.render(assert(format.parse(FILE))));
	end);

	it("is Lua that returns the same", function ()
		local text = FILE:gsub("4711", "\195\188 \\\\ [[");
		assert.equal("correct horse", load(text, "f", "t", {})()["contoso.com"].lync_gateway_settings.dialback_passphrase);
	end);

	for name, value in pairs {
		plain = "Fabrikam"; quotes = 'a "b" c'; backslash = "a\\b"; control = "a\nb\t\0\0017"; unicode = "Zürich"; dashes = "a -- b";
		brackets = "]] }"; empty = "";
	} do
		it("keeps a string: "..name, function ()
			local doc = assert(format.parse("return { x = { y = { z = 1 } } }"));
			doc.root.entries[1].value.entries[1].value.entries[1].value = value;
			local text = format.render(doc);
			assert.equal(value, load(text, "f", "t", {})().x.y.z);
			assert.equal(value, format.parse(text).root.entries[1].value.entries[1].value.entries[1].value);
		end);
	end

	it("keeps a number", function ()
		for _, number in ipairs { "0", "-7", "9007199254740993", "0x10", "1e2", "0.1", "3.14159265358979312", "1e300", "5e-324" } do
			local doc = assert(format.parse("return { x = { y = { z = "..number.." } } }"));
			local again = load(format.render(doc), "f", "t", {})().x.y.z;
			assert.equal(load("return "..number)(), again, number);
			assert.equal(math.type(load("return "..number)()), math.type(again), number);
		end
	end);

	it("takes what Lua takes of it", function ()
		local doc = assert(format.parse("return{a={'x',\"y\\065\";};b=-1.5,c=true,\r\n['d e']={} -- f\n , g = 1e3};"));
		local values = {};
		for _, entry in ipairs(doc.root.entries) do values[entry.key] = entry.value; end
		assert.equal("yA", values.a.entries[2].value);
		assert.same({ -1.5, true, 1000.0 }, { values.b, values.c, values.g });
		assert.equal("-- f", doc.root.entries[4].trail);
	end);

	for text, wrong in pairs {
		["VirtualHost \"x\""] = 'line 1: return { … } expected, found "VirtualHost"';
		["return {\n\ta = os.execute(\"x\")\n}"] = 'line 2: "os.execute" is not a value';
		["return { a = function () end }"] = 'line 1: "function" is not a value';
		["return {\na = 1;\nb = 2;\na = 3 }"] = 'line 4: "a" stands in line 2 already';
		["return {\na = \"x\n}"] = "line 2: a string without its closing quote";
		["return {\n\n a = 1 b = 2 }"] = 'line 3: ; or } expected, found "b"';
		["return { a = 1"] = "line 1: ; or } expected, found the end of the file";
		["return { a = 1 } x"] = 'line 1: the end of the file expected, found "x"';
		["return { [1] = 1 }"] = "line 1: a key in brackets is to be a name in quotes";
		["return {\na = \"x\ry\" }"] = "line 2: a string without its closing quote";
		["return { -- x\r\nb = 1 -- y\rz }"] = 'line 3: ; or } expected, found "z"';
		["return {\na = \"x\\"] = "line 2: a string without its closing quote";
		["return { --[[ x\n]] }"] = "line 1: a comment of several lines";
		["return { a = \"\\q\" }"] = "line 1: a \\ in a string that means nothing";
		["return { a = 1e400 }"] = 'line 1: "1e400" is not a value';
		["return { a = -1e400 }"] = 'line 1: "-" is not a value';
		["return { end = 1 }"] = 'line 1: "end" is not a value';
		["return { dialback_passphrase = hunter2 }"] = "line 1: something else is not a value";
		["return "..("{"):rep(20)] = "line 1: too many tables within each other";
		["return 5"] = 'line 1: { expected, found "5"';
	} do
		it("refuses "..text:gsub("%c", " "):sub(1, 50), function ()
			local doc, message, line = format.parse(text);
			assert.is_nil(doc);
			assert.equal(wrong, ("line %d: %s"):format(line, message):sub(1, #wrong));
			assert.is_nil(message:find("hunter2", 1, true));
		end);
	end

	local function plain(value)
		if type(value) ~= "table" then return value; end
		local result = {};
		for _, entry in ipairs(value.entries) do
			result[entry.key or #result + 1] = plain(entry.value);
		end
		return result;
	end

	it("means what it means to Lua, after any slip of the pen that is not refused", function ()
		local taken = 0;
		local function try(text)
			local doc = format.parse(text);
			if not doc then return; end
			taken = taken + 1;
			assert.same(assert(load(text, "f", "t", {}), text)(), plain(doc.root));
			local again = format.render(doc);
			assert.equal(again, format.render(assert(format.parse(again))));
			assert.same(plain(doc.root), load(again, "f", "t", {})());
		end
		for i = 1, #FILE do
			try(FILE:sub(1, i));
			try(FILE:sub(1, i - 1)..FILE:sub(i + 1));
			try(FILE:sub(1, i)..FILE:sub(i)); -- twice
			for _, c in ipairs { "\n", '"', "\\", "-", "7", "{", ";", "=" } do
				try(FILE:sub(1, i - 1)..c..FILE:sub(i + 1));
			end
		end
		assert.is_true(taken > #FILE, taken);
	end);

	it("is compared", function ()
		assert.is_nil(format.diff("a\nb\n", "a\nb\n"));
		assert.equal("@@ line 5 @@\n 2\n 3\n 4\n-5\n+x\n+y\n 6\n 7\n 8",
			format.diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\ny\n6\n7\n8\n9\n"));
		assert.equal("@@ line 1 @@\n+a", format.diff("", "a\n"));
		assert.equal("@@ line 2 @@\n a\n-a", format.diff("a\na\n", "a\n"));
	end);
end);

describe("the managed file", function ()
	local managed = module:require("managed");
	before_each(setup_directory);
	after_each(remove_directory);

	it("is empty where there is none", function ()
		local doc = assert(managed.read(path));
		assert.same({}, managed.options(doc, HOST));
		assert.same({}, files());
	end);

	it("is found beside the configuration, or where it is said", function ()
		assert.equal("/etc/prosody/lync-partners.cfg.lua", managed.path({ config = "/etc/prosody" }));
		assert.equal("/etc/prosody/x.lua", managed.path({ config = "/etc/prosody" }, "x.lua"));
		assert.equal("/var/x.lua", managed.path({ config = "/etc/prosody" }, "/var/x.lua"));
		assert.same({}, { managed.path({ config = "/etc/prosody" }, false) });
		assert.is_nil(managed.reader(core, { config = "/etc/prosody" }, false));
		assert.equal("lync_partners_file = 5: not a file's name; write it in quotes, or false for none",
			select(2, managed.path({ config = "/etc/prosody" }, 5)));
	end);

	for text, wrong in pairs {
		["return { { } }"] = "line 1: a host without a name";
		["return { [\"contoso.com\"] = 5 }"] = 'line 1: "contoso.com": not a host with its options';
		["return { x = {\nlync_partner = {} } }"] = 'line 2: "lync_partner": not an option of this file; known are lync_partners';
		["return { x = { ['a\\nb'] = {} } }"] = 'line 1: "a\\nb": not an option of this file; known are lync_partners';
		["return { x = { lync_partners = 5 } }"] = "line 1: lync_partners: not a table";
		["return { x = { lync_partners = {\n{} } } }"] = "line 2: an entry of lync_partners without a name";
	} do
		it("is refused: "..text:gsub("\n", " "), function ()
			write(path, text);
			local doc, err = managed.read(path);
			assert.is_nil(doc);
			assert.equal(path.." "..wrong, err:sub(1, #path + 1 + #wrong));
		end);
	end

	it("is refused when it is too large, or no file", function ()
		write(path, ("-"):rep(8 * 1024 * 1024 + 1));
		assert.matches("more than 8388608 bytes", select(2, managed.read(path)));
		assert.matches("cannot be read", select(2, managed.read(directory)));
	end);

	it("is changed in one place, comments stay", function ()
		write(path, FILE);
		local doc = managed.read(path);
		assert.is_nil(managed.diff(doc));
		managed.set_partner(doc, HOST, "FABRIKAM.com", { partner_type = "federated"; description = "new";
			additional_domains = { "eu.fabrikam.com", "asia.fabrikam.com" }; support_dialback_negotiation = false });
		assert(managed.save(doc, path));
		local expected = FILE:gsub('{ "na.fabrikam.com", "eu.fabrikam.com" };', '{ "eu.fabrikam.com", "asia.fabrikam.com" };', 1)
			:gsub("(\t+)(partner_type = \"federated\"; %-%- by the book\n)", '%1%2%1description = "new";\n', 1);
		assert.equal(expected, read(path));
		assert.equal(FILE, read(path..".bak"));
		assert.same({ "lync-partners.cfg.lua", "lync-partners.cfg.lua.bak" }, files());
		managed.set_partner(doc, HOST, "fabrikam.com", nil);
		managed.set_partner(doc, HOST, "new.example", { proxy_fqdn = "x.example"; partner_type = "federated" },
			{ "-- from a list" });
		assert(managed.save(doc, path));
		local text = read(path);
		assert.is_nil(text:find("4711", 1, true));
		assert.is_truthy(text:find('\t\t\t-- from a list\n\t\t\t["new.example"] = {\n\t\t\t\tpartner_type = "federated";\n', 1, true));
		assert.is_truthy(text:find("-- about all partners", 1, true));
		assert.is_truthy(text:find("-- before the brace", 1, true));
		assert.equal(expected, read(path..".bak"));
	end);

	it("holds several hosts", function ()
		local doc = managed.read(path);
		managed.set_settings(doc, "b.example", { connection_limit = 5; keep_alive_interval = 6 });
		managed.set_policy(doc, "a.example", "site:X", { enable_xmpp_access = true });
		managed.set_site(doc, "a.example", "site:X", { "x.a.example" });
		managed.set_policy(doc, "a.example", "Sales", { enable_xmpp_access = false });
		managed.set_grant(doc, "a.example", "carol@a.example", "Sales");
		assert(managed.save(doc, path));
		doc = managed.read(path);
		assert.same({ lync_gateway_settings = { connection_limit = 5; keep_alive_interval = 6 } },
			managed.options(doc, "B.example"));
		assert.same({ lync_access_policies = { ["site:X"] = { enable_xmpp_access = true }, Sales = { enable_xmpp_access = false } };
			lync_sites = { ["site:X"] = { "x.a.example" } }; lync_policy_grants = { ["carol@a.example"] = "Sales" } },
			managed.options(doc, "a.example"));
		managed.set_settings(doc, "b.example", { connection_limit = managed.DEFAULT; keep_alive_interval = 7 });
		managed.set_grant(doc, "a.example", "sip:Carol@a.example", nil);
		assert.same({ lync_gateway_settings = { keep_alive_interval = 7 } }, managed.options(doc, "b.example"));
		assert.is_nil(managed.options(doc, "a.example").lync_policy_grants);
	end);

	it("does not open a host when the last policy goes", function ()
		local doc = managed.read(path);
		managed.set_policy(doc, HOST, "global", { enable_xmpp_access = true });
		managed.set_policy(doc, HOST, "global", nil);
		assert.same({ lync_access_policies = {} }, managed.options(doc, HOST));
	end);

	it("shows no secret in a difference", function ()
		write(path, FILE);
		local doc = managed.read(path);
		managed.set_settings(doc, HOST, { dialback_passphrase = "battery staple" });
		assert.equal("@@ a secret @@", managed.diff(doc));
		managed.set_settings(doc, HOST, { connection_limit = 5 });
		assert.is_nil(managed.diff(doc):find("battery", 1, true));
		assert.is_nil(managed.diff(doc):find("horse", 1, true));
	end);

	it("has owner and mode of what it replaces, a new one those of the configuration", function ()
		local reference = directory.."/prosody.cfg.lua";
		write(reference, "");
		os.execute("chmod 640 "..reference);
		local doc = managed.read(path);
		managed.set_settings(doc, HOST, { connection_limit = 5 });
		assert(managed.save(doc, path, reference));
		assert.equal("rw-r-----", lfs.attributes(path, "permissions"));
		os.execute("chmod 604 "..path);
		managed.set_settings(doc, HOST, { connection_limit = 6 });
		assert(managed.save(doc, path, reference));
		assert.equal("rw----r--", lfs.attributes(path, "permissions"));
		assert.equal("rw----r--", lfs.attributes(path..".bak", "permissions"));
	end);

	it("is not written over what somebody else wrote meanwhile", function ()
		write(path, FILE);
		local one, two = managed.read(path), managed.read(path);
		managed.set_settings(one, HOST, { connection_limit = 5 });
		managed.set_settings(two, HOST, { connection_limit = 6 });
		assert(managed.save(one, path));
		local ok, err = managed.save(two, path);
		assert.is_nil(ok);
		assert.matches("somebody else is changing it", err);
		assert.is_truthy(read(path):find("connection_limit = 5", 1, true));
		os.remove(path);
		local fresh = managed.parse(path);
		managed.set_settings(fresh, HOST, { connection_limit = 7 });
		write(path, FILE);
		assert.matches("has just made it", select(2, managed.save(fresh, path)));
		assert.equal(FILE, read(path));
		assert.same({ "lync-partners.cfg.lua", "lync-partners.cfg.lua.bak" }, files());
	end);

	it("is not written while another process has it locked", function ()
		write(path, FILE);
		local gate = directory.."/gate";
		assert(os.execute("mkfifo "..gate));
		local other = io.popen(("lua5.4 -e 'local f = io.open(%q, \"r+\"); assert(require \"lfs\".lock(f, \"w\")); "
			.."print \"locked\"; io.stdout:flush(); io.open(%q):read()'"):format(path, gate), "r");
		assert.equal("locked", other:read("l"));
		local doc = managed.read(path);
		managed.set_settings(doc, HOST, { connection_limit = 5 });
		local saved, err = managed.save(doc, path);
		io.open(gate, "w"):close();
		other:close();
		assert.is_nil(saved);
		assert.matches("somebody else is changing it", err);
		assert(managed.save(doc, path));
	end);

	it("is written through a symbolic link, which stays", function ()
		write(directory.."/real", FILE);
		assert(lfs.link("real", path, true));
		local doc = managed.read(path);
		managed.set_settings(doc, HOST, { connection_limit = 5 });
		assert(managed.save(doc, path));
		assert.equal("link", lfs.symlinkattributes(path, "mode"));
		assert.is_truthy(read(directory.."/real"):find("connection_limit = 5", 1, true));
	end);

	it("says why it cannot be written", function ()
		local doc = managed.parse(directory.."/nowhere/x");
		local ok, err = managed.save(doc, directory.."/nowhere/x");
		assert.is_nil(ok);
		assert.equal(directory.."/nowhere/x: No such file or directory", err);
	end);
end);

describe("the managed file and the configuration", function ()
	local managed = module:require("managed");
	local raw = { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
		lync_bridge_certificate = { certificate = "/c.pem"; key = "/k.pem" };
		lync_partners = { ["litware.com"] = { partner_type = "federated"; support_dialback_negotiation = false } } };

	it("are used together", function ()
		local settings, problems = managed.load(core, HOST, raw, managed.parse("F", FILE));
		assert.same({}, problems);
		assert.same({ "acme.example", "fabrikam.com", "litware.com" }, settings:partners());
		assert.equal(120, settings:gateway().keep_alive_interval);
		assert.is_nil(raw.lync_gateway_settings);
		assert.is_nil(raw.lync_partners["fabrikam.com"]);
	end);

	it("may not both say something: the configuration's is in force, and both are named", function ()
		local both = { lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
			lync_bridge_certificate = raw.lync_bridge_certificate; lync_gateway_settings = { keep_alive_interval = 99 };
			lync_partners = { ["fabrikam.com"] = { partner_type = "public_verified"; support_dialback_negotiation = false } } };
		local settings, problems = managed.load(core, HOST, both, managed.parse("/F", FILE));
		assert.equal("public_verified", settings:partner("fabrikam.com").partner_type);
		assert.equal(99, settings:gateway().keep_alive_interval);
		assert.equal('contoso.com: lync_gateway_settings.keep_alive_interval: stands in the configuration, which is in force, and '
			..'in /F line 24; remove one of them', problems[1].text);
		assert.equal('contoso.com: lync_partners["fabrikam.com"]: stands in the configuration, which is in force, and in /F line 11; '
			..'remove one of them', problems[2].text);
		assert.same({ 2, "error", "error" }, { #problems, problems[1].level, problems[2].level });
		assert.is_true(settings.usable);
		both.lync_partners = { ["Fabrikam.COM"] = both.lync_partners["fabrikam.com"] };
		settings, problems = managed.load(core, HOST, both, managed.parse("/F", FILE));
		assert.is_truthy(settings:partner("fabrikam.com").disabled);
		assert.is_true(#problems >= 2);
	end);

	it("shut the host when the file cannot be read", function ()
		local settings, problems = managed.load(core, HOST, raw, managed.parse("/F", "return { x"));
		assert.is_false(settings.usable);
		assert.equal('contoso.com: /F line 1: "x" is not a value; write "text" in quotes, a number, true, false or { … }',
			problems[1].text);
		assert.same({}, settings:partners());
	end);

	it("shut the host when the file's name is none", function ()
		local settings, problems = managed.reader(core, { config = "/" }, 5)(HOST, raw);
		assert.is_false(settings.usable);
		assert.equal("contoso.com: lync_partners_file = 5: not a file's name; write it in quotes, or false for none", problems[1].text);
		settings, problems = managed.reader(core, { config = "/nowhere" })(HOST, raw);
		assert.is_true(settings.usable);
		assert.same({}, problems);
	end);

	it("leave nonsense in the configuration for the core to refuse", function ()
		local settings, problems = managed.load(core, HOST, { lync_partners = 5 }, managed.parse("/F", FILE));
		assert.is_false(settings.usable);
		local texts = {};
		for i, problem in ipairs(problems) do texts[i] = problem.text; end
		assert.is_truthy(table.concat(texts, "\n"):find("lync_partners = 5: not a table", 1, true));
	end);
end);
