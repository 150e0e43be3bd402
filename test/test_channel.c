/*
 * test_channel.c: frames there and back, cut, corrupted, too big.
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../sipbridge/channel_codec.h"
#include "../sipbridge/check.h"
#include "../sipbridge/version.h"
#include "guard.h"
#include "test.h"

enum { ROOM = SB_FRAME_HEAD + SB_FRAME_MAX };

static const struct sb_request request = {
	.type = SB_REQ_MESSAGE,
	.id = 0x0102030405060708,
	.contact = {"sip:romeo@fabrikam.example", 26},
	.resource = {"orchard", 7},
	.display = {"Rom\xc3\xa9o", 6},
	.user = {"sip:alice%40x@contoso.example", 29},
	.thread = {"t1", 2},
	.subject = {"subject", 7},
	.lang = {"it", 2},
	.text = {"two\n\tlines \xf0\x9f\x98\x80", 15},
	.typing = SB_TYPING_IDLE,
	.presence = SB_PR_OFF_WORK,
	.flags = SB_F_VERIFIED | SB_F_REPLY_ONLY | SB_F_NOTES,
	.status = 200,
	.diag = 504,
	.reason = {"reason", 6},
};

static const struct sb_event event = {
	.type = SB_EV_OUTCOME,
	.id = UINT64_MAX,
	.contact = {"sip:romeo@fabrikam.example", 26},
	.resource = {"orchard", 7},
	.user = {"sip:alice@contoso.example", 25},
	.display = {"Alice", 5},
	.thread = {"t1", 2},
	.subject = {"subject", 7},
	.lang = {"en", 2},
	.text = {"text", 4},
	.domain = {"contoso.example", 15},
	.typing = SB_TYPING_ACTIVE,
	.outcome = SB_FAILED,
	.presence = SB_PR_BUSY_IDLE,
	.watch = SB_WATCH_DUE,
	.added = true,
	.again = true,
	.incoming = true,
	.local = true,
	.status = 503,
	.diag = 1027,
	.retry_after = 30,
	.token = {"queue-full", 10},
	.reason = {"why", 3},
	.age_ms = 1234567890123,
	.idle_ms = 42,
	.pending = UINT32_MAX,
};

static struct sb_config config(void)
{
	struct sb_config c;

	sb_config_init(&c);
	c.worker = SB_STR("/usr/lib/worker");
	c.bridge_fqdn = SB_STR("xmpp.contoso.example");
	c.listen[0] = SB_STR("127.0.0.1:5061");
	c.listen[1] = SB_STR("[::1]:5061");
	c.listen_n = 2;
	c.certificate = SB_STR("c.pem");
	c.key = SB_STR("k.pem");
	c.cafile = SB_STR("ca.pem");
	c.crlfile = SB_STR("crl.pem");
	c.min_tls = SB_STR("1.3");
	for (int i = 0; i < SB_DOMAINS_MAX; i++)
		c.domains[i] = (struct sb_domain){
			SB_STR("contoso.example"), SB_STR("edge.example"),
			i % 2 ? SB_STR("192.0.2.1") : SB_NOSTR,
			(uint16_t)(5061 + i)};
	c.domains_n = SB_DOMAINS_MAX;
	c.rate = 20;
	c.burst = 40;
	c.wire.first_message_in_invite = true;
	return c;
}

/* Encoded into a guarded place of exactly its size. */
static struct sb_str encode(enum sb_frame_kind kind, const void *what)
{
	size_t n = sb_frame_encode(NULL, kind, what);
	char *p = guard_room(n);

	CHECK_INT(sb_frame_encode(p, kind, what), n);
	return (struct sb_str){p, n};
}

/* Of the kinds, each with what it carries. */
static struct sb_str encode_kind(enum sb_frame_kind kind)
{
	static struct sb_config c;
	static const struct sb_str hello = {"1.2.3", 5};

	if (kind == SB_FRAME_HELLO)
		return encode(kind, &hello);
	if (kind == SB_FRAME_REQUEST)
		return encode(kind, &request);
	if (kind == SB_FRAME_EVENT)
		return encode(kind, &event);
	if (kind != SB_FRAME_CONFIG)
		return encode(kind, NULL);
	c = config();
	return encode(kind, &c);
}

