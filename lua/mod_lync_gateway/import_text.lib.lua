-- A file as PowerShell writes it -> UTF-8 text: with or without a byte order mark, UTF-8 or UTF-16.
-- SPDX-License-Identifier: MIT
--
-- A problem is { line = number or nil, text = what is wrong and what to do }.

local text = {};

text.limit = 16 * 1024 * 1024; -- bytes of a file
text.value_limit = 64 * 1024; -- bytes of one value

-- A unit of UTF-16 -> UTF-8; halves of a surrogate pair become three bytes each, which join() puts together.
local function units(little)
	return setmetatable({}, { __index = function (self, pair)
		local a, b = pair:byte(1, 2);
		local char = utf8.char(little and b * 256 + a or a * 256 + b);
		self[pair] = char;
		return char;
	end });
end

local function join(high, low)
	local function unit(bytes)
		local _, b, c = bytes:byte(1, 3);
		return 0xD000 + (b - 0x80) * 64 + c - 0x80;
	end
	return utf8.char(0x10000 + (unit(high) - 0xD800) * 1024 + unit(low) - 0xDC00);
end

-- Pairs of surrogates, each as three bytes, -> characters; a half without the other -> U+FFFD.
function text.join_surrogates(s)
	if not s:find("\xED[\xA0-\xBF]") then
		return s;
	end
	s = s:gsub("(\xED[\xA0-\xAF][\x80-\xBF])(\xED[\xB0-\xBF][\x80-\xBF])", join);
	return (s:gsub("\xED[\xA0-\xBF][\x80-\xBF]", "\xEF\xBF\xBD"));
end

local function from_utf16(bytes, little)
	local whole = #bytes % 2 == 0;
	local result = text.join_surrogates(((whole and bytes or bytes:sub(1, -2)):gsub("..", units(little))));
	if not whole then
		return nil, { line = text.line_of(result, #result + 1); text = "cut off: UTF-16 has two bytes for each unit and the "
			.."last one is missing; copy the file again" };
	end
	return result;
end

function text.line_of(s, position)
	local _, breaks = s:sub(1, position - 1):gsub("\n", "");
	return breaks + 1;
end

-- bytes -> UTF-8, name of the encoding | nil, problem
function text.decode(bytes)
	if #bytes > text.limit then
		return nil, { text = ("larger than %d MiB; export only the objects of the gateway"):format(text.limit // 1048576) };
	end
	local result, problem;
	local encoding = "UTF-8";
	if bytes:sub(1, 2) == "\xFF\xFE" then
		encoding = "UTF-16LE";
		result, problem = from_utf16(bytes:sub(3), true);
	elseif bytes:sub(1, 2) == "\xFE\xFF" then
		encoding = "UTF-16BE";
		result, problem = from_utf16(bytes:sub(3), false);
	else
		result = bytes:gsub("^\xEF\xBB\xBF", "");
	end
	if not result then
		return nil, problem;
	end
	local _, bad = utf8.len(result);
	if bad then
		return nil, { line = text.line_of(result, bad); text = "neither UTF-8 nor UTF-16 with a byte order mark; "
			.."export again with -Encoding UTF8" };
	end
	local zero = result:find("\0", 1, true);
	if zero then
		return nil, { line = text.line_of(result, zero); text = "contains a zero byte, as UTF-16 without its byte order mark "
			.."does; export again with -Encoding UTF8" };
	elseif not result:find("%S") then
		return nil, { line = 1; text = "empty; the cmdlet had no output, or the file was cut off" };
	end
	return result, encoding;
end

-- What may be shown of a foreign text: on one line, without control characters, cut.
function text.printable(s, limit)
	s = s:gsub("%c", " "):gsub("\xC2[\x80-\x9F]", " ");
	limit = limit or 80;
	if #s > limit then
		s = s:sub(1, (utf8.offset(s, 0, limit + 1) or limit + 1) - 1).."…";
	end
	return s;
end

return text;
