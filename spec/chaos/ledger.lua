-- ledger.lua: reads what bench/chaos_load.h writes.
-- SPDX-License-Identifier: MIT

local Ledger = {};
Ledger.__index = Ledger;

local TOKENS, TOKEN, LINES = 64, 32, 16384;
local HEAD, LINE, SENT, SEEN = "<c8I4I4I4I4I4I4I4I4d", "<I4I4I2I2I2I2", "<I4I4I4I2I2BBBB", "<I4I4I2BB";
local HOW = { "closed", "broken", "own end", "killed" };

local function lines(text, at, count)
	local result, size = {}, string.packsize(LINE);
	for id = 1, count - 1 do
		local open, end_, partner, direction, how = string.unpack(LINE, text, at + id * size);
		result[id] = { open = open, end_ = end_, partner = partner, direction = direction == 1 and "in" or "out", how = HOW[how] };
	end
	return result;
end

function Ledger.read(path)
	local f = assert(io.open(path, "rb"));
	local text = f:read("a");
	f:close();
	local self = setmetatable({ text = text, token = {} }, Ledger);
	local magic, at, tokens, lines_n;
	magic, self.convs, self.each, lines_n, tokens, self.sent_n, self.seen_n, self.lives, self.strange, self.zero, at =
		string.unpack(HEAD, text);
	assert(magic == "chaos1\n\0", "no ledger: "..path);
	for i = 1, tokens - 1 do self.token[i] = string.unpack("z", text, at + i * TOKEN); end
	at = at + TOKENS * TOKEN;
	self.lines = lines(text, at, lines_n);
	self.sent_at = at + LINES * string.packsize(LINE);
	self.seen_at = self.sent_at + self.convs * self.each * string.packsize(SENT);
	return self;
end

--- What conversation i has sent: [n] = entry.
function Ledger:sent(i)
	local result, size = {}, string.packsize(SENT);
	for n = 0, self.each - 1 do
		local at, seq, fate_at, line, fate_line, fates, token, second = string.unpack(SENT, self.text,
			self.sent_at + (i * self.each + n) * size);
		if at > 0 then
			result[n] = { at = at - 1, seq = seq, fate_at = fate_at, line = line, fate_line = fate_line, fates = fates,
				token = self.token[token], second = self.token[second] };
		end
	end
	return result;
end

--- What was received of it.
function Ledger:seen(i)
	local result, size = {}, string.packsize(SEEN);
	for n = 0, self.each - 1 do
		local at, seq, line, count, refused = string.unpack(SEEN, self.text, self.seen_at + (i * self.each + n) * size);
		if count + refused > 0 then
			result[n] = { at = at, seq = seq, line = line, count = count, refused = refused };
		end
	end
	return result;
end

return Ledger;
