/*
 * flight.c: messages given to the bridge that have no outcome yet.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "error.h"
#include "flight.h"

int lg_flights_init(struct lg_flights *f)
{
	f->spare = NULL;
	f->spares = 0;
	return sb_table_init(&f->table) ? LG_ENOMEM : LG_OK;
}

void lg_flights_fini(struct lg_flights *f)
{
	const struct lg_flight *one;
	struct sb_link *l;
	size_t at = 0;

	while ((one = lg_flights_next(f, &at)))
		lg_flights_end(f, one->link.hash);
	while ((l = f->spare)) {
		f->spare = l->next;
		free(l);
	}
	f->spares = 0;
	sb_table_fini(&f->table);
}

static struct lg_flight *block(struct lg_flights *f, size_t n)
{
	struct sb_link *l = f->spare;

	if (n > LG_FLIGHT_BLOCK)
		return malloc(n);
	if (!l)
		return malloc(LG_FLIGHT_BLOCK);
	f->spare = l->next;
	f->spares--;
	return (struct lg_flight *)l;
}

void lg_flight_free(struct lg_flights *f, struct lg_flight *one)
{
	if (one->size > LG_FLIGHT_BLOCK || f->spares == LG_FLIGHTS_KEPT) {
		free(one);
		return;
	}
	one->link.next = f->spare;
	f->spare = &one->link;
	f->spares++;
}

struct lg_flight *lg_flight_new(struct lg_flights *f,
				const struct sb_str text[LG_FLIGHT_TEXTS])
{
	struct lg_flight *one;
	size_t n = sizeof(*one);
	char *to;

	for (int i = 0; i < LG_FLIGHT_TEXTS; i++)
		n += text[i].n;
	one = n <= UINT32_MAX ? block(f, n) : NULL;
	if (!one)
		return NULL;
	to = one->text;
	for (int i = 0; i < LG_FLIGHT_TEXTS; i++) {
		one->n[i] = (uint32_t)text[i].n;
		if (text[i].n)
			memcpy(to, text[i].p, text[i].n);
		to += text[i].n;
	}
	one->size = (uint32_t)n;
	one->since = 0;
	one->receipt = false;
	return one;
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

void lg_flights_end(struct lg_flights *f, uint64_t id)
{
	struct sb_link *l = sb_table_find(&f->table, id);

	if (!l)
		return;
	sb_table_remove(&f->table, l);
	lg_flight_free(f, (struct lg_flight *)l);
}
