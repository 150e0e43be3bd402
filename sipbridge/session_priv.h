/*
 * session_priv.h: what the files session_*.c share; nobody else's business.
 * SPDX-License-Identifier: MIT
 *
 * Rules:   (1) Only sb_conv_settle() sends what waits and frees a conversation;
 *          each entry point calls it once, last. All else only changes state.
 *          (2) ops never call back into the engine, so events may be handed
 *          out in the middle of a change.
 *          (3) A dialog, conversation or transaction that goes takes every
 *          pointer to it along.
 */
#ifndef SB_SESSION_PRIV_H
#define SB_SESSION_PRIV_H

#include "content.h"
#include "session_state.h"
#include "sip_text.h"

/* -------------------------------------------------------------- tables -- */
/* session_table.c */

struct sb_str sb_conv_contact(const struct sb_conv *c);
struct sb_str sb_conv_user(const struct sb_conv *c);
struct sb_conv *sb_conv_find(const struct sb_sessions *s, struct sb_str contact,
			     struct sb_str user);
/* NULL: no memory, or SB_SESSIONS_MAX. */
struct sb_conv *sb_conv_get(struct sb_sessions *s, struct sb_str contact,
			    struct sb_str user);
void sb_conv_free(struct sb_sessions *s, struct sb_conv *c);
bool sb_conv_is(const struct sb_conv *c, struct sb_str contact,
		struct sb_str user);
bool sb_conv_idle(const struct sb_conv *c); /* nothing refers to it */

struct sb_str sb_dialog_field(const struct sb_dialog *d,
			      enum sb_dialog_field f);
/* Dialog with these fields, last of c's; NULL: no memory or too long. */
struct sb_dialog *sb_dialog_new(struct sb_sessions *s, struct sb_conv *c,
				const struct sb_str f[SB_DF_N]);
/* Replace fields but Call-ID and local tag: those whose .p is not NULL.
 * Errors: SB_ENOMEM, SB_ETOOBIG; then all is as before. */
int sb_dialog_update(struct sb_dialog *d, const struct sb_str f[SB_DF_N]);
struct sb_dialog *sb_dialog_find(const struct sb_sessions *s,
				 struct sb_str call_id, struct sb_str tag);
/* Forget it: no BYE. Late records and notifications for it go too. */
void sb_dialog_free(struct sb_sessions *s, struct sb_dialog *d);
/* Established now: it is the one that sends. */
void sb_dialog_up(struct sb_sessions *s, struct sb_dialog *d);
/* First dialog of c in that state, or NULL. */
struct sb_dialog *sb_dialog_in(const struct sb_conv *c,
			       enum sb_dialog_state state);
/* One that is on its way to UP, or NULL. */
struct sb_dialog *sb_dialog_coming(const struct sb_conv *c);

struct sb_ctxn *sb_ctxn_new(struct sb_sessions *s, enum sb_ctxn_kind kind,
			    struct sb_conv *c, struct sb_dialog *d);
struct sb_ctxn *sb_ctxn_find(const struct sb_sessions *s, uint64_t cookie);
void sb_ctxn_free(struct sb_sessions *s, struct sb_ctxn *t);

/* txn 0: an event only. NULL: no memory. */
struct sb_stxn *sb_stxn_new(struct sb_sessions *s, enum sb_stxn_kind kind,
			    struct sb_conv *c, struct sb_dialog *d,
			    uint64_t txn);
struct sb_stxn *sb_stxn_by_txn(const struct sb_sessions *s, uint64_t txn);
struct sb_stxn *sb_stxn_by_id(const struct sb_sessions *s, uint64_t id);
/* It has its final response: no longer counted as unanswered. */
void sb_stxn_answered(struct sb_sessions *s, struct sb_stxn *x);
/* Out of the table of transactions: the carrier forgets txn. */
void sb_stxn_forget(struct sb_sessions *s, struct sb_stxn *x);
/* Keep it for a late bounce; the oldest gives way. */
void sb_stxn_late(struct sb_sessions *s, struct sb_stxn *x);
void sb_stxn_free(struct sb_sessions *s, struct sb_stxn *x);

