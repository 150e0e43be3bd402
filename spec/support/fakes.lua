-- What module.lua's hosts have of presence: the core's own roster, and a store in memory.
-- SPDX-License-Identifier: MIT
--
--	local keyval = fakes.keyval { juliet = entry }	-- keyval.data[node], keyval.log = { "set juliet", … }
--	keyval.fails.set = "disk full" | function (node) return "disk full" | nil end	-- also get, users; "boom": it raises

local core = require "lync_gateway.core";
local decisions = require "spec.support.decisions";

local fakes = {};

-- Methods that ask the settings, which are fakes: the real ones for them.
local asking = { "stanza"; "event"; "next"; "say"; "tick"; "listed"; "may_address"; "outcome"; "explain" };
local passing = { "load"; "again"; "settings"; "finish"; "dirty"; "dirty_again"; "pairs_of"; "rows"; "tally"; "counts"; "close" };

local methods = {};
local mt = { __index = methods };

for _, name in ipairs(asking) do
	methods[name] = function (self, settings, ...)
		return self.real[name](self.real, decisions.real(settings), ...);
	end;
end

for _, name in ipairs(passing) do
	methods[name] = function (self, ...)
		return self.real[name](self.real, ...);
	end;
end

function fakes.roster(...)
	return setmetatable({ real = assert(core.roster(...)) }, mt);
end

local function copy(value)
	if type(value) ~= "table" then return value; end
	local result = {};
	for key, item in pairs(value) do
		result[key] = copy(item);
	end
	return result;
end

-- As Prosody's drivers: what goes in and out are copies.
function fakes.keyval(data)
	local keyval = { data = data or {}; fails = {}; log = {} };

	local function failure(name, node)
		table.insert(keyval.log, node and name.." "..node or name);
		local fails = keyval.fails[name];
		local err = type(fails) == "function" and fails(node) or type(fails) == "string" and fails or nil;
		if err == "boom" then error("boom"); end
		return err;
	end

	function keyval:get(node)
		local err = failure("get", node);
		if err then return nil, err; end
		return copy(self.data[node]);
	end

	function keyval:set(node, value)
		local err = failure("set", node);
		if err then return nil, err; end
		self.data[node] = copy(value);
		return true;
	end

	-- An iterator that needs its state, as that of the "internal" driver.
	function keyval:users()
		local err = failure("users");
		if err then return nil, err; end
		local state = { data = self.data };
		return function (s) -- luacheck: ignore 432
			assert(s == state, "called without its state");
			s.last = next(s.data, s.last);
			return s.last;
		end, state;
	end

	-- How often; name: "set", "get juliet", …
	function keyval.count(name)
		local n = 0;
		for _, line in ipairs(keyval.log) do
			n = n + ((line == name or line:sub(1, #name + 1) == name.." ") and 1 or 0);
		end
		return n;
	end

	return keyval;
end

return fakes;
