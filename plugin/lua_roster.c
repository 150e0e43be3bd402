/*
 * lua_roster.c: core.roster: who watches whom, for Lua.
 * SPDX-License-Identifier: MIT
 *
 * Effects that answer an input wait in a Lua table, which is the userdata's
 * value, and come before those of lg_roster_next.
 */
#include <sys/random.h>

#include "lua_bridge.h"
#include "lua_roster.h"
#include "refusal.h"

#define ROSTER "lync_gateway.roster*"

struct roster {
	struct lg_roster *r; /* NULL: closed */
	lua_Integer first, last; /* of the waiting effects */
	struct lg_effects fx;
};

static struct roster *roster_at(lua_State *L, int arg)
{
	struct roster *u = luaL_checkudata(L, arg, ROSTER);

	if (!u->r)
		luaL_error(L, "roster is closed");
	return u;
}

static struct roster *to_roster(lua_State *L)
{
	return roster_at(L, 1);
}

struct lg_roster *lg_lua_roster_at(lua_State *L, int arg)
{
	return roster_at(L, arg)->r;
}

struct lg_roster *lg_lua_roster_self(lua_State *L)
{
	return lg_lua_roster_at(L, 1);
}

const struct lg_settings *lg_lua_roster_settings(lua_State *L, int arg)
{
	return luaL_checkudata(L, arg, LG_LUA_SETTINGS);
}

uint64_t lg_lua_roster_now(lua_State *L, int arg)
{
	lua_Number now = luaL_checknumber(L, arg);

	luaL_argcheck(L, now >= 0 && now < 4e9, arg, "not a time");
	return (uint64_t)now;
}

/* Push the domain of an address, as Prosody spells it. */
static void push_domain(lua_State *L, struct sb_str domain)
{
	char buf[LG_DOMAIN_MAX];
	struct sb_str unicode;

	if (!memmem(domain.p, domain.n, "xn--", 4)
	    || lg_domain_unicode(&unicode, buf, domain))
		unicode = domain;
	lua_pushlstring(L, unicode.p, unicode.n);
}

void lg_lua_roster_domain(lua_State *L, struct sb_str jid)
{
	const char *at = jid.n ? memchr(jid.p, '@', jid.n) : NULL;

	push_domain(L, at ? (struct sb_str){
		at + 1, jid.n - (size_t)(at + 1 - jid.p)} : jid);
}

void lg_lua_roster_jid(lua_State *L, struct sb_str jid)
{
	const char *at = jid.n ? memchr(jid.p, '@', jid.n) : NULL;
	struct sb_str unicode, domain;
	char buf[LG_DOMAIN_MAX];

	if (at) {
		domain.p = at + 1;
		domain.n = jid.n - (size_t)(domain.p - jid.p);
		if (memmem(domain.p, domain.n, "xn--", 4) &&
		    !lg_domain_unicode(&unicode, buf, domain)) {
			lua_pushlstring(L, jid.p, jid.n - domain.n);
			lua_pushlstring(L, unicode.p, unicode.n);
			lua_concat(L, 2);
			return;
		}
	}
	lua_pushlstring(L, jid.p ? jid.p : "", jid.n);
}

void lg_lua_roster_set_jid(lua_State *L, const char *key, struct sb_str jid)
{
	lg_lua_roster_jid(L, jid);
	lua_setfield(L, -2, key);
}

/* -------------------------------------------------------------- effects -- */

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool on)
{
	lua_pushboolean(L, on);
	lua_setfield(L, -2, key);
}

static void set_word(lua_State *L, const char *key, const char *word)
{
	lua_pushstring(L, word);
	lua_setfield(L, -2, key);
}

static void set_presence(lua_State *L, const struct lg_effect *fx)
{
	if (fx->kind == LG_FX_TELL || fx->kind == LG_FX_PRESENCE)
		set_word(L, "presence", lg_presence_names[fx->presence]);
	if (fx->kind == LG_FX_PRESENCE)
		set_word(L, "show", lg_show_names[fx->show]);
	lg_lua_set(L, "note", fx->note);
	lg_lua_set(L, "lang", fx->lang);
	lg_lua_set(L, "display", fx->display);
}

