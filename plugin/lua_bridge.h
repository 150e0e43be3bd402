/*
 * lua_bridge.h: what lua_bridge.c, lua_config.c, lua_event.c and lua_watch.c
 * share.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_LUA_BRIDGE_H
#define LG_LUA_BRIDGE_H

#include "../sipbridge/sipbridge.h"
#include "lua_core.h"

/* Push the table of docs/core.md for an event; addresses become JIDs. */
void lg_lua_event(lua_State *L, const struct sb_event *ev);

/* Its fields that are about presence, into the table on top. */
void lg_lua_watch_event(lua_State *L, const struct sb_event *ev);

/* Add the methods about presence to the table on top. */
void lg_lua_watch_methods(lua_State *L);

/* The bridge at 1; raises when it is closed, or is none. */
struct sb_bridge *lg_lua_to_bridge(lua_State *L);

/* Of the bridge's clock. */
uint64_t lg_lua_now_ms(void);

/* The two ends of a request, as URIs. */
struct lg_lua_ends {
	char contact[LG_URI_MAX], user[LG_URI_MAX];
};

/* Ends of r from the table at t, their text in e; 0 or an error of
 * lg_lua_fail. */
int lg_lua_read_ends(lua_State *L, struct sb_request *r, struct lg_lua_ends *e,
		     int t);

/* Line ends as the library wants them: XML may hold CR by reference. The
 * result may lie on the stack, which is higher by one then. */
struct sb_str lg_lua_unix_lines(lua_State *L, struct sb_str s);

/* sb_send; pushes true, or nil, token, text. For "return". */
int lg_lua_send(lua_State *L, struct sb_bridge *b, const struct sb_request *r);

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
