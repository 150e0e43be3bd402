/*
 * roster_tick.c: what is due, and what concerns every pair.
 * SPDX-License-Identifier: MIT
 */
#include "roster_priv.h"

void lg_roster_sweep(struct lg_roster *r, unsigned why)
{
	r->sweep |= why;
	r->sweep_at = 0;
	r->sweep_mask = r->pairs.mask;
}

void lg_roster_settings(struct lg_roster *r)
{
	lg_roster_sweep(r, LG_SWEEP_SYNC);
}

/* What both sides were told against what they are to know. */
static void compare(struct lg_roster *r, struct lg_pair *p,
		    const struct lg_verdict *v)
{
	bool shown = lg_pair_has(p, LG_F_SHOWN), noted;
	bool shows = lg_show_of_presence(lg_pair_visible(p, v)) !=
		     LG_SHOW_UNAVAILABLE;
	unsigned todo = 0;

	if (r->up && lg_pair_unsynced(p, v))
		todo |= LG_T_SYNC;
	noted = v->notes && p->note;
	if (!lg_pair_holds(r, p, v) &&
	    (shown != shows ||
	     (shown && lg_pair_has(p, LG_F_NOTED) != noted)))
		todo |= LG_T_SHOW;
	if (lg_pair_has(p, LG_F_LYNC)) {
		if (v->err && v->err != LG_EUNLISTED)
			todo |= LG_T_REJECT;
		else if (lg_slot_best(p) &&
			 lg_pair_has(p, LG_F_TOLD_NOTES) != v->notes)
			todo |= LG_T_TELL;
	}
	if (todo)
		lg_pair_todo(r, p, todo);
}

/* What has lapsed: a contact list that Lync has not shown for long, a request
 * that nobody answered meanwhile, the memory of a refusal. */
static void care(struct lg_roster *r, struct lg_pair *p,
		 const struct lg_settings *s, uint64_t now)
{
	uint32_t left;

	if (p->in == LG_IN_NONE && p->watch == SB_WATCH_REFUSED)
		p->watch = SB_WATCH_NONE;
	if (!s->usable || lg_pair_listed(p, s, now, &left))
		return;
	if (p->listed || p->out == LG_OUT_ASKED || p->out == LG_OUT_DENIED) {
		p->listed = 0;
		if (p->out != LG_OUT_GRANTED) {
			p->out = LG_OUT_NONE;
			p->asked = 0;
		}
		lg_pair_dirty(r, p);
	}
}

static void doubt(struct lg_roster *r, struct lg_pair *p)
{
	if (!lg_pair_has(p, LG_F_STALE) || p->wait_at)
		return;
	lg_pair_forget(r, p);
	lg_pair_todo(r, p, LG_T_SHOW);
}

static void visit(struct lg_roster *r, struct lg_pair *p,
		  const struct lg_settings *s, uint64_t now, unsigned why)
{
	struct lg_verdict v;

	lg_pair_touch(r, p);
	if (why & LG_SWEEP_STALE)
		doubt(r, p);
	if (why & LG_SWEEP_CARE)
		care(r, p, s, now);
	/* Trust may have gone with what has lapsed. */
	if (why & (LG_SWEEP_SYNC | LG_SWEEP_CARE)) {
		lg_pair_judge(&v, s, p, now);
		compare(r, p, &v);
	}
	if (!lg_pair_of_use(p))
		lg_pair_todo(r, p, 0);
}

/* Visiting queues, and frees nothing: chains stay as they are. */
static void sweep(struct lg_roster *r, const struct lg_settings *s,
		  uint64_t now)
{
	size_t left = LG_ROSTER_STEP;

	if (r->sweep_mask != r->pairs.mask)
		lg_roster_sweep(r, 0); /* the table grew: start anew */
	while (left > 0 && r->sweep_at <= r->sweep_mask) {
		struct sb_link *l = r->pairs.chain[r->sweep_at++];

		left--;
		for (; l; l = l->next) {
			visit(r, (struct lg_pair *)l, s, now, r->sweep);
			if (left > 0)
				left--;
		}
	}
	if (r->sweep_at > r->sweep_mask)
		r->sweep = 0;
}

static bool is_due(const struct lg_pair *p, uint64_t now)
{
	/* Too far ahead: the clock was set back. */
	return p && (p->due <= now || p->due - now > LG_ROSTER_STALE_WAIT);
}

/* True: there may be more. */
static bool waits(struct lg_roster *r, struct lg_wait *list, uint64_t now)
{
	size_t left = LG_ROSTER_STEP;
	struct lg_pair *p;

	while (left-- > 0 && is_due(list->first, now)) {
		p = list->first;
		lg_pair_unwait(r, p);
		if (lg_pair_has(p, LG_F_PROBED)) {
			lg_pair_clear(r, p, LG_F_PROBED);
			lg_pair_set(r, p, LG_F_SLEEPS);
			lg_pair_todo(r, p, LG_T_SYNC);
		}
		else {
			lg_pair_forget(r, p);
			lg_pair_todo(r, p, LG_T_SHOW);
		}
	}
	return is_due(list->first, now);
}

static uint32_t until(uint32_t best, uint64_t due, uint64_t now)
{
	if (due <= now)
		return 0;
	return due - now < best ? (uint32_t)(due - now) : best;
}

uint32_t lg_roster_tick(struct lg_roster *r, const struct lg_settings *s,
			uint64_t now)
{
	uint32_t wait = 3600 - (uint32_t)(now % 3600);
	bool more;

	if (r->hour != now / 3600) {
		r->hour = now / 3600;
		lg_budgets_care(r, now);
		lg_roster_sweep(r, LG_SWEEP_CARE);
	}
	if (r->lost_due && (now >= r->lost_due ||
			    r->lost_due - now > LG_ROSTER_STALE_MAX)) {
		r->lost_at = 0;
		r->lost_due = 0;
		lg_roster_sweep(r, LG_SWEEP_STALE);
	}
	more = waits(r, &r->probed, now);
	more = waits(r, &r->stale, now) || more;
	if (r->sweep)
		sweep(r, s, now);
	if (more || r->sweep)
		return 0;
	if (r->probed.first)
		wait = until(wait, r->probed.first->due, now);
	if (r->stale.first)
		wait = until(wait, r->stale.first->due, now);
	if (r->lost_due)
		wait = until(wait, r->lost_due, now);
	return wait;
}
