/*
 * access.h: which Lync users may use XMPP: external access policies.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: global, site and user scope; the closest one that exists decides
 *          alone, nothing is merged. Without any policy everyone may; with
 *          policies but without a global one, those whom no other policy
 *          names may not.
 * Shape:   a look-up is two or three hashes and allocates nothing.
 * Owner:   everything lies in the arena of the settings.
 * Source:  CsExternalAccessPolicy (EnableXmppAccess).
 */
#ifndef LG_ACCESS_H
#define LG_ACCESS_H

#include "map.h"

enum lg_scope {
	LG_SCOPE_GLOBAL,
	LG_SCOPE_SITE,
	LG_SCOPE_USER,
};

struct lg_access_policy {
	struct sb_str name; /* "global", "site:Redmond", "SalesAccessPolicy" */
	enum lg_scope scope;
	bool xmpp; /* enable_xmpp_access */
};

struct lg_access {
	bool limited; /* false: no policies, everyone may */
	struct lg_access_policy *policies;
	size_t n;
	struct lg_map by_name;	/* policy name to its index */
	struct lg_map grants;	/* user (lg_jid_canon) to a policy */
	struct lg_map sites;	/* user or domain to a policy */
};

/* The scope that a policy's name says. */
enum lg_scope lg_scope_of(struct sb_str name);

/*
 * Whether a Lync user may use XMPP. user is "name@domain" as lg_jid_canon
 * makes it. *policy (may be NULL) becomes the policy that decided, NULL when
 * there was none.
 */
bool lg_access_allows(const struct lg_access_policy **policy,
		      const struct lg_access *a, struct sb_str user);

#endif
