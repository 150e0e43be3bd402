-- The sample alert rules, the dashboard and the page about them name metrics, labels and tokens that exist.
-- SPDX-License-Identifier: MIT

local json = require "util.json";
local tokens = require "spec.support.tokens";

local PREFIX = "prosody_mod_lync_gateway__";
local RULES, DASHBOARD, PAGE = "docs/prometheus-rules.yml", "docs/grafana-dashboard.json", "docs/monitoring.md";
local SUFFIXES = { counter = { "_total" }; gauge = { "" }; histogram = { "_bucket", "_sum", "_count" } };

local function read(path)
	local f = assert(io.open(path));
	local text = f:read("a");
	f:close();
	return text;
end

-- Series names -> labels, as Prosody makes them of what the module says.
local function families()
	local found, short = {}, {};
	local module, own = {}, { "host" };
	function module:metric(kind, name, unit, help, labels)
		assert(help ~= "" and labels, name);
		short[name .. (unit ~= "" and "_" .. unit or "")] = kind;
		for _, suffix in ipairs(SUFFIXES[kind]) do
			local set = { le = kind == "histogram" or nil };
			for _, list in ipairs { own; labels } do
				for _, label in ipairs(list) do set[label] = true; end
			end
			found[PREFIX .. name .. (unit ~= "" and "_" .. unit or "") .. suffix] = set;
		end
		local sample = setmetatable({}, { __index = function () return function () end; end });
		return { with_labels = function () return sample; end };
	end
	local metrics = assert(loadfile("lua/mod_lync_gateway/metrics.lib.lua"))();
	metrics.new(module, function () end);
	own = {}; -- those of the shared module belong to no host
	metrics.turns(module, {});
	return found, short;
end

-- Every query: metrics that exist, with labels that they have.
local function check_query(query, known)
	local n = 0;
	for name, matchers in query:gmatch("(prosody_[%w_]+)(%b{})") do
		for label in matchers:gmatch("([%w_]+)[!=]~?\"") do
			assert.is_truthy(known[name] and known[name][label], name .. " has no label " .. label);
		end
	end
	local labels = {};
	for name in query:gmatch("prosody_[%w_]+") do
		n = n + 1;
		assert.is_truthy(known[name], "no such metric: " .. name);
		for label in pairs(known[name]) do labels[label] = true; end
	end
	for list in query:gmatch("by (%b())") do
		for label in list:gmatch("[%w_]+") do assert.is_truthy(labels[label], "no such label: " .. label .. " in " .. query); end
	end
	assert.is_true(n > 0, "no metric in " .. query);
end

describe("monitoring:", function ()
	local known, short = families();

	it("the alert rules name what exists", function ()
		local text = read(RULES);
		local alerts, block = 0, "";
		for line in (text .. "\n      - alert: End\n"):gmatch("([^\n]*)\n") do
			if line:match("^%s+%- alert: ") then
				if alerts > 0 then
					check_query(block:match("expr: (.-)\n        %l+:"), known);
					for _, key in ipairs { "severity: %l+", "summary: ", "description: " } do assert.matches(key, block); end
					for label in block:gmatch("%$labels%.([%w_]+)") do
						assert.is_truthy(({ host = 1, partner = 1, direction = 1, reason = 1, role = 1 })[label], label);
					end
				end
				alerts, block = alerts + 1, "";
			end
			block = block .. line .. "\n";
		end
		assert.is_true(alerts - 1 >= 10, alerts .. " alerts");
	end);

	it("the reasons in the alert rules are tokens that refusals have", function ()
		local used, n = tokens.used(), 0;
		for list in read(RULES):gmatch('reason=~"([^"]+)"') do
			for token in list:gmatch("[^|]+") do
				n = n + 1;
				assert.is_truthy(used[token], token);
			end
		end
		assert.is_true(n > 5);
	end);

	it("the dashboard is JSON with panels that name what exists", function ()
		local dashboard = assert(json.decode(read(DASHBOARD)));
		local ids, seen = {}, {};
		for _, panel in ipairs(dashboard.panels) do
			assert.is_nil(ids[panel.id]);
			ids[panel.id] = true;
			assert.is_true(#panel.targets > 0, panel.title);
			for _, target in ipairs(panel.targets) do
				check_query(target.expr, known);
				for name in target.expr:gmatch(PREFIX .. "([%w_]+)") do seen[name] = true; end
				for label in target.legendFormat:gmatch("{{([%w_]+)}}") do
					assert.is_truthy(target.expr:find(label, 1, true) or label == "host" or label == "direction" or label == "role", label);
				end
			end
			assert.is_true(panel.gridPos.x + panel.gridPos.w <= 24);
		end
		for _, variable in ipairs(dashboard.templating.list) do
			if variable.type == "query" then check_query(variable.definition, known); end
		end
		for name in pairs(known) do
			local plain = name:sub(#PREFIX + 1);
			assert.is_truthy(seen[plain] or plain:find("_sum$") or plain:find("_count$"), "not on the dashboard: " .. plain);
		end
	end);

	it("the page explains every metric, and none that is not there", function ()
		local text, documented = read(PAGE), {};
		for name in text:gmatch("\n| `([%w_]+)` | [^|]+ | [^|]* | [^|]+ |") do documented[name] = true; end
		for name in pairs(short) do assert.is_truthy(documented[name], "not in " .. PAGE .. ": " .. name); end
		for name in pairs(documented) do assert.is_truthy(short[name], "no such metric: " .. name); end
		for name in text:gmatch("prosody_mod_lync_gateway__[%w_]+") do
			assert.is_truthy(known[name] or name == PREFIX, "no such metric: " .. name);
		end
	end);
end);