static int decode(struct sb_frame *f, struct sb_str bytes)
{
	size_t used = 0;
	int r = sb_frame_decode(f, &used, bytes);

	if (r == 1)
		CHECK(used > SB_FRAME_HEAD && used <= bytes.n);
	return r;
}

/* ---------------------------------------------------------- round trip -- */

#define SAME_STR(a, b, m) CHECK_SBSB((a).m, (b).m)
#define SAME_INT(a, b, m) CHECK_INT((a).m, (b).m)

TEST(channel_request_round_trip)
{
	struct sb_frame f;
	struct sb_request r;

	REQUIRE(decode(&f, encode_kind(SB_FRAME_REQUEST)) == 1);
	CHECK_INT(f.kind, SB_FRAME_REQUEST);
	r = f.request;
	SAME_INT(r, request, type);
	SAME_INT(r, request, id);
	SAME_STR(r, request, contact);
	SAME_STR(r, request, resource);
	SAME_STR(r, request, display);
	SAME_STR(r, request, user);
	SAME_STR(r, request, thread);
	SAME_STR(r, request, subject);
	SAME_STR(r, request, lang);
	SAME_STR(r, request, text);
	SAME_INT(r, request, typing);
	SAME_INT(r, request, presence);
	SAME_INT(r, request, flags);
	SAME_INT(r, request, status);
	SAME_INT(r, request, diag);
	SAME_STR(r, request, reason);
}

TEST(channel_event_round_trip)
{
	struct sb_frame f;
	struct sb_event e;

	REQUIRE(decode(&f, encode_kind(SB_FRAME_EVENT)) == 1);
	CHECK_INT(f.kind, SB_FRAME_EVENT);
	e = f.event;
	SAME_INT(e, event, type);
	SAME_INT(e, event, id);
	SAME_STR(e, event, contact);
	SAME_STR(e, event, resource);
	SAME_STR(e, event, user);
	SAME_STR(e, event, display);
	SAME_STR(e, event, thread);
	SAME_STR(e, event, subject);
	SAME_STR(e, event, lang);
	SAME_STR(e, event, text);
	SAME_STR(e, event, domain);
	SAME_INT(e, event, typing);
	SAME_INT(e, event, outcome);
	SAME_INT(e, event, presence);
	SAME_INT(e, event, watch);
	SAME_INT(e, event, added);
	SAME_INT(e, event, again);
	SAME_INT(e, event, incoming);
	SAME_INT(e, event, local);
	SAME_INT(e, event, status);
	SAME_INT(e, event, diag);
	SAME_INT(e, event, retry_after);
	SAME_STR(e, event, token);
	SAME_STR(e, event, reason);
	SAME_INT(e, event, age_ms);
	SAME_INT(e, event, idle_ms);
	SAME_INT(e, event, pending);
}

static void same_wire(const struct sb_wire *a, const struct sb_wire *b)
{
	SAME_STR(*a, *b, verification_header);
	SAME_INT(*a, *b, record_route);
	SAME_INT(*a, *b, first_message_in_invite);
	SAME_INT(*a, *b, accept_pager_message);
	SAME_STR(*a, *b, imdn_method);
	SAME_INT(*a, *b, first_message_wait_ms);
	SAME_INT(*a, *b, answer_wait_ms);
	SAME_INT(*a, *b, invite_timeout_ms);
	SAME_INT(*a, *b, message_timeout_ms);
	SAME_INT(*a, *b, imdn_wait_ms);
	SAME_INT(*a, *b, session_idle_ms);
	SAME_INT(*a, *b, typing_interval_ms);
	SAME_INT(*a, *b, typing_timeout_ms);
	SAME_INT(*a, *b, options_interval_ms);
	SAME_INT(*a, *b, watch_expires_ms);
	SAME_INT(*a, *b, offer_expires_ms);
	SAME_INT(*a, *b, notify_interval_ms);
	SAME_INT(*a, *b, watch_rate);
	SAME_INT(*a, *b, ask_categories);
	SAME_INT(*a, *b, tell_categories);
}

