/*
 * roster_event.c: what the bridge says.
 * SPDX-License-Identifier: MIT
 */
#include "errors.h"
#include "refusal.h"
#include "roster_priv.h"

static void bridge(struct lg_effects *fx, enum lg_fx_kind kind,
		   const struct lg_ends *e, int err)
{
	lg_fx_add(fx, (struct lg_effect){.kind = kind,
					 .contact = e->contact,
					 .user = e->user,
					 .err = err});
}

/* --------------------------------------------- the contact's own watches -- */

static void active(struct lg_roster *r, struct lg_pair *p)
{
	if (p->in != LG_IN_PENDING)
		return;
	p->in = LG_IN_ACTIVE;
	lg_pair_todo(r, p, LG_T_SUBSCRIBED | LG_T_SHOW);
	lg_pair_dirty(r, p);
}

static void refused(struct lg_roster *r, struct lg_pair *p)
{
	p->in = LG_IN_NONE;
	lg_pair_unwait(r, p);
	lg_pair_clear(r, p, LG_F_WATCHING | LG_F_PROBED | LG_F_ASKS);
	lg_pair_forget(r, p);
	lg_pair_todo(r, p, LG_T_SHOW | LG_T_UNSUBSCRIBED);
	lg_pair_dirty(r, p);
}

/* What the contact was told stays for a minute: it may come back. */
static void failing(struct lg_roster *r, struct lg_pair *p, uint64_t now)
{
	if (lg_pair_has(p, LG_F_PROBED)) {
		lg_pair_unwait(r, p);
		lg_pair_clear(r, p, LG_F_PROBED);
	}
	if (lg_pair_has(p, LG_F_SHOWN)) {
		if (!lg_pair_has(p, LG_F_STALE))
			lg_pair_wait(r, p, &r->stale,
				     now + LG_ROSTER_STALE_WAIT);
		lg_pair_set(r, p, LG_F_STALE);
		return;
	}
	lg_pair_forget(r, p);
	if (lg_pair_has(p, LG_F_ASKS))
		lg_pair_todo(r, p, LG_T_SHOW);
}

/* Is the contact still there (A11)? One who has not approved its Lync user does
 * not answer to it: servers keep silent, or say "unsubscribed" (RFC 6121
 * 4.3.2), so nothing follows from that. */
static void due(struct lg_roster *r, struct lg_pair *p, uint64_t now)
{
	if (lg_pair_has(p, LG_F_STALE)) {
		lg_pair_forget(r, p);
		lg_pair_todo(r, p, LG_T_SHOW);
	}
	if (p->out != LG_OUT_GRANTED) {
		lg_pair_todo(r, p, LG_T_GOON);
		return;
	}
	lg_pair_set(r, p, LG_F_PROBED);
	lg_pair_wait(r, p, &r->probed, now + LG_ROSTER_PROBE_WAIT);
	lg_pair_todo(r, p, LG_T_SYNC | LG_T_PROBE);
}

static void watch(struct lg_roster *r, const struct lg_settings *s,
		  const struct sb_event *ev, const struct lg_ends *e,
		  uint64_t now, struct lg_effects *fx)
{
	struct lg_pair *p = lg_pair_find(r, e);
	struct lg_verdict v;

	if (ev->watch == SB_WATCH_ENDED || ev->watch == SB_WATCH_NONE)
		return;
	if (!p || !lg_pair_has(p, LG_F_WATCHING)) {
		/* Given up in the meantime: nothing of it may stay. */
		if (ev->watch != SB_WATCH_REFUSED)
			bridge(fx, LG_FX_UNWATCH, e, LG_OK);
		return;
	}
	if (p->in == LG_IN_NONE) {
		/* "unwatch" stands in the queue. */
		if (ev->watch == SB_WATCH_REFUSED)
			lg_pair_clear(r, p, LG_F_WATCHING);
		return;
	}
	lg_pair_judge(&v, s, p, now);
	if (ev->watch != SB_WATCH_DUE) {
		p->watch = (uint8_t)ev->watch;
		p->status = (uint16_t)(ev->status > 0 && ev->status < 700
					       ? ev->status
					       : 0);
	}
	if (v.d.partner && ev->watch == SB_WATCH_ACTIVE)
		lg_budget_outcome(r, v.d.partner, 200, now);
	else if (v.d.partner && ev->watch == SB_WATCH_REFUSED)
		lg_budget_outcome(r, v.d.partner, ev->status, now);
	if (ev->watch == SB_WATCH_ACTIVE)
		active(r, p);
	else if (ev->watch == SB_WATCH_REFUSED)
		refused(r, p);
	else if (ev->watch == SB_WATCH_FAILING)
		failing(r, p, now);
	else
		due(r, p, now);
}

