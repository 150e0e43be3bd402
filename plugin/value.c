/*
 * value.c: values of the configuration: order, look-up, printing.
 * SPDX-License-Identifier: MIT
 */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"

int lg_entry_compare(const void *a, const void *b)
{
	const struct lg_entry *x = a, *y = b;
	size_t n;
	int d;

	if (!x->name.p != !y->name.p)
		return x->name.p ? 1 : -1;
	if (!x->name.p)
		return (x->index > y->index) - (x->index < y->index);
	n = x->name.n < y->name.n ? x->name.n : y->name.n;
	d = memcmp(x->name.p, y->name.p, n);
	return d ? d : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

const struct lg_value *lg_value_get(const struct lg_value *table,
				    const char *name)
{
	size_t i;

	if (table->type != LG_V_TABLE)
		return NULL;
	for (i = 0; i < table->u.table.n; i++) {
		if (table->u.table.entries[i].name.p &&
		    sb_str_eq(table->u.table.entries[i].name, sb_str_of(name)))
			return &table->u.table.entries[i].value;
	}
	return NULL;
}

/* One character as it stands between quotes; its length there. */
static size_t quote_char(char *out, size_t room, const char *p, size_t n,
			 size_t *used)
{
	uint32_t cp;
	size_t len = lg_utf8_get(&cp, p, n);
	int w;

	*used = len ? len : 1;
	if (len > 0 && cp != '"' && cp != '\\' && lg_cp_ok(cp)) {
		memcpy(out, p, len);
		return len;
	}
	if (*p == '"' || *p == '\\')
		w = snprintf(out, room, "\\%c", *p);
	else if (*p == '\n')
		w = snprintf(out, room, "\\n");
	else if (len > 1)
		w = snprintf(out, room, "\\u{%" PRIX32 "}", cp);
	else
		w = snprintf(out, room, "\\x%02X", (unsigned char)*p);
	return (size_t)w;
}

void lg_quote(char out[LG_VALUE_TEXT], struct sb_str s)
{
	size_t n = 0, i = 0, used;

	out[n++] = '"';
	while (i < s.n && n < LG_VALUE_TEXT - 18) {
		n += quote_char(out + n, LG_VALUE_TEXT - n, s.p + i, s.n - i,
				&used);
		i += used;
	}
	snprintf(out + n, LG_VALUE_TEXT - n, "%s", i < s.n ? "...\"" : "\"");
}

void lg_value_print(char out[LG_VALUE_TEXT], const struct lg_value *v)
{
	switch (v->type) {
	case LG_V_BOOL:
		snprintf(out, LG_VALUE_TEXT, "%s",
			 v->u.boolean ? "true" : "false");
		return;
	case LG_V_INTEGER:
		snprintf(out, LG_VALUE_TEXT, "%" PRId64, v->u.integer);
		return;
	case LG_V_NUMBER:
		snprintf(out, LG_VALUE_TEXT, "%.14g", v->u.number);
		return;
	case LG_V_STRING:
		lg_quote(out, v->u.string);
		return;
	case LG_V_TABLE:
		snprintf(out, LG_VALUE_TEXT, v->u.table.n ? "{...}" : "{}");
		return;
	case LG_V_OTHER:
		break;
	}
	snprintf(out, LG_VALUE_TEXT, "%s", v->u.other);
}
