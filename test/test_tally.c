/*
 * test_tally.c: counts of delivered messages, and conversations heard of.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../plugin/heard.h"
#include "../plugin/tally.h"
#include "test.h"

TEST(tally_buckets)
{
	struct lg_tally t = {.threshold = {0.001, 0.005, 2}, .buckets = 3};
	static const double seconds[] = {0, 0.001, 0.0011, 0.005, 2, 2.5, 100};
	static const uint32_t want[] = {2, 2, 1, 2};

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		CHECK(lg_tally_add(&t, SB_STR("a.example"), seconds[i]));
	for (size_t i = 0; i <= t.buckets; i++)
		CHECK_INT(t.taken[i], want[i]);
	CHECK(t.sum > 104.507 && t.sum < 104.508);
	CHECK_INT(t.partners, 1);
	CHECK_INT(t.partner[0].count, 7);
	lg_tally_clear(&t);
	CHECK_INT(t.partners, 0);
	CHECK(t.sum <= 0);
	CHECK(lg_tally_add(&t, SB_STR("b.example"), 1));
	CHECK_INT(t.taken[2], 1);
	CHECK_INT(t.taken[0], 0);
}

TEST(tally_partners)
{
	struct lg_tally t = {.buckets = 0};
	char name[300] = "";

	for (int i = 0; i < LG_TALLY_PARTNERS; i++) {
		snprintf(name, sizeof(name), "p%d.example", i);
		CHECK(lg_tally_add(&t, sb_str_of(name), 1));
	}
	/* One too many is left to the caller, those that are there are not. */
	CHECK(!lg_tally_add(&t, SB_STR("late.example"), 1));
	CHECK(lg_tally_add(&t, SB_STR("p0.example"), 1));
	CHECK(lg_tally_add(&t, SB_STR("p15.example"), 1));
	CHECK_INT(t.partner[0].count, 2);
	CHECK_INT(t.partner[15].count, 2);
	CHECK_INT(t.taken[0], LG_TALLY_PARTNERS + 2);
	lg_tally_clear(&t);
	CHECK(!lg_tally_add(&t, SB_NOSTR, 1));
	memset(name, 'x', LG_DOMAIN_MAX + 1);
	CHECK(!lg_tally_add(&t, (struct sb_str){name, LG_DOMAIN_MAX + 1}, 1));
	CHECK(lg_tally_add(&t, (struct sb_str){name, LG_DOMAIN_MAX}, 1));
	CHECK(lg_tally_add(&t, (struct sb_str){name, LG_DOMAIN_MAX}, 1));
	CHECK_INT(t.partners, 1);
}

TEST(heard_again)
{
	static struct lg_heard h = {.key = {{1, 2}}};
	struct sb_str juliet = SB_STR("juliet@contoso.com"),
		      romeo = SB_STR("romeo@fabrikam.com");

	CHECK(!lg_heard_again(&h, 7, juliet, romeo, false));
	CHECK(lg_heard_again(&h, 7, juliet, romeo, false));
	CHECK(!lg_heard_again(&h, 7, juliet, romeo, true));
	CHECK(lg_heard_again(&h, 7, juliet, romeo, true));
	CHECK(!lg_heard_again(&h, 7, romeo, juliet, true));
	CHECK(lg_heard_again(&h, 7, juliet, romeo, true));
	CHECK(!lg_heard_again(&h, 8, juliet, romeo, true));
	CHECK(!lg_heard_again(&h, 7, juliet, romeo, true));
}

/* Whatever comes between: it is never said of a conversation, or of a state,
 * that was not heard. */
TEST(heard_many)
{
	static struct lg_heard h = {.key = {{3, 4}}};
	static signed char last[4 * LG_HEARD_SLOTS];
	char name[40];
	unsigned r = 1;
	int again = 0;

	memset(last, -1, sizeof(last));
	for (int i = 0; i < 60000; i++) {
		size_t who;
		bool state;

		r = r * 1103515245U + 12345U;
		who = (r >> 16) % sizeof(last);
		state = (r >> 8) & 1;
		snprintf(name, sizeof(name), "c%zu@fabrikam.com", who);
		if (lg_heard_again(&h, 1, SB_STR("u@contoso.com"),
				   sb_str_of(name), state)) {
			again++;
			CHECK_INT(last[who], state);
		}
		last[who] = (signed char)state;
	}
	CHECK(again > 1000);
}