TEST(channel_config_round_trip)
{
	struct sb_config want = config();
	struct sb_frame f;

	REQUIRE(decode(&f, encode_kind(SB_FRAME_CONFIG)) == 1);
	CHECK_INT(f.kind, SB_FRAME_CONFIG);
	SAME_STR(f.config, want, worker);
	SAME_STR(f.config, want, bridge_fqdn);
	SAME_INT(f.config, want, listen_n);
	SAME_STR(f.config, want, listen[0]);
	SAME_STR(f.config, want, listen[1]);
	SAME_STR(f.config, want, certificate);
	SAME_STR(f.config, want, key);
	SAME_STR(f.config, want, cafile);
	SAME_STR(f.config, want, crlfile);
	SAME_STR(f.config, want, min_tls);
	SAME_INT(f.config, want, domains_n);
	SAME_INT(f.config, want, rate);
	SAME_INT(f.config, want, burst);
	for (size_t i = 0; i < want.domains_n; i++) {
		SAME_STR(f.config, want, domains[i].name);
		SAME_STR(f.config, want, domains[i].edge);
		SAME_STR(f.config, want, domains[i].address);
		SAME_INT(f.config, want, domains[i].port);
	}
	same_wire(&f.config.wire, &want.wire);
}

TEST(channel_small_frames)
{
	struct sb_frame f;

	CHECK_INT(decode(&f, encode_kind(SB_FRAME_HELLO)), 1);
	CHECK_SB(f.hello, "1.2.3");
	for (unsigned k = SB_FRAME_PING; k <= SB_FRAME_SHUTDOWN; k++) {
		CHECK_INT(decode(&f, encode_kind(k)), 1);
		CHECK_INT(f.kind, k);
	}
}

/* ------------------------------------------------------ cut, corrupted -- */

TEST(channel_prefixes_are_incomplete)
{
	static char copy[ROOM];
	struct sb_frame f;

	for (unsigned k = SB_FRAME_HELLO; k <= SB_FRAME_SHUTDOWN; k++) {
		struct sb_str s = encode_kind(k);
		size_t bad = 0;

		memcpy(copy, s.p, s.n);
		s.p = copy;
		for (size_t n = 0; n < s.n; n++)
			bad += decode(&f, guard((struct sb_str){copy, n})) != 0;
		CHECK_INT(bad, 0);
		CHECK_INT(decode(&f, guard(s)), 1);
	}
}

/* What is accepted in spite of its corruption is sound, and says so again. */
static bool sound(const struct sb_frame *f, struct sb_str bytes)
{
	const void *what = &f->hello;
	int r = SB_OK;

	if (f->kind == SB_FRAME_CONFIG)
		r = sb_check_config(&f->config);
	else if (f->kind == SB_FRAME_REQUEST)
		r = sb_check_request(&f->request);
	else if (f->kind == SB_FRAME_EVENT)
		r = sb_check_event(&f->event, 0);
	return r == SB_OK && sb_frame_encode(NULL, f->kind, what) == bytes.n;
}

TEST(channel_corruption)
{
	static const unsigned char flips[] = {1, 2, 4, 8, 16, 32, 64, 128,
					      255};
	static char copy[ROOM];
	struct sb_frame f;

	for (unsigned k = SB_FRAME_HELLO; k <= SB_FRAME_SHUTDOWN; k++) {
		struct sb_str s = encode_kind(k);
		size_t bad = 0;

		memcpy(copy, s.p, s.n);
		s.p = copy;
		for (size_t i = 0; i < s.n * sizeof(flips); i++) {
			char *c = &copy[i / sizeof(flips)];
			char flip = (char)flips[i % sizeof(flips)];
			int r;

			*c = (char)(*c ^ flip);
			r = decode(&f, guard(s));
			bad += r != 0 && r != SB_EPROTO &&
			       (r != 1 || !sound(&f, s));
			*c = (char)(*c ^ flip);
		}
		CHECK_INT(bad, 0);
	}
}

