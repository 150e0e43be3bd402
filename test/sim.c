/*
 * sim.c: cardboard carrier and plugin; see sim.h.
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

const char sim_sdp[] = "v=0\r\no=- 0 0 IN IP4 10.1.7.42\r\ns=session\r\n"
	"c=IN IP4 10.1.7.42\r\nt=0 0\r\nm=message 5060 sip null\r\n"
	"a=accept-types:text/plain text/html application/ms-imdn+xml\r\n";

static const char *const method_names[] = {
	"OTHER", "INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "INFO", "UPDATE",
	"OPTIONS", "NOTIFY", "SUBSCRIBE", "REFER",
};

static const char *const event_names[] = {
	"none", "outcome", "offer", "message", "typing", "ended", "edge",
	"worker", "log", "session", "sessions-end", "refused", "watch",
	"state", "subscribe", "unsubscribed", "watch-row", "watches-end",
};

uint64_t sim_random(struct sim *m)
{
	uint64_t x = m->rng;

	x ^= x << 13; /* xorshift64 */
	x ^= x >> 7;
	x ^= x << 17;
	m->rng = x;
	return x * UINT64_C(2685821657736338717);
}

void sim_bad(struct sim *m, const char *fmt, ...)
{
	va_list ap;

	if (m->bad[0])
		return;
	va_start(ap, fmt);
	vsnprintf(m->bad, sizeof(m->bad), fmt, ap);
	va_end(ap);
}

static void push(struct sim *m, struct sim_item *it)
{
	*m->tail = it;
	m->tail = &it->next;
}

static struct sim_item *request_item(uint64_t cookie,
				     const struct sb_sip_out *o)
{
	struct sim_item *it = sim_item_new(SIM_REQUEST, method_names[o->method],
				   cookie);

	sim_put(it, "ruri", o->request_uri);
	sim_put_message(it, o);
	return it;
}

/* ----------------------------------------------------------------- ops -- */

struct sim_client *sim_client_of(struct sim *m, uint64_t cookie)
{
	for (size_t i = m->client_n; i-- > 0;)
		if (m->client[i].cookie == cookie)
			return &m->client[i];
	return NULL;
}

struct sim_server *sim_server_of(struct sim *m, uint64_t txn)
{
	for (size_t i = m->server_n; i-- > 0;)
		if (m->server[i].txn == txn)
			return &m->server[i];
	return NULL;
}

static bool ordered(enum sb_method method)
{
	return method == SB_M_MESSAGE || method == SB_M_INFO;
}

static bool same(const struct sim_item *a, const struct sim_item *b,
		 const char *key)
{
	return strcmp(sim_get(a, key), sim_get(b, key)) == 0;
}

/* Against the open ones: CSeq grows, one MESSAGE or INFO at a time. */
static void check_open(struct sim *m, const struct sim_item *it,
		       enum sb_method method)
{
	for (size_t i = 0; i < m->client_n; i++) {
		const struct sim_client *c = &m->client[i];

		if (same(c->as, it, "call_id") && same(c->as, it, "from_tag") &&
		    same(c->as, it, "to_tag") &&
		    atol(sim_get(it, "cseq")) <= atol(sim_get(c->as, "cseq")))
			sim_bad(m, "CSeq does not grow");
		if (!c->done && ordered(method) &&
		    m->now - c->sent_ms < m->wire.message_timeout_ms &&
		    ordered(c->method) &&
		    same(c->as, it, "from") && same(c->as, it, "to"))
			sim_bad(m, "two MESSAGE or INFO at once");
	}
}

/* Room for new ones: forget what is done. Not while the engine runs: what it
 * was given may point into them. */
static void compact(struct sim *m)
{
	size_t k = 0;

	if (m->client_n < SIM_TXN_MAX / 2 && m->server_n < SIM_TXN_MAX / 2)
		return;
	for (size_t i = 0; i < m->client_n; i++) {
		if (m->client[i].done)
			sim_item_free(m->client[i].as);
		else
			m->client[k++] = m->client[i];
	}
	m->client_n = k;
	k = 0;
	for (size_t i = 0; i < m->server_n; i++)
		if (!m->server[i].status ||
		    (m->server[i].method == SB_M_INVITE &&
		     !m->server[i].acked && m->server[i].status < 300))
			m->server[k++] = m->server[i];
	m->server_n = k;
}

