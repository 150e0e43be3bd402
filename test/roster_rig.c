/*
 * roster_rig.c: a roster, settings, a clock, and what it says as words.
 * SPDX-License-Identifier: MIT
 */
#include "roster_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../plugin/error.h"

static struct lg_value partner(struct lg_arena *a, const char *type)
{
	struct lg_value p = value_table(a, 2);

	value_put(&p, "partner_type", value_text(type));
	return value_done(p);
}

static struct lg_value partners(struct lg_arena *a, const char *fed_type)
{
	struct lg_value v = value_table(a, 8);

	if (fed_type[0])
		value_put(&v, "fed.example", partner(a, fed_type));
	value_put(&v, "ver.example", partner(a, "public_verified"));
	value_put(&v, "unv.example", partner(a, "public_unverified"));
	value_put(&v, "bad.example", partner(a, "wrong"));
	return value_done(v);
}

static struct lg_value policy(struct lg_arena *a, bool may)
{
	struct lg_value p = value_table(a, 1);

	value_put(&p, "enable_xmpp_access", value_bool(may));
	return value_done(p);
}

static struct lg_value gateway(struct lg_arena *a, struct ros_change change)
{
	struct lg_value v = value_table(a, 4);

	if (change.days)
		value_put(&v, "contact_authorization_days",
			  value_int(change.days));
	if (change.subscriptions)
		value_put(&v, "partner_subscription_limit",
			  value_int(change.subscriptions));
	if (change.recipients)
		value_put(&v, "partner_recipient_limit",
			  value_int(change.recipients));
	return value_done(v);
}

bool ros_settings(struct ros *g, struct ros_change change)
{
	const char *fed = change.fed_type ? change.fed_type : "federated";
	struct lg_arena a = {0};
	struct lg_value o = value_table(&a, 8), policies, grants;
	int err;

	policies = value_table(&a, 2);
	value_put(&policies, "global", policy(&a, !change.nobody));
	value_put(&policies, "Never", policy(&a, false));
	grants = value_table(&a, 1);
	value_put(&grants, "eve@contoso.com", value_text("Never"));
	value_put(&o, "lync_access_edge", value_text("sip.contoso.com"));
	value_put(&o, "lync_bridge_fqdn", value_text("xmpp.contoso.com"));
	value_put(&o, "lync_partners", partners(&a, fed));
	value_put(&o, "lync_access_policies", value_done(policies));
	value_put(&o, "lync_policy_grants", value_done(grants));
	value_put(&o, "lync_gateway_settings", gateway(&a, change));
	o = value_done(o);
	lg_settings_fini(&g->s);
	err = lg_settings_load(&g->s, SB_STR("contoso.com"), &o);
	lg_arena_fini(&a);
	return CHECK_INT(err, LG_OK) && CHECK(g->s.usable);
}

bool ros_init_limits(struct ros *g, struct lg_roster_limits limits)
{
	memset(g, 0, sizeof(*g));
	g->now = RIG_NOW;
	g->contact = "romeo@fed.example";
	g->user = "bob@contoso.com";
	if (!ros_settings(g, (struct ros_change){0}))
		return false;
	if (!CHECK_INT(lg_roster_new(&g->r, &limits, g->now), LG_OK))
		return false;
	return CHECK_STR(ros_worker(g, 1), "");
}

bool ros_init(struct ros *g)
{
	return ros_init_limits(g, (struct lg_roster_limits){.key = {1, 2}});
}

void ros_fini(struct ros *g)
{
	lg_roster_free(g->r);
	lg_settings_fini(&g->s);
}

/* ---------------------------------------------------------------- words -- */

