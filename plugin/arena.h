/*
 * arena.h: memory that is given back all at once.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  blocks from malloc; allocations are zeroed and aligned for any type.
 *         A zeroed struct is an empty arena.
 * Owner:  everything handed out lives until lg_arena_fini.
 * Errors: NULL when memory is out; what was handed out before stays valid.
 */
#ifndef LG_ARENA_H
#define LG_ARENA_H

#include "../sipbridge/str.h"

struct lg_arena_block;

struct lg_arena {
	struct lg_arena_block *head;
	size_t used; /* bytes of the head */
};

void *lg_arena_alloc(struct lg_arena *a, size_t size);

/* n elements of size bytes; NULL also when that overflows. */
void *lg_arena_array(struct lg_arena *a, size_t n, size_t size);

/* A copy of s that ends with NUL (not counted); SB_NOSTR when memory is out,
 * p is set for an empty s too. */
struct sb_str lg_arena_dup(struct lg_arena *a, struct sb_str s);

const char *lg_arena_printf(struct lg_arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void lg_arena_fini(struct lg_arena *a);

#endif
