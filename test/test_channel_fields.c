/*
 * test_channel_fields.c: random structs over the channel, led by the tables.
 * SPDX-License-Identifier: MIT
 *
 * test_channel.c names each field by hand; here every field of every table
 * gets random values, its limits and what is just beyond them. Randomness has
 * a fixed seed: a failure comes again.
 */
#include <stdlib.h>

#include "../sipbridge/channel_codec.h"
#include "../sipbridge/check.h"
#include "guard.h"
#include "test.h"

enum { ROUNDS = 300, ARENA = 1 << 20, FLIPS = 200 };

static struct sb_config base_config, filled_config;
static char arena[ARENA]; /* the texts of one struct */
static size_t arena_n;

static uint64_t rnd_state;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

static size_t below(size_t n)
{
	return (size_t)(rnd() % n);
}

/* -------------------------------------------------------------- values -- */

static struct sb_str random_text(const struct sb_field *f, size_t n)
{
	static const char *const units[] = {"a", "Z", "7", " ", "\xc3\xa9",
					    "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80", "\n", "\t"};
	size_t kinds = f->text == SB_TXT_TEXT ? 9 : 7, at = 0;
	char *p = arena + arena_n;

	while (at < n) {
		const char *u = units[below(kinds)];
		size_t len = strlen(u);

		if (len > n - at) {
			u = "x";
			len = 1;
		}
		memcpy(p + at, u, len);
		at += len;
	}
	if (f->text == SB_TXT_URI && n) {
		memset(p, 'u', n);
		memcpy(p, "sip:", 4);
		p[4 + below(n - 6) + 1] = '@';
	}
	arena_n += n;
	return (struct sb_str){p, n};
}

static struct sb_str random_str(const struct sb_field *f)
{
	size_t least = f->text == SB_TXT_URI ? 8 : 1, n;

	n = least + below(f->max - least + 1);
	if (below(4))
		n = least + below(f->max - least < 40 ? f->max - least + 1
						      : 40);
	if (below(8) == 0)
		n = f->max;
	return random_text(f, n);
}

static int64_t random_number(const struct sb_field *f)
{
	uint64_t span = (uint64_t)(f->hi - f->lo) + 1;

	if (below(8) == 0)
		return f->hi;
	return f->lo + (int64_t)(rnd() % span);
}

static void set_number(char *at, enum sb_field_type type, int64_t v)
{
	uint16_t u16 = (uint16_t)v;
	uint32_t u32 = (uint32_t)v;

	if (type == SB_T_U16)
		memcpy(at, &u16, sizeof(u16));
	else
		memcpy(at, &u32, sizeof(u32));
}

static void fill(const struct sb_fields *t, char *s);

static void fill_field(const struct sb_field *f, char *s)
{
	struct sb_str str;
	uint64_t u64 = rnd() >> below(64);
	bool b = below(2);
	size_t n;

	switch (f->type) {
	case SB_T_STR:
		str = random_str(f);
		memcpy(s + f->at, &str, sizeof(str));
		break;
	case SB_T_BOOL:
		memcpy(s + f->at, &b, sizeof(b));
		break;
	case SB_T_U64:
		memcpy(s + f->at, &u64, sizeof(u64));
		break;
	case SB_T_U16:
	case SB_T_U32:
	case SB_T_INT:
		set_number(s + f->at, f->type, random_number(f));
		break;
	case SB_T_LIST:
		n = 1 + below(f->max);
		memcpy(s + f->count_at, &n, sizeof(n));
		for (size_t i = 0; i < n; i++)
			fill(f->elem, s + f->at + i * f->elem->size);
		break;
	}
}

static void fill(const struct sb_fields *t, char *s)
{
	for (size_t i = 0; i < t->n; i++)
		fill_field(&t->field[i], s);
}

/* -------------------------------------------------------------- compare -- */

static size_t differences(const struct sb_fields *t, const char *a,
			  const char *b);

