/*
 * lua_event.c: the bridge's events as Lua tables.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/content.h"
#include "errors.h"
#include "lua_bridge.h"

static const char *type_name(enum sb_event_type type)
{
	switch (type) {
	case SB_EV_OUTCOME:
		return "outcome";
	case SB_EV_OFFER:
		return "offer";
	case SB_EV_MESSAGE:
		return "message";
	case SB_EV_TYPING:
		return "typing";
	case SB_EV_ENDED:
		return "ended";
	case SB_EV_EDGE:
		return "edge";
	case SB_EV_WORKER:
		return "worker";
	case SB_EV_LOG:
		return "log";
	case SB_EV_SESSION:
		return "session";
	case SB_EV_SESSIONS_END:
		return "sessions-end";
	case SB_EV_REFUSED:
		return "refused";
	case SB_EV_WATCH:
		return "watch";
	case SB_EV_STATE:
		return "state";
	case SB_EV_SUBSCRIBE:
		return "subscribe";
	case SB_EV_UNSUBSCRIBED:
		return "unsubscribed";
	case SB_EV_WATCH_ROW:
		return "watch-row";
	case SB_EV_WATCHES_END:
		return "watches-end";
	}
	return "unknown";
}

/* t[key] = the JID of a SIP URI; what has none is left out, and whoever needs
 * it refuses the event. */
static void set_jid(lua_State *L, const char *key, struct sb_str uri,
		    struct sb_str resource)
{
	char buf[LG_FULL_MAX + 1];
	struct sb_str jid;
	luaL_Buffer b;

	if (!uri.n
	    || lg_uri_to_jid(&jid, NULL, buf, sizeof(buf), uri) != LG_OK)
		return;
	luaL_buffinit(L, &b);
	luaL_addlstring(&b, jid.p, jid.n);
	if (resource.n) {
		luaL_addchar(&b, '/');
		luaL_addlstring(&b, resource.p, resource.n);
	}
	luaL_pushresult(&b);
	lua_setfield(L, -2, key);
}

/* ASCII that every profile of XMPP leaves as it is (RFC 3491, RFC 3920): of a
 * localpart, of a domain, of a resource. */
static bool prepared(struct sb_str s, const char *forbidden, bool lower)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= (lower ? ' ' : 0x1f) || c >= 0x7f ||
		    (lower && c >= 'A' && c <= 'Z') || strchr(forbidden, c))
			return false;
	}
	return s.n && s.n <= LG_PART_MAX;
}

static bool prepared_domain(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.'))
			return false;
	}
	return s.n && s.p[0] != '.' && s.p[s.n - 1] != '.';
}

/* t[key], a JID, is one as a stream would prepare it. */
static bool prepared_jid(struct lg_jid *out, struct sb_str *text, lua_State *L,
			 const char *key)
{
	struct sb_str s = lg_lua_field(L, lua_gettop(L), key);
	struct lg_jid jid;

	if (!s.n || lg_jid_split(&jid, s))
		return false;
	*out = jid;
	*text = s;
	return prepared(jid.local, "\"&'/:<>@", true) &&
	       prepared_domain(jid.domain) &&
	       (!jid.resource.p || prepared(jid.resource, "", false));
}

/* Text that XML carries as it is, with line ends as there. */
static bool clean(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' && c != '\t' && c != '\n')
			return false;
		if (c == 0xef && i + 2 < s.n &&
		    (unsigned char)s.p[i + 1] == 0xbf &&
		    (unsigned char)s.p[i + 2] >= 0xbe)
			return false; /* U+FFFE, U+FFFF */
	}
	return sb_utf8_valid(s);
}

/* A message in which there is nothing to prepare, check or clean; and parts of
 * its JIDs. */
static void set_plain(lua_State *L, const struct sb_event *ev)
{
	struct sb_str contact, user;
	struct lg_jid c, u;

	if (!ev->text.n || !clean(ev->text) || !clean(ev->subject) ||
	    !clean(ev->thread) || !prepared_jid(&c, &contact, L, "contact") ||
	    !prepared_jid(&u, &user, L, "user"))
		return;
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, "plain");
	if (c.resource.p)
		contact.n = (size_t)(c.resource.p - contact.p) - 1;
	lg_lua_set(L, "bare", contact);
	lg_lua_set(L, "remote", c.domain);
	lg_lua_set(L, "host", u.domain);
}

