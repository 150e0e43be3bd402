/*
 * oom.h: memory that runs out at a place of one's choice.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  in this program the project's own code, not the tests', allocates
 *         through oom.c (the Makefile renames malloc and its kin in copies of
 *         the archives), and so does libxml2, whose allocations never fail.
 *         What has been allocated and not freed is counted.
 */
#ifndef OOM_H
#define OOM_H

#include <stdbool.h>
#include <stddef.h>

/* The allocation after the next skip fails; and all after it, with forever. */
void oom_fail(long skip, bool forever);
/* From now on there is memory. Did any allocation fail? */
bool oom_pass(void);
bool oom_failed(void);
/* Meanwhile nothing fails: for what the test itself needs. */
void oom_pause(bool on);
/* Allocated and not freed. */
size_t oom_live(void);
/* Bytes that libxml2 had at once at most, since the last call. */
size_t oom_most(void);

/*
 * run(arg), in which first the first allocation fails, then the second and so
 * on, until none has failed; alone, then with all after it. Each time all that
 * was allocated must be freed again (a check). run asks oom_failed() what to
 * expect, and calls oom_pass() before what must not fail. Returns how often
 * memory was short.
 */
size_t oom_sweep(void (*run)(void *arg), void *arg);

#endif
