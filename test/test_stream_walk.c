/*
 * test_stream_walk.c: lg_stream_may for every combination of facts, against an
 * oracle written from docs/streams.md.
 * SPDX-License-Identifier: MIT
 *
 * The oracle collects all reasons against a stream. The answer has to be "ok"
 * when there is none, and one of them otherwise. Where the document leaves it
 * open (facts that cannot be), only what must never happen is checked.
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "../plugin/stream.h"
#include "stream_rig.h"
#include "test.h"

enum {
	SASL = 1U << LG_SASL_TLS,
	TLSDB = 1U << LG_TLS_DIALBACK,
	TCPDB = 1U << LG_TCP_DIALBACK,
	REASONS_MAX = 8,
	COMPLAINTS_MAX = 20,
	NOTE_MAX = 256,
};

static struct lg_settings s;

/* Who is asked about. */
struct subject {
	struct sb_str domain;
	unsigned methods;
	bool dialback; /* as the administrator wrote it */
	bool strict;
	bool disabled;
};

struct verdict {
	bool open; /* the document does not say */
	int reasons[REASONS_MAX];
	size_t n;
	unsigned offers;
	enum lg_step step;
	int method;
};

static void because(struct verdict *v, bool so, int err)
{
	if (so)
		v->reasons[v->n++] = err;
}

static void because_certificate(struct verdict *v, bool so,
				enum lg_certificate certificate)
{
	static const int errs[] = {
		[LG_CERT_UNKNOWN] = LG_ECERTUNTRUSTED,
		[LG_CERT_MISSING] = LG_ECERTMISSING,
		[LG_CERT_EXPIRED] = LG_ECERTEXPIRED,
		[LG_CERT_NOT_YET] = LG_ECERTNOTYET,
		[LG_CERT_SELF_SIGNED] = LG_ECERTSELF,
		[LG_CERT_UNTRUSTED] = LG_ECERTUNTRUSTED,
		[LG_CERT_WRONG_NAME] = LG_ECERTNAME,
	};

	because(v, so && certificate != LG_CERT_VALID, errs[certificate]);
}

static bool good(const struct lg_stream_facts *f)
{
	return f->certificate == LG_CERT_VALID;
}

/* "s2s_secure_auth = true: tls-dialback needs a good certificate" */
static bool may_tlsdb(const struct subject *p, unsigned methods,
		      const struct lg_stream_facts *f)
{
	return methods & TLSDB && (good(f) || !p->strict);
}

static void key(struct verdict *v, const struct subject *p,
		const struct lg_stream_facts *f)
{
	if (!f->secure) {
		because(v, !(p->methods & TCPDB), LG_ETLSREQUIRED);
		return;
	}
	because(v, !(p->methods & (SASL | TLSDB)), LG_ENOTLS);
	if (p->methods & TLSDB) {
		because_certificate(v, p->strict, f->certificate);
		return;
	}
	because(v, p->methods & SASL,
		p->dialback ? LG_ESASLREQUIRED : LG_ENODIALBACK);
	because_certificate(v, p->methods & SASL, f->certificate);
}

/* "EXTERNAL is used, either way, only with a good certificate" */
static void external(struct verdict *v, const struct subject *p,
		     const struct lg_stream_facts *f)
{
	because(v, f->mechanism != LG_MECH_EXTERNAL, LG_EMECHANISM);
	because(v, !(p->methods & SASL), LG_ENOSASL);
	because(v, !f->secure, LG_ETLSREQUIRED);
	because(v, f->secure && !(p->methods & (SASL | TLSDB)), LG_ENOTLS);
	because_certificate(v, f->secure, f->certificate);
}

/* "Where the allowed methods leave nothing but sasl-tls, a bad certificate
 * ends the stream at once" */
static void certificate(struct verdict *v, const struct subject *p,
			const struct lg_stream_facts *f)
{
	because(v, !(p->methods & (SASL | TLSDB)), LG_ENOTLS);
	because_certificate(v,
			    p->methods & (SASL | TLSDB) &&
				    !may_tlsdb(p, p->methods, f),
			    f->certificate);
}

