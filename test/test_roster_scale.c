/*
 * test_roster_scale.c: the memory of a hundred thousand pairs.
 * SPDX-License-Identifier: MIT
 *
 * Each of 8,400 Lync users has about 12 contacts (25 % of 50, as Microsoft's
 * capacity model has it); a contact has about three Lync users.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../plugin/error.h"
#include "roster_rig.h"

enum { PAIRS = 100000, USERS = 8400, CONTACTS = 33000, BUDGET = 200 };

static uint32_t mix(uint32_t v)
{
	v = (v ^ v >> 16) * 0x7feb352dU;
	v = (v ^ v >> 15) * 0x846ca68bU;
	return v ^ v >> 16;
}

static void names(char *contact, char *user, size_t n, uint32_t i)
{
	static const char *const first[] = {"anna", "bernhard", "christina",
					    "dmitri", "elisabeth", "fatima",
					    "giovanni", "hank"};
	static const char *const last[] = {"schmidt", "mueller-luedenscheid",
					   "rossi", "ivanova", "smith",
					   "o-brien", "garcia", "li"};
	uint32_t c = mix(i) % CONTACTS, u = mix(i ^ 0x5bd1e995U) % USERS;

	snprintf(contact, n, "%s.%s%u@fed.example", first[c % 8],
		 last[c / 8 % 8], c / 64);
	snprintf(user, n, "%s.%s%u@contoso.com", last[u % 8],
		 first[u / 8 % 8], u / 64);
}

TEST(roster_scale)
{
	struct lg_roster_count c, before;
	char contact[80], user[80];
	struct ros g;
	size_t n = 0;

	REQUIRE(ros_init(&g));
	lg_roster_count(g.r, g.now, &before);
	for (uint32_t i = 0; i < PAIRS; i++) {
		names(contact, user, sizeof(contact), i);
		REQUIRE(!lg_roster_load(g.r, sb_str_of(contact),
					sb_str_of(user),
					SB_STR("ag 20717 20700"), g.now));
	}
	ros_drain(&g);
	lg_roster_count(g.r, g.now, &c);
	CHECK(c.pairs > PAIRS * 95 / 100);
	CHECK_INT(c.active, c.pairs);
	if (getenv("LG_VERBOSE"))
		printf("roster: %zu pairs, %zu contacts, %zu users: %zu bytes, "
		       "%zu a pair\n",
		       c.pairs, c.contacts, c.users, c.bytes,
		       c.bytes / c.pairs);
	CHECK(c.bytes / c.pairs <= BUDGET);

	/* A sweep looks at LG_ROSTER_STEP at a time, and has an end. */
	lg_roster_settings(g.r);
	while (lg_roster_tick(g.r, &g.s, g.now) == 0)
		n++;
	CHECK(n >= PAIRS / LG_ROSTER_STEP && n < 400);
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.waiting, 0);
	for (uint32_t i = 0; i < PAIRS; i++) {
		names(contact, user, sizeof(contact), i);
		lg_roster_end(g.r, sb_str_of(contact), sb_str_of(user), true,
			      true);
	}
	ros_drain(&g);
	while (lg_roster_dirty_next(g.r, &(struct sb_str){0}))
		continue;
	lg_roster_count(g.r, g.now, &c);
	CHECK_INT(c.pairs, 0);
	CHECK_INT(c.users, 0);
	CHECK_INT(c.contacts, 0);
	CHECK_INT(c.active, 0);
	CHECK_INT(c.bytes - c.table_bytes, before.bytes - before.table_bytes);
	ros_fini(&g);
}

/* The table grows while every pair is looked at: none is left out. */
TEST(roster_scale_grows)
{
	char contact[80], user[80];
	struct lg_effect fx;
	size_t n = 0, loaded = 0;
	struct ros g;

	REQUIRE(ros_init(&g));
	for (uint32_t i = 0; i < 4200; i++) {
		if (i == 4000) {
			ros_drain(&g);
			REQUIRE(ros_settings(
				&g, (struct ros_change){
					    .fed_type = "public_verified"}));
			lg_roster_settings(g.r);
			CHECK_INT(lg_roster_tick(g.r, &g.s, g.now), 0);
		}
		names(contact, user, sizeof(contact), i);
		loaded += !lg_roster_load(g.r, sb_str_of(contact),
					  sb_str_of(user), SB_STR("a- 0 0"),
					  g.now);
	}
	CHECK_INT(loaded, 4200);
	do {
		while (lg_roster_next(g.r, &g.s, g.now, &fx))
			n += fx.kind == LG_FX_WATCH && !(fx.flags & SB_F_NOTES);
	} while (lg_roster_tick(g.r, &g.s, g.now) == 0);
	while (lg_roster_next(g.r, &g.s, g.now, &fx))
		n += fx.kind == LG_FX_WATCH && !(fx.flags & SB_F_NOTES);
	CHECK_INT(n, 4200);
	ros_fini(&g);
}
