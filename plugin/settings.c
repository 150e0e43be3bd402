/*
 * settings.c: all settings of one host, checked.
 * SPDX-License-Identifier: MIT
 */
#include "settings.h"

#include <stddef.h>
#include <stdlib.h>

#include "domain.h"
#include "lint.h"

#define COUNT_MAX 100000

#define AT(field) .at = offsetof(struct lg_settings, field)
#define IN(field) .at = offsetof(struct lg_gateway, field)

/* A secret: no problem shows its value. */
static void read_secret(struct lg_lint *l, void *dest,
			const struct lg_value *v, const struct lg_key *key)
{
	if (v->type != LG_V_STRING)
		lg_lint_error(l, NULL, "write it in quotes", "not a string");
	else if (v->u.string.n < key->min || v->u.string.n > key->max)
		lg_lint_error(l, NULL,
			      lg_lint_text(l, "write %u to %u bytes",
					   key->min, key->max),
			      v->u.string.n < key->min ? "too short"
						       : "too long");
	else
		*(struct sb_str *)dest = lg_lint_dup(l, v->u.string);
}

static void read_gateway(struct lg_lint *l, void *dest,
			 const struct lg_value *v, const struct lg_key *key)
{
	static const struct lg_key keys[] = {
		{"connection_limit", lg_read_count, IN(connection_limit), 1,
		 COUNT_MAX},
		{"partner_connection_limit", lg_read_count,
		 IN(partner_connection_limit), 1, COUNT_MAX},
		{"keep_alive_interval", lg_read_count, IN(keep_alive_interval),
		 1, 86400},
		{"stream_establishment_timeout", lg_read_count,
		 IN(stream_establishment_timeout), 1, 3600},
		{"stream_inactivity_timeout", lg_read_count,
		 IN(stream_inactivity_timeout), 1, 604800},
		{"subscription_refresh_interval", lg_read_count,
		 IN(subscription_refresh_interval), 60, 604800},
		{"contact_authorization_days", lg_read_count,
		 IN(contact_authorization_days), 1, 3650},
		{"partner_subscription_limit", lg_read_count,
		 IN(partner_subscription_limit), 1, COUNT_MAX},
		{"partner_recipient_limit", lg_read_count,
		 IN(partner_recipient_limit), 1, COUNT_MAX},
		{"enable_logging_all_message_bodies", lg_read_bool,
		 IN(enable_logging_all_message_bodies)},
		{"dialback_passphrase", read_secret, IN(dialback_passphrase),
		 8, 1024, .secret = true},
	};
	struct lg_gateway *g = &((struct lg_settings *)dest)->gateway;
	size_t mark;

	(void)key;
	if (!lg_lint_is_table(l, v, "{ connection_limit = 1000 }"))
		return;
	lg_lint_table(l, g, v, keys, sizeof(keys) / sizeof(keys[0]));
	lg_lint_two_streams(l, "partner_connection_limit",
			    g->partner_connection_limit);
	if (g->partner_connection_limit <= g->connection_limit)
		return;
	mark = lg_lint_name(l, "partner_connection_limit");
	lg_lint_warn(l, NULL, NULL, "%u is more than connection_limit, %u, "
		     "lets all partners together have",
		     g->partner_connection_limit, g->connection_limit);
	lg_lint_leave(l, mark);
}

/* lg_apply_prosody reads them, Prosody checks them. */
static void leave_to_prosody(struct lg_lint *l, void *dest,
			     const struct lg_value *v,
			     const struct lg_key *key)
{
	(void)l;
	(void)dest;
	(void)v;
	(void)key;
}

static const struct lg_key options_keys[] = {
	{"lync_access_edge", lg_read_endpoint, AT(bridge.edge), 5061,
	 .words = (const char *const[]){"sip.contoso.com:5061", NULL}},
	{"lync_access_edge_address", lg_read_ip, AT(bridge.address)},
	{"lync_access_policies", lg_read_policies, .at = 0},
	{"lync_bridge_certificate", lg_read_certificate, .at = 0},
	{"lync_bridge_fqdn", lg_read_fqdn, AT(bridge.fqdn)},
	{"lync_bridge_listen", lg_read_listen, .at = 0},
	{"lync_bridge_memory", lg_read_memory, AT(bridge.memory)},
	{"lync_bridge_rate", lg_read_rate, .at = 0},
	{"lync_bridge_sandbox", lg_read_sandbox, AT(bridge.sandbox)},
	{"lync_bridge_wire", lg_read_wire, .at = 0},
	{"lync_gateway_settings", read_gateway, .at = 0},
	{"lync_partners", lg_read_partners, .at = 0},
	{"lync_policy_grants", lg_read_grants, .at = 0},
	{"lync_sites", lg_read_sites, .at = 0},
	{"prosody_modules", leave_to_prosody, .at = 0},
	{"s2s_allow_encryption", leave_to_prosody, .at = 0},
	{"s2s_insecure_domains", leave_to_prosody, .at = 0},
	{"s2s_require_encryption", leave_to_prosody, .at = 0},
	{"s2s_secure_auth", leave_to_prosody, .at = 0},
	{"s2s_secure_domains", leave_to_prosody, .at = 0},
};

