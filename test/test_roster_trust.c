/*
 * test_roster_trust.c: who may see whom: every partner type, access policy and
 * contact list against every action, and an oracle written from product.md 3
 * and 4.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "roster_rig.h"

enum type { STRANGER, DISABLED, FEDERATED, VERIFIED, UNVERIFIED, TYPES };
enum action {
	SUBSCRIBE,     /* the contact asks to see the user */
	PROBE_NEW,     /* it probes, without a subscription */
	PROBE,	       /* it probes with one, the user is away, with a note */
	SEES_NOTE,     /* Lync says that the user is away, with a note */
	USER_ADDS,     /* the user adds the contact */
	USER_SEES,     /* the contact approves, and is away, with a note */
	MESSAGE,       /* may the contact write first? */
	ACTIONS,
};

static const char *const contacts[TYPES] = {
	"romeo@stranger.example", "romeo@bad.example", "romeo@fed.example",
	"romeo@ver.example", "romeo@unv.example"};

static bool partner_ok(enum type type)
{
	return type >= FEDERATED;
}

/* "nothing reaches a Lync user who has not added the contact" */
static bool contact_ok(enum type type, bool may, bool listed)
{
	return partner_ok(type) && may && (type != UNVERIFIED || listed);
}

static const char *error_of(enum type type)
{
	return type == STRANGER ? "error=not-a-partner"
				: "error=partner-disabled";
}

static const char *oracle(enum type type, bool may, bool listed,
			  enum action action)
{
	static const char *const watch[TYPES] = {
		"", "", "watch+vn", "watch+v", "watch"};
	static const char *const adds[TYPES] = {
		"", "", "tell=offline+vn answer=200+v subscribe",
		"tell=offline+v answer=200+v subscribe",
		"tell=offline answer=200 subscribe"};
	static const char *const sees[TYPES] = {
		"", "", "tell=away+vn[gone]", "tell=away+v", "tell=away"};

	switch (action) {
	case SUBSCRIBE:
		if (!partner_ok(type))
			return error_of(type);
		return contact_ok(type, may, listed) ? watch[type]
						     : "unsubscribed";
	case PROBE_NEW:
		return partner_ok(type) ? "unsubscribed" : error_of(type);
	case PROBE:
		if (!partner_ok(type))
			return error_of(type);
		if (!contact_ok(type, may, listed))
			return "show=unavailable";
		return type == FEDERATED ? "show=away[out]" : "show=away";
	case SEES_NOTE:
		if (!contact_ok(type, may, listed))
			return "";
		return type == FEDERATED ? "show=away[out]" : "show=away";
	case USER_ADDS:
		if (!partner_ok(type) || !may)
			return "refused";
		return adds[type];
	case USER_SEES:
		return partner_ok(type) && may ? sees[type] : "";
	case MESSAGE:
		return contact_ok(type, may, listed) ? "may" : "may not";
	case ACTIONS:
		break;
	}
	return "?";
}

static void load(struct ros *g, char in, char out, bool listed)
{
	char record[LG_RECORD_MAX];

	snprintf(record, sizeof(record), "%c%c %u 0", in, out,
		 listed ? (unsigned)(g->now / RIG_DAY) - 1 : 1U);
	ros_load(g, record);
}

static const char *message(struct ros *g)
{
	struct lg_decision d;
	struct lg_facts f = {
		.direction = LG_IN,
		.kind = LG_MESSAGE,
		.contact = sb_str_of(g->contact),
		.user = sb_str_of(g->user),
		.listed = lg_roster_listed(g->r, &g->s, sb_str_of(g->contact),
					   sb_str_of(g->user), g->now),
	};

	return lg_may(&d, &g->s, &f) || d.reply_only ? "may not" : "may";
}

static const char *act(struct ros *g, enum action action, bool listed)
{
	switch (action) {
	case SUBSCRIBE:
		if (listed)
			load(g, '-', '-', true);
		return ros_stanza(g, LG_P_SUBSCRIBE);
	case PROBE_NEW:
		if (listed)
			load(g, '-', '-', true);
		return ros_stanza(g, LG_P_PROBE);
	case PROBE:
		load(g, 'a', '-', listed);
		ros_watch(g, SB_WATCH_ACTIVE, 200);
		ros_state(g, SB_PR_AWAY, "out");
		return ros_stanza(g, LG_P_PROBE);
	case SEES_NOTE:
		load(g, 'a', '-', listed);
		ros_watch(g, SB_WATCH_ACTIVE, 200);
		return ros_state(g, SB_PR_AWAY, "out");
	case USER_ADDS:
		ros_subscribe(g, 9, true);
		return g->err && g->words[7] >= '4' ? "refused" : g->words;
	case USER_SEES:
		load(g, '-', 'g', listed);
		ros_subscribe(g, 9, true);
		return ros_available(g, "r", "away", 0, "gone");
	case MESSAGE:
		load(g, '-', '-', listed);
		return message(g);
	case ACTIONS:
		break;
	}
	return "??";
}

