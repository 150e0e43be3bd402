/*
 * watch_in.c: SUBSCRIBEs of Lync users: new, refresh, last, and fetch.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

struct sb_event sb_sub_event(const struct sb_sub *s, enum sb_event_type type)
{
	return (struct sb_event){
		.type = type,
		.contact = sb_usage_contact(&s->u),
		.user = sb_usage_user(&s->u),
		.domain = sb_uri_host(sb_usage_user(&s->u)),
	};
}

static void subscribe_event(struct sb_watches *w, const struct sb_sub *s,
			    const struct sb_sip_in *m, uint64_t id, bool again)
{
	struct sb_event ev = sb_sub_event(s, SB_EV_SUBSCRIBE);

	ev.id = id;
	ev.again = again;
	ev.display = sb_line(w->line, SB_WATCH_NAME_MAX, m->from.display);
	ev.added = sb_presence_added(m->content_type, m->body);
	w->ops->event(w->arg, &ev);
}

/* Seconds to grant; never more than they want (RFC 6665 4.2.1.1). */
static uint32_t expires_of(const struct sb_watches *w,
			   const struct sb_sip_in *m)
{
	uint32_t most = w->wire.offer_expires_ms / 1000;

	return m->expires >= 0 && (uint32_t)m->expires < most ?
	       (uint32_t)m->expires : most;
}

static bool too_brief(const struct sb_sip_in *m)
{
	return m->expires > 0 && m->expires < SB_EXPIRES_MIN;
}

static bool set_formats(const struct sb_watches *w, struct sb_sub *s,
			const struct sb_sip_in *m)
{
	enum sb_presence_format plain = sb_presence_choose(m->accept, false);

	if (plain == SB_PF_NONE)
		return false;
	s->plain = (unsigned)plain & 7u;
	s->rich = (unsigned)sb_presence_choose(
			  m->accept, w->wire.tell_categories) &
		  7u;
	return true;
}

/* ------------------------------------------------------------ in dialog -- */

static void refresh(struct sb_watches *w, uint64_t txn,
		    const struct sb_sip_in *m, struct sb_sub *s)
{
	s->u.remote_cseq = m->cseq;
	if (m->contact.n)
		sb_share(w, &s->u.peer->target, m->contact);
	if (m->accept.n)
		set_formats(w, s, m);
	sb_sub_ok(w, s, txn, m->cseq, expires_of(w, m));
	if (m->expires == 0) {
		sb_sub_end(w, s, SB_SE_UNSUBSCRIBED);
		return;
	}
	subscribe_event(w, s, m, 0, true);
	s->dirty = s->urgent = true;
	s->fails = 0;
	sb_sub_pump(w, s);
}

static void in_dialog(struct sb_watches *w, uint64_t txn,
		      const struct sb_sip_in *m)
{
	struct sb_sub *s = (struct sb_sub *)sb_usage_of(w, &w->subs, m);

	if (!s || s->u.state != SB_US_LIVE)
		sb_w_refuse(w, txn, m, SB_WR_NO_DIALOG);
	else if (m->cseq <= s->u.remote_cseq)
		sb_w_refuse(w, txn, m, SB_WR_CSEQ);
	else if (!sb_w_sound(w, txn, m))
		return;
	else if (too_brief(m))
		sb_w_refuse(w, txn, m, SB_WR_BRIEF);
	else
		refresh(w, txn, m, s);
}

/* ------------------------------------------------------------------ new -- */

/* The pair's subs: how many, and whether m has been here before. */
struct pair {
	struct sb_usage *first;
	struct sb_sub *live, *oldest, *same;
	size_t n;
};

static struct pair look_at(struct sb_watches *w, struct sb_str contact,
			   struct sb_str user, const struct sb_sip_in *m)
{
	struct pair p = {
		.first = sb_pair_first(w, &w->subs, contact, user)};

	for (struct sb_usage *u = p.first; u; u = sb_pair_next(u)) {
		struct sb_sub *s = (struct sb_sub *)u;

		p.n++;
		if (sb_str_eq(sb_usage_call_id(w, u), m->call_id) &&
		    sb_str_eq(sb_peer_field(w, u, SB_PEER_TAG), m->from.tag))
			p.same = s;
		if (u->state != SB_US_LIVE)
			continue;
		if (!p.live)
			p.live = s;
		if (!p.oldest || u->serial < p.oldest->u.serial)
			p.oldest = s;
	}
	return p;
}

static struct sb_str if_other(struct sb_str s, struct sb_str plain)
{
	return sb_str_eq(s, plain) ? SB_NOSTR : s;
}

static enum sb_watch_refusal make(struct sb_watches *w, struct sb_sub **sp,
				  const struct sb_sip_in *m,
				  struct sb_str contact, struct sb_str user)
{
	struct sb_peer_facts f = {
		.field = {[SB_PEER_CALL_ID] = m->call_id,
			  [SB_PEER_TAG] = m->from.tag,
			  [SB_PEER_EPID] = m->from.epid,
			  [SB_PEER_LOCAL] = if_other(m->to.uri, contact),
			  [SB_PEER_REMOTE] = if_other(m->from.uri, user)},
		.target = m->contact,
		.record_route = m->record_route,
		.record_route_n = m->record_route_n,
	};
	struct sb_sub *s = sb_sub_new(w, contact, user);
	int err;

