/*
 * lua_core.h: what the files of the Lua binding (lua_*.c) share.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the module table of lync_gateway.core and the conventions of its
 *          functions: an expected failure returns nil, token, text; misuse
 *          raises. No other file of plugin/ includes lua.h.
 * Memory:  nothing that malloc gave may be live across a call that can raise:
 *          make the userdata first, then fill it.
 */
#ifndef LG_LUA_CORE_H
#define LG_LUA_CORE_H

#include <lauxlib.h>
#include <lua.h>

#include "../sipbridge/str.h"
#include "address.h"
#include "error.h"

/* Each pushes the function of its name in docs/core.md. */
void lg_lua_settings(lua_State *L);    /* core.settings (lua_settings.c) */
void lg_lua_negotiation(lua_State *L); /* core.negotiation (lua_mapping.c) */
void lg_lua_to_sip(lua_State *L);      /* core.to_sip */
void lg_lua_to_jid(lua_State *L);      /* core.to_jid */
void lg_lua_to_condition(lua_State *L); /* core.to_condition */
void lg_lua_to_status(lua_State *L);   /* core.to_status */
void lg_lua_refusal(lua_State *L);   /* core.refusal (lua_stream.c) */
void lg_lua_bridge(lua_State *L);      /* core.bridge (lua_bridge.c) */
void lg_lua_roster(lua_State *L);      /* core.roster (lua_roster.c) */
void lg_lua_tally(lua_State *L);       /* core.tally (lua_tally.c) */

/* Push nil, the token and the text of err; returns 3, for "return". */
int lg_lua_fail(lua_State *L, int err);

/* The string argument arg, borrowed from the Lua stack; raises if it is
 * anything else (numbers too: they are misuse here). */
struct sb_str lg_lua_str(lua_State *L, int arg);

/* Push s, or nil when it is empty. */
void lg_lua_push(lua_State *L, struct sb_str s);

/* t[key] = s for the table on top of the stack; nothing when s is empty. */
void lg_lua_set(lua_State *L, const char *key, struct sb_str s);

/*
 * Push the metatable of that name. True: it has to be filled, "__metatable"
 * last. Memory may have ended while it was filled before: it stays in the
 * registry, so luaL_newmetatable alone would take half of one for whole.
 */
bool lg_lua_metatable(lua_State *L, const char *name);

#define LG_LUA_SETTINGS "lync_gateway.settings*" /* metatable */

struct lg_arena;
struct lg_value;

/*
 * The Lua value at index t (absolute), as the lint reads it; its strings are
 * borrowed from Lua, the rest lies in a. No metamethods. Raises when there are
 * more than LG_LUA_VALUES values (a table within itself). LG_ENOMEM.
 */
int lg_lua_value(lua_State *L, struct lg_value *v, struct lg_arena *a, int t);

#define LG_LUA_VALUES 4000000

/* Push the methods table of settings (lua_settings_get.c); the second adds its
 * own to the table on top (lua_stream.c). */
void lg_lua_settings_methods(lua_State *L);
void lg_lua_stream_methods(lua_State *L);

#endif
