-- How prosodyctl reads what a name server says.
-- SPDX-License-Identifier: MIT

local lookup = require "spec.support.module".lib "lookup";

local function srv(priority, weight, target)
	return { priority = priority; weight = weight; port = 5269; target = target };
end

describe("an answer of the DNS", function ()
	it("has its services in their order, names without the last dot", function ()
		local targets = {};
		for i, record in ipairs(lookup.read("SRV", { srv(10, 0, "Last.example."), srv(0, 1, "light.example."),
			srv(0, 9, "heavy.example."), srv(0, 9, "even.example.") }, {})) do
			targets[i] = record.target;
		end
		assert.same({ "even.example", "heavy.example", "light.example", "last.example" }, targets);
		assert.equal("", lookup.read("SRV", { srv(0, 0, ".") }, {})[1].target);
	end);

	it("that a name does not exist is an answer, that a server failed or lies is none", function ()
		assert.same({}, lookup.read("A", {}, { rcode = 3 }));
		assert.same({}, lookup.read("A", {}, { rcode = 0 }));
		assert.equal("bogus: signature", lookup.read("A", {}, { rcode = 2; bogus = "signature" }).failed);
		assert.truthy(lookup.read("A", {}, { rcode = 2 }).failed);
		assert.truthy(lookup.read("A", {}, { rcode = 99 }).failed);
	end);

	it("has addresses of both families; a failure counts where there are none", function ()
		local answers = { ["a.example A"] = { "192.0.2.1" }; ["a.example AAAA"] = { failed = "SERVFAIL" } };
		assert.same({ { "192.0.2.1" } }, { lookup.addresses(answers, "a.example") });
		answers["a.example A"] = {};
		assert.same({ {}, "SERVFAIL" }, { lookup.addresses(answers, "a.example") });
	end);
end);