	if (!s)
		return SB_WR_BUSY;
	s->u.serial = ++w->serial;
	s->u.remote_cseq = m->cseq;
	s->u.heard = true;
	err = sb_peer_set(w, &s->u, &f);
	if (!err && set_formats(w, s, m)) {
		*sp = s;
		return SB_WR_N;
	}
	sb_sub_free(w, s);
	return err == SB_ENOMEM ? SB_WR_MEMORY :
	       err ? SB_WR_BAD_REQUEST : SB_WR_ACCEPT;
}

/* One NOTIFY and no dialog. It tells what an accepted watcher sees anyway. */
static void fetch(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m,
		  struct sb_sub *s, const struct pair *p)
{
	enum sb_presence_format f = (enum sb_presence_format)s->plain;
	struct sb_sip_out o = {.method = SB_M_NOTIFY};
	struct sb_str routes[SB_ROUTE_ENTRIES];

	if (p->live)
		s->u.verified = p->live->u.verified;
	sb_sub_ok(w, s, txn, m->cseq, 0);
	sb_self_fill(w, &o, sb_usage_contact(&s->u),
		     p->live ? p->live->self : NULL, f);
	sb_add_header(&o, "Event", SB_STR("presence"));
	sb_add_header(&o, "Subscription-State",
		      SB_STR("terminated;reason=timeout"));
	o.domain = m->domain;
	o.local.uri = m->to.uri;
	o.local.tag = sb_usage_tag(w, &s->u);
	o.remote = m->from;
	o.call_id = m->call_id;
	o.request_uri = m->contact;
	o.routes_n = sb_peer_routes(w, s->u.peer, routes);
	o.routes = routes;
	o.verified = s->u.verified;
	sb_lone_request(w, &o);
	sb_sub_free(w, s);
}

/* s is made and in its table. */
static void welcome(struct sb_watches *w, uint64_t txn,
		    const struct sb_sip_in *m, struct sb_sub *s,
		    const struct pair *p)
{
	uint32_t expires = expires_of(w, m);

	if (m->expires == 0) {
		fetch(w, txn, m, s, p);
		return;
	}
	if (!p->live) {
		if (sb_pending_new(w, s, txn, m->cseq, expires)) {
			sb_sub_free(w, s);
			sb_w_refuse(w, txn, m, SB_WR_MEMORY);
			return;
		}
		subscribe_event(w, s, m, s->u.offer->id, false);
		return;
	}
	s->u.verified = p->live->u.verified;
	sb_share(w, &s->self, sb_shared_str(p->live->self));
	if (p->n >= SB_SUBSCRIPTIONS_PER_PAIR)
		/* in silence: told, it would come back and replace another */
		sb_sub_drop(w, p->oldest, SB_SE_REPLACED);
	sb_sub_accept(w, s, txn, m->cseq, expires);
	subscribe_event(w, s, m, 0, false);
}

static void out_of_dialog(struct sb_watches *w, uint64_t txn,
			  const struct sb_sip_in *m, struct sb_str contact,
			  struct sb_str user)
{
	struct pair p = look_at(w, contact, user, m);
	enum sb_watch_refusal why = SB_WR_N;
	struct sb_sub *s;

	if (!m->contact.n)
		why = SB_WR_BAD_REQUEST;
	else if (too_brief(m))
		why = SB_WR_BRIEF;
	else if (p.same)
		why = SB_WR_MERGED;
	else if ((p.n >= SB_SUBSCRIPTIONS_PER_PAIR && !p.live) ||
		 (!p.live && w->offers.n >= SB_PENDING_MAX))
		why = SB_WR_BUSY;
	if (why == SB_WR_N)
		why = make(w, &s, m, contact, user);
	if (why == SB_WR_N)
		welcome(w, txn, m, s, &p);
	else
		sb_w_refuse(w, txn, m, why);
}

void sb_sub_request(struct sb_watches *w, uint64_t txn,
		    const struct sb_sip_in *m)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	int cn, un;

	if (w->closed) {
		sb_w_refuse(w, txn, m, SB_WR_CLOSED);
		return;
	}
	if (m->to.tag.n) {
		in_dialog(w, txn, m);
		return;
	}
	if (!sb_w_sound(w, txn, m))
		return;
	cn = sb_uri_plain(contact, sizeof(contact), m->request_uri);
	un = sb_uri_plain(user, sizeof(user), m->from.uri);
	if (cn < 0 || un < 0)
		sb_w_refuse(w, txn, m, SB_WR_SCHEME);
	else
		out_of_dialog(w, txn, m, (struct sb_str){contact, (size_t)cn},
			      (struct sb_str){user, (size_t)un});
}
