/*
 * sofia_listen.c: where the Edges connect to: nta's agent and its transports.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "sofia_edge.h"

#define MAX_MESSAGE 262144 /* with the stack's size: no list header overflows */
#define NOWHERE "/nonexistent" /* Sofia loads no files, sofia_tls_load.c does */

/* The engine gives up first. */
uint32_t sb_listen_timer_c_ms(const struct sb_config *cfg)
{
	return cfg->wire.invite_timeout_ms + 60000;
}

/* Add one transport; the first one makes the agent. */
static int bind_one(struct sb_edge *e, const struct sb_config *cfg,
		    const char *ip, unsigned int port, char *why, size_t n)
{
	uint32_t t1x64 = cfg->wire.message_timeout_ms;
	char url[400];

	snprintf(url, sizeof(url), "sips:%s:%u;maddr=%s", cfg->bridge_fqdn.p,
		 port, ip);
	if (!e->agent) {
		e->agent = nta_agent_create(
			e->root, (url_string_t *)url, sb_client_stray, e,
			TPTAG_CERTIFICATE(NOWHERE),
			TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_IN
						| TPTLS_VERIFY_SUBJECTS_OUT),
			TPTAG_TLS_VERIFY_DEPTH(SB_TLS_DEPTH),
			TPTAG_TLS_VERSION(0x10), TPTAG_SDWN_ERROR(1),
			TPTAG_QUEUESIZE(1000), TPTAG_IDLE(600000),
			/* as a proxy: what a UA's nta does with a further 2xx
			 * of an INVITE (ACK and BYE to names that the peer
			 * wrote) is not ours; ACKs are matched here */
			NTATAG_UA(0), NTATAG_MAXSIZE(MAX_MESSAGE),
			NTATAG_SIPFLAGS(MSG_DO_CANONIC | MSG_DO_EXTRACT_COPY),
			/* the stack closes the link after a bad header; what
			 * can be answered, sofia_server.c answers */
			NTATAG_BAD_REQ_MASK(0),
			NTATAG_BAD_RESP_MASK(sip_mask_response),
			NTATAG_SIP_T1X64(t1x64), NTATAG_CANCEL_487(0),
			NTATAG_TIMER_C(sb_listen_timer_c_ms(cfg)),
			NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0), TAG_END());
		if (e->agent)
			return SB_OK;
	}
	else if (nta_agent_add_tport(
			 e->agent, (url_string_t *)url,
			 TPTAG_CERTIFICATE(NOWHERE),
			 TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_IN
						 | TPTLS_VERIFY_SUBJECTS_OUT),
			 TPTAG_TLS_VERIFY_DEPTH(SB_TLS_DEPTH),
			 TPTAG_TLS_VERSION(0x10), TPTAG_SDWN_ERROR(1),
			 TPTAG_QUEUESIZE(1000), TPTAG_IDLE(600000), TAG_END())
		 == 0)
		return SB_OK;
	snprintf(why, n, "cannot listen on %s:%u: %s", ip, port,
		 errno ? strerror(errno) : "refused");
	return SB_ESYS;
}

static bool usable_address(const struct ifaddrs *i, bool loopback, char *ip,
			   size_t n)
{
	int family = i->ifa_addr ? i->ifa_addr->sa_family : 0;
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);

	if ((family != AF_INET && family != AF_INET6)
	    || !(i->ifa_flags & IFF_UP)
	    || !(i->ifa_flags & IFF_LOOPBACK) == loopback)
		return false;
	if (getnameinfo(i->ifa_addr, len, ip, (socklen_t)n, NULL, 0,
			NI_NUMERICHOST) != 0)
		return false;
	return strchr(ip, '%') == NULL; /* link-local addresses reach nobody */
}

/* Each address of this machine; requests leave from the first that fits, so
 * the loopback comes last. */
