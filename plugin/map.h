/*
 * map.h: from text to a small number.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  open addressing, at most half full; grows by two in an arena. A
 *         zeroed struct is an empty map. Keys are the administrator's, never a
 *         peer's: a look-up cannot make it degenerate.
 * Owner:  keys are borrowed and live as long as the map; memory is the
 *         arena's.
 */
#ifndef LG_MAP_H
#define LG_MAP_H

#include <stdint.h>

#include "arena.h"

struct lg_map_slot {
	struct sb_str key; /* p == NULL: free */
	uint32_t value;
	uint32_t hash; /* of the key */
};

struct lg_map {
	struct lg_map_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t n;
};

/* Set key (p is not NULL) to value; LG_ENOMEM changes nothing. */
int lg_map_set(struct lg_map *m, struct lg_arena *a, struct sb_str key,
	       uint32_t value);

/* True and *value if key is there. Allocates nothing. */
bool lg_map_get(uint32_t *value, const struct lg_map *m, struct sb_str key);

#endif
