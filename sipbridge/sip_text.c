/*
 * sip_text.c: URIs, route sets and small texts.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "check.h"
#include "content.h"
#include "sip_text.h"

enum { LANG_MAX = 35, THREAD_MAX = 64 };

struct sb_str sb_text_str(const struct sb_text *t)
{
	return t ? (struct sb_str){t->p, t->n} : SB_NOSTR;
}

void sb_text_set(struct sb_text **t, struct sb_str s)
{
	struct sb_text *neu = NULL;

	if (sb_str_eq(sb_text_str(*t), s))
		return;
	if (s.n)
		neu = malloc(sizeof(*neu) + s.n);
	if (neu) {
		neu->n = s.n;
		memcpy(neu->p, s.p, s.n);
	}
	free(*t);
	*t = neu;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool alnum(char c)
{
	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

static size_t find(struct sb_str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

static struct sb_str from(struct sb_str s, size_t i)
{
	return i < s.n ? (struct sb_str){s.p + i, s.n - i} : SB_NOSTR;
}

static bool scheme(struct sb_str *uri)
{
	static const struct sb_str known[] = {{"sip:", 4}, {"sips:", 5}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct sb_str head = {uri->p, known[i].n};

		if (uri->n > known[i].n && sb_str_caseeq(head, known[i])) {
			*uri = from(*uri, known[i].n);
			return true;
		}
	}
	return false;
}

/* Length of the host at the front of s: a name, or an IPv6 in brackets. */
static size_t host_len(struct sb_str s)
{
	size_t i = 0;

	if (s.n && s.p[0] == '[') {
		i = find(s, ']');
		return i < s.n ? i + 1 : 0;
	}
	while (i < s.n && (alnum(s.p[i]) || s.p[i] == '.' || s.p[i] == '-'))
		i++;
	return i;
}

int sb_uri_plain(char *buf, size_t n, struct sb_str uri)
{
	struct sb_str user, host;
	size_t len, at;

	if (!scheme(&uri))
		return SB_EBADTEXT;
	at = find(uri, '@');
	if (at == uri.n)
		return SB_EBADTEXT;
	user = (struct sb_str){uri.p, at};
	user.n = find(user, ':'); /* a password is nobody's business */
	host = from(uri, at + 1);
	len = host_len(host);
	if (!len || (len < host.n && !memchr(":;?", host.p[len], 3)))
		return SB_EBADTEXT;
	host.n = len;
	len = 4 + user.n + 1 + host.n;
	if (len > n || len > SB_URI_MAX)
		return SB_ETOOBIG;
	memcpy(buf, "sip:", 4);
	memcpy(buf + 4, user.p, user.n);
	buf[4 + user.n] = '@';
	for (size_t i = 0; i < host.n; i++)
		buf[5 + user.n + i] = lower(host.p[i]);
	/* it goes into events, which hold no other */
	if (!sb_check_text((struct sb_str){buf, len}, SB_TXT_URI))
		return SB_EBADTEXT;
	return (int)len;
}

struct sb_str sb_uri_host(struct sb_str plain)
{
	return from(plain, find(plain, '@') + 1);
}

static size_t put_lower(char *buf, struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf[i] = lower(s.p[i]);
	return s.n;
}

uint64_t sb_pair_hash(const struct sb_hash_key *k, struct sb_str contact,
		      struct sb_str user)
{
	char buf[2 * SB_URI_MAX + 1];
	size_t n;

	n = put_lower(buf, contact);
	buf[n++] = '\n';
	n += put_lower(buf + n, user);
	return sb_hash(k, buf, n);
}

struct sb_str sb_line(char *buf, size_t n, struct sb_str s)
{
	struct sb_str out = {buf, 0};

	if (!sb_utf8_valid(s))
		return SB_NOSTR;
	for (size_t i = 0; i < s.n && out.n < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= ' ' && c != 0x7f)
			buf[out.n++] = (char)c;
		else if (c == '\t')
			buf[out.n++] = ' ';
	}
	/* never end in the middle of a character */
	while (out.n && !sb_utf8_valid(out))
		out.n--;
	return out;
}

struct sb_str sb_lang(struct sb_str s)
{
	size_t i = 0;

	while (i < s.n && (alnum(s.p[i]) || s.p[i] == '-'))
		i++;
	/* of a list, the first */
	if (i > LANG_MAX || (i < s.n && s.p[i] != ',' && s.p[i] != ' '))
		return SB_NOSTR;
	s.n = i;
	return s;
}

struct sb_str sb_thread(char *buf, size_t n, struct sb_str call_id)
{
	struct sb_str out = {buf, 0};

	while (out.n < call_id.n && out.n < n && out.n < THREAD_MAX) {
		char c = call_id.p[out.n];

		buf[out.n++] = alnum(c) || c == '.' || c == '_' ? c : '-';
	}
	return out;
}

/* Does a route entry name that host? The URI is what stands in <>, or all. */
static bool names_host(struct sb_str entry, struct sb_str fqdn)
{
	size_t open = find(entry, '<');

	if (open < entry.n)
		entry = from(entry, open + 1);
	if (!scheme(&entry))
		return false;
	open = find(entry, '@');
	if (open < find(entry, ';'))
		entry = from(entry, open + 1);
	entry.n = host_len(entry);
	return fqdn.n && sb_str_caseeq(entry, fqdn);
}

int sb_route_set(char *buf, size_t n, const struct sb_str *values,
		 size_t values_n, bool reverse, struct sb_str fqdn)
{
	struct sb_str e[SB_ROUTE_ENTRIES];
	size_t e_n = 0, len = 0;
	bool leading = true;
	int err;

	for (size_t i = 0; i < values_n; i++) {
		struct sb_str rest = values[i], item;

		while ((err = sb_list_next(&rest, &item)) == 1) {
			if (e_n == SB_ROUTE_ENTRIES)
				return SB_ETOOBIG;
			if (find(item, '\n') < item.n)
				return SB_EBADTEXT;
			e[e_n++] = item;
		}
		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < e_n; i++) {
		struct sb_str one = e[reverse ? e_n - 1 - i : i];

		if (leading && names_host(one, fqdn))
			continue;
		leading = false;
		if (one.n + 1 > n - len)
			return SB_ETOOBIG;
		memcpy(buf + len, one.p, one.n);
		len += one.n;
		buf[len++] = '\n';
	}
	return (int)len;
}

size_t sb_route_split(struct sb_str set, struct sb_str *out, size_t n)
{
	size_t k = 0;

	while (set.n && k < n) {
		size_t len = find(set, '\n');

		out[k++] = (struct sb_str){set.p, len};
		set = from(set, len + 1);
	}
	return k;
}

bool sb_type_is(struct sb_str type, struct sb_str want)
{
	size_t n = want.n;

	if (type.n < n || (type.n > n && !memchr("; \t", type.p[n], 3)))
		return false;
	type.n = n;
	return sb_str_caseeq(type, want);
}