TEST(channel_malformed)
{
	static const struct {
		const char *name;
		struct sb_str bytes;
	} cases[] = {
		{"no kind", SB_STR("\0\0\0\0")},
		{"too long", SB_STR("\1\0\1\0")},
		{"longest", SB_STR("\xff\xff\xff\xff")},
		{"kind 0", SB_STR("\1\0\0\0\0")},
		{"kind 8", SB_STR("\1\0\0\0\10")},
		{"ping with body", SB_STR("\2\0\0\0\5x")},
		{"cut tag", SB_STR("\5\0\0\0\1\1\1\0\0")},
		{"tag 0", SB_STR("\7\0\0\0\1\0\1\0\0\0x")},
		{"tag 2", SB_STR("\7\0\0\0\1\2\1\0\0\0x")},
		{"field too long", SB_STR("\7\0\0\0\1\1\2\0\0\0x")},
		{"field longest", SB_STR("\7\0\0\0\1\1\xff\xff\xff\xffx")},
		{"empty field", SB_STR("\6\0\0\0\1\1\0\0\0\0")},
		{"twice", SB_STR("\15\0\0\0\1\1\1\0\0\0x\1\1\0\0\0y")},
		{"control character", SB_STR("\7\0\0\0\1\1\1\0\0\0\n")},
		{"not UTF-8", SB_STR("\7\0\0\0\1\1\1\0\0\0\xff")},
		{"type of 1 byte", SB_STR("\7\0\0\0\3\1\1\0\0\0\5")},
		{"type 11", SB_STR("\12\0\0\0\3\1\4\0\0\0\13\0\0\0")},
		{"watch of nobody",
		 SB_STR("\12\0\0\0\3\1\4\0\0\0\6\0\0\0")},
		{"type said as 0", SB_STR("\12\0\0\0\3\1\4\0\0\0\0\0\0\0")},
		{"no type", SB_STR("\1\0\0\0\3")},
	};
	struct sb_frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_note(cases[i].name);
		CHECK_INT(decode(&f, guard(cases[i].bytes)), SB_EPROTO);
	}
	test_note(NULL);
	CHECK_INT(decode(&f, guard(SB_STR("\12\0\0\0\3\1\4\0\0\0\5\0\0\0"))),
		  1);
	CHECK_INT(decode(&f, guard(SB_STR("\7\0\0\0\1\1\1\0\0\0x"))), 1);
}

/* Far more elements than the array has, in a frame that is sound otherwise:
 * they would be written behind the struct. */
TEST(channel_list_too_long)
{
	enum { EXTRA = 3000 };
	static char more[ROOM];
	const struct sb_str one = SB_STR("\3\6\0\0\0\1\1\0\0\0x");
	struct sb_config c = config();
	struct sb_frame f;
	size_t n, at = 0, len;

	c.listen_n = SB_LISTEN_MAX;
	for (size_t i = 0; i < SB_LISTEN_MAX; i++)
		c.listen[i] = SB_STR("x");
	c.domains_n = 1;
	n = sb_frame_encode(more, SB_FRAME_CONFIG, &c);
	CHECK_INT(decode(&f, guard((struct sb_str){more, n})), 1);
	while (at < n && memcmp(more + at, one.p, one.n) != 0)
		at++;
	REQUIRE(at < n && n + EXTRA * one.n <= sizeof(more));
	memmove(more + at + EXTRA * one.n, more + at, n - at);
	for (size_t i = 0; i < EXTRA; i++)
		memcpy(more + at + i * one.n, one.p, one.n);
	n += EXTRA * one.n;
	len = n - SB_FRAME_HEAD;
	for (size_t i = 0; i < SB_FRAME_HEAD; i++)
		more[i] = (char)(len >> (8 * i) & 0xff);
	CHECK_INT(decode(&f, guard((struct sb_str){more, n})), SB_EPROTO);
}

/* ------------------------------------------------------------- channel -- */

static bool pair(struct sb_channel *c[2])
{
	int fd[2];

	return CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0) &&
	       CHECK_INT(sb_channel_new(&c[0], fd[0]), SB_OK) &&
	       CHECK_INT(sb_channel_new(&c[1], fd[1]), SB_OK);
}