static int on_request(void *arg, uint64_t cookie, const struct sb_sip_out *o)
{
	struct sim *m = arg;
	struct sim_client *c;

	if (o->method != SB_M_ACK && m->refuse_next > 0) {
		m->refuse_next--;
		return m->refuse_with;
	}
	push(m, request_item(cookie, o));
	if (o->method == SB_M_ACK) {
		if (cookie)
			sim_bad(m, "ACK with a cookie");
		return SB_OK;
	}
	if (sim_client_of(m, cookie))
		sim_bad(m, "cookie used twice");
	if (m->client_n == SIM_TXN_MAX)
		abort();
	c = &m->client[m->client_n];
	*c = (struct sim_client){.cookie = cookie, .method = o->method,
				 .sent_ms = m->now,
				 .as = request_item(cookie, o)};
	check_open(m, c->as, o->method);
	sim_watch_request(m, cookie, c->as, o->method);
	m->client_n++;
	return SB_OK;
}

static void on_cancel(void *arg, uint64_t cookie)
{
	struct sim *m = arg;
	struct sim_client *c = sim_client_of(m, cookie);

	if (!c || c->done || c->cancelled || c->method != SB_M_INVITE)
		sim_bad(m, "CANCEL of nothing");
	else
		c->cancelled = true;
	push(m, sim_item_new(SIM_CANCEL, "", cookie));
}

static void on_respond(void *arg, uint64_t txn, const struct sb_sip_out *o)
{
	struct sim *m = arg;
	struct sim_server *t = sim_server_of(m, txn);
	char what[16];
	struct sim_item *it;

	snprintf(what, sizeof(what), "%d", o->status);
	it = sim_item_new(SIM_RESPONSE, what, txn);
	sim_put_message(it, o);
	if (!t || t->status)
		sim_bad(m, "response %d to a transaction answered or unknown",
			o->status);
	else {
		t->status = o->status;
		sim_watch_response(m, o, t->pair);
		snprintf(t->to_tag, sizeof(t->to_tag), "%.*s",
			 SB_FMT(o->local.tag));
	}
	if (o->status >= 400 && (!o->diagnosed || !o->diag || !o->reason.n))
		sim_bad(m, "%d without diagnostics", o->status);
	if (!o->local.tag.n)
		sim_bad(m, "%d without To tag", o->status);
	push(m, it);
}

static void count_outcome(struct sim *m, const struct sb_event *ev)
{
	for (size_t i = m->msg_n; i-- > 0;) {
		if (m->msg[i].id != ev->id)
			continue;
		if (m->msg[i].outcomes++)
			sim_bad(m, "second outcome of message %ju",
				(uintmax_t)ev->id);
		return;
	}
	sim_bad(m, "outcome of an unknown message %ju", (uintmax_t)ev->id);
}

static struct sim_typing *typing_of(struct sim *m, const struct sb_event *ev)
{
	struct sim_typing *t;

	for (size_t i = 0; i < m->typing_n; i++) {
		t = &m->typing[i];
		if (sb_str_eq(sb_str_of(t->contact), ev->contact) &&
		    sb_str_eq(sb_str_of(t->user), ev->user))
			return t;
	}
	if (m->typing_n == SIM_PAIR_MAX)
		return NULL;
	t = &m->typing[m->typing_n++];
	*t = (struct sim_typing){sim_dup(ev->contact), sim_dup(ev->user),
				 SB_TYPING_NONE};
	return t;
}

/* E11: never the same state twice in a row, never idle out of nothing. A
 * message or the end of the conversation starts afresh. */
static void check_typing(struct sim *m, const struct sb_event *ev)
{
	struct sim_typing *t;

	if (ev->type != SB_EV_TYPING && ev->type != SB_EV_MESSAGE &&
	    ev->type != SB_EV_ENDED)
		return;
	t = typing_of(m, ev);
	if (!t)
		return;
	if (ev->type != SB_EV_TYPING)
		t->last = SB_TYPING_NONE;
	else if (ev->typing == t->last || (ev->typing == SB_TYPING_IDLE &&
					   t->last != SB_TYPING_ACTIVE))
		sim_bad(m, "typing %d after %d", (int)ev->typing,
			(int)t->last);
	else
		t->last = ev->typing;
}

