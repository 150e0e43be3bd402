/*
 * edge.c: the SIP agent: its settings, its Edges, its loop.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sofia_edge.h"
#include "sofia_names.h"

#define STEP_MS 1000	   /* the loop's longest sleep */
#define STEPS_PER_WAKE 16  /* then the engines and Prosody have their turn */
#define REFUSALS_SHOWN 10  /* a second: strangers do not fill the log */
#define MEMORY_PROBE 262144 /* bytes: as a TLS connection and a message */
#define MEMORY_PATIENCE 3   /* seconds without */

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
	if (domain.n > 255 || !sb_check_text(domain, SB_TXT_LINE))
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
	e->heard = true;
	e->hooks.readable(e->arg);
	return 0;
}

static void watch_fd(struct sb_edge *e, bool output, bool deaf)
{
	if ((e->output == output && e->deaf == deaf) || e->fd_index < 0)
		return;
	e->output = output;
	e->deaf = deaf;
	su_root_eventmask(e->root, e->fd_index, e->fd,
			  (deaf ? 0 : SU_WAIT_IN) |
				  (output ? SU_WAIT_OUT : 0));
}

void sb_edge_watch_output(struct sb_edge *e, bool on)
{
	watch_fd(e, on, e->deaf);
}

void sb_edge_watch_input(struct sb_edge *e, bool on)
{
	watch_fd(e, e->output, !on);
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
	if (!sb_start_lines_are_ours())
		sb_edge_log(e, 2, "line ends in front of a message may spoil "
			    "it: sip_request_d is not replaced");
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
	int err = sb_confine_begin(e, cfg, why, n);

	if (!err)
		err = e->agent ? sb_tls_load(e->tls, cfg, why, n)
			       : sb_listen_start(e, cfg, why, n);
	if (!err)
		err = sb_confine_end(e, cfg, why, n);
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
			     NTATAG_TIMER_C(sb_listen_timer_c_ms(cfg)),
			     TAG_END());
	set_peers(e);
	return SB_OK;
}

/* One event a step: what came, came over one connection. */
static void watch_step(struct sb_edge *e, uint64_t now_ms)
{
	usize_t all = e->messages, bad = e->spoilt;

	nta_agent_get_stats(e->agent, NTATAG_S_RECV_MSG_REF(all),
			    NTATAG_S_BAD_MESSAGE_REF(bad), TAG_END());
	if (sb_tls_step(e->tls, all != e->messages, bad != e->spoilt, now_ms))
		e->heard = true;
	e->messages = all;
	e->spoilt = bad;
}

/* One step of the loop; false: there was nothing to be read. */
static bool step(struct sb_edge *e, uint32_t ms)
{
	e->heard = false;
	su_root_step(e->root, (su_duration_t)ms);
	sb_tls_clean();
	if (e->agent)
		watch_step(e, sb_edge_now());
	return e->heard;
}

/* Without memory no connection is made and little is answered. What a busy
 * moment took comes back; what does not, only the end of the process frees. */
static void watch_memory(struct sb_edge *e)
{
	void *probe = malloc(MEMORY_PROBE);

	free(probe);
	e->memory_short = probe ? 0 : e->memory_short + 1;
	if (e->memory_short < MEMORY_PATIENCE)
		return;
	sb_edge_log(e, 3, "out of memory: giving way to another worker "
		    "(lync_bridge_memory, or the machine's)");
	e->stop = true;
}

static void each_second(struct sb_edge *e, uint64_t now_ms)
{
	struct timespec pause = {0, 50 * 1000 * 1000};

	if (now_ms - e->last_reap_ms >= 1000) {
		e->last_reap_ms = now_ms;
		sb_tls_reap(e->tls, now_ms);
		sb_server_tick(e, now_ms);
		tell_refusals(e);
		watch_memory(e);
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
	uint64_t now_ms;
	unsigned int n;

	while (!e->stop) {
		/* what is there already is taken together: its events go to
		 * Prosody in one write, unless some wait for that already */
		n = step(e, sleep_ms(e, wanted, sb_edge_now()));
		while (n && n < STEPS_PER_WAKE && !e->stop && !e->output &&
		       step(e, 0))
			n++;
		now_ms = sb_edge_now();
		if (e->agent) {
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
