-- Dials a partner's server as an outgoing stream would, up to its authentication; the core decides each step.
-- SPDX-License-Identifier: MIT
--
-- What is seen comes back as plain data, for partner_test_report. Nothing but streams is opened: no stanza is sent.

local base64 = require "util.encodings".base64.encode;
local gettime = require "socket".gettime;
local st = require "util.stanza";

local element_stream = module:require "element_stream";
local peer = module:require "peer_tls";
local tls = module:require "partner_test_tls";

local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";
local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
local xmlns_dialback = "urn:xmpp:features:dialback";

local current = { ["TLSv1.2"] = true; ["TLSv1.3"] = true };

local dial = {};

local Call = {};
Call.__index = Call;

-- address, port -> socket, seconds | nil, why not
local function connect(address, port, timeout)
	local since = gettime();
	local sock, err = peer.dial(address, port, timeout);
	return sock, sock and gettime() - since or err;
end

local function read_features(element)
	local found = { mechanisms = {} };
	local starttls = element:get_child("starttls", xmlns_tls);
	found.starttls, found.required = starttls ~= nil, starttls ~= nil and starttls:get_child("required") ~= nil;
	for mechanism in (element:get_child("mechanisms", xmlns_sasl) or st.stanza("none")):childtags("mechanism") do
		table.insert(found.mechanisms, mechanism:get_text());
		found.external = found.external or mechanism:get_text() == "EXTERNAL";
	end
	found.dialback = element:get_child("dialback", xmlns_dialback) ~= nil;
	return found;
end

-- What the core says of this stream in a phase.
function Call:ask(facts)
	facts.direction, facts.remote, facts.way, facts.own = "out", self.env.remote, self.way, false;
	facts.secure = self.seen.tls ~= nil;
	facts.certificate = self.seen.tls and self.seen.tls.status or nil;
	local decision, token, text = self.env.settings:stream(facts);
	if not decision then
		self.seen.refused = { token = token; text = text };
	end
	return decision;
end

-- A stream header either way: the features, an empty table before XMPP 1.0, or nil and why there are none.
function Call:open()
	local stream = self.stream;
	stream.deadline = gettime() + self.env.timeout;
	local ok, err = stream:send("<?xml version='1.0'?>"..st.stanza("stream:stream", {
		xmlns = "jabber:server"; ["xmlns:stream"] = "http://etherx.jabber.org/streams";
		["xmlns:db"] = "jabber:server:dialback"; from = self.env.host; to = self.env.remote; version = "1.0";
	}):top_tag());
	local header, why = stream:read_header(); -- also when it could not be sent: an alert may say why
	if not header then return nil, ok and why or why ~= "timeout" and why or err; end
	self.seen.header = { from = header.from; version = header.version };
	if not header.version then return { legacy = true }; end
	local element;
	element, err = stream:read();
	if not element then return nil, err; end
	return read_features(element);
end

function Call:failed(stage, err)
	self.seen.stage, self.seen.error = stage, err;
	local condition = self.stream and self.stream.stream_error and self.stream.stream_error.tags[1];
	self.seen.condition = condition and condition.name;
end

function Call:start_tls()
	local stream = self.stream;
	stream:send("<starttls xmlns='"..xmlns_tls.."'/>");
	local answer, err = stream:read();
	if not answer or answer.name ~= "proceed" then
		return nil, answer and "it refuses STARTTLS" or err;
	end
	local sock;
	sock, err = tls.start(self.sock, self.parameters, self.env.ascii, self.env.timeout);
	if not sock then
		self.sock = nil;
		return nil, err;
	end
	self.sock, stream.sock = sock, sock;
	stream:reset();
	return true;
end

