/*
 * lua_watch.c: presence: the bridge's methods and the events' fields.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/presence.h"
#include "address.h"
#include "lua_bridge.h"
#include "lua_carry.h"
#include "lua_roster.h"
#include "lua_tally.h"
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
static bool take_state(const struct lg_lua_judge *j, const struct sb_event *ev)
{
	char contact[LG_FULL_MAX + 1], user[LG_FULL_MAX + 1];
	const char *at = ev->type == SB_EV_STATE && ev->user.n ?
			 memchr(ev->user.p, '@', ev->user.n) : NULL;
	struct sb_event own = *ev;
	struct lg_effects fx;

	if (!at || !sb_str_eq(j->settings->host_ascii, (struct sb_str){
			at + 1, ev->user.n - (size_t)(at + 1 - ev->user.p)}))
		return false;
	return to_jid(&own.contact, contact, sizeof(contact), ev->contact) &&
	       to_jid(&own.user, user, sizeof(user), ev->user) &&
	       lg_roster_event(j->roster, j->settings, &own, j->now, &fx) ==
		       LG_OK;
}

/* May the plain message on top, of this host's, cross? Then it says so, and
 * whether the partner is verified: nobody has to ask again. */
static void judge(lua_State *L, const struct lg_lua_judge *j)
{
	int t = lua_gettop(L);
	struct lg_facts facts = {
		.direction = LG_OUT,
		.kind = LG_MESSAGE,
		.contact = lg_lua_field(L, t, "bare"),
		.user = lg_lua_field(L, t, "user"),
	};
	struct lg_decision d;

	if (!facts.contact.n || lg_may(&d, j->settings, &facts) != LG_OK)
		return;
	lua_pushboolean(L, d.verified);
	lua_setfield(L, t, "allowed");
}

/* What feed returns: counts, and values that have been pushed behind them. */
static int fed(lua_State *L, lua_Integer taken, lua_Integer states, int values)
{
	lua_pushinteger(L, taken);
	lua_insert(L, -1 - values);
	lua_pushinteger(L, states);
	lua_insert(L, -1 - values);
	return 2 + values;
}

/* (bridge, roster, settings, now, limit, tally|nil) -> taken, how many of them
 * are states, and what next returns: but states of this host's users go into
 * the roster, and outcomes of messages that were delivered into the tally,
 * limit of both at most; or "quarantined", partner, after such an outcome */
static int l_feed(lua_State *L)
{
	struct lg_lua_carrier *c = lg_lua_to_carrier(L);
	struct lg_lua_judge j = {
		.roster = lg_lua_roster_at(L, 2),
		.settings = lg_lua_roster_settings(L, 3),
		.now = lg_lua_roster_now(L, 4),
		.tally = lg_lua_tally_at(L, 6),
	};
	lua_Integer limit = luaL_checkinteger(L, 5), n = 0, states = 0;
	uint64_t ms = lg_lua_now_ms();
	struct sb_event ev;

	/* An event that was taken must not be lost to a lack of room. */
	luaL_checkstack(L, 14, "event");
	for (; n < limit && sb_next(c->b, &ev, ms) == 1; n++) {
		enum lg_counted counted = lg_lua_count(L, c, &j, &ev);

		if (counted == LG_QUARANTINED) {
			lua_pushliteral(L, "quarantined");
			lua_insert(L, -2);
			return fed(L, n + 1, states, 2);
		}
		if (counted == LG_COUNTED)
			continue;
		if (!take_state(&j, &ev)) {
			int values = lg_lua_next_values(L, c, &ev);

			if (ev.type == SB_EV_MESSAGE)
				judge(L, &j);
			return fed(L, n, states, values);
		}
		states++;
	}
	return fed(L, n, states, 0);
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
