/*
 * test_roster_limit.c: what one partner may ask of Lync, on the clock; and
 * when memory is short.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "roster_rig.h"

/* A subscription of contact number i to user number j. */
static const char *subscribe(struct ros *g, const char *domain, int i, int j)
{
	char contact[64], user[64];

	snprintf(contact, sizeof(contact), "c%d@%s", i, domain);
	snprintf(user, sizeof(user), "u%d@contoso.com", j);
	ros_feed(g, &(struct lg_stanza){.kind = LG_P_SUBSCRIBE,
					.contact = sb_str_of(contact),
					.user = sb_str_of(user)});
	return ros_drain(g);
}

static int address(struct ros *g, const char *domain, int j)
{
	char contact[64], user[64];

	snprintf(contact, sizeof(contact), "spam@%s", domain);
	snprintf(user, sizeof(user), "u%d@contoso.com", j);
	return lg_roster_may_address(g->r, &g->s, sb_str_of(contact),
				     sb_str_of(user), g->now);
}

TEST(roster_limit_subscriptions)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	REQUIRE(ros_settings(&g, (struct ros_change){.subscriptions = 10}));
	for (int i = 0; i < 10; i++)
		CHECK_STR(subscribe(&g, "fed.example", i, 0), "watch");
	CHECK_STR(subscribe(&g, "fed.example", 10, 0),
		  "error=subscription-limit");
	CHECK_INT(g.err, LG_ESUBSCRIPTIONS);
	/* Those that stand are not new. */
	CHECK_STR(subscribe(&g, "fed.example", 9, 0), "");
	CHECK_STR(subscribe(&g, "ver.example", 9, 0), "watch");
	g.now += 3600;
	CHECK_STR(subscribe(&g, "fed.example", 10, 0), "watch");
	/* A refused one leaves nothing. */
	struct lg_roster_count c;
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.pairs, 12);
	ros_fini(&g);
}

TEST(roster_limit_recipients)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	for (int j = 0; j < 500; j++)
		CHECK_INT(address(&g, "fed.example", j), LG_OK);
	CHECK_INT(address(&g, "fed.example", 500), LG_ERECIPIENTS);
	CHECK_INT(address(&g, "fed.example", 499), LG_OK);
	CHECK_STR(subscribe(&g, "fed.example", 1, 500),
		  "error=recipient-limit");
	CHECK_STR(subscribe(&g, "fed.example", 1, 3), "watch");
	CHECK_INT(address(&g, "ver.example", 500), LG_OK);
	CHECK_INT(address(&g, "stranger.example", 500), LG_ENOTPARTNER);
	g.now += 3600;
	CHECK_INT(address(&g, "fed.example", 500), LG_OK);
	REQUIRE(ros_settings(&g, (struct ros_change){.recipients = 2}));
	CHECK_INT(address(&g, "fed.example", 501), LG_OK);
	CHECK_INT(address(&g, "fed.example", 502), LG_ERECIPIENTS);
	/* The clock is set back: another hour, counted anew. */
	g.now -= 36000;
	CHECK_INT(address(&g, "fed.example", 502), LG_OK);
	ros_fini(&g);
}

static bool outcome(struct ros *g, int status)
{
	return lg_roster_outcome(g->r, &g->s, SB_STR("spam@fed.example"),
				 status, g->now);
}

TEST(roster_limit_breaker)
{
	struct lg_roster_count c;
	struct ros g;

	REQUIRE(ros_init(&g));
	/* Half of them is not more than half. */
	for (int i = 0; i < 200; i++)
		CHECK(!outcome(&g, i % 2 ? 404 : 200));
	CHECK_INT(address(&g, "fed.example", 0), LG_OK);
	/* What says nothing about the sender does not count. */
	for (int i = 0; i < 200; i++)
		CHECK(!outcome(&g, i % 2 ? 480 : 503));
	CHECK(outcome(&g, 403));
	CHECK_INT(address(&g, "fed.example", 0), LG_EQUARANTINED);
	CHECK_STR(subscribe(&g, "fed.example", 1, 1),
		  "error=partner-quarantined");
	CHECK_INT(address(&g, "ver.example", 0), LG_OK);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.quarantined, 1);
	g.now += 599;
	CHECK_INT(address(&g, "fed.example", 0), LG_EQUARANTINED);
	g.now += 1;
	CHECK_INT(address(&g, "fed.example", 0), LG_OK);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.quarantined, 0);
	/* It begins anew. */
	for (int i = 0; i < 49; i++)
		CHECK(!outcome(&g, 603));
	CHECK(outcome(&g, 404));
	/* A clock that is set back ends it. */
	g.now -= 1000;
	CHECK_INT(address(&g, "fed.example", 0), LG_OK);
	ros_fini(&g);
}

