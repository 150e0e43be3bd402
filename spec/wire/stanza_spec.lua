-- Stanzas that make no sense, and addresses that try to become SIP headers.
-- SPDX-License-Identifier: MIT

local World = require "spec.support.world";
local ports = require "spec.support.ports";
local s2s = require "spec.support.s2s";
local s2s_server = require "spec.support.s2s_server";
local sip = require "spec.support.sip";

local FROM, LENA = "romeo@fabrikam.com/orchard", "lena@contoso.com";

describe("a partner's stanza", function ()
	local w, peer, home, lena, serial;
	setup(function ()
		w = World.new { partner = false; global = "s2s_secure_auth = false";
			settings = "modules_enabled = { \"test_filter\" }\n" };
		local cert = w.ca:issue("fabrikam", { names = { "fabrikam.com" } });
		home = s2s_server.new(w.loop, { domain = "fabrikam.com"; ip = ports.address("partner"); cert = cert });
		peer = s2s.connect(w.loop, { from = "fabrikam.com"; to = "contoso.com"; ip = w.gateway.address; cert = cert });
		peer:authenticate("EXTERNAL");
		lena = w:lync_user("lena");
		serial = 0;
	end);
	teardown(function () w:finish(); end);

	local function next_id()
		serial = serial + 1;
		return "odd-"..serial;
	end

	local function error_for(id, seconds)
		local stanza = home:wait_stanza(function (s) return s.attr.id == id and s.attr.type == "error"; end, seconds, "error for "..id);
		local condition, kind = stanza:error();
		return condition, kind;
	end

	-- Something that is answered, sent behind: what it overtakes was not answered.
	local function silence_for(id)
		local mark = next_id();
		peer:send(("<iq type='get' id='%s' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>"):format(mark, FROM, LENA));
		home:wait_stanza(function (s) return s.attr.id == mark; end, 5, "the mark behind "..id);
		for _, stanza in ipairs(home.stanzas) do
			assert.are_not.equal(id, stanza.attr.id);
		end
	end

	local function message(attrs, children)
		local id = next_id();
		peer:send(("<message id='%s' from='%s' to='%s' %s>%s</message>"):format(id, FROM, LENA, attrs, children));
		return id;
	end

	describe("of type message", function ()
		it("groupchat is refused", function ()
			assert.equal("service-unavailable", error_for(message("type='groupchat'", "<body>x</body>")));
		end);
		it("chat is left to a site's own filter between the gate and the handlers", function ()
			assert.equal("policy-violation", error_for(message("type='chat'", "<body>a forbidden word</body>")));
		end);
		it("headline is dropped", function ()
			silence_for(message("type='headline'", "<body>x</body>"));
		end);
		it("error is never answered", function ()
			silence_for(message("type='error'", "<body>x</body><error type='cancel'><gone "
				.."xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"));
		end);
		for _, kind in ipairs { "", "type='normal'", "type='chat'", "type='no-such-type'" } do
			it(("with %s is delivered"):format(kind), function ()
				local text = "kind "..kind:gsub("%W", "");
				message(kind, "<body>"..text.."</body>");
				lena:wait_message(text);
			end);
		end
		it("without a body is for nobody", function ()
			silence_for(message("type='chat'", ""));
		end);
		it("to the gateway itself is refused", function ()
			local id = next_id();
			peer:send(("<message id='%s' from='%s' to='contoso.com'><body>x</body></message>"):format(id, FROM));
			assert.equal("service-unavailable", error_for(id));
		end);
		it("with 16 KiB is delivered, with one byte more refused", function ()
			local text = ("a"):rep(16384);
			message("type='chat'", "<body>"..text.."</body>");
			lena:wait_message(text);
			local condition, kind = error_for(message("type='chat'", "<body>"..text.."b</body>"));
			assert.same({ "policy-violation", "modify" }, { condition, kind });
		end);
		it("of 400 kB is refused and nothing breaks", function ()
			assert.equal("policy-violation", error_for(message("type='chat'", "<body>"..("x"):rep(400000).."</body>"), 10));
		end);
		it("with 2,000 children and 200 levels is read to the end", function ()
			local deep = ("<a xmlns='urn:x'>"):rep(200)..("</a>"):rep(200);
			message("type='chat'", "<body>wide and deep</body>"..deep..("<b xmlns='urn:y'/>"):rep(2000));
			lena:wait_message("wide and deep", 10);
		end);
		it("with 5,000 children and 1,000 attributes is read to the end", function ()
			local many = {};
			for i = 1, 1000 do many[i] = ("a%d='%d'"):format(i, i); end
			message("type='chat'", "<body>very wide</body><c xmlns='urn:z' " .. table.concat(many, " ") .. "/>"
				.. ("<b xmlns='urn:y'/>"):rep(5000));
			lena:wait_message("very wide", 20);
		end);
		for _, size in ipairs { 10240, 65536, 500000 } do
			it(("with %d bytes is delivered as it is, or refused"):format(size), function ()
				local text = ("z"):rep(size);
				local id = message("type='chat'", "<body>" .. text .. "</body>");
				if size <= 16384 then
					lena:wait_message(text, 20);
				else
					assert.same({ "policy-violation", "modify" }, { error_for(id, 20) });
				end
			end);
		end
		it("with XHTML-IM, a link beside it and several bodies brings one text", function ()
			message("type='chat' xml:lang='en'", "<body xml:lang='de'>deutsch</body><body>plain</body>"
				.. "<body xml:lang='fr'>fran\195\167ais</body>"
				.. "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><script>evil()</script>"
				.. "</body></html><x xmlns='jabber:x:oob'><url>http://evil.example/</url></x>");
			assert.equal("plain", lena:wait_message("plain", 20).text);
		end);
		it("with a carbon or a forwarded message inside brings only its own text", function ()
			message("type='chat'", "<body>outer</body><received xmlns='urn:xmpp:carbons:2'><forwarded "
				.."xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='ceo@contoso.com' to='x@y'><body>inner</body>"
				.."</message></forwarded></received>");
			lena:wait_message("outer");
			w.loop:never(function ()
				for _, entry in ipairs(lena.received) do
					if entry.text == "inner" then return true; end
				end
			end, 0.2, "the forwarded text");
		end);
	end);

	describe("of type presence", function ()
		local function presence(kind, to)
			local id = next_id();
			peer:send(("<presence id='%s' from='%s' to='%s' %s/>"):format(id, FROM, to or LENA, kind and "type='"..kind.."'" or ""));
			return id;
		end
		for _, kind in ipairs { "unavailable", "subscribed", "unsubscribe", "unsubscribed", "error" } do
			it(kind.." is taken in silence", function () silence_for(presence(kind)); end);
		end
		it("available is taken in silence", function () silence_for(presence(nil)); end);
		it("subscribe is accepted, and taken back", function ()
			presence("subscribe");
			home:wait_stanza(function (s) return s.name == "presence" and s.attr.type == "subscribed"; end);
			presence("unsubscribe");
			home:wait_stanza(function (s) return s.name == "presence" and s.attr.type == "unsubscribed"; end);
		end);
		it("probe of a stranger is told that there is no subscription", function ()
			presence("probe");
			home:wait_stanza(function (s) return s.name == "presence" and s.attr.type == "unsubscribed"; end);
		end);
		it("of no known type is refused", function ()
			assert.equal("bad-request", error_for(presence("junk")));
		end);
	end);

	describe("of type iq", function ()
		local function iq(to, attrs, children)
			local id = next_id();
			peer:send(("<iq from='%s' to='%s' %s>%s</iq>"):format(FROM, to, attrs:gsub("ID", "id='"..id.."'"), children or ""));
			return id;
		end
		for _, to in ipairs { "contoso.com", LENA, LENA.."/x" } do
			it("without a child is refused, to "..to, function ()
				assert.equal("bad-request", error_for(iq(to, "type='get' ID")));
			end);
			it("unknown is refused, to "..to, function ()
				assert.equal("service-unavailable", error_for(iq(to, "type='set' ID", "<query xmlns='urn:x:nothing'/>")));
			end);
			it("result that nobody asked for is taken in silence, to "..to, function ()
				silence_for(iq(to, "type='result' ID"));
			end);
			it("without id breaks nothing, to "..to, function ()
				iq(to, "type='result'");
				iq(to, "type='get'", "<query xmlns='urn:x:nothing'/>");
				silence_for("none");
			end);
		end
		it("disco says what a user can do", function ()
			local id = iq(LENA, "type='get' ID", "<query xmlns='http://jabber.org/protocol/disco#info'/>");
			local reply = home:wait_stanza(function (s) return s.attr.id == id; end);
			assert.equal("result", reply.attr.type);
		end);
	end);

	-- Whatever an address or a text holds, the SIP request has the headers that the bridge wrote and no other.
	describe("that tries to write SIP", function ()
		local known = {};
		for name in ([[Via Max-Forwards From To Call-ID CSeq Contact User-Agent Allow Record-Route Route Content-Type
			Content-Length ms-asserted-verification-level Ms-Conversation-ID Subject Content-Language Supported
			Event Expires Accept]]):gmatch("%S+") do
			known[name:lower()] = true;
		end

		local function check_new_messages(from_index)
			for i = from_index, #w.edge.messages do
				local entry = w.edge.messages[i];
				if entry.direction == "in" and entry.message.method then
					for _, header in ipairs(entry.message.headers) do
						assert.is_true(known[header[1]:lower()] or false, "header "..header[1]);
						assert.is_nil(header[2]:find("[\r\n%z]"), "line break in "..header[1]);
					end
					assert.equal(1, #sip.all(entry.message, "From"));
				end
			end
		end

		local function try(stanza, text)
			local first = #w.edge.messages + 1;
			peer:send(stanza);
			local told = text and lena:wait_message(text);
			if not text then silence_for("injection"); end
			check_new_messages(first);
			return told;
		end

		local function odd_from(from)
			local id = next_id();
			return ("<message type='chat' id='%s' from='%s' to='%s'><body>%s</body></message>"):format(id, from, LENA, id), id;
		end

		for _, localpart in ipairs { "a;lr", "a?Subject=x", "a%0d%0aX-Evil", "a,b", "a\\20b", "a\\22b\\22", "a\\3cb\\3e", "a\\40b",
			"a\\3ax", "a=b;tag=1", "tsch\195\188ss", "a%%", "a+b" } do
			it("from "..localpart, function ()
				local told = try(odd_from(localpart.."@fabrikam.com/x"));
				assert.is_truthy(told);
				local sender = told.from;
				assert.is_nil(sender:find("[<>\"%s]"), sender);
			end);
		end

		for _, resource in ipairs { "&lt;sip:x@y&gt;", "\"q\";tag=1", "a&#10;b", "x@y/z", ("r"):rep(1023) } do
			it("resource "..resource:sub(1, 20), function ()
				local stanza = odd_from("romeo@fabrikam.com/"..resource);
				peer:send(stanza); -- delivered or refused, by Prosody or by us
				silence_for("resource");
				check_new_messages(1);
			end);
		end

		it("in subject, thread, language and id", function ()
			local text = "body of injections";
			local told = try(("<message type='chat' id='x&#10;y' from='%s' to='%s' xml:lang='en;x=&quot;1'><subject>a&#13;&#10;Via: x"
				.."</subject><thread>t&#10;X-Evil: 1</thread><body>%s</body></message>"):format(FROM, LENA, text), text);
			assert.is_truthy(told);
		end);

		it("with a text that looks like SIP", function ()
			local text = "\n\nBYE sip:x@y SIP/2.0\nContent-Length: 0\n\n";
			message("type='chat'", "<body>"..text.."</body>");
			lena:wait_message("BYE sip:x@y SIP/2%.0", 5, true);
		end);

		it("with bidi overrides and other invisible characters in the text", function ()
			local text = "a\226\128\174b\226\128\139c\239\187\191d";
			message("type='chat'", "<body>"..text.."</body>");
			lena:wait_message(text);
		end);

		it("to users whose names are not of this world", function ()
			for _, to in ipairs { "a\\40b@contoso.com", "\195\188@contoso.com", ("x"):rep(1000).."@contoso.com" } do
				local id = next_id();
				peer:send(("<message type='chat' id='%s' from='%s' to='%s'><body>x</body></message>"):format(id, FROM, to));
				assert.is_truthy(error_for(id));
			end
		end);
	end);
end);
