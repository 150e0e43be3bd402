/*
 * values.c: a value of the configuration from a text; see values.h.
 * SPDX-License-Identifier: MIT
 */
#include "values.h"

#include "fuzz.h"

enum {
	DEPTH_MAX = 12,
	ENTRIES_MAX = 64,
};

struct reader {
	struct lg_arena *a;
	struct sb_str s;
	unsigned depth;
};

static int peek(struct reader *r)
{
	return r->s.n ? (unsigned char)*r->s.p : -1;
}

static void step(struct reader *r)
{
	r->s.p++;
	r->s.n--;
}

static bool accept(struct reader *r, char c)
{
	if (peek(r) != c)
		return false;
	step(r);
	return true;
}

static void skip(struct reader *r)
{
	while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' ||
	       peek(r) == '\r')
		step(r);
}

static bool word_char(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' ||
	       c == '+';
}

static struct sb_str word(struct reader *r)
{
	struct sb_str w = {r->s.p, 0};

	while (word_char(peek(r))) {
		step(r);
		w.n++;
	}
	return w;
}

static char escaped(struct reader *r)
{
	int code = 0;

	if (peek(r) < '0' || peek(r) > '9')
		return accept(r, 'n') ? '\n' : '\\';
	for (int i = 0; i < 3 && peek(r) >= '0' && peek(r) <= '9'; i++) {
		code = code * 10 + peek(r) - '0';
		step(r);
	}
	return (char)code;
}

/* Behind the opening quote. */
static struct sb_str quoted(struct reader *r)
{
	char *p = lg_arena_alloc(r->a, r->s.n + 1);
	size_t n = 0;
	char c;

	need(p);
	while (r->s.n && !accept(r, '"')) {
		c = *r->s.p;
		step(r);
		if (c == '\\' && (peek(r) == '"' || peek(r) == '\\')) {
			c = *r->s.p;
			step(r);
		}
		else if (c == '\\')
			c = escaped(r);
		p[n++] = c;
	}
	return (struct sb_str){p, n};
}

/* A number, true, false, or something else. */
static struct lg_value plain(struct reader *r)
{
	struct sb_str w = word(r);
	struct lg_value v = {.type = LG_V_OTHER, .u.other = "function"};
	char z[32], *end;

	if (w.n == 0 && r->s.n)
		step(r);
	if (w.n == 0 || w.n >= sizeof(z))
		return v;
	memcpy(z, w.p, w.n);
	z[w.n] = '\0';
	if (strcmp(z, "true") == 0 || strcmp(z, "false") == 0)
		return (struct lg_value){.type = LG_V_BOOL,
					 .u.boolean = z[0] == 't'};
	v.u.integer = strtoll(z, &end, 10);
	if (*end == '\0') {
		v.type = LG_V_INTEGER;
		return v;
	}
	v.u.number = strtod(z, &end);
	if (*end == '\0') {
		v.type = LG_V_NUMBER;
		return v;
	}
	v.u.other = "function";
	return v;
}

static struct lg_value value(struct reader *r);

/* name = or ["name"] =; false: none, and nothing is taken. */
static bool key(struct reader *r, struct sb_str *name)
{
	struct sb_str before = r->s;

	if (accept(r, '[')) {
		skip(r);
		if (!accept(r, '"')) {
			r->s = before;
			return false;
		}
		*name = quoted(r);
		skip(r);
		(void)accept(r, ']');
	}
	else
		*name = word(r);
	skip(r);
	if (name->n && accept(r, '='))
		return true;
	r->s = before;
	return false;
}

/* Sorted, no key twice; a list is what has the keys 1 to n alone. */
static void finish(struct lg_value *t)
{
	struct lg_entry *e = t->u.table.entries;
	size_t n = 0;

	if (t->u.table.n)
		qsort(e, t->u.table.n, sizeof(*e), lg_entry_compare);
	t->u.table.list = true;
	for (size_t i = 0; i < t->u.table.n; i++) {
		if (n && lg_entry_compare(&e[n - 1], &e[i]) == 0)
			continue;
		if (e[i].name.p)
			t->u.table.list = false;
		e[n++] = e[i];
	}
	t->u.table.n = n;
}

static struct lg_value table(struct reader *r)
{
	struct lg_value t = {.type = LG_V_TABLE};
	struct lg_entry *e;
	int64_t index = 0;

	e = lg_arena_array(r->a, ENTRIES_MAX, sizeof(*e));
	need(e);
	t.u.table.entries = e;
	skip(r);
	while (r->s.n && !accept(r, '}') && t.u.table.n < ENTRIES_MAX) {
		struct lg_entry one = {.name = SB_NOSTR};

		if (!key(r, &one.name)) {
			one.name = SB_NOSTR;
			one.index = ++index;
		}
		one.value = value(r);
		e[t.u.table.n++] = one;
		skip(r);
		if (!accept(r, ','))
			(void)accept(r, ';');
		skip(r);
	}
	finish(&t);
	return t;
}

static struct lg_value value(struct reader *r)
{
	struct lg_value v = {.type = LG_V_OTHER, .u.other = "table"};

	skip(r);
	if (accept(r, '"'))
		return (struct lg_value){.type = LG_V_STRING,
					 .u.string = quoted(r)};
	if (!accept(r, '{'))
		return plain(r);
	if (++r->depth <= DEPTH_MAX)
		v = table(r);
	r->depth--;
	return v;
}

struct lg_value fuzz_value(struct lg_arena *a, struct sb_str *text)
{
	struct reader r = {a, *text, 0};
	struct lg_value v = value(&r);

	*text = r.s;
	return v;
}
