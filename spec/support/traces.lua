-- What a host has said about presence, as lines that a spec can compare: stanzas and calls of the bridge, in order.
-- SPDX-License-Identifier: MIT
--
--	local said = traces.of(h, bridge)
--	local t = traces.start()	-- a running host: t.h, t.bridge, t.world, t.said, and what happens between romeo and juliet:
--	t.arrives("subscribe"), t.event("watch", { watch = "active" }), t.passes(60)	-- each gives what was said then
--	said()	-- what is new since the last call: { "to contact: <presence …/>", "to bridge: watch romeo… juliet… verified", … }

local support = require "spec.support.module";
local st = require "util.stanza";

local traces = { romeo = "romeo@fabrikam.com"; juliet = "juliet@contoso.com" };

local escaped = { ["<"] = "&lt;"; [">"] = "&gt;"; ["&"] = "&amp;" };

local function sorted(map)
	local keys = {};
	for key in pairs(map) do
		keys[#keys+1] = key;
	end
	table.sort(keys);
	return keys;
end

-- A stanza, with its attributes in order; ids that are made by chance are "*".
function traces.xml(stanza, top)
	local parts = { "<"..stanza.name };
	for _, key in ipairs(sorted(stanza.attr)) do
		local value = stanza.attr[key];
		if key == "id" and stanza.attr.type == "subscribe" then value = "*"; end
		if key ~= "xmlns" or value ~= top then
			parts[#parts+1] = (" %s='%s'"):format(key, value);
		end
	end
	if #stanza == 0 then
		return table.concat(parts).."/>";
	end
	parts[#parts+1] = ">";
	for _, child in ipairs(stanza) do
		parts[#parts+1] = type(child) == "string" and child:gsub("[<>&]", escaped) or traces.xml(child, stanza.attr.xmlns);
	end
	return table.concat(parts).."</"..stanza.name..">";
end

local CALLS = { watch = true; unwatch = true; presence = true; reject = true; answer = true };

local FLAGGED = { watch = true; presence = true }; -- to others the flags mean nothing

local function call(entry)
	local name, request = entry[1], entry[2];
	if name == "answer" then
		local options = entry[6] or {};
		return ("answer %d %d%s%s%s"):format(request, entry[3], entry[4] and " diag="..entry[4] or "",
			entry[5] and " "..entry[5] or "", options.verified and " verified" or "");
	end
	local words = { name; request.contact; request.user; request.presence };
	for _, flag in ipairs { "verified"; "notes" } do
		if request[flag] and FLAGGED[name] then words[#words+1] = flag; end
	end
	for _, key in ipairs { "note"; "lang"; "display" } do
		-- a contact without a name goes by its address: not worth a word in each trace
		if request[key] and not (key == "display" and request[key] == request.contact) then
			words[#words+1] = key.."="..request[key];
		end
	end
	return table.concat(words, " ");
end

-- failed calls are there, too
function traces.of(h, bridge)
	local lines = {};
	local send = h.send;
	function h.send(stanza)
		lines[#lines+1] = "to contact: "..traces.xml(stanza);
		return send(stanza);
	end
	local calls = bridge.calls;
	bridge.calls = setmetatable({}, { __newindex = function (_, n, entry)
		rawset(calls, n, entry);
		if CALLS[entry[1]] then
			lines[#lines+1] = "to bridge: "..call(entry);
		end
	end; __index = calls; __len = function () return #calls; end });
	return function ()
		local new = lines;
		lines = {};
		return new;
	end;
end

-- A stanza of ours, from the user to the contact.
function traces.out(kind, inner, attr)
	local id = kind == "subscribe" and " id='*'" or "";
	return ("to contact: <presence from='%s'%s to='%s'%s%s"):format(attr and attr.from or traces.juliet, id,
		attr and attr.to or traces.romeo, kind and " type='"..kind.."'" or "", inner and ">"..inner.."</presence>" or "/>");
end

-- PAIR: both addresses.
function traces.to_bridge(words)
	return "to bridge: "..words:gsub("PAIR", traces.romeo.." "..traces.juliet);
end

local methods = {};

-- A stanza of the contact.
function methods.arrives(t, kind, attr, build)
	attr = attr or {};
	local stanza = st.presence { from = attr.from or traces.romeo; to = attr.to or traces.juliet; type = kind; id = attr.id;
		["xml:lang"] = attr.lang };
	if build then build(stanza); end
	assert(t.h.presence.any(stanza) == true, "not taken");
	return t.said();
end

function methods.event(t, kind, attr)
	local ev = { type = kind; contact = traces.romeo; user = traces.juliet; status = 0 };
	for key, value in pairs(attr or {}) do ev[key] = value; end
	t.world.events(ev);
	return t.said();
end

function methods.passes(t, seconds)
	t.world.clock.advance(seconds);
	return t.said();
end

-- The contact watches the user, who is available.
function methods.watched(t)
	t.arrives("subscribe");
	t.event("watch", { watch = "active"; status = 200 });
	return t.event("state", { presence = "available" });
end

-- The user watches the contact, who agreed.
function methods.granted(t)
	t.event("subscribe", { id = 7; added = true });
	return t.arrives("subscribed");
end

-- Of a host that is there already.
function traces.over(world, h)
	local t = { h = h; bridge = world.core.bridges[1]; world = world };
	t.said = traces.of(h, t.bridge);
	for name, method in pairs(methods) do
		t[name] = function (...) return method(t, ...); end;
	end
	return t;
end

-- given: a world that is prepared
function traces.start(given)
	local h, _, world = support.running(nil, given);
	return traces.over(world, h);
end

return traces;
