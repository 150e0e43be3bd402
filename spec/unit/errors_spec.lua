-- Errors: RFC 7247 section 7 both ways, and Lync's diagnostics.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

-- "status condition type", one row of the documents each
local to_condition = [[
300 redirect modify
301 gone cancel
302 redirect modify
305 redirect modify
380 not-acceptable modify
399 redirect modify
400 bad-request modify
401 not-authorized auth
402 bad-request modify
403 forbidden auth
404 item-not-found cancel
405 feature-not-implemented cancel
406 not-acceptable modify
407 registration-required auth
408 remote-server-timeout wait
410 gone cancel
413 policy-violation modify
414 policy-violation modify
415 not-acceptable modify
416 not-acceptable modify
420 feature-not-implemented cancel
421 not-acceptable modify
423 resource-constraint wait
430 recipient-unavailable wait
439 feature-not-implemented cancel
440 policy-violation modify
480 recipient-unavailable wait
481 item-not-found cancel
482 not-acceptable modify
483 not-acceptable modify
484 item-not-found cancel
485 item-not-found cancel
486 recipient-unavailable wait
487 recipient-unavailable wait
488 not-acceptable modify
489 policy-violation modify
491 unexpected-request wait
493 bad-request modify
499 bad-request modify
500 internal-server-error cancel
501 feature-not-implemented cancel
502 remote-server-not-found cancel
503 internal-server-error cancel
504 remote-server-timeout wait
505 not-acceptable modify
513 policy-violation modify
599 internal-server-error cancel
600 recipient-unavailable wait
603 recipient-unavailable wait
604 item-not-found cancel
606 not-acceptable modify
699 recipient-unavailable wait
700 undefined-condition cancel
]];

-- "diagnostics status condition type"
local with_diagnostics = [[
1001 403 forbidden auth
1002 403 forbidden auth
1003 404 item-not-found cancel
1003 480 item-not-found cancel
1004 481 item-not-found cancel
1005 404 remote-server-not-found cancel
1006 504 remote-server-timeout wait
1007 503 remote-server-timeout wait
1008 504 remote-server-not-found cancel
1009 504 remote-server-not-found cancel
1010 504 remote-server-timeout wait
1011 486 recipient-unavailable wait
1012 403 forbidden auth
1014 504 remote-server-not-found cancel
1027 504 not-allowed cancel
1034 404 item-not-found cancel
1047 504 remote-server-timeout wait
2000 404 item-not-found cancel
2004 403 forbidden auth
2011 503 resource-constraint wait
2012 503 resource-constraint wait
2013 421 feature-not-implemented cancel
2014 481 item-not-found cancel
2016 481 item-not-found cancel
2165 488 not-acceptable modify
4005 404 item-not-found cancel
15999 606 not-acceptable modify
16000 606 policy-violation modify
16999 606 policy-violation modify
17000 606 not-acceptable modify
309 606 policy-violation modify
310 606 not-acceptable modify
309 488 not-acceptable modify
52035 488 not-acceptable modify
60001 480 recipient-unavailable wait
99999 404 item-not-found cancel
]];

-- "condition full bare diagnostics"
local to_status = [[
bad-request 400 400 -
conflict 400 400 -
feature-not-implemented 405 501 -
forbidden 403 603 -
gone 410 410 -
internal-server-error 500 500 -
item-not-found 404 604 1003
jid-malformed 400 400 -
not-acceptable 406 606 -
not-allowed 403 403 -
not-authorized 401 401 -
policy-violation 403 403 -
recipient-unavailable 480 600 60001
redirect 480 480 -
registration-required 407 407 -
remote-server-not-found 404 404 1005
remote-server-timeout 408 408 1007
resource-constraint 500 500 -
service-unavailable 403 403 60002
subscription-required 400 400 -
undefined-condition 400 400 -
unexpected-request 400 400 -
no-such-condition 400 400 -
]];

describe("to_condition", function ()
	for status, condition, kind in to_condition:gmatch("(%d+) (%S+) (%S+)\n") do
		it(status .. " is " .. condition, function ()
			assert.same({ condition, kind }, { core.to_condition(tonumber(status)) });
			assert.same({ condition, kind }, { core.to_condition(tonumber(status), 0) });
		end);
	end

	for diag, status, condition, kind in with_diagnostics:gmatch("(%d+) (%d+) (%S+) (%S+)\n") do
		it(status .. " with " .. diag .. " is " .. condition, function ()
			assert.same({ condition, kind }, { core.to_condition(tonumber(status), tonumber(diag)) });
		end);
	end

	it("has a condition for every status from 300", function ()
		for status = 300, 699 do
			local condition, kind = core.to_condition(status);
			assert.is_string(condition);
			assert.is_truthy(({ auth = 1, cancel = 1, modify = 1, wait = 1 })[kind]);
		end
	end);

	it("makes no error of what is none", function ()
		for _, status in ipairs { 0, 100, 180, 200, 202, 299 } do
			local condition, token = core.to_condition(status, 1003);
			assert.is_nil(condition);
			assert.equal("not-an-error", token);
		end
	end);

	it("takes any number", function ()
		assert.equal("undefined-condition", (core.to_condition(math.maxinteger)));
		assert.equal("undefined-condition", (core.to_condition(math.mininteger)));
		assert.equal("item-not-found", (core.to_condition(404, math.mininteger)));
	end);
end);

describe("to_status", function ()
	for condition, full, bare, diag in to_status:gmatch("(%S+) (%d+) (%d+) (%S+)\n") do
		it(condition, function ()
			for full_jid, want in pairs { [true] = full, [false] = bare } do
				local status, phrase, code, text = core.to_status(condition, full_jid, "cancel");
				assert.equal(tonumber(want), status);
				assert.is_truthy(phrase and phrase ~= "Error");
				assert.equal(tonumber(diag), code);
				assert.equal(code == nil, text == nil);
			end
		end);
	end

	it("heeds the type", function ()
		assert.equal(491, (core.to_status("unexpected-request", true, "wait")));
		assert.same({ 408, "Request Timeout", 1007, "Temporarily cannot route" },
			{ core.to_status("remote-server-not-found", true, "wait") });
		assert.equal(404, (core.to_status("item-not-found", true, "wait")));
	end);

	it("redirects only with an address", function ()
		assert.same({ 301, "Moved Permanently" }, { core.to_status("gone", true, "cancel", true) });
		assert.same({ 302, "Moved Temporarily" }, { core.to_status("redirect", true, "modify", true) });
		assert.equal(404, (core.to_status("item-not-found", true, nil, true)));
	end);

	it("has the texts that Lync's users see", function ()
		assert.same({ 604, "Does Not Exist Anywhere", 1003, "User does not exist" },
			{ core.to_status("item-not-found", false) });
		assert.same({ 480, "Temporarily Unavailable", 60001, "The remote user is offline" },
			{ core.to_status("recipient-unavailable", true) });
	end);

	it("never says 503", function ()
		for condition in to_status:gmatch("(%S+) %d+ %d+ %S+\n") do
			for _, kind in ipairs { "auth", "cancel", "continue", "modify", "wait" } do
				local status = core.to_status(condition, true, kind);
				assert.is_true(status >= 400 and status < 700 and status ~= 503);
			end
		end
	end);
end);
