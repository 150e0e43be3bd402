/*
 * roster_stanza.c: what a contact says.
 * SPDX-License-Identifier: MIT
 */
#include "roster_priv.h"

/* An answer for who has no pair, or is to have none. */
static void answer(struct lg_effects *fx, enum lg_fx_kind kind,
		   const struct lg_ends *e, int err)
{
	lg_fx_add(fx, (struct lg_effect){.kind = kind,
					 .contact = e->contact,
					 .user = e->user,
					 .err = err});
}

/* An unknown user, one who may not use XMPP, and one who has not added the
 * contact are the same to it. */
static int refuse(struct lg_effects *fx, const struct lg_ends *e, int err)
{
	bool alike = err == LG_EUSER || err == LG_EUNLISTED;

	answer(fx, alike ? LG_FX_UNSUBSCRIBED : LG_FX_ERROR, e, err);
	return err;
}

static void begin(struct lg_roster *r, struct lg_pair *p,
		  const struct lg_stanza *st)
{
	p->in = LG_IN_PENDING;
	p->watch = SB_WATCH_NONE;
	p->status = 0;
	lg_pair_clear(r, p, LG_F_SLEEPS);
	p->todo &= (uint16_t)~LG_T_UNSUBSCRIBED;
	lg_text_set(r, &p->contact->display, st->display, LG_ROSTER_DISPLAY);
	lg_pair_todo(r, p, LG_T_SYNC);
	lg_pair_dirty(r, p);
}

static void end(struct lg_roster *r, struct lg_pair *p)
{
	p->in = LG_IN_NONE;
	lg_pair_clear(r, p, LG_F_ASKS);
	p->todo &= (uint16_t)~LG_T_SUBSCRIBED;
	lg_pair_todo(r, p, LG_T_SYNC | LG_T_SHOW);
	lg_pair_dirty(r, p);
}

static int subscribe(struct lg_roster *r, const struct lg_settings *s,
		     const struct lg_stanza *st, const struct lg_ends *e,
		     struct lg_pair *p, const struct lg_verdict *v,
		     uint64_t now, struct lg_effects *fx)
{
	int err = v->err;

	if (err) {
		if (p && p->in != LG_IN_NONE && v->reach)
			end(r, p);
		return refuse(fx, e, err);
	}
	if (p && p->in == LG_IN_ACTIVE) {
		lg_pair_todo(r, p, LG_T_SUBSCRIBED | LG_T_SHOW);
		return LG_OK;
	}
	if (p && p->in == LG_IN_PENDING)
		return LG_OK;
	/* The pair first: what is counted shall not be in vain. */
	err = lg_pair_get(&p, r, e);
	if (!err)
		err = lg_budget_subscribe(r, s, v->d.partner, e->user, now);
	if (err) {
		if (p)
			lg_pair_todo(r, p, 0);
		return refuse(fx, e, err);
	}
	begin(r, p, st);
	return LG_OK;
}

static int probe(struct lg_roster *r, const struct lg_ends *e,
		 struct lg_pair *p, const struct lg_verdict *v,
		 struct lg_effects *fx)
{
	if (v->err && !v->reach)
		return refuse(fx, e, v->err);
	/* Who was allowed once, and is not now, sees a user who is away. */
	if (p && p->in == LG_IN_ACTIVE) {
		lg_pair_set(r, p, LG_F_ASKS);
		lg_pair_todo(r, p, LG_T_SHOW);
		return v->err;
	}
	if (p && p->in == LG_IN_PENDING)
		return v->err;
	answer(fx, LG_FX_UNSUBSCRIBED, e, v->err ? v->err : LG_OK);
	return v->err;
}

