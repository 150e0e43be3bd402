/*
 * text.h: characters: UTF-8, case, and what an address may hold.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  pure; no allocation; bytes are never assumed to be valid.
 * Limits: case folding covers Latin, Greek and Cyrillic letters that have a
 *         one-to-one lower case; the rest of the world's letters stay as they
 *         are. XMPP servers have folded the addresses that they send us.
 */
#ifndef LG_TEXT_H
#define LG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../sipbridge/str.h"

#define LG_UTF8_MAX 4 /* bytes of one character */

/* Decode the character at p: its length in bytes (1..4) and *cp, or 0 when it
 * is not UTF-8 (RFC 3629: shortest form, no surrogates, n bytes at most). */
size_t lg_utf8_get(uint32_t *cp, const char *p, size_t n);

/* Encode cp, which is a valid character; returns its length in bytes. */
size_t lg_utf8_put(char out[LG_UTF8_MAX], uint32_t cp);

/* Lower case of cp, or cp. */
uint32_t lg_cp_fold(uint32_t cp);

/* False for controls, separators and spaces other than U+0020, bidi marks,
 * private use, non-characters: what RFC 6122's nodeprep forbids. */
bool lg_cp_ok(uint32_t cp);

/* s is UTF-8 and every character is lg_cp_ok. */
bool lg_text_ok(struct sb_str s);

static inline char lg_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool lg_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* Value of a hexadecimal digit, or -1. */
static inline int lg_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lg_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
