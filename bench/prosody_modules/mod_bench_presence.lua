-- mod_bench_presence: a host that builds and sends presence as the gateway does: what Prosody itself costs.
-- SPDX-License-Identifier: MIT
--
-- Any presence that it receives has it send one stanza to each watcher of each of its users, in turns as large as the
-- gateway's; users, watchers and their number (bench_pairs) are those of bench/load.c.

local st = require "util.stanza";

local TURN = 64; -- pump.lib.lua's BATCH
local PER_USER = 12;
local first = { [0] = "anna"; "bernhard"; "christina"; "dmitri"; "elisabeth"; "fatima"; "giovanni"; "hank" };
local family = { [0] = "schmidt"; "mueller-luedenscheid"; "rossi"; "ivanova"; "smith"; "o-brien"; "garcia"; "li" };

local count = module:get_option_number("bench_pairs", 0);
local partners = module:get_option_number("bench_partners", 1);
local is_busy = false;

local function mix(v)
	v = ((v ~ v >> 16) * 0x7feb352d) & 0xffffffff;
	v = ((v ~ v >> 15) * 0x846ca68b) & 0xffffffff;
	return v ~ v >> 16;
end

local function name(n)
	return ("%s.%s%d"):format(first[n % 8], family[n // 8 % 8], n);
end

local list, contacts = {}, count // 3 + PER_USER;
for i = 0, count - 1 do
	local user = i // PER_USER;
	local contact = (mix(user) + i % PER_USER * (contacts // PER_USER)) % contacts;
	list[i + 1] = { from = name(user).."@"..module.host;
		to = ("%s@p%d.fed.example"):format(name(contact), contact % partners) };
end

local function send(pair)
	local stanza = st.presence({ from = pair.from; to = pair.to });
	if is_busy then
		stanza:text_tag("show", "dnd");
	end
	module:send(stanza);
end

local function all()
	local sent = 0;
	is_busy = not is_busy;
	module:add_timer(0, function ()
		for i = sent + 1, math.min(sent + TURN, count) do send(list[i]); end
		sent = sent + TURN;
		return sent < count and 0 or nil;
	end);
	return true;
end

for _, scope in ipairs { "bare", "full", "host" } do
	module:hook("presence/"..scope, all, 1000);
end