static size_t differ(const struct sb_field *f, const char *a, const char *b)
{
	struct sb_str x, y;
	size_t n, m, bad = 0;

	switch (f->type) {
	case SB_T_STR:
		memcpy(&x, a + f->at, sizeof(x));
		memcpy(&y, b + f->at, sizeof(y));
		return !sb_str_eq(x, y);
	case SB_T_BOOL:
		return memcmp(a + f->at, b + f->at, sizeof(bool)) != 0;
	case SB_T_U16:
		return memcmp(a + f->at, b + f->at, 2) != 0;
	case SB_T_U32:
	case SB_T_INT:
		return memcmp(a + f->at, b + f->at, 4) != 0;
	case SB_T_U64:
		return memcmp(a + f->at, b + f->at, 8) != 0;
	case SB_T_LIST:
		memcpy(&n, a + f->count_at, sizeof(n));
		memcpy(&m, b + f->count_at, sizeof(m));
		if (n != m)
			return 1;
		for (size_t i = 0; i < n; i++) {
			size_t at = f->at + i * f->elem->size;

			bad += differences(f->elem, a + at, b + at);
		}
		return bad;
	}
	return 1;
}

static size_t differences(const struct sb_fields *t, const char *a,
			  const char *b)
{
	size_t bad = 0;

	for (size_t i = 0; i < t->n; i++)
		bad += differ(&t->field[i], a, b);
	return bad;
}

/* ------------------------------------------------------- sound structs -- */

static void random_request(struct sb_request *r)
{
	arena_n = 0;
	fill(&sb_fields_request, (char *)r);
	r->id |= 1;
	if (r->status < 400)
		r->status = 200;
	if (r->typing == SB_TYPING_NONE)
		r->typing = SB_TYPING_ACTIVE;
	if (r->presence == SB_PR_UNKNOWN)
		r->presence = SB_PR_OFFLINE;
}

static void random_event(struct sb_event *ev)
{
	arena_n = 0;
	fill(&sb_fields_event, (char *)ev);
	ev->id |= 1;
	if (!ev->outcome)
		ev->outcome = SB_FAILED;
	if (!ev->typing)
		ev->typing = SB_TYPING_IDLE;
	if (!ev->watch)
		ev->watch = SB_WATCH_FAILING;
	if (ev->type == SB_EV_OUTCOME || ev->type == SB_EV_WATCH)
		ev->status = 100 + (int)below(600);
	else if (ev->status < 0)
		ev->status = 0;
	else if (ev->type == SB_EV_WORKER)
		ev->status = (int)below(3) - 1;
	else if (ev->type == SB_EV_EDGE)
		ev->status = (int)below(2);
	else if (ev->type == SB_EV_LOG)
		ev->status = (int)below(4);
}

static void random_config(struct sb_config *c)
{
	*c = (struct sb_config){0};
	arena_n = 0;
	fill(&sb_fields_config, (char *)c);
	for (size_t i = 0; i < c->domains_n; i++) {
		if (!c->domains[i].port)
			c->domains[i].port = 1;
	}
	c->min_tls = below(2) ? SB_STR("1.2") : SB_STR("1.3");
	c->wire.imdn_method = below(2) ? SB_STR("INFO") : SB_STR("MESSAGE");
	c->wire.verification_header = SB_STR("x-verified: %s");
}

static void sound_config(struct sb_config *c)
{
	sb_config_init(c);
	c->worker = SB_STR("/worker");
	c->bridge_fqdn = SB_STR("xmpp.example");
	c->listen[0] = SB_STR("127.0.0.1:5061");
	c->listen_n = 1;
	c->certificate = SB_STR("c.pem");
	c->key = SB_STR("k.pem");
	c->domains[0] = (struct sb_domain){SB_STR("contoso.example"),
					   SB_STR("edge.example"), SB_NOSTR,
					   5061};
	c->domains_n = 1;
}

/* ---------------------------------------------------------- round trip -- */

/* There, back, the same, and the same bytes again. */
static bool round_trip(enum sb_frame_kind kind, const struct sb_fields *t,
		       const void *what)
{
	static struct sb_frame f;
	size_t n = sb_frame_encode(NULL, kind, what), used = 0;
	char *p = guard_room(n), *again;
	bool same;

	if (!CHECK_INT(sb_frame_encode(p, kind, what), n) ||
	    !CHECK_INT(sb_frame_decode(&f, &used, (struct sb_str){p, n}), 1))
		return false;
	CHECK_INT(used, n);
	CHECK_INT(f.kind, kind);
	CHECK_INT(differences(t, what, (const char *)&f.hello), 0);
	again = malloc(n);
	if (!CHECK(again != NULL))
		return false;
	same = sb_frame_encode(NULL, kind, &f.hello) == n &&
	       sb_frame_encode(again, kind, &f.hello) == n &&
	       memcmp(p, again, n) == 0;
	free(again);
	return CHECK(same);
}

