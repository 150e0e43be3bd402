/*
 * sofia_names.c: no host name is ever looked up in the worker.
 * SPDX-License-Identifier: MIT
 *
 * Sofia resolves names that a peer wrote (a Via whose connection is gone) with
 * a blocking getaddrinfo() in its event loop. The worker connects to addresses
 * that it is given and to nothing else, so its getaddrinfo(), which takes the
 * place of the C library's for Sofia too, knows numbers only.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

#include "sofia_names.h"

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *,
			   struct addrinfo **);

__attribute__((visibility("default"))) int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	    struct addrinfo **res)
{
	static getaddrinfo_fn *real;
	struct addrinfo numeric = {.ai_flags = 0};

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!real)
		return EAI_SYSTEM;
	if (hints)
		numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	return real(node, service, &numeric, res);
}

bool sb_names_are_numbers(void)
{
	struct addrinfo *res = NULL;
	int err = getaddrinfo("localhost", "5061", NULL, &res);

	if (err == 0)
		freeaddrinfo(res);
	return err == EAI_NONAME;
}
