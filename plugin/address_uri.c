/*
 * address_uri.c: SIP URI to JID (RFC 7247 section 6, XEP-0106).
 * SPDX-License-Identifier: MIT
 */
#include "address.h"
#include "escape.h"
#include "text.h"

/* RFC 3261: paramchar = param-unreserved / unreserved / escaped */
static bool param_char(char c)
{
	return lg_alnum(c) || (c && strchr("[]/:&+$-_.!~*'()%", c));
}

static bool scheme_char(char c)
{
	return lg_alnum(c) || c == '+' || c == '-' || c == '.';
}

/* Append text with its %hh decoded; a '%' that is no escape stays (XEP-0106,
 * its example of a wild address). */
static void put_decoded(struct lg_out *o, struct sb_str text)
{
	size_t i = 0;
	int hi, lo;

	while (i < text.n) {
		if (text.p[i] == '%' && text.n - i >= 3) {
			hi = lg_hex(text.p[i + 1]);
			lo = lg_hex(text.p[i + 2]);
			if (hi >= 0 && lo >= 0) {
				lg_out_char(o, (char)(hi << 4 | lo));
				i += 3;
				continue;
			}
		}
		lg_out_char(o, text.p[i++]);
	}
}

/* Append text, in lower case, as a localpart (XEP-0106). */
static void put_escaped(struct lg_out *o, struct sb_str text)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;
	char c;

	for (i = 0; i < text.n; i++) {
		c = text.p[i];
		if (lg_must_escape(c) ||
		    (c == '\\' && lg_escape_at(text.p + i + 1, text.n - i - 1)))
			lg_out_hex(o, '\\', c, digits);
		else
			lg_out_char(o, c);
	}
}

/* Append the user part of a URI as a localpart. */
static int put_user_as_local(struct lg_out *o, struct sb_str user)
{
	char raw[LG_PART_MAX], folded[LG_PART_MAX + LG_UTF8_MAX];
	struct lg_out r = {raw, 0, sizeof(raw), false};
	struct lg_out f = {folded, 0, sizeof(folded), false};
	size_t i, before = o->n;
	int err;

	for (i = 0; i < user.n; i++) {
		if (!lg_uri_user_char(user.p[i]) && user.p[i] != '%')
			return LG_EBADURI;
	}
	put_decoded(&r, user);
	if (r.full)
		return LG_ETOOLONG;
	if (raw[0] == ' ' || raw[r.n - 1] == ' ')
		return LG_EBADURI;
	err = lg_out_folded(&f, (struct sb_str){raw, r.n}, LG_EBADURI);
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
static int put_resource(struct sb_str *resource, struct lg_out *o,
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
	struct lg_out o = {buf, 0, cap, false};
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
	lg_out_char(&o, '@');
	lg_out_text(&o, name.p, name.n);
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
