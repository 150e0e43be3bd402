-- mod_bench_traffic: a host that builds and sends messages as the gateway sends them: what Prosody itself costs.
-- SPDX-License-Identifier: MIT
--
-- A message "COUNT PAIRS" to the host has it send so many, in turns as large as the gateway's. Addresses and texts are
-- those of bench/im_load.c.

local st = require "util.stanza";

local TURN = 64; -- pump.lib.lua's BATCH
local PER_USER = 12;
local first = { [0] = "anna"; "bernhard"; "christina"; "dmitri"; "elisabeth"; "fatima"; "giovanni"; "hank" };
local family = { [0] = "schmidt"; "mueller-luedenscheid"; "rossi"; "ivanova"; "smith"; "o-brien"; "garcia"; "li" };
local TEXT = "#%06d 0000000000000000: see you at seven at the entrance, and bring the papers along";

local function mix(v)
	v = ((v ~ v >> 16) * 0x7feb352d) & 0xffffffff;
	v = ((v ~ v >> 15) * 0x846ca68b) & 0xffffffff;
	return v ~ v >> 16;
end

local function name(n)
	return ("%s.%s%d"):format(first[n % 8], family[n // 8 % 8], n);
end

-- From whom to whom, each pair of im_load's.
local function addresses(pairs_n)
	local list, contacts = {}, pairs_n // 3 + PER_USER;
	for i = 0, pairs_n - 1 do
		local user = i // PER_USER;
		local contact = (mix(user) + i % PER_USER * (contacts // PER_USER)) % contacts;
		list[i] = { from = name(user).."@"..module.host; to = name(contact).."@p0.fed.example"; said = 0 };
	end
	return list;
end

local function send(pair, id)
	pair.said = pair.said + 1;
	module:send(st.message({ type = "chat"; from = pair.from; to = pair.to; id = id })
		:text_tag("body", TEXT:format(pair.said))
		:text_tag("thread", "Ac00000000TQ2013")
		:tag("active", { xmlns = "http://jabber.org/protocol/chatstates" }):up());
end

module:hook("message/bare", function (event)
	local count, pairs_n = event.stanza:get_child_text("body"):match("^(%d+) (%d+)$");
	count, pairs_n = tonumber(count), tonumber(pairs_n);
	local list, sent = addresses(pairs_n), 0;
	module:add_timer(0, function ()
		for _ = 1, math.min(TURN, count - sent) do
			send(list[sent % pairs_n], ("lync%x-0123456789abcdef01234567"):format(sent));
			sent = sent + 1;
		end
		return sent < count and 0 or nil;
	end);
	return true;
end, 1000);
