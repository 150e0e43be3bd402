/*
 * pace.c: token bucket in front of one Access Edge.
 * SPDX-License-Identifier: MIT
 */
#include "pace.h"

#define MILLI 1000u

void sb_pace_init(struct sb_pace *p, uint32_t rate, uint32_t burst,
		  uint64_t now_ms)
{
	p->rate = rate;
	p->burst = burst ? burst : rate;
	p->filled = (uint64_t)p->burst * MILLI;
	p->last_ms = now_ms;
}

uint32_t sb_pace_take(struct sb_pace *p, uint64_t now_ms)
{
	uint64_t full = (uint64_t)p->burst * MILLI, passed, missing;

	if (p->rate == 0)
		return 0;
	if (now_ms > p->last_ms) {
		passed = now_ms - p->last_ms;
		p->last_ms = now_ms;
		/* after that long it is full whatever it held */
		if (passed > full / p->rate)
			p->filled = full;
		else
			p->filled += passed * p->rate;
		if (p->filled > full)
			p->filled = full;
	}
	if (p->filled >= MILLI) {
		p->filled -= MILLI;
		return 0;
	}
	missing = MILLI - p->filled;
	return (uint32_t)((missing + p->rate - 1) / p->rate);
}
