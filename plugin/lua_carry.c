/*
 * lua_carry.c: the short way of an ordinary message from XMPP to the bridge.
 * SPDX-License-Identifier: MIT
 *
 * A stanza that has nothing but what most have is judged, read and given to
 * the bridge in one call, without a Lua table; the outcome of one that was
 * delivered comes back as plain values. Every other stanza, and everything
 * that is refused, is left to gate.lib.lua and x2s.lib.lua as it is: what is
 * said here is "yes" only. The rules are those of stream.h, policy.h and
 * roster.h.
 *
 * Stanzas are read without metamethods; texts stay borrowed from their tables,
 * which nobody changes meanwhile.
 */
#include <time.h>

#include "lua_carry.h"
#include "lua_roster.h"
#include "policy.h"
#include "roster.h"
#include "stream.h"

#define CHATSTATES "http://jabber.org/protocol/chatstates"
#define RECEIPTS "urn:xmpp:receipts"

struct letter {
	struct sb_str from, to, id, type, lang, body, thread;
	bool has_body, has_thread, has_state, first_state, receipt;
};

enum { ORDER_SETTINGS = 2, ORDER_ROSTER, ORDER_ORIGIN, ORDER_STANZA, ORDER_HOST,
       ORDER_OURS, ORDER_NOW, ORDER_TIME, ORDER_EPOCH };

/* ----------------------------------------------------------------- Lua -- */

/* Names of fields, as upvalues: a look for each would cost more than all that
 * is done with them. */
enum key { KEY_ATTR = 1, KEY_TAGS, KEY_NAME, KEY_FROM, KEY_TO, KEY_ID, KEY_TYPE,
	   KEY_LANG, KEY_XMLNS, KEY_DUMMY, KEY_AUTHED, KEY_STANZA, KEYS };

static const char *const keys[KEYS] = {
	[KEY_ATTR] = "attr", [KEY_TAGS] = "tags", [KEY_NAME] = "name",
	[KEY_FROM] = "from", [KEY_TO] = "to", [KEY_ID] = "id",
	[KEY_TYPE] = "type", [KEY_LANG] = "xml:lang", [KEY_XMLNS] = "xmlns",
	[KEY_DUMMY] = "dummy", [KEY_AUTHED] = "lync_authed",
	[KEY_STANZA] = "lync_stanza",
};

static int get(lua_State *L, int t, enum key key)
{
	lua_pushvalue(L, lua_upvalueindex((int)key));
	return lua_rawget(L, t);
}

/* t[key] as text, which the table keeps alive; false: it is something else. */
static bool text_of(struct sb_str *s, lua_State *L, int t, enum key key)
{
	int kind = get(L, t, key);

	*s = SB_NOSTR;
	if (kind == LUA_TSTRING)
		s->p = lua_tolstring(L, -1, &s->n);
	lua_pop(L, 1);
	return kind == LUA_TSTRING || kind == LUA_TNIL;
}

static bool is(struct sb_str s, const char *word)
{
	return sb_str_eq(s, sb_str_of(word));
}

/* The only text of the element on top, or none; false: it is more than that. */
static bool only_text(struct sb_str *s, lua_State *L)
{
	int e = lua_gettop(L), kind;
	lua_Unsigned n = lua_rawlen(L, e);

	*s = SB_NOSTR;
	if (n > 1)
		return false;
	kind = lua_rawgeti(L, e, 1);
	if (kind == LUA_TSTRING)
		s->p = lua_tolstring(L, -1, &s->n);
	lua_pop(L, 1);
	return n == 0 || kind == LUA_TSTRING;
}

/* ------------------------------------------------------------- reading -- */

static bool one_line(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ')
			return false;
	return true;
}

static bool read_body(struct letter *m, lua_State *L, struct sb_str lang)
{
	if (m->has_body || !only_text(&m->body, L) || m->body.n == 0 ||
	    m->body.n > SB_TEXT_MAX || memchr(m->body.p, '\r', m->body.n))
		return false;
	m->has_body = true;
	if (lang.p && !lang.n)
		return false; /* of no language, whatever the stanza is */
	if (lang.p)
		m->lang = lang;
	return true;
}

static bool read_thread(struct letter *m, lua_State *L)
{
	if (m->has_thread || !only_text(&m->thread, L))
		return false;
	m->has_thread = true;
	return one_line(m->thread);
}

/* Of a foreign namespace; the first state counts, known or not. */
static bool read_other(struct letter *m, struct sb_str name,
		       struct sb_str xmlns)
{
	if (is(xmlns, CHATSTATES)) {
		if (!m->first_state)
			m->has_state = is(name, "active") ||
				       is(name, "composing") ||
				       is(name, "paused") ||
				       is(name, "inactive");
		m->first_state = true;
		return !is(name, "gone");
	}
	if (is(xmlns, RECEIPTS)) {
		m->receipt = m->receipt || is(name, "request");
		return is(name, "request");
	}
	return true;
}

