/*
 * escape.c: what both directions of the address mapping write with.
 * SPDX-License-Identifier: MIT
 */
#include "escape.h"

#include <stdint.h>

#include "text.h"

void lg_out_text(struct lg_out *o, const char *p, size_t n)
{
	if (o->full || o->cap - o->n < n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

void lg_out_hex(struct lg_out *o, char mark, char c, const char *digits)
{
	lg_out_char(o, mark);
	lg_out_char(o, digits[(unsigned char)c >> 4]);
	lg_out_char(o, digits[(unsigned char)c & 15]);
}

bool lg_must_escape(char c)
{
	switch (c) {
	case ' ':
	case '"':
	case '&':
	case '\'':
	case '/':
	case ':':
	case '<':
	case '>':
	case '@':
		return true;
	default:
		return false;
	}
}

char lg_escape_at(const char *p, size_t n)
{
	int hi, lo;
	char c;

	if (n < 2)
		return 0;
	hi = lg_hex(p[0]);
	lo = lg_hex(p[1]);
	if (hi < 0 || lo < 0)
		return 0;
	c = (char)(hi << 4 | lo);
	return lg_must_escape(c) || c == '\\' ? c : 0;
}

/* user = 1*( unreserved / escaped / user-unreserved ) */
bool lg_uri_user_char(char c)
{
	return lg_alnum(c) || (c && strchr("-_.!~*'()&=+$,;?/", c));
}

int lg_out_folded(struct lg_out *o, struct sb_str text, int err)
{
	char utf8[LG_UTF8_MAX];
	uint32_t cp;
	size_t i = 0, n;

	while (i < text.n) {
		if (text.p[i] >= ' ' && text.p[i] <= '~') { /* the usual */
			lg_out_char(o, lg_lower(text.p[i++]));
			continue;
		}
		n = lg_utf8_get(&cp, text.p + i, text.n - i);
		if (n == 0 || !lg_cp_ok(cp))
			return err;
		lg_out_text(o, utf8, lg_utf8_put(utf8, lg_cp_fold(cp)));
		i += n;
	}
	return 0;
}
