-- Streams that partners open: what they are offered, and what of it they may use.
-- SPDX-License-Identifier: MIT

local st = require "util.stanza";
local nameprep = require "util.encodings".stringprep.nameprep;

local xmlns_tls = "urn:ietf:params:xml:ns:xmpp-tls";
local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
local xmlns_dialback = "urn:xmpp:features:dialback";
local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";

local function is_inbound(session)
	return session.type == "s2sin_unauthed" or session.type == "s2sin";
end

local function is_stream(session)
	return is_inbound(session) or session.type == "s2sout_unauthed" or session.type == "s2sout";
end

-- h: gate, core, settings, log, upkeep
local function new(h)
	local inbound, gate = {}, h.gate;

	-- s2s-stream-features, first of all: may this be a stream of ours at all?
	function inbound.features(event)
		local session = event.origin;
		session.lync_since = session.lync_since or h.now();
		local decision, token, text = gate.ask(session, { phase = "features" });
		session.lync_offers = decision or nil;
		if not decision then
			gate.close(session, token, text);
			return true;
		end
		if not decision.starttls and not session.secure then
			session.ssl_ctx = false; -- mod_tls neither offers nor accepts it
		end
	end

	local function keep_tag(offers, session)
		return function (tag)
			if tag.name == "starttls" and tag.attr.xmlns == xmlns_tls then
				if not offers.starttls then return nil; end
				local own = st.stanza("starttls", { xmlns = xmlns_tls }); -- mod_tls' own is one for all streams
				return offers.required and own:tag("required"):up() or own;
			elseif tag.name == "mechanisms" and tag.attr.xmlns == xmlns_sasl and not offers.external then
				session.external_auth = nil;
				return nil;
			elseif tag.name == "dialback" and tag.attr.xmlns == xmlns_dialback and not offers.dialback then
				return nil;
			end
			return tag;
		end;
	end

	-- s2s-stream-features, last of all: nothing but what may be used.
	function inbound.offered(event)
		local session = event.origin;
		local offers = session.lync_offers;
		if not offers then return; end
		event.features:maptags(keep_tag(offers, session));
		if offers.starttls and not event.features:get_child("starttls", xmlns_tls) then
			h.log("error", "offer TLS: not available on this host, see the log of mod_tls (remote=%q)", session.from_host or "");
		end
	end

	function inbound.starttls(event)
		local session = event.origin;
		if not is_stream(session) then return; end -- a client's
		local decision, token, text;
		if is_inbound(session) then
			decision, token, text = gate.ask(session, { phase = "starttls" });
		else
			token, text = "tls-too-late", "The server that connected starts TLS";
			gate.report("starttls", token, text, session.to_host, "out");
		end
		if decision then return; end
		session.sends2s(st.stanza("failure", { xmlns = xmlns_tls }));
		gate.close(session, token, text);
		return true;
	end

	function inbound.auth(event)
		local session, stanza = event.origin, event.stanza;
		if session.type ~= "s2sin_unauthed" then return; end
		local mechanism = stanza.attr.mechanism == "EXTERNAL" and "external" or "other";
		local streams, of_partner = h.upkeep.count(session.from_host, session);
		local decision, token, text = gate.ask(session, { phase = "sasl"; mechanism = mechanism; streams = streams;
			partner_streams = of_partner });
		if token and h.core.refusal(token).stream == "resource-constraint" then -- however it is done: one too many
			gate.close(session, token, text);
			return true;
		end
		if gate.attempt(session) then return true; end
		if decision and stanza.tags[1] then
			session.sends2s(st.stanza("failure", { xmlns = xmlns_sasl }):tag("malformed-request"));
			return true;
		elseif decision and session.external_auth == "offered" then
			return; -- mod_saslauth's
		end
		session.sends2s(st.stanza("failure", { xmlns = xmlns_sasl })
			:tag(decision and "not-authorized" or h.core.refusal(token).sasl));
		return true;
	end

	-- "to" is a domain of ours, or the event would be elsewhere; "from" may be anybody, whoever the stream is.
	function inbound.dialback_result(event)
		local session, stanza = event.origin, event.stanza;
		if not is_inbound(session) then return; end
		local remote = nameprep(stanza.attr.from or "");
		if not remote or remote == "" then
			return gate.refuse(session, "dialback", "bad-jid");
		elseif stanza.attr.type then
			return gate.refuse(session, "dialback", "unsolicited-answer", remote);
		elseif stanza.tags[1] then -- a key is text, and mod_dialback would hand it on as it is
			return gate.refuse(session, "dialback", "bad-jid", remote);
		end
		session.lync_claims = session.lync_claims or {};
		session.lync_claims[remote] = session.streamid;
		local streams, of_partner = h.upkeep.count(remote, session);
		local decision, token = gate.ask(session, { phase = "dialback"; remote = remote; mechanism = "dialback";
			streams = streams; partner_streams = of_partner });
		if decision then return; end
		local refusal = h.core.refusal(token);
		session.sends2s(st.stanza("db:result", { from = stanza.attr.to; to = stanza.attr.from; type = "error" })
			:tag("error", { type = refusal.type }):tag(refusal.condition, { xmlns = xmlns_stanzas }));
		gate.attempt(session);
		return true;
	end

	-- mod_dialback takes for granted that all parts of a question or an answer are there, and that names are names: its
	-- keys are made of names and an id with spaces in between.
	function inbound.dialback_verify(event)
		local session, stanza = event.origin, event.stanza;
		local attr = stanza.attr;
		if not is_stream(session) then return; end
		local asked = is_inbound(session);
		if asked and attr.type then
			return gate.refuse(session, "dialback", "unsolicited-answer");
		elseif not (attr.from and attr.to and attr.id) or asked and type(stanza[1]) ~= "string" then
			return gate.refuse(session, "dialback", "bad-jid");
		elseif asked and attr.from:find("%s") then
			session.sends2s(st.stanza("db:verify", { from = attr.to; to = attr.from; id = attr.id; type = "invalid" }));
			return true;
		end
	end

	return inbound;
end

return { new = new };
