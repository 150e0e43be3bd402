/*
 * session_all.c: what is done to all conversations at once: list, shutdown,
 * free.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "session_priv.h"

/* Walk over a table while the current link may go. */
#define EACH(table, l, next)                                                  \
	for (size_t i_ = 0; i_ <= (table)->mask; i_++)                        \
		for (l = (table)->chain[i_]; l && (next = l->next, true);     \
		     l = next)

static struct sb_stxn *event_of(struct sb_link *l)
{
	return (struct sb_stxn *)(void *)((char *)l -
					  offsetof(struct sb_stxn, by_id));
}

void sb_sessions_list(struct sb_sessions *s)
{
	struct sb_event end = {.type = SB_EV_SESSIONS_END};
	struct sb_link *l, *next;
	size_t n = 0;

	EACH(&s->convs, l, next) {
		const struct sb_conv *c = (struct sb_conv *)l;
		struct sb_event ev = sb_event_of(c, SB_EV_SESSION);

		if (n++ >= SB_ROWS_MAX)
			continue;
		for (struct sb_dialog *d = c->dialogs; d; d = d->next)
			ev.status++;
		ev.age_ms = s->now - c->opened_ms;
		ev.idle_ms = s->now - c->used_ms;
		ev.pending = c->queued;
		s->ops->event(s->arg, &ev);
	}
	end.status = (int)n; /* rows, were there no limit */
	s->ops->event(s->arg, &end);
}

/* ------------------------------------------------------------ shutdown -- */

/* Whom nobody will answer any more: their requests get their answers. */
static void answer_all(struct sb_sessions *s)
{
	struct sb_link *l, *next;

	while (s->late)
		sb_stxn_free(s, s->late);
	EACH(&s->stxns, l, next) {
		struct sb_stxn *x = (struct sb_stxn *)l;
		struct sb_dialog *d = x->d;

		if (x->state == SB_S_HOLD)
			sb_message_ok(s, x);
		else if (x->state == SB_S_WAIT) {
			bool offer = x->kind == SB_S_OFFER;

			sb_respond_refusal(s, x, SB_R_CLOSED);
			sb_stxn_free(s, x);
			if (offer)
				sb_dialog_free(s, d);
		}
	}
	EACH(&s->events, l, next) {
		struct sb_stxn *x = event_of(l);

		if (x->kind == SB_S_FIRST)
			sb_stxn_free(s, x);
	}
}

static void close_one(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_verdict v = sb_verdict_local(503, "shutting-down",
					       "The gateway is shutting down");
	struct sb_dialog *d, *next;
	struct sb_msg *m;

	sb_queue_fail(s, c, &v);
	while ((m = sb_queue_pop(c)))
		sb_msg_free(s, m);
	while (c->held)
		sb_held_expire(s, c->held);
	c->typing_want = SB_TYPING_NONE;
	c->typing_in_due = c->typing_out_due = 0;
	for (d = c->dialogs; d; d = next) {
		next = d->next;
		sb_dialog_close(s, d);
	}
	sb_conv_settle(s, c);
}

/* A MESSAGE under way keeps its conversation until its response or time-out:
 * only then its fate is known. */
void sb_sessions_shutdown(struct sb_sessions *s, uint64_t now_ms)
{
	struct sb_link *l, *next;

	if (now_ms > s->now)
		s->now = now_ms;
	s->closed = true;
	answer_all(s);
	EACH(&s->convs, l, next)
		close_one(s, (struct sb_conv *)l);
}

/* ---------------------------------------------------------------- free -- */

static void free_conv(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_msg *m;
	struct sb_held *h;

	while (c->dialogs)
		sb_dialog_free(s, c->dialogs);
	while ((m = sb_queue_pop(c)))
		sb_msg_free(s, m);
	while ((h = c->held)) {
		c->held = h->next;
		free(h);
	}
	sb_conv_free(s, c);
}

void sb_sessions_free(struct sb_sessions *s)
{
	struct sb_link *l, *next;

	if (!s)
		return;
	EACH(&s->events, l, next)
		sb_stxn_free(s, event_of(l));
	EACH(&s->stxns, l, next)
		sb_stxn_free(s, (struct sb_stxn *)l);
	EACH(&s->ctxns, l, next)
		sb_ctxn_free(s, (struct sb_ctxn *)l);
	EACH(&s->convs, l, next)
		free_conv(s, (struct sb_conv *)l);
	sb_table_fini(&s->convs);
	sb_table_fini(&s->dialogs);
	sb_table_fini(&s->ctxns);
	sb_table_fini(&s->stxns);
	sb_table_fini(&s->events);
	free(s->fqdn);
	free(s->address);
	free(s);
}
