/*
 * settings.h: all settings of one host, checked.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: turns the administrator's values into what the rest of the core
 *          asks, and finds every mistake in one run. A mistake in a partner
 *          disables that partner alone; any other mistake makes the host
 *          unusable; neither ever opens anything.
 * Shape:   one struct per host; read-only after loading.
 * Owner:   the struct is the caller's storage; all text lies in its arena and
 *          ends with NUL.
 * Source:  design/interface.md; defaults of the gateway's numbers are those of
 *          Set-CsXmppGatewayConfiguration, of the bridge those of
 *          sb_config_init.
 */
#ifndef LG_SETTINGS_H
#define LG_SETTINGS_H

#include "../sipbridge/sipbridge.h"
#include "access.h"
#include "partner.h"
#include "value.h"

/* Times in seconds. */
struct lg_gateway {
	uint32_t connection_limit;	   /* streams of all partners */
	uint32_t partner_connection_limit; /* streams of one partner */
	uint32_t keep_alive_interval;
	uint32_t stream_establishment_timeout;
	uint32_t stream_inactivity_timeout;
	uint32_t subscription_refresh_interval;
	uint32_t contact_authorization_days; /* days: a contact list entry
						counts without being seen */
	uint32_t partner_subscription_limit; /* new ones per hour */
	uint32_t partner_recipient_limit; /* Lync users addressed per hour */
	bool enable_logging_all_message_bodies;
	struct sb_str dialback_passphrase; /* or empty */
};

struct lg_bridge {
	struct lg_endpoint edge;
	struct sb_str address; /* or empty */
	struct sb_str fqdn;
	struct sb_str listen[SB_LISTEN_MAX];
	size_t listen_n;
	struct sb_str certificate; /* these: or empty */
	struct sb_str key;
	struct sb_str cafile;
	struct sb_str crlfile;
	struct sb_str min_tls;
	uint32_t rate;	/* requests per second; 0: unlimited */
	uint32_t burst;
	bool sandbox;
	uint32_t memory; /* MiB; 0: any */
	struct sb_wire wire;
};

struct lg_problem {
	bool error;	     /* or a warning */
	const char *partner; /* primary domain, or NULL */
	const char *key;     /* lync_partners["a.com"].tls_negotiation */
	const char *value;   /* printable, or NULL */
	const char *message;
	const char *remedy;  /* or NULL */
	const char *text;    /* the whole line */
	size_t seq;	     /* order of finding */
};

struct lg_problems {
	struct lg_problem *v; /* sorted by key after loading */
	size_t n;
	size_t cap;
};

struct lg_settings {
	struct lg_arena arena;
	struct sb_str host;
	struct sb_str host_ascii; /* A-labels; empty when host is no domain */
	bool usable;
	struct lg_bridge bridge;
	struct lg_gateway gateway;
	struct lg_partners partners;
	struct lg_access access;
	struct lg_problems problems;
};

/*
 * Read options (a table; a missing name is an absent option) into s, which is
 * zeroed. Problems are no failure. LG_ENOMEM: s is to be given to
 * lg_settings_fini all the same.
 */
int lg_settings_load(struct lg_settings *s, struct sb_str host,
		     const struct lg_value *options);

void lg_settings_fini(struct lg_settings *s);

#endif
