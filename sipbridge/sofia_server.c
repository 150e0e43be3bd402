/*
 * sofia_server.c: requests from the Edges: who speaks, may it, and its answer.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "presence.h"
#include "sofia_edge.h"

#define NO_SLOT UINT32_MAX

static uint64_t txn_id(const struct sb_edge *e, const struct sb_server_txn *t)
{
	return ((uint64_t)t->generation << 32) | (uint64_t)(t - e->servers + 1);
}

static struct sb_server_txn *txn_of(struct sb_edge *e, uint64_t id)
{
	size_t i = (size_t)(id & 0xffffffffu);
	struct sb_server_txn *t;

	if (i == 0 || i > e->servers_n)
		return NULL;
	t = &e->servers[i - 1];
	return t->used && t->generation == (uint32_t)(id >> 32) ? t : NULL;
}

/* The table never moves: nta holds pointers into it. */
#define SERVERS_MAX 16384

static struct sb_server_txn *txn_new(struct sb_edge *e, nta_incoming_t *irq)
{
	struct sb_server_txn *t;

	if (!e->servers) {
		e->servers = calloc(SERVERS_MAX, sizeof(*e->servers));
		if (!e->servers)
			return NULL;
		e->free_server = NO_SLOT;
	}
	if (e->free_server != NO_SLOT) {
		t = &e->servers[e->free_server];
		e->free_server = t->next_free;
	}
	else if (e->servers_n < SERVERS_MAX)
		t = &e->servers[e->servers_n++];
	else
		return NULL;
	t->edge = e;
	t->irq = irq;
	t->generation++;
	t->used = true;
	t->invite = t->answered = false;
	e->servers_open++;
	return t;
}

static void txn_free(struct sb_server_txn *t)
{
	struct sb_edge *e = t->edge;

	if (t->ack_prev) {
		*t->ack_prev = t->ack_next;
		if (t->ack_next)
			t->ack_next->ack_prev = t->ack_prev;
		t->ack_prev = NULL;
	}
	free(t->call_id);
	t->call_id = NULL;
	nta_incoming_destroy(t->irq);
	t->irq = NULL;
	t->used = false;
	t->next_free = e->free_server;
	e->free_server = (uint32_t)(t - e->servers);
	e->servers_open--;
}

void sb_server_free_all(struct sb_edge *e)
{
	size_t i;

	for (i = 0; i < e->servers_n; i++)
		if (e->servers[i].used)
			txn_free(&e->servers[i]);
	free(e->servers);
	e->servers = NULL;
	e->servers_n = 0;
}

/* Answer without the engine. */
static void answer(struct sb_edge *e, nta_incoming_t *irq, int status, int diag,
		   const char *reason)
{
	struct sb_sip_out out = {
		.status = status,
		.diagnosed = status >= 400,
		.diag = diag,
		.reason = sb_str_of(reason),
	};
	msg_t *msg;

	if (status == 503)
		out.extra[out.extra_n++] = (struct sb_header){
			"Retry-After", SB_STR(SB_EDGE_RETRY_AFTER)};
	if (sb_sofia_response(&msg, irq, &e->self, &out) == SB_OK)
		nta_incoming_mreply(irq, msg);
	nta_incoming_destroy(irq);
}

/* Does the connection's certificate name that domain's Edge? */
static const struct sb_domain *speaks_for(struct sb_edge *e,
					  nta_incoming_t *irq,
					  struct sb_str host)
{
	const struct sb_domain *d = sb_config_domain(e->cfg, host);
	msg_t *msg = nta_incoming_getrequest(irq);
	tport_t *top = nta_agent_tports(e->agent);
	tport_t *tp = msg ? tport_delivered_by(top, msg) : NULL;
	bool ok = false;

	if (d && d->edge.n && tp && tport_has_tls(tp) && tport_is_verified(tp))
		ok = tport_subject_search(
			d->edge.p, tport_delivered_from_subjects(top, msg));
	if (msg)
		msg_destroy(msg);
	return ok ? d : NULL;
}

static void refuse(struct sb_edge *e, nta_incoming_t *irq, struct sb_str domain,
		   int status, int diag, const char *token, const char *reason)
{
	sb_edge_refused(e, domain, token, "%s (status=%d)", reason, status);
	answer(e, irq, status, diag, reason);
}

