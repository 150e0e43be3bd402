/*
 * sofia_message.h: Sofia's messages to struct sb_sip_in, and struct
 * sb_sip_out to Sofia's messages.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the only place that reads or builds sip_t. Route, Record-Route,
 *          Contact and Request-URI pass byte for byte (Lync signs them); what
 *          is not of the stack's own business goes out as a header of literal
 *          text, never through a parser that would like to normalise it.
 * Limits:  what exceeds wire.h's limits is refused by status (SB_READ_*).
 * Safety:  nothing with CR, LF or NUL reaches a header: SB_EBADTEXT.
 * Thread:  the worker's only thread.
 */
#ifndef SB_SOFIA_MESSAGE_H
#define SB_SOFIA_MESSAGE_H

#include "sofia.h"
#include "wire.h"

/* Room for the text of one message read; larger is refused with 413. */
struct sb_scratch {
	size_t used;
	bool full;
	char buf[131072];
};

/*
 * Read a message. All text of *in points into the message or the scratch
 * space. in->domain and in->local stay unset.
 * Returns 0, or the SIP status that a request deserves: 400 (a URI without
 * user, a header that cannot be read), 413 (too large), 416 (not a sip: URI).
 */
int sb_sofia_read(struct sb_sip_in *in, struct sb_scratch *s, const msg_t *msg,
		  const sip_t *sip);

/* White space in front of a start line does no harm: sofia_start_line.c has
 * taken its place in Sofia. */
bool sb_start_lines_are_ours(void);

/* Behind the @ of a URI that sb_sofia_read made; or empty. */
struct sb_str sb_sofia_host(struct sb_str uri);

/* Host part of P-Asserted-Identity's sip: URIs that differs from `domain`;
 * empty when there is none. */
struct sb_str sb_sofia_foreign_identity(const sip_t *sip, struct sb_str domain);

/* What the carrier knows and the engine does not. NUL-terminated. */
struct sb_self {
	const char *fqdn;	    /* our name */
	unsigned int port;	    /* that the Edge connects to */
	bool record_route;
	struct sb_str verification; /* "Name: value" with one %s; or empty */
};

/* A request from m. *mp is owned by the caller until nta takes it.
 * Errors: SB_EBADTEXT, SB_ETOOBIG, SB_ENOMEM. */
int sb_sofia_request(msg_t **mp, nta_agent_t *agent, const struct sb_self *self,
		     const struct sb_sip_out *m);

/* The CANCEL of an INVITE that was sent (RFC 3261 9.1): its Via and branch, its
 * Request-URI, no Route, as it had none. Errors: SB_EINVAL, SB_ENOMEM. */
int sb_sofia_cancel(msg_t **mp, nta_agent_t *agent, nta_outgoing_t *invite);

/* A response from m to irq, with the request's Record-Route lines (as received)
 * when m forms a dialog. Errors as above. */
int sb_sofia_response(msg_t **mp, nta_incoming_t *irq,
		      const struct sb_self *self, const struct sb_sip_out *m);

#endif
