/*
 * guard.c: text that ends in front of a forbidden page; see guard.h.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.h"

/* End of GUARD_MAX bytes; what follows is forbidden. */
static char *wall(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (GUARD_MAX + page - 1) / page * page;
	char *p = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + room, page, PROT_NONE) < 0)
		abort();
	return p + room;
}

struct sb_str guard(struct sb_str s)
{
	static char *end;

	if (!end)
		end = wall();
	if (s.n > GUARD_MAX)
		abort();
	if (s.n > 0)
		memcpy(end - s.n, s.p, s.n);
	return (struct sb_str){end - s.n, s.n};
}

char *guard_room(size_t n)
{
	static char *end;

	if (!end)
		end = wall();
	if (n > GUARD_MAX)
		abort();
	return end - n;
}

void guard_prefixes(struct sb_str s, void (*use)(struct sb_str prefix))
{
	for (size_t n = 0; n <= s.n; n++)
		use(guard((struct sb_str){s.p, n}));
}
