/*
 * client_rig.h: a bridge with a fake worker, and what has been seen of it.
 * SPDX-License-Identifier: MIT
 *
 * Time is the monotonic clock plus what a test adds to it, so that nobody
 * waits for a heartbeat.
 */
#ifndef CLIENT_RIG_H
#define CLIENT_RIG_H

#include "../sipbridge/client_priv.h"
#include "test.h"

enum { IDS_MAX = 10000, PATIENCE_MS = 10000 };

/* A bridge with what has been seen of it. */
struct rig {
	struct sb_bridge *b;
	uint64_t skew; /* ms added to the clock */
	unsigned char outcomes[IDS_MAX + 1]; /* by id */
	size_t delivered, failed, ready, gone, refused, logs, typing, lists;
	size_t watches, states, subscribes, watch_lists;
	size_t order;	/* events so far */
	char token[64];
	char reason[512]; /* of the last SB_EV_WORKER */
	char log[512];	  /* last line */
};

/* The time, with s->skew. */
uint64_t rig_clock(const struct rig *s);

/* Settings for test/fake_worker.c, whose mode is the name's first label. */
struct sb_config rig_config(const char *fqdn);

/* Start over with a bridge; false: a check has failed. */
bool rig_start(struct rig *s, const char *fqdn);

/* A message of that text, and to send it: as sb_send. */
struct sb_request rig_message(const char *text);
int rig_send(struct rig *s, const char *text);

/* Take all events that are there. */
void rig_drain(struct rig *s);

/* Wait for what comes next, at most until end; false at the end. */
bool rig_turn(struct rig *s, uint64_t end);

/* Until *n has reached want; false when patience is over. */
bool rig_await(struct rig *s, const size_t *n, size_t want);

/* Ids 1 to n had one outcome each, and nothing is in flight. */
void rig_check_each_once(const struct rig *s, size_t n);

/* Descriptors of this process. */
size_t rig_descriptors(void);

/* No child is left, neither running nor as a zombie. */
void rig_check_no_child(void);

#endif
