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
	size_t requests, failing, active, ended;
	size_t refused; /* while full */
	uint64_t id;	/* of the last SUBSCRIBE event */
	bool full;	/* the Edge takes no more */
	bool slow;	/* the plugin is behind */
	uint64_t cookie; /* of the last request */
	char body[4096];
	char head[256]; /* its additional headers */
	char tag[40];	/* of its From */
};

static int on_request(void *arg, uint64_t cookie, const struct sb_sip_out *o)
{
	struct rig *k = arg;

	size_t n = 0;

	CHECK(sb_watches_own(cookie));
	if (k->full) {
		k->refused++;
		return SB_EFULL;
	}
	k->requests++;
	k->cookie = cookie;
	snprintf(k->body, sizeof(k->body), "%.*s", SB_FMT(o->body));
	snprintf(k->tag, sizeof(k->tag), "%.*s", SB_FMT(o->local.tag));
	for (size_t i = 0; i < o->extra_n && n < sizeof(k->head); i++)
		n += (size_t)snprintf(k->head + n, sizeof(k->head) - n,
				      "%s: %.*s\n", o->extra[i].name,
				      SB_FMT(o->extra[i].value));
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
	if (ev->type == SB_EV_WATCH && ev->watch == SB_WATCH_ENDED)
		k->ended++;
	if (ev->type == SB_EV_UNSUBSCRIBED)
		k->ended++;
}

static void on_random(void *arg, void *buf, size_t n)
{
	(void)arg;
	memset(buf, 0xa5, n);
}

static bool is_slow(void *arg)
{
	return ((struct rig *)arg)->slow;
}

