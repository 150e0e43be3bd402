/*
 * stream.c: what may happen on an s2s stream of a partner.
 * SPDX-License-Identifier: MIT
 */
#include "stream.h"

#include "error.h"

const char *const lg_phase_names[] = {
	"route", "features", "legacy",	      "starttls", "certificate",
	"sasl",	 "dialback", "authenticated", "standing", NULL};
const char *const lg_certificate_names[] = {
	"unknown",     "valid",	    "missing",	  "expired", "not-yet",
	"self-signed", "untrusted", "wrong-name", NULL};
const char *const lg_mechanism_names[] = {"none", "external", "dialback",
					  "other", NULL};
const char *const lg_step_names[] = {"none", "starttls", "external",
				     "dialback", NULL};

static bool can(const struct lg_partner *p, enum lg_method m)
{
	return p->methods & 1U << m;
}

static bool can_tls(const struct lg_partner *p)
{
	return can(p, LG_SASL_TLS) || can(p, LG_TLS_DIALBACK);
}

static bool can_tls_dialback(const struct lg_partner *p,
			     enum lg_certificate certificate)
{
	return can(p, LG_TLS_DIALBACK) &&
	       (!p->strict || certificate == LG_CERT_VALID);
}

static int certificate_error(enum lg_certificate certificate)
{
	switch (certificate) {
	case LG_CERT_VALID:
		return LG_OK;
	case LG_CERT_MISSING:
		return LG_ECERTMISSING;
	case LG_CERT_EXPIRED:
		return LG_ECERTEXPIRED;
	case LG_CERT_NOT_YET:
		return LG_ECERTNOTYET;
	case LG_CERT_SELF_SIGNED:
		return LG_ECERTSELF;
	case LG_CERT_WRONG_NAME:
		return LG_ECERTNAME;
	case LG_CERT_UNKNOWN:
	case LG_CERT_UNTRUSTED:
		break;
	}
	return LG_ECERTUNTRUSTED;
}

/* Dialback on what the stream is; *method when it may be. */
static int judge_dialback(int *method, const struct lg_partner *p,
			  const struct lg_stream_facts *f)
{
	if (!f->secure) {
		if (!can(p, LG_TCP_DIALBACK))
			return LG_ETLSREQUIRED;
		*method = LG_TCP_DIALBACK;
		return LG_OK;
	}
	if (can_tls_dialback(p, f->certificate)) {
		*method = LG_TLS_DIALBACK;
		return LG_OK;
	}
	if (can(p, LG_TLS_DIALBACK))
		return certificate_error(f->certificate);
	if (!can(p, LG_SASL_TLS))
		return LG_ENOTLS;
	return p->dialback ? LG_ESASLREQUIRED : LG_ENODIALBACK;
}

static int judge_external(int *method, const struct lg_partner *p,
			  const struct lg_stream_facts *f)
{
	int err;

	if (!can(p, LG_SASL_TLS))
		return LG_ENOSASL;
	if (!f->secure)
		return LG_ETLSREQUIRED;
	err = certificate_error(f->certificate);
	if (!err)
		*method = LG_SASL_TLS;
	return err;
}

static int judge_mechanism(int *method, const struct lg_partner *p,
			   const struct lg_stream_facts *f)
{
	switch (f->mechanism) {
	case LG_MECH_EXTERNAL:
		return judge_external(method, p, f);
	case LG_MECH_DIALBACK:
		return judge_dialback(method, p, f);
	case LG_MECH_NONE:
	case LG_MECH_OTHER:
		break;
	}
	return can(p, LG_SASL_TLS) ? LG_EMECHANISM : LG_ENOSASL;
}

/* TLS is up: is there a method left that this certificate allows? */
static int judge_certificate(const struct lg_partner *p,
			     enum lg_certificate certificate)
{
	if (!can_tls(p))
		return LG_ENOTLS;
	if (can_tls_dialback(p, certificate))
		return LG_OK;
	return certificate_error(certificate);
}

static int judge_limits(const struct lg_settings *s,
			const struct lg_partner *p,
			const struct lg_stream_facts *f)
{
	if (f->partner_streams >= p->connection_limit)
		return LG_EPARTNERLIMIT;
	return f->streams >= s->gateway.connection_limit ? LG_ELIMIT : LG_OK;
}

