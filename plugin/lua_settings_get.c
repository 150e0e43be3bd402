/*
 * lua_settings_get.c: methods of settings: what they say, and the decision.
 * SPDX-License-Identifier: MIT
 */
#include "lua_core.h"
#include "policy.h"

static const struct lg_settings *self(lua_State *L)
{
	return luaL_checkudata(L, 1, LG_LUA_SETTINGS);
}

static void set_number(lua_State *L, const char *key, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, key);
}

static void set_bool(lua_State *L, const char *key, bool on)
{
	lua_pushboolean(L, on);
	lua_setfield(L, -2, key);
}

/* t[key] = list, also when it is empty */
static void set_list(lua_State *L, const char *key, const struct sb_str *list,
		     size_t n)
{
	size_t i;

	lua_newtable(L);
	for (i = 0; i < n; i++) {
		lg_lua_push(L, list[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, key);
}

/* t[key] = seconds; whole ones as an integer */
static void set_time(lua_State *L, const char *key, uint32_t ms)
{
	if (ms % 1000 == 0)
		lua_pushinteger(L, ms / 1000);
	else
		lua_pushnumber(L, ms / 1000.0);
	lua_setfield(L, -2, key);
}

static void push_wire(lua_State *L, const struct sb_wire *w)
{
	lua_createtable(L, 0, 18);
	if (w->verification_header.n > 0)
		lg_lua_set(L, "verification_header", w->verification_header);
	else
		set_bool(L, "verification_header", false);
	set_bool(L, "record_route", w->record_route);
	set_bool(L, "first_message_in_invite", w->first_message_in_invite);
	set_bool(L, "accept_pager_message", w->accept_pager_message);
	lg_lua_set(L, "imdn_method", w->imdn_method);
	set_time(L, "first_message_wait", w->first_message_wait_ms);
	set_time(L, "answer_wait", w->answer_wait_ms);
	set_time(L, "invite_timeout", w->invite_timeout_ms);
	set_time(L, "message_timeout", w->message_timeout_ms);
	set_time(L, "imdn_wait", w->imdn_wait_ms);
	set_time(L, "session_idle", w->session_idle_ms);
	set_time(L, "typing_interval", w->typing_interval_ms);
	set_time(L, "typing_timeout", w->typing_timeout_ms);
	set_time(L, "options_interval", w->options_interval_ms);
	set_time(L, "subscription_expires", w->offer_expires_ms);
	set_time(L, "notify_interval", w->notify_interval_ms);
	set_number(L, "watch_rate", w->watch_rate);
	set_bool(L, "ask_categories", w->ask_categories);
	set_bool(L, "tell_categories", w->tell_categories);
}

/* As long as the bridge lets a subscription stand at most. */
static lua_Integer refresh_interval(const struct lg_gateway *g)
{
	const uint32_t day = 86400;

	return g->subscription_refresh_interval < day
		       ? g->subscription_refresh_interval
		       : day;
}

/* (settings) -> table */
static int l_bridge(lua_State *L)
{
	const struct lg_bridge *b = &self(L)->bridge;

	lua_createtable(L, 0, 16);
	lg_lua_set(L, "access_edge", b->edge.host);
	set_number(L, "port", b->edge.port ? b->edge.port : 5061);
	lg_lua_set(L, "address", b->address);
	lg_lua_set(L, "fqdn", b->fqdn);
	set_list(L, "listen", b->listen, b->listen_n);
	lg_lua_set(L, "certificate", b->certificate);
	lg_lua_set(L, "key", b->key);
	lg_lua_set(L, "cafile", b->cafile);
	lg_lua_set(L, "crlfile", b->crlfile);
	lg_lua_set(L, "min_tls", b->min_tls);
	set_number(L, "rate", b->rate);
	set_number(L, "burst", b->burst);
	set_bool(L, "sandbox", b->sandbox);
	set_number(L, "memory", b->memory);
	set_number(L, "subscription_refresh_interval",
		   refresh_interval(&self(L)->gateway));
	push_wire(L, &b->wire);
	lua_setfield(L, -2, "wire");
	return 1;
}

/* (settings) -> table */
static int l_gateway(lua_State *L)
{
	const struct lg_gateway *g = &self(L)->gateway;

	lua_createtable(L, 0, 12);
	set_number(L, "connection_limit", g->connection_limit);
	set_number(L, "partner_connection_limit",
		   g->partner_connection_limit);
	set_number(L, "keep_alive_interval", g->keep_alive_interval);
	set_number(L, "stream_establishment_timeout",
		   g->stream_establishment_timeout);
	set_number(L, "stream_inactivity_timeout",
		   g->stream_inactivity_timeout);
	set_number(L, "subscription_refresh_interval",
		   g->subscription_refresh_interval);
	set_number(L, "contact_authorization_days",
		   g->contact_authorization_days);
	set_number(L, "partner_subscription_limit",
		   g->partner_subscription_limit);
	set_number(L, "partner_recipient_limit", g->partner_recipient_limit);
	set_bool(L, "enable_logging_all_message_bodies",
		 g->enable_logging_all_message_bodies);
	lg_lua_set(L, "dialback_passphrase", g->dialback_passphrase);
	return 1;
}

static void set_proxy(lua_State *L, const struct lg_endpoint *proxy)
{
	if (proxy->host.n == 0)
		return;
	lua_pushfstring(L, memchr(proxy->host.p, ':', proxy->host.n)
				   ? "[%s]:%d"
				   : "%s:%d",
			proxy->host.p, (int)proxy->port);
	lua_setfield(L, -2, "proxy_fqdn");
}

static void set_negotiation(lua_State *L, const struct lg_partner *p)
{
	lua_Integer n = 0;
	size_t i;

	lg_lua_set(L, "tls_negotiation", sb_str_of(lg_need_names[p->tls]));
	lg_lua_set(L, "sasl_negotiation", sb_str_of(lg_need_names[p->sasl]));
	set_bool(L, "support_dialback_negotiation", p->dialback);
	set_number(L, "row", p->row->row);
	if (p->row->warning)
		lg_lua_set(L, "warning", sb_str_of(p->row->note));
	lua_createtable(L, LG_METHODS_MAX, 0);
	for (i = 0; i < p->row->methods_n; i++) {
		if (!(p->methods & 1U << p->row->methods[i]))
			continue;
		lua_pushstring(L, lg_method_names[p->row->methods[i]]);
		lua_rawseti(L, -2, ++n);
	}
	lua_setfield(L, -2, "methods");
	set_bool(L, "strict", p->strict);
}

/* (settings, domain) -> table | nil */
static int l_partner(lua_State *L)
{
	const struct lg_partner *p;

	p = lg_partners_find(&self(L)->partners, lg_lua_str(L, 2));
	if (!p) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, 16);
	lg_lua_set(L, "domain", p->domain);
	lg_lua_set(L, "description", p->description);
	set_list(L, "additional_domains", p->additional, p->additional_n);
	if (p->type != LG_TYPE_MISSING)
		lg_lua_set(L, "partner_type",
			   sb_str_of(lg_partner_type_names[p->type]));
	set_negotiation(L, p);
	set_bool(L, "enable_keep_alive", p->keep_alive);
	set_number(L, "connection_limit", p->connection_limit);
	set_proxy(L, &p->proxy);
	set_bool(L, "verified", lg_partner_verified(p));
	lg_lua_set(L, "disabled", sb_str_of(p->disabled));
	return 1;
}

/* (settings) -> array of primary domains, sorted */
static int l_partners(lua_State *L)
{
	const struct lg_partners *p = &self(L)->partners;
	size_t i;

	lua_newtable(L);
	for (i = 0; i < p->sorted_n; i++) {
		lg_lua_push(L, p->sorted[i]->domain);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* facts[key], a string that the table keeps alive; absent: empty. */
static struct sb_str fact(lua_State *L, const char *key)
{
	struct sb_str s = SB_NOSTR;

	lua_pushstring(L, key);
	if (lua_rawget(L, 2) == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.n);
	else if (!lua_isnil(L, -1))
		luaL_error(L, "%s: string expected, got %s", key,
			   luaL_typename(L, -1));
	lua_pop(L, 1);
	return s;
}

/* facts[key] as the index of one of words; anything else is misuse. */
static int choice(lua_State *L, const char *key, const char *const *words)
{
	struct sb_str s = fact(L, key);
	int i;

	for (i = 0; words[i]; i++) {
		if (sb_str_eq(s, sb_str_of(words[i])))
			return i;
	}
	return luaL_error(L, "%s: not a valid value", key);
}

static void push_flags(lua_State *L, const struct lg_decision *d)
{
	lua_createtable(L, 0, 2);
	set_bool(L, "verified", d->verified);
	set_bool(L, "reply_only", d->reply_only);
}

/* (settings, facts) -> true, flags | nil, token, text, flags */
static int l_may(lua_State *L)
{
	const struct lg_settings *s = self(L);
	struct lg_decision d;
	struct lg_facts f;
	int err, n;

	luaL_checktype(L, 2, LUA_TTABLE);
	f.direction = (enum lg_direction)choice(L, "direction",
						lg_direction_names);
	f.kind = (enum lg_kind)choice(L, "kind", lg_kind_names);
	f.contact = fact(L, "contact");
	f.user = fact(L, "user");
	lua_pushstring(L, "listed");
	lua_rawget(L, 2);
	f.listed = lua_toboolean(L, -1);
	lua_pop(L, 1);
	err = lg_may(&d, s, &f);
	n = 1;
	if (err)
		n = lg_lua_fail(L, err);
	else
		lua_pushboolean(L, 1);
	push_flags(L, &d);
	return n + 1;
}

void lg_lua_settings_methods(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"bridge", l_bridge},	  {"gateway", l_gateway},
		{"partner", l_partner},	  {"partners", l_partners},
		{"may", l_may},		  {NULL, NULL},
	};

	luaL_newlib(L, methods);
	lg_lua_stream_methods(L);
}
