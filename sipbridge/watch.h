/*
 * watch.h: presence subscriptions between XMPP contacts and Lync users.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the state machine of lync-sip.md section 3: a contact watches a Lync
 *          user (our SUBSCRIBE), a Lync user watches a contact (theirs). No
 *          I/O, no SIP stack, no clock, no randomness of its own.
 * Shape:   one engine per worker, made for a million subscriptions each way:
 *          one block of memory each; names and route sets are shared; Call-IDs
 *          and tags of ours are derived from a number by a keyed hash.
 * Fate:    a first SB_REQ_WATCH of a pair ends in one SB_EV_WATCH of ACTIVE,
 *          REFUSED or FAILING, an SB_REQ_UNWATCH in ENDED; each request from
 *          the wire in one final response.
 *          (An UNWATCH that comes first takes the outcome's place.) Later
 *          FAILING is said when it begins or its status changes, ACTIVE once
 *          for each dialog. A FAILING with the token "queue-full" is not kept:
 *          nothing is tried again before the next WATCH.
 * Keeps:   a PRESENCE as long as the pair has a dialog, or a SUBSCRIBE that
 *          waits for its answer (so say it before the ANSWER); none for others.
 * Units:   now_ms monotonic; never goes back. unix time where documents want
 *          one: sb_watches_time().
 * Limits:  below, and 1 GiB of memory; beyond: SB_WATCH_FAILING status 503, or
 *          503 on the wire.
 * Source:  lync-sip.md 3, 4; RFC 6665, 3856; interworking.md F.
 */
#ifndef SB_WATCH_H
#define SB_WATCH_H

#include "wire.h"

#define SB_WATCHES_MAX 1200000	     /* contacts' watches of Lync users */
#define SB_SUBSCRIPTIONS_MAX 1200000 /* dialogs that Lync users opened */
#define SB_SUBSCRIPTIONS_PER_PAIR 8  /* more replace the oldest */

struct sb_watches;

/* As sb_sessions_new (session.h). */
int sb_watches_new(struct sb_watches **wp, struct sb_str bridge_fqdn,
		   const struct sb_wire *wire, const struct sb_wire_ops *ops,
		   void *arg);
void sb_watches_free(struct sb_watches *w);
int sb_watches_configure(struct sb_watches *w, const struct sb_wire *wire);

/* Cookies and event ids of this engine, and of no other, are such. */
static inline bool sb_watches_own(uint64_t n)
{
	return n >> 63;
}

/* WATCH, UNWATCH, PRESENCE, REJECT, WATCHES (of contact and user, where they
 * are named), and ANSWER of own ids. Never fails: what cannot be done becomes
 * an event. */
void sb_watches_send(struct sb_watches *w, const struct sb_request *r,
		     uint64_t now_ms);

/* SUBSCRIBE and NOTIFY from the wire; answered through ops->respond, now or
 * later, exactly once. (A NOTIFY without Event, for an IM dialog, is the
 * session engine's.) */
void sb_watches_request(struct sb_watches *w, uint64_t txn,
			const struct sb_sip_in *m, uint64_t now_ms);

void sb_watches_response(struct sb_watches *w, uint64_t cookie,
			 const struct sb_sip_in *m, uint64_t now_ms);

/* Do what is due. Milliseconds until the next call is wanted, at most
 * 60000. */
uint32_t sb_watches_tick(struct sb_watches *w, uint64_t now_ms);

/* Take nothing new (503), send nothing more: subscriptions end with us. */
void sb_watches_shutdown(struct sb_watches *w, uint64_t now_ms);

/* Unix time of now_ms 0, for publishTime; 0 (at first): unknown. */
void sb_watches_time(struct sb_watches *w, uint64_t unix_at_zero);

struct sb_watches_count {
	size_t watches;	      /* pairs that a contact watches */
	size_t subscriptions; /* dialogs of Lync users */
	size_t unanswered;    /* server transactions without a final answer */
	size_t client_txns;   /* cookies without a final response */
	size_t waiting;	      /* SUBSCRIBEs waiting for their turn */
	size_t bytes;	      /* of memory that all of it has */
};
void sb_watches_count(const struct sb_watches *w, struct sb_watches_count *c);

#endif
