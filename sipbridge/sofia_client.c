/*
 * sofia_client.c: requests to the Edges: paced, in order, each with its answer.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "sofia_edge.h"

#define GIVE_UP_MORE_MS 10000 /* beyond the stack's own time-out */
#define LOOK_MS 200	      /* how often time-outs are looked for */

/* The engine's time-outs rule; the stack's clock is the wall's and may jump,
 * so nothing waits for it for ever. */
static uint64_t patience_ms(const struct sb_edge *e, enum sb_method m)
{
	uint64_t ms = m == SB_M_INVITE ? e->cfg->wire.invite_timeout_ms
					       + SB_EDGE_FORK_MS
				       : e->cfg->wire.message_timeout_ms;

	return ms + GIVE_UP_MORE_MS;
}

struct sb_peer *sb_edge_peer(struct sb_edge *e, struct sb_str domain)
{
	const struct sb_domain *d = sb_config_domain(e->cfg, domain);
	size_t i = d ? (size_t)(d - e->cfg->domains) : 0;

	return d && e->domain_peer[i] < e->peer_n ? &e->peer[e->domain_peer[i]]
						  : NULL;
}

static void unlink_txn(struct sb_client_txn *t)
{
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
}

static void free_txn(struct sb_client_txn *t)
{
	unlink_txn(t);
	if (t->orq)
		nta_outgoing_destroy(t->orq);
	if (t->msg)
		msg_destroy(t->msg);
	free(t->call_id);
	free(t->domain);
	free(t);
}

static struct sb_client_txn *new_txn(struct sb_edge *e, struct sb_peer *p,
				     enum sb_method method, uint64_t cookie)
{
	struct sb_client_txn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->edge = e;
	t->peer = p;
	t->method = method;
	t->cookie = cookie;
	t->next = e->clients;
	t->prev = &e->clients;
	if (e->clients)
		e->clients->prev = &t->next;
	e->clients = t;
	return t;
}

/* What became of the connection, as far as this response tells. */
static void judge_link(struct sb_client_txn *t, int status, bool local,
		       uint64_t now_ms)
{
	struct sb_edge *e = t->edge;
	struct sb_peer *p = t->peer;
	tport_t *tp;

	if (!local) {
		p->silences = 0;
		if (sb_link_heard(&p->link, t->probe, now_ms))
			sb_edge_link_event(e, p, true, "answered");
		return;
	}
	if (status == 408 && t->method != SB_M_INVITE
	    && ++p->silences >= SB_EDGE_SILENCES && t->orq) {
		/* a connection that swallows what it is given */
		p->silences = 0;
		sb_edge_log(e, 2, "reset connection: %d requests in a row got "
			    "no answer (edge=%s)", SB_EDGE_SILENCES, p->fqdn);
		tp = nta_outgoing_transport(t->orq);
		if (tp) {
			tport_shutdown(tp, 2);
			tport_unref(tp);
		}
		status = 503;
	}
	if (status != 503 && !t->probe)
		return;
	if (sb_link_failed(&p->link, t->probe, sb_edge_random(), now_ms))
		sb_edge_link_event(e, p, false,
				   status == 408 ? "no answer"
						 : "no connection");
}

/* A final answer is there: hand it on, then keep or forget the transaction,
 * which owns the answer's text until then. */
static void finish(struct sb_client_txn *t, const struct sb_sip_in *in)
{
	struct sb_edge *e = t->edge;
	struct sb_peer *p = t->peer;
	uint64_t now_ms = sb_edge_now();
	bool forks = t->method == SB_M_INVITE && in->status < 300 && t->call_id;

	/* first: closing a connection makes the stack answer all that is on
	 * it, t too */
	t->answered = true;
	judge_link(t, in->status, in->local, now_ms);
	p->open--;
	e->clients_waiting--;
	t->until_ms = now_ms + SB_EDGE_FORK_MS;
	if (!t->probe)
		e->hooks.response(e->arg, t->cookie, in);
	if (!forks)
		free_txn(t);
	else if (t->orq) {
		nta_outgoing_destroy(t->orq);
		t->orq = NULL;
	}
	sb_client_pump(e, p, now_ms);
}