TEST(channel_fields_random_requests)
{
	struct sb_request r;

	rnd_state = 1;
	for (int i = 0; i < ROUNDS; i++) {
		random_request(&r);
		REQUIRE(sb_check_request(&r) == SB_OK);
		REQUIRE(round_trip(SB_FRAME_REQUEST, &sb_fields_request, &r));
	}
}

TEST(channel_fields_random_events)
{
	struct sb_event ev;

	rnd_state = 2;
	for (int i = 0; i < ROUNDS; i++) {
		random_event(&ev);
		REQUIRE(sb_check_event(&ev, 0) == SB_OK);
		REQUIRE(round_trip(SB_FRAME_EVENT, &sb_fields_event, &ev));
	}
}

TEST(channel_fields_random_configs)
{
	rnd_state = 3;
	for (int i = 0; i < ROUNDS / 4; i++) {
		random_config(&filled_config);
		REQUIRE(sb_check_config(&filled_config) == SB_OK);
		REQUIRE(round_trip(SB_FRAME_CONFIG, &sb_fields_config,
				   &filled_config));
	}
}

/* A stream of frames cut anywhere gives its whole frames, then "incomplete". */
TEST(channel_fields_streams)
{
	static char stream[8 * (SB_FRAME_HEAD + SB_FRAME_MAX)];
	static struct sb_frame f;
	size_t end[9] = {0}, n = 0;
	struct sb_event ev;

	rnd_state = 4;
	for (int i = 1; i <= 8; i++) {
		random_event(&ev);
		n += sb_frame_encode(stream + n, SB_FRAME_EVENT, &ev);
		end[i] = n;
	}
	for (int i = 0; i < 500; i++) {
		size_t cut = below(n + 1), at = 0, used, k = 0;
		int r;

		do {
			used = 0;
			r = sb_frame_decode(&f, &used,
					    guard((struct sb_str){
						    stream + at, cut - at}));
			at += used;
			k += r == 1;
		} while (r == 1 && at < cut);
		CHECK(r == 0 || (r == 1 && at == cut));
		REQUIRE(k <= 8 && at == end[k]);
		CHECK(k == 8 || cut < end[k + 1]);
	}
}

/* Some bytes at once become others: refused, incomplete, or sound. */
TEST(channel_fields_random_corruption)
{
	static char copy[SB_FRAME_HEAD + SB_FRAME_MAX];
	static struct sb_frame f;
	struct sb_event ev;
	size_t used, n, bad = 0;

	rnd_state = 5;
	for (int i = 0; i < ROUNDS; i++) {
		random_event(&ev);
		for (int k = 0; k < FLIPS / 10; k++) {
			int r;

			n = sb_frame_encode(copy, SB_FRAME_EVENT, &ev);
			for (size_t m = 1 + below(4); m; m--)
				copy[below(n < 64 ? n : 64)] = (char)rnd();
			r = sb_frame_decode(&f, &used,
					    guard((struct sb_str){copy, n}));
			bad += r != 0 && r != 1 && r != SB_EPROTO;
			bad += r == 1 && f.kind == SB_FRAME_EVENT &&
			       sb_check_event(&f.event, 0) != SB_OK;
		}
	}
	CHECK_INT(bad, 0);
}

/* -------------------------------------------------------------- limits -- */

/* Its check, for a struct that is sound but for one field. */
typedef int (*check_fn)(const void *s);

static int check_request(const void *s)
{
	return sb_check_request(s);
}

static int check_event(const void *s)
{
	return sb_check_event(s, 0);
}

static int check_config(const void *s)
{
	return sb_check_config(s);
}

