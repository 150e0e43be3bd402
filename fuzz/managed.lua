-- managed.lua: the file of partners that commands write and administrators edit, whatever stands in it.
-- SPDX-License-Identifier: MIT
--
-- What is accepted is a part of Lua, and means what Lua makes of it; written again it is the same, comments included;
-- the core takes any of its values. A change of one entry changes no other.

local core = core;

local managed = module:require "managed";
local format = module:require "managed_format";
local equal = module:require "bridge".equal;

local HOST = "contoso.com";

local function check_line(s)
	assert(type(s) == "string", "no text");
	assert(not s:find("[%z\1-\31\127]"), "a control character is shown");
end

local function plain(node)
	if not format.is_node(node) then return node; end
	local result = {};
	for _, entry in ipairs(node.entries) do
		result[entry.key or #result + 1] = plain(entry.value);
	end
	return result;
end

-- Numbers that are none and lists with keys between are other tables to Lua.
local function comparable(node)
	for _, entry in ipairs(node.entries) do
		local value = entry.value;
		if value ~= value or format.is_node(value) and not comparable(value) then return false; end
	end
	return true;
end

local function comments(doc)
	local n = 0;
	for comment in format.render(doc):gmatch("%-%-[^\n]*") do n = n + #comment; end
	return n;
end

local function check_lua(text, doc)
	local chunk = load(text, "=partners", "t", {});
	assert(chunk, "accepted, but not by Lua");
	if comparable(doc.root) then
		assert(equal(chunk(), plain(doc.root)), "Lua reads something else");
	end
end

local function check_again(doc)
	local text = format.render(doc);
	local again = assert(format.parse(text));
	assert(format.render(again) == text, "written once more it is another text");
	assert(not comparable(doc.root) or equal(plain(doc.root), plain(again.root)), "written and read it is something else");
	assert(comments(again) == comments(doc), "a comment is lost");
end

local function check_settings(doc)
	local _, problems = managed.load(core, HOST, {}, doc);
	for _, problem in ipairs(problems) do
		check_line(problem.text);
	end
end

local function check_change(doc)
	local before = managed.options(doc, HOST);
	managed.set_partner(doc, HOST, "fuzz.example", { partner_type = "federated" }, { "-- new" });
	if not doc.source:find("[%z\1-\8\11-\31\127]") then -- a comment of the administrator's stays as it is
		check_line((managed.diff(doc):gsub("[\n\t]", " ")));
	end
	local again = assert(managed.parse("partners", managed.render(doc)));
	assert(managed.get(again, HOST, "lync_partners", "fuzz.example").partner_type == "federated");
	managed.set_partner(again, HOST, "fuzz.example", nil);
	local after = managed.options(again, HOST);
	for option, values in pairs(before) do
		-- a table that has become empty may go
		if next(values) and not (option == "lync_partners" and values["fuzz.example"]) then
			assert(equal(values, after[option]), option.." has changed");
		end
	end
end

return function (text)
	local doc, message, line = format.parse(text);
	if not doc then
		check_line(message);
		assert(math.type(line) == "integer" and line >= 1, "no line");
		assert(not managed.parse("partners", text) or not text:find("%S"));
		return;
	end
	check_lua(text, doc);
	check_again(doc);
	doc, message = managed.parse("partners", text);
	if not doc then
		return check_line(message);
	end
	if comparable(doc.root) then
		check_settings(doc);
		check_change(doc);
	end
end;