TEST(roster_trust)
{
	struct ros g;
	char note[80];

	for (int i = 0; i < TYPES * ACTIONS * 4; i++) {
		enum type type = (enum type)(i / 4 / ACTIONS);
		enum action action = (enum action)(i / 4 % ACTIONS);
		bool may = i & 1, listed = i & 2;

		REQUIRE(ros_init(&g));
		g.flags = true;
		g.contact = contacts[type];
		g.user = may ? "bob@contoso.com" : "eve@contoso.com";
		snprintf(note, sizeof(note), "%s, action %d%s%s", g.contact,
			 action, may ? ", user may" : "",
			 listed ? ", listed" : "");
		test_note(note);
		CHECK_STR(act(&g, action, listed),
			  oracle(type, may, listed, action));
		test_note(NULL);
		ros_fini(&g);
	}
}

/* Who does not exist, who may not use XMPP and who has not added the contact
 * are the same to a contact (reliability.md T15). */
TEST(roster_trust_alike)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	g.user = "nobody@contoso.com";
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_REFUSED, 404), "unsubscribed");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "unsubscribed");
	g.user = "eve@contoso.com";
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "unsubscribed");
	CHECK_INT(g.err, LG_EUSER);
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "unsubscribed");
	g.contact = "romeo@unv.example";
	g.user = "bob@contoso.com";
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "unsubscribed");
	CHECK_INT(g.err, LG_EUNLISTED);
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "unsubscribed");
	ros_fini(&g);
}

/* The contact list holds for contact_authorization_days; while Lync is
 * subscribed in any case. */
TEST(roster_trust_days)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	REQUIRE(ros_settings(&g, (struct ros_change){.days = 3}));
	g.contact = "romeo@unv.example";
	CHECK_STR(ros_subscribe(&g, 1, true),
		  "tell=offline answer=200 subscribe");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "probe");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
	CHECK_STR(ros_state(&g, SB_PR_BUSY, ""), "show=dnd");
	CHECK_STR(ros_after(&g, 5 * RIG_DAY), "");
	CHECK_STR(ros_unsubscribed(&g, "expired"), "");
	/* Five days ago is too long. */
	CHECK_STR(ros_after(&g, 7200), "unwatch show=unavailable");
	CHECK_STR(message(&g), "may not");
	CHECK_STR(ros_record(&g), "ag 0 20717");
	/* It comes back with the contact list. */
	CHECK_STR(ros_subscribe(&g, 2, false),
		  "tell=offline answer=200 watch probe");
	CHECK_STR(message(&g), "may");
	CHECK_STR(ros_unsubscribed(&g, "unsubscribed"), "");
	CHECK_STR(ros_after(&g, 3 * RIG_DAY), "");
	CHECK_STR(message(&g), "may");
	CHECK_STR(ros_after(&g, RIG_DAY), "unwatch");
	CHECK_STR(message(&g), "may not");
	ros_fini(&g);
}

#define PUBLIC_VERIFIED ((struct ros_change){.fed_type = "public_verified"})
#define PUBLIC_UNVERIFIED                                                     \
	((struct ros_change){.fed_type = "public_unverified"})
#define NO_PARTNER ((struct ros_change){.fed_type = ""})

