/*
 * edge_load.h: what edge_load.c gives to edge_talk.c and edge_state.c, and the
 * other way round.
 * SPDX-License-Identifier: MIT
 */
#ifndef EDGE_LOAD_H
#define EDGE_LOAD_H

#include "load.h"
#include "sip_load.h"

const char *edge_fqdn(void);
bool edge_ready(void);
/* Where requests of ours go. */
struct load_conn *edge_link(void);
/* Route entries as Lync signs them. */
int edge_routes(char *to, size_t n, const char *head, uint32_t dialog,
		uint32_t user, bool pool_first);
/* Answer m. tag: of its To, NULL: it has one; more: further headers, with
 * their line ends; body: of application/sdp, or NULL. */
void edge_answer(struct load_conn *c, const struct sip_message *m,
		 const char *status, const char *tag, const char *more,
		 const char *body);
/* NOTIFY in the dialog of that SUBSCRIBE; state: as of talk.h. */
void edge_notify(const struct sip_message *m, uint32_t cseq, long expires,
		 unsigned state);
/* The pair of From and To, or LOAD_NOBODY. */
size_t edge_pair(const struct sip_message *m);

/* edge_talk.c: true when it was theirs. */
void edge_talk_start(struct load *l);
void edge_talk_tick(struct load *l);
bool edge_talk_request(struct load_conn *c, const struct sip_message *m);
bool edge_talk_response(const struct sip_message *m);
bool edge_talk_command(struct load *l, struct load_conn *c, const char *line);

/* edge_state.c */
void edge_state_start(struct load *l, bool keep);
void edge_state_tick(struct load *l);
void edge_state_subscribed(const struct sip_message *m);
void edge_state_heard(size_t pair, const struct sip_message *m);
bool edge_state_command(struct load *l, struct load_conn *c, const char *line);

#endif
