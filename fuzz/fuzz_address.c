/*
 * fuzz_address.c: JIDs to SIP URIs and back, domains in both forms.
 * SPDX-License-Identifier: MIT
 *
 * Input: an address of either kind.
 */
#include "../plugin/address.h"
#include "../sipbridge/check.h"
#include "../sipbridge/content.h"
#include "../sipbridge/sip_text.h"
#include "fuzz.h"

static void domain(struct sb_str s)
{
	char a[LG_DOMAIN_MAX], b[LG_DOMAIN_MAX], c[LG_DOMAIN_MAX];
	struct sb_str ascii, again, unicode;
	int err = lg_domain_ascii(&ascii, a, s);

	if (err)
		return;
	need(ascii.n > 0 && ascii.n <= LG_DOMAIN_MAX);
	need(lg_domain_ascii(&again, b, ascii) == LG_OK);
	need(sb_str_eq(again, ascii));
	need(lg_domain_unicode(&unicode, c, s) == LG_OK);
	need(sb_utf8_valid(unicode));
	need(lg_domain_ascii(&again, b, unicode) == LG_OK);
	need(sb_str_eq(again, ascii));
	need(lg_domain_unicode(&again, b, unicode) == LG_OK);
	need(sb_str_eq(again, unicode));
}

static struct sb_str canon(char buf[LG_JID_MAX], struct sb_str jid)
{
	struct sb_str out, again;
	char other[LG_JID_MAX];

	need(lg_jid_canon(&out, buf, LG_JID_MAX, jid) == LG_OK);
	need(lg_jid_canon(&again, other, sizeof(other), out) == LG_OK);
	need(sb_str_eq(again, out));
	return out;
}

/* decode(encode(x)) is x, and both are one spelling. */
static void from_jid(struct sb_str x)
{
	char buf[LG_URI_MAX], back[LG_FULL_MAX + 1], more[LG_URI_MAX];
	char a[LG_JID_MAX], b[LG_JID_MAX];
	struct sb_str uri = SB_NOSTR, resource, jid, again;

	if (lg_jid_to_uri(&uri, &resource, buf, sizeof(buf), x)) {
		need(uri.p == NULL);
		return;
	}
	need(uri.n <= LG_URI_MAX && sb_check_text(uri, SB_TXT_URI));
	need(lg_uri_to_jid(&jid, &resource, back, sizeof(back), uri) == LG_OK);
	need(resource.p == NULL);
	need(sb_str_eq(canon(a, x), canon(b, jid)));
	need(lg_jid_to_uri(&again, NULL, more, sizeof(more), jid) == LG_OK);
	need(sb_str_eq(again, uri));
	need(sb_uri_plain(more, sizeof(more), uri) == (int)uri.n);
	need(memcmp(more, uri.p, uri.n) == 0);
}

/* A JID that a URI has is one of its own, and leads back to it. */
static void from_uri(struct sb_str x)
{
	char buf[LG_FULL_MAX + 1], back[LG_FULL_MAX + 1], more[LG_URI_MAX];
	char a[LG_JID_MAX];
	struct sb_str jid = SB_NOSTR, resource, uri, again;
	struct lg_jid parts;
	int err, n;

	if (lg_uri_to_jid(&jid, &resource, buf, sizeof(buf), x)) {
		need(jid.p == NULL);
		return;
	}
	need(lg_jid_split(&parts, jid) == LG_OK);
	need(parts.local.n > 0 && !parts.resource.p);
	need(sb_utf8_valid(jid) && sb_utf8_valid(resource));
	(void)canon(a, jid);
	err = lg_jid_to_uri(&uri, NULL, more, sizeof(more), jid);
	need(err == LG_OK || err == LG_ETOOLONG);
	if (!err) {
		need(lg_uri_to_jid(&again, NULL, back, sizeof(back), uri) ==
		     LG_OK);
		need(sb_str_eq(again, jid));
	}
	/* the worker hands on a plain form of it: the same person; a '%' that
	 * is no escape it refuses */
	n = sb_uri_plain(more, sizeof(more), x);
	if (n < 0)
		return;
	uri = (struct sb_str){more, (size_t)n};
	need(lg_uri_to_jid(&again, NULL, back, sizeof(back), uri) == LG_OK);
	need(sb_str_eq(again, jid));
}

/* What the worker makes of any URI is plain, and has a place in an event. */
static void plain(struct sb_str x)
{
	char buf[SB_URI_MAX], more[SB_URI_MAX];
	int n = sb_uri_plain(buf, sizeof(buf), x);
	struct sb_str uri = {buf, n > 0 ? (size_t)n : 0};

	if (n < 0)
		return;
	need(sb_uri_plain(more, sizeof(more), uri) == n);
	need(memcmp(buf, more, uri.n) == 0);
	need(sb_check_text(uri, SB_TXT_URI));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sb_str all = {(const char *)data, n};

	domain(all);
	from_jid(all);
	from_uri(all);
	plain(all);
	return 0;
}