static void word(struct ros *g, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void word(struct ros *g, const char *fmt, ...)
{
	size_t n = strlen(g->words);
	va_list ap;

	va_start(ap, fmt);
	if (n < sizeof(g->words))
		vsnprintf(g->words + n, sizeof(g->words) - n, fmt, ap);
	va_end(ap);
}

static void word_flags(struct ros *g, const struct lg_effect *fx)
{
	if (g->flags && fx->flags)
		word(g, "+%s%s", fx->flags & SB_F_VERIFIED ? "v" : "",
		     fx->flags & SB_F_NOTES ? "n" : "");
}

static void word_note(struct ros *g, const struct lg_effect *fx)
{
	if (fx->note.n)
		word(g, "[%.*s]", SB_FMT(fx->note));
}

static void word_of(struct ros *g, const struct lg_effect *fx)
{
	if (g->words[0])
		word(g, " ");
	switch (fx->kind) {
	case LG_FX_TELL:
		word(g, "tell=%s", lg_presence_names[fx->presence]);
		word_flags(g, fx);
		word_note(g, fx);
		break;
	case LG_FX_PRESENCE:
		word(g, "show=%s", lg_show_names[fx->show]);
		word_note(g, fx);
		break;
	case LG_FX_ANSWER:
		word(g, "answer=%d", fx->status);
		word_flags(g, fx);
		CHECK(fx->id != 0);
		break;
	case LG_FX_ERROR:
		word(g, "error=%s", lg_err_name(fx->err));
		break;
	case LG_FX_WATCH:
		word(g, "watch");
		word_flags(g, fx);
		break;
	case LG_FX_UNWATCH:
	case LG_FX_REJECT:
	case LG_FX_SUBSCRIBE:
	case LG_FX_SUBSCRIBED:
	case LG_FX_UNSUBSCRIBE:
	case LG_FX_UNSUBSCRIBED:
	case LG_FX_PROBE:
		word(g, "%s", lg_fx_names[fx->kind]);
		break;
	case LG_FX_KINDS:
		CHECK(false);
		break;
	}
}

const char *ros_drain(struct ros *g)
{
	struct lg_effect fx;
	size_t i;

	for (i = 0; i < g->fx.n; i++)
		word_of(g, &g->fx.v[i]);
	g->fx.n = 0;
	while (lg_roster_next(g->r, &g->s, g->now, &fx))
		word_of(g, &fx);
	return g->words;
}

/* --------------------------------------------------------------- inputs -- */

void ros_feed(struct ros *g, const struct lg_stanza *st)
{
	g->words[0] = '\0';
	g->err = lg_roster_stanza(g->r, &g->s, st, g->now, &g->fx);
}

void ros_feed_event(struct ros *g, const struct sb_event *ev)
{
	g->words[0] = '\0';
	g->err = lg_roster_event(g->r, &g->s, ev, g->now, &g->fx);
}

const char *ros_stanza(struct ros *g, enum lg_stanza_kind kind)
{
	ros_feed(g, &(struct lg_stanza){.kind = kind,
					.contact = sb_str_of(g->contact),
					.user = sb_str_of(g->user)});
	return ros_drain(g);
}

const char *ros_available(struct ros *g, const char *resource,
			  const char *show, int priority, const char *status)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", g->contact, resource);
	ros_feed(g, &(struct lg_stanza){.kind = LG_P_AVAILABLE,
					.contact = sb_str_of(full),
					.user = sb_str_of(g->user),
					.show = sb_str_of(show),
					.priority = priority,
					.status = sb_str_of(status)});
	return ros_drain(g);
}

const char *ros_gone(struct ros *g, const char *resource)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s%s", g->contact,
		 resource[0] ? "/" : "", resource);
	ros_feed(g, &(struct lg_stanza){.kind = LG_P_UNAVAILABLE,
					.contact = sb_str_of(full),
					.user = sb_str_of(g->user)});
	return ros_drain(g);
}

static const char *event(struct ros *g, struct sb_event ev)
{
	ev.contact = sb_str_of(g->contact);
	ev.user = sb_str_of(g->user);
	ros_feed_event(g, &ev);
	return ros_drain(g);
}

const char *ros_watch(struct ros *g, enum sb_watch_state watch, int status)
{
	return event(g, (struct sb_event){.type = SB_EV_WATCH,
					  .watch = watch,
					  .status = status});
}

const char *ros_state(struct ros *g, enum sb_presence presence,
		      const char *note)
{
	return event(g, (struct sb_event){.type = SB_EV_STATE,
					  .presence = presence,
					  .text = sb_str_of(note)});
}

const char *ros_subscribe(struct ros *g, uint64_t id, bool added)
{
	return event(g, (struct sb_event){.type = SB_EV_SUBSCRIBE,
					  .id = id,
					  .added = added});
}

