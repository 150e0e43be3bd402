/*
 * sip_text.h: texts, URIs and route sets, and what is said about a request
 * that is refused: what the session engine and the watch engine share.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  no state; writes only what it is given.
 * Owner:  results point into the input or into the caller's buffer.
 * Errors: a length, 0, or a negative enum sb_err as said at each.
 */
#ifndef SB_SIP_TEXT_H
#define SB_SIP_TEXT_H

#include "table.h"
#include "wire.h"

enum { SB_ROUTE_ENTRIES = 64 }; /* of one route set */

/* A small text of ours on the heap; NULL is the empty text. */
struct sb_text {
	size_t n;
	char p[];
};

struct sb_str sb_text_str(const struct sb_text *t);
/* Replace *t by a copy of s; without memory *t becomes empty. */
void sb_text_set(struct sb_text **t, struct sb_str s);

/* sip:user@host from any SIP URI: no parameters, no port, host in lower case.
 * Returns the length, or SB_EBADTEXT, SB_ETOOBIG. */
int sb_uri_plain(char *buf, size_t n, struct sb_str uri);
struct sb_str sb_uri_host(struct sb_str plain);

/* Of a pair, whatever the case of its letters. Both are at most SB_URI_MAX: of
 * ours, or through sb_uri_plain. */
uint64_t sb_pair_hash(const struct sb_hash_key *k, struct sb_str contact,
		      struct sb_str user);

/* One line for people, of a peer's bytes: valid UTF-8 without controls, or
 * empty; a longer one is cut at n. */
struct sb_str sb_line(char *buf, size_t n, struct sb_str s);
/* Is that the media type, whatever its parameters? */
bool sb_type_is(struct sb_str type, struct sb_str want);
/* A language tag, or empty. */
struct sb_str sb_lang(struct sb_str s);
/* A thread that XMPP and logs can bear, made of a Call-ID. */
struct sb_str sb_thread(char *buf, size_t n, struct sb_str call_id);

/* The route set of Record-Route values, each entry ended by LF. Leading
 * entries that name our own host are left out.
 * Returns the length, or SB_EBADTEXT, SB_ETOOBIG. */
int sb_route_set(char *buf, size_t n, const struct sb_str *values,
		 size_t values_n, bool reverse, struct sb_str fqdn);
/* Back into entries; returns how many. */
size_t sb_route_split(struct sb_str set, struct sb_str *out, size_t n);

/* ---------------------------------------------------- sip_answer.c -- */

/* Does m require nothing but what we do (lync-sip.md 1.8)? */
bool sb_require_ok(const struct sb_sip_in *m);
/* The option tags of m that we do not support, for Unsupported. */
struct sb_str sb_require_unsupported(char *buf, size_t n,
				     const struct sb_sip_in *m);
/* Status, diagnostics and reason of an answer, made sound. */
void sb_answer_fill(struct sb_sip_out *o, const struct sb_request *r);

#endif
