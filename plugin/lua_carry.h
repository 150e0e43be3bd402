/*
 * lua_carry.h: the short way of a message, between lua_bridge.c and
 * lua_carry.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_LUA_CARRY_H
#define LG_LUA_CARRY_H

#include "flight.h"
#include "lua_bridge.h"

/* What a bridge is to Lua. */
struct lg_lua_carrier {
	struct sb_bridge *b; /* NULL: closed */
	struct lg_flights flights;
};

/* The bridge at 1; raises when it is closed, or is none. */
struct lg_lua_carrier *lg_lua_to_carrier(lua_State *L);

void lg_lua_push_carry(lua_State *L); /* push bridge:carry */
int lg_lua_left(lua_State *L);	      /* bridge:left */

/* Push what bridge:next returns for an event; returns how many values. */
int lg_lua_next_values(lua_State *L, struct lg_lua_carrier *c,
		       const struct sb_event *ev);

#endif
