/*
 * test_link.c: reachability of an Edge, link.h.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/link.h"
#include "test.h"

TEST(link_starts_with_a_probe)
{
	struct sb_link l;

	sb_link_init(&l, 60000, 1000);
	CHECK_INT(l.state, SB_LINK_UNKNOWN);
	CHECK_INT(sb_link_wait_ms(&l, 1000), 0);
	CHECK(sb_link_due(&l, 1000));
	CHECK(!sb_link_due(&l, 1000)); /* one at a time */
	CHECK(sb_link_heard(&l, true, 1010));
	CHECK_INT(l.state, SB_LINK_UP);
	CHECK(!sb_link_due(&l, 61009));
	CHECK(sb_link_due(&l, 61010));
	CHECK(!sb_link_heard(&l, true, 61020)); /* no change, no event */
}

TEST(link_any_traffic_keeps_it_alive)
{
	struct sb_link l;

	sb_link_init(&l, 60000, 0);
	CHECK(sb_link_due(&l, 0));
	sb_link_heard(&l, true, 0);
	sb_link_heard(&l, false, 50000);
	CHECK(!sb_link_due(&l, 60000));
	CHECK(sb_link_due(&l, 110000));
}

TEST(link_backs_off)
{
	static const uint64_t want[] = {0,    500,   1000,  2000,  4000,
					8000, 16000, 32000, 60000, 60000};
	struct sb_link l;
	uint64_t now = 0;
	size_t i;

	sb_link_init(&l, 60000, 0);
	sb_link_due(&l, 0);
	sb_link_heard(&l, true, 0);
	CHECK(!sb_link_failed(&l, false, 0, now)); /* a request found out */
	CHECK_INT(l.state, SB_LINK_UNKNOWN);
	CHECK(sb_link_due(&l, now));
	CHECK(sb_link_failed(&l, true, 0, now));
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		CHECK_INT(l.state, SB_LINK_DOWN);
		CHECK_INT(sb_link_wait_ms(&l, now), want[i]);
		now += want[i];
		CHECK(sb_link_due(&l, now));
		CHECK(!sb_link_failed(&l, true, 0, now));
	}
	now += 60000;
	CHECK(sb_link_due(&l, now));
	CHECK(sb_link_heard(&l, true, now));
	sb_link_failed(&l, false, 0, now);
	CHECK(sb_link_due(&l, now));
	CHECK(sb_link_failed(&l, true, 0, now));
	CHECK_INT(sb_link_wait_ms(&l, now), 0); /* starts over */
}

/* A thousand requests that fail together are one suspicion. */
TEST(link_one_outage_counts_once)
{
	struct sb_link l;
	int i, changes = 0;

	sb_link_init(&l, 60000, 0);
	sb_link_due(&l, 0);
	sb_link_heard(&l, true, 0);
	for (i = 0; i < 1000; i++)
		changes += sb_link_failed(&l, false, 0, 10);
	CHECK_INT(changes, 0);
	CHECK_INT(l.failures, 0);
	CHECK(sb_link_due(&l, 10));
	CHECK(!sb_link_due(&l, 10));
}

/* The Edge closed a connection and takes the next one: nobody is refused. */
TEST(link_dropped_connection_is_no_outage)
{
	struct sb_link l;

	sb_link_init(&l, 60000, 0);
	sb_link_due(&l, 0);
	sb_link_heard(&l, true, 0);
	sb_link_failed(&l, false, 0, 10);
	CHECK(l.state != SB_LINK_DOWN);
	CHECK(sb_link_due(&l, 10));
	CHECK(sb_link_heard(&l, true, 12));
	CHECK_INT(l.state, SB_LINK_UP);
}

TEST(link_jitter_is_bounded)
{
	struct sb_link l;
	uint32_t j;

	for (j = 0; j < 5000; j += 7) {
		sb_link_init(&l, 0, 0);
		sb_link_due(&l, 0);
		sb_link_failed(&l, true, j, 0);
		sb_link_due(&l, 0);
		sb_link_failed(&l, true, j, 0);
		REQUIRE(sb_link_wait_ms(&l, 0) >= 500);
		REQUIRE(sb_link_wait_ms(&l, 0) <= 625);
	}
}

TEST(link_without_keepalive_probes_only_while_down)
{
	struct sb_link l;

	sb_link_init(&l, 0, 0);
	CHECK(sb_link_due(&l, 0));
	sb_link_heard(&l, true, 0);
	CHECK(!sb_link_due(&l, 1000000));
	CHECK_INT(sb_link_wait_ms(&l, 1000000), 60000);
	sb_link_failed(&l, false, 0, 1000000);
	CHECK_INT(sb_link_wait_ms(&l, 1000000), 0);
	CHECK(sb_link_due(&l, 1000000));
}
