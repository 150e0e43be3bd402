-- Export-Clixml -> rows. Objects with properties (Props, MS), lists, enumerations, references; nothing is executed.
-- SPDX-License-Identifier: MIT
--
-- A row is { line, types = { names }, values = { property = value } }. A value is a string, number or boolean, or
-- { kind = "list", … }, { kind = "enum", name =, number = }, { kind = "object", text = } (text: how PowerShell writes
-- it on one line), { kind = "secret" }. Properties that are $null are left out. A DTD is refused, and so are entities.

local lxp = require "lxp";
local text = module:require "import_text";

local clixml = {};

local SEPARATOR = "\1";
local NAMESPACE = "http://schemas.microsoft.com/powershell/2004/04";
local DEPTH = 64; -- elements within each other
local ELEMENTS = 500000;
local PROPERTIES = 256; -- of an object
local ITEMS = 5000; -- of a list, and objects of a file

local NULL = {};

local function whole(s)
	return s:match("^%s*[+-]?%d+%s*$") and math.tointeger(tonumber(s)) or nil;
end

-- _xHHHH_ stands for a unit of UTF-16.
local function unescape(s)
	if not s:find("_x", 1, true) then
		return s;
	end
	return text.join_surrogates((s:gsub("_x(%x%x%x%x)_", function (unit)
		return utf8.char(tonumber(unit, 16));
	end)));
end

local function boolean(s)
	s = s:lower();
	if s == "true" then return true; elseif s == "false" then return false; end
	return s;
end

local function number(s) return whole(s) or s; end
local function secret() return { kind = "secret" }; end
local function same(s) return s; end

local primitives = {
	S = unescape; URI = unescape; SBK = unescape; XD = unescape; Version = same; G = same; DT = same; TS = same; C = same;
	BA = same; D = same; Db = same; Sg = same; PR = same; B = boolean; SS = secret;
	I16 = number; I32 = number; I64 = number; U16 = number; U32 = number; U64 = number; By = number; SB = number;
};

local containers = { Props = true; MS = true; LST = true; IE = true; STK = true; QUE = true; DCT = true; En = true };
local lists = { LST = true; IE = true; STK = true; QUE = true };

local Reader = {};
Reader.__index = Reader;

function Reader:fail(message)
	if not self.problem then
		self.problem = { line = (self.parser:pos()); text = message };
		self.parser:stop();
	end
end

local function local_name(name)
	local namespace, rest = name:match("^(.-)"..SEPARATOR.."(.*)$");
	if namespace and namespace ~= NAMESPACE then
		return "?";
	end
	return rest or name;
end

function Reader:new_object(id)
	local object = { line = (self.parser:pos()); props = {}; n = 0; types = {}; raw = true };
	if id then
		self.objects[id] = object;
	end
	return object;
end

