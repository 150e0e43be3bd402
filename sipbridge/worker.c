/*
 * worker.c: the bridge's process: channel in, sessions and watches, SIP out,
 * and back.
 * SPDX-License-Identifier: MIT
 *
 * Started by client_worker.c with the channel on descriptor 3; ends when the
 * channel does. Exit status: 0 told to end, 1 broken protocol, 2 cannot start.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "config.h"
#include "content.h"
#include "edge.h"
#include "outbox.h"
#include "session.h"
#include "sip_text.h"
#include "version.h"
#include "watch.h"

#define CHANNEL_FD 3
#define STACK_BYTES (32u << 20) /* Sofia parses list headers recursively */
#define GOODBYE_MS 2000		/* for the answers to BYE */
#define FULL_LOOK_MS 50		/* at whether Prosody has caught up */
#define FRAMES_PER_WAKE 256	/* then SIP has its turn */

struct worker {
	struct sb_channel *channel;
	struct sb_outbox out;
	struct sb_edge *edge;
	struct sb_sessions *sessions; /* NULL: no settings yet */
	struct sb_watches *watches;   /* likewise */
	struct sb_config *cfg;
	uint64_t end_ms; /* 0: no end in sight */
	bool more;	 /* frames were left for the next turn */
	int status;
};

static void end(struct worker *w, int status)
{
	w->status = status;
	sb_edge_stop(w->edge);
}

static void put_event(void *arg, const struct sb_event *ev)
{
	struct worker *w = arg;
	int err = sb_outbox_put(&w->out, ev);

	if (err == SB_EFULL && w->end_ms)
		return; /* Prosody does not listen any more */
	/* An event that is lost breaks a promise; a new worker keeps it. */
	if (err)
		end(w, 1);
}

static void tell_state(struct worker *w, int status, const char *reason)
{
	struct sb_event ev = {.type = SB_EV_WORKER, .status = status};

	ev.reason = sb_str_of(reason);
	if (status > 0)
		ev.text = sb_str_of(sb_edge_confinement(w->edge));
	put_event(w, &ev);
}

static int wire_request(void *arg, uint64_t cookie, const struct sb_sip_out *m)
{
	struct worker *w = arg;

	return sb_edge_request(w->edge, cookie, m);
}

static void wire_cancel(void *arg, uint64_t cookie)
{
	struct worker *w = arg;

	sb_edge_cancel(w->edge, cookie);
}

static void wire_respond(void *arg, uint64_t txn, const struct sb_sip_out *m)
{
	struct worker *w = arg;

	sb_edge_respond(w->edge, txn, m);
}

static void wire_random(void *arg, void *buf, size_t n)
{
	size_t got = 0;
	ssize_t r;

	(void)arg;
	while (got < n) {
		r = getrandom((char *)buf + got, n - got, 0);
		if (r > 0)
			got += (size_t)r;
		else if (r < 0 && errno != EINTR)
			_exit(2); /* without randomness nothing is safe */
	}
}

static bool wire_slow(void *arg)
{
	struct worker *w = arg;

	return sb_outbox_above(&w->out, SB_OUTBOX_SLOW);
}

static const struct sb_wire_ops wire_ops = {
	.request = wire_request,
	.cancel = wire_cancel,
	.respond = wire_respond,
	.event = put_event,
	.random = wire_random,
	.slow = wire_slow,
};

/* The first settings make the engines, later ones change them in place. */
static int configure_engines(struct worker *w, const struct sb_config *cfg)
{
	int err;

	if (w->sessions) {
		err = sb_sessions_configure(w->sessions, &cfg->wire);
		return err ? err : sb_watches_configure(w->watches, &cfg->wire);
	}
	err = sb_watches_new(&w->watches, cfg->bridge_fqdn, &cfg->wire,
			     &wire_ops, w);
	if (err)
		return err;
	return sb_sessions_new(&w->sessions, cfg->bridge_fqdn,
			       sb_str_of(sb_edge_sdp_address(w->edge)),
			       &cfg->wire, &wire_ops, w);
}

static void start_ending(struct worker *w)
{
	if (w->end_ms)
		return;
	w->end_ms = sb_edge_now() + GOODBYE_MS;
	if (!w->sessions)
		return;
	sb_sessions_shutdown(w->sessions, sb_edge_now());
	sb_watches_shutdown(w->watches, sb_edge_now());
}

/* Of a process that is of no use for them another one takes its place, after
 * the goodbyes, with the same settings. */
static void refuse_config(struct worker *w, int err, const char *why)
{
	if (err == SB_EDOWN && !why[0]) {
		start_ending(w);
		return;
	}
	tell_state(w, -1, why);
	if (err == SB_EDOWN)
		end(w, 2);
}

