/*
 * base64.c: RFC 4648 section 4, strict; see content.h.
 * SPDX-License-Identifier: MIT
 *
 * Own code, because OpenSSL is kept to the files that speak TLS.
 */
#include <limits.h>

#include "content.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

static int value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Characters of `in` without its padding, or SB_EBADTEXT. */
static int unpadded(struct sb_str in, size_t *len)
{
	size_t n = in.n;

	if (n > 0 && in.p[n - 1] == '=') {
		if (n % 4 != 0)
			return SB_EBADTEXT;
		n--;
		if (in.p[n - 1] == '=')
			n--;
	}
	if (n % 4 == 1)
		return SB_EBADTEXT;
	*len = n;
	return 0;
}

int sb_base64_read(char *buf, size_t n, size_t *len, struct sb_str in)
{
	unsigned bits = 0, acc = 0;
	size_t chars, out = 0;

	if (unpadded(in, &chars) < 0)
		return SB_EBADTEXT;
	for (size_t i = 0; i < chars; i++) {
		int v = value(in.p[i]);

		if (v < 0)
			return SB_EBADTEXT;
		acc = (acc << 6 | (unsigned)v) & 0xffff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (out == n)
			return SB_ETOOBIG;
		buf[out++] = (char)(unsigned char)(acc >> bits & 0xff);
	}
	if ((acc & ((1u << bits) - 1)) != 0)
		return SB_EBADTEXT;
	*len = out;
	return 0;
}

int sb_base64_write(char *buf, size_t n, struct sb_str in)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t out = 0;

	if (in.n > INT_MAX / 2 || (in.n + 2) / 3 * 4 > n)
		return SB_ETOOBIG;
	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		unsigned v = (unsigned)p[i] << 16;

		if (left > 1)
			v |= (unsigned)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		buf[out++] = alphabet[v >> 18];
		buf[out++] = alphabet[v >> 12 & 63];
		buf[out++] = left > 1 ? alphabet[v >> 6 & 63] : '=';
		buf[out++] = left > 2 ? alphabet[v & 63] : '=';
	}
	return (int)out;
}
