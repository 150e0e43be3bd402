/*
 * edge.h: the SIP agent that stands opposite the Access Edges.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: carry the session engine's messages (wire.h) over mutual TLS: listen
 *          where the Edges connect to, connect to them, find out who speaks,
 *          refuse who may not, pace, keep links alive. Sofia-SIP's nta does the
 *          transactions; dialogs are the engine's.
 * Trust:   a request is handed on only if its connection's certificate names
 *          the Access Edge of From's domain (and of each P-Asserted-Identity);
 *          else 403 with ms-diagnostics-public and SB_EV_REFUSED.
 * Fate:    each sb_edge_request that returned SB_OK ends in one final
 *          hooks.response (and further 2xx of a forked INVITE); each
 *          hooks.request wants one sb_edge_respond.
 * Limits:  SB_EDGE_* below.
 * Thread:  one; Sofia's loop is in sb_edge_run.
 */
#ifndef SB_EDGE_H
#define SB_EDGE_H

#include "wire.h"

#define SB_EDGE_WINDOW 500     /* client transactions open to one Edge */
#define SB_EDGE_QUEUE 1024     /* requests waiting for pace or window */
#define SB_EDGE_SILENCES 3     /* time-outs in a row: the link is reset */
#define SB_EDGE_FORK_MS 32000  /* further 2xx of an INVITE are expected */
#define SB_EDGE_ACK_MS 32000   /* then the ACK of our 2xx will not come */
#define SB_EDGE_RETRY_AFTER "10" /* seconds, in each 503 of its own */

struct sb_edge;

struct sb_edge_hooks {
	/* Is there room for what it causes? No: it is answered 503 with
	 * Retry-After, and hooks.request does not hear of it. NULL: yes. */
	bool (*admit)(void *arg, const struct sb_sip_in *m);
	void (*request)(void *arg, uint64_t txn, const struct sb_sip_in *m);
	void (*ack)(void *arg, uint64_t txn, bool timeout);
	void (*cancel)(void *arg, uint64_t txn);
	void (*response)(void *arg, uint64_t cookie, const struct sb_sip_in *m);
	void (*event)(void *arg, const struct sb_event *ev);
	void (*readable)(void *arg); /* the watched descriptor is ready */
	uint32_t (*tick)(void *arg, uint64_t now_ms); /* wanted in ms */
};

/* fd: watched besides SIP (the channel). Errors: SB_ENOMEM. */
int sb_edge_new(struct sb_edge **ep, int fd, const struct sb_edge_hooks *hooks,
		void *arg);
void sb_edge_free(struct sb_edge *e);

/*
 * Take settings; the first call opens the listeners. cfg must stay valid until
 * the next call that succeeds. On an error nothing changes and why is a
 * sentence for the administrator.
 * The first settings that are good put the process into its sandbox.
 * Errors: SB_EINVAL (files, addresses), SB_ESYS (address in use), SB_ENOMEM;
 * SB_EDOWN: it takes another process: without a word because the sandbox of
 * this one is too narrow, else because it cannot be made.
 */
int sb_edge_configure(struct sb_edge *e, const struct sb_config *cfg, char *why,
		      size_t n);

/* Until sb_edge_stop. */
void sb_edge_run(struct sb_edge *e);
void sb_edge_stop(struct sb_edge *e);

/* Also call hooks.readable when the watched descriptor takes output. */
void sb_edge_watch_output(struct sb_edge *e, bool on);
/* Or not when it has input (at first: on); its end is told anyway. */
void sb_edge_watch_input(struct sb_edge *e, bool on);

/* The watched descriptor is at its end: look at it no more. */
void sb_edge_unwatch(struct sb_edge *e);

/* struct sb_wire_ops. sb_edge_request: SB_EDOWN (link known to be down, or no
 * address), SB_EFULL, SB_EINVAL (no such domain), SB_EBADTEXT, SB_ENOMEM. */
int sb_edge_request(struct sb_edge *e, uint64_t cookie,
		    const struct sb_sip_out *m);
void sb_edge_cancel(struct sb_edge *e, uint64_t cookie);
void sb_edge_respond(struct sb_edge *e, uint64_t txn,
		     const struct sb_sip_out *m);

/* Transactions that wait for something, both sides; 0: quiet. */
size_t sb_edge_busy(const struct sb_edge *e);

/* What sandbox the process is in, once it is configured. */
const char *sb_edge_confinement(const struct sb_edge *e);

/* The address in SDP's c= and o= lines. */
const char *sb_edge_sdp_address(const struct sb_edge *e);

uint64_t sb_edge_now(void); /* CLOCK_MONOTONIC in ms */

#endif
