/*
 * test_session_parts.c: what the session engine is made of: timer wheel, hash
 * table, URIs, route sets, small texts; and its limits.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "../sipbridge/session_priv.h"
#include "sim.h"
#include "test.h"

/* --------------------------------------------------------------- wheel -- */

enum { TIMERS = 500 };

static uint64_t next_random(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *x >> 20;
}

/* Against the obvious: every timer fires once, at the first pop that is due. */
TEST(wheel_against_list)
{
	static struct sb_timer t[TIMERS];
	static bool set[TIMERS];
	struct sb_wheel w;
	uint64_t x = 1, now = 123456789;

	sb_wheel_init(&w);
	sb_wheel_pop(&w, now);
	for (int step = 0; step < 100000; step++) {
		size_t i = next_random(&x) % TIMERS;
		struct sb_timer *fired;

		if (next_random(&x) % 4) {
			sb_wheel_set(&w, &t[i], now + next_random(&x) %
				     (UINT64_C(1) << next_random(&x) % 36));
			set[i] = true;
		}
		else {
			sb_wheel_clear(&w, &t[i]);
			set[i] = false;
		}
		if (next_random(&x) % 8)
			continue;
		/* never later than a timer that is due */
		for (i = 0; i < TIMERS; i++)
			if (set[i] && t[i].due > now)
				CHECK(now + sb_wheel_wait(&w, now, 60000) <=
				      t[i].due || t[i].due - now > 60000);
		now += next_random(&x) % (UINT64_C(1) << next_random(&x) % 30);
		while ((fired = sb_wheel_pop(&w, now))) {
			i = (size_t)(fired - t);
			CHECK(set[i] && t[i].due <= now);
			set[i] = false;
		}
		for (i = 0; i < TIMERS; i++)
			CHECK(!set[i] || t[i].due > now);
	}
}

TEST(wheel_order_and_wait)
{
	struct sb_timer t[3] = {{.kind = 1}, {.kind = 2}, {.kind = 3}};
	struct sb_wheel w;

	sb_wheel_init(&w);
	CHECK_INT(sb_wheel_wait(&w, 0, 60000), 60000);
	sb_wheel_set(&w, &t[0], 70000);
	sb_wheel_set(&w, &t[1], 70000);
	sb_wheel_set(&w, &t[2], 5);
	CHECK_INT(sb_wheel_wait(&w, 0, 60000), 5);
	CHECK(sb_wheel_pop(&w, 4) == NULL);
	CHECK(sb_wheel_pop(&w, 5) == &t[2]);
	CHECK(sb_wheel_pop(&w, 69999) == NULL);
	CHECK(sb_wheel_wait(&w, 69999, 60000) <= 1);
	CHECK(sb_wheel_pop(&w, 70000) == &t[0]); /* first set, first fired */
	CHECK(sb_wheel_pop(&w, 70000) == &t[1]);
	CHECK(sb_wheel_pop(&w, 70000) == NULL);
	/* far beyond its turn */
	sb_wheel_set(&w, &t[0], UINT64_C(1) << 40);
	CHECK(sb_wheel_pop(&w, (UINT64_C(1) << 40) - 1) == NULL);
	CHECK(sb_wheel_pop(&w, UINT64_C(1) << 40) == &t[0]);
}

/* --------------------------------------------------------------- table -- */

