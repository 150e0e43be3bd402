/*
 * test_roster_life.c: pairs from the first word to the last: refreshes, losses,
 * restarts, several resources, both sides at once.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "roster_rig.h"

/* A contact that is subscribed and sees the user available. */
TEST(roster_life_contact)
{
	struct ros g;

	REQUIRE(ros_begin(&g));
	/* The same again is no news. */
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "in"), "");
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "out"), "show=available[out]");
	CHECK_STR(ros_state(&g, SB_PR_BUSY, ""), "show=dnd");
	CHECK_STR(ros_state(&g, SB_PR_OFF_WORK, ""), "show=xa");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "show=xa");
	CHECK_STR(ros_state(&g, SB_PR_OFFLINE, ""), "show=unavailable");
	CHECK_STR(ros_state(&g, SB_PR_UNKNOWN, ""), "");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "");
	CHECK_STR(ros_state(&g, SB_PR_OFFLINE, ""), "show=unavailable");
	CHECK_STR(ros_state(&g, SB_PR_IDLE, ""), "show=away");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "subscribed show=away");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBE),
		  "unwatch show=unavailable unsubscribed");
	CHECK_STR(ros_watch(&g, SB_WATCH_ENDED, 0), "");
	CHECK_STR(ros_record(&g), "");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBE), "");
	/* What the bridge says of a pair that is gone is taken back. */
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "unwatch");
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "unwatch");
	CHECK_STR(ros_watch(&g, SB_WATCH_REFUSED, 403), "");
	CHECK_STR(ros_state(&g, SB_PR_BUSY, ""), "");
	ros_fini(&g);
}

TEST(roster_life_refused)
{
	struct ros g;

	REQUIRE(ros_begin(&g));
	CHECK_STR(ros_watch(&g, SB_WATCH_REFUSED, 403),
		  "show=unavailable unsubscribed");
	CHECK_STR(ros_record(&g), "");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "unsubscribed");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 480), "");
	CHECK_STR(ros_record(&g), "p- 0 0");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 480), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
	ros_fini(&g);
}

/* What was known of the user is not told to who comes again. */
TEST(roster_life_refused_again)
{
	struct ros g;

	REQUIRE(ros_begin(&g));
	ros_watch(&g, SB_WATCH_REFUSED, 403);
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "in"), "show=available[in]");
	ros_fini(&g);
}

/* A refused pair is remembered for a while, and then not. */
TEST(roster_life_forgotten)
{
	struct lg_roster_count c;
	struct ros g;

	REQUIRE(ros_init(&g));
	ros_stanza(&g, LG_P_SUBSCRIBE);
	ros_watch(&g, SB_WATCH_REFUSED, 404);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.pairs, 1);
	ros_after(&g, 3 * 3600);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.pairs, 0);
	CHECK_INT(c.contacts, 0);
	CHECK_INT(c.active, 0);
	ros_fini(&g);
}

/* What was shown stays for a minute while Lync cannot be reached. */
TEST(roster_life_failing)
{
	struct ros g;

	REQUIRE(ros_begin(&g));
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 504), "");
	CHECK_STR(ros_after(&g, 30), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "in"), "");
	CHECK_STR(ros_after(&g, 90), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 504), "");
	CHECK_STR(ros_after(&g, 30), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 504), "");
	CHECK_STR(ros_after(&g, 30), "show=unavailable");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "show=unavailable");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "in"), "show=available[in]");
	ros_fini(&g);
}

