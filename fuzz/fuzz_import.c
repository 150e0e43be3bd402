/*
 * fuzz_import.c: what the Lync side exports; the target is import.lua.
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "lua_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_lua("import", (struct sb_str){(const char *)data, n});
	return 0;
}
