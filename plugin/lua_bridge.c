/*
 * lua_bridge.c: core.bridge, the bridge as a Lua object.
 * SPDX-License-Identifier: MIT
 *
 * The clock is read here and nowhere below. Nothing that malloc gave is live
 * where Lua may raise: the userdata is made first and filled last.
 */
#include <errno.h>
#include <limits.h>
#include <sys/random.h>
#include <time.h>

#include "../sipbridge/sipbridge.h"
#include "lua_carry.h"

#define BRIDGE "lync_gateway.bridge*"

uint64_t lg_lua_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct lg_lua_carrier *lg_lua_to_carrier(lua_State *L)
{
	struct lg_lua_carrier *u = luaL_checkudata(L, 1, BRIDGE);

	if (!u->b)
		luaL_error(L, "bridge is closed");
	return u;
}

struct sb_bridge *lg_lua_to_bridge(lua_State *L)
{
	return lg_lua_to_carrier(L)->b;
}

/* nil, token, text of one of the library's errors. */
static int bridge_fail(lua_State *L, int err)
{
	static const struct {
		int err;
		const char *text;
	} texts[] = {
		{SB_EINVAL, "A setting or field is missing or out of range"},
		{SB_ETOOBIG, "A text is too long"},
		{SB_EBADTEXT, "A text holds what it may not"},
		{SB_EFULL, "Too many messages are under way"},
		{SB_ENOMEM, "Out of memory"},
		{SB_EDOWN, "The SIP bridge is not running at the moment"},
	};
	const char *text = strerror(errno);
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].err == err)
			text = texts[i].text;
	lua_pushnil(L);
	lua_pushstring(L, sb_err_name(err));
	lua_pushstring(L, text);
	return 3;
}

/* (table) -> bridge | nil, token, text */
static int l_open(lua_State *L)
{
	struct sb_config c;
	char path[PATH_MAX];
	struct lg_lua_carrier *u;
	int err;

	lua_settop(L, 1);
	err = lg_lua_config(L, &c, path, sizeof(path), 1);
	u = lua_newuserdatauv(L, sizeof(*u), 0);
	*u = (struct lg_lua_carrier){.b = NULL};
	luaL_setmetatable(L, BRIDGE);
	if (getrandom(&u->heard.key, sizeof(u->heard.key), 0) !=
	    (ssize_t)sizeof(u->heard.key))
		return luaL_error(L, "no random numbers");
	if (!err && lg_flights_init(&u->flights))
		err = SB_ENOMEM;
	if (!err)
		err = sb_open(&u->b, &c, lg_lua_now_ms());
	return err ? bridge_fail(L, err) : 1;
}

/* (bridge, table) -> true | nil, token, text */
static int l_configure(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_config c;
	char path[PATH_MAX];
	int err;

	lua_settop(L, 2);
	err = lg_lua_config(L, &c, path, sizeof(path), 2);
	if (!err)
		err = sb_configure(b, &c, lg_lua_now_ms());
	if (err)
		return bridge_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

/* ------------------------------------------------------------- requests -- */

int lg_lua_read_ends(lua_State *L, struct sb_request *r, struct lg_lua_ends *e,
		     int t)
{
	int err = lg_jid_to_uri(&r->contact, &r->resource, e->contact,
				sizeof(e->contact),
				lg_lua_field(L, t, "contact"));

	if (!err)
		err = lg_jid_to_uri(&r->user, NULL, e->user, sizeof(e->user),
				    lg_lua_field(L, t, "user"));
	return err;
}

struct sb_str lg_lua_unix_lines(lua_State *L, struct sb_str s)
{
	luaL_Buffer b;

	if (!s.n || !memchr(s.p, '\r', s.n))
		return s;
	luaL_buffinit(L, &b);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\r')
			luaL_addchar(&b, s.p[i]);
		else if (i + 1 == s.n || s.p[i + 1] != '\n')
			luaL_addchar(&b, '\n');
	}
	luaL_pushresult(&b);
	s.p = lua_tolstring(L, -1, &s.n);
	return s;
}

int lg_lua_send(lua_State *L, struct sb_bridge *b, const struct sb_request *r)
{
	int err = sb_send(b, r, NULL, lg_lua_now_ms());

	if (err)
		return bridge_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

static uint8_t talk_flags(lua_State *L)
{
	unsigned flags = 0;

	if (lg_lua_flag(L, 2, "verified", false))
		flags |= SB_F_VERIFIED;
	if (lg_lua_flag(L, 2, "reply_only", false))
		flags |= SB_F_REPLY_ONLY;
	return (uint8_t)flags;
}

/* (bridge, {contact, user, display, thread, subject, lang, text, verified,
 * reply_only}) -> id | nil, token, text */
static int l_message(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_MESSAGE};
	struct lg_lua_ends e;
	uint64_t id = 0;
	int err;

	luaL_checktype(L, 2, LUA_TTABLE);
	err = lg_lua_read_ends(L, &r, &e, 2);
	if (err)
		return lg_lua_fail(L, err);
	r.display = lg_lua_field(L, 2, "display");
	r.thread = lg_lua_field(L, 2, "thread");
	r.subject = lg_lua_field(L, 2, "subject");
	r.lang = lg_lua_field(L, 2, "lang");
	r.text = lg_lua_unix_lines(L, lg_lua_field(L, 2, "text"));
	r.flags = talk_flags(L);
	err = sb_send(b, &r, &id, lg_lua_now_ms());
	if (err)
		return bridge_fail(L, err);
	lua_pushinteger(L, (lua_Integer)id);
	return 1;
}

