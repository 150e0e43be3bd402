/*
 * access.c: which Lync users may use XMPP: external access policies.
 * SPDX-License-Identifier: MIT
 */
#include "access.h"

enum lg_scope lg_scope_of(struct sb_str name)
{
	static const char site[] = "site:";

	if (sb_str_eq(name, SB_STR("global")))
		return LG_SCOPE_GLOBAL;
	if (name.n > sizeof(site) - 1 &&
	    memcmp(name.p, site, sizeof(site) - 1) == 0)
		return LG_SCOPE_SITE;
	return LG_SCOPE_USER;
}

static struct sb_str domain_of(struct sb_str user)
{
	const char *at = user.n ? memchr(user.p, '@', user.n) : NULL;

	if (!at)
		return user;
	at++;
	return (struct sb_str){at, user.n - (size_t)(at - user.p)};
}

bool lg_access_allows(const struct lg_access_policy **policy,
		      const struct lg_access *a, struct sb_str user)
{
	const struct lg_access_policy *found = NULL;
	uint32_t i;

	if (lg_map_get(&i, &a->grants, user) ||
	    lg_map_get(&i, &a->sites, user) ||
	    lg_map_get(&i, &a->sites, domain_of(user)) ||
	    lg_map_get(&i, &a->by_name, SB_STR("global")))
		found = &a->policies[i];
	if (policy)
		*policy = found;
	return found ? found->xmpp : !a->limited;
}
