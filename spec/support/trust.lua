-- trust.lua: partner's type x access policy x what both people have agreed to: all pairs that are tried, always the same, and what
-- each side is to get.
-- SPDX-License-Identifier: MIT
-- Source: product.md 3, 4; lync-xmpp-gateway.md 3, 4.2. What a pair does is in trust_play.lua.
--
--	local list = trust.all()	-- each { id, kind, state, host, global, site, grant, contact, user, domain }
--	trust.partners(), trust.settings(list, host)	-- raw Lua
--	trust.expected(pair)		-- as trust_play.lua notes it
--
-- kind: of the partner. state, what they have agreed to: "unlisted" (nothing), "listed" (the Lync user has added the contact),
-- "approved" (and the contact agreed), "denied" (and the contact did not).
-- host: the user's domain; global, site, grant: what the policy of that scope says: true, false, nil (there is none). Of the host
-- "contoso.com" no policy is given at all; that of "site.example" has a site for all of it.

local trust = {};

trust.KINDS = { "federated"; "public_verified"; "public_unverified" };
trust.STATES = { "unlisted"; "listed"; "approved"; "denied" };
trust.HOSTS = { "contoso.com"; "on.example"; "off.example"; "absent.example"; "site.example" };

local WORD = { [true] = "on"; [false] = "off" };
local THREE = { 0; true; false }; -- 0: none

