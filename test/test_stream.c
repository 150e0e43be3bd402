/*
 * test_stream.c: what may happen on a stream, stream.h.
 * SPDX-License-Identifier: MIT
 *
 * test_stream_rows.c has the table of negotiation settings, test_stream_walk.c
 * asks every combination, test_stream_life.c what comes later.
 */
#include "../plugin/error.h"
#include "../plugin/stream.h"
#include "stream_rig.h"
#include "test.h"

static struct lg_settings s;

TEST(stream_names)
{
	CHECK_STR(lg_phase_names[LG_PH_ROUTE], "route");
	CHECK_STR(lg_phase_names[LG_PH_STARTTLS], "starttls");
	CHECK_STR(lg_phase_names[LG_PH_STANDING], "standing");
	CHECK_STR(lg_phase_names[LG_PH_STANDING + 1], NULL);
	CHECK_STR(lg_certificate_names[LG_CERT_UNKNOWN], "unknown");
	CHECK_STR(lg_certificate_names[LG_CERT_VALID], "valid");
	CHECK_STR(lg_certificate_names[LG_CERT_MISSING], "missing");
	CHECK_STR(lg_certificate_names[LG_CERT_EXPIRED], "expired");
	CHECK_STR(lg_certificate_names[LG_CERT_WRONG_NAME], "wrong-name");
	CHECK_STR(lg_certificate_names[LG_CERT_WRONG_NAME + 1], NULL);
	CHECK_STR(lg_mechanism_names[LG_MECH_NONE], "none");
	CHECK_STR(lg_mechanism_names[LG_MECH_EXTERNAL], "external");
	CHECK_STR(lg_mechanism_names[LG_MECH_DIALBACK], "dialback");
	CHECK_STR(lg_mechanism_names[LG_MECH_OTHER + 1], NULL);
	CHECK_STR(lg_method_names[LG_SASL_TLS], "sasl-tls");
	CHECK_STR(lg_method_names[LG_TLS_DIALBACK], "tls-dialback");
	CHECK_STR(lg_method_names[LG_TCP_DIALBACK], "tcp-dialback");
	CHECK_STR(lg_method_names[LG_METHODS_MAX], NULL);
	CHECK_STR(lg_step_names[LG_STEP_STARTTLS], "starttls");
	CHECK_STR(lg_step_names[LG_STEP_DIALBACK + 1], NULL);
	CHECK_STR(lg_stage_names[LG_STAGE_CONNECT], "connect");
	CHECK_STR(lg_stage_names[LG_STAGE_TLS], "tls");
	CHECK_STR(lg_stage_names[LG_STAGE_SASL], "sasl");
	CHECK_STR(lg_stage_names[LG_STAGE_DONE + 1], NULL);
	CHECK_STR(lg_care_names[LG_CARE_ASK], "ask");
	CHECK_STR(lg_care_names[LG_CARE_CLOSE + 1], NULL);
	CHECK_STR(lg_origin_names[LG_ORIGIN_BOUNCE], "bounce");
	CHECK_STR(lg_origin_names[LG_ORIGIN_OTHER + 1], NULL);
}

TEST(stream_tokens)
{
	static const struct {
		int err;
		const char *token;
	} cases[] = {
		{LG_ELOOP, "loop"},
		{LG_EUNMARKED, "not-authenticated-for-us"},
		{LG_EBADORIGIN, "bad-origin"},
		{LG_ETLSREQUIRED, "tls-required"},
		{LG_ENOTLS, "tls-not-supported"},
		{LG_ESASLREQUIRED, "sasl-required"},
		{LG_ENODIALBACK, "dialback-not-supported"},
		{LG_ENOSASL, "sasl-not-supported"},
		{LG_ENOEXTERNAL, "sasl-not-offered"},
		{LG_ESASLFAILED, "sasl-failed"},
		{LG_EMECHANISM, "bad-mechanism"},
		{LG_ECERTMISSING, "certificate-missing"},
		{LG_ECERTEXPIRED, "certificate-expired"},
		{LG_ECERTNOTYET, "certificate-not-yet-valid"},
		{LG_ECERTSELF, "certificate-self-signed"},
		{LG_ECERTUNTRUSTED, "certificate-untrusted"},
		{LG_ECERTNAME, "certificate-wrong-name"},
		{LG_ECERTLAPSED, "certificate-lapsed"},
		{LG_EVERSION, "version-too-old"},
		{LG_EUNSOLICITED, "unsolicited-answer"},
		{LG_ETLSLATE, "tls-too-late"},
		{LG_EATTEMPTS, "too-many-attempts"},
		{LG_ENOIDENTITY, "no-identity"},
		{LG_ELIMIT, "connection-limit"},
		{LG_EPARTNERLIMIT, "partner-connection-limit"},
		{LG_EESTABLISH, "establishment-timeout"},
		{LG_EDEAD, "keep-alive-timeout"},
		{LG_EINACTIVE, "inactive"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_STR(lg_err_name(cases[i].err), cases[i].token);
		CHECK(strlen(lg_err_text(cases[i].err)) > 0);
	}
}

TEST(stream_nobody_and_strangers)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {.remote = SB_STR("evil.example")};
	int phase, direction;

	REQUIRE(stream_load(&s));
	for (phase = LG_PH_ROUTE; phase <= LG_PH_STANDING; phase++) {
		for (direction = LG_IN; direction <= LG_OUT; direction++) {
			f.phase = (enum lg_phase)phase;
			f.direction = (enum lg_direction)direction;
			test_note(lg_phase_names[phase]);
			f.own = false;
			CHECK_STR(stream_ask(&d, &s, &f), "not-a-partner");
			CHECK(d.partner == NULL);
			f.remote = value_row_domain(6);
			CHECK_STR(stream_ask(&d, &s, &f), "partner-disabled");
			CHECK(d.partner && d.partner->row->row == 6);
			f.own = true;
			f.remote = SB_STR("litware.com");
			CHECK_STR(stream_ask(&d, &s, &f), "loop");
			s.usable = false;
			f.own = false;
			f.remote = value_row_domain(9);
			CHECK_STR(stream_ask(&d, &s, &f), "no-settings");
			s.usable = true;
			f.remote = SB_STR("evil.example");
		}
	}
	lg_settings_fini(&s);
}