/* Our own Via further down: the request has been here. */
static bool looped(const struct sb_edge *e, const sip_t *sip)
{
	const sip_via_t *v;

	for (v = sip->sip_via; v; v = v->v_next)
		if (v->v_host && strcasecmp(v->v_host, e->self.fqdn) == 0)
			return true;
	return false;
}

/* A header that something depends on, unreadable or there twice. Of others the
 * stack has dropped what it could not read. */
static bool spoiled(const sip_t *sip)
{
	static const char *const needed[] = {
		"Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards",
		"Contact", "Record-Route", "Require", "Content-Type",
		"Content-Length", "Content-Encoding", "Event",
	};
	const sip_header_t *h;
	const char *name;
	size_t i;

	for (h = (const sip_header_t *)sip->sip_error; h; h = h->sh_next) {
		name = h->sh_class == sip_error_class ? h->sh_error->er_name
						      : h->sh_class->hc_name;
		for (i = 0; name && i < sizeof(needed) / sizeof(*needed); i++)
			if (strcasecmp(name, needed[i]) == 0)
				return true;
	}
	return false;
}

/* What is wrong with it, if anything: a status, and why. */
static int objection(const struct sb_edge *e, const sip_t *sip, int status,
		     const char **token, const char **reason)
{
	if (!status && spoiled(sip))
		status = 400;
	if (status) {
		*token = status == 413 ? "too-large"
			 : status == 416 ? "not-sip" : "malformed";
		*reason = status == 413 ? "Message too large"
			  : status == 416 ? "Only sip: addresses are served"
					  : "Malformed request";
		return status;
	}
	if (looped(e, sip)) {
		*token = "loop";
		*reason = "Loop detected";
		return 482;
	}
	if (sip->sip_max_forwards && sip->sip_max_forwards->mf_count == 0) {
		*token = "too-many-hops";
		*reason = "Too many hops";
		return 483;
	}
	return 0;
}

static int on_cancel(struct sb_server_txn *t, nta_incoming_t *irq,
		     sip_t const *sip)
{
	struct sb_edge *e = t->edge;

	(void)irq;
	if (t->used && !t->answered && sip && sip->sip_request
	    && sip->sip_request->rq_method == sip_method_cancel)
		e->hooks.cancel(e->arg, txn_id(e, t));
	return 0;
}

static struct sb_server_txn **bucket(struct sb_edge *e, const char *call_id)
{
	uint32_t h = 2166136261u;

	for (; *call_id; call_id++)
		h = (h ^ (unsigned char)*call_id) * 16777619u;
	return &e->unacked[h % SB_ACK_BUCKETS];
}

static void expect_ack(struct sb_server_txn *t, const char *call_id,
		       uint32_t cseq)
{
	struct sb_server_txn **b = bucket(t->edge, call_id);
	char *copy = strdup(call_id);

	if (!copy)
		return; /* it ends with the time-out */
	t->call_id = copy;
	t->cseq = cseq;
	t->ack_next = *b;
	t->ack_prev = b;
	if (*b)
		(*b)->ack_prev = &t->ack_next;
	*b = t;
}

/* Our 2xx is out: wait for its ACK, which comes as a request of its own. */
static void await_ack(struct sb_server_txn *t)
{
	msg_t *msg = nta_incoming_getrequest(t->irq);
	const sip_t *sip = msg ? sip_object(msg) : NULL;

	t->until_ms = sb_edge_now() + SB_EDGE_ACK_MS;
	if (sip)
		expect_ack(t, sip->sip_call_id->i_id, sip->sip_cseq->cs_seq);
	if (msg)
		msg_destroy(msg);
}

static void take_ack(struct sb_edge *e, const sip_t *sip)
{
	struct sb_server_txn *t;
	uint64_t id;

	for (t = *bucket(e, sip->sip_call_id->i_id); t; t = t->ack_next)
		if (t->cseq == sip->sip_cseq->cs_seq
		    && strcmp(t->call_id, sip->sip_call_id->i_id) == 0)
			break;
	if (!t)
		return;
	id = txn_id(e, t);
	txn_free(t);
	e->hooks.ack(e->arg, id, false);
}

void sb_server_tick(struct sb_edge *e, uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < e->servers_n; i++) {
		struct sb_server_txn *t = &e->servers[i];
		uint64_t id = txn_id(e, t);

		if (!t->used || !t->invite || !t->answered
		    || now_ms < t->until_ms)
			continue;
		txn_free(t);
		e->hooks.ack(e->arg, id, true);
	}
}

