/*
 * sim.h: a carrier and a plugin made of cardboard around the session engine
 * and the watch engine, on a virtual clock.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: feed the engine what Lync and the plugin say, record what it says,
 *          and check all the time what must always hold (INV-1):
 *          - each message accepted has exactly one outcome,
 *          - each request from the wire has exactly one final response,
 *          - each response of 400 and above carries diagnostics,
 *          - a cookie is used once; CSeq grows in each dialog,
 *          - one MESSAGE or INFO is out per conversation,
 *          - the plugin is never told the same typing state twice in a row,
 *          and of the watch engine (sim_watch.c):
 *          - a first WATCH has one outcome, an UNWATCH one ENDED,
 *          - UNSUBSCRIBED comes only to who has subscribed, and once,
 *          - one SUBSCRIBE or NOTIFY is out per dialog,
 *          - SUBSCRIBEs keep to watch_rate, NOTIFYs to notify_interval_ms.
 * Shape:   what the engine says becomes a queue of struct sim_item, each a
 *          list of names and values.
 */
#ifndef SIM_H
#define SIM_H

#include "../sipbridge/session.h"
#include "../sipbridge/watch.h"

enum {
	SIM_KV_MAX = 48,
	SIM_PAIR_MAX = 128,
	SIM_TXN_MAX = 1024,
	SIM_MSG_MAX = 16384,
	SIM_SPOKEN_MAX = 512,
};

enum sim_kind { SIM_REQUEST, SIM_CANCEL, SIM_RESPONSE, SIM_EVENT };

struct sim_item {
	struct sim_item *next;
	enum sim_kind kind;
	char what[24]; /* INVITE; 200; offer */
	uint64_t ref;  /* cookie, txn, event id */
	size_t n;
	struct {
		char *k, *v;
	} kv[SIM_KV_MAX];
};

/* A transaction that the engine opened: it waits for our response. */
struct sim_client {
	uint64_t cookie;
	enum sb_method method;
	bool done, cancelled;
	uint64_t sent_ms;
	struct sim_item *as; /* a copy of the request */
};

/* A transaction that Lync opened: it waits for the engine's response. */
struct sim_server {
	uint64_t txn;
	enum sb_method method;
	int status; /* 0: none yet */
	bool acked;
	char to_tag[64]; /* of the response */
	struct sim_watch *pair; /* SUBSCRIBE */
};

struct sim_msg {
	uint64_t id;
	int outcomes;
};

/* What the plugin knows of a Lync user's typing. */
struct sim_typing {
	char *contact, *user;
	enum sb_typing last;
};

/* A pair of the watch engine. */
struct sim_watch {
	char *contact, *user;
	bool wanted;	 /* WATCH was said, and nothing has ended it */
	int owed;	 /* outcomes of a first WATCH */
	int unwatched;	 /* UNWATCH without ENDED */
	bool subscribed; /* a SUBSCRIBE of user's was answered 200 */
};

/* A dialog that the watch engine spoke in. */
struct sim_spoken {
	char call_id[80], tag[24];
	uint64_t at_ms;
	bool told;  /* at_ms: the last NOTIFY */
	bool asked; /* a SUBSCRIBE was answered since */
};

struct sim {
	struct sb_sessions *s;
	struct sb_watches *w;
	size_t bytes; /* of w, at the start */
	struct sim_watch watch[SIM_PAIR_MAX];
	size_t watch_n;
	struct sim_spoken spoken[SIM_SPOKEN_MAX];
	size_t spoken_n;
	uint64_t first_ms; /* last SUBSCRIBE that makes a dialog */
	char first_domain[64];
	struct sb_wire wire;
	uint64_t now;
	uint64_t rng;
	struct sim_item *head, **tail;
	struct sim_client client[SIM_TXN_MAX];
	size_t client_n;
	struct sim_server server[SIM_TXN_MAX];
	size_t server_n;
	struct sim_msg msg[SIM_MSG_MAX];
	size_t msg_n;
	struct sim_typing typing[SIM_PAIR_MAX];
	size_t typing_n;
	uint64_t txn;	 /* last used */
	int refuse_next; /* ops->request fails so many times */
	int refuse_with; /* and with this error */
	char bad[512];	 /* first thing that must not be, or empty */
};

/* Settings with every wait on; seed: of the engine's randomness. */
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *m);
void sim_configure(struct sim *m);

/* Let time pass: ticks exactly when the engine asked for them. */
void sim_wait(struct sim *m, uint64_t ms);

/* Plugin. sim_message accounts for the outcome; what belongs to the watch
 * engine goes there. */
void sim_message(struct sim *m, const struct sb_request *r);
void sim_send(struct sim *m, const struct sb_request *r);

/* Lync. Returns the transaction. What has an Event goes to the watch
 * engine. */
uint64_t sim_request(struct sim *m, const struct sb_sip_in *in);
void sim_respond(struct sim *m, uint64_t cookie, const struct sb_sip_in *in);
void sim_ack(struct sim *m, uint64_t txn, bool timeout);
void sim_cancel(struct sim *m, uint64_t txn);

struct sim_client *sim_client_of(struct sim *m, uint64_t cookie);
struct sim_server *sim_server_of(struct sim *m, uint64_t txn);

/* sim_item.c. Empty values are left out. */
struct sim_item *sim_item_new(enum sim_kind kind, const char *what,
			      uint64_t ref);
void sim_put(struct sim_item *it, const char *key, struct sb_str v);
void sim_put_int(struct sim_item *it, const char *key, intmax_t v);
void sim_put_message(struct sim_item *it, const struct sb_sip_out *o);
char *sim_dup(struct sb_str s); /* NUL-terminated copy */

/* A value, or "". */
const char *sim_get(const struct sim_item *it, const char *key);
struct sim_item *sim_take(struct sim *m); /* next of the queue, or NULL */
void sim_item_free(struct sim_item *it);
void sim_item_print(const struct sim_item *it, char *buf, size_t n);
void sim_forget(struct sim *m); /* empty the queue */

/* Answer everything that is open as a friendly world does, until nothing is;
 * then check that each thing had its one fate and no table holds anything.
 * shutdown: end it with sb_sessions_shutdown, else by sessions going idle. */
void sim_drain(struct sim *m, bool shutdown);

uint64_t sim_random(struct sim *m);
void sim_bad(struct sim *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* sim_watch.c: what must hold for the watch engine. */
void sim_watch_asked(struct sim *m, const struct sb_request *r);
void sim_watch_request(struct sim *m, uint64_t cookie,
		       const struct sim_item *it, enum sb_method method);
void sim_watch_response(struct sim *m, const struct sb_sip_out *o,
			struct sim_watch *pair);
struct sim_watch *sim_watch_pair(struct sim *m, const struct sb_sip_in *in);
void sim_watch_event(struct sim *m, struct sim_item *it,
		     const struct sb_event *ev);
void sim_watch_unwatch_all(struct sim *m);
void sim_watch_fates(struct sim *m);

extern const char sim_sdp[]; /* an IM offer as Lync makes it */

#endif
