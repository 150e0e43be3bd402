/*
 * wheel.h: timers by the hundred thousand: set, cleared and fired in O(1).
 * SPDX-License-Identifier: MIT
 *
 * Purpose: a hierarchical timer wheel (Varghese and Lauck, 1987): five levels
 *          of 64 slots of 1 ms, 64 ms, 4 s, 4 min and 5 h.
 * Shape:   struct sb_timer is a member of what it belongs to; the wheel
 *          allocates nothing; 24 bytes. kind tells the owner which struct it
 *          sits in.
 * Units:   milliseconds of the caller's monotonic clock. A timer fires at the
 *          first sb_wheel_pop() with now >= due, never before.
 * Owner:   the caller's memory; clear a timer before its memory goes.
 */
#ifndef SB_WHEEL_H
#define SB_WHEEL_H

#include <stdint.h>

struct sb_timer {
	struct sb_timer *next, **at; /* at NULL: not set */
	uint64_t due : 48; /* eight thousand years */
	uint64_t kind : 4;
	uint64_t slot : 12; /* level * 64 + slot, or SB_WHEEL_EXPIRED */
};

enum {
	SB_WHEEL_LEVELS = 5,
	SB_WHEEL_SLOTS = 64,
	SB_WHEEL_EXPIRED = 4095,
};

struct sb_wheel {
	uint64_t now;
	uint64_t used[SB_WHEEL_LEVELS]; /* bit: the slot holds a timer */
	struct sb_timer *slot[SB_WHEEL_LEVELS][SB_WHEEL_SLOTS];
	struct sb_timer *expired, **expired_end;
};

void sb_wheel_init(struct sb_wheel *w);

/* Set (or move) a zeroed or known timer to fire at due. */
void sb_wheel_set(struct sb_wheel *w, struct sb_timer *t, uint64_t due);

/* Nothing when it is not set. */
void sb_wheel_clear(struct sb_wheel *w, struct sb_timer *t);

/* Take one timer that is due, cleared; NULL when there is none. */
struct sb_timer *sb_wheel_pop(struct sb_wheel *w, uint64_t now);

/* Milliseconds until the next pop is worth while (maybe too early, never too
 * late), at most max. */
uint32_t sb_wheel_wait(const struct sb_wheel *w, uint64_t now, uint32_t max);

#endif