static void on_event(void *arg, const struct sb_event *ev)
{
	static const char *const typing[] = {"none", "active", "idle"};
	static const char *const outcome[] = {"", "delivered", "accepted",
					      "failed"};
	struct sim *m = arg;
	struct sim_item *it = sim_item_new(SIM_EVENT, event_names[ev->type],
					   ev->id);

	sim_put(it, "contact", ev->contact);
	sim_put(it, "user", ev->user);
	sim_put(it, "resource", ev->resource);
	sim_put(it, "display", ev->display);
	sim_put(it, "thread", ev->thread);
	sim_put(it, "subject", ev->subject);
	sim_put(it, "lang", ev->lang);
	sim_put(it, "text", ev->text);
	sim_put(it, "domain", ev->domain);
	sim_put(it, "token", ev->token);
	sim_put(it, "reason", ev->reason);
	sim_put_int(it, "status", ev->status);
	sim_put_int(it, "diag", ev->diag);
	sim_put_int(it, "retry_after", ev->retry_after);
	sim_put_int(it, "pending", ev->pending);
	check_typing(m, ev);
	sim_watch_event(m, it, ev);
	if (ev->type == SB_EV_TYPING)
		sim_put(it, "typing", sb_str_of(typing[ev->typing]));
	if (ev->type == SB_EV_OUTCOME) {
		sim_put_int(it, "id", (intmax_t)ev->id);
		sim_put_int(it, "local", ev->local);
		sim_put(it, "outcome", sb_str_of(outcome[ev->outcome]));
		count_outcome(m, ev);
		if (ev->outcome == SB_FAILED && (!ev->token.n || !ev->reason.n))
			sim_bad(m, "a failure without token or reason");
	}
	push(m, it);
}

static void on_random(void *arg, void *buf, size_t n)
{
	unsigned char *b = buf;

	for (size_t i = 0; i < n; i++)
		b[i] = (unsigned char)(sim_random(arg) >> 32);
}

static const struct sb_wire_ops ops = {
	.request = on_request,
	.cancel = on_cancel,
	.respond = on_respond,
	.event = on_event,
	.random = on_random,
};

/* ------------------------------------------------------------- stimuli -- */

struct sim *sim_new(uint64_t seed)
{
	struct sim *m = calloc(1, sizeof(*m));
	struct sb_watches_count n;

	if (!m)
		abort();
	m->rng = seed * 2 + 1;
	m->now = 1000000;
	m->tail = &m->head;
	m->refuse_with = SB_EDOWN;
	m->wire = (struct sb_wire){
		.accept_pager_message = true,
		.imdn_method = SB_STR("INFO"),
		.first_message_wait_ms = 5000,
		.invite_timeout_ms = 180000,
		.message_timeout_ms = 30000,
		.imdn_wait_ms = 10000,
		.session_idle_ms = 900000,
		.typing_interval_ms = 4000,
		.typing_timeout_ms = 6000,
		.watch_expires_ms = 28800000,
		.offer_expires_ms = 3600000,
		.notify_interval_ms = 5000,
		.watch_rate = 20,
		.ask_categories = true,
		.tell_categories = true,
	};
	if (sb_sessions_new(&m->s, SB_STR("sip.chat.example"),
			    SB_STR("192.0.2.10"), &m->wire, &ops, m))
		abort();
	if (sb_watches_new(&m->w, SB_STR("sip.chat.example"), &m->wire, &ops,
			   m))
		abort();
	sb_sessions_tick(m->s, m->now);
	sb_watches_tick(m->w, m->now);
	sb_watches_count(m->w, &n);
	m->bytes = n.bytes;
	return m;
}

void sim_free(struct sim *m)
{
	sb_sessions_free(m->s);
	sb_watches_free(m->w);
	sim_forget(m);
	for (size_t i = 0; i < m->client_n; i++)
		sim_item_free(m->client[i].as);
	for (size_t i = 0; i < m->typing_n; i++) {
		free(m->typing[i].contact);
		free(m->typing[i].user);
	}
	for (size_t i = 0; i < m->watch_n; i++) {
		free(m->watch[i].contact);
		free(m->watch[i].user);
	}
	free(m);
}

void sim_configure(struct sim *m)
{
	sb_sessions_configure(m->s, &m->wire);
	sb_watches_configure(m->w, &m->wire);
}

void sim_wait(struct sim *m, uint64_t ms)
{
	uint64_t end = m->now + ms;

	for (;;) {
		uint64_t wait = sb_sessions_tick(m->s, m->now);
		uint64_t other = sb_watches_tick(m->w, m->now);

		if (other < wait)
			wait = other;
		compact(m);
		if (m->now >= end)
			return;
		m->now = wait < end - m->now ? m->now + wait : end;
	}
}

