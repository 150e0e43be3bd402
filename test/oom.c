/*
 * oom.c: the allocator of what is tested.
 * SPDX-License-Identifier: MIT
 */
#include <libxml/parser.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oom.h"
#include "test.h"

enum { SWEEP_MAX = 100000 };

static struct {
	long skip; /* -1: nothing fails */
	bool forever, failed, paused;
	size_t live;
} state = {.skip = -1};

void *oom_malloc(size_t n);
void *oom_calloc(size_t n, size_t size);
void *oom_realloc(void *p, size_t n);
char *oom_strdup(const char *z);
int oom_vasprintf(char **z, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
int oom_vasprintf_chk(char **z, int flag, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void oom_free(void *p);

static bool out(void)
{
	if (state.skip < 0 || state.paused)
		return false;
	if (state.skip > 0) {
		state.skip--;
		return false;
	}
	state.failed = true;
	if (!state.forever)
		state.skip = -1;
	return true;
}

static void *counted(void *p)
{
	state.live += p != NULL;
	return p;
}

void *oom_malloc(size_t n)
{
	return out() ? NULL : counted(malloc(n));
}

void *oom_calloc(size_t n, size_t size)
{
	return out() ? NULL : counted(calloc(n, size));
}

void *oom_realloc(void *p, size_t n)
{
	void *q = out() ? NULL : realloc(p, n);

	return p ? q : counted(q);
}

char *oom_strdup(const char *z)
{
	return out() ? NULL : counted(strdup(z));
}

int oom_vasprintf(char **z, const char *fmt, va_list ap)
{
	int n = out() ? -1 : vasprintf(z, fmt, ap);

	if (n >= 0)
		counted(*z);
	return n;
}

/* What the compiler makes of it with _FORTIFY_SOURCE. */
int oom_vasprintf_chk(char **z, int flag, const char *fmt, va_list ap)
{
	(void)flag;
	return oom_vasprintf(z, fmt, ap);
}

void oom_free(void *p)
{
	state.live -= p != NULL;
	free(p);
}

void oom_fail(long skip, bool forever)
{
	state.skip = skip;
	state.forever = forever;
	state.failed = false;
}

bool oom_pass(void)
{
	state.skip = -1;
	return state.failed;
}

void oom_pause(bool on)
{
	state.paused = on;
}

bool oom_failed(void)
{
	return state.failed;
}

size_t oom_live(void)
{
	xmlResetLastError(); /* it keeps the words */
	return state.live;
}

/* libxml2 does not survive every end of memory; who uses it makes sure that
 * there is some (sb_document_room). So its own allocations never fail; they are
 * counted, and so are their bytes. */
static size_t bytes, most;

static void *weighed(void *p)
{
	bytes += p ? malloc_usable_size(p) : 0;
	if (bytes > most)
		most = bytes;
	return counted(p);
}

static void *xml_malloc(size_t n)
{
	return weighed(malloc(n));
}

static void xml_free(void *p)
{
	bytes -= p ? malloc_usable_size(p) : 0;
	oom_free(p);
}

static void *xml_realloc(void *p, size_t n)
{
	void *q;

	bytes -= p ? malloc_usable_size(p) : 0;
	state.live -= p != NULL;
	q = realloc(p, n);
	if (!q)
		abort();
	return weighed(q);
}

static char *xml_strdup(const char *z)
{
	return weighed(strdup(z));
}

size_t oom_most(void)
{
	size_t was = most;

	most = bytes;
	return was;
}

/* Before anybody uses the library, which keeps what it makes first. */
__attribute__((constructor)) static void take_libxml(void)
{
	xmlMemSetup(xml_free, xml_malloc, xml_realloc, xml_strdup);
	xmlInitParser();
}

static bool one(long k, bool forever, void (*run)(void *arg), void *arg)
{
	char note[64];
	size_t live = oom_live();
	bool failed;

	snprintf(note, sizeof(note), "allocation %ld%s fails", k,
		 forever ? " and all after it" : "");
	test_note(note);
	oom_fail(k, forever);
	run(arg);
	failed = oom_pass();
	CHECK_INT(oom_live(), live);
	test_note(NULL);
	return failed;
}

size_t oom_sweep(void (*run)(void *arg), void *arg)
{
	size_t n = 0;

	for (int forever = 0; forever < 2; forever++) {
		long k = 0;

		while (k < SWEEP_MAX && one(k, forever, run, arg))
			k++;
		CHECK(k < SWEEP_MAX);
		n += (size_t)k;
	}
	return n;
}
