/*
 * test_watch_memory.c: a hundred thousand subscriptions each way, and what an
 * idle one costs.
 * SPDX-License-Identifier: MIT
 *
 * LG_WATCHES=1000000 for more, LG_VERBOSE=1 to see the figures.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../sipbridge/watch.h"
#include "test.h"

enum { MANY = 100000, LIMIT = 300, PER_USER = 10, PER_CONTACT = 20 };

/* Hex of that many digits, other for each n. */
#define HEX "%08x%08x"

struct world {
	struct sb_watches *w;
	struct sb_wire wire;
	uint64_t now, txn, rng;
	size_t n;
	/* of the last request of the engine */
	uint64_t cookie;
	enum sb_method method;
	char call_id[64], tag[64];
	uint64_t id; /* of the last event that asks */
	size_t events;
	char t[16][1024]; /* scratch: texts of a message */
};

static int on_request(void *arg, uint64_t cookie, const struct sb_sip_out *o)
{
	struct world *k = arg;

	k->cookie = cookie;
	k->method = o->method;
	snprintf(k->call_id, sizeof(k->call_id), "%.*s", SB_FMT(o->call_id));
	snprintf(k->tag, sizeof(k->tag), "%.*s", SB_FMT(o->local.tag));
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
	struct world *k = arg;

	k->events++;
	k->id = ev->id ? ev->id : k->id;
}

static void on_random(void *arg, void *buf, size_t n)
{
	struct world *k = arg;

	for (size_t i = 0; i < n; i++) {
		k->rng = k->rng * UINT64_C(6364136223846793005) + 1;
		((unsigned char *)buf)[i] = (unsigned char)(k->rng >> 56);
	}
}

static const struct sb_wire_ops ops = {
	.request = on_request,
	.respond = on_respond,
	.event = on_event,
	.random = on_random,
};

static unsigned mix(size_t n, unsigned salt)
{
	return ((unsigned)n * 2654435761u) ^ (salt * 40503u * 65537u);
}

__attribute__((format(printf, 3, 4)))
static struct sb_str text(struct world *k, int i, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(k->t[i], sizeof(k->t[i]), fmt, ap);
	va_end(ap);
	return (struct sb_str){k->t[i], (size_t)n};
}

/* Route entries as lync-sip.md 1.6 has them: the Edge's with ms-key-info of
 * 400 characters, one of four in use; the pool's names the user's connection;
 * both carry what belongs to the dialog behind the bracket. */
