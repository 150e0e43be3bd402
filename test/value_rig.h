/*
 * value_rig.h: settings made by hand, as the Lua binding makes them.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  tables have a fixed room; keys and texts are borrowed, the rest lies
 *         in the arena. What cannot be (no memory, a full table) ends the
 *         process.
 */
#ifndef VALUE_RIG_H
#define VALUE_RIG_H

#include "../plugin/arena.h"
#include "../plugin/settings.h"

struct lg_value value_bool(bool b);
struct lg_value value_int(int64_t i);
struct lg_value value_text(const char *z);
struct lg_value value_table(struct lg_arena *a, size_t room);

/* table[key] = v, and the next of a list. Keys come in any order;
 * value_done after the last. */
void value_put(struct lg_value *table, const char *key, struct lg_value v);
void value_add(struct lg_value *list, struct lg_value v);
struct lg_value value_done(struct lg_value table);

/* A federated partner with the settings of a row (1..18) of the table of
 * negotiation settings; room for two more keys, and not done yet. */
struct lg_value value_partner(struct lg_arena *a, int row);

/* lg_need of a row, in the order of Microsoft's table. */
enum lg_need value_row_tls(int row);
enum lg_need value_row_sasl(int row);
bool value_row_dialback(int row);

/* What a host needs besides its partners; room for two more options, and not
 * done yet. */
struct lg_value value_options(struct lg_arena *a, struct lg_value partners);

/*
 * Settings of contoso.com with a partner for each row: "row1.example", ...
 * LG_OK, or what lg_settings_load says; s is to be given to lg_settings_fini
 * in any case.
 */
int value_load_rows(struct lg_settings *s);
struct sb_str value_row_domain(int row);

#endif
