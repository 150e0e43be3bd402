/*
 * settings_access.c: lync_access_policies, lync_sites, lync_policy_grants.
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>

#include "address.h"
#include "lint.h"
#include "text.h"

#define POLICIES "{ global = { enable_xmpp_access = true } }"
#define SITES "{ [\"site:Redmond\"] = { \"redmond.contoso.com\" } }"
#define GRANTS "{ [\"carol@contoso.com\"] = \"SalesAccessPolicy\" }"

#define AT(field) .at = offsetof(struct lg_access_policy, field)

static void read_policy(struct lg_lint *l, struct lg_access *a,
			const struct lg_entry *e)
{
	static const struct lg_key keys[] = {
		{"enable_xmpp_access", lg_read_bool, AT(xmpp)},
	};
	struct lg_access_policy *p;

	if (!e->name.p) {
		lg_lint_error(l, &e->value, "write " POLICIES,
			      "not a policy with its name");
		return;
	}
	if (e->name.n == 0 || !lg_text_ok(e->name)) {
		lg_lint_error(l, NULL, "write global, \"site:NAME\" or the "
			      "name of a user policy", "not a policy's name");
		return;
	}
	p = &a->policies[a->n];
	p->name = lg_lint_dup(l, e->name);
	p->scope = lg_scope_of(e->name);
	if (l->oom || lg_map_set(&a->by_name, &l->s->arena, p->name,
				 (uint32_t)a->n)) {
		l->oom = true;
		return;
	}
	a->n++;
	if (lg_lint_is_table(l, &e->value, "{ enable_xmpp_access = true }"))
		lg_lint_table(l, p, &e->value, keys, 1);
}

void lg_read_policies(struct lg_lint *l, void *dest, const struct lg_value *v,
		      const struct lg_key *key)
{
	struct lg_access *a = &((struct lg_settings *)dest)->access;
	size_t i, mark;

	(void)key;
	a->limited = true;
	if (!lg_lint_is_table(l, v, POLICIES))
		return;
	a->policies = lg_arena_array(&l->s->arena, v->u.table.n + 1,
				     sizeof(a->policies[0]));
	if (!a->policies)
		l->oom = true;
	for (i = 0; i < v->u.table.n && !l->oom; i++) {
		mark = lg_lint_entry(l, &v->u.table.entries[i]);
		read_policy(l, a, &v->u.table.entries[i]);
		lg_lint_leave(l, mark);
	}
	if (lg_value_get(v, "global"))
		return;
	mark = lg_lint_name(l, "global");
	lg_lint_warn(l, NULL, "write it if that is not meant",
		     "missing: whom no other policy names may not use XMPP");
	lg_lint_leave(l, mark);
}

static const char *nth_policy(const void *policies, size_t i)
{
	return ((const struct lg_access_policy *)policies)[i].name.p;
}

/* The policy of this name and scope, or a problem with v (NULL: with the
 * key). */
static bool find_policy(uint32_t *policy, struct lg_lint *l,
			struct sb_str name, enum lg_scope scope,
			const struct lg_value *v)
{
	const struct lg_access *a = &l->s->access;
	const char *near, *remedy = "add it to lync_access_policies";

	if (lg_scope_of(name) != scope) {
		lg_lint_error(l, v, scope == LG_SCOPE_SITE
			      ? "write \"site:NAME\""
			      : "name one that is not global or \"site:NAME\"",
			      scope == LG_SCOPE_SITE ? "not a site policy"
						     : "not a user policy");
		return false;
	}
	if (lg_map_get(policy, &a->by_name, name))
		return true;
	near = lg_nearest(name, nth_policy, a->policies, a->n);
	if (near)
		remedy = lg_lint_text(l, "did you mean \"%s\"?", near);
	lg_lint_error(l, v, remedy, "no such policy in lync_access_policies");
	return false;
}

/* The canonical form of a user, written as JID or as sip:user@host, or of a
 * domain. */