static void available(struct lg_roster *r, const struct lg_stanza *st,
		      const struct lg_ends *e, struct lg_pair *p)
{
	bool changed;

	if (st->display.n)
		lg_text_set(r, &p->contact->display, st->display,
			    LG_ROSTER_DISPLAY);
	if (p->out != LG_OUT_GRANTED)
		return;
	lg_pair_set(r, p, LG_F_HEARD);
	/* Who cannot be written to is not there (interworking.md F18). */
	if (st->kind == LG_P_AVAILABLE && st->priority >= 0)
		changed = lg_slot_put(r, p, e->resource, st);
	else
		changed = lg_slot_drop(r, p, e->resource);
	if (changed)
		lg_pair_todo(r, p, LG_T_TELL);
}

static void subscribed(struct lg_roster *r, struct lg_pair *p)
{
	if (p->out != LG_OUT_ASKED)
		return;
	p->out = LG_OUT_GRANTED;
	p->todo &= (uint16_t)~LG_T_SUBSCRIBE;
	lg_pair_todo(r, p, LG_T_PROBE);
	lg_pair_dirty(r, p);
}

static void unsubscribed(struct lg_roster *r, struct lg_pair *p)
{
	if (p->out != LG_OUT_ASKED && p->out != LG_OUT_GRANTED)
		return;
	p->out = LG_OUT_DENIED;
	p->todo &= (uint16_t) ~(LG_T_SUBSCRIBE | LG_T_PROBE);
	lg_pair_clear(r, p, LG_F_HEARD);
	if (lg_slot_drop(r, p, SB_NOSTR))
		lg_pair_todo(r, p, LG_T_TELL);
	lg_pair_dirty(r, p);
}

/* It could not be reached: nothing is known of it. Only a lasting error says
 * that it is not worth a refresh (A11). */
static void bounced(struct lg_roster *r, const struct lg_stanza *st,
		    struct lg_pair *p)
{
	if (lg_slot_drop(r, p, SB_NOSTR))
		lg_pair_todo(r, p, LG_T_TELL);
	lg_pair_clear(r, p, LG_F_HEARD);
	if (p->out == LG_OUT_ASKED && !(p->todo & LG_T_SUBSCRIBE))
		lg_pair_set(r, p, LG_F_LOST);
	if (st->wait)
		lg_pair_seen(r, p);
}

static void about_pair(struct lg_roster *r, const struct lg_stanza *st,
		       const struct lg_ends *e, struct lg_pair *p,
		       const struct lg_verdict *v)
{
	switch (st->kind) {
	case LG_P_AVAILABLE:
	case LG_P_UNAVAILABLE:
		if (!v->err || v->err == LG_EUNLISTED)
			available(r, st, e, p);
		break;
	case LG_P_SUBSCRIBED:
		if (!v->err || v->err == LG_EUNLISTED)
			subscribed(r, p);
		break;
	case LG_P_UNSUBSCRIBED:
		unsubscribed(r, p);
		break;
	case LG_P_UNSUBSCRIBE:
		if (p->in == LG_IN_NONE)
			break;
		end(r, p);
		lg_pair_todo(r, p, LG_T_UNSUBSCRIBED);
		break;
	case LG_P_SUBSCRIBE:
	case LG_P_PROBE:
	case LG_P_ERROR:
		break;
	}
}

int lg_roster_stanza(struct lg_roster *r, const struct lg_settings *s,
		     const struct lg_stanza *st, uint64_t now,
		     struct lg_effects *fx)
{
	struct lg_ends *e = &fx->ends;
	struct lg_verdict v;
	struct lg_pair *p;
	uint32_t left;
	int err;

	fx->n = 0;
	err = lg_ends_of(e, st->contact, st->user);
	if (err)
		return err;
	p = lg_pair_find(r, e);
	lg_roster_judge(&v, s, e->contact, e->user,
			p && lg_pair_listed(p, s, now, &left));
	if (p && st->kind == LG_P_ERROR) {
		bounced(r, st, p);
		return LG_OK;
	}
	if (p)
		lg_pair_seen(r, p);
	if (st->kind == LG_P_SUBSCRIBE)
		return subscribe(r, s, st, e, p, &v, now, fx);
	if (st->kind == LG_P_PROBE)
		return probe(r, e, p, &v, fx);
	if (p)
		about_pair(r, st, e, p, &v);
	return LG_OK;
}