-- Our certificate, shown to it: does it take it?
function Call:external()
	self.stream:send("<auth xmlns='"..xmlns_sasl.."' mechanism='EXTERNAL'>"..base64(self.env.host).."</auth>");
	local answer, err = self.stream:read();
	if answer and answer.name == "success" then
		self.seen.method, self.seen.proved = "sasl-tls", true;
		return;
	end
	local condition = answer and answer.tags[1] and answer.tags[1].name or err;
	self.seen.sasl = { condition = condition; text = answer and answer:get_child_text("text") };
	if not answer then return self:failed("sasl", err); end
	local decision = self:ask { phase = "sasl"; mechanism = "external" };
	if decision and self.features.dialback then
		self.seen.method = "tls-dialback";
	else
		self:failed("sasl", "it refuses our certificate");
	end
end

-- Features seen: what comes next, until there is nothing more to see.
function Call:advance(features)
	local secure = self.seen.tls ~= nil;
	self.features = features;
	if features.legacy then
		local decision = self:ask { phase = "legacy" };
		if decision then self.seen.method = "tcp-dialback"; else self:failed("open"); end
		return;
	end
	self.seen[secure and "secure" or "clear"] = features;
	local decision = self:ask { phase = "features"; starttls = features.starttls and not secure;
		insists = features.required and not secure; external = features.external or false };
	if not decision then
		return self:failed(secure and "secure" or "open");
	elseif decision.step == "starttls" then
		return self:secure();
	elseif decision.step == "external" then
		return self:external();
	elseif decision.step == "dialback" then
		self.seen.method = secure and "tls-dialback" or "tcp-dialback";
	end
end

function Call:secure()
	local ok, err = self:start_tls();
	if not ok then
		self.seen.tls_error = err;
		return self:failed("tls", err);
	end
	self.seen.tls = tls.describe(self.sock, self.env.remote);
	if not self:ask { phase = "certificate" } then
		return self:failed("secure");
	end
	local features;
	features, err = self:open();
	if not features then return self:failed("secure", err); end
	return self:advance(features);
end

function Call:run(address, port)
	local sock, took = connect(address, port, self.env.timeout);
	if not sock then
		self.seen.tcp_error = took;
		return self:failed("connect", took);
	end
	self.sock, self.seen.took = sock, took;
	self.stream = element_stream.new(sock, "jabber:server", 0);
	local features, err = self:open();
	if not features then return self:failed(self.seen.header and "open" or "connect", err); end
	return self:advance(features);
end

function Call:hang_up()
	if not self.sock then return; end
	self.stream.deadline = gettime() + 1;
	self.stream:send("</stream:stream>");
	self.sock:close();
end

-- Why the handshake fails: it speaks an old version only? That, or nil.
local function probe(env, address, port)
	local call = setmetatable({ env = env; way = "tls-dialback"; seen = {} }, Call);
	local sock = connect(address, port, env.timeout);
	if not sock then return nil; end
	call.sock, call.stream = sock, element_stream.new(sock, "jabber:server", 0);
	local ok = call:open() and call:start_tls();
	local version = ok and call.sock:info("protocol") or nil;
	if call.sock then call.sock:close(); end
	return not current[version] and version or nil;
end

-- One address, method after method as outgoing streams try them. env: settings, host, remote, ascii (remote in
-- A-labels), parameters (TLS), timeout -> list of what each attempt has seen
function dial.address(env, address, port)
	local attempts = {};
	local _, way = env.settings:primary(env.remote);
	while way do
		local call = setmetatable({ env = env; way = way; parameters = env.parameters; seen = { way = way } }, Call);
		call:run(address, port);
		call:hang_up();
		local seen = call.seen;
		attempts[#attempts+1] = seen;
		if seen.method or not seen.stage then break; end
		if seen.tls_error and seen.tls_error ~= "timeout" then
			seen.speaks = probe(env, address, port);
		end
		way = env.settings:next_method { remote = env.remote; way = way; secure = seen.tls ~= nil; stage = seen.stage;
			condition = seen.condition };
	end
	return attempts;
end

return dial;
