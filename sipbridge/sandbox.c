/*
 * sandbox.c: limits and privileges; what is in force, in words.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif

const char *sb_sandbox_hindrance(void)
{
	const char *preload = getenv("LD_PRELOAD");

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
	return "a build with sanitizers";
#endif
	if (preload && strstr(preload, "/vgpreload_"))
		return "valgrind";
	return NULL;
}

static int failed(char *why, size_t n, const char *what)
{
	snprintf(why, n, "the sandbox cannot be made: %s: %s; mend it, or "
		 "write lync_bridge_sandbox = false", what, strerror(errno));
	return SB_ESYS;
}

/* ----------------------------------------------------------- resources -- */

/* For good: neither limit can be raised again without a privilege. */
static int limit(int resource, rlim_t most)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)resource, &r) < 0)
		return -1;
	if (r.rlim_max == RLIM_INFINITY || r.rlim_max > most)
		r.rlim_max = most;
	if (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &r);
}

int sb_sandbox_memory(uint64_t bytes, char *why, size_t n)
{
	if (!bytes || sb_sandbox_hindrance())
		return SB_OK;
	if (limit(RLIMIT_AS, (rlim_t)bytes) == 0)
		return SB_OK;
	snprintf(why, n, "lync_bridge_memory cannot be set: %s",
		 strerror(errno));
	return SB_ESYS;
}

/* A service manager's standard error is a socket; where it is a file, the last
 * words of a dying worker are to come into it. */
static int limit_files(void)
{
	struct stat st;

	if (fstat(2, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	signal(SIGXFSZ, SIG_IGN);
	return limit(RLIMIT_FSIZE, 0);
}

/* ---------------------------------------------------------- privileges -- */

/* All but keep (0: none), in every set. */
static int drop_privileges(uint32_t keep)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {{0}};
	int cap;

	if (syscall(SYS_capget, &h, d) < 0)
		return -1;
	/* may fail, without the privilege to do it: then none can be gained
	 * by it either, since nothing is executed */
	for (cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap);
	/* nothing to drop: a service manager may have forbidden the call */
	if (!((d[0].permitted | d[0].inheritable) & ~keep) &&
	    !(d[1].permitted | d[1].inheritable))
		return 0;
	d[0].permitted &= keep;
	d[0].effective = d[0].permitted;
	d[1].permitted = d[1].effective = 0;
	d[0].inheritable = d[1].inheritable = 0;
	if (syscall(SYS_capset, &h, d) < 0)
		return -1;
	/* a kernel older than 4.3 has no ambient set */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return 0;
}

int sb_sandbox_limit(struct sb_sandbox *s, char *why, size_t n)
{
	if (s->limited)
		return SB_OK;
	/* our key is in memory: no core, no debugger of the same user */
	if (limit(RLIMIT_CORE, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return failed(why, n, "no core dumps");
	if (limit_files() < 0 || limit(RLIMIT_NPROC, 0) < 0)
		return failed(why, n, "limits");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(why, n, "no new privileges");
	if (drop_privileges(1u << CAP_NET_BIND_SERVICE) < 0)
		return failed(why, n, "privileges");
	s->limited = true;
	return SB_OK;
}

int sb_sandbox_close(struct sb_sandbox *s, const struct sb_sandbox_needs *needs,
		     char *why, size_t n)
{
	char text[200];

	if (s->closed)
		return SB_OK;
	if (drop_privileges(0) < 0)
		return failed(why, n, "privileges");
	s->landlock = sb_sandbox_landlock();
	if (s->landlock &&
	    sb_sandbox_files(s, needs, text, sizeof(text)) != SB_OK)
		return failed(why, n, text);
	s->calls = sb_sandbox_seccomp();
	if (s->calls && sb_sandbox_calls(text, sizeof(text)) != SB_OK)
		return failed(why, n, text);
	s->closed = true;
	return SB_OK;
}

/* --------------------------------------------------------------- words -- */

static void add(char *buf, size_t n, const char *fmt, ...)
{
	size_t at = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + at, n - at, fmt, ap);
	va_end(ap);
}

void sb_sandbox_words(const struct sb_sandbox *s, char *buf, size_t n,
		      bool *whole)
{
	*whole = s->closed && s->calls && s->landlock;
	buf[0] = '\0';
	add(buf, n, "no privileges, system calls %s, ",
	    s->calls ? "filtered" : "not filtered (no seccomp here)");
	if (!s->landlock)
		add(buf, n, "files not restricted (no Landlock here)");
	else
		add(buf, n, "%s by Landlock %d",
		    s->landlock >= 4 ? "files and ports" : "files",
		    s->landlock);
}
