/*
 * xml_load.c: XML streams as Prosody writes them, taken apart.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "xml_load.h"

/* As Prosody writes it: attributes in single quotes. */
void xml_attribute(char *to, size_t n, const struct element *e,
		   const char *name)
{
	char what[24];
	const char *p, *end;

	snprintf(what, sizeof(what), " %s='", name);
	p = memmem(e->p, e->head, what, strlen(what));
	to[0] = '\0';
	if (!p)
		return;
	p += strlen(what);
	end = memchr(p, '\'', (size_t)(e->p + e->head - p));
	if (!end || (size_t)(end - p) >= n)
		load_die("attribute: %.*s", (int)e->head, e->p);
	memcpy(to, p, (size_t)(end - p));
	to[end - p] = '\0';
}

static const char *tag_end(const char *p, const char *end)
{
	char quote = 0;

	for (; p < end; p++)
		if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '\'' || *p == '"')
			quote = *p;
		else if (*p == '>')
			return p;
	return NULL;
}

bool xml_element(struct element *e, const char *p, const char *end)
{
	const char *at = p, *close;
	int depth = 0;

	*e = (struct element){.p = p};
	do {
		at = memchr(at, '<', (size_t)(end - at));
		close = at ? tag_end(at, end) : NULL;
		if (!close)
			return false;
		if (!e->head)
			e->head = (size_t)(close - p) + 1;
		if (at[1] == '/')
			depth--;
		else if (close[-1] != '/')
			depth++;
		at = close + 1;
	} while (depth > 0 && strncmp(p, "<stream:stream", 14) && p[1] != '?');
	e->n = (size_t)(at - p);
	sscanf(p + 1, "%31[^ \t\r\n>/]", e->name);
	xml_attribute(e->type, sizeof(e->type), e, "type");
	xml_attribute(e->from, sizeof(e->from), e, "from");
	xml_attribute(e->to, sizeof(e->to), e, "to");
	return true;
}

bool xml_holds(const struct element *e, const char *what)
{
	return memmem(e->p, e->n, what, strlen(what));
}
