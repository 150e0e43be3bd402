-- The DNS records that a gateway lives by: which are asked for, and what is to be said of the answers. Pure.
-- SPDX-License-Identifier: MIT
--
-- Questions and answers are those of the library lookup.

local lookup = module:require "lookup";

local key, addresses, ask_addresses = lookup.key, lookup.addresses, lookup.want_addresses;

local dns = {};

local XMPP_PORT, SIP_PORT = 5269, 5061;
local TARGETS_MAX = 8; -- of a domain, looked at
local EDGES_MAX = 4;   -- addresses of an Access Edge, connected to

-- facts: domain (A-labels), edge (name or address), edge_address or nil, bridge, is_address(text)
function dns.questions(facts)
	local questions, seen = {}, {};
	for _, service in ipairs { "_xmpp-server._tcp.", "_xmpps-server._tcp.", "_sipfederationtls._tcp." } do
		table.insert(questions, { service..facts.domain, "SRV" });
	end
	ask_addresses(questions, seen, facts.bridge);
	ask_addresses(questions, seen, facts.domain);
	if not facts.is_address(facts.edge) then
		ask_addresses(questions, seen, facts.edge);
	end
	return questions;
end

-- The targets' addresses, which the answers to the first questions make known.
function dns.more_questions(facts, answers)
	local questions, seen = {}, {};
	for question in pairs(answers) do
		seen[question:match("^(%S+) A$") or question] = true;
	end
	for _, service in ipairs { "_xmpp-server._tcp.", "_xmpps-server._tcp." } do
		for i, record in ipairs(answers[key(service..facts.domain, "SRV")] or {}) do
			if i <= TARGETS_MAX then
				ask_addresses(questions, seen, record.target);
			end
		end
	end
	return questions;
end

local function any_ours(list, ours)
	for _, address in ipairs(list) do
		if ours[address] then return true; end
	end
	return false;
end

local function words(list)
	return table.concat(list, ", ");
end

local function no_answer(add, id, what, failed)
	add { level = "error"; id = id; text = lookup.no_answer(what, failed);
		remedy = "look at /etc/resolv.conf, or at unbound in the global section" };
end

-- The name of an address that is not this server's: one of another, or this one's behind a translation of addresses.
local function elsewhere(what, list, host_of)
	return ("%s leads to %s, which is none of this server's addresses (%s)"):format(what, words(list), host_of);
end

local NAT = 'if a router translates addresses, write external_addresses = { "%s" } in the global section; else correct '
	.."the record";

-- One record _xmpp(s)-server._tcp -> port and target of this server.
local function judge_target(add, facts, answers, service, record)
	local what = ("%s -> %s port %d"):format(service, record.target, record.port);
	local ports = service:match("^_xmpps") and facts.direct_tls_ports or facts.ports;
	local list, failed = addresses(answers, record.target);
	if failed then
		return no_answer(add, "srv-target", what, failed);
	elseif #list == 0 then
		add { level = "error"; id = "srv-target"; text = what..": the target has neither an A nor an AAAA record";
			remedy = "create one with the address of this server, or name another target" };
	elseif not any_ours(list, facts.ours) then
		add { level = "warning"; id = "srv-target"; text = elsewhere(what, list, words(facts.own_addresses));
			remedy = NAT:format(list[1]) };
	elseif not ports[record.port] then
		local open = facts.port_words(ports);
		add { level = "error"; id = "srv-port";
			text = ("%s: this server does not listen there (it does on %s)"):format(what, open);
			remedy = ("correct the record's port to %s, or %s in the global section"):format(open,
				service:match("^_xmpps") and "s2s_direct_tls_ports" or "s2s_ports") };
	else
		add { level = "ok"; id = "srv"; text = ("%s (%s)"):format(what, words(list)) };
		return true;
	end
end

local function judge_no_srv(add, facts, answers, service)
	local list, failed = addresses(answers, facts.domain);
	local remedy = ("create %s. SRV 0 0 %d with a name of this server for a target"):format(service, XMPP_PORT);
	if failed then
		return no_answer(add, "srv", facts.domain, failed);
	elseif any_ours(list, facts.ours) and facts.ports[XMPP_PORT] then
		add { level = "warning"; id = "srv"; remedy = remedy; text = ("%s: no SRV record; partners find this server by the "
			.."address of %s only"):format(service, facts.domain) };
	else
		add { level = "error"; id = "srv"; remedy = remedy;
			text = service..": no SRV record, partners cannot find this server" };
	end
end

