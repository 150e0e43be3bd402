-- kamailio_presence.lua: Debian's Kamailio in the Access Edge's place: presence server of Lync's users, proxy for watchers.
-- SPDX-License-Identifier: MIT
--
--	local server = presence.start(loop, { cert = edge_cert, ip = ports.address("edge"), bridge = "127.a.b.c:5061",
--		name = "xmpp.contoso.com" })
--	local lena = server:presentity("lena@contoso.com")
--	lena:publish(presence.pidf("lena@contoso.com", "open"))		-- PUBLISH; again: in place of it
--	lena:withdraw(); server:watched("lena@contoso.com")		-- PUBLISH Expires 0; has she any watcher
--	server:lines("SUBSCRIBE", "lena@contoso.com")			-- what the bridge asked: { expires, dialog = true }, oldest first
--	server:stop(); server:start { expires = 60 }			-- it remembers nothing
--
-- Options: name (the host in the bridge's Contact), expires (longest subscription or publication that it grants, s), shortest (else
-- 423), contacts ("fabrikam.com"). SUBSCRIBE for those and what follows in such a dialog is passed on, with Record-Route; all else
-- is the presence server's. The server demands and verifies certificates, keeps all in memory, and needs no database but Debian's
-- empty tables of text.

local kamailio = require "spec.support.kamailio";
local process = require "spec.support.process";
local sip = require "spec.support.sip";
local stream = require "spec.support.stream";
local xml = require "spec.support.xml";

local presence = {};
local Server, Presentity = {}, {};
Server.__index, Presentity.__index = Server, Presentity;

local TABLES = "/usr/share/kamailio/dbtext/kamailio"; -- where Debian has the empty ones

local CONFIG = [[
#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=2
async_workers=1
disable_sctp=yes
enable_tls=yes
auto_aliases=no
dns=no
rev_dns=no
dns_try_naptr=no
shm_mem_size=32
listen=tls:@IP@:5061
listen=tcp:@IP@:5060
loadmodule "db_text.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "tls.so"
loadmodule "async.so"
loadmodule "jsonrpcs.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("tls", "config", "@DIR@/tls.cfg")
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 1)
modparam("tm", "fr_timer", 5000)
modparam("async", "workers", 1)
modparam("async", "ms_timer", 10)
modparam("jsonrpcs", "transport", 0)
modparam("presence", "db_url", "text://@DIR@/tables")
modparam("presence", "server_address", "sip:@IP@:5061;transport=tls")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "clean_period", 1)
modparam("presence", "db_update_period", 1)
modparam("presence", "max_expires", @EXPIRES@)
modparam("presence", "min_expires", @SHORTEST@)
modparam("presence_xml", "db_url", "text://@DIR@/tables")
modparam("presence_xml", "force_active", 1)

route[BRIDGE] {
	$du = "sip:@BRIDGE@;transport=tls";
	$fs = "tls:@IP@:5061";
	t_relay();
	exit;
}

request_route {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	xlog("L_NOTICE", "$rm $fU@$fd -> $tU@$td expires=$hdr(Expires) tag=$tt contact=$ct event=$hdr(Event) from $proto:$si\n");
	if (is_method("OPTIONS")) {
		if ($rU == "learn-name")
			jsonrpc_exec('{"jsonrpc": "2.0", "id": 1, "method": "dns.add_a", "params": ["@NAME@", 3600, "@BRIDGEIP@", 0]}');
		if ($rU == $null || pres_has_subscribers("$ru", "presence")) sl_send_reply("200", "OK");
		else sl_send_reply("480", "Nobody");
		exit;
	}
	if (is_method("PUBLISH") || (is_method("SUBSCRIBE") && $td != "@CONTACTS@")) {
		if (has_totag()) loose_route();
		if (!t_newtran()) {
			sl_reply_error();
			exit;
		}
		if (is_method("PUBLISH")) handle_publish();
		else handle_subscribe();
		t_release();
		exit;
	}
	if (is_method("SUBSCRIBE")) {
		if (has_totag()) loose_route();
		else record_route();
		route(BRIDGE);
	}
	if (is_method("NOTIFY") && has_totag() && loose_route()) {
		# the 200 to SUBSCRIBE comes by another connection; SIPp wants it first
		async_ms_route("LATER", "100");
		exit;
	}
	sl_send_reply("404", "Not here");
}

route[LATER] {
	t_relay();
}

event_route[tm:local-request] {
	xlog("L_NOTICE", "sent $rm $hdr(CSeq) to $tU@$td state=$hdr(Subscription-State)\n");
}

event_route[presence:notify-reply] {
	xlog("L_NOTICE", "answer to NOTIFY: $notify_reply($rs)\n");
}
]];

--- Start it, listening.
function presence.start(loop, options)
	local self = setmetatable({ loop = loop, options = options, ip = options.ip, people = {}, serial = 0 }, Server);
	return self:start();
end

