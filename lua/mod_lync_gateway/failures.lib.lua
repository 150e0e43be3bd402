-- What went wrong last, by partner and hop: for `lync explain`.
-- SPDX-License-Identifier: MIT
--
-- One entry per hop of each configured partner, so a stranger cannot fill it. Texts are ours, or a peer's after
-- errors.one_line; never a body.

-- In the order of a message's way from XMPP to Lync.
local HOPS = { "in"; "policy"; "x2s"; "edge"; "s2x"; "out" };

local names = {
	["in"] = "stream from partner"; ["out"] = "stream to partner"; policy = "refused"; x2s = "message to Lync";
	s2x = "message to XMPP"; edge = "Access Edge";
};

local HOST = ""; -- whom failures belong to that are no partner's

local function age(seconds)
	seconds = math.max(0, math.floor(seconds));
	if seconds < 120 then return ("%ds ago"):format(seconds); end
	if seconds < 7200 then return ("%dmin ago"):format(seconds // 60); end
	if seconds < 172800 then return ("%dh ago"):format(seconds // 3600); end
	return ("%dd ago"):format(seconds // 86400);
end

-- The text, and the token unless the text has it.
local function describe(entry)
	if not entry.text then
		return entry.token;
	elseif entry.token == "none" or entry.text:find(entry.token, 1, true) then
		return entry.text;
	end
	return ("%s (%s)"):format(entry.text, entry.token);
end

-- time() -> seconds
local function new(time)
	local failures, last = {}, {};

	-- partner: primary domain, or nil for the host's own; hop: one of HOPS
	function failures.note(partner, hop, token, text)
		local of_partner = last[partner or HOST] or {};
		last[partner or HOST] = of_partner;
		of_partner[hop] = { time = time(), token = token or "none", text = text };
	end

	-- hop -> { time, token, text }, the host's included
	function failures.of(partner)
		local found = {};
		for _, owner in ipairs { HOST, partner } do
			for hop, entry in pairs(last[owner] or {}) do
				found[hop] = entry;
			end
		end
		return found;
	end

	-- Lines for people; none when nothing has failed.
	function failures.lines(partner)
		local lines, found = {}, failures.of(partner);
		for _, hop in ipairs(HOPS) do
			local entry = found[hop];
			if entry then
				lines[#lines+1] = ("  %-22s %s: %s, %s"):format("last failure", names[hop], describe(entry),
					age(time() - entry.time));
			end
		end
		return lines;
	end

	return failures;
end

return { new = new; HOPS = HOPS };
