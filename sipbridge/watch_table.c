/*
 * watch_table.c: watches and subs: made, found, forgotten.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

struct sb_str sb_usage_contact(const struct sb_usage *u)
{
	return sb_shared_str(u->contact);
}

struct sb_str sb_usage_user(const struct sb_usage *u)
{
	return sb_shared_str(u->user);
}

void sb_usage_untimed(struct sb_usage *u)
{
	u->t = (struct sb_timer){.kind = u->is_watch ? SB_WT_WATCH : SB_WT_SUB};
}

void sb_usage_due(struct sb_watches *w, struct sb_usage *u, uint64_t due_ms)
{
	if (!due_ms)
		sb_wheel_clear(&w->wheel, &u->t);
	else if (!u->t.at || u->t.due != due_ms)
		sb_wheel_set(&w->wheel, &u->t, due_ms);
}

static bool usage_init(struct sb_watches *w, struct sb_usage *u, bool is_watch,
		       struct sb_str contact, struct sb_str user)
{
	u->is_watch = is_watch;
	u->opened = sb_stamp(w->now);
	sb_usage_untimed(u);
	if (sb_share(w, &u->contact, contact) || sb_share(w, &u->user, user)) {
		sb_unshare(w, &u->contact);
		return false;
	}
	sb_table_add(is_watch ? &w->watches : &w->subs, &u->by_pair,
		     sb_pair_hash(&w->key, contact, user));
	return true;
}

static void usage_fini(struct sb_watches *w, struct sb_usage *u)
{
	sb_usage_orphan(w, u);
	sb_peer_drop(w, u);
	sb_table_remove(u->is_watch ? &w->watches : &w->subs, &u->by_pair);
	sb_unshare(w, &u->contact);
	sb_unshare(w, &u->user);
}

struct sb_watch *sb_watch_new(struct sb_watches *w, struct sb_str contact,
			      struct sb_str user)
{
	struct sb_watch *x;

	if (w->watches.n >= SB_WATCHES_MAX || w->bytes >= SB_WATCH_BYTES_MAX)
		return NULL;
	x = sb_w_alloc(w, sizeof(*x));
	if (x && !usage_init(w, &x->u, true, contact, user)) {
		sb_w_free(w, x, sizeof(*x));
		x = NULL;
	}
	if (x)
		x->u.state = SB_US_WAIT;
	return x;
}

struct sb_sub *sb_sub_new(struct sb_watches *w, struct sb_str contact,
			  struct sb_str user)
{
	struct sb_sub *s;

	if (w->subs.n >= SB_SUBSCRIPTIONS_MAX ||
	    w->bytes >= SB_WATCH_BYTES_MAX)
		return NULL;
	s = sb_w_alloc(w, sizeof(*s));
	if (s && !usage_init(w, &s->u, false, contact, user)) {
		sb_w_free(w, s, sizeof(*s));
		s = NULL;
	}
	if (s)
		s->u.state = SB_US_LIVE;
	return s;
}

void sb_watch_free(struct sb_watches *w, struct sb_watch *x)
{
	if (x->u.state == SB_US_QUEUED)
		sb_queue_leave(w, x);
	else
		sb_wheel_clear(&w->wheel, &x->u.t);
	if (x->u.state == SB_US_LEAVING)
		w->leaving--;
	usage_fini(w, &x->u);
	sb_unshare(w, &x->display);
	sb_unshare(w, &x->note);
	sb_w_free(w, x, sizeof(*x));
}

void sb_sub_free(struct sb_watches *w, struct sb_sub *s)
{
	if (s->u.state != SB_US_OFFERED)
		sb_wheel_clear(&w->wheel, &s->u.t);
	else if (s->u.offer)
		sb_pending_free(w, s->u.offer);
	usage_fini(w, &s->u);
	sb_unshare(w, &s->self);
	sb_w_free(w, s, sizeof(*s));
}

static bool same_pair(const struct sb_usage *u, struct sb_str contact,
		      struct sb_str user)
{
	return sb_str_caseeq(sb_usage_contact(u), contact) &&
	       sb_str_caseeq(sb_usage_user(u), user);
}

struct sb_usage *sb_pair_first(const struct sb_watches *w,
			       const struct sb_table *t, struct sb_str contact,
			       struct sb_str user)
{
	struct sb_link *l;

	if (contact.n > SB_URI_MAX || user.n > SB_URI_MAX)
		return NULL;
	l = sb_table_find(t, sb_pair_hash(&w->key, contact, user));
	while (l && !same_pair((struct sb_usage *)l, contact, user))
		l = sb_table_again(l);
	return (struct sb_usage *)l; /* first member */
}

struct sb_usage *sb_pair_next(const struct sb_usage *u)
{
	struct sb_link *l = sb_table_again(&u->by_pair);

	while (l && !same_pair((struct sb_usage *)l, sb_usage_contact(u),
			       sb_usage_user(u)))
		l = sb_table_again(l);
	return (struct sb_usage *)l;
}

struct sb_watch *sb_watch_find(const struct sb_watches *w,
			       struct sb_str contact, struct sb_str user,
			       bool leaving)
{
	struct sb_usage *u = sb_pair_first(w, &w->watches, contact, user);

	while (u && (u->state == SB_US_LEAVING) != leaving)
		u = sb_pair_next(u);
	return (struct sb_watch *)u;
}

struct sb_sub *sb_sub_in(struct sb_usage *u, enum sb_usage_state state)
{
	while (u && u->state != state)
		u = sb_pair_next(u);
	return (struct sb_sub *)u;
}

/* Is u the dialog that m is in? Who has no peer yet takes anybody. */
static bool is_in(struct sb_watches *w, const struct sb_usage *u,
		  const struct sb_sip_in *m)
{
	return u->state != SB_US_QUEUED && u->state != SB_US_WAIT &&
	       u->state != SB_US_OFFERED &&
	       sb_str_eq(m->to.tag, sb_usage_tag(w, u)) &&
	       sb_str_eq(m->call_id, sb_usage_call_id(w, u)) &&
	       (!u->peer || sb_str_eq(m->from.tag,
				      sb_peer_field(w, u, SB_PEER_TAG)));
}

/* Only the dialog's own user, over its own domain's Edge, speaks in it. */
struct sb_usage *sb_usage_of(struct sb_watches *w, const struct sb_table *t,
			     const struct sb_sip_in *m)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	int cn = sb_uri_plain(contact, sizeof(contact), m->to.uri);
	int un = sb_uri_plain(user, sizeof(user), m->from.uri);
	struct sb_str from;
	struct sb_usage *u;

	if (cn < 0 || un < 0)
		return NULL;
	from = (struct sb_str){user, (size_t)un};
	if (!sb_str_caseeq(m->domain, sb_uri_host(from)))
		return NULL;
	u = sb_pair_first(w, t, (struct sb_str){contact, (size_t)cn}, from);
	while (u && !is_in(w, u, m))
		u = sb_pair_next(u);
	return u;
}
