/*
 * partner.c: the federated XMPP domains: an allow list.
 * SPDX-License-Identifier: MIT
 */
#include "partner.h"

#include <stdlib.h>

#include "domain.h"

const char *const lg_partner_type_names[] = {"federated", "public_verified",
					     "public_unverified", NULL};

int lg_partners_init(struct lg_partners *p, struct lg_arena *a, size_t n)
{
	struct lg_partners fresh = {0};

	if (n > UINT32_MAX)
		return LG_ENOMEM;
	fresh.v = lg_arena_array(a, n + 1, sizeof(fresh.v[0]));
	if (!fresh.v)
		return LG_ENOMEM;
	fresh.cap = n;
	*p = fresh;
	return LG_OK;
}

int lg_partners_claim(uint32_t *other, struct lg_partners *p,
		      struct lg_arena *a, struct sb_str domain,
		      uint32_t owner)
{
	if (lg_map_get(other, &p->by_domain, domain))
		return LG_ECLAIMED;
	return lg_map_set(&p->by_domain, a, domain, owner);
}

static int by_name(const void *a, const void *b)
{
	const struct lg_partner *const *x = a, *const *y = b;

	/* The arena ends each string with NUL. */
	return strcmp((*x)->domain.p, (*y)->domain.p);
}

int lg_partners_sort(struct lg_partners *p, struct lg_arena *a)
{
	uint32_t owner = 0;
	size_t i;

	p->sorted = lg_arena_array(a, p->n + 1, sizeof(p->sorted[0]));
	if (!p->sorted)
		return LG_ENOMEM;
	for (i = 0; i < p->n; i++) {
		if (lg_map_get(&owner, &p->by_domain, p->v[i].ascii) &&
		    owner == i)
			p->sorted[p->sorted_n++] = &p->v[i];
	}
	qsort(p->sorted, p->sorted_n, sizeof(p->sorted[0]), by_name);
	return LG_OK;
}

const struct lg_partner *lg_partners_find(const struct lg_partners *p,
					  struct sb_str domain)
{
	char buf[LG_DOMAIN_MAX];
	struct sb_str ascii;
	uint32_t i;

	if (lg_domain_ascii(&ascii, buf, domain))
		return NULL;
	return lg_map_get(&i, &p->by_domain, ascii) ? &p->v[i] : NULL;
}

bool lg_partner_verified(const struct lg_partner *p)
{
	return p->type == LG_FEDERATED || p->type == LG_PUBLIC_VERIFIED;
}
