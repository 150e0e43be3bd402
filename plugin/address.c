/*
 * address.c: JID to SIP URI and back (RFC 7247 section 6, XEP-0106).
 * SPDX-License-Identifier: MIT
 */
#include "address.h"

#include <stdint.h>

#include "text.h"

/* Text being written into the caller's buffer; overflow is remembered. */
struct out {
	char *p;
	size_t n;
	size_t cap;
	bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
	if (o->full || o->cap - o->n < n) {
		o->full = true;
		return;
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void put1(struct out *o, char c)
{
	put(o, &c, 1);
}

/* The characters that XEP-0106 escapes, as "\hh". */
static bool is_escaped(char c)
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

/* The character that the two digits at p stand for if they are a code of
 * XEP-0106, else 0. */
static char code_at(const char *p, size_t n)
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
	return is_escaped(c) || c == '\\' ? c : 0;
}

static void put_hex(struct out *o, char mark, char c, const char *digits)
{
	put1(o, mark);
	put1(o, digits[(unsigned char)c >> 4]);
	put1(o, digits[(unsigned char)c & 15]);
}

/* RFC 3261: user = 1*( unreserved / escaped / user-unreserved ) */
static bool user_char(char c)
{
	return lg_alnum(c) || (c && strchr("-_.!~*'()&=+$,;?/", c));
}

/* RFC 3261: paramchar = param-unreserved / unreserved / escaped */
static bool param_char(char c)
{
	return lg_alnum(c) || (c && strchr("[]/:&+$-_.!~*'()%", c));
}

static bool scheme_char(char c)
{
	return lg_alnum(c) || c == '+' || c == '-' || c == '.';
}

int lg_jid_split(struct lg_jid *jid, struct sb_str text)
{
	struct lg_jid j = {SB_NOSTR, text, SB_NOSTR};
	const char *at;

	if (text.n == 0)
		return LG_EBADJID;
	at = memchr(text.p, '/', text.n);
	if (at) {
		j.domain.n = (size_t)(at - text.p);
		j.resource.p = at + 1;
		j.resource.n = text.n - j.domain.n - 1;
		if (j.resource.n == 0)
			return LG_EBADJID;
	}
	at = j.domain.n ? memchr(text.p, '@', j.domain.n) : NULL;
	if (at) {
		j.local.p = text.p;
		j.local.n = (size_t)(at - text.p);
		j.domain.p = at + 1;
		j.domain.n -= j.local.n + 1;
		if (j.local.n == 0)
			return LG_EBADJID;
	}
	if (j.domain.n == 0)
		return LG_EBADJID;
	if (j.local.n > LG_PART_MAX || j.domain.n > LG_DOMAIN_MAX ||
	    j.resource.n > LG_PART_MAX)
		return LG_ETOOLONG;
	*jid = j;
	return LG_OK;
}

/* Append text in lower case. err: not UTF-8, or a character that no address
 * may hold. */
static int put_folded(struct out *o, struct sb_str text, int err)
{
	char utf8[LG_UTF8_MAX];
	uint32_t cp;
	size_t i = 0, n;

	while (i < text.n) {
		n = lg_utf8_get(&cp, text.p + i, text.n - i);
		if (n == 0 || !lg_cp_ok(cp))
			return err;
		put(o, utf8, lg_utf8_put(utf8, lg_cp_fold(cp)));
		i += n;
	}
	return LG_OK;
}

/* Append a localpart in lower case. LG_EBADJID also for a character that must
 * be escaped, and for an escaped space at an end. */
static int put_local(struct out *o, struct sb_str local)
{
	size_t i;

	for (i = 0; i < local.n; i++) {
		if (is_escaped(local.p[i]))
			return LG_EBADJID;
	}
	if (local.n >= 3 && (memcmp(local.p, "\\20", 3) == 0 ||
			     memcmp(local.p + local.n - 3, "\\20", 3) == 0))
		return LG_EBADJID;
	return put_folded(o, local, LG_EBADJID);
}

int lg_jid_canon(struct sb_str *out, char *buf, size_t cap, struct sb_str jid)
{
	struct out o = {buf, 0, cap, false};
	char domain[LG_DOMAIN_MAX];
	struct sb_str ascii;
	struct lg_jid j;
	int err;

	err = lg_jid_split(&j, jid);
	if (err)
		return err;
	err = lg_domain_ascii(&ascii, domain, j.domain);
	if (err)
		return err == LG_EBADDOMAIN ? LG_EBADJID : err;
	if (j.local.p) {
		err = put_local(&o, j.local);
		if (err)
			return err;
		put1(&o, '@');
	}
	put(&o, ascii.p, ascii.n);
	if (o.full)
		return LG_ETOOLONG;
	*out = (struct sb_str){buf, o.n};
	return LG_OK;
}

static void put_user(struct out *o, char c)
{
	if (user_char(c))
		put1(o, c);
	else
		put_hex(o, '%', c, "0123456789ABCDEF");
}

/*
 * Append a localpart, in lower case and checked, as the user of a SIP URI.
 * An escaped backslash that needed no escape is refused: its plain form is
 * another JID, and both would have one URI.
 */
static int put_unescaped(struct out *o, struct sb_str local)
{
	size_t i = 0, left;
	char c;

	while (i < local.n) {
		c = local.p[i++];
		left = local.n - i;
		if (c == '\\' && code_at(local.p + i, left)) {
			c = code_at(local.p + i, left);
			i += 2;
			left -= 2;
			if (c == '\\' && !code_at(local.p + i, left))
				return LG_EBADJID;
		}
		put_user(o, c);
	}
	return LG_OK;
}

int lg_jid_to_uri(struct sb_str *uri, struct sb_str *resource, char *buf,
		  size_t cap, struct sb_str jid)
{
	char folded[LG_PART_MAX + LG_UTF8_MAX], domain[LG_DOMAIN_MAX];
	struct out local = {folded, 0, sizeof(folded), false};
	struct out o = {buf, 0, cap, false};
	struct sb_str ascii;
	struct lg_jid j;
	int err;

	err = lg_jid_split(&j, jid);
	if (err)
		return err;
	err = lg_domain_ascii(&ascii, domain, j.domain);
	if (err)
		return err == LG_EBADDOMAIN ? LG_EBADJID : err;
	if (!lg_text_ok(j.resource))
		return LG_EBADJID;
	if (!j.local.p)
		return LG_ENOUSER;
	err = put_local(&local, j.local);
	if (err)
		return err;
	put(&o, "sip:", 4);
	err = put_unescaped(&o, (struct sb_str){folded, local.n});
	if (err)
		return err;
	put1(&o, '@');
	put(&o, ascii.p, ascii.n);
	if (local.full || o.full)
		return LG_ETOOLONG;
	*uri = (struct sb_str){buf, o.n};
	if (resource)
		*resource = j.resource;
	return LG_OK;
}

/* Append text with its %hh decoded; a '%' that is no escape stays (XEP-0106,
 * its example of a wild address). */
static void put_decoded(struct out *o, struct sb_str text)
{
	size_t i = 0;
	int hi, lo;

	while (i < text.n) {
		if (text.p[i] == '%' && text.n - i >= 3) {
			hi = lg_hex(text.p[i + 1]);
			lo = lg_hex(text.p[i + 2]);
			if (hi >= 0 && lo >= 0) {
				put1(o, (char)(hi << 4 | lo));
				i += 3;
				continue;
			}
		}
		put1(o, text.p[i++]);
	}
}

/* Append text, in lower case, as a localpart (XEP-0106). */
static void put_escaped(struct out *o, struct sb_str text)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;
	char c;