static void take_config(struct worker *w, const struct sb_config *given)
{
	struct sb_config *cfg;
	char why[512] = "out of memory";
	int err;

	if (sb_config_dup(&cfg, given) != SB_OK) {
		tell_state(w, -1, why);
		return;
	}
	err = sb_edge_configure(w->edge, cfg, why, sizeof(why));
	if (err) {
		sb_config_free(cfg);
		refuse_config(w, err, why);
		return;
	}
	if (configure_engines(w, cfg) != SB_OK) {
		sb_config_free(cfg);
		tell_state(w, -1, why);
		end(w, 2);
		return;
	}
	sb_config_free(w->cfg);
	w->cfg = cfg;
	tell_state(w, 1, "ready");
}

/* A request that no engine can take yet: what it is owed. */
static void refuse_request(struct worker *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.id = r->id,
		.contact = r->contact,
		.user = r->user,
		.local = true,
		.status = 503,
		.token = SB_STR("bridge-down"),
		.reason = SB_STR("The bridge has no settings"),
	};

	if (r->type == SB_REQ_MESSAGE) {
		ev.type = SB_EV_OUTCOME;
		ev.outcome = SB_FAILED;
	}
	else if (r->type == SB_REQ_WATCH || r->type == SB_REQ_UNWATCH) {
		ev.type = SB_EV_WATCH;
		ev.watch = r->type == SB_REQ_WATCH ? SB_WATCH_FAILING
						   : SB_WATCH_ENDED;
	}
	else if (r->type == SB_REQ_SESSIONS || r->type == SB_REQ_WATCHES)
		ev = (struct sb_event){.type = r->type == SB_REQ_SESSIONS
						       ? SB_EV_SESSIONS_END
						       : SB_EV_WATCHES_END};
	else
		return;
	put_event(w, &ev);
}

/* Whose a request of the plugin is: of the watches? */
static bool for_watches(const struct sb_request *r)
{
	switch (r->type) {
	case SB_REQ_WATCH:
	case SB_REQ_UNWATCH:
	case SB_REQ_PRESENCE:
	case SB_REQ_REJECT:
	case SB_REQ_WATCHES:
		return true;
	case SB_REQ_ANSWER:
		return sb_watches_own(r->id);
	case SB_REQ_MESSAGE:
	case SB_REQ_TYPING:
	case SB_REQ_END:
	case SB_REQ_SESSIONS:
		break;
	}
	return false;
}

static void take_request(struct worker *w, const struct sb_request *r)
{
	if (!w->sessions)
		refuse_request(w, r);
	else if (for_watches(r))
		sb_watches_send(w->watches, r, sb_edge_now());
	else
		sb_sessions_send(w->sessions, r, sb_edge_now());
}

static void take_frame(struct worker *w, const struct sb_frame *f)
{
	switch (f->kind) {
	case SB_FRAME_HELLO:
		if (!sb_str_eq(f->hello, sb_str_of(LG_VERSION)))
			end(w, 1);
		break;
	case SB_FRAME_CONFIG:
		take_config(w, &f->config);
		break;
	case SB_FRAME_REQUEST:
		take_request(w, &f->request);
		break;
	case SB_FRAME_PING:
		sb_outbox_pong(&w->out);
		break;
	case SB_FRAME_SHUTDOWN:
		start_ending(w);
		break;
	case SB_FRAME_NONE:
	case SB_FRAME_PONG:
	case SB_FRAME_EVENT:
		end(w, 1); /* nothing a client says */
		break;
	}
}

/* Then Prosody's requests wait in the channel, and it hears that the channel is
 * full. */
static bool behind(const struct worker *w)
{
	return sb_outbox_above(&w->out, SB_OUTBOX_BEHIND);
}

static void take_frames(struct worker *w)
{
	struct sb_frame f;
	int got = 1, i;

	for (i = 0; i < FRAMES_PER_WAKE && !behind(w); i++) {
		got = sb_channel_get(w->channel, &f);
		if (got <= 0)
			break;
		take_frame(w, &f);
	}
	w->more = got > 0;
	if (got < 0)
		end(w, 1);
}

static void flush(struct worker *w)
{
	if (sb_outbox_flush(&w->out) != SB_OK) {
		start_ending(w);
		return;
	}
	sb_edge_watch_output(w->edge, sb_channel_pending(w->channel) > 0);
	sb_edge_watch_input(w->edge, !behind(w));
}

static void on_readable(void *arg)
{
	struct worker *w = arg;
	int err = sb_channel_fill(w->channel);

	take_frames(w);
	if (err == SB_EDOWN) {
		/* Prosody is gone: say goodbye to the Edges, then go too */
		start_ending(w);
		sb_edge_unwatch(w->edge);
	}
	else if (err)
		end(w, 1);
}