static void push_effect(lua_State *L, const struct lg_effect *fx)
{
	luaL_checkstack(L, 6, "effect");
	lua_createtable(L, 0, 12);
	set_word(L, "to", lg_fx_stanza(fx->kind) ? "contact" : "bridge");
	set_word(L, "kind", lg_fx_names[fx->kind]);
	lg_lua_roster_set_jid(L, "contact", fx->contact);
	lg_lua_roster_set_jid(L, "user", fx->user);
	set_presence(L, fx);
	if (!lg_fx_stanza(fx->kind)) {
		set_flag(L, "verified", fx->flags & SB_F_VERIFIED);
		set_flag(L, "notes", fx->flags & SB_F_NOTES);
	}
	if (fx->id)
		set_integer(L, "id", (lua_Integer)fx->id);
	if (fx->status)
		set_integer(L, "status", fx->status);
	if (fx->diag)
		set_integer(L, "diag", fx->diag);
	if (fx->err) {
		set_word(L, "token", lg_err_name(fx->err));
		set_word(L, "text", lg_err_text(fx->err));
	}
	if (fx->kind == LG_FX_ERROR) {
		set_word(L, "error_type", lg_refusal(fx->err)->type);
		set_word(L, "condition", lg_refusal(fx->err)->condition);
	}
}

/* true | nil, token, text of an input; its effects wait. */
static int done(lua_State *L, struct roster *u, int err)
{
	size_t i;

	luaL_checkstack(L, 8, "effects");
	lua_getiuservalue(L, 1, 1);
	for (i = 0; i < u->fx.n; i++) {
		push_effect(L, &u->fx.v[i]);
		lua_rawseti(L, -2, u->last + 1);
		u->last++;
	}
	lua_pop(L, 1);
	if (err)
		return lg_lua_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

/* Push the first of the effects that wait. */
static int take_waiting(lua_State *L, struct roster *u)
{
	lua_getiuservalue(L, 1, 1);
	lua_rawgeti(L, -1, u->first);
	lua_pushnil(L);
	lua_rawseti(L, -3, u->first);
	lua_remove(L, -2);
	u->first++;
	return 1;
}

/* (roster, settings, now) -> effect | nil */
static int l_next(lua_State *L)
{
	struct roster *u = to_roster(L);
	const struct lg_settings *s = lg_lua_roster_settings(L, 2);
	uint64_t now = lg_lua_roster_now(L, 3);
	struct lg_effect fx;

	luaL_checkstack(L, 10, "effect");
	if (u->first <= u->last)
		return take_waiting(L, u);
	if (lg_roster_next(u->r, s, now, &fx))
		push_effect(L, &fx);
	else
		lua_pushnil(L);
	return 1;
}

/* (roster, settings, now, metatable of stanzas) -> stanza, domain | effect |
 * nil: as next, but presence that a contact is told comes as a stanza */
static int l_say(lua_State *L)
{
	struct roster *u = to_roster(L);
	const struct lg_settings *s = lg_lua_roster_settings(L, 2);
	uint64_t now = lg_lua_roster_now(L, 3);
	struct lg_effect fx;

	luaL_checktype(L, 4, LUA_TTABLE);
	luaL_checkstack(L, 10, "effect");
	if (u->first <= u->last)
		return take_waiting(L, u);
	if (!lg_roster_next(u->r, s, now, &fx)) {
		lua_pushnil(L);
		return 1;
	}
	if (fx.kind != LG_FX_PRESENCE || fx.err) {
		push_effect(L, &fx);
		return 1;
	}
	lg_lua_stanza(L, &fx, 4);
	lg_lua_roster_domain(L, fx.contact);
	return 2;
}

/* --------------------------------------------------------------- inputs -- */

/* t[key] as one of words, which end with NULL; nil: -1; else raises. */
static int word_of(lua_State *L, int t, const char *key,
		   const char *const *words)
{
	struct sb_str s = lg_lua_field(L, t, key);
	int i;

	if (!s.n)
		return -1;
	for (i = 0; words[i]; i++) {
		if (sb_str_eq(s, sb_str_of(words[i])))
			return i;
	}
	return luaL_error(L, "%s: not a valid word", key);
}

static lua_Integer integer_of(lua_State *L, int t, const char *key)
{
	lua_Integer n = 0;

	lua_pushstring(L, key);
	if (lua_rawget(L, t) != LUA_TNIL)
		n = luaL_checkinteger(L, lua_gettop(L));
	lua_pop(L, 1);
	return n;
}

static int clamp(lua_Integer n, int min, int max)
{
	return n < min ? min : n > max ? max : (int)n;
}

/* (roster, settings, { kind, contact, user, show, status, lang, display,
 * priority, wait }, now) -> true | nil, token, text */
static int l_stanza(lua_State *L)
{
	struct roster *u = to_roster(L);
	const struct lg_settings *s = lg_lua_roster_settings(L, 2);
	uint64_t now = lg_lua_roster_now(L, 4);
	struct lg_stanza st;
	int kind;

	luaL_checktype(L, 3, LUA_TTABLE);
	kind = word_of(L, 3, "kind", lg_stanza_names);
	luaL_argcheck(L, kind >= 0, 3, "kind is missing");
	st = (struct lg_stanza){
		.kind = (enum lg_stanza_kind)kind,
		.contact = lg_lua_field(L, 3, "contact"),
		.user = lg_lua_field(L, 3, "user"),
		.show = lg_lua_field(L, 3, "show"),
		.status = lg_lua_field(L, 3, "status"),
		.lang = lg_lua_field(L, 3, "lang"),
		.display = lg_lua_field(L, 3, "display"),
		.priority = clamp(integer_of(L, 3, "priority"), -128, 127),
		.wait = lg_lua_flag(L, 3, "wait", false),
	};
	return done(L, u, lg_roster_stanza(u->r, s, &st, now, &u->fx));
}

static enum sb_event_type event_type(struct sb_str word)
{
	static const struct {
		const char *word;
		enum sb_event_type type;
	} types[] = {
		{"watch", SB_EV_WATCH},
		{"state", SB_EV_STATE},
		{"subscribe", SB_EV_SUBSCRIBE},
		{"unsubscribed", SB_EV_UNSUBSCRIBED},
		{"worker", SB_EV_WORKER},
	};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (sb_str_eq(word, sb_str_of(types[i].word)))
			return types[i].type;
	}
	return SB_EV_LOG; /* one that the roster ignores */
}

