-- rows.lua: the valid rows of the negotiation matrix, each with partners of several kinds on real servers; one gateway for all.
-- SPDX-License-Identifier: MIT
--
--	local rows = Rows.new(options, function (rows) … end)	-- the function starts the partners
--	rows:talk()						-- everybody to everybody, both ways
--	for _, case in ipairs(rows.cases) do rows:check(case, partner, told) end
--
-- A case is a partner domain, "row3-self.example", with one user there and one Lync user of its own. What came of it is in
-- case.heard: from_contact, from_lync (what crossed), contact_error = { condition, kind, text }, lync_error = { status, reason }.
-- Directions are those of streams as the gateway sees them: "in" has what the contact says, "out" what the Lync user says.

local luassert = require "luassert";
local CA = require "spec.support.ca";
local ports = require "spec.support.ports";
local sip = require "spec.support.sip";
local World = require "spec.support.world";
local xmpp = require "spec.support.xmpp";

local Rows = {};
Rows.__index = Rows;

--- able: TLS required, EXTERNAL and dialback; optional: the same, but it goes on without TLS; self: TLS optional, its certificate
-- is self-signed; distrust: TLS optional, it does not know our CA; plain: no TLS; external: EXTERNAL only.
Rows.KINDS = { "able", "optional", "self", "distrust", "plain", "external" };

local SASL, TLS, TCP, NONE = "sasl-tls", "tls-dialback", "tcp-dialback", nil;
local function both(method) return { ["in"] = method, out = method }; end

-- What may be used, and then the method of each direction with each kind. Who does not know our CA gives us no EXTERNAL, but uses
-- ours.
local CLASSES = {
	sasl = { able = both(SASL); optional = both(SASL); self = both(NONE); distrust = { ["in"] = SASL, out = NONE };
		plain = both(NONE); external = both(SASL) };
	any = { able = both(SASL); optional = both(SASL); self = both(TLS); distrust = { ["in"] = SASL, out = TLS };
		plain = both(TCP); external = both(SASL) };
	tls = { able = both(SASL); optional = both(SASL); self = both(TLS); distrust = { ["in"] = SASL, out = TLS };
		plain = both(NONE); external = both(SASL) };
	tls_dialback = { able = both(TLS); optional = both(TLS); self = both(TLS); distrust = both(TLS);
		plain = both(NONE); external = both(NONE) };
	dialback = { able = both(TLS); optional = both(TLS); self = both(TLS); distrust = both(TLS);
		plain = both(TCP); external = both(NONE) };
	clear = { able = both(NONE); optional = both(TCP); self = both(TCP); distrust = both(TCP);
		plain = both(TCP); external = both(NONE) };
};

-- Row, its settings, its class.
local MATRIX = {
	{ 1, "required", "required", true, "sasl" };
	{ 2, "required", "required", false, "sasl" };
	{ 3, "optional", "required", true, "any" };
	{ 4, "optional", "required", false, "sasl" };
	{ 5, "not_supported", "required", true, "clear" };
	{ 7, "required", "optional", true, "tls" };
	{ 8, "required", "optional", false, "sasl" };
	{ 9, "optional", "optional", true, "any" };
	{ 10, "optional", "optional", false, "sasl" };
	{ 11, "not_supported", "optional", true, "clear" };
	{ 13, "required", "not_supported", true, "tls_dialback" };
	{ 15, "optional", "not_supported", true, "dialback" };
	{ 17, "not_supported", "not_supported", true, "clear" };
};

local PARTNER = '["%s"] = { partner_type = "federated"; tls_negotiation = "%s"; sasl_negotiation = "%s"; '
	.. "support_dialback_negotiation = %s }";

--- All cases: { row, kind, class, methods, domain, settings, title }.
function Rows.all()
	local cases = {};
	for _, entry in ipairs(MATRIX) do
		for _, kind in ipairs(Rows.KINDS) do
			local domain, methods = string.format("row%d-%s.example", entry[1], kind), CLASSES[entry[5]][kind];
			local into, out = methods["in"] or "nothing", methods.out or "nothing";
			cases[#cases + 1] = { row = entry[1], kind = kind, class = entry[5], methods = methods, domain = domain, heard = {},
				settings = PARTNER:format(domain, entry[2], entry[3], tostring(entry[4])),
				title = ("row %d, %s: %s"):format(entry[1], kind, into == out and into or into.." in, "..out.." out") };
		end
	end
	return cases;
end

