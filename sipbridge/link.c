/*
 * link.c: is the Access Edge reachable, and when to try again.
 * SPDX-License-Identifier: MIT
 */
#include "link.h"

void sb_link_init(struct sb_link *l, uint32_t interval_ms, uint64_t now_ms)
{
	*l = (struct sb_link){
		.state = SB_LINK_UNKNOWN,
		.interval_ms = interval_ms,
		.next_ms = now_ms,
	};
}

bool sb_link_due(struct sb_link *l, uint64_t now_ms)
{
	if (l->probing || now_ms < l->next_ms)
		return false;
	if (l->state == SB_LINK_UP && l->interval_ms == 0)
		return false;
	l->probing = true;
	return true;
}

uint32_t sb_link_wait_ms(const struct sb_link *l, uint64_t now_ms)
{
	uint64_t wait;

	if (l->probing || (l->state == SB_LINK_UP && l->interval_ms == 0))
		return 60000;
	if (l->next_ms <= now_ms)
		return 0;
	wait = l->next_ms - now_ms;
	return wait > 60000 ? 60000 : (uint32_t)wait;
}

bool sb_link_heard(struct sb_link *l, bool probe, uint64_t now_ms)
{
	bool changed = l->state != SB_LINK_UP;

	if (probe)
		l->probing = false;
	l->state = SB_LINK_UP;
	l->failures = 0;
	l->next_ms = now_ms + l->interval_ms;
	return changed;
}

/* 0 after the first failure, then 0.5, 1, 2 … 60 s, each up to a quarter
 * longer so that several bridges do not knock together. */
static uint32_t backoff_ms(uint32_t failures, uint32_t jitter)
{
	uint32_t ms = SB_LINK_BACKOFF_MIN_MS, i;

	if (failures <= 1)
		return 0;
	for (i = 2; i < failures && ms < SB_LINK_BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > SB_LINK_BACKOFF_MAX_MS)
		ms = SB_LINK_BACKOFF_MAX_MS;
	return ms + jitter % (ms / 4 + 1);
}

bool sb_link_failed(struct sb_link *l, bool probe, uint32_t jitter,
		    uint64_t now_ms)
{
	bool changed = l->state != SB_LINK_DOWN;

	if (!probe) {
		if (l->state == SB_LINK_UP) {
			l->state = SB_LINK_UNKNOWN;
			l->next_ms = now_ms;
		}
		return false;
	}
	l->probing = false;
	l->state = SB_LINK_DOWN;
	if (l->failures < 32)
		l->failures++;
	l->next_ms = now_ms + backoff_ms(l->failures, jitter);
	return changed;
}