static void offers(struct verdict *v, const struct subject *p,
		   const struct lg_stream_facts *f)
{
	bool dialback = f->secure ? may_tlsdb(p, p->methods, f)
				  : p->methods & TCPDB;

	if (dialback)
		v->offers |= LG_OFFER_DIALBACK;
	if (f->authenticated) {
		v->open = !f->secure && !(p->methods & TCPDB);
		return;
	}
	if (f->secure) {
		certificate(v, p, f);
		if (p->methods & SASL && good(f))
			v->offers |= LG_OFFER_EXTERNAL;
		return;
	}
	v->open = !p->methods;
	if (p->methods & (SASL | TLSDB))
		v->offers |= LG_OFFER_STARTTLS;
	if (p->methods & (SASL | TLSDB) && !(p->methods & TCPDB))
		v->offers |= LG_OFFER_REQUIRED;
}

static void step(struct verdict *v, const struct subject *p,
		 const struct lg_stream_facts *f)
{
	unsigned ways = p->methods & (7U << f->way);

	if (f->authenticated)
		return;
	v->open = !(p->methods & 1U << f->way) ||
		  (f->secure && f->way == LG_TCP_DIALBACK);
	if (!f->secure) {
		if (f->starttls && ways & (SASL | TLSDB))
			v->step = LG_STEP_STARTTLS;
		else if (ways & TCPDB)
			v->step = LG_STEP_DIALBACK;
		else
			because(v, true, LG_ETLSREQUIRED);
		return;
	}
	if (f->external && ways & SASL && good(f))
		v->step = LG_STEP_EXTERNAL;
	else if (may_tlsdb(p, ways, f))
		v->step = LG_STEP_DIALBACK;
	else {
		because(v, !f->external && ways & SASL, LG_ENOEXTERNAL);
		because_certificate(v, ways & (SASL | TLSDB), f->certificate);
		because(v, !(p->methods & (SASL | TLSDB)), LG_ENOTLS);
	}
}

static void last_word(struct verdict *v, const struct subject *p,
		      const struct lg_stream_facts *f)
{
	if (f->mechanism == LG_MECH_DIALBACK) {
		key(v, p, f);
		v->method = f->secure ? LG_TLS_DIALBACK : LG_TCP_DIALBACK;
		return;
	}
	external(v, p, f);
	v->method = LG_SASL_TLS;
}

static void judge_in(struct verdict *v, const struct subject *p,
		     const struct lg_stream_facts *f)
{
	switch (f->phase) {
	case LG_PH_FEATURES:
		offers(v, p, f);
		break;
	case LG_PH_STARTTLS:
		v->open = f->secure;
		because(v, f->authenticated, LG_ETLSLATE);
		because(v, !(p->methods & (SASL | TLSDB)), LG_ENOTLS);
		break;
	case LG_PH_CERTIFICATE:
		v->open = !f->secure || f->authenticated;
		certificate(v, p, f);
		break;
	case LG_PH_SASL:
		v->open = f->authenticated || f->mechanism == LG_MECH_DIALBACK;
		external(v, p, f);
		break;
	case LG_PH_DIALBACK:
		key(v, p, f);
		break;
	case LG_PH_AUTHENTICATED:
		last_word(v, p, f);
		break;
	case LG_PH_STANDING:
		v->open = !f->authenticated;
		last_word(v, p, f);
		break;
	case LG_PH_ROUTE: /* is out only */
	case LG_PH_LEGACY:
	default:
		v->open = true;
	}
}

static void judge_out(struct verdict *v, const struct subject *p,
		      const struct lg_stream_facts *f)
{
	switch (f->phase) {
	case LG_PH_ROUTE:
		v->open = !p->methods;
		break;
	case LG_PH_FEATURES:
		step(v, p, f);
		break;
	case LG_PH_LEGACY:
		v->open = f->secure || f->authenticated;
		v->step = LG_STEP_DIALBACK;
		because(v, !(p->methods & TCPDB), LG_EVERSION);
		break;
	case LG_PH_CERTIFICATE:
		v->open = !f->secure || f->authenticated ||
			  !(p->methods & 1U << f->way) ||
			  f->way == LG_TCP_DIALBACK;
		certificate(v, p, f);
		break;
	case LG_PH_SASL: /* EXTERNAL was tried, so that it may be */
		v->open = !f->secure || !good(f) || !(p->methods & SASL) ||
			  f->mechanism != LG_MECH_EXTERNAL;
		because(v, !(p->methods & TLSDB), LG_ESASLFAILED);
		break;
	case LG_PH_DIALBACK:
		because(v, !f->asked, LG_EUNSOLICITED);
		key(v, p, f);
		break;
	case LG_PH_STARTTLS: /* is in only */
		v->open = true;
		break;
	case LG_PH_AUTHENTICATED:
	case LG_PH_STANDING:
	default:
		judge_in(v, p, f);
	}
}

