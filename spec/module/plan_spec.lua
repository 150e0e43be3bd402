-- SPDX-License-Identifier: MIT

local plan = require "spec.support.module".lib("plan");
local equal = require "spec.support.module".lib("bridge").equal;

describe("plan", function ()
	local function host(fqdn, interval)
		return { settings = { usable = true; bridge = function ()
			return { access_edge = "sip.example"; port = 5061; fqdn = fqdn or "xmpp.example"; listen = { "*:5061" }; rate = 0;
				subscription_refresh_interval = interval };
		end } };
	end

	local function domains(to_ascii)
		local entries = plan.make({ ["bücher.example"] = host() }, function () return "192.0.2.1"; end, equal, to_ascii);
		return entries["xmpp.example"].config.domains;
	end

	it("names a domain to the bridge in A-labels", function ()
		local function to_ascii(name)
			assert.equal("bücher.example", name);
			return "xn--bcher-kva.example";
		end
		assert.equal("xn--bcher-kva.example", domains(to_ascii)[1].name);
	end);

	it("hands the refresh interval on, on which the hosts of a bridge agree", function ()
		local function address() return "192.0.2.1"; end
		local entries, problems = plan.make({ ["a.example"] = host(nil, 600); ["b.example"] = host(nil, 600) }, address, equal);
		assert.same({}, problems);
		assert.equal(600, entries["xmpp.example"].config.subscription_refresh_interval);
		entries, problems = plan.make({ ["a.example"] = host(nil, 600); ["b.example"] = host(nil, 900) }, address, equal);
		assert.truthy(problems["b.example"]:find("differ in its subscription_refresh_interval", 1, true));
		assert.equal(1, #entries["xmpp.example"].config.domains);
	end);

	it("leaves a name that has none as it is", function ()
		assert.equal("bücher.example", domains(function () end)[1].name);
	end);
end);
