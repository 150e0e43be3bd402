/*
 * sip_load.h: as much of SIP as a load partner reads.
 * SPDX-License-Identifier: MIT
 *
 * Texts are the received bytes, which stay where they are.
 */
#ifndef SIP_LOAD_H
#define SIP_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_conn;

enum { SIP_LINES = 16 };

struct sip_span {
	const char *p;
	int n;
};

struct sip_message {
	struct sip_span line, from, to, call_id, cseq, contact, body;
	struct sip_span via[SIP_LINES], route[SIP_LINES]; /* whole lines */
	int via_n, route_n;
	long expires; /* -1: not said */
	size_t body_n;
	bool terminated;
};

/* How long it is; 0: not whole yet. What is not SIP ends the program. */
size_t sip_read(struct sip_message *m, const char *p, size_t n);
/* Give each whole message of what was received to `take`: how much that was. */
size_t sip_take(struct load_conn *c, void (*take)(struct load_conn *c,
						  const struct sip_message *m));
bool sip_has(struct sip_span s, const char *what);
/* The value of a tag, or empty. */
struct sip_span sip_tag_of(struct sip_span v);
uint32_t sip_hash(struct sip_span s, uint32_t h);

/* Of a dialog of a user. */
struct sip_route {
	uint32_t dialog, user;
	bool pool_first;
};

/* Route entries as Lync signs them (lync-sip.md 1.6): the Edge's with a key
 * that few differ in, the pool's with the user's connection. Both write what
 * snprintf would, and return its length. */
int sip_routes(char *to, size_t n, const char *head, const char *edge,
	       const char *domain, struct sip_route r);
/* Status line and what is taken from the request. */
int sip_answer_head(char *to, size_t room, const struct sip_message *m,
		    const char *status, const char *tag);

#endif
