/*
 * bench.c: what one call costs; see bench.h.
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNTED __attribute__((visibility("default")))

/* glibc's own, beside the names that a program may replace. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

/* volatile: the compiler knows malloc and thinks that it changes nothing. */
static volatile uint64_t allocations;
static volatile unsigned sink;

COUNTED void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

COUNTED void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

COUNTED void *realloc(void *p, size_t size)
{
	allocations++;
	return __libc_realloc(p, size);
}

COUNTED void free(void *p)
{
	allocations++;
	__libc_free(p);
}

uint64_t bench_allocations(void)
{
	return allocations;
}

bool bench_counts(void)
{
	uint64_t before = allocations;
	char *volatile copy = strdup("x"); /* calls malloc in libc.so */

	free(copy);
	return allocations == before + 2;
}

/* splitmix64 */
uint64_t bench_random(void)
{
	static uint64_t state;
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t time_of(const struct bench_case *c, size_t n,
			const void *world)
{
	uint64_t start = bench_now();

	sink += c->run(world, n);
	return bench_now() - start;
}

/* Find how many calls make a round; warms everything up as well. */
static void calibrate(struct bench_case *c, const void *world)
{
	uint64_t ns = 0;

	for (c->n = 64; ns < BENCH_ROUND_NS / 8; c->n *= 2)
		ns = time_of(c, c->n, world);
	c->n = (size_t)((double)c->n / 2 * BENCH_ROUND_NS / (double)ns) + 1;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void bench_measure(struct bench_case *c, size_t n, const void *world)
{
	uint64_t before;
	size_t i, r;

	for (i = 0; i < n; i++)
		calibrate(&c[i], world);
	for (r = 0; r < BENCH_ROUNDS; r++) {
		for (i = 0; i < n; i++) {
			before = allocations;
			/* The case before has left other things in the
			 * caches. */
			sink += c[i].run(world, c[i].n / 2 + 1);
			c[i].round[r] = (double)time_of(&c[i], c[i].n, world) /
					(double)c[i].n;
			c[i].allocations += allocations - before;
		}
	}
	for (i = 0; i < n; i++) {
		qsort(c[i].round, BENCH_ROUNDS, sizeof(c[i].round[0]),
		      by_size);
		c[i].ns = c[i].round[BENCH_ROUNDS / 2];
	}
}
