/*
 * test_roster_rows.c: the tables of RFC 6121 A.2 and A.3, row by row, as the
 * Lync user's server sees them (interworking.md F37, F38).
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "roster_rig.h"

/* The nine states of RFC 6121 A.1 from the user's side, as records: what the
 * contact has of the user, and the user of the contact. */
static const struct {
	const char *name;
	const char *record;
} states[] = {
	{"None", "--"},
	{"None + Pending Out", "-a"},
	{"None + Pending In", "p-"},
	{"None + Pending Out+In", "pa"},
	{"To", "-g"},
	{"To + Pending In", "pg"},
	{"From", "a-"},
	{"From + Pending Out", "aa"},
	{"Both", "ag"},
};

enum { NONE, OUT, IN, OUT_IN, TO, TO_IN, FROM, FROM_OUT, BOTH, STATES };

struct row {
	const char *said; /* what else but the watch is told */
	int next;
};

static const struct table {
	const char *event;
	struct row rows[STATES];
} tables[] = {
	/* A.3.1 */
	{"inbound subscribe",
	 {[NONE] = {"", IN},
	  [OUT] = {"", OUT_IN},
	  [IN] = {"", IN},
	  [OUT_IN] = {"", OUT_IN},
	  [TO] = {"", TO_IN},
	  [TO_IN] = {"", TO_IN},
	  [FROM] = {"subscribed", FROM},
	  [FROM_OUT] = {"subscribed", FROM_OUT},
	  [BOTH] = {"subscribed", BOTH}}},
	/* A.3.2 */
	{"inbound unsubscribe",
	 {[NONE] = {"", NONE},
	  [OUT] = {"", OUT},
	  [IN] = {"unsubscribed", NONE},
	  [OUT_IN] = {"unsubscribed", OUT},
	  [TO] = {"", TO},
	  [TO_IN] = {"unsubscribed", TO},
	  [FROM] = {"unsubscribed", NONE},
	  [FROM_OUT] = {"unsubscribed", OUT},
	  [BOTH] = {"unsubscribed", TO}}},
	/* A.3.3; delivered: the user's server asks how the contact is */
	{"inbound subscribed",
	 {[NONE] = {"", NONE},
	  [OUT] = {"probe", TO},
	  [IN] = {"", IN},
	  [OUT_IN] = {"probe", TO_IN},
	  [TO] = {"", TO},
	  [TO_IN] = {"", TO_IN},
	  [FROM] = {"", FROM},
	  [FROM_OUT] = {"probe", BOTH},
	  [BOTH] = {"", BOTH}}},
	/* A.3.4 */
	{"inbound unsubscribed",
	 {[NONE] = {"", NONE},
	  [OUT] = {"", NONE},
	  [IN] = {"", IN},
	  [OUT_IN] = {"", IN},
	  [TO] = {"", NONE},
	  [TO_IN] = {"", IN},
	  [FROM] = {"", FROM},
	  [FROM_OUT] = {"", FROM},
	  [BOTH] = {"", FROM}}},
	/* A.2.1: the user has added the contact. What is pending is asked
	 * again, at most once a day. */
	{"outbound subscribe",
	 {[NONE] = {"subscribe", OUT},
	  [OUT] = {"subscribe", OUT},
	  [IN] = {"subscribe", OUT_IN},
	  [OUT_IN] = {"subscribe", OUT_IN},
	  [TO] = {"probe", TO},
	  [TO_IN] = {"probe", TO_IN},
	  [FROM] = {"subscribe", FROM_OUT},
	  [FROM_OUT] = {"subscribe", FROM_OUT},
	  [BOTH] = {"probe", BOTH}}},
	/* A.2.2 */
	{"outbound unsubscribe",
	 {[NONE] = {"", NONE},
	  [OUT] = {"unsubscribe", NONE},
	  [IN] = {"", IN},
	  [OUT_IN] = {"unsubscribe", IN},
	  [TO] = {"unsubscribe", NONE},
	  [TO_IN] = {"unsubscribe", IN},
	  [FROM] = {"", FROM},
	  [FROM_OUT] = {"unsubscribe", FROM},
	  [BOTH] = {"unsubscribe", FROM}}},
	/* A.2.3: Lync has accepted. There is no pre-approval. */
	{"outbound subscribed",
	 {[NONE] = {"", NONE},
	  [OUT] = {"", OUT},
	  [IN] = {"subscribed", FROM},
	  [OUT_IN] = {"subscribed", FROM_OUT},
	  [TO] = {"", TO},
	  [TO_IN] = {"subscribed", BOTH},
	  [FROM] = {"", FROM},
	  [FROM_OUT] = {"", FROM_OUT},
	  [BOTH] = {"", BOTH}}},
	/* A.2.4: Lync has refused. */
	{"outbound unsubscribed",
	 {[NONE] = {"", NONE},
	  [OUT] = {"", OUT},
	  [IN] = {"unsubscribed", NONE},
	  [OUT_IN] = {"unsubscribed", OUT},
	  [TO] = {"", TO},
	  [TO_IN] = {"unsubscribed", TO},
	  [FROM] = {"unsubscribed", NONE},
	  [FROM_OUT] = {"unsubscribed", OUT},
	  [BOTH] = {"unsubscribed", TO}}},
};