static void state(struct lg_roster *r, const struct lg_settings *s,
		  const struct sb_event *ev, const struct lg_ends *e,
		  uint64_t now)
{
	struct lg_pair *p = lg_pair_find(r, e);
	struct lg_verdict v;
	bool news;

	if (!p || p->in == LG_IN_NONE || !lg_pair_has(p, LG_F_WATCHING))
		return;
	lg_pair_judge(&v, s, p, now);
	news = p->presence != (uint8_t)ev->presence;
	p->presence = (uint8_t)ev->presence;
	if (lg_text_set(r, &p->note, v.notes ? ev->text : SB_NOSTR,
			LG_ROSTER_NOTE))
		news = true;
	if (ev->display.n)
		lg_text_set(r, &p->user->display, ev->display,
			    LG_ROSTER_DISPLAY);
	if (lg_pair_has(p, LG_F_STALE)) {
		if (!lg_pair_has(p, LG_F_PROBED))
			lg_pair_unwait(r, p);
		lg_pair_clear(r, p, LG_F_STALE);
	}
	if (news || lg_pair_has(p, LG_F_ASKS))
		lg_pair_todo(r, p, LG_T_SHOW);
}

/* -------------------------------------- Lync's subscriptions to contacts -- */

/* Once a day at most, unless the question may have been lost; after a denial
 * only if the user adds the contact again. */
static void ask(struct lg_roster *r, struct lg_pair *p, bool added,
		uint64_t now)
{
	uint16_t day = lg_day(now);

	if (p->out == LG_OUT_GRANTED || (p->out == LG_OUT_DENIED && !added))
		return;
	/* A day that lies far ahead was a wrong clock's. */
	if ((p->asked == day || p->asked == day + 1) &&
	    (p->out != LG_OUT_ASKED || !lg_pair_has(p, LG_F_LOST)))
		return;
	lg_pair_clear(r, p, LG_F_LOST);
	p->out = LG_OUT_ASKED;
	p->asked = day;
	lg_pair_todo(r, p, LG_T_SUBSCRIBE);
	lg_pair_dirty(r, p);
}

static void list(struct lg_roster *r, struct lg_pair *p, uint64_t now)
{
	if (p->listed != lg_day(now)) {
		p->listed = lg_day(now);
		lg_pair_dirty(r, p);
	}
	/* An own watch that was not allowed before is now. */
	if (p->in != LG_IN_NONE && !lg_pair_has(p, LG_F_WATCHING))
		lg_pair_todo(r, p, LG_T_SYNC);
}

static void answer(struct lg_effects *fx, const struct sb_event *ev,
		   const struct lg_ends *e, const struct lg_verdict *v,
		   int err)
{
	struct lg_status status = {.status = 200};
	const struct lg_refusal *refusal = lg_refusal(err);

	if (err)
		lg_condition_to_status(&status, sb_str_of(refusal->condition),
				       true, sb_str_of(refusal->type), false);
	lg_fx_add(fx, (struct lg_effect){
			      .kind = LG_FX_ANSWER,
			      .contact = e->contact,
			      .user = e->user,
			      .id = ev->id,
			      .status = status.status,
			      .diag = status.diag,
			      .err = err,
			      .flags = v->verified ? SB_F_VERIFIED : 0,
		      });
}

static int take(struct lg_roster *r, const struct sb_event *ev,
		const struct lg_ends *e, const struct lg_verdict *v,
		uint64_t now, struct lg_effects *fx)
{
	struct lg_effect tell;
	struct lg_pair *p;
	bool first;
	int err = lg_pair_get(&p, r, e);

	if (err)
		return err;
	/* With an id it has no other dialog that was answered. */
	first = ev->id || !lg_pair_has(p, LG_F_LYNC);
	lg_pair_set(r, p, LG_F_LYNC);
	if (ev->display.n)
		lg_text_set(r, &p->user->display, ev->display,
			    LG_ROSTER_DISPLAY);
	list(r, p, now);
	ask(r, p, ev->added, now);
	/* Before the answer, so that the first NOTIFY says it. */
	if (first && lg_fx_tell(&tell, r, p, v))
		lg_fx_add(fx, tell);
	if (first && p->out == LG_OUT_GRANTED && !lg_pair_has(p, LG_F_HEARD))
		lg_pair_todo(r, p, LG_T_PROBE);
	return LG_OK;
}

