/*
 * str.h: borrowed text, the one string type of plugin and sipbridge.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  pointer and length; not NUL-terminated; may hold NUL bytes until a
 *         parser has refused them. p may be NULL only when n is 0.
 * Owner:  nobody: it points into memory that the comment at its use names,
 *         and is valid as long as that memory is.
 * Errors: none. Thread: any.
 */
#ifndef SB_STR_H
#define SB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct sb_str {
	const char *p; /* first byte */
	size_t n;      /* bytes */
};

#define SB_STR(literal) ((struct sb_str){(literal), sizeof(literal) - 1})
#define SB_NOSTR ((struct sb_str){NULL, 0})

/* For printf("%.*s", SB_FMT(s)); only for text that was length-checked. */
#define SB_FMT(s) (int)(s).n, (s).p ? (s).p : ""

/* Text of a NUL-terminated string of ours (never of a peer); NULL is empty. */
static inline struct sb_str sb_str_of(const char *z)
{
	return (struct sb_str){z, z ? strlen(z) : 0};
}

static inline bool sb_str_eq(struct sb_str a, struct sb_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive (host names, tokens, media types). */
static inline bool sb_str_caseeq(struct sb_str a, struct sb_str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

#endif