static struct rig *rig_new(void)
{
	static const struct sb_wire_ops ops = {
		.request = on_request, .respond = on_respond,
		.event = on_event, .random = on_random, .slow = is_slow};
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

/* The loop looks a hundred times in a second, not a thousand times. */
TEST(watch_rate_is_reached)
{
	enum { MANY = 1000, RATE = 5000, STEP_MS = 10, STEPS = 10 };
	struct rig *k = rig_new();
	struct sb_request r = {.type = SB_REQ_WATCH,
			       .contact = SB_STR("sip:ada@chat.example")};
	char user[64];

	REQUIRE(!sb_watches_configure(
		k->w, &(struct sb_wire){.watch_rate = RATE}));
	for (int i = 0; i < MANY; i++) {
		snprintf(user, sizeof(user), "sip:u%d@corp.example", i);
		r.user = sb_str_of(user);
		sb_watches_send(k->w, &r, 1000);
	}
	for (int i = 1; i <= STEPS; i++)
		sb_watches_tick(k->w, (uint64_t)(1000 + STEP_MS * i));
	CHECK(k->requests >= RATE / 1000 * STEP_MS * STEPS);
	CHECK(k->requests <= RATE / 1000 * STEP_MS * STEPS + RATE / 50 + 1);
	rig_free(k);
}

/* ----------------------------- when the Edge takes no more just now -- */

static const struct sb_request ada = {
	.type = SB_REQ_WATCH, .contact = SB_STR("sip:ada@chat.example"),
	.user = SB_STR("sip:lena@corp.example"), .status = 200};

static void send(struct rig *k, enum sb_request_type type, uint64_t id,
		 uint64_t now)
{
	struct sb_request r = ada;

	r.type = type;
	r.id = id;
	sb_watches_send(k->w, &r, now);
}

/* 200 to the last request. */
static void ok(struct rig *k, enum sb_method method, uint64_t now)
{
	struct sb_sip_in m = {
		.method = method, .status = 200, .expires = 3600, .cseq = 1,
		.to = {.uri = ada.user, .tag = SB_STR("7")},
		.from = {.uri = ada.contact, .tag = sb_str_of(k->tag)},
		.contact = SB_STR("sip:x@y"), .domain = SB_STR("corp.example")};

	sb_watches_response(k->w, k->cookie, &m, now);
}

TEST(watch_full_begins_later)
{
	struct rig *k = rig_new();
	struct sb_watches_count n;

	k->full = true;
	send(k, SB_REQ_WATCH, 0, 1000);
	sb_watches_tick(k->w, 2000);
	sb_watches_count(k->w, &n);
	CHECK_INT(n.waiting, 1);
	CHECK_INT(k->failing, 0);
	k->full = false;
	sb_watches_tick(k->w, 3000);
	CHECK_INT(k->requests, 1);
	sb_watches_count(k->w, &n);
	CHECK_INT(n.waiting, 0);
	rig_free(k);
}

/* Each would make events for a plugin that has too many. */
TEST(watch_slow_begins_later)
{
	struct rig *k = rig_new();
	struct sb_watches_count n;

	k->slow = true;
	send(k, SB_REQ_WATCH, 0, 1000);
	sb_watches_tick(k->w, 20000);
	CHECK_INT(k->requests + k->failing, 0);
	sb_watches_count(k->w, &n);
	CHECK_INT(n.waiting, 1);
	k->slow = false;
	CHECK(sb_watches_tick(k->w, 20000) <= 100);
	sb_watches_tick(k->w, 20100);
	CHECK_INT(k->requests, 1);
	rig_free(k);
}

/* However many are due: the loop has other things to do, and each is an
 * event. */
TEST(watch_many_are_due)
{
	enum { MANY = 2500, DUE = 40000 };
	struct rig *k = rig_new();
	struct sb_request r = ada;
	char user[64];
	int ticks = 0;

	REQUIRE(!sb_watches_configure(k->w, &(struct sb_wire){0}));
	for (int i = 0; i < MANY; i++) {
		snprintf(user, sizeof(user), "sip:u%d@corp.example", i);
		r.user = sb_str_of(user);
		sb_watches_send(k->w, &r, 1000);
		ok(k, SB_M_SUBSCRIBE, 1000);
	}
	CHECK_INT(sb_watches_tick(k->w, DUE), 0); /* at once again */
	CHECK(k->failing > 0 && k->failing <= 1000);
	while (sb_watches_tick(k->w, DUE) == 0 && ticks++ < MANY)
		;
	CHECK_INT(k->failing, MANY);
	rig_free(k);
}

TEST(watch_full_leaves_later)
{
	struct rig *k = rig_new();
	struct sb_watches_count n;

	send(k, SB_REQ_WATCH, 0, 1000);
	ok(k, SB_M_SUBSCRIBE, 1000);
	k->full = true;
	send(k, SB_REQ_UNWATCH, 0, 2000);
	sb_watches_tick(k->w, 4000);
	CHECK_INT(k->requests, 1);
	k->full = false;
	sb_watches_tick(k->w, 6000);
	CHECK_INT(k->requests, 2);
	CHECK(strstr(k->head, "Expires: 0\n") != NULL);
	ok(k, SB_M_SUBSCRIBE, 6000);
	CHECK_INT(k->ended, 1);
	sb_watches_tick(k->w, 60000);
	sb_watches_count(k->w, &n);
	CHECK_INT(n.watches + n.client_txns, 0);
	rig_free(k);
}

/* Thousands do not all ask again at once. */
TEST(watch_full_asks_in_turn)
{
	enum { MANY = 2000 };
	struct rig *k = rig_new();
	struct sb_request r = ada;
	char user[64];

	REQUIRE(!sb_watches_configure(k->w, &(struct sb_wire){0}));
	for (int i = 0; i < 2 * MANY; i++) {
		snprintf(user, sizeof(user), "sip:u%d@corp.example", i % MANY);
		r.user = sb_str_of(user);
		r.type = i < MANY ? SB_REQ_WATCH : SB_REQ_UNWATCH;
		k->full = i >= MANY;
		sb_watches_send(k->w, &r, 1000);
		if (i < MANY)
			ok(k, SB_M_SUBSCRIBE, 1000);
	}
	k->refused = 0;
	for (uint64_t now = 1000; now < 3000; now += 10)
		sb_watches_tick(k->w, now);
	CHECK(k->refused >= 400 && k->refused <= 600);
	k->full = false;
	for (uint64_t now = 3000; now < 9000; now += 10)
		sb_watches_tick(k->w, now);
	CHECK_INT(k->requests, 2 * MANY);
	rig_free(k);
}

static void subscribed(struct rig *k, uint64_t now)
{
	struct sb_sip_in m = {
		.method = SB_M_SUBSCRIBE, .event = SB_STR("presence"),
		.request_uri = ada.contact, .to = {.uri = ada.contact},
		.from = {.uri = ada.user, .tag = SB_STR("1")},
		.call_id = SB_STR("2"), .cseq = 1, .expires = 3600,
		.contact = SB_STR("sip:x@y"), .domain = SB_STR("corp.example"),
		.accept = SB_STR("application/pidf+xml")};

	sb_watches_request(k->w, 1, &m, now);
	send(k, SB_REQ_ANSWER, k->id, now);
	ok(k, SB_M_NOTIFY, now);
}

TEST(watch_full_says_the_last_word_later)
{
	struct rig *k = rig_new();
	struct sb_watches_count n;

	REQUIRE(!sb_watches_configure(
		k->w, &(struct sb_wire){.offer_expires_ms = 3600000}));
	subscribed(k, 1000);
	CHECK_INT(k->requests, 1);
	k->full = true;
	send(k, SB_REQ_REJECT, 0, 2000);
	sb_watches_tick(k->w, 4000);
	CHECK_INT(k->requests, 1);
	CHECK_INT(k->ended, 1);
	k->full = false;
	sb_watches_tick(k->w, 4000000); /* nor is its end said twice */
	CHECK_INT(k->requests, 2);
	CHECK_INT(k->ended, 1);
	CHECK(strstr(k->head, "terminated;reason=rejected") != NULL);
	sb_watches_count(k->w, &n);
	CHECK_INT(n.subscriptions, 0);
	rig_free(k);
}

TEST(watch_full_tells_later)
{
	struct rig *k = rig_new();
	struct sb_request r = ada;

	REQUIRE(!sb_watches_configure(
		k->w, &(struct sb_wire){.offer_expires_ms = 3600000}));
	subscribed(k, 1000);
	k->full = true;
	r.type = SB_REQ_PRESENCE;
	r.presence = SB_PR_AVAILABLE;
	sb_watches_send(k->w, &r, 2000);
	k->full = false;
	sb_watches_tick(k->w, 4000);
	CHECK_INT(k->requests, 2);
	CHECK(strstr(k->body, ">open<") != NULL);
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
