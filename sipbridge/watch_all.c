/*
 * watch_all.c: what is done to all watches and subs at once: list, shutdown,
 * free.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

/* Walk over a table while the current link may go. */
#define EACH(table, l, next)                                                  \
	for (size_t i_ = 0; i_ <= (table)->mask; i_++)                        \
		for (l = (table)->chain[i_]; l && (next = l->next, true);     \
		     l = next)

/* ---------------------------------------------------------------- list -- */

static uint64_t since(const struct sb_watches *w, uint32_t stamp)
{
	uint64_t at = sb_stamp_ms(stamp);

	return stamp && at < w->now ? w->now - at : 0;
}

static uint32_t until(const struct sb_watches *w, uint32_t stamp)
{
	uint64_t at = sb_stamp_ms(stamp);

	return at > w->now ? (uint32_t)((at - w->now) / 1000) : 0;
}

static struct sb_event row(const struct sb_watches *w, const struct sb_usage *u)
{
	return (struct sb_event){
		.type = SB_EV_WATCH_ROW,
		.contact = sb_usage_contact(u),
		.user = sb_usage_user(u),
		.domain = sb_uri_host(sb_usage_user(u)),
		.incoming = !u->is_watch,
		.age_ms = since(w, u->opened),
		.idle_ms = since(w, u->notified),
	};
}

static void watch_row(const struct sb_watches *w, const struct sb_watch *x)
{
	struct sb_event ev = row(w, &x->u);

	ev.presence = (enum sb_presence)x->presence;
	ev.status = x->u.peer ? 1 : 0;
	ev.pending = x->u.state == SB_US_UP || x->u.state == SB_US_WAIT ?
		     until(w, x->next) : 0;
	ev.watch = x->active && x->u.state == SB_US_UP ? SB_WATCH_ACTIVE :
		   x->failing ? SB_WATCH_FAILING : SB_WATCH_NONE;
	w->ops->event(w->arg, &ev);
}

/* One row for the pair, made when its first dialog is met. */
static bool sub_row(const struct sb_watches *w, const struct sb_sub *s,
		    bool tell)
{
	struct sb_usage *u = sb_pair_first(w, &w->subs, sb_usage_contact(&s->u),
					   sb_usage_user(&s->u));
	struct sb_event ev = row(w, &s->u);

	if (s != sb_sub_in(u, SB_US_LIVE))
		return false;
	for (; u; u = sb_pair_next(u)) {
		struct sb_event other = row(w, u);

		if (u->state != SB_US_LIVE)
			continue;
		ev.status++;
		if (other.age_ms > ev.age_ms)
			ev.age_ms = other.age_ms;
		if (other.idle_ms < ev.idle_ms)
			ev.idle_ms = other.idle_ms;
		if (until(w, u->expires) > ev.pending)
			ev.pending = until(w, u->expires);
	}
	ev.watch = SB_WATCH_ACTIVE;
	ev.presence = sb_self_presence(s->self);
	if (tell)
		w->ops->event(w->arg, &ev);
	return true;
}

/* Of that contact and that user; whoever is not named is anybody. */
static bool asked_for(const struct sb_usage *u, const struct sb_request *r)
{
	return (!r->contact.n ||
		sb_str_caseeq(r->contact, sb_usage_contact(u))) &&
	       (!r->user.n || sb_str_caseeq(r->user, sb_usage_user(u)));
}

void sb_watches_list(struct sb_watches *w, const struct sb_request *r)
{
	struct sb_event end = {.type = SB_EV_WATCHES_END};
	struct sb_link *l, *next;
	size_t n = 0;

	EACH(&w->watches, l, next) {
		const struct sb_watch *x = (struct sb_watch *)l;

		if (x->u.state != SB_US_LEAVING && asked_for(&x->u, r) &&
		    n++ < SB_WATCH_ROWS_MAX)
			watch_row(w, x);
	}
	EACH(&w->subs, l, next) {
		const struct sb_sub *s = (struct sb_sub *)l;

		if (asked_for(&s->u, r) &&
		    sub_row(w, s, n < SB_WATCH_ROWS_MAX))
			n++;
	}
	end.status = (int)n; /* rows, were there no limit */
	w->ops->event(w->arg, &end);
}

/* ------------------------------------------------------- shutdown, free -- */

static void drop_watch(struct sb_watches *w, struct sb_watch *x, bool say)
{
	struct sb_why why = sb_why_local(503, "shutting-down",
					 "The gateway is shutting down");

	if (say && x->u.state == SB_US_LEAVING) {
		sb_watch_left(w, x);
		return;
	}
	if (say && !x->told)
		sb_watch_tell(w, x, SB_WATCH_FAILING, &why);
	sb_watch_free(w, x);
}

void sb_watches_drop_all(struct sb_watches *w, bool say)
{
	struct sb_link *l, *next;

	if (say)
		EACH(&w->offers, l, next)
			sb_pending_closed(w, (struct sb_pending *)l);
	EACH(&w->watches, l, next)
		drop_watch(w, (struct sb_watch *)l, say);
	EACH(&w->subs, l, next)
		sb_sub_free(w, (struct sb_sub *)l);
	sb_queue_free(w);
}