#define ACCEPT                                                                 \
	"application/sdp, text/plain, text/html, application/pidf+xml, "       \
	"text/xml+msrtc.pidf, application/msrtc-event-categories+xml, "        \
	SB_PRESENCE_ASK_TYPE

static void answer_options(struct sb_edge *e, nta_incoming_t *irq)
{
	struct sb_sip_out out = {
		.status = 200,
		.extra = {{"Accept", SB_STR(ACCEPT)},
			  {"Allow", SB_STR(SB_ALLOW)},
			  {"Allow-Events", SB_STR("presence")}},
		.extra_n = 3,
	};
	msg_t *msg;

	if (sb_sofia_response(&msg, irq, &e->self, &out) == SB_OK)
		nta_incoming_mreply(irq, msg);
	nta_incoming_destroy(irq);
}

/* The domain that it is of; NULL: refused. */
static const struct sb_domain *identified(struct sb_edge *e,
					  nta_incoming_t *irq,
					  const sip_t *sip,
					  const struct sb_sip_in *m)
{
	struct sb_str host = sb_sofia_host(m->from.uri), foreign;
	const struct sb_domain *d = speaks_for(e, irq, host);

	if (!d) {
		refuse(e, irq, host, 403, 1002, "from-domain",
		       "The certificate does not speak for From's domain");
		return NULL;
	}
	foreign = sb_sofia_foreign_identity(sip, d->name);
	if (foreign.n) {
		refuse(e, irq, foreign, 403, 1002, "identity-domain",
		       "P-Asserted-Identity is of another domain");
		return NULL;
	}
	return d;
}

int sb_server_request(struct sb_edge *e, nta_leg_t *leg, nta_incoming_t *irq,
		      sip_t const *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	const char *token = NULL, *reason = NULL;
	const struct sb_domain *d;
	struct sb_server_txn *t;
	struct sb_sip_in in;
	int status;

	(void)leg;
	if (method == sip_method_ack)
		take_ack(e, sip);
	if (method == sip_method_ack) {
		nta_incoming_destroy(irq);
		return 0;
	}
	if (method == sip_method_cancel) {
		answer(e, irq, 481, 60010, "This session does not exist");
		return 0;
	}
	status = sb_sofia_read(&in, &e->scratch, NULL, sip);
	if (method == sip_method_options && in.from.uri.n == 0)
		status = 0; /* an Edge asks for itself, without a user */
	status = objection(e, sip, status, &token, &reason);
	if (status) {
		refuse(e, irq, sb_sofia_host(in.from.uri), status, 60002, token,
		       reason);
		return 0;
	}
	/* one that requires something is judged as all requests are */
	if (method == sip_method_options && !sip->sip_require) {
		answer_options(e, irq);
		return 0;
	}
	d = identified(e, irq, sip, &in);
	if (!d)
		return 0;
	in.domain = d->name;
	if (e->hooks.admit && !e->hooks.admit(e->arg, &in)) {
		answer(e, irq, 503, 1007, "Too busy to take more requests");
		return 0;
	}
	t = txn_new(e, irq);
	if (!t) {
		refuse(e, irq, d->name, 503, 1007, "overload",
		       "Too many requests without an answer");
		return 0;
	}
	if (method == sip_method_invite) {
		t->invite = true;
		nta_incoming_bind(irq, on_cancel, t);
	}
	e->hooks.request(e->arg, txn_id(e, t), &in);
	return 0;
}

void sb_edge_respond(struct sb_edge *e, uint64_t txn,
		     const struct sb_sip_out *m)
{
	struct sb_server_txn *t = txn_of(e, txn);
	struct sb_sip_out plain;
	msg_t *msg;
	int err;

	if (!t || t->answered)
		return;
	err = sb_sofia_response(&msg, t->irq, &e->self, m);
	if (err) {
		sb_edge_log(e, 3, "answer not sent as meant: %s (status=%d)",
			    sb_err_name(err), m->status);
		plain = (struct sb_sip_out){
			.status = m->status >= 300 ? m->status : 500};
		err = sb_sofia_response(&msg, t->irq, &e->self, &plain);
	}
	if (err == SB_OK) {
		e->sending++;
		nta_incoming_mreply(t->irq, msg);
		e->sending--;
	}
	if (m->status < 200 && err == SB_OK)
		return;
	t->answered = true;
	if (t->invite && m->status < 300 && err == SB_OK)
		await_ack(t);
	else /* the stack waits for the ACK of a refusal itself */
		txn_free(t);
}
