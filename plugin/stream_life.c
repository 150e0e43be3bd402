/*
 * stream_life.c: the life of a stream: falling back, keep-alive, stanzas.
 * SPDX-License-Identifier: MIT
 */
#include "stream.h"

#include "error.h"

const char *const lg_stage_names[] = {"connect",  "open",    "tls",
				      "secure",	  "sasl",    "dialback",
				      "refused",  "done",    NULL};
const char *const lg_care_names[] = {"none", "ask", "close", NULL};
const char *const lg_origin_names[] = {"stream", "bounce", "client", "host",
				       "other", NULL};

/* Stream errors that say nothing about how the peer was approached. */
static bool unrelated(struct sb_str condition)
{
	static const char *const conditions[] = {
		"host-unknown",	   "host-gone",
		"system-shutdown", "resource-constraint",
		"see-other-host",  "internal-server-error",
		"reset",	   "connection-timeout",
	};
	size_t i;

	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		if (sb_str_eq(condition, sb_str_of(conditions[i])))
			return true;
	}
	return false;
}

int lg_stream_next(unsigned methods, enum lg_method way, bool secure,
		   enum lg_stage stage, struct sb_str condition)
{
	enum lg_method next;

	if (unrelated(condition))
		return -1;
	switch (stage) {
	case LG_STAGE_CONNECT:
	case LG_STAGE_OPEN:
	case LG_STAGE_REFUSED: /* would be so in clear text as well */
	case LG_STAGE_DONE:
		return -1;
	case LG_STAGE_TLS:
		next = LG_TCP_DIALBACK;
		break;
	case LG_STAGE_SECURE:
	case LG_STAGE_SASL:
		next = way == LG_SASL_TLS && methods & 1U << LG_TLS_DIALBACK
			       ? LG_TLS_DIALBACK
			       : LG_TCP_DIALBACK;
		break;
	case LG_STAGE_DIALBACK:
		if (!secure)
			return -1;
		next = LG_TCP_DIALBACK;
		break;
	default:
		return -1;
	}
	return next > way && methods & 1U << next ? (int)next : -1;
}

enum lg_care lg_stream_care(int *err, const struct lg_gateway *g,
			    const struct lg_partner *p,
			    const struct lg_stream_age *age)
{
	*err = LG_OK;
	if (!age->authenticated)
		*err = age->since >= g->stream_establishment_timeout
			       ? LG_EESTABLISH
			       : LG_OK;
	else if (age->expired)
		*err = LG_ECERTLAPSED;
	else if (p->keep_alive && age->heard >= g->keep_alive_interval)
		*err = LG_EDEAD;
	else if (age->stanza >= g->stream_inactivity_timeout)
		*err = LG_EINACTIVE;
	else if (p->keep_alive &&
		 age->heard >= g->keep_alive_interval -
				       g->keep_alive_interval / 2 &&
		 age->asked >= age->heard)
		return LG_CARE_ASK; /* once in a silence */
	return *err ? LG_CARE_CLOSE : LG_CARE_NONE;
}

int lg_stanza_may(const struct lg_settings *s, const struct lg_stanza_facts *f)
{
	const struct lg_partner *p;

	/* Prosody's own bounces: from nobody's stream, and nothing but
	 * errors. */
	if (f->is_error && (f->origin == LG_ORIGIN_BOUNCE ||
			    f->origin == LG_ORIGIN_HOST))
		return LG_OK;
	if (f->origin == LG_ORIGIN_BOUNCE || f->origin == LG_ORIGIN_OTHER)
		return LG_EBADORIGIN;
	if (f->origin == LG_ORIGIN_STREAM && f->method < 0)
		return LG_EUNMARKED;
	if (!s->usable)
		return LG_EUNUSABLE;
	if (f->own)
		return LG_ELOOP;
	p = lg_partners_find(&s->partners, f->remote);
	if (!p)
		return LG_ENOTPARTNER;
	if (p->disabled)
		return LG_EDISABLED;
	if (f->origin != LG_ORIGIN_STREAM || p->methods & 1U << f->method)
		return LG_OK;
	/* The settings changed under the stream. */
	switch (f->method) {
	case LG_SASL_TLS:
		return p->methods & 1U << LG_TLS_DIALBACK ? LG_ENOSASL
							  : LG_ENOTLS;
	case LG_TLS_DIALBACK:
		if (!(p->methods & 1U << LG_SASL_TLS))
			return LG_ENOTLS;
		return p->dialback ? LG_ESASLREQUIRED : LG_ENODIALBACK;
	default:
		return LG_ETLSREQUIRED;
	}
}