/* Watches count, too. */
TEST(roster_limit_watches)
{
	char user[64];
	struct ros g;

	REQUIRE(ros_init(&g));
	for (int i = 0; i < 50; i++) {
		snprintf(user, sizeof(user), "guess%d@contoso.com", i);
		g.user = user;
		CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
		if (i % 10 == 0)
			CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200),
				  "subscribed");
		else
			CHECK_STR(ros_watch(&g, SB_WATCH_REFUSED, 404),
				  "unsubscribed");
	}
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "error=partner-quarantined");
	/* Who is subscribed already stays so. */
	g.user = "guess0@contoso.com";
	CHECK_STR(ros_state(&g, SB_PR_AWAY, ""), "show=away");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "show=away");
	ros_fini(&g);
}

/* What was counted is freed when nobody counts any more. */
TEST(roster_limit_memory)
{
	struct lg_roster_count before, c;
	struct ros g;

	REQUIRE(ros_init(&g));
	lg_roster_count(g.r, g.now, &before);
	for (int j = 0; j < 500; j++)
		address(&g, "fed.example", j);
	outcome(&g, 404);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.partners, 1);
	CHECK(c.bytes - before.bytes < 10000);
	ros_after(&g, 3 * 3600);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.partners, 0);
	CHECK_INT(c.bytes, before.bytes);
	ros_fini(&g);
}

TEST(roster_limit_pairs)
{
	struct ros g;

	REQUIRE(ros_init_limits(&g, (struct lg_roster_limits){.pairs = 2}));
	CHECK_STR(subscribe(&g, "fed.example", 1, 1), "watch");
	CHECK_STR(subscribe(&g, "fed.example", 2, 1), "watch");
	CHECK_STR(subscribe(&g, "fed.example", 3, 1), "error=roster-full");
	CHECK_STR(ros_subscribe(&g, 1, true), "answer=500");
	ros_load(&g, "ag 1 1");
	CHECK_INT(g.err, LG_EFULL);
	ros_fini(&g);
}

/* Memory ends at every possible place; afterwards the same works. */
TEST(roster_limit_no_memory)
{
	struct lg_roster_limits limits = {.key = {5, 6}};
	struct lg_roster_count c, before;
	size_t failed = 0;
	struct ros g;

	REQUIRE(ros_init(&g));
	lg_roster_count(g.r, g.now, &before);
	limits.bytes = before.bytes - before.table_bytes + 1;
	ros_fini(&g);
	for (; failed < 2000; limits.bytes += 8, failed++) {
		REQUIRE(ros_init_limits(&g, limits));
		const char *said = ros_stanza(&g, LG_P_SUBSCRIBE);

		if (g.err) {
			CHECK_INT(g.err, LG_ENOMEM);
			CHECK_STR(said, "error=no-memory");
			lg_roster_count(g.r, g.now, &c);
			CHECK_INT(c.pairs, 0);
			CHECK_INT(c.users, 0);
			CHECK_INT(c.contacts, 0);
			/* It may have been the budget alone. */
			ros_subscribe(&g, 1, true);
			CHECK_STR(g.words,
				  g.err ? "answer=500"
					: "tell=offline answer=200 subscribe");
			ros_fini(&g);
			continue;
		}
		CHECK_STR(said, "watch");
		ros_watch(&g, SB_WATCH_ACTIVE, 200);
		/* Without room for the note it is told without. */
		CHECK(!strncmp(ros_state(&g, SB_PR_AWAY, "a long note"),
			       "show=away", 9));
		bool whole = strchr(g.words, '[');
		CHECK_STR(ros_subscribe(&g, 1, true),
			  "tell=offline answer=200 subscribe");
		CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "probe");
		said = ros_available(&g, "r", "dnd", 0, "busy");
		bool told = said[0] != '\0';
		if (told)
			CHECK_STR(said, "tell=dnd[busy]");
		CHECK_STR(ros_gone(&g, "r"), told ? "tell=offline" : "");
		ros_fini(&g);
		if (whole && told)
			break;
	}
	CHECK(failed > 10 && failed < 2000);
}
