/*
 * scenario.h: run a scenario file against the session engine.
 * SPDX-License-Identifier: MIT
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <stddef.h>

enum scenario_end { SCENARIO_IDLE, SCENARIO_SHUTDOWN, SCENARIO_FREE };

/* 0, or -1 and what went wrong with its line in why. */
int scenario_run(const char *path, enum scenario_end end, char *why, size_t n);

/*
 * As far as the engine says what the file expects: begin(arg) before the first
 * line, stop(arg) after the last; then the end. Only what must always hold is
 * asked for: see sim.h.
 */
int scenario_hold(const char *path, enum scenario_end end,
		  void (*begin)(void *arg), void (*stop)(void *arg), void *arg,
		  char *why, size_t n);

#endif
