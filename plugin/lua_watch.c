/*
 * lua_watch.c: presence: the bridge's methods and the events' fields.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/presence.h"
#include "address.h"
#include "lua_bridge.h"
#include "lua_carry.h"
#include "lua_roster.h"
#include "settings.h"
#include "roster.h"

/* ------------------------------------------------------------- requests -- */

/* The pair and whatever else stands in the table at 2, and away with it. */
static int send_pair(lua_State *L, struct sb_bridge *b, struct sb_request *r)
{
	struct lg_lua_ends e;
	int err = lg_lua_read_ends(L, r, &e, 2);

	if (err)
		return lg_lua_fail(L, err);
	r->resource = SB_NOSTR; /* a watch is the contact's, not one client's */
	r->display = lg_lua_field(L, 2, "display");
	if (lg_lua_flag(L, 2, "verified", false))
		r->flags |= SB_F_VERIFIED;
	if (lg_lua_flag(L, 2, "notes", false))
		r->flags |= SB_F_NOTES;
	return lg_lua_send(L, b, r);
}

/* (bridge, {contact, user, display, verified, notes})
 * -> true | nil, token, text */
static int l_watch(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_WATCH};

	luaL_checktype(L, 2, LUA_TTABLE);
	return send_pair(L, b, &r);
}

/* (bridge, {contact, user}) -> true | nil, token, text */
static int l_unwatch(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_UNWATCH};

	luaL_checktype(L, 2, LUA_TTABLE);
	return send_pair(L, b, &r);
}

/* (bridge, {contact, user}) -> true | nil, token, text */
static int l_reject(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_REJECT};

	luaL_checktype(L, 2, LUA_TTABLE);
	return send_pair(L, b, &r);
}

/* A status text has no limit in XMPP; what is too long is cut at a
 * character. */
static struct sb_str cut_note(struct sb_str s)
{
	if (s.n <= SB_NOTE_MAX)
		return s;
	s.n = SB_NOTE_MAX;
	while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
		s.n--;
	return s;
}

/* (bridge, {contact, user, presence, note, display, verified, notes})
 * -> true | nil, token, text */
static int l_presence(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_PRESENCE};
	struct sb_str word;

	luaL_checktype(L, 2, LUA_TTABLE);
	word = lg_lua_field(L, 2, "presence");
	for (size_t i = 0; lg_presence_names[i]; i++)
		if (sb_str_eq(word, sb_str_of(lg_presence_names[i])))
			r.presence = (enum sb_presence)i;
	r.text = cut_note(
		lg_lua_unix_lines(L, lg_lua_field(L, 2, "note")));
	return send_pair(L, b, &r);
}

/* t[key] as a URI in buf, if it is there. */
static int end_if_any(lua_State *L, struct sb_str *uri, char *buf,
		      const char *key)
{
	struct sb_str jid = lg_lua_field(L, 2, key), resource;

	return jid.n ? lg_jid_to_uri(uri, &resource, buf, LG_URI_MAX, jid) : 0;
}

/* (bridge, {contact, user}|nil): those of both that are named
 * -> true | nil, token, text */
static int l_watches(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_WATCHES};
	struct lg_lua_ends e;
	int err = 0;

	if (lua_istable(L, 2))
		err = end_if_any(L, &r.contact, e.contact, "contact");
	if (!err && lua_istable(L, 2))
		err = end_if_any(L, &r.user, e.user, "user");
	if (err)
		return lg_lua_fail(L, err);
	return lg_lua_send(L, b, &r);
}

/* The address of one side of an event, in buf; false: it has none. */
static bool to_jid(struct sb_str *jid, char *buf, size_t n, struct sb_str uri)
{
	return uri.n && lg_uri_to_jid(jid, NULL, buf, n, uri) == LG_OK;
}

/* A Lync user's state that the roster takes; false: it is for Lua. */
static bool take_state(struct lg_roster *r, const struct lg_settings *s,
		       const struct sb_event *ev, uint64_t now)
{
	char contact[LG_FULL_MAX + 1], user[LG_FULL_MAX + 1];
	const char *at = ev->type == SB_EV_STATE && ev->user.n ?
			 memchr(ev->user.p, '@', ev->user.n) : NULL;
	struct sb_event own = *ev;
	struct lg_effects fx;

	if (!at || !sb_str_eq(s->host_ascii, (struct sb_str){
			at + 1, ev->user.n - (size_t)(at + 1 - ev->user.p)}))
		return false;
	return to_jid(&own.contact, contact, sizeof(contact), ev->contact) &&
	       to_jid(&own.user, user, sizeof(user), ev->user) &&
	       lg_roster_event(r, s, &own, now, &fx) == LG_OK;
}

/* (bridge, roster, settings, now, limit) -> taken, and what next returns: but
 * states of this host's users go into the roster, limit of them at most */
static int l_feed(lua_State *L)
{
	struct lg_lua_carrier *c = lg_lua_to_carrier(L);
	struct lg_roster *r = lg_lua_roster_at(L, 2);
	const struct lg_settings *s = lg_lua_roster_settings(L, 3);
	uint64_t now = lg_lua_roster_now(L, 4), ms = lg_lua_now_ms();
	lua_Integer limit = luaL_checkinteger(L, 5), n = 0;
	struct sb_event ev;

	/* An event that was taken must not be lost to a lack of room. */
	luaL_checkstack(L, 12, "event");
	while (n < limit && sb_next(c->b, &ev, ms) == 1) {
		if (!take_state(r, s, &ev, now)) {
			lua_pushinteger(L, n);
			return 1 + lg_lua_next_values(L, c, &ev);
		}
		n++;
	}
	lua_pushinteger(L, n);
	return 1;
}

void lg_lua_watch_methods(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"feed", l_feed},
		{"watch", l_watch},	  {"unwatch", l_unwatch},
		{"presence", l_presence}, {"reject", l_reject},
		{"watches", l_watches},	  {NULL, NULL},
	};

	luaL_setfuncs(L, methods, 0);
}

/* --------------------------------------------------------------- events -- */

static void set_word(lua_State *L, const char *key, const char *word)
{
	lua_pushstring(L, word);
	lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool on)
{
	lua_pushboolean(L, on);
	lua_setfield(L, -2, key);
}

void lg_lua_watch_event(lua_State *L, const struct sb_event *ev)
{
	bool row = ev->type == SB_EV_WATCH_ROW;

	if (row || ev->type == SB_EV_WATCH)
		set_word(L, "watch", lg_watch_names[ev->watch]);
	if (row || ev->type == SB_EV_STATE)
		set_word(L, "presence", lg_presence_names[ev->presence]);
	if (row)
		set_flag(L, "incoming", ev->incoming);
	if (ev->type == SB_EV_SUBSCRIBE) {
		set_flag(L, "added", ev->added);
		set_flag(L, "again", ev->again);
	}
}