void sim_send(struct sim *m, const struct sb_request *r)
{
	if (r->type >= SB_REQ_WATCH ||
	    (r->type == SB_REQ_ANSWER && sb_watches_own(r->id))) {
		sim_watch_asked(m, r);
		sb_watches_send(m->w, r, m->now);
	}
	else
		sb_sessions_send(m->s, r, m->now);
	compact(m);
}

void sim_message(struct sim *m, const struct sb_request *r)
{
	size_t k = 0;

	if (m->msg_n == SIM_MSG_MAX) { /* forget those that are decided */
		for (size_t i = 0; i < m->msg_n; i++)
			if (m->msg[i].outcomes != 1)
				m->msg[k++] = m->msg[i];
		m->msg_n = k;
	}
	if (m->msg_n == SIM_MSG_MAX)
		abort();
	m->msg[m->msg_n++] = (struct sim_msg){.id = r->id};
	sim_send(m, r);
}

uint64_t sim_request(struct sim *m, const struct sb_sip_in *in)
{
	if (m->server_n == SIM_TXN_MAX)
		abort();
	m->server[m->server_n++] = (struct sim_server){
		.txn = ++m->txn, .method = in->method,
		.pair = sim_watch_pair(m, in)};
	if (in->event.n)
		sb_watches_request(m->w, m->txn, in, m->now);
	else
		sb_sessions_request(m->s, m->txn, in, m->now);
	compact(m);
	return m->txn;
}

void sim_respond(struct sim *m, uint64_t cookie, const struct sb_sip_in *in)
{
	struct sim_client *c = sim_client_of(m, cookie);

	if (c && in->status >= 200)
		c->done = true;
	if (sb_watches_own(cookie))
		sb_watches_response(m->w, cookie, in, m->now);
	else
		sb_sessions_response(m->s, cookie, in, m->now);
	compact(m);
}

void sim_ack(struct sim *m, uint64_t txn, bool timeout)
{
	struct sim_server *t = sim_server_of(m, txn);

	if (t)
		t->acked = true;
	sb_sessions_ack(m->s, txn, timeout, m->now);
}

void sim_cancel(struct sim *m, uint64_t txn)
{
	sb_sessions_cancel(m->s, txn, m->now);
}

/* --------------------------------------------------------------- drain -- */

static bool friendly(struct sim *m)
{
	bool did = false;

	for (size_t i = 0; i < m->client_n; i++) {
		struct sim_client *c = &m->client[i];
		struct sb_sip_in in = {.method = c->method, .status = 200,
				       .expires = -1};

		if (c->done)
			continue;
		if (c->method == SB_M_INVITE) {
			in.status = c->cancelled ? 487 : 480;
			in.phrase = SB_STR("Temporarily Unavailable");
		}
		sim_respond(m, c->cookie, &in);
		did = true;
	}
	for (size_t i = 0; i < m->server_n; i++) {
		struct sim_server *t = &m->server[i];

		if (t->method != SB_M_INVITE || t->acked || !t->status ||
		    t->status >= 300)
			continue;
		sim_ack(m, t->txn, false);
		did = true;
	}
	sim_forget(m);
	return did;
}

static void check_fates(struct sim *m)
{
	struct sb_sessions_count n;

	for (size_t i = 0; i < m->msg_n; i++)
		if (m->msg[i].outcomes != 1)
			sim_bad(m, "message %ju has %d outcomes",
				(uintmax_t)m->msg[i].id, m->msg[i].outcomes);
	for (size_t i = 0; i < m->server_n; i++)
		if (!m->server[i].status)
			sim_bad(m, "transaction %ju has no response",
				(uintmax_t)m->server[i].txn);
	sb_sessions_count(m->s, &n);
	if (n.conversations || n.dialogs || n.queued || n.unanswered ||
	    n.client_txns)
		sim_bad(m, "left behind: %zu conversations, %zu dialogs, %zu "
			"queued, %zu unanswered, %zu client transactions",
			n.conversations, n.dialogs, n.queued, n.unanswered,
			n.client_txns);
	sim_watch_fates(m);
}

void sim_drain(struct sim *m, bool shutdown)
{
	m->refuse_next = 0;
	if (shutdown) {
		sb_sessions_shutdown(m->s, m->now);
		sb_watches_shutdown(m->w, m->now);
	}
	else
		sim_watch_unwatch_all(m);
	for (int i = 0; i < 200; i++) {
		if (!friendly(m))
			sim_wait(m, shutdown ? 100 : 400000);
	}
	check_fates(m);
}
