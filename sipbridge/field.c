/*
 * field.c: pieces of header values; see field.h and content.h.
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>
#include <stdio.h>

#include "content.h"
#include "field.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct sb_str sb_trim(struct sb_str s)
{
	while (s.n > 0 && blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct sb_str from(struct sb_str s, size_t i)
{
	return i < s.n ? (struct sb_str){s.p + i, s.n - i} : SB_NOSTR;
}

/* Index after the quoted string that starts at i, 0 when it does not end. */
static size_t quoted_end(struct sb_str s, size_t i)
{
	for (i++; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Index after the "<...>" that starts at i, 0 when it does not end. */
static size_t angle_end(struct sb_str s, size_t i)
{
	const char *p = memchr(s.p + i, '>', s.n - i);

	return p ? (size_t)(p - s.p) + 1 : 0;
}

/* Index of the next `sep` outside quotes (and brackets), s.n without one.
 * Returns 0, or SB_EBADTEXT. */
static int find_end(struct sb_str s, char sep, bool angles, size_t *end)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != sep) {
		if (s.p[i] == '"')
			i = quoted_end(s, i);
		else if (angles && s.p[i] == '<')
			i = angle_end(s, i);
		else
			i++;
		if (i == 0)
			return SB_EBADTEXT;
	}
	*end = i;
	return 0;
}

/* Cut the part before `sep` off *rest and trim it. */
static int cut(struct sb_str *rest, char sep, bool angles, struct sb_str *part)
{
	size_t end;

	if (find_end(*rest, sep, angles, &end) < 0) {
		*rest = SB_NOSTR;
		return SB_EBADTEXT;
	}
	*part = sb_trim((struct sb_str){rest->p, end});
	*rest = from(*rest, end + 1);
	return 0;
}

int sb_list_next(struct sb_str *rest, struct sb_str *item)
{
	while (rest->n > 0) {
		struct sb_str part;

		if (cut(rest, ',', true, &part) < 0)
			return SB_EBADTEXT;
		if (part.n > 0) {
			*item = part;
			return 1;
		}
	}
	return 0;
}

bool sb_token_listed(struct sb_str list, struct sb_str token)
{
	struct sb_str item;

	while (sb_list_next(&list, &item) > 0)
		if (sb_str_caseeq(item, token))
			return true;
	return false;
}

void sb_media_split(struct sb_str value, struct sb_str *type,
		    struct sb_str *rest)
{
	const char *semi = value.n ? memchr(value.p, ';', value.n) : NULL;
	size_t end = semi ? (size_t)(semi - value.p) : value.n;

	*type = sb_trim((struct sb_str){value.p, end});
	*rest = from(value, end + 1);
}

int sb_param_next(struct sb_str *rest, struct sb_str *name,
		  struct sb_str *value)
{
	while (rest->n > 0) {
		struct sb_str part;
		const char *eq;
		size_t end;

		if (cut(rest, ';', false, &part) < 0)
			return SB_EBADTEXT;
		if (part.n == 0)
			continue;
		eq = memchr(part.p, '=', part.n);
		end = eq ? (size_t)(eq - part.p) : part.n;
		*name = sb_trim((struct sb_str){part.p, end});
		*value = sb_trim(from(part, end + 1));
		return 1;
	}
	return 0;
}

int sb_param_find(struct sb_str list, struct sb_str name, struct sb_str *value)
{
	struct sb_str key, val;
	int rc;

	while ((rc = sb_param_next(&list, &key, &val)) > 0) {
		if (!sb_str_caseeq(key, name))
			continue;
		if (val.n >= 2 && val.p[0] == '"' && val.p[val.n - 1] == '"')
			val = sb_trim((struct sb_str){val.p + 1, val.n - 2});
		*value = val;
		return 1;
	}
	return rc;
}

int sb_unquote(struct sb_str in, char *buf, size_t n, size_t *len)
{
	bool quoted = in.n > 0 && in.p[0] == '"';
	size_t i = quoted ? 1 : 0, out = 0;

	if (quoted && quoted_end(in, 0) == 0)
		return SB_EBADTEXT;
	for (; i < in.n; i++) {
		if (quoted && in.p[i] == '"')
			break;
		if (quoted && in.p[i] == '\\')
			i++; /* quoted_end saw the byte after it */
		if (out == n)
			return SB_ETOOBIG;
		buf[out++] = in.p[i];
	}
	*len = out;
	return 0;
}

int sb_number(struct sb_str s, int max)
{
	int number = 0;

	if (s.n == 0)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		if (number > (INT_MAX - 9) / 10)
			return -1;
		number = number * 10 + (s.p[i] - '0');
	}
	return number <= max ? number : -1;
}

void sb_out_add(struct sb_out *o, struct sb_str s)
{
	if (o->full || s.n > o->n - o->len) {
		o->full = true;
		return;
	}
	if (s.n > 0)
		memcpy(o->p + o->len, s.p, s.n);
	o->len += s.n;
}

void sb_out_xml(struct sb_out *o, struct sb_str s)
{
	for (size_t i = 0; i < s.n && !o->full; i++) {
		switch (s.p[i]) {
		case '&':
			sb_out_add(o, SB_STR("&amp;"));
			break;
		case '<':
			sb_out_add(o, SB_STR("&lt;"));
			break;
		case '>':
			sb_out_add(o, SB_STR("&gt;"));
			break;
		case '"':
			sb_out_add(o, SB_STR("&quot;"));
			break;
		case '\'':
			sb_out_add(o, SB_STR("&apos;"));
			break;
		default:
			sb_out_add(o, (struct sb_str){s.p + i, 1});
		}
	}
}

void sb_out_number(struct sb_out *o, int number)
{
	char digits[16];
	int n = snprintf(digits, sizeof(digits), "%d", number);

	sb_out_add(o, (struct sb_str){digits, n > 0 ? (size_t)n : 0});
}

int sb_out_end(const struct sb_out *o)
{
	return o->full || o->len > INT_MAX ? SB_ETOOBIG : (int)o->len;
}