/* Each doubt has its own time; none is for ever. */
TEST(roster_life_doubts)
{
	char user[32];
	struct ros g;

	/* A watch fails shortly before the worker's loss is a minute ago. */
	REQUIRE(ros_begin(&g));
	ros_worker(&g, 0);
	CHECK_STR(ros_worker(&g, 1), "watch");
	CHECK_STR(ros_after(&g, 50), "");
	ros_state(&g, SB_PR_AVAILABLE, "in");
	ros_watch(&g, SB_WATCH_FAILING, 503);
	CHECK_STR(ros_after(&g, 59), "");
	CHECK_STR(ros_after(&g, 1), "show=unavailable");
	ros_fini(&g);

	/* The worker dies again and again. */
	REQUIRE(ros_begin(&g));
	for (int i = 0; i < 11; i++) {
		ros_worker(&g, 0);
		CHECK_STR(ros_worker(&g, 1), "watch");
		CHECK_STR(ros_after(&g, 50), "");
	}
	ros_worker(&g, 0);
	CHECK_STR(ros_after(&g, 49), "");
	CHECK_STR(ros_after(&g, 1), "show=unavailable");
	ros_fini(&g);

	/* Thirty watches at one a second take half a minute longer. */
	REQUIRE(ros_begin(&g));
	for (int i = 0; i < 29; i++) {
		snprintf(user, sizeof(user), "u%d@contoso.com", i);
		g.user = user;
		ros_load(&g, "p- 0 0");
	}
	g.s.bridge.wire.watch_rate = 1;
	ros_worker(&g, 0);
	ros_worker(&g, 1);
	CHECK_STR(ros_after(&g, 89), "");
	CHECK_STR(ros_after(&g, 1), "show=unavailable");
	ros_fini(&g);
}

TEST(roster_life_worker)
{
	struct ros g;

	REQUIRE(ros_begin(&g));
	ros_load(&g, "ag 20717 0");
	ros_subscribe(&g, 1, false);
	CHECK_STR(ros_available(&g, "r", "dnd", 1, ""), "tell=dnd");
	CHECK_STR(ros_worker(&g, 0), "");
	CHECK_STR(ros_after(&g, 2), "");
	CHECK_STR(ros_worker(&g, 1), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
	CHECK_STR(ros_state(&g, SB_PR_AVAILABLE, "in"), "");
	/* What the contact has said is still known. */
	CHECK_STR(ros_subscribe(&g, 2, false), "tell=dnd answer=200");
	CHECK_STR(ros_after(&g, 120), "");

	CHECK_STR(ros_worker(&g, 0), "");
	CHECK_STR(ros_worker(&g, 1), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 503), "");
	CHECK_STR(ros_after(&g, 59), "");
	CHECK_STR(ros_after(&g, 1), "show=unavailable");

	CHECK_STR(ros_state(&g, SB_PR_AWAY, ""), "show=away");
	CHECK_STR(ros_worker(&g, 0), "");
	/* Nothing is lost that is said meanwhile. */
	g.user = "carol@contoso.com";
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "");
	CHECK_STR(ros_after(&g, 60), "show=unavailable");
	CHECK_STR(ros_worker(&g, 1), "watch watch");
	ros_fini(&g);
}

/* Lync's side: contact list, approval, state, log-off. */
TEST(roster_life_user)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	CHECK_STR(ros_subscribe(&g, 1, true),
		  "tell=offline answer=200 subscribe");
	CHECK_STR(ros_record(&g), "-a 20717 20717");
	CHECK_STR(ros_subscribe(&g, 2, true), "tell=offline answer=200");
	CHECK_STR(ros_subscribe(&g, 0, false), "");
	CHECK_STR(ros_after(&g, RIG_DAY), "");
	CHECK_STR(ros_subscribe(&g, 0, false), "subscribe");
	CHECK_STR(ros_available(&g, "early", "", 0, ""), "");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "probe");
	CHECK_STR(ros_available(&g, "a", "away", 0, "lunch"),
		  "tell=away[lunch]");
	CHECK_STR(ros_after(&g, 3 * RIG_DAY), "");
	CHECK_STR(ros_subscribe(&g, 0, false), "");
	/* Log-off: the contact, which has no watch, is told. */
	CHECK_STR(ros_unsubscribed(&g, "unsubscribed"), "show=unavailable");
	CHECK_STR(ros_available(&g, "a", "dnd", 0, ""), "");
	CHECK_STR(ros_subscribe(&g, 3, false), "tell=dnd answer=200");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBED), "tell=offline");
	CHECK_STR(ros_available(&g, "a", "", 0, ""), "");
	CHECK_STR(ros_unsubscribed(&g, "lost"), "");
	CHECK_STR(ros_record(&g), "-d 20721 20718");
	ros_fini(&g);
}