local function judge_xmpp(add, facts, answers)
	local service = "_xmpp-server._tcp."..facts.domain;
	local answer = answers[key(service, "SRV")] or {};
	if answer.failed then
		return no_answer(add, "srv", service, answer.failed);
	elseif #answer == 0 then
		return judge_no_srv(add, facts, answers, service);
	end
	for i, record in ipairs(answer) do
		if record.target == "" then
			add { level = "error"; id = "srv"; text = service..' -> ".": says that there is no XMPP server';
				remedy = "name this server as the target" };
		elseif i <= TARGETS_MAX then
			judge_target(add, facts, answers, service, record);
		end
	end
end

local function judge_direct_tls(add, facts, answers)
	local service = "_xmpps-server._tcp."..facts.domain;
	for i, record in ipairs(answers[key(service, "SRV")] or {}) do
		if i <= TARGETS_MAX and record.target ~= "" then
			judge_target(add, facts, answers, service, record);
		end
	end
end

-- Partners that run Lync look for the Access Edge of our domain there; the gateway does not.
local function judge_sip(add, facts, answers)
	local service = "_sipfederationtls._tcp."..facts.domain;
	local answer = answers[key(service, "SRV")] or {};
	if answer.failed then
		return no_answer(add, "sip-srv", service, answer.failed);
	elseif #answer == 0 or answer[1].target == "" then
		add { level = "info"; id = "sip-srv"; text = service..": no SRV record; the gateway does not need it, other "
			.."organizations with Lync need it to find your Access Edge" };
		return;
	end
	for i, record in ipairs(answer) do
		local what = ("%s -> %s port %d"):format(service, record.target, record.port);
		if i > TARGETS_MAX then
			break;
		elseif record.target == facts.bridge then
			add { level = "error"; id = "sip-srv";
				text = what..": other organizations with Lync would come to the gateway, which serves the Access Edge alone";
				remedy = ("name the Access Edge, as in %s port %d"):format(facts.edge, SIP_PORT) };
		else
			local other = record.target ~= facts.edge and "; lync_access_edge is "..facts.edge or "";
			add { level = other == "" and "ok" or "info"; id = "sip-srv"; text = what..other };
		end
	end
end

local function judge_bridge(add, facts, answers)
	local list, failed = addresses(answers, facts.bridge);
	if failed then
		no_answer(add, "bridge-address", facts.bridge, failed);
	elseif #list == 0 then
		add { level = "error"; id = "bridge-address"; key = "lync_bridge_fqdn"; value = ("%q"):format(facts.bridge);
			text = facts.bridge..": no A record; the Access Edge finds the gateway by it";
			remedy = "create one that the Access Edge sees, with the address of this server" };
	elseif not any_ours(list, facts.ours) then
		add { level = "warning"; id = "bridge-address"; key = "lync_bridge_fqdn"; value = ("%q"):format(facts.bridge);
			text = elsewhere(facts.bridge, list, words(facts.own_addresses)); remedy = NAT:format(list[1]) };
	else
		add { level = "ok"; id = "bridge-address"; text = ("%s: %s"):format(facts.bridge, words(list)) };
	end
end

local function judge_edge(add, facts, answers)
	if facts.is_address(facts.edge) then return; end
	local list, failed = addresses(answers, facts.edge);
	local given = facts.edge_address;
	if given then
		local differs = #list > 0 and not any_ours(list, { [given] = true });
		add { level = differs and "info" or "ok"; id = "edge-address";
			text = ("%s: %s, as lync_access_edge_address says%s"):format(facts.edge, given,
				differs and "; the DNS says "..words(list) or "") };
	elseif failed then
		no_answer(add, "edge-address", facts.edge, failed);
	elseif #list == 0 then
		add { level = "error"; id = "edge-address"; key = "lync_access_edge"; value = ("%q"):format(facts.edge);
			text = facts.edge..": neither an A nor an AAAA record, the gateway cannot connect";
			remedy = "correct lync_access_edge, create the record, or write lync_access_edge_address" };
	else
		add { level = "ok"; id = "edge-address"; text = ("%s: %s"):format(facts.edge, words(list)) };
	end
end

-- facts also: ours = set of this server's addresses, own_addresses = list of them to show, ports and direct_tls_ports =
-- sets of numbers, port_words(set)
function dns.judge(facts, answers)
	local findings = {};
	local function add(finding) findings[#findings+1] = finding; end
	judge_xmpp(add, facts, answers);
	judge_direct_tls(add, facts, answers);
	judge_sip(add, facts, answers);
	judge_bridge(add, facts, answers);
	judge_edge(add, facts, answers);
	return findings;
end

-- Where to connect to reach the Access Edge: the addresses, a few at most.
function dns.edge_addresses(facts, answers)
	if facts.edge_address or facts.is_address(facts.edge) then
		return { facts.edge_address or facts.edge };
	end
	local list = addresses(answers, facts.edge);
	return { table.unpack(list, 1, math.min(#list, EDGES_MAX)) };
end

return dns;
