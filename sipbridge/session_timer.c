/*
 * session_timer.c: when a conversation, a dialog or a transaction wants to be
 * looked at again, and what happens then. Each has one timer for all that it
 * waits for; a deadline that moved away is found out when the timer fires.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

enum { FIRE_MAX = 1000 }; /* in one go; the rest in the next */

#define OWNER(t, type) \
	((struct type *)(void *)((char *)(t) - offsetof(struct type, t)))

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

static void set(struct sb_sessions *s, struct sb_timer *t, uint64_t due)
{
	if (!due)
		sb_wheel_clear(&s->wheel, t);
	else if (!t->at || t->due != due)
		sb_wheel_set(&s->wheel, t, due);
}

void sb_conv_timer(struct sb_sessions *s, struct sb_conv *c)
{
	set(s, &c->t, earlier(c->out_due, earlier(c->typing_in_due,
						  c->typing_out_due)));
}

static bool due(const struct sb_sessions *s, uint64_t at)
{
	return at && at <= s->now;
}

static void conv_fires(struct sb_sessions *s, struct sb_conv *c)
{
	if (due(s, c->typing_in_due))
		sb_typing_in(s, c, SB_TYPING_IDLE);
	if (due(s, c->typing_out_due))
		c->typing_out_due = 0; /* sb_conv_settle sends it */
	if (due(s, c->out_due))
		sb_said_timeout(s, c);
	sb_conv_settle(s, c);
}

static uint64_t idle_due(const struct sb_sessions *s, const struct sb_dialog *d)
{
	return s->wire.session_idle_ms ? d->used_ms + s->wire.session_idle_ms :
					 0;
}

void sb_dialog_timer(struct sb_sessions *s, struct sb_dialog *d)
{
	uint64_t at = d->due;

	if (d->state == SB_D_UP)
		at = earlier(at, idle_due(s, d));
	set(s, &d->t, at);
}

static void up_fires(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_conv *c = d->c;

	if (due(s, d->due)) {
		d->due = 0;
		if (d->first_state == SB_FIRST_WAIT)
			sb_first_say(s, d);
	}
	if (c->head || c->out || c->unanswered)
		d->used_ms = s->now; /* not idle, whoever is slow */
	if (due(s, idle_due(s, d)))
		sb_dialog_close(s, d);
	else
		sb_dialog_timer(s, d);
}

static void dialog_fires(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_conv *c = d->c;

	if (d->state == SB_D_CALLING && due(s, d->due))
		sb_invite_timeout(s, d);
	else if (d->state == SB_D_UP)
		up_fires(s, d);
	else
		sb_dialog_timer(s, d);
	sb_conv_settle(s, c);
}

void sb_timers_fire(struct sb_sessions *s)
{
	struct sb_timer *t;

	for (int n = 0; n < FIRE_MAX; n++) {
		t = sb_wheel_pop(&s->wheel, s->now);
		if (!t)
			return;
		switch ((enum sb_timer_kind)t->kind) {
		case SB_T_CONV:
			conv_fires(s, OWNER(t, sb_conv));
			break;
		case SB_T_DIALOG:
			dialog_fires(s, OWNER(t, sb_dialog));
			break;
		case SB_T_STXN:
			sb_stxn_due(s, OWNER(t, sb_stxn));
			break;
		case SB_T_HELD: {
			struct sb_held *h = OWNER(t, sb_held);
			struct sb_conv *c = h->c;

			sb_held_expire(s, h);
			sb_conv_settle(s, c);
			break;
		}
		}
	}
}
