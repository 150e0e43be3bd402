/*
 * cases.h: directories of cases: test/data/KIND/CASE/{input, want or error}.
 * SPDX-License-Identifier: MIT
 *
 * input: the header's value in the first line (LF), then the body, byte for
 * byte. want: the expected result as text; error: instead, a token in a line.
 */
#ifndef CASES_H
#define CASES_H

#include "../sipbridge/str.h"

struct test_case {
	const char *name;
	struct sb_str header, body;
	struct sb_str want;
	bool error; /* want is a token */
};

/* Run each case of the kind. Returns how many there were. */
size_t cases_run(const char *kind, void (*run)(const struct test_case *c));

#endif
