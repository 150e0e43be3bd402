/*
 * lua_roster_get.c: methods of a roster that look, save and count.
 * SPDX-License-Identifier: MIT
 */
#include "lua_roster.h"

static void set_number(lua_State *L, const char *key, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, key);
}

static void set_bool(lua_State *L, const char *key, bool on)
{
	lua_pushboolean(L, on);
	lua_setfield(L, -2, key);
}

static void set_word(lua_State *L, const char *key, const char *word)
{
	lua_pushstring(L, word);
	lua_setfield(L, -2, key);
}

/* ----------------------------------------------------- trust and limits -- */

/* (roster, settings, contact, user, now) -> boolean */
static int l_listed(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);

	lua_pushboolean(L, lg_roster_listed(r, lg_lua_roster_settings(L, 2),
					    lg_lua_str(L, 3), lg_lua_str(L, 4),
					    lg_lua_roster_now(L, 5)));
	return 1;
}

/* (roster, settings, contact, user, now) -> true | nil, token, text */
static int l_may_address(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	int err = lg_roster_may_address(r, lg_lua_roster_settings(L, 2),
					lg_lua_str(L, 3), lg_lua_str(L, 4),
					lg_lua_roster_now(L, 5));

	if (err)
		return lg_lua_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

/* (roster, settings, contact, status, now) -> boolean: in quarantine now */
static int l_outcome(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	lua_Integer status = luaL_checkinteger(L, 4);

	if (status < 0 || status > 999)
		status = 0;
	lua_pushboolean(L, lg_roster_outcome(r, lg_lua_roster_settings(L, 2),
					     lg_lua_str(L, 3), (int)status,
					     lg_lua_roster_now(L, 5)));
	return 1;
}

/* --------------------------------------------------------------- saving -- */

/* (roster) -> user | nil */
static int l_dirty(lua_State *L)
{
	struct sb_str user;

	luaL_checkstack(L, 4, "user");
	if (lg_roster_dirty_next(lg_lua_roster_self(L), &user))
		lg_lua_roster_jid(L, user);
	else
		lua_pushnil(L);
	return 1;
}

/* (roster, user) -> true | nil, token, text */
static int l_dirty_again(lua_State *L)
{
	int err = lg_roster_dirty_again(lg_lua_roster_self(L),
					lg_lua_str(L, 2));

	if (err)
		return lg_lua_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

/* (roster, user) -> { [contact] = record } | nil: nothing to be kept */
static int l_pairs_of(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	struct sb_str user = lg_lua_str(L, 2), contact;
	char record[LG_RECORD_MAX];
	const void *cursor = NULL;

	lua_settop(L, 2);
	while (lg_roster_pair_of(r, user, &cursor, &contact, record)) {
		if (lua_gettop(L) == 2)
			lua_newtable(L);
		lg_lua_roster_jid(L, contact);
		lua_pushstring(L, record);
		lua_rawset(L, 3);
	}
	if (lua_gettop(L) == 2)
		lua_pushnil(L);
	return 1;
}

/* -------------------------------------------------------------- showing -- */

static void set_row(lua_State *L, const struct lg_row *row)
{
	lg_lua_roster_set_jid(L, "contact", row->contact);
	lg_lua_roster_set_jid(L, "user", row->user);
	set_word(L, "in", lg_in_names[row->in]);
	set_word(L, "out", lg_out_names[row->out]);
	set_word(L, "user_presence", lg_presence_names[row->user_presence]);
	set_word(L, "contact_presence",
		 lg_presence_names[row->contact_presence]);
	set_number(L, "resources", (lua_Integer)row->resources);
	set_bool(L, "watching", row->watching);
	set_bool(L, "sleeps", row->sleeps);
	set_bool(L, "stale", row->stale);
	set_bool(L, "subscribed", row->subscribed);
	set_word(L, "watch", lg_watch_names[row->watch]);
	if (row->status)
		set_number(L, "status", row->status);
	set_number(L, "listed_day", row->listed_day);
	set_number(L, "asked_day", row->asked_day);
}

/* (roster, cursor|nil) -> array of rows, next cursor | nil: the end */
static int l_rows(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	size_t cursor = (size_t)luaL_optinteger(L, 2, 0), n, i;
	struct lg_row rows[64];

	luaL_checkstack(L, 8, "rows");
	n = lg_roster_rows(r, &cursor, rows, sizeof(rows) / sizeof(rows[0]));
	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_createtable(L, 0, 16);
		set_row(L, &rows[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	if (n > 0)
		lua_pushinteger(L, (lua_Integer)cursor);
	else
		lua_pushnil(L);
	return 2;
}

static void count_domain(lua_State *L, int table, struct sb_str contact)
{
	const char *at = memchr(contact.p, '@', contact.n);
	size_t skip = at ? (size_t)(at - contact.p) + 1 : 0;

	lua_pushlstring(L, contact.p + skip, contact.n - skip);
	lua_pushvalue(L, -1);
	lua_rawget(L, table);
	lua_pushinteger(L, lua_tointeger(L, -1) + 1);
	lua_replace(L, -2);
	lua_rawset(L, table);
}

/* (roster, cursor|nil) -> { [contact domain] = watching }, { … = subscribed },
 * next cursor | nil: the end. Some pairs only, as l_rows(): no table for each,
 * since all of them are counted every minute. */
static int l_tally(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	size_t cursor = (size_t)luaL_optinteger(L, 2, 0), n, i;
	struct lg_row rows[64];

	lua_settop(L, 2);
	luaL_checkstack(L, 8, "tally");
	n = lg_roster_rows(r, &cursor, rows, sizeof(rows) / sizeof(rows[0]));
	lua_newtable(L);
	lua_newtable(L);
	for (i = 0; i < n; i++) {
		if (rows[i].watching)
			count_domain(L, 3, rows[i].contact);
		if (rows[i].subscribed)
			count_domain(L, 4, rows[i].contact);
	}
	if (n > 0)
		lua_pushinteger(L, (lua_Integer)cursor);
	else
		lua_pushnil(L);
	return 3;
}

static void push_explanation(lua_State *L, const struct lg_explanation *e)
{
	lua_createtable(L, 0, 28);
	set_bool(L, "known", e->known);
	if (e->known)
		set_row(L, &e->row);
	if (e->partner) {
		lg_lua_set(L, "partner", e->partner->domain);
		if (e->partner->type != LG_TYPE_MISSING)
			set_word(L, "partner_type",
				 lg_partner_type_names[e->partner->type]);
	}
	if (e->policy)
		lg_lua_set(L, "policy", e->policy->name);
	set_bool(L, "listed", e->listed);
	set_number(L, "listed_left", e->listed_left);
	set_number(L, "quarantine", e->quarantine);
	set_word(L, "sees_user", e->sees_user);
	set_word(L, "sees_user_remedy", e->sees_user_remedy);
	set_word(L, "sees_contact", e->sees_contact);
	set_word(L, "sees_contact_remedy", e->sees_contact_remedy);
	set_word(L, "messages", e->messages);
	set_word(L, "messages_remedy", e->messages_remedy);
}

/* (roster, settings, contact, user, now) -> table | nil, token, text */
static int l_explain(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	struct lg_explanation e;
	int err = lg_roster_explain(&e, r, lg_lua_roster_settings(L, 2),
				    lg_lua_str(L, 3), lg_lua_str(L, 4),
				    lg_lua_roster_now(L, 5));

	if (err)
		return lg_lua_fail(L, err);
	push_explanation(L, &e);
	return 1;
}

/* (roster, now) -> table */
static int l_counts(lua_State *L)
{
	struct lg_roster_count c;

	lg_roster_count(lg_lua_roster_self(L), lg_lua_roster_now(L, 2), &c);
	lua_createtable(L, 0, 11);
	set_number(L, "pairs", (lua_Integer)c.pairs);
	set_number(L, "contacts", (lua_Integer)c.contacts);
	set_number(L, "users", (lua_Integer)c.users);
	set_number(L, "active", (lua_Integer)c.active);
	set_number(L, "subscribed", (lua_Integer)c.subscribed);
	set_number(L, "waiting", (lua_Integer)c.waiting);
	set_number(L, "dirty", (lua_Integer)c.dirty);
	set_number(L, "partners", (lua_Integer)c.partners);
	set_number(L, "quarantined", (lua_Integer)c.quarantined);
	set_number(L, "bytes", (lua_Integer)c.bytes);
	set_number(L, "table_bytes", (lua_Integer)c.table_bytes);
	return 1;
}

const luaL_Reg lg_lua_roster_get[] = {
	{"listed", l_listed},	      {"may_address", l_may_address},
	{"outcome", l_outcome},	      {"dirty", l_dirty},
	{"dirty_again", l_dirty_again}, {"pairs_of", l_pairs_of},
	{"rows", l_rows},	      {"tally", l_tally},
	{"explain", l_explain},	      {"counts", l_counts},
	{NULL, NULL},
};
