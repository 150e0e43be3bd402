-- scrape.lua: what a Prometheus would read from a Prosody's mod_http_openmetrics.
-- SPDX-License-Identifier: MIT
--
--	local w = World.new(scrape.world { partner = false })	-- a World whose gateway has /metrics, read when asked for
--	local page = scrape.get(w)				-- waits; { text, series = { [family] = { { labels, value } } } }
--	page:value("messages_total", { partner = "fabrikam.com" })	-- sum over what has these labels; nil: no such series
--	page:labels("partner")					-- sorted values of a label, of the module's families
--
-- Families are named without prosody_mod_lync_gateway__.

local stream = require "spec.support.stream";

local scrape = {};
local Page = {};
Page.__index = Page;

local PREFIX, PORT = "prosody_mod_lync_gateway__", 5280;
scrape.PREFIX = PREFIX;

-- Prosody asks for fresh numbers with each scrape, and asks the workers for the next one.
local GLOBAL = [[
statistics_interval = "manual"
http_ports = { %d }
http_interfaces = { %q }
openmetrics_allow_cidr = "127.0.0.0/8"
]];

--- Options of World.new.
function scrape.world(options)
	options = options or {};
	options.modules = options.modules or {};
	table.insert(options.modules, "http_openmetrics");
	options.global = (options.global or "") .. GLOBAL:format(PORT, require "spec.support.ports".address("gateway"));
	return options;
end

local function parse(text)
	local page = setmetatable({ text = text, series = {}, others = {} }, Page);
	for line in text:gmatch("[^\n]+") do
		local name, list, value = line:match("^([%w_:]+)(%b{}) (%S+)");
		if not name then name, value = line:match("^([%w_:]+) (%S+)"); end
		local short = name and name:sub(1, #PREFIX) == PREFIX and name:sub(#PREFIX + 1);
		if short then
			local labels = {};
			for key, text_of in (list or ""):gmatch('([%w_]+)="(.-)"') do labels[key] = text_of; end
			page.series[short] = page.series[short] or {};
			table.insert(page.series[short], { labels = labels, value = tonumber(value) });
		elseif name then
			page.others[name] = true;
		end
	end
	return page;
end

--- GET /metrics: callback(page) when it is there.
function scrape.start(w, callback)
	local received = {};
	stream.connect(w.loop, w.gateway.address, PORT, nil, {
		on_open = function (conn)
			conn:send(("GET /metrics HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(w.gateway.address));
		end;
		on_data = function (_, bytes) received[#received + 1] = bytes; end;
		on_close = function ()
			local head, body = table.concat(received):match("^(.-)\r\n\r\n(.*)$");
			assert(head and head:match("^HTTP/1%.[01] 200 "), "no metrics: " .. tostring(head or table.concat(received)));
			callback(parse(body));
		end;
	});
end

--- GET /metrics, once.
function scrape.once(w)
	local page;
	scrape.start(w, function (found) page = found; end);
	return w.loop:wait(function () return page; end, 5, "the answer to GET /metrics");
end

--- GET /metrics until it shows what the condition wants; the page.
function scrape.wait(w, condition, what)
	local page;
	w.loop:wait(function ()
		page = scrape.once(w);
		return condition(page);
	end, 10, what or "the numbers");
	return page;
end

local function has(labels, wanted)
	for key, value in pairs(wanted or {}) do
		if labels[key] ~= value then return false; end
	end
	return true;
end

function Page:value(family, wanted)
	local sum;
	for _, entry in ipairs(self.series[family] or {}) do
		if has(entry.labels, wanted) then sum = (sum or 0) + entry.value; end
	end
	return sum;
end

function Page:labels(name)
	local seen, list = {}, {};
	for _, entries in pairs(self.series) do
		for _, entry in ipairs(entries) do
			local value = entry.labels[name];
			if value and not seen[value] then
				seen[value] = true;
				list[#list + 1] = value;
			end
		end
	end
	table.sort(list);
	return list;
end

return scrape;