static int bind_all(struct sb_edge *e, const struct sb_config *cfg,
		    unsigned int port, char *why, size_t n)
{
	struct ifaddrs *list, *i;
	char ip[80], host[90];
	int pass, err = SB_OK;

	if (getifaddrs(&list) < 0) {
		snprintf(why, n, "cannot list addresses: %s", strerror(errno));
		return SB_ESYS;
	}
	for (pass = 0; pass < 2; pass++)
		for (i = list; i && err == SB_OK; i = i->ifa_next) {
			if (!usable_address(i, pass == 1, ip, sizeof(ip)))
				continue;
			snprintf(host, sizeof(host),
				 strchr(ip, ':') ? "[%s]" : "%s", ip);
			err = bind_one(e, cfg, host, port, why, n);
		}
	freeifaddrs(list);
	return err;
}

/* "IP:port", "[IP6]:port", "*:port" */
static int split_listen(const char *s, char *ip, size_t n, unsigned int *port)
{
	const char *colon = strrchr(s, ':');
	unsigned long v;
	char *end;

	if (!colon || (size_t)(colon - s) >= n || colon == s)
		return SB_EINVAL;
	v = strtoul(colon + 1, &end, 10);
	if (*end || v == 0 || v > 65535)
		return SB_EINVAL;
	memcpy(ip, s, (size_t)(colon - s));
	ip[colon - s] = '\0';
	*port = (unsigned int)v;
	return SB_OK;
}

static void find_sdp_address(struct sb_edge *e, const struct sb_config *cfg)
{
	char ip[80];
	unsigned int port;

	snprintf(e->sdp_address, sizeof(e->sdp_address), "0.0.0.0");
	if (split_listen(cfg->listen[0].p, ip, sizeof(ip), &port) == SB_OK
	    && ip[0] != '*' && ip[0] != '[')
		snprintf(e->sdp_address, sizeof(e->sdp_address), "%.60s", ip);
}

static int listen_all(struct sb_edge *e, const struct sb_config *cfg, char *why,
		      size_t n)
{
	unsigned int port = 0;
	int err = SB_OK;
	char ip[80];
	size_t i;

	for (i = 0; i < cfg->listen_n && err == SB_OK; i++) {
		if (split_listen(cfg->listen[i].p, ip, sizeof(ip), &port)) {
			snprintf(why, n, "lync_bridge_listen: %s is not "
				 "\"IP:port\" or \"*:port\"", cfg->listen[i].p);
			return SB_EINVAL;
		}
		if (i == 0)
			e->self.port = port;
		errno = 0;
		if (strcmp(ip, "*") == 0)
			err = bind_all(e, cfg, port, why, n);
		else
			err = bind_one(e, cfg, ip, port, why, n);
	}
	if (err == SB_OK && !e->agent) {
		snprintf(why, n, "no address to listen on");
		err = SB_ESYS;
	}
	return err;
}

/* The agent, once. A half-made one is taken back. */
int sb_listen_start(struct sb_edge *e, const struct sb_config *cfg, char *why,
		    size_t n)
{
	int err;

	sb_sofia_log_level(0); /* of files that it shall not find */
	sb_tls_capture(e->tls, true);
	err = listen_all(e, cfg, why, n);
	sb_tls_capture(e->tls, false);
	sb_sofia_log_level(1);
	if (err == SB_OK && sb_tls_captured(e->tls) == 0) {
		snprintf(why, n, "this Sofia-SIP makes its TLS contexts where "
			 "they cannot be guarded");
		err = SB_ESYS;
	}
	if (err == SB_OK)
		err = sb_tls_load(e->tls, cfg, why, n);
	if (err == SB_OK) {
		e->leg = nta_leg_tcreate(e->agent, sb_server_request, e,
					 NTATAG_NO_DIALOG(1), TAG_END());
		if (!e->leg)
			err = SB_ENOMEM;
	}
	if (err && e->agent) {
		nta_agent_destroy(e->agent);
		e->agent = NULL;
		sb_tls_forget(e->tls);
	}
	find_sdp_address(e, cfg);
	return err;
}