/* Both engines; ms until they want to be called again. */
static uint32_t tick_engines(struct worker *w, uint64_t now_ms)
{
	struct timespec t;
	uint32_t a, b;

	/* the wall's clock may be set at any time */
	clock_gettime(CLOCK_REALTIME, &t);
	if ((uint64_t)t.tv_sec > now_ms / 1000)
		sb_watches_time(w->watches, (uint64_t)t.tv_sec - now_ms / 1000);
	a = sb_sessions_tick(w->sessions, now_ms);
	b = sb_watches_tick(w->watches, now_ms);
	return a < b ? a : b;
}

static uint32_t on_tick(void *arg, uint64_t now_ms)
{
	struct worker *w = arg;
	uint32_t wait = 60000, held;

	if (w->more)
		take_frames(w);
	if (sb_outbox_above(&w->out, SB_OUTBOX_FULL))
		wait = FULL_LOOK_MS; /* what is due can wait, too */
	else if (w->sessions)
		wait = tick_engines(w, now_ms);
	if (sb_outbox_tell_busy(&w->out, now_ms) != SB_OK)
		end(w, 1);
	held = w->end_ms ? 0 : sb_outbox_held(&w->out, now_ms);
	if (held == 0)
		flush(w);
	else if (wait > held)
		wait = held;
	if (w->end_ms && (now_ms >= w->end_ms || sb_edge_busy(w->edge) == 0)) {
		tell_state(w, 0, "ended");
		flush(w);
		end(w, 0);
	}
	if (w->end_ms && wait > 50)
		wait = 50;
	return w->more && !behind(w) ? 0 : wait; /* output wakes us, too */
}

/* Subscriptions, and what is told about them. A NOTIFY that tells what became
 * of a message stands in a conversation (lync-sip.md 2.6). */
static bool about_presence(const struct sb_sip_in *m)
{
	return m->method == SB_M_SUBSCRIBE ||
	       (m->method == SB_M_NOTIFY &&
		!sb_type_is(m->content_type, SB_STR(SB_IMDN_TYPE)));
}

static bool on_admit(void *arg, const struct sb_sip_in *m)
{
	struct worker *w = arg;

	return sb_outbox_admits(&w->out, m, about_presence(m));
}

static void on_request(void *arg, uint64_t txn, const struct sb_sip_in *m)
{
	struct worker *w = arg;

	if (about_presence(m))
		sb_watches_request(w->watches, txn, m, sb_edge_now());
	else
		sb_sessions_request(w->sessions, txn, m, sb_edge_now());
}

static void on_ack(void *arg, uint64_t txn, bool timeout)
{
	struct worker *w = arg;

	sb_sessions_ack(w->sessions, txn, timeout, sb_edge_now());
}

static void on_cancel(void *arg, uint64_t txn)
{
	struct worker *w = arg;

	sb_sessions_cancel(w->sessions, txn, sb_edge_now());
}

static void on_response(void *arg, uint64_t cookie, const struct sb_sip_in *m)
{
	struct worker *w = arg;

	if (sb_watches_own(cookie))
		sb_watches_response(w->watches, cookie, m, sb_edge_now());
	else
		sb_sessions_response(w->sessions, cookie, m, sb_edge_now());
}

static const struct sb_edge_hooks edge_hooks = {
	.admit = on_admit,
	.request = on_request,
	.ack = on_ack,
	.cancel = on_cancel,
	.response = on_response,
	.event = put_event,
	.readable = on_readable,
	.tick = on_tick,
};

/* What a process needs before peers' bytes reach it. */
static void prepare_process(void)
{
	struct rlimit r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* Prosody reloads; we are told */
	/* ^C and a service manager mean Prosody; its end ends the channel */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "lync-sipbridge");
	/* the main thread's stack grows up to the limit of the moment */
	if (getrlimit(RLIMIT_STACK, &r) == 0 && r.rlim_cur < STACK_BYTES) {
		r.rlim_cur = r.rlim_max < STACK_BYTES ? r.rlim_max
						      : STACK_BYTES;
		(void)setrlimit(RLIMIT_STACK, &r);
	}
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

int main(int argc, char **argv)
{
	struct worker w = {0};

	(void)argv;
	if (argc != 1 || sb_channel_new(&w.channel, CHANNEL_FD) != SB_OK
	    || sb_channel_put_hello(w.channel) != SB_OK) {
		fprintf(stderr, "sipbridge-worker is started by Prosody's "
				"mod_lync_gateway, not by hand\n");
		return 2;
	}
	prepare_process();
	sb_outbox_init(&w.out, w.channel);
	if (sb_edge_new(&w.edge, CHANNEL_FD, &edge_hooks, &w) != SB_OK)
		return 2;
	flush(&w);
	sb_edge_run(w.edge);
	sb_edge_free(w.edge);
	sb_sessions_free(w.sessions);
	sb_watches_free(w.watches);
	sb_config_free(w.cfg);
	sb_channel_free(w.channel);
	return w.status;
}