const char *ros_unsubscribed(struct ros *g, const char *token)
{
	return event(g, (struct sb_event){.type = SB_EV_UNSUBSCRIBED,
					  .token = sb_str_of(token)});
}

/* Ticks until nothing is left to do now; draining as it goes. */
static void settle(struct ros *g)
{
	int turns = 0;

	ros_drain(g);
	while (lg_roster_tick(g->r, &g->s, g->now) == 0 && turns++ < 10000)
		ros_drain(g);
	CHECK(turns < 10000);
	ros_drain(g);
}

const char *ros_worker(struct ros *g, int status)
{
	ros_feed_event(g, &(struct sb_event){.type = SB_EV_WORKER,
					     .status = status});
	settle(g);
	return g->words;
}

const char *ros_reload(struct ros *g)
{
	g->words[0] = '\0';
	lg_roster_settings(g->r);
	settle(g);
	return g->words;
}

const char *ros_load(struct ros *g, const char *record)
{
	g->words[0] = '\0';
	g->err = lg_roster_load(g->r, sb_str_of(g->contact),
				sb_str_of(g->user), sb_str_of(record), g->now);
	return ros_drain(g);
}

const char *ros_after(struct ros *g, uint64_t seconds)
{
	uint64_t end = g->now + seconds;

	g->words[0] = '\0';
	while (g->now < end) {
		uint32_t wait = lg_roster_tick(g->r, &g->s, g->now);

		ros_drain(g);
		if (wait > end - g->now)
			wait = (uint32_t)(end - g->now);
		g->now += wait;
	}
	settle(g);
	return g->words;
}

/* -------------------------------------------------------------- records -- */

const char *ros_record(struct ros *g)
{
	static char record[LG_RECORD_MAX];
	const void *cursor = NULL;
	struct sb_str contact;

	while (lg_roster_pair_of(g->r, sb_str_of(g->user), &cursor, &contact,
				 record))
		if (sb_str_eq(contact, sb_str_of(g->contact)))
			return record;
	return "";
}

enum { SAVED_MAX = 4096 };

struct saved {
	char user[64], contact[64], record[LG_RECORD_MAX];
};

/* What storage has; kept over the calls, as storage does. */
const char *ros_restart(struct ros *g)
{
	static struct saved saved[SAVED_MAX];
	struct lg_roster_limits limits = {.key = {3, 4}};
	struct sb_str user, contact;
	const void *cursor;
	size_t n = 0, i;

	while (lg_roster_dirty_next(g->r, &user))
		continue;
	/* All users, dirty or not: that the dirty ones are complete is what
	 * test_roster_walk.c checks. */
	for (size_t at = 0;;) {
		struct lg_row rows[64];
		size_t rows_n = lg_roster_rows(g->r, &at, rows, 64);

		if (rows_n == 0)
			break;
		for (i = 0; i < rows_n && n < SAVED_MAX; i++) {
			char record[LG_RECORD_MAX];

			cursor = NULL;
			while (lg_roster_pair_of(g->r, rows[i].user, &cursor,
						 &contact, record)) {
				if (!sb_str_eq(contact, rows[i].contact))
					continue;
				snprintf(saved[n].user, 64, "%.*s",
					 SB_FMT(rows[i].user));
				snprintf(saved[n].contact, 64, "%.*s",
					 SB_FMT(contact));
				snprintf(saved[n++].record, LG_RECORD_MAX,
					 "%s", record);
			}
		}
	}
	lg_roster_free(g->r);
	g->r = NULL;
	if (!CHECK_INT(lg_roster_new(&g->r, &limits, g->now), LG_OK))
		return "no memory";
	for (i = 0; i < n; i++)
		CHECK_INT(lg_roster_load(g->r, sb_str_of(saved[i].contact),
					 sb_str_of(saved[i].user),
					 sb_str_of(saved[i].record), g->now),
			  LG_OK);
	return ros_worker(g, 1);
}

bool ros_begin(struct ros *g)
{
	return ros_init(g) &&
	       CHECK_STR(ros_stanza(g, LG_P_SUBSCRIBE), "watch") &&
	       CHECK_STR(ros_watch(g, SB_WATCH_ACTIVE, 200), "subscribed") &&
	       CHECK_STR(ros_state(g, SB_PR_AVAILABLE, "in"),
			 "show=available[in]");
}
