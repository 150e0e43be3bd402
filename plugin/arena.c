/*
 * arena.c: memory that is given back all at once.
 * SPDX-License-Identifier: MIT
 */
#include "arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK 16384 /* bytes of a usual block */

struct lg_arena_block {
	struct lg_arena_block *next;
	size_t size;
	max_align_t data[];
};

static struct lg_arena_block *add_block(struct lg_arena *a, size_t size)
{
	struct lg_arena_block *b;

	b = calloc(1, sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	b->next = a->head;
	a->head = b;
	a->used = 0;
	return b;
}

void *lg_arena_alloc(struct lg_arena *a, size_t size)
{
	const size_t unit = sizeof(max_align_t);
	char *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + unit - 1) / unit * unit;
	if (!a->head || a->head->size - a->used < size) {
		if (!add_block(a, size > BLOCK ? size : BLOCK))
			return NULL;
	}
	p = (char *)a->head->data + a->used;
	a->used += size;
	return p;
}

void *lg_arena_array(struct lg_arena *a, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / 2 / size)
		return NULL;
	return lg_arena_alloc(a, n * size);
}

struct sb_str lg_arena_dup(struct lg_arena *a, struct sb_str s)
{
	char *p = s.n < SIZE_MAX ? lg_arena_alloc(a, s.n + 1) : NULL;

	if (!p)
		return SB_NOSTR;
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct sb_str){p, s.n};
}

const char *lg_arena_printf(struct lg_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		p = lg_arena_alloc(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

void lg_arena_fini(struct lg_arena *a)
{
	struct lg_arena_block *b;

	while (a->head) {
		b = a->head;
		a->head = b->next;
		free(b);
	}
	a->used = 0;
}