static void routes(struct world *k, struct sb_sip_in *m, size_t n, size_t user)
{
	char key[401];

	memset(key, 'a' + (int)(user % 4), sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	m->record_route[0] = text(k, 0, "<sip:sip.corp.example:5061;"
		"transport=tls;lr;ms-key-info=%s;"
		"ms-route-sig=dmQ7xN2c1oP0aZkqbb92pV1s0QyT9mUe%zu>;tag="
		"%08X", key, user % 4, mix(n, 1));
	m->record_route[1] = text(k, 1, "<sip:pool1.corp.example:5061;"
		"transport=tls;opaque=state:F:Ci.R%x;lr;"
		"ms-route-sig=hb8Jm2s9Xw%08x>;ms-rrsig=hbq0Rr11Tz;tag=%08X",
		mix(user, 2), mix(user, 3), mix(n, 4));
	m->record_route_n = 2;
}

static struct sb_sip_in message(struct world *k, enum sb_method method)
{
	return (struct sb_sip_in){
		.method = method, .method_name = SB_STR("X"),
		.domain = SB_STR("corp.example"), .expires = -1,
		.event = SB_STR("presence"),
		.call_id = sb_str_of(k->call_id), .cseq = 1,
	};
}

/* Who watches whom: n-th pair. */
static void pair(struct world *k, size_t n, bool incoming, struct sb_str *c,
		 struct sb_str *u)
{
	size_t one = n / PER_USER, other = mix(n, 5) % (MANY / PER_CONTACT);

	*c = text(k, 2, "sip:firstname.lastname%zu@chat.example",
		  incoming ? other : n / PER_CONTACT);
	*u = text(k, 3, "sip:firstname.lastname%zu@corp.example",
		  incoming ? one : n % PER_CONTACT + (n / 1000) * 20);
}

static void add_watch(struct world *k, size_t n)
{
	struct sb_request r = {.type = SB_REQ_WATCH,
			       .display = SB_STR("Firstname Lastname"),
			       .flags = SB_F_VERIFIED};
	struct sb_sip_in m;

	pair(k, n, false, &r.contact, &r.user);
	sb_watches_send(k->w, &r, k->now);
	m = message(k, SB_M_SUBSCRIBE);
	m.status = 200;
	m.expires = 28367;
	m.from = (struct sb_party){.uri = r.contact,
				   .tag = sb_str_of(k->tag)};
	m.to = (struct sb_party){.uri = r.user,
				 .tag = text(k, 4, "%08X", mix(n, 6))};
	m.contact = SB_STR("sip:pool1.corp.example:5061;transport=tls");
	routes(k, &m, n, n % 1000);
	sb_watches_response(k->w, k->cookie, &m, k->now);
	m = message(k, SB_M_NOTIFY);
	m.from = (struct sb_party){.uri = r.user,
				   .tag = text(k, 4, "%08X", mix(n, 6))};
	m.to = (struct sb_party){.uri = r.contact, .tag = sb_str_of(k->tag)};
	m.subscription_state = SB_STR("active;expires=28367");
	m.content_type = SB_STR("application/pidf+xml");
	m.body = SB_STR("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
		"entity=\"sip:a@b\"><tuple id=\"0\"><status><basic>open"
		"</basic></status></tuple></presence>");
	sb_watches_request(k->w, ++k->txn, &m, k->now);
}

static void add_sub(struct world *k, size_t n)
{
	size_t user = n / PER_USER;
	struct sb_sip_in m = message(k, SB_M_SUBSCRIBE);
	struct sb_request r = {.type = SB_REQ_PRESENCE,
			       .display = SB_STR("Firstname Lastname"),
			       .presence = SB_PR_AWAY,
			       .flags = SB_F_VERIFIED};

	pair(k, n, true, &r.contact, &r.user);
	m.request_uri = m.to.uri = r.contact;
	m.from = (struct sb_party){
		.uri = r.user, .display = SB_STR("Firstname Lastname"),
		.tag = text(k, 4, "%08x%02x", mix(n, 7), (unsigned)n & 255),
		.epid = text(k, 5, "%08x%02x", mix(user, 8), 17u),
	};
	m.call_id = text(k, 6, HEX HEX, mix(n, 9), mix(n, 10), mix(n, 11),
			 mix(n, 12));
	m.contact = text(k, 7, "sip:firstname.lastname%zu@corp.example;"
			 "opaque=user:epid:Qm9iIGlz%08xhcmUgYWdhaQAA;gruu",
			 user, mix(user, 13));
	m.accept = SB_STR("application/msrtc-event-categories+xml, "
			  "application/xpidf+xml, text/xml+msrtc.pidf, "
			  "application/pidf+xml");
	routes(k, &m, n, user);
	k->cookie = 0;
	sb_watches_request(k->w, ++k->txn, &m, k->now);
	sb_watches_send(k->w, &r, k->now);
	r.type = SB_REQ_ANSWER;
	r.id = k->id;
	r.status = 200;
	sb_watches_send(k->w, &r, k->now);
	m = message(k, SB_M_NOTIFY);
	m.status = 200;
	sb_watches_response(k->w, k->cookie, &m, k->now);
}

static size_t bytes_of(const struct world *k)
{
	struct sb_watches_count n;

	sb_watches_count(k->w, &n);
	return n.bytes;
}

/* malloc's own count, the 8 bytes of each block and the rounding included. */
static size_t heap(void)
{
	struct mallinfo2 i = mallinfo2();

	return i.uordblks + i.hblkhd;
}

static struct world *world_new(void)
{
	struct world *k = calloc(1, sizeof(*k));
	const char *n = getenv("LG_WATCHES");

	if (!k)
		abort();
	k->n = n ? strtoul(n, NULL, 10) : MANY;
	k->now = 1000000;
	k->wire = (struct sb_wire){.watch_expires_ms = 28800000,
				   .offer_expires_ms = 7200000,
				   .notify_interval_ms = 5000};
	if (sb_watches_new(&k->w, SB_STR("sip.chat.example"), &k->wire, &ops,
			   k))
		abort();
	sb_watches_tick(k->w, k->now);
	return k;
}

static void measure(void (*add)(struct world *k, size_t n), const char *what)
{
	struct world *k = world_new();
	size_t start = bytes_of(k), before = heap(), each;
	struct sb_watches_count c;

	for (size_t i = 0; i < k->n; i++) {
		k->now += 2;
		add(k, i);
		if (i % 64 == 0)
			sb_watches_tick(k->w, k->now);
	}
	sb_watches_tick(k->w, k->now + 3000);
	sb_watches_count(k->w, &c);
	CHECK_INT(c.watches + c.subscriptions, k->n);
	CHECK_INT(c.client_txns + c.unanswered + c.waiting, 0);
	each = (c.bytes - start) / k->n;
	CHECK(each <= LIMIT);
	if (getenv("LG_VERBOSE"))
		printf("%s: %zu of them, %zu bytes each; of the heap %zu\n",
		       what, k->n, each, (heap() - before) / k->n);
	sb_watches_shutdown(k->w, k->now);
	sb_watches_tick(k->w, k->now);
	CHECK_INT(bytes_of(k), start);
	sb_watches_free(k->w);
	free(k);
}

TEST(watch_memory_of_watches)
{
	measure(add_watch, "watches");
}

TEST(watch_memory_of_subs)
{
	measure(add_sub, "subs");
}