TEST(table_find)
{
	enum { N = 5000 };
	static struct sb_link l[N];
	struct sb_hash_key k = {{1, 2}};
	struct sb_table t;

	REQUIRE(sb_table_init(&t) == 0);
	for (uint64_t i = 0; i < N; i++)
		sb_table_add(&t, &l[i], sb_hash_u64(&k, i / 2));
	for (uint64_t i = 0; i < N; i += 2) {
		struct sb_link *at = sb_table_find(&t, sb_hash_u64(&k, i / 2));

		CHECK(at == &l[i] || at == &l[i + 1]);
		at = at ? sb_table_again(at) : NULL;
		CHECK(at == &l[i] || at == &l[i + 1]);
		CHECK(!at || !sb_table_again(at));
	}
	for (uint64_t i = 0; i < N; i++)
		sb_table_remove(&t, &l[i]);
	CHECK_INT(t.n, 0);
	CHECK(!sb_table_find(&t, sb_hash_u64(&k, 1)));
	sb_table_remove(&t, &l[0]); /* not in it: nothing */
	CHECK_INT(t.n, 0);
	sb_table_fini(&t);
	/* each byte and the length count */
	CHECK(sb_hash(&k, "abcdefghi", 9) != sb_hash(&k, "abcdefghj", 9));
	CHECK(sb_hash(&k, "abcdefgh", 8) != sb_hash(&k, "abcdefgh\0", 9));
	CHECK(sb_hash(&k, NULL, 0) != sb_hash(&k, "\0", 1));
}

/* --------------------------------------------------------------- texts -- */

TEST(session_uri_plain)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{"sip:ada@chat.example", "sip:ada@chat.example"},
		{"SIPS:Ada@CHAT.Example", "sip:Ada@chat.example"},
		{"sip:ada@chat.example:5061;transport=tls?x=y",
		 "sip:ada@chat.example"},
		{"sip:a%20b@chat.example", "sip:a%20b@chat.example"},
		{"sip:ada:secret@chat.example", "sip:ada@chat.example"},
		{"sip:o;x=1@chat.example;gruu", "sip:o;x=1@chat.example"},
		{"sip:ada@[2001:DB8::1]:5061", "sip:ada@[2001:db8::1]"},
		{"sip:ada@chat.example?subject=x", "sip:ada@chat.example"},
		{"sip:chat.example", NULL},
		{"sip:@chat.example", NULL},
		{"sip:ada@", NULL},
		{"sip:ada@;x", NULL},
		{"sip:ada@[::1", NULL},
		{"sip:", NULL},
		{"", NULL},
		{"tel:+15550100", NULL},
		{"sip:a b@chat.example", NULL},
		{"sip:a\nb@chat.example", NULL},
		{"sip:a<b@chat.example", NULL},
		{"sip:ada@chat.example>", NULL},
		{"sip:ada@chat example", NULL},
		{"sip:ada@b@chat.example", NULL},
		{"sip:\xc3\xa4@chat.example", NULL},
		/* an event could not hold them (check.h) */
		{"sip:%x41@chat.example", NULL},
		{"sip:ad%4@chat.example", NULL},
		{"sip:ad%@chat.example", NULL},
		{"sip:a#b@chat.example", NULL},
		{"sip:a[b@chat.example", NULL},
		{"sip:ada@[::1 x]", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[64];
		int n = sb_uri_plain(buf, sizeof(buf), sb_str_of(cases[i].in));

		test_note(cases[i].in);
		CHECK((n > 0) == (cases[i].out != NULL));
		if (n > 0)
			CHECK_SB(((struct sb_str){buf, (size_t)n}),
				 cases[i].out);
	}
	test_note(NULL);
	CHECK_INT(sb_uri_plain((char[8]){0}, 8,
			       SB_STR("sip:ada@chat.example")), SB_ETOOBIG);
	CHECK_SB(sb_uri_host(SB_STR("sip:ada@chat.example")), "chat.example");
	CHECK_SB(sb_uri_host(SB_STR("nothing")), "");
}

