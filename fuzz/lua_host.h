/*
 * lua_host.h: targets that are functions in Lua.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what reads the files of administrators is in Lua; it is fuzzed in
 *          Lua's own interpreter, with the core that it runs with.
 * Shape:   fuzz/NAME.lua returns the target, a function of a string. It has
 *          module:require as the module has it, and core. Errors that it
 *          raises are findings, and so are more memory or instructions than
 *          an input of that length may take. Lines that are run are counted
 *          for libFuzzer, as edges of C are.
 * Place:   the current directory is the project's root.
 */
#ifndef FUZZ_LUA_HOST_H
#define FUZZ_LUA_HOST_H

#include "../sipbridge/str.h"

void fuzz_lua(const char *name, struct sb_str input);

#endif
