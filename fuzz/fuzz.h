/*
 * fuzz.h: what the targets share.
 * SPDX-License-Identifier: MIT
 *
 * A target is one function of bytes. libFuzzer calls it (make fuzz), and
 * replay.c with each file of its corpus (make check); so it keeps nothing
 * from one call to the next, and what must hold it says with need().
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../sipbridge/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Not assert(): it holds with NDEBUG too, and ends a replay's child alone. */
#define need(expr)                                                            \
	do {                                                                  \
		if (!(expr))                                                  \
			fuzz_broken(__FILE__, __LINE__, #expr);               \
	} while (0)

__attribute__((noreturn)) static inline void
fuzz_broken(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	abort();
}

/* Cut s at the first c; the rest is what stands behind it. */
static inline struct sb_str fuzz_cut(struct sb_str *s, char c)
{
	const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
	struct sb_str head = *s;

	if (!at) {
		*s = SB_NOSTR;
		return head;
	}
	head.n = (size_t)(at - s->p);
	*s = (struct sb_str){at + 1, s->n - head.n - 1};
	return head;
}

#endif
