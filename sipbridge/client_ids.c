/*
 * client_ids.c: open addressing with linear probing and backward shift.
 * SPDX-License-Identifier: MIT
 *
 * The ids are our own and ascend by one, so an id is its own hash: neighbours
 * do not collide before the table has wrapped. Then they lie in long runs, but
 * each in its own place: nothing has to be pulled back when one goes.
 */
#include <stdlib.h>

#include "client_ids.h"

enum { CAP_FIRST = 64 };

/* Is it elsewhere than it belongs? */
static bool insert(uint64_t *slot, size_t cap, uint64_t id)
{
	size_t home = (size_t)id & (cap - 1), i = home;

	while (slot[i])
		i = (i + 1) & (cap - 1);
	slot[i] = id;
	return i != home;
}

static int grow(struct sb_ids *s)
{
	size_t cap = s->cap ? s->cap * 2 : CAP_FIRST;
	uint64_t *slot = calloc(cap, sizeof(*slot));

	if (!slot)
		return SB_ENOMEM;
	s->strays = 0;
	for (size_t i = 0; i < s->cap; i++) {
		if (s->slot[i])
			s->strays += insert(slot, cap, s->slot[i]);
	}
	free(s->slot);
	s->slot = slot;
	s->cap = cap;
	return SB_OK;
}

int sb_ids_add(struct sb_ids *s, uint64_t id)
{
	if (s->n >= SB_INFLIGHT_MAX)
		return SB_EFULL;
	if (s->n >= s->cap / 2) {
		int r = grow(s);

		if (r != SB_OK)
			return r;
	}
	s->strays += insert(s->slot, s->cap, id);
	s->n++;
	return SB_OK;
}

bool sb_ids_remove(struct sb_ids *s, uint64_t id)
{
	size_t mask, i, j;

	if (id == 0 || s->n == 0)
		return false;
	mask = s->cap - 1;
	for (i = (size_t)id & mask; s->slot[i] != id; i = (i + 1) & mask) {
		if (!s->slot[i])
			return false;
	}
	s->strays -= i != ((size_t)id & mask);
	/* Pull back who would not be found over the hole. */
	for (j = (i + 1) & mask; s->strays && s->slot[j]; j = (j + 1) & mask) {
		size_t home = (size_t)s->slot[j] & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			s->slot[i] = s->slot[j];
			s->strays -= i == home;
			i = j;
		}
	}
	s->slot[i] = 0;
	s->n--;
	return true;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

size_t sb_ids_take_all(uint64_t **list, struct sb_ids *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->cap; i++) {
		if (s->slot[i])
			s->slot[n++] = s->slot[i];
	}
	if (n)
		qsort(s->slot, n, sizeof(*s->slot), ascending);
	*list = s->slot;
	*s = (struct sb_ids){.slot = NULL};
	return n;
}

void sb_ids_fini(struct sb_ids *s)
{
	free(s->slot);
	*s = (struct sb_ids){.slot = NULL};
}
