/*
 * tally.h: messages that were delivered, counted until the metrics take them.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: most messages end so, and nothing else has to be said of them than
 *          how many there were, of which partner, and how long they took.
 * Shape:   fixed: counts of LG_TALLY_PARTNERS partners, and a histogram of all
 *          of them together. No allocation.
 * Units:   seconds.
 * Thread:  the caller's.
 */
#ifndef LG_TALLY_H
#define LG_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "../sipbridge/str.h"
#include "domain.h"

enum { LG_TALLY_PARTNERS = 16, LG_TALLY_BUCKETS = 16 };

struct lg_tally_partner {
	char domain[LG_DOMAIN_MAX]; /* its primary one */
	uint8_t n;
	uint32_t count;
};

/* Zero it, but for the thresholds, to begin. */
struct lg_tally {
	double threshold[LG_TALLY_BUCKETS]; /* ascending */
	size_t buckets;
	/* of each bucket: what is in it and above the one before; the last one
	 * is above all thresholds */
	uint32_t taken[LG_TALLY_BUCKETS + 1];
	double sum;
	struct lg_tally_partner partner[LG_TALLY_PARTNERS];
	size_t partners;
};

/* One message of a partner was delivered after so many seconds. False: there
 * are too many partners, nothing was counted; take what there is first. */
bool lg_tally_add(struct lg_tally *t, struct sb_str partner, double seconds);

/* Begin again, with the same thresholds. */
void lg_tally_clear(struct lg_tally *t);

#endif
