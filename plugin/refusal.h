/*
 * refusal.h: what each side is told when something is refused.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: error numbers of policy and streams as conditions of XMPP.
 * Shape:   pure, static storage.
 * Source:  RFC 6120 4.9.3 (stream), 6.5 (SASL), 8.3.3 (stanza), XEP-0220 2.4
 *          (dialback: a stanza error inside db:result).
 */
#ifndef LG_REFUSAL_H
#define LG_REFUSAL_H

struct lg_refusal {
	const char *stream; /* NULL: the stream ends without an error */
	const char *sasl;
	const char *type; /* stanza errors: "cancel", "wait", "auth" */
	const char *condition;
};

/* Of an error of the groups policy and streams, or of LG_EBADJID; of any other
 * number what fits an error of our own. Never NULL. */
const struct lg_refusal *lg_refusal(int err);

#endif
