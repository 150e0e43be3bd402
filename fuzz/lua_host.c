/*
 * lua_host.c: targets that are functions in Lua; see lua_host.h.
 * SPDX-License-Identifier: MIT
 */
#include "lua_host.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "fuzz.h"

enum {
	MEMORY_MAX = 96 << 20,	  /* bytes of one interpreter */
	COUNT_EACH = 1000,	  /* instructions between two looks */
	STEPS_FIRST = 20000000,	  /* instructions of one input, */
	STEPS_PER_BYTE = 20000,	  /* and for each of its bytes */
	INPUTS_MAX = 500,	  /* then a fresh interpreter */
	COUNTERS = 1 << 14,
};

/* libFuzzer looks for what makes these differ. */
__attribute__((used, section("__libfuzzer_extra_counters"))) static uint8_t
	counters[COUNTERS];

static size_t memory, steps, steps_max;
static unsigned before; /* the line before */

/* Of Lua's memory no more than it may have; libFuzzer sees no other. */
static void *allocate(void *arg, void *p, size_t old, size_t new)
{
	size_t was = p ? old : 0;

	(void)arg;
	if (new == 0) {
		memory -= was;
		free(p);
		return NULL;
	}
	if (new > was && memory + (new - was) > MEMORY_MAX)
		return NULL;
	p = realloc(p, new);
	if (p)
		memory = memory - was + new;
	return p;
}

static void on_line(lua_State *L, lua_Debug *at)
{
	unsigned here;

	if (at->event == LUA_HOOKCOUNT) {
		steps += COUNT_EACH;
		need(steps <= steps_max);
		return;
	}
	lua_getinfo(L, "S", at);
	here = (unsigned)at->currentline * 31u +
	       (unsigned)at->linedefined * 1009u + (unsigned)at->srclen * 7u;
	counters[(here ^ before >> 1) % COUNTERS]++;
	before = here;
}

int luaopen_lync_gateway_core(lua_State *L);

/* The module's libraries, each once, as Prosody gives them. */
static const char prelude[] =
	"local dir = os.getenv('PROSODY_DIR') or '/usr/lib/prosody';\n"
	"package.path = dir..'/?.lua;'..package.path;\n"
	"package.cpath = dir..'/?.so;'..package.cpath;\n"
	"local loaded, module = {}, {};\n"
	"local env = setmetatable({ module = module; core = core },\n"
	"	{ __index = _G });\n"
	"function module:require(name)\n"
	"	local path = 'lua/mod_lync_gateway/'..name..'.lib.lua';\n"
	"	loaded[name] = loaded[name] or\n"
	"		assert(loadfile(path, 't', env))();\n"
	"	return loaded[name];\n"
	"end\n"
	"return assert(loadfile('fuzz/'..target..'.lua', 't', env))();\n";

/* Prosody's util.encodings lets go of what ICU has given it when it is
 * unloaded with its interpreter. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libicuuc";
}

static lua_State *make(const char *name)
{
	lua_State *L = lua_newstate(allocate, NULL);

	need(L);
	luaL_openlibs(L);
	luaL_requiref(L, "lync_gateway.core", luaopen_lync_gateway_core, 0);
	lua_setglobal(L, "core");
	lua_pushstring(L, name);
	lua_setglobal(L, "target");
	if (luaL_dostring(L, prelude) != LUA_OK) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		exit(2);
	}
	luaL_checktype(L, 1, LUA_TFUNCTION);
	return L;
}

static int with_traceback(lua_State *L)
{
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

void fuzz_lua(const char *name, struct sb_str input)
{
	static lua_State *L;
	static unsigned inputs;

	if (inputs++ % INPUTS_MAX == 0) {
		if (L)
			lua_close(L);
		L = make(name);
	}
	before = 0;
	steps = 0;
	steps_max = STEPS_FIRST + STEPS_PER_BYTE * input.n;
	lua_pushcfunction(L, with_traceback);
	lua_pushvalue(L, 1);
	lua_pushlstring(L, input.n ? input.p : "", input.n);
	lua_sethook(L, on_line, LUA_MASKLINE | LUA_MASKCOUNT, COUNT_EACH);
	if (lua_pcall(L, 1, 0, 2) != LUA_OK) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		abort();
	}
	lua_sethook(L, NULL, 0, 0);
	lua_settop(L, 1);
}