/* A peer that has not said who it is may have TLS, and say it then. */
TEST(stream_without_a_name)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {.phase = LG_PH_FEATURES};
	int phase;

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	CHECK_INT(d.offers & ~(unsigned)LG_OFFER_REQUIRED, LG_OFFER_STARTTLS);
	f.phase = LG_PH_STARTTLS;
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	f.secure = true;
	f.certificate = LG_CERT_VALID;
	f.phase = LG_PH_CERTIFICATE;
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	f.phase = LG_PH_FEATURES;
	CHECK_STR(stream_words(&s, &f), "");
	f.phase = LG_PH_SASL;
	f.mechanism = LG_MECH_EXTERNAL;
	CHECK_STR(stream_ask(&d, &s, &f), "no-identity");
	f.phase = LG_PH_DIALBACK;
	f.mechanism = LG_MECH_DIALBACK;
	CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	f.phase = LG_PH_AUTHENTICATED;
	CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	f.direction = LG_OUT;
	for (phase = LG_PH_ROUTE; phase <= LG_PH_STANDING; phase++) {
		test_note(lg_phase_names[phase]);
		f.phase = (enum lg_phase)phase;
		f.secure = false;
		CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	}
	lg_settings_fini(&s);
}

/* "Only an incoming stream before its authentication": here it is after. */
TEST(stream_without_a_name_is_not_authenticated)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {.authenticated = true};
	int phase;

	REQUIRE(stream_load(&s));
	for (phase = LG_PH_ROUTE; phase <= LG_PH_STANDING; phase++) {
		test_note(lg_phase_names[phase]);
		f.phase = (enum lg_phase)phase;
		CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
		CHECK_INT(d.offers, 0);
	}
	lg_settings_fini(&s);
}

TEST(stream_starttls_comes_first)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = LG_PH_STARTTLS,
		.remote = value_row_domain(9),
		.authenticated = true,
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "tls-too-late");
	f.phase = LG_PH_FEATURES;
	CHECK_STR(stream_words(&s, &f), "dialback"); /* for more domains */
	f.secure = true;
	f.certificate = LG_CERT_VALID;
	CHECK_STR(stream_words(&s, &f), "dialback");
	f.remote = value_row_domain(1);
	CHECK_STR(stream_words(&s, &f), "");
	lg_settings_fini(&s);
}

/* What is offered to a domain is not what decides about it: the last word
 * does, on what the stream is. */
TEST(stream_mechanisms)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = LG_PH_SASL,
		.remote = value_row_domain(9),
		.secure = true,
		.certificate = LG_CERT_VALID,
		.mechanism = LG_MECH_OTHER,
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "bad-mechanism");
	f.mechanism = LG_MECH_NONE;
	CHECK_STR(stream_ask(&d, &s, &f), "bad-mechanism");
	f.mechanism = LG_MECH_EXTERNAL;
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	f.certificate = LG_CERT_EXPIRED; /* not offered, tried all the same */
	CHECK_STR(stream_ask(&d, &s, &f), "certificate-expired");
	f.secure = false;
	f.certificate = LG_CERT_UNKNOWN;
	CHECK_STR(stream_ask(&d, &s, &f), "tls-required");
	lg_settings_fini(&s);
}

/* A peer that calls its SASL mechanism "DIALBACK" does not do dialback. */
TEST(stream_mechanism_by_the_name_of_dialback)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = LG_PH_SASL,
		.remote = value_row_domain(9),
		.secure = true,
		.certificate = LG_CERT_VALID,
		.mechanism = LG_MECH_DIALBACK,
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "bad-mechanism");
	lg_settings_fini(&s);
}