static const char *happen(struct ros *g, size_t event)
{
	switch (event) {
	case 0:
		return ros_stanza(g, LG_P_SUBSCRIBE);
	case 1:
		return ros_stanza(g, LG_P_UNSUBSCRIBE);
	case 2:
		return ros_stanza(g, LG_P_SUBSCRIBED);
	case 3:
		return ros_stanza(g, LG_P_UNSUBSCRIBED);
	case 4:
		return ros_subscribe(g, 7, true);
	case 5:
		g->words[0] = '\0';
		lg_roster_end(g->r, sb_str_of(g->contact), sb_str_of(g->user),
			      false, true);
		return ros_drain(g);
	case 6:
		return ros_watch(g, SB_WATCH_ACTIVE, 200);
	default:
		return ros_watch(g, SB_WATCH_REFUSED, 404);
	}
}

/* Without what is for the bridge, and without "show", which other tests
 * see to. */
static const char *stanzas(const char *words)
{
	static char out[512];
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", words);
	out[0] = '\0';
	for (char *save, *w = strtok_r(copy, " ", &save); w;
	     w = strtok_r(NULL, " ", &save)) {
		if (strncmp(w, "show=", 5) == 0 ||
		    strncmp(w, "tell=", 5) == 0 ||
		    strncmp(w, "answer=", 7) == 0 || !strcmp(w, "watch") ||
		    !strcmp(w, "unwatch"))
			continue;
		if (out[0])
			strcat(out, " ");
		strcat(out, w);
	}
	return out;
}

/* "denied" is "none" that remembers. */
static void check_state(struct ros *g, int want)
{
	char got[3] = "--";

	if (ros_record(g)[0])
		memcpy(got, ros_record(g), 2);
	if (got[1] == 'd')
		got[1] = '-';
	CHECK_STR(got, states[want].record);
}

TEST(roster_rows)
{
	char record[LG_RECORD_MAX], note[80];
	struct ros g;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (int i = 0; i < STATES; i++) {
			REQUIRE(ros_init(&g));
			snprintf(note, sizeof(note), "%s, %s", tables[t].event,
				 states[i].name);
			test_note(note);
			snprintf(record, sizeof(record), "%s 0 0",
				 states[i].record);
			if (i != NONE)
				CHECK_STR(ros_load(&g, record),
					  states[i].record[0] == '-' ? ""
								     : "watch");
			CHECK_STR(stanzas(happen(&g, t)),
				  tables[t].rows[i].said);
			check_state(&g, tables[t].rows[i].next);
			/* And it is what a restart finds. */
			ros_restart(&g);
			check_state(&g, tables[t].rows[i].next);
			test_note(NULL);
			ros_fini(&g);
		}
	}
}

/* A denial is remembered as long as the contact list has the contact. */
TEST(roster_rows_denied)
{
	struct ros g;

	REQUIRE(ros_init(&g));
	CHECK_STR(ros_subscribe(&g, 1, true),
		  "tell=offline answer=200 subscribe");
	CHECK_STR(ros_stanza(&g, LG_P_UNSUBSCRIBED), "");
	CHECK_STR(ros_unsubscribed(&g, "unsubscribed"), "");
	ros_after(&g, 2 * RIG_DAY);
	CHECK_STR(ros_subscribe(&g, 2, false), "tell=offline answer=200");
	/* Not an answer to anything that was asked. */
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "");
	CHECK_STR(ros_subscribe(&g, 0, true), "subscribe");
	CHECK_STR(ros_subscribe(&g, 0, true), "");
	CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBED), "probe");
	ros_fini(&g);
}
