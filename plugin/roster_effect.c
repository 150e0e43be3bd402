/*
 * roster_effect.c: what is to be said, from what is known now.
 * SPDX-License-Identifier: MIT
 */
#include "roster_priv.h"

void lg_fx_add(struct lg_effects *fx, struct lg_effect e)
{
	if (fx->n < LG_EFFECTS_MAX)
		fx->v[fx->n++] = e;
}

static struct lg_effect about(const struct lg_pair *p, enum lg_fx_kind kind,
			      const struct lg_verdict *v)
{
	return (struct lg_effect){
		.kind = kind,
		.contact = lg_name_text(p->contact),
		.user = lg_name_text(p->user),
		.err = v->err,
		.flags = v->verified ? SB_F_VERIFIED : 0,
	};
}

/* ------------------------------------------------------- for the bridge -- */

static struct lg_effect say_watch(struct lg_roster *r, struct lg_pair *p,
				  const struct lg_verdict *v)
{
	struct lg_effect fx = about(p, LG_FX_WATCH, v);

	if (v->notes)
		fx.flags |= SB_F_NOTES;
	fx.display = lg_text_get(p->contact->display);
	lg_pair_clear(r, p, LG_F_VERIFIED | LG_F_NOTES);
	lg_pair_set(r, p, LG_F_WATCHING);
	if (v->verified)
		lg_pair_set(r, p, LG_F_VERIFIED);
	if (v->notes)
		lg_pair_set(r, p, LG_F_NOTES);
	p->todo &= (uint16_t)~LG_T_GOON;
	return fx;
}

static bool sync_watch(struct lg_effect *fx, struct lg_roster *r,
		       struct lg_pair *p, const struct lg_verdict *v)
{
	if (!r->up || !lg_pair_unsynced(p, v))
		return false;
	if (lg_pair_wants(p, v)) {
		if (!lg_pair_has(p, LG_F_WATCHING))
			p->watch = SB_WATCH_NONE;
		*fx = say_watch(r, p, v);
		return true;
	}
	lg_pair_unwait(r, p);
	lg_pair_clear(r, p, LG_F_WATCHING | LG_F_PROBED);
	lg_pair_forget(r, p);
	if (lg_pair_has(p, LG_F_SHOWN))
		lg_pair_todo(r, p, LG_T_SHOW);
	if (p->watch != SB_WATCH_REFUSED)
		p->watch = SB_WATCH_ENDED;
	*fx = about(p, LG_FX_UNWATCH, v);
	return true;
}

static bool go_on(struct lg_effect *fx, struct lg_roster *r, struct lg_pair *p,
		  const struct lg_verdict *v)
{
	if (!r->up || !lg_pair_wants(p, v) || !lg_pair_has(p, LG_F_WATCHING))
		return false;
	*fx = say_watch(r, p, v);
	return true;
}

bool lg_fx_tell(struct lg_effect *fx, struct lg_roster *r, struct lg_pair *p,
		const struct lg_verdict *v)
{
	const struct lg_slot *best = NULL;

	p->todo &= (uint16_t)~LG_T_TELL;
	if (!r->up || !lg_pair_has(p, LG_F_LYNC))
		return false;
	/* Only partners and users that may not at all count here: that the
	 * user asks is enough for the rest. */
	if (p->out == LG_OUT_GRANTED && (!v->err || v->err == LG_EUNLISTED))
		best = lg_slot_best(p);
	*fx = about(p, LG_FX_TELL, v);
	fx->presence = lg_presence_of_show(
		best ? (enum lg_show)best->show : LG_SHOW_UNAVAILABLE);
	fx->display = lg_text_get(p->contact->display);
	lg_pair_clear(r, p, LG_F_TOLD_NOTES);
	if (!v->notes)
		return true;
	/* Also with nothing to say: a dialog keeps the document that it began
	 * with (lync-sip.md 3.1). */
	fx->flags |= SB_F_NOTES;
	lg_pair_set(r, p, LG_F_TOLD_NOTES);
	if (best) {
		fx->note = lg_slot_status(best);
		fx->lang = lg_slot_lang(best);
	}
	return true;
}

static bool reject(struct lg_effect *fx, struct lg_roster *r,
		   struct lg_pair *p, const struct lg_verdict *v)
{
	if (!r->up || !lg_pair_has(p, LG_F_LYNC))
		return false;
	*fx = about(p, LG_FX_REJECT, v);
	return true;
}

/* ------------------------------------------------------ for the contact -- */

