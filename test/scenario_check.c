/*
 * scenario_check.c: what a scenario expects of the engine.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "scenario_priv.h"

static bool holds(const struct sim_item *it, const char *word)
{
	size_t n = strcspn(word, "=~!");
	char key[64];
	const char *got, *want = word + n + 1;

	if (!word[n] || n >= sizeof(key))
		return false;
	memcpy(key, word, n);
	key[n] = '\0';
	got = sim_get(it, key);
	if (word[n] == '=')
		return strcmp(got, want) == 0;
	return (strstr(got, want) != NULL) == (word[n] == '~');
}

static bool is_kind(const struct scn *r, const struct sim_item *it)
{
	const char *w = r->word[1];

	switch (it->kind) {
	case SIM_EVENT:
		return strcmp(w, "event") == 0;
	case SIM_CANCEL:
		return strcmp(w, "CANCEL") == 0;
	case SIM_RESPONSE:
	case SIM_REQUEST:
		break;
	}
	return strcmp(w, it->what) == 0;
}

/* The engine's request or event gets its name and keeps the item. */
static void keep(struct scn *r, const char *name, struct sim_item *it)
{
	struct scn_name *k = scn_name_add(r, name);

	k->ref = it->ref;
	k->it = it;
	k->contact = sb_str_of(sim_get(it, "from"));
	k->user = sb_str_of(sim_get(it, "to"));
	snprintf(k->call_id, sizeof(k->call_id), "%s", sim_get(it, "call_id"));
	snprintf(k->ours, sizeof(k->ours), "%s", sim_get(it, "from_tag"));
	snprintf(k->theirs, sizeof(k->theirs), "%s", name);
}

void scn_expect(struct scn *r)
{
	struct sim_item *it = sim_take(r->m);
	char got[4096];
	size_t first = 3;
	struct scn_name *k;

	if (!it) {
		scn_fail(r, "nothing was said; wanted", r->word[1]);
		return;
	}
	sim_item_print(it, got, sizeof(got));
	if (!is_kind(r, it) || r->n < 3)
		scn_fail(r, "said:", got);
	else if (it->kind == SIM_EVENT) {
		first = 4;
		if (r->n < 4 || strcmp(r->word[2], it->what) != 0)
			scn_fail(r, "said:", got);
	}
	else if (it->kind != SIM_REQUEST) {
		k = scn_name(r, r->word[2]);
		if (k && k->ref != it->ref)
			scn_fail(r, "of another transaction:", got);
	}
	for (size_t i = first; !r->failed && i < r->n; i++) {
		if (holds(it, r->word[i]))
			continue;
		scn_fail(r, r->word[i], got);
	}
	if (!r->failed && (it->kind == SIM_REQUEST || it->kind == SIM_EVENT))
		keep(r, r->word[first - 1], it);
	else
		sim_item_free(it);
}

void scn_count(struct scn *r)
{
	struct sb_sessions_count c;
	struct sb_watches_count n;
	char got[512];

	sb_sessions_count(r->m->s, &c);
	sb_watches_count(r->m->w, &n);
	snprintf(got, sizeof(got), "conversations=%zu dialogs=%zu queued=%zu "
		 "unanswered=%zu client_txns=%zu watches=%zu "
		 "subscriptions=%zu waiting=%zu ", c.conversations, c.dialogs,
		 c.queued, c.unanswered + n.unanswered,
		 c.client_txns + n.client_txns, n.watches, n.subscriptions,
		 n.waiting);
	for (size_t i = 1; i < r->n; i++) {
		char want[64];

		snprintf(want, sizeof(want), "%s ", r->word[i]);
		if (!strstr(got, want))
			scn_fail(r, want, got);
	}
}
