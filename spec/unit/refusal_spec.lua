-- What each side is told, for every token of a refusal.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

-- token, stream error (-: closed without one), SASL failure, type and condition of stanza and dialback errors
local refusals = [[
bad-jid improper-addressing invalid-authzid modify jid-malformed
not-a-partner policy-violation not-authorized cancel not-allowed
partner-disabled policy-violation not-authorized cancel not-allowed
loop policy-violation not-authorized cancel not-allowed
no-settings policy-violation not-authorized cancel service-unavailable
not-our-domain policy-violation not-authorized cancel item-not-found
user-not-enabled policy-violation not-authorized auth forbidden
not-authenticated-for-us not-authorized not-authorized cancel policy-violation
bad-origin policy-violation not-authorized cancel not-allowed
tls-required policy-violation encryption-required cancel policy-violation
tls-not-supported policy-violation invalid-mechanism cancel policy-violation
sasl-required unsupported-feature not-authorized cancel policy-violation
dialback-not-supported unsupported-feature not-authorized cancel policy-violation
sasl-not-supported policy-violation invalid-mechanism cancel policy-violation
sasl-not-offered unsupported-feature not-authorized cancel policy-violation
sasl-failed - not-authorized wait remote-server-timeout
tls-failed policy-violation not-authorized wait remote-server-timeout
bad-mechanism policy-violation invalid-mechanism cancel policy-violation
certificate-missing not-authorized not-authorized cancel policy-violation
certificate-expired not-authorized not-authorized cancel policy-violation
certificate-not-yet-valid not-authorized not-authorized cancel policy-violation
certificate-self-signed not-authorized not-authorized cancel policy-violation
certificate-untrusted not-authorized not-authorized cancel policy-violation
certificate-wrong-name not-authorized not-authorized cancel policy-violation
certificate-lapsed reset not-authorized wait remote-server-timeout
version-too-old unsupported-version not-authorized cancel policy-violation
unsolicited-answer not-authorized not-authorized cancel policy-violation
tls-too-late policy-violation not-authorized cancel policy-violation
too-many-attempts policy-violation not-authorized cancel policy-violation
no-identity improper-addressing invalid-authzid cancel policy-violation
connection-limit resource-constraint temporary-auth-failure wait resource-constraint
partner-connection-limit resource-constraint temporary-auth-failure wait resource-constraint
establishment-timeout connection-timeout temporary-auth-failure wait remote-server-timeout
keep-alive-timeout - temporary-auth-failure wait remote-server-timeout
inactive - temporary-auth-failure wait remote-server-timeout
other-host not-authorized not-authorized cancel policy-violation
not-on-contact-list policy-violation not-authorized auth forbidden
no-memory resource-constraint temporary-auth-failure wait resource-constraint
roster-full resource-constraint temporary-auth-failure wait resource-constraint
subscription-limit resource-constraint temporary-auth-failure wait resource-constraint
recipient-limit resource-constraint temporary-auth-failure wait resource-constraint
partner-quarantined resource-constraint temporary-auth-failure wait resource-constraint
]];

-- RFC 6120, 4.9.3, 6.5 and 8.3.3
local function set(words)
	local result = {};
	for word in words:gmatch("%S+") do
		result[word] = true;
	end
	return result;
end
local stream_errors = set [[improper-addressing policy-violation not-authorized unsupported-feature unsupported-version
	resource-constraint connection-timeout reset internal-server-error]];
local sasl_failures = set [[invalid-authzid not-authorized encryption-required invalid-mechanism temporary-auth-failure]];
local conditions = set [[jid-malformed not-allowed service-unavailable item-not-found forbidden policy-violation
	remote-server-timeout resource-constraint internal-server-error]];

describe("refusal", function ()
	local known = {};
	for token, stream, sasl, kind, condition in refusals:gmatch("(%S+) (%S+) (%S+) (%S+) (%S+)\n") do
		known[token] = true;
		it("of "..token, function ()
			local refusal = core.refusal(token);
			assert.is_truthy(refusal.text:find("^%l") or refusal.text:find("^%u%u"), refusal.text); -- it stands in a sentence
			refusal.text = nil;
			assert.same({ stream = stream ~= "-" and stream or nil; sasl = sasl; type = kind; condition = condition }, refusal);
		end);
	end

	it("has words of RFC 6120 alone", function ()
		for token in pairs(known) do
			local refusal = core.refusal(token);
			assert.is_true(refusal.stream == nil or stream_errors[refusal.stream], token);
			assert.is_true(sasl_failures[refusal.sasl] and conditions[refusal.condition], token);
		end
	end);

	it("of what is our own fault says so", function ()
		assert.same({ stream = "internal-server-error"; sasl = "temporary-auth-failure"; type = "cancel";
			condition = "internal-server-error"; text = "wrong use of a function" }, core.refusal("invalid"));
	end);

	it("is none of other words", function ()
		for _, token in ipairs { "", "x", "ok", "Not-A-Partner", "not-a-partner ", "bridge-down", "unknown" } do
			assert.is_nil(core.refusal(token));
		end
		assert.has_error(function () core.refusal(); end);
		assert.has_error(function () core.refusal({}); end);
	end);

	-- Whatever settings:stream, settings:stanza and settings:care refuse, somebody can be told: their tokens are those of
	-- plugin/error.c from LG_ENOTPARTNER on.
	it("has an entry for every token of the core", function ()
		local f = assert(io.open("plugin/error.c"));
		local source = f:read("a");
		f:close();
		local missing = {};
		local ours = set "invalid too-long bad-uri not-sip no-user bad-domain not-an-error domain-claimed no-memory";
		for token in source:gmatch('{LG_E%w+,%s*"([%l-]+)"') do
			if not known[token] and not ours[token] then missing[#missing+1] = token; end
		end
		assert.same({}, missing);
	end);
end);