/* (roster, settings, event of bridge:next(), now) -> true | nil, token,
 * text */
static int l_event(lua_State *L)
{
	struct roster *u = to_roster(L);
	const struct lg_settings *s = lg_lua_roster_settings(L, 2);
	uint64_t now = lg_lua_roster_now(L, 4);
	struct sb_event ev = {.type = SB_EV_LOG};
	int word;

	luaL_checktype(L, 3, LUA_TTABLE);
	ev.type = event_type(lg_lua_field(L, 3, "type"));
	if (ev.type == SB_EV_LOG) {
		u->fx.n = 0;
		return done(L, u, LG_OK);
	}
	ev.id = (uint64_t)integer_of(L, 3, "id");
	ev.contact = lg_lua_field(L, 3, "contact");
	ev.user = lg_lua_field(L, 3, "user");
	ev.display = lg_lua_field(L, 3, "display");
	ev.text = lg_lua_field(L, 3, "text");
	ev.token = lg_lua_field(L, 3, "token");
	ev.added = lg_lua_flag(L, 3, "added", false);
	ev.again = lg_lua_flag(L, 3, "again", false);
	ev.status = clamp(integer_of(L, 3, "status"), -1, 999);
	word = word_of(L, 3, "presence", lg_presence_names);
	if (word > 0)
		ev.presence = (enum sb_presence)word;
	word = word_of(L, 3, "watch", lg_watch_names);
	if (word > 0)
		ev.watch = (enum sb_watch_state)word;
	return done(L, u, lg_roster_event(u->r, s, &ev, now, &u->fx));
}

/* (roster, user, { [contact] = record }, now) -> loaded, bad */
static int l_load(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	struct sb_str user = lg_lua_str(L, 2);
	uint64_t now = lg_lua_roster_now(L, 4);
	lua_Integer loaded = 0, bad = 0;
	struct sb_str contact, record;

	luaL_checktype(L, 3, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, 3)) {
		if (lua_type(L, -2) == LUA_TSTRING &&
		    lua_type(L, -1) == LUA_TSTRING) {
			contact.p = lua_tolstring(L, -2, &contact.n);
			record.p = lua_tolstring(L, -1, &record.n);
			if (lg_roster_load(r, contact, user, record, now))
				bad++;
			else
				loaded++;
		}
		else {
			bad++;
		}
		lua_pop(L, 1);
	}
	lua_pushinteger(L, loaded);
	lua_pushinteger(L, bad);
	return 2;
}

