/*
 * policy.c: may this cross? The one question of the gateway.
 * SPDX-License-Identifier: MIT
 */
#include "policy.h"

#include "address.h"

const char *const lg_direction_names[] = {"in", "out", NULL};
const char *const lg_kind_names[] = {"stream", "message",  "typing",
				     "offer",  "presence", NULL};

/* The Lync user is one of this host, and may use XMPP. */
static int may_user(struct lg_decision *d, const struct lg_settings *s,
		    struct sb_str jid)
{
	char buf[LG_JID_MAX];
	struct sb_str user, domain;
	const char *at;

	if (lg_jid_canon(&user, buf, sizeof(buf), jid))
		return LG_EBADJID;
	at = memchr(user.p, '@', user.n);
	if (!at)
		return LG_EBADJID;
	domain.p = at + 1;
	domain.n = user.n - (size_t)(domain.p - user.p);
	if (!sb_str_eq(domain, s->host_ascii))
		return LG_ENOTOURS;
	return lg_access_allows(&d->policy, &s->access, user) ? LG_OK
							      : LG_EUSER;
}

int lg_may(struct lg_decision *d, const struct lg_settings *s,
	   const struct lg_facts *facts)
{
	struct lg_jid contact;

	*d = (struct lg_decision){0};
	if (!s->usable)
		return LG_EUNUSABLE;
	if (lg_jid_split(&contact, facts->contact))
		return LG_EBADJID;
	d->partner = lg_partners_find(&s->partners, contact.domain);
	if (!d->partner)
		return LG_ENOTPARTNER;
	if (d->partner->disabled)
		return LG_EDISABLED;
	d->verified = lg_partner_verified(d->partner);
	d->reply_only = facts->direction == LG_IN && !facts->listed &&
			d->partner->type == LG_PUBLIC_UNVERIFIED;
	if (facts->kind == LG_STREAM)
		return LG_OK;
	return may_user(d, s, facts->user);
}
