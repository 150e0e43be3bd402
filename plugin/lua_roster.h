/*
 * lua_roster.h: what lua_roster.c and lua_roster_get.c share.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_LUA_ROSTER_H
#define LG_LUA_ROSTER_H

#include "lua_core.h"
#include "roster.h"

/* The roster of the first argument; raises when it is closed. */
struct lg_roster *lg_lua_roster_self(lua_State *L);
struct lg_roster *lg_lua_roster_at(lua_State *L, int arg);

/* Arguments: settings, and seconds since 1970. */
const struct lg_settings *lg_lua_roster_settings(lua_State *L, int arg);
uint64_t lg_lua_roster_now(lua_State *L, int arg);

/* t[key] = the JID, its domain as Prosody spells it; and a push of it. */
void lg_lua_roster_set_jid(lua_State *L, const char *key, struct sb_str jid);
void lg_lua_roster_jid(lua_State *L, struct sb_str jid);
/* Push its domain, spelt so. */
void lg_lua_roster_domain(lua_State *L, struct sb_str jid);

/* Push an LG_FX_PRESENCE as stanza; mt: index of the stanzas' metatable. */
void lg_lua_stanza(lua_State *L, const struct lg_effect *fx, int mt);

/* Methods that only look (lua_roster_get.c), ending with NULL. */
extern const luaL_Reg lg_lua_roster_get[];

#endif
