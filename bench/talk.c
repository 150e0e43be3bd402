/*
 * talk.c: steps of conversations, and texts that are counted.
 * SPDX-License-Identifier: MIT
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "talk.h"

static const char mark[] = "soak ";
static const double first_bin = 1e-6, growth = 1.05;

void talk_pace_set(struct talk_pace *p, double now, double rate)
{
	*p = (struct talk_pace){.rate = rate, .since = now};
}

bool talk_pace_take(struct talk_pace *p, double now)
{
	if ((double)p->done >= (now - p->since) * p->rate)
		return false;
	p->done++;
	return true;
}

enum talk_step talk_step(const struct load *l, size_t k, size_t slots, bool odd,
			 size_t *pair)
{
	size_t slot = k % slots, turn = k / slots + slot % TALK_STEPS;
	size_t step = turn % TALK_STEPS;

	*pair = (slot + turn / TALK_STEPS * slots) % (l->pairs / 2) * 2 + odd;
	if (step == TALK_STEPS - 1)
		return TALK_END;
	return step % 3 == 0 ? TALK_SAY : step % 3 == 1 ? TALK_TYPE : TALK_REST;
}

double talk_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void talk_text(char text[TALK_TEXT], uint32_t number)
{
	snprintf(text, TALK_TEXT, "%s%u %.6f Are you coming to the meeting at "
		 "half past ten, or shall we begin without you?", mark, number,
		 talk_now());
}

void talk_heard_start(struct talk_heard *h, size_t pairs)
{
	h->pairs = pairs;
	h->last = calloc(pairs, sizeof(*h->last));
	if (!h->last)
		load_die("no memory");
}

static bool seen(struct talk_heard *h, uint32_t number)
{
	uint8_t bit = (uint8_t)(1u << number % 8);
	bool was;

	if (number / 8 >= h->room) {
		size_t room = number / 8 * 2 + 4096;
		uint8_t *more = realloc(h->seen, room);

		if (!more)
			load_die("no memory");
		memset(more + h->room, 0, room - h->room);
		h->seen = more;
		h->room = room;
	}
	was = h->seen[number / 8] & bit;
	h->seen[number / 8] |= bit;
	return was;
}

static void took(struct talk_heard *h, double seconds)
{
	double bin = seconds > first_bin ?
		     log(seconds / first_bin) / log(growth) : 0;

	h->bins[bin < TALK_BINS - 1 ? (size_t)bin : TALK_BINS - 1]++;
	if (seconds > h->longest)
		h->longest = seconds;
}

void talk_heard(struct talk_heard *h, size_t pair, const char *text, size_t n)
{
	const char *p = memmem(text, n, mark, sizeof(mark) - 1);
	char copy[TALK_TEXT] = "";
	uint32_t number;
	double at;

	if (p)
		snprintf(copy, sizeof(copy), "%.*s", (int)(text + n - p), p);
	if (pair >= h->pairs ||
	    sscanf(copy, "soak %u %lf", &number, &at) != 2) {
		h->strange++;
		return;
	}
	if (seen(h, number)) {
		h->twice++;
		return;
	}
	h->n++;
	if (number < h->last[pair])
		h->late++;
	h->last[pair] = number;
	took(h, talk_now() - at);
}

static unsigned long quantile(const struct talk_heard *h, double share)
{
	size_t all = 0, sum = 0, i;

	for (i = 0; i < TALK_BINS; i++)
		all += h->bins[i];
	for (i = 0; i < TALK_BINS - 1; i++) {
		sum += h->bins[i];
		if ((double)sum >= share * (double)all)
			break;
	}
	return all ? (unsigned long)(first_bin * pow(growth, (double)i + 1) *
				     1e6) : 0;
}

void talk_heard_say(struct talk_heard *h, struct load_conn *c)
{
	load_say(c, "p50=%lu p99=%lu longest=%lu ", quantile(h, 0.5),
		 quantile(h, 0.99), (unsigned long)(h->longest * 1e6));
	memset(h->bins, 0, sizeof(h->bins));
	h->longest = 0;
}

void talk_states_say(struct load_conn *c, const uint8_t *states, size_t from,
		     size_t to)
{
	for (size_t i = from; i < to; i++)
		load_say(c, "%u", states[i]);
	load_say(c, "\n");
}