static void defaults(struct lg_settings *s)
{
	struct sb_config c;

	sb_config_init(&c);
	s->bridge.min_tls = c.min_tls;
	s->bridge.rate = c.rate;
	s->bridge.burst = c.burst;
	s->bridge.sandbox = c.sandbox;
	s->bridge.memory = c.memory;
	s->bridge.wire = c.wire;
	s->bridge.listen[0] = SB_STR("*:5061");
	s->bridge.listen_n = 1;
	s->gateway = (struct lg_gateway){
		.connection_limit = 1000,
		.partner_connection_limit = 20,
		.keep_alive_interval = 300,
		.stream_establishment_timeout = 60,
		.stream_inactivity_timeout = 600,
		.subscription_refresh_interval = 28800,
		.contact_authorization_days = 30,
		.partner_subscription_limit = 1000,
		.partner_recipient_limit = 500,
	};
}

static void missing(struct lg_lint *l, const struct lg_value *options,
		    const char *name, const char *remedy)
{
	size_t mark;

	if (lg_value_get(options, name))
		return;
	mark = lg_lint_name(l, name);
	lg_lint_error(l, NULL, remedy, "missing");
	lg_lint_leave(l, mark);
}

static void absent(struct lg_lint *l, const struct lg_value *options)
{
	const struct lg_value *partners;
	size_t mark;

	missing(l, options, "lync_access_edge",
		"write the Access Edge's full name, as in \"sip.contoso.com\"");
	missing(l, options, "lync_bridge_fqdn",
		"write our name on the SIP side, as in \"xmpp.contoso.com\"");
	partners = lg_value_get(options, "lync_partners");
	if (partners &&
	    (partners->type != LG_V_TABLE || partners->u.table.n > 0))
		return;
	mark = lg_lint_name(l, "lync_partners");
	lg_lint_warn(l, NULL, "write { [\"fabrikam.com\"] = { partner_type = "
		     "\"federated\" } }",
		     partners ? "empty: nobody is allowed"
			      : "missing: nobody is allowed");
	lg_lint_leave(l, mark);
}

/* By key as people count (item 9 before item 10), then as found. */
static int by_key(const void *a, const void *b)
{
	const struct lg_problem *x = a, *y = b;
	int d = strverscmp(x->key, y->key);

	return d ? d : (x->seq > y->seq) - (x->seq < y->seq);
}

static void take_host(struct lg_lint *l, struct sb_str host)
{
	char buf[LG_DOMAIN_MAX];
	struct sb_str ascii;

	l->s->host = lg_lint_dup(l, host);
	if (!lg_domain_ascii(&ascii, buf, host)) {
		l->s->host_ascii = lg_lint_dup(l, ascii);
		return;
	}
	lg_lint_name(l, "host");
	lg_lint_error(l, &(struct lg_value){.type = LG_V_STRING,
					    .u.string = host},
		      "name the VirtualHost after the Lync SIP domain",
		      "not a domain name");
	lg_lint_leave(l, 0);
}

int lg_settings_load(struct lg_settings *s, struct sb_str host,
		     const struct lg_value *options)
{
	struct lg_lint *l;
	int err;

	l = calloc(1, sizeof(*l));
	if (!l)
		return LG_ENOMEM;
	l->s = s;
	s->usable = true;
	defaults(s);
	take_host(l, host);
	if (lg_lint_is_table(l, options, "{ }") && !l->oom) {
		lg_lint_table(l, s, options, options_keys,
			      sizeof(options_keys) / sizeof(options_keys[0]));
		absent(l, options);
		lg_apply_prosody(l, options);
	}
	if (s->problems.n > 0)
		qsort(s->problems.v, s->problems.n, sizeof(s->problems.v[0]),
		      by_key);
	err = l->oom ? LG_ENOMEM : LG_OK;
	if (err)
		s->usable = false;
	free(l);
	return err;
}

void lg_settings_fini(struct lg_settings *s)
{
	lg_arena_fini(&s->arena);
	memset(s, 0, sizeof(*s));
}