/* sb_client_tick() tells, not we. */
static void defer(struct sb_client_txn *t, int status)
{
	t->early = status;
	t->until_ms = sb_edge_now();
	t->edge->client_due = true;
}

/* An answer that nobody gave. */
static void finish_local(struct sb_client_txn *t, int status)
{
	struct sb_sip_in in = {
		.method = t->method,
		.status = status,
		.phrase = sb_str_of(sip_status_phrase(status)),
		.local = true,
	};

	finish(t, &in);
}

/*
 * nta's own nta_outgoing_cancel() ends the INVITE at once on a reliable
 * transport, and then the peer's 487 gets no ACK, nor a 2xx that crosses the
 * CANCEL a BYE.
 */
static void send_cancel(struct sb_client_txn *t)
{
	const char *branch = nta_outgoing_branch(t->orq);
	struct sb_edge *e = t->edge;
	msg_t *msg;

	t->cancel_sent = true;
	if (sb_sofia_cancel(&msg, e->agent, t->orq) != SB_OK) {
		sb_edge_log(e, 2, "CANCEL could not be built");
		return;
	}
	/* without callback: it destroys itself with its answer */
	e->sending++;
	if (!nta_outgoing_mcreate(e->agent, NULL, NULL,
				  (url_string_t *)t->peer->route, msg,
				  NTATAG_BRANCH_KEY(branch),
				  NTATAG_USER_VIA(1), TAG_END()))
		msg_destroy(msg);
	e->sending--;
}

static const void *connection_of(nta_outgoing_t *orq)
{
	tport_t *tp = nta_outgoing_transport(orq);

	if (tp)
		tport_unref(tp);
	return tp;
}

/*
 * When a write to a connection fails (EPIPE), the stack sends all that waits
 * for an answer on it once more, on a new one, also what the peer has read: the
 * answer may be of someone who has not seen the first copy.
 */
static bool repeated(const struct sb_client_txn *t, nta_outgoing_t *orq)
{
	return t->sent_on && connection_of(orq) != t->sent_on;
}

static int on_response(struct sb_client_txn *t, nta_outgoing_t *orq,
		       sip_t const *sip)
{
	struct sb_edge *e = t->edge;
	int status = nta_outgoing_status(orq);
	struct sb_sip_in in;

	if (t->answered || t->early)
		return 0;
	if (e->sending) { /* the engine is not called back from its call */
		if (status >= 200)
			defer(t, status);
		return 0;
	}
	/* not before the peer has shown that it has the INVITE (9.1) */
	if (status < 200 && t->cancelled && !t->cancel_sent)
		send_cancel(t);
	if (status == 100)
		return 0;
	if (!sip || nta_sip_is_internal(sip)) {
		if (status >= 200)
			finish_local(t, status);
		return 0;
	}
	if (!t->probe && sb_sofia_read(&in, &e->scratch, NULL, sip) != 0) {
		sb_edge_log(e, 2, "answer cannot be read (status=%d)", status);
		in = (struct sb_sip_in){.method = t->method,
					.status = status < 300 ? 500 : status,
					.phrase = SB_STR("Unreadable answer")};
	}
	else if (t->probe)
		in = (struct sb_sip_in){.method = t->method, .status = status};
	in.domain = sb_str_of(t->domain);
	in.repeated = repeated(t, orq);
	if (status >= 200)
		finish(t, &in);
	else if (!t->probe)
		e->hooks.response(e->arg, t->cookie, &in);
	return 0;
}

static void send_txn(struct sb_client_txn *t, uint64_t now_ms)
{
	struct sb_edge *e = t->edge;
	struct sb_peer *p = t->peer;
	msg_t *msg = t->msg;

	t->msg = NULL;
	t->until_ms = now_ms + patience_ms(e, t->method);
	p->open++;
	e->sending++;
	t->orq = nta_outgoing_mcreate(e->agent, on_response, t,
				      (url_string_t *)p->route, msg,
				      NTATAG_PASS_100(t->method == SB_M_INVITE),
				      TAG_END());
	e->sending--;
	if (!t->orq) {
		msg_destroy(msg);
		defer(t, 500);
		return;
	}
	t->sent_on = connection_of(t->orq);
}

