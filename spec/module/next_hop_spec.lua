-- proxy_fqdn, with Prosody's own resolvers and a DNS that answers at once.
-- SPDX-License-Identifier: MIT

local support = require "spec.support.module";
local chain = require "net.resolvers.chain";
local service = require "net.resolvers.service";
local dns = support.dns;

local D, PROXY = "fabrikam.com", "xmpp.fabrikam.com:5270";

describe("next hop", function ()
	local next_hop, settings, unwrap, original;
	before_each(function ()
		next_hop = support.lib("next_hop");
		settings = support.settings("contoso.com");
		settings.of_partner = { [D] = { proxy_fqdn = PROXY } };
		settings.list["litware.com"] = "litware.com";
		original = service.new;
		unwrap = next_hop.wrap(service);
		dns.asked = {};
		dns.answers = {
			["xmpp.fabrikam.com A"] = { { a = "192.0.2.5" } };
			["_xmpp-server._tcp.fabrikam.com SRV"] = { { srv = { target = "srv.fabrikam.com"; port = 5269; priority = 0; weight = 0 } } };
			["_xmpps-server._tcp.fabrikam.com SRV"] = { { srv = { target = "tls.fabrikam.com"; port = 5270; priority = 0; weight = 0 } } };
			["srv.fabrikam.com A"] = { { a = "192.0.2.6" } }; ["tls.fabrikam.com A"] = { { a = "192.0.2.7" } };
			["_xmpp-server._tcp.litware.com SRV"] = { { srv = { target = "srv.litware.com"; port = 5269; priority = 0; weight = 0 } } };
			["srv.litware.com A"] = { { a = "192.0.2.8" } };
		};
	end);
	after_each(function ()
		unwrap();
		service.new = original;
	end);

	-- mod_s2s of 0.12: route_to_new_session
	local function resolver(domain, with_tls)
		local result = service.new(domain, "xmpp-server", "tcp", {});
		if with_tls then
			result = chain.new { service.new(domain, "xmpps-server", "tcp", { default_port = false }); result };
		end
		return result;
	end

	-- All that would be connected to, in order.
	local function targets(from)
		local found, going = {}, true;
		while going do
			from:next(function (kind, ip, port)
				going = kind ~= nil;
				if kind then table.insert(found, ip..":"..port); end
			end);
		end
		return found;
	end

	it("is the proxy, and its port, in place of the domain's records", function ()
		for _, with_tls in ipairs { true, false } do
			dns.asked = {};
			next_hop.set(settings, D);
			assert.same({ "192.0.2.5:5270" }, targets(resolver(D, with_tls)));
			assert.same({ "xmpp.fabrikam.com A", "xmpp.fabrikam.com AAAA" }, dns.asked);
		end
	end);

	it("is the partner's for all its domains", function ()
		next_hop.set(settings, "na.fabrikam.com");
		assert.same({ "192.0.2.5:5270" }, targets(resolver("na.fabrikam.com", true)));
	end);

	it("has 5269 for its port when none is written", function ()
		settings.of_partner[D].proxy_fqdn = "xmpp.fabrikam.com";
		next_hop.set(settings, D);
		assert.same({ "192.0.2.5:5269" }, targets(resolver(D, false)));
	end);

	it("is what the DNS says where the partner has no proxy", function ()
		next_hop.set(settings, "litware.com");
		assert.same({ "192.0.2.8:5269" }, targets(resolver("litware.com", true)));
		settings.of_partner = {};
		next_hop.set(settings, D);
		assert.same({ "192.0.2.7:5270", "192.0.2.6:5269" }, targets(resolver(D, true)));
		next_hop.set(settings, "evil.com"); -- no partner at all
		assert.same({}, targets(resolver("evil.com", true)));
	end);

	it("is the proxy for the stream that is being made alone", function ()
		next_hop.set(settings, D);
		resolver(D, true);
		assert.same({ "192.0.2.7:5270", "192.0.2.6:5269" }, targets(resolver(D, true))); -- another host's stream
		next_hop.set(settings, D);
		resolver(D, false);
		assert.same({ "192.0.2.7:5270", "192.0.2.6:5269" }, targets(resolver(D, true)));
	end);

	it("is nothing to another domain, nor after it", function ()
		next_hop.set(settings, D);
		assert.same({ "192.0.2.8:5269" }, targets(resolver("litware.com", true)));
		assert.same({ "192.0.2.6:5269" }, targets(resolver(D, false)));
		next_hop.set(settings, D);
		service.new("fabrikam.com", "xmpp-client", "tcp", {}); -- another question
		assert.same({ "192.0.2.6:5269" }, targets(resolver(D, false)));
	end);

	it("follows the settings of the moment", function ()
		next_hop.set(settings, D);
		settings.of_partner = {};
		next_hop.set(settings, D); -- of the next stream
		assert.same({ "192.0.2.6:5269" }, targets(resolver(D, false)));
	end);

	it("hands on what Prosody says of the connection", function ()
		next_hop.set(settings, D);
		local extra = { use_ipv6 = false };
		local target;
		service.new(D, "xmpp-server", "tcp", extra):next(function (...) target = { ... }; end);
		assert.equal(extra, target[4]);
		assert.equal("tcp4", target[1]);
		assert.same({ "xmpp.fabrikam.com A" }, dns.asked);
	end);

	it("is undone without a trace, unless somebody has wrapped it again", function ()
		unwrap();
		assert.equal(original, service.new);
		next_hop.set(settings, D);
		assert.same({ "192.0.2.6:5269" }, targets(resolver(D, false)));
		unwrap = next_hop.wrap(service);
		local other = function (...) return original(...); end;
		service.new = other;
		unwrap();
		assert.equal(other, service.new);
	end);

	describe("where s2sout-pre-connect is fired", function ()
		before_each(function () unwrap(); end);

		local function pre_connect(domain)
			local event = { session = { to_host = domain }; resolver = resolver(domain, true) };
			next_hop.pre_connect(event);
			return targets(event.resolver);
		end

		it("is the proxy for the stream that is being made alone", function ()
			next_hop.set(settings, D);
			assert.same({ "192.0.2.5:5270" }, pre_connect(D));
			assert.same({ "192.0.2.7:5270", "192.0.2.6:5269" }, pre_connect(D));
		end);

		it("is what Prosody has found where the partner has no proxy", function ()
			next_hop.set(settings, "litware.com");
			assert.same({ "192.0.2.8:5269" }, pre_connect("litware.com"));
		end);

		it("is nothing to another domain, nor after it", function ()
			next_hop.set(settings, D);
			assert.same({ "192.0.2.8:5269" }, pre_connect("litware.com"));
			assert.same({ "192.0.2.7:5270", "192.0.2.6:5269" }, pre_connect(D));
		end);
	end);
end);
