-- The numbers that mod_http_openmetrics shows. Labels come from the configuration, never from a peer.
-- SPDX-License-Identifier: MIT

local jid_host = require "util.jid".host;

local BUCKETS = { 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30 }; -- seconds

-- More partners than that, and a counter of theirs begins with its first event: whoever collects, Prosody writes all
-- series in one go, while everybody waits.
local BEGUN_MAX = 100;

-- COMPAT(0.12, 13.0): the histogram of util.statistics. Its own sample() walks over everything in it with pairs(); for
-- each message that is more than all else that is done with it here.
local function is_known(histogram)
	local bucket = histogram[1];
	return type(bucket) == "table" and bucket.threshold ~= nil and bucket.count ~= nil and histogram._sum ~= nil
		and histogram._count ~= nil and histogram[#histogram].threshold == math.huge;
end

local function sample(histogram, value)
	if not is_known(histogram) then
		return histogram:sample(value);
	end
	for i = #histogram, 1, -1 do -- thresholds ascend
		local bucket = histogram[i];
		if value > bucket.threshold then break; end
		bucket.count = bucket.count + 1;
	end
	histogram._sum, histogram._count = histogram._sum + value, histogram._count + 1;
end

-- Many values at once. taken: how many lie in each bucket and in none below it.
local function sample_all(histogram, taken, sum)
	local below = 0;
	for i, bucket in ipairs(histogram) do
		below = below + taken[i];
		bucket.count = bucket.count + below;
	end
	histogram._sum, histogram._count = histogram._sum + sum, histogram._count + below;
end

-- What a counter may be labelled with, whatever comes: all of them begin at 0, so that the first event is an increase.
local DIRECTIONS = { "x2s"; "s2x" };
local RESULTS = { "delivered"; "accepted"; "failed"; "refused" };
local EDGE = "edge"; -- a hop of failures.lib.lua
local STREAM_DIRECTIONS = { "in"; "out" };

-- Reasons are tokens of ours or of the worker; anything else would let a peer invent labels.
local function token_label(token)
	if type(token) == "string" and #token <= 40 and token:match("^[%l%d-]+$") then
		return token;
	end
	return "other";
end

-- module: the host's; partner_of(domain) -> primary domain or nil; failed(partner, hop, token, text), optional: what
-- went wrong, of a configured partner (nil: of the host), for people; new_tally(thresholds), optional: core.tally
local function new(module, partner_of, failed, new_tally)
	local messages = module:metric("counter", "messages", "", "Messages by what became of them",
		{ "partner", "direction", "result" });
	local seconds = module:metric("histogram", "message", "seconds", "From a message's arrival to its answer",
		{ "direction" }, { buckets = { table.unpack(BUCKETS) } }); -- to which infinity is added
	local sessions = module:metric("gauge", "sessions", "", "Conversations open on the SIP side", { "partner" });
	local refusals = module:metric("counter", "policy_refusals", "", "What the policy refused",
		{ "partner", "reason" });
	local stream_failures = module:metric("counter", "stream_failures", "", "Streams refused or failed",
		{ "partner", "direction" });
	local streams = module:metric("gauge", "streams", "", "Authenticated streams", { "partner", "direction", "method" });
	local subscriptions = module:metric("gauge", "subscriptions", "", "Presence subscriptions",
		{ "partner", "direction" });
	local failures = module:metric("counter", "delivery_failures", "", "Messages answered with an error",
		{ "partner", "direction" });
	local connected = module:metric("gauge", "edge_connected", "", "1 while connected to the Access Edge", {});
	local reconnects = module:metric("counter", "edge_reconnects", "", "Access Edge connected again", {});
	local depth = module:metric("gauge", "queue_depth", "", "Messages without an answer yet", { "direction" });
	local expires = module:metric("gauge", "certificate_expires", "", "End of our certificate, seconds since 1970",
		{ "role" });
	local seen, seen_streams, seen_subscriptions = {}, {}, {}; -- what has a gauge already
	local begun = {}; -- partners whose counters are there
	local depths = {};
	local counters, histograms = { x2s = {}; s2x = {} }, {}; -- of messages: each is asked for once
	local edge_up, edge_ever = false, false;

	local metrics = {};

	local function tell(partner, hop, token, text)
		if failed and partner ~= "other" then
			failed(partner, hop, token, text);
		end
	end

	-- jid: also a domain
	function metrics.partner(jid)
		local domain = jid and (jid:find("[@/]") and jid_host(jid) or jid);
		return domain and partner_of(domain) or "other";
	end

	-- Everything that the configuration names begins at 0. partners: primary domains
	function metrics.begin(partners)
		local function begin(partner)
			if begun[partner] then return; end
			begun[partner] = true;
			for _, direction in ipairs(DIRECTIONS) do
				for _, result in ipairs(RESULTS) do
					messages:with_labels(partner, direction, result):add(0);
				end
				failures:with_labels(partner, direction):add(0);
			end
			for _, direction in ipairs(STREAM_DIRECTIONS) do
				stream_failures:with_labels(partner, direction):add(0);
			end
		end
		for _, partner in ipairs(#partners <= BEGUN_MAX and partners or {}) do
			begin(partner);
		end
		begin("other");
		reconnects:with_labels():add(0);
		for _, direction in ipairs(DIRECTIONS) do
			seconds:with_labels(direction);
			depth:with_labels(direction):set(depths[direction] or 0);
		end
	end

	local function counter_of(partner, direction, result)
		local by_result = counters[direction][partner];
		if not by_result then
			by_result = {};
			counters[direction][partner] = by_result;
		end
		local counter = by_result[result];
		if not counter then
			counter = messages:with_labels(partner, direction, result);
			by_result[result] = counter;
		end
		return counter;
	end

	local function histogram_of(direction)
		local histogram = histograms[direction];
		if not histogram then
			histogram = seconds:with_labels(direction);
			histograms[direction] = histogram;
		end
		return histogram;
	end

	-- Messages to Lync that were delivered, counted by bridge:feed; nil: it cannot be used.
	metrics.tally = new_tally and is_known(histogram_of("x2s")) and new_tally(BUCKETS) or nil;

	-- Something was counted there.
	function metrics.tallied()
		local by_partner, taken, sum = metrics.tally:take();
		if not by_partner then return; end
		for partner, count in pairs(by_partner) do
			counter_of(partner, "x2s", "delivered"):add(count);
		end
		sample_all(histogram_of("x2s"), taken, sum);
	end

	-- direction: "x2s" | "s2x"; result: "delivered" | "accepted" | "failed" | "refused"; token, text: why it failed
	function metrics.message(contact, direction, result, elapsed, token, text)
		local partner = metrics.partner(contact);
		counter_of(partner, direction, result):add(1);
		if elapsed then
			sample(histogram_of(direction), elapsed);
		end
		if result == "failed" or result == "refused" then
			failures:with_labels(partner, direction):add(1);
			tell(partner, direction, token, text);
		end
	end

	-- As message(…, "delivered", elapsed). partner: a primary domain
	function metrics.delivered(partner, direction, elapsed)
		counter_of(partner, direction, "delivered"):add(1);
		sample(histogram_of(direction), elapsed);
	end

	-- count: how often; nil: once
	function metrics.refused(contact, token, text, count)
		local partner = metrics.partner(contact);
		refusals:with_labels(partner, token_label(token)):add(count or 1);
		tell(partner, "policy", token, text);
	end

	-- direction: "in" | "out"
	function metrics.stream_failed(domain, direction, token, text)
		local partner = metrics.partner(domain);
		stream_failures:with_labels(partner, direction):add(1);
		tell(partner, direction, token, text);
	end

	-- rows: any keys -> row with its count; what was there before and is not now is set to 0. labels(row) -> labels
	local function set_rows(gauge, known, rows, labels)
		for key, row in pairs(known) do
			if not rows[key] then
				gauge:with_labels(labels(row)):set(0);
			end
		end
		for key, row in pairs(rows) do
			known[key] = row;
			gauge:with_labels(labels(row)):set(row.count);
		end
	end

	-- rows: { partner, direction, method, count }
	function metrics.streams(rows)
		set_rows(streams, seen_streams, rows, function (row) return row.partner, row.direction, row.method; end);
	end

	-- rows: { partner, direction = "x2s"|"s2x", count }
	function metrics.subscriptions(rows)
		set_rows(subscriptions, seen_subscriptions, rows, function (row) return row.partner, row.direction; end);
	end

	-- is_reconnect: it was up before, as the bridge knows; a bridge that was started anew knows nothing
	function metrics.edge(is_up, is_reconnect, token, text)
		connected:with_labels():set(is_up and 1 or 0);
		local again = is_up and not edge_up and (is_reconnect or edge_ever);
		edge_up, edge_ever = is_up, edge_ever or is_up;
		if again then
			reconnects:with_labels():add(1);
		elseif not is_up and text then
			tell(nil, EDGE, token, text);
		end
	end

	-- role: "bridge" | "s2s"
	function metrics.certificate(role, not_after)
		expires:with_labels(role):set(not_after);
	end

	function metrics.queue(direction, count)
		if depths[direction] == count then return; end
		depths[direction] = count;
		depth:with_labels(direction):set(count);
	end

	-- counts: partner -> conversations; partners that had some before and have none now are set to 0
	function metrics.sessions(counts)
		for partner in pairs(seen) do
			if not counts[partner] then
				sessions:with_labels(partner):set(0);
			end
		end
		for partner, count in pairs(counts) do
			seen[partner] = true;
			sessions:with_labels(partner):set(count);
		end
	end

	return metrics;
end

-- What is there without an event: zeros of new partners, and the Access Edge after a reload of this module.
local function measure(pool)
	for host, h in pairs(pool.hosts) do
		local record = pool:record_of(host);
		local edge = record and record.edges[host];
		if h.metrics_settings ~= h.settings then
			h.metrics_settings = h.settings;
			h.metrics.begin(h.settings:partners());
		end
		h.metrics.edge(edge ~= nil and edge.up == true);
	end
end

-- Of the whole server: turns of its loop that were ours. module: the shared one -> function to be called when Prosody
-- collects its statistics.
local function of_turns(module, turns)
	local longest = module:metric("gauge", "longest_turn", "seconds",
		"So long at a time the server's loop was with the gateway, since the last statistics", {});
	local long = module:metric("counter", "long_turns", "", "Turns of more than 20 ms", { "where" });
	local counted = {};
	return function ()
		local seconds, by_where = turns.take();
		longest:with_labels():set(seconds);
		for where, n in pairs(by_where) do
			long:with_labels(where):add(n - (counted[where] or 0));
			counted[where] = n;
		end
	end
end

return { new = new; sample = sample; token_label = token_label; measure = measure; turns = of_turns;
	BEGUN_MAX = BEGUN_MAX };
