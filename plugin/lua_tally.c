/*
 * lua_tally.c: core.tally, counts of delivered messages for the metrics.
 * SPDX-License-Identifier: MIT
 */
#include "lua_tally.h"

#define TALLY "lync_gateway.tally*"

struct lg_tally *lg_lua_tally_at(lua_State *L, int arg)
{
	return lua_isnoneornil(L, arg) ? NULL : luaL_checkudata(L, arg, TALLY);
}

/* ({ seconds, … }), ascending -> tally */
static int l_tally(lua_State *L)
{
	struct lg_tally *t;
	lua_Unsigned n;

	luaL_checktype(L, 1, LUA_TTABLE);
	n = lua_rawlen(L, 1);
	luaL_argcheck(L, n <= LG_TALLY_BUCKETS, 1, "too many thresholds");
	t = lua_newuserdatauv(L, sizeof(*t), 0);
	*t = (struct lg_tally){.buckets = (size_t)n};
	luaL_setmetatable(L, TALLY);
	for (size_t i = 0; i < t->buckets; i++) {
		luaL_argcheck(L, lua_rawgeti(L, 1, (lua_Integer)i + 1) ==
				 LUA_TNUMBER, 1, "a number is expected");
		t->threshold[i] = lua_tonumber(L, -1);
		lua_pop(L, 1);
		luaL_argcheck(L, i == 0 || t->threshold[i] >
				 t->threshold[i - 1], 1, "not ascending");
	}
	return 1;
}

/* (tally) -> nil: nothing was counted | { [partner] = count }, { counts of the
 * buckets }, sum of seconds; it begins again */
static int l_take(lua_State *L)
{
	struct lg_tally *t = luaL_checkudata(L, 1, TALLY);

	if (t->partners == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, (int)t->partners);
	for (size_t i = 0; i < t->partners; i++) {
		lua_pushlstring(L, t->partner[i].domain, t->partner[i].n);
		lua_pushinteger(L, t->partner[i].count);
		lua_rawset(L, -3);
	}
	lua_createtable(L, (int)t->buckets + 1, 0);
	for (size_t i = 0; i <= t->buckets; i++) {
		lua_pushinteger(L, t->taken[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushnumber(L, t->sum);
	lg_tally_clear(t);
	return 3;
}

void lg_lua_tally(lua_State *L)
{
	static const luaL_Reg methods[] = {{"take", l_take}, {NULL, NULL}};

	if (lg_lua_metatable(L, TALLY)) {
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, l_tally);
}
