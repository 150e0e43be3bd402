-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local dialback_key = support.lib("dialback_key");

describe("dialback key", function ()
	local settings, logs, h;
	before_each(function ()
		settings = support.settings("contoso.com");
		logs = {};
		h = { settings = settings; log = function (level, text) table.insert(logs, level.." "..text); end };
	end);

	local function passphrase(text)
		settings.of_gateway = text and { dialback_passphrase = text } or nil;
	end

	-- What mod_dialback leaves in its environment.
	local function mod_dialback()
		return setmetatable({ generate_dialback = function () return "its own"; end }, { __index = _G });
	end

	it("is the one of XEP-0185 and XEP-0220", function ()
		local key = dialback_key.make("s3cr3tf0rd14lb4ck");
		-- also: openssl dgst -sha256 -hmac of the secret's SHA-256 in hexadecimal
		assert.equal("37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643",
			key("D60000229F", "xmpp.example.com", "example.org"));
		assert.equal("b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3",
			key("D60000229F", "montague.example", "capulet.example"));
	end);

	it("depends on each of its parts", function ()
		local key = dialback_key.make("s3cr3tf0rd14lb4ck");
		local seen = {};
		for _, text in ipairs { key("1", "a", "b"), key("2", "a", "b"), key("1", "b", "a"), key("1", "a", "c"),
			dialback_key.make("another one")("1", "a", "b") } do
			assert.is_nil(seen[text]);
			seen[text] = true;
		end
	end);

	it("is made by mod_dialback's function while a passphrase is set", function ()
		local env = mod_dialback();
		passphrase("s3cr3tf0rd14lb4ck");
		dialback_key.apply(h, env);
		assert.equal(dialback_key.make("s3cr3tf0rd14lb4ck")("1", "a", "b"), env.generate_dialback("1", "a", "b"));
		passphrase("another one");
		dialback_key.apply(h, env);
		assert.equal(dialback_key.make("another one")("1", "a", "b"), env.generate_dialback("1", "a", "b"));
		passphrase(nil);
		dialback_key.apply(h, env);
		assert.equal("its own", env.generate_dialback());
		assert.same({}, logs);
	end);

	it("may be applied any number of times", function ()
		local env = mod_dialback();
		passphrase("s3cr3tf0rd14lb4ck");
		for _ = 1, 3 do
			dialback_key.apply(h, env);
		end
		passphrase(nil);
		dialback_key.apply(h, env);
		assert.equal("its own", env.generate_dialback());
	end);

	it("is mod_dialback's own without a passphrase", function ()
		local env = mod_dialback();
		local before = env.generate_dialback;
		dialback_key.apply(h, env);
		assert.equal(before, env.generate_dialback);
	end);

	it("waits for mod_dialback, also for the one after its reload", function ()
		passphrase("s3cr3tf0rd14lb4ck");
		dialback_key.apply(h, nil);
		for _ = 1, 2 do
			local env = mod_dialback();
			dialback_key.apply(h, env);
			assert.not_equal("its own", env.generate_dialback("1", "a", "b"));
		end
		assert.same({}, logs);
	end);

	it("says so when mod_dialback makes its keys in another way", function ()
		for _, env in ipairs { {}, setmetatable({}, { __index = { generate_dialback = function () end } }), { generate_dialback = 5 } } do
			logs = {};
			passphrase("s3cr3tf0rd14lb4ck");
			dialback_key.apply(h, env);
			assert.matches("^error dialback_passphrase: ", logs[1]);
			assert.is_nil(logs[1]:find("s3cr3t", 1, true));
			logs = {};
			passphrase(nil);
			dialback_key.apply(h, env);
			assert.same({}, logs);
		end
	end);
end);