TEST(roster_life_resources)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	ros_load(&g, "-g 20717 0");
	CHECK_STR(ros_subscribe(&g, 1, false),
		  "tell=offline answer=200 probe");
	CHECK_STR(ros_available(&g, "a", "away", 5, ""), "tell=away");
	CHECK_STR(ros_available(&g, "b", "", 4, ""), "");
	CHECK_STR(ros_available(&g, "c", "dnd", 5, ""), "tell=dnd");
	CHECK_STR(ros_available(&g, "a", "chat", 5, "x"), "tell=available[x]");
	CHECK_STR(ros_available(&g, "a", "chat", 5, "x"), "");
	CHECK_STR(ros_available(&g, "a", "odd", 5, "y"), "tell=available[y]");
	CHECK_STR(ros_available(&g, "a", "xa", 5, ""), "tell=dnd");
	CHECK_STR(ros_available(&g, "a", "", 5, "y"), "tell=available[y]");
	CHECK_STR(ros_available(&g, "a", "", -1, "y"), "tell=dnd");
	CHECK_STR(ros_gone(&g, "zz"), "");
	CHECK_STR(ros_gone(&g, "b"), "");
	CHECK_STR(ros_available(&g, "b", "xa", 127, ""), "tell=away");
	CHECK_STR(ros_gone(&g, "b"), "tell=dnd");
	CHECK_STR(ros_gone(&g, ""), "tell=offline");
	CHECK_STR(ros_gone(&g, ""), "");
	ros_fini(&g);
}

/* interworking.md A8: a presence is for whom it was sent to. */
TEST(roster_life_addressed)
{
	struct lg_roster_count before, c;
	struct ros g;

	REQUIRE(ros_init(&g));
	ros_load(&g, "-g 20717 0");
	ros_subscribe(&g, 1, false);
	lg_roster_count(g.r, g.now, &before);
	g.user = "carol@contoso.com";
	ros_load(&g, "-g 20717 0");
	ros_subscribe(&g, 2, false);
	CHECK_STR(ros_available(&g, "a", "dnd", 0, "secret"),
		  "tell=dnd[secret]");
	g.user = "bob@contoso.com";
	CHECK_STR(ros_subscribe(&g, 0, false), "");
	ros_unsubscribed(&g, "unsubscribed");
	CHECK_STR(ros_subscribe(&g, 4, false),
		  "tell=offline answer=200 probe");
	CHECK_STR(ros_available(&g, "a", "", 0, "public"),
		  "tell=available[public]");
	/* Carol's stays as it was told to her, */
	g.user = "carol@contoso.com";
	ros_unsubscribed(&g, "unsubscribed");
	CHECK_STR(ros_subscribe(&g, 5, false), "tell=dnd[secret] answer=200");
	/* and goes alone. */
	CHECK_STR(ros_gone(&g, "a"), "tell=offline");
	g.user = "bob@contoso.com";
	ros_unsubscribed(&g, "unsubscribed");
	CHECK_STR(ros_subscribe(&g, 6, false),
		  "tell=available[public] answer=200");
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.contacts, 1);
	ros_fini(&g);
}

/* More resources than anybody has. */
TEST(roster_life_many)
{
	struct lg_explanation e;
	char resource[16];
	struct ros g;

	REQUIRE(ros_init(&g));
	ros_load(&g, "-g 20717 0");
	ros_subscribe(&g, 1, false);
	for (int i = 0; i < 100; i++) {
		snprintf(resource, sizeof(resource), "r%d", i);
		ros_available(&g, resource, "away", i, "");
	}
	lg_roster_explain(&e, g.r, &g.s, sb_str_of(g.contact),
			  sb_str_of(g.user), g.now);
	CHECK_INT(e.row.resources, LG_ROSTER_RESOURCES);
	CHECK_STR(ros_available(&g, "r15", "dnd", 15, ""), "tell=dnd");
	/* Something else to each of many users: each sees its own, or none. */
	for (int i = 0; i < 60; i++) {
		char user[32], status[16];

		snprintf(user, sizeof(user), "u%d@contoso.com", i);
		snprintf(status, sizeof(status), "%d", i);
		g.user = user;
		ros_load(&g, "-g 20717 0");
		ros_subscribe(&g, 1, false);
		ros_available(&g, "r", "", 0, status);
		if (g.words[0]) {
			char want[48];

			snprintf(want, sizeof(want), "tell=available[%d]", i);
			CHECK_STR(g.words, want);
		}
		else {
			CHECK(i >= LG_ROSTER_SLOTS - LG_ROSTER_RESOURCES);
		}
	}
	ros_fini(&g);
}

