/*
 * lua_settings_read.c: Lua tables as values that the lint reads.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "arena.h"
#include "lua_core.h"
#include "value.h"

#define DEPTH_MAX 8 /* tables within tables; the configuration has 4 */

struct reader {
	lua_State *L;
	struct lg_arena *arena;
	size_t left; /* values that may still come */
};

static int read_value(struct reader *r, struct lg_value *v, int t,
		      int depth);

static size_t count(lua_State *L, int t)
{
	size_t n = 0;

	lua_pushnil(L);
	while (lua_next(L, t)) {
		lua_pop(L, 1);
		n++;
	}
	return n;
}

/* The key below the top of the stack. */
static void read_key(lua_State *L, struct lg_entry *e)
{
	if (lua_type(L, -2) == LUA_TSTRING)
		e->name.p = lua_tolstring(L, -2, &e->name.n);
	else if (lua_isinteger(L, -2))
		e->index = lua_tointeger(L, -2);
	else
		e->name = sb_str_of(luaL_typename(L, -2));
}

static int read_table(struct reader *r, struct lg_value *v, int t, int depth)
{
	size_t n = count(r->L, t), i = 0;
	struct lg_entry *e;

	if (n > r->left)
		return luaL_error(r->L, "more than %d values in the settings",
				  LG_LUA_VALUES);
	r->left -= n;
	e = lg_arena_array(r->arena, n + 1, sizeof(e[0]));
	if (!e)
		return LG_ENOMEM;
	luaL_checkstack(r->L, 4, "settings");
	lua_pushnil(r->L);
	while (lua_next(r->L, t)) {
		read_key(r->L, &e[i]);
		if (read_value(r, &e[i].value, lua_gettop(r->L), depth + 1))
			return LG_ENOMEM;
		lua_pop(r->L, 1);
		i++;
	}
	qsort(e, i, sizeof(e[0]), lg_entry_compare);
	v->type = LG_V_TABLE;
	v->u.table.entries = e;
	v->u.table.n = i;
	v->u.table.list = true;
	for (n = 0; n < i; n++) {
		if (e[n].name.p || e[n].index != (int64_t)n + 1)
			v->u.table.list = false;
	}
	return LG_OK;
}

static int read_value(struct reader *r, struct lg_value *v, int t, int depth)
{
	lua_State *L = r->L;
	int type = lua_type(L, t);

	if (type == LUA_TTABLE && depth < DEPTH_MAX)
		return read_table(r, v, t, depth);
	if (type == LUA_TBOOLEAN) {
		v->type = LG_V_BOOL;
		v->u.boolean = lua_toboolean(L, t);
	}
	else if (type == LUA_TSTRING) {
		v->type = LG_V_STRING;
		v->u.string.p = lua_tolstring(L, t, &v->u.string.n);
	}
	else if (lua_isinteger(L, t)) {
		v->type = LG_V_INTEGER;
		v->u.integer = lua_tointeger(L, t);
	}
	else if (type == LUA_TNUMBER) {
		v->type = LG_V_NUMBER;
		v->u.number = lua_tonumber(L, t);
	}
	else {
		v->type = LG_V_OTHER;
		v->u.other = lua_typename(L, type);
	}
	return LG_OK;
}

int lg_lua_value(lua_State *L, struct lg_value *v, struct lg_arena *a, int t)
{
	struct reader r = {L, a, LG_LUA_VALUES};

	return read_value(&r, v, t, 0);
}
