/*
 * sim_watch.c: what must always hold for the watch engine; see sim.h.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "../sipbridge/sip_text.h"
#include "sim.h"

static struct sim_watch *pair_of(struct sim *m, struct sb_str contact,
				 struct sb_str user)
{
	struct sim_watch *p;

	for (size_t i = 0; i < m->watch_n; i++) {
		p = &m->watch[i];
		if (sb_str_caseeq(sb_str_of(p->contact), contact) &&
		    sb_str_caseeq(sb_str_of(p->user), user))
			return p;
	}
	if (m->watch_n == SIM_PAIR_MAX)
		abort();
	p = &m->watch[m->watch_n++];
	*p = (struct sim_watch){.contact = sim_dup(contact),
				.user = sim_dup(user)};
	return p;
}

void sim_watch_asked(struct sim *m, const struct sb_request *r)
{
	struct sim_watch *p;

	if (r->type != SB_REQ_WATCH && r->type != SB_REQ_UNWATCH)
		return;
	p = pair_of(m, r->contact, r->user);
	if (r->type == SB_REQ_UNWATCH) {
		p->unwatched++;
		p->wanted = false;
		p->owed = 0;
	}
	else if (!p->wanted) {
		p->wanted = true;
		p->owed = 1;
	}
}

static const char *get(const struct sim_item *it, const char *key)
{
	return sim_get(it, key);
}

static bool same(const struct sim_item *a, const struct sim_item *b,
		 const char *key)
{
	return strcmp(get(a, key), get(b, key)) == 0;
}

static struct sim_spoken *spoken(struct sim *m, const char *call_id,
				 const char *tag)
{
	struct sim_spoken *s;

	for (size_t i = 0; i < m->spoken_n && i < SIM_SPOKEN_MAX; i++) {
		s = &m->spoken[i];
		if (strcmp(s->call_id, call_id) == 0 &&
		    strcmp(s->tag, tag) == 0)
			return s;
	}
	s = &m->spoken[m->spoken_n++ % SIM_SPOKEN_MAX];
	*s = (struct sim_spoken){.at_ms = 0};
	snprintf(s->call_id, sizeof(s->call_id), "%s", call_id);
	snprintf(s->tag, sizeof(s->tag), "%s", tag);
	return s;
}

static void check_notify(struct sim *m, const struct sim_item *it)
{
	struct sim_spoken *s = spoken(m, get(it, "call_id"),
				      get(it, "from_tag"));

	if (strstr(get(it, "h.Subscription-State"), "terminated"))
		return;
	if (s->told && !s->asked &&
	    m->now - s->at_ms < m->wire.notify_interval_ms)
		sim_bad(m, "NOTIFY after %ju ms",
			(uintmax_t)(m->now - s->at_ms));
	s->told = true;
	s->asked = false;
	s->at_ms = m->now;
}

static void check_first(struct sim *m, const struct sim_item *it)
{
	if (m->wire.watch_rate &&
	    strcmp(m->first_domain, get(it, "domain")) == 0 &&
	    m->now - m->first_ms < 1000 / m->wire.watch_rate)
		sim_bad(m, "SUBSCRIBE after %ju ms",
			(uintmax_t)(m->now - m->first_ms));
	m->first_ms = m->now;
	snprintf(m->first_domain, sizeof(m->first_domain), "%s",
		 get(it, "domain"));
}

void sim_watch_request(struct sim *m, uint64_t cookie,
		       const struct sim_item *it, enum sb_method method)
{
	bool ours = method == SB_M_SUBSCRIBE || method == SB_M_NOTIFY;

	if (sb_watches_own(cookie) != ours)
		sim_bad(m, "a cookie of the wrong engine");
	if (!ours)
		return;
	for (size_t i = 0; i < m->client_n; i++) {
		const struct sim_client *c = &m->client[i];

		if (!c->done && c->method == method &&
		    same(c->as, it, "call_id") && same(c->as, it, "from_tag"))
			sim_bad(m, "two %s at once", it->what);
	}
	if (!*get(it, "h.Event") || !atoi(get(it, "forming")))
		sim_bad(m, "%s without Event or Contact", it->what);
	if (method == SB_M_NOTIFY)
		check_notify(m, it);
	else if (!*get(it, "to_tag"))
		check_first(m, it);
}

struct sim_watch *sim_watch_pair(struct sim *m, const struct sb_sip_in *in)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	int cn = sb_uri_plain(contact, sizeof(contact), in->to.uri);
	int un = sb_uri_plain(user, sizeof(user), in->from.uri);

	if (in->method != SB_M_SUBSCRIBE || cn < 0 || un < 0)
		return NULL;
	return pair_of(m, (struct sb_str){contact, (size_t)cn},
		       (struct sb_str){user, (size_t)un});
}

void sim_watch_response(struct sim *m, const struct sb_sip_out *o,
			struct sim_watch *pair)
{
	char call_id[80], tag[24];

	if (!pair || o->status != 200)
		return;
	for (size_t i = 0; i < o->extra_n; i++)
		if (strcmp(o->extra[i].name, "Expires") == 0 &&
		    !sb_str_eq(o->extra[i].value, SB_STR("0")))
			pair->subscribed = true;
	snprintf(call_id, sizeof(call_id), "%.*s", SB_FMT(o->call_id));
	snprintf(tag, sizeof(tag), "%.*s", SB_FMT(o->local.tag));
	spoken(m, call_id, tag)->asked = true;
}

static void check_watch(struct sim *m, const struct sb_event *ev)
{
	struct sim_watch *p = pair_of(m, ev->contact, ev->user);

	if (ev->watch == SB_WATCH_ENDED) {
		if (p->unwatched-- <= 0)
			sim_bad(m, "ENDED without UNWATCH");
		return;
	}
	if (!p->wanted)
		sim_bad(m, "news of a watch that nobody wants");
	if (ev->watch == SB_WATCH_DUE)
		return;
	if (ev->watch != SB_WATCH_ACTIVE && (!ev->token.n || !ev->reason.n ||
					     !ev->status))
		sim_bad(m, "a failure without token, reason or status");
	p->owed = 0;
	/* what could not be kept is not wanted any more */
	if (ev->watch == SB_WATCH_REFUSED ||
	    (ev->watch == SB_WATCH_FAILING && ev->local &&
	     sb_str_eq(ev->token, SB_STR("queue-full"))))
		p->wanted = false;
}