static unsigned offer_dialback(const struct lg_partner *p,
			       const struct lg_stream_facts *f)
{
	int method;

	return judge_dialback(&method, p, f) ? 0 : LG_OFFER_DIALBACK;
}

static int offer(struct lg_stream_decision *d,
		 const struct lg_stream_facts *f)
{
	const struct lg_partner *p = d->partner;
	int err;

	d->offers = offer_dialback(p, f);
	if (f->authenticated)
		return LG_OK;
	if (!f->secure) {
		if (can_tls(p))
			d->offers |= LG_OFFER_STARTTLS;
		if (!can(p, LG_TCP_DIALBACK))
			d->offers |= LG_OFFER_REQUIRED;
		return LG_OK;
	}
	err = judge_certificate(p, f->certificate);
	if (!err && can(p, LG_SASL_TLS) && f->certificate == LG_CERT_VALID)
		d->offers |= LG_OFFER_EXTERNAL;
	return err;
}

/* The best that is allowed, that is offered, and that is not behind us. */
static int step(struct lg_stream_decision *d, const struct lg_stream_facts *f)
{
	const struct lg_partner *p = d->partner;
	int err;

	if (f->authenticated)
		return LG_OK;
	if (!f->secure) {
		if (f->starttls && can_tls(p) && f->way != LG_TCP_DIALBACK) {
			d->step = LG_STEP_STARTTLS;
			return LG_OK;
		}
		if (f->starttls && f->insists)
			return can_tls(p) ? LG_ETLSFAILED : LG_ENOTLS;
		d->step = LG_STEP_DIALBACK;
		return can(p, LG_TCP_DIALBACK) ? LG_OK : LG_ETLSREQUIRED;
	}
	err = judge_certificate(p, f->certificate);
	if (err)
		return err;
	if (f->external && f->way == LG_SASL_TLS && can(p, LG_SASL_TLS) &&
	    f->certificate == LG_CERT_VALID) {
		d->step = LG_STEP_EXTERNAL;
		return LG_OK;
	}
	d->step = LG_STEP_DIALBACK;
	return can_tls_dialback(p, f->certificate) ? LG_OK : LG_ENOEXTERNAL;
}

static int features(struct lg_stream_decision *d,
		    const struct lg_stream_facts *f)
{
	return f->direction == LG_IN ? offer(d, f) : step(d, f);
}

static int legacy(struct lg_stream_decision *d,
		  const struct lg_stream_facts *f)
{
	int method;

	d->step = LG_STEP_DIALBACK;
	return judge_dialback(&method, d->partner, f) ? LG_EVERSION : LG_OK;
}

static int starttls(const struct lg_partner *p,
		    const struct lg_stream_facts *f)
{
	if (f->authenticated || f->secure)
		return LG_ETLSLATE;
	return can_tls(p) ? LG_OK : LG_ENOTLS;
}

/* <auth/> came, or ours was refused: then dialback on the same stream. */
static int sasl(struct lg_stream_decision *d, const struct lg_settings *s,
		const struct lg_stream_facts *f)
{
	int err, method;

	if (f->direction == LG_OUT) {
		d->step = LG_STEP_DIALBACK;
		return f->secure &&
				       can_tls_dialback(d->partner,
							f->certificate)
			       ? LG_OK
			       : LG_ESASLFAILED;
	}
	if (f->mechanism == LG_MECH_DIALBACK)
		return LG_EMECHANISM;
	err = judge_mechanism(&method, d->partner, f);
	return err ? err : judge_limits(s, d->partner, f);
}

static int dialback(const struct lg_settings *s, const struct lg_partner *p,
		    const struct lg_stream_facts *f)
{
	int err, method;

	if (f->direction == LG_OUT && !f->asked)
		return LG_EUNSOLICITED;
	err = judge_dialback(&method, p, f);
	if (err || f->direction == LG_OUT)
		return err;
	return judge_limits(s, p, f);
}

