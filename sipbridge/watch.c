/*
 * watch.c: the watch engine's entry points.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "watch_priv.h"

enum {
	TICK_MAX_MS = 60000,
	WATCH_EXPIRES_MS = 28800000, /* where the settings say 0 */
	OFFER_EXPIRES_MS = 3600000,
};

int sb_watches_configure(struct sb_watches *w, const struct sb_wire *wire)
{
	w->wire = *wire;
	w->wire.verification_header = SB_NOSTR; /* the carrier's */
	w->wire.imdn_method = SB_NOSTR;
	if (w->wire.watch_expires_ms < SB_EXPIRES_MIN * 1000)
		w->wire.watch_expires_ms = WATCH_EXPIRES_MS;
	if (w->wire.offer_expires_ms < SB_EXPIRES_MIN * 1000)
		w->wire.offer_expires_ms = OFFER_EXPIRES_MS;
	sb_queue_configure(w);
	return SB_OK;
}

static struct sb_table *table(struct sb_watches *w, int i)
{
	struct sb_table *all[] = {&w->watches, &w->subs, &w->offers, &w->asked,
				  &w->shared};

	return (size_t)i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

static void fini(struct sb_watches *w)
{
	struct sb_table *t;

	for (int i = 0; (t = table(w, i)); i++)
		sb_table_fini(t);
	free(w->fqdn);
	free(w);
}

int sb_watches_new(struct sb_watches **wp, struct sb_str bridge_fqdn,
		   const struct sb_wire *wire, const struct sb_wire_ops *ops,
		   void *arg)
{
	struct sb_watches *w = calloc(1, sizeof(*w));
	struct sb_table *t;
	bool ok = true;

	if (!w)
		return SB_ENOMEM;
	for (int i = 0; (t = table(w, i)); i++)
		if (sb_table_init(t))
			ok = false;
	sb_text_set(&w->fqdn, bridge_fqdn);
	if (!ok || (bridge_fqdn.n && !w->fqdn)) {
		fini(w);
		return SB_ENOMEM;
	}
	w->bytes = sizeof(*w) + bridge_fqdn.n;
	sb_wheel_init(&w->wheel);
	w->ops = ops;
	w->arg = arg;
	sb_watches_configure(w, wire);
	ops->random(arg, &w->key, sizeof(w->key));
	ops->random(arg, &w->names, sizeof(w->names));
	/* An answer to another worker's event must not fit. */
	ops->random(arg, &w->event_id, sizeof(w->event_id));
	w->event_id &= (UINT64_C(1) << 52) - 1;
	w->event_id |= UINT64_C(1) << 63; /* sb_watches_own() */
	*wp = w;
	return SB_OK;
}

void sb_watches_free(struct sb_watches *w)
{
	if (!w)
		return;
	sb_watches_drop_all(w, false);
	for (size_t i = 0; i <= w->asked.mask; i++)
		while (w->asked.chain[i])
			sb_asked_free(w, (struct sb_asked *)w->asked.chain[i]);
	fini(w);
}

void sb_watches_time(struct sb_watches *w, uint64_t unix_at_zero)
{
	w->unix_at_zero = unix_at_zero;
}

/* The clock never goes back. */
static void at(struct sb_watches *w, uint64_t now_ms)
{
	if (now_ms > w->now)
		w->now = now_ms;
}

void sb_watches_send(struct sb_watches *w, const struct sb_request *r,
		     uint64_t now_ms)
{
	at(w, now_ms);
	switch (r->type) {
	case SB_REQ_WATCH:
		sb_watch_wanted(w, r);
		return;
	case SB_REQ_UNWATCH:
		sb_watch_unwanted(w, r);
		return;
	case SB_REQ_PRESENCE:
		sb_sub_presence(w, r);
		return;
	case SB_REQ_REJECT:
		sb_sub_reject(w, r);
		return;
	case SB_REQ_WATCHES:
		sb_watches_list(w, r);
		return;
	case SB_REQ_ANSWER:
		sb_pending_answer(w, r);
		return;
	case SB_REQ_MESSAGE: /* the session engine's */
	case SB_REQ_TYPING:
	case SB_REQ_END:
	case SB_REQ_SESSIONS:
		return;
	}
}

void sb_watches_request(struct sb_watches *w, uint64_t txn,
			const struct sb_sip_in *m, uint64_t now_ms)
{
	at(w, now_ms);
	if (m->method == SB_M_SUBSCRIBE)
		sb_sub_request(w, txn, m);
	else if (m->method == SB_M_NOTIFY)
		sb_watch_notify(w, txn, m);
	else
		sb_w_refuse(w, txn, m, SB_WR_METHOD);
}

void sb_watches_response(struct sb_watches *w, uint64_t cookie,
			 const struct sb_sip_in *m, uint64_t now_ms)
{
	struct sb_asked *a = sb_asked_find(w, cookie);
	struct sb_usage *u;

	at(w, now_ms);
	if (m->status < 200 || !a)
		return;
	u = a->u;
	sb_asked_free(w, a);
	if (u && u->is_watch)
		sb_watch_response(w, (struct sb_watch *)u, m);
	else if (u)
		sb_sub_response(w, (struct sb_sub *)u, m);
}

uint32_t sb_watches_tick(struct sb_watches *w, uint64_t now_ms)
{
	struct sb_table *t;

	at(w, now_ms);
	sb_watches_fire(w);
	for (int i = 0; (t = table(w, i)); i++)
		sb_table_trim(t);
	return sb_wheel_wait(&w->wheel, w->now, TICK_MAX_MS);
}

void sb_watches_shutdown(struct sb_watches *w, uint64_t now_ms)
{
	at(w, now_ms);
	w->closed = true;
	sb_watches_drop_all(w, true);
}

void sb_watches_count(const struct sb_watches *w, struct sb_watches_count *c)
{
	const struct sb_table *const all[] = {&w->watches, &w->subs, &w->offers,
					      &w->asked, &w->shared};

	*c = (struct sb_watches_count){
		.watches = w->watches.n - w->leaving,
		.subscriptions = w->subs.n,
		.unanswered = w->offers.n,
		.client_txns = w->asked.n,
		.waiting = w->waiting,
		.bytes = w->bytes,
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		c->bytes += sb_table_bytes(all[i]);
}
