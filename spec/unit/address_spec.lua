-- Addresses: RFC 7247 section 6, XEP-0106; checked against a slow reference.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local seed = tonumber(os.getenv("LG_SEED")) or 7247;

local codes = { " ", '"', "&", "'", "/", ":", "<", ">", "@", "\\" };
local code_of, char_of = {}, {};
for _, char in ipairs(codes) do
	local code = ("\\%02x"):format(char:byte());
	code_of[char], char_of[code] = code, char;
end

-- The reference: one rule a line, as the documents have them.
local ref = {};

function ref.escape(text)
	text = text:gsub("\\(%x%x)", function (hex)
		return char_of["\\" .. hex] and ("\\5c" .. hex) or nil;
	end);
	return (text:gsub('[ "&\'/:<>@]', code_of));
end

-- gsub does not look at what it has replaced, and "\5c" is followed by text that may be a code: go by hand.
function ref.unescape(text)
	local out, i = {}, 1;
	while i <= #text do
		local char = char_of[text:sub(i, i + 2)];
		out[#out+1] = char or text:sub(i, i);
		i = i + (char and 3 or 1);
	end
	return table.concat(out);
end

function ref.encode(text)
	return (text:gsub("[^%w%-_%.!~%*'%(%)&=%+%$,;%?/]", function (c)
		return ("%%%02X"):format(c:byte());
	end));
end

-- A localpart that is the escaped form of something, and of one thing only.
function ref.legal(text)
	return not text:find('[%c\127 "&\'/:<>@]') and text ~= "" and not text:find("^\\20") and not text:find("\\20$")
		and ref.escape(ref.unescape(text)) == text;
end

local letters = {};
for byte = 0x20, 0x7e do letters[#letters+1] = string.char(byte); end
for _, char in ipairs { "é", "ü", "ß", "д", "א", "ع", "中", "文", "あ", "한", "𝄞", "😀" } do
	letters[#letters+1] = char;
end
local tricky = { "\\", "\\", "\\", "2", "5", "c", "0", "7", "f", "a", "e", "3", "6", "C", "F", "%", "z" };

local function random_text(alphabet, most)
	local out = {};
	for i = 1, math.random(most) do out[i] = alphabet[math.random(#alphabet)]; end
	return table.concat(out);
end

-- Percent-encodes more than it must, in either case.
local function random_encode(text)
	return (text:gsub(".", function (c)
		if c == "%" or math.random(3) == 1 then
			return (math.random(2) == 1 and "%%%02X" or "%%%02x"):format(c:byte());
		end
		return ref.encode(c);
	end));
end

local function why(n, text)
	return ("seed %d, case %d, %q"):format(seed, n, text);
end

describe("to_jid", function ()
	local vectors = {
		-- B1-B8 and the examples of the documents
		{ "sip:juliet@example.com", "juliet@example.com" };
		{ "sip:f%C3%BC@h", "fü@h" };
		{ "sip:o'malley@h", "o\\27malley@h" };
		{ "sip:foo@h;gr=bar", "foo@h", "bar" };
		{ "sip:here%27s_a_wild_%26_%2Fcr%zy%2F_address@h", "here\\27s_a_wild_\\26_\\2fcr%zy\\2f_address@h" };
		{ "sip:a&b@h", "a\\26b@h" };
		{ "sip:a/b@h", "a\\2fb@h" };
		{ "sip:%22%3A%3C%3E%40@h", "\\22\\3a\\3c\\3e\\40@h" };
		{ "sip:space%20cadet@h", "space\\20cadet@h" };
		{ "sip:%5C27@h", "\\5c27@h" };
		{ "sip:%5C5c@h", "\\5c5c@h" };
		{ "sip:%5C5C@h", "\\5c5c@h" };
		{ "sip:%5C2plus%5C2is%5C4@h", "\\2plus\\2is\\4@h" };
		{ "sip:foo%5Cbar@h", "foo\\bar@h" };
		{ "sip:foo%5C41r@h", "foo\\41r@h" };
		{ "sip:c%3A%5C5commas@h", "c\\3a\\5c5commas@h" };
		{ "sip:treasure%20at%20sea;x@h", "treasure\\20at\\20sea;x@h" };
		{ "sip:user?x=1@h", "user?x=1@h" };
		{ "sip:100%@h", "100%@h" };
		{ "sip:100%4@h", "100%4@h" };
		-- B21: no second '@', no resource out of an escape
		{ "sip:a%40evil.com%2Fx@h", "a\\40evil.com\\2fx@h" };
		-- B22: one case
		{ "SIP:Bob.Smith@Contoso.COM", "bob.smith@contoso.com" };
		{ "sip:%C3%9Cber@h", "über@h" };
		-- B10: the resource, other parameters, a port
		{ "sip:a@h:5061;transport=tls;gr=b%20c;lr", "a@h", "b c" };
		{ "sip:a@h;opaque=user:epid:Xv9_AA;gruu", "a@h" };
		{ "sip:a@h;GR=B/C", "a@h", "B/C" };
		{ "sip:a@h;gr=", "a@h" };
		{ "sip:a@h;gr=a%40b%2Fc", "a@h", "a@b/c" };
		{ "sip:a@h.", "a@h" };
		-- B24: U-labels for XMPP
		{ "sip:a@xn--bcher-kva.example", "a@bücher.example" };
		{ "sip:a@XN--Bcher-KVA.example", "a@bücher.example" };
		{ "sip:a@xn--fiqs8s", "a@中国" };
		{ "sip:a@xn--a-ecp.example", "a@xn--a-ecp.example" };
		{ "sip:a@xn---fiqs8s", "a@xn---fiqs8s" };
		{ "sip:a@xn--99999999", "a@xn--99999999" };
	};
	for _, vector in ipairs(vectors) do
		it(vector[1], function ()
			local jid, resource = core.to_jid(vector[1]);
			assert.equal(vector[2], jid);
			assert.equal(vector[3], resource);
		end);
	end

	local refused = {
		["sips:a@h"] = "not-sip"; ["tel:+15551234"] = "not-sip"; ["im:a@h"] = "not-sip"; ["xmpp:a@h"] = "not-sip";
		["sip:+15551234@h;user=phone"] = "not-sip"; ["sip:1@h;USER=Phone"] = "not-sip";
		["sip:h"] = "no-user"; ["sip:@h"] = "no-user"; ["sip:"] = "no-user";
		[""] = "bad-uri"; ["a@h"] = "bad-uri"; ["<sip:a@h>"] = "bad-uri"; [" sip:a@h"] = "bad-uri"; [":a@h"] = "bad-uri";
		["sip:a:secret@h"] = "bad-uri"; ["sip:a@h?Subject=x"] = "bad-uri"; ["sip:a@h;x=1?y=2"] = "bad-uri";
		["sip:a b@h"] = "bad-uri"; ["sip:a@h@i"] = "bad-uri"; ["sip:a@"] = "bad-uri"; ["sip:a@[::1]"] = "bad-uri";
		["sip:a@-h"] = "bad-uri"; ["sip:a@h..i"] = "bad-uri"; ["sip:a@h/x"] = "bad-uri"; ["sip:a@h_i"] = "bad-uri";
		["sip:a@h:0"] = "bad-uri"; ["sip:a@h:65536"] = "bad-uri"; ["sip:a@h:"] = "bad-uri"; ["sip:a@h:5x"] = "bad-uri";
		["sip:a@h;"] = "bad-uri"; ["sip:a@h;=x"] = "bad-uri"; ["sip:a@h;x=\""] = "bad-uri"; ["sip:a@h;x=1,"] = "bad-uri";
		["sip:a@h;gr=1;gr=2"] = "bad-uri"; ["sip:a@h;gr=%00"] = "bad-uri"; ["sip:a@h;gr=%ff"] = "bad-uri";
		["sip:%00@h"] = "bad-uri"; ["sip:a%0D%0Ab@h"] = "bad-uri"; ["sip:a%7F@h"] = "bad-uri"; ["sip:a%C2%85@h"] = "bad-uri";
		["sip:%C3@h"] = "bad-uri"; ["sip:%C0%AF@h"] = "bad-uri"; ["sip:%ED%A0%80@h"] = "bad-uri"; ["sip:%FF@h"] = "bad-uri";
		["sip:%E0%80%AF@h"] = "bad-uri"; ["sip:%F0%80%80%AF@h"] = "bad-uri"; ["sip:%F4%90%80%80@h"] = "bad-uri";
		["sip:%E0%A0@h"] = "bad-uri"; ["sip:%80@h"] = "bad-uri"; ["sip:%EF%BF%BF@h"] = "bad-uri";
		["sip:fü@h"] = "bad-uri"; ["sip:a\0b@h"] = "bad-uri"; ["sip:a@h\r\nTo: x"] = "bad-uri"; ["sip:a\\b@h"] = "bad-uri";
		["sip:%20a@h"] = "bad-uri"; ["sip:a%20@h"] = "bad-uri"; ["sip:a%E2%80%AEb@h"] = "bad-uri";
		["sip:a%EF%BC%A0b@h"] = "bad-uri"; ["sip:a@" .. ("x"):rep(64)] = "too-long";
	};
	for uri, token in pairs(refused) do
		it(("refuses %q"):format(uri), function ()
			local jid, got, text = core.to_jid(uri);
			assert.is_nil(jid);
			assert.equal(token, got);
			assert.is_string(text);
		end);
	end

	it("keeps its limits", function ()
		assert.equal(("a"):rep(1023) .. "@h", (core.to_jid("sip:" .. ("a"):rep(1023) .. "@h")));
		assert.equal("too-long", select(2, core.to_jid("sip:" .. ("a"):rep(1024) .. "@h")));
		assert.equal("too-long", select(2, core.to_jid("sip:" .. ("'"):rep(342) .. "@h")));
		assert.equal(1023, #select(2, core.to_jid("sip:a@h;gr=" .. ("r"):rep(1023))));
		assert.equal("too-long", select(2, core.to_jid("sip:a@h;gr=" .. ("r"):rep(1024))));
		assert.equal("too-long", select(2, core.to_jid("sip:a@h;x=" .. ("r"):rep(5000))));
		local label = ("x"):rep(63);
		local long = table.concat({ label, label, label, ("x"):rep(61) }, ".");
		assert.equal("a@" .. long, (core.to_jid("sip:a@" .. long)));
		assert.equal("too-long", select(2, core.to_jid("sip:a@" .. long .. "x")));
	end);

	it("takes strings only", function ()
		assert.has_error(function () core.to_jid(5); end);
		assert.has_error(function () core.to_sip(nil); end);
	end);
end);

describe("to_sip", function ()
	local vectors = {
		{ "juliet@example.com", "sip:juliet@example.com" };
		{ "m\\26m@h", "sip:m&m@h" };
		{ "tschüss@h", "sip:tsch%C3%BCss@h" };
		{ "baz@h/qux", "sip:baz@h", "qux" };
		{ "o\\27malley@h", "sip:o'malley@h" };
		{ "a\\2fb@h", "sip:a/b@h" };
		{ "space\\20cadet@h", "sip:space%20cadet@h" };
		{ "\\22\\3a\\3c\\3e\\40@h", "sip:%22%3A%3C%3E%40@h" };
		{ "#%[\\]^`{|}@h", "sip:%23%25%5B%5C%5D%5E%60%7B%7C%7D@h" };
		{ "\\5c27@h", "sip:%5C27@h" };
		{ "\\2plus@h", "sip:%5C2plus@h" };
		{ "\\41@h", "sip:%5C41@h" };
		{ "a\\40evil.com\\2fx@h", "sip:a%40evil.com/x@h" };
		{ "Bob@Contoso.COM/Work@Home/1", "sip:bob@contoso.com", "Work@Home/1" };
		{ "a@h/ü b", "sip:a@h", "ü b" };
		{ "a@bücher.example", "sip:a@xn--bcher-kva.example" };
		{ "a@BÜCHER.example.", "sip:a@xn--bcher-kva.example" };
		{ "a@中国", "sip:a@xn--fiqs8s" };
		{ "!$&*()=+,;?-_.~@h", nil, "bad-jid" };
		{ "!$*()=+,;?-_.~@h", "sip:!$*()=+,;?-_.~@h" };
		{ "h", nil, "no-user" };
		{ "h/r", nil, "no-user" };
		{ "", nil, "bad-jid" };
		{ "@h", nil, "bad-jid" };
		{ "a@", nil, "bad-jid" };
		{ "a@h/", nil, "bad-jid" };
		{ "a@b@h", nil, "bad-jid" };
		{ "a b@h", nil, "bad-jid" };
		{ "a:b@h", nil, "bad-jid" };
		{ "a'b@h", nil, "bad-jid" };
		{ "a\rb@h", nil, "bad-jid" };
		{ "a\0b@h", nil, "bad-jid" };
		{ "a\127b@h", nil, "bad-jid" };
		{ "a\xffb@h", nil, "bad-jid" };
		{ "a\xc0\xafb@h", nil, "bad-jid" };
		{ "a\u{2028}b@h", nil, "bad-jid" };
		{ "a@h\r\nRoute: x", nil, "bad-jid" };
		{ "a@h;lr", nil, "bad-jid" };
		{ "a@h>", nil, "bad-jid" };
		{ "a@h:5061", nil, "bad-jid" };
		{ "a@h/r\n", nil, "bad-jid" };
		{ "a@h/\xff", nil, "bad-jid" };
		{ "\\20a@h", nil, "bad-jid" };
		{ "a\\20@h", nil, "bad-jid" };
		{ "a\\5cb@h", nil, "bad-jid" };
		{ "a\\5c@h", nil, "bad-jid" };
		{ ("a"):rep(1024) .. "@h", nil, "too-long" };
		{ ("ü"):rep(400) .. "@h", nil, "too-long" };
		{ "a@h/" .. ("r"):rep(1024), nil, "too-long" };
		{ "a@" .. ("x"):rep(64) .. ".com", nil, "too-long" };
	};
	for _, vector in ipairs(vectors) do
		it(("%q"):format(vector[1]:sub(1, 60)), function ()
			local uri, second = core.to_sip(vector[1]);
			assert.equal(vector[2], uri);
			assert.equal(vector[3], second);
		end);
	end
end);

it("leads back from a domain whose U-labels are longer than a domain may be", function ()
	local label = assert(core.to_sip("a@" .. ("\u{3042}"):rep(50) .. ".example")):match("@(xn%-%-[^.]*)");
	local jid = ("a@%s.%s.%s.example"):format(label, label, label);
	local back = assert(core.to_jid(assert(core.to_sip(jid))));
	assert.equal(jid, back);
	assert.equal(core.to_sip(jid), core.to_sip(back));
end);

describe("every byte", function ()
	for byte = 0, 255 do
		it(("0x%02X in a user and in a localpart"):format(byte), function ()
			local char = string.char(byte);
			local ok = byte >= 0x20 and byte < 0x7f;
			local jid = core.to_jid(("sip:a%%%02Xb@h"):format(byte));
			assert.equal(ok and "a" .. ref.escape(char:lower()) .. "b@h" or nil, jid);
			local uri = core.to_sip("a" .. char .. "b@h");
			if char == "@" or char == "/" then
				uri = core.to_sip("a\\" .. ("%02x"):format(byte) .. "b@h");
				assert.equal("sip:a" .. ref.encode(char) .. "b@h", uri);
			else
				assert.equal(ref.legal("a" .. char .. "b") and ok and "sip:a" .. ref.encode(char:lower()) .. "b@h" or nil, uri);
			end
			local raw = core.to_jid("sip:a" .. char .. "b@h");
			local legal = ok and (char == "%" or ref.encode(char) == char);
			assert.equal(legal and "a" .. ref.escape(char:lower()) .. "b@h" or nil, raw);
		end);
	end
end);

describe("there and back", function ()
	it("is the same for what a SIP user can be called", function ()
		math.randomseed(seed);
		for n = 1, 6000 do
			local name = random_text(letters, 24);
			if not name:find("^ ") and not name:find(" $") then
				local localpart = ref.escape(name:lower());
				local uri = "sip:" .. ref.encode(name:lower()) .. "@h.example";
				local jid = core.to_jid("sip:" .. random_encode(name) .. "@h.example");
				assert.equal(localpart .. "@h.example", jid, why(n, name));
				assert.equal(uri, core.to_sip(jid), why(n, name));
				assert.equal(jid, core.to_jid(uri), why(n, name));
			end
		end
	end);

	it("is the same for what an XMPP user can be called, and one to one", function ()
		math.randomseed(seed + 1);
		local owner = {};
		local taken, refused = 0, 0;
		for n = 1, 12000 do
			local localpart = random_text(n % 2 == 0 and tricky or letters, 12):lower();
			-- What ends the localpart is no part of it.
			localpart = localpart:gsub("[@/]", "x");
			local uri, token = core.to_sip(localpart .. "@h");
			if ref.legal(localpart) then
				taken = taken + 1;
				assert.equal("sip:" .. ref.encode(ref.unescape(localpart)) .. "@h", uri, why(n, localpart));
				assert.equal(localpart .. "@h", core.to_jid(uri), why(n, localpart));
				assert.is_true(owner[uri] == nil or owner[uri] == localpart, why(n, localpart));
				owner[uri] = localpart;
			else
				refused = refused + 1;
				assert.equal("bad-jid", token, why(n, localpart));
			end
		end
		assert.is_true(taken > 3000 and refused > 500, ("%d taken, %d refused"):format(taken, refused));
	end);

	it("never lets a user become part of anything else", function ()
		math.randomseed(seed + 2);
		for n = 1, 6000 do
			local bytes = {};
			for i = 1, math.random(16) do bytes[i] = string.char(math.random(0, 255)); end
			local text = table.concat(bytes);
			local encoded = text:gsub(".", function (c) return ("%%%02x"):format(c:byte()); end);
			local jid = core.to_jid("sip:" .. encoded .. "@h");
			if jid then
				assert.is_nil(jid:find("[%z\1-\32\127\"&'/:<>]"), why(n, text));
				assert.equal("@h", jid:match("@.*$"), why(n, text));
			end
			local uri = core.to_sip(text .. "@h");
			if uri then
				assert.is_truthy(uri:find("^sip:[%w%-_%.!~%*'%(%)&=%+%$,;%?/%%]+@[%w%.%-]+$"), why(n, text));
			end
		end
	end);
end);
