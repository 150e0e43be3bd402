/*
 * session.c: the session engine's entry points.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "session_priv.h"

enum {
	TICK_MAX_MS = 60000,
	INVITE_TIMEOUT_MS = 180000, /* where the settings say 0 */
	MESSAGE_TIMEOUT_MS = 32000,
};

int sb_sessions_configure(struct sb_sessions *s, const struct sb_wire *wire)
{
	s->wire = *wire;
	s->wire.verification_header = SB_NOSTR; /* the carrier's */
	s->imdn_message = sb_str_eq(wire->imdn_method, SB_STR("MESSAGE"));
	s->wire.imdn_method = SB_NOSTR;
	if (!s->wire.invite_timeout_ms)
		s->wire.invite_timeout_ms = INVITE_TIMEOUT_MS;
	if (!s->wire.message_timeout_ms)
		s->wire.message_timeout_ms = MESSAGE_TIMEOUT_MS;
	return SB_OK;
}

static struct sb_table *table(struct sb_sessions *s, int i)
{
	struct sb_table *all[] = {&s->convs, &s->dialogs, &s->ctxns, &s->stxns,
				  &s->events};

	return (size_t)i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

int sb_sessions_new(struct sb_sessions **sp, struct sb_str bridge_fqdn,
		    struct sb_str address, const struct sb_wire *wire,
		    const struct sb_wire_ops *ops, void *arg)
{
	struct sb_sessions *s = calloc(1, sizeof(*s));
	struct sb_table *t;

	if (!s)
		return SB_ENOMEM;
	for (int i = 0; (t = table(s, i)); i++)
		if (sb_table_init(t))
			goto out;
	sb_text_set(&s->fqdn, bridge_fqdn);
	sb_text_set(&s->address, address);
	if ((bridge_fqdn.n && !s->fqdn) || (address.n && !s->address))
		goto out;
	sb_wheel_init(&s->wheel);
	s->late_end = &s->late;
	s->ops = ops;
	s->arg = arg;
	sb_sessions_configure(s, wire);
	ops->random(arg, &s->key, sizeof(s->key));
	/* An answer to another worker's event must not fit; 53 bits in Lua. */
	ops->random(arg, &s->event_id, sizeof(s->event_id));
	s->event_id &= (UINT64_C(1) << 52) - 1;
	*sp = s;
	return SB_OK;
out:
	for (int i = 0; (t = table(s, i)); i++)
		sb_table_fini(t);
	free(s->fqdn);
	free(s->address);
	free(s);
	return SB_ENOMEM;
}

/* The clock never goes back. */
static void at(struct sb_sessions *s, uint64_t now_ms)
{
	if (now_ms > s->now)
		s->now = now_ms;
}

void sb_sessions_send(struct sb_sessions *s, const struct sb_request *r,
		      uint64_t now_ms)
{
	at(s, now_ms);
	switch (r->type) {
	case SB_REQ_MESSAGE:
		sb_contact_says(s, r);
		return;
	case SB_REQ_TYPING:
		sb_typing_out(s, r);
		return;
	case SB_REQ_END:
		sb_contact_leaves(s, r);
		return;
	case SB_REQ_ANSWER:
		sb_answer(s, r);
		return;
	case SB_REQ_SESSIONS:
		sb_sessions_list(s);
		return;
	case SB_REQ_WATCH: /* the watch engine's */
	case SB_REQ_UNWATCH:
	case SB_REQ_PRESENCE:
	case SB_REQ_REJECT:
	case SB_REQ_WATCHES:
		return;
	}
}

void sb_sessions_request(struct sb_sessions *s, uint64_t txn,
			 const struct sb_sip_in *m, uint64_t now_ms)
{
	at(s, now_ms);
	sb_request_in(s, txn, m);
}

void sb_sessions_ack(struct sb_sessions *s, uint64_t txn, bool timeout,
		     uint64_t now_ms)
{
	struct sb_stxn *x;

	at(s, now_ms);
	x = sb_stxn_by_txn(s, txn);
	if (x && x->state == SB_S_ACK)
		sb_offer_ack(s, x, timeout);
}

void sb_sessions_cancel(struct sb_sessions *s, uint64_t txn, uint64_t now_ms)
{
	struct sb_stxn *x;

	at(s, now_ms);
	x = sb_stxn_by_txn(s, txn);
	if (x && x->state == SB_S_WAIT && x->kind == SB_S_OFFER)
		sb_offer_cancel(s, x);
}

void sb_sessions_response(struct sb_sessions *s, uint64_t cookie,
			  const struct sb_sip_in *m, uint64_t now_ms)
{
	struct sb_ctxn *t = sb_ctxn_find(s, cookie);
	struct sb_conv *c;

	at(s, now_ms);
	if (m->status < 200)
		return;
	if (!t) {
		if (m->method == SB_M_INVITE && m->status < 300)
			sb_invite_again(s, m);
		return;
	}
	c = t->c;
	switch (t->kind) {
	case SB_C_INVITE:
		sb_invite_response(s, t, m);
		break;
	case SB_C_MESSAGE:
	case SB_C_INFO:
		sb_said_response(s, t, m);
		break;
	case SB_C_BYE:
		sb_ctxn_free(s, t);
		break;
	}
	if (c)
		sb_conv_settle(s, c);
}

uint32_t sb_sessions_tick(struct sb_sessions *s, uint64_t now_ms)
{
	at(s, now_ms);
	sb_timers_fire(s);
	return sb_wheel_wait(&s->wheel, s->now, TICK_MAX_MS);
}

void sb_sessions_count(const struct sb_sessions *s, struct sb_sessions_count *c)
{
	*c = (struct sb_sessions_count){
		.conversations = s->convs.n,
		.dialogs = s->dialogs.n,
		.queued = s->queued,
		.unanswered = s->unanswered,
		.client_txns = s->ctxns.n,
	};
}
