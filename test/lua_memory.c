/*
 * lua_memory.c: the Lua binding when Lua's memory, or ours, ends at any place:
 * an error that Lua code can catch, nothing half done, nothing left.
 * SPDX-License-Identifier: MIT
 *
 * A program of its own (test/run-lua): the binding is linked in, Lua has an
 * allocator that fails.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oom.h"
#include "test.h"

int luaopen_lync_gateway_core(lua_State *L);

enum { FAIL_MAX = 20000 };

/* Lua asks a second time after it has collected garbage, so one failure is
 * none: from the skip-th on all fail. */
static struct {
	long skip; /* -1: nothing fails */
	bool failed;
	size_t bytes;
} lua = {.skip = -1};

static void *lua_memory(void *arg, void *p, size_t was, size_t n)
{
	void *q;

	(void)arg;
	if (!p)
		was = 0; /* the kind of the object */
	if (n > was && lua.skip >= 0) {
		if (lua.skip == 0) {
			lua.failed = true;
			return NULL;
		}
		lua.skip--;
	}
	if (n == 0) {
		free(p);
		lua.bytes -= was;
		return NULL;
	}
	q = realloc(p, n);
	if (q)
		lua.bytes += n - was;
	return q;
}

/* All of the binding that needs no process. */
static const char script[] =
"local core = ...\n"
"local function must(v, token)\n"
"	if not v then error(token, 0) end\n"
"	return v\n"
"end\n"
"local settings, problems = core.settings('contoso.com', {\n"
"	lync_access_edge = 'sip.contoso.com', lync_bridge_rate = -1,\n"
"	lync_bridge_fqdn = 'xmpp.contoso.com',\n"
"	lync_bridge_listen = { '*:1' },\n"
"	lync_partners = {\n"
"		['fabrikam.com'] = { partner_type = 'federated' },\n"
"		['acme.example'] = { partner_type = 'no' } } })\n"
"assert(#problems >= 3 and problems[1].text)\n"
"settings = core.settings('contoso.com', {\n"
"	lync_access_edge = 'sip.contoso.com',\n"
"	lync_bridge_fqdn = 'xmpp.contoso.com',\n"
"	lync_partners = {\n"
"		['fabrikam.com'] = { partner_type = 'federated' } } })\n"
"assert(settings.usable and settings:bridge() and settings:gateway())\n"
"assert(settings:partner('fabrikam.com') and settings:partners()[1])\n"
"must(settings:may{ direction = 'in', contact = 'r@fabrikam.com',\n"
"	user = 'b@contoso.com', kind = 'message' })\n"
"must(core.to_sip('romeo@fabrikam.com'))\n"
"must(core.to_jid('sip:bob@contoso.com'))\n"
"must(core.to_condition(404))\n"
"must(core.to_status('item-not-found', true, 'wait'))\n"
"local now = 1790000000\n"
"local roster <close> = must(core.roster(nil, now))\n"
"must(roster:event(settings, { type = 'worker', status = 1 }, now))\n"
"local contact, user = 'r@fabrikam.com', 'b@contoso.com'\n"
"must(roster:stanza(settings, { kind = 'subscribe', contact = contact,\n"
"	user = user, display = 'R' }, now))\n"
"must(roster:event(settings, { type = 'watch', watch = 'active',\n"
"	contact = contact, user = user, status = 200 }, now))\n"
"must(roster:event(settings, { type = 'state', presence = 'away',\n"
"	text = 'gone', contact = contact, user = user, status = 0 }, now))\n"
"local n = 0\n"
"for effect in function() return roster:next(settings, now) end do\n"
"	n = n + 1\n"
"end\n"
"assert(n == 2, n)\n"
"assert(roster:counts(now))\n"
"return 'done'\n";

/* A state with the binding and the script in it, on which nothing fails. */
static lua_State *new_state(void)
{
	lua_State *L = lua_newstate(lua_memory, NULL);

	if (!L)
		abort();
	luaL_openlibs(L);
	if (luaL_loadbuffer(L, script, sizeof(script) - 1, "=script"))
		abort();
	return L;
}

/* (script) -> what it returns; the binding is opened before, if it is not. */
static int play(lua_State *L)
{
	luaL_requiref(L, "lync_gateway.core", luaopen_lync_gateway_core, 0);
	lua_call(L, 1, 1);
	return 1;
}

/* With nothing failing it works, whatever has failed before. */
static void works(lua_State *L)
{
	int status;

	lua_pushcfunction(L, play);
	lua_pushvalue(L, 1);
	status = lua_pcall(L, 1, 1, 0);
	if (status)
		test_note(lua_tostring(L, -1));
	CHECK_INT(status, LUA_OK);
	CHECK_STR(lua_tostring(L, -1), "done");
	test_note(NULL);
	lua_settop(L, 1);
}

/* What a script can be told of it. */
static bool about_memory(lua_State *L, int status)
{
	const char *said = lua_tostring(L, -1);

	if (status == LUA_ERRMEM)
		return true;
	return said && (strstr(said, "memory") || strcmp(said, "full") == 0);
}

/* ours: our allocator, else Lua's. Did anything fail? */
static bool once(long skip, bool ours)
{
	size_t live = oom_live();
	lua_State *L = new_state();
	int status;
	bool failed;

	lua_pushcfunction(L, play);
	lua_pushvalue(L, 1);
	lua.failed = false;
	if (ours)
		oom_fail(skip, false);
	else
		lua.skip = skip;
	status = lua_pcall(L, 1, 1, 0);
	lua.skip = -1;
	oom_pass();
	failed = ours ? oom_failed() : lua.failed;
	if (status)
		test_note(lua_tostring(L, -1));
	CHECK(status ? failed && about_memory(L, status) : true);
	test_note(NULL);
	lua_settop(L, 1);
	works(L);
	lua_close(L);
	CHECK_INT(lua.bytes, 0);
	CHECK_INT(oom_live(), live);
	return failed;
}

TEST(lua_memory_of_lua)
{
	long n = 0;

	while (n < FAIL_MAX && once(n, false))
		n++;
	CHECK(n > 100 && n < FAIL_MAX);
}

TEST(lua_memory_of_ours)
{
	long n = 0;

	while (n < FAIL_MAX && once(n, true))
		n++;
	CHECK(n > 20 && n < FAIL_MAX);
}
