/*
 * policy.c: what a decision about a partner costs, with 10,000 of them.
 * SPDX-License-Identifier: MIT
 *
 * Each call asks about another one of 1024 domains, picked at random: as many
 * as the default connection_limit lets talk at the same time. policy_ns is the
 * most expensive ordinary decision: a partner that is on the list, in ASCII and
 * lower case. policy_ns_one asks about the same domain again and again,
 * policy_ns_cold about so many that the caches do not hold what is known of
 * them: the machine's memory is measured more than anything. Status 1 when
 * anything was allocated.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "../plugin/domain.h"
#include "../plugin/stream.h"
#include "../test/value_rig.h"
#include "bench.h"

enum {
	PARTNERS = 10000,
	NAMES = 1024, /* asked about in turn; a power of two */
	COLD = 16384, /* the same */
	TEXT = 160,
	GRANTS = 1000,
};

#define HOST "contoso.com"

struct name {
	struct sb_str domain;
	struct sb_str jid;
	const struct lg_partner *partner;
	enum lg_method best; /* of the partner's methods */
};

struct world {
	struct lg_settings s;
	struct lg_arena arena;
	struct name *known; /* ASCII, lower case */
	struct name *upper; /* ASCII, upper case */
	struct name *idn;   /* U-labels */
	struct name *xn;    /* the same as A-labels */
	struct name *cold;  /* COLD of them, as known */
	struct name *unknown, *unknown_idn;
	struct name *disabled;
};

/* What partner i is. */
static int row_of(size_t i)
{
	return (int)(i / 8 % LG_ROWS) + 1;
}

static bool idn_of(size_t i)
{
	return i % 8 == 0;
}

static bool valid_of(size_t i)
{
	int row = row_of(i);

	return lg_negotiation(value_row_tls(row), value_row_sasl(row),
			      value_row_dialback(row))->valid;
}

/* Domain k of partner i; 0 is its primary one. */
static const char *domain_of(struct lg_arena *a, size_t i, size_t k)
{
	static const char *const prefixes[] = {"", "na.", "emea.", "im.apac."};

	return lg_arena_printf(a, "%s%s-%05zu.example", prefixes[k % 4],
			       idn_of(i) ? "b\xc3\xbc" "cher" : "partner", i);
}

static struct lg_value partners(struct lg_arena *a)
{
	struct lg_value all = value_table(a, PARTNERS), p, list;
	size_t i, k;

	for (i = 0; i < PARTNERS; i++) {
		p = value_partner(a, row_of(i));
		list = value_table(a, 3);
		for (k = 1; k <= 3; k++)
			value_add(&list, value_text(domain_of(a, i, k)));
		value_put(&p, "additional_domains", list);
		value_put(&all, domain_of(a, i, 0), value_done(p));
	}
	return value_done(all);
}

static struct lg_value policies(struct lg_arena *a)
{
	struct lg_value all = value_table(a, 2), yes = value_table(a, 1);

	value_put(&yes, "enable_xmpp_access", value_bool(true));
	value_put(&all, "global", yes);
	value_put(&all, "SalesAccessPolicy", yes);
	return value_done(all);
}

static struct lg_value grants(struct lg_arena *a)
{
	struct lg_value all = value_table(a, GRANTS);
	size_t i;

	for (i = 0; i < GRANTS; i++)
		value_put(&all, lg_arena_printf(a, "user%zu@" HOST, i),
			  value_text("SalesAccessPolicy"));
	return value_done(all);
}

static bool load(struct world *w)
{
	struct lg_arena a = {0};
	struct lg_value o = value_options(&a, partners(&a));
	int err;

	value_put(&o, "lync_access_policies", policies(&a));
	value_put(&o, "lync_policy_grants", grants(&a));
	o = value_done(o);
	err = lg_settings_load(&w->s, SB_STR(HOST), &o);
	lg_arena_fini(&a);
	return !err && w->s.usable && w->s.partners.n == PARTNERS;
}

static void name_set(struct world *w, struct name *to, struct sb_str domain)
{
	const struct lg_partner *p = lg_partners_find(&w->s.partners, domain);

	to->jid = sb_str_of(lg_arena_printf(&w->arena, "ada.byron@%.*s/desk",
					    SB_FMT(domain)));
	/* "ada.byron@" has ten bytes. */
	to->domain = (struct sb_str){to->jid.p + 10, domain.n};
	to->partner = p;
	to->best = p && !p->disabled ? p->row->methods[0] : LG_SASL_TLS;
}

enum spelling { LOWER, UPPER, A_LABELS, FOREIGN };

/* A domain that a partner has (or with FOREIGN nobody). */
static void pick(struct world *w, struct name *to, bool idn, bool valid,
		 enum spelling how)
{
	char text[TEXT], ascii[LG_DOMAIN_MAX];
	struct sb_str domain;
	size_t i, n;