TEST(session_route_set)
{
	const struct sb_str own = SB_STR("sip.chat.example");
	const struct sb_str rr[] = {
		SB_STR("<sip:a.example;lr>;tag=\"x,y\" , "
		       "\"N, <m>\" <sip:b;lr>"),
		SB_STR("<sip:u@SIP.chat.example:5061;transport=tls;lr>"),
	};
	struct sb_str out[4];
	char buf[256];
	int n = sb_route_set(buf, sizeof(buf), rr, 2, true, own);

	REQUIRE(n > 0);
	CHECK_INT(sb_route_split((struct sb_str){buf, (size_t)n}, out, 4), 2);
	CHECK_SB(out[0], "\"N, <m>\" <sip:b;lr>");
	CHECK_SB(out[1], "<sip:a.example;lr>;tag=\"x,y\"");
	n = sb_route_set(buf, sizeof(buf), rr, 2, false, own);
	CHECK_INT(sb_route_split((struct sb_str){buf, (size_t)n}, out, 4), 3);
	CHECK_SB(out[0], "<sip:a.example;lr>;tag=\"x,y\"");
	CHECK_SB(out[2], "<sip:u@SIP.chat.example:5061;transport=tls;lr>");
	CHECK_INT(sb_route_set(buf, sizeof(buf), NULL, 0, true, own), 0);
	CHECK_INT(sb_route_set(buf, 20, rr, 2, true, own), SB_ETOOBIG);
	CHECK(sb_route_set(buf, sizeof(buf), &SB_STR("<sip:a"), 1, true, own) <
	      0);
	CHECK(sb_route_set(buf, sizeof(buf), &SB_STR("<sip:a\nb>"), 1, true,
			   own) < 0);
}

TEST(session_small_texts)
{
	char buf[16];

	CHECK_SB(sb_line(buf, sizeof(buf), SB_STR("a\tb\r\nc\x7f")), "a bc");
	CHECK_SB(sb_line(buf, sizeof(buf), SB_STR("\xff")), "");
	/* cut between characters: 15 bytes hold 7 of them */
	CHECK_INT(sb_line(buf, 15, SB_STR("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4")).n, 14);
	CHECK_SB(sb_lang(SB_STR("de-AT, en")), "de-AT");
	CHECK_SB(sb_lang(SB_STR("de_AT")), "");
	CHECK_SB(sb_lang(SB_STR("aaaaaaaaaabbbbbbbbbbccccccccccdddddd")), "");
	CHECK_SB(sb_thread(buf, sizeof(buf), SB_STR("a@b<\"c>")), "a-b--c-");
	CHECK_INT(sb_thread(buf, 4, SB_STR("abcdefgh")).n, 4);
	CHECK(sb_type_is(SB_STR("text/PLAIN; x=y"), SB_STR("text/plain")));
	CHECK(!sb_type_is(SB_STR("text/plainly"), SB_STR("text/plain")));
	CHECK(!sb_type_is(SB_STR("text"), SB_STR("text/plain")));
}

/* -------------------------------------------------------------- limits -- */

#define CONTACT SB_STR("sip:ada@chat.example")
#define USER SB_STR("sip:lena@corp.example")

/* SB_UNANSWERED_MAX requests wait for the plugin; the next one gets 503. */
TEST(session_limit_unanswered)
{
	struct sim *m = sim_new(3);
	struct sb_sip_in in = {
		.method = SB_M_MESSAGE, .domain = SB_STR("corp.example"),
		.request_uri = CONTACT, .to = {.uri = CONTACT},
		.body = SB_STR("x"),
	};
	struct sb_sessions_count n;
	char user[64];

	for (uint64_t i = 0; i <= SB_UNANSWERED_MAX; i++) {
		snprintf(user, sizeof(user), "sip:u%ju@corp.example",
			 (uintmax_t)i);
		in.from.uri = sb_str_of(user);
		/* not sim_request: it keeps an account of fewer */
		sim_forget(m);
		sb_sessions_request(m->s, i + 1, &in, m->now);
	}
	REQUIRE(m->head != NULL);
	CHECK_STR(m->head->what, "503");
	sb_sessions_count(m->s, &n);
	CHECK_INT(n.unanswered, SB_UNANSWERED_MAX);
	CHECK_INT(n.conversations, SB_UNANSWERED_MAX);
	sim_free(m);
}

