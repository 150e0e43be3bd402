-- `prosodyctl shell lync …` on the running server.
-- SPDX-License-Identifier: MIT
--
-- 0.12 takes commands from the environment of mod_admin_shell alone, later versions want them described as well
-- (items). Commands print through the session and return true and a text; what has to wait returns a promise, which the
-- shell waits for.

local promise = require "util.promise";
local jid_host = require "util.jid".host;
local jid_prep = require "util.jid".prep;

local streams = module:require "streams";
local subscriptions = module:require "subscriptions";

local ROWS_MAX = 1000; -- subscriptions shown

local shell = {};

local function sorted(map)
	local names = {};
	for name in pairs(map) do
		names[#names+1] = name;
	end
	table.sort(names);
	return names;
end

local function count(map)
	local n = 0;
	for _ in pairs(map) do
		n = n + 1;
	end
	return n;
end

local worker_words = { [1] = "ready"; [0] = "restarting"; [-1] = "settings refused" };

local function describe_edge(record, host)
	local edge = record and record.edges[host];
	if not edge then
		return "not connected yet";
	end
	return edge.up and "connected" or "down"..(edge.reason and ": "..edge.reason or "");
end

local function print_host(print, pool, host)
	local h, record = pool.hosts[host], pool:record_of(host);
	local bridge = h.settings.usable and h.settings:bridge();
	print(host);
	if not bridge then
		print("  not usable: "..(h.problems[1] and h.problems[1].text or "no settings"));
		return;
	end
	print(("  bridge   %s, worker %s, %d message(s) without an outcome"):format(bridge.fqdn,
		record and (worker_words[record.worker] or "starting") or pool.problems[host] or "not running",
		record and count(record.inflight) or 0));
	print(("  edge     %s port %s (%s), %s"):format(bridge.access_edge, bridge.port,
		bridge.address or pool.env.resolver:address(host) or "address unknown", describe_edge(record, host)));
	print(("  partners %d, %d message(s) wait for a stream"):format(#h.settings:partners(), h.state.pending_n or 0));
	for _, problem in ipairs(h.problems or {}) do -- a partner's, or of a reload that was not taken
		if problem.level == "error" then
			print("  error    "..problem.text);
		end
	end
end

local function check_host(pool, host)
	if host and not pool.hosts[host] then
		return nil, "mod_lync_gateway is not loaded on "..tostring(host);
	end
	return true;
end

local function partner_row(print, settings, domain)
	local partner = settings:partner(domain);
	print(("  %s  %s, row %s: %s%s"):format(domain, partner.partner_type or "?", partner.row or "-",
		partner.methods and table.concat(partner.methods, ", ") or "no method",
		partner.disabled and "  DISABLED: "..partner.disabled or ""));
	if partner.warning then
		print("    warning: "..partner.warning);
	end
	if partner.strict then
		print("    Prosody's s2s_secure_auth or s2s_secure_domains: dialback over TLS needs a good certificate");
	end
end

-- What a partner's domains are reached by, where the best method has failed.
local function way_rows(print, h)
	for _, domain in ipairs(sorted(h.outbound.ways())) do
		local way = h.outbound.ways()[domain];
		print(("    fell back: %s by %s, %ds ago"):format(domain, way.method, math.max(0, (h.now() - way.since) // 1)));
	end
end

local function session_row(row)
	return ("  %s  %s  dialogs %d, queued %d, open %ds, idle %ds (%s)"):format(row.contact or "?", row.user or "?",
		row.status or 0, row.pending or 0, (row.age_ms or 0) // 1000, (row.idle_ms or 0) // 1000, row.bridge or "?");
end

-- The partner's domains that a row may have: all, or those of one partner.
local function matcher(pool, partner)
	return function (row)
		if not partner then return true; end
		local h = pool.hosts[row.user and jid_host(row.user) or ""];
		local found = h and h.settings:partner(jid_host(row.contact or "") or "");
		return jid_host(row.contact or "") == partner or found ~= nil and found.domain == partner;
	end
end

-- pool, collect(pool, callback), reload()
function shell.commands(pool, collect, reload)
	local commands = {};

	function commands.status(self, host)
		local ok, err = check_host(pool, host);
		if not ok then return nil, err; end
		for _, name in ipairs(host and { host } or sorted(pool.hosts)) do
			print_host(self.session.print, pool, name);
		end
		return true, ("%d host(s), %d bridge(s)"):format(count(pool.hosts), count(pool.records));
	end

	function commands.partners(self, host)
		local ok, err = check_host(pool, host);
		if not ok then return nil, err; end
		local n = 0;
		for _, name in ipairs(host and { host } or sorted(pool.hosts)) do
			self.session.print(name);
			for _, domain in ipairs(pool.hosts[name].settings:partners()) do
				partner_row(self.session.print, pool.hosts[name].settings, domain);
				n = n + 1;
			end
		end
		return true, ("%d partner(s)"):format(n);
	end

	function commands.sessions(self, partner)
		local print, matches = self.session.print, matcher(pool, partner);
		return promise.new(function (resolve)
			collect(pool, function (rows, complete)
				local n = 0;
				for _, row in ipairs(rows) do
					if matches(row) then
						print(session_row(row));
						n = n + 1;
					end
				end
				resolve(("%d session(s)%s"):format(n, complete and "" or ", not every bridge has answered"));
			end);
		end);
	end

	function commands.streams(self, partner)
		local print, n = self.session.print, 0;
		for _, name in ipairs(sorted(pool.hosts)) do
			local h = pool.hosts[name];
			local wanted = partner and h.settings:primary(partner);
			print(name);
			for _, row in ipairs(streams.of_host(h)) do
				if not partner or row.remote == partner or wanted and h.settings:primary(row.remote) == wanted then
					print(streams.describe(row));
					n = n + 1;
				end
			end
			way_rows(print, h);
		end
		return true, ("%d stream(s)"):format(n);
	end

	function commands.subscriptions(self, who)
		local print, n, more = self.session.print, 0, 0;
		who = who and (jid_prep(who) or who);
		for _, name in ipairs(sorted(pool.hosts)) do
			print(name);
			local shown, rest = subscriptions.each(pool.hosts[name], who, ROWS_MAX, function (row)
				print(subscriptions.describe(row));
			end);
			n, more = n + shown, more + rest;
		end
		return true, ("%d subscription(s)%s"):format(n, more > 0 and (", %d more are not shown"):format(more) or "");
	end

	function commands.explain(self, contact, user)
		contact, user = contact and jid_prep(contact), user and jid_prep(user);
		local h = user and pool.hosts[jid_host(user) or ""];
		if not h and contact then -- in the other order
			h = pool.hosts[jid_host(contact) or ""];
			contact, user = user, contact;
		end
		if not h or not contact then
			return nil, "Say who and whom: a contact's address and that of a Lync user of a gateway's host";
		end
		local explanation, token, text = h.presence.explain(contact, user);
		if not explanation then
			return nil, ("%s (%s)"):format(text or "not known", token);
		end
		self.session.print(("%s and %s"):format(contact, user));
		for _, text_line in ipairs(subscriptions.explain(explanation)) do
			self.session.print(text_line);
		end
		return true, "Explained";
	end

	function commands.reload()
		local ok, err = reload();
		if not ok then return nil, err; end
		return true, "Configuration read again; problems are in the log and in lync:status()";
	end

	return commands;
end

local descriptions = {
	status = { desc = "Bridges, Access Edges, problems; one host or all"; args = { { name = "host"; type = "string" } } };
	partners = { desc = "Partners and what their settings mean"; args = { { name = "host"; type = "string" } } };
	sessions = { desc = "Open conversations, of all partners or one"; args = { { name = "partner"; type = "string" } } };
	streams = { desc = "Streams and how they were authenticated, of all partners or one";
		args = { { name = "partner"; type = "string" } } };
	subscriptions = { desc = "Who watches whom: all, or of one address, domain or partner";
		args = { { name = "who"; type = "string" } } };
	explain = { desc = "Why a contact and a Lync user see each other, or may write, or not";
		args = { { name = "who"; type = "string" }, { name = "whom"; type = "string" } } };
	test_im = { desc = "Send a test message between a contact and a Lync user, tell what became of it";
		args = { { name = "from"; type = "string" }, { name = "to"; type = "string" }, { name = "text"; type = "string" },
			{ name = "timeout"; type = "string" } } };
	reload = { desc = "Read the configuration again"; args = {} };
};

-- Items "shell-command" for mod_admin_shell after 0.12.
function shell.items(commands)
	local items = {};
	for name, about in pairs(descriptions) do
		items[#items+1] = commands[name] and {
			section = "lync"; section_desc = "Lync gateway"; name = name; desc = about.desc; args = about.args;
			handler = commands[name];
		} or nil;
	end
	return items;
end

return shell;
