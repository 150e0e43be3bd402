/*
 * watch_notify.c: what Lync users are told of a contact: one NOTIFY at a time
 * and not too often, but always the last state.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

/* The pair's last dialog is over? */
static void ended(struct sb_watches *w, struct sb_sub *s, enum sb_sub_end why)
{
	static const char *const token[] = {
		[SB_SE_UNSUBSCRIBED] = "unsubscribed",
		[SB_SE_EXPIRED] = "expired",
		[SB_SE_LOST] = "lost",
		[SB_SE_REJECTED] = "rejected",
		[SB_SE_REPLACED] = "replaced",
	};
	struct sb_event ev = sb_sub_event(s, SB_EV_UNSUBSCRIBED);

	if (sb_sub_in(sb_pair_first(w, &w->subs, sb_usage_contact(&s->u),
				    sb_usage_user(&s->u)), SB_US_LIVE))
		return;
	ev.token = sb_str_of(token[why]);
	w->ops->event(w->arg, &ev);
}

static enum sb_presence_format format(struct sb_sub *s)
{
	bool notes = sb_self_notes(s->self) &&
		     s->rich == SB_PF_CATEGORIES;

	if (notes)
		s->richly = true;
	return (enum sb_presence_format)(s->richly ? SB_PF_CATEGORIES :
							 s->plain);
}

/* Errors: as ops->request. */
static int notify(struct sb_watches *w, struct sb_sub *s, struct sb_str state,
		  const struct sb_shared *self)
{
	struct sb_sip_out o = {.method = SB_M_NOTIFY};

	sb_self_fill(w, &o, sb_usage_contact(&s->u), self, format(s));
	sb_add_header(&o, "Event", SB_STR("presence"));
	sb_add_header(&o, "Subscription-State", state);
	return sb_usage_request(w, &s->u, &o);
}

static void last(struct sb_watches *w, struct sb_sub *s)
{
	int err = notify(w, s, s->why == SB_SE_REJECTED ?
			 SB_STR("terminated;reason=rejected") :
			 SB_STR("terminated;reason=timeout"), NULL);

	if (err == SB_EFULL)
		sb_usage_due(w, &s->u, sb_watch_later(w));
	else
		sb_sub_free(w, s);
}

/* It did not arrive: once more, later and later. */
static void failed(struct sb_watches *w, struct sb_sub *s, int retry_after,
		   bool lost)
{
	static const uint32_t back_off_s[] = {30, 60, 300, 900};
	enum { LAST = sizeof(back_off_s) / sizeof(back_off_s[0]) - 1 };
	uint64_t wait = back_off_s[s->fails < LAST ? s->fails : LAST] *
			(uint64_t)1000;

	/* An Edge that closes a connection is there again at once. */
	if (lost && !s->fails)
		wait = w->wire.notify_interval_ms;
	if (s->fails < LAST)
		s->fails++;
	if (retry_after > (int)back_off_s[LAST])
		retry_after = (int)back_off_s[LAST];
	if (retry_after > 0 && (uint64_t)retry_after * 1000 > wait)
		wait = (uint64_t)retry_after * 1000;
	s->dirty = true;
	s->urgent = false;
	s->hold = sb_stamp(w->now + wait);
}

static void send_now(struct sb_watches *w, struct sb_sub *s)
{
	uint64_t end = sb_stamp_ms(s->u.expires);
	struct sb_str state;
	int err;

	state = sb_state_active(w, end > w->now ? (end - w->now) / 1000 : 0);
	s->dirty = s->urgent = false;
	s->hold = sb_stamp(w->now + w->wire.notify_interval_ms);
	s->u.notified = sb_stamp(w->now);
	err = notify(w, s, state, s->self);
	if (err == SB_EFULL) {
		s->dirty = true;
		s->hold = sb_stamp(sb_watch_later(w));
	}
	else if (err)
		failed(w, s, 0, false);
}

void sb_sub_pump(struct sb_watches *w, struct sb_sub *s)
{
	uint64_t at = sb_stamp_ms(s->u.expires), hold = sb_stamp_ms(s->hold);

	if (s->u.state == SB_US_LAST) {
		if (!s->u.busy)
			last(w, s);
		return;
	}
	if (s->dirty && !s->u.busy && (s->urgent || hold <= w->now))
		send_now(w, s);
	hold = sb_stamp_ms(s->hold);
	if (s->dirty && !s->u.busy && hold < at)
		at = hold;
	sb_usage_due(w, &s->u, at);
}

void sb_sub_end(struct sb_watches *w, struct sb_sub *s, enum sb_sub_end why)
{
	s->u.state = SB_US_LAST;
	s->why = (uint8_t)why;
	sb_wheel_clear(&w->wheel, &s->u.t);
	ended(w, s, why);
	sb_sub_pump(w, s);
}

void sb_sub_drop(struct sb_watches *w, struct sb_sub *s, enum sb_sub_end why)
{
	bool live = s->u.state == SB_US_LIVE;

	s->u.state = SB_US_LAST;
	if (live)
		ended(w, s, why);
	sb_sub_free(w, s);
}

/* ------------------------------------------------------------ response -- */

/* They want PIDF after all. */
static bool too_rich(struct sb_sub *s, int status)
{
	if (!s->richly || s->plain == SB_PF_CATEGORIES ||
	    (status != 406 && status != 415 && status != 488))
		return false;
	s->richly = false;
	s->rich = s->plain;
	return true;
}

void sb_sub_response(struct sb_watches *w, struct sb_sub *s,
		     const struct sb_sip_in *m)
{
	s->u.busy = false;
	if (s->u.state == SB_US_LIVE) {
		if (sb_ends_usage(m->status)) {
			sb_sub_drop(w, s, SB_SE_LOST);
			return;
		}
		if (m->status < 300)
			s->fails = 0;
		else if (too_rich(s, m->status))
			s->dirty = true;
		else
			failed(w, s, m->retry_after,
			       m->local && m->status == 503);
	}
	sb_sub_pump(w, s);
}

/* ---------------------------------------------------------- the plugin -- */

void sb_sub_presence(struct sb_watches *w, const struct sb_request *r)
{
	struct sb_usage *u = sb_pair_first(w, &w->subs, r->contact, r->user);
	struct sb_shared *self = NULL;

	if (!u || sb_share(w, &self, sb_self_pack(w, r)))
		return;
	for (; u; u = sb_pair_next(u)) {
		struct sb_sub *s = (struct sb_sub *)u;

		u->verified = r->flags & SB_F_VERIFIED;
		if (s->self == self || u->state == SB_US_LAST)
			continue;
		sb_share(w, &s->self, sb_shared_str(self));
		if (u->state != SB_US_LIVE)
			continue;
		s->dirty = true;
		sb_sub_pump(w, s);
	}
	sb_unshare(w, &self);
}

void sb_sub_reject(struct sb_watches *w, const struct sb_request *r)
{
	struct sb_usage *u = sb_pair_first(w, &w->subs, r->contact, r->user);
	struct sb_usage *next;

	for (; u; u = next) {
		next = sb_pair_next(u);
		if (u->state == SB_US_LIVE)
			sb_sub_end(w, (struct sb_sub *)u, SB_SE_REJECTED);
	}
}
