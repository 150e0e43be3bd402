/*
 * lua_config.c: the table given to core.bridge, as struct sb_config.
 * SPDX-License-Identifier: MIT
 *
 * Texts are borrowed from the table, so tables are read without metamethods:
 * what those return nobody would keep alive.
 */
#include <limits.h>
#include <stdlib.h>

#include <dlfcn.h>

#include "lua_bridge.h"

static int get(lua_State *L, int t, const char *key)
{
	lua_pushstring(L, key);
	return lua_rawget(L, t);
}

/* t[key] of the table at index t as text that the table keeps alive. */
struct sb_str lg_lua_field(lua_State *L, int t, const char *key)
{
	struct sb_str s = SB_NOSTR;

	if (get(L, t, key) == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.n);
	else if (lua_toboolean(L, -1))
		luaL_error(L, "%s: string expected, got %s", key,
			   luaL_typename(L, -1));
	lua_pop(L, 1); /* the table at t holds it */
	return s;
}

/* To a whole number; what does not fit becomes one that nobody accepts. */
static uint32_t whole(lua_Number n)
{
	return n >= 0 && n < (lua_Number)UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static uint32_t number(lua_State *L, int t, const char *key, uint32_t def)
{
	lua_Number n = def;

	if (get(L, t, key) == LUA_TNUMBER)
		n = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return whole(n);
}

/* Seconds, with fractions, to milliseconds. */
static uint32_t period(lua_State *L, int t, const char *key, uint32_t def_ms)
{
	lua_Number n = (lua_Number)def_ms / 1000;

	if (get(L, t, key) == LUA_TNUMBER)
		n = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return whole(n * 1000 + 0.5);
}

bool lg_lua_flag(lua_State *L, int t, const char *key, bool def)
{
	bool on = def;

	if (get(L, t, key) != LUA_TNIL)
		on = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return on;
}

static void read_wire(lua_State *L, struct sb_wire *w, int t)
{
	if (get(L, t, "verification_header") == LUA_TBOOLEAN)
		w->verification_header = SB_NOSTR; /* false: none */
	else if (lua_type(L, -1) == LUA_TSTRING)
		w->verification_header.p = lua_tolstring(
			L, -1, &w->verification_header.n);
	lua_pop(L, 1);
	if (get(L, t, "imdn_method") == LUA_TSTRING)
		w->imdn_method.p = lua_tolstring(L, -1, &w->imdn_method.n);
	lua_pop(L, 1);
	w->record_route = lg_lua_flag(L, t, "record_route", w->record_route);
	w->first_message_in_invite = lg_lua_flag(
		L, t, "first_message_in_invite", w->first_message_in_invite);
	w->accept_pager_message = lg_lua_flag(L, t, "accept_pager_message",
					      w->accept_pager_message);
	w->first_message_wait_ms = period(L, t, "first_message_wait",
					  w->first_message_wait_ms);
	w->answer_wait_ms = period(L, t, "answer_wait", w->answer_wait_ms);
	w->invite_timeout_ms = period(L, t, "invite_timeout",
				      w->invite_timeout_ms);
	w->message_timeout_ms = period(L, t, "message_timeout",
				       w->message_timeout_ms);
	w->imdn_wait_ms = period(L, t, "imdn_wait", w->imdn_wait_ms);
	w->session_idle_ms = period(L, t, "session_idle", w->session_idle_ms);
	w->typing_interval_ms = period(L, t, "typing_interval",
				       w->typing_interval_ms);
	w->typing_timeout_ms = period(L, t, "typing_timeout",
				      w->typing_timeout_ms);
	w->options_interval_ms = period(L, t, "options_interval",
					w->options_interval_ms);
	w->offer_expires_ms = period(L, t, "subscription_expires",
				     w->offer_expires_ms);
	w->notify_interval_ms = period(L, t, "notify_interval",
				       w->notify_interval_ms);
	w->watch_rate = number(L, t, "watch_rate", w->watch_rate);
	w->ask_categories = lg_lua_flag(L, t, "ask_categories",
					w->ask_categories);
	w->tell_categories = lg_lua_flag(L, t, "tell_categories",
					 w->tell_categories);
}

static int read_domains(lua_State *L, struct sb_config *c, int t)
{
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, t);
	struct sb_domain *d;
	uint32_t port;

	if (n > SB_DOMAINS_MAX)
		return SB_ETOOBIG;
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, t, i);
		luaL_checktype(L, -1, LUA_TTABLE);
		d = &c->domains[c->domains_n++];
		d->name = lg_lua_field(L, lua_gettop(L), "name");
		d->edge = lg_lua_field(L, lua_gettop(L), "edge");
		d->address = lg_lua_field(L, lua_gettop(L), "address");
		port = number(L, lua_gettop(L), "port", 5061);
		d->port = port <= UINT16_MAX ? (uint16_t)port : 0;
		lua_pop(L, 1);
	}
	return SB_OK;
}