static int subscribe(struct lg_roster *r, const struct lg_settings *s,
		     const struct sb_event *ev, const struct lg_ends *e,
		     uint64_t now, struct lg_effects *fx)
{
	struct lg_verdict v;
	struct lg_pair *p;
	int err;

	/* Asking for it is adding it. */
	lg_roster_judge(&v, s, e->contact, e->user, true);
	err = v.err;
	if (!err)
		err = take(r, ev, e, &v, now, fx);
	if (!ev->id) {
		if (err)
			bridge(fx, LG_FX_REJECT, e, err);
		return err;
	}
	answer(fx, ev, e, &v, err);
	p = err ? lg_pair_find(r, e) : NULL;
	if (p) {
		lg_pair_clear(r, p, LG_F_LYNC | LG_F_TOLD_NOTES);
		lg_pair_todo(r, p, 0);
	}
	return err;
}

static void unsubscribed(struct lg_roster *r, const struct sb_event *ev,
			 const struct lg_ends *e)
{
	struct lg_pair *p = lg_pair_find(r, e);

	if (!p || !lg_pair_has(p, LG_F_LYNC))
		return;
	lg_pair_clear(r, p, LG_F_LYNC | LG_F_TOLD_NOTES);
	lg_pair_todo(r, p, 0);
	/* The user has logged off. Who watches hears of it from the watch. */
	if (p->out == LG_OUT_GRANTED && p->in != LG_IN_ACTIVE &&
	    !sb_str_eq(ev->token, SB_STR("rejected"))) {
		lg_pair_set(r, p, LG_F_ASKS);
		lg_pair_todo(r, p, LG_T_SHOW);
	}
}

/* ----------------------------------------------------------- the worker -- */

static void doubt_until(struct lg_roster *r, uint64_t due)
{
	if (due > r->lost_at + LG_ROSTER_STALE_MAX)
		due = r->lost_at + LG_ROSTER_STALE_MAX;
	if (due > r->lost_due)
		r->lost_due = due;
}

/* All watches are said anew, at a rate; what contacts were told is unsure for
 * as long, but not for ever. */
static void ready(struct lg_roster *r, const struct lg_settings *s,
		  uint64_t now)
{
	uint32_t rate = s->bridge.wire.watch_rate;
	uint64_t due = now + LG_ROSTER_STALE_WAIT;

	r->up = true;
	lg_roster_sweep(r, LG_SWEEP_SYNC);
	if (!r->lost_at)
		return;
	if (rate)
		due += r->pairs.n / rate;
	doubt_until(r, due);
}

static void lost(struct lg_roster *r, uint64_t now)
{
	r->up = false;
	r->gen++;
	r->active = 0;
	r->subscribed = 0;
	if (!r->lost_at)
		r->lost_at = now;
	doubt_until(r, now + LG_ROSTER_STALE_WAIT);
	/* All pairs get this generation, before the number comes again. */
	lg_roster_sweep(r, LG_SWEEP_SYNC);
}

int lg_roster_event(struct lg_roster *r, const struct lg_settings *s,
		    const struct sb_event *ev, uint64_t now,
		    struct lg_effects *fx)
{
	static const struct lg_verdict none;
	struct lg_ends *e = &fx->ends;
	int err = LG_OK;

	fx->n = 0;
	if (ev->type == SB_EV_WORKER) {
		if (ev->status == 1)
			ready(r, s, now);
		else if (r->up)
			lost(r, now);
		return LG_OK;
	}
	if (ev->type != SB_EV_WATCH && ev->type != SB_EV_STATE &&
	    ev->type != SB_EV_SUBSCRIBE && ev->type != SB_EV_UNSUBSCRIBED)
		return LG_OK;
	err = lg_ends_of(e, ev->contact, ev->user);
	if (err) {
		if (ev->type == SB_EV_SUBSCRIBE && ev->id) {
			e->contact = ev->contact;
			e->user = ev->user;
			answer(fx, ev, e, &none, LG_EBADJID);
		}
		return err;
	}
	if (ev->type == SB_EV_WATCH)
		watch(r, s, ev, e, now, fx);
	else if (ev->type == SB_EV_STATE)
		state(r, s, ev, e, now);
	else if (ev->type == SB_EV_SUBSCRIBE)
		err = subscribe(r, s, ev, e, now, fx);
	else
		unsubscribed(r, ev, e);
	return err;
}
