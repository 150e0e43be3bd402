/*
 * edge.c: the SIP agent: its settings, its listeners, its loop.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "content.h"
#include "sofia_edge.h"
#include "sofia_names.h"

#define MAX_MESSAGE 262144 /* with the stack's size: no list header overflows */
#define STEP_MS 1000	   /* the loop's longest sleep */
#define REFUSALS_SHOWN 10  /* a second: strangers do not fill the log */
#define NOWHERE "/nonexistent" /* Sofia loads no files, sofia_tls_load.c does */

uint64_t sb_edge_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint32_t sb_edge_random(void)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint32_t)sb_edge_now();
	return r;
}

void sb_edge_log(struct sb_edge *e, int level, const char *fmt, ...)
{
	struct sb_event ev = {.type = SB_EV_LOG, .status = level};
	char line[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ev.text = sb_str_of(line);
	e->hooks.event(e->arg, &ev);
}

void sb_edge_refused(struct sb_edge *e, struct sb_str domain, const char *token,
		     const char *fmt, ...)
{
	struct sb_event ev = {.type = SB_EV_REFUSED, .domain = domain};
	char line[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (domain.n > 255 || !sb_utf8_valid(domain))
		ev.domain = SB_NOSTR;
	ev.token = sb_str_of(token);
	ev.reason = sb_str_of(line);
	e->hooks.event(e->arg, &ev);
}

void sb_edge_link_event(struct sb_edge *e, const struct sb_peer *p, bool up,
			const char *why)
{
	struct sb_event ev = {.type = SB_EV_EDGE, .status = up};
	char reason[400];
	size_t i;

	snprintf(reason, sizeof(reason), "%s:%u (%s): %s", p->fqdn, p->port,
		 p->address, why);
	ev.reason = sb_str_of(reason);
	for (i = 0; i < e->cfg->domains_n; i++)
		if (&e->peer[e->domain_peer[i]] == p) {
			ev.domain = e->cfg->domains[i].name;
			e->hooks.event(e->arg, &ev);
		}
}

static void on_tls_refused(void *arg, const char *token, const char *reason)
{
	struct sb_edge *e = arg;

	if (e->refusals++ < REFUSALS_SHOWN)
		sb_edge_refused(e, SB_NOSTR, token, "%s", reason);
}

static void tell_refusals(struct sb_edge *e)
{
	if (e->refusals > REFUSALS_SHOWN)
		sb_edge_log(e, 2, "more connections refused: not shown (n=%u)",
			    e->refusals - REFUSALS_SHOWN);
	e->refusals = 0;
}

static int on_fd(struct sb_edge *magic, su_wait_t *w, struct sb_edge *e)
{
	(void)magic, (void)w;
	e->hooks.readable(e->arg);
	return 0;
}

void sb_edge_watch_output(struct sb_edge *e, bool on)
{
	if (e->output == on || e->fd_index < 0)
		return;
	e->output = on;
	su_root_eventmask(e->root, e->fd_index, e->fd,
			  on ? SU_WAIT_IN | SU_WAIT_OUT : SU_WAIT_IN);
}

void sb_edge_unwatch(struct sb_edge *e)
{
	if (e->fd_index >= 0)
		su_root_deregister(e->root, e->fd_index);
	e->fd_index = -1;
}

int sb_edge_new(struct sb_edge **ep, int fd, const struct sb_edge_hooks *hooks,
		void *arg)
{
	static const struct sb_tls_hooks tls_hooks = {on_tls_refused};
	struct sb_edge *e = calloc(1, sizeof(*e));
	su_wait_t wait = SU_WAIT_INIT;

	if (!e)
		return SB_ENOMEM;
	e->hooks = *hooks;
	e->arg = arg;
	e->fd = fd;
	su_init();
	sb_sofia_log_to(e);
	if (!sb_names_are_numbers())
		sb_edge_log(e, 3, "host names of peers may be looked up: "
			    "getaddrinfo is not replaced");
	e->root = su_root_create(e);
	if (!e->root || sb_tls_new(&e->tls, &tls_hooks, e) != SB_OK
	    || su_wait_create(&wait, fd, SU_WAIT_IN) < 0) {
		free(e);
		return SB_ENOMEM;
	}
	/* one event a step: our own code runs between any two */
	su_root_multishot(e->root, 0);
	e->fd_index = su_root_register(e->root, &wait, on_fd, e, 0);
	*ep = e;
	return SB_OK;
}

void sb_edge_free(struct sb_edge *e)
{
	if (!e)
		return;
	sb_client_free_all(e);
	sb_server_free_all(e);
	if (e->leg)
		nta_leg_destroy(e->leg);
	if (e->agent)
		nta_agent_destroy(e->agent);
	sb_tls_reap(e->tls, sb_edge_now());
	sb_edge_unwatch(e);
	su_root_destroy(e->root);
	free(e);
}

/* The engine gives up first. */
static uint32_t timer_c_ms(const struct sb_config *cfg)
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
			NTATAG_TIMER_C(timer_c_ms(cfg)),
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
static int start_agent(struct sb_edge *e, const struct sb_config *cfg,
		       char *why, size_t n)
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

static struct sb_peer *find_peer(struct sb_edge *e, const struct sb_domain *d)
{
	size_t i;

	for (i = 0; i < e->peer_n; i++)
		if (strcasecmp(e->peer[i].fqdn, d->edge.p) == 0
		    && strcmp(e->peer[i].address, d->address.p) == 0
		    && e->peer[i].port == d->port)
			return &e->peer[i];
	return NULL;
}

/* A free place: one that nothing refers to any more, or a new one. */
static struct sb_peer *new_peer(struct sb_edge *e)
{
	size_t i;

	for (i = 0; i < e->peer_n; i++)
		if (!e->peer[i].used && e->peer[i].open == 0
		    && e->peer[i].queued == 0)
			return &e->peer[i];
	return e->peer_n < SB_PEERS_MAX ? &e->peer[e->peer_n++] : NULL;
}

static void init_peer(struct sb_edge *e, struct sb_peer *p,
		      const struct sb_domain *d, uint64_t now_ms)
{
	bool ip6 = strchr(d->address.p, ':') != NULL;

	memset(p, 0, sizeof(*p));
	snprintf(p->fqdn, sizeof(p->fqdn), "%s", d->edge.p);
	snprintf(p->address, sizeof(p->address), "%s", d->address.p);
	p->port = d->port;
	p->queue_end = &p->queue;
	snprintf(p->route, sizeof(p->route), "sips:%s:%u;maddr=%s%s%s",
		 p->fqdn, p->port, ip6 ? "[" : "", p->address, ip6 ? "]" : "");
	sb_link_init(&p->link, e->cfg->wire.options_interval_ms, now_ms);
	sb_pace_init(&p->pace, e->cfg->rate, e->cfg->burst, now_ms);
}

/* Those that stay are marked first: no new one takes their place. */
static void mark_peers(struct sb_edge *e)
{
	struct sb_peer *p;
	size_t i;

	for (i = 0; i < e->peer_n; i++)
		e->peer[i].used = false;
	for (i = 0; i < e->cfg->domains_n; i++) {
		p = find_peer(e, &e->cfg->domains[i]);
		if (p)
			p->used = true;
	}
}

static void set_pace(struct sb_edge *e, struct sb_peer *p, uint64_t now_ms)
{
	struct sb_pace new;

	sb_pace_init(&new, e->cfg->rate, e->cfg->burst, now_ms);
	if (p->pace.rate != new.rate || p->pace.burst != new.burst)
		p->pace = new;
}

static void set_peers(struct sb_edge *e)
{
	uint64_t now_ms = sb_edge_now();
	size_t i;

	mark_peers(e);
	for (i = 0; i < e->cfg->domains_n; i++) {
		const struct sb_domain *d = &e->cfg->domains[i];
		struct sb_peer *p = find_peer(e, d);

		e->tls_peers[i] = (struct sb_tls_peer){
			d->edge.p, d->address.p, d->port};
		if (!p) {
			p = new_peer(e);
			if (p)
				init_peer(e, p, d, now_ms);
		}
		e->domain_peer[i] = p ? (size_t)(p - e->peer) : SB_PEERS_MAX;
		if (!p)
			continue;
		p->used = true;
		p->link.interval_ms = e->cfg->wire.options_interval_ms;
		set_pace(e, p, now_ms);
	}
	sb_tls_peers(e->tls, e->tls_peers, e->cfg->domains_n);
	sb_names_peers(e->tls_peers, e->cfg->domains_n);
}

int sb_edge_configure(struct sb_edge *e, const struct sb_config *cfg, char *why,
		      size_t n)
{
	int err = e->agent ? sb_tls_load(e->tls, cfg, why, n)
			   : start_agent(e, cfg, why, n);

	if (err) {
		if (err == SB_ENOMEM)
			snprintf(why, n, "out of memory");
		return err;
	}
	e->cfg = cfg;
	e->self.fqdn = cfg->bridge_fqdn.p;
	e->self.record_route = cfg->wire.record_route;
	e->self.verification = cfg->wire.verification_header;
	nta_agent_set_params(e->agent,
			     NTATAG_SIP_T1X64(cfg->wire.message_timeout_ms),
			     NTATAG_TIMER_C(timer_c_ms(cfg)), TAG_END());
	set_peers(e);
	return SB_OK;
}

/* One event a step: what came, came over one connection. */
static void watch_step(struct sb_edge *e, uint64_t now_ms)
{
	usize_t all = e->messages, bad = e->spoilt;

	nta_agent_get_stats(e->agent, NTATAG_S_RECV_MSG_REF(all),
			    NTATAG_S_BAD_MESSAGE_REF(bad), TAG_END());
	sb_tls_step(e->tls, all != e->messages, bad != e->spoilt, now_ms);
	e->messages = all;
	e->spoilt = bad;
}

static void each_second(struct sb_edge *e, uint64_t now_ms)
{
	struct timespec pause = {0, 50 * 1000 * 1000};

	if (now_ms - e->last_reap_ms >= 1000) {
		e->last_reap_ms = now_ms;
		sb_tls_reap(e->tls, now_ms);
		sb_server_tick(e, now_ms);
		tell_refusals(e);
	}
	if (sb_sofia_log_emfile()) {
		sb_edge_log(e, 3, "no file descriptors left: connections wait");
		nanosleep(&pause, NULL);
	}
}

/* How long the loop may sleep: until a probe, a token or the engine is due. */
static uint32_t sleep_ms(struct sb_edge *e, uint32_t wanted, uint64_t now_ms)
{
	uint32_t ms = wanted < STEP_MS ? wanted : STEP_MS, w;
	size_t i;

	if (e->client_due)
		return 1;
	for (i = 0; i < e->peer_n; i++) {
		const struct sb_peer *p = &e->peer[i];

		if (!p->used)
			continue;
		w = sb_link_wait_ms(&p->link, now_ms);
		if (p->address[0] && w < ms)
			ms = w;
		if (p->queue && p->pace.rate && ms > 1000 / p->pace.rate)
			ms = 1000 / p->pace.rate;
	}
	return ms ? ms : 1;
}

void sb_edge_run(struct sb_edge *e)
{
	uint32_t wanted = 0;

	while (!e->stop) {
		uint64_t now_ms = sb_edge_now();

		su_root_step(e->root,
			     (su_duration_t)sleep_ms(e, wanted, now_ms));
		sb_tls_clean();
		now_ms = sb_edge_now();
		if (e->agent) {
			watch_step(e, now_ms);
			sb_client_tick(e, now_ms);
			each_second(e, now_ms);
		}
		wanted = e->hooks.tick(e->arg, now_ms);
	}
}

void sb_edge_stop(struct sb_edge *e)
{
	e->stop = true;
}

size_t sb_edge_busy(const struct sb_edge *e)
{
	return e->clients_waiting + e->servers_open;
}

const char *sb_edge_sdp_address(const struct sb_edge *e)
{
	return e->sdp_address;
}
