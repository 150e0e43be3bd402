/*
 * test_stream_peers.c: streams from the first step to the last, with every
 * kind of peer.
 * SPDX-License-Identifier: MIT
 *
 * We connect: step by step as lg_stream_may says, on a new stream where
 * lg_stream_next says so. The end has to be the best method that the row
 * allows and the peer can do, or none. A peer connects: whatever it tries, it
 * gets in by the allowed methods only.
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "../plugin/stream.h"
#include "stream_rig.h"
#include "test.h"

enum { STREAMS_MAX = 4, NONE = -1, NOTE_MAX = 160 };

static struct lg_settings s;

struct peer {
	bool version;  /* it speaks XMPP 1.0 */
	bool starttls; /* it offers STARTTLS, */
	bool tls;      /* and the handshake succeeds */
	bool external; /* it offers EXTERNAL over TLS, */
	bool welcome;  /* and lets us in with it */
	bool tls_key;  /* it takes our key over TLS, */
	bool tcp_key;  /* in clear text */
	bool good;     /* its certificate is */
};

enum { PEERS = 1 << 8 };

static struct peer peer_of(unsigned bits)
{
	return (struct peer){
		.version = bits & 1,
		.starttls = bits & 2,
		.tls = bits & 4,
		.external = bits & 8,
		.welcome = bits & 16,
		.tls_key = bits & 32,
		.tcp_key = bits & 64,
		.good = bits & 128,
	};
}

static bool can(const struct peer *p, enum lg_method method)
{
	bool tls = p->version && p->starttls && p->tls;

	switch (method) {
	case LG_SASL_TLS:
		return tls && p->good && p->external && p->welcome;
	case LG_TLS_DIALBACK:
		return tls && p->tls_key;
	case LG_TCP_DIALBACK:
	default:
		return p->tcp_key;
	}
}

/* What must come out. */
static int best(unsigned methods, const struct peer *p)
{
	int m;

	for (m = 0; m < LG_METHODS_MAX; m++) {
		if (methods & 1U << m && can(p, (enum lg_method)m))
			return m;
	}
	return NONE;
}

/* One stream of ours: the method that authenticated it, or NONE and how far
 * it came. */
struct attempt {
	const struct peer *peer;
	struct lg_stream_facts f;
	enum lg_stage stage;
};

static bool may(struct attempt *a, struct lg_stream_decision *d,
		enum lg_phase phase)
{
	a->f.phase = phase;
	return lg_stream_may(d, &s, &a->f) == LG_OK;
}

static int done(struct attempt *a, enum lg_mechanism mechanism)
{
	struct lg_stream_decision d;

	a->f.mechanism = mechanism;
	if (!may(a, &d, LG_PH_AUTHENTICATED))
		return NONE;
	a->stage = LG_STAGE_DONE;
	return d.method;
}

static int try_dialback(struct attempt *a)
{
	struct lg_stream_decision d;

	a->stage = LG_STAGE_DIALBACK;
	a->f.asked = true;
	a->f.mechanism = LG_MECH_DIALBACK;
	if (!(a->f.secure ? a->peer->tls_key : a->peer->tcp_key))
		return NONE;
	return may(a, &d, LG_PH_DIALBACK) ? done(a, LG_MECH_DIALBACK) : NONE;
}

static int try_external(struct attempt *a)
{
	struct lg_stream_decision d;

	a->stage = LG_STAGE_SASL;
	a->f.mechanism = LG_MECH_EXTERNAL;
	if (a->peer->welcome)
		return done(a, LG_MECH_EXTERNAL);
	/* Refused: dialback on the same stream, or the end of it. */
	return may(a, &d, LG_PH_SASL) ? try_dialback(a) : NONE;
}

static int try_tls(struct attempt *a)
{
	struct lg_stream_decision d;

	a->stage = LG_STAGE_TLS;
	if (!a->peer->tls)
		return NONE;
	a->stage = LG_STAGE_SECURE;
	a->f.secure = true;
	a->f.starttls = false;
	a->f.external = a->peer->external;
	a->f.certificate = a->peer->good ? LG_CERT_VALID : LG_CERT_EXPIRED;
	if (!may(a, &d, LG_PH_CERTIFICATE) || !may(a, &d, LG_PH_FEATURES))
		return NONE;
	switch (d.step) {
	case LG_STEP_EXTERNAL:
		return try_external(a);
	case LG_STEP_DIALBACK:
		return try_dialback(a);
	case LG_STEP_NONE:
	case LG_STEP_STARTTLS:
		break;
	}
	CHECK(!"a step that leads nowhere");
	return NONE;
}