/* Many frames through small socket buffers, in order. */
TEST(channel_batches)
{
	struct sb_channel *c[2];
	struct sb_request r = request;
	struct sb_frame f;
	uint64_t sent = 0, got = 0;

	REQUIRE(pair(c));
	while (got < 20000) {
		for (int i = 0; i < 1000 && sent < 20000; i++) {
			r.id = ++sent;
			CHECK_INT(sb_channel_put_request(c[0], &r), SB_OK);
		}
		CHECK_INT(sb_channel_flush(c[0]), SB_OK);
		do {
			REQUIRE(sb_channel_fill(c[1]) == SB_OK);
			while (sb_channel_get(c[1], &f) == 1) {
				got++;
				CHECK_INT(f.request.id, got);
				SAME_STR(f.request, request, text);
			}
		} while (sb_channel_more(c[1]));
	}
	CHECK_INT(sb_channel_pending(c[0]), 0);
	sb_channel_free(c[0]);
	CHECK_INT(sb_channel_fill(c[1]), SB_EDOWN);
	CHECK_INT(sb_channel_put_ping(c[1], false), SB_OK);
	CHECK_INT(sb_channel_flush(c[1]), SB_EDOWN);
	sb_channel_free(c[1]);
	sb_channel_free(NULL);
}

/* A reader that does not take its frames stops reading; nothing is lost. */
TEST(channel_in_is_bounded)
{
	struct sb_channel *c[2];
	struct sb_frame f;
	size_t fills = 0, got = 0;

	REQUIRE(pair(c));
	for (int i = 0; i < 10000; i++)
		CHECK_INT(sb_channel_put_request(c[0], &request), SB_OK);
	do {
		CHECK_INT(sb_channel_flush(c[0]), SB_OK);
		REQUIRE(sb_channel_fill(c[1]) == SB_OK);
		fills++;
	} while (sb_channel_more(c[1]) && fills < 10000);
	CHECK(fills < 100);
	CHECK(sb_channel_pending(c[0]) > 500000);
	do {
		while (sb_channel_get(c[1], &f) == 1)
			got++;
		CHECK_INT(sb_channel_flush(c[0]), SB_OK);
		REQUIRE(sb_channel_fill(c[1]) == SB_OK);
	} while (sb_channel_more(c[1]));
	CHECK_INT(got, 10000);
	sb_channel_free(c[0]);
	sb_channel_free(c[1]);
}

TEST(channel_out_is_bounded)
{
	static char text[SB_TEXT_MAX + 1];
	struct sb_channel *c[2];
	struct sb_request r = request;
	size_t n = 0;
	int err;

	REQUIRE(pair(c));
	memset(text, 'x', sizeof(text));
	r.text = (struct sb_str){text, SB_TEXT_MAX + 1};
	CHECK_INT(sb_channel_put_request(c[0], &r), SB_ETOOBIG);
	r.text.n = SB_TEXT_MAX;
	while ((err = sb_channel_put_request(c[0], &r)) == SB_OK && n < 1000)
		n++;
	CHECK_INT(err, SB_EFULL);
	CHECK(n > 500 && sb_channel_pending(c[0]) <= SB_CHANNEL_OUT_MAX);
	/* there is still room to ask for a sign of life, and to end */
	CHECK_INT(sb_channel_put_ping(c[0], false), SB_OK);
	CHECK_INT(sb_channel_put_shutdown(c[0]), SB_OK);
	sb_channel_free(c[0]);
	sb_channel_free(c[1]);
}

/* An outcome is owed, however much there is before it. */
TEST(channel_out_has_room_for_outcomes)
{
	struct sb_channel *c[2];
	struct sb_event state = {
		.type = SB_EV_STATE, .presence = SB_PR_AWAY,
		.contact = SB_STR("sip:romeo@fabrikam.com"),
		.user = SB_STR("sip:juliet@contoso.com"),
	};
	struct sb_event outcome = {
		.type = SB_EV_OUTCOME, .id = 1, .outcome = SB_DELIVERED,
		.status = 200,
	};
	int err;

	REQUIRE(pair(c));
	while ((err = sb_channel_put_event(c[0], &state)) == SB_OK)
		;
	CHECK_INT(err, SB_EFULL);
	CHECK(sb_channel_pending(c[0]) <= SB_CHANNEL_OUT_MAX);
	for (size_t n = 0; n < SB_INFLIGHT_MAX; n++)
		CHECK_INT(sb_channel_put_event(c[0], &outcome), SB_OK);
	CHECK_INT(sb_channel_put_event(c[0], &state), SB_EFULL);
	sb_channel_free(c[0]);
	sb_channel_free(c[1]);
}

