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

#endif
