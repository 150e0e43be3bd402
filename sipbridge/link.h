/*
 * link.h: is the Access Edge reachable, and when to try again.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: one struct per Edge (FQDN, address, port). Requests are refused at
 *          once while the Edge is known to be down instead of hammering it;
 *          an OPTIONS probe finds out when it is back.
 * Shape:   pure; the caller sends the probe that sb_link_due asks for and
 *          tells every result. Time and the jitter are parameters.
 * Units:   milliseconds, monotonic.
 * Source:  lync-sip.md 1.3; RFC 5626 4.5 (back-off idea); sofia.md 4.
 */
#ifndef SB_LINK_H
#define SB_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define SB_LINK_BACKOFF_MIN_MS 500   /* after the second failure in a row */
#define SB_LINK_BACKOFF_MAX_MS 60000

enum sb_link_state {
	SB_LINK_UNKNOWN = 0, /* nothing heard (lately): requests may try */
	SB_LINK_UP,
	SB_LINK_DOWN,	     /* requests fail at once with 503 */
};

struct sb_link {
	enum sb_link_state state;
	bool probing;	      /* a probe has no answer yet */
	uint32_t failures;    /* in a row */
	uint32_t interval_ms; /* keep-alive; 0: probe only while down */
	uint64_t next_ms;     /* when the next probe is due */
};

void sb_link_init(struct sb_link *l, uint32_t interval_ms, uint64_t now_ms);

/* True: send a probe now (it counts as sent). */
bool sb_link_due(struct sb_link *l, uint64_t now_ms);

/* Milliseconds until sb_link_due may be true, at most 60000. */
uint32_t sb_link_wait_ms(const struct sb_link *l, uint64_t now_ms);

/* The Edge answered something, whatever. True if the state became UP. */
bool sb_link_heard(struct sb_link *l, bool probe, uint64_t now_ms);

/* No connection, or no answer at all. jitter: any random number. True if the
 * state became DOWN, which only a probe decides: a request that fails on a link
 * that was up makes it UNKNOWN and asks for a probe at once, since a connection
 * that was closed is no outage, and others may try meanwhile. */
bool sb_link_failed(struct sb_link *l, bool probe, uint32_t jitter,
		    uint64_t now_ms);

#endif
