/*
 * chaos_load.h: the ledger of a load partner that may be killed at any moment:
 * what it sent and what came of it, what it has received; for spec/chaos.
 * SPDX-License-Identifier: MIT
 *
 * A file, mapped shared: what is written stays when the process is killed, and
 * the next one goes on with it. Times are milliseconds of the real clock since
 * `zero`. A line is one connection (SIP) or stream (XMPP); line 0 is none.
 * spec/chaos/ledger.lua reads the file: the two are changed together.
 */
#ifndef CHAOS_LOAD_H
#define CHAOS_LOAD_H

#include "load.h"

enum {
	CHAOS_TOKENS = 64,
	CHAOS_TOKEN = 32,
	CHAOS_LINES = 16384,
	CHAOS_WINDOW = 16, /* of a conversation without an outcome */
	CHAOS_SPAN = 256   /* from the oldest of them to the newest */
};

enum { CHAOS_IN = 1, CHAOS_OUT = 2 };

/* How a line ended. */
enum { CHAOS_STANDS, CHAOS_CLOSED, CHAOS_BROKEN, CHAOS_OWN_END, CHAOS_KILLED };

struct chaos_line {
	uint32_t open, end;
	uint16_t partner, direction, how, pad;
};

struct chaos_sent {
	uint32_t at, seq, fate_at;
	uint16_t line, fate_line;
	uint8_t fates, token, second, gone; /* gone: waited for no longer */
};

struct chaos_seen {
	uint32_t at, seq;
	uint16_t line;
	uint8_t count, refused;
};

struct chaos_head {
	char magic[8];
	uint32_t convs, each, lines, tokens, sent_seq, seen_seq, lives, pad;
	double zero;
	char token[CHAOS_TOKENS][CHAOS_TOKEN];
	struct chaos_line line[CHAOS_LINES];
};

struct chaos {
	struct chaos_head *head;
	struct chaos_sent *sent; /* [conversation * each + n] */
	struct chaos_seen *seen;
	uint32_t *base, *next; /* of each conversation: window's ends */
	uint32_t turn;
	double rate, since, done; /* messages a second */
	bool run;
};

/* Options: ledger (a path), zero, convs, each. */
void chaos_open(struct chaos *c, char **argv);
uint32_t chaos_now(const struct chaos *c);
uint16_t chaos_line_open(struct chaos *c, int direction, size_t partner);
void chaos_line_end(struct chaos *c, uint16_t line, int how);

/* The next message of a conversation whose turn it is and for which `ready`
 * says yes; false: none now. */
bool chaos_take(struct chaos *c, const struct load *l,
		bool (*ready)(uint32_t conv), uint32_t *conv, uint32_t *n);
void chaos_sent(struct chaos *c, uint32_t conv, uint32_t n, uint16_t line);
void chaos_fate(struct chaos *c, uint32_t conv, uint32_t n, uint16_t line,
		const char *token);
/* Its receiver refuses it: one of twenty. */
bool chaos_refuses(uint32_t conv, uint32_t n);
/* It was received, and refused if it is one of those. */
void chaos_seen(struct chaos *c, uint32_t conv, uint32_t n, uint16_t line);
/* What has no outcome so long after it was sent, or `grace` after the end of
 * its line, is waited for no longer. token: noted as outcome, unless NULL. */
void chaos_give_up(struct chaos *c, uint32_t conv, uint32_t after,
		   uint32_t grace, const char *token);
/* " sent=… fates=… ok=… open=… seen=… strange=…" for stats. */
void chaos_stats(const struct chaos *c, char *to, size_t n);
/* "rate N", "run", "rest", "renew" (certificates): true when it was one. */
bool chaos_command(struct chaos *c, struct load *l, const char *text);

#endif