	for (i = 0; i < text.n; i++) {
		c = text.p[i];
		if (is_escaped(c) ||
		    (c == '\\' && code_at(text.p + i + 1, text.n - i - 1)))
			put_hex(o, '\\', c, digits);
		else
			put1(o, c);
	}
}

/* Append the user part of a URI as a localpart. */
static int put_user_as_local(struct out *o, struct sb_str user)
{
	char raw[LG_PART_MAX], folded[LG_PART_MAX + LG_UTF8_MAX];
	struct out r = {raw, 0, sizeof(raw), false};
	struct out f = {folded, 0, sizeof(folded), false};
	size_t i, before = o->n;
	int err;

	for (i = 0; i < user.n; i++) {
		if (!user_char(user.p[i]) && user.p[i] != '%')
			return LG_EBADURI;
	}
	put_decoded(&r, user);
	if (r.full)
		return LG_ETOOLONG;
	if (raw[0] == ' ' || raw[r.n - 1] == ' ')
		return LG_EBADURI;
	err = put_folded(&f, (struct sb_str){raw, r.n}, LG_EBADURI);
	if (err)
		return err;
	put_escaped(o, (struct sb_str){folded, f.n});
	if (f.full || o->full || o->n - before > LG_PART_MAX)
		return LG_ETOOLONG;
	return LG_OK;
}

