/*
 * test_stream_life.c: what comes after a stream was made, or was not:
 * falling back, keep-alive, stanzas.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "../plugin/stream.h"
#include "stream_rig.h"
#include "test.h"

#define BIT(method) (1U << (method))
#define NOTE_MAX 128

static struct lg_settings s;

/* Stream errors that have nothing to do with the method; docs/streams.md. */
static const char *const unrelated[] = {
	"host-unknown",		 "host-gone",	   "system-shutdown",
	"resource-constraint",	 "see-other-host", "internal-server-error",
	"connection-timeout",	 "reset",
};

/* Some that may have. */
static const char *const related[] = {
	"",		    "not-authorized",	"policy-violation",
	"invalid-from",	    "bad-format",	"undefined-condition",
	"host-unknown-too", "rese",		"unsupported-feature",
};

enum {
	UNRELATED = sizeof(unrelated) / sizeof(unrelated[0]),
	RELATED = sizeof(related) / sizeof(related[0]),
};

/* The first of methods behind way. */
static int after(unsigned methods, enum lg_method way)
{
	int m;

	for (m = (int)way + 1; m < LG_METHODS_MAX; m++) {
		if (methods & BIT(m))
			return m;
	}
	return -1;
}

/* What has failed is: TLS itself; EXTERNAL or what else way was; dialback on
 * what the stream was. What comes next must be behind that. */
static int want_next(unsigned methods, enum lg_method way, bool secure,
		     enum lg_stage stage)
{
	switch (stage) {
	case LG_STAGE_TLS:
		return after(methods, way > LG_TLS_DIALBACK ? way
							    : LG_TLS_DIALBACK);
	case LG_STAGE_SECURE:
	case LG_STAGE_SASL:
		return after(methods, way);
	case LG_STAGE_DIALBACK:
		if (!secure || way == LG_TCP_DIALBACK)
			return -1;
		return after(methods, LG_TLS_DIALBACK);
	case LG_STAGE_CONNECT: /* no failure of a method */
	case LG_STAGE_OPEN:    /* nothing was tried */
	case LG_STAGE_REFUSED: /* would be so in any way */
	case LG_STAGE_DONE:
	default:
		return -1;
	}
}

static void check_next(unsigned methods, enum lg_method way, bool secure,
		       enum lg_stage stage)
{
	char note[NOTE_MAX];
	int want = want_next(methods, way, secure, stage);
	size_t i;

	for (i = 0; i < RELATED; i++) {
		snprintf(note, sizeof(note), "methods=%u %s secure=%d %s %s",
			 methods, lg_method_names[way], secure,
			 lg_stage_names[stage], related[i]);
		test_note(note);
		CHECK_INT(lg_stream_next(methods, way, secure, stage,
					 sb_str_of(related[i])), want);
	}
	for (i = 0; i < UNRELATED; i++) {
		test_note(unrelated[i]);
		CHECK_INT(lg_stream_next(methods, way, secure, stage,
					 sb_str_of(unrelated[i])), -1);
	}
	test_note(NULL);
}

TEST(stream_next_all)
{
	unsigned methods;
	int way, secure, stage;

	for (methods = 0; methods < BIT(LG_METHODS_MAX); methods++) {
		for (way = 0; way < LG_METHODS_MAX; way++) {
			for (stage = 0; stage <= LG_STAGE_DONE; stage++) {
				for (secure = 0; secure < 2; secure++)
					check_next(methods,
						   (enum lg_method)way,
						   secure != 0,
						   (enum lg_stage)stage);
			}
		}
	}
}

