-- A message sent on an administrator's word, through everything that a real one passes; what became of it is told.
-- SPDX-License-Identifier: MIT
--
-- To a Lync user: as if the contact's server had sent it on an authenticated stream. To a contact: as if the bridge had
-- brought it from the Lync user. What would be told to the one in whose name it is sent is kept here; nothing but the
-- message itself (and, to a partner, a ping behind it) leaves. Conversations, agreements and quarantine stay as they
-- are.

local st = require "util.stanza";
local jid_bare = require "util.jid".bare;
local jid_host = require "util.jid".host;
local random_bytes = require "util.random".bytes;
local new_id = require "util.id".medium;

local x2s_lib = module:require "x2s";
local s2x_lib = module:require "s2x";
local handover_lib = module:require "handover";

local xmlns_receipts = "urn:xmpp:receipts";
local xmlns_ping = "urn:xmpp:ping";

local TESTS_MAX = 10;   -- at a time, of one host
local RECEIPT_TIME = 2; -- seconds that a receipt or an error may come later than the answer of the contact's server

local function inherit(object, own)
	return setmetatable(own, { __index = object });
end

local function nothing() end

-- The states of the conversation that these two may really have stay as they are.
local function no_conversations()
	return { get = nothing; close = nothing; heard = nothing; open = function () return {}; end };
end