static bool canon(struct sb_str *out, char buf[LG_JID_MAX], struct sb_str text)
{
	char jid[LG_FULL_MAX + 1];

	if (text.n > 4 && sb_str_caseeq((struct sb_str){text.p, 4},
					SB_STR("sip:"))) {
		if (lg_uri_to_jid(&text, NULL, jid, sizeof(jid), text))
			return false;
	}
	else if (text.n && memchr(text.p, '/', text.n)) {
		return false;
	}
	return lg_jid_canon(out, buf, LG_JID_MAX, text) == LG_OK;
}

static void put(struct lg_lint *l, struct lg_map *m, struct sb_str key,
		uint32_t policy, const struct lg_value *v)
{
	uint32_t other;

	if (lg_map_get(&other, m, key)) {
		if (other != policy)
			lg_lint_error(l, v, "name it once",
				      "already belongs to \"%s\"",
				      l->s->access.policies[other].name.p);
		return;
	}
	key = lg_lint_dup(l, key);
	if (l->oom || lg_map_set(m, &l->s->arena, key, policy))
		l->oom = true;
}

static void read_site(struct lg_lint *l, struct lg_access *a,
		      const struct lg_entry *e)
{
	const struct lg_value *item;
	char buf[LG_JID_MAX];
	struct sb_str member;
	uint32_t policy = 0;
	size_t i, mark;

	if (!e->name.p) {
		lg_lint_error(l, &e->value, "write " SITES,
			      "not a site with its members");
		return;
	}
	if (!find_policy(&policy, l, e->name, LG_SCOPE_SITE, NULL) ||
	    !lg_lint_is_list(l, &e->value, "{ \"redmond.contoso.com\" }"))
		return;
	for (i = 0; i < e->value.u.table.n && !l->oom; i++) {
		item = &e->value.u.table.entries[i].value;
		mark = lg_lint_entry(l, &e->value.u.table.entries[i]);
		if (item->type == LG_V_STRING &&
		    canon(&member, buf, item->u.string))
			put(l, &a->sites, member, policy, item);
		else
			lg_lint_error(l, item, "write \"bob@contoso.com\" or "
				      "\"redmond.contoso.com\"",
				      "not a user or domain");
		lg_lint_leave(l, mark);
	}
}

void lg_read_sites(struct lg_lint *l, void *dest, const struct lg_value *v,
		   const struct lg_key *key)
{
	struct lg_access *a = &((struct lg_settings *)dest)->access;
	size_t i, mark;

	(void)key;
	if (!lg_lint_is_table(l, v, SITES))
		return;
	for (i = 0; i < v->u.table.n && !l->oom; i++) {
		mark = lg_lint_entry(l, &v->u.table.entries[i]);
		read_site(l, a, &v->u.table.entries[i]);
		lg_lint_leave(l, mark);
	}
}

static void read_grant(struct lg_lint *l, struct lg_access *a,
		       const struct lg_entry *e)
{
	char buf[LG_JID_MAX];
	struct sb_str user;
	uint32_t policy = 0;

	if (!e->name.p || !canon(&user, buf, e->name) ||
	    !memchr(user.p, '@', user.n)) {
		lg_lint_error(l, &e->value, "write " GRANTS, "not a user");
		return;
	}
	if (e->value.type != LG_V_STRING) {
		lg_lint_error(l, &e->value, "write a policy's name in quotes",
			      "not a string");
		return;
	}
	if (find_policy(&policy, l, e->value.u.string, LG_SCOPE_USER,
			&e->value))
		put(l, &a->grants, user, policy, &e->value);
}

void lg_read_grants(struct lg_lint *l, void *dest, const struct lg_value *v,
		    const struct lg_key *key)
{
	struct lg_access *a = &((struct lg_settings *)dest)->access;
	size_t i, mark;

	(void)key;
	if (!lg_lint_is_table(l, v, GRANTS))
		return;
	for (i = 0; i < v->u.table.n && !l->oom; i++) {
		mark = lg_lint_entry(l, &v->u.table.entries[i]);
		read_grant(l, a, &v->u.table.entries[i]);
		lg_lint_leave(l, mark);
	}
}
