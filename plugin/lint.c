/*
 * lint.c: paths, problems and tables of the configuration.
 * SPDX-License-Identifier: MIT
 */
#include "lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

#define WORD_MAX 48 /* longer keys get no suggestion */

static void append(struct lg_lint *l, const char *text)
{
	size_t room = sizeof(l->path) - l->path_n, n = strlen(text);

	if (n >= room)
		n = room - 1;
	memcpy(l->path + l->path_n, text, n);
	l->path_n += n;
	l->path[l->path_n] = '\0';
}

static bool is_name(struct sb_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (!lg_alnum(s.p[i]) && s.p[i] != '_')
			return false;
	}
	return s.n > 0 && s.n < LG_VALUE_TEXT && !(s.p[0] >= '0' &&
						   s.p[0] <= '9');
}

size_t lg_lint_entry(struct lg_lint *l, const struct lg_entry *e)
{
	char text[LG_VALUE_TEXT + 2], quoted[LG_VALUE_TEXT];
	size_t mark = l->path_n;

	if (!e->name.p) {
		snprintf(text, sizeof(text), "[%" PRId64 "]", e->index);
	}
	else if (is_name(e->name)) {
		snprintf(text, sizeof(text), "%s%.*s", mark ? "." : "",
			 SB_FMT(e->name));
	}
	else {
		lg_quote(quoted, e->name);
		snprintf(text, sizeof(text), "[%s]", quoted);
	}
	append(l, text);
	return mark;
}

size_t lg_lint_name(struct lg_lint *l, const char *name)
{
	struct lg_entry e = {.name = sb_str_of(name)};

	return lg_lint_entry(l, &e);
}

void lg_lint_leave(struct lg_lint *l, size_t mark)
{
	l->path_n = mark;
	l->path[mark] = '\0';
}

/* Room for one more; the old list stays in the arena. */
static bool grow(struct lg_arena *a, struct lg_problems *list)
{
	size_t cap = list->cap ? list->cap * 2 : 16;
	struct lg_problem *v = lg_arena_array(a, cap, sizeof(v[0]));

	if (!v)
		return false;
	if (list->n)
		memcpy(v, list->v, list->n * sizeof(v[0]));
	list->v = v;
	list->cap = cap;
	return true;
}

static struct lg_problem *new_problem(struct lg_lint *l)
{
	struct lg_problems *list = &l->s->problems;
	struct lg_problem *p;

	if (list->n == list->cap && !grow(&l->s->arena, list)) {
		l->oom = true;
		return NULL;
	}
	p = &list->v[list->n];
	*p = (struct lg_problem){.seq = list->n};
	list->n++;
	return p;
}

static const char *format(struct lg_lint *l, const char *fmt, va_list ap)
{
	struct sb_str copy = SB_NOSTR;
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	if (text)
		copy = lg_arena_dup(&l->s->arena, sb_str_of(text));
	free(text);
	if (!copy.p) {
		l->oom = true;
		return "";
	}
	return copy.p;
}

const char *lg_lint_text(struct lg_lint *l, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = format(l, fmt, ap);
	va_end(ap);
	return text;
}

struct sb_str lg_lint_dup(struct lg_lint *l, struct sb_str s)
{
	struct sb_str copy = lg_arena_dup(&l->s->arena, s);

	if (!copy.p)
		l->oom = true;
	return copy;
}

/* "host: key = value: message; remedy"; a full stop before the semicolon is
 * left out. */
static const char *whole_line(struct lg_lint *l, const struct lg_problem *p)
{
	size_t n = strlen(p->message);

	if (p->remedy && n > 0 && p->message[n - 1] == '.')
		n--;
	return lg_lint_text(l, "%.*s: %s%s%s: %.*s%s%s", SB_FMT(l->s->host),
			    p->key, p->value ? " = " : "",
			    p->value ? p->value : "", (int)n, p->message,
			    p->remedy ? "; " : "", p->remedy ? p->remedy : "");
}

static void problem(struct lg_lint *l, bool error, const struct lg_value *v,
		    const char *remedy, const char *message)
{
	char value[LG_VALUE_TEXT];
	struct lg_problem *p = new_problem(l);

	if (!p)
		return;
	if (v) {
		lg_value_print(value, v);
		p->value = lg_lint_text(l, "%s", value);
	}
	p->error = error;
	p->partner = l->partner;
	p->key = lg_lint_text(l, "%s", l->path);
	p->message = message;
	p->remedy = remedy;
	p->text = whole_line(l, p);
	if (!error)
		return;
	if (!l->first_error)
		l->first_error = p->text;
	if (!l->partner)
		l->s->usable = false;
}

void lg_lint_error(struct lg_lint *l, const struct lg_value *v,
		   const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(l, true, v, remedy, format(l, fmt, ap));
	va_end(ap);
}

void lg_lint_warn(struct lg_lint *l, const struct lg_value *v,
		  const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(l, false, v, remedy, format(l, fmt, ap));
	va_end(ap);
}

bool lg_lint_is_table(struct lg_lint *l, const struct lg_value *v,
		      const char *form)
{
	if (v->type == LG_V_TABLE)
		return true;
	lg_lint_error(l, v, lg_lint_text(l, "write %s", form), "not a table");
	return false;
}