/* (roster, settings, now) -> seconds */
static int l_tick(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	const struct lg_settings *s = lg_lua_roster_settings(L, 2);

	lua_pushinteger(L, lg_roster_tick(r, s, lg_lua_roster_now(L, 3)));
	return 1;
}

/* (roster) */
static int l_settings(lua_State *L)
{
	lg_roster_settings(lg_lua_roster_self(L));
	return 0;
}

/* (roster, effect) */
static int l_again(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	struct lg_effect fx = {.kind = LG_FX_ANSWER};
	struct sb_str kind;
	int i;

	luaL_checktype(L, 2, LUA_TTABLE);
	kind = lg_lua_field(L, 2, "kind");
	for (i = LG_FX_WATCH; i < LG_FX_ANSWER; i++) {
		if (sb_str_eq(kind, sb_str_of(lg_fx_names[i])))
			fx.kind = (enum lg_fx_kind)i;
	}
	fx.contact = lg_lua_field(L, 2, "contact");
	fx.user = lg_lua_field(L, 2, "user");
	lg_roster_again(r, &fx);
	return 0;
}

/* (roster, contact, user, { ["in"], out }) -> boolean */
static int l_finish(lua_State *L)
{
	struct lg_roster *r = lg_lua_roster_self(L);
	struct sb_str contact = lg_lua_str(L, 2), user = lg_lua_str(L, 3);
	bool both = lua_isnoneornil(L, 4);

	if (!both)
		luaL_checktype(L, 4, LUA_TTABLE);
	lua_pushboolean(L, lg_roster_end(
				   r, contact, user,
				   both || lg_lua_flag(L, 4, "in", false),
				   both || lg_lua_flag(L, 4, "out", false)));
	return 1;
}

/* -------------------------------------------------------- life and death -- */

/* Any number of times; also __gc and __close. */
static int l_close(lua_State *L)
{
	struct roster *u = luaL_checkudata(L, 1, ROSTER);
	struct lg_roster *r = u->r;

	u->r = NULL;
	lg_roster_free(r);
	return 0;
}

static const luaL_Reg methods[] = {
	{"next", l_next},	  {"stanza", l_stanza}, {"event", l_event},
	{"load", l_load},	  {"tick", l_tick},	{"again", l_again},
	{"settings", l_settings}, {"finish", l_finish}, {"close", l_close},
	{"say", l_say},		  {NULL, NULL},
};

static const luaL_Reg meta[] = {
	{"__gc", l_close},
	{"__close", l_close},
	{NULL, NULL},
};

static size_t limit(lua_State *L, const char *key)
{
	lua_Integer n = 0;

	if (lua_istable(L, 1))
		n = integer_of(L, 1, key);
	luaL_argcheck(L, n >= 0, 1, key);
	return (size_t)n;
}

/* ({ pairs, bytes }|nil, now) -> roster | nil, token, text */
static int l_roster(lua_State *L)
{
	struct lg_roster_limits limits = {.pairs = limit(L, "pairs"),
					  .bytes = limit(L, "bytes")};
	uint64_t now = lg_lua_roster_now(L, 2);
	struct roster *u;
	int err;

	if (getrandom(limits.key, sizeof(limits.key), 0) !=
	    (ssize_t)sizeof(limits.key))
		return luaL_error(L, "no random numbers");
	u = lua_newuserdatauv(L, sizeof(*u), 1);
	u->r = NULL;
	u->first = 1;
	u->last = 0;
	luaL_setmetatable(L, ROSTER);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	err = lg_roster_new(&u->r, &limits, now);
	return err ? lg_lua_fail(L, err) : 1;
}

void lg_lua_roster(lua_State *L)
{
	if (lg_lua_metatable(L, ROSTER)) {
		luaL_setfuncs(L, meta, 0);
		luaL_newlib(L, methods);
		luaL_setfuncs(L, lg_lua_roster_get, 0);
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, l_roster);
}
