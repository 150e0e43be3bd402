/*
 * lua_bridge.h: what lua_bridge.c, lua_config.c and lua_event.c share.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_LUA_BRIDGE_H
#define LG_LUA_BRIDGE_H

#include "../sipbridge/sipbridge.h"
#include "lua_core.h"

/* Push the table of docs/core.md for an event; addresses become JIDs. */
void lg_lua_event(lua_State *L, const struct sb_event *ev);

/*
 * The settings of docs/core.md from the table at index t, which is to stay on
 * the stack: their texts are the table's, or lie in path. Raises on a wrong
 * type. SB_OK or SB_ETOOBIG.
 */
int lg_lua_config(lua_State *L, struct sb_config *c, char *path, size_t n,
		  int t);

/* t[key] of the table at index t, without metamethods, as text that the table
 * keeps alive; empty when it is nil or false, raises on other types. */
struct sb_str lg_lua_field(lua_State *L, int t, const char *key);

/* t[key] as a boolean; def when it is nil. */
bool lg_lua_flag(lua_State *L, int t, const char *key, bool def);

#endif
