/*
 * guard.h: text that ends where reading further kills the test.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  a mapping whose last page may not be touched; a text is copied so
 *         that it ends in front of it. One text at a time: the next call
 *         replaces it.
 * Limits: GUARD_MAX bytes. Memory is kept until the process ends.
 */
#ifndef GUARD_H
#define GUARD_H

#include "../sipbridge/str.h"

#define GUARD_MAX 262144

/* The copy. Ends the process when there is no memory. */
struct sb_str guard(struct sb_str s);

/* n writable bytes that end in front of another such page. */
char *guard_room(size_t n);

/* Give `use` every prefix of s, the whole of it last, each guarded. */
void guard_prefixes(struct sb_str s, void (*use)(struct sb_str prefix));

#endif
