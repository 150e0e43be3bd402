/*
 * fuzz_settings.c: options of any shape to settings and problems, and what
 * these settings then say about a contact, a stream and a stanza.
 * SPDX-License-Identifier: MIT
 *
 * Input: the options (values.h), then a line each with a contact's JID and a
 * Lync user's, then a byte for each fact about their stream.
 */
#include "../plugin/address.h"
#include "../plugin/stream.h"
#include "../sipbridge/content.h"
#include "fuzz.h"
#include "values.h"

static const struct sb_str host = {"contoso.com", 11};

static void line_ok(const char *z)
{
	struct sb_str s = sb_str_of(z);

	need(sb_utf8_valid(s));
	for (size_t i = 0; i < s.n; i++)
		need((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f);
}

/* The text of a secret stands in no problem. */
static void secret_ok(const struct lg_value *options,
		      const struct lg_problem *p)
{
	const struct lg_value *g =
		lg_value_get(options, "lync_gateway_settings");
	const struct lg_value *s = g && g->type == LG_V_TABLE ?
		lg_value_get(g, "dialback_passphrase") : NULL;

	if (!s || s->type != LG_V_STRING || s->u.string.n < 8)
		return;
	if (strstr(p->key, "dialback_passphrase"))
		need(!p->value && !memmem(p->text, strlen(p->text),
					  s->u.string.p, s->u.string.n));
}

static const struct lg_partner *named(const struct lg_settings *s,
				      const char *domain)
{
	for (size_t i = 0; i < s->partners.n; i++)
		if (strcmp(s->partners.v[i].domain.p, domain) == 0)
			return &s->partners.v[i];
	return NULL;
}

static void problems_ok(const struct lg_settings *s,
			const struct lg_value *options)
{
	bool fatal = false;

	for (size_t i = 0; i < s->problems.n; i++) {
		const struct lg_problem *p = &s->problems.v[i];

		need(p->key && p->message && p->text);
		line_ok(p->text);
		need(i == 0 || strverscmp(s->problems.v[i - 1].key,
					  p->key) <= 0);
		secret_ok(options, p);
		fatal = fatal || (p->error && !p->partner);
		if (p->error && p->partner) {
			const struct lg_partner *d = named(s, p->partner);

			need(!d || d->disabled);
		}
	}
	need(s->usable == !fatal);
}

static void partners_ok(const struct lg_settings *s)
{
	for (size_t i = 0; i < s->partners.n; i++) {
		const struct lg_partner *p = &s->partners.v[i];
		unsigned row = 0;

		if (p->disabled)
			continue;
		need(lg_partners_find(&s->partners, p->domain) == p);
		need(p->type >= LG_FEDERATED && p->row && p->row->valid);
		for (size_t k = 0; k < p->row->methods_n; k++)
			row |= 1u << p->row->methods[k];
		need((p->methods & ~row) == 0);
	}
}

static void same(const struct lg_settings *a, const struct lg_settings *b)
{
	need(a->usable == b->usable && a->problems.n == b->problems.n);
	need(a->partners.n == b->partners.n);
	for (size_t i = 0; i < a->problems.n; i++)
		need(!strcmp(a->problems.v[i].text, b->problems.v[i].text));
}

/* What is allowed is allowed by a partner that is listed and sound. */
static void policy(const struct lg_settings *s, struct sb_str contact,
		   struct sb_str user, unsigned facts)
{
	struct lg_facts f = {
		.direction = facts & 1 ? LG_OUT : LG_IN,
		.kind = (enum lg_kind)(facts / 2 % (LG_PRESENCE + 1)),
		.contact = contact, .user = user, .listed = facts & 128,
	};
	struct lg_decision d;
	char buf[LG_JID_MAX], whose[LG_JID_MAX];
	struct sb_str canon;
	struct lg_jid jid;

	if (lg_may(&d, s, &f) != LG_OK)
		return;
	need(s->usable && d.partner && !d.partner->disabled);
	need(lg_jid_split(&jid, contact) == LG_OK);
	need(lg_partners_find(&s->partners, jid.domain) == d.partner);
	need(d.verified == lg_partner_verified(d.partner));
	if (f.kind == LG_STREAM)
		return;
	need(lg_jid_canon(&canon, buf, sizeof(buf), user) == LG_OK);
	fuzz_cut(&canon, '@');
	need(sb_str_eq(canon, s->host_ascii));
	need(lg_jid_canon(&canon, whose, sizeof(whose), user) == LG_OK);
	need(lg_access_allows(NULL, &s->access, canon));
}

static unsigned take(struct sb_str *s)
{
	unsigned c = 0;

	if (s->n) {
		c = (unsigned char)*s->p;
		*s = (struct sb_str){s->p + 1, s->n - 1};
	}
	return c;
}

/* A stream is good by a method that its partner has. */
static void stream(const struct lg_settings *s, struct sb_str remote,
		   struct sb_str bytes)
{
	unsigned a = take(&bytes), b = take(&bytes), c = take(&bytes);
	struct lg_stream_facts f = {
		.direction = a & 1 ? LG_OUT : LG_IN,
		.phase = (enum lg_phase)(a / 2 % (LG_PH_STANDING + 1)),
		.remote = remote, .own = c == 'O', .secure = a & 32,
		.authenticated = a & 64, .asked = b & 1, .starttls = b & 2,
		.insists = b & 4, .external = b & 8,
		.certificate = (enum lg_certificate)(b >> 4 & 7),
		.mechanism = (enum lg_mechanism)(c & 3),
		.way = (enum lg_method)((c >> 2 & 3) % LG_METHODS_MAX),
		.streams = c >> 4, .partner_streams = c >> 6,
	};
	struct lg_stanza_facts st = {
		.origin = (enum lg_origin)(c % (LG_ORIGIN_OTHER + 1)),
		.remote = remote, .own = f.own, .is_error = b & 1,
		.method = (int)(b % (LG_METHODS_MAX + 1)) - 1,
	};
	struct lg_stream_decision d = {.method = -1};
	const struct lg_partner *p;
	int err = lg_stream_may(&d, s, &f);

	if (err == LG_OK && remote.n)
		need(s->usable && !f.own && d.partner && !d.partner->disabled);
	if (err == LG_OK && d.method >= 0)
		need(d.partner->methods & 1u << d.method);
	if (err == LG_OK && d.method == LG_SASL_TLS)
		need(f.secure);
	if (lg_stanza_may(s, &st) != LG_OK || st.origin != LG_ORIGIN_STREAM)
		return;
	p = lg_partners_find(&s->partners, remote);
	need(s->usable && !st.own && p && !p->disabled && st.method >= 0);
	need(p->methods & 1u << st.method);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sb_str rest = {(const char *)data, n}, contact, user;
	struct lg_settings s = {.usable = false}, again = {.usable = false};
	struct lg_arena a = {NULL, 0};
	struct lg_value options = fuzz_value(&a, &rest);
	struct lg_jid jid;

	fuzz_cut(&rest, '\n');
	contact = fuzz_cut(&rest, '\n');
	user = fuzz_cut(&rest, '\n');
	if (options.type == LG_V_TABLE) {
		need(lg_settings_load(&s, host, &options) == LG_OK);
		need(lg_settings_load(&again, host, &options) == LG_OK);
		problems_ok(&s, &options);
		partners_ok(&s);
		same(&s, &again);
		lg_settings_fini(&again);
		policy(&s, contact, user, rest.n ? (unsigned char)*rest.p : 0);
		if (lg_jid_split(&jid, contact) == LG_OK)
			stream(&s, jid.domain, rest);
		lg_settings_fini(&s);
	}
	lg_arena_fini(&a);
	return 0;
}
