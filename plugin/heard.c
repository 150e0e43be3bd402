/*
 * heard.c: conversations that have just been heard of.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "heard.h"

bool lg_heard_again(struct lg_heard *h, uint64_t epoch, struct sb_str user,
		    struct sb_str contact, bool state)
{
	struct sb_hash_key key = h->key;
	uint64_t hash, *slot;

	if (h->epoch != epoch) {
		memset(h->slot, 0, sizeof(h->slot));
		h->epoch = epoch;
	}
	key.k[0] ^= sb_hash(&h->key, user.p, user.n);
	hash = sb_hash(&key, contact.p, contact.n);
	slot = &h->slot[hash % LG_HEARD_SLOTS];
	hash = (hash | 3) ^ state; /* never 0, which is an empty slot */
	if (*slot == hash)
		return true;
	*slot = hash;
	return false;
}
