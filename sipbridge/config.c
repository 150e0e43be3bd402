/*
 * config.c: a copy of struct sb_config that owns its text.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "config.h"

/* Every text field, in one list, so that none is forgotten. */
typedef void text_fn(struct sb_str *s, void *arg);

static void each_text(struct sb_config *c, text_fn *fn, void *arg)
{
	size_t i;

	fn(&c->worker, arg);
	fn(&c->bridge_fqdn, arg);
	for (i = 0; i < c->listen_n; i++)
		fn(&c->listen[i], arg);
	fn(&c->certificate, arg);
	fn(&c->key, arg);
	fn(&c->cafile, arg);
	fn(&c->crlfile, arg);
	fn(&c->min_tls, arg);
	for (i = 0; i < c->domains_n; i++) {
		fn(&c->domains[i].name, arg);
		fn(&c->domains[i].edge, arg);
		fn(&c->domains[i].address, arg);
	}
	fn(&c->wire.verification_header, arg);
	fn(&c->wire.imdn_method, arg);
}

static void add_length(struct sb_str *s, void *arg)
{
	*(size_t *)arg += s->n + 1;
}

/* Copies are NUL-terminated as well: they become file and host names. */
static void move_text(struct sb_str *s, void *arg)
{
	char **at = arg;

	if (s->n)
		memcpy(*at, s->p, s->n);
	(*at)[s->n] = '\0';
	s->p = *at;
	*at += s->n + 1;
}

int sb_config_dup(struct sb_config **cp, const struct sb_config *c)
{
	struct sb_config *n;
	size_t bytes = sizeof(*n);
	char *at;

	if (c->listen_n > SB_LISTEN_MAX || c->domains_n > SB_DOMAINS_MAX)
		return SB_EINVAL;
	each_text((struct sb_config *)(uintptr_t)c, add_length, &bytes);
	n = malloc(bytes);
	if (!n)
		return SB_ENOMEM;
	*n = *c;
	at = (char *)(n + 1);
	each_text(n, move_text, &at);
	*cp = n;
	return SB_OK;
}

void sb_config_free(struct sb_config *c)
{
	free(c);
}

const struct sb_domain *sb_config_domain(const struct sb_config *c,
					 struct sb_str name)
{
	size_t i;

	for (i = 0; i < c->domains_n; i++)
		if (sb_str_caseeq(c->domains[i].name, name))
			return &c->domains[i];
	return NULL;
}
