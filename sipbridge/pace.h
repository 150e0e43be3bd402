/*
 * pace.h: token bucket in front of one Access Edge.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: an Edge throttles a discovered partner above 20 requests/s; who is
 *          paced stays below, in order, instead of being dropped.
 * Shape:   24 bytes, no allocation; time is passed in.
 * Units:   rate in requests per second, burst in requests, now_ms monotonic.
 * Errors:  none. rate 0 means unlimited.
 */
#ifndef SB_PACE_H
#define SB_PACE_H

#include <stdint.h>

struct sb_pace {
	uint32_t rate;	   /* requests per second, 0: unlimited */
	uint32_t burst;	   /* at most so many at once */
	uint64_t filled;   /* thousandths of a request in the bucket */
	uint64_t last_ms;
};

/* Starts full. burst 0 becomes rate. */
void sb_pace_init(struct sb_pace *p, uint32_t rate, uint32_t burst,
		  uint64_t now_ms);

/* Take one. 0: go; else milliseconds until there may be one again. A clock
 * that goes back counts as no time passed. */
uint32_t sb_pace_take(struct sb_pace *p, uint64_t now_ms);

#endif