/* Other settings, while pairs stand. */
TEST(roster_trust_reload)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	g.flags = true;
	ros_load(&g, "ag 20717 0");
	ros_watch(&g, SB_WATCH_ACTIVE, 200);
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "here"),
		  "show=available[here]");
	ros_subscribe(&g, 1, false);
	CHECK_STR(ros_available(&g, "r", "", 0, "hi"),
		  "tell=available+vn[hi]");
	CHECK_STR(ros_reload(&g), "");

	REQUIRE(ros_settings(&g, PUBLIC_VERIFIED));
	CHECK_STR(ros_reload(&g), "watch+v show=available tell=available+v");
	REQUIRE(ros_settings(&g, (struct ros_change){.nobody = true}));
	CHECK_STR(ros_reload(&g), "unwatch show=unavailable reject");
	CHECK_STR(ros_unsubscribed(&g, "rejected"), "");
	CHECK_STR(ros_reload(&g), "");
	CHECK_STR(ros_record(&g), "ag 20717 0");
	REQUIRE(ros_settings(&g, (struct ros_change){0}));
	CHECK_STR(ros_reload(&g), "watch+vn");
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "here"),
		  "show=available[here]");

	/* No stanza goes to who is no partner; the record stays. */
	REQUIRE(ros_settings(&g, NO_PARTNER));
	CHECK_STR(ros_reload(&g), "unwatch");
	CHECK_STR(ros_after(&g, 60 * RIG_DAY), "");
	CHECK_STR(ros_record(&g), "ag 0 0");
	REQUIRE(ros_settings(&g, (struct ros_change){0}));
	CHECK_STR(ros_reload(&g), "watch+vn");
	REQUIRE(ros_settings(&g, PUBLIC_UNVERIFIED));
	CHECK_STR(ros_reload(&g), "unwatch");
	CHECK_STR(ros_record(&g), "ag 0 0");
	ros_fini(&g);
}

/* What was not said yet is judged when it is said. */
TEST(roster_trust_late)
{
	struct sb_event ev = {.type = SB_EV_SUBSCRIBE, .added = true};
	struct ros g;

	REQUIRE(ros_init(&g));
	ros_stanza(&g, LG_P_SUBSCRIBE);
	ev.contact = sb_str_of(g.contact);
	ev.user = sb_str_of(g.user);
	ros_feed_event(&g, &ev);
	g.fx.n = 0;
	ev.type = SB_EV_WATCH;
	ev.watch = SB_WATCH_ACTIVE;
	ros_feed_event(&g, &ev);
	REQUIRE(ros_settings(&g, (struct ros_change){.nobody = true}));
	CHECK_STR(ros_drain(&g), "");
	CHECK_STR(ros_reload(&g), "unwatch reject");
	ros_fini(&g);
}

static void explained(struct ros *g, const char *want)
{
	struct lg_explanation e;
	char got[256];

	if (!CHECK_INT(lg_roster_explain(&e, g->r, &g->s,
					 sb_str_of(g->contact),
					 sb_str_of(g->user), g->now),
		       LG_OK))
		return;
	snprintf(got, sizeof(got), "%s:%s %s:%s %s:%s", e.sees_user,
		 e.sees_user_remedy, e.sees_contact, e.sees_contact_remedy,
		 e.messages, e.messages_remedy);
	CHECK_STR(got, want);
}

TEST(roster_trust_explain)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	g.contact = "romeo@unv.example";
	explained(&g, "not-on-contact-list:user-adds-contact "
		      "not-subscribed:user-adds-contact "
		      "reply-only:user-adds-contact");
	ros_subscribe(&g, 1, true);
	explained(&g, "not-subscribed:contact-subscribes "
		      "asked:contact-approves listed:none");
	ros_stanza(&g, LG_P_SUBSCRIBED);
	ros_stanza(&g, LG_P_SUBSCRIBE);
	explained(&g, "waiting:wait offline:contact-appears listed:none");
	ros_watch(&g, SB_WATCH_FAILING, 504);
	ros_available(&g, "r", "", 0, "");
	explained(&g, "failing:wait active:none listed:none");
	ros_watch(&g, SB_WATCH_ACTIVE, 200);
	ros_unsubscribed(&g, "unsubscribed");
	explained(&g, "active:none no-watcher:user-appears listed:none");
	ros_watch(&g, SB_WATCH_DUE, 0);
	explained(&g, "active:none no-watcher:user-appears listed:none");
	ros_after(&g, 31);
	explained(&g, "dormant:contact-appears no-watcher:user-appears "
		      "listed:none");
	ros_worker(&g, 0);
	explained(&g, "bridge-down:wait no-watcher:user-appears listed:none");
	ros_stanza(&g, LG_P_UNSUBSCRIBED);
	g.contact = "x@stranger.example";
	explained(&g, "not-a-partner:add-partner not-a-partner:add-partner "
		      "not-a-partner:add-partner");
	g.contact = "x@bad.example";
	explained(&g, "partner-disabled:repair-settings "
		      "partner-disabled:repair-settings "
		      "partner-disabled:repair-settings");
	g.contact = "romeo@fed.example";
	g.user = "eve@contoso.com";
	explained(&g, "user-not-enabled:grant-policy "
		      "user-not-enabled:grant-policy "
		      "user-not-enabled:grant-policy");
	ros_fini(&g);
}
