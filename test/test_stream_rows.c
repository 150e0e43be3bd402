/*
 * test_stream_rows.c: the table of docs/streams.md, row by row.
 * SPDX-License-Identifier: MIT
 */
#include "../plugin/error.h"
#include "../plugin/stream.h"
#include "stream_rig.h"
#include "test.h"

static struct lg_settings s;

/* The table of docs/streams.md, "the other server sees". "": an offer of
 * nothing. */
struct in_row {
	const char *clear;	/* features */
	const char *good;	/* over TLS, with a good certificate */
	const char *bad;	/* over TLS, self-signed */
	const char *starttls;
	const char *external;	/* over TLS, with a good certificate */
	const char *clear_key;	/* db:result in clear text */
	const char *tls_key;	/* over TLS, with a good certificate */
};

#define OFF "partner-disabled"
#define NO_TLS "tls-not-supported"
#define SELF "certificate-self-signed"
#define NO_SASL "sasl-not-supported"
#define NEED_TLS "tls-required"
#define MUST "starttls required"
#define NO_DB "dialback-not-supported"

#define IN_SASL(key) {MUST, "external", SELF, "ok", "ok", NEED_TLS, key}
#define IN_ALL \
	{"starttls dialback", "external dialback", "dialback", "ok", "ok", \
	 "ok", "ok"}
#define IN_TCP {"dialback", NO_TLS, NO_TLS, NO_TLS, NO_SASL, "ok", NO_TLS}
#define NOTHING {OFF, OFF, OFF, OFF, OFF, OFF, OFF}

static const struct in_row in_rows[LG_ROWS] = {
	IN_SASL("sasl-required"),
	IN_SASL(NO_DB),
	IN_ALL,
	IN_SASL(NO_DB),
	IN_TCP,
	NOTHING,
	{MUST, "external dialback", "dialback", "ok", "ok", NEED_TLS, "ok"},
	IN_SASL(NO_DB),
	IN_ALL,
	IN_SASL(NO_DB),
	IN_TCP,
	NOTHING,
	{MUST, "dialback", "dialback", "ok", NO_SASL, NEED_TLS, "ok"},
	NOTHING,
	{"starttls dialback", "dialback", "dialback", "ok", NO_SASL, "ok",
	 "ok"},
	NOTHING,
	IN_TCP,
	NOTHING,
};

TEST(stream_rows_in)
{
	struct lg_stream_decision d;
	int row;

	REQUIRE(stream_load(&s));
	for (row = 1; row <= LG_ROWS; row++) {
		const struct in_row *want = &in_rows[row - 1];
		struct lg_stream_facts f = {
			.direction = LG_IN,
			.phase = LG_PH_FEATURES,
			.remote = value_row_domain(row),
		};

		stream_note_row(row);
		CHECK_STR(stream_words(&s, &f), want->clear);
		f.phase = LG_PH_STARTTLS;
		CHECK_STR(stream_ask(&d, &s, &f), want->starttls);
		f.phase = LG_PH_DIALBACK;
		f.mechanism = LG_MECH_DIALBACK;
		CHECK_STR(stream_ask(&d, &s, &f), want->clear_key);
		f.secure = true;
		f.certificate = LG_CERT_VALID;
		CHECK_STR(stream_ask(&d, &s, &f), want->tls_key);
		f.phase = LG_PH_SASL;
		f.mechanism = LG_MECH_EXTERNAL;
		CHECK_STR(stream_ask(&d, &s, &f), want->external);
		f.phase = LG_PH_FEATURES;
		f.mechanism = LG_MECH_NONE;
		CHECK_STR(stream_words(&s, &f), want->good);
		f.certificate = LG_CERT_SELF_SIGNED;
		CHECK_STR(stream_words(&s, &f), want->bad);
		f.phase = LG_PH_CERTIFICATE;
		CHECK_STR(stream_ask(&d, &s, &f),
			  strcmp(want->bad, "dialback") == 0 ? "ok"
							     : want->bad);
	}
	lg_settings_fini(&s);
}

/* The same, "when we connect". */
struct out_row {
	const char *starttls;	 /* is offered */
	const char *no_starttls; /* is not */
	const char *legacy;	 /* no XMPP 1.0 */
	const char *good;	 /* TLS, good certificate, EXTERNAL offered */
	const char *no_external; /* the same without EXTERNAL */
	const char *bad;	 /* TLS, self-signed, EXTERNAL offered */
	const char *refused;	 /* EXTERNAL was refused; NULL: never tried */
};

#define DB "dialback"
#define TOO_OLD "version-too-old"
#define OUT_SASL \
	{"starttls", NEED_TLS, TOO_OLD, "external", "sasl-not-offered", SELF, \
	 "sasl-failed"}
#define OUT_ALL {"starttls", DB, DB, "external", DB, DB, "ok"}
#define OUT_TCP {DB, DB, DB, NO_TLS, NO_TLS, NO_TLS, NULL}

static const struct out_row out_rows[LG_ROWS] = {
	OUT_SASL,
	OUT_SASL,
	OUT_ALL,
	OUT_SASL,
	OUT_TCP,
	NOTHING,
	{"starttls", NEED_TLS, TOO_OLD, "external", DB, DB, "ok"},
	OUT_SASL,
	OUT_ALL,
	OUT_SASL,
	OUT_TCP,
	NOTHING,
	{"starttls", NEED_TLS, TOO_OLD, DB, DB, DB, NULL},
	NOTHING,
	{"starttls", DB, DB, DB, DB, DB, NULL},
	NOTHING,
	OUT_TCP,
	NOTHING,
};

TEST(stream_rows_out)
{
	struct lg_stream_decision d;
	int row;

	REQUIRE(stream_load(&s));
	for (row = 1; row <= LG_ROWS; row++) {
		const struct out_row *want = &out_rows[row - 1];
		bool off = strcmp(want->legacy, OFF) == 0;
		struct lg_stream_facts f = {
			.direction = LG_OUT,
			.phase = LG_PH_ROUTE,
			.remote = value_row_domain(row),
		};

		stream_note_row(row);
		CHECK_STR(stream_ask(&d, &s, &f), off ? OFF : "ok");
		f.phase = LG_PH_FEATURES;
		CHECK_STR(stream_words(&s, &f), want->no_starttls);
		f.starttls = true;
		CHECK_STR(stream_words(&s, &f), want->starttls);
		f.phase = LG_PH_LEGACY;
		CHECK_STR(stream_words(&s, &f), want->legacy);
		f.phase = LG_PH_FEATURES;
		f.starttls = false;
		f.secure = true;
		f.certificate = LG_CERT_VALID;
		CHECK_STR(stream_words(&s, &f), want->no_external);
		f.external = true;
		CHECK_STR(stream_words(&s, &f), want->good);
		f.certificate = LG_CERT_SELF_SIGNED;
		CHECK_STR(stream_words(&s, &f), want->bad);
		f.certificate = LG_CERT_VALID;
		f.phase = LG_PH_SASL;
		f.mechanism = LG_MECH_EXTERNAL;
		if (want->refused)
			CHECK_STR(stream_ask(&d, &s, &f), want->refused);
	}
	lg_settings_fini(&s);
}
