/*
 * test_roster_due.c: what is asked before a watch is refreshed.
 * SPDX-License-Identifier: MIT
 */
#include "roster_rig.h"
#include "test.h"

/* And the contact has approved the user. */
static bool begin_both(struct ros *g)
{
	return ros_begin(g) &&
	       CHECK_STR(ros_subscribe(g, 1, true),
			 "tell=offline answer=200 subscribe") &&
	       CHECK_STR(ros_stanza(g, LG_P_SUBSCRIBED), "probe") &&
	       CHECK_STR(ros_available(g, "a", "", 0, ""), "tell=available");
}

/* interworking.md A11: no refresh for a contact that is not there. */
TEST(roster_life_due)
{
	struct ros g;

	REQUIRE(begin_both(&g));
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "probe");
	CHECK_STR(ros_after(&g, 20), "");
	CHECK_STR(ros_gone(&g, "a"), "watch tell=offline");
	CHECK_STR(ros_after(&g, 60), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "probe");
	CHECK_STR(ros_after(&g, 29), "");
	CHECK_STR(ros_after(&g, 1), "unwatch show=unavailable");
	CHECK_STR(ros_watch(&g, SB_WATCH_ENDED, 0), "");
	CHECK_STR(ros_record(&g), "ag 20717 20717");
	CHECK_STR(ros_after(&g, RIG_DAY), "");
	/* Seen again; the answer to the probe follows with the state. */
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
	CHECK_STR(ros_state(&g, SB_PR_OFFLINE, ""), "show=unavailable");
	/* It takes its approval back instead of an answer. */
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "probe");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBED), "watch");
	ros_fini(&g);
}

/* Servers do not answer a user whom the contact has not approved. */
TEST(roster_life_due_one_way)
{
	struct ros g;

	REQUIRE(ros_begin(&g));
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "watch");
	CHECK_STR(ros_after(&g, 60), "");
	CHECK_STR(ros_subscribe(&g, 1, true),
		  "tell=offline answer=200 subscribe");
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "watch");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBED), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "watch");
	CHECK_STR(ros_after(&g, 60), "");
	ros_fini(&g);
}

TEST(roster_life_due_errors)
{
	struct ros g;
	struct lg_stanza st = {.kind = LG_P_ERROR,
			       .contact = SB_STR("romeo@fed.example"),
			       .user = SB_STR("bob@contoso.com")};

	REQUIRE(begin_both(&g));
	ros_watch(&g, SB_WATCH_DUE, 0);
	st.wait = true;
	ros_feed(&g, &st);
	CHECK_STR(ros_drain(&g), "watch tell=offline");
	ros_watch(&g, SB_WATCH_DUE, 0);
	st.wait = false;
	ros_feed(&g, &st);
	CHECK_STR(ros_drain(&g), "");
	CHECK_STR(ros_after(&g, 30), "unwatch show=unavailable");
	/* A subscription of the contact wakes as well. */
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch subscribed");
	ros_fini(&g);
}

/* The wait for a probe's answer ends with the watch. */
TEST(roster_life_due_failing)
{
	struct ros g;

	REQUIRE(begin_both(&g));
	CHECK_STR(ros_state(&g, SB_PR_OFFLINE, ""), "show=unavailable");
	CHECK_STR(ros_watch(&g, SB_WATCH_DUE, 0), "probe");
	CHECK_STR(ros_watch(&g, SB_WATCH_FAILING, 504), "");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "");
	CHECK_STR(ros_state(&g, SB_PR_BUSY, ""), "show=dnd");
	CHECK_STR(ros_after(&g, 120), "");
	CHECK_STR(ros_stanza(&g, LG_P_PROBE), "show=dnd");
	ros_fini(&g);
}
