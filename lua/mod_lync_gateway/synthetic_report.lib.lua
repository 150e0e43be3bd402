-- What became of a test message, in words: for the shell, for prosodyctl, as JSON. Pure.
-- SPDX-License-Identifier: MIT

local one_line = module:require "one_line";

local report = {};

-- What a token means here and what to do about it. %s: the domain at the other end.
local by_token = {
	["not-a-partner"] = "%s is on nobody's list: add it with `partner new`, if it is wanted";
	["partner-disabled"] = "The settings of this partner have an error: see `check`";
	["user-not-enabled"] = "The Lync user's external access policy does not allow XMPP: see lync_access_policies, "
		.."lync_sites and lync_policy_grants";
	["not-our-domain"] = "The Lync user's domain is not this host";
	["not-authorized"] = "A contact of a public_unverified partner may write only inside a conversation that the Lync "
		.."user opened, or from the contact list: by design; see `prosodyctl shell lync explain`";
	["recipient-limit"] = "The partner's contacts addressed too many Lync users in this hour: partner_recipient_limit";
	["partner-quarantined"] = "Lync refused most of the partner's last messages; it is let in again after 10 minutes: "
		.."find out who writes to addresses that do not exist";
	["loop"] = "The domain is served by this gateway itself: look for a domain that is both partner and host";
	["no-settings"] = "The configuration of the host has an error: see `check`";
	["too-big"] = "The text is too long";
	["bridge-down"] = "The bridge to Lync does not run: see `prosodyctl shell lync status` and the log";
	["bridge-died"] = "The bridge's process ended while the message was under way: see the log";
	["bridge-closed"] = "The bridge was stopped meanwhile";
	["shutting-down"] = "The bridge was stopped meanwhile";
	["full"] = "Too much is under way: try again";
	["queue-full"] = "Too much is under way: try again";
	["no-connection"] = "The Access Edge cannot be reached, or TLS with it fails: see `check` for the reason; network, "
		.."firewall (port 5061), certificates of both sides";
	["connection-lost"] = "The connection to the Access Edge was lost while the message was under way";
	["timeout"] = "The Access Edge took the request and answered nothing in time: its log";
	["bad-answer"] = "Lync's answer could not be used: see the log";
	["no-answer"] = "Lync took the message and no client of the user answered in time";
	["stopped"] = "Run the test again";
	["no-stream"] = "No stream to %s could be made in time: run `partner test %s`";
	["tls-required"] = "%s offers no TLS, and its settings here require it: its administrator, or tls_negotiation";
	["tls-failed"] = "TLS with %s fails: run `partner test %s`";
	["sasl-required"] = "%s does not take our certificate: run `partner test %s`";
	["sasl-not-offered"] = "%s does not take our certificate: run `partner test %s`";
	["sasl-failed"] = "%s refuses our certificate: run `partner test %s`";
	["dialback-not-supported"] = "%s wants dialback, which its settings here do not allow: run `partner test %s`";
};

local by_status = {
	[401] = "Lync wants credentials: the Access Edge does not know this gateway; see `lync-commands`";
	[403] = "Lync forbids it: federation for this user or this domain is not allowed; see `lync-commands`";
	[404] = "Lync has no user with this address";
	[407] = "Lync wants credentials: the Access Edge does not know this gateway; see `lync-commands`";
	[408] = "Lync took the message and nothing answered in time";
	[410] = "The user has gone from this address";
	[480] = "The user is not signed in, or is not to be disturbed: the way to Lync works";
	[486] = "The user is busy: the way to Lync works";
	[487] = "The user's client did not take the conversation in time: the way to Lync works";
	[488] = "The user's client does not take plain messages: the way to Lync works";
	[504] = "The Access Edge could not route it: the allowed domain or its proxy FQDN on the Lync side; see "
		.."`lync-commands`";
	[603] = "The user declined: the way to Lync works";
	[606] = "Lync's message filter, or the user's client, does not take it";
};

local by_diag = {
	[1003] = "Lync has no user with this address"; [4005] = "Lync has no user with this address";
	[1002] = "The user is not enabled for federation (EnableFederationAccess)";
	[1005] = "Lync cannot route to this domain"; [1008] = "Lync cannot resolve its SRV record";
	[1009] = "Lync found no match for the domain in its SRV record";
	[1010] = "Lync does not trust the certificate of the next hop";
	[1012] = "The user may not communicate outside the enterprise";
	[1014] = "Lync cannot resolve an A record";
	[1027] = "The user may not communicate with federated partners";
	[1047] = "TLS between Lync and the federated peer failed";
};

