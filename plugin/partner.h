/*
 * partner.h: the federated XMPP domains: an allow list.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what is not found here is refused. A partner whose settings have an
 *          error stays on the list as disabled: known, and refused.
 * Shape:   a hash of all domains, primary and additional, as A-labels in lower
 *          case; made for 10,000 partners and more. A look-up allocates
 *          nothing.
 * Owner:   everything lies in the arena of the settings.
 * Thread:  read-only after loading.
 */
#ifndef LG_PARTNER_H
#define LG_PARTNER_H

#include "map.h"
#include "negotiation.h"

enum lg_partner_type {
	LG_TYPE_MISSING = -1, /* of a disabled partner only */
	LG_FEDERATED = 0,
	LG_PUBLIC_VERIFIED = 1,
	LG_PUBLIC_UNVERIFIED = 2,
};

/* "federated", ...; ends with NULL. In the order of enum lg_partner_type. */
extern const char *const lg_partner_type_names[];

struct lg_endpoint {
	struct sb_str host; /* empty: none */
	uint16_t port;
};

struct lg_partner {
	struct sb_str domain; /* primary, in XMPP's form (U-labels) */
	struct sb_str ascii;  /* the same as A-labels */
	struct sb_str description;	/* or empty */
	struct sb_str *additional;	/* in XMPP's form */
	size_t additional_n;
	int type;     /* enum lg_partner_type */
	int tls;      /* enum lg_need */
	int sasl;     /* enum lg_need */
	bool dialback;
	bool keep_alive;
	uint32_t connection_limit;	/* streams at the same time */
	struct lg_endpoint proxy;
	const struct lg_negotiation *row;
	unsigned methods; /* bits 1 << enum lg_method: those of the row that
			     Prosody's own options leave */
	bool strict;	  /* dialback over TLS needs a good certificate */
	const char *disabled; /* NULL, or the problem that disabled it */
};

struct lg_partners {
	struct lg_partner *v;
	size_t n;
	size_t cap;
	const struct lg_partner **sorted; /* by domain, without those whose
					     primary domain another one has */
	size_t sorted_n;
	struct lg_map by_domain; /* A-labels to the index in v */
};

/* Room for n partners. LG_ENOMEM. */
int lg_partners_init(struct lg_partners *p, struct lg_arena *a, size_t n);

/*
 * Give domain (A-labels, owned by the arena) to partner owner. LG_ECLAIMED and
 * *other (its index) if a partner has it already, which stays its owner;
 * that may be the same partner. LG_ENOMEM.
 */
int lg_partners_claim(uint32_t *other, struct lg_partners *p,
		      struct lg_arena *a, struct sb_str domain,
		      uint32_t owner);

/* Fill p->sorted, after all primary domains were claimed. LG_ENOMEM. */
int lg_partners_sort(struct lg_partners *p, struct lg_arena *a);

/* Who has this domain (any spelling), disabled or not; NULL: nobody. */
const struct lg_partner *lg_partners_find(const struct lg_partners *p,
					  struct sb_str domain);

/* The partner vouches for who its users are. */
bool lg_partner_verified(const struct lg_partner *p);

#endif