static int send_plain(lua_State *L, struct sb_bridge *b, struct sb_request *r)
{
	struct lg_lua_ends e;
	int err = lg_lua_read_ends(L, r, &e, 2);

	if (err)
		return lg_lua_fail(L, err);
	r->thread = lg_lua_field(L, 2, "thread");
	return lg_lua_send(L, b, r);
}

/* (bridge, {contact, user, state, thread, verified, reply_only})
 * -> true | nil, token, text */
static int l_typing(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_TYPING};
	struct sb_str state;

	luaL_checktype(L, 2, LUA_TTABLE);
	state = lg_lua_field(L, 2, "state");
	r.typing = sb_str_eq(state, SB_STR("composing")) ? SB_TYPING_ACTIVE
							 : SB_TYPING_IDLE;
	if (r.typing == SB_TYPING_IDLE && !sb_str_eq(state, SB_STR("active")) &&
	    !sb_str_eq(state, SB_STR("paused")) &&
	    !sb_str_eq(state, SB_STR("inactive")))
		return bridge_fail(L, SB_EINVAL);
	r.flags = talk_flags(L);
	return send_plain(L, b, &r);
}

/* (bridge, {contact, user, thread}) -> true | nil, token, text */
static int l_ended(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_END};

	luaL_checktype(L, 2, LUA_TTABLE);
	return send_plain(L, b, &r);
}

/* Out of range becomes a number that the library refuses. */
static int integer(lua_State *L, int arg)
{
	lua_Integer n = luaL_checkinteger(L, arg);

	return n >= 0 && n <= INT_MAX ? (int)n : -1;
}

/* (bridge, id, status, diag|nil, text|nil, {verified, contact, user}|nil)
 * -> true | nil, token, text */
static int l_answer(lua_State *L)
{
	struct sb_bridge *b = lg_lua_to_bridge(L);
	struct sb_request r = {.type = SB_REQ_ANSWER};
	struct lg_lua_ends e;
	int err = 0;

	r.id = (uint64_t)luaL_checkinteger(L, 2);
	r.status = integer(L, 3);
	if (!lua_isnoneornil(L, 4))
		r.diag = integer(L, 4);
	if (!lua_isnoneornil(L, 5))
		r.reason = lg_lua_str(L, 5);
	if (lua_istable(L, 6)) {
		if (lg_lua_flag(L, 6, "verified", false))
			r.flags |= SB_F_VERIFIED;
		if (lg_lua_field(L, 6, "contact").n)
			err = lg_lua_read_ends(L, &r, &e, 6);
		r.resource = SB_NOSTR;
	}
	if (err)
		return lg_lua_fail(L, err);
	return lg_lua_send(L, b, &r);
}

/* (bridge) -> true | nil, token, text */
static int l_sessions(lua_State *L)
{
	struct sb_request r = {.type = SB_REQ_SESSIONS};

	return lg_lua_send(L, lg_lua_to_bridge(L), &r);
}

/* ----------------------------------------------------------- the others -- */

/* (bridge) -> event | nil | "delivered", host, partner, since, status */
static int l_next(lua_State *L)
{
	struct lg_lua_carrier *c = lg_lua_to_carrier(L);
	struct sb_event ev;

	/* An event that was taken must not be lost to a lack of room. */
	luaL_checkstack(L, 12, "event");
	if (sb_next(c->b, &ev, lg_lua_now_ms()) == 1)
		return lg_lua_next_values(L, c, &ev);
	lua_pushnil(L);
	return 1;
}

/* (bridge) -> seconds | nil */
static int l_wait(lua_State *L)
{
	int ms = sb_wait_ms(lg_lua_to_bridge(L), lg_lua_now_ms());

	if (ms < 0)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (lua_Number)ms / 1000);
	return 1;
}

static int l_fd(lua_State *L)
{
	lua_pushinteger(L, sb_fd(lg_lua_to_bridge(L)));
	return 1;
}

static int l_pid(lua_State *L)
{
	lua_pushinteger(L, sb_worker_pid(lg_lua_to_bridge(L)));
	return 1;
}

static int l_inflight(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)sb_inflight(lg_lua_to_bridge(L)));
	return 1;
}

static int l_shutdown(lua_State *L)
{
	sb_shutdown(lg_lua_to_bridge(L), lg_lua_now_ms());
	return 0;
}

/* Any number of times; also __gc and __close. */
static int l_close(lua_State *L)
{
	struct lg_lua_carrier *u = luaL_checkudata(L, 1, BRIDGE);
	struct sb_bridge *b = u->b;

	u->b = NULL;
	sb_close(b);
	lg_flights_fini(&u->flights);
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct lg_lua_carrier *u = luaL_checkudata(L, 1, BRIDGE);

	lua_pushfstring(L, "bridge (%s)", u->b ? "open" : "closed");
	return 1;
}

static const luaL_Reg methods[] = {
	{"configure", l_configure}, {"fd", l_fd},
	{"message", l_message},	    {"typing", l_typing},
	{"ended", l_ended},	    {"answer", l_answer},
	{"sessions", l_sessions},   {"next", l_next},
	{"wait", l_wait},	    {"pid", l_pid},
	{"inflight", l_inflight},   {"shutdown", l_shutdown},
	{"close", l_close},	    {"left", lg_lua_left},
	{NULL, NULL},
};

static const luaL_Reg meta[] = {
	{"__gc", l_close},
	{"__close", l_close},
	{"__tostring", l_tostring},
	{NULL, NULL},
};

void lg_lua_bridge(lua_State *L)
{
	if (lg_lua_metatable(L, BRIDGE)) {
		luaL_setfuncs(L, meta, 0);
		luaL_newlib(L, methods);
		lg_lua_watch_methods(L);
		lg_lua_push_carry(L);
		lua_setfield(L, -2, "carry");
		lua_setfield(L, -2, "__index");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, l_open);
}
