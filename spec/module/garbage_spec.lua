-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";

describe("garbage", function ()
	local garbage = support.lib("garbage");
	after_each(function () collectgarbage("restart"); end);

	it("is not collected meanwhile, and is afterwards", function ()
		local running;
		garbage.put_off(function () running = collectgarbage("isrunning"); end);
		assert.is_false(running);
		assert.is_true(collectgarbage("isrunning"));
	end);

	it("is collected again after an error, which comes out", function ()
		assert.error_matches(function () garbage.put_off(function () error("no such partner"); end); end, "no such partner");
		assert.is_true(collectgarbage("isrunning"));
	end);

	it("stays as it is where somebody else has stopped it", function ()
		collectgarbage("stop");
		garbage.put_off(function () end);
		assert.is_false(collectgarbage("isrunning"));
	end);
end);
