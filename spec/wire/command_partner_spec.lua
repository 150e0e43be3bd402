-- Partners, policies and settings edited with prosodyctl while the server runs: nothing happens before `prosodyctl
-- reload`, everything after; a file that cannot be read changes nothing.
-- SPDX-License-Identifier: MIT

local process = require "spec.support.process";
local World = require "spec.support.world";

local WRITERS = 8; -- commands at the same time

local function read(path)
	local f = io.open(path);
	if not f then return nil; end
	local text = f:read("a");
	f:close();
	return text;
end

describe("the managed file of a running server", function ()
	local w, romeo, lena, path;
	setup(function ()
		w = World.new { partners = [==[
			["acme.example"] = { partner_type = "federated"; support_dialback_negotiation = false };
		]==]; edge = { contacts = { "fabrikam.com"; "na.fabrikam.com"; "acme.example" } } };
		romeo, lena = w:contact("romeo"), w:lync_user("lena");
		path = w.gateway.directory.."/lync-partners.cfg.lua";
	end);
	teardown(function () w:finish(); end);

	local function ctl(...)
		return w.gateway:ctl("mod_lync_gateway", ...);
	end

	local function ok(...)
		local output, status = ctl(...);
		assert.equal(0, status, output);
		return output;
	end

	local function refused(text, ...)
		local before = read(path);
		local output, status = ctl(...);
		assert.equal(1, status, output);
		assert.is_truthy(output:find(text, 1, true), output);
		assert.equal(before, read(path));
	end

	-- `prosodyctl reload`, and what it has brought.
	local function reload()
		local function times()
			return select(2, w.gateway.process.output:gsub("configured bridge:", ""));
		end
		local before = times();
		local output, status = w.gateway:ctl("reload");
		assert.equal(0, status, output);
		w.loop:wait(function () return times() > before; end, 5, "the bridge to be configured");
	end

	local function passes(text)
		local id = romeo:message(lena.address, text, { receipt = true });
		lena:wait_message(text);
		romeo:wait_receipt(id);
		lena:open(romeo.jid, text.." back", { embed = false }):wait_open();
		romeo:wait_message(text.." back");
	end

	local function fails(text)
		assert.is_string((romeo:wait_error(romeo:message(lena.address, text))));
		assert.equal(403, (lena:open(romeo.jid, text, { embed = false }):wait_failed()));
	end

	local NEW = { "partner", "new", "fabrikam.com", "partner_type=federated", "support_dialback_negotiation=false",
		"description=Fabrikam, contract 4711" };

	it("is not written by a question", function ()
		fails("nobody knows fabrikam.com");
		assert.is_truthy(ok("partner", "get"):find("acme.example  federated  row 2: SASL over TLS  "..w.gateway.config, 1, true));
		local output = ok(NEW[1], NEW[2], "--whatif", table.unpack(NEW, 3));
		assert.is_truthy(output:find('\n+\t\t\t["fabrikam.com"] = {\n', 1, true), output);
		assert.is_nil(read(path));
	end);

	it("adds a partner, at the reload", function ()
		local output = ok(table.unpack(NEW));
		assert.is_truthy(output:find("Written: "..path..". `prosodyctl reload` puts it in force.", 1, true), output);
		assert.is_truthy(read(path):find('description = "Fabrikam, contract 4711";', 1, true));
		fails("written, but not in force");
		reload();
		passes("in force");
		assert.is_truthy(ok("partner", "get", "fabrikam.com"):find("stands in                     "..path.." line ", 1, true));
	end);

	it("refuses what is not valid, and what the configuration has", function ()
		refused("not a valid configuration (TLS not_supported, SASL required, dialback false): ", "partner", "set", "fabrikam.com",
			"tls_negotiation=not_supported");
		refused("acme.example stands in "..w.gateway.config.." line ", "partner", "set", "acme.example", "description=x");
		refused('unknown key; did you mean "tls_negotiation"?', "partner", "set", "fabrikam.com", "TlsNegotiation=required");
		local output, status = ctl("partner", "set", "fabrikam.com");
		assert.equal(2, status, output);
	end);

	it("is taken whole, when several write it at once", function ()
		local commands, added = {}, {};
		for i = 1, WRITERS do
			commands[i] = process.start(w.loop, { "prosodyctl", "--root", "--config", w.gateway.config, "mod_lync_gateway", "partner",
				"new", ("p%d.example"):format(i), "partner_type=federated", "support_dialback_negotiation=false" },
				{ name = "writer"..i, env = w.gateway.env });
		end
		w.loop:wait(function ()
			for _, p in ipairs(commands) do
				if not p.ended then return false; end
			end
			return true;
		end, 30, "the writers to end");
		for i, p in ipairs(commands) do
			if p.status == 0 then
				added[#added + 1] = i;
			else
				assert.is_truthy(p.output:find("somebody else is changing it; nothing is written, try again", 1, true), p.output);
			end
		end
		assert.is_true(#added > 0);
		local text = read(path);
		for _, i in ipairs(added) do
			assert.is_truthy(text:find(('["p%d.example"] = {'):format(i), 1, true), text);
		end
		assert.equal(#added, select(2, text:gsub("p%d+%.example", "")));
		assert.is_truthy(ok("partner", "get", "--json"):find('"fabrikam.com"', 1, true));
		local f = io.popen(("ls %s"):format(process.quote(w.gateway.directory)));
		assert.is_nil(f:read("a"):match("lync%-partners%.cfg%.lua%.%x%x%x%x"));
		f:close();
	end);

	it("decides who may use XMPP, at the reload", function ()
		local warning = ok("policy", "new", "site:North", "enable_xmpp_access=true", "members=nils@contoso.com");
		assert.is_truthy(warning:find("warning: contoso.com: lync_access_policies.global: missing", 1, true), warning);
		passes("written, but not in force");
		reload();
		fails("lena is of no site");
		ok("policy", "set", "site:North", "members+=lena@contoso.com");
		reload();
		passes("lena is of the site");
		ok("policy", "new", "Nobody", "enable_xmpp_access=false");
		ok("policy", "grant", "lena@contoso.com", "Nobody");
		reload();
		fails("the grant is closer");
		ok("policy", "grant", "lena@contoso.com", "--none");
		ok("policy", "set", "global", "enable_xmpp_access=true");
		reload();
		passes("again");
	end);

	it("holds the gateway's settings", function ()
		ok("gateway", "set", "connection_limit=50", "partner_connection_limit=10");
		reload();
		assert.is_truthy(ok("gateway", "get"):find("connection_limit                   50     "..path, 1, true));
		assert.is_truthy(ok("partner", "get", "fabrikam.com"):find("10 (default: partner_connection_limit)", 1, true));
		passes("with other limits");
	end);

	it("changes nothing when it cannot be read, and says so", function ()
		local good = read(path);
		process.write(path, (good:gsub('"federated"', "federated", 1)));
		refused('"federated" is not a value; write "text" in quotes', "partner", "remove", "fabrikam.com");
		local from = #w.gateway.process.output;
		local output, status = w.gateway:ctl("reload");
		assert.equal(0, status, output);
		w.loop:wait(function ()
			return w.gateway.process.output:find("reload configuration: it has an error, the settings before stay in force", from, true);
		end, 5, "the complaint");
		assert.is_truthy(w.gateway.process.output:find("contoso.com: "..path.." line ", from, true));
		passes("as before");
		output, status = ctl("check", "--offline");
		assert.equal(1, status, output);
		assert.is_truthy(output:find('"federated" is not a value', 1, true) or output:find("federated", 1, true), output);
		process.write(path, good);
		reload();
		passes("mended");
	end);

	it("takes a partner away, at the reload, and its streams", function ()
		ok("partner", "remove", "fabrikam.com");
		assert.is_truthy(read(path..".bak"):find("fabrikam.com", 1, true));
		passes("still in force");
		local from = #w.partner.process.output;
		reload();
		w.loop:wait(function () -- what is under way on a stream that closes has no answer
			return w.partner.process.output:find("Outgoing s2s stream fabrikam.com->contoso.com closed", from, true);
		end, 5, "the partner's stream to be closed");
		fails("no partner any more");
		local output, status = w.gateway:ctl("shell", "lync", "partners");
		assert.equal(0, status, output);
		assert.is_nil(output:find("fabrikam.com", 1, true));
	end);

	it("keeps the host shut when it cannot be read at the start", function ()
		ok(table.unpack(NEW));
		local good = read(path);
		process.write(path, good.."x");
		w.gateway:stop();
		w.gateway:start();
		w.gateway:wait_log("contoso%.com: "..path:gsub("%p", "%%%0").." line %d+: the end of the file expected, found \"x\"");
		local error_text = romeo:wait_error(romeo:message(lena.address, "to a host that is shut"));
		assert.is_string(error_text);
		process.write(path, good);
		w.gateway:ctl("reload");
		w.gateway:wait_log("connected edge: ready");
		passes("opened");
	end);
end);

describe("a managed file elsewhere, of two hosts that share a bridge", function ()
	local w, romeo, path;
	setup(function ()
		w = World.new { component = false; partners = ""; global = [[lync_partners_file = "data/partners.cfg.lua"]];
			also = { ["litware.example"] = "" } };
		romeo = w:contact("romeo");
		path = w.gateway.directory.."/data/partners.cfg.lua";
	end);
	teardown(function () w:finish(); end);

	local function reload(text)
		local from = #w.gateway.process.output;
		w.gateway:ctl("reload");
		w.loop:wait(function () return w.gateway.process.output:find(text, from, true); end, 5, text);
	end

	it("lets a partner in where it is said", function ()
		local words = { "mod_lync_gateway", "partner", "new", "fabrikam.com", "partner_type=federated",
			"support_dialback_negotiation=false" };
		local output, status = w.gateway:ctl(table.unpack(words));
		assert.equal(2, status, output);
		assert.is_truthy(output:find("several hosts have lync_gateway (contoso.com, litware.example)", 1, true), output);
		words[#words + 1] = "--host=litware.example";
		output, status = w.gateway:ctl(table.unpack(words));
		assert.equal(0, status, output);
		reload("configured bridge:");
		local lars = w:lync_user("lars@litware.example");
		romeo:wait_receipt(romeo:message(lars.address, "to litware", { receipt = true }));
		lars:wait_message("to litware");
		assert.is_string((romeo:wait_error(romeo:message("lena@contoso.com", "to contoso"))));
	end);

	it("is harmless where Prosody's configuration includes it", function ()
		w.gateway:rewrite("run_as_root = true", "run_as_root = true\nInclude \"data/*.cfg.lua\"");
		reload("configured bridge:");
		local lars = w:lync_user("lars@litware.example");
		romeo:wait_receipt(romeo:message(lars.address, "included", { receipt = true }));
		lars:wait_message("included");
		local output, status = w.gateway:ctl("mod_lync_gateway", "partner", "get", "fabrikam.com");
		assert.equal(0, status, output);
		assert.is_truthy(output:find("fabrikam.com, partner of litware.example", 1, true), output);
		assert.is_truthy(output:find(path.." line ", 1, true), output);
	end);

	it("warns where the hosts come to differ in what belongs to the bridge", function ()
		local output, status = w.gateway:ctl("mod_lync_gateway", "gateway", "set", "--host", "contoso.com",
			"subscription_refresh_interval=3600");
		assert.equal(0, status, output);
		output = w.gateway:ctl("mod_lync_gateway", "gateway", "set", "--host", "litware.example", "subscription_refresh_interval=3600",
			"--whatif");
		assert.is_nil(output:find("warning: Hosts", 1, true), output);
		output = w.gateway:ctl("mod_lync_gateway", "gateway", "set", "--host", "litware.example",
			"subscription_refresh_interval=7200", "--whatif");
		assert.is_truthy(output:find("warning: Hosts contoso.com and litware.example share the bridge xmpp.contoso.com", 1, true),
			output);
	end);
end);
