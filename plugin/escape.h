/*
 * escape.h: what both directions of the address mapping write with.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  pure; no allocation; used by address.c and address_uri.c only.
 * Source: XEP-0106, RFC 3261 section 25.
 */
#ifndef LG_ESCAPE_H
#define LG_ESCAPE_H

#include "../sipbridge/str.h"

/* Text being written into the caller's buffer. What does not fit sets full,
 * after which nothing is written any more. */
struct lg_out {
	char *p;
	size_t n;
	size_t cap;
	bool full;
};

void lg_out_text(struct lg_out *o, const char *p, size_t n);
static inline void lg_out_char(struct lg_out *o, char c)
{
	if (o->full || o->n == o->cap)
		o->full = true;
	else
		o->p[o->n++] = c;
}

/* mark and two of the sixteen digits */
void lg_out_hex(struct lg_out *o, char mark, char c, const char *digits);

/* Append text in lower case; returns err when it is not UTF-8 or has a
 * character that no address may hold, else 0. */
int lg_out_folded(struct lg_out *o, struct sb_str text, int err);

/* c is one of the characters that XEP-0106 escapes, the backslash apart. */
bool lg_must_escape(char c);

/* The character that the two digits at p stand for if they are a code of
 * XEP-0106, else 0. */
char lg_escape_at(const char *p, size_t n);

/* c may stand in the user part of a SIP URI as it is. */
bool lg_uri_user_char(char c);

#endif
