-- xml.lua: XMPP streams for test peers: a parser that gives top-level elements, and escaping; whole documents.
-- SPDX-License-Identifier: MIT
--
-- An element: { name, xmlns, attr = { … }, children = { element | string } } with :child(name, xmlns), :text(), :find(path),
-- :childs() (elements only). Prefixed attributes are "namespace\1name" (xml:lang: "http://www.w3.org/XML/1998/namespace\1lang").

local lxp = require "lxp";

local xml = {};
local Element = {};
Element.__index = Element;

function Element:child(name, xmlns)
	for _, child in ipairs(self.children) do
		if type(child) == "table" and (not name or child.name == name) and (not xmlns or child.xmlns == xmlns) then return child; end
	end
	return nil;
end

function Element:childs()
	local list = {};
	for _, child in ipairs(self.children) do
		if type(child) == "table" then list[#list + 1] = child; end
	end
	return list;
end

function Element:text()
	local parts = {};
	for _, child in ipairs(self.children) do parts[#parts + 1] = type(child) == "table" and child:text() or child; end
	return table.concat(parts);
end

--- Text of the child of that name, or nil.
function Element:child_text(name, xmlns)
	local child = self:child(name, xmlns);
	return child and child:text();
end

--- Condition and text of an <error/> or a stream error.
function Element:error()
	local holder = self.name == "error" and self or self:child("error");
	if not holder then return nil; end
	local condition, text;
	for _, child in ipairs(holder:childs()) do
		if child.name == "text" then text = child:text(); elseif child.xmlns:find("^urn:ietf:params:xml:ns:xmpp%-") then
			condition = child.name;
		end
	end
	return condition, holder.attr.type, text;
end

function xml.escape(text)
	return (tostring(text):gsub("[<>&'\"]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;", ["'"] = "&apos;", ['"'] = "&quot;" }));
end

--- Attributes as text: each with a space before it, nil values left out.
function xml.attributes(attr)
	local names, parts = {}, {};
	for name in pairs(attr) do names[#names + 1] = name; end
	table.sort(names);
	for i, name in ipairs(names) do parts[i] = string.format(" %s='%s'", name, xml.escape(attr[name])); end
	return table.concat(parts);
end

local function split(name)
	local xmlns, plain = name:match("^(.-)\1(.*)$");
	return plain or name, xmlns or "";
end

--- A parser for one stream. handlers: opened(attr), element(element), closed(), broken(reason).
function xml.parser(handlers)
	local depth, stack = 0, {};
	local parser = lxp.new({
		StartElement = function (_, name, attributes)
			depth = depth + 1;
			local attr = {};
			for i = 1, #attributes do attr[attributes[i]] = attributes[attributes[i]]; end
			local plain, xmlns = split(name);
			if depth == 1 then return handlers.opened(attr); end
			stack[#stack + 1] = setmetatable({ name = plain, xmlns = xmlns, attr = attr, children = {} }, Element);
		end;
		EndElement = function ()
			depth = depth - 1;
			if depth == 0 then return handlers.closed and handlers.closed(); end
			local element = table.remove(stack);
			if #stack == 0 then return handlers.element(element); end
			table.insert(stack[#stack].children, element);
		end;
		CharacterData = function (_, text)
			if #stack > 0 then table.insert(stack[#stack].children, text); end
		end;
	}, "\1");
	local self, waiting = {}, nil;
	-- What a handler waits for may bring more of the same stream: that is for after it.
	function self.feed(_, bytes)
		if waiting then return table.insert(waiting, bytes); end
		waiting = { bytes };
		while waiting[1] do
			local ok, err = parser:parse(table.remove(waiting, 1));
			if not ok and handlers.broken then handlers.broken(err); end
		end
		waiting = nil;
	end
	return self;
end

--- The root element of a whole document; nil and why when it is not well-formed or has what no peer has a reason to send: a
-- DOCTYPE, a processing instruction, another encoding than UTF-8.
function xml.document(text)
	local root, stack, why = nil, {}, nil;
	local function refuse(reason) return function () why = why or reason; end; end
	local parser = lxp.new({
		StartElement = function (_, name, attributes)
			local attr = {};
			for i = 1, #attributes do attr[attributes[i]] = attributes[attributes[i]]; end
			local plain, xmlns = split(name);
			local element = setmetatable({ name = plain, xmlns = xmlns, attr = attr, children = {} }, Element);
			if #stack > 0 then table.insert(stack[#stack].children, element); else root = element; end
			stack[#stack + 1] = element;
		end;
		EndElement = function () table.remove(stack); end;
		CharacterData = function (_, data)
			if #stack > 0 then table.insert(stack[#stack].children, data); end
		end;
		StartDoctypeDecl = refuse("a DOCTYPE");
		ProcessingInstruction = refuse("a processing instruction");
		XmlDecl = function (_, _, encoding)
			if encoding and encoding:lower() ~= "utf-8" then why = why or "encoding " .. encoding; end
		end;
	}, "\1");
	local ok, err = parser:parse(text);
	if ok then ok, err = parser:parse(); end
	pcall(parser.close, parser); -- which says again what is wrong
	if not ok then return nil, tostring(err); end
	if not utf8.len(text) then return nil, "not UTF-8"; end
	if why then return nil, why; end
	return root;
end

return xml;
