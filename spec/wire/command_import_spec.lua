-- A migration with the real prosodyctl: what the Lync side exported becomes partners and policies of a running gateway.
-- SPDX-License-Identifier: MIT

local json = require "util.json";

local ports = require "spec.support.ports";
local process = require "spec.support.process";
local s2s = require "spec.support.s2s";
local World = require "spec.support.world";

local PARTNERS = [==[
#TYPE Microsoft.Rtc.Management.WritableConfig.Settings.XmppFederation.XmppAllowedPartner#Decorated
"Identity","Domain","AdditionalDomains","TlsNegotiation","SaslNegotiation","SupportDialbackNegotiation","PartnerType"
"acme.example","acme.example","west.acme.example","Required","Required","False","Federated"
"broken.example","broken.example","","Required","NotSupported","False","Federated"
"fabrikam.com","fabrikam.com","","Required","Required","False","Federated"
]==];

local POLICIES = [==[
"Identity","EnableFederationAccess","EnableXmppAccess"
"Global","True","False"
"Tag:SalesAccessPolicy","True","True"
]==];

local function contains(text, ...)
	for _, part in ipairs { ... } do
		assert.is_truthy(text:find(part, 1, true), part .. "\nis not in\n" .. text);
	end
end

describe("import", function ()
	local w, romeo, lena, directory, managed;
	local function write(name, text)
		process.write(directory .. "/" .. name, text);
		return directory .. "/" .. name;
	end
	local function import(...)
		return w.gateway:ctl("mod_lync_gateway", "import", ...);
	end
	local function read(path)
		local f = io.open(path, "rb");
		local text = f and f:read("a");
		if f then f:close(); end
		return text;
	end
	local function dial(from)
		local cert = w.ca:issue(from .. "-raw", { names = { from } });
		return (s2s.connect(w.loop, { from = from; to = "contoso.com"; ip = w.gateway.address; cert = cert }):try("EXTERNAL"));
	end

	setup(function ()
		w = World.new {
			partners = [[ ["fabrikam.com"] = { partner_type = "federated"; support_dialback_negotiation = false } ]];
			dns = { ["acme.example"] = ports.address("acme"); ["west.acme.example"] = ports.address("acme") };
		};
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		directory = process.directory(w.loop, "exported");
		managed = w.gateway.directory .. "/lync-partners.cfg.lua";
	end);
	teardown(function () w:finish(); end);

	it("writes nothing unless it is told to", function ()
		local output, status = import(write("partners.csv", PARTNERS));
		assert.equal(1, status, output);
		contains(output, "3 object(s); for contoso.com", "acme.example (line 3, Get-CsXmppAllowedPartner): new",
			"broken.example (line 4, Get-CsXmppAllowedPartner): refused", "SASL or Dialback must be enabled",
			"fabrikam.com (line 5, Get-CsXmppAllowedPartner): same", "Dry run: nothing was written. --commit writes 1 object(s)");
		assert.is_nil(read(managed));
		assert.is_false(dial("acme.example"));
	end);

	it("writes what is valid, and prosodyctl reload puts it in force", function ()
		local output, status = import(directory .. "/partners.csv", "--commit");
		assert.equal(1, status, output);
		contains(output, "Wrote 1 object(s) into " .. managed .. "; prosodyctl reload puts them in force.");
		local text = read(managed);
		contains(text, "-- Imported from partners.csv", '["acme.example"]', '"west.acme.example"');
		assert.is_nil(text:find("broken.example", 1, true));
		assert.is_nil(text:find("fabrikam.com", 1, true));
		w.gateway:reload();
		w.loop:wait(function () return dial("acme.example"); end, 10, "the new partner to be let in");
		assert.is_true(dial("west.acme.example"));
		assert.is_false(dial("broken.example"));
		romeo:wait_receipt(romeo:message(lena.address, "as before", { receipt = true }));
	end);

	it("changes nothing the second time", function ()
		local before = read(managed);
		local output, status = import(directory .. "/partners.csv", "--host", "contoso.com", "--commit");
		assert.equal(1, status, output);
		contains(output, "acme.example (line 3, Get-CsXmppAllowedPartner): same", "Nothing to write.");
		assert.equal(before, read(managed));
	end);

	it("leaves Prosody's configuration alone, and says where it has to be changed", function ()
		local output, status = import(write("fabrikam.csv", "Domain,PartnerType\nfabrikam.com,PublicVerified\n"), "--commit");
		assert.equal(1, status, output);
		contains(output, "fabrikam.com (line 2, Get-CsXmppAllowedPartner): differs",
			'change: partner_type: "federated" -> "public_verified"',
			"error: it stands in " .. w.gateway.config .. " line ", "change it there", "Nothing to write.");
		assert.is_nil(read(managed):find("fabrikam", 1, true));
	end);

	it("finds a file by its relative path", function ()
		local output, status = import("spec/golden/import/partner-names.json");
		assert.equal(1, status, output);
		contains(output, "spec/golden/import/partner-names.json: JSON, UTF-8, 1 object(s); for contoso.com");
	end);

	it("brings policies, which hold after the reload", function ()
		local output, status = import(write("policies.csv", POLICIES), "--commit");
		assert.equal(0, status, output);
		contains(output, "Policy global (line 2, Get-CsExternalAccessPolicy): new",
			"note: without lync_access_policies every Lync user may use XMPP", "Wrote 2 object(s)");
		w.gateway:reload();
		w.loop:wait(function ()
			return select(2, pcall(romeo.wait_error, romeo, romeo:message(lena.address, "not allowed"))) == "forbidden";
		end, 10, "the Lync user to be refused");
	end);

	it("shows what a changed policy changes, and changes it", function ()
		local path = write("policies.csv", (POLICIES:gsub('"Global","True","False"', '"Global","True","True"')));
		local output, status = import(path, "--json");
		assert.equal(0, status, output);
		local report = json.decode(output);
		assert.same({ { key = "enable_xmpp_access"; old = false; new = true } }, setmetatable(report.objects[1].changes, nil));
		assert.equal("differs", report.objects[1].status);
		assert.equal("same", report.objects[2].status);
		assert.is_false(report.committed);
		output, status = import(path, "--json", "--commit");
		assert.equal(0, status, output);
		report = json.decode(output);
		assert.is_true(report.committed);
		assert.equal(managed, report.written_to);
		w.gateway:reload();
		w.loop:wait(function ()
			romeo:message(lena.address, "allowed again");
			return pcall(lena.wait_message, lena, "allowed again", 0.5);
		end, 10, "the Lync user to be reached");
	end);

	it("tells what is wrong with a file, and how it is used", function ()
		for name, case in pairs {
			["cut.xml"] = { '<Objs xmlns="http://schemas.microsoft.com/powershell/2004/04">\n<Obj>', ", line 2: CLIXML: " };
			["bomb.xml"] = { '<!DOCTYPE x [<!ENTITY a "b">]>\n<Objs/>', ", line 1: CLIXML: a DTD" };
			["empty.csv"] = { "", "empty; the cmdlet had no output" };
		} do
			local output, status = import(write(name, case[1]), "--commit");
			assert.equal(1, status, output);
			contains(output, "error: " .. directory .. "/" .. name, case[2]);
			output = import(directory .. "/" .. name, "--json");
			contains(json.decode(output).error, case[2]);
		end
		local output, status = import(directory .. "/none.xml");
		assert.equal(1, status, output);
		contains(output, "No such file", "Prosody's user");
		for _, words in ipairs { {}, { "a", "b" }, { "--what", "a" } } do
			output, status = import(table.unpack(words));
			assert.equal(2, status, output);
			contains(output, "Usage: prosodyctl mod_lync_gateway", "import FILE");
		end
		output, status = import(directory .. "/partners.csv", "--host", "nowhere.example");
		assert.equal(1, status, output);
		contains(output, "nowhere.example does not have lync_gateway");
	end);

	it("is followed by lync-commands, with the partners of both files", function ()
		local output, status = w.gateway:ctl("mod_lync_gateway", "lync-commands");
		assert.equal(0, status, output);
		contains(output, "New-CsAllowedDomain -Identity 'fabrikam.com' -ProxyFqdn 'xmpp.contoso.com'",
			"New-CsAllowedDomain -Identity 'west.acme.example' -ProxyFqdn 'xmpp.contoso.com'",
			"Set-CsExternalAccessPolicy -Identity 'SalesAccessPolicy' -EnableFederationAccess $true",
			"_xmpp-server._tcp.contoso.com. 3600 IN SRV 0 0 5269 xmpp.contoso.com.");
	end);
end);
