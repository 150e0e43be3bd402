-- import.lua: a file that the Lync side exported (CLIXML, JSON, CSV): read, compared with the settings, told, written.
-- SPDX-License-Identifier: MIT
--
-- Whatever the bytes: rows or one problem; what is said of them fits on lines of text without control characters;
-- what would be written can be read again, and is then the same.

local core = core;

local read = module:require "import_read";
local map = module:require "import_map";
local plan = module:require "import_plan";
local report = module:require "import_report";
local managed = module:require "managed";
local equal = module:require "bridge".equal;

local HOST = "contoso.com";
local ITEMS_MAX = 20; -- of which the core is asked: each costs a whole configuration

local function configuration()
	return {
		lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
		lync_partners = { ["fabrikam.com"] = { partner_type = "federated"; description = "ours" } };
		lync_access_policies = { global = { enable_xmpp_access = true } };
	};
end

local function check_text(s, several)
	assert(type(s) == "string" and utf8.len(s), "not UTF-8");
	local control = s:find(several and "[%z\1-\9\11-\31\127]" or "[%z\1-\31\127]");
	assert(not control, "a control character is shown");
end

local kinds = { list = true; enum = true; object = true; secret = true };

local function check_value(value)
	local kind = type(value);
	assert(kind == "string" or kind == "number" or kind == "boolean" or kind == "table", kind);
	if kind == "table" then
		assert(kinds[value.kind], "no such kind of value");
	end
end

local function check_row(row)
	assert(math.type(row.line) == "integer" and row.line >= 1, "no line");
	for _, name in ipairs(row.types) do assert(type(name) == "string"); end
	for name, value in pairs(row.values) do
		assert(type(name) == "string");
		check_value(value);
	end
end

local function check_problem(problem)
	check_text(problem.text);
	assert(problem.line == nil or math.type(problem.line) == "integer" and problem.line >= 1, "a strange line");
end

-- What --commit would write.
local function check_written(raw, items)
	local doc = managed.parse("partners", nil);
	local n = 0;
	for _, item in ipairs(items) do
		if plan.writes(item) then
			n = n + 1;
			if item.kind == "settings" then
				managed.set_settings(doc, HOST, item.merged);
			else
				local set = item.kind == "partner" and managed.set_partner or managed.set_policy;
				set(doc, HOST, item.name, item.merged, { "-- imported" });
				local option = item.kind == "partner" and "lync_partners" or "lync_access_policies";
				assert(equal(managed.get(doc, HOST, option, item.name), item.merged), "not what was written");
			end
		end
	end
	local again = assert(managed.parse("partners", managed.render(doc)));
	assert(equal(managed.options(again, HOST), managed.options(doc, HOST)), "another configuration when it is read again");
	raw.lync_partners, raw.lync_access_policies = nil, nil;
	if n > 0 then managed.check(core, HOST, raw, again); end
	return n;
end

return function (bytes)
	local content, problem = read.bytes(bytes);
	if not content then
		return check_problem(problem);
	end
	assert(#content.rows > 0 and #content.rows <= 5000);
	for _, row in ipairs(content.rows) do check_row(row); end
	local items = map.items(content.rows);
	if #items > ITEMS_MAX then return; end
	local raw = configuration();
	plan.make(core, HOST, raw, items, { accept_numbers = #bytes % 2 == 0 });
	local general = report.general(items, raw);
	local head = { file = "export"; format = content.format; encoding = content.encoding; host = HOST };
	check_text(report.text(head, items, general, { message = "-" }), true);
	report.table(head, items, general, { message = "-" });
	local n = report.count(items);
	assert(n.new + n.same + n.differs + n.refused == #items);
	assert(check_written(raw, items) == n.written);
end;
