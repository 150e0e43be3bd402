-- bench_reload.lua: a reload of the configuration with 10,000 partners, one of which has changed.
-- SPDX-License-Identifier: MIT
--
-- A real Prosody whose configuration file has all of them, each with three additional domains and the defaults, which
-- draw a warning each; SIGHUP after one partner's line was rewritten. bench/prosody_modules/mod_bench_reload tells the
-- processor time of Prosody's thread: that of reading the file, which is Prosody's own, and that of mod_lync_gateway,
-- with all that is done in the second after it. Details: docs/performance.md.
-- ROUNDS, PARTNERS: other numbers than the usual ones.

local Loop = require "spec.support.loop";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local process = require "spec.support.process";
local prosody = require "spec.support.prosody";

local ROUNDS = tonumber(os.getenv("ROUNDS") or "") or 7;
local PARTNERS = math.tointeger(tonumber(os.getenv("PARTNERS") or "")) or 10000;
local LIMIT_MS = 100;

local SETTINGS = [[
	lync_access_edge = "sip.contoso.com"
	lync_access_edge_address = %q
	lync_bridge_fqdn = "xmpp.contoso.com"
	lync_bridge_listen = { "%s:5061" }
	lync_bridge_certificate = { certificate = %q; key = %q; cafile = %q }
	lync_partners = {
%s	}
]];

local PARTNER = [[
		["partner-%05d.example"] = {
			partner_type = "federated";
			description = "Contract %05d";
			additional_domains = { "na.partner-%05d.example"; "emea.partner-%05d.example"; "im.apac.partner-%05d.example" };
			connection_limit = %d;
		};
]];

local function partner(i, limit)
	return PARTNER:format(i, i, i, i, i, limit);
end

local function start(loop)
	local ca = CA.new(process.directory(loop, "ca"));
	local cert = ca:issue("bridge", { names = { "xmpp.contoso.com" } });
	local entries = {};
	for i = 1, PARTNERS do entries[i] = partner(i, 20); end
	local root = process.here:match("^(.*)/spec/support/$");
	local server = prosody.gateway(loop, { ca = ca, name = "gateway", domain = "contoso.com", dns = {},
		plugin_paths = { root.."/bench/prosody_modules" }, modules = { "bench_reload" },
		settings = SETTINGS:format(ports.address("edge"), ports.address("gateway"), cert.cert, cert.key, ca.file,
			table.concat(entries)) });
	server:wait_log("started worker: ready", 30);
	return server;
end

local function median(list, key)
	local values = {};
	for i, entry in ipairs(list) do values[i] = entry[key]; end
	table.sort(values);
	return values[#values // 2 + 1];
end

-- One partner changes.
local function round(server, i)
	local chosen = PARTNERS // 2;
	local line;
	server.process.on_line = function (text) line = text:match("reloaded: (.*)") or line; end;
	server:reload(partner(chosen, 19 + i), partner(chosen, 20 + i));
	server.loop:wait(function () return line; end, 60, "the reload");
	local found = {};
	for key, value in line:gmatch("(%a+)=(%S+)") do found[key] = tonumber(value); end
	found.total = found.gateway + found.after;
	assert(server:shell('> require"core.configmanager".get("contoso.com", "lync_partners")["partner-'
		..("%05d"):format(chosen)..'.example"].connection_limit'):match("Result: (%d+)") == tostring(20 + i),
		"the change was not taken");
	return found;
end

local function main()
	local loop = Loop.new();
	local ok, err = xpcall(function ()
		local server, list = start(loop), {};
		round(server, 1);
		for i = 1, ROUNDS do list[i] = round(server, i + 1); end
		print(("# reload, %d partners: file %.1f ms, gateway %.1f ms, other modules %.1f ms, the second after it %.1f ms")
			:format(PARTNERS, median(list, "file"), median(list, "gateway"), median(list, "others"), median(list, "after")));
		print(("reload_ms_%d %.1f ms <=%d"):format(PARTNERS, median(list, "total"), LIMIT_MS));
		print(("reload_file_ms_%d %.1f ms"):format(PARTNERS, median(list, "file")));
		print(("reload_after_ms_%d %.1f ms"):format(PARTNERS, median(list, "after")));
	end, debug.traceback);
	loop:close();
	return ok or error(err, 0);
end

main();
