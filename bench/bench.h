/*
 * bench.h: what one call costs.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: a program of bench/ measures and prints lines
 *
 *		KEY VALUE UNIT [TARGET]
 *
 *          ("policy_ns 84.1 ns <=200"), or "# a remark"; bench/run collects
 *          them. Another benchmark is another file with main() here, or a
 *          bench_*.lua; the Makefile finds both.
 * Shape:   cases take turns: a round of each, then the next round of each, so
 *          that what disturbs the machine disturbs all. The time is the
 *          thread's own on the processor; a case's figure is the median of
 *          its rounds.
 *          malloc, calloc, realloc and free of the whole process are counted,
 *          also those that the C library calls itself.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS 9
#define BENCH_ROUND_NS 20000000 /* about; of each case */

/* n calls. The result depends on those of all calls, so that no compiler
 * leaves one out. */
typedef unsigned bench_fn(const void *world, size_t n);

struct bench_case {
	const char *key;
	bench_fn *run;
	/* Filled by bench_measure: */
	size_t n; /* calls in a round */
	double round[BENCH_ROUNDS];
	double ns; /* of one call */
	uint64_t allocations; /* of all rounds */
};

void bench_measure(struct bench_case *c, size_t n, const void *world);

/* Calls of malloc, calloc, realloc and free so far. */
uint64_t bench_allocations(void);

/* The above really counts. */
bool bench_counts(void);

/* A random number, the same ones in each run. */
uint64_t bench_random(void);

/* Time of the thread in nanoseconds. */
uint64_t bench_now(void);

#endif
