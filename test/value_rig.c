/*
 * value_rig.c: settings made by hand; see value_rig.h.
 * SPDX-License-Identifier: MIT
 */
#include "value_rig.h"

#include <stdio.h>
#include <stdlib.h>

/* The table's room is kept in an entry in front of the first one: a value has
 * no place for it. */
static int64_t *room_of(struct lg_value *table)
{
	return &table->u.table.entries[-1].index;
}

struct lg_value value_bool(bool b)
{
	return (struct lg_value){.type = LG_V_BOOL, .u.boolean = b};
}

struct lg_value value_int(int64_t i)
{
	return (struct lg_value){.type = LG_V_INTEGER, .u.integer = i};
}

struct lg_value value_text(const char *z)
{
	return (struct lg_value){.type = LG_V_STRING,
				 .u.string = sb_str_of(z)};
}

struct lg_value value_table(struct lg_arena *a, size_t room)
{
	struct lg_entry *e = lg_arena_array(a, room + 1, sizeof(e[0]));
	struct lg_value v = {.type = LG_V_TABLE};

	if (!e)
		abort();
	v.u.table.entries = e + 1;
	v.u.table.list = true;
	*room_of(&v) = (int64_t)room;
	return v;
}

static void append(struct lg_value *table, struct lg_entry e)
{
	if ((int64_t)table->u.table.n >= *room_of(table)) {
		fprintf(stderr, "value_rig: a table is full\n");
		abort();
	}
	table->u.table.entries[table->u.table.n++] = e;
}

void value_put(struct lg_value *table, const char *key, struct lg_value v)
{
	table->u.table.list = false;
	append(table, (struct lg_entry){.name = sb_str_of(key), .value = v});
}

void value_add(struct lg_value *list, struct lg_value v)
{
	append(list, (struct lg_entry){
			     .index = (int64_t)list->u.table.n + 1,
			     .value = v,
		     });
}

struct lg_value value_done(struct lg_value table)
{
	qsort(table.u.table.entries, table.u.table.n,
	      sizeof(table.u.table.entries[0]), lg_entry_compare);
	return table;
}

/* Six rows for each of SASL required, optional, not supported; in them two for
 * each of TLS required, optional, not supported; the first with dialback. */
enum lg_need value_row_tls(int row)
{
	return (enum lg_need)((row - 1) % 6 / 2);
}

enum lg_need value_row_sasl(int row)
{
	return (enum lg_need)((row - 1) / 6);
}

bool value_row_dialback(int row)
{
	return row % 2 == 1;
}

struct lg_value value_partner(struct lg_arena *a, int row)
{
	static const char *const needs[] = {"required", "optional",
					    "not_supported"};
	struct lg_value p = value_table(a, 6);

	value_put(&p, "partner_type", value_text("federated"));
	value_put(&p, "tls_negotiation",
		  value_text(needs[value_row_tls(row)]));
	value_put(&p, "sasl_negotiation",
		  value_text(needs[value_row_sasl(row)]));
	value_put(&p, "support_dialback_negotiation",
		  value_bool(value_row_dialback(row)));
	return p;
}

struct lg_value value_options(struct lg_arena *a, struct lg_value partners)
{
	struct lg_value o = value_table(a, 5);

	value_put(&o, "lync_access_edge", value_text("sip.contoso.com"));
	value_put(&o, "lync_bridge_fqdn", value_text("xmpp.contoso.com"));
	value_put(&o, "lync_partners", partners);
	return o;
}

struct sb_str value_row_domain(int row)
{
	static char names[LG_ROWS + 1][sizeof("row18.example")];

	snprintf(names[row], sizeof(names[row]), "row%d.example", row);
	return sb_str_of(names[row]);
}

int value_load_rows(struct lg_settings *s)
{
	struct lg_arena a = {0};
	struct lg_value rows = value_table(&a, LG_ROWS), o;
	int row, err;

	for (row = 1; row <= LG_ROWS; row++)
		value_put(&rows, value_row_domain(row).p,
			  value_done(value_partner(&a, row)));
	o = value_done(value_options(&a, value_done(rows)));
	err = lg_settings_load(s, SB_STR("contoso.com"), &o);
	lg_arena_fini(&a);
	return err;
}
