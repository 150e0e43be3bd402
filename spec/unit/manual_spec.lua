-- The manual page and the completion of bash know every command, option and key that there is; and bash completes them.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local PAGE, COMPLETION = "docs/prosody-mod-lync-gateway.8", "completion/bash";
-- What interface.md promises.
local COMMANDS = { "certificate", "check", "gateway", "help", "import", "lync-commands", "partner", "policy", "test" };
local SHELL = { "explain", "help", "partners", "reload", "sessions", "status", "streams", "subscriptions", "test_im" };

local function read(path)
	local f = assert(io.open(path));
	local text = f:read("a");
	f:close();
	return text;
end

local function run(command)
	local p = assert(io.popen(command .. " 2>&1"));
	local output = p:read("a");
	local _, _, status = p:close();
	return output, status;
end

local function library(name)
	local module = {};
	function module.require(_, other) return library(other); end
	return assert(loadfile("lua/mod_lync_gateway/" .. name .. ".lib.lua", "t", setmetatable({ module = module }, { __index = _G })))();
end

-- The usage of every command, in the words of the sources.
local function usages()
	local list, p = {}, assert(io.popen("ls lua/mod_lync_gateway/*.lib.lua"));
	for path in p:lines() do
		for text in read(path):gmatch("usage = %[%[(.-)%]%]") do list[#list + 1] = text; end
	end
	p:close();
	assert(#list > 0);
	return table.concat(list, "\n");
end

-- The page as people see it.
local function page()
	return (run("mandoc -T ascii -O width=200 " .. PAGE):gsub(".\8", ""));
end

-- What bash offers at the end of a line; more: lines of bash before.
local function completes(line, more)
	local script = ([[
%s
source completion/bash
COMP_LINE=%s; COMP_POINT=${#COMP_LINE}
_lync_gateway prosodyctl
printf '%%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort
]]):format(more or "", "'" .. line .. "'");
	local f = assert(io.popen("bash --norc --noprofile <<'END'\n" .. script .. "END"));
	local words = {};
	for word in f:lines() do
		if word ~= "" then words[#words + 1] = word; end
	end
	f:close();
	return words;
end

local function set(list)
	local result = {};
	for _, word in ipairs(list) do result[word] = true; end
	return result;
end

describe("the manual page", function ()
	it("is well written in its language", function ()
		assert.same({ "", 0 }, { run("mandoc -T lint -W style " .. PAGE .. " | grep -v 'Xr\\|mandoc.db'; test $? = 1") });
	end);

	it("has every command, and every option of the usage", function ()
		local text = page();
		for _, name in ipairs(COMMANDS) do assert.matches("\n +" .. name:gsub("%-", "%%-") .. "[ \n]", text); end
		for _, name in ipairs(SHELL) do assert.matches("\n +" .. name .. "[ \n]", text); end
		for option in usages():gmatch("%-%-[%l-]+") do
			assert.is_truthy(text:find(option, 1, true), "not in the manual page: " .. option);
		end
	end);
end);

describe("the completion of bash", function ()
	local directory;
	setup(function ()
		directory = os.tmpname();
		os.remove(directory);
		os.execute("mkdir -p " .. directory .. "/conf.d");
		local f = assert(io.open(directory .. "/prosody.cfg.lua", "w"));
		f:write('Include "conf.d/*.cfg.lua"\nVirtualHost "example.com"\n');
		f:close();
		f = assert(io.open(directory .. "/conf.d/lync.cfg.lua", "w"));
		f:write('Component "contoso.com" "lync_gateway"\nlync_partners = { ["fabrikam.com"] = { partner_type = "federated" }; '
			.. '["acme.example"] = {} }\nlync_sites = { ["site:Redmond"] = { "redmond.contoso.com" } }\n'
			.. 'lync_policy_grants = { ["carol@contoso.com"] = "Sales" }\n');
		f:close();
		f = assert(io.open(directory .. "/lync-partners.cfg.lua", "w"));
		f:write('lync_partners = {\n\t["managed.example"] = {\n\t};\n}\n');
		f:close();
	end);
	teardown(function () os.execute("rm -rf " .. directory); end);

	local function with_config(rest, more)
		return completes("prosodyctl --config " .. directory .. "/prosody.cfg.lua " .. rest, more);
	end

	for line, expected in pairs {
		["prosodyctl mod"] = { "mod_lync_gateway" };
		["prosodyctl --root mod_l"] = { "mod_lync_gateway" };
		["prosodyctl mod_lync_gateway "] = COMMANDS;
		["prosodyctl mod_lync_gateway c"] = { "certificate", "check" };
		["prosodyctl shell "] = { "lync" };
		["prosodyctl shell lync "] = SHELL;
		["prosodyctl shell lync s"] = { "sessions", "status", "streams", "subscriptions" };
		["prosodyctl shell lync reload "] = {};
		["prosodyctl shell s2s "] = {};
		["prosodyctl mod_lync_gateway partner "] = { "get", "new", "remove", "set", "test" };
		["prosodyctl mod_lync_gateway policy "] = { "get", "grant", "new", "remove", "set" };
		["prosodyctl mod_lync_gateway gateway "] = { "get", "set" };
		["prosodyctl mod_lync_gateway certificate "] = { "import", "request", "show" };
		["prosodyctl mod_lync_gateway certificate request --key-type "] = { "ec", "rsa" };
		["prosodyctl mod_lync_gateway test "] = { "im" };
		["prosodyctl mod_lync_gateway check --o"] = { "--offline" };
		["prosodyctl mod_lync_gateway partner set fabrikam.com tls"] = { "tls_negotiation=" };
		["prosodyctl mod_lync_gateway partner set fabrikam.com tls_negotiation="] = { "not_supported", "optional", "required" };
		["prosodyctl mod_lync_gateway partner set fabrikam.com tls_negotiation=o"] = { "optional" };
		["prosodyctl mod_lync_gateway partner new fabrikam.com partner_type=public_v"] = { "public_verified" };
		["prosodyctl mod_lync_gateway partner set fabrikam.com additional"] = { "additional_domains+=", "additional_domains-=",
			"additional_domains=" };
		["prosodyctl mod_lync_gateway gateway set enable_l"] = { "enable_logging_all_message_bodies=" };
		["prosodyctl mod_lync_gateway policy new Sales enable_xmpp_access="] = { "false", "true" };
	} do
		it("after " .. line, function () assert.same(expected, completes(line)); end);
	end

	it("offers what there is in the configuration: partners and hosts", function ()
		local partners = { "acme.example", "fabrikam.com", "managed.example" };
		local function domains(rest)
			local list = {};
			for _, word in ipairs(with_config(rest)) do
				if word:sub(1, 1) ~= "-" then list[#list + 1] = word; end
			end
			return list;
		end
		for _, rest in ipairs { "partner set ", "partner get ", "partner remove ", "partner test " } do
			assert.same(partners, domains("mod_lync_gateway " .. rest));
		end
		assert.same(partners, domains("shell lync streams "));
		assert.same({ "fabrikam.com" }, domains("shell lync sessions f"));
		assert.same({ "contoso.com", "example.com" }, domains("shell lync status "));
		assert.same({ "contoso.com" }, with_config("mod_lync_gateway lync-commands --host c"));
	end);

	it("offers files where files are wanted", function ()
		assert.same({ directory .. "/prosody.cfg.lua" }, completes("prosodyctl mod_lync_gateway import " .. directory .. "/pr"));
		assert.same({ directory .. "/prosody.cfg.lua" },
			completes("prosodyctl mod_lync_gateway certificate import x --chain " .. directory .. "/pr"));
	end);

	it("gives way to another completion of prosodyctl, in all that is not ours", function ()
		local other = "_other() { COMPREPLY=(theirs); }; complete -F _other prosodyctl";
		assert.same({ "theirs" }, completes("prosodyctl sta", other));
		assert.same({ "theirs" }, completes("prosodyctl shell s2s ", other));
		assert.same({ "partner" }, completes("prosodyctl mod_lync_gateway par", other));
	end);

	it("works as bash calls it", function ()
		local output = run("bash --norc --noprofile -c 'source completion/bash; complete -p prosodyctl'");
		assert.equal("complete -F _lync_gateway prosodyctl\n", output);
	end);

	it("knows every command, option and key of the sources", function ()
		local text, known = read(COMPLETION), set(completes("prosodyctl mod_lync_gateway "));
		local names = read("lua/mod_lync_gateway/command.lib.lua"):match("local names = {(.-)};");
		for name in names:gmatch('"([%l-]+)"') do assert.is_truthy(known[name], name); end
		for option in usages():gmatch("%-%-[%l-]+") do
			assert.is_truthy(text:find(option:gsub("%-", "%%-") .. "[^%l-]"), "not completed: " .. option);
		end
		local gateway = core.settings("contoso.com", {}):gateway();
		gateway.dialback_passphrase = "";
		local keys = set(completes("prosodyctl mod_lync_gateway gateway set "));
		for key in pairs(gateway) do assert.is_truthy(keys[key .. "="], key); end
		local settings = core.settings("contoso.com", { lync_partners = { ["a.example"] = { partner_type = "federated" } } });
		keys = set(completes("prosodyctl mod_lync_gateway partner set a.example "));
		for key in pairs(settings:partner("a.example")) do
			local derived = set { "domain", "verified", "disabled", "row", "methods", "strict", "warning" };
			assert.is_truthy(derived[key] or keys[key .. "="], key);
		end
	end);

	it("and the shell's commands", function ()
		local known, shell = set(SHELL), library("shell");
		local items = shell.items(shell.commands({}));
		assert.is_true(#items >= 8);
		for _, item in ipairs(items) do assert.is_truthy(known[item.name], item.name); end
	end);
end);

describe("make install", function ()
	it("places the manual page and the completion where they are found", function ()
		local output = run("env -u MAKEFLAGS -u MAKELEVEL make -n install DESTDIR=/d PREFIX=/p");
		assert.is_truthy(output:find("/d/p/share/man/man8/prosody-mod-lync-gateway.8", 1, true));
		assert.is_truthy(output:find("/d/p/share/bash-completion/completions/prosodyctl", 1, true));
	end);

	it("places the sample once, leaves it alone when it is there, and is content both times", function ()
		local directory = run("mktemp -d"):match("^(/[^\n]+)");
		local line = run("env -u MAKEFLAGS -u MAKELEVEL make -n install DESTDIR="..directory):match("\n(%[ %-e [^\n]+)");
		local sample = directory.."/etc/prosody/conf.avail/lync-gateway.cfg.lua";
		assert.is_true((os.execute(line)));
		assert.equal(read("conf.d/lync-gateway.cfg.lua"), read(sample));
		local f = assert(io.open(sample, "w"));
		f:write("-- mine\n");
		f:close();
		assert.is_true((os.execute(line)));
		assert.equal("-- mine\n", read(sample));
		run("rm -r "..directory);
	end);
end);
