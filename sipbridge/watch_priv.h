/*
 * watch_priv.h: what the files watch_*.c share; nobody else's business.
 * SPDX-License-Identifier: MIT
 *
 * Rules:   (1) ops never call back into the engine, so events may be handed
 *          out in the middle of a change.
 *          (2) A usage that goes takes every pointer to it along.
 *          (3) What may free its usage says so here ("may go"); nobody touches
 *          the usage after it.
 */
#ifndef SB_WATCH_PRIV_H
#define SB_WATCH_PRIV_H

#include "content.h"
#include "presence.h"
#include "watch_state.h"

/* -------------------------------------------------------------- memory -- */
/* watch_share.c */

void *sb_w_alloc(struct sb_watches *w, size_t n); /* zeroed, or NULL */
void sb_w_free(struct sb_watches *w, void *p, size_t n);

struct sb_str sb_shared_str(const struct sb_shared *sh);
/* Replace *at by s. Errors: SB_ENOMEM, SB_ETOOBIG; then it is as before. */
int sb_share(struct sb_watches *w, struct sb_shared **at, struct sb_str s);
void sb_unshare(struct sb_watches *w, struct sb_shared **at);

/* The least time between a refresh and the end, where the grant allows it. */
#define SB_WATCH_MARGIN_MS 40000

/* When to say again what must not get lost, but the Edge took no more just now
 * (SB_EFULL): after a second, one after the other. */
uint64_t sb_watch_later(struct sb_watches *w);

static inline uint32_t sb_stamp(uint64_t ms)
{
	return (uint32_t)((ms + 99) / 100);
}

static inline uint64_t sb_stamp_ms(uint32_t stamp)
{
	return (uint64_t)stamp * 100;
}

/* -------------------------------------------------------------- tables -- */
/* watch_table.c */

/* NULL: no memory. */
struct sb_watch *sb_watch_new(struct sb_watches *w, struct sb_str contact,
			      struct sb_str user);
struct sb_sub *sb_sub_new(struct sb_watches *w, struct sb_str contact,
			  struct sb_str user);
void sb_watch_free(struct sb_watches *w, struct sb_watch *x);
void sb_sub_free(struct sb_watches *w, struct sb_sub *s);
/* Of the pair: the first, and the next; NULL at the end. */
struct sb_usage *sb_pair_first(const struct sb_watches *w,
			       const struct sb_table *t, struct sb_str contact,
			       struct sb_str user);
struct sb_usage *sb_pair_next(const struct sb_usage *u);
/* The contact's watch of user, or the one that is LEAVING. */
struct sb_watch *sb_watch_find(const struct sb_watches *w,
			       struct sb_str contact, struct sb_str user,
			       bool leaving);
/* The next of the pair in that state; u itself may be it. */
struct sb_sub *sb_sub_in(struct sb_usage *u, enum sb_usage_state state);
/* Whose dialog an in-dialog request of Lync's is, or NULL. */
struct sb_usage *sb_usage_of(struct sb_watches *w, const struct sb_table *t,
			     const struct sb_sip_in *m);
/* Go on with a timer that is not set (it shares its place with others). */
void sb_usage_untimed(struct sb_usage *u);
void sb_usage_due(struct sb_watches *w, struct sb_usage *u, uint64_t due_ms);

struct sb_str sb_usage_contact(const struct sb_usage *u);
struct sb_str sb_usage_user(const struct sb_usage *u);

/* watch_peer.c: their half of a dialog. */
struct sb_peer_facts {
	struct sb_str field[SB_PEER_N]; /* without TAILS */
	struct sb_str target;
	const struct sb_str *record_route;
	size_t record_route_n;
	bool reverse;
};
/* Give u its peer. Errors: SB_EBADTEXT, SB_ETOOBIG, SB_ENOMEM. */
int sb_peer_set(struct sb_watches *w, struct sb_usage *u,
		const struct sb_peer_facts *f);
void sb_peer_drop(struct sb_watches *w, struct sb_usage *u);
/* May be in w->field[f], until the next such call. */
struct sb_str sb_peer_field(struct sb_watches *w, const struct sb_usage *u,
			    enum sb_peer_field f);