-- h: the host's context
local function new(h)
	local synthetic = {};
	local tests, count = {}, 0; -- id -> test

	-- result: { success =, hop =, token =, status =, diag =, condition =, text =, proof = }
	local function finish(test, result)
		if tests[test.id] ~= test then return; end
		tests[test.id], count = nil, count - 1;
		test.timer.stop();
		if test.grace then test.grace.stop(); end
		if test.handover then test.handover.stop(); end
		result.latency = (test.proved or h.now()) - test.since;
		test.callback(result);
	end

	-- A host for the parts: this one, but what they refuse is noted.
	local function host_of(test, own)
		own.conversations = no_conversations();
		own.metrics = inherit(h.metrics, {
			queue = nothing;
			refused = function (contact, token)
				test.token = token;
				h.metrics.refused(contact, token);
			end;
		});
		return inherit(h, own);
	end

	local function text_of(token)
		local refusal = token and h.core.refusal(token);
		return refusal and refusal.text;
	end

	local function refused(test, text)
		finish(test, { hop = "policy"; token = test.token; text = text_of(test.token) or text });
	end

	-- To a Lync user

	-- What the contact would have been told.
	local function told(test)
		return function (stanza)
			local _, condition, text = stanza:get_error();
			test.condition, test.text = condition, text;
		end
	end

	-- What the gate asks of a stream and of each stanza on it.
	local function is_welcome(test)
		local remote = jid_host(test.contact);
		local ok, token, text = h.settings:may { direction = "in"; contact = jid_bare(test.contact); user = test.user;
			kind = "stream" };
		if ok then
			local partner = h.settings:partner(remote);
			ok, token, text = h.settings:stanza("stream", remote, partner.methods[1], false, h.is_gateway(remote));
		end
		if ok then return true; end
		h.metrics.refused(test.contact, token);
		finish(test, { hop = "policy"; token = token; text = text });
	end

	local function to_lync(test)
		if not is_welcome(test) then return; end
		local pool = inherit(h.pool, {
			message = function (_, _, request, entry)
				entry.synthetic = test.id;
				local id, token, text = h.pool:message(h, request, entry);
				test.sent, test.bridge_token, test.bridge_text = id ~= nil, token, text;
				return id, token, text;
			end;
		});
		local probe = host_of(test, { pool = pool; send = told(test) });
		x2s_lib.new(probe).message(st.message({ type = "chat"; id = test.id; from = test.contact; to = test.user })
			:text_tag("body", test.text));
		if test.sent then return; end -- its outcome follows
		if test.bridge_token then
			finish(test, { hop = "bridge"; token = test.bridge_token; text = test.bridge_text });
		elseif test.token then
			refused(test);
		else
			finish(test, { hop = "policy"; condition = test.condition; text = test.text });
		end
	end

	-- Of x2s.outcome. It counts as any message does, but is not held against the partner (quarantine).
	function synthetic.outcome(ev, entry)
		local failure = ev.outcome == "failed" and h.errors.outcome_text(ev) or nil;
		h.metrics.message(entry.contact, "x2s", ev.outcome, (ev.at or h.now()) - entry.since, ev.token, failure);
		local test = tests[entry.synthetic];
		if not test then return; end -- too late
		finish(test, {
			success = ev.outcome ~= "failed"; proof = ev.outcome ~= "failed" and ev.outcome or nil;
			hop = ev["local"] and (ev.token == "not-authorized" and "policy" or "bridge") or "lync";
			status = ev.status; diag = ev.diag; token = ev.token; condition = ev.condition;
			text = h.errors.one_line(ev.reason); retry_after = ev.retry_after;
		});
	end

	-- To a contact

	-- What the server reads behind the message it has read after it: its answer proves both.
	local function ping(test)
		test.ping_id = test.id.."-ping";
		h.send(st.iq({ type = "get"; id = test.ping_id; from = h.host; to = jid_host(test.contact) })
			:tag("ping", { xmlns = xmlns_ping }):up());
	end

	-- What the bridge would have been told of the message.
	local function answer(test)
		return function (_, _, _, status, _, text)
			if status == 200 then
				test.handed = h.now();
				return h.timer(0, function () -- not before the message itself
					if tests[test.id] == test then ping(test); end
				end);
			end
			local bounce = test.bounce;
			if not bounce and test.token then
				return refused(test, text);
			end
			finish(test, {
				hop = bounce and bounce.from_partner and "partner" or "stream"; status = status;
				text = bounce and bounce.text or text; condition = bounce and bounce.condition;
				token = (bounce and bounce.text or ""):match("%(([%l-]+)%)$") or not bounce and "no-stream" or nil;
			});
		end
	end

	local function to_contact(test)
		local pool = inherit(h.pool, { answer = answer(test); epoch = function () return test.id; end });
		local probe = host_of(test, { pool = pool; state = { secret = random_bytes(32) } });
		function probe.send(stanza)
			test.stanza_id = stanza.attr.id;
			h.send(stanza:tag("request", { xmlns = xmlns_receipts }):up());
		end
		function probe.send_to(_, stanza) probe.send(stanza); end
		probe.handover = handover_lib.new(probe);
		test.handover = probe.handover;
		s2x_lib.new(probe).message { id = 1; contact = test.contact; user = test.user; text = test.text };
	end

	-- A stream to the domain is ready and its queue is sent.
	function synthetic.established(domain)
		for _, test in pairs(tests) do
			if test.handover then test.handover.established(domain); end
		end
	end

	-- Did this error come from the other side, or is it Prosody's or our own: no stream, no way?
	local function is_theirs(origin)
		if origin.dummy then return false; end
		return origin.type == "s2sin" or origin.type == "s2sout" or origin.host ~= h.host;
	end

	-- An error for a message of ours?
	function synthetic.bounced(stanza, origin)
		for _, test in pairs(tests) do
			if test.handover and test.handover.event_id(stanza) then
				local _, condition, text = stanza:get_error();
				test.bounce = { condition = condition; text = h.errors.one_line(text); from_partner = is_theirs(origin) };
				return test.handover.bounced(stanza);
			end
		end
		return false;
	end

	-- A receipt of the contact's client for a message of ours?
	function synthetic.heard(stanza)
		local received = stanza:get_child("received", xmlns_receipts);
		if not received or not received.attr.id then return false; end
		for _, test in pairs(tests) do
			if test.stanza_id == received.attr.id and jid_bare(stanza.attr.from) == jid_bare(test.contact) then
				test.proved = nil;
				finish(test, { success = true; proof = "client" });
				return true;
			end
		end
		return false;
	end

	-- The answer to our ping, also an error?
	function synthetic.answered(stanza)
		local kind, id = stanza.attr.type, stanza.attr.id;
		if stanza.name ~= "iq" or kind ~= "result" and kind ~= "error" or not id then return false; end
		for _, test in pairs(tests) do
			if test.ping_id == id and stanza.attr.from == jid_host(test.contact) then
				test.ping_id, test.proved = nil, h.now();
				test.grace = h.timer(RECEIPT_TIME, function ()
					finish(test, { success = true; proof = "server" });
				end);
				return true;
			end
		end
		return false;
	end

	-- Both

	local function timed_out(test)
		if test.proved then
			return finish(test, { success = true; proof = "server" });
		end
		local hop = test.user_is_target and "lync" or test.handed and "partner" or "stream";
		finish(test, { hop = hop; token = "timeout"; text = ("No outcome in %g seconds"):format(test.timeout) });
	end

	-- request: { direction = "x2s"|"s2x", contact =, user =, text =, timeout = }; true, or nil and why not
	function synthetic.run(request, callback)
		if count >= TESTS_MAX then
			return nil, ("%d tests are under way already, wait for them"):format(count);
		end
		local test = inherit(request, { id = request.id or "lync-test-"..new_id(); since = h.now(); callback = callback });
		test.user_is_target = request.direction == "x2s";
		tests[test.id], count = test, count + 1;
		test.timer = h.timer(request.timeout, function () timed_out(test); end);
		h.log("info", "test message: (id=%s direction=%s remote=%q)", test.id, request.direction, jid_host(request.contact));
		(test.user_is_target and to_lync or to_contact)(test);
		return true;
	end

	function synthetic.stop()
		for _, test in pairs(tests) do
			finish(test, { hop = "gateway"; token = "stopped"; text = "The gateway was stopped or reloaded meanwhile" });
		end
	end

	return synthetic;
end

return { new = new; TESTS_MAX = TESTS_MAX; RECEIPT_TIME = RECEIPT_TIME };
