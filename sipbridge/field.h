/*
 * field.h: pieces of header values: media types, parameters, and writing
 * bounded text.
 * SPDX-License-Identifier: MIT
 *
 * Owner:  results point into the input. Errors: as in content.h.
 * Source: RFC 3261 section 25; RFC 2045 section 5.1.
 */
#ifndef SB_FIELD_H
#define SB_FIELD_H

#include "sipbridge.h"

/* s without SP, HT, CR and LF at both ends. */
struct sb_str sb_trim(struct sb_str s);

/*
 * Split "type/subtype *(;name=value)": *type is the trimmed part before the
 * first ';' (empty when there is none), *rest what follows it.
 */
void sb_media_split(struct sb_str value, struct sb_str *type,
		    struct sb_str *rest);

/*
 * Take the next ";"-separated parameter off *rest: 1, or 0 at the end. *value
 * is the raw text after '=' (with its quotes and escapes), empty without one.
 * Errors: SB_EBADTEXT (a quote without an end); then *rest is empty.
 */
int sb_param_next(struct sb_str *rest, struct sb_str *name,
		  struct sb_str *value);

/* The parameter `name` of the list: 1 and *value, trimmed and without quotes
 * (escapes stay: fine for tokens), 0 when absent; errors as sb_param_next. */
int sb_param_find(struct sb_str list, struct sb_str name, struct sb_str *value);

/*
 * Unescape a quoted-string ("..." at the start of *in) or, without a quote,
 * copy all of it. Returns 0 and *len.
 * Errors: SB_EBADTEXT (no closing quote), SB_ETOOBIG.
 */
int sb_unquote(struct sb_str in, char *buf, size_t n, size_t *len);

/* Decimal digits, all of s, at most `max`: the number, or -1. */
int sb_number(struct sb_str s, int max);

/* A buffer being written; what does not fit sets full and is left out. */
struct sb_out {
	char *p;
	size_t n;
	size_t len;
	bool full;
};

void sb_out_add(struct sb_out *o, struct sb_str s);
/* With &, <, >, " and ' as entities. */
void sb_out_xml(struct sb_out *o, struct sb_str s);
void sb_out_number(struct sb_out *o, int number);
/* Length written, or SB_ETOOBIG when something did not fit. */
int sb_out_end(const struct sb_out *o);

#endif
