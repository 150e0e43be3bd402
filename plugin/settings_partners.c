/*
 * settings_partners.c: the option lync_partners.
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>

#include "domain.h"
#include "lint.h"

#define FORM "{ [\"fabrikam.com\"] = { partner_type = \"federated\" } }"
#define LIMIT_MAX 100000

#define AT(field) .at = offsetof(struct lg_partner, field)

static lg_read_fn read_additional;

static const struct lg_key keys[] = {
	{"partner_type", lg_read_word, AT(type),
	 .words = lg_partner_type_names},
	{"description", lg_read_text, AT(description), .max = 1024},
	{"additional_domains", read_additional, .at = 0},
	{"tls_negotiation", lg_read_word, AT(tls), .words = lg_need_names},
	{"sasl_negotiation", lg_read_word, AT(sasl), .words = lg_need_names},
	{"support_dialback_negotiation", lg_read_bool, AT(dialback)},
	{"enable_keep_alive", lg_read_bool, AT(keep_alive)},
	{"connection_limit", lg_read_count, AT(connection_limit), 1,
	 LIMIT_MAX},
	{"proxy_fqdn", lg_read_endpoint, AT(proxy), 5269, 1,
	 .words = (const char *const[]){"xmpp.fabrikam.com:5269", NULL}},
};

/* The spellings of a partner's domain, or a problem with v. */
static bool spell(struct sb_str *ascii, struct sb_str *unicode,
		  struct lg_lint *l, struct sb_str domain,
		  const struct lg_value *v)
{
	const char *remedy = "write it as in \"fabrikam.com\"";
	char a[LG_DOMAIN_MAX], u[LG_DOMAIN_MAX];

	if (lg_domain_ascii(ascii, a, domain) ||
	    lg_domain_unicode(unicode, u, domain)) {
		if (domain.n && memchr(domain.p, '*', domain.n))
			remedy = "there are no wildcards: name each domain";
		lg_lint_error(l, v, remedy, "not a domain name");
		return false;
	}
	if (sb_str_eq(*ascii, l->s->host_ascii)) {
		lg_lint_error(l, v, "remove it",
			      "this host's own domain is no partner");
		return false;
	}
	*ascii = lg_lint_dup(l, *ascii);
	*unicode = lg_lint_dup(l, *unicode);
	return !l->oom;
}

static void disable(struct lg_lint *l, struct lg_partner *p)
{
	if (l->first_error && !p->disabled)
		p->disabled = l->first_error;
}

/* A problem of another partner than the one being read: the path is set
 * aside. */
static void blame(struct lg_lint *l, struct lg_partner *other,
		  const char *domain, const char *claimant)
{
	const char *partner = l->partner, *first = l->first_error, *path;
	size_t n = l->path_n, mark;

	path = lg_lint_text(l, "%s", l->path);
	lg_lint_leave(l, 0);
	l->partner = other->domain.p;
	l->first_error = NULL;
	lg_lint_name(l, "lync_partners");
	mark = lg_lint_name(l, other->domain.p);
	lg_lint_error(l, NULL, "name it once",
		      "\"%s\" is claimed by partner \"%s\" too", domain,
		      claimant);
	disable(l, other);
	lg_lint_leave(l, mark);
	l->partner = partner;
	l->first_error = first;
	memcpy(l->path, path, strlen(path) + 1);
	l->path_n = n;
}

/* Partner p wants a domain. What two partners name as additional domain
 * belongs to neither: both are disabled. A primary domain stays with its
 * partner. */
static void claim(struct lg_lint *l, struct lg_partner *p,
		  struct sb_str ascii, const struct lg_value *v)
{
	struct lg_partners *all = &l->s->partners;
	struct lg_partner *other;
	uint32_t i = 0;
	int err;

