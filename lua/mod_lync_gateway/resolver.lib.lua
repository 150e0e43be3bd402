-- The Access Edge's address: asked again when its time is over and after the Edge was lost.
-- SPDX-License-Identifier: MIT
--
-- env: lookup(callback, name, type), timer(delay, callback) -> { stop }, now(), log(level, ...),
--      is_address(text), to_ascii(name), changed(host)

local TTL_MIN, TTL_MAX = 30, 3600; -- seconds
local TTL_DEFAULT = 300;           -- an answer without one
local RETRY = 30;                  -- after a failed look-up
local DOWN_MIN = 5;                -- between two look-ups because the Edge is down

local resolver_methods = {};
local resolver_mt = { __index = resolver_methods };

local function clamp(ttl)
	return math.max(TTL_MIN, math.min(TTL_MAX, tonumber(ttl) or TTL_DEFAULT));
end

-- Addresses of both families, IPv4 first, and how long they hold.
local function collect(answers)
	local addresses, ttl = {}, TTL_MAX;
	for _, field in ipairs { "a", "aaaa" } do
		local answer = answers[field];
		if answer and not answer.bogus then
			for _, record in ipairs(answer) do
				if record[field] then
					addresses[#addresses+1] = tostring(record[field]);
					ttl = math.min(ttl, clamp(record.ttl or answer.ttl));
				end
			end
		end
	end
	return addresses, ttl;
end

function resolver_methods:finish(host, entry, answers, reasons)
	entry.busy, entry.asked = false, self.env.now();
	local addresses, ttl = collect(answers);
	if #addresses == 0 then
		-- The old address is better than none: the certificate decides who is there, not the DNS.
		self.env.log("warn", "resolve edge: no address (host=%s name=%q reason=%q)", host, entry.name,
			table.concat(reasons, ", "));
		self:schedule(host, entry, RETRY);
		return;
	end
	entry.addresses = addresses;
	self:schedule(host, entry, ttl);
	self:choose(host, entry);
end

-- Stay with the address in use while the DNS still lists it.
function resolver_methods:choose(host, entry)
	local chosen = entry.addresses[1];
	for i, address in ipairs(entry.addresses) do
		if address == entry.address then
			chosen = entry.skip and entry.addresses[i % #entry.addresses + 1] or address;
		end
	end
	entry.skip = false;
	if chosen ~= entry.address then
		entry.address = chosen;
		self.env.log("info", "resolve edge: found (host=%s name=%q address=%s)", host, entry.name, chosen);
		self.env.changed(host);
	end
end

function resolver_methods:schedule(host, entry, delay)
	if entry.timer then
		entry.timer.stop();
	end
	entry.timer = self.env.timer(delay, function ()
		entry.timer = nil;
		self:ask(host, entry);
	end);
end

function resolver_methods:ask(host, entry)
	if self.entries[host] ~= entry then return; end
	local round = {}; -- a late answer to an older question counts no more
	entry.round, entry.busy, entry.asked = round, true, self.env.now();
	self:schedule(host, entry, RETRY); -- should no answer come at all
	local answers, reasons, missing = {}, {}, 2;
	for _, field in ipairs { "a", "aaaa" } do
		local function answered(answer, reason)
			if entry.round ~= round or answers[field] ~= nil then return; end
			answers[field] = answer or false;
			if not answer or #answer == 0 then
				reasons[#reasons+1] = tostring(reason or answer and answer.status or "empty");
			end
			missing = missing - 1;
			if missing == 0 and self.entries[host] == entry then
				self:finish(host, entry, answers, reasons);
			end
		end
		local ok, result, reason = pcall(self.env.lookup, answered, entry.name, field:upper());
		if not ok or result == nil and reason then
			answered(nil, ok and reason or result);
		end
	end
end

-- Keep the address of `edge` for `host` up to date. A name that is an address already is taken as it is.
function resolver_methods:watch(host, edge)
	local entry = self.entries[host];
	if entry and entry.edge == edge then return; end
	self:forget(host);
	entry = { edge = edge; addresses = {} };
	self.entries[host] = entry;
	if self.env.is_address(edge) then
		entry.address = edge;
		return;
	end
	entry.name = self.env.to_ascii(edge);
	if not entry.name then
		self.env.log("error", "resolve edge: not a host name (host=%s name=%q)", host, edge);
		return;
	end
	self:ask(host, entry);
end

function resolver_methods:forget(host)
	local entry = self.entries[host];
	if entry and entry.timer then
		entry.timer.stop();
	end
	self.entries[host] = nil;
end

function resolver_methods:address(host)
	local entry = self.entries[host];
	return entry and entry.address;
end

-- The Edge of a host was lost: look again now, and try the next address if there are several.
function resolver_methods:edge_down(host)
	local entry = self.entries[host];
	if not entry or not entry.name or entry.busy then return; end
	entry.skip = true;
	local since = self.env.now() - (entry.asked or 0);
	if since >= DOWN_MIN then
		self:ask(host, entry);
	else
		self:schedule(host, entry, DOWN_MIN - since);
	end
end

function resolver_methods:stop()
	for host in pairs(self.entries) do
		self:forget(host);
	end
end

-- entries: kept over a reload
local function new(env, entries)
	return setmetatable({ env = env; entries = entries }, resolver_mt);
end

return { new = new };