/* The element on top, a child of the message. */
static bool read_child(struct letter *m, lua_State *L)
{
	struct sb_str name, xmlns, lang;
	int e = lua_gettop(L);
	bool ok;

	if (!lua_istable(L, e) || !text_of(&name, L, e, KEY_NAME) ||
	    get(L, e, KEY_ATTR) != LUA_TTABLE)
		return false;
	ok = text_of(&xmlns, L, e + 1, KEY_XMLNS) &&
	     text_of(&lang, L, e + 1, KEY_LANG);
	lua_settop(L, e);
	if (!ok || is(name, "subject"))
		return false;
	if (is(name, "body"))
		return !xmlns.n && read_body(m, L, lang);
	if (is(name, "thread"))
		return !xmlns.n && read_thread(m, L);
	return !xmlns.n || read_other(m, name, xmlns);
}

static bool read_children(struct letter *m, lua_State *L)
{
	bool ok = get(L, ORDER_STANZA, KEY_TAGS) == LUA_TTABLE;
	int tags = lua_gettop(L);
	lua_Unsigned n = ok ? lua_rawlen(L, tags) : 0;

	for (lua_Unsigned i = 1; ok && i <= n; i++) {
		lua_rawgeti(L, tags, (lua_Integer)i);
		ok = read_child(m, L);
		lua_settop(L, tags);
	}
	lua_settop(L, tags - 1);
	return ok && m->has_body;
}

static bool read_stanza(struct letter *m, lua_State *L)
{
	int t = ORDER_EPOCH + 1;
	bool ok;

	*m = (struct letter){.has_body = false};
	ok = get(L, ORDER_STANZA, KEY_ATTR) == LUA_TTABLE &&
	     text_of(&m->from, L, t, KEY_FROM) &&
	     text_of(&m->to, L, t, KEY_TO) && text_of(&m->id, L, t, KEY_ID) &&
	     text_of(&m->type, L, t, KEY_TYPE) &&
	     text_of(&m->lang, L, t, KEY_LANG) && m->from.n && m->to.n &&
	     (!m->id.p || m->id.n) &&
	     (!m->type.p || is(m->type, "chat") || is(m->type, "normal"));
	lua_settop(L, ORDER_EPOCH);
	return ok && read_children(m, L);
}

/* ------------------------------------------------------------- judging -- */

/* How the stream was authenticated for this host and the domain at remote; -1:
 * it is not, or the stanza did not come on one. */
static int method_of(lua_State *L, int remote)
{
	struct sb_str word = SB_NOSTR;
	int top = lua_gettop(L), i;

	if (!text_of(&word, L, ORDER_ORIGIN, KEY_TYPE) ||
	    !(is(word, "s2sin") || is(word, "s2sout")))
		return -1;
	word = SB_NOSTR;
	if (get(L, ORDER_ORIGIN, KEY_DUMMY) == LUA_TNIL &&
	    get(L, ORDER_ORIGIN, KEY_AUTHED) == LUA_TTABLE) {
		lua_pushvalue(L, ORDER_HOST);
		if (lua_rawget(L, -2) == LUA_TTABLE) {
			lua_pushvalue(L, remote);
			if (lua_rawget(L, -2) == LUA_TSTRING)
				word.p = lua_tolstring(L, -1, &word.n);
		}
	}
	lua_settop(L, top); /* the mark is kept by its table */
	for (i = 0; word.n && lg_method_names[i]; i++)
		if (is(word, lg_method_names[i]))
			return i;
	return -1;
}

static bool is_ours(lua_State *L, int domain)
{
	bool found;

	lua_pushvalue(L, domain);
	found = lua_rawget(L, ORDER_OURS) != LUA_TNIL;
	lua_pop(L, 1);
	return found;
}

/* What gate.lib.lua and x2s.lib.lua ask, in their order. */
static bool may(struct lg_decision *d, lua_State *L, const struct letter *m,
		const struct lg_jid *contact, struct sb_str user)
{
	const struct lg_settings *s = lg_lua_roster_settings(L, ORDER_SETTINGS);
	struct lg_roster *r = lg_lua_roster_at(L, ORDER_ROSTER);
	struct lg_stanza_facts stanza = {
		.origin = LG_ORIGIN_STREAM,
		.remote = contact->domain,
	};
	struct lg_facts facts = {
		.direction = LG_IN,
		.kind = LG_MESSAGE,
		.contact = m->from,
		.user = user,
	};
	bool ours;

	lua_pushlstring(L, contact->domain.p, contact->domain.n);
	stanza.method = method_of(L, ORDER_EPOCH + 1);
	ours = is_ours(L, ORDER_EPOCH + 1);
	lua_pop(L, 1);
	return stanza.method >= 0 && !ours &&
	       lg_stanza_may(s, &stanza) == LG_OK &&
	       lg_may(d, s, &facts) == LG_OK && !d->reply_only &&
	       lg_roster_may_address(r, s, m->from, user,
				     lg_lua_roster_now(L, ORDER_TIME)) == LG_OK;
}

