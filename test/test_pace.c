/*
 * test_pace.c: the token bucket of pace.h.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/pace.h"
#include "test.h"

TEST(pace_unlimited)
{
	struct sb_pace p;
	int i;

	sb_pace_init(&p, 0, 0, 5);
	for (i = 0; i < 100000; i++)
		if (sb_pace_take(&p, 5))
			break;
	CHECK_INT(i, 100000);
}

TEST(pace_burst_then_rate)
{
	struct sb_pace p;

	sb_pace_init(&p, 20, 3, 1000);
	CHECK_INT(sb_pace_take(&p, 1000), 0);
	CHECK_INT(sb_pace_take(&p, 1000), 0);
	CHECK_INT(sb_pace_take(&p, 1000), 0);
	CHECK_INT(sb_pace_take(&p, 1000), 50);
	CHECK_INT(sb_pace_take(&p, 1049), 1);
	CHECK_INT(sb_pace_take(&p, 1050), 0);
	CHECK_INT(sb_pace_take(&p, 1050), 50);
}

/* No window of a second holds more than rate + burst, the long run no more
 * than rate: what a throttling Edge looks at. */
TEST(pace_sliding_window)
{
	uint64_t sent[4000], now = 7;
	size_t n = 0, i, first = 0;
	struct sb_pace p;

	sb_pace_init(&p, 20, 1, now);
	while (n < 4000) {
		uint32_t wait = sb_pace_take(&p, now);

		if (wait == 0)
			sent[n++] = now;
		else
			now += wait;
	}
	for (i = 0; i < n; i++) {
		while (sent[i] - sent[first] >= 1000)
			first++;
		REQUIRE(i - first + 1 <= 21);
	}
	CHECK(sent[n - 1] - sent[0] >= (n - 1) * 50 - 50);
}

TEST(pace_clock_back_and_far_ahead)
{
	struct sb_pace p;

	sb_pace_init(&p, 10, 2, 1000000);
	CHECK_INT(sb_pace_take(&p, 1000000), 0);
	CHECK_INT(sb_pace_take(&p, 5), 0);
	CHECK_INT(sb_pace_take(&p, 5), 100);
	CHECK_INT(sb_pace_take(&p, UINT64_MAX), 0);
	CHECK_INT(sb_pace_take(&p, UINT64_MAX), 0);
	CHECK_INT(sb_pace_take(&p, UINT64_MAX), 100);
}
