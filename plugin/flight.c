/*
 * flight.c: messages given to the bridge that have no outcome yet.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "error.h"
#include "flight.h"

int lg_flights_init(struct lg_flights *f)
{
	return sb_table_init(&f->table) ? LG_ENOMEM : LG_OK;
}

void lg_flights_fini(struct lg_flights *f)
{
	const struct lg_flight *one;
	size_t at = 0;

	while ((one = lg_flights_next(f, &at)))
		free(lg_flights_take(f, one->link.hash));
	sb_table_fini(&f->table);
}

struct lg_flight *lg_flight_new(const struct sb_str text[LG_FLIGHT_TEXTS])
{
	struct lg_flight *f;
	size_t n = 0;
	char *to;

	for (int i = 0; i < LG_FLIGHT_TEXTS; i++)
		n += text[i].n;
	f = n <= UINT32_MAX ? malloc(sizeof(*f) + n) : NULL;
	if (!f)
		return NULL;
	to = f->text;
	for (int i = 0; i < LG_FLIGHT_TEXTS; i++) {
		f->n[i] = (uint32_t)text[i].n;
		if (text[i].n)
			memcpy(to, text[i].p, text[i].n);
		to += text[i].n;
	}
	f->since = 0;
	f->receipt = false;
	return f;
}

struct sb_str lg_flight_text(const struct lg_flight *f, enum lg_flight_text t)
{
	const char *p = f->text;

	for (int i = 0; i < (int)t; i++)
		p += f->n[i];
	return (struct sb_str){p, f->n[t]};
}

void lg_flights_add(struct lg_flights *f, struct lg_flight *one, uint64_t id)
{
	sb_table_add(&f->table, &one->link, id);
}

const struct lg_flight *lg_flights_find(const struct lg_flights *f, uint64_t id)
{
	return (const struct lg_flight *)sb_table_find(&f->table, id);
}

const struct lg_flight *lg_flights_next(const struct lg_flights *f, size_t *at)
{
	for (; f->table.n && *at <= f->table.mask; ++*at)
		if (f->table.chain[*at])
			return (const struct lg_flight *)f->table.chain[*at];
	return NULL;
}

struct lg_flight *lg_flights_take(struct lg_flights *f, uint64_t id)
{
	struct sb_link *l = sb_table_find(&f->table, id);

	if (l)
		sb_table_remove(&f->table, l);
	return (struct lg_flight *)l;
}
