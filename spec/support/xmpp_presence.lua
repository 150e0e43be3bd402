-- xmpp_presence.lua: roster and presence of the client in xmpp.lua.
-- SPDX-License-Identifier: MIT
--
--	romeo:subscribe("lena@contoso.com"); romeo:wait_presence("lena@contoso.com", "subscribed")
--	romeo:wait_sees("lena@contoso.com", "away"); romeo:sees("lena@contoso.com")	-- as it is now: show, status, element
--	romeo:wait_presence("lena@contoso.com", "subscribe"); romeo:approve("lena@contoso.com")	-- or :deny, :unsubscribe
--	romeo:set_presence("dnd", "busy", 5); romeo:set_presence("unavailable"); romeo:wait_roster("lena@contoso.com", "both")
--	romeo:count_presence("lena@contoso.com", "subscribe")		-- all that ever came
--
-- A presence is called by its type, else its <show/>, else "available".

local xml = require "spec.support.xml";

local ROSTER = "jabber:iq:roster";
local escape = xml.escape;

local function bare(jid)
	return jid:match("^[^/]*");
end

local function called(element)
	return element.attr.type or element:child_text("show") or "available";
end

return function (Client)
	--- Take note of a stanza. True: it was a roster's, and has been answered.
	function Client:note_presence(element)
		local from = element.attr.from or self.jid;
		if element.name == "presence" then
			table.insert(self.presences, element);
			local kind = called(element);
			local known = self.seen[bare(from)] or {};
			self.seen[bare(from)] = known;
			if kind == "unavailable" then
				if from == bare(from) then self.seen[from] = { [from] = element }; else known[from] = element; end
			elseif not element.attr.type then
				known[from] = element;
			end
			return false;
		end
		local query = element.name == "iq" and element:child("query", ROSTER);
		if not query or from ~= self.jid then return false; end
		for _, item in ipairs(query:childs()) do
			self.roster[item.attr.jid] = item.attr.subscription ~= "remove" and item.attr or nil;
		end
		if element.attr.type ~= "set" then return false; end
		self:send(string.format("<iq type='result' id='%s'/>", escape(element.attr.id or "")));
		return true;
	end

	--- Ask for the roster: what comes of subscriptions is sent to those who have.
	function Client:want_roster()
		if not self.roster_wanted then
			self.roster_wanted = true;
			self:send("<iq type='get' id='roster'><query xmlns='" .. ROSTER .. "'/></iq>");
		end
		return self;
	end

	local function say(self, jid, kind)
		self:want_roster():send(string.format("<presence to='%s' type='%s'/>", escape(jid), kind));
		return self;
	end
	function Client:subscribe(jid) return say(self, jid, "subscribe"); end
	function Client:approve(jid) return say(self, jid, "subscribed"); end
	function Client:deny(jid) return say(self, jid, "unsubscribed"); end
	function Client:unsubscribe(jid) return say(self, jid, "unsubscribe"); end

	--- Take a contact from the roster: the server ends both subscriptions.
	function Client:forget(jid)
		self:want_roster():send(string.format("<iq type='set' id='forget'><query xmlns='%s'><item jid='%s' subscription='remove'/>"
			.. "</query></iq>", ROSTER, escape(jid)));
		return self;
	end

	--- Say how this resource is: show (nil or "available": none; "unavailable"), status, priority.
	function Client:set_presence(show, status, priority)
		local parts = { show == "unavailable" and "<presence type='unavailable'>" or "<presence>" };
		if show and show ~= "available" and show ~= "unavailable" then parts[2] = "<show>" .. show .. "</show>"; end
		if status then parts[#parts + 1] = "<status>" .. escape(status) .. "</status>"; end
		if priority then parts[#parts + 1] = "<priority>" .. priority .. "</priority>"; end
		self:send(table.concat(parts) .. "</presence>");
		return self;
	end

	--- Wait for a presence from there (bare JID) of that name; each is given once. An element.
	function Client:wait_presence(jid, what, seconds)
		return self:wait_stanza(function (element)
			return element.name == "presence" and bare(element.attr.from or "") == jid and (not what or called(element) == what);
		end, seconds, string.format("presence %s of %s", tostring(what), jid));
	end

	-- The most recent presence of a bare JID that is not unavailable, else the unavailable one.
	local function now(self, jid)
		local gone;
		for _, element in pairs(self.seen[jid] or {}) do
			if element.attr.type ~= "unavailable" then return element; end
			gone = element;
		end
		return gone;
	end

	--- How somebody is, as far as this client was told: show ("available", …, "unavailable"; nil: nothing), status, element.
	function Client:sees(jid)
		local element = now(self, jid);
		if not element then return nil; end
		return called(element), element:child_text("status"), element;
	end

	--- Wait until it sees somebody so; status: a text, or false (none).
	function Client:wait_sees(jid, show, seconds, status)
		return self.loop:wait(function ()
			local is, text, element = self:sees(jid);
			return is == show and (status == nil or (text or false) == status) and element;
		end, seconds or 5, string.format("%s to see %s %s", self.jid, jid, show));
	end

	--- How many presences of that name ever came from there.
	function Client:count_presence(jid, what)
		local count = 0;
		for _, element in ipairs(self.presences) do
			if bare(element.attr.from or "") == jid and (not what or called(element) == what) then count = count + 1; end
		end
		return count;
	end

	--- Wait until the roster has the contact with that subscription ("none": or not at all).
	function Client:wait_roster(jid, subscription, seconds)
		self:want_roster();
		return self.loop:wait(function ()
			local item = self.roster[jid];
			return (item and item.subscription or "none") == subscription and (item or true);
		end, seconds or 5, string.format("%s in the roster of %s: %s", jid, self.jid, subscription));
	end
end;