	err = lg_partners_claim(&i, all, &l->s->arena, ascii,
				(uint32_t)(p - all->v));
	if (err == LG_ENOMEM)
		l->oom = true;
	if (err != LG_ECLAIMED)
		return;
	other = &all->v[i];
	if (other == p) {
		lg_lint_warn(l, v, "name it once", "already named");
		return;
	}
	lg_lint_error(l, v, "name it once",
		      "claimed by partner \"%s\" too", other->domain.p);
	if (!sb_str_eq(other->ascii, ascii))
		blame(l, other, ascii.p, p->domain.p);
}

static void read_additional(struct lg_lint *l, void *dest,
			    const struct lg_value *v, const struct lg_key *key)
{
	struct lg_partner *p = dest;
	struct sb_str ascii, unicode;
	const struct lg_value *item;
	size_t i, mark;

	(void)key;
	if (!lg_lint_is_list(l, v, "{ \"na.fabrikam.com\" }"))
		return;
	p->additional = lg_arena_array(&l->s->arena, v->u.table.n + 1,
				       sizeof(p->additional[0]));
	if (!p->additional) {
		l->oom = true;
		return;
	}
	for (i = 0; i < v->u.table.n; i++) {
		item = &v->u.table.entries[i].value;
		mark = lg_lint_entry(l, &v->u.table.entries[i]);
		if (item->type != LG_V_STRING) {
			lg_lint_error(l, item, "write a domain in quotes",
				      "not a string");
		}
		else if (spell(&ascii, &unicode, l, item->u.string, item)) {
			p->additional[p->additional_n++] = unicode;
			claim(l, p, ascii, item);
		}
		lg_lint_leave(l, mark);
	}
}

/* What to change in a row of the matrix that draws a warning or an error. */
static const char *row_remedy(const struct lg_negotiation *row)
{
	if (row->warning && row->row == 1)
		return "support_dialback_negotiation = false means the same";
	if (row->warning && row->tls == LG_OPTIONAL)
		return "tls_negotiation = \"required\" avoids this";
	if (row->warning)
		return "write sasl_negotiation = \"not_supported\", or "
		       "tls_negotiation = \"required\"";
	if (row->tls == LG_NOT_SUPPORTED && row->sasl != LG_NOT_SUPPORTED)
		return "write tls_negotiation = \"required\", or "
		       "support_dialback_negotiation = true";
	return "write sasl_negotiation = \"required\" with TLS, or "
	       "support_dialback_negotiation = true";
}

/* v[name] is absent or became need: a warning about what was misspelt would
 * be about something else. */
static bool taken(const struct lg_value *v, const char *name, int need)
{
	const struct lg_value *word = lg_value_get(v, name);

	return !word || (word->type == LG_V_STRING &&
			 sb_str_eq(word->u.string,
				   sb_str_of(lg_need_names[need])));
}

static void judge_row(struct lg_lint *l, const struct lg_partner *p,
		      const struct lg_value *v)
{
	const struct lg_negotiation *row = p->row;
	const struct lg_value *dialback;
	const char *settings;

	dialback = lg_value_get(v, "support_dialback_negotiation");
	if (!taken(v, "tls_negotiation", p->tls) ||
	    !taken(v, "sasl_negotiation", p->sasl) ||
	    (dialback && dialback->type != LG_V_BOOL))
		return;
	settings = lg_lint_text(l, "TLS %s, SASL %s, dialback %s",
				lg_need_names[row->tls],
				lg_need_names[row->sasl],
				row->dialback ? "true" : "false");
	if (!row->valid)
		lg_lint_error(l, NULL, row_remedy(row),
			      "not a valid configuration (%s): %s", settings,
			      row->error);
	else if (row->warning)
		lg_lint_warn(l, NULL, row_remedy(row), "%s: %s", settings,
			     row->note);
}

