-- Who watches whom, and why not, for the shell and for the gauges.
-- SPDX-License-Identifier: MIT

local jid_host = require "util.jid".host;

local PAGES = 20; -- of one turn, or fewer

local subscriptions = {};

local function matches(h, row, who)
	if not who then return true; end
	if row.contact == who or row.user == who or jid_host(row.contact) == who then return true; end
	local primary = not who:find("@", 1, true) and h.settings:primary(who);
	return primary and h.settings:primary(jid_host(row.contact)) == primary or false;
end

function subscriptions.describe(row)
	local parts = {};
	if row["in"] ~= "none" then
		local state = row["in"] == "active" and row.user_presence or row["in"];
		local trouble = row.watch ~= "active" and row.watch ~= "none" and ", "..row.watch or "";
		parts[#parts+1] = ("contact sees user: %s%s%s%s"):format(state, row.sleeps and ", asleep" or "", trouble,
			trouble ~= "" and row.status and " "..row.status or "");
	end
	if row.out ~= "none" or row.subscribed then
		local state = row.out == "granted" and row.contact_presence or row.out;
		parts[#parts+1] = ("user sees contact: %s%s"):format(state, row.subscribed and ", subscribed" or "");
	end
	if row.listed_day > 0 then
		parts[#parts+1] = "on the contact list, last seen "..os.date("!%Y-%m-%d", row.listed_day * 86400);
	end
	return ("  %s  %s  %s"):format(row.contact, row.user, table.concat(parts, "; "));
end

-- Rows of one host that concern `who` (a JID, a domain, a partner; nil: all), at most limit: callback(row) each, then
-- done(shown, how many more)
function subscriptions.each(h, who, limit, callback, done)
	local n, more = 0, 0;
	h.presence.rows(function (row)
		if not matches(h, row, who) then return; end
		if n < limit then
			n = n + 1;
			callback(row);
		else
			more = more + 1;
		end
	end, function ()
		done(n, more);
	end);
end

local remedies = {
	["add-partner"] = "add the domain to lync_partners"; ["repair-settings"] = "mend the partner's settings (check)";
	["grant-policy"] = "give the Lync user a policy with enable_xmpp_access"; ["user-adds-contact"] =
	"the Lync user adds the contact"; ["contact-subscribes"] = "the contact adds the Lync user"; ["contact-approves"] =
	"the contact approves the Lync user"; ["contact-appears"] = "the contact comes online"; ["user-appears"] =
	"the Lync user signs in"; wait = "wait";
};

local function line(what, token, remedy)
	local text = remedies[remedy];
	return ("  %-22s %s%s"):format(what, token, text and " ("..text..")" or "");
end

-- Lines that explain a pair.
function subscriptions.explain(e)
	local lines = {
		("  %-22s %s%s"):format("partner", e.partner or "none", e.partner_type and ", "..e.partner_type or "");
		("  %-22s %s"):format("access policy", e.policy or "none needed");
		("  %-22s %s"):format("contact list", e.listed and ("yes, %d day(s) left"):format(e.listed_left) or "no");
		line("contact sees user", e.sees_user, e.sees_user_remedy);
		line("user sees contact", e.sees_contact, e.sees_contact_remedy);
		line("contact writes to user", e.messages, e.messages_remedy);
	};
	if e.quarantine > 0 then
		lines[#lines+1] = ("  %-22s %d more second(s)"):format("quarantine", e.quarantine);
	end
	if e.known and e.watch ~= "none" then
		lines[#lines+1] = ("  %-22s %s%s"):format("last word of Lync", e.watch, e.status and " "..e.status or "");
	end
	return lines;
end

-- by_domain: contacts' domain -> pairs
local function count(h, direction, by_domain, counts)
	for domain, n in pairs(by_domain) do
		local partner = h.metrics.partner(domain);
		local key = partner.." "..direction;
		counts[key] = counts[key] or { partner = partner; direction = direction; count = 0 };
		counts[key].count = counts[key].count + n;
	end
end

-- A few pages per turn: there may be a million pairs.
local function measure(pool, h, cursor, counts)
	for _ = 1, PAGES do
		local watching, subscribed;
		watching, subscribed, cursor = h.presence.tally(cursor);
		count(h, "x2s", watching, counts);
		count(h, "s2x", subscribed, counts);
		if not cursor then
			h.measuring = nil;
			return h.metrics.subscriptions(counts);
		end
		if h.over() then break; end
	end
	h.measuring = h.timer(0, function ()
		h.measuring = nil;
		if pool.hosts[h.host] == h then
			measure(pool, h, cursor, counts);
		end
	end, "statistics");
end

-- Gauges of every host: subscriptions by partner and direction.
function subscriptions.measure(pool)
	for _, h in pairs(pool.hosts) do
		if not h.measuring then
			measure(pool, h, nil, {});
		end
	end
end

return subscriptions;
