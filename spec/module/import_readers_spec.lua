-- The readers of what the Lync side exports: what they understand, and that nothing hostile gets further than an error
-- with its line.
-- SPDX-License-Identifier: MIT

local commands = require "spec.support.import";

local read, text = commands.lib("import_read"), commands.lib("import_text");

local function file(name)
	local f = assert(io.open(commands.directory .. name, "rb"));
	local content = f:read("a");
	f:close();
	return content;
end

local function rows(bytes)
	local content, problem = read.bytes(bytes);
	return assert(content, problem and problem.text).rows;
end

-- Text and line of the problem
local function problem(bytes)
	local content, found = read.bytes(bytes);
	assert.is_nil(content);
	assert.is_string(found.text);
	assert.is_true(found.line == nil or math.type(found.line) == "integer" and found.line >= 1);
	return found.text, found.line;
end

local OBJS = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">';

local function object(props)
	return OBJS .. '\n<Obj RefId="0"><Props>' .. props .. "</Props></Obj></Objs>";
end

local function utf16(s, little)
	local out = { little and "\xFF\xFE" or "\xFE\xFF" };
	for _, code in utf8.codes(s) do
		local format = little and "<I2" or ">I2";
		if code >= 0x10000 then
			out[#out + 1] = string.pack(format, 0xD800 + (code - 0x10000) // 1024);
			code = 0xDC00 + (code - 0x10000) % 1024;
		end
		out[#out + 1] = string.pack(format, code);
	end
	return table.concat(out);
end

describe("encodings", function ()
	local plain = "Zoë 😀 \u{FFFD} 漢\n";

	it("are UTF-8 and UTF-16, told by the byte order mark", function ()
		for bytes, encoding in pairs { [plain] = "UTF-8", ["\xEF\xBB\xBF" .. plain] = "UTF-8",
			[utf16(plain, true)] = "UTF-16LE", [utf16(plain, false)] = "UTF-16BE" } do
			local decoded, found = text.decode(bytes);
			assert.equal(plain, decoded);
			assert.equal(encoding, found);
		end
	end);

	it("replace half a surrogate pair", function ()
		assert.equal("a\u{FFFD}b", (text.decode("\xFF\xFEa\0\x3D\xD8b\0")));
		assert.equal("a\u{FFFD}b", (text.decode("\xFF\xFEa\0\x00\xDEb\0")));
	end);

	it("are nothing else", function ()
		local message, line = problem("\n\nZo\xEB");
		assert.truthy(message:find("neither UTF-8 nor UTF-16", 1, true));
		assert.equal(3, line);
		message, line = problem("a\nb\0c");
		assert.truthy(message:find("zero byte", 1, true));
		assert.equal(2, line);
		message, line = problem("\xFF\xFEa\0\n\0b\0c");
		assert.truthy(message:find("cut off", 1, true));
		assert.equal(2, line);
		for _, empty in ipairs { "", "\xEF\xBB\xBF", " \r\n\t", "\xFF\xFE" } do
			assert.truthy(problem(empty):find("empty", 1, true));
		end
	end);

	it("are shown on one line without control characters", function ()
		assert.equal("a b [31m c", text.printable("a\nb\27[31m\u{9B}c"):gsub("  ", " "), nil);
		assert.equal("äö…", text.printable("äöü", 5));
		assert.equal(84, #text.printable(("x"):rep(1000)) + 1);
	end);
end);

describe("CLIXML", function ()
	it("has simple values of each type", function ()
		local values = rows(object [[<S N="s">a &lt;b&gt;_x000A__xD83D__xDE00__xd83d_</S><I32 N="i">-5</I32><U64 N="u">7</U64>
			<B N="t">true</B><B N="f">False</B><Nil N="n"/><URI N="r">http://x/_x005F_y</URI><TS N="d">PT5M</TS><SS N="p">01</SS>
			<S N="_x0041_">escaped name</S><Db N="db">1.5</Db><S N="e"></S>]])[1].values;
		assert.same({ s = "a <b>\n😀\u{FFFD}", i = -5, u = 7, t = true, f = false, r = "http://x/_y", d = "PT5M",
			p = { kind = "secret" }, A = "escaped name", db = "1.5", e = "" }, values);
	end);

	it("has enumerations, lists, references and objects", function ()
		local values = rows(object [[<Obj N="e" RefId="1"><TN RefId="0"><T>E</T></TN><ToString>Required</ToString><I32>0</I32></Obj>
			<Obj N="l" RefId="2"><LST><S>a</S><Ref RefId="1"/><Nil/><Obj RefId="3"><ToString>c</ToString></Obj></LST></Obj>
			<Obj N="i" RefId="4"><IE><S>x</S></IE></Obj><Ref N="again" RefId="2"/><Ref N="none" RefId="77"/>
			<Obj N="o" RefId="5"><ToString>shown</ToString><Props><S N="deep">1</S></Props></Obj>
			<Obj N="s" RefId="6"><S>text with notes</S><MS><S N="n">1</S></MS></Obj>
			<Obj N="d" RefId="7"><DCT><En><S N="Key">k</S><S N="Value">v</S></En></DCT></Obj>
			<Obj N="bare" RefId="8"><I32>2</I32></Obj>]])[1].values;
		local list = { kind = "list", "a", 0, "c" };
		assert.same({ e = { kind = "enum", name = "Required", number = 0 }, l = list, i = { kind = "list", "x" }, again = list,
			o = { kind = "object", text = "shown" }, s = "text with notes", d = { kind = "object" },
			bare = { kind = "enum", number = 2 } }, values);
	end);

	it("ends with a reference to itself", function ()
		local found = rows(OBJS .. '<Obj RefId="0"><Props><Ref N="self" RefId="0"/></Props></Obj></Objs>');
		assert.same({ self = { kind = "object" } }, found[1].values);
		assert.equal(1, #rows(OBJS .. '<Obj RefId="0"><LST><Ref RefId="0"/></LST></Obj></Objs>'));
	end);

	it("gives types by name and by reference, and lines", function ()
		local found = rows(file("partners.xml"));
		assert.equal(3, #found);
		assert.same({ 2, 60, 92 }, { found[1].line, found[2].line, found[3].line });
		assert.equal(found[1].types[2], found[3].types[2]);
		assert.truthy(found[3].types[2]:find("XmppAllowedPartner$"));
		assert.equal("CHG-12", found[3].values.Ticket);
	end);

	it("has one object that is a list of them", function ()
		local found = rows(OBJS .. '<Obj RefId="0"><LST><Obj RefId="1"><Props><S N="a">1</S></Props></Obj><Obj RefId="2"><Props>'
			.. '<S N="a">2</S></Props></Obj></LST></Obj></Objs>');
		assert.same({ "1", "2" }, { found[1].values.a, found[2].values.a });
	end);

	it("may have a declaration, whatever it says about the encoding", function ()
		local xml = '<?xml version="1.0" encoding="utf-16"?>\n' .. object('<S N="s">é</S>');
		assert.equal("é", rows(utf16(xml, true))[1].values.s);
		assert.equal("é", rows("\n  " .. xml)[1].values.s);
		assert.equal(3, rows(xml)[1].line);
	end);

	it("has no DTD and no entities", function ()
		local message, line = problem('<?xml version="1.0"?>\n<!DOCTYPE Objs [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n'
			.. object('<S N="s">&b;</S>'));
		assert.truthy(message:find("DTD", 1, true));
		assert.equal(2, line);
		problem('<!DOCTYPE Objs SYSTEM "file:///etc/passwd">' .. object('<S N="s">x</S>'));
		assert.truthy(problem(object('<S N="s">&b;</S>')):find("not well-formed", 1, true));
	end);

	it("is bounded", function ()
		assert.truthy(problem(OBJS .. ("<Obj>"):rep(100)):find("within each other", 1, true));
		assert.truthy(problem(OBJS .. ("<Obj>"):rep(1000000)):find("within each other", 1, true));
		assert.truthy(problem(OBJS .. ("<Nil/>"):rep(500001) .. "</Objs>"):find("5000 objects", 1, true));
		assert.truthy(problem(OBJS .. ("<Obj/>"):rep(5001) .. "</Objs>"):find("5000 objects", 1, true));
		assert.truthy(problem(object(("<Q/>"):rep(500001))):find("500000 elements", 1, true));
		assert.truthy(problem(object('<Obj N="l"><LST>' .. ("<S/>"):rep(5001) .. "</LST></Obj>")):find("5000 objects", 1, true));
		assert.truthy(problem(object('<S N="s">' .. ("x"):rep(70000) .. "</S>")):find("64 KiB", 1, true));
		local props = {};
		for i = 1, 300 do props[i] = ('<S N="p%d">x</S>'):format(i); end
		assert.truthy(problem(object(table.concat(props))):find("256 properties", 1, true));
		-- each reference to a list of lists of references is one row of one file, not a product of them
		local refs = OBJS .. '<Obj RefId="0"><LST>' .. ('<Ref RefId="1"/>'):rep(4000) .. '</LST></Obj><Obj RefId="1"><Props><S N="a">'
			.. "1</S></Props></Obj>" .. ('<Ref RefId="0"/>'):rep(2) .. "</Objs>";
		assert.truthy(problem(refs):find("5000 objects", 1, true));
	end);

	it("is CLIXML and nothing else", function ()
		assert.truthy(problem("<html><body/></html>"):find("<html> where CLIXML begins", 1, true));
		assert.truthy(problem('<Objs xmlns="urn:other"/>'):find("<?> where", 1, true));
		assert.truthy(problem(OBJS .. "</Objs>"):find("no object", 1, true));
		assert.truthy(problem(object("") .. "<x/>"):find("not well-formed", 1, true));
		for _, odd in ipairs { "<S>x</S>", "<Props/>", "<LST><S>x</S></LST>", "<TN><T>x</T></TN>", "<ToString>x</ToString>", "<T/>",
			"<Ref/>", "<Ref RefId='9'/>", "<Obj><Obj><Props/></Obj></Obj>", "<MS><S N='a'>x</S></MS>", "<Obj><Props><S>x</S></Props></Obj>",
			"<TNRef/>", "<Obj><TNRef RefId='4'/></Obj>", "<En/>", "<Obj><Props N='x'><Props><S N='x'>y</S></Props></Props></Obj>" } do
			read.bytes(OBJS .. odd .. "</Objs>"); -- no error, whatever it means
		end
	end);
end);

describe("JSON", function ()
	it("is an object or an array of them", function ()
		assert.same({ { line = 1, types = {}, values = { a = 1 } } }, rows('{"a":1.0}'));
		local found = rows('[\n{"a":true},\n\n{"a":null,"b":[],"c":["x",null,2],"d":{"e":1},"f":{"value":["y"],"Count":1},'
			.. '"g":{"value":1,"Value":"Optional"}}\n]\n');
		assert.same({ 2, 4 }, { found[1].line, found[2].line });
		assert.same({ b = { kind = "list" }, c = { kind = "list", "x", 2 }, d = { kind = "object" }, f = { kind = "list", "y" },
			g = { kind = "enum", name = "Optional", number = 1 } }, found[2].values);
		assert.equal(2, #rows('{"value":[{"a":1},{"a":2}],"Count":2}'));
	end);

	it("has escapes", function ()
		assert.equal("\"\\/\b\f\n\r\t é 😀 {[", rows([[{"a":"\"\\\/\b\f\n\r\t \u00e9 \ud83d\ude00 {["}]])[1].values.a);
	end);

	it("is bounded", function ()
		assert.truthy(problem('{"a":' .. ("["):rep(100)):find("16 levels", 1, true));
		assert.truthy(problem(("["):rep(1000000)):find("an object is expected", 1, true));
		assert.truthy(problem(("{"):rep(1000000)):find("16 levels", 1, true));
		assert.truthy(problem("[" .. ("{},"):rep(5001) .. "{}]"):find("5000 objects", 1, true));
		assert.truthy(problem('{"a":"' .. ("x"):rep(70000) .. '"}'):find("64 KiB", 1, true));
		assert.truthy(problem('{"value":[' .. ('{"a":1},'):rep(6000) .. '{"a":1}],"Count":6001}'):find("5000", 1, true));
	end);

	it("names the line of what is wrong", function ()
		for bytes, line in pairs {
			["[\n{},\n{\"a\":\n}]"] = 3, ["[\n{}\n{}]"] = 3, ["{}\n{}"] = 2, ["[\n{\"a\":\"x"] = 2, ["[{}\n,\n5]"] = 3, ["[{}]\n]"] = 2,
			["{\n\"a\": [1, 2}\n}"] = 2, ["[\n"] = 1, ["[{},\n]"] = 2, ["{\"a\"\n}"] = 1, ["{a:1}"] = 1, ["{\"a\":\"\\u12\"}"] = 1,
			["{\"__array\":5}"] = 1, ["{\"a\":-}"] = 1, ["{\"a\":1e}"] = 1,
		} do
			local message, found = problem(bytes);
			assert.equal(line, found, bytes .. " " .. message);
		end
	end);
end);

describe("CSV", function ()
	it("has a separator, quotes, breaks, and a line that tells its type or not", function ()
		for _, separator in ipairs { ",", ";", "\t" } do
			for _, eol in ipairs { "\n", "\r\n" } do
				local s = ('#TYPE My.Type|"a"SEP"b;,"SEPc|"1 ""2"" SEP;,"SEP"x|y"SEPz|SEP""SEP|'):gsub("SEP", separator):gsub("|", eol);
				local found = rows(s);
				assert.equal(2, #found);
				assert.same({ line = 3, types = { "My.Type" }, values = { a = '1 "2" ' .. separator .. ";,", ["b;,"] = "x" .. eol .. "y",
					c = "z" } }, found[1]);
				assert.same({ line = 5, types = { "My.Type" }, values = {} }, found[2]);
			end
		end
		assert.same({ a = "1", b = "2" }, rows("a,b\r\n1,2\n")[1].values);
		assert.same({ a = "1", b = "2" }, rows("a,b\n\n1,2\n\n")[1].values);
	end);

	it("names the line of what is wrong", function ()
		for bytes, line in pairs {
			["a,b\n1"] = 2,
			["a,b\n1,2,3\n"] = 2, ["a,b\n1,2\n3,4"] = 3, ["a,b\n\"1\n\n,2"] = 2, ["a,b\n\"x\ny\",1\n\"z\"z,2"] = 4, ["a,b\nx\"y,1"] = 2,
			["a,a\n1,2"] = 1, ["a,\n1,2"] = 1, ["hello"] = 1, ["#TYPE x\n"] = 2, ["#TYPE x"] = 1, ["a,b\n"] = 1,
		} do
			local message, found = problem(bytes);
			assert.equal(line, found, bytes .. " " .. message);
		end
	end);

	it("is bounded", function ()
		assert.truthy(problem("a,b\n" .. ("1,2\n"):rep(5001)):find("5000 rows", 1, true));
		assert.truthy(problem(("a,"):rep(300) .. "b\n1"):find("256 columns", 1, true));
		assert.truthy(problem('a,b\n"' .. ("x"):rep(70000) .. '",2'):find("64 KiB", 1, true));
		assert.truthy(problem("a,b\n" .. ("x"):rep(70000) .. ",2"):find("64 KiB", 1, true));
	end);
end);

describe("a file", function ()
	it("of more than 16 MiB is refused", function ()
		assert.truthy(problem(("x"):rep(text.limit + 1)):find("larger than 16 MiB", 1, true));
		problem(("x"):rep(text.limit));
		problem(("<"):rep(text.limit));
		problem('{"' .. ("x"):rep(text.limit - 2));
		problem("\xFF\xFE" .. ("x\0"):rep(text.limit // 2 - 1));
	end);

	it("that is cut off anywhere is told so, with the line", function ()
		for _, name in ipairs { "partners.xml", "partners.json", "partner-names.json", "gateway.xml" } do
			local bytes = file(name):gsub("%s+$", "");
			for cut = 1, #bytes - 1 do
				local _, line = problem(bytes:sub(1, cut));
				assert.is_true(line >= 1);
			end
		end
		for _, name in ipairs { "partners-utf16.xml" } do
			local bytes = file(name);
			for cut = 3, #bytes - 12, 7 do
				local _, line = problem(bytes:sub(1, cut));
				assert.is_true(line >= 1);
			end
		end
	end);

	-- The end of a record is the end of a file, too: then there are fewer rows, none of them changed.
	it("of CSV that is cut off is told so, or has whole rows only", function ()
		local bytes = file("partners.csv");
		local whole = rows(bytes);
		for cut = 1, #bytes - 1 do
			local content, found = read.bytes(bytes:sub(1, cut));
			if content then
				assert.is_true(#content.rows < #whole);
				for i, row in ipairs(content.rows) do
					assert.same(whole[i], row);
				end
			else
				assert.is_true(found.line >= 1);
			end
		end
	end);

	it("with any byte changed is read or refused", function ()
		local random = 1;
		local function next_random(n)
			random = (random * 1103515245 + 12345) % 2147483648;
			return random // 65536 % n;
		end
		for _, name in ipairs { "partners.xml", "partners-utf16.xml", "partners.json", "partners.csv", "policies-semicolon.csv" } do
			local bytes = file(name);
			for _ = 1, 600 do
				local at = next_random(#bytes) + 1;
				local changed = bytes:sub(1, at - 1) .. string.char(next_random(256)) .. bytes:sub(at + 1);
				local content, found = read.bytes(changed);
				assert.is_true(content ~= nil or type(found.text) == "string");
				if content then
					for _, item in ipairs(commands.lib("import_map").items(content.rows)) do
						assert.is_table(item.entry);
					end
				end
			end
		end
	end);
end);