	do {
		i = bench_random() % PARTNERS;
	} while (idn_of(i) != idn || valid_of(i) != valid);
	n = (size_t)snprintf(text, sizeof(text), "%s",
			     domain_of(&w->arena, i, bench_random() % 4));
	if (how == FOREIGN)
		text[n - 1] = 'x'; /* .examplx */
	for (i = 0; how == UPPER && i < n; i++)
		text[i] = (char)toupper((unsigned char)text[i]);
	domain = (struct sb_str){text, n};
	if (how == A_LABELS && lg_domain_ascii(&domain, ascii, domain))
		abort();
	name_set(w, to, domain);
}

static struct name *pick_all(struct world *w, size_t n, bool idn, bool valid,
			     enum spelling how)
{
	struct name *v = lg_arena_array(&w->arena, n, sizeof(v[0]));
	size_t i;

	for (i = 0; v && i < n; i++)
		pick(w, &v[i], idn, valid, how);
	return v;
}

static bool names(struct world *w)
{
	w->known = pick_all(w, NAMES, false, true, LOWER);
	w->upper = pick_all(w, NAMES, false, true, UPPER);
	w->idn = pick_all(w, NAMES, true, true, LOWER);
	w->xn = pick_all(w, NAMES, true, true, A_LABELS);
	w->cold = pick_all(w, COLD, false, true, LOWER);
	w->unknown = pick_all(w, NAMES, false, true, FOREIGN);
	w->unknown_idn = pick_all(w, NAMES, true, true, FOREIGN);
	w->disabled = pick_all(w, NAMES, false, false, LOWER);
	return w->known && w->upper && w->idn && w->xn && w->cold &&
	       w->unknown && w->unknown_idn && w->disabled;
}

/* A stream of that domain by its best method. */
static struct lg_stream_facts facts_of(const struct name *d,
				       enum lg_phase phase,
				       enum lg_direction direction)
{
	return (struct lg_stream_facts){
		.direction = direction,
		.phase = phase,
		.remote = d->domain,
		.secure = d->best != LG_TCP_DIALBACK &&
			  phase != LG_PH_STARTTLS && phase != LG_PH_LEGACY,
		.authenticated = phase == LG_PH_STANDING,
		.asked = true,
		.starttls = true,
		.external = true,
		.certificate = d->best == LG_SASL_TLS ? LG_CERT_VALID
						      : LG_CERT_SELF_SIGNED,
		.mechanism = d->best == LG_SASL_TLS ? LG_MECH_EXTERNAL
						    : LG_MECH_DIALBACK,
		.way = LG_SASL_TLS,
		.streams = 200,
		.partner_streams = 1,
	};
}

static int may(const struct world *w, const struct name *n,
	       enum lg_phase phase, enum lg_direction direction)
{
	struct lg_stream_facts f = facts_of(n, phase, direction);
	struct lg_stream_decision d;
	int err = lg_stream_may(&d, &w->s, &f);

	return err + (int)d.offers + (int)d.step;
}

static int stanza(const struct world *w, const struct name *d)
{
	return lg_stanza_may(&w->s, &(struct lg_stanza_facts){
					    .origin = LG_ORIGIN_STREAM,
					    .remote = d->domain,
					    .method = (int)d->best,
				    });
}

static int message(const struct world *w, const struct name *d,
		   enum lg_direction direction)
{
	struct lg_decision decision;

	return lg_may(&decision, &w->s,
		      &(struct lg_facts){
			      .direction = direction,
			      .kind = LG_MESSAGE,
			      .contact = d->jid,
			      .user = SB_STR("user77@" HOST),
		      });
}

static int next(const struct name *d, size_t i)
{
	return lg_stream_next(d->partner->methods, d->best,
			      d->best != LG_TCP_DIALBACK,
			      (enum lg_stage)(i % (LG_STAGE_DONE + 1)),
			      SB_STR("undefined-condition"));
}

static int care(const struct world *w, const struct name *d, size_t i)
{
	const struct lg_stream_age age = {
		.authenticated = true,
		.since = 5000,
		.stanza = (uint32_t)(i % 599),
		.heard = (uint32_t)(i % 299),
		.asked = LG_NEVER,
	};
	int err = LG_OK;

	return (int)lg_stream_care(&err, &w->s.gateway, d->partner, &age) +
	       err;
}

#define LOOP(id, call)                                         \
	static unsigned loop_##id(const void *world, size_t n) \
	{                                                      \
		const struct world *w = world;                 \
		unsigned sum = 0;                              \
		size_t i;                                      \
		for (i = 0; i < n; i++)                        \
			sum += (unsigned)(call);               \
		return sum;                                    \
	}

#define ONE_OF(names) (&w->names[i & (NAMES - 1)])
#define KNOWN ONE_OF(known)
#define EITHER (i & 1 ? LG_OUT : LG_IN)
#define LAST LG_PH_AUTHENTICATED

