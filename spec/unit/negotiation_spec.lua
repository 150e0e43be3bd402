-- The 18 rows of "Negotiation settings for XMPP federated partners", as they stand there.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";

local IDLE = "Dialback will not operate if both SASL and TLS are required.";
local MAY_FAIL = "SASL requires TLS. Allowing TLS to be optional may result in failed session negotiations.";
local NO_TLS = "Because SASL requires TLS, and TLS is not available, SASL/TLS cannot succeed. TCP Dialback is set to "
	.. "false, and cannot be used.";
local NEITHER = "SASL or Dialback must be enabled.";

local R, O, N = "required", "optional", "not_supported";
local all = { "sasl-tls", "tls-dialback", "tcp-dialback" };

-- TLS, SASL, dialback, methods (none: not valid), note or error, is it a warning
local rows = {
	{ R, R, true, { "sasl-tls" }, IDLE, true };
	{ R, R, false, { "sasl-tls" } };
	{ O, R, true, all, MAY_FAIL, true };
	{ O, R, false, { "sasl-tls" }, MAY_FAIL, true };
	{ N, R, true, { "tcp-dialback" }, MAY_FAIL, true };
	{ N, R, false, {}, NO_TLS };
	{ R, O, true, { "sasl-tls", "tls-dialback" } };
	{ R, O, false, { "sasl-tls" } };
	{ O, O, true, all, MAY_FAIL, true };
	{ O, O, false, { "sasl-tls" }, MAY_FAIL, true };
	{ N, O, true, { "tcp-dialback" }, MAY_FAIL, true };
	{ N, O, false, {}, MAY_FAIL };
	{ R, N, true, { "tls-dialback" }, "Configuration allows for TLS Dialback." };
	{ R, N, false, {}, NEITHER };
	{ O, N, true, { "tls-dialback", "tcp-dialback" },
		"Based on negotiation choices of the other end point, TCP or TLS Dialback will be accepted." };
	{ O, N, false, {}, NEITHER };
	{ N, N, true, { "tcp-dialback" }, "TCP Dialback is the only negotiation method available" };
	{ N, N, false, {}, NEITHER };
};

-- The compact rules that reproduce the table.
local function by_rules(tls, sasl, dialback)
	local methods = {};
	if tls ~= N and sasl ~= N then methods[#methods+1] = "sasl-tls"; end
	if dialback and tls ~= N and not (tls == R and sasl == R) then methods[#methods+1] = "tls-dialback"; end
	if dialback and tls ~= R then methods[#methods+1] = "tcp-dialback"; end
	local warning;
	if tls == R and sasl == R and dialback then
		warning = IDLE;
	elseif tls ~= R and sasl ~= N and not (tls == N and sasl == R and not dialback) then
		warning = MAY_FAIL;
	end
	return methods, warning, #methods == 0 and sasl == N;
end

describe("negotiation", function ()
	for number, row in ipairs(rows) do
		local tls, sasl, dialback, methods, text, warning = table.unpack(row, 1, 6);
		it(("row %d: %s, %s, %s"):format(number, tls, sasl, tostring(dialback)), function ()
			local valid = #methods > 0;
			assert.same({
				row = number; valid = valid; methods = methods; warning = warning or false;
				note = valid and text or nil; error = not valid and text or nil;
			}, core.negotiation(tls, sasl, dialback));
		end);

		it(("row %d follows the rules"):format(number), function ()
			local got = core.negotiation(tls, sasl, dialback);
			local want, remark, neither = by_rules(tls, sasl, dialback);
			assert.same(want, got.methods);
			assert.equal(#want > 0, got.valid);
			if remark then
				assert.equal(remark, got.note or got.error);
				assert.equal(got.valid, got.warning);
			else
				assert.is_false(got.warning);
			end
			assert.equal(neither, got.error == NEITHER);
		end);
	end

	it("counts 13 valid rows, 7 with a warning", function ()
		local valid, warnings = 0, 0;
		for _, row in ipairs(rows) do
			local got = core.negotiation(row[1], row[2], row[3]);
			valid = valid + (got.valid and 1 or 0);
			warnings = warnings + (got.warning and 1 or 0);
		end
		assert.same({ 13, 7 }, { valid, warnings });
	end);

	it("never falls to clear text when TLS is required", function ()
		for _, sasl in ipairs { R, O, N } do
			for _, dialback in ipairs { true, false } do
				for _, method in ipairs(core.negotiation(R, sasl, dialback).methods) do
					assert.not_equal("tcp-dialback", method);
				end
			end
		end
	end);

	it("raises on other words", function ()
		assert.has_error(function () core.negotiation("Required", R, true); end);
		assert.has_error(function () core.negotiation(R, "maybe", true); end);
		assert.has_error(function () core.negotiation(R, R); end);
		assert.has_error(function () core.negotiation(R, R, "true"); end);
	end);
end);
