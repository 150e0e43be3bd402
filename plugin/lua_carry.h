/*
 * lua_carry.h: the short way of a message, between lua_bridge.c and
 * lua_carry.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_LUA_CARRY_H
#define LG_LUA_CARRY_H

#include "flight.h"
#include "heard.h"
#include "lua_bridge.h"
#include "roster.h"
#include "tally.h"

/* What a bridge is to Lua. */
struct lg_lua_carrier {
	struct sb_bridge *b; /* NULL: closed */
	struct lg_flights flights;
	struct lg_heard heard;
};

/* The bridge at 1; raises when it is closed, or is none. */
struct lg_lua_carrier *lg_lua_to_carrier(lua_State *L);

void lg_lua_push_carry(lua_State *L); /* push bridge:carry */
int lg_lua_left(lua_State *L);	      /* bridge:left */

/* Seconds on CLOCK_MONOTONIC at which an event's matter was known. */
double lg_lua_known_at(const struct sb_event *ev);

enum lg_counted { LG_NOT_COUNTED, LG_COUNTED, LG_QUARANTINED };

/* What an event of a host is judged by. */
struct lg_lua_judge {
	struct lg_roster *roster;
	const struct lg_settings *settings;
	struct lg_tally *tally; /* or NULL */
	uint64_t now;		/* seconds since 1970 */
};

/* An outcome that bridge:next would return as plain values, of a message to
 * this host: counted, if the tally has room, told to the roster, and done with.
 * LG_QUARANTINED: with it the quarantine of the partner has begun, whose
 * primary domain was pushed. */
enum lg_counted lg_lua_count(lua_State *L, struct lg_lua_carrier *c,
			     const struct lg_lua_judge *j,
			     const struct sb_event *ev);

/* Push what bridge:next returns for an event; returns how many values. */
int lg_lua_next_values(lua_State *L, struct lg_lua_carrier *c,
		       const struct sb_event *ev);

#endif