static void set_integer(lua_State *L, const char *key, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, key);
}

/* What an error is in XMPP; nothing for what is none. */
static void set_condition(lua_State *L, const struct sb_event *ev)
{
	const char *condition, *type;

	if (lg_status_to_condition(&condition, &type, ev->status, ev->diag)
	    != LG_OK)
		return;
	lua_pushstring(L, condition);
	lua_setfield(L, -2, "condition");
	lua_pushstring(L, type);
	lua_setfield(L, -2, "error_type");
}

static void set_outcome(lua_State *L, const struct sb_event *ev)
{
	static const char *const names[] = {"", "delivered", "accepted",
					    "failed"};

	lua_pushstring(L, names[ev->outcome]);
	lua_setfield(L, -2, "outcome");
	if (ev->outcome == SB_FAILED)
		set_condition(L, ev);
}

/* As Prosody spells it; what is no domain name (a peer wrote it) stays. */
static void set_domain(lua_State *L, struct sb_str domain)
{
	char buf[LG_DOMAIN_MAX];
	struct sb_str unicode = domain;

	if (domain.n && lg_domain_unicode(&unicode, buf, domain) != LG_OK)
		unicode = domain;
	lg_lua_set(L, "domain", unicode);
}

static void set_texts(lua_State *L, const struct sb_event *ev)
{
	lg_lua_set(L, "display", ev->display);
	lg_lua_set(L, "thread", ev->thread);
	lg_lua_set(L, "subject", ev->subject);
	lg_lua_set(L, "lang", ev->lang);
	lg_lua_set(L, "text", ev->text);
	set_domain(L, ev->domain);
	lg_lua_set(L, "token", ev->token);
	lg_lua_set(L, "reason", ev->reason);
}

void lg_lua_event(lua_State *L, const struct sb_event *ev)
{
	luaL_checkstack(L, 8, "event");
	lua_createtable(L, 0, 16);
	lua_pushstring(L, type_name(ev->type));
	lua_setfield(L, -2, "type");
	if (ev->id)
		set_integer(L, "id", (lua_Integer)ev->id);
	set_jid(L, "contact", ev->contact, ev->resource);
	set_jid(L, "user", ev->user, SB_NOSTR);
	set_texts(L, ev);
	set_integer(L, "status", ev->status);
	if (ev->diag)
		set_integer(L, "diag", ev->diag);
	if (ev->retry_after)
		set_integer(L, "retry_after", ev->retry_after);
	if (ev->typing) {
		lua_pushstring(L, ev->typing == SB_TYPING_ACTIVE ? "composing"
								 : "paused");
		lua_setfield(L, -2, "typing");
	}
	if (ev->at_us) {
		lua_pushnumber(L, (lua_Number)ev->at_us / 1e6);
		lua_setfield(L, -2, "at");
	}
	if (ev->type == SB_EV_OUTCOME) {
		lua_pushboolean(L, ev->local);
		lua_setfield(L, -2, "local");
		set_outcome(L, ev);
	}
	if (ev->type == SB_EV_MESSAGE)
		set_plain(L, ev);
	if (ev->type == SB_EV_WATCH && (ev->watch == SB_WATCH_REFUSED ||
					ev->watch == SB_WATCH_FAILING))
		set_condition(L, ev);
	lg_lua_watch_event(L, ev);
	if (ev->type == SB_EV_REFUSED && ev->pending)
		set_integer(L, "refused", ev->pending);
	if (ev->type == SB_EV_SESSION || ev->type == SB_EV_WATCH_ROW) {
		set_integer(L, "age_ms", (lua_Integer)ev->age_ms);
		set_integer(L, "idle_ms", (lua_Integer)ev->idle_ms);
		set_integer(L, "pending", ev->pending);
	}
}
