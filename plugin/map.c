/*
 * map.c: from text to a small number.
 * SPDX-License-Identifier: MIT
 */
#include "map.h"

#include "error.h"

/* FNV-1a; the upper half is folded in because the index is the lower bits. */
static uint32_t hash(struct sb_str s)
{
	uint64_t h = 14695981039346656037u;
	size_t i;

	for (i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32);
}

/* The key's slot, or the one that it would take. h: its hash. */
static struct lg_map_slot *slot_of(const struct lg_map *m, struct sb_str key,
				   uint32_t h)
{
	struct lg_map_slot *s = &m->slots[h & (m->size - 1)];

	while (s->key.p && (s->hash != h || !sb_str_eq(s->key, key)))
		s = s + 1 < m->slots + m->size ? s + 1 : m->slots;
	return s;
}

static int grow(struct lg_map *m, struct lg_arena *a)
{
	struct lg_map bigger = {NULL, m->size ? m->size * 2 : 16, m->n};
	const struct lg_map_slot *s;
	size_t i;

	bigger.slots = lg_arena_array(a, bigger.size, sizeof(bigger.slots[0]));
	if (!bigger.slots)
		return LG_ENOMEM;
	for (i = 0; i < m->size; i++) {
		s = &m->slots[i];
		if (s->key.p)
			*slot_of(&bigger, s->key, s->hash) = *s;
	}
	*m = bigger;
	return LG_OK;
}

int lg_map_set(struct lg_map *m, struct lg_arena *a, struct sb_str key,
	       uint32_t value)
{
	struct lg_map_slot *slot;
	uint32_t h = hash(key);

	if (m->n >= m->size / 2 && grow(m, a))
		return LG_ENOMEM;
	slot = slot_of(m, key, h);
	if (!slot->key.p) {
		slot->key = key;
		slot->hash = h;
		m->n++;
	}
	slot->value = value;
	return LG_OK;
}

bool lg_map_get(uint32_t *value, const struct lg_map *m, struct sb_str key)
{
	const struct lg_map_slot *slot;

	if (m->n == 0)
		return false;
	slot = slot_of(m, key, hash(key));
	if (!slot->key.p)
		return false;
	*value = slot->value;
	return true;
}
