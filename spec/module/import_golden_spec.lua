-- import and lync-commands against the files of spec/golden/import: the exact text and the exit status. LG_GOLDEN=write
-- writes what is printed now; look at the difference before it is committed.
-- SPDX-License-Identifier: MIT

local json = require "util.json";
local commands = require "spec.support.import";

local function read(path)
	local f = io.open(path, "rb");
	if not f then return nil; end
	local content = f:read("a");
	f:close();
	return content;
end

local function golden(name, output, status)
	local path = commands.directory .. name .. ".out";
	local text = output .. "\n[exit " .. status .. "]\n";
	if os.getenv("LG_GOLDEN") == "write" then
		local f = assert(io.open(path, "wb"));
		f:write(text);
		f:close();
	end
	assert.equal(read(path), text);
end

-- With these in Prosody's configuration, and spec/golden/import/managed.cfg.lua beside it.
local existing = {
	lync_partners = { ["FABRIKAM.com"] = { partner_type = "federated"; additional_domains = { "na.fabrikam.com" };
		sasl_negotiation = "optional"; support_dialback_negotiation = false } };
	lync_gateway_settings = { connection_limit = 1000 };
};

-- golden, file, more arguments, options of the host
local cases = {
	{ "partners.xml", "partners.xml" };
	{ "partners-utf16.xml", "partners-utf16.xml" };
	{ "gateway.xml", "gateway.xml" };
	{ "policies.xml", "policies.xml" };
	{ "partners.json", "partners.json" };
	{ "partners.json-accepted", "partners.json", { "--accept-numbers" } };
	{ "partner-names.json", "partner-names.json" };
	{ "partners.csv", "partners.csv" };
	{ "policies-semicolon.csv", "policies-semicolon.csv" };
	{ "policies-bom.csv", "policies-bom.csv" };
	{ "policy-only.csv", "policy-only.csv" };
	{ "other.xml", "other.xml" };
	{ "twice.csv", "twice.csv" };
	{ "existing-partners.xml", "partners.xml", {}, existing };
	{ "existing-gateway.xml", "gateway.xml", {}, existing };
	{ "existing-policies.xml", "policies.xml", {}, existing };
	{ "existing-partner-names.json", "partner-names.json", {}, existing };
};

describe("import", function ()
	for _, case in ipairs(cases) do
		it("reports on " .. case[1], function ()
			local env = commands.env { host = case[4]; managed = case[4] and commands.directory .. "managed.cfg.lua" };
			local output, status = commands.run(env, "import", commands.directory .. case[2], table.unpack(case[3] or {}));
			assert.is_nil(output:find("not to be seen anywhere", 1, true));
			golden(case[1], output, status);
		end);
	end

	it("reports the same as JSON", function ()
		for _, case in ipairs(cases) do
			local env = commands.env { host = case[4]; managed = case[4] and commands.directory .. "managed.cfg.lua" };
			local arguments = { table.unpack(case[3] or {}) };
			arguments[#arguments + 1] = "--json";
			local output, status = commands.run(env, "import", commands.directory .. case[2], table.unpack(arguments));
			assert.is_nil(output:find("not to be seen anywhere", 1, true));
			local report = assert(json.decode(output));
			local expected = read(commands.directory .. case[1] .. ".out");
			assert.equal(expected:match("%[exit (%d)%]"), tostring(status));
			local s = report.summary;
			assert.truthy(expected:find(("%d object(s): %d new, %d same, %d different, %d refused, %d not confirmed; %d warning(s)\n")
				:format(#report.objects, s.new, s.same, s.differs, s.refused, s.not_confirmed, s.warnings), 1, true), output);
			assert.is_false(report.committed);
			for _, object in ipairs(report.objects) do
				for _, list in ipairs { object.errors, object.warnings, object.notes, object.guessed } do
					for _, text in ipairs(list) do
						assert.truthy(expected:find(text, 1, true), text);
					end
				end
			end
		end
	end);
end);

describe("lync-commands", function ()
	it("prints the script for a configuration without anything special", function ()
		golden("lync-commands", commands.run(commands.env {}, "lync-commands"));
	end);

	it("prints the script for one with everything", function ()
		local env = commands.env { managed = commands.directory .. "managed.cfg.lua"; host = {
			lync_bridge_fqdn = "xmpp.fabrikam.com"; lync_bridge_listen = { "*:5061", "192.0.2.10:5061", "[2001:db8::10]:5061",
				"127.0.0.1:5062" };
			lync_partners = {
				["fabrikam.com"] = { partner_type = "federated"; description = "O'Brien’s #> \"Fabrikam\"; Remove-Item x";
					additional_domains = { "na.fabrikam.com", "bücher.example" } };
				["broken.example"] = { partner_type = "friend" };
			};
			lync_access_policies = { global = { enable_xmpp_access = false }; ["site:Redmond"] = { enable_xmpp_access = true };
				["Sales' Policy"] = { enable_xmpp_access = true } };
			lync_policy_grants = { ["carol@contoso.com"] = "Sales' Policy"; ["sip:dave@contoso.com"] = "Sales' Policy" };
		} };
		local output, status = commands.run(env, "lync-commands", "--host", "contoso.com");
		golden("lync-commands-all", output, status);
		assert.equal(output, (commands.run(env, "lync-commands")));
		-- A script of comments and cmdlets, with records in between that a zone file takes
		local script, records = output:match("^(.-)\n<#\n(.*)\n#>\n");
		for line in (script .. "\n"):gmatch("(.-)\n") do
			assert.truthy(line == "" or line:find("^#") or line:find("^%u%l+%-Cs%a+ %-%a+ "), line);
		end
		for line in (records .. "\n"):gmatch("(.-)\n") do
			assert.truthy(line:find("^;") or line:find("^[%w._-]+%. 3600 IN SRV 0 0 %d+ [%w.-]+%.$")
				or line:find("^[%w.-]+%. 3600 IN A [%d.]+$") or line:find("^[%w.-]+%. 3600 IN AAAA [%x:]+$"), line);
		end
		for line in output:gmatch("[^\n]+") do
			assert.is_true(utf8.len(line) <= 132 or line:find("^[#N]") ~= nil, line);
		end
	end);

	it("quotes whatever may end a word or a line", function ()
		local quote = commands.lib("lync_commands").quote;
		assert.equal("'a''b'", quote("a'b"));
		for _, mark in ipairs { "\u{2018}", "\u{2019}", "\u{201A}", "\u{201B}" } do
			assert.equal("'a" .. mark .. mark .. "'", quote("a" .. mark));
		end
		assert.equal("'a b c d e f $x `n'", quote("a\nb\rc\u{2028}d\u{2029}e\u{85}f $x `n"));
	end);

	it("refuses a configuration that is not usable", function ()
		local output, status = commands.run(commands.env { host = { lync_access_edge = 5 } }, "lync-commands");
		assert.equal(1, status);
		assert.truthy(output:find("lync_access_edge = 5", 1, true));
		assert.is_nil(output:find("New-Cs", 1, true));
	end);

	it("says how it is used", function ()
		for _, words in ipairs { { "--hosts" }, { "a", "b" } } do
			local output, status = commands.run(commands.env {}, "lync-commands", table.unpack(words));
			assert.equal(2, status);
			assert.truthy(output:find("Usage: prosodyctl", 1, true));
		end
		local output, status = commands.run(commands.env {}, "lync-commands", "nowhere.example");
		assert.equal(1, status);
		assert.truthy(output:find("nowhere.example does not have lync_gateway", 1, true));
	end);
end);