static int authenticated(struct lg_stream_decision *d,
			 const struct lg_settings *s,
			 const struct lg_stream_facts *f)
{
	int err, method = -1;

	err = judge_mechanism(&method, d->partner, f);
	if (!err)
		err = judge_limits(s, d->partner, f);
	d->method = err ? -1 : method;
	return err;
}

/* A stream of ours has begun on a way that is none any more. */
static int judge_way(const struct lg_partner *p, enum lg_method way)
{
	if (can(p, way))
		return LG_OK;
	switch (way) {
	case LG_SASL_TLS:
		return can_tls(p) ? LG_ENOSASL : LG_ENOTLS;
	case LG_TLS_DIALBACK:
		return can_tls(p) ? LG_ENODIALBACK : LG_ENOTLS;
	case LG_TCP_DIALBACK:
		break;
	}
	return LG_ETLSREQUIRED;
}

/* Does it still hold? Of what is not authenticated yet: can it become so? */
static int standing(struct lg_stream_decision *d,
		    const struct lg_stream_facts *f)
{
	int err, method = -1;

	if (!f->authenticated) {
		if (f->direction == LG_OUT && judge_way(d->partner, f->way))
			return judge_way(d->partner, f->way);
		if (f->secure)
			return judge_certificate(d->partner, f->certificate);
		return LG_OK;
	}
	err = judge_mechanism(&method, d->partner, f);
	d->method = err ? -1 : method;
	return err;
}

/* Of a peer that has not said who it is nothing is known but that it may go
 * on to say it. */
static int nameless(struct lg_stream_decision *d,
		    const struct lg_stream_facts *f)
{
	if (f->direction == LG_OUT ||
	    (f->authenticated && f->phase != LG_PH_STARTTLS))
		return LG_ENOIDENTITY;
	if (f->phase == LG_PH_CERTIFICATE && !f->secure)
		return LG_ETLSREQUIRED;
	if (f->direction == LG_IN && f->phase == LG_PH_FEATURES &&
	    !f->secure) {
		d->offers = LG_OFFER_STARTTLS;
		return LG_OK;
	}
	if (f->direction == LG_IN && !f->authenticated &&
	    (f->phase == LG_PH_FEATURES || f->phase == LG_PH_CERTIFICATE ||
	     f->phase == LG_PH_STANDING))
		return LG_OK;
	if (f->phase == LG_PH_STARTTLS)
		return f->authenticated || f->secure ? LG_ETLSLATE : LG_OK;
	return LG_ENOIDENTITY;
}

static int find(const struct lg_partner **p, const struct lg_settings *s,
		struct sb_str remote, bool own)
{
	if (own)
		return LG_ELOOP;
	*p = lg_partners_find(&s->partners, remote);
	if (!*p)
		return LG_ENOTPARTNER;
	return (*p)->disabled ? LG_EDISABLED : LG_OK;
}

int lg_stream_may(struct lg_stream_decision *d, const struct lg_settings *s,
		  const struct lg_stream_facts *f)
{
	int err;

	*d = (struct lg_stream_decision){.method = -1};
	if (!s->usable)
		return LG_EUNUSABLE;
	if (f->remote.n == 0)
		return nameless(d, f);
	err = find(&d->partner, s, f->remote, f->own);
	if (err)
		return err;
	switch (f->phase) {
	case LG_PH_ROUTE:
		return judge_limits(s, d->partner, f);
	case LG_PH_FEATURES:
		return features(d, f);
	case LG_PH_LEGACY:
		return legacy(d, f);
	case LG_PH_STARTTLS:
		return starttls(d->partner, f);
	case LG_PH_CERTIFICATE:
		/* a stream header behind <starttls/> or <proceed/> looks like
		 * one after TLS */
		return f->secure ? judge_certificate(d->partner,
						     f->certificate)
				 : LG_ETLSREQUIRED;
	case LG_PH_SASL:
		return sasl(d, s, f);
	case LG_PH_DIALBACK:
		return dialback(s, d->partner, f);
	case LG_PH_AUTHENTICATED:
		return authenticated(d, s, f);
	case LG_PH_STANDING:
		return standing(d, f);
	}
	return LG_EINVAL;
}
