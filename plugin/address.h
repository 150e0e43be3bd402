/*
 * address.h: XMPP addresses and SIP URIs, one into the other.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: who is called what on which side. The mapping is one to one: for
 *          every JID that lg_jid_to_uri accepts, lg_uri_to_jid gives the same
 *          JID back (in lower case), so nobody can pass for another by
 *          spelling.
 * Shape:   pure; no allocation; results lie in the caller's buffer.
 * Limits:  LG_PART_MAX bytes per part of a JID, LG_URI_MAX per SIP URI.
 * Errors:  LG_EBADJID, LG_EBADURI, LG_ENOTSIP, LG_ENOUSER, LG_ETOOLONG.
 *          Out-parameters are written on success only.
 * Thread:  any.
 * Source:  RFC 7247 section 6, XEP-0106, RFC 7622, RFC 3261 section 25.
 */
#ifndef LG_ADDRESS_H
#define LG_ADDRESS_H

#include "../sipbridge/str.h"
#include "domain.h"
#include "error.h"

#define LG_PART_MAX 1023 /* bytes of a localpart or resourcepart */
#define LG_JID_MAX (LG_PART_MAX + 1 + LG_DOMAIN_MAX) /* a bare JID */
#define LG_FULL_MAX (LG_JID_MAX + 1 + LG_PART_MAX)   /* a full JID */
#define LG_URI_MAX 1100 /* "sip:user@host"; the same as SB_URI_MAX */
#define LG_URI_IN_MAX 4096 /* a URI received, with its parameters */

/* The parts of a JID, borrowed from it. Absent parts have p == NULL. */
struct lg_jid {
	struct sb_str local;
	struct sb_str domain;
	struct sb_str resource;
};

/*
 * Cut a JID into its parts: at the first '/', then at the first '@' before it.
 * Checks lengths and that a separator has something on both its sides; does
 * not look at characters. LG_EBADJID, LG_ETOOLONG.
 */
int lg_jid_split(struct lg_jid *jid, struct sb_str text);

/*
 * One spelling for each bare JID, to be compared and looked up: localpart in
 * lower case (Lync and XMPP both ignore case), host as A-labels in lower case;
 * a resource is left out. A JID without a localpart is fine. *out points into
 * buf; LG_JID_MAX bytes suffice. LG_EBADJID, LG_ETOOLONG.
 */
int lg_jid_canon(struct sb_str *out, char *buf, size_t cap, struct sb_str jid);

/*
 * "user@host/resource" to "sip:user@host": unescapes the localpart
 * (XEP-0106), percent-encodes what SIP forbids, host as A-labels. *uri points
 * into buf (LG_URI_MAX suffices); *resource points into jid, p == NULL when
 * there is none; resource may be NULL.
 * LG_EBADJID (not UTF-8, control characters, a character that the localpart
 * may not hold, or not the escaped form of anything), LG_ENOUSER,
 * LG_ETOOLONG.
 */
int lg_jid_to_uri(struct sb_str *uri, struct sb_str *resource, char *buf,
		  size_t cap, struct sb_str jid);

/*
 * "sip:user@host[:port][;parameters]" to "user@host", the value of the
 * parameter "gr" to the resource. *jid and *resource point into buf
 * (LG_FULL_MAX + 1 suffices; they are not adjacent); resource->p == NULL when
 * there is none; resource may be NULL. The port and other parameters are
 * checked and dropped; sips:, tel: and user=phone are LG_ENOTSIP; headers
 * ("?...") and a password are LG_EBADURI; no user part is LG_ENOUSER.
 */
int lg_uri_to_jid(struct sb_str *jid, struct sb_str *resource, char *buf,
		  size_t cap, struct sb_str uri);

#endif
