/*
 * check.c: soundness of requests, events and settings.
 * SPDX-License-Identifier: MIT
 */
#include "check.h"

/* ---------------------------------------------------------------- text -- */

static bool cont(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* RFC 3629, the table of section 4. */
static size_t utf8_char(uint32_t *cp, const unsigned char *p, size_t n)
{
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && cont(p[1])) {
		*cp = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
		return 2;
	}
	if (n >= 3 && (p[0] & 0xf0) == 0xe0 && cont(p[1]) && cont(p[2])) {
		*cp = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 |
		      (p[2] & 0x3fu);
		return *cp >= 0x800 && (*cp < 0xd800 || *cp > 0xdfff) ? 3 : 0;
	}
	if (n >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4 && cont(p[1]) &&
	    cont(p[2]) && cont(p[3])) {
		*cp = (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 |
		      (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
		return *cp >= 0x10000 && *cp <= 0x10ffff ? 4 : 0;
	}
	return 0;
}

size_t sb_check_char(const char *p, size_t n, enum sb_text_class class)
{
	uint32_t cp;
	size_t len = utf8_char(&cp, (const unsigned char *)p, n);

	if (len == 0 || cp == 0xfffe || cp == 0xffff)
		return 0;
	if (cp >= ' ' && (cp != 0x7f || class == SB_TXT_TEXT))
		return len;
	return class == SB_TXT_TEXT && (cp == '\n' || cp == '\t') ? 1 : 0;
}

static bool in(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	       (c >= 'A' && c <= 'F');
}

/* sip:user@host: user of RFC 3261's grammar, host a name or an address in
 * lower case; nothing that could end or extend a header's URI. */
static bool uri(struct sb_str s)
{
	const struct sb_str scheme = SB_STR("sip:");
	size_t i = scheme.n, user = i;

	if (s.n <= i || memcmp(s.p, scheme.p, scheme.n) != 0)
		return false;
	for (; i < s.n && s.p[i] != '@'; i++) {
		char c = s.p[i];

		if (c == '%') {
			if (s.n - i < 3 || !hex(s.p[i + 1]) ||
			    !hex(s.p[i + 2]))
				return false;
			i += 2;
		}
		else if (!lower_alnum(c) && !(c >= 'A' && c <= 'Z') &&
			 !in(c, "-_.!~*'()&=+$,;?/"))
			return false;
	}
	if (i == user || s.n - i < 2)
		return false;
	for (i++; i < s.n; i++) {
		if (!lower_alnum(s.p[i]) && !in(s.p[i], "-._[:]"))
			return false;
	}
	return true;
}

bool sb_check_text(struct sb_str s, enum sb_text_class class)
{
	if (class == SB_TXT_URI)
		return s.n == 0 || uri(s);
	for (size_t i = 0, len; i < s.n; i += len) {
		len = 1;
		if (s.p[i] >= ' ' && s.p[i] < 0x7f)
			continue; /* most of them */
		len = sb_check_char(s.p + i, s.n - i, class);
		if (len == 0)
			return false;
	}
	return true;
}

/* -------------------------------------------------------------- tables -- */

static int check_list(const struct sb_field *f, const char *s)
{
	size_t n;

	memcpy(&n, s + f->count_at, sizeof(n));
	if (n > f->max)
		return SB_ETOOBIG;
	for (size_t i = 0; i < n; i++) {
		const char *e = s + f->at + i * f->elem->size;
		int r = sb_check_fields(f->elem, e, 0);

		if (r != SB_OK)
			return r;
	}
	return SB_OK;
}

static int check_str(const struct sb_field *f, const char *at, unsigned soft)
{
	struct sb_str s;

	memcpy(&s, at, sizeof(s));
	if (f->soft & soft)
		return s.p || !s.n ? SB_OK : SB_EINVAL;
	if (s.n > f->max)
		return SB_ETOOBIG;
	if (!s.p && s.n)
		return SB_EINVAL;
	return sb_check_text(s, f->text) ? SB_OK : SB_EBADTEXT;
}

static int64_t number(const struct sb_field *f, const char *at)
{
	uint16_t u16;
	uint32_t u32;
	int i;

	if (f->type == SB_T_U16) {
		memcpy(&u16, at, sizeof(u16));
		return u16;
	}
	if (f->type == SB_T_U32) {
		memcpy(&u32, at, sizeof(u32));
		return u32;
	}
	memcpy(&i, at, sizeof(i));
	return i;
}

static int check_field(const struct sb_field *f, const char *s, unsigned soft)
{
	int64_t v;

	switch (f->type) {
	case SB_T_STR:
		return check_str(f, s + f->at, soft);
	case SB_T_LIST:
		return check_list(f, s);
	case SB_T_U16:
	case SB_T_U32:
	case SB_T_INT:
		v = number(f, s + f->at);
		return v >= f->lo && v <= f->hi ? SB_OK : SB_EINVAL;
	case SB_T_BOOL:
	case SB_T_U64:
		break;
	}
	return SB_OK;
}

int sb_check_fields(const struct sb_fields *t, const void *s, unsigned soft)
{
	for (size_t i = 0; i < t->n; i++) {
		int r = check_field(&t->field[i], s, soft);

		if (r != SB_OK)
			return r;
	}
	return SB_OK;
}

/* --------------------------------------------------- the three structs -- */

int sb_check_request(const struct sb_request *r)
{
	int e = sb_check_fields(&sb_fields_request, r, 0);
	bool pair = r->contact.n && r->user.n, ok = false;

	if (e != SB_OK)
		return e;
	switch (r->type) {
	case SB_REQ_MESSAGE:
		ok = pair && r->text.n;
		break;
	case SB_REQ_TYPING:
		ok = pair && r->typing != SB_TYPING_NONE;
		break;
	case SB_REQ_END:
	case SB_REQ_WATCH:
	case SB_REQ_UNWATCH:
	case SB_REQ_REJECT:
		ok = pair;
		break;
	case SB_REQ_PRESENCE:
		ok = pair && r->presence != SB_PR_UNKNOWN;
		break;
	case SB_REQ_ANSWER:
		ok = r->id && (r->status == 200 || r->status >= 400);
		break;
	case SB_REQ_SESSIONS:
	case SB_REQ_WATCHES:
		ok = true;
		break;
	}
	return ok ? SB_OK : SB_EINVAL;
}

/* Of SIP, or not said. */
static bool status_ok(int s)
{
	return s == 0 || (s >= 100 && s < 700);
}

int sb_check_event(const struct sb_event *ev, unsigned soft)
{
	int e = sb_check_fields(&sb_fields_event, ev, soft), s = ev->status;
	bool pair = ev->contact.n && ev->user.n, ok = true;

	if (e != SB_OK)
		return e;
	switch (ev->type) {
	case SB_EV_OUTCOME:
		ok = ev->id && ev->outcome && status_ok(s);
		break;
	case SB_EV_OFFER:
	case SB_EV_MESSAGE:
		ok = ev->id && pair;
		break;
	case SB_EV_TYPING:
		ok = pair && ev->typing;
		break;
	case SB_EV_ENDED:
	case SB_EV_SESSION:
	case SB_EV_STATE:
	case SB_EV_SUBSCRIBE:
	case SB_EV_UNSUBSCRIBED:
		ok = pair;
		break;
	case SB_EV_WATCH:
		ok = pair && ev->watch != SB_WATCH_NONE && status_ok(s);
		break;
	case SB_EV_WATCH_ROW:
		ok = pair && s >= 0;
		break;
	case SB_EV_EDGE:
		ok = ev->domain.n && (s == 0 || s == 1);
		break;
	case SB_EV_WORKER:
		ok = s <= 1;
		break;
	case SB_EV_LOG:
		ok = s >= 0 && s <= 3;
		break;
	case SB_EV_WATCHES_END:
		ok = s >= 0;
		break;
	case SB_EV_SESSIONS_END:
	case SB_EV_REFUSED:
		break;
	}
	return ok ? SB_OK : SB_EINVAL;
}

/* "Name: value" with exactly one %s and no other conversion. */
static bool header_ok(struct sb_str h)
{
	size_t percent = 0, colon = 0;

	if (h.n == 0)
		return true;
	for (size_t i = 0; i < h.n; i++) {
		if (h.p[i] == ':' && !colon)
			colon = i;
		if (h.p[i] != '%')
			continue;
		if (i + 1 == h.n || h.p[i + 1] != 's')
			return false;
		percent++;
	}
	return colon && percent == 1;
}

static bool one_of(struct sb_str s, const char *a, const char *b)
{
	return sb_str_eq(s, sb_str_of(a)) || sb_str_eq(s, sb_str_of(b));
}

int sb_check_config(const struct sb_config *c)
{
	int e = sb_check_fields(&sb_fields_config, c, 0);

	if (e != SB_OK)
		return e;
	if (!c->worker.n || !c->bridge_fqdn.n || !c->listen_n ||
	    !c->certificate.n || !c->key.n)
		return SB_EINVAL;
	for (size_t i = 0; i < c->listen_n; i++) {
		if (!c->listen[i].n)
			return SB_EINVAL;
	}
	for (size_t i = 0; i < c->domains_n; i++) {
		const struct sb_domain *d = &c->domains[i];

		if (!d->name.n || !d->edge.n || !d->port)
			return SB_EINVAL;
	}
	if (c->min_tls.n && !one_of(c->min_tls, "1.2", "1.3"))
		return SB_EINVAL;
	if (!one_of(c->wire.imdn_method, "INFO", "MESSAGE") ||
	    !header_ok(c->wire.verification_header))
		return SB_EINVAL;
	return SB_OK;
}
