/*
 * utf8.c: is it UTF-8, and may it stand in XML?
 * SPDX-License-Identifier: MIT
 */
#include "content.h"

static bool tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the well-formed sequence at s (n > 0 bytes left), 0 if it is not
 * one: RFC 3629 section 4. */
static size_t sequence(const unsigned char *s, size_t n)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n < 2 || !tail(s[1]))
		return 0;
	if (s[0] < 0xe0)
		return 2;
	if (n < 3 || !tail(s[2]))
		return 0;
	if (s[0] < 0xf0) {
		if ((s[0] == 0xe0 && s[1] < 0xa0) ||
		    (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || !tail(s[3]) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return 4;
}

bool sb_utf8_valid(struct sb_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;

	while (i < s.n) {
		size_t k = sequence(p + i, s.n - i);

		if (k == 0)
			return false;
		i += k;
	}
	return true;
}

/* XML 1.0 section 2.2 leaves out C0 controls, U+FFFE and U+FFFF (and the
 * surrogates, which UTF-8 does not have). */
static bool illegal(const unsigned char *s, size_t n)
{
	if (s[0] < 0x20)
		return s[0] != '\t' && s[0] != '\n';
	return n >= 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe;
}

size_t sb_text_clean(char *buf, size_t n)
{
	unsigned char *p = (unsigned char *)buf;
	size_t i = 0, out = 0;

	while (i < n) {
		if (p[i] == '\r') {
			p[out++] = '\n';
			i += i + 1 < n && p[i + 1] == '\n' ? 2 : 1;
			continue;
		}
		if (illegal(p + i, n - i)) {
			i += p[i] < 0x20 ? 1 : 3;
			continue;
		}
		p[out++] = p[i++];
	}
	return out;
}
