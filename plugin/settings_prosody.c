/*
 * settings_prosody.c: Prosody's own options that bear on partners.
 * SPDX-License-Identifier: MIT
 *
 * They hold for the gateway's host as for any other; where they are stricter
 * than a partner's settings, they win, and a problem names the line to write.
 * Not written, they have no say: the partner's settings are the written ones.
 */
#include "domain.h"
#include "lint.h"

#define BIT(method) (1U << (method))

struct rules {
	bool require_encryption;
	bool secure_auth;
	bool no_encryption;
	struct lg_map secure;	/* domains */
	struct lg_map insecure;
	const struct lg_value *modules; /* of this host; NULL: unknown */
};

/* As Prosody reads booleans. */
static bool is_true(const struct lg_value *v)
{
	static const char *const words[] = {"true", "yes", "on", "1"};
	size_t i;

	if (!v || v->type == LG_V_OTHER || v->type == LG_V_TABLE)
		return false;
	if (v->type == LG_V_BOOL)
		return v->u.boolean;
	if (v->type == LG_V_INTEGER)
		return v->u.integer == 1;
	for (i = 0; v->type == LG_V_STRING && i < 4; i++) {
		if (sb_str_eq(v->u.string, sb_str_of(words[i])))
			return true;
	}
	return false;
}

static bool lists(const struct lg_value *list, const char *word)
{
	const struct lg_value *v;
	size_t i;

	for (i = 0; list->type == LG_V_TABLE && i < list->u.table.n; i++) {
		v = &list->u.table.entries[i].value;
		if (v->type == LG_V_STRING &&
		    sb_str_eq(v->u.string, sb_str_of(word)))
			return true;
	}
	return false;
}

static void add_domain(struct lg_lint *l, struct lg_map *map,
		       const struct lg_value *v)
{
	char buf[LG_DOMAIN_MAX];
	struct sb_str ascii;

	if (v->type != LG_V_STRING ||
	    lg_domain_ascii(&ascii, buf, v->u.string))
		return; /* Prosody's to complain about */
	ascii = lg_lint_dup(l, ascii);
	if (!l->oom && lg_map_set(map, &l->s->arena, ascii, 0))
		l->oom = true;
}

/* The domains of an option, a list or a single one. */
static void read_domains(struct lg_lint *l, struct lg_map *map,
			 const struct lg_value *v)
{
	size_t i;

	if (!v)
		return;
	if (v->type != LG_V_TABLE)
		add_domain(l, map, v);
	for (i = 0; v->type == LG_V_TABLE && i < v->u.table.n; i++)
		add_domain(l, map, &v->u.table.entries[i].value);
}

static bool names(const struct lg_map *map, struct sb_str domain)
{
	char buf[LG_DOMAIN_MAX];
	struct sb_str ascii;
	uint32_t unused;

	return !lg_domain_ascii(&ascii, buf, domain) &&
	       lg_map_get(&unused, map, ascii);
}

/* One of the partner's domains has to have a good certificate. */
static bool is_strict(const struct rules *r, struct sb_str domain)
{
	if (names(&r->secure, domain))
		return true;
	return r->secure_auth && !names(&r->insecure, domain);
}

static bool has_strict(const struct rules *r, const struct lg_partner *p)
{
	size_t i;

	if (is_strict(r, p->domain))
		return true;
	for (i = 0; i < p->additional_n; i++) {
		if (is_strict(r, p->additional[i]))
			return true;
	}
	return false;
}

static unsigned of_row(const struct lg_negotiation *row)
{
	unsigned methods = 0;
	size_t i;

	for (i = 0; i < row->methods_n; i++)
		methods |= BIT(row->methods[i]);
	return methods;
}

/* "sasl-tls and tcp-dialback" */
static const char *words(struct lg_lint *l, unsigned methods)
{
	const char *text = "";
	int i;

	for (i = 0; lg_method_names[i]; i++) {
		if (methods & BIT(i))
			text = lg_lint_text(l, "%s%s%s", text,
					    *text ? " and " : "",
					    lg_method_names[i]);
	}
	return text;
}

/* One thing takes methods away from p, if there are any to take. Each one that
 * would is told, also when another one has taken them already. */