/* The same by hand, for what happens. */
TEST(stream_next_cases)
{
	static const struct {
		unsigned methods;
		enum lg_method way;
		bool secure;
		enum lg_stage stage;
		const char *condition;
		int want;
	} cases[] = {
		{7, LG_SASL_TLS, false, LG_STAGE_TLS, "", LG_TCP_DIALBACK},
		{3, LG_SASL_TLS, false, LG_STAGE_TLS, "", -1},
		{7, LG_SASL_TLS, true, LG_STAGE_SASL, "", LG_TLS_DIALBACK},
		{3, LG_SASL_TLS, true, LG_STAGE_SASL, "not-authorized",
		 LG_TLS_DIALBACK},
		{1, LG_SASL_TLS, true, LG_STAGE_SASL, "not-authorized", -1},
		{7, LG_SASL_TLS, true, LG_STAGE_DIALBACK, "",
		 LG_TCP_DIALBACK},
		{7, LG_SASL_TLS, false, LG_STAGE_DIALBACK, "", -1},
		{6, LG_TLS_DIALBACK, true, LG_STAGE_DIALBACK,
		 "policy-violation", LG_TCP_DIALBACK},
		{2, LG_TLS_DIALBACK, true, LG_STAGE_DIALBACK,
		 "policy-violation", -1},
		{7, LG_TCP_DIALBACK, false, LG_STAGE_DIALBACK,
		 "policy-violation", -1},
		{7, LG_SASL_TLS, true, LG_STAGE_SASL, "system-shutdown", -1},
		{7, LG_SASL_TLS, false, LG_STAGE_CONNECT, "", -1},
		{7, LG_SASL_TLS, true, LG_STAGE_DONE, "not-authorized", -1},
	};
	char note[NOTE_MAX];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(note, sizeof(note), "case %zu", i);
		test_note(note);
		CHECK_INT(lg_stream_next(cases[i].methods, cases[i].way,
					 cases[i].secure, cases[i].stage,
					 sb_str_of(cases[i].condition)),
			  cases[i].want);
	}
	test_note(NULL);
}

/* Times of struct lg_gateway in this file: 60 to be established, 600 without a
 * stanza, 300 without a sign of life. */
struct care_case {
	const char *what;
	struct lg_stream_age age;
	bool no_keep_alive;
	enum lg_care want;
	int err; /* of LG_CARE_CLOSE */
};

#define NEW(seconds) {.since = seconds, .stanza = seconds, .heard = seconds, \
		      .asked = LG_NEVER}
#define OLD(s, h, a) {.authenticated = true, .since = 9999, .stanza = s, \
		      .heard = h, .asked = a}
#define NEVER LG_NEVER

static const struct care_case cares[] = {
	{"new", NEW(0), false, LG_CARE_NONE, 0},
	{"nearly late", NEW(59), false, LG_CARE_NONE, 0},
	{"late", NEW(60), false, LG_CARE_CLOSE, LG_EESTABLISH},
	{"later", NEW(6000), false, LG_CARE_CLOSE, LG_EESTABLISH},
	{"late, no keep-alive", NEW(60), true, LG_CARE_CLOSE, LG_EESTABLISH},
	{"busy", OLD(0, 0, NEVER), false, LG_CARE_NONE, 0},
	{"nearly half", OLD(0, 149, NEVER), false, LG_CARE_NONE, 0},
	{"half", OLD(0, 150, NEVER), false, LG_CARE_ASK, 0},
	{"half, just asked", OLD(0, 150, 0), false, LG_CARE_NONE, 0},
	{"asked in this silence", OLD(0, 299, 149), false, LG_CARE_NONE, 0},
	{"asked before it", OLD(0, 150, 151), false, LG_CARE_ASK, 0},
	{"asked long ago", OLD(0, 200, 9000), false, LG_CARE_ASK, 0},
	{"asked, answered at once", OLD(0, 150, 150), false, LG_CARE_ASK, 0},
	{"nearly dead", OLD(0, 299, 150), false, LG_CARE_NONE, 0},
	{"dead", OLD(0, 300, 150), false, LG_CARE_CLOSE, LG_EDEAD},
	{"dead, never asked", OLD(0, 300, NEVER), false, LG_CARE_CLOSE,
	 LG_EDEAD},
	{"half, no keep-alive", OLD(0, 150, NEVER), true, LG_CARE_NONE, 0},
	{"silent, no keep-alive", OLD(0, 100000, NEVER), true, LG_CARE_NONE,
	 0},
	{"nearly idle", OLD(599, 0, NEVER), false, LG_CARE_NONE, 0},
	{"idle", OLD(600, 0, NEVER), false, LG_CARE_CLOSE, LG_EINACTIVE},
	{"idle, no keep-alive", OLD(600, 0, NEVER), true, LG_CARE_CLOSE,
	 LG_EINACTIVE},
	{"idle, asked", OLD(600, 10, 20), false, LG_CARE_CLOSE, LG_EINACTIVE},
	{"expired",
	 {.authenticated = true, .asked = NEVER, .expired = true},
	 false, LG_CARE_CLOSE, LG_ECERTLAPSED},
	{"expired, no keep-alive",
	 {.authenticated = true, .asked = NEVER, .expired = true},
	 true, LG_CARE_CLOSE, LG_ECERTLAPSED},
};

