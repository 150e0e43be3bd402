/*
 * address.c: JIDs, and JID to SIP URI (RFC 7247 section 6, XEP-0106).
 * SPDX-License-Identifier: MIT
 */
#include "address.h"

#include "escape.h"
#include "text.h"

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

/* Append a localpart in lower case. LG_EBADJID also for a character that must
 * be escaped, and for an escaped space at an end. */
static int put_local(struct lg_out *o, struct sb_str local)
{
	size_t i;

	for (i = 0; i < local.n; i++) {
		if (lg_must_escape(local.p[i]))
			return LG_EBADJID;
	}
	if (local.n >= 3 && (memcmp(local.p, "\\20", 3) == 0 ||
			     memcmp(local.p + local.n - 3, "\\20", 3) == 0))
		return LG_EBADJID;
	return lg_out_folded(o, local, LG_EBADJID);
}

int lg_jid_canon(struct sb_str *out, char *buf, size_t cap, struct sb_str jid)
{
	struct lg_out o = {buf, 0, cap, false};
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
		lg_out_char(&o, '@');
	}
	lg_out_text(&o, ascii.p, ascii.n);
	if (o.full)
		return LG_ETOOLONG;
	*out = (struct sb_str){buf, o.n};
	return LG_OK;
}

static void put_user(struct lg_out *o, char c)
{
	if (lg_uri_user_char(c))
		lg_out_char(o, c);
	else
		lg_out_hex(o, '%', c, "0123456789ABCDEF");
}

/*
 * Append a localpart, in lower case and checked, as the user of a SIP URI.
 * An escaped backslash that needed no escape is refused: its plain form is
 * another JID, and both would have one URI.
 */
static int put_unescaped(struct lg_out *o, struct sb_str local)
{
	size_t i = 0, left;
	char c;

	while (i < local.n) {
		c = local.p[i++];
		left = local.n - i;
		if (c == '\\' && lg_escape_at(local.p + i, left)) {
			c = lg_escape_at(local.p + i, left);
			i += 2;
			left -= 2;
			if (c == '\\' && !lg_escape_at(local.p + i, left))
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
	struct lg_out local = {folded, 0, sizeof(folded), false};
	struct lg_out o = {buf, 0, cap, false};
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
	lg_out_text(&o, "sip:", 4);
	err = put_unescaped(&o, (struct sb_str){folded, local.n});
	if (err)
		return err;
	lg_out_char(&o, '@');
	lg_out_text(&o, ascii.p, ascii.n);
	if (local.full || o.full)
		return LG_ETOOLONG;
	*uri = (struct sb_str){buf, o.n};
	if (resource)
		*resource = j.resource;
	return LG_OK;
}