static void take(struct lg_lint *l, struct lg_partner *p, unsigned methods,
		 const char *what, const char *remedy)
{
	unsigned taken = of_row(p->row) & methods;

	if (!taken)
		return;
	p->methods &= ~methods;
	if (p->methods) {
		lg_lint_warn(l, NULL, remedy, "%s takes away %s", what,
			     words(l, taken));
		return;
	}
	lg_lint_error(l, NULL, remedy,
		      "%s takes away %s, and nothing is left", what,
		      words(l, taken));
	p->disabled = l->first_error;
}

static void take_strict(struct lg_lint *l, const struct rules *r,
			struct lg_partner *p)
{
	const char *what = "s2s_secure_domains";
	const char *remedy = "take the partner's domains out of it";

	p->strict = has_strict(r, p);
	if (!p->strict)
		return;
	if (r->secure_auth) {
		what = "s2s_secure_auth = true";
		remedy = "write s2s_secure_auth = false in the section of "
			 "this host";
	}
	take(l, p, BIT(LG_TCP_DIALBACK), what, remedy);
	if (!p->disabled && p->methods & BIT(LG_TLS_DIALBACK))
		lg_lint_warn(l, NULL, remedy,
			     "%s lets dialback over TLS pass with a good "
			     "certificate only",
			     what);
}

static void take_modules(struct lg_lint *l, const struct rules *r,
			 struct lg_partner *p)
{
	static const struct {
		const char *name;
		unsigned methods;
	} needed[] = {
		{"tls", BIT(LG_SASL_TLS) | BIT(LG_TLS_DIALBACK)},
		{"saslauth", BIT(LG_SASL_TLS)},
		{"s2s_auth_certs", BIT(LG_SASL_TLS)},
		{"dialback", BIT(LG_TLS_DIALBACK) | BIT(LG_TCP_DIALBACK)},
	};
	size_t i;

	for (i = 0; r->modules && i < sizeof(needed) / sizeof(needed[0]);
	     i++) {
		if (lists(r->modules, needed[i].name))
			continue;
		take(l, p, needed[i].methods,
		     lg_lint_text(l, "the missing module \"%s\"",
				  needed[i].name),
		     lg_lint_text(l, "add \"%s\" to modules_enabled in the "
				  "section of this host",
				  needed[i].name));
	}
}

static void judge(struct lg_lint *l, const struct rules *r,
		  struct lg_partner *p)
{
	if (r->no_encryption)
		take(l, p, BIT(LG_SASL_TLS) | BIT(LG_TLS_DIALBACK),
		     "s2s_allow_encryption = false", "remove it");
	take_modules(l, r, p);
	take_strict(l, r, p);
	if (r->require_encryption)
		take(l, p, BIT(LG_TCP_DIALBACK),
		     "s2s_require_encryption = true",
		     "write s2s_require_encryption = false in the section of "
		     "this host");
}

void lg_apply_prosody(struct lg_lint *l, const struct lg_value *options)
{
	const struct lg_value *allow =
		lg_value_get(options, "s2s_allow_encryption");
	struct rules r = {
		.require_encryption = is_true(lg_value_get(
			options, "s2s_require_encryption")),
		.secure_auth = is_true(
			lg_value_get(options, "s2s_secure_auth")),
		.no_encryption = allow && !is_true(allow),
		.modules = lg_value_get(options, "prosody_modules"),
	};
	struct lg_partners *all = &l->s->partners;
	size_t i, list, mark;

	read_domains(l, &r.secure,
		     lg_value_get(options, "s2s_secure_domains"));
	read_domains(l, &r.insecure,
		     lg_value_get(options, "s2s_insecure_domains"));
	for (i = 0; i < all->n && !l->oom; i++) {
		if (all->v[i].disabled)
			continue;
		l->partner = all->v[i].domain.p;
		l->first_error = NULL;
		list = lg_lint_name(l, "lync_partners");
		mark = lg_lint_name(l, all->v[i].domain.p);
		judge(l, &r, &all->v[i]);
		lg_lint_leave(l, mark);
		lg_lint_leave(l, list);
	}
	l->partner = NULL;
}
