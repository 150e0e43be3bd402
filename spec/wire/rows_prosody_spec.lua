-- Every valid row of the negotiation matrix, both ways, with partners on Prosody of every kind.
-- SPDX-License-Identifier: MIT
--
-- Two servers, for what mod_s2s requires is global: one as Debian's sample has it, one that goes along with everything.

local prosody = require "spec.support.prosody";
local Rows = require "spec.support.rows";

local SERVERS = {
	strict = { "s2s_require_encryption = true\ns2s_secure_auth = true\n", "able" };
	lax = { "s2s_require_encryption = false\ns2s_secure_auth = false\n", "optional", "self", "distrust", "plain", "external" };
};
local HOSTS = { plain = "\ts2s_allow_encryption = false\n"; external = "\tmodules_disabled = { \"dialback\" }\n";
	distrust = "\ts2s_ssl = { cafile = %q }\n" };
local SHOW = 's2s:show(nil, "host dir remote secure s2s_sasl type")';

local SELF_SIGNED = { refused = "certificate certificate-self-signed"; user = "self%-signed"; ours = "self%-signed";
	theirs = "self%-signed" };
local NO_TLS = {
	["in"] = { refused = "dialback tls-required"; user = "dialback authentication failed"; theirs = "dialback authentication failed" };
	out = { refused = "features tls-required"; user = "TLS is required"; ours = "TLS is required"; theirs = "TLS is required" };
};
local NO_DIALBACK = {
	["in"] = { user = "No viable authentication method"; ours = "unsupported%-feature"; theirs = "No viable" };
	out = { user = "unsupported%-stanza%-type"; ours = "unsupported%-stanza%-type"; theirs = "unsupported%-stanza%-type" };
};
local TOLD = {
	["sasl-self"] = { ["in"] = SELF_SIGNED; out = SELF_SIGNED };
	["sasl-distrust"] = { out = { refused = "features sasl-not-offered"; user = "SASL"; ours = "SASL"; theirs = "SASL" } };
	["sasl-plain"] = NO_TLS; ["tls-plain"] = NO_TLS; ["tls_dialback-plain"] = NO_TLS;
	["tls_dialback-external"] = NO_DIALBACK; ["dialback-external"] = NO_DIALBACK; ["clear-external"] = NO_DIALBACK;
	["clear-able"] = {
		["in"] = { refused = "starttls tls-not-supported"; user = "TLS negotiation failed"; ours = "TLS"; theirs = "TLS" };
		out = { refused = "features tls-not-supported"; user = "TLS"; ours = "TLS"; theirs = "TLS" };
	};
};

-- domain -> its authenticated streams, as its own server shows them.
local function streams_of(server, seen)
	local pattern = "([%w.-]+) +| ([-<>]+) +| contoso%.com +| (%S+) +| (%a*) +| (s2s%l+)[ \n]";
	for domain, arrow, secure, sasl, kind in server:shell(SHOW):gmatch(pattern) do
		local clear = secure == "insecure";
		seen[domain] = seen[domain] or {};
		assert(arrow ~= "<->" and (kind == "s2sin" or kind == "s2sout"), domain);
		Rows.note_stream(seen[domain], arrow == "-->" and "in" or "out", sasl == "Succeeded" and "sasl-tls"
			or clear and "tcp-dialback" or "tls-dialback", clear and "none" or secure);
	end
end

-- Why its streams were closed, in its own log.
local function closed(server, domain, direction)
	local reasons = {};
	local pattern = direction == "out" and "stream contoso%.com%->([%w.-]+) closed: ([^\n]+)"
		or "stream ([%w.-]+)%->contoso%.com closed: ([^\n]+)";
	for name, reason in server.process.output:gmatch(pattern) do
		if name == domain then reasons[#reasons + 1] = reason; end
	end
	return table.concat(reasons, "; ");
end

describe("with a partner on Prosody,", function ()
	local rows, shown;
	local servers, seen, partner = {}, {}, {};
	function partner.streams(domain) return seen[domain] or {}; end
	function partner.closed(domain, direction)
		return closed(domain:match("^row%d+%-able%.") and servers.strict or servers.lax, domain, direction);
	end

	setup(function ()
		rows = Rows.new({ address = function (kind) return kind == "able" and "strict" or "lax"; end }, function (all)
			HOSTS.distrust = HOSTS.distrust:format(all.other_ca.file);
			for name, of_name in pairs(SERVERS) do
				local domains, users = all:domains(table.unpack(of_name, 2)), {};
				for _, domain in ipairs(domains) do users["romeo@"..domain] = "secret"; end
				servers[name] = prosody.partner(all.w.loop, { ca = all.w.ca; name = name; domains = domains; users = users;
					dns = all.w.dns; global = of_name[1]; cert = all:by_domain(all.certs); host_of = all:by_domain(HOSTS) });
			end
		end);
		rows:talk();
		for _, server in pairs(servers) do streams_of(server, seen); end
		shown = rows:shown();
	end);
	teardown(function () rows.w:finish(); end);

	for i, static in ipairs(Rows.all()) do
		it(static.title, function ()
			rows:check(rows.cases[i], partner, TOLD[static.class.."-"..static.kind]);
		end);
	end

	it("shows the streams of all rows in its shell", function ()
		assert.same(seen, shown);
	end);

	it("goes through all allowed methods before it gives up", function ()
		rows.w.gateway:wait_log('fell back: [^\n]*remote="row15%-external%.example" from=tls%-dialback to=tcp%-dialback');
	end);
end);