/* Both sides ask at the same time. */
TEST(roster_life_glare)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_subscribe(&g, 1, true),
		  "tell=offline answer=200 subscribe");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "probe");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
	CHECK_STR(ros_record(&g), "ag 20717 20717");
	ros_fini(&g);

	/* The contact goes back and forth faster than Lync answers. */
	REQUIRE(ros_init(&g));
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBE), "unwatch unsubscribed");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
	CHECK_STR(ros_watch(&g, SB_WATCH_ENDED, 0), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
	ros_fini(&g);

	/* Nobody drains in between: said once, as it is last. */
	REQUIRE(ros_init(&g));
	struct lg_stanza st = {.kind = LG_P_SUBSCRIBE,
			       .contact = sb_str_of(g.contact),
			       .user = sb_str_of(g.user)};
	ros_feed(&g, &st);
	st.kind = LG_P_UNSUBSCRIBE;
	ros_feed(&g, &st);
	CHECK_STR(ros_drain(&g), "unsubscribed");
	ros_feed(&g, &st);
	st.kind = LG_P_SUBSCRIBE;
	ros_feed(&g, &st);
	CHECK_STR(ros_drain(&g), "watch");
	ros_fini(&g);
}

/* What the bridge had no room for is said again. */
TEST(roster_life_again)
{
	struct lg_effect fx;
	struct ros g;

	REQUIRE(ros_init(&g));
	ros_feed(&g, &(struct lg_stanza){.kind = LG_P_SUBSCRIBE,
					 .contact = sb_str_of(g.contact),
					 .user = sb_str_of(g.user)});
	REQUIRE(lg_roster_next(g.r, &g.s, g.now, &fx));
	CHECK_INT(fx.kind, LG_FX_WATCH);
	lg_roster_again(g.r, &fx);
	CHECK_STR(ros_drain(&g), "watch");
	ros_feed(&g, &(struct lg_stanza){.kind = LG_P_UNSUBSCRIBE,
					 .contact = sb_str_of(g.contact),
					 .user = sb_str_of(g.user)});
	REQUIRE(lg_roster_next(g.r, &g.s, g.now, &fx));
	CHECK_INT(fx.kind, LG_FX_UNWATCH);
	lg_roster_again(g.r, &fx);
	CHECK_STR(ros_drain(&g), "unwatch unsubscribed");
	ros_fini(&g);
}

/* A restart at each step of a pair's life: nobody who has answered is asked
 * twice, nothing that was agreed is lost, and what is not confirmed in time is
 * taken back. */
