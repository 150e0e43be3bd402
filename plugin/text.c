/*
 * text.c: UTF-8, simple case folding, characters forbidden in addresses.
 * SPDX-License-Identifier: MIT
 */
#include "text.h"

static bool continues(const char *p, size_t from, size_t to)
{
	size_t i;

	for (i = from; i < to; i++) {
		if (((unsigned char)p[i] & 0xC0) != 0x80)
			return false;
	}
	return true;
}

size_t lg_utf8_get(uint32_t *cp, const char *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c;
	size_t len, i;

	if (n == 0)
		return 0;
	c = (unsigned char)p[0];
	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	if (c >= 0xC2 && c <= 0xDF)
		len = 2;
	else if (c >= 0xE0 && c <= 0xEF)
		len = 3;
	else if (c >= 0xF0 && c <= 0xF4)
		len = 4;
	else
		return 0;
	if (n < len || !continues(p, 1, len))
		return 0;
	c &= 0xFFu >> (len + 1);
	for (i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3F);
	if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*cp = c;
	return len;
}

size_t lg_utf8_put(char out[LG_UTF8_MAX], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}

/* Latin Extended-A and Cyrillic extensions: pairs of upper and lower case. */
static bool paired_even(uint32_t cp)
{
	return (cp >= 0x100 && cp <= 0x137 && cp != 0x130) ||
	       (cp >= 0x14A && cp <= 0x177) || (cp >= 0x460 && cp <= 0x481) ||
	       (cp >= 0x48A && cp <= 0x4BF) || (cp >= 0x4D0 && cp <= 0x52F) ||
	       (cp >= 0x1E00 && cp <= 0x1E95) ||
	       (cp >= 0x1EA0 && cp <= 0x1EFF);
}

static bool paired_odd(uint32_t cp)
{
	return (cp >= 0x139 && cp <= 0x148) || (cp >= 0x179 && cp <= 0x17E) ||
	       (cp >= 0x4C1 && cp <= 0x4CE);
}

uint32_t lg_cp_fold(uint32_t cp)
{
	if (cp < 0x80)
		return cp >= 'A' && cp <= 'Z' ? cp + 0x20 : cp;
	if (cp >= 0xC0 && cp <= 0xDE)
		return cp == 0xD7 ? cp : cp + 0x20;
	if (cp == 0x178)
		return 0xFF;
	if (paired_even(cp))
		return cp | 1;
	if (paired_odd(cp))
		return cp + (cp & 1);
	if (cp >= 0x391 && cp <= 0x3AB && cp != 0x3A2)
		return cp + 0x20;
	if (cp >= 0x400 && cp <= 0x40F)
		return cp + 0x50;
	if (cp >= 0x410 && cp <= 0x42F)
		return cp + 0x20;
	if (cp >= 0x531 && cp <= 0x556)
		return cp + 0x30;
	return cp;
}

/* RFC 3454 tables C.1.2, C.2, C.3, C.4, C.6, C.7, C.8, C.9; the compatibility
 * forms of ASCII too: after normalisation they would be separators. */
static const struct {
	uint32_t first, last;
} forbidden[] = {
	{0x80, 0xA0},	    {0x340, 0x341},	{0x6DD, 0x6DD},
	{0x70F, 0x70F},	    {0x1680, 0x1680},	{0x180E, 0x180E},
	{0x2000, 0x200F},   {0x2024, 0x2026},	{0x2028, 0x202F},
	{0x205F, 0x206F},   {0x2FF0, 0x2FFB},	{0x3000, 0x3000},
	{0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},	{0xFE50, 0xFE6F},
	{0xFEFF, 0xFEFF},   {0xFF00, 0xFF5F},	{0xFFE0, 0xFFFF},
	{0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF},
};

bool lg_cp_ok(uint32_t cp)
{
	size_t i;

	if (cp < 0x80)
		return cp >= 0x20 && cp != 0x7F;
	if ((cp & 0xFFFE) == 0xFFFE)
		return false;
	for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		if (cp < forbidden[i].first)
			return true;
		if (cp <= forbidden[i].last)
			return false;
	}
	return true;
}

bool lg_text_ok(struct sb_str s)
{
	size_t i = 0, n;
	uint32_t cp;

	while (i < s.n) {
		n = lg_utf8_get(&cp, s.p + i, s.n - i);
		if (n == 0 || !lg_cp_ok(cp))
			return false;
		i += n;
	}
	return true;
}