function Reader:start(name, attr)
	local tag, parent = local_name(name), self.stack[#self.stack];
	self.elements = self.elements + 1;
	if self.elements > ELEMENTS then
		return self:fail(("more than %d elements; export only the objects of the gateway"):format(ELEMENTS));
	elseif #self.stack >= DEPTH then
		return self:fail(("more than %d elements within each other; not a CLIXML file of these cmdlets"):format(DEPTH));
	elseif not parent and tag ~= "Objs" then
		return self:fail(("<%s> where CLIXML begins with <Objs>; export with Export-Clixml"):format(text.printable(tag, 40)));
	end
	local frame = { tag = tag; name = attr.N and unescape(attr.N); id = attr.RefId };
	if tag == "Obj" then
		frame.object = self:new_object(attr.RefId);
	elseif containers[tag] then
		frame.object = parent.object;
		if lists[tag] and frame.object then
			frame.object.list = frame.object.list or {};
		end
	elseif tag == "TN" then
		frame.types = {};
	end
	if primitives[tag] or tag == "T" or tag == "ToString" then
		frame.text, frame.size = {}, 0;
	end
	self.stack[#self.stack+1] = frame;
end

function Reader:characters(data)
	local frame = self.stack[#self.stack];
	if not frame or not frame.text then
		return;
	end
	frame.size = frame.size + #data;
	if frame.size > text.value_limit then
		return self:fail(("a value of more than %d KiB"):format(text.value_limit // 1024));
	end
	frame.text[#frame.text+1] = data;
end

local function append(self, list, value)
	if #list >= ITEMS then
		return self:fail(("more than %d objects or items of a list"):format(ITEMS));
	end
	list[#list+1] = value;
end

-- Hand a value to what it stands in.
function Reader:deliver(frame, value)
	local parent = self.stack[#self.stack];
	if not parent then
		return;
	elseif parent.tag == "Objs" then
		return append(self, self.top, { line = (self.parser:pos()); value = value });
	end
	local object = parent.object;
	if not object then
		return;
	elseif parent.tag == "Obj" then
		object.value = value;
	elseif lists[parent.tag] then
		append(self, object.list, value);
	elseif frame.name and (parent.tag == "Props" or parent.tag == "MS") then
		if object.props[frame.name] == nil then
			object.n = object.n + 1;
		end
		object.props[frame.name] = value;
		if object.n > PROPERTIES then
			self:fail(("an object with more than %d properties"):format(PROPERTIES));
		end
	end
end

local ends = {};

function ends.Nil(self, frame) self:deliver(frame, NULL); end
function ends.Ref(self, frame) self:deliver(frame, { reference = frame.id or "" }); end
function ends.Obj(self, frame) self:deliver(frame, frame.object); end

function ends.T(self, _, content)
	local parent = self.stack[#self.stack];
	if parent.types and #parent.types < 32 then
		parent.types[#parent.types+1] = unescape(content);
	end
end

function ends.TN(self, frame)
	local parent = self.stack[#self.stack];
	if parent.object then
		parent.object.types = frame.types;
	end
	if frame.id then
		self.types[frame.id] = frame.types;
	end
end

function ends.TNRef(self, frame)
	local parent = self.stack[#self.stack];
	if parent.object then
		parent.object.types = self.types[frame.id or ""] or {};
	end
end

function ends.ToString(self, _, content)
	local parent = self.stack[#self.stack];
	if parent.object then
		parent.object.text = unescape(content);
	end
end

function Reader:finish()
	local frame = table.remove(self.stack);
	if not frame then
		return;
	end
	local content = frame.text and table.concat(frame.text);
	if primitives[frame.tag] then
		self:deliver(frame, primitives[frame.tag](content));
	elseif ends[frame.tag] then
		ends[frame.tag](self, frame, content);
	end
end

function Reader:resolve(value)
	if type(value) == "table" and value.reference then
		return self.objects[value.reference] or NULL;
	end
	return value;
end

-- What stands in the file -> a value of a row; nil: $null
function Reader:value(raw)
	local object = self:resolve(raw);
	if object == NULL then
		return nil;
	elseif type(object) ~= "table" or not object.raw then
		return object;
	elseif object.list then
		local list = { kind = "list" };
		for _, item in ipairs(object.list) do
			item = self:resolve(item);
			if type(item) == "table" and item.raw then
				item = item.value ~= nil and type(item.value) ~= "table" and item.value or item.text;
			end
			if item ~= NULL and item ~= nil then
				list[#list+1] = item;
			end
		end
		return list;
	elseif type(object.value) == "number" then
		return { kind = "enum"; name = object.text; number = object.value };
	elseif object.value ~= nil and type(object.value) ~= "table" then
		return object.value;
	end
	return { kind = "object"; text = object.text };
end

function Reader:row(object)
	local row = { line = object.line; types = object.types; values = {} };
	for name, value in pairs(object.props) do
		row.values[name] = self:value(value);
	end
	return row;
end

local function add_row(self, rows, line, value)
	local object = self:resolve(value);
	if type(object) == "table" and object.raw then
		rows[#rows+1] = self:row(object);
	elseif object ~= NULL then
		rows[#rows+1] = { line = line; types = {}; values = {} };
	end
	return #rows <= ITEMS;
end

function Reader:rows()
	local rows = {};
	for _, item in ipairs(self.top) do
		local object = self:resolve(item.value);
		local entries = { object };
		if type(object) == "table" and object.list and object.n == 0 then
			entries = object.list; -- Export-Clixml -InputObject $partners
		end
		for _, entry in ipairs(entries) do
			if not add_row(self, rows, item.line, entry) then
				return nil, { line = item.line; text = ("more than %d objects"):format(ITEMS) };
			end
		end
	end
	return rows;
end

-- UTF-8 text -> rows | nil, problem
function clixml.read(xml)
	local self = setmetatable({ stack = {}; top = {}; objects = {}; types = {}; elements = 0 }, Reader);
	-- The text is UTF-8 by now, whatever its declaration says.
	xml = xml:gsub("^%s*<%?xml.-%?>", function (declaration) return (declaration:gsub("[^\n]", " ")); end);
	if xml:find("^%s+<") then
		xml = xml:gsub("^%s+", function (space) return "<!--"..space.."-->"; end);
	end
	self.parser = lxp.new({
		StartElement = function (_, name, attr) if not self.problem then self:start(name, attr); end end;
		EndElement = function () if not self.problem then self:finish(); end end;
		CharacterData = function (_, data) if not self.problem then self:characters(data); end end;
		StartDoctypeDecl = function () self:fail("a DTD, which CLIXML never has; refused"); end;
	}, SEPARATOR);
	local ok, message, line = self.parser:parse(xml);
	if ok then
		ok, message, line = self.parser:parse();
	end
	if self.problem then
		return nil, self.problem;
	elseif not ok then
		return nil, { line = line; text = ("not well-formed XML (%s); was the file cut off?"):format(tostring(message)) };
	end
	return self:rows();
end

return clixml;