/* The route set, in w->routes; returns how many entries. */
size_t sb_peer_routes(struct sb_watches *w, const struct sb_peer *p,
		      struct sb_str out[SB_ROUTE_ENTRIES]);

/* ------------------------------------------------------------- sending -- */
/* watch_send.c */

/* Call-ID of u and our tag in it, in w->id. */
struct sb_str sb_usage_call_id(struct sb_watches *w, const struct sb_usage *u);
struct sb_str sb_usage_tag(struct sb_watches *w, const struct sb_usage *u);
/* A request in u's dialog, or the one that makes it. Errors: as
 * ops->request; then there is no response. */
int sb_usage_request(struct sb_watches *w, struct sb_usage *u,
		     struct sb_sip_out *o);
/* A request that belongs to nothing; o is complete but for its tag. */
void sb_lone_request(struct sb_watches *w, struct sb_sip_out *o);
/* Nobody waits for the response any more. */
void sb_usage_orphan(struct sb_watches *w, struct sb_usage *u);
struct sb_asked *sb_asked_find(const struct sb_watches *w, uint64_t cookie);
void sb_asked_free(struct sb_watches *w, struct sb_asked *a);
void sb_add_header(struct sb_sip_out *o, const char *name,
		   struct sb_str value);
/* A number as text, in w->number[i]. */
struct sb_str sb_digits(struct sb_watches *w, int i, uint64_t n);
/* Response that ends a subscription (RFC 6665 4.1.2.2, 4.2.2), or says that
 * its dialog is not there. */
bool sb_ends_usage(int status);

/* --------------------------------------------------------------- ours -- */

/* watch_queue.c: SUBSCRIBEs wait for their turn. */
/* x becomes QUEUED, and maybe has its turn at once; false: no memory or too
 * many domains. */
bool sb_queue_add(struct sb_watches *w, struct sb_watch *x);
void sb_queue_leave(struct sb_watches *w, struct sb_watch *x);
void sb_queue_run(struct sb_watches *w, struct sb_watch_domain *d);
void sb_queue_configure(struct sb_watches *w);
void sb_queue_free(struct sb_watches *w);

/* Why a watch is where it is. */
struct sb_why {
	int status, diag, retry_after;
	bool local;
	struct sb_str token, reason;
};
/* watch_tell.c */
struct sb_why sb_why_local(int status, const char *token, const char *reason);
struct sb_why sb_why_of(struct sb_watches *w, const struct sb_sip_in *m);
void sb_watch_event(struct sb_watches *w, struct sb_str contact,
		    struct sb_str user, enum sb_watch_state state,
		    const struct sb_why *why);
void sb_watch_tell(struct sb_watches *w, struct sb_watch *x,
		   enum sb_watch_state state, const struct sb_why *why);
/* For good: x goes. */
void sb_watch_refused(struct sb_watches *w, struct sb_watch *x,
		      const struct sb_why *why);
/* For now: tells it, and tries again. */
void sb_watch_failing(struct sb_watches *w, struct sb_watch *x,
		      const struct sb_why *why);
/* The dialog is gone: a new one after a while, and nobody is told. */
void sb_watch_renew(struct sb_watches *w, struct sb_watch *x, uint32_t wait_ms);
/* LEAVING is over: x goes. */
void sb_watch_left(struct sb_watches *w, struct sb_watch *x);

/* watch_out.c */
void sb_watch_wanted(struct sb_watches *w, const struct sb_request *r);
void sb_watch_unwanted(struct sb_watches *w, const struct sb_request *r);
/* Its turn has come. Errors: SB_EFULL: it has not; others have been told. */
int sb_watch_begin(struct sb_watches *w, struct sb_watch *x);
void sb_watch_refresh(struct sb_watches *w, struct sb_watch *x);
/* LEAVING: say so, when it can be said; may go. */
void sb_watch_bye(struct sb_watches *w, struct sb_watch *x);
/* It lasts so many seconds from now on. */
void sb_watch_granted(struct sb_watches *w, struct sb_watch *x, int seconds);
uint32_t sb_watch_expires(const struct sb_watches *w,
			  const struct sb_watch *x);
bool sb_watch_rich(const struct sb_watches *w, const struct sb_watch *x);
/* watch_response.c; may go. */
void sb_watch_response(struct sb_watches *w, struct sb_watch *x,
		       const struct sb_sip_in *m);