local by_condition = {
	["service-unavailable"] = "The partner's server does not deliver to this contact: no such user, offline without "
		.."storage, or the contact blocks the sender; the way to the partner works";
	["item-not-found"] = "The partner's server has no such user; the way to the partner works";
	["recipient-unavailable"] = "The contact is offline and its server stores nothing; the way to the partner works";
	["forbidden"] = "The partner's server does not let this user write; the way to the partner works";
	["not-allowed"] = "The partner's server does not let this user write; the way to the partner works";
	["not-acceptable"] = "The partner's server or the contact does not take the message; the way to the partner works";
	["policy-violation"] = "The partner's server refuses it by its policy";
	["remote-server-not-found"] = "No server of %s could be reached: run `partner test %s`";
	["remote-server-timeout"] = "No stream to %s: run `partner test %s`";
};

local hops = {
	policy = "Stopped by the gateway's policy"; bridge = "Stopped between the gateway and the Access Edge";
	lync = "Answered by Lync"; stream = "Stopped on the stream to the partner's server";
	partner = "Answered by the partner's server"; gateway = "Stopped by the gateway";
};

local proofs = {
	delivered = "Proved: policy, bridge, Access Edge and Lync took it, and a client of the user confirmed it";
	accepted = "Proved: policy, bridge and Access Edge; Lync accepted it for later and nobody has confirmed it yet";
	client = "Proved: policy, stream and the partner's server; the contact's client confirmed it (receipt)";
	server = "Proved: policy and stream; the partner's server has read it (it answered a ping sent behind it) and sent no "
		.."error. Not proved: that the contact has seen it, for no receipt came";
};

local limits = {
	x2s = "Not tested: the stream from the partner to this server; `partner test` shows what it would be offered";
	s2x = "Not tested: the way from the Lync user's client through the Access Edge to this server";
};

local function fill(text, domain)
	return (text:gsub("%%s", (domain:gsub("%%", "%%%%"))));
end

local function remedy(result)
	if result.success then return nil; end
	local text = result.hop ~= "partner" and by_token[result.token or ""] or nil;
	if result.hop == "lync" then
		text = by_diag[result.diag or 0] or by_status[result.status or 0] or text;
		if result.token == "timeout" then text = "Lync has not answered in time: is the test's time-out too short?"; end
	elseif result.token == "timeout" and result.hop == "stream" then
		text = by_token["no-stream"];
	elseif result.token == "timeout" and result.hop == "partner" then
		text = "The message was handed to an authenticated stream; the partner's server answered nothing, not even the ping "
			.."behind it: its log";
	end
	return text or by_condition[result.condition or ""];
end

local function error_line(result)
	if result.success then return nil; end
	local parts = {};
	if result.hop == "lync" and (result.status or 0) > 0 then
		parts[1] = ("SIP %d"):format(result.status);
	elseif result.hop == "partner" or result.hop == "stream" then
		parts[1] = result.condition;
	end
	parts[#parts+1] = result.text;
	if (result.diag or 0) > 0 then parts[#parts+1] = ("(ms-diagnostics %d)"):format(result.diag); end
	local text = table.concat(parts, " ");
	local of_peer = result.hop == "lync" and result.token ~= "timeout"; -- the status says more
	if result.token and not of_peer and not text:find("("..result.token..")", 1, true) then
		text = ("%s (%s)"):format(text, result.token);
	end
	return text;
end

-- result: of synthetic.run, with from, to, direction, target, domain (at the other end), edge (state, in words)
function report.complete(result)
	local lines = {};
	if result.success then
		lines[1] = proofs[result.proof];
	else
		lines[1] = hops[result.hop];
	end
	local text = remedy(result);
	if text then lines[#lines+1] = fill(text, result.domain); end
	if not result.success and result.edge and (result.hop == "bridge" or result.token == "timeout") then
		lines[#lines+1] = "Access Edge: "..result.edge;
	end
	if (result.retry_after or 0) > 0 then
		lines[#lines+1] = ("It may be tried again in %d seconds"):format(result.retry_after);
	end
	lines[#lines+1] = limits[result.direction];
	result.error = error_line(result);
	result.diagnosis = lines;
	result.result = result.success and "Success" or "Failure";
	return result;
end

function report.lines(result)
	local lines = {
		"Target      "..result.target;
		"Result      "..result.result;
		("Latency     %.3f s"):format(result.latency);
		"Error       "..(result.error or "none");
	};
	for i, text in ipairs(result.diagnosis) do
		lines[#lines+1] = (i == 1 and "Diagnosis   " or "            ")..text;
	end
	for i, line in ipairs(lines) do
		lines[i] = one_line(line);
	end
	return lines;
end

return report;