/* -------------------------------------------------------------- timers -- */
/* session_timer.c */

void sb_conv_timer(struct sb_sessions *s, struct sb_conv *c);
void sb_dialog_timer(struct sb_sessions *s, struct sb_dialog *d);
void sb_timers_fire(struct sb_sessions *s);

/* ------------------------------------------------------------ outcomes -- */
/* session_outcome.c */

/* Why a message ended as it did; texts are copied by nobody. */
struct sb_verdict {
	enum sb_outcome outcome;
	bool local;
	int status, diag, retry_after;
	struct sb_str token, reason;
};

/* An event about c: its pair, resource and thread filled in. */
struct sb_event sb_event_of(const struct sb_conv *c, enum sb_event_type type);
/* Ours: FAILED, local. */
struct sb_verdict sb_verdict_local(int status, const char *token,
				   const char *reason);
/* What a final response says (reason points into s->scratch). */
struct sb_verdict sb_verdict_of(struct sb_sessions *s,
				const struct sb_sip_in *m);
void sb_outcome(struct sb_sessions *s, const struct sb_conv *c, uint64_t id,
		const struct sb_verdict *v);
void sb_msg_free(struct sb_sessions *s, struct sb_msg *m);
/* Give m its outcome (TEXT) and free it. */
void sb_msg_end(struct sb_sessions *s, const struct sb_conv *c,
		struct sb_msg *m, const struct sb_verdict *v);
/* All that waits in the queue. */
void sb_queue_fail(struct sb_sessions *s, struct sb_conv *c,
		   const struct sb_verdict *v);
void sb_queue_push(struct sb_conv *c, struct sb_msg *m, bool front);
struct sb_msg *sb_queue_pop(struct sb_conv *c);

/* 202: wait for the IMDN. */
void sb_held_add(struct sb_sessions *s, struct sb_conv *c, uint64_t id,
		 struct sb_str mid);
void sb_held_expire(struct sb_sessions *s, struct sb_held *h);
/* An IMDN of the Lync user; false: not understood. */
bool sb_imdn_in(struct sb_sessions *s, struct sb_conv *c, struct sb_str body);
/* Tell Lync that message `cseq` of dialog d failed after all. */
void sb_imdn_out(struct sb_sessions *s, struct sb_dialog *d, uint32_t cseq,
		 int status);

/* ------------------------------------------------------------- sending -- */
/* session_send.c: requests on the wire. */

/* A request in d; on success *tp waits for its response (kind), which the
 * caller may own further. ACK: sb_send_ack. Errors: as ops->request. */
int sb_send_in_dialog(struct sb_sessions *s, struct sb_dialog *d,
		      enum sb_ctxn_kind kind, struct sb_sip_out *o,
		      struct sb_ctxn **tp);
void sb_send_ack(struct sb_sessions *s, struct sb_dialog *d);
/* BYE if it is UP (when ANSWERED: as soon as the ACK comes), CANCEL if
 * CALLING; forget it as soon as possible. Not for OFFERED. */
void sb_dialog_close(struct sb_sessions *s, struct sb_dialog *d);
/* ACK and BYE for a 2xx that made a dialog nobody wants. */
void sb_send_stray(struct sb_sessions *s, const struct sb_sip_in *m);

/* session_out.c: contact -> Lync. */
void sb_contact_says(struct sb_sessions *s, const struct sb_request *r);
void sb_contact_leaves(struct sb_sessions *s, const struct sb_request *r);
/* Send what can be sent, free c when it is done. c is gone or valid after. */
void sb_conv_settle(struct sb_sessions *s, struct sb_conv *c);
/* session_invite.c: our INVITE. */
int sb_invite(struct sb_sessions *s, struct sb_conv *c, bool retried);
void sb_invite_response(struct sb_sessions *s, struct sb_ctxn *t,
			const struct sb_sip_in *m);
/* A 2xx of an INVITE that has had its final response: once more, or of another
 * branch. */
