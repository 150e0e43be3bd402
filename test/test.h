/*
 * test.h: the harness of the C tests: one binary, each test a function.
 * SPDX-License-Identifier: MIT
 *
 *	TEST(channel_round_trip)
 *	{
 *		CHECK(n > 0);
 *		CHECK_INT(n, 3);
 *		CHECK_STR(name, "ok");
 *	}
 *
 * Shape:   a test registers itself before main(); nobody keeps a list. Names
 *          are unique in the binary: start them with the file's subject.
 *          A failing check prints one line and the test goes on; a test with a
 *          failing check counts as one failure. REQUIRE ends the test at once.
 * Use:     main [-l] [-t NAME]...; -l lists, -t runs one (or all that start
 *          with NAME followed by '_'). Status 0 when nothing failed.
 * Thread:  one; tests run in the order of their names.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../sipbridge/str.h"

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *t);

/* All return whether the check held; they print when it did not. */
bool test_check(bool ok, const char *file, int line, const char *expr);
bool test_check_int(intmax_t got, intmax_t want, const char *file, int line,
		    const char *expr);
bool test_check_str(const char *got, const char *want, const char *file,
		    int line, const char *expr);
bool test_check_sb(struct sb_str got, struct sb_str want, const char *file,
		   int line, const char *expr);

/* A line of context for a loop's failure: printed with the next failing check
 * of this test. Keep the text alive; NULL: none. */
void test_note(const char *note);

#define TEST(id)                                                              \
	static void test_##id(void);                                          \
	__attribute__((constructor)) static void test_reg_##id(void)          \
	{                                                                     \
		static struct test t = {#id, test_##id, NULL};                \
		test_register(&t);                                            \
	}                                                                     \
	static void test_##id(void)

#define CHECK(expr) test_check((expr), __FILE__, __LINE__, #expr)
#define CHECK_INT(got, want)                                                  \
	test_check_int((intmax_t)(got), (intmax_t)(want), __FILE__, __LINE__, \
		       #got)
#define CHECK_STR(got, want)                                                  \
	test_check_str((got), (want), __FILE__, __LINE__, #got)
/* struct sb_str against a NUL-terminated text; NULL and "" are the same. */
#define CHECK_SB(got, want)                                                   \
	test_check_sb((got), sb_str_of(want), __FILE__, __LINE__, #got)
#define CHECK_SBSB(got, want)                                                 \
	test_check_sb((got), (want), __FILE__, __LINE__, #got)
#define REQUIRE(expr)                                                         \
	do {                                                                  \
		if (!test_check((expr), __FILE__, __LINE__, #expr))           \
			return;                                               \
	} while (0)

#endif
