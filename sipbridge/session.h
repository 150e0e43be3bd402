/*
 * session.h: conversations between XMPP contacts and Lync users as SIP IM
 * sessions (INVITE m=message, MESSAGE and INFO in the dialog, BYE).
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the state machine of lync-sip.md section 2: who has a dialog with
 *          whom, what waits for it, what was answered. No I/O, no SIP stack, no
 *          clock, no randomness of its own.
 * Shape:   one engine per worker. A conversation is a pair (contact, user)
 *          with its queue and its dialogs (newest established one sends, all
 *          receive); compact tables, found by pair, by Call-ID + local tag, by
 *          cookie and by event id.
 * Fate:    each SB_REQ_MESSAGE accepted ends in exactly one SB_EV_OUTCOME;
 *          each request in exactly one final response; one MESSAGE or INFO is
 *          outstanding per conversation, so its order is kept.
 * Units:   now_ms monotonic; never goes back.
 * Limits:  SB_SESSIONS_MAX conversations, SB_DIALOGS_PER_PAIR,
 *          SB_QUEUE_PER_PAIR waiting messages; beyond: SB_FAILED status 503
 *          token "queue-full", or 503 on the wire.
 * Source:  lync-sip.md 2; RFC 7573; RFC 3261 12-15; reliability.md INV-1.
 */
#ifndef SB_SESSION_H
#define SB_SESSION_H

#include "wire.h"

#define SB_SESSIONS_MAX 65536	/* conversations of one worker */
#define SB_DIALOGS_PER_PAIR 4	/* by glare; more replace the oldest */
#define SB_QUEUE_PER_PAIR 64	/* messages waiting in one conversation */

struct sb_sessions;

/*
 * bridge_fqdn: our name, to know our own Record-Route entry (it is left out of
 * the route set). address: our IP literal for the SDP, or empty (0.0.0.0).
 * All is copied; ops must live as long as the engine. ops are never called
 * from within sb_sessions_new, and none may call back into the engine.
 * Errors: SB_ENOMEM. Caller frees with _free (which says nothing to anyone).
 */
int sb_sessions_new(struct sb_sessions **sp, struct sb_str bridge_fqdn,
		    struct sb_str address, const struct sb_wire *wire,
		    const struct sb_wire_ops *ops, void *arg);
void sb_sessions_free(struct sb_sessions *s);

/* New switches and times; open conversations keep their state. Always
 * SB_OK. */
int sb_sessions_configure(struct sb_sessions *s, const struct sb_wire *wire);

/* A request from the plugin (MESSAGE, TYPING, END, ANSWER, SESSIONS). domain
 * is the host part of r->user. Never fails: what cannot be done becomes an
 * outcome. */
void sb_sessions_send(struct sb_sessions *s, const struct sb_request *r,
		      uint64_t now_ms);

/*
 * A request from the wire (never ACK or CANCEL). The engine answers through
 * ops->respond, now or later, exactly once. Methods it does not know: 405 out
 * of dialog, 501 inside; 481 for an unknown dialog.
 */
void sb_sessions_request(struct sb_sessions *s, uint64_t txn,
			 const struct sb_sip_in *m, uint64_t now_ms);

/* The ACK of the INVITE `txn` arrived; or it never did (timeout true). The
 * carrier forgets txn. */
void sb_sessions_ack(struct sb_sessions *s, uint64_t txn, bool timeout,
		     uint64_t now_ms);

/* CANCEL for the unanswered INVITE `txn`: the engine answers it 487. */
void sb_sessions_cancel(struct sb_sessions *s, uint64_t txn, uint64_t now_ms);

/* A response to ops->request. A second 2xx of an INVITE (forked, other To
 * tag) is passed with the same cookie also after the first. */
void sb_sessions_response(struct sb_sessions *s, uint64_t cookie,
			  const struct sb_sip_in *m, uint64_t now_ms);

/* Do what is due. Returns milliseconds until the next call is wanted, at most
 * 60000. */
uint32_t sb_sessions_tick(struct sb_sessions *s, uint64_t now_ms);

/* Say BYE everywhere, fail what waits (503 local, token "shutting-down"),
 * take nothing new (503). */
void sb_sessions_shutdown(struct sb_sessions *s, uint64_t now_ms);

/* Tables' sizes, for status and for the tests' "nothing left behind". */
struct sb_sessions_count {
	size_t conversations;
	size_t dialogs;
	size_t queued;	    /* messages without an outcome */
	size_t unanswered;  /* server transactions without a final answer */
	size_t client_txns; /* cookies without a final response */
};
void sb_sessions_count(const struct sb_sessions *s,
		       struct sb_sessions_count *c);

#endif
