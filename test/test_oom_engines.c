/*
 * test_oom_engines.c: each scenario of both engines, with each of its
 * allocations failing: every message still has one outcome, every request one
 * response, and nothing is left.
 * SPDX-License-Identifier: MIT
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "oom.h"
#include "scenario.h"
#include "test.h"

static const char *path;
static enum scenario_end way;
static char note[8192];

/* The engine is made: from here on memory may be short; and there again. */
static void begin(void *arg)
{
	const long *k = arg;

	oom_fail(k[0], k[1] != 0);
}

static void end(void *arg)
{
	(void)arg;
	oom_pass();
}

static bool holds(long k, bool forever)
{
	long how[2] = {k, forever};
	size_t live = oom_live();
	char why[4096];
	int err = scenario_hold(path, way, begin, end, how, why, sizeof(why));

	if (err || oom_live() != live)
		snprintf(note, sizeof(note), "%s: allocation %ld%s: %s", path,
			 k, forever ? " and all after it" : "",
			 err ? why : "something is not freed");
	test_note(err || oom_live() != live ? note : NULL);
	CHECK_INT(err, 0);
	CHECK_INT(oom_live(), live);
	test_note(NULL);
	return oom_failed();
}

static size_t each_allocation(void)
{
	size_t n = 0;

	for (int forever = 0; forever < 2; forever++)
		for (long k = 0; holds(k, forever) && k < 100000; k++)
			n++;
	return n;
}

static void all_scenarios(enum scenario_end how)
{
	const char *dir = getenv("LG_SCENARIOS");
	char pattern[512];
	size_t n = 0;
	glob_t g;

	way = how;
	snprintf(pattern, sizeof(pattern), "%s/*.scn",
		 dir ? dir : "spec/scenarios");
	REQUIRE(glob(pattern, 0, NULL, &g) == 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		path = g.gl_pathv[i];
		n += each_allocation();
	}
	CHECK(n > 10 * g.gl_pathc); /* memory was short indeed */
	globfree(&g);
}

TEST(oom_engines_then_idle)
{
	all_scenarios(SCENARIO_IDLE);
}

TEST(oom_engines_then_shutdown)
{
	all_scenarios(SCENARIO_SHUTDOWN);
}
