/*
 * wheel.c: hierarchical timer wheel.
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>

#include "wheel.h"

enum { BITS = 6, MASK = SB_WHEEL_SLOTS - 1 };

#define DUE_MASK ((UINT64_C(1) << 48) - 1)

void sb_wheel_init(struct sb_wheel *w)
{
	*w = (struct sb_wheel){.now = 0};
	w->expired_end = &w->expired;
}

/* The level whose slots tell due from now: that of the highest digit (base 64)
 * in which they differ. What is farther than the wheel's turn waits on the top
 * level and is sorted again when its slot comes round. */
static int level_of(uint64_t now, uint64_t due)
{
	int level = (63 - __builtin_clzll(now ^ due)) / BITS;

	return level < SB_WHEEL_LEVELS ? level : SB_WHEEL_LEVELS - 1;
}

static void link_at(struct sb_timer **at, struct sb_timer *t)
{
	t->next = *at;
	if (t->next)
		t->next->at = &t->next;
	t->at = at;
	*at = t;
}

static void insert(struct sb_wheel *w, struct sb_timer *t)
{
	int level, slot;

	if (t->due <= w->now) {
		t->slot = SB_WHEEL_EXPIRED;
		link_at(w->expired_end, t);
		w->expired_end = &t->next;
		return;
	}
	level = level_of(w->now, t->due);
	slot = (int)((uint64_t)t->due >> (BITS * level)) & MASK;
	t->slot = (unsigned)(level * SB_WHEEL_SLOTS + slot) & 4095u;
	link_at(&w->slot[level][slot], t);
	w->used[level] |= UINT64_C(1) << slot;
}

void sb_wheel_clear(struct sb_wheel *w, struct sb_timer *t)
{
	int level, slot;

	if (!t->at)
		return;
	if (w->expired_end == &t->next)
		w->expired_end = t->at;
	*t->at = t->next;
	if (t->next)
		t->next->at = t->at;
	t->at = NULL;
	t->next = NULL;
	if (t->slot == SB_WHEEL_EXPIRED)
		return;
	level = (int)t->slot / SB_WHEEL_SLOTS;
	slot = (int)t->slot & MASK;
	if (!w->slot[level][slot])
		w->used[level] &= ~(UINT64_C(1) << slot);
}

void sb_wheel_set(struct sb_wheel *w, struct sb_timer *t, uint64_t due)
{
	sb_wheel_clear(w, t);
	t->due = due & DUE_MASK;
	insert(w, t);
}

static uint64_t rotate_right(uint64_t x, unsigned n)
{
	n &= MASK;
	return n ? x >> n | x << (SB_WHEEL_SLOTS - n) : x;
}

/* Slots of a level that the clock passes on its way, as bits. */
static uint64_t passed(uint64_t from, uint64_t to)
{
	uint64_t n = to - from;

	if (n >= SB_WHEEL_SLOTS)
		return ~UINT64_C(0);
	/* n bits, the first of them for slot from + 1 */
	return rotate_right((UINT64_C(1) << n) - 1,
			    SB_WHEEL_SLOTS - (unsigned)((from + 1) & MASK));
}

static void advance(struct sb_wheel *w, uint64_t now)
{
	struct sb_timer *todo = NULL;
	uint64_t was = w->now;

	if (now <= was)
		return;
	for (int level = 0; level < SB_WHEEL_LEVELS; level++) {
		uint64_t from = was >> (BITS * level);
		uint64_t to = now >> (BITS * level);
		uint64_t hit = passed(from, to) & w->used[level];

		if (from == to)
			break;
		w->used[level] &= ~hit;
		for (; hit; hit &= hit - 1) {
			struct sb_timer **s =
				&w->slot[level][__builtin_ctzll(hit)];
			struct sb_timer *t;

			while ((t = *s)) {
				*s = t->next;
				t->next = todo;
				todo = t;
			}
		}
	}
	w->now = now;
	while (todo) {
		struct sb_timer *t = todo;

		todo = t->next;
		insert(w, t);
	}
}

struct sb_timer *sb_wheel_pop(struct sb_wheel *w, uint64_t now)
{
	struct sb_timer *t;

	advance(w, now);
	t = w->expired;
	if (t)
		sb_wheel_clear(w, t);
	return t;
}

uint32_t sb_wheel_wait(const struct sb_wheel *w, uint64_t now, uint32_t max)
{
	uint64_t best = now + max;

	if (w->expired)
		return 0;
	for (int level = 0; level < SB_WHEEL_LEVELS; level++) {
		uint64_t at = w->now >> (BITS * level);
		uint64_t used = w->used[level];
		uint64_t due;

		if (!used)
			continue;
		/* bit 0: the slot after the current one */
		used = rotate_right(used, (unsigned)((at + 1) & MASK));
		due = (at + 1 + (uint64_t)__builtin_ctzll(used))
		      << (BITS * level);
		if (due < best)
			best = due;
	}
	return best > now ? (uint32_t)(best - now) : 0;
}