/* "EXTERNAL has failed", on a stream in clear text where it cannot have been
 * tried: no dialback there, where that needs TLS. */
TEST(stream_sasl_failed_in_clear_text)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.direction = LG_OUT,
		.phase = LG_PH_SASL,
		.remote = value_row_domain(7),
		.mechanism = LG_MECH_EXTERNAL,
	};

	REQUIRE(stream_load(&s));
	CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	lg_settings_fini(&s);
}

TEST(stream_answers_nobody_asked_for)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.direction = LG_OUT,
		.phase = LG_PH_DIALBACK,
		.remote = value_row_domain(9),
		.mechanism = LG_MECH_DIALBACK,
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "unsolicited-answer");
	f.asked = true;
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	f.remote = value_row_domain(2); /* the settings changed meanwhile */
	CHECK_STR(stream_ask(&d, &s, &f), "tls-required");
	lg_settings_fini(&s);
}

TEST(stream_unheard_of_phase)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = (enum lg_phase)(LG_PH_STANDING + 1),
		.remote = value_row_domain(9),
	};

	REQUIRE(stream_load(&s));
	CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	CHECK_INT(lg_stream_next(7, LG_SASL_TLS, true,
				 (enum lg_stage)(LG_STAGE_DONE + 1), SB_NOSTR),
		  -1);
	lg_settings_fini(&s);
}

/* Spellings of a domain are one domain. */
TEST(stream_domains)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = LG_PH_FEATURES,
		.remote = SB_STR("ROW9.Example"),
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_words(&s, &f), "starttls dialback");
	f.remote = SB_STR("row9.example.");
	CHECK_STR(stream_words(&s, &f), "starttls dialback");
	f.remote = SB_STR("x.row9.example");
	CHECK_STR(stream_ask(&d, &s, &f), "not-a-partner");
	f.remote = SB_STR("row9.example\0.evil.example");
	CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	f.remote = SB_STR("@");
	CHECK(lg_stream_may(&d, &s, &f) != LG_OK);
	lg_settings_fini(&s);
}

struct limit_case {
	uint32_t all, partner; /* streams there are; limits are 50 and 20 */
	const char *token;
};

static const struct limit_case limits[] = {
	{0, 0, "ok"},
	{49, 19, "ok"},
	{49, 0, "ok"},
	{50, 0, "connection-limit"},
	{51, 19, "connection-limit"},
	{20, 20, "partner-connection-limit"},
	{21, 21, "partner-connection-limit"},
};

static void check_limits(enum lg_phase phase, enum lg_direction direction)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.direction = direction,
		.phase = phase,
		.remote = value_row_domain(9),
		.mechanism = LG_MECH_DIALBACK,
		.asked = true,
	};
	size_t i;

	REQUIRE(stream_load(&s));
	s.gateway.connection_limit = 50;
	CHECK_INT(s.partners.v[0].connection_limit, 20);
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		f.streams = limits[i].all;
		f.partner_streams = limits[i].partner;
		CHECK_STR(stream_ask(&d, &s, &f), limits[i].token);
	}
	lg_settings_fini(&s);
}

TEST(stream_limits_route)
{
	check_limits(LG_PH_ROUTE, LG_OUT);
}

TEST(stream_limits_in)
{
	check_limits(LG_PH_DIALBACK, LG_IN);
	check_limits(LG_PH_AUTHENTICATED, LG_IN);
}

/* Many may be on their way at the same time: none of them counted when it was
 * wanted, so the last word has to. */
TEST(stream_limits_out)
{
	check_limits(LG_PH_AUTHENTICATED, LG_OUT);
}

/* Not authenticated yet: ends when it cannot become so any more. */
TEST(stream_under_way_after_a_change)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = LG_PH_STANDING,
		.remote = value_row_domain(1),
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	CHECK_INT(d.method, -1);
	f.remote = value_row_domain(5);
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	f.secure = true;
	f.certificate = LG_CERT_EXPIRED;
	CHECK_STR(stream_ask(&d, &s, &f), "tls-not-supported");
	f.remote = value_row_domain(1);
	CHECK_STR(stream_ask(&d, &s, &f), "certificate-expired");
	f.remote = value_row_domain(9);
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	f.remote = SB_NOSTR;
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	lg_settings_fini(&s);
}

/* What stands, stands: others do not push it out. */
TEST(stream_limits_standing)
{
	struct lg_stream_decision d;
	struct lg_stream_facts f = {
		.phase = LG_PH_STANDING,
		.remote = value_row_domain(9),
		.authenticated = true,
		.mechanism = LG_MECH_DIALBACK,
		.streams = 999,
		.partner_streams = 19,
	};

	REQUIRE(stream_load(&s));
	CHECK_STR(stream_ask(&d, &s, &f), "ok");
	CHECK_INT(d.method, LG_TCP_DIALBACK);
	lg_settings_fini(&s);
}
