/*
 * flight.h: messages given to the bridge that have no outcome yet.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what is needed again when the outcome comes: whom it concerns.
 * Shape:   a block of memory for each, found by the bridge's id. The bridge
 *          bounds their number (SB_INFLIGHT_MAX). Some blocks are kept for the
 *          next ones: between Lua's own, which live shorter, they would leave
 *          holes in the heap.
 */
#ifndef LG_FLIGHT_H
#define LG_FLIGHT_H

#include <stdbool.h>

#include "../sipbridge/str.h"
#include "../sipbridge/table.h"

enum lg_flight_text {
	LG_FLIGHT_HOST,	   /* of ours */
	LG_FLIGHT_PRIMARY, /* the partner's domain */
	LG_FLIGHT_CONTACT, /* who wrote, a full JID */
	LG_FLIGHT_USER,
	LG_FLIGHT_ID,	   /* of the stanza */
	LG_FLIGHT_TYPE,
	LG_FLIGHT_TEXTS
};

struct lg_flight {
	struct sb_link link; /* its hash is the bridge's id */
	double since;
	bool receipt; /* the contact wants one */
	uint32_t size; /* bytes, all of it */
	uint32_t n[LG_FLIGHT_TEXTS];
	char text[]; /* one after the other */
};

enum { LG_FLIGHT_BLOCK = 512, /* bytes; a longer one has its own size */
       LG_FLIGHTS_KEPT = 1024 };

struct lg_flights {
	struct sb_table table;
	struct sb_link *spare; /* blocks of LG_FLIGHT_BLOCK */
	size_t spares;
};

/* Errors: LG_ENOMEM. */
int lg_flights_init(struct lg_flights *f);
void lg_flights_fini(struct lg_flights *f); /* what is there is freed */

/* A new one with copies of the texts (absent ones are empty); NULL: no memory.
 * It is the caller's until it is added, or given back. */
struct lg_flight *lg_flight_new(struct lg_flights *f,
				const struct sb_str text[LG_FLIGHT_TEXTS]);
void lg_flight_free(struct lg_flights *f, struct lg_flight *one);
struct sb_str lg_flight_text(const struct lg_flight *f, enum lg_flight_text t);

void lg_flights_add(struct lg_flights *f, struct lg_flight *one, uint64_t id);
/* NULL: there is none. */
const struct lg_flight *lg_flights_find(const struct lg_flights *f,
					uint64_t id);
/* The next one from a place on, at first 0; NULL: the end. */
const struct lg_flight *lg_flights_next(const struct lg_flights *f, size_t *at);
/* Take it out and free it, if it is there. */
void lg_flights_end(struct lg_flights *f, uint64_t id);

#endif