static struct verdict judge(const struct subject *p,
			    const struct lg_stream_facts *f)
{
	struct verdict v = {.method = -1};

	if (p->disabled) {
		because(&v, true, LG_EDISABLED);
		return v;
	}
	if (f->direction == LG_IN)
		judge_in(&v, p, f);
	else
		judge_out(&v, p, f);
	/* No row and no option of Prosody leaves these two. */
	if (p->methods == (SASL | TCPDB))
		v.open = true;
	return v;
}

/* What must never be, whatever the facts. NULL: it is not. */
static const char *never(const struct subject *p,
			 const struct lg_stream_facts *f, int err,
			 const struct lg_stream_decision *d)
{
	unsigned m = p->disabled ? 0 : p->methods;

	if (p->disabled && err != LG_EDISABLED)
		return "a disabled partner";
	if (err)
		return d->method >= 0 ? "a refusal with a method" : NULL;
	if (d->offers & LG_OFFER_EXTERNAL &&
	    !(f->secure && m & SASL && good(f) && !f->authenticated))
		return "EXTERNAL is offered";
	if (d->offers & LG_OFFER_STARTTLS &&
	    (f->secure || f->authenticated || !(m & (SASL | TLSDB))))
		return "STARTTLS is offered";
	if (d->offers & LG_OFFER_DIALBACK &&
	    !(f->secure ? may_tlsdb(p, m, f) : m & TCPDB))
		return "dialback is offered";
	if (d->step == LG_STEP_EXTERNAL &&
	    !(f->secure && m & SASL && good(f) && f->external))
		return "EXTERNAL is tried";
	if (d->step == LG_STEP_DIALBACK &&
	    !(f->secure ? may_tlsdb(p, m, f) : m & TCPDB))
		return "dialback is tried";
	if ((f->phase == LG_PH_AUTHENTICATED ||
	     (f->phase == LG_PH_STANDING && f->authenticated)) &&
	    d->method < 0)
		return "authenticated by nothing";
	if (d->method >= 0 && !(m & 1U << d->method))
		return "authenticated by a method that is not allowed";
	if (d->method == LG_SASL_TLS &&
	    !(good(f) && f->secure && f->mechanism == LG_MECH_EXTERNAL))
		return "sasl-tls it is not";
	if (d->method >= 0 && d->method != LG_SASL_TLS &&
	    f->mechanism != LG_MECH_DIALBACK)
		return "dialback it is not";
	return NULL;
}

static bool as_judged(const struct verdict *v,
		      const struct lg_stream_facts *f, int err,
		      const struct lg_stream_decision *d)
{
	size_t i;

	if (v->open)
		return true;
	for (i = 0; i < v->n; i++) {
		if (err == v->reasons[i])
			return true;
	}
	if (v->n > 0 || err)
		return false;
	if (f->phase == LG_PH_FEATURES || f->phase == LG_PH_LEGACY)
		return f->direction == LG_IN ? d->offers == v->offers
					     : d->step == v->step;
	return f->phase < LG_PH_AUTHENTICATED || d->method == v->method;
}

static size_t asked, complaints;

static void complain(const struct subject *p, const struct lg_stream_facts *f,
		     const char *what, int err,
		     const struct lg_stream_decision *d,
		     const struct verdict *v)
{
	char note[NOTE_MAX];

	complaints++;
	snprintf(note, sizeof(note),
		 "%.*s methods=%u dialback=%d strict=%d %s %s secure=%d "
		 "certificate=%s mechanism=%s authenticated=%d way=%s "
		 "starttls=%d external=%d asked=%d: offers=%u step=%s "
		 "method=%d",
		 SB_FMT(p->domain), p->methods, p->dialback, p->strict,
		 lg_direction_names[f->direction], lg_phase_names[f->phase],
		 f->secure, lg_certificate_names[f->certificate],
		 lg_mechanism_names[f->mechanism], f->authenticated,
		 lg_method_names[f->way], f->starttls, f->external, f->asked,
		 d->offers, lg_step_names[d->step], d->method);
	test_note(note);
	CHECK_STR(err ? lg_err_name(err) : "ok",
		  what ? what : v->n ? lg_err_name(v->reasons[0]) : "ok");
	test_note(NULL);
}

