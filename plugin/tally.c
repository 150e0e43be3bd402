/*
 * tally.c: counts of delivered messages.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "tally.h"

static struct lg_tally_partner *partner_of(struct lg_tally *t, struct sb_str s)
{
	struct lg_tally_partner *p;

	/* The last one first: messages come in rows. */
	for (size_t i = t->partners; i-- > 0;) {
		p = &t->partner[i];
		if (p->n == s.n && memcmp(p->domain, s.p, s.n) == 0)
			return p;
	}
	if (t->partners == LG_TALLY_PARTNERS || !s.n || s.n > LG_DOMAIN_MAX)
		return NULL;
	p = &t->partner[t->partners++];
	memcpy(p->domain, s.p, s.n);
	p->n = (uint8_t)s.n;
	p->count = 0;
	return p;
}

bool lg_tally_add(struct lg_tally *t, struct sb_str partner, double seconds)
{
	struct lg_tally_partner *p = partner_of(t, partner);
	size_t i = 0;

	if (!p)
		return false;
	p->count++;
	while (i < t->buckets && seconds > t->threshold[i])
		i++;
	t->taken[i]++;
	t->sum += seconds;
	return true;
}

void lg_tally_clear(struct lg_tally *t)
{
	memset(t->taken, 0, sizeof(t->taken));
	t->sum = 0;
	t->partners = 0;
}