/* ------------------------------------------------------------- carrying -- */

static bool send(struct lg_lua_carrier *c, lua_State *L, const struct letter *m,
		 const struct lg_decision *d, struct sb_str user)
{
	struct sb_request r = {.type = SB_REQ_MESSAGE};
	struct sb_str text[LG_FLIGHT_TEXTS] = {
		[LG_FLIGHT_PRIMARY] = d->partner->domain,
		[LG_FLIGHT_CONTACT] = m->from,
		[LG_FLIGHT_USER] = m->to,
		[LG_FLIGHT_ID] = m->id,
		[LG_FLIGHT_TYPE] = m->type,
	};
	struct lg_lua_ends e;
	struct lg_flight *f;
	uint64_t id;

	text[LG_FLIGHT_HOST].p = lua_tolstring(L, ORDER_HOST,
					       &text[LG_FLIGHT_HOST].n);
	if (lg_jid_to_uri(&r.contact, &r.resource, e.contact,
			  sizeof(e.contact), m->from) ||
	    lg_jid_to_uri(&r.user, NULL, e.user, sizeof(e.user), user))
		return false;
	r.thread = m->thread;
	r.lang = m->lang;
	r.text = m->body;
	r.flags = d->verified ? SB_F_VERIFIED : 0;
	f = lg_flight_new(&c->flights, text);
	if (!f)
		return false;
	f->since = lua_tonumber(L, ORDER_NOW);
	f->receipt = m->receipt && m->id.p;
	if (sb_send(c->b, &r, &id, lg_lua_now_ms())) {
		lg_flight_free(&c->flights, f);
		return false;
	}
	lg_flights_add(&c->flights, f, id);
	return true;
}

static struct sb_str bare(struct sb_str text, const struct lg_jid *jid)
{
	if (jid->resource.p)
		text.n = (size_t)(jid->resource.p - text.p) - 1;
	return text;
}

/* As conversation.lib.lua makes it. */
static void push_key(lua_State *L, struct sb_str user, struct sb_str contact)
{
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	luaL_addlstring(&b, user.p, user.n);
	luaL_addchar(&b, '\0');
	luaL_addlstring(&b, contact.p, contact.n);
	luaL_pushresult(&b);
}

/* False: the ordinary way. user, who: bare addresses of both. */
static bool carry(struct lg_lua_carrier *c, lua_State *L, struct letter *m,
		  struct sb_str *user, struct sb_str *who)
{
	struct lg_decision d;
	struct lg_jid contact, jid;

	if (!read_stanza(m, L) || lg_jid_split(&contact, m->from) ||
	    lg_jid_split(&jid, m->to) || !contact.local.n || !jid.local.n)
		return false;
	*user = bare(m->to, &jid);
	*who = bare(m->from, &contact);
	return may(&d, L, m, &contact, *user) && send(c, L, m, &d, *user);
}

/* Minutes, and what Lua counts: heard.h. */
static uint64_t epoch(lua_State *L)
{
	return lg_lua_roster_now(L, ORDER_TIME) / 60 +
	       ((uint64_t)luaL_checkinteger(L, ORDER_EPOCH) << 32);
}

/* (bridge, settings, roster, origin, stanza, host, ours, now, time, epoch) ->
 * nil: not taken | true | the conversation's key, whether the contact shows a
 * state, where that was not said before in this epoch and minute */
static int l_carry(lua_State *L)
{
	struct lg_lua_carrier *c = lg_lua_to_carrier(L);
	struct sb_str user, who;
	struct letter m;
	uint64_t when;

	luaL_checktype(L, ORDER_ORIGIN, LUA_TTABLE);
	luaL_checktype(L, ORDER_STANZA, LUA_TTABLE);
	luaL_checktype(L, ORDER_HOST, LUA_TSTRING);
	luaL_checktype(L, ORDER_OURS, LUA_TTABLE);
	luaL_checknumber(L, ORDER_NOW);
	when = epoch(L);
	lua_settop(L, ORDER_EPOCH);
	luaL_checkstack(L, 12, NULL);
	if (!carry(c, L, &m, &user, &who)) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushvalue(L, lua_upvalueindex((int)KEY_STANZA)); /* upkeep.seen */
	lua_pushvalue(L, ORDER_NOW);
	lua_rawset(L, ORDER_ORIGIN);
	if (!is(m.type, "chat") ||
	    lg_heard_again(&c->heard, when, user, who, m.has_state)) {
		lua_pushboolean(L, 1);
		return 1;
	}
	push_key(L, user, who);
	lua_pushboolean(L, m.has_state);
	return 2;
}