/* The largest of each kind fits a frame. */
TEST(channel_largest)
{
	static char text[SB_TEXT_MAX];
	struct sb_str field = {text, SB_FIELD_MAX};
	struct sb_config c = config();
	struct sb_event e = event;
	struct sb_frame f;

	memset(text, 'x', sizeof(text));
	e.contact = e.resource = e.user = e.display = e.thread = field;
	e.subject = e.lang = e.domain = e.token = e.reason = field;
	e.text = (struct sb_str){text, SB_TEXT_MAX};
	CHECK_INT(sb_check_event(&e, 0), SB_OK);
	CHECK_INT(decode(&f, encode(SB_FRAME_EVENT, &e)), 1);
	c.worker = c.certificate = c.key = c.cafile = c.crlfile = field;
	field.n = 255;
	c.bridge_fqdn = field;
	c.listen_n = SB_LISTEN_MAX;
	for (size_t i = 0; i < SB_LISTEN_MAX; i++)
		c.listen[i] = field;
	for (size_t i = 0; i < SB_DOMAINS_MAX; i++) {
		c.domains[i].name = c.domains[i].edge = field;
		c.domains[i].address = (struct sb_str){text, 64};
	}
	CHECK_INT(sb_check_config(&c), SB_OK);
	CHECK_INT(decode(&f, encode(SB_FRAME_CONFIG, &c)), 1);
}

/* Texts for people arrive, whatever a peer put into them. */
TEST(channel_softens_texts_for_people)
{
	static char text[SB_TEXT_MAX + 9];
	struct sb_event e = {.type = SB_EV_LOG, .status = 1};
	struct sb_channel *c[2];
	struct sb_frame f;

	REQUIRE(pair(c));
	memset(text, 'x', sizeof(text));
	memcpy(text, "a\xff\r\nb\0", 6);
	memcpy(text + SB_TEXT_MAX - 1, "\xc3\xa9", 2);
	e.text = (struct sb_str){text, sizeof(text)};
	e.reason = SB_STR("one\ntwo \xe2\x82");
	CHECK_INT(sb_channel_put_event(c[0], &e), SB_OK);
	e.type = SB_EV_MESSAGE;
	e.id = 1;
	e.contact = e.user = SB_STR("sip:a@b");
	CHECK_INT(sb_channel_put_event(c[0], &e), SB_ETOOBIG);
	e.text.n = 10;
	CHECK_INT(sb_channel_put_event(c[0], &e), SB_EBADTEXT);
	CHECK_INT(sb_channel_flush(c[0]), SB_OK);
	CHECK_INT(sb_channel_fill(c[1]), SB_OK);
	while (sb_channel_more(c[1]) && sb_channel_get(c[1], &f) == 0)
		CHECK_INT(sb_channel_fill(c[1]), SB_OK);
	CHECK_SB(f.event.reason, "one?two ??");
	CHECK_INT(f.event.text.n, SB_TEXT_MAX - 1);
	CHECK(memcmp(f.event.text.p, "a??\nb?xx", 8) == 0);
	CHECK_INT(sb_channel_get(c[1], &f), 0);
	sb_channel_free(c[0]);
	sb_channel_free(c[1]);
}

TEST(channel_hello_is_the_version)
{
	struct sb_channel *c[2];
	struct sb_frame f;

	REQUIRE(pair(c));
	CHECK_INT(sb_channel_put_hello(c[0]), SB_OK);
	CHECK_INT(sb_channel_flush(c[0]), SB_OK);
	CHECK_INT(sb_channel_fill(c[1]), SB_OK);
	REQUIRE(sb_channel_get(c[1], &f) == 1);
	CHECK_SB(f.hello, LG_VERSION);
	sb_channel_free(c[0]);
	sb_channel_free(c[1]);
}
