/*
 * table.h: a hash table of things that carry their own link.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: find by key in O(1) although peers choose the keys: the hash is
 *          SipHash-1-3 under a random key.
 * Shape:   struct sb_link is a member of what is found; chains; the array of
 *          chains doubles as it fills. When that fails for want of memory the
 *          chains grow longer, and nothing else happens.
 * Owner:   the table owns its array only.
 */
#ifndef SB_TABLE_H
#define SB_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct sb_link {
	struct sb_link *next;
	uint64_t hash;
};

struct sb_table {
	struct sb_link **chain;
	size_t mask; /* chains - 1 */
	size_t n;    /* links */
};

struct sb_hash_key {
	uint64_t k[2];
};

/* Errors: SB_ENOMEM. */
int sb_table_init(struct sb_table *t);
void sb_table_fini(struct sb_table *t);

void sb_table_add(struct sb_table *t, struct sb_link *l, uint64_t hash);
void sb_table_remove(struct sb_table *t, struct sb_link *l);

/* Give back what many links have left behind; not while walking over it. */
void sb_table_trim(struct sb_table *t);
size_t sb_table_bytes(const struct sb_table *t); /* of the array */

/* First link of that hash, and the next one after l; NULL at the end. The
 * caller compares the key. */
struct sb_link *sb_table_find(const struct sb_table *t, uint64_t hash);
struct sb_link *sb_table_again(const struct sb_link *l);

/* SipHash-1-3 of n bytes; and of a number. */
uint64_t sb_hash(const struct sb_hash_key *k, const void *p, size_t n);
uint64_t sb_hash_u64(const struct sb_hash_key *k, uint64_t v);

#endif