static void check_sub(struct sim *m, const struct sb_event *ev)
{
	struct sim_watch *p = pair_of(m, ev->contact, ev->user);

	if (ev->type == SB_EV_SUBSCRIBE) {
		if (ev->id && !sb_watches_own(ev->id))
			sim_bad(m, "an event id of the wrong engine");
		if (!ev->id != p->subscribed)
			sim_bad(m, "SUBSCRIBE asks who was answered");
		return;
	}
	if (!p->subscribed || !ev->token.n)
		sim_bad(m, "UNSUBSCRIBED who was not subscribed");
	p->subscribed = false;
}

void sim_watch_event(struct sim *m, struct sim_item *it,
		     const struct sb_event *ev)
{
	static const char *const watch[] = {"none", "active", "refused",
					    "failing", "ended", "due"};
	static const char *const presence[] = {
		"unknown", "offline", "available", "idle", "busy", "busy-idle",
		"dnd", "brb", "away", "off-work"};

	if (ev->type < SB_EV_WATCH)
		return;
	sim_put(it, "watch", sb_str_of(watch[ev->watch]));
	sim_put(it, "presence", sb_str_of(presence[ev->presence]));
	sim_put_int(it, "added", ev->added);
	sim_put_int(it, "again", ev->again);
	sim_put_int(it, "incoming", ev->incoming);
	sim_put_int(it, "asks", ev->id != 0);
	sim_put_int(it, "local", ev->local);
	sim_put_int(it, "age", (intmax_t)(ev->age_ms / 1000));
	sim_put_int(it, "idle", (intmax_t)(ev->idle_ms / 1000));
	if (ev->type == SB_EV_WATCH)
		check_watch(m, ev);
	else if (ev->type == SB_EV_SUBSCRIBE || ev->type == SB_EV_UNSUBSCRIBED)
		check_sub(m, ev);
	else if (ev->type == SB_EV_STATE &&
		 !pair_of(m, ev->contact, ev->user)->wanted)
		sim_bad(m, "a state that nobody wants");
}

void sim_watch_unwatch_all(struct sim *m)
{
	for (size_t i = 0; i < m->watch_n; i++) {
		struct sb_request r = {
			.type = SB_REQ_UNWATCH,
			.contact = sb_str_of(m->watch[i].contact),
			.user = sb_str_of(m->watch[i].user),
		};

		if (m->watch[i].wanted)
			sim_send(m, &r);
	}
}

void sim_watch_fates(struct sim *m)
{
	struct sb_watches_count n;

	for (size_t i = 0; i < m->watch_n; i++) {
		const struct sim_watch *p = &m->watch[i];

		if (p->owed || p->unwatched)
			sim_bad(m, "%s, %s: %d outcomes, %d ends missing",
				p->contact, p->user, p->owed, p->unwatched);
	}
	sb_watches_tick(m->w, m->now);
	sb_watches_count(m->w, &n);
	if (n.watches || n.subscriptions || n.unanswered || n.client_txns ||
	    n.waiting || n.bytes != m->bytes)
		sim_bad(m, "left behind: %zu watches, %zu subscriptions, %zu "
			"unanswered, %zu client transactions, %zu waiting, "
			"%zd bytes", n.watches, n.subscriptions, n.unanswered,
			n.client_txns, n.waiting,
			(ssize_t)(n.bytes - m->bytes));
}
