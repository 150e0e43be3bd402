-- kamailio.lua: Debian's Kamailio as a record-routing proxy in the Access Edge's place: TLS to the bridge, TCP to a SIP peer.
-- SPDX-License-Identifier: MIT
--
--	local proxy = kamailio.start(loop, { cert = edge_cert, ip = ports.address("edge"), bridge = "127.a.b.c:5061",
--		peer = "127.a.b.d:5060", contacts = "fabrikam.com" })
--
-- Requests whose From is of the contacts' domain go to the peer, all others to the bridge; so do requests inside a dialog, after
-- the Route entries of the proxy (one for TCP, one for TLS) have been taken off. The proxy demands and verifies certificates.

local process = require "spec.support.process";

local kamailio = {};

local CONFIG = [[
#!KAMAILIO
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=2
disable_sctp=yes
enable_tls=yes
auto_aliases=no
dns=no
rev_dns=no
dns_try_naptr=no
shm_mem_size=32
listen=tls:@IP@:5061
listen=tcp:@IP@:5060
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "tls.so"
modparam("tls", "config", "@DIR@/tls.cfg")
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 1)
modparam("tm", "fr_timer", 10000)

request_route {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	xlog("L_NOTICE", "$rm $fu -> $tu from $proto:$si\n");
	if (is_method("OPTIONS") && !has_totag()) {
		sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (has_totag()) {
		if (!loose_route()) {
			if (is_method("ACK")) {
				if (t_check_trans()) t_relay();
				exit;
			}
			sl_send_reply("404", "No route");
			exit;
		}
	} else {
		t_check_trans();
		if (is_method("INVITE|SUBSCRIBE")) record_route();
	}
	if ($fd == "@CONTACTS@") {
		$du = "sip:@PEER@;transport=tcp";
		$fs = "tcp:@IP@:5060";
	} else {
		$du = "sip:@BRIDGE@;transport=tls";
		$fs = "tls:@IP@:5061";
	}
	if (!t_relay()) sl_reply_error();
	exit;
}
]];

local TLS = [[
[%s]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = %s
certificate = %s
ca_list = %s
]];

--- Start Kamailio in directory, with the configuration's @NAME@s replaced by values, as the owner of options.cert at options.ip;
--- the process (process.lua), listening.
function kamailio.run(loop, directory, config, values, options)
	local cert = options.cert;
	process.write(directory .. "/tls.cfg", TLS:format("server:default", cert.key, cert.cert, cert.ca)
		.. TLS:format("client:default", cert.key, cert.cert, cert.ca));
	process.write(directory .. "/kamailio.cfg", (config:gsub("@(%u+)@", values)));
	local p = process.start(loop, { "kamailio", "-DD", "-E", "-f", directory .. "/kamailio.cfg", "-Y", directory,
		"-P", directory .. "/pid", "-w", directory }, { name = "kamailio" });
	p:wait_port(options.ip, 5061, 15);
	return p;
end

--- Start the proxy; the process, listening.
function kamailio.start(loop, options)
	local directory = process.directory(loop, "kamailio");
	return kamailio.run(loop, directory, CONFIG, { IP = options.ip, DIR = directory, CONTACTS = options.contacts or "fabrikam.com",
		PEER = options.peer, BRIDGE = options.bridge }, options);
end

return kamailio;
