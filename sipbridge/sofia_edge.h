/*
 * sofia_edge.h: the agent's insides, shared by edge.c, sofia_listen.c,
 * sofia_client.c, sofia_server.c and sofia_log.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef SB_SOFIA_EDGE_H
#define SB_SOFIA_EDGE_H

#include "config.h"
#include "edge.h"
#include "link.h"
#include "pace.h"
#include "sandbox.h"
#include "sofia_message.h"
#include "sofia_tls.h"

/* A request of ours: waiting, sent, or (INVITE) answered but perhaps forked. */
struct sb_client_txn {
	struct sb_client_txn *next, **prev; /* of the Edge's list */
	struct sb_client_txn *queue_next;   /* while waiting */
	struct sb_edge *edge;
	struct sb_peer *peer;
	uint64_t cookie;
	nta_outgoing_t *orq;  /* NULL: waiting, or answered */
	msg_t *msg;	      /* while waiting */
	enum sb_method method;
	bool probe;	      /* OPTIONS of our own */
	bool answered;	      /* INVITE: a 2xx was handed on */
	bool cancelled;	      /* INVITE: nobody wants it any more */
	bool cancel_sent;
	const void *sent_on;  /* its connection; compared only, may be gone */
	int early;	      /* status that came while sending; 0: none */
	uint64_t until_ms;    /* then it is given up, or forgotten */
	char *call_id;	      /* INVITE */
	char *domain;	      /* INVITE: whose Edge it went to */
};

/* A request of theirs without final answer, or an INVITE without ACK. */
struct sb_server_txn {
	struct sb_edge *edge;
	nta_incoming_t *irq;
	uint32_t generation;
	uint32_t next_free;
	bool used;
	bool invite;
	bool answered;
	/* INVITE with our 2xx: until its ACK */
	struct sb_server_txn *ack_next, **ack_prev;
	char *call_id;
	uint32_t cseq;
	uint64_t until_ms;
};

#define SB_ACK_BUCKETS 512 /* by Call-ID */

/* One Access Edge: FQDN, address, port. */
struct sb_peer {
	char fqdn[256];
	char address[64];
	uint16_t port;
	bool used; /* by the present settings */
	struct sb_link link;
	struct sb_pace pace;
	struct sb_client_txn *queue, **queue_end;
	size_t queued;
	size_t open; /* client transactions sent, without final answer */
	uint32_t silences;
	char route[400]; /* where every request goes */
};

#define SB_PEERS_MAX SB_DOMAINS_MAX

struct sb_edge {
	struct sb_edge_hooks hooks;
	void *arg;
	su_root_t *root;
	nta_agent_t *agent;
	nta_leg_t *leg; /* takes every request */
	struct sb_tls *tls;
	const struct sb_config *cfg;
	struct sb_self self;
	char sdp_address[64];
	int fd;
	int fd_index;
	bool stop;
	bool heard; /* something was read in this step */
	bool output, deaf; /* what fd is watched for */
	struct sb_peer peer[SB_PEERS_MAX];
	size_t peer_n;
	size_t domain_peer[SB_DOMAINS_MAX]; /* index of cfg->domains' peer */
	struct sb_tls_peer tls_peers[SB_PEERS_MAX];
	struct sb_client_txn *clients;
	size_t clients_waiting; /* without final answer */
	uint64_t clients_seen_ms; /* the list was looked through */
	bool client_due;	  /* an answer of ours is owed now */
	unsigned int sending;	  /* within a call that sends: a broken
				   connection answers from within it */
	struct sb_server_txn *servers;
	size_t servers_n, servers_open;
	uint32_t free_server;
	struct sb_server_txn *unacked[SB_ACK_BUCKETS];
	uint64_t last_reap_ms;
	usize_t messages, spoilt; /* that the stack has taken, not read */
	unsigned int memory_short; /* seconds without any */
	unsigned int refusals; /* of the TLS guard, since the last reap */
	uint64_t branch; /* counts, for ACK */
	struct sb_scratch scratch;
	struct sb_sandbox sandbox;
	bool confined;
	char confinement[200]; /* in words */
};

/* sofia_client.c */
void sb_client_probe(struct sb_edge *e, struct sb_peer *p, uint64_t now_ms);
void sb_client_pump(struct sb_edge *e, struct sb_peer *p, uint64_t now_ms);
void sb_client_tick(struct sb_edge *e, uint64_t now_ms);
void sb_client_free_all(struct sb_edge *e);
/* A 2xx of an INVITE that no transaction wants: another fork. */
int sb_client_stray(struct sb_edge *e, nta_agent_t *agent, msg_t *msg,
		    sip_t *sip);
struct sb_peer *sb_edge_peer(struct sb_edge *e, struct sb_str domain);
void sb_edge_link_event(struct sb_edge *e, const struct sb_peer *p, bool up,
			const char *why);

/* sofia_server.c */
int sb_server_request(struct sb_edge *e, nta_leg_t *leg, nta_incoming_t *irq,
		      sip_t const *sip);
void sb_server_tick(struct sb_edge *e, uint64_t now_ms);
void sb_server_free_all(struct sb_edge *e);

/* sofia_listen.c */
/* Make the agent, once: as sb_edge_configure. */
int sb_listen_start(struct sb_edge *e, const struct sb_config *cfg, char *why,
		    size_t n);
/* nta's own patience with an INVITE: the engine gives up first. */
uint32_t sb_listen_timer_c_ms(const struct sb_config *cfg);

/* sofia_confine.c: before and after the listeners are open; errors as
 * sb_edge_configure. */
int sb_confine_begin(struct sb_edge *e, const struct sb_config *cfg, char *why,
		     size_t n);
int sb_confine_end(struct sb_edge *e, const struct sb_config *cfg, char *why,
		   size_t n);

/* edge.c */
void sb_edge_log(struct sb_edge *e, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sb_edge_refused(struct sb_edge *e, struct sb_str domain, const char *token,
		     const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
uint32_t sb_edge_random(void);

/* sofia_log.c */
void sb_sofia_log_to(struct sb_edge *e);
void sb_sofia_log_level(unsigned int level); /* 0: errors that end it */
bool sb_sofia_log_emfile(void); /* since the last call */

#endif