--- The domains of these kinds.
function Rows:domains(...)
	local wanted, domains = {}, {};
	for _, kind in ipairs { ... } do wanted[kind] = true; end
	for _, case in ipairs(self.cases) do
		if wanted[case.kind] then domains[#domains + 1] = case.domain; end
	end
	return domains;
end

--- domain -> value, of a table kind -> value.
function Rows:by_domain(of_kind)
	local values = {};
	for _, case in ipairs(self.cases) do values[case.domain] = of_kind[case.kind]; end
	return values;
end

-- A certificate for each kind, with the names of all its domains; and a CA that has nothing to do with them.
local function certificates(self)
	local ca = self.w.ca;
	self.certs = {};
	for _, kind in ipairs(Rows.KINDS) do
		local options = { names = self:domains(kind) };
		self.certs[kind] = kind == "self" and CA.self_signed(ca.directory, kind, options, ca.file) or ca:issue(kind, options);
	end
	self.other_ca = CA.new(ca.directory.."/other", "another CA");
end

--- A gateway with all rows. options: of World, and address = function (kind): the name of the server of a kind. start(rows) starts
-- the partners; rows.certs[kind] are their certificates.
function Rows.new(options, start)
	local self = setmetatable({ cases = Rows.all() }, Rows);
	local dns, partners = {}, {};
	for i, case in ipairs(self.cases) do
		dns[case.domain], partners[i] = ports.address(options.address(case.kind)), case.settings;
	end
	self.w = World.new { partner = false; dns = dns; partners = table.concat(partners, ";\n\t\t"); global = options.global;
		settings = options.settings; wire = { answer_wait = 5 }; edge = { contacts = self:domains(table.unpack(Rows.KINDS)) } };
	local ok, err = xpcall(function ()
		certificates(self);
		start(self);
	end, debug.traceback);
	if not ok then
		pcall(self.w.loop.close, self.w.loop);
		error(err, 0);
	end
	return self;
end

-- Until done(case) for all; what is not done after so many seconds shows in the case itself.
local function wait_all(self, seconds, what, done)
	local function all()
		local open = 0;
		for _, case in ipairs(self.cases) do
			if not done(case) then open = open + 1; end
		end
		return open == 0;
	end
	if not pcall(self.w.loop.within, self.w.loop, all, 2 * seconds, what) then self.w.loop:note("rows", "not all: "..what); end
end

local function log_in(self)
	for _, case in ipairs(self.cases) do
		case.lync = self.w:lync_user(("lena-%d-%s"):format(case.row, case.kind));
		case.contact = xmpp.connect(self.w.loop, { jid = "romeo@"..case.domain.."/orchard"; ip = self.w.dns[case.domain];
			no_wait = true });
	end
	for _, case in ipairs(self.cases) do case.contact:wait_ready(20); end
end

local function to_lync(self, seconds)
	for _, case in ipairs(self.cases) do
		case.said = case.contact:message(case.lync.address, "to Lync from "..case.domain);
	end
	wait_all(self, seconds, "messages to Lync", function (case)
		local heard = case.heard;
		for _, entry in ipairs(case.lync.received) do heard.from_contact = heard.from_contact or entry.text; end
		for _, stanza in ipairs(case.contact.stanzas) do
			if stanza.attr.type == "error" and stanza.attr.id == case.said then heard.contact_error = { stanza:error() }; end
		end
		return heard.from_contact or heard.contact_error;
	end);
end

-- What the Lync user knows of the fate of her message by now: nil, or status and reason.
local function fate(conversation)
	local response = conversation.state == "failed" and conversation.response
		or conversation.last and conversation.last.status and conversation.last.response;
	if response and response.status >= 300 then
		return { response.status, sip.get(response, "ms-diagnostics-public") };
	end
	local imdn = conversation.imdns[1];
	return imdn and { imdn.status, imdn.body };
end

local function from_lync(self, seconds)
	for _, case in ipairs(self.cases) do
		case.conversation = case.lync:open(case.contact.jid, "from Lync to "..case.domain, { embed = false });
	end
	wait_all(self, seconds, "messages from Lync", function (case)
		local heard = case.heard;
		for _, stanza in ipairs(case.contact.stanzas) do
			if stanza.attr.type ~= "error" then heard.from_lync = heard.from_lync or stanza:child_text("body"); end
		end
		heard.lync_error = heard.lync_error or fate(case.conversation);
		return heard.from_lync or heard.lync_error;
	end);
end

--- Each contact to its Lync user, then each Lync user to its contact; seconds: bound of each.
function Rows:talk(seconds)
	log_in(self);
	to_lync(self, seconds or 15);
	from_lync(self, seconds or 15);
end

--- Take note of a stream of a domain: { ["in"] = { method, tls }, out = … }. Two of one direction are of one kind.
function Rows.note_stream(streams, direction, method, tls)
	local before = streams[direction] or { method, tls };
	if before[1] ~= method or before[2] ~= tls then
		error(("streams of two kinds, %s: %s %s, %s %s"):format(direction, before[1], before[2], method, tls), 0);
	end
	streams[direction] = before;
end

--- Streams of a domain in the gateway's log.
function Rows:logged(domain)
	local streams = {};
	local pattern = 'authenticated stream: %(remote="([^"]+)" direction=(%l+) method=([%l-]+) tls=([%w.]+)%)';
	for remote, direction, method, tls in self.w.gateway.process.output:gmatch(pattern) do
		if remote == domain then Rows.note_stream(streams, direction, method, tls); end
	end
	return streams;
end

--- The same from the gateway's shell: domain -> streams.
function Rows:shown()
	local shown = {};
	local output = self.w.gateway:ctl("shell", "lync", "streams");
	for direction, remote, method, tls in output:gmatch("(%l+) +(row%S+) +([%l-]+), (.-), ") do
		shown[remote] = shown[remote] or {};
		Rows.note_stream(shown[remote], direction, method, tls == "clear text" and "none" or tls);
	end
	return shown, output;
end

--- What was refused to or of a domain, and at what: { ["in"] = "dialback tls-required", … }.
function Rows:refused(domain)
	local found = {};
	local pattern = 'refused (%l+): [^\n]-token=([%l-]+) remote="([^"\n]+)" direction=(%l+)';
	for phase, token, remote, direction in self.w.gateway.process.output:gmatch(pattern) do
		local text, before = phase.." "..token, found[direction];
		if remote == domain then found[direction] = (not before or before == text) and text or before.."; "..text; end
	end
	return found;
end

-- Why streams of a domain were closed, in the gateway's log: all reasons.
local function closed(self, domain, direction)
	local reasons = {};
	local pattern = direction == "in" and "stream ([%w.-]+)%->contoso%.com closed: ([^\n]+)"
		or "stream contoso%.com%->([%w.-]+) closed: ([^\n]+)";
	for remote, reason in self.w.gateway.process.output:gmatch(pattern) do
		if remote == domain then reasons[#reasons + 1] = reason; end
	end
	return table.concat(reasons, "; ");
end

local function check_direction(self, case, partner, told, direction)
	local to_lync_way = direction == "in";
	local heard, domain = case.heard, case.domain;
	local crossed, failed = heard.from_lync, heard.lync_error;
	if to_lync_way then crossed, failed = heard.from_contact, heard.contact_error; end
	local fault = table.concat(failed or { "nothing" }, " ");
	if case.methods[direction] then
		return luassert.equal((to_lync_way and "to Lync from " or "from Lync to ")..domain, crossed, direction..": "..fault);
	end
	luassert.is_nil(crossed);
	local texts = { user = failed and fault or "", ours = closed(self, domain, direction),
		theirs = partner.closed(domain, direction) };
	for _, who in ipairs { "user", "ours", "theirs" } do
		local pattern = told[who] or ".";
		luassert.is_truthy(texts[who]:match(pattern), ("%s, %s: %q, not %q"):format(direction, who, texts[who], pattern));
	end
end

--- What may cross has crossed, on streams that are what they have to be, as both servers see them; what may not has not, and all
-- know why. partner: { streams = function (domain), closed = function (domain, direction) -> reasons }; told: { [direction] =
-- { refused = "phase token" (by us), user = what the sender is told, ours, theirs = what is in the logs (patterns) } }.
function Rows:check(case, partner, told)
	told = told or {};
	local streams, expected, tokens = self:logged(case.domain), {}, {};
	for _, direction in ipairs { "in", "out" } do
		local method, of_direction = case.methods[direction], told[direction] or {};
		check_direction(self, case, partner, of_direction, direction);
		tokens[direction] = of_direction.refused;
		if method then
			local tls = streams[direction] and streams[direction][2] or "?";
			luassert.equal(method ~= TCP, tls:match("^TLSv1%.[23]$") ~= nil, direction.." "..tls);
			expected[direction] = { method, method == TCP and "none" or tls };
		end
	end
	luassert.same(expected, streams);
	luassert.same(expected, partner.streams(case.domain));
	luassert.same(tokens, self:refused(case.domain));
end

return Rows;
