/*
 * table.c: hash table with links in the things, SipHash-1-3.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "sipbridge.h"
#include "table.h"

enum { FIRST = 64 }; /* chains at the start; a power of two */

int sb_table_init(struct sb_table *t)
{
	struct sb_link **chain = calloc(FIRST, sizeof(struct sb_link *));

	if (!chain)
		return SB_ENOMEM;
	t->chain = chain;
	t->mask = FIRST - 1;
	t->n = 0;
	return SB_OK;
}

void sb_table_fini(struct sb_table *t)
{
	free(t->chain);
	t->chain = NULL;
}

static void resize(struct sb_table *t, size_t mask)
{
	struct sb_link **chain = calloc(mask + 1, sizeof(struct sb_link *));

	if (!chain)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		struct sb_link *l;

		while ((l = t->chain[i])) {
			t->chain[i] = l->next;
			l->next = chain[l->hash & mask];
			chain[l->hash & mask] = l;
		}
	}
	free(t->chain);
	t->chain = chain;
	t->mask = mask;
}

void sb_table_add(struct sb_table *t, struct sb_link *l, uint64_t hash)
{
	if (t->n > t->mask)
		resize(t, t->mask * 2 + 1);
	l->hash = hash;
	l->next = t->chain[hash & t->mask];
	t->chain[hash & t->mask] = l;
	t->n++;
}

void sb_table_remove(struct sb_table *t, struct sb_link *l)
{
	struct sb_link **at = &t->chain[l->hash & t->mask];

	while (*at && *at != l)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = l->next;
	l->next = NULL;
	t->n--;
}

void sb_table_trim(struct sb_table *t)
{
	size_t mask = t->mask;

	while (mask >= FIRST && t->n <= mask / 4)
		mask /= 2;
	if (mask < t->mask / 2 || (!t->n && mask < t->mask))
		resize(t, mask);
}

size_t sb_table_bytes(const struct sb_table *t)
{
	return (t->mask + 1) * sizeof(struct sb_link *);
}

struct sb_link *sb_table_find(const struct sb_table *t, uint64_t hash)
{
	struct sb_link *l = t->chain[hash & t->mask];

	while (l && l->hash != hash)
		l = l->next;
	return l;
}

struct sb_link *sb_table_again(const struct sb_link *l)
{
	uint64_t hash = l->hash;

	do
		l = l->next;
	while (l && l->hash != hash);
	return (struct sb_link *)l;
}

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t w)
{
	v[3] ^= w;
	sip_round(v);
	v[0] ^= w;
}

uint64_t sb_hash(const struct sb_hash_key *k, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t v[4] = {
		k->k[0] ^ UINT64_C(0x736f6d6570736575),
		k->k[1] ^ UINT64_C(0x646f72616e646f6d),
		k->k[0] ^ UINT64_C(0x6c7967656e657261),
		k->k[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t last = (uint64_t)n << 56, w;
	size_t i;

	for (i = 0; n - i >= 8; i += 8) {
		memcpy(&w, b + i, 8);
		sip_word(v, w);
	}
	for (int shift = 0; i < n; i++, shift += 8)
		last |= (uint64_t)b[i] << shift;
	sip_word(v, last);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t sb_hash_u64(const struct sb_hash_key *k, uint64_t n)
{
	return sb_hash(k, &n, sizeof(n));
}
