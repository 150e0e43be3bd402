/*
 * lua_tally.h: the tally that bridge:feed counts into.
 * SPDX-License-Identifier: MIT
 */
#ifndef LG_LUA_TALLY_H
#define LG_LUA_TALLY_H

#include "lua_core.h"
#include "tally.h"

/* The tally at arg; NULL where there is none; raises for anything else. */
struct lg_tally *lg_lua_tally_at(lua_State *L, int arg);

#endif
