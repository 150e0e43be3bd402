/*
 * errors.h: XMPP error conditions and SIP status codes, one into the other.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: every failure on one side is told on the other, with what Lync
 *          calls diagnostics where a status alone says too little.
 * Shape:   pure, tables in static storage.
 * Source:  RFC 7247 section 7, RFC 6120 section 8.3.3, RFC 3261 section 21,
 *          [MS-OCER] (ms-diagnostics codes; lync-sip.md 1.7, 2.10).
 */
#ifndef LG_ERRORS_H
#define LG_ERRORS_H

#include "../sipbridge/str.h"

struct lg_status {
	int status;	       /* 300..699 */
	const char *phrase;
	int diag;	       /* ms-diagnostics-public, 0: none */
	const char *diag_text; /* or NULL */
};

/*
 * What a SIP answer means to an XMPP user: *condition "item-not-found", ...,
 * *type "cancel", "wait", "modify" or "auth". diag: code of ms-diagnostics or
 * ms-diagnostics-public, 0 for none; a code that is known says more than the
 * status. Unknown statuses count as the default of their class. LG_ENOTERROR
 * below 300 (nothing is written); 700 and above are undefined-condition.
 */
int lg_status_to_condition(const char **condition, const char **type,
			   int status, int diag);

/*
 * What an XMPP error means to a Lync user. full: the JID in error had a
 * resource; type: of the error ("wait", ...) or empty; moved: the error
 * carries a new address that the answer will carry too: only then "gone" is
 * 301 and "redirect" 302; without one they are 410 and 480. An unknown
 * condition counts as undefined-condition.
 */
void lg_condition_to_status(struct lg_status *s, struct sb_str condition,
			    bool full, struct sb_str type, bool moved);

#endif
