/*
 * test_session_scenarios.c: all of spec/scenarios, each ended in three ways.
 * SPDX-License-Identifier: MIT
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"
#include "test.h"

enum { SCENARIOS_MIN = 40 }; /* a wrong directory must not pass */

static void run_all(enum scenario_end end)
{
	const char *dir = getenv("LG_SCENARIOS");
	char pattern[512], note[8192], why[4096];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/*.scn",
		 dir ? dir : "spec/scenarios");
	REQUIRE(glob(pattern, 0, NULL, &g) == 0);
	CHECK(dir || g.gl_pathc >= SCENARIOS_MIN);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		int err = scenario_run(g.gl_pathv[i], end, why, sizeof(why));

		if (err)
			snprintf(note, sizeof(note), "%s: %s", g.gl_pathv[i],
				 why);
		test_note(err ? note : NULL);
		CHECK(err == 0);
	}
	test_note(NULL);
	globfree(&g);
}

TEST(session_scenarios_end_idle)
{
	run_all(SCENARIO_IDLE);
}

TEST(session_scenarios_end_by_shutdown)
{
	run_all(SCENARIO_SHUTDOWN);
}

TEST(session_scenarios_end_at_once)
{
	run_all(SCENARIO_FREE);
}
