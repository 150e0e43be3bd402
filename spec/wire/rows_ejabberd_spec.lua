-- Every valid row of the negotiation matrix, both ways, with partners on ejabberd of every kind.
-- SPDX-License-Identifier: MIT
--
-- The gateway's Prosody has the strict options of Debian's sample for everybody else.

local ejabberd = require "spec.support.ejabberd";
local Rows = require "spec.support.rows";

local STARTTLS = { able = "required"; optional = "optional"; self = "optional"; distrust = "optional"; plain = "false";
	external = "optional" };

local SELF_SIGNED = { refused = "certificate certificate-self-signed"; user = "self%-signed"; ours = "self%-signed";
	theirs = "self%-signed" };
local NO_TLS = {
	["in"] = { user = "STARTTLS is disabled"; ours = "STARTTLS is disabled"; theirs = "STARTTLS is disabled" };
	out = { refused = "features tls-required"; user = "TLS is required"; ours = "TLS is required"; theirs = "TLS is required" };
};
local NO_DIALBACK = {
	["in"] = { user = "no SASL mechanisms"; ours = ""; theirs = "authentication failed" }; -- it hangs up without a word
	out = { user = "not%-authorized"; ours = "not%-authorized"; theirs = "not%-authorized" };
};
local TOLD = {
	["sasl-self"] = { ["in"] = SELF_SIGNED; out = SELF_SIGNED };
	-- It offers EXTERNAL to everybody.
	["sasl-distrust"] = { out = { refused = "sasl sasl-failed"; user = "self signed" } };
	["sasl-plain"] = NO_TLS; ["tls-plain"] = NO_TLS; ["tls_dialback-plain"] = NO_TLS;
	["tls_dialback-external"] = NO_DIALBACK; ["dialback-external"] = NO_DIALBACK;
	["clear-external"] = {
		["in"] = { user = "Peer doesn't support STARTTLS"; ours = ""; theirs = "authentication failed" };
		out = NO_DIALBACK.out;
	};
	["clear-able"] = {
		["in"] = { user = "Use of STARTTLS required"; ours = "Use of STARTTLS required"; theirs = "Use of STARTTLS required" };
		out = { refused = "features tls-not-supported"; user = "TLS"; ours = "TLS"; theirs = "TLS" };
	};
};

-- Anybody may log in; what a kind needs is said for each host.
local function configuration(all)
	local of_host, dialback = { "host_config:" }, { "append_host_config:" };
	for _, case in ipairs(all.cases) do
		local ca = case.kind == "distrust" and (", s2s_cafile: %q"):format(all.other_ca.file) or "";
		of_host[#of_host + 1] = ("  %s: { s2s_use_starttls: %s%s }"):format(case.domain, STARTTLS[case.kind], ca);
		if case.kind ~= "external" then
			dialback[#dialback + 1] = ("  %s: { modules: { mod_s2s_dialback: {} } }"):format(case.domain);
		end
	end
	return table.concat({ "anonymous_protocol: login_anon", table.concat(of_host, "\n"), table.concat(dialback, "\n"), "" }, "\n");
end

-- Authenticated streams of a domain in its own server's log, which does not say what version of TLS it was: tls.
local function streams_of(server, domain, tls)
	local seen = {};
	local pattern = "%((t%l+)|[^)]*%) Accepted (%l+) s2s (%a+) authentication (%S+) %-> (%S+)";
	for transport, direction, mechanism, from, to in server.process.output:gmatch(pattern) do
		local ours = direction == "inbound" and "out" or "in";
		if domain == (ours == "out" and to or from) then
			local clear = transport == "tcp";
			Rows.note_stream(seen, ours, mechanism == "EXTERNAL" and "sasl-tls" or clear and "tcp-dialback" or "tls-dialback",
				clear and "none" or tls[ours] and tls[ours][2] or "TLS");
		end
	end
	return seen;
end

-- Why its streams were closed, in its own log.
local function closed(server, domain, direction)
	local reasons = {};
	local pattern = direction == "out" and "inbound s2s connection contoso%.com %-> ([%w.-]+): ([^\n]+)"
		or "outbound s2s connection ([%w.-]+) %-> contoso%.com: ([^\n]+)";
	for name, reason in server.process.output:gmatch(pattern) do
		if name == domain then reasons[#reasons + 1] = reason; end
	end
	return table.concat(reasons, "; ");
end

describe("with a partner on ejabberd,", function ()
	local rows, server, shown;
	local partner = {};
	function partner.streams(domain) return streams_of(server, domain, rows:logged(domain)); end
	function partner.closed(domain, direction) return closed(server, domain, direction); end

	setup(function ()
		rows = Rows.new({
			address = function () return "ejabberd"; end;
			global = "s2s_require_encryption = true\ns2s_secure_auth = true\n";
			settings = "s2s_require_encryption = false\ns2s_secure_auth = false\n";
		}, function (all)
			server = ejabberd.partner(all.w.loop, { ca = all.w.ca; name = "ejabberd"; dns = all.w.dns; auth_method = "anonymous";
				domains = all:domains(table.unpack(Rows.KINDS)); cert = all:by_domain(all.certs); config = configuration(all) });
		end);
		rows:talk();
		shown = rows:shown();
	end);
	teardown(function () rows.w:finish(); end);

	for i, static in ipairs(Rows.all()) do
		it(static.title, function ()
			rows:check(rows.cases[i], partner, TOLD[static.class.."-"..static.kind]);
		end);
	end

	it("shows the streams of all rows in its shell", function ()
		local logged = {};
		for _, case in ipairs(rows.cases) do
			local streams = rows:logged(case.domain);
			logged[case.domain] = next(streams) and streams;
		end
		assert.same(logged, shown);
	end);

	it("falls back to dialback where EXTERNAL is refused", function ()
		for _, row in ipairs { 3, 7, 9 } do
			rows.w.gateway:wait_log(('fell back: [^\n]*remote="row%d%%-distrust%%.example"'):format(row));
		end
	end);

	it("goes through all allowed methods before it gives up", function ()
		rows.w.gateway:wait_log('fell back: [^\n]*remote="row15%-external%.example" from=tls%-dialback to=tcp%-dialback');
	end);
end);
