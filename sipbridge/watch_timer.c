/*
 * watch_timer.c: when a watch, a sub, an offer or a domain wants to be looked
 * at again, and what happens then.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

#define OWNER(timer, type) \
	((struct type *)(void *)((char *)(timer) - offsetof(struct type, t)))

enum {
	RENEW_MS = 10000,
	FIRE_MAX = 1000 /* in one go; the rest in the next */
};

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the plugin is asked before a refresh: a minute ahead, 20 s where the
 * grant is no longer than some minutes. Never at once: its word brings the next
 * grant, and that would bring the next question. */
static uint64_t due_ms(const struct sb_watch *x)
{
	uint64_t next = sb_stamp_ms(x->next), lead = SB_WATCH_DUE_MS;
	uint64_t margin = sb_stamp_ms(x->u.expires) - next;

	if (margin <= SB_WATCH_MARGIN_MS)
		lead = margin / 2;
	return next > lead ? next - lead : 1;
}

static uint64_t timer_n(const struct sb_watch *x)
{
	return sb_stamp_ms(x->u.opened) + SB_TIMER_N_MS;
}

static uint64_t up_due(const struct sb_watch *x)
{
	uint64_t end = sb_stamp_ms(x->u.expires);

	if (!x->u.heard)
		return timer_n(x);
	if (x->u.busy)
		return end;
	return min(end, x->due ? sb_stamp_ms(x->next) : due_ms(x));
}

void sb_watch_timer(struct sb_watches *w, struct sb_watch *x)
{
	uint64_t at = 0;

	if (x->u.state == SB_US_UP)
		at = up_due(x);
	else if (x->u.state == SB_US_WAIT || x->u.state == SB_US_LEAVING)
		at = sb_stamp_ms(x->next);
	else if (x->u.state == SB_US_QUEUED)
		return;
	sb_usage_due(w, &x->u, at);
}

static void up_fires(struct sb_watches *w, struct sb_watch *x)
{
	struct sb_why why;

	if (!x->u.heard) {
		why = sb_why_local(408, "no-notify",
				   "The Lync side tells no presence");
		sb_watch_failing(w, x, &why);
	}
	else if (sb_stamp_ms(x->u.expires) <= w->now)
		sb_watch_renew(w, x, RENEW_MS);
	else if (x->u.busy)
		sb_watch_timer(w, x);
	else if (x->due && sb_stamp_ms(x->next) <= w->now)
		sb_watch_refresh(w, x);
	else {
		if (!x->due && due_ms(x) <= w->now) {
			x->due = true;
			sb_watch_tell(w, x, SB_WATCH_DUE, NULL);
		}
		sb_watch_timer(w, x);
	}
}

static void watch_fires(struct sb_watches *w, struct sb_watch *x)
{
	struct sb_why why;

	switch ((enum sb_usage_state)x->u.state) {
	case SB_US_UP:
		up_fires(w, x);
		return;
	case SB_US_WAIT:
		if (sb_queue_add(w, x))
			return;
		why = sb_why_local(503, "too-many-domains",
				   "Too many SIP domains");
		sb_watch_failing(w, x, &why);
		return;
	case SB_US_LEAVING:
		if (x->bye)
			sb_watch_left(w, x);
		else
			sb_watch_bye(w, x);
		return;
	case SB_US_QUEUED:
	case SB_US_ASKING:
	case SB_US_OFFERED:
	case SB_US_LIVE:
	case SB_US_LAST:
		return;
	}
}

void sb_watches_fire(struct sb_watches *w)
{
	struct sb_timer *t;

	for (int n = 0; n < FIRE_MAX; n++) {
		t = sb_wheel_pop(&w->wheel, w->now);
		if (!t)
			return;
		switch ((enum sb_watch_timer_kind)t->kind) {
		case SB_WT_WATCH:
			watch_fires(w, (struct sb_watch *)
				    OWNER(t, sb_usage));
			break;
		case SB_WT_SUB: {
			struct sb_sub *s = (struct sb_sub *)OWNER(t, sb_usage);

			if (s->u.state != SB_US_LAST &&
			    sb_stamp_ms(s->u.expires) <= w->now)
				sb_sub_end(w, s, SB_SE_EXPIRED);
			else
				sb_sub_pump(w, s);
			break;
		}
		case SB_WT_PENDING:
			sb_pending_timeout(w, OWNER(t, sb_pending));
			break;
		case SB_WT_DOMAIN:
			sb_queue_run(w, OWNER(t, sb_watch_domain));
			break;
		}
	}
}
