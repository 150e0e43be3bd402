/*
 * cases.c: directories of cases; see cases.h.
 * SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "cases.h"
#include "test.h"

enum { PATH_MAX_OURS = 512, FILE_MAX_OURS = 131072 };

/* The file's content in malloc'ed memory, p NULL when there is none. */
static struct sb_str slurp(const char *kind, const char *name, const char *file)
{
	char path[PATH_MAX_OURS];
	char *buf = NULL;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "test/data/%s/%s/%s", kind, name, file);
	f = fopen(path, "rb");
	if (!f)
		return SB_NOSTR;
	buf = malloc(FILE_MAX_OURS);
	n = buf ? fread(buf, 1, FILE_MAX_OURS, f) : 0;
	fclose(f);
	return (struct sb_str){buf, n};
}

static void run_one(const char *kind, const char *name,
		    void (*run)(const struct test_case *c))
{
	struct test_case c = {.name = name};
	struct sb_str input = slurp(kind, name, "input");
	struct sb_str want = slurp(kind, name, "want");
	struct sb_str error = slurp(kind, name, "error");
	const char *lf = input.n ? memchr(input.p, '\n', input.n) : NULL;

	test_note(name);
	if (CHECK(lf != NULL) && CHECK(!want.p != !error.p)) {
		c.header = (struct sb_str){input.p, (size_t)(lf - input.p)};
		c.body = (struct sb_str){lf + 1, input.n - c.header.n - 1};
		c.error = error.p != NULL;
		c.want = c.error ? error : want;
		if (c.error && c.want.n > 0 && c.want.p[c.want.n - 1] == '\n')
			c.want.n--;
		run(&c);
	}
	test_note(NULL);
	free((char *)input.p);
	free((char *)want.p);
	free((char *)error.p);
}

size_t cases_run(const char *kind, void (*run)(const struct test_case *c))
{
	char path[PATH_MAX_OURS];
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "test/data/%s", kind);
	dir = opendir(path);
	CHECK(dir != NULL);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		run_one(kind, entry->d_name, run);
		n++;
	}
	closedir(dir);
	return n;
}
