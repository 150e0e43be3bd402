/*
 * session_txn.c: client transactions by cookie, server transactions by the
 * carrier's number and by event id, and the records of late bounces.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "session_priv.h"

struct sb_ctxn *sb_ctxn_new(struct sb_sessions *s, enum sb_ctxn_kind kind,
			    struct sb_conv *c, struct sb_dialog *d)
{
	struct sb_ctxn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->cookie = ++s->cookie;
	t->kind = kind;
	t->c = c;
	t->d = d;
	sb_table_add(&s->ctxns, &t->by_cookie,
		     sb_hash_u64(&s->key, t->cookie));
	return t;
}

struct sb_ctxn *sb_ctxn_find(const struct sb_sessions *s, uint64_t cookie)
{
	struct sb_link *l = sb_table_find(&s->ctxns,
					  sb_hash_u64(&s->key, cookie));

	for (; l; l = sb_table_again(l)) {
		struct sb_ctxn *t = (struct sb_ctxn *)l; /* first member */

		if (t->cookie == cookie)
			return t;
	}
	return NULL;
}

void sb_ctxn_free(struct sb_sessions *s, struct sb_ctxn *t)
{
	if (t->c && t->c->out == t) {
		t->c->out = NULL;
		t->c->out_due = 0;
	}
	if (t->d && t->d->invite == t)
		t->d->invite = NULL;
	if (t->msg)
		sb_msg_free(s, t->msg);
	sb_table_remove(&s->ctxns, &t->by_cookie);
	free(t);
}

/* ------------------------------------------------- server transactions -- */

struct sb_stxn *sb_stxn_new(struct sb_sessions *s, enum sb_stxn_kind kind,
			    struct sb_conv *c, struct sb_dialog *d,
			    uint64_t txn)
{
	struct sb_stxn *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->t.kind = SB_T_STXN;
	x->kind = (uint8_t)kind;
	x->state = SB_S_WAIT;
	x->c = c;
	x->d = d;
	x->txn = txn;
	x->id = kind == SB_S_AGAIN ? 0 : ++s->event_id;
	if (d) {
		x->next = d->txns;
		x->at = &d->txns;
		if (x->next)
			x->next->at = &x->next;
		d->txns = x;
	}
	if (x->txn) {
		sb_table_add(&s->stxns, &x->by_txn,
			     sb_hash_u64(&s->key, x->txn));
		s->unanswered++;
	}
	if (x->id)
		sb_table_add(&s->events, &x->by_id,
			     sb_hash_u64(&s->key, x->id));
	c->unanswered++;
	return x;
}

struct sb_stxn *sb_stxn_by_txn(const struct sb_sessions *s, uint64_t txn)
{
	struct sb_link *l = sb_table_find(&s->stxns,
					  sb_hash_u64(&s->key, txn));

	for (; l; l = sb_table_again(l)) {
		struct sb_stxn *x = (struct sb_stxn *)l; /* first member */

		if (x->txn == txn)
			return x;
	}
	return NULL;
}

struct sb_stxn *sb_stxn_by_id(const struct sb_sessions *s, uint64_t id)
{
	struct sb_link *l = sb_table_find(&s->events, sb_hash_u64(&s->key, id));

	for (; l; l = sb_table_again(l)) {
		struct sb_stxn *x = (struct sb_stxn *)(void *)
			((char *)l - offsetof(struct sb_stxn, by_id));

		if (x->id == id)
			return x;
	}
	return NULL;
}

void sb_stxn_answered(struct sb_sessions *s, struct sb_stxn *x)
{
	sb_wheel_clear(&s->wheel, &x->t);
	if (!x->c)
		return;
	x->c->unanswered--;
	x->c = NULL;
	if (x->txn)
		s->unanswered--;
}

void sb_stxn_forget(struct sb_sessions *s, struct sb_stxn *x)
{
	if (!x->txn)
		return;
	sb_table_remove(&s->stxns, &x->by_txn);
	x->txn = 0;
}

void sb_stxn_late(struct sb_sessions *s, struct sb_stxn *x)
{
	if (s->late_n >= SB_LATE_MAX)
		sb_stxn_free(s, s->late);
	x->state = SB_S_LATE;
	x->late_next = NULL;
	x->late_at = s->late_end;
	*s->late_end = x;
	s->late_end = &x->late_next;
	s->late_n++;
	sb_wheel_set(&s->wheel, &x->t, s->now + SB_LATE_MS);
}

static void late_unlink(struct sb_sessions *s, struct sb_stxn *x)
{
	if (x->state != SB_S_LATE)
		return;
	if (s->late_end == &x->late_next)
		s->late_end = x->late_at;
	*x->late_at = x->late_next;
	if (x->late_next)
		x->late_next->late_at = x->late_at;
	s->late_n--;
}

void sb_stxn_free(struct sb_sessions *s, struct sb_stxn *x)
{
	sb_stxn_answered(s, x);
	sb_stxn_forget(s, x);
	late_unlink(s, x);
	if (x->id)
		sb_table_remove(&s->events, &x->by_id);
	if (x->at) {
		*x->at = x->next;
		if (x->next)
			x->next->at = x->at;
	}
	free(x);
}