static void read_partner(struct lg_lint *l, struct lg_partner *p,
			 const struct lg_value *v)
{
	size_t i, mark;

	if (!lg_lint_is_table(l, v, "{ partner_type = \"federated\" }"))
		return;
	lg_lint_table(l, p, v, keys, sizeof(keys) / sizeof(keys[0]));
	if (lg_value_get(v, "connection_limit"))
		lg_lint_two_streams(l, "connection_limit",
				    p->connection_limit);
	if (!lg_value_get(v, "partner_type")) {
		mark = lg_lint_name(l, "partner_type");
		lg_lint_error(l, NULL,
			      lg_lint_text(l, "write %s",
					   lg_lint_words(
						   l, lg_partner_type_names)),
			      "missing");
		lg_lint_leave(l, mark);
	}
	p->row = lg_negotiation((enum lg_need)p->tls, (enum lg_need)p->sasl,
				p->dialback);
	for (i = 0; i < p->row->methods_n; i++)
		p->methods |= 1U << p->row->methods[i];
	judge_row(l, p, v);
}

/* The partner of an entry of lync_partners, or NULL and a problem. */
static struct lg_partner *add_partner(struct lg_lint *l,
				      const struct lg_entry *e)
{
	struct lg_partners *all = &l->s->partners;
	struct sb_str ascii, unicode;
	struct lg_partner *p;

	if (!e->name.p) {
		lg_lint_error(l, &e->value, "write " FORM,
			      "not a domain with its settings");
		return NULL;
	}
	if (all->n >= all->cap ||
	    !spell(&ascii, &unicode, l, e->name, NULL))
		return NULL;
	p = &all->v[all->n++];
	*p = (struct lg_partner){
		.domain = unicode,
		.ascii = ascii,
		.type = LG_TYPE_MISSING,
		.tls = LG_REQUIRED,
		.sasl = LG_REQUIRED,
		.dialback = true,
		.keep_alive = true,
		.connection_limit = l->s->gateway.partner_connection_limit,
		.row = lg_negotiation(LG_REQUIRED, LG_REQUIRED, true),
	};
	return p;
}

/* All primary domains, before any additional one. */
static struct lg_partner **add_partners(struct lg_lint *l,
					const struct lg_value *v)
{
	struct lg_partner **of, *p;
	const struct lg_entry *e;
	uint32_t other = 0;
	size_t i, mark;

	of = lg_arena_array(&l->s->arena, v->u.table.n + 1, sizeof(of[0]));
	if (!of)
		l->oom = true;
	for (i = 0; i < v->u.table.n && !l->oom; i++) {
		e = &v->u.table.entries[i];
		mark = lg_lint_entry(l, e);
		l->partner = e->name.p ? lg_lint_dup(l, e->name).p : NULL;
		l->first_error = NULL;
		of[i] = p = add_partner(l, e);
		if (p && lg_partners_claim(&other, &l->s->partners,
					   &l->s->arena, p->ascii,
					   (uint32_t)(p - l->s->partners.v)) ==
				 LG_ECLAIMED) {
			lg_lint_error(l, NULL, "name it once",
				      "the same domain in another spelling");
			disable(l, &l->s->partners.v[other]);
			disable(l, p);
		}
		l->partner = NULL;
		lg_lint_leave(l, mark);
	}
	return of;
}

void lg_read_partners(struct lg_lint *l, void *dest, const struct lg_value *v,
		      const struct lg_key *key)
{
	struct lg_settings *s = dest;
	struct lg_partner **of;
	size_t i, mark;

	(void)key;
	if (!lg_lint_is_table(l, v, FORM))
		return;
	if (lg_partners_init(&s->partners, &s->arena, v->u.table.n))
		l->oom = true;
	of = l->oom ? NULL : add_partners(l, v);
	for (i = 0; i < v->u.table.n && !l->oom; i++) {
		if (!of[i])
			continue;
		mark = lg_lint_entry(l, &v->u.table.entries[i]);
		l->partner = of[i]->domain.p;
		l->first_error = NULL;
		read_partner(l, of[i], &v->u.table.entries[i].value);
		disable(l, of[i]);
		l->partner = NULL;
		lg_lint_leave(l, mark);
	}
	if (!l->oom && lg_partners_sort(&s->partners, &s->arena))
		l->oom = true;
}