/* SB_SESSIONS_MAX conversations; what would be one more fails at once. */
TEST(session_limit_conversations)
{
	struct sim *m = sim_new(5);
	struct sb_request r = {.type = SB_REQ_MESSAGE, .contact = CONTACT,
			       .text = SB_STR("x")};
	struct sb_sessions_count n;
	char user[64];

	for (r.id = 1; r.id <= SB_SESSIONS_MAX + 1; r.id++) {
		snprintf(user, sizeof(user), "sip:u%ju@corp.example",
			 (uintmax_t)r.id);
		r.user = sb_str_of(user);
		sim_forget(m);
		if (m->client_n && r.id <= SB_SESSIONS_MAX) {
			/* its account is smaller: begin it anew */
			sim_item_free(m->client[0].as);
			m->client_n = 0;
		}
		m->msg_n = 0;
		sim_message(m, &r);
	}
	REQUIRE(m->head != NULL);
	CHECK_STR(m->head->what, "outcome");
	CHECK_STR(sim_get(m->head, "token"), "queue-full");
	CHECK_STR(sim_get(m->head, "status"), "503");
	sb_sessions_count(m->s, &n);
	CHECK_INT(n.conversations, SB_SESSIONS_MAX);
	sim_free(m);
}

/* Lync opens a conversation; the plugin and Lync's ACK follow. Returns our
 * tag in buf. */
static struct sb_sip_in open_dialog(struct sim *m, char *buf, size_t n)
{
	struct sb_sip_in in = {
		.method = SB_M_INVITE, .domain = SB_STR("corp.example"),
		.request_uri = CONTACT, .to = {.uri = CONTACT},
		.from = {.uri = USER, .tag = SB_STR("t")}, .cseq = 1,
		.call_id = SB_STR("c"), .contact = USER,
		.content_type = SB_STR("application/sdp"),
		.body = sb_str_of(sim_sdp),
	};
	struct sb_request r = {.type = SB_REQ_ANSWER, .status = 200};
	uint64_t txn = sim_request(m, &in);

	r.id = m->head->ref;
	sim_send(m, &r);
	sim_ack(m, txn, false);
	snprintf(buf, n, "%s", sim_server_of(m, txn)->to_tag);
	sim_forget(m);
	in.method = SB_M_MESSAGE;
	in.to.tag = sb_str_of(buf);
	in.content_type = SB_NOSTR;
	in.body = SB_STR("x");
	return in;
}

/* A late bounce is possible for SB_LATE_MAX messages; the oldest give way. */
TEST(session_limit_late)
{
	struct sim *m = sim_new(4);
	char tag[64];
	struct sb_sip_in in = open_dialog(m, tag, sizeof(tag));
	struct sb_request r = {.type = SB_REQ_ANSWER, .contact = CONTACT,
			       .user = USER, .status = 200};

	for (uint64_t i = 0; i <= SB_LATE_MAX; i++) {
		in.cseq++;
		sim_request(m, &in);
		r.id = m->head->ref;
		sim_send(m, &r);
		sim_forget(m);
	}
	r.status = 404;
	r.id -= SB_LATE_MAX;
	sim_send(m, &r);
	CHECK(m->head == NULL);
	r.id++;
	sim_send(m, &r);
	CHECK(m->head && strcmp(m->head->what, "INFO") == 0);
	sim_drain(m, false);
	CHECK_STR(m->bad, "");
	sim_free(m);
}

/* An answer to another worker's event must not fit one of ours; the number
 * must survive a Lua script's floats. */
TEST(session_event_ids)
{
	uint64_t ids[2];

	for (uint64_t i = 0; i < 2; i++) {
		struct sim *m = sim_new(i + 1);
		struct sb_sip_in in = {
			.method = SB_M_MESSAGE, .request_uri = CONTACT,
			.from = {.uri = USER}, .to = {.uri = CONTACT},
			.domain = SB_STR("corp.example"),
			.body = SB_STR("x"),
		};

		sim_request(m, &in);
		ids[i] = m->head->ref;
		CHECK(ids[i] < UINT64_C(1) << 53);
		sim_free(m);
	}
	CHECK(ids[0] != ids[1]);
}

/* What one quiet conversation costs: the promise of compact tables. */
TEST(session_sizes)
{
	CHECK(sizeof(struct sb_conv) <= 256);
	CHECK(sizeof(struct sb_dialog) <= 256);
	CHECK(sizeof(struct sb_stxn) <= 192);
	CHECK(sizeof(struct sb_ctxn) <= 64);
}
