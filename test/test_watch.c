/*
 * test_watch.c: the watch engine's parts: pace and order of many, limits,
 * documents with a time, tables that give back their memory.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "../sipbridge/sipbridge.h"
#include "../sipbridge/table.h"
#include "../sipbridge/wheel.h"
#include "sim.h"
#include "test.h"

static void watch(struct sim *m, const char *user)
{
	struct sb_request r = {.type = SB_REQ_WATCH,
			       .contact = SB_STR("sip:ada@chat.example"),
			       .user = sb_str_of(user)};

	sim_send(m, &r);
}

static size_t waiting(const struct sim *m)
{
	struct sb_watches_count n;

	sb_watches_count(m->w, &n);
	return n.waiting;
}

/* Take what the engine said: is it that? */
static bool said(struct sim *m, const char *what, const char *key,
		 const char *value)
{
	struct sim_item *it = sim_take(m);
	bool ok = it && strcmp(it->what, what) == 0 &&
		  strstr(sim_get(it, key), value);

	sim_item_free(it);
	return ok;
}

TEST(watch_order_of_many)
{
	enum { MANY = 100 };
	struct sim *m = sim_new(1);
	char user[64];

	for (int i = 0; i < MANY; i++) {
		snprintf(user, sizeof(user), "sip:u%d@corp.example", i);
		watch(m, user);
	}
	CHECK_INT(waiting(m), MANY - 1);
	for (int i = 0; i < MANY; i++) {
		if (i)
			sim_wait(m, 50);
		snprintf(user, sizeof(user), "sip:u%d@corp.example", i);
		CHECK(said(m, "SUBSCRIBE", "ruri", user));
		CHECK(!m->head);
	}
	CHECK_INT(waiting(m), 0);
	CHECK_STR(m->bad, "");
	sim_drain(m, true);
	CHECK_STR(m->bad, "");
	sim_free(m);
}

/* ----------------------------------------------- without the sim's eyes -- */

struct rig {
	struct sb_watches *w;
	size_t requests, failing, active;
	uint64_t id;	/* of the last SUBSCRIBE event */
	char body[4096]; /* of the last request */
};

static int on_request(void *arg, uint64_t cookie, const struct sb_sip_out *o)
{
	struct rig *k = arg;

	CHECK(sb_watches_own(cookie));
	k->requests++;
	snprintf(k->body, sizeof(k->body), "%.*s", SB_FMT(o->body));
	return SB_OK;
}

static void on_respond(void *arg, uint64_t txn, const struct sb_sip_out *o)
{
	(void)arg;
	(void)txn;
	(void)o;
}

static void on_event(void *arg, const struct sb_event *ev)
{
	struct rig *k = arg;

	if (ev->type == SB_EV_SUBSCRIBE)
		k->id = ev->id;
	if (ev->type == SB_EV_WATCH && ev->watch == SB_WATCH_FAILING)
		k->failing++;
}

static void on_random(void *arg, void *buf, size_t n)
{
	(void)arg;
	memset(buf, 0xa5, n);
}

static struct rig *rig_new(void)
{
	static const struct sb_wire_ops ops = {
		.request = on_request, .respond = on_respond,
		.event = on_event, .random = on_random};
	struct sb_wire wire = {.watch_rate = 20};
	struct rig *k = calloc(1, sizeof(*k));

	if (!k || sb_watches_new(&k->w, SB_NOSTR, &wire, &ops, k))
		abort();
	return k;
}

static void rig_free(struct rig *k)
{
	sb_watches_free(k->w);
	free(k);
}

