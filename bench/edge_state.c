/*
 * edge_state.c: presence of Lync users that changes, and what they have heard.
 * SPDX-License-Identifier: MIT
 *
 * What a NOTIFY needs is kept of each subscription of the bridge, some 400
 * bytes, if the program was started with keep=1.
 *
 * Commands, a line each:
 *   change RATE                 one pair after the other
 *   changed                     how many there were
 *   shown FROM TO, seen FROM TO states of these pairs: users', contacts'
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge_load.h"
#include "talk.h"

enum { EXPIRES = 28800, CSEQ_STEP = 1000 };

struct kept { /* of a SUBSCRIBE */
	char *text; /* from, to, Call-ID, contact: one after the other */
	uint16_t from_n, to_n, call_id_n, contact_n;
	uint32_t cseq;
	uint16_t more; /* NOTIFYs since */
};

static struct state {
	struct talk_pace change;
	struct kept *kept; /* NULL: not wanted */
	size_t turns, changed;
	uint8_t *shown, *seen;
} state;

void edge_state_start(struct load *l, bool keep)
{
	if (!keep)
		return;
	state.kept = calloc(l->pairs, sizeof(*state.kept));
	state.shown = calloc(l->pairs, 1);
	state.seen = malloc(l->pairs);
	if (!state.kept || !state.shown || !state.seen)
		load_die("no memory");
	memset(state.seen, TALK_STATES, l->pairs);
}

static char *append(char *p, struct sip_span s)
{
	memcpy(p, s.p, (size_t)s.n);
	return p + s.n;
}

void edge_state_subscribed(const struct sip_message *m)
{
	size_t pair = state.kept ? edge_pair(m) : LOAD_NOBODY;
	struct kept *k;
	char *p;

	if (pair == LOAD_NOBODY)
		return;
	k = &state.kept[pair];
	k->cseq = (uint32_t)atol(m->cseq.p);
	k->more = 0;
	if (k->text && sip_tag_of(m->to).n)
		return; /* a refresh */
	free(k->text);
	p = k->text = malloc((size_t)(m->from.n + m->to.n + m->call_id.n +
				      m->contact.n));
	if (!p)
		load_die("no memory");
	k->from_n = (uint16_t)m->from.n;
	k->to_n = (uint16_t)m->to.n;
	k->call_id_n = (uint16_t)m->call_id.n;
	k->contact_n = (uint16_t)m->contact.n;
	append(append(append(append(p, m->from), m->to), m->call_id),
	       m->contact);
}

static void change(const struct load *l)
{
	size_t pair = state.turns % l->pairs;
	uint8_t now = (uint8_t)((state.turns / l->pairs + 1) % TALK_STATES);
	struct kept *k = &state.kept[pair];
	struct sip_message m = {.expires = -1};
	char *p = k->text;

	state.turns++;
	if (!p)
		return;
	m.from = (struct sip_span){p, k->from_n};
	m.to = (struct sip_span){p += k->from_n, k->to_n};
	m.call_id = (struct sip_span){p += k->to_n, k->call_id_n};
	m.contact = (struct sip_span){p + k->call_id_n, k->contact_n};
	edge_notify(&m, k->cseq * CSEQ_STEP + ++k->more, EXPIRES, now);
	state.shown[pair] = now;
	state.changed++;
}

void edge_state_tick(struct load *l)
{
	while (state.kept && edge_ready() &&
	       talk_pace_take(&state.change, l->now))
		change(l);
}

void edge_state_heard(size_t pair, const struct sip_message *m)
{
	bool away = sip_has(m->body, ">away<") ||
		    sip_has(m->body, "<availability>15500<");
	bool busy = sip_has(m->body, ">busy<") ||
		    sip_has(m->body, "<availability>9500<");

	if (state.kept)
		state.seen[pair] = away ? 1 : busy ? 2 : 0;
}

bool edge_state_command(struct load *l, struct load_conn *c, const char *line)
{
	size_t from, to;
	double rate;

	if (sscanf(line, "change %lf", &rate) == 1)
		talk_pace_set(&state.change, l->now, rate);
	else if (!strcmp(line, "changed"))
		load_say(c, "changed=%zu\n", state.changed);
	else if (state.kept && sscanf(line, "shown %zu %zu", &from, &to) == 2)
		talk_states_say(c, state.shown, from, to);
	else if (state.kept && sscanf(line, "seen %zu %zu", &from, &to) == 2)
		talk_states_say(c, state.seen, from, to);
	else
		return false;
	return true;
}