LOOP(route, may(w, KNOWN, LG_PH_ROUTE, LG_OUT))
LOOP(features, may(w, KNOWN, LG_PH_FEATURES, EITHER))
LOOP(legacy, may(w, KNOWN, LG_PH_LEGACY, LG_OUT))
LOOP(starttls, may(w, KNOWN, LG_PH_STARTTLS, LG_IN))
LOOP(certificate, may(w, KNOWN, LG_PH_CERTIFICATE, EITHER))
LOOP(sasl, may(w, KNOWN, LG_PH_SASL, EITHER))
LOOP(dialback, may(w, KNOWN, LG_PH_DIALBACK, EITHER))
LOOP(authenticated, may(w, KNOWN, LAST, EITHER))
LOOP(standing, may(w, KNOWN, LG_PH_STANDING, EITHER))
LOOP(stanza, stanza(w, KNOWN))
LOOP(message, message(w, KNOWN, EITHER))
LOOP(next, next(KNOWN, i))
LOOP(care, care(w, KNOWN, i))
LOOP(one, may(w, &w->known[0], LAST, EITHER))
LOOP(cold, may(w, &w->cold[i & (COLD - 1)], LAST, EITHER))
LOOP(upper, may(w, ONE_OF(upper), LAST, EITHER))
LOOP(idn, may(w, ONE_OF(idn), LAST, EITHER))
LOOP(xn, may(w, ONE_OF(xn), LAST, EITHER))
LOOP(disabled, may(w, ONE_OF(disabled), LAST, EITHER))
LOOP(unknown, may(w, ONE_OF(unknown), LAST, EITHER))
LOOP(unknown_idn, may(w, ONE_OF(unknown_idn), LAST, EITHER))

#define CASE(id) {.key = "policy_ns_" #id, .run = loop_##id}

/* The first ORDINARY ones are what policy_ns is the most expensive of. */
enum { ORDINARY = 13 };
static struct bench_case cases[] = {
	CASE(route),	     CASE(features), CASE(legacy),   CASE(starttls),
	CASE(certificate),   CASE(sasl),     CASE(dialback),
	CASE(authenticated), CASE(standing), CASE(stanza),   CASE(message),
	CASE(next),	     CASE(care),
	/* LG_PH_AUTHENTICATED of others: */
	CASE(one),	     CASE(cold),     CASE(upper),    CASE(idn),
	CASE(xn),	     CASE(disabled), CASE(unknown),  CASE(unknown_idn),
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* All of them get that answer to the last question? */
static bool all(const struct world *w, const struct name *v, size_t n,
		int want)
{
	struct lg_stream_decision d;
	size_t i;

	for (i = 0; i < n; i++) {
		struct lg_stream_facts f = facts_of(&v[i], LAST, LG_IN);
		int err = lg_stream_may(&d, &w->s, &f);

		if (err == want)
			continue;
		fprintf(stderr, "policy: %.*s: %s, want %s\n",
			SB_FMT(v[i].domain), lg_err_name(err),
			lg_err_name(want));
		return false;
	}
	return true;
}

/* What is measured is what its name says. */
static bool as_meant(const struct world *w)
{
	size_t i;

	for (i = 0; i < NAMES; i++) {
		const struct name *d = &w->known[i];

		if (!stanza(w, d) && !message(w, d, LG_IN))
			continue;
		fprintf(stderr, "policy: %.*s is refused\n",
			SB_FMT(d->domain));
		return false;
	}
	return all(w, w->known, NAMES, LG_OK) &&
	       all(w, w->upper, NAMES, LG_OK) &&
	       all(w, w->idn, NAMES, LG_OK) && all(w, w->xn, NAMES, LG_OK) &&
	       all(w, w->cold, COLD, LG_OK) &&
	       all(w, w->disabled, NAMES, LG_EDISABLED) &&
	       all(w, w->unknown, NAMES, LG_ENOTPARTNER) &&
	       all(w, w->unknown_idn, NAMES, LG_ENOTPARTNER);
}

int main(void)
{
	static struct world w;
	double most = 0;
	uint64_t allocations = 0;
	size_t i;

	if (!bench_counts() || !load(&w) || !names(&w) || !as_meant(&w)) {
		fprintf(stderr, "policy: not what was to be measured\n");
		return 1;
	}
	printf("# policy: %zu domains of %d partners; median of %d rounds\n",
	       w.s.partners.by_domain.n, PARTNERS, BENCH_ROUNDS);
	bench_measure(cases, CASES, &w);
	for (i = 0; i < CASES; i++) {
		printf("%s %.1f ns\n", cases[i].key, cases[i].ns);
		allocations += cases[i].allocations;
		if (i < ORDINARY && cases[i].ns > most)
			most = cases[i].ns;
	}
	printf("policy_ns %.1f ns <=200\n", most);
	printf("policy_allocations %ju calls <=0\n", (uintmax_t)allocations);
	lg_settings_fini(&w.s);
	lg_arena_fini(&w.arena);
	return allocations ? 1 : 0;
}
