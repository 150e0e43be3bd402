-- `prosodyctl shell lync …` on the running server.
-- SPDX-License-Identifier: MIT
--
-- 0.12 takes commands from the environment of mod_admin_shell alone, later versions want them described as well
-- (items). Commands print through the session and return true and a text; what has to wait returns a promise, which the
-- shell waits for.

local promise = require "util.promise";
local jid_host = require "util.jid".host;
local jid_prep = require "util.jid".prep;

local changes = module:require "changes";
local hops = module:require "hops";
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
		record and record.bridge and record.bridge:inflight() or 0));
	if record and record.sandbox then
		print("  sandbox  "..record.sandbox);
	end
	print(("  edge     %s port %s (%s), %s"):format(bridge.access_edge, bridge.port,
		bridge.address or pool.env.resolver:address(host) or "address unknown", describe_edge(record, host)));
	print(("  partners %d, %d message(s) wait for a stream"):format(#h.settings:partners(), h.state.pending_n or 0));
	for _, text in ipairs(h.expiry and h.expiry.lines() or {}) do
		print("  certificate "..text);
	end
	for _, problem in ipairs(h.problems or {}) do -- a partner's, or of a reload that was not taken
		if problem.level == "error" then
			print("  error    "..problem.text);
		end
	end
end

local function prepared(value)
	return type(value) == "string" and jid_prep(value) or nil;
end

-- What somebody typed: a text in its canonical form, nil where nothing was said; nothing else goes any further.
local function argument(value, what)
	if value == nil then
		return true, nil;
	elseif type(value) ~= "string" then
		return false, ("%s: a text is expected, write it in quotes"):format(what);
	end
	return true, jid_prep(value) or value;
end

local function check_host(pool, host)
	local ok, name = argument(host, "HOST");
	if not ok then return nil, name; end
	if name and not pool.hosts[name] then
		local hosts = sorted(pool.hosts);
		return nil, ("mod_lync_gateway is not loaded on %s; %s"):format(name,
			#hosts > 0 and "it is on: "..table.concat(hosts, ", ") or "it is on no host");
	end
	return true, name;
end

-- A domain of a partner of some host.
local function check_partner(pool, partner)
	local ok, name = argument(partner, "PARTNER");
	if not ok then return nil, name; end
	if not name then return true; end
	for _, h in pairs(pool.hosts) do
		if h.settings:primary(name) then return true, name; end
	end
	return nil, ("%s is no partner's domain on any host; `lync partners` lists them"):format(name);
end

local function contains(list, wanted)
	for _, item in ipairs(list or {}) do
		if item == wanted then return true; end
	end
	return false;
end

local function partner_row(print, settings, domain)
	local partner = settings:partner(domain);
	print(("  %s  %s, row %s: %s%s"):format(domain, partner.partner_type or "?", partner.row or "-",
		partner.methods and table.concat(partner.methods, ", ") or "no method",
		partner.disabled and "  DISABLED: "..partner.disabled or ""));
	if partner.warning then
		print("    warning: "..partner.warning);
	end
	if partner.strict and contains(partner.methods, "tls-dialback") then
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

-- Of all partners, or of that which has the domain.
local function matcher(pool, domain)
	return function (row)
		if not domain then return true; end
		local h = pool.hosts[row.user and jid_host(row.user) or ""];
		local wanted = h and h.settings:primary(domain);
		return wanted ~= nil and h.settings:primary(jid_host(row.contact or "") or "") == wanted;
	end
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
	reload = { desc = "Read the configuration again and say what has changed"; args = {} };
	help = { desc = "These lines"; args = {} };
};

local required = { explain = true };

local function usage_of(name)
	local words = {};
	for i, arg in ipairs(descriptions[name].args) do
		words[i] = required[name] and arg.name:upper() or "["..arg.name:upper().."]";
	end
	return ("  %-32s %s"):format(table.concat({ name, table.unpack(words) }, " "), descriptions[name].desc);
end

local function reload_hosts(print, pool, reload)
	local before = changes.snapshot(pool);
	local ok, err = reload();
	if not ok then
		return nil, ("The configuration cannot be read, nothing has changed: %s"):format(tostring(err));
	end
	local errors = 0;
	for _, name in ipairs(sorted(pool.hosts)) do
		local h = pool.hosts[name];
		errors = errors + changes.report(print, h, before[name]);
	end
	if errors > 0 then
		return nil, ("Configuration read again, %d error(s): what they concern is not in force"):format(errors);
	end
	return true, "Configuration and certificates read again";
end

-- COMPAT(0.12): a word that is none would be an error of Lua.
local unknown_mt = { __index = function (_, name)
	return function ()
		return nil, ("lync has no command %s; `lync help` lists them"):format(tostring(name));
	end;
end };

-- pool, collect(pool, callback), reload()
function shell.commands(pool, collect, reload)
	local commands = {};

	-- fn(item) for each of a list, then done(): at once, or when the server has had turns for others in between.
	local function each(list, fn, done, first)
		for i = first or 1, #list do
			fn(list[i]);
			if pool.env.over() and i < #list then
				return pool.env.timer(0, function () each(list, fn, done, i + 1); end, "shell");
			end
		end
		done();
	end

	-- What a command returns that calls done(text), now or later. The server hands a promise's function out a turn later:
	-- done() may come first.
	local function finished(start)
		local text, resolve;
		start(function (result)
			text = result;
			if resolve then resolve(result); end
		end);
		if text then return true, text; end
		return promise.new(function (resolve_later)
			if text then return resolve_later(text); end
			resolve = resolve_later;
		end);
	end

	function commands.status(self, host)
		local ok, only = check_host(pool, host);
		if not ok then return nil, only; end
		for _, name in ipairs(only and { only } or sorted(pool.hosts)) do
			print_host(self.session.print, pool, name);
		end
		return true, ("%d host(s), %d bridge(s)"):format(count(pool.hosts), count(pool.records));
	end

	function commands.partners(self, host)
		local ok, only = check_host(pool, host);
		if not ok then return nil, only; end
		local rows = {};
		for _, name in ipairs(only and { only } or sorted(pool.hosts)) do
			rows[#rows+1] = { name = name };
			for _, domain in ipairs(pool.hosts[name].settings:partners()) do
				rows[#rows+1] = { settings = pool.hosts[name].settings; domain = domain };
			end
		end
		local n, print = 0, self.session.print;
		return finished(function (done)
			each(rows, function (row)
				if row.name then return print(row.name); end
				partner_row(print, row.settings, row.domain);
				n = n + 1;
			end, function ()
				done(("%d partner(s)"):format(n));
			end);
		end);
	end

	function commands.sessions(self, partner)
		local ok, only = check_partner(pool, partner);
		if not ok then return nil, only; end
		local print, matches = self.session.print, matcher(pool, only);
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
		local ok, only = check_partner(pool, partner);
		if not ok then return nil, only; end
		local print, n = self.session.print, 0;
		for _, name in ipairs(sorted(pool.hosts)) do
			local h = pool.hosts[name];
			local wanted = only and h.settings:primary(only);
			print(name);
			for _, row in ipairs(streams.of_host(h)) do
				if not only or row.remote == only or wanted and h.settings:primary(row.remote) == wanted then
					print(streams.describe(row));
					n = n + 1;
				end
			end
			way_rows(print, h);
		end
		return true, ("%d stream(s)"):format(n);
	end

	local function print_subscriptions(print, only, done)
		local names, n, more = sorted(pool.hosts), 0, 0;
		local function host(i)
			local h = pool.hosts[names[i]];
			if not h and names[i] then
				return host(i + 1); -- taken away meanwhile
			elseif not h then
				return done(("%d subscription(s)%s"):format(n, more > 0 and (", %d more are not shown"):format(more) or ""));
			end
			print(names[i]);
			subscriptions.each(h, only, ROWS_MAX, function (row)
				print(subscriptions.describe(row));
			end, function (shown, rest)
				n, more = n + shown, more + rest;
				host(i + 1);
			end);
		end
		host(1);
	end

	function commands.subscriptions(self, who)
		local ok, only = argument(who, "WHO");
		if not ok then return nil, only; end
		return finished(function (done) print_subscriptions(self.session.print, only, done); end);
	end

	function commands.explain(self, contact, user)
		contact, user = prepared(contact), prepared(user);
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
		local edge = describe_edge(pool:record_of(h.host), h.host);
		for _, text_line in ipairs(hops.lines(h, contact, user, streams.of_host(h), edge)) do
			self.session.print(text_line);
		end
		return true, "Explained";
	end

	function commands.reload(self)
		return reload_hosts(self.session.print, pool, reload);
	end

	function commands.help(self)
		for _, name in ipairs(sorted(descriptions)) do
			if rawget(commands, name) then
				self.session.print(usage_of(name));
			end
		end
		return true, "From a terminal: prosodyctl shell lync COMMAND [ARGUMENT]; here: lync:COMMAND(\"ARGUMENT\")";
	end

	return setmetatable(commands, unknown_mt);
end

-- Items "shell-command" for mod_admin_shell after 0.12.
function shell.items(commands)
	local items = {};
	for name, about in pairs(descriptions) do
		items[#items+1] = rawget(commands, name) and {
			section = "lync"; section_desc = "Lync gateway"; name = name; desc = about.desc; args = about.args;
			handler = commands[name];
		} or nil;
	end
	return items;
end

return shell;
