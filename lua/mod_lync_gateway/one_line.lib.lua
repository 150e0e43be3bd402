-- One line of printable text, whoever wrote it; most: bytes of it that are shown, or nil. Pure.
-- SPDX-License-Identifier: MIT

return function (text, most)
	text = tostring(text):gsub("%c", "?"):gsub("\194[\128-\159]", "?");
	if not most or #text <= most then return text; end
	while (text:byte(most + 1) or 0) & 0xC0 == 0x80 do most = most - 1; end -- not within a character
	return text:sub(1, most).."…";
end;
