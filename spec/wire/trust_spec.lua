-- Partner's type x access policy x what both people have agreed to: what crosses, either way, is what the product says.
-- SPDX-License-Identifier: MIT
--
-- The pairs and what must come of them are in spec/support/trust.lua, what they do is in trust_play.lua.

local sip = require "spec.support.sip";
local trust = require "spec.support.trust";
local Play = require "spec.support.trust_play";

local SECONDS, REPORTED = 60, 6;

local function show(value)
	if type(value) ~= "table" then return tostring(value); end
	local parts = {};
	for key, one in pairs(value) do parts[#parts + 1] = ("%s=%s"):format(key, tostring(one)); end
	table.sort(parts);
	return "{" .. table.concat(parts, " ") .. "}";
end

-- Facts that differ, in words.
local function differences(wanted, actual)
	local keys, lines = {}, {};
	for _, of in ipairs { wanted; actual } do
		for key in pairs(of) do keys[key] = true; end
	end
	for key in pairs(keys) do
		if show(wanted[key]) ~= show(actual[key]) then
			lines[#lines + 1] = ("%s is %s, not %s"):format(key, show(actual[key]), show(wanted[key]));
		end
	end
	table.sort(lines);
	return lines;
end

describe("trust", function ()
	local list, play = trust.all(), nil;
	setup(function ()
		play = Play.new(list);
		play:run(SECONDS);
		print(("%d pairs in %.1f s"):format(#list, play.seconds));
	end);
	teardown(function () play:finish(); end);

	for _, kind in ipairs(trust.KINDS) do
		for _, state in ipairs(trust.STATES) do
			it(("%s, %s: both get what they may, and no more"):format(kind, state), function ()
				local wrong, reports = 0, {};
				for _, pair in ipairs(list) do
					local lines = pair.domain == trust.domain(kind, state) and differences(trust.expected(pair), pair.actual) or {};
					if pair.problem and pair.domain == trust.domain(kind, state) then table.insert(lines, 1, pair.problem); end
					if #lines > 0 then
						wrong = wrong + 1;
						if #reports < REPORTED then reports[#reports + 1] = pair.id .. "\n\t" .. table.concat(lines, "\n\t"); end
					end
				end
				assert.equal(0, wrong, table.concat(reports, "\n"));
			end);

			it(("%s, %s: the log says why"):format(kind, state), function ()
				local domain = trust.domain(kind, state);
				assert.same(trust.tokens(list, domain), play.tokens[domain] or {});
			end);
		end
	end

	for _, kind in ipairs(trust.KINDS) do
		it(kind .. ": Lync is told how sure the sender is, in every request and answer", function ()
			local wrong = {};
			for _, pair in ipairs(list) do
				for level, message in pairs(pair.kind == kind and pair.levels or {}) do
					if level ~= trust.level(kind) then table.insert(wrong, level .. " in " .. sip.describe(message)); end
				end
			end
			assert.equal(0, #wrong, table.concat(wrong, "\n", 1, math.min(#wrong, REPORTED)));
		end);
	end

	it("refuses a Lync user without access with one code, whatever is asked", function ()
		local codes = {};
		for _, pair in ipairs(list) do
			for _, code in ipairs(pair.refused_with) do codes[code] = (codes[code] or 0) + 1; end
		end
		local known = next(codes);
		assert.same({ [403] = codes[known] }, codes);
	end);

	it("covers all policies, each way", function ()
		assert.equal(372, #list);
		local access = { [true] = 0; [false] = 0 };
		for _, pair in ipairs(list) do access[trust.access(pair)] = access[trust.access(pair)] + 1; end
		assert.same({ [true] = 192; [false] = 180 }, access);
	end);

	-- What a contact may send to find out about somebody. Those of a federated partner may learn it.
	local PROBES = {
		"<presence from='CONTACT' to='USER' type='probe'/>";
		"<presence from='CONTACT' to='USER' type='subscribe' id='p1'/>";
		"<presence from='CONTACT' to='USER' type='subscribed'/>";
		"<presence from='CONTACT' to='USER' type='unsubscribed'/>";
		"<presence from='CONTACT/home' to='USER'/>";
		"<presence from='CONTACT/home' to='USER' type='unavailable'/>";
		"<presence from='CONTACT' to='USER' type='probe'/>";
		"<presence from='CONTACT' to='USER' type='unsubscribe' id='p2'/>";
		"<presence from='CONTACT' to='USER' type='strange' id='p3'/>";
		"<message from='CONTACT/home' to='USER' type='chat' id='m1'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>";
		"<message from='CONTACT/home' to='USER' type='chat' id='m2'><body>hello</body></message>";
		"<message from='CONTACT/home' to='USER' id='m3'><subject>hi</subject><body>hello</body></message>";
		"<message from='CONTACT/home' to='USER' type='groupchat' id='m4'><body>hello</body></message>";
		"<message from='CONTACT/home' to='USER' type='headline' id='m5'><body>hello</body></message>";
		"<message from='CONTACT/home' to='USER' id='m6'><subject>only</subject></message>";
		"<message from='CONTACT/home' to='USER/there' type='chat' id='m7'><body>hello</body></message>";
		"<iq from='CONTACT/home' to='USER' type='get' id='i1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
		"<iq from='CONTACT/home' to='USER' type='get' id='i2'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>";
		"<iq from='CONTACT/home' to='USER' type='get' id='i3'><ping xmlns='urn:xmpp:ping'/></iq>";
		"<iq from='CONTACT/home' to='USER' type='get' id='i4'><vCard xmlns='vcard-temp'/></iq>";
		"<iq from='CONTACT/home' to='USER' type='get' id='i5'><query xmlns='jabber:iq:version'/></iq>";
		"<iq from='CONTACT/home' to='USER' type='set' id='i6'><query xmlns='jabber:iq:private'/></iq>";
	};

	for _, host in ipairs { "contoso.com"; "on.example"; "absent.example" } do
		it("shows an unverified contact nothing by which users can be told apart, at " .. host, function ()
			local targets, order = {}, {};
			local function target(name, user)
				local domain = trust.domain("public_unverified", "unlisted");
				local pair = play:enroll { contact = ("%s%s@%s"):format(name, host, domain); user = user; host = host; domain = domain };
				pair.name = name;
				order[#order + 1], targets[name] = pair, pair;
			end
			target("unknown", "nobody@" .. host);
			for _, pair in ipairs(list) do
				if pair.host == host then
					local name = trust.access(pair) and "unlisted" or "no-access";
					if not targets[name] then target(name, pair.user); end
				end
			end
			local answers = {};
			play.loop:together(order, #order, 10, function (pair)
				answers[pair.name] = play:provoke(pair, PROBES, 0.5);
			end, function (_, problem) assert.is_nil(problem); end);
			assert.is_true(#answers.unknown > 10, #answers.unknown);
			for _, pair in ipairs(order) do
				local lines = {};
				for i = 1, math.max(#answers.unknown, #answers[pair.name]) do
					local as, is = answers.unknown[i], answers[pair.name][i];
					if as ~= is then lines[#lines + 1] = ("%s: %s\nunknown: %s"):format(pair.name, tostring(is), tostring(as)); end
				end
				assert.equal(0, #lines, table.concat(lines, "\n"));
				assert.same({}, pair.requests, pair.name);
			end
		end);
	end
end);