static bool show(struct lg_effect *fx, struct lg_roster *r, struct lg_pair *p,
		 const struct lg_verdict *v)
{
	enum sb_presence presence = lg_pair_visible(p, v);
	bool shown = lg_pair_has(p, LG_F_SHOWN);

	/* The state will come, or the end of the doubt. */
	if (lg_pair_holds(r, p, v))
		return false;
	*fx = about(p, LG_FX_PRESENCE, v);
	fx->presence = presence;
	fx->show = lg_show_of_presence(presence);
	if (fx->show == LG_SHOW_UNAVAILABLE) {
		bool asks = lg_pair_has(p, LG_F_ASKS);

		lg_pair_clear(r, p, LG_F_SHOWN | LG_F_NOTED | LG_F_ASKS);
		return v->reach && (shown || asks);
	}
	lg_pair_clear(r, p, LG_F_ASKS | LG_F_NOTED);
	lg_pair_set(r, p, LG_F_SHOWN);
	fx->display = lg_text_get(p->user->display);
	if (v->notes && p->note) {
		fx->note = lg_text_get(p->note);
		lg_pair_set(r, p, LG_F_NOTED);
	}
	return true;
}

static bool stanza(struct lg_effect *fx, const struct lg_pair *p,
		   enum lg_fx_kind kind, const struct lg_verdict *v)
{
	*fx = about(p, kind, v);
	if (kind == LG_FX_SUBSCRIBE)
		fx->display = lg_text_get(p->user->display);
	if (kind == LG_FX_UNSUBSCRIBED && p->watch == SB_WATCH_REFUSED)
		fx->status = p->status;
	if (kind == LG_FX_SUBSCRIBE || kind == LG_FX_PROBE)
		return !v->err || v->err == LG_EUNLISTED;
	return kind == LG_FX_SUBSCRIBED ? v->sees : v->reach;
}

/* ------------------------------------------------------------ the queue -- */

static bool emit(struct lg_effect *fx, struct lg_roster *r, struct lg_pair *p,
		 const struct lg_verdict *v)
{
	unsigned bit = p->todo & (0U - p->todo);

	p->todo &= (uint16_t)~bit;
	switch (bit) {
	case LG_T_SYNC:
		return sync_watch(fx, r, p, v);
	case LG_T_GOON:
		return go_on(fx, r, p, v);
	case LG_T_SUBSCRIBED:
		return stanza(fx, p, LG_FX_SUBSCRIBED, v);
	case LG_T_SHOW:
		return show(fx, r, p, v);
	case LG_T_UNSUBSCRIBED:
		return stanza(fx, p, LG_FX_UNSUBSCRIBED, v);
	case LG_T_UNSUBSCRIBE:
		return stanza(fx, p, LG_FX_UNSUBSCRIBE, v);
	case LG_T_SUBSCRIBE:
		return stanza(fx, p, LG_FX_SUBSCRIBE, v);
	case LG_T_PROBE:
		return stanza(fx, p, LG_FX_PROBE, v);
	case LG_T_TELL:
		return lg_fx_tell(fx, r, p, v);
	default:
		return reject(fx, r, p, v);
	}
}

static void leave(struct lg_roster *r, struct lg_pair *p)
{
	r->todo_first = p->todo_next;
	if (!r->todo_first)
		r->todo_end = &r->todo_first;
	p->flags &= (uint16_t)~LG_F_QUEUED;
	r->waiting--;
	if (!lg_pair_of_use(p))
		lg_pair_free(r, p);
}

bool lg_roster_next(struct lg_roster *r, const struct lg_settings *s,
		    uint64_t now, struct lg_effect *fx)
{
	struct lg_verdict v;
	struct lg_pair *p;

	while ((p = r->todo_first)) {
		lg_pair_touch(r, p);
		if (p->todo) {
			lg_pair_judge(&v, s, p, now);
			do {
				if (emit(fx, r, p, &v))
					return true;
			} while (p->todo);
		}
		leave(r, p);
	}
	return false;
}

void lg_roster_again(struct lg_roster *r, const struct lg_effect *fx)
{
	struct lg_ends e;
	struct lg_pair *p;

	if (lg_ends_of(&e, fx->contact, fx->user))
		return;
	p = lg_pair_find(r, &e);
	if (!p)
		return;
	if (fx->kind == LG_FX_WATCH) {
		lg_pair_clear(r, p, LG_F_WATCHING);
		lg_pair_todo(r, p, LG_T_SYNC);
	}
	else if (fx->kind == LG_FX_UNWATCH) {
		lg_pair_set(r, p, LG_F_WATCHING);
		lg_pair_todo(r, p, LG_T_SYNC);
	}
	else if (fx->kind == LG_FX_TELL) {
		lg_pair_todo(r, p, LG_T_TELL);
	}
	else if (fx->kind == LG_FX_REJECT) {
		lg_pair_todo(r, p, LG_T_REJECT);
	}
}