static int read_listen(lua_State *L, struct sb_config *c, int t)
{
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, t);

	if (n > SB_LISTEN_MAX)
		return SB_ETOOBIG;
	for (i = 1; i <= n; i++) {
		struct sb_str *s = &c->listen[c->listen_n++];

		if (lua_rawgeti(L, t, i) != LUA_TSTRING)
			return luaL_error(L, "listen: strings expected");
		s->p = lua_tolstring(L, -1, &s->n);
		lua_pop(L, 1);
	}
	return SB_OK;
}

/* The worker stands beside core.so. */
static struct sb_str worker_beside_us(char *buf, size_t n)
{
	static const char name[] = "sipbridge-worker";
	const char *slash;
	char real[PATH_MAX];
	Dl_info info;
	size_t dir;

	if (!dladdr(worker_beside_us, &info) || !info.dli_fname
	    || !realpath(info.dli_fname, real))
		return SB_NOSTR;
	slash = strrchr(real, '/');
	dir = slash ? (size_t)(slash - real) + 1 : 0;
	if (dir + sizeof(name) > n)
		return SB_NOSTR;
	memcpy(buf, real, dir);
	memcpy(buf + dir, name, sizeof(name));
	return (struct sb_str){buf, dir + sizeof(name) - 1};
}

/* The table at index t; its texts live as long as it does. */
int lg_lua_config(lua_State *L, struct sb_config *c, char *path, size_t n,
		       int t)
{
	int err = SB_OK;

	luaL_checktype(L, t, LUA_TTABLE);
	sb_config_init(c);
	c->worker = lg_lua_field(L, t, "worker");
	if (!c->worker.n)
		c->worker = worker_beside_us(path, n);
	c->bridge_fqdn = lg_lua_field(L, t, "fqdn");
	c->certificate = lg_lua_field(L, t, "certificate");
	c->key = lg_lua_field(L, t, "key");
	c->cafile = lg_lua_field(L, t, "cafile");
	c->crlfile = lg_lua_field(L, t, "crlfile");
	if (lg_lua_field(L, t, "min_tls").n)
		c->min_tls = lg_lua_field(L, t, "min_tls");
	c->rate = number(L, t, "rate", 0);
	c->burst = number(L, t, "burst", 0);
	c->sandbox = lg_lua_flag(L, t, "sandbox", c->sandbox);
	c->memory = number(L, t, "memory", c->memory);
	c->wire.watch_expires_ms = period(L, t, "subscription_refresh_interval",
					  c->wire.watch_expires_ms);
	if (get(L, t, "wire") == LUA_TTABLE)
		read_wire(L, &c->wire, lua_gettop(L));
	lua_pop(L, 1);
	if (get(L, t, "listen") == LUA_TTABLE)
		err = read_listen(L, c, lua_gettop(L));
	lua_pop(L, 1);
	if (get(L, t, "domains") == LUA_TTABLE && !err)
		err = read_domains(L, c, lua_gettop(L));
	lua_pop(L, 1);
	return err;
}
