/*
 * watch_answer.c: what the plugin says to a SUBSCRIBE, and the 200.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

int sb_pending_new(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
		 uint32_t cseq, uint32_t expires)
{
	struct sb_pending *o = sb_w_alloc(w, sizeof(*o));

	if (!o)
		return SB_ENOMEM;
	o->t.kind = SB_WT_PENDING;
	o->s = s;
	o->txn = txn;
	o->cseq = cseq;
	o->expires = expires;
	o->id = ++w->event_id;
	sb_table_add(&w->offers, &o->by_id, sb_hash_u64(&w->key, o->id));
	sb_wheel_set(&w->wheel, &o->t, w->now + SB_ANSWER_TIMEOUT_MS);
	s->u.state = SB_US_OFFERED;
	s->u.offer = o;
	return SB_OK;
}

void sb_pending_free(struct sb_watches *w, struct sb_pending *o)
{
	sb_wheel_clear(&w->wheel, &o->t);
	sb_table_remove(&w->offers, &o->by_id);
	o->s->u.offer = NULL;
	sb_w_free(w, o, sizeof(*o));
}

static struct sb_pending *find(const struct sb_watches *w, uint64_t id)
{
	struct sb_link *l = sb_table_find(&w->offers,
					  sb_hash_u64(&w->key, id));

	for (; l; l = sb_table_again(l)) {
		struct sb_pending *o = (struct sb_pending *)l; /* first */

		if (o->id == id)
			return o;
	}
	return NULL;
}

/* ------------------------------------------------------------ responses -- */

static void respond(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
		    uint32_t cseq, struct sb_sip_out *o)
{
	o->domain = sb_uri_host(sb_usage_user(&s->u));
	o->local.uri = sb_usage_contact(&s->u);
	o->local.tag = sb_usage_tag(w, &s->u);
	o->call_id = sb_usage_call_id(w, &s->u);
	o->cseq = cseq;
	o->verified = s->u.verified;
	w->ops->respond(w->arg, txn, o);
}

void sb_sub_ok(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
	       uint32_t cseq, uint32_t expires)
{
	struct sb_sip_out o = {.status = 200, .dialog_forming = true};

	s->u.expires = sb_stamp(w->now + (uint64_t)expires * 1000);
	sb_add_header(&o, "Event", SB_STR("presence"));
	sb_add_header(&o, "Expires", sb_digits(w, 0, expires));
	sb_add_header(&o, "Subscription-State", expires ?
		      sb_state_active(w, expires) :
		      SB_STR("terminated;reason=timeout"));
	respond(w, s, txn, cseq, &o);
}

void sb_sub_accept(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
		   uint32_t cseq, uint32_t expires)
{
	s->u.state = SB_US_LIVE;
	s->dirty = s->urgent = true;
	sb_sub_ok(w, s, txn, cseq, expires);
	sb_sub_pump(w, s);
}

/* The sub of o goes on without it. */
static void accept(struct sb_watches *w, struct sb_pending *o, bool verified)
{
	struct sb_sub *s = o->s;
	uint64_t txn = o->txn;
	uint32_t cseq = o->cseq, expires = o->expires;

	sb_pending_free(w, o);
	sb_usage_untimed(&s->u);
	s->u.verified = verified;
	sb_sub_accept(w, s, txn, cseq, expires);
}

/* The sub goes. */
static void refuse(struct sb_watches *w, struct sb_pending *o,
		   struct sb_sip_out *out)
{
	struct sb_sub *s = o->s;

	respond(w, s, o->txn, o->cseq, out);
	sb_sub_free(w, s);
}

void sb_pending_answer(struct sb_watches *w, const struct sb_request *r)
{
	struct sb_pending *o = find(w, r->id);
	struct sb_sip_out out = {.status = 0};
	struct sb_usage *pair;
	struct sb_sub *s;

	if (!o)
		return;
	o->s->u.verified = r->flags & SB_F_VERIFIED;
	if (r->status / 100 != 2) {
		sb_answer_fill(&out, r);
		refuse(w, o, &out);
		return;
	}
	/* who may subscribe once may do so from each device */
	pair = sb_pair_first(w, &w->subs, sb_usage_contact(&o->s->u),
			     sb_usage_user(&o->s->u));
	accept(w, o, r->flags & SB_F_VERIFIED);
	while ((s = sb_sub_in(pair, SB_US_OFFERED)))
		accept(w, s->u.offer, r->flags & SB_F_VERIFIED);
}

static void refuse_by_ourselves(struct sb_watches *w, struct sb_pending *o,
				enum sb_watch_refusal why)
{
	struct sb_sip_out out = {.status = 0};

	sb_w_refuse_fill(&out, why);
	refuse(w, o, &out);
}

void sb_pending_timeout(struct sb_watches *w, struct sb_pending *o)
{
	refuse_by_ourselves(w, o, SB_WR_UNANSWERED);
}

void sb_pending_closed(struct sb_watches *w, struct sb_pending *o)
{
	refuse_by_ourselves(w, o, SB_WR_CLOSED);
}