static int try_stream(struct attempt *a)
{
	struct lg_stream_decision d;

	a->stage = LG_STAGE_OPEN;
	a->f.starttls = a->peer->version && a->peer->starttls;
	if (!may(a, &d, a->peer->version ? LG_PH_FEATURES : LG_PH_LEGACY))
		return NONE;
	switch (d.step) {
	case LG_STEP_STARTTLS:
		return try_tls(a);
	case LG_STEP_DIALBACK:
		return try_dialback(a);
	case LG_STEP_NONE:
	case LG_STEP_EXTERNAL:
		break;
	}
	CHECK(!"a step that leads nowhere");
	return NONE;
}

/* As many streams as it takes. */
static int connect_to(int row, const struct peer *peer, unsigned methods)
{
	int way = LG_SASL_TLS, method, i;
	struct lg_stream_decision d;
	struct attempt a;

	while (way < LG_TCP_DIALBACK && !(methods & 1U << way))
		way++;
	for (i = 0; i < STREAMS_MAX; i++) {
		a = (struct attempt){
			.peer = peer,
			.f = {.direction = LG_OUT,
			      .remote = value_row_domain(row),
			      .way = (enum lg_method)way},
		};
		if (!may(&a, &d, LG_PH_ROUTE))
			return NONE;
		method = try_stream(&a);
		if (method != NONE)
			return method;
		way = lg_stream_next(methods, a.f.way, a.f.secure, a.stage,
				     SB_NOSTR);
		if (way < 0)
			return NONE;
		CHECK(way > (int)a.f.way && methods & 1U << way);
	}
	CHECK(!"it never ends");
	return NONE;
}

static void note(int row, unsigned bits)
{
	static char text[NOTE_MAX];
	struct peer p = peer_of(bits);

	snprintf(text, sizeof(text),
		 "row %d version=%d starttls=%d tls=%d external=%d "
		 "welcome=%d tls_key=%d tcp_key=%d good=%d",
		 row, p.version, p.starttls, p.tls, p.external, p.welcome,
		 p.tls_key, p.tcp_key, p.good);
	test_note(text);
}

TEST(stream_peers_we_connect_to)
{
	unsigned bits, methods;
	struct peer p;
	int row;

	REQUIRE(stream_load(&s));
	for (row = 1; row <= LG_ROWS; row++) {
		methods = lg_partners_find(&s.partners,
					   value_row_domain(row))->methods;
		for (bits = 0; bits < PEERS; bits++) {
			p = peer_of(bits);
			note(row, bits);
			CHECK_INT(connect_to(row, &p, methods),
				  best(methods, &p));
		}
	}
	lg_settings_fini(&s);
}

/* A peer that follows the offers, and one that tries the method whatever it
 * was offered. */
static int let_in(int row, enum lg_method method, bool good, bool obedient)
{
	struct lg_stream_decision d;
	struct attempt a = {.f = {.remote = value_row_domain(row)}};
	bool key = method != LG_SASL_TLS;
	unsigned offer = key ? LG_OFFER_DIALBACK : LG_OFFER_EXTERNAL;

	if (!may(&a, &d, LG_PH_FEATURES))
		return NONE;
	if (method != LG_TCP_DIALBACK) {
		if ((obedient && !(d.offers & LG_OFFER_STARTTLS)) ||
		    !may(&a, &d, LG_PH_STARTTLS))
			return NONE;
		a.f.secure = true;
		a.f.certificate = good ? LG_CERT_VALID : LG_CERT_UNTRUSTED;
		if (!may(&a, &d, LG_PH_CERTIFICATE) ||
		    !may(&a, &d, LG_PH_FEATURES))
			return NONE;
	}
	if (obedient && !(d.offers & offer))
		return NONE;
	a.f.mechanism = key ? LG_MECH_DIALBACK : LG_MECH_EXTERNAL;
	if (!may(&a, &d, key ? LG_PH_DIALBACK : LG_PH_SASL))
		return NONE;
	return done(&a, a.f.mechanism);
}

TEST(stream_peers_that_connect)
{
	static const unsigned allowed[LG_ROWS] = {1, 1, 7, 1, 4, 0, 3, 1, 7,
						  1, 4, 0, 2, 0, 6, 0, 4, 0};
	int row, m, want, n;
	bool good;

	REQUIRE(stream_load(&s));
	for (row = 1; row <= LG_ROWS; row++) {
		for (m = 0; m < LG_METHODS_MAX; m++) {
			for (n = 0; n < 4; n++) {
				good = n & 1;
				want = allowed[row - 1] & 1U << m ? m : NONE;
				if (m == LG_SASL_TLS && !good)
					want = NONE;
				stream_note_row(row);
				CHECK_INT(let_in(row, (enum lg_method)m, good,
						 n & 2), want);
			}
		}
	}
	lg_settings_fini(&s);
}