void lg_lua_push_carry(lua_State *L)
{
	luaL_checkstack(L, KEYS, NULL);
	for (int i = 1; i < KEYS; i++)
		lua_pushstring(L, keys[i]);
	lua_pushcclosure(L, l_carry, KEYS - 1);
}

/* ------------------------------------------------------------ outcomes -- */

static void set_text(lua_State *L, const struct lg_flight *f,
		     enum lg_flight_text t, const char *key)
{
	lg_lua_set(L, key, lg_flight_text(f, t));
}

/* What x2s.lib.lua gives to pool:message. */
static void push_entry(lua_State *L, const struct lg_flight *f)
{
	lua_createtable(L, 0, 7);
	set_text(L, f, LG_FLIGHT_HOST, "host");
	set_text(L, f, LG_FLIGHT_CONTACT, "contact");
	set_text(L, f, LG_FLIGHT_USER, "user");
	set_text(L, f, LG_FLIGHT_ID, "id");
	set_text(L, f, LG_FLIGHT_TYPE, "type");
	lua_pushnumber(L, f->since);
	lua_setfield(L, -2, "since");
	lua_pushboolean(L, f->receipt);
	lua_setfield(L, -2, "receipt");
}

static void push_text(lua_State *L, const struct lg_flight *f,
		      enum lg_flight_text t)
{
	struct sb_str s = lg_flight_text(f, t);

	lua_pushlstring(L, s.p, s.n);
}

double lg_lua_known_at(const struct sb_event *ev)
{
	struct timespec t;

	if (ev->at_us)
		return (double)ev->at_us / 1e6;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Delivered, and nobody waits for it. */
static bool is_quiet(const struct sb_event *ev, const struct lg_flight *f)
{
	return f && ev->outcome == SB_DELIVERED && !f->receipt && !ev->local;
}

/* It stays in its table until all has been pushed: pushing may raise. */
static int outcome(lua_State *L, struct lg_lua_carrier *c,
		   const struct sb_event *ev)
{
	const struct lg_flight *f = lg_flights_find(&c->flights, ev->id);
	int n = 1;

	if (is_quiet(ev, f)) {
		lua_pushliteral(L, "delivered");
		push_text(L, f, LG_FLIGHT_HOST);
		push_text(L, f, LG_FLIGHT_PRIMARY);
		lua_pushnumber(L, lg_lua_known_at(ev) - f->since);
		lua_pushinteger(L, ev->status);
		n = 5;
	}
	else {
		lg_lua_event(L, ev);
		if (f) {
			push_entry(L, f);
			lua_setfield(L, -2, "entry");
		}
	}
	lg_flights_end(&c->flights, ev->id);
	return n;
}

int lg_lua_next_values(lua_State *L, struct lg_lua_carrier *c,
		       const struct sb_event *ev)
{
	if (ev->type == SB_EV_OUTCOME)
		return outcome(L, c, ev);
	lg_lua_event(L, ev);
	return 1;
}

enum lg_counted lg_lua_count(lua_State *L, struct lg_lua_carrier *c,
			     const struct lg_lua_judge *j,
			     const struct sb_event *ev)
{
	const struct lg_flight *f;
	bool quarantined;

	if (!j->tally || ev->type != SB_EV_OUTCOME)
		return LG_NOT_COUNTED;
	f = lg_flights_find(&c->flights, ev->id);
	if (!is_quiet(ev, f) ||
	    !sb_str_eq(lg_flight_text(f, LG_FLIGHT_HOST),
		       j->settings->host) ||
	    !lg_tally_add(j->tally, lg_flight_text(f, LG_FLIGHT_PRIMARY),
			  lg_lua_known_at(ev) - f->since))
		return LG_NOT_COUNTED;
	quarantined = lg_roster_outcome(j->roster, j->settings,
					lg_flight_text(f, LG_FLIGHT_CONTACT),
					ev->status, j->now);
	if (quarantined)
		push_text(L, f, LG_FLIGHT_PRIMARY);
	lg_flights_end(&c->flights, ev->id);
	return quarantined ? LG_QUARANTINED : LG_COUNTED;
}

/* (bridge) -> array of the entries that have no outcome yet; they are
 * forgotten */
int lg_lua_left(lua_State *L)
{
	struct lg_lua_carrier *c = lg_lua_to_carrier(L);
	const struct lg_flight *f;
	lua_Integer n = 0;
	size_t at = 0;

	lua_newtable(L);
	while ((f = lg_flights_next(&c->flights, &at))) {
		push_entry(L, f);
		lua_rawseti(L, -2, ++n);
		lg_flights_end(&c->flights, f->link.hash);
	}
	return 1;
}