/* watch_heard.c */
void sb_watch_notify(struct sb_watches *w, uint64_t txn,
		     const struct sb_sip_in *m);

/* watch_timer.c */
void sb_watch_timer(struct sb_watches *w, struct sb_watch *x);
void sb_watches_fire(struct sb_watches *w);

/* -------------------------------------------------------------- theirs -- */

/* watch_in.c */
void sb_sub_request(struct sb_watches *w, uint64_t txn,
		    const struct sb_sip_in *m);
struct sb_event sb_sub_event(const struct sb_sub *s, enum sb_event_type type);

/* watch_answer.c */
/* Ask the plugin. Errors: SB_ENOMEM. */
int sb_pending_new(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
		 uint32_t cseq, uint32_t expires);
void sb_pending_free(struct sb_watches *w, struct sb_pending *o);
void sb_pending_answer(struct sb_watches *w, const struct sb_request *r);
void sb_pending_timeout(struct sb_watches *w, struct sb_pending *o);
void sb_pending_closed(struct sb_watches *w, struct sb_pending *o);
/* 200 and the first NOTIFY. */
void sb_sub_accept(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
		   uint32_t cseq, uint32_t expires);
void sb_sub_ok(struct sb_watches *w, struct sb_sub *s, uint64_t txn,
	       uint32_t cseq, uint32_t expires);

/* watch_notify.c */
enum sb_sub_end {
	SB_SE_UNSUBSCRIBED,
	SB_SE_EXPIRED,
	SB_SE_LOST,
	SB_SE_REJECTED,
	SB_SE_REPLACED,
};
void sb_sub_presence(struct sb_watches *w, const struct sb_request *r);
void sb_sub_reject(struct sb_watches *w, const struct sb_request *r);
/* Tell what is to be told, when it may be; LAST: may go. */
void sb_sub_pump(struct sb_watches *w, struct sb_sub *s);
/* With a final NOTIFY; may go. */
void sb_sub_end(struct sb_watches *w, struct sb_sub *s, enum sb_sub_end why);
/* Without; s goes. */
void sb_sub_drop(struct sb_watches *w, struct sb_sub *s, enum sb_sub_end why);
/* May go. */
void sb_sub_response(struct sb_watches *w, struct sb_sub *s,
		     const struct sb_sip_in *m);
/* watch_self.c: what is told. */
/* Into w->text; the state of *self, or closed. */
void sb_self_fill(struct sb_watches *w, struct sb_sip_out *o,
		  struct sb_str contact, const struct sb_shared *self,
		  enum sb_presence_format f);
struct sb_str sb_self_pack(struct sb_watches *w, const struct sb_request *r);
enum sb_presence sb_self_presence(const struct sb_shared *self);
bool sb_self_notes(const struct sb_shared *self);
struct sb_str sb_self_display(const struct sb_shared *self);
/* "active;expires=..." or "terminated;reason=..." */
struct sb_str sb_state_active(struct sb_watches *w, uint64_t seconds);

/* -------------------------------------------------------------- refusals -- */
/* watch_refuse.c */
enum sb_watch_refusal {
	SB_WR_NO_DIALOG,
	SB_WR_CSEQ,
	SB_WR_EVENT,
	SB_WR_ACCEPT,
	SB_WR_BRIEF,
	SB_WR_EXTENSION,
	SB_WR_CONTENT,
	SB_WR_BAD_BODY,
	SB_WR_BAD_REQUEST,
	SB_WR_SCHEME,
	SB_WR_MERGED,
	SB_WR_METHOD,
	SB_WR_BUSY,
	SB_WR_MEMORY,
	SB_WR_CLOSED,
	SB_WR_UNANSWERED,
	SB_WR_N
};
void sb_w_refuse(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m,
		 enum sb_watch_refusal why);
void sb_w_refuse_fill(struct sb_sip_out *o, enum sb_watch_refusal why);
/* 200 to m without more. verified: the contact that is told. */
void sb_w_ok(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m,
	     bool verified);
/* Event and Require of m are ours; false: it has been refused. */
bool sb_w_sound(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m);

/* watch_all.c */
void sb_watches_list(struct sb_watches *w, const struct sb_request *r);
void sb_watches_drop_all(struct sb_watches *w, bool say);

#endif