static void ask(const struct subject *p, struct lg_stream_facts *f)
{
	struct lg_stream_decision d;
	struct verdict v;
	const char *bad;
	int err;

	if (complaints >= COMPLAINTS_MAX)
		return;
	/* EXTERNAL is never tried in clear text; test_stream.c has it. */
	if (f->direction == LG_OUT && f->phase == LG_PH_SASL && !f->secure)
		return;
	asked++;
	f->remote = p->domain;
	err = lg_stream_may(&d, &s, f);
	bad = never(p, f, err, &d);
	v = judge(p, f);
	if (bad || !as_judged(&v, f, err, &d))
		complain(p, f, bad, err, &d, &v);
}

/* The bits of n are the facts that only a stream of ours has. */
static void ask_out(const struct subject *p, struct lg_stream_facts *f)
{
	unsigned n;
	int way;

	for (way = 0; way < LG_METHODS_MAX; way++) {
		for (n = 0; n < 8; n++) {
			f->way = (enum lg_method)way;
			f->starttls = n & 1;
			f->external = n & 2;
			f->asked = n & 4;
			ask(p, f);
		}
	}
}

static void ask_phase(const struct subject *p, enum lg_direction direction,
		      enum lg_phase phase)
{
	struct lg_stream_facts f = {.direction = direction, .phase = phase};
	int c, m;
	unsigned n;

	for (c = 0; c <= LG_CERT_WRONG_NAME; c++) {
		for (m = 0; m <= LG_MECH_OTHER; m++) {
			for (n = 0; n < 4; n++) {
				f.certificate = (enum lg_certificate)c;
				f.mechanism = (enum lg_mechanism)m;
				f.secure = n & 1;
				f.authenticated = n & 2;
				if (direction == LG_IN)
					ask(p, &f);
				else
					ask_out(p, &f);
			}
		}
	}
}

static void ask_all(const struct subject *p)
{
	int phase;

	for (phase = LG_PH_ROUTE; phase <= LG_PH_STANDING; phase++) {
		ask_phase(p, LG_IN, (enum lg_phase)phase);
		ask_phase(p, LG_OUT, (enum lg_phase)phase);
	}
}

/* Column "allowed" of docs/streams.md. */
static const unsigned allowed[LG_ROWS] = {
	SASL,
	SASL,
	SASL | TLSDB | TCPDB,
	SASL,
	TCPDB,
	0,
	SASL | TLSDB,
	SASL,
	SASL | TLSDB | TCPDB,
	SASL,
	TCPDB,
	0,
	TLSDB,
	0,
	TLSDB | TCPDB,
	0,
	TCPDB,
	0,
};

TEST(stream_walk_rows)
{
	int row;

	asked = complaints = 0;
	REQUIRE(stream_load(&s));
	for (row = 1; row <= LG_ROWS; row++) {
		ask_all(&(struct subject){
			.domain = value_row_domain(row),
			.methods = allowed[row - 1],
			.dialback = value_row_dialback(row),
			.disabled = !allowed[row - 1],
		});
	}
	CHECK(complaints || asked > 400000);
	lg_settings_fini(&s);
}

/* What Prosody's own options may leave of them, and more. */
TEST(stream_walk_sets)
{
	struct lg_partner *p;
	unsigned n;

	asked = complaints = 0;
	REQUIRE(stream_load(&s));
	p = &s.partners.v[0];
	for (n = 0; n < 32; n++) {
		p->methods = n & 7;
		p->strict = n & 8;
		p->dialback = n & 16;
		ask_all(&(struct subject){
			.domain = p->domain,
			.methods = p->methods,
			.strict = p->strict,
			.dialback = p->dialback,
		});
	}
	CHECK(complaints || asked > 700000);
	lg_settings_fini(&s);
}
