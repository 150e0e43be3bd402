/*
 * talk.h: what the load partners of bench/soak.lua share: who says what next,
 * and what of it has been heard.
 * SPDX-License-Identifier: MIT
 *
 * Pairs:   those with an even number are opened by the Lync user, the others
 *          by the contact. Who opens takes the steps of a conversation, one in
 *          each round over all that are under way; the other side answers in
 *          kind: a text with a text, typing with typing.
 * Texts:   carry their number and the time when they were said, by the clock
 *          of this machine. The hearer tells what is missing, came twice or too
 *          late, and how long it took.
 */
#ifndef TALK_H
#define TALK_H

#include "load.h"

enum { TALK_TEXT = 160, TALK_TURNS = 20, TALK_STATES = 3 };

/* Of a conversation: TALK_TURNS texts, typing and its end before each but the
 * first and after the last, then the end. */
enum talk_step { TALK_SAY, TALK_TYPE, TALK_REST, TALK_END };
enum { TALK_STEPS = 3 * TALK_TURNS + 1 };

struct talk_pace {
	double rate, since; /* a second */
	size_t done;
};
void talk_pace_set(struct talk_pace *p, double now, double rate);
bool talk_pace_take(struct talk_pace *p, double now);

/* The k-th step of all: whose, and which. odd: of those that contacts open. */
enum talk_step talk_step(const struct load *l, size_t k, size_t slots, bool odd,
			 size_t *pair);

/* CLOCK_MONOTONIC in seconds, now and not when the loop woke up. */
double talk_now(void);
void talk_text(char text[TALK_TEXT], uint32_t number);

enum { TALK_BINS = 400 }; /* each 5 % longer than the one before */

struct talk_heard {
	uint8_t *seen;	/* a bit for each number */
	uint32_t *last; /* number of each pair */
	size_t pairs, room;
	size_t n, twice, late, strange; /* late: after a later one */
	size_t bins[TALK_BINS];
	double longest; /* seconds */
};
void talk_heard_start(struct talk_heard *h, size_t pairs);
void talk_heard(struct talk_heard *h, size_t pair, const char *text, size_t n);
/* "NAME=..." of what took so long since the last call: p50, p99, longest, in
 * microseconds. */
void talk_heard_say(struct talk_heard *h, struct load_conn *c);

/* What each pair was told last and has heard last, 0..TALK_STATES, as digits
 * of one line; TALK_STATES: nothing yet. */
void talk_states_say(struct load_conn *c, const uint8_t *states, size_t from,
		     size_t to);

#endif
