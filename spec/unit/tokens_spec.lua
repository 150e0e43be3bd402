-- Every token and every log line of the sources is explained in docs/tokens.md, and nothing else is.
-- SPDX-License-Identifier: MIT

local tokens = require "spec.support.tokens";

local function missing(from, other)
	local list = {};
	for name in pairs(from) do
		if not other[name] then list[#list + 1] = name; end
	end
	table.sort(list);
	return list;
end

describe("docs/tokens.md", function ()
	local documented = tokens.documented();

	for kind, used in pairs { tokens = tokens.used(), lines = tokens.lines() } do
		it("explains all " .. kind, function ()
			assert.same({}, missing(used, documented[kind]));
		end);
		it("explains no " .. kind .. " that are gone", function ()
			assert.same({}, missing(documented[kind], used));
		end);
		it("explains each of the " .. kind .. " once", function ()
			local twice = {};
			for name, n in pairs(documented[kind]) do
				if n > 1 then twice[#twice + 1] = name; end
			end
			assert.same({}, twice);
		end);
	end

	it("is compared with what is really there: the reader finds tokens of every kind of source", function ()
		local used, lines = tokens.used(), tokens.lines();
		for _, token in ipairs { "not-a-partner", "tls-alert", "tls-timeout", "malformed", "too-large", "not-im", "no-notify",
			"no-stream", "bridge-closed", "other-host", "expired", "dormant", "from-domain", "overload", "bridge-died" } do
			assert.is_truthy(used[token], token);
		end
		for _, line in ipairs { "refused …", "started worker", "configured worker", "bridge …: sofia",
			"The bridge … does not start" } do
			assert.is_truthy(lines[line], line);
		end
	end);

	it("is what a wire spec compares the log with", function ()
		assert.same({ "new-one" }, tokens.unknown("x (token=not-a-partner a=b)\ny (token=new-one a=b)\nz (token=new-one)\n"));
	end);
end);