/* The text behind "sip:". */
static int after_scheme(struct sb_str *rest, struct sb_str uri)
{
	size_t i;

	for (i = 0; i < uri.n; i++) {
		if (!scheme_char(uri.p[i]))
			break;
	}
	if (i == 0 || i >= uri.n || uri.p[i] != ':')
		return LG_EBADURI;
	if (!sb_str_caseeq((struct sb_str){uri.p, i}, SB_STR("sip")))
		return LG_ENOTSIP;
	rest->p = uri.p + i + 1;
	rest->n = uri.n - i - 1;
	return LG_OK;
}

/* Cut s at the first byte that is one of stops; the rest begins with it. */
static struct sb_str cut(struct sb_str *s, const char *stops)
{
	struct sb_str head = *s;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->p[i] && strchr(stops, s->p[i]))
			break;
	}
	head.n = i;
	s->p += i;
	s->n -= i;
	return head;
}

static bool port_ok(struct sb_str port)
{
	unsigned value = 0;
	size_t i;

	if (port.n == 0 || port.n > 5)
		return false;
	for (i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
		value = value * 10 + (unsigned)(port.p[i] - '0');
	}
	return value >= 1 && value <= 65535;
}

/* One parameter "name[=value]"; *gr becomes the value of the first "gr". */
static int parameter(struct sb_str *gr, struct sb_str text)
{
	struct sb_str value = text, name;
	size_t i;

	name = cut(&value, "=");
	if (value.n > 0) {
		value.p++;
		value.n--;
	}
	if (name.n == 0)
		return LG_EBADURI;
	for (i = 0; i < name.n; i++) {
		if (!param_char(name.p[i]))
			return LG_EBADURI;
	}
	for (i = 0; i < value.n; i++) {
		if (!param_char(value.p[i]))
			return LG_EBADURI;
	}
	if (sb_str_caseeq(name, SB_STR("user")) &&
	    sb_str_caseeq(value, SB_STR("phone")))
		return LG_ENOTSIP;
	if (sb_str_caseeq(name, SB_STR("gr"))) {
		if (gr->p)
			return LG_EBADURI;
		*gr = value;
	}
	return LG_OK;
}

/* "host[:port][;parameters]" */
static int host_and_parameters(struct sb_str *host, struct sb_str *gr,
			       struct sb_str text)
{
	struct sb_str part;
	int err;

	*host = cut(&text, ":;");
	if (text.n > 0 && text.p[0] == ':') {
		text.p++;
		text.n--;
		if (!port_ok(cut(&text, ";")))
			return LG_EBADURI;
	}
	while (text.n > 0) {
		text.p++;
		text.n--;
		part = cut(&text, ";");
		err = parameter(gr, part);
		if (err)
			return err;
	}
	return LG_OK;
}

/* Append the value of "gr" as a resource. */
static int put_resource(struct sb_str *resource, struct out *o,
			struct sb_str gr)
{
	size_t before = o->n;
	struct sb_str r;

	if (gr.n == 0) {
		*resource = SB_NOSTR;
		return LG_OK;
	}
	put_decoded(o, gr);
	r = (struct sb_str){o->p + before, o->n - before};
	if (o->full || r.n > LG_PART_MAX)
		return LG_ETOOLONG;
	if (!lg_text_ok(r))
		return LG_EBADURI;
	*resource = r;
	return LG_OK;
}

int lg_uri_to_jid(struct sb_str *jid, struct sb_str *resource, char *buf,
		  size_t cap, struct sb_str uri)
{
	struct sb_str rest, user, host, gr = SB_NOSTR, name, res;
	struct out o = {buf, 0, cap, false};
	char domain[LG_DOMAIN_MAX];
	size_t n;
	int err;

	if (uri.n > LG_URI_IN_MAX)
		return LG_ETOOLONG;
	err = after_scheme(&rest, uri);
	if (err)
		return err;
	user = cut(&rest, "@");
	if (rest.n == 0 || user.n == 0)
		return LG_ENOUSER;
	rest.p++;
	rest.n--;
	err = host_and_parameters(&host, &gr, rest);
	if (!err)
		err = lg_domain_unicode(&name, domain, host);
	if (err)
		return err == LG_EBADDOMAIN ? LG_EBADURI : err;
	err = put_user_as_local(&o, user);
	if (err)
		return err;
	put1(&o, '@');
	put(&o, name.p, name.n);
	if (o.full)
		return LG_ETOOLONG;
	n = o.n;
	err = put_resource(&res, &o, gr);
	if (err)
		return err;
	*jid = (struct sb_str){buf, n};
	if (resource)
		*resource = res;
	return LG_OK;
}
