-- What import makes of partners, policies and settings against what is there, and what it writes.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local json = require "util.json";
local lfs = require "lfs";
local commands = require "spec.support.import";

local read, map, plan = commands.lib("import_read"), commands.lib("import_map"), commands.lib("import_plan");
local managed = commands.lib("managed");

local function items_of(bytes, raw, options)
	local content, problem = read.bytes(bytes);
	assert(content, problem and problem.text);
	return plan.make(core, "contoso.com", raw or {}, map.items(content.rows), options or {});
end

local HEADER = "Domain,PartnerType,TlsNegotiation,SaslNegotiation,SupportDialbackNegotiation\n";

describe("the negotiation settings", function ()
	-- In the order of Microsoft's table: SASL, TLS, dialback
	local invalid = { [6] = true; [12] = true; [14] = true; [16] = true; [18] = true };
	local warned = { [1] = true; [3] = true; [4] = true; [5] = true; [9] = true; [10] = true; [11] = true };

	it("of all 18 rows are taken or refused as Microsoft's table says", function ()
		local lines, row = { HEADER }, 0;
		for _, sasl in ipairs { "Required", "Optional", "NotSupported" } do
			for _, tls in ipairs { "Required", "Optional", "NotSupported" } do
				for _, dialback in ipairs { "True", "False" } do
					row = row + 1;
					lines[#lines + 1] = ("row%d.example,Federated,%s,%s,%s\n"):format(row, tls, sasl, dialback);
				end
			end
		end
		local items = items_of(table.concat(lines));
		assert.equal(18, #items);
		for i, item in ipairs(items) do
			assert.equal(invalid[i] and "refused" or "new", item.status, "row " .. i);
			assert.equal(i, item.row, "row " .. i);
			local warnings = 0;
			for _, problem in ipairs(item.problems) do
				warnings = warnings + (problem.level == "warn" and 1 or 0);
			end
			assert.equal(warned[i] and 1 or 0, warnings, "row " .. i);
			assert.equal(invalid[i] and 0 or 1, math.min(#item.methods, 1), "row " .. i);
		end
	end);
end);

describe("a row", function ()
	local function one(bytes, raw, options)
		local items = items_of(bytes, raw, options);
		assert.equal(1, #items);
		return items[1];
	end

	it("may be what Select-Object left of an object", function ()
		local item = one('<Objs xmlns="http://schemas.microsoft.com/powershell/2004/04"><Obj RefId="0"><TN RefId="0"><T>Selected'
			.. '.Microsoft.Rtc.Management.WritableConfig.Settings.XmppFederation.XmppGatewaySettings</T></TN><MS>'
			.. '<U32 N="ConnectionLimit">7</U32></MS></Obj></Objs>');
		assert.equal("settings", item.kind);
		assert.same({ connection_limit = 7 }, item.merged);
	end);

	it("names its domain by Identity as well", function ()
		assert.equal("a.example", one("Identity,PartnerType\na.example,Federated\n").name);
		local item = one("Domain,Identity,PartnerType\na.example,b.example,Federated\n");
		assert.equal("a.example", item.name);
		assert.truthy(item.remarks[1]:find("Domain counts", 1, true));
		item = one("Description,PartnerType\nx,Federated\n");
		assert.equal("refused", item.status);
	end);

	it("without a partner type is refused: Lync's default is no decision", function ()
		local item = one("Domain,TlsNegotiation\na.example,Required\n");
		assert.equal("refused", item.status);
		assert.truthy(item.problems[#item.problems].text:find("partner_type: missing", 1, true), item.problems[#item.problems].text);
	end);

	it("is compared by what holds, not by how it is written", function ()
		local raw = { lync_partners = { ["A.Example"] = { partner_type = "federated"; description = "kept" } } };
		local item = one("Domain,PartnerType,TlsNegotiation,EnableKeepAlive,ConnectionLimit\n"
			.. "a.example,federated,required,true,20\n", raw);
		assert.equal("same", item.status);
		assert.is_false(plan.writes(item));
		item = one("Domain,PartnerType,TlsNegotiation\na.example,PublicVerified,Optional\n", raw);
		assert.equal("differs", item.status);
		assert.same({ { key = "partner_type"; old = "federated"; new = "public_verified" };
			{ key = "tls_negotiation"; old = "required"; new = "optional" } }, item.changes);
		assert.same({ partner_type = "public_verified"; tls_negotiation = "optional"; description = "kept" }, item.merged);
		assert.is_true(plan.writes(item));
	end);

	it("has spaces for characters that a description may not have", function ()
		local item = one('{"Domain":"a.example","PartnerType":"Federated","Description":"Zo\u{EB}\u{A0}\u{1F600}\u{2028}x\u{2026}"}');
		assert.equal("new", item.status);
		assert.equal("Zo\u{EB} \u{1F600} x ", item.merged.description);
		assert.truthy(item.remarks[1]:find("became spaces", 1, true));
		item = one('{"Domain":"a.example","PartnerType":"Federated","Description":"' .. ("\u{EB}"):rep(1000) .. '"}');
		assert.equal("refused", item.status); -- too long is too long
		assert.same({}, item.remarks);
	end);

	it("of a partner in Prosody's configuration is not written", function ()
		local raw = { lync_partners = { ["a.example"] = { partner_type = "federated" } } };
		local item = one("Domain,PartnerType\na.example,PublicVerified\n", raw,
			{ origin = function (_, name) return name == "a.example" and "prosody.cfg.lua line 5" or nil; end });
		assert.equal("differs", item.status);
		assert.is_false(plan.writes(item));
		assert.truthy(item.blocked[1]:find("stands in prosody.cfg.lua line 5", 1, true));
	end);

	it("that takes a domain of an existing partner is refused; the partner stays as it is", function ()
		local raw = { lync_partners = { ["a.example"] = { partner_type = "federated";
			additional_domains = { "b.example" } } } };
		local item = one("Domain,PartnerType,AdditionalDomains\nc.example,Federated,b.example\n", raw);
		assert.equal("refused", item.status);
		assert.truthy(item.problems[#item.problems].text:find("claimed by partner", 1, true));
	end);

	it("with numbers for names is written when somebody has looked at it", function ()
		local item = one('{"Domain":"a.example","PartnerType":2,"TlsNegotiation":1}');
		assert.same({ partner_type = "public_unverified"; tls_negotiation = "optional" }, item.entry);
		assert.is_true(item.unconfirmed);
		assert.is_false(plan.writes(item));
		item = one('{"Domain":"a.example","PartnerType":2,"TlsNegotiation":1}', {}, { accept_numbers = true });
		assert.is_nil(item.unconfirmed);
		assert.is_true(plan.writes(item));
		assert.equal("refused", one('{"Domain":"a.example","PartnerType":3}', {}, { accept_numbers = true }).status);
		assert.equal("refused", one('{"Domain":"a.example","PartnerType":-1}', {}, { accept_numbers = true }).status);
	end);

	it("of gateway settings is refused whole if one of them is not valid", function ()
		local item = one('{"ConnectionLimit":5,"PartnerConnectionLimit":20,"StreamEstablishmentTimeout":0}');
		assert.equal("refused", item.status);
		assert.is_false(plan.writes(item));
		item = one('{"PartnerConnectionLimit":20,"DialbackPassphrase":"short"}');
		assert.equal("refused", item.status);
		assert.is_nil(item.problems[1].text:find("short\"", 1, true));
		item = one('{"PartnerConnectionLimit":20,"DialbackPassphrase":["a secret"]}');
		assert.same({ "DialbackPassphrase = (not shown): not a text" }, item.errors);
	end);

	it("that stands there twice is refused both times", function ()
		local items = items_of("Identity,EnableXmppAccess\nGlobal,True\nglobal,False\n");
		assert.equal("refused", items[2].status);
		items = items_of('[{"PartnerConnectionLimit":20},{"PartnerConnectionLimit":21}]');
		assert.equal("refused", items[2].status);
	end);
end);

describe("--commit", function ()
	local path;
	before_each(function () path = os.tmpname(); end);
	after_each(function ()
		os.remove(path);
		os.remove(path .. ".bak");
	end);

	local function content()
		local f = assert(io.open(path, "rb"));
		local text = f:read("a");
		f:close();
		return text;
	end

	local function prepare(text)
		local f = assert(io.open(path, "wb"));
		f:write(text);
		f:close();
	end

	local function commit(file, ...)
		local output, status = commands.run(commands.env { managed = path }, "import", commands.directory .. file, "--commit", ...);
		assert.is_nil(output:find("not to be seen anywhere", 1, true));
		return output, status;
	end

	it("writes the passphrase into the file and nowhere else", function ()
		prepare("");
		local output, status = commit("gateway.xml");
		assert.equal(0, status, output);
		assert.truthy(content():find('dialback_passphrase = "not to be seen anywhere"', 1, true));
		assert.is_nil(content():find("keep_alive_interval", 1, true)); -- the default needs no line
		assert.truthy(commit("gateway.xml", "--json"):find('"same":1', 1, true));
	end);

	it("changes what differs and keeps the rest, comments too", function ()
		local f = assert(io.open(commands.directory .. "managed.cfg.lua"));
		prepare(f:read("a"));
		f:close();
		local output, status = commit("partners.xml");
		assert.equal(1, status, output); -- one row of the file is not valid
		local doc = assert(managed.read(path));
		local partners = managed.options(doc, "contoso.com").lync_partners;
		assert.same({ partner_type = "public_unverified"; tls_negotiation = "not_supported"; sasl_negotiation = "not_supported";
			support_dialback_negotiation = true; enable_keep_alive = false; connection_limit = 20; description = "stays";
			additional_domains = { "googlemail.com" } }, partners["gmail.com"]);
		assert.same({ partner_type = "federated"; connection_limit = 5 }, partners["other.example"]);
		assert.is_not_nil(partners["fabrikam.com"]);
		assert.is_nil(partners["acme.example"]);
		assert.truthy(content():find("-- kept by hand", 1, true));
		assert.truthy(content():find("-- Imported from partners.xml", 1, true));
		local before = content();
		output = commit("partners.xml");
		assert.truthy(output:find("Nothing to write.", 1, true));
		assert.equal(before, content());
	end);

	it("gives a new file the mode of Prosody's configuration", function ()
		local reference = os.tmpname();
		os.remove(path);
		for mode, expected in pairs { ["600"] = "rw-------", ["640"] = "rw-r-----" } do
			os.execute("chmod " .. mode .. " " .. reference);
			local env = commands.env { managed = path };
			env.config_file = reference;
			local output, status = commands.run(env, "import", commands.directory .. "gateway.xml", "--commit");
			assert.equal(0, status, output);
			assert.equal(expected, lfs.attributes(path, "permissions"));
			os.remove(path);
		end
		os.remove(reference);
	end);

	it("writes nothing where the managed file cannot be read", function ()
		prepare("return {\n\tnonsense(");
		local output, status = commit("partners.xml");
		assert.equal(1, status);
		assert.truthy(output:find(path .. " line 2", 1, true), output);
		assert.equal("return {\n\tnonsense(", content());
	end);

	it("writes nothing where there is to be no managed file", function ()
		local env = commands.env {};
		env.managed_path = nil;
		local output, status = commands.run(env, "import", commands.directory .. "partners.xml", "--commit", "--json");
		assert.equal(1, status);
		assert.truthy(json.decode(output).error:find("lync_partners_file = false", 1, true));
	end);

	it("says how to get the right to write", function ()
		local env = commands.env { managed = "/proc/1/lync-partners.cfg.lua" };
		local output, status = commands.run(env, "import", commands.directory .. "partner-names.json", "--commit");
		assert.equal(1, status);
		assert.truthy(output:find("nothing was written: ", 1, true), output);
	end);

	it("writes nothing that hosts on one bridge would disagree about", function ()
		prepare("");
		local env = commands.env { managed = path };
		env.conflicts = function (loaded)
			assert.equal(1200, loaded["contoso.com"].settings:gateway().connection_limit);
			return { ["contoso.com"] = "they disagree" };
		end;
		local output, status = commands.run(env, "import", commands.directory .. "gateway.xml", "--commit");
		assert.equal(1, status);
		assert.truthy(output:find("would have a mistake: they disagree", 1, true), output);
		assert.equal("", content());
	end);

	it("asks which of several hosts is meant", function ()
		local env = commands.env { managed = path; hosts = { ["contoso.com"] = {}; ["contoso.org"] = {} } };
		prepare("");
		local output, status = commands.run(env, "import", commands.directory .. "partner-names.json", "--commit");
		assert.equal(2, status);
		assert.truthy(output:find("Say --host and one of contoso.com, contoso.org", 1, true));
		output, status = commands.run(env, "import", commands.directory .. "partner-names.json", "--commit", "--host=contoso.org");
		assert.equal(0, status, output);
		assert.truthy(content():find('["contoso.org"]', 1, true));
		assert.is_nil(content():find('["contoso.com"]', 1, true));
	end);
end);
