/*
 * sim_item.c: what the engine said, as names and values; see sim.h.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

char *sim_dup(struct sb_str s)
{
	char *z = calloc(1, s.n + 1);

	if (!z)
		abort();
	if (s.n)
		memcpy(z, s.p, s.n);
	return z;
}

void sim_put(struct sim_item *it, const char *key, struct sb_str v)
{
	if (!v.n || it->n == SIM_KV_MAX)
		return;
	it->kv[it->n].k = sim_dup(sb_str_of(key));
	it->kv[it->n++].v = sim_dup(v);
}

void sim_put_int(struct sim_item *it, const char *key, intmax_t v)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%jd", v);
	sim_put(it, key, sb_str_of(buf));
}

struct sim_item *sim_item_new(enum sim_kind kind, const char *what,
			      uint64_t ref)
{
	struct sim_item *it = calloc(1, sizeof(*it));

	if (!it)
		abort();
	it->kind = kind;
	it->ref = ref;
	snprintf(it->what, sizeof(it->what), "%s", what);
	return it;
}

void sim_item_free(struct sim_item *it)
{
	if (!it)
		return;
	for (size_t i = 0; i < it->n; i++) {
		free(it->kv[i].k);
		free(it->kv[i].v);
	}
	free(it);
}

const char *sim_get(const struct sim_item *it, const char *key)
{
	for (size_t i = 0; i < it->n; i++)
		if (strcmp(it->kv[i].k, key) == 0)
			return it->kv[i].v;
	return "";
}

void sim_item_print(const struct sim_item *it, char *buf, size_t n)
{
	static const char *const kinds[] = {"", "CANCEL ", "", "event "};
	int at = snprintf(buf, n, "%s%s", kinds[it->kind], it->what);

	for (size_t i = 0; i < it->n && at > 0 && (size_t)at < n; i++)
		at += snprintf(buf + at, n - (size_t)at, " %s=\"%s\"",
			       it->kv[i].k, it->kv[i].v);
}

struct sim_item *sim_take(struct sim *m)
{
	struct sim_item *it = m->head;

	if (it) {
		m->head = it->next;
		if (!m->head)
			m->tail = &m->head;
		it->next = NULL;
	}
	return it;
}

void sim_forget(struct sim *m)
{
	struct sim_item *it;

	while ((it = sim_take(m)))
		sim_item_free(it);
}

void sim_put_message(struct sim_item *it, const struct sb_sip_out *o)
{
	char key[64];

	sim_put(it, "domain", o->domain);
	sim_put(it, "from", o->local.uri);
	sim_put(it, "from_tag", o->local.tag);
	sim_put(it, "display", o->local.display);
	sim_put(it, "to", o->remote.uri);
	sim_put(it, "to_tag", o->remote.tag);
	sim_put(it, "to_epid", o->remote.epid);
	sim_put(it, "call_id", o->call_id);
	sim_put_int(it, "cseq", o->cseq);
	sim_put_int(it, "routes", (intmax_t)o->routes_n);
	for (size_t i = 0; i < o->routes_n; i++) {
		snprintf(key, sizeof(key), "route%zu", i + 1);
		sim_put(it, key, o->routes[i]);
	}
	sim_put_int(it, "forming", o->dialog_forming);
	sim_put_int(it, "verified", o->verified);
	if (o->diagnosed)
		sim_put_int(it, "diag", o->diag);
	sim_put(it, "reason", o->reason);
	sim_put(it, "type", o->content_type);
	sim_put(it, "body", o->body);
	for (size_t i = 0; i < o->extra_n; i++) {
		snprintf(key, sizeof(key), "h.%s", o->extra[i].name);
		sim_put(it, key, o->extra[i].value);
	}
}
