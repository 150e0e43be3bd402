/*
 * lua_mapping.c: addresses, errors and the negotiation table, for Lua.
 * SPDX-License-Identifier: MIT
 */
#include "lua_core.h"

#include "errors.h"
#include "negotiation.h"

/* (jid) -> uri, resource|nil | nil, token, text */
static int l_to_sip(lua_State *L)
{
	struct sb_str jid = lg_lua_str(L, 1), uri, resource;
	char buf[LG_URI_MAX];
	int err;

	err = lg_jid_to_uri(&uri, &resource, buf, sizeof(buf), jid);
	if (err)
		return lg_lua_fail(L, err);
	lua_pushlstring(L, uri.p, uri.n);
	lg_lua_push(L, resource);
	return 2;
}

/* (uri) -> bare jid, resource|nil | nil, token, text */
static int l_to_jid(lua_State *L)
{
	struct sb_str uri = lg_lua_str(L, 1), jid, resource;
	char buf[LG_FULL_MAX + 1];
	int err;

	err = lg_uri_to_jid(&jid, &resource, buf, sizeof(buf), uri);
	if (err)
		return lg_lua_fail(L, err);
	lua_pushlstring(L, jid.p, jid.n);
	lg_lua_push(L, resource);
	return 2;
}

/* A number from Lua; what does not fit becomes none that is known. */
static int number(lua_State *L, int arg)
{
	lua_Integer n = luaL_checkinteger(L, arg);

	return n >= 0 && n <= 999999 ? (int)n : 999999;
}

/* (status, diag|nil) -> condition, type | nil, token, text */
static int l_to_condition(lua_State *L)
{
	const char *condition = NULL, *type = NULL;
	int status = number(L, 1), diag = 0, err;

	if (!lua_isnoneornil(L, 2))
		diag = number(L, 2);
	err = lg_status_to_condition(&condition, &type, status, diag);
	if (err)
		return lg_lua_fail(L, err);
	lua_pushstring(L, condition);
	lua_pushstring(L, type);
	return 2;
}

/* (condition, full, type|nil, moved|nil) -> status, phrase, diag|nil, text */
static int l_to_status(lua_State *L)
{
	struct sb_str condition = lg_lua_str(L, 1), type = SB_NOSTR;
	struct lg_status s;

	if (!lua_isnoneornil(L, 3))
		type = lg_lua_str(L, 3);
	lg_condition_to_status(&s, condition, lua_toboolean(L, 2), type,
			       lua_toboolean(L, 4));
	lua_pushinteger(L, s.status);
	lua_pushstring(L, s.phrase);
	if (s.diag == 0)
		return 2;
	lua_pushinteger(L, s.diag);
	lua_pushstring(L, s.diag_text);
	return 4;
}

/* (tls, sasl, dialback) -> row of the table */
static int l_negotiation(lua_State *L)
{
	int tls = luaL_checkoption(L, 1, NULL, lg_need_names);
	int sasl = luaL_checkoption(L, 2, NULL, lg_need_names);
	const struct lg_negotiation *row;
	size_t i;

	luaL_checktype(L, 3, LUA_TBOOLEAN);
	row = lg_negotiation((enum lg_need)tls, (enum lg_need)sasl,
			     lua_toboolean(L, 3));
	lua_createtable(L, 0, 6);
	lua_pushinteger(L, row->row);
	lua_setfield(L, -2, "row");
	lua_pushboolean(L, row->valid);
	lua_setfield(L, -2, "valid");
	lua_pushboolean(L, row->warning);
	lua_setfield(L, -2, "warning");
	lg_lua_set(L, "note", sb_str_of(row->note));
	lg_lua_set(L, "error", sb_str_of(row->error));
	lua_createtable(L, (int)row->methods_n, 0);
	for (i = 0; i < row->methods_n; i++) {
		lua_pushstring(L, lg_method_names[row->methods[i]]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "methods");
	return 1;
}

void lg_lua_to_sip(lua_State *L)
{
	lua_pushcfunction(L, l_to_sip);
}

void lg_lua_to_jid(lua_State *L)
{
	lua_pushcfunction(L, l_to_jid);
}

void lg_lua_to_condition(lua_State *L)
{
	lua_pushcfunction(L, l_to_condition);
}

void lg_lua_to_status(lua_State *L)
{
	lua_pushcfunction(L, l_to_status);
}

void lg_lua_negotiation(lua_State *L)
{
	lua_pushcfunction(L, l_negotiation);
}