-- Policies of the users of a host: { global, site, grant } each.
local function policies(host)
	if host == "contoso.com" then return { {} }; end
	local list, global = {}, nil;
	if host ~= "absent.example" then global = host == "on.example"; end
	for _, site in ipairs(host == "site.example" and { true } or THREE) do
		for _, grant in ipairs(THREE) do
			local one = { global = global };
			if site ~= 0 then one.site = site; end
			if grant ~= 0 then one.grant = grant; end
			list[#list + 1] = one;
		end
	end
	return list;
end

--- Domain of the contacts of a kind and state; each has one, so that the log tells them apart.
function trust.domain(kind, state)
	return ("%s.%s.example"):format(state, (kind:gsub("_", "-")));
end

--- All domains.
function trust.domains()
	local list = {};
	for _, kind in ipairs(trust.KINDS) do
		for _, state in ipairs(trust.STATES) do list[#list + 1] = trust.domain(kind, state); end
	end
	return list;
end

--- All pairs.
function trust.all()
	local list = {};
	for _, kind in ipairs(trust.KINDS) do
		for _, state in ipairs(trust.STATES) do
			for _, host in ipairs(trust.HOSTS) do
				for _, pair in ipairs(policies(host)) do
					local n = #list + 1;
					pair.id = ("%d %s %s at %s: global %s, site %s, grant %s"):format(n, kind, state, host,
						tostring(pair.global), tostring(pair.site), tostring(pair.grant));
					pair.kind, pair.state, pair.host, pair.domain = kind, state, host, trust.domain(kind, state);
					pair.contact, pair.user = ("c%d@%s"):format(n, pair.domain), ("u%d@%s"):format(n, host);
					list[n] = pair;
				end
			end
		end
	end
	return list;
end

--- lync_partners: a partner for each kind, with a domain for each state.
function trust.partners()
	local parts = {};
	for _, kind in ipairs(trust.KINDS) do
		local more = {};
		for i, state in ipairs(trust.STATES) do
			if i > 1 then more[#more + 1] = ("%q"):format(trust.domain(kind, state)); end
		end
		parts[#parts + 1] = ("[%q] = { partner_type = %q; additional_domains = { %s }; connection_limit = 1000 }")
			:format(trust.domain(kind, trust.STATES[1]), kind, table.concat(more, "; "));
	end
	return table.concat(parts, ";\n\t\t");
end

--- The options about policies of a host, as raw Lua. contoso.com: none.
function trust.settings(list, host)
	if host == "contoso.com" then return ""; end
	local sites, grants, global = { [true] = {}; [false] = {} }, {}, nil;
	for _, pair in ipairs(list) do
		if pair.host == host then
			global = pair.global;
			if pair.site ~= nil then table.insert(sites[pair.site], ("%q"):format(pair.user)); end
			if pair.grant ~= nil then table.insert(grants, ("[%q] = %q"):format(pair.user, "Grant-" .. WORD[pair.grant])); end
		end
	end
	if host == "site.example" then sites[true] = { ("%q"):format(host) }; end
	return ([[
		lync_access_policies = { %s["site:On"] = { enable_xmpp_access = true }; ["site:Off"] = { enable_xmpp_access = false };
			["Grant-on"] = { enable_xmpp_access = true }; ["Grant-off"] = { enable_xmpp_access = false } }
		lync_sites = { ["site:On"] = { %s }; ["site:Off"] = { %s } }
		lync_policy_grants = { %s }
	]]):format(global ~= nil and ("global = { enable_xmpp_access = %s }; "):format(tostring(global)) or "",
		table.concat(sites[true], "; "), table.concat(sites[false], "; "), table.concat(grants, "; "));
end

-- -------------------------------------------------------------------------------------------------- the oracle --

--- May the Lync user use XMPP at all? The closest policy says it; who has none may not where there are some.
function trust.access(pair)
	if pair.host == "contoso.com" then return true; end
	if pair.grant ~= nil then return pair.grant; end
	if pair.site ~= nil then return pair.site; end
	return pair.global or false;
end

--- May the contact begin something?
local function trusted(pair)
	return trust.access(pair) and (pair.kind ~= "public_unverified" or pair.state ~= "unlisted");
end

-- A Lync user's "away" and "dnd" with their notes, as the contact is told.
local function seen(pair, show, note)
	return { show = show; note = pair.kind == "federated" and note or nil };
end

--- What is to come of a pair; see trust_play.lua. Numbers are of SIP requests to the user, without those inside of a conversation.
function trust.expected(pair)
	local may, begins, adds = trust.access(pair), trusted(pair), pair.state ~= "unlisted";
	local seen_by_user = adds and may and (pair.state == "approved" and "away" or "offline") or nil;
	local result = {
		-- the Lync user adds the contact
		added = adds and (may and 200 or "refused") or nil;
		prompts = adds and may and 1 or 0;
		user_sees = seen_by_user;
		user_note = pair.state == "approved" and pair.kind == "federated" and may and "at lunch" or nil;
		-- the contact begins
		probe = "unsubscribed";
		message = begins and "receipt" or "forbidden";
		subscribe = begins and "subscribed" or "unsubscribed";
		sees = begins and seen(pair, "dnd", "in the lab") or nil;
		probe_again = begins and seen(pair, "dnd", "in the lab") or "unsubscribed";
		news = begins and seen(pair, "away", "back soon") or nil;
		-- the Lync user writes
		written = may and "hello" or "refused";
		composing = may or nil;
		reply = may and "receipt" or "forbidden";
		after_end = begins and "receipt" or "forbidden";
		-- what Lync got
		texts = {}; typed = 0;
		SUBSCRIBE = begins and 1 or 0;
		asks_notes = begins and pair.kind == "federated" or nil; -- for the document that has them
		INVITE = begins and 2 or 0; -- the second after the user has closed both
	};
	if begins then result.texts = { "first"; "reply"; "afterwards" }; elseif may then result.texts = { "reply" }; end
	if begins then result.typed = 2; elseif may then result.typed = 1; end
	return result;
end

--- What Lync is told of contacts of a kind.
function trust.level(kind)
	return kind == "public_unverified" and "unverified" or "verified";
end

--- How many refusals with which token the log has about contacts of that domain.
function trust.tokens(list, domain)
	local tokens = {};
	local function add(token, n) tokens[token] = (tokens[token] or 0) + n; end
	for _, pair in ipairs(list) do
		if pair.domain == domain then
			local adds = pair.state ~= "unlisted";
			if not trust.access(pair) then
				add("presence user-not-enabled", 3 + (adds and 1 or 0)); -- two probes, subscribe; the user's SUBSCRIBE
				add("message user-not-enabled", 3);
				add("offer user-not-enabled", 1);
			elseif not trusted(pair) then
				add("presence not-on-contact-list", 3);
				add("message not-authorized", 2);
			end
		end
	end
	return tokens;
end

return trust;
