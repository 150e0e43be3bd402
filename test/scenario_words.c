/*
 * scenario_words.c: lines, words and names of a scenario.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "scenario_priv.h"

void scn_fail(struct scn *r, const char *what, const char *detail)
{
	if (!r->failed)
		snprintf(r->why, r->why_n, "%s %s", what, detail);
	r->failed = true;
}

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

void scn_split(struct scn *r, char *line)
{
	char *in = line, *out;
	bool quoted;

	r->n = 0;
	for (;;) {
		while (*in == ' ' || *in == '\t')
			in++;
		if (!*in || *in == '\n' || r->n == SCN_WORDS_MAX)
			return;
		r->word[r->n++] = out = in;
		for (quoted = false; *in && *in != '\n' &&
		     (quoted || (*in != ' ' && *in != '\t')); in++) {
			if (*in == '"')
				quoted = !quoted;
			else if (*in == '\\' && in[1])
				*out++ = unescape(*++in);
			else
				*out++ = *in;
		}
		if (*in)
			in++;
		*out = '\0';
	}
}

/* Value of KEY=, or NULL. */
const char *scn_opt(const struct scn *r, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 1; i < r->n; i++)
		if (strncmp(r->word[i], key, n) == 0 && r->word[i][n] == '=')
			return r->word[i] + n + 1;
	return NULL;
}

struct sb_str scn_str(const struct scn *r, const char *key,
			     const char *fallback)
{
	const char *v = scn_opt(r, key);

	return sb_str_of(v ? v : fallback);
}

bool scn_flag(const struct scn *r, const char *word)
{
	for (size_t i = 1; i < r->n; i++)
		if (strcmp(r->word[i], word) == 0)
			return true;
	return false;
}

static struct scn_name *name_find(struct scn *r, const char *name)
{
	for (size_t i = 0; i < r->names_n; i++)
		if (strcmp(r->names[i].name, name) == 0)
			return &r->names[i];
	return NULL;
}

struct scn_name *scn_name_add(struct scn *r, const char *name)
{
	struct scn_name *k;

	if (strcmp(name, "-") != 0 && name_find(r, name))
		scn_fail(r, "name used twice:", name);
	if (r->names_n == SCN_NAMES_MAX)
		r->names_n--;
	k = &r->names[r->names_n++];
	sim_item_free(k->it);
	*k = (struct scn_name){.ref = 0};
	snprintf(k->name, sizeof(k->name), "%s", name);
	return k;
}

struct scn_name *scn_name(struct scn *r, const char *name)
{
	struct scn_name *k = name_find(r, name);

	if (!k)
		scn_fail(r, "no such name:", name);
	return k;
}
