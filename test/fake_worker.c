/*
 * fake_worker.c: a worker that behaves as its bridge_fqdn's first label says.
 * SPDX-License-Identifier: MIT
 *
 *	echo	every message is delivered; "die" as its text: _exit(7);
 *		"back" as its subject: the user says the same; a
 *		watch is active, then refused, with a state; see take_watch()
 *	hold	no message ever gets an outcome
 *	hang	ready, then never reads again
 *	version	another build
 *	early	an event before the hello
 *	garbage	ready, then bytes that are no frame
 *	pong	ready, then a pong that nobody asked for
 *	stray	outcomes twice, and of ids that nobody knows
 *	flood	ready, then 20000 log lines
 *	refuse	settings refused unless there is a domain named "good"
 *	stuck	ignores the end of the channel and the goodbye
 *	look	ready, then a line about its descriptors, environment, signals
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../sipbridge/channel_codec.h"

enum { CHANNEL_FD = 3 };

struct fake {
	struct sb_channel *ch;
	char mode[16];
};

static bool is(const struct fake *w, const char *mode)
{
	return strcmp(w->mode, mode) == 0;
}

static void put(struct fake *w, const struct sb_event *ev)
{
	if (sb_channel_put_event(w->ch, ev) != SB_OK)
		_exit(90);
}

static void say(struct fake *w, enum sb_event_type type, int status,
		const char *text)
{
	struct sb_event ev = {.type = type, .status = status};

	if (type == SB_EV_LOG)
		ev.text = sb_str_of(text);
	else
		ev.reason = sb_str_of(text);
	put(w, &ev);
}

static void write_all(const char *p, size_t n)
{
	if (write(CHANNEL_FD, p, n) != (ssize_t)n)
		_exit(91);
}

static void put_hello(struct fake *w)
{
	struct sb_str other = SB_STR("0.0.0-other");
	char frame[64];

	if (is(w, "version"))
		write_all(frame, sb_frame_encode(frame, SB_FRAME_HELLO,
						 &other));
	else if (!is(w, "early") && sb_channel_put_hello(w->ch) != SB_OK)
		_exit(92);
}

/* Descriptors, and what of the environment and the signals matters. */
static void look(struct fake *w)
{
	char line[512];
	size_t n = 0;
	sigset_t mask;
	struct sigaction sa;
	const char *res = getenv("RES_OPTIONS");

	n += (size_t)snprintf(line, sizeof(line), "fds");
	for (int i = 0; i < 256; i++) {
		char path[64], to[8];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		if (readlink(path, to, sizeof(to)) > 0)
			n += (size_t)snprintf(line + n, sizeof(line) - n,
					      " %d", i);
	}
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigaction(SIGUSR1, NULL, &sa);
	snprintf(line + n, sizeof(line) - n,
		 ", resolver %s, dump %d, debug %d, kept %d, usr1 %s %s",
		 res ? res : "?", getenv("TPORT_LOG") != NULL,
		 getenv("NTA_DEBUG") != NULL, getenv("FAKE_KEPT") != NULL,
		 sigismember(&mask, SIGUSR1) ? "blocked" : "open",
		 sa.sa_handler == SIG_DFL ? "default" : "handled");
	say(w, SB_EV_LOG, 1, line);
}

static void after_ready(struct fake *w)
{
	char text[64];

	if (is(w, "garbage")) {
		(void)sb_channel_flush(w->ch);
		write_all("\xff\xff\xff\xffrubbish", 11);
	}
	else if (is(w, "pong"))
		(void)sb_channel_put_ping(w->ch, true);
	else if (is(w, "look"))
		look(w);
	else if (is(w, "flood")) {
		for (int i = 0; i < 20000; i++) {
			snprintf(text, sizeof(text), "line %d", i);
			say(w, SB_EV_LOG, 0, text);
		}
	}
	else if (is(w, "hang")) {
		(void)sb_channel_flush(w->ch);
		for (;;)
			pause();
	}
}

static void take_config(struct fake *w, const struct sb_config *c)
{
	size_t n = 0;
	bool good = !is(w, "refuse");

	if (w->mode[0] == '\0') {
		while (n < sizeof(w->mode) - 1 && n < c->bridge_fqdn.n &&
		       c->bridge_fqdn.p[n] != '.') {
			w->mode[n] = c->bridge_fqdn.p[n];
			n++;
		}
		put_hello(w);
		good = !is(w, "refuse");
	}
	for (size_t i = 0; i < c->domains_n; i++)
		good = good || sb_str_eq(c->domains[i].name, SB_STR("good"));
	say(w, SB_EV_WORKER, good ? 1 : -1, good ? "ready" : "no good domain");
	if (good)
		after_ready(w);
}

/* The user says the same to the contact. */
static void say_back(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.type = SB_EV_MESSAGE,
		.id = 17,
		.contact = r->contact,
		.resource = r->resource,
		.user = r->user,
		.text = r->text,
		.thread = r->thread,
	};

	put(w, &ev);
}

