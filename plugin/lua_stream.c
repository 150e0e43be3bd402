/*
 * lua_stream.c: methods of settings that judge streams and stanzas.
 * SPDX-License-Identifier: MIT
 */
#include "lua_core.h"
#include "refusal.h"
#include "stream.h"

static const struct lg_settings *self(lua_State *L)
{
	return luaL_checkudata(L, 1, LG_LUA_SETTINGS);
}

/* The index of the word in words, or -1. */
static int find_word(struct sb_str s, const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++) {
		if (sb_str_eq(s, sb_str_of(words[i])))
			return i;
	}
	return -1;
}

/* The argument as the index of one of words; absent: fallback. */
static int word(lua_State *L, int arg, const char *const *words, int fallback)
{
	int i;

	if (lua_isnoneornil(L, arg))
		return fallback;
	i = find_word(lg_lua_str(L, arg), words);
	luaL_argcheck(L, i >= 0, arg, "not a valid word");
	return i;
}

/* facts[key] is left on the stack, so that its string lives. */
static struct sb_str text_fact(lua_State *L, const char *key)
{
	lua_getfield(L, 2, key);
	return lua_isnil(L, -1) ? SB_NOSTR : lg_lua_str(L, lua_gettop(L));
}

static int word_fact(lua_State *L, const char *key, const char *const *words,
		     int fallback)
{
	lua_getfield(L, 2, key);
	return word(L, lua_gettop(L), words, fallback);
}

static bool bool_fact(lua_State *L, const char *key)
{
	bool on;

	lua_getfield(L, 2, key);
	on = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return on;
}

/* facts[key], a number of streams or of seconds; negative ones (a clock that
 * was set back) are 0, what is absent is fallback. */
static uint32_t count_fact(lua_State *L, const char *key, uint32_t fallback)
{
	lua_Number n;

	lua_getfield(L, 2, key);
	n = lua_isnil(L, -1) ? fallback : luaL_checknumber(L, -1);
	lua_pop(L, 1);
	if (!(n > 0))
		return 0;
	return n < (lua_Number)LG_NEVER ? (uint32_t)n : LG_NEVER;
}

static void read_facts(lua_State *L, struct lg_stream_facts *f)
{
	luaL_checktype(L, 2, LUA_TTABLE);
	luaL_checkstack(L, 16, NULL);
	*f = (struct lg_stream_facts){
		.phase = (enum lg_phase)word_fact(L, "phase", lg_phase_names,
						  -1),
		.direction = (enum lg_direction)word_fact(
			L, "direction", lg_direction_names, -1),
		.remote = text_fact(L, "remote"),
		.own = bool_fact(L, "own"),
		.secure = bool_fact(L, "secure"),
		.authenticated = bool_fact(L, "authenticated"),
		.asked = bool_fact(L, "asked"),
		.starttls = bool_fact(L, "starttls"),
		.insists = bool_fact(L, "insists"),
		.external = bool_fact(L, "external"),
		.certificate = (enum lg_certificate)word_fact(
			L, "certificate", lg_certificate_names,
			LG_CERT_UNKNOWN),
		.mechanism = (enum lg_mechanism)word_fact(
			L, "mechanism", lg_mechanism_names, LG_MECH_NONE),
		.way = (enum lg_method)word_fact(L, "way", lg_method_names,
						 LG_SASL_TLS),
		.streams = count_fact(L, "streams", 0),
		.partner_streams = count_fact(L, "partner_streams", 0),
	};
	luaL_argcheck(L, (int)f->phase >= 0 && (int)f->direction >= 0, 2,
		      "phase and direction are needed");
}

static void set_bool(lua_State *L, const char *key, bool on)
{
	lua_pushboolean(L, on);
	lua_setfield(L, -2, key);
}

/* (settings, facts) -> decision | nil, token, text */
static int l_stream(lua_State *L)
{
	const struct lg_settings *s = self(L);
	struct lg_stream_decision d;
	struct lg_stream_facts f;
	int err;

	read_facts(L, &f);
	err = lg_stream_may(&d, s, &f);
	if (err)
		return lg_lua_fail(L, err);
	lua_createtable(L, 0, 6);
	set_bool(L, "starttls", d.offers & LG_OFFER_STARTTLS);
	set_bool(L, "required", d.offers & LG_OFFER_REQUIRED);
	set_bool(L, "external", d.offers & LG_OFFER_EXTERNAL);
	set_bool(L, "dialback", d.offers & LG_OFFER_DIALBACK);
	lg_lua_set(L, "step", sb_str_of(lg_step_names[d.step]));
	if (d.method >= 0)
		lg_lua_set(L, "method", sb_str_of(lg_method_names[d.method]));
	return 1;
}