static void try_str(const struct sb_field *f, char *s, check_fn check)
{
	static char big[SB_TEXT_MAX + 1];
	struct sb_str keep, str = {big, f->max + 1};

	memcpy(&keep, s + f->at, sizeof(keep));
	memset(big, 'u', sizeof(big));
	if (f->text == SB_TXT_URI)
		memcpy(big, "sip:u@", 6);
	memcpy(s + f->at, &str, sizeof(str));
	CHECK_INT(check(s), SB_ETOOBIG);
	str.n--;
	memcpy(s + f->at, &str, sizeof(str));
	CHECK(check(s) == SB_OK || check(s) == SB_EINVAL);
	for (char c = 0; c < ' '; c++) {
		bool fine = f->text == SB_TXT_TEXT && (c == '\n' || c == '\t');

		str = (struct sb_str){big, 7};
		big[6] = c;
		memcpy(s + f->at, &str, sizeof(str));
		CHECK(fine ? check(s) != SB_EBADTEXT
			   : check(s) == SB_EBADTEXT);
	}
	str = (struct sb_str){NULL, 1};
	memcpy(s + f->at, &str, sizeof(str));
	CHECK_INT(check(s), SB_EINVAL);
	memcpy(s + f->at, &keep, sizeof(keep));
}

static void try_number(const struct sb_field *f, char *s, check_fn check)
{
	int64_t top = f->type == SB_T_U16   ? UINT16_MAX
		      : f->type == SB_T_INT ? INT32_MAX
					    : UINT32_MAX;
	char keep[4];
	size_t n = f->type == SB_T_U16 ? 2 : 4;

	memcpy(keep, s + f->at, n);
	if (f->hi < top) {
		set_number(s + f->at, f->type, f->hi + 1);
		CHECK_INT(check(s), SB_EINVAL);
		set_number(s + f->at, f->type, top);
		CHECK_INT(check(s), SB_EINVAL);
	}
	if (f->type == SB_T_INT) {
		set_number(s + f->at, f->type, f->lo - 1);
		CHECK_INT(check(s), SB_EINVAL);
		set_number(s + f->at, f->type, INT32_MIN);
		CHECK_INT(check(s), SB_EINVAL);
	}
	memcpy(s + f->at, keep, n);
}

static void try_fields(const struct sb_fields *t, char *s, char *whole,
		       check_fn check);

/* The check is of the whole struct; a list's element is a part of it. */
static char *tried_whole;
static check_fn tried_check;

static int check_whole(const void *part)
{
	(void)part;
	return tried_check(tried_whole);
}

static void try_list(const struct sb_field *f, char *s, char *whole,
		     check_fn check)
{
	size_t keep, n = f->max + 1;

	memcpy(&keep, s + f->count_at, sizeof(keep));
	memcpy(s + f->count_at, &n, sizeof(n));
	CHECK_INT(check(s), SB_ETOOBIG);
	n = SIZE_MAX;
	memcpy(s + f->count_at, &n, sizeof(n));
	CHECK_INT(check(s), SB_ETOOBIG);
	memcpy(s + f->count_at, &keep, sizeof(keep));
	for (size_t i = 0; i < keep; i++)
		try_fields(f->elem, s + f->at + i * f->elem->size, whole,
			   check);
}

static void try_fields(const struct sb_fields *t, char *s, char *whole,
		       check_fn check)
{
	tried_whole = whole;
	tried_check = check;
	for (size_t i = 0; i < t->n; i++) {
		const struct sb_field *f = &t->field[i];

		if (f->type == SB_T_STR)
			try_str(f, s, check_whole);
		else if (f->type == SB_T_LIST)
			try_list(f, s, whole, check);
		else if (f->type != SB_T_BOOL && f->type != SB_T_U64)
			try_number(f, s, check_whole);
		/* as it was */
		CHECK_INT(check(whole), SB_OK);
	}
}

TEST(channel_fields_limits)
{
	struct sb_request r;
	struct sb_event ev;

	rnd_state = 6;
	random_request(&r);
	try_fields(&sb_fields_request, (char *)&r, (char *)&r, check_request);
	random_event(&ev);
	try_fields(&sb_fields_event, (char *)&ev, (char *)&ev, check_event);
	sound_config(&base_config);
	try_fields(&sb_fields_config, (char *)&base_config,
		   (char *)&base_config, check_config);
}
