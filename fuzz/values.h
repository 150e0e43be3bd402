/*
 * values.h: a value of the configuration from a text in Lua's notation.
 * SPDX-License-Identifier: MIT
 *
 * As much of it as seeds need: { key = value, ["key"] = value, value }, text
 * in double quotes with \" \\ \ddd, numbers, true, false; a word that is
 * nothing of these is a value of another type. Whatever the bytes, what comes
 * out is what the Lua binding could have made: sorted, no key twice.
 */
#ifndef FUZZ_VALUES_H
#define FUZZ_VALUES_H

#include "../plugin/arena.h"
#include "../plugin/value.h"

/* The value at the front of *text, which moves on. */
struct lg_value fuzz_value(struct lg_arena *a, struct sb_str *text);

#endif
