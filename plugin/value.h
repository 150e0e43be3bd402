/*
 * value.h: a value of the configuration, whatever its type, without Lua.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what the lint reads. The Lua binding makes it from Lua tables; its
 *          tables are sorted, so that problems come in the same order always.
 * Owner:   strings are borrowed from the configuration, the rest lies in the
 *          arena of whoever made it.
 */
#ifndef LG_VALUE_H
#define LG_VALUE_H

#include <stdint.h>

#include "../sipbridge/str.h"

#define LG_VALUE_TEXT 128 /* bytes that lg_value_print needs, with the NUL */

enum lg_value_type {
	LG_V_BOOL,
	LG_V_INTEGER,
	LG_V_NUMBER,
	LG_V_STRING,
	LG_V_TABLE,
	LG_V_OTHER, /* a function, or a table nested too deep */
};

struct lg_entry;

struct lg_value {
	enum lg_value_type type;
	union {
		bool boolean;
		int64_t integer;
		double number;
		struct sb_str string;
		const char *other; /* its type's name */
		struct {
			struct lg_entry *entries; /* lg_entry_compare order */
			size_t n;
			bool list; /* the keys are 1..n; true when empty */
		} table;
	} u;
};

/* A key and its value. Keys are strings or, when name.p is NULL, integers. */
struct lg_entry {
	struct sb_str name;
	int64_t index;
	struct lg_value value;
};

/* For qsort: integers first, then names by their bytes. */
int lg_entry_compare(const void *a, const void *b);

/* The value of a name in a table, or NULL. */
const struct lg_value *lg_value_get(const struct lg_value *table,
				    const char *name);

/* As it could stand in a Lua file, long strings cut short: "a\nb", 5, true,
 * {...}. Always one line, always NUL-terminated, always UTF-8. */
void lg_value_print(char out[LG_VALUE_TEXT], const struct lg_value *v);

/* The same for a string. */
void lg_quote(char out[LG_VALUE_TEXT], struct sb_str s);

#endif
