-- What `check` has found: as lines for people, as JSON for machines. Pure.
-- SPDX-License-Identifier: MIT

local array = require "util.array";
local json = require "util.json";

local one_line = module:require "one_line";

local report = {};

local FORMAT = 1;     -- of the JSON object; goes up when a field changes or goes
local TEXT_MAX = 600; -- bytes of a peer's words that are shown

local report_methods = {};
local report_mt = { __index = report_methods };

-- Where a finding about no host in particular belongs.
report.SERVER = "*";

local function plain(text)
	return one_line(text, TEXT_MAX);
end
report.plain = plain;

-- finding: level = "ok" | "info" | "warning" | "error", section, id (a stable word), text, remedy or nil, partner, key,
-- value (of the configuration) or nil; line: the whole line where text and remedy do not make it
function report_methods:add(host, finding)
	local group = self.groups[host];
	if not group then
		group = { host = host };
		self.groups[host] = group;
		table.insert(self.groups, group);
	end
	self.counts[finding.level] = self.counts[finding.level] + 1;
	table.insert(group, finding);
end

function report_methods:add_all(host, section, findings)
	for _, finding in ipairs(findings) do
		finding.section = section;
		self:add(host, finding);
	end
end

function report_methods:findings()
	return self.counts.error + self.counts.warning;
end

-- 0: fine, 1: something to do
function report_methods:status()
	return self:findings() == 0 and 0 or 1;
end

local function line_of(finding)
	local text = finding.line and finding.line:gsub("%c", "?")
		or plain(finding.text..(finding.remedy and "; "..finding.remedy or ""));
	return ("  %-7s  %-13s  %s"):format(finding.level, finding.section, text);
end

-- For people: print(line)
function report_methods:print(print, hosts)
	for _, group in ipairs(self.groups) do
		print(group.host == report.SERVER and "This server" or group.host);
		for _, finding in ipairs(group) do
			print(line_of(finding));
		end
	end
	local total = ("%d host(s) checked, %d finding(s)"):format(hosts, self:findings());
	if self:findings() > 0 then
		total = total..(": %d error(s), %d warning(s)"):format(self.counts.error, self.counts.warning);
	end
	print(total);
end

local function json_finding(finding)
	return {
		level = finding.level; section = finding.section; check = finding.id; text = plain(finding.text);
		remedy = finding.remedy and plain(finding.remedy); partner = finding.partner; key = finding.key;
		value = finding.value;
	};
end

-- For machines: one object, its fields in alphabetical order. env: version, time (seconds since 1970), offline
function report_methods:json(hosts, env)
	local groups = array();
	for _, group in ipairs(self.groups) do
		local findings = array();
		for _, finding in ipairs(group) do
			findings:push(json_finding(finding));
		end
		groups:push({ host = group.host; findings = findings });
	end
	return json.encode_ordered({
		format = FORMAT; version = env.version; time = os.date("!%Y-%m-%dT%H:%M:%SZ", env.time);
		offline = env.offline == true; status = self:status(); hosts = groups;
		summary = { hosts = hosts; errors = self.counts.error; warnings = self.counts.warning; infos = self.counts.info;
			ok = self.counts.ok };
	});
end

-- Nothing could be checked.
function report.json_error(text)
	return json.encode_ordered({ format = FORMAT; status = 1; error = plain(text) });
end

function report.new()
	return setmetatable({ groups = {}; counts = { ok = 0; info = 0; warning = 0; error = 0 } }, report_mt);
end

return report;