void sb_invite_again(struct sb_sessions *s, const struct sb_sip_in *m);
void sb_invite_timeout(struct sb_sessions *s, struct sb_dialog *d);
/* session_response.c: responses to MESSAGE and INFO. */
void sb_said_response(struct sb_sessions *s, struct sb_ctxn *t,
		     const struct sb_sip_in *m);
void sb_said_timeout(struct sb_sessions *s, struct sb_conv *c);

/* session_typing.c */
void sb_typing_out(struct sb_sessions *s, const struct sb_request *r);
/* Tell Lync what it should know, if it may be told now; true: sent. */
bool sb_typing_pump(struct sb_sessions *s, struct sb_conv *c,
		    struct sb_dialog *d);
void sb_typing_in(struct sb_sessions *s, struct sb_conv *c, enum sb_typing t);

/* session_all.c: SB_REQ_SESSIONS. */
void sb_sessions_list(struct sb_sessions *s);

/* ----------------------------------------------------------- receiving -- */

/* session_refuse.c: n random bytes as 2n hex digits. */
struct sb_str sb_random_hex(struct sb_sessions *s, char *buf, size_t bytes);

/* Each refusal of ours, with status, diagnostics, token. */
enum sb_refusal {
	SB_R_NO_DIALOG,
	SB_R_CSEQ,
	SB_R_METHOD,
	SB_R_METHOD_INSIDE,
	SB_R_NOT_IM,
	SB_R_CONFERENCE,
	SB_R_MULTIPARTY,
	SB_R_EXTENSION,
	SB_R_CONTENT,
	SB_R_BAD_BODY,
	SB_R_TOO_BIG,
	SB_R_BAD_REQUEST,
	SB_R_SCHEME,
	SB_R_MERGED,
	SB_R_DECLINED,
	SB_R_PAGER,
	SB_R_BUSY,
	SB_R_MEMORY,
	SB_R_CLOSED,
	SB_R_UNANSWERED,
	SB_R_CANCELLED,
	SB_R_N
};

/* Answer the request m with the refusal and tell the plugin. */
void sb_refuse(struct sb_sessions *s, uint64_t txn, const struct sb_sip_in *m,
	       enum sb_refusal why);
/* 420: with what of Require is not supported. */
void sb_refuse_require(struct sb_sessions *s, uint64_t txn,
		       const struct sb_sip_in *m);
/* Answer a transaction of ours (not yet answered): 200, or refusal. */
void sb_respond(struct sb_sessions *s, struct sb_stxn *x,
		const struct sb_sip_out *o);
void sb_respond_refusal(struct sb_sessions *s, struct sb_stxn *x,
			enum sb_refusal why);
/* 200 to m, of a dialog or not. */
void sb_respond_ok(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m, bool forming);

/* session_in.c */
void sb_request_in(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m);
/* session_offer.c: their INVITE outside a dialog. */
void sb_in_invite(struct sb_sessions *s, uint64_t txn,
		  const struct sb_sip_in *m);
void sb_offer_answer(struct sb_sessions *s, struct sb_stxn *x,
		     const struct sb_request *r);
void sb_offer_ack(struct sb_sessions *s, struct sb_stxn *x, bool timeout);
void sb_offer_cancel(struct sb_sessions *s, struct sb_stxn *x);
/* 200 with our SDP for the transaction of d. */
void sb_offer_accept(struct sb_sessions *s, struct sb_dialog *d,
		     struct sb_stxn *x);
/* session_message.c: their MESSAGE. d may be NULL. */
void sb_in_message(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m, struct sb_conv *c,
		   struct sb_dialog *d);
/* The text of their INVITE, as nothing else came. */
void sb_first_say(struct sb_sessions *s, struct sb_dialog *d);
/* session_answer.c: the plugin's answers, held 200s, late bounces. */
void sb_answer(struct sb_sessions *s, const struct sb_request *r);
/* Say the held 200; x is gone or a late record after. */
void sb_message_ok(struct sb_sessions *s, struct sb_stxn *x);
void sb_stxn_due(struct sb_sessions *s, struct sb_stxn *x);

#endif