TEST(stream_care)
{
	struct lg_gateway g = {
		.keep_alive_interval = 300,
		.stream_establishment_timeout = 60,
		.stream_inactivity_timeout = 600,
	};
	struct lg_partner p = {.methods = 7};
	size_t i;

	for (i = 0; i < sizeof(cares) / sizeof(cares[0]); i++) {
		const struct care_case *c = &cares[i];
		int err = LG_OK;

		test_note(c->what);
		p.keep_alive = !c->no_keep_alive;
		CHECK_INT(lg_stream_care(&err, &g, &p, &c->age), c->want);
		if (c->want == LG_CARE_CLOSE)
			CHECK_STR(lg_err_name(err), lg_err_name(c->err));
	}
}

TEST(stream_care_of_nobody)
{
	struct lg_gateway g = {.stream_establishment_timeout = 60};
	struct lg_stream_age age = {.since = 59, .asked = LG_NEVER};
	int err = LG_OK;

	CHECK_INT(lg_stream_care(&err, &g, NULL, &age), LG_CARE_NONE);
	age.since = 60;
	CHECK_INT(lg_stream_care(&err, &g, NULL, &age), LG_CARE_CLOSE);
	CHECK_STR(lg_err_name(err), "establishment-timeout");
}

/* Once is asked in a silence, however long, and always before the end. */
TEST(stream_care_second_by_second)
{
	struct lg_gateway g = {
		.stream_establishment_timeout = 60,
		.stream_inactivity_timeout = UINT32_MAX,
	};
	struct lg_partner p = {.methods = 7, .keep_alive = true};
	uint32_t t, asked, asks;
	int err = LG_OK;

	for (g.keep_alive_interval = 2; g.keep_alive_interval < 400;
	     g.keep_alive_interval++) {
		asked = LG_NEVER;
		asks = 0;
		for (t = 0; t < g.keep_alive_interval; t++) {
			struct lg_stream_age age = {
				.authenticated = true,
				.since = t,
				.heard = t,
				.asked = asked == LG_NEVER ? asked : t - asked,
			};
			enum lg_care care = lg_stream_care(&err, &g, &p, &age);

			if (care == LG_CARE_ASK) {
				asks++;
				asked = t;
			}
			CHECK(care != LG_CARE_CLOSE);
		}
		CHECK_INT(asks, 1);
		CHECK(asked <= g.keep_alive_interval / 2 + 1);
	}
}

/* A peer that answers within the second lives for ever. */
TEST(stream_care_of_one_that_answers)
{
	struct lg_gateway g = {
		.keep_alive_interval = 300,
		.stream_establishment_timeout = 60,
		.stream_inactivity_timeout = UINT32_MAX,
	};
	struct lg_partner p = {.methods = 7, .keep_alive = true};
	struct lg_stream_age age = {.authenticated = true, .asked = LG_NEVER};
	enum lg_care care = LG_CARE_NONE;
	uint32_t asks = 0;
	int err = LG_OK;

	while (age.since < 3000 && care != LG_CARE_CLOSE) {
		age.since++;
		age.heard++;
		age.asked += age.asked != LG_NEVER;
		care = lg_stream_care(&err, &g, &p, &age);
		if (care == LG_CARE_ASK) {
			asks++;
			age.heard = age.asked = 0;
		}
	}
	CHECK_INT(age.since, 3000);
	CHECK_INT(asks, 20);
}

/* What spec/module/gate_spec.lua has as "gate: decide", of stanzas. */
enum { MARKED = LG_TCP_DIALBACK, NOT = -1 };
static const struct stanza_case {
	enum lg_origin origin;
	int method;
	bool is_error, own;
	const char *remote, *want;
} stanzas[] = {
	{LG_ORIGIN_STREAM, MARKED, false, false, "row9.example", "ok"},
	{LG_ORIGIN_STREAM, MARKED, true, false, "row9.example", "ok"},
	{LG_ORIGIN_STREAM, NOT, false, false, "row9.example",
	 "not-authenticated-for-us"},
	{LG_ORIGIN_STREAM, NOT, true, false, "row9.example",
	 "not-authenticated-for-us"},
	{LG_ORIGIN_STREAM, MARKED, false, false, "evil.com",
	 "not-a-partner"},
	{LG_ORIGIN_STREAM, MARKED, true, false, "evil.com",
	 "not-a-partner"},
	{LG_ORIGIN_STREAM, MARKED, false, true, "litware.com",
	 "loop"},
	{LG_ORIGIN_STREAM, MARKED, false, false, "row6.example",
	 "partner-disabled"},
	{LG_ORIGIN_BOUNCE, NOT, true, false, "evil.com", "ok"},
	{LG_ORIGIN_BOUNCE, NOT, false, false, "row9.example",
	 "bad-origin"},
	{LG_ORIGIN_HOST, NOT, true, true, "contoso.com", "ok"},
	{LG_ORIGIN_HOST, NOT, false, true, "contoso.com", "loop"},
	{LG_ORIGIN_HOST, NOT, false, false, "row9.example", "ok"},
	{LG_ORIGIN_HOST, NOT, false, false, "row1.example", "ok"},
	{LG_ORIGIN_HOST, NOT, false, false, "localhost",
	 "not-a-partner"},
	{LG_ORIGIN_CLIENT, NOT, false, false, "row9.example", "ok"},
	{LG_ORIGIN_CLIENT, NOT, false, false, "localhost",
	 "not-a-partner"},
	{LG_ORIGIN_CLIENT, NOT, true, false, "localhost",
	 "not-a-partner"},
	{LG_ORIGIN_CLIENT, NOT, false, true, "contoso.com", "loop"},
	{LG_ORIGIN_OTHER, NOT, false, false, "row9.example",
	 "bad-origin"},
	{LG_ORIGIN_OTHER, NOT, true, false, "row9.example",
	 "bad-origin"},
};