static void take_message(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.type = SB_EV_OUTCOME,
		.id = r->id,
		.outcome = SB_DELIVERED,
		.status = 200,
		.contact = r->contact,
		.user = r->user,
	};

	if (sb_str_eq(r->text, SB_STR("die"))) {
		(void)sb_channel_flush(w->ch);
		_exit(7);
	}
	if (is(w, "hold"))
		return;
	put(w, &ev);
	if (is(w, "echo") && sb_str_eq(r->subject, SB_STR("back")))
		say_back(w, r);
	if (is(w, "stray")) {
		put(w, &ev);
		ev.id += 1000000;
		put(w, &ev);
	}
}

/* Each watch gets all that can be said of one, and a SUBSCRIBE the other way;
 * what was told of a presence comes back as a state. */
static void take_watch(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.type = SB_EV_WATCH,
		.contact = r->contact,
		.user = r->user,
		.watch = SB_WATCH_ACTIVE,
	};

	put(w, &ev);
	ev.type = SB_EV_STATE;
	ev.presence = SB_PR_BUSY_IDLE;
	ev.display = r->display;
	ev.text = r->flags & SB_F_NOTES ? SB_STR("with a note") : SB_NOSTR;
	put(w, &ev);
	ev = (struct sb_event){
		.type = SB_EV_SUBSCRIBE, .id = UINT64_C(1) << 63 | 7,
		.contact = r->contact, .user = r->user, .added = true};
	put(w, &ev);
	ev = (struct sb_event){
		.type = SB_EV_WATCH, .watch = SB_WATCH_REFUSED, .status = 403,
		.diag = 1034, .retry_after = 5, .reason = SB_STR("no"),
		.contact = r->contact, .user = r->user};
	put(w, &ev);
}

/* Fields of what came, in fields that come back. */
static void take_presence(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.type = SB_EV_STATE,
		.contact = r->contact,
		.user = r->user,
		.presence = r->presence,
		.text = r->text,
		.display = r->display,
		.status = (int)r->flags,
	};

	put(w, &ev);
}

static void take_watches(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.type = SB_EV_WATCH_ROW,
		.contact = r->contact,
		.user = r->user,
		.incoming = true,
		.watch = SB_WATCH_FAILING,
		.presence = SB_PR_DND,
		.status = 3,
		.age_ms = 61000,
		.idle_ms = 2000,
		.pending = 55,
	};

	if (r->contact.n)
		put(w, &ev);
	ev = (struct sb_event){.type = SB_EV_WATCHES_END, .status = 1};
	put(w, &ev);
}

/* True: it was about presence. */
static bool take_about_presence(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {.contact = r->contact, .user = r->user};

	if (r->type == SB_REQ_WATCH)
		take_watch(w, r);
	else if (r->type == SB_REQ_PRESENCE)
		take_presence(w, r);
	else if (r->type == SB_REQ_WATCHES && !is(w, "hold"))
		take_watches(w, r);
	else if (r->type == SB_REQ_UNWATCH) {
		ev.type = SB_EV_WATCH;
		ev.watch = SB_WATCH_ENDED;
		put(w, &ev);
	}
	else if (r->type == SB_REQ_REJECT) {
		ev.type = SB_EV_UNSUBSCRIBED;
		ev.token = SB_STR("rejected");
		put(w, &ev);
	}
	else if (r->type == SB_REQ_ANSWER && r->id >> 63) {
		ev.type = SB_EV_LOG;
		ev.text = r->status == 200 ? SB_STR("accepted")
					   : SB_STR("refused");
		put(w, &ev);
	}
	else
		return r->type == SB_REQ_WATCHES;
	return true;
}

static void take_request(struct fake *w, const struct sb_request *r)
{
	struct sb_event ev = {
		.contact = r->contact,
		.user = r->user,
		.typing = r->typing,
		.thread = r->thread,
	};

	if (take_about_presence(w, r))
		return;
	if (r->type == SB_REQ_MESSAGE)
		take_message(w, r);
	else if (r->type == SB_REQ_TYPING) {
		ev.type = SB_EV_TYPING;
		put(w, &ev);
	}
	else if (r->type == SB_REQ_SESSIONS && !is(w, "hold")) {
		ev.type = SB_EV_SESSIONS_END;
		put(w, &ev);
	}
}

static void take_frame(struct fake *w, const struct sb_frame *f)
{
	if (f->kind == SB_FRAME_CONFIG)
		take_config(w, &f->config);
	else if (f->kind == SB_FRAME_REQUEST)
		take_request(w, &f->request);
	else if (f->kind == SB_FRAME_PING)
		(void)sb_channel_put_ping(w->ch, true);
	else if (f->kind == SB_FRAME_SHUTDOWN && !is(w, "stuck"))
		_exit(0);
}

int main(void)
{
	struct fake w = {NULL, ""};
	struct sb_frame f;
	int got;

	if (sb_channel_new(&w.ch, CHANNEL_FD) != SB_OK)
		return 93;
	for (;;) {
		struct pollfd p = {CHANNEL_FD, POLLIN, 0};

		while ((got = sb_channel_get(w.ch, &f)) == 1)
			take_frame(&w, &f);
		if (got < 0)
			return 94;
		if (sb_channel_pending(w.ch))
			p.events |= POLLOUT;
		(void)poll(&p, 1, -1);
		(void)sb_channel_flush(w.ch);
		if (sb_channel_fill(w.ch) != SB_OK) {
			while (is(&w, "stuck"))
				pause();
			sb_channel_free(w.ch);
			return 0;
		}
	}
}
