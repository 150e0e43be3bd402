/*
 * sofia_world.c: clock, chance and TLS around the worker; see sofia_world.h.
 * SPDX-License-Identifier: MIT
 */
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../sipbridge/sofia_edge.h"
#include "sofia_world.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#include <sofia-sip/su_tagarg.h>
#pragma GCC diagnostic pop

enum { EPOCH = 1790000000 }; /* seconds since 1970, at 0 ms */

uint64_t world_ms = 1000, world_seed;
int world_served_fd = -1;
bool world_inside;

/* ------------------------------------------------------------ the world -- */

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (!world_inside) /* the sanitizer asks */
		return __real_clock_gettime(id, t);
	*t = (struct timespec){(time_t)(world_ms / 1000),
			       (long)(world_ms % 1000) * 1000000};
	if (id == CLOCK_REALTIME)
		t->tv_sec += EPOCH;
	return 0;
}

ssize_t __wrap_getrandom(void *buf, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t n, unsigned int flags)
{
	unsigned char *p = buf;

	(void)flags;
	for (size_t i = 0; i < n; i++) {
		world_seed ^= world_seed << 13; /* xorshift64 */
		world_seed ^= world_seed >> 7;
		world_seed ^= world_seed << 17;
		p[i] = (unsigned char)(world_seed >> 32);
	}
	return (ssize_t)n;
}

/* A microsecond passes at each look: Sofia waits for time to be over, not
 * for it to be up, and looks again until it is. */
static void sofia_time(su_time_t *t)
{
	static uint64_t looks;
	uint64_t us = world_ms * 1000 + ++looks % 1000;

	t->tv_sec = (unsigned long)(2208988800u + EPOCH + us / 1000000);
	t->tv_usec = (unsigned long)(us % 1000000);
}

/* The connection that Sofia has taken. */
__attribute__((visibility("default"))) int
accept(int fd, struct sockaddr *from, socklen_t *n)
{
	world_served_fd = (int)syscall(SYS_accept4, fd, from, n, 0);
	return world_served_fd;
}

/* -------------------------------------------------- in the place of TLS -- */

nta_agent_t *__real_nta_agent_create(su_root_t *root, url_string_t const *name,
				     nta_message_f *f, nta_agent_magic_t *arg,
				     tag_type_t tag, tag_value_t value, ...);
nta_agent_t *__wrap_nta_agent_create(su_root_t *root, url_string_t const *name,
				     nta_message_f *f, nta_agent_magic_t *arg,
				     tag_type_t tag, tag_value_t value, ...);
nta_agent_t *__wrap_nta_agent_create(su_root_t *root, url_string_t const *name,
				     nta_message_f *f, nta_agent_magic_t *arg,
				     tag_type_t tag, tag_value_t value, ...)
{
	static const char tcp[] = "sip:127.0.0.1:*;transport=tcp";
	nta_agent_t *a;
	ta_list ta;

	(void)name;
	ta_start(ta, tag, value);
	a = __real_nta_agent_create(root, (url_string_t const *)(const void *)
				    tcp, f, arg, TAG_NEXT(ta_args(ta)));
	(void)ta_end(ta);
	return a;
}

size_t __wrap_sb_tls_captured(const struct sb_tls *t);
size_t __wrap_sb_tls_captured(const struct sb_tls *t)
{
	(void)t;
	return 1;
}

int __wrap_sb_tls_load(struct sb_tls *t, const struct sb_config *c, char *why,
		       size_t n);
int __wrap_sb_tls_load(struct sb_tls *t, const struct sb_config *c, char *why,
		       size_t n)
{
	(void)t, (void)c, (void)why, (void)n;
	return SB_OK;
}

int __wrap_tport_has_tls(tport_t const *tp);
int __wrap_tport_has_tls(tport_t const *tp)
{
	return tp != NULL;
}

int __wrap_tport_is_verified(tport_t const *tp);
int __wrap_tport_is_verified(tport_t const *tp)
{
	return tp != NULL;
}

su_strlst_t const *__wrap_tport_delivered_from_subjects(tport_t *tp,
							msg_t const *msg);
su_strlst_t const *__wrap_tport_delivered_from_subjects(tport_t *tp,
							msg_t const *msg)
{
	static su_strlst_t *names;

	(void)tp, (void)msg;
	if (!names) {
		names = su_strlst_create(NULL);
		su_strlst_dup_append(names, "sip.contoso.com");
	}
	return names;
}

/* ---------------------------------------------------------- the worker's -- */

/* Sofia's hook for its own tests; no header has it. */
extern void (*_su_time)(su_time_t *t);

void world_start(void)
{
	_su_time = sofia_time;
}

nta_agent_t *world_agent(const struct sb_edge *e)
{
	return e->agent;
}

const struct sb_self *world_self(const struct sb_edge *e)
{
	return &e->self;
}

void world_go_on(struct sb_edge *e)
{
	e->stop = false;
}