--- Start, again after stop(); more: options other than before. Publications and subscriptions are gone.
function Server:start(more)
	for key, value in pairs(more or {}) do self.options[key] = value; end
	local options, directory = self.options, process.directory(self.loop, "kamailio");
	assert(os.execute("cp -r " .. process.quote(TABLES) .. " " .. process.quote(directory .. "/tables")));
	local values = { IP = options.ip, DIR = directory, CONTACTS = options.contacts or "fabrikam.com", BRIDGE = options.bridge,
		BRIDGEIP = options.bridge:match("^[^:]+"), NAME = options.name, EXPIRES = options.expires or 3600,
		SHORTEST = options.shortest or 0 };
	for _, person in pairs(self.people) do person.etag = nil; end
	self.process = kamailio.run(self.loop, directory, CONFIG, values, options);
	self:watched("learn-name@contoso.com"); -- the one in the bridge's Contact, where NOTIFYs go: there is no DNS
	return self;
end

--- Stop it; how long it may take its time for that (0: kill it).
function Server:stop(bound)
	if self.conn then self.conn:close(true); end
	self.conn = nil;
	return self.process:stop(bound);
end

-- ------------------------------------------------------------------------------------------------------- requests --

local function connection(self)
	if self.conn and not self.conn.closed then return self.conn; end
	local parser = sip.parser();
	self.answers = {};
	self.conn = stream.connect(self.loop, self.ip, 5060, nil, {
		on_open = function (conn) conn.up = true; end;
		on_data = function (_, bytes)
			for _, message in ipairs(parser:feed(bytes)) do
				if message.status then self.answers[sip.get(message, "Call-ID")] = message; end
			end
		end;
	});
	self.loop:wait(function () return self.conn.up; end, 5, "a connection to Kamailio");
	return self.conn;
end

-- A request outside of dialogs, over TCP; its answer.
local function ask(self, method, address, headers, body)
	local conn = connection(self);
	self.serial = self.serial + 1;
	local _, port = conn.sock:getsockname();
	local call = string.format("%s-%d@%s", method:lower(), self.serial, self.ip);
	local all = { { "Via", string.format("SIP/2.0/TCP %s:%d;branch=z9hG4bK%d", self.ip, port, self.serial) }, { "Max-Forwards", "70" },
		{ "From", "<sip:" .. address .. ">;tag=p" .. self.serial }, { "To", "<sip:" .. address .. ">" }, { "Call-ID", call },
		{ "CSeq", self.serial .. " " .. method } };
	for _, header in ipairs(headers) do all[#all + 1] = header; end
	conn:send(sip.bytes(string.format("%s sip:%s SIP/2.0", method, address), all, body));
	return self.loop:wait(function () return self.answers[call]; end, 5, "Kamailio's answer to " .. method);
end

--- Has anybody a subscription to that address, as far as Kamailio knows?
function Server:watched(address)
	return ask(self, "OPTIONS", address, {}).status == 200;
end

--- Requests of that method to an address that came, oldest first: { expires = number, dialog = boolean }.
function Server:lines(method, address)
	local list = {};
	for from, to, expires, tag in self.process.output:gmatch(method .. " (%S+) %-> (%S+) expires=(%S+) tag=(%S+)") do
		if to == address then list[#list + 1] = { from = from, expires = tonumber(expires), dialog = tag ~= "<null>" }; end
	end
	return list;
end

--- Wait until all of Kamailio's NOTIFYs are answered; error unless it is 200 for each.
function Server:wait_told(seconds)
	return self.loop:wait(function ()
		local _, sent = self.process.output:gsub("sent NOTIFY", "");
		local _, answered = self.process.output:gsub("answer to NOTIFY: 200", "");
		local other = self.process.output:match("answer to NOTIFY: [^2]%d+");
		if other then error(other, 3); end
		return sent == answered;
	end, seconds or 5, "an answer to each NOTIFY of Kamailio");
end

-- ----------------------------------------------------------------------------------------------------- presentity --

--- A client that publishes for an address; another one with another name.
function Server:presentity(address, client)
	local key = address .. "/" .. (client or "");
	self.people[key] = self.people[key] or setmetatable({ server = self, address = address }, Presentity);
	return self.people[key];
end

--- Publish a document; nil: withdraw what there is.
function Presentity:publish(document, seconds)
	local headers = { { "Event", "presence" }, { "Expires", seconds or 600 } };
	if self.etag then headers[#headers + 1] = { "SIP-If-Match", self.etag }; end
	if document then headers[#headers + 1] = { "Content-Type", "application/pidf+xml" }; end
	local answer = ask(self.server, "PUBLISH", self.address, headers, document);
	assert(answer.status == 200, "PUBLISH: " .. sip.describe(answer));
	self.etag = seconds ~= 0 and sip.get(answer, "SIP-ETag") or nil;
	return self;
end

function Presentity:withdraw()
	return self:publish(nil, 0);
end

local DOCUMENT = [[
<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status"
	xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rp="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:%s">
 <tuple id="%s"><status><basic>%s</basic>%s</status><contact priority="0.8">sip:%s</contact>%s</tuple>
 %s
</presence>]];

--- PIDF of a client. activity: as Lync writes it; person: of RFC 4480; note.
function presence.pidf(address, basic, options)
	options = options or {};
	return DOCUMENT:format(address, options.tuple or "t1", basic, options.activity
		and "<ep:activities><ep:activity>" .. options.activity .. "</ep:activity></ep:activities>" or "", address,
		options.note and "<note>" .. xml.escape(options.note) .. "</note>" or "",
		options.person and '<dm:person id="p1"><rp:activities><rp:' .. options.person .. "/></rp:activities></dm:person>" or "");
end

return presence;