TEST(watch_domain_limit)
{
	enum { LIMIT = 256 };
	struct rig *k = rig_new();
	struct sb_request r = {.type = SB_REQ_WATCH,
			       .contact = SB_STR("sip:ada@chat.example")};
	char user[64];

	for (int i = 0; i <= LIMIT; i++) {
		snprintf(user, sizeof(user), "sip:u@d%d.example", i);
		r.user = sb_str_of(user);
		sb_watches_send(k->w, &r, 1000);
	}
	CHECK_INT(k->requests, LIMIT);
	CHECK_INT(k->failing, 1);
	sb_watches_tick(k->w, 4000); /* domains without a queue are forgotten */
	sb_watches_send(k->w, &r, 4000);
	CHECK_INT(k->requests, LIMIT + 1);
	r.user = SB_STR("sip:u");
	sb_watches_send(k->w, &r, 4000);
	CHECK_INT(k->failing, 2);
	rig_free(k);
}

TEST(watch_requests_of_others)
{
	struct rig *k = rig_new();
	struct sb_request r = {.type = SB_REQ_MESSAGE};
	struct sb_sip_in m = {.method = SB_M_INFO};

	sb_watches_send(k->w, &r, 1000);
	r.type = SB_REQ_ANSWER;
	sb_watches_send(k->w, &r, 1000);
	r.type = SB_REQ_PRESENCE;
	sb_watches_send(k->w, &r, 1000);
	sb_watches_request(k->w, 1, &m, 1000);
	sb_watches_response(k->w, UINT64_C(1) << 63, &m, 1000);
	CHECK_INT(k->requests, 0);
	sb_watches_free(NULL);
	rig_free(k);
}

TEST(watch_time_in_documents)
{
	struct rig *k = rig_new();
	struct sb_request r = {
		.type = SB_REQ_PRESENCE, .presence = SB_PR_BUSY,
		.contact = SB_STR("sip:ada@chat.example"), .status = 200,
		.user = SB_STR("sip:lena@corp.example"), .flags = SB_F_NOTES,
		.text = SB_STR("a\x01 note"), .display = SB_STR("Ada\n\xff")};
	struct sb_sip_in m = {
		.method = SB_M_SUBSCRIBE, .event = SB_STR("presence"),
		.request_uri = r.contact, .to = {.uri = r.contact},
		.from = {.uri = r.user, .tag = SB_STR("1")},
		.call_id = SB_STR("2"), .cseq = 1, .expires = -1,
		.contact = SB_STR("sip:x@y"), .domain = SB_STR("corp.example"),
		.accept = SB_STR("application/msrtc-event-categories+xml")};

	sb_watches_time(k->w, 1700000000);
	sb_watches_request(k->w, 1, &m, 5000);
	CHECK(sb_watches_own(k->id));
	sb_watches_send(k->w, &r, 5000);
	r.type = SB_REQ_ANSWER;
	r.id = k->id;
	sb_watches_send(k->w, &r, 5000);
	CHECK(strstr(k->body, "2023-11-14T22:13:25") != NULL);
	CHECK(strstr(k->body, "6500") != NULL);
	rig_free(k);
}

/* ----------------------------------------------------------------- parts -- */

TEST(watch_timer_is_small)
{
	CHECK_INT(sizeof(struct sb_timer), 3 * sizeof(void *));
}

TEST(watch_table_trim)
{
	enum { MANY = 5000 };
	static struct sb_link l[MANY];
	struct sb_table t;
	size_t empty;

	REQUIRE(sb_table_init(&t) == SB_OK);
	empty = sb_table_bytes(&t);
	for (size_t i = 0; i < MANY; i++)
		sb_table_add(&t, &l[i], i * UINT64_C(0x9e3779b97f4a7c15));
	CHECK(sb_table_bytes(&t) >= MANY * sizeof(void *));
	sb_table_trim(&t);
	CHECK(sb_table_bytes(&t) >= MANY * sizeof(void *));
	for (size_t i = 100; i < MANY; i++)
		sb_table_remove(&t, &l[i]);
	sb_table_trim(&t);
	CHECK(sb_table_bytes(&t) < MANY * sizeof(void *));
	for (size_t i = 0; i < 100; i++) {
		CHECK(sb_table_find(&t, l[i].hash) == &l[i]);
		sb_table_remove(&t, &l[i]);
	}
	sb_table_trim(&t);
	CHECK_INT(sb_table_bytes(&t), empty);
	sb_table_fini(&t);
}