void sb_client_pump(struct sb_edge *e, struct sb_peer *p, uint64_t now_ms)
{
	while (p->queue && p->open < SB_EDGE_WINDOW
	       && sb_pace_take(&p->pace, now_ms) == 0) {
		struct sb_client_txn *t = p->queue;

		p->queue = t->queue_next;
		if (!p->queue)
			p->queue_end = &p->queue;
		p->queued--;
		t->queue_next = NULL;
		send_txn(t, now_ms);
	}
	(void)e;
}

static char *text_dup(struct sb_str s)
{
	char *p = malloc(s.n + 1);

	if (p) {
		if (s.n)
			memcpy(p, s.p, s.n);
		p[s.n] = '\0';
	}
	return p;
}

static int send_ack(struct sb_edge *e, struct sb_peer *p, msg_t *msg)
{
	char branch[40];
	nta_outgoing_t *ack;

	/* a branch of its own: nta would look for the INVITE otherwise, and
	 * does not bear not finding it */
	snprintf(branch, sizeof(branch), "z9hG4bKlg%llx",
		 (unsigned long long)++e->branch);
	e->sending++;
	ack = nta_outgoing_mcreate(e->agent, NULL, NULL,
				   (url_string_t *)p->route, msg,
				   NTATAG_ACK_BRANCH(branch), TAG_END());
	e->sending--;
	if (!ack) {
		msg_destroy(msg);
		return SB_ENOMEM;
	}
	nta_outgoing_destroy(ack);
	return SB_OK;
}

int sb_edge_request(struct sb_edge *e, uint64_t cookie,
		    const struct sb_sip_out *m)
{
	struct sb_peer *p = sb_edge_peer(e, m->domain);
	struct sb_client_txn *t;
	msg_t *msg;
	int err;

	if (!p)
		return SB_EINVAL;
	if (p->address[0] == '\0'
	    || (p->link.state == SB_LINK_DOWN && m->method != SB_M_ACK))
		return SB_EDOWN;
	if (p->queued >= SB_EDGE_QUEUE)
		return SB_EFULL;
	err = sb_sofia_request(&msg, e->agent, &e->self, m);
	if (err)
		return err;
	if (m->method == SB_M_ACK)
		return send_ack(e, p, msg);
	t = new_txn(e, p, m->method, cookie);
	if (!t) {
		msg_destroy(msg);
		return SB_ENOMEM;
	}
	t->msg = msg;
	t->until_ms = UINT64_MAX;
	if (m->method == SB_M_INVITE) { /* a fork has no other names */
		t->call_id = text_dup(m->call_id);
		t->domain = text_dup(m->domain);
	}
	*p->queue_end = t;
	p->queue_end = &t->queue_next;
	p->queued++;
	e->clients_waiting++;
	sb_client_pump(e, p, sb_edge_now());
	return SB_OK;
}

static void leave_queue(struct sb_client_txn *t)
{
	struct sb_peer *p = t->peer;
	struct sb_client_txn **at;

	for (at = &p->queue; *at && *at != t; at = &(*at)->queue_next)
		;
	if (!*at)
		return;
	*at = t->queue_next;
	if (p->queue_end == &t->queue_next)
		p->queue_end = at;
	p->queued--;
	t->queue_next = NULL;
	p->open++; /* as if it had been sent: finish() counts it down */
}

void sb_edge_cancel(struct sb_edge *e, uint64_t cookie)
{
	struct sb_client_txn *t;

	for (t = e->clients; t; t = t->next)
		if (t->cookie == cookie && t->method == SB_M_INVITE
		    && !t->answered)
			break;
	if (!t || t->cancelled || t->early)
		return;
	t->cancelled = true;
	if (t->msg) { /* never sent: sb_client_tick() answers 487 */
		leave_queue(t);
		t->until_ms = sb_edge_now();
		e->client_due = true;
		return;
	}
	if (t->orq && nta_outgoing_status(t->orq) >= 100
	    && nta_outgoing_status(t->orq) < 200)
		send_cancel(t);
	/* 64*T1 for the peer's 487 (RFC 3261 9.1), then ours */
	t->until_ms = sb_edge_now() + SB_EDGE_FORK_MS;
}

