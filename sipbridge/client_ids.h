/*
 * client_ids.h: the set of messages that have no outcome yet.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  hash set of ids > 0, handed out in ascending order; 8 bytes per
 *         slot, at most half full; empty it holds no memory.
 * Limits: SB_INFLIGHT_MAX, then SB_EFULL.
 * Thread: the caller's.
 */
#ifndef SB_CLIENT_IDS_H
#define SB_CLIENT_IDS_H

#include "sipbridge.h"

/* Zero it to begin. */
struct sb_ids {
	uint64_t *slot; /* 0: free */
	size_t cap;	/* power of two, or 0 */
	size_t n;
	size_t strays; /* of n: not where they belong */
};

/* SB_OK, SB_EFULL, SB_ENOMEM. The id is not in the set yet. */
int sb_ids_add(struct sb_ids *s, uint64_t id);

/* Was it there? */
bool sb_ids_remove(struct sb_ids *s, uint64_t id);

/* Takes all ids out, ascending, without needing memory: *list, which the
 * caller frees, may be NULL when the result is 0. */
size_t sb_ids_take_all(uint64_t **list, struct sb_ids *s);

void sb_ids_fini(struct sb_ids *s);

#endif
