-- lync:test_im() of the shell: who is who, the test, its report.
-- SPDX-License-Identifier: MIT

local json_encode = require "util.json".encode;
local datetime = require "util.datetime".datetime;
local jid_host = require "util.jid".host;
local jid_node = require "util.jid".node;
local jid_prep = require "util.jid".prep;
local new_id = require "util.id".medium;
local promise = require "util.promise";
local valid_utf8 = require "util.encodings".utf8.valid;

local report = module:require "synthetic_report";

local TIMEOUT, TIMEOUT_MAX = 30, 600; -- seconds

local commands = {};

local function gateways(pool)
	local names = {};
	for host in pairs(pool.hosts) do
		names[#names+1] = host;
	end
	table.sort(names);
	return table.concat(names, ", ");
end

-- The request, its host; or nil and what is wrong with what was asked for.
local function read(pool, from, to, text, timeout)
	local sender, receiver = jid_prep(from or ""), jid_prep(to or "");
	if not sender or not jid_node(sender) or not receiver or not jid_node(receiver) then
		local given = tostring((not sender or not jid_node(sender)) and from or to or "nothing");
		return nil, ("%s is no address of a person: say user@domain"):format(valid_utf8(given) and given or "This");
	end
	local ours, theirs = pool.hosts[jid_host(sender)], pool.hosts[jid_host(receiver)];
	if ours and theirs then
		return nil, ("%s and %s are both Lync users of this gateway: one has to be a contact of a partner")
			:format(sender, receiver);
	elseif not ours and not theirs then
		return nil, ("Neither %s nor %s is a Lync user of this gateway, which has: %s")
			:format(sender, receiver, gateways(pool));
	end
	timeout = tonumber(timeout) or TIMEOUT;
	if timeout < 1 or timeout > TIMEOUT_MAX then
		return nil, ("A time-out of %g seconds is not possible: 1 to %d"):format(timeout, TIMEOUT_MAX);
	elseif text and (not valid_utf8(text) or text:find("%S") == nil) then
		return nil, "The text is empty, or not UTF-8";
	end
	local id = "lync-test-"..new_id();
	return {
		id = id; direction = theirs and "x2s" or "s2x"; timeout = timeout;
		contact = theirs and sender or receiver; user = (theirs and receiver or sender):match("^[^/]*");
		text = text or ("Test of the gateway between Lync and XMPP by its administrator, %s (%s). Please ignore.")
			:format(datetime(), id);
	}, ours or theirs;
end

local function edge_state(pool, host)
	local record = pool:record_of(host);
	local edge = record and record.edges[host];
	if not record or record.worker ~= 1 then
		return "the bridge's worker does not run";
	elseif not edge then
		return "not connected yet";
	end
	return edge.up and "connected" or "down"..(edge.reason and ": "..edge.reason or "");
end

local function describe(pool, h, request, result)
	local bridge = h.settings.usable and h.settings:bridge();
	result.id, result.direction, result.time = request.id, request.direction, datetime();
	local is_x2s = request.direction == "x2s";
	result.from, result.to = is_x2s and request.contact or request.user, is_x2s and request.user or request.contact;
	result.domain = jid_host(request.contact);
	result.edge = edge_state(pool, h.host);
	result.target = not is_x2s and result.domain
		or bridge and ("%s:%d"):format(bridge.access_edge, bridge.port) or h.host;
	return report.complete(result);
end

-- callback(result), or nil and what is wrong
function commands.run(pool, from, to, text, timeout, callback)
	local request, h = read(pool, from, to, text, timeout);
	if not request then return nil, h; end
	return h.synthetic.run(request, function (result)
		callback(describe(pool, h, request, result));
	end);
end

-- pool -> the command; format: "json" for one line that a program reads, also when something is wrong
function commands.test_im(pool)
	return function (self, from, to, text, timeout, format)
		local print = self.session.print;
		return promise.new(function (resolve, reject)
			local ok, wrong = commands.run(pool, from, to, text, timeout, function (result)
				if format == "json" then
					print(json_encode(result));
					return resolve(result.result);
				end
				for _, line in ipairs(report.lines(result)) do
					print(line);
				end
				(result.success and resolve or reject)(result.result);
			end);
			if not ok and format == "json" then
				print(json_encode { wrong = wrong });
				resolve("wrong");
			elseif not ok then
				reject(wrong);
			end
		end);
	end
end

return commands;
