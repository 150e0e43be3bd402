/*
 * lua_settings.c: core.settings: settings and their problems, for Lua.
 * SPDX-License-Identifier: MIT
 */
#include "lua_core.h"
#include "settings.h"

#define ARENA "lync_gateway.arena*"

static int arena_gc(lua_State *L)
{
	lg_arena_fini(lua_touserdata(L, 1));
	return 0;
}

static int settings_gc(lua_State *L)
{
	lg_settings_fini(luaL_checkudata(L, 1, LG_LUA_SETTINGS));
	return 0;
}

/* settings.usable, settings.host, and the methods (the upvalue) */
static int settings_index(lua_State *L)
{
	const struct lg_settings *s = luaL_checkudata(L, 1, LG_LUA_SETTINGS);
	const char *key = luaL_checkstring(L, 2);

	if (strcmp(key, "usable") == 0) {
		lua_pushboolean(L, s->usable);
	}
	else if (strcmp(key, "host") == 0) {
		lua_pushlstring(L, s->host.p ? s->host.p : "", s->host.n);
	}
	else {
		lua_pushvalue(L, 2);
		lua_rawget(L, lua_upvalueindex(1));
	}
	return 1;
}

/* Memory for the values while they are read: Lua frees it if one raises. */
static struct lg_arena *new_arena(lua_State *L)
{
	struct lg_arena *a = lua_newuserdatauv(L, sizeof(*a), 0);

	memset(a, 0, sizeof(*a));
	if (lg_lua_metatable(L, ARENA)) {
		lua_pushcfunction(L, arena_gc);
		lua_setfield(L, -2, "__gc");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
	return a;
}

static void set_metatable(lua_State *L)
{
	if (lg_lua_metatable(L, LG_LUA_SETTINGS)) {
		lg_lua_settings_methods(L);
		lua_pushcclosure(L, settings_index, 1);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, settings_gc);
		lua_setfield(L, -2, "__gc");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
}

static void push_problems(lua_State *L, const struct lg_settings *s)
{
	const struct lg_problem *p;
	size_t i;

	lua_createtable(L, s->problems.n < 1000 ? (int)s->problems.n : 1000,
			0);
	for (i = 0; i < s->problems.n; i++) {
		p = &s->problems.v[i];
		lua_createtable(L, 0, 8);
		lg_lua_set(L, "level", sb_str_of(p->error ? "error" : "warn"));
		lg_lua_set(L, "host", s->host);
		lg_lua_set(L, "partner", sb_str_of(p->partner));
		lg_lua_set(L, "key", sb_str_of(p->key));
		lg_lua_set(L, "value", sb_str_of(p->value));
		lg_lua_set(L, "message", sb_str_of(p->message));
		lg_lua_set(L, "remedy", sb_str_of(p->remedy));
		lg_lua_set(L, "text", sb_str_of(p->text));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* (host, options) -> settings, problems */
static int l_settings(lua_State *L)
{
	struct sb_str host = lg_lua_str(L, 1);
	struct lg_settings *s;
	struct lg_arena *a;
	struct lg_value v;
	int err;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	memset(s, 0, sizeof(*s));
	set_metatable(L);
	a = new_arena(L);
	err = lg_lua_value(L, &v, a, 2);
	if (!err)
		err = lg_settings_load(s, host, &v);
	lg_arena_fini(a);
	if (err)
		return luaL_error(L, "%s", lg_err_text(err));
	lua_settop(L, 3);
	push_problems(L, s);
	return 2;
}

void lg_lua_settings(lua_State *L)
{
	lua_pushcfunction(L, l_settings);
}