int sb_client_stray(struct sb_edge *e, nta_agent_t *agent, msg_t *msg,
		    sip_t *sip)
{
	struct sb_client_txn *t;
	struct sb_sip_in in;

	(void)agent;
	if (sip && sip->sip_status && sip->sip_cseq && sip->sip_call_id
	    && sip->sip_cseq->cs_method == sip_method_invite
	    && sip->sip_status->st_status / 100 == 2)
		for (t = e->clients; t; t = t->next)
			if (t->answered && t->call_id
			    && !strcmp(t->call_id, sip->sip_call_id->i_id)) {
				if (sb_sofia_read(&in, &e->scratch, msg, sip)
				    == 0) {
					in.domain = sb_str_of(t->domain);
					e->hooks.response(e->arg, t->cookie,
							  &in);
				}
				break;
			}
	msg_destroy(msg);
	return 0;
}

/* OPTIONS from the bridge itself to the Edge itself. */
void sb_client_probe(struct sb_edge *e, struct sb_peer *p, uint64_t now_ms)
{
	char uri[300], from[300], id[64];
	struct sb_sip_out m = {.method = SB_M_OPTIONS, .cseq = 1};
	struct sb_client_txn *t;

	snprintf(uri, sizeof(uri), "sip:%s", p->fqdn);
	snprintf(from, sizeof(from), "sip:%s", e->self.fqdn);
	snprintf(id, sizeof(id), "lg-probe-%08x%08x", sb_edge_random(),
		 sb_edge_random());
	m.request_uri = m.remote.uri = sb_str_of(uri);
	m.local.uri = sb_str_of(from);
	m.local.tag = (struct sb_str){id + 9, 16};
	m.call_id = sb_str_of(id);
	t = new_txn(e, p, SB_M_OPTIONS, 0);
	if (!t)
		return;
	t->probe = true;
	e->clients_waiting++;
	if (sb_sofia_request(&t->msg, e->agent, &e->self, &m) == SB_OK) {
		send_txn(t, now_ms);
		return;
	}
	p->open++;
	finish_local(t, 503);
}

static void tell_queue(struct sb_edge *e, struct sb_peer *p)
{
	/* What waits for a link that is down has its answer. */
	while (p->queue && p->link.state == SB_LINK_DOWN) {
		struct sb_client_txn *t = p->queue;

		leave_queue(t);
		finish_local(t, 503);
	}
	(void)e;
}

/* Give up what took too long, forget what can fork no more. */
static void look_through(struct sb_edge *e, uint64_t now_ms)
{
	struct sb_client_txn *t, *next;

	if (!e->client_due && now_ms - e->clients_seen_ms < LOOK_MS)
		return;
	e->client_due = false;
	e->clients_seen_ms = now_ms;
	for (t = e->clients; t; t = next) {
		next = t->next;
		if (now_ms < t->until_ms)
			continue;
		if (t->answered) {
			free_txn(t); /* no more forks expected */
			continue;
		}
		finish_local(t, t->early       ? t->early
				: t->cancelled ? 487
					       : 408);
		next = e->clients; /* the list may have changed */
	}
}

void sb_client_tick(struct sb_edge *e, uint64_t now_ms)
{
	size_t i;

	look_through(e, now_ms);
	for (i = 0; i < e->peer_n; i++) {
		struct sb_peer *p = &e->peer[i];

		if (p->used && p->address[0] && sb_link_due(&p->link, now_ms))
			sb_client_probe(e, p, now_ms);
		tell_queue(e, p);
		sb_client_pump(e, p, now_ms);
	}
}

void sb_client_free_all(struct sb_edge *e)
{
	while (e->clients)
		free_txn(e->clients);
}