bool lg_lint_is_list(struct lg_lint *l, const struct lg_value *v,
		     const char *form)
{
	if (v->type == LG_V_TABLE && v->u.table.list)
		return true;
	lg_lint_error(l, v, lg_lint_text(l, "write %s", form), "not a list");
	return false;
}

void lg_lint_two_streams(struct lg_lint *l, const char *key, uint32_t limit)
{
	size_t mark;

	if (limit > 1)
		return;
	mark = lg_lint_name(l, key);
	lg_lint_warn(l, NULL, "write 2 or more",
		     "one stream is not enough for both directions");
	lg_lint_leave(l, mark);
}

const char *lg_lint_words(struct lg_lint *l, const char *const *words)
{
	const char *text = "";
	size_t i;

	for (i = 0; words[i]; i++) {
		text = lg_lint_text(l, "%s%s\"%s\"", text,
				    i == 0	   ? ""
				    : words[i + 1] ? ", "
						   : " or ",
				    words[i]);
	}
	return text;
}

/* Letters and digits in lower case: TlsNegotiation is tls_negotiation. */
static size_t plain(char out[WORD_MAX], struct sb_str s)
{
	size_t i, n = 0;

	for (i = 0; i < s.n && n < WORD_MAX; i++) {
		if (lg_alnum(s.p[i]))
			out[n++] = lg_lower(s.p[i]);
	}
	return n;
}

/* Levenshtein's distance of two plain words; 1 where a begins b. */
static size_t distance(struct sb_str a, struct sb_str b)
{
	size_t row[WORD_MAX + 1], i, j, left, diagonal, best;
	char x[WORD_MAX], y[WORD_MAX];
	size_t nx = plain(x, a), ny = plain(y, b);

	if (nx >= 3 && nx < ny && memcmp(x, y, nx) == 0)
		return 1;
	for (j = 0; j <= ny; j++)
		row[j] = j;
	for (i = 1; i <= nx; i++) {
		left = row[0] = i;
		diagonal = i - 1;
		for (j = 1; j <= ny; j++) {
			best = diagonal + (x[i - 1] != y[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (left + 1 < best)
				best = left + 1;
			left = row[j] = best;
		}
	}
	return row[ny];
}

const char *lg_nearest(struct sb_str s, lg_nth_fn *nth, const void *list,
		       size_t n)
{
	size_t least = s.n / 3 + 1, i, d;
	const char *found = NULL;

	for (i = 0; s.n < WORD_MAX && i < n; i++) {
		d = distance(s, sb_str_of(nth(list, i)));
		if (d < least) {
			least = d;
			found = nth(list, i);
		}
	}
	return found;
}

static const char *nth_key(const void *keys, size_t i)
{
	return ((const struct lg_key *)keys)[i].name;
}

static bool is_secret(const struct lg_key *keys, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].secret;
	}
	return false;
}

/* A secret that stands in the wrong table, where no key is one. */
static bool sounds_secret(struct sb_str name)
{
	static const struct sb_str parts[] = {{"pass", 4}, {"secret", 6}};
	size_t i, k;

	for (k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
		for (i = 0; i + parts[k].n <= name.n; i++)
			if (sb_str_caseeq((struct sb_str){name.p + i,
							  parts[k].n},
					  parts[k]))
				return true;
	return false;
}

/* "known are a, b" */
static const char *known(struct lg_lint *l, const struct lg_key *keys, size_t n)
{
	const char *all = "known are ";
	size_t i;

	for (i = 0; i < n; i++) {
		all = lg_lint_text(l, "%s%s%s", all, i ? ", " : "",
				   keys[i].name);
	}
	return all;
}

static void unknown_key(struct lg_lint *l, const struct lg_entry *e,
			const struct lg_key *keys, size_t n)
{
	const struct lg_value *shown = &e->value;
	const char *near = NULL, *remedy;

	if (e->name.p)
		near = lg_nearest(e->name, nth_key, keys, n);
	if (sounds_secret(e->name) || (near && is_secret(keys, n, near)))
		shown = NULL;
	remedy = near ? lg_lint_text(l, "did you mean \"%s\"?", near)
		      : known(l, keys, n);
	lg_lint_error(l, shown, remedy, "unknown key");
}

void lg_lint_table(struct lg_lint *l, void *dest, const struct lg_value *v,
		   const struct lg_key *keys, size_t keys_n)
{
	const struct lg_entry *e;
	size_t i, k, mark;

	for (i = 0; i < v->u.table.n && !l->oom; i++) {
		e = &v->u.table.entries[i];
		mark = lg_lint_entry(l, e);
		for (k = 0; k < keys_n; k++) {
			if (e->name.p &&
			    sb_str_eq(e->name, sb_str_of(keys[k].name)))
				break;
		}
		if (k == keys_n) {
			unknown_key(l, e, keys, keys_n);
		}
		else {
			keys[k].read(l, (char *)dest + keys[k].at, &e->value,
				     &keys[k]);
		}
		lg_lint_leave(l, mark);
	}
}
