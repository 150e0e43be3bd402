/*
 * fuzz_managed.c: the managed partners file; the target is managed.lua.
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "lua_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_lua("managed", (struct sb_str){(const char *)data, n});
	return 0;
}
