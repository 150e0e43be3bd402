/*
 * policy.h: may this cross? The one question of the gateway.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: asked in every phase of a stream and again for every stanza; every
 *          rule about who may reach whom is here and nowhere else.
 * Shape:   pure; allocates nothing; far below a microsecond.
 * Thread:  any, while the settings stand.
 */
#ifndef LG_POLICY_H
#define LG_POLICY_H

#include "settings.h"

enum lg_direction {
	LG_IN,	/* from an XMPP contact to a Lync user */
	LG_OUT, /* from a Lync user to an XMPP contact */
};

enum lg_kind {
	LG_STREAM, /* an s2s stream: only the contact's domain counts */
	LG_MESSAGE,
	LG_TYPING,
	LG_OFFER, /* a conversation is opened */
	LG_PRESENCE,
};

/* "in", "out"; "stream", "message", ...; end with NULL. */
extern const char *const lg_direction_names[];
extern const char *const lg_kind_names[];

struct lg_facts {
	enum lg_direction direction;
	enum lg_kind kind;
	struct sb_str contact; /* JID, or for a stream its domain */
	struct sb_str user;    /* JID of the Lync user; ignored for a stream */
	bool listed; /* the Lync user has the contact on the contact list
			(lg_roster_listed) */
};

struct lg_decision {
	const struct lg_partner *partner;
	const struct lg_access_policy *policy; /* NULL: none was needed */
	bool verified;	 /* the contact's identity is vouched for */
	bool reply_only; /* only inside a conversation that the Lync user
			    opened; for presence: not at all */
};

/*
 * LG_OK and *d, or why not: LG_EUNUSABLE, LG_EBADJID, LG_ENOTPARTNER,
 * LG_EDISABLED, LG_ENOTOURS, LG_EUSER. With a refusal d->partner and d->policy
 * tell as far as they were found (for an explanation). The flags are of the
 * partner: false until it is known that there is an enabled one, then true to
 * it also when its Lync user may not (LG_ENOTOURS, LG_EUSER): what the other
 * side is told depends on them.
 */
int lg_may(struct lg_decision *d, const struct lg_settings *s,
	   const struct lg_facts *facts);

#endif
