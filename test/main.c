/*
 * main.c: runs the C tests and counts them.
 * SPDX-License-Identifier: MIT
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

enum { ONLY_MAX = 64 };

static struct test *list;	/* sorted by name */
static const char *current;	/* name of the test that runs */
static const char *note;	/* its context */
static size_t failures;		/* failing checks of this test */

void test_register(struct test *t)
{
	struct test **at = &list;

	while (*at && strcmp((*at)->name, t->name) < 0)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

void test_note(const char *text)
{
	note = text;
}

static void fail(const char *file, int line)
{
	failures++;
	printf("FAIL %s %s:%d ", current, file, line);
	if (note)
		printf("[%s] ", note);
}

bool test_check(bool ok, const char *file, int line, const char *expr)
{
	if (ok)
		return true;
	fail(file, line);
	printf("%s\n", expr);
	return false;
}

bool test_check_int(intmax_t got, intmax_t want, const char *file, int line,
		    const char *expr)
{
	if (got == want)
		return true;
	fail(file, line);
	printf("%s is %jd, want %jd\n", expr, got, want);
	return false;
}

/* One line whatever the bytes are. */
static void print_bytes(struct sb_str s)
{
	putchar('"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			putchar(c);
		else
			printf("\\x%02x", c);
	}
	putchar('"');
}

bool test_check_sb(struct sb_str got, struct sb_str want, const char *file,
		   int line, const char *expr)
{
	if (sb_str_eq(got, want))
		return true;
	fail(file, line);
	printf("%s is ", expr);
	print_bytes(got);
	printf(", want ");
	print_bytes(want);
	putchar('\n');
	return false;
}

bool test_check_str(const char *got, const char *want, const char *file,
		    int line, const char *expr)
{
	if (got && want)
		return test_check_sb(sb_str_of(got), sb_str_of(want), file,
				     line, expr);
	if (got == want)
		return true;
	fail(file, line);
	printf("%s is %s, want %s\n", expr, got ? got : "NULL",
	       want ? want : "NULL");
	return false;
}

static bool wanted(const char *name, const char *const *only, size_t only_n)
{
	for (size_t i = 0; i < only_n; i++) {
		size_t n = strlen(only[i]);

		if (strncmp(name, only[i], n) == 0 &&
		    (name[n] == '\0' || name[n] == '_'))
			return true;
	}
	return only_n == 0;
}

static int run(const char *const *only, size_t only_n)
{
	size_t passed = 0, failed = 0;

	for (struct test *t = list; t; t = t->next) {
		if (!wanted(t->name, only, only_n))
			continue;
		current = t->name;
		note = NULL;
		failures = 0;
		t->run();
		if (failures)
			failed++;
		else
			passed++;
		fflush(stdout);
	}
	printf("%zu passed, %zu failed\n", passed, failed);
	return failed || !passed ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *only[ONLY_MAX];
	size_t only_n = 0;
	int opt;

	signal(SIGPIPE, SIG_IGN);
	while ((opt = getopt(argc, argv, "lt:")) != -1) {
		if (opt == 'l') {
			for (struct test *t = list; t; t = t->next)
				puts(t->name);
			return 0;
		}
		if (opt != 't' || only_n == ONLY_MAX) {
			fprintf(stderr, "usage: %s [-l] [-t NAME]...\n",
				argv[0]);
			return 2;
		}
		only[only_n++] = optarg;
	}
	return run(only, only_n);
}
