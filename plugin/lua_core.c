/*
 * lua_core.c: the module lync_gateway.core, and what its files share.
 * SPDX-License-Identifier: MIT
 */
#include "lua_core.h"

#include "../sipbridge/version.h"

int lg_lua_fail(lua_State *L, int err)
{
	lua_pushnil(L);
	lua_pushstring(L, lg_err_name(err));
	lua_pushstring(L, lg_err_text(err));
	return 3;
}

struct sb_str lg_lua_str(lua_State *L, int arg)
{
	struct sb_str s;

	luaL_checktype(L, arg, LUA_TSTRING);
	s.p = lua_tolstring(L, arg, &s.n);
	return s;
}

void lg_lua_push(lua_State *L, struct sb_str s)
{
	if (s.n > 0)
		lua_pushlstring(L, s.p, s.n);
	else
		lua_pushnil(L);
}

void lg_lua_set(lua_State *L, const char *key, struct sb_str s)
{
	if (s.n == 0)
		return;
	lua_pushlstring(L, s.p, s.n);
	lua_setfield(L, -2, key);
}

bool lg_lua_metatable(lua_State *L, const char *name)
{
	bool whole;

	if (luaL_newmetatable(L, name))
		return true;
	whole = lua_getfield(L, -1, "__metatable") != LUA_TNIL;
	lua_pop(L, 1);
	return !whole;
}

__attribute__((visibility("default"))) int luaopen_lync_gateway_core(
	lua_State *L);

int luaopen_lync_gateway_core(lua_State *L)
{
	static const struct {
		const char *name;
		void (*push)(lua_State *L);
	} members[] = {
		{"settings", lg_lua_settings},
		{"negotiation", lg_lua_negotiation},
		{"to_sip", lg_lua_to_sip},
		{"to_jid", lg_lua_to_jid},
		{"to_condition", lg_lua_to_condition},
		{"to_status", lg_lua_to_status},
		{"refusal", lg_lua_refusal},
		{"bridge", lg_lua_bridge},
		{"roster", lg_lua_roster},
		{"tally", lg_lua_tally},
	};
	size_t i;

	luaL_checkversion(L);
	lua_newtable(L);
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		members[i].push(L);
		lua_setfield(L, -2, members[i].name);
	}
	lua_pushliteral(L, LG_VERSION);
	lua_setfield(L, -2, "version");
	return 1;
}
