/*
 * domain.h: domain names, in ASCII and with letters of the world.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: one spelling per domain. SIP and DNS want A-labels
 *          (xn--bcher-kva.example), XMPP wants U-labels (bücher.example);
 *          partners are looked up by the former.
 * Shape:   pure; no allocation; results lie in the caller's buffer.
 * Limits:  LG_DOMAIN_MAX bytes in either form, labels of 63.
 * Errors:  LG_EBADDOMAIN, LG_ETOOLONG.
 * Source:  RFC 5890, RFC 3492 (Punycode), RFC 7622 section 3.2.
 */
#ifndef LG_DOMAIN_H
#define LG_DOMAIN_H

#include "../sipbridge/str.h"
#include "error.h"

#define LG_DOMAIN_MAX 255 /* bytes of a domain name, either form */

/* Lower case, A-labels, without a final dot. *out points into buf, which has
 * room for LG_DOMAIN_MAX bytes. */
int lg_domain_ascii(struct sb_str *out, char buf[LG_DOMAIN_MAX],
		    struct sb_str domain);

/* The same with U-labels; a label that is no well-behaved A-label (not in the
 * shortest form, or with characters that look like separators) stays as it
 * is, and so do A-labels where U-labels would take more than LG_DOMAIN_MAX. */
int lg_domain_unicode(struct sb_str *out, char buf[LG_DOMAIN_MAX],
		      struct sb_str domain);

#endif