TEST(stream_stanza_origins)
{
	char note[NOTE_MAX];
	size_t i;

	REQUIRE(stream_load(&s));
	for (i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
		const struct stanza_case *c = &stanzas[i];
		int err = lg_stanza_may(
			&s, &(struct lg_stanza_facts){
				    .origin = c->origin,
				    .method = c->method,
				    .is_error = c->is_error,
				    .own = c->own,
				    .remote = sb_str_of(c->remote),
			    });

		snprintf(note, sizeof(note), "%s method=%d error=%d own=%d %s",
			 lg_origin_names[c->origin], c->method, c->is_error,
			 c->own, c->remote);
		test_note(note);
		CHECK_STR(err ? lg_err_name(err) : "ok", c->want);
	}
	test_note(NULL);
	lg_settings_fini(&s);
}

static const char *changed(unsigned methods, bool dialback,
			   enum lg_method method)
{
	struct lg_partner *p = &s.partners.v[0];
	int err;

	p->methods = methods;
	p->dialback = dialback;
	err = lg_stanza_may(&s, &(struct lg_stanza_facts){
					.origin = LG_ORIGIN_STREAM,
					.method = (int)method,
					.remote = p->domain,
				});
	return err ? lg_err_name(err) : "ok";
}

/* The settings changed while a stream stood, and it was not yet ended. */
TEST(stream_stanza_after_a_change)
{
	REQUIRE(stream_load(&s));
	CHECK_STR(changed(7, true, LG_SASL_TLS), "ok");
	CHECK_STR(changed(2, true, LG_SASL_TLS), "sasl-not-supported");
	CHECK_STR(changed(6, true, LG_SASL_TLS), "sasl-not-supported");
	CHECK_STR(changed(4, true, LG_SASL_TLS), "tls-not-supported");
	CHECK_STR(changed(1, true, LG_TLS_DIALBACK), "sasl-required");
	CHECK_STR(changed(1, false, LG_TLS_DIALBACK),
		  "dialback-not-supported");
	CHECK_STR(changed(4, true, LG_TLS_DIALBACK), "tls-not-supported");
	CHECK_STR(changed(1, true, LG_TCP_DIALBACK), "tls-required");
	CHECK_STR(changed(3, true, LG_TCP_DIALBACK), "tls-required");
	lg_settings_fini(&s);
}

/* Each stanza asks whether its stream's method is still one of the row. */
TEST(stream_stanza_methods)
{
	static const unsigned want[LG_ROWS] = {1, 1, 7, 1, 4, 0, 3, 1, 7,
					       1, 4, 0, 2, 0, 6, 0, 4, 0};
	int row, method, err;

	REQUIRE(stream_load(&s));
	for (row = 1; row <= LG_ROWS; row++) {
		for (method = 0; method < LG_METHODS_MAX; method++) {
			stream_note_row(row);
			err = lg_stanza_may(
				&s, &(struct lg_stanza_facts){
					    .origin = LG_ORIGIN_STREAM,
					    .method = method,
					    .remote = value_row_domain(row),
				    });
			CHECK_INT(err == LG_OK,
				  (want[row - 1] & BIT(method)) != 0);
		}
	}
	s.usable = false;
	CHECK_INT(lg_stanza_may(&s, &(struct lg_stanza_facts){
					    .origin = LG_ORIGIN_STREAM,
					    .method = LG_SASL_TLS,
					    .remote = value_row_domain(1),
				    }),
		  LG_EUNUSABLE);
	lg_settings_fini(&s);
}