TEST(roster_life_restart)
{
	struct ros g;

	for (int step = 0; step <= 7; step++) {
		REQUIRE(ros_init(&g));
		ros_stanza(&g, LG_P_SUBSCRIBE);
		if (step == 0)
			CHECK_STR(ros_restart(&g), "watch");
		CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
		if (step == 1)
			CHECK_STR(ros_restart(&g), "watch");
		CHECK_STR(ros_state(&g, SB_PR_BUSY, "n"), "show=dnd[n]");
		if (step == 2) {
			CHECK_STR(ros_restart(&g), "watch");
			CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
			CHECK_STR(ros_state(&g, SB_PR_BUSY, "n"),
				  "show=dnd[n]");
		}
		if (step == 3) {
			CHECK_STR(ros_restart(&g), "watch");
			CHECK_STR(ros_after(&g, 59), "");
			CHECK_STR(ros_after(&g, 2), "show=unavailable");
		}
		if (step == 4) {
			CHECK_STR(ros_restart(&g), "watch");
			CHECK_STR(ros_state(&g, SB_PR_OFFLINE, ""),
				  "show=unavailable");
		}
		CHECK_STR(ros_subscribe(&g, 1, true),
			  "tell=offline answer=200 subscribe");
		if (step == 5) {
			ros_restart(&g); /* the question may be lost */
			CHECK_STR(ros_subscribe(&g, 2, true),
				  "tell=offline answer=200 subscribe");
			CHECK_STR(ros_subscribe(&g, 3, true),
				  "tell=offline answer=200");
		}
		CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "probe");
		if (step == 6) {
			ros_restart(&g);
			CHECK_STR(ros_subscribe(&g, 2, true),
				  "tell=offline answer=200 probe");
		}
		CHECK_STR(ros_available(&g, "r", "xa", 0, ""), "tell=away");
		if (step == 7)
			ros_restart(&g);
		CHECK_STR(ros_record(&g), "ag 20717 20717");
		ros_fini(&g);
	}
}

/* The mapping of lync-sip.md 3.5. */
TEST(roster_life_words)
{
	static const struct {
		enum sb_presence lync;
		const char *show;
	} to_xmpp[] = {
		{SB_PR_UNKNOWN, "unavailable"}, {SB_PR_OFFLINE, "unavailable"},
		{SB_PR_AVAILABLE, "available"}, {SB_PR_IDLE, "away"},
		{SB_PR_BUSY, "dnd"},	        {SB_PR_BUSY_IDLE, "dnd"},
		{SB_PR_DND, "dnd"},	        {SB_PR_BRB, "away"},
		{SB_PR_AWAY, "away"},	        {SB_PR_OFF_WORK, "xa"},
	};
	static const struct {
		const char *show;
		enum sb_presence lync;
	} to_lync[] = {
		{"", SB_PR_AVAILABLE}, {"chat", SB_PR_AVAILABLE},
		{"away", SB_PR_AWAY},  {"xa", SB_PR_AWAY},
		{"dnd", SB_PR_DND},    {"XA", SB_PR_AVAILABLE},
		{"unavailable", SB_PR_AVAILABLE},
	};

	for (size_t i = 0; i < sizeof(to_xmpp) / sizeof(to_xmpp[0]); i++)
		CHECK_STR(lg_show_names[lg_show_of_presence(to_xmpp[i].lync)],
			  to_xmpp[i].show);
	for (size_t i = 0; i < sizeof(to_lync) / sizeof(to_lync[0]); i++)
		CHECK_INT(lg_presence_of_show(
				  lg_show_find(sb_str_of(to_lync[i].show))),
			  to_lync[i].lync);
	CHECK_INT(lg_presence_of_show(LG_SHOW_UNAVAILABLE), SB_PR_OFFLINE);
}

TEST(roster_life_records)
{
	static const char *const bad[] = {
		"", "a", "ag", "ag 1", "ag 1 ", "ag  1 2", "ag 1 2 ", "ag 1 2x",
		"xg 1 2", "ax 1 2", "ag -1 2", "ag 65536 2", "-- 0 0",
		"ag 1 99999999999999999999", "AG 1 2", "a\0g 1 2"};
	struct ros g;

	REQUIRE(ros_init(&g));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ros_load(&g, bad[i]);
		CHECK_INT(g.err, LG_EINVAL);
		CHECK_STR(ros_record(&g), "");
	}
	ros_load(&g, "pd 65535 65535");
	CHECK_INT(g.err, LG_OK);
	CHECK_STR(ros_record(&g), "pd 65535 65535");
	g.contact = "fed.example";
	ros_load(&g, "ag 1 2");
	CHECK_INT(g.err, LG_EBADJID);
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "");
	CHECK_INT(g.err, LG_EBADJID);
	CHECK_STR(ros_subscribe(&g, 5, true), "answer=400");
	ros_fini(&g);
}
