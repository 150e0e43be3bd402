/*
 * lua_stanza.c: a presence stanza as util.stanza of Prosody makes it.
 * SPDX-License-Identifier: MIT
 *
 * Built here because a change of presence becomes one for each watcher: by
 * st.presence() and text_tag() a third of what each costs is spent on them.
 * Addresses and texts come from the roster, which has them checked.
 */
#include "lua_roster.h"

/* Push { name, attr = the table on top, tags = {} }; takes attr. mt: the index
 * of util.stanza's metatable. */
static void push_element(lua_State *L, const char *name, int mt)
{
	lua_createtable(L, 1, 3);
	lua_insert(L, -2);
	lua_setfield(L, -2, "attr");
	lua_pushstring(L, name);
	lua_setfield(L, -2, "name");
	lua_createtable(L, 0, 0);
	lua_setfield(L, -2, "tags");
	lua_pushvalue(L, mt);
	lua_setmetatable(L, -2);
}

/* The element on top becomes the n-th child of the stanza below it. */
static void add_child(lua_State *L, int n)
{
	lua_getfield(L, -2, "tags");
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, n);
	lua_pop(L, 1);
	lua_rawseti(L, -2, n);
}

static void add_text(lua_State *L, int n, const char *name, struct sb_str text,
		     const char *key, struct sb_str value, int mt)
{
	lua_createtable(L, 0, 1);
	if (value.n) {
		lua_pushlstring(L, value.p, value.n);
		lua_setfield(L, -2, key);
	}
	push_element(L, name, mt);
	lua_pushlstring(L, text.p, text.n);
	lua_rawseti(L, -2, 1);
	add_child(L, n);
}

void lg_lua_stanza(lua_State *L, const struct lg_effect *fx, int mt)
{
	bool away = fx->show == LG_SHOW_UNAVAILABLE;
	struct sb_str show = sb_str_of(lg_show_names[fx->show]);
	int n = 0;

	luaL_checkstack(L, 8, "stanza");
	lua_createtable(L, 0, 3);
	lg_lua_roster_set_jid(L, "from", fx->user);
	lg_lua_roster_set_jid(L, "to", fx->contact);
	if (away)
		lg_lua_set(L, "type", show);
	push_element(L, "presence", mt);
	if (!away && fx->show != LG_SHOW_NONE)
		add_text(L, ++n, "show", show, NULL, SB_NOSTR, mt);
	if (fx->note.n)
		add_text(L, ++n, "status", fx->note, "xml:lang", fx->lang, mt);
	if (!away && fx->display.n)
		add_text(L, ++n, "nick", fx->display, "xmlns",
			 SB_STR("http://jabber.org/protocol/nick"), mt);
}