/* (settings, origin, remote, method|nil, is_error, own)
 * -> true | nil, token, text */
static int l_stanza(lua_State *L)
{
	struct lg_stanza_facts f = {
		.origin = (enum lg_origin)word(L, 2, lg_origin_names,
					       LG_ORIGIN_OTHER),
		.remote = lg_lua_str(L, 3),
		.method = word(L, 4, lg_method_names, -1),
		.is_error = lua_toboolean(L, 5),
		.own = lua_toboolean(L, 6),
	};
	int err;

	err = lg_stanza_may(self(L), &f);
	if (err)
		return lg_lua_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

/* (settings, domain) -> its partner's primary domain, best method|nil | nil */
static int l_primary(lua_State *L)
{
	const struct lg_partner *p;
	int i;

	p = lg_partners_find(&self(L)->partners, lg_lua_str(L, 2));
	if (!p) {
		lua_pushnil(L);
		return 1;
	}
	lg_lua_push(L, p->domain);
	for (i = 0; lg_method_names[i]; i++) {
		if (!(p->methods & 1U << i))
			continue;
		lua_pushstring(L, lg_method_names[i]);
		return 2;
	}
	return 1;
}

/* (settings, { remote, way, secure, stage, condition }) -> method | nil */
static int l_next_method(lua_State *L)
{
	const struct lg_settings *s = self(L);
	const struct lg_partner *p;
	int way, stage, next = -1;

	luaL_checktype(L, 2, LUA_TTABLE);
	p = lg_partners_find(&s->partners, text_fact(L, "remote"));
	way = word_fact(L, "way", lg_method_names, LG_SASL_TLS);
	stage = word_fact(L, "stage", lg_stage_names, LG_STAGE_CONNECT);
	if (p && !p->disabled)
		next = lg_stream_next(p->methods, (enum lg_method)way,
				      bool_fact(L, "secure"),
				      (enum lg_stage)stage,
				      text_fact(L, "condition"));
	lg_lua_push(L, next < 0 ? SB_NOSTR : sb_str_of(lg_method_names[next]));
	return 1;
}

/* (settings, { remote, authenticated, since, stanza, heard, asked, expired })
 * -> nil | "ask" | "close", token, text */
static int l_care(lua_State *L)
{
	const struct lg_settings *s = self(L);
	const struct lg_partner *p;
	struct lg_stream_age age;
	enum lg_care care;
	int err = LG_OK;

	luaL_checktype(L, 2, LUA_TTABLE);
	p = lg_partners_find(&s->partners, text_fact(L, "remote"));
	age = (struct lg_stream_age){
		.authenticated = bool_fact(L, "authenticated"),
		.since = count_fact(L, "since", 0),
		.stanza = count_fact(L, "stanza", 0),
		.heard = count_fact(L, "heard", 0),
		.asked = count_fact(L, "asked", LG_NEVER),
		.expired = bool_fact(L, "expired"),
	};
	if (!p && age.authenticated) {
		lua_pushnil(L);
		return 1;
	}
	care = lg_stream_care(&err, &s->gateway, p, &age);
	if (care == LG_CARE_NONE) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushstring(L, lg_care_names[care]);
	if (care == LG_CARE_ASK)
		return 1;
	lua_pushstring(L, lg_err_name(err));
	lua_pushstring(L, lg_err_text(err));
	return 3;
}

void lg_lua_stream_methods(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"stream", l_stream},
		{"stanza", l_stanza},
		{"primary", l_primary},
		{"next_method", l_next_method},
		{"care", l_care},
		{NULL, NULL},
	};

	luaL_setfuncs(L, methods, 0);
}

/* (token) -> { stream|nil, sasl, type, condition, text } | nil: not a token
 * that refuses */
static int l_refusal(lua_State *L)
{
	const struct lg_refusal *r;
	int err;

	err = lg_err_find(luaL_checkstring(L, 1));
	if (err == LG_OK) {
		lua_pushnil(L);
		return 1;
	}
	r = lg_refusal(err);
	lua_createtable(L, 0, 5);
	lg_lua_set(L, "text", sb_str_of(lg_err_text(err)));
	lg_lua_set(L, "stream", sb_str_of(r->stream));
	lg_lua_set(L, "sasl", sb_str_of(r->sasl));
	lg_lua_set(L, "type", sb_str_of(r->type));
	lg_lua_set(L, "condition", sb_str_of(r->condition));
	return 1;
}

void lg_lua_refusal(lua_State *L)
{
	lua_pushcfunction(L, l_refusal);
}
