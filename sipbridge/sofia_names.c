/*
 * sofia_names.c: no host name is ever looked up in the worker, and it connects
 * to nobody but the Access Edges.
 * SPDX-License-Identifier: MIT
 *
 * A response whose connection has gone is sent to where the peer's Via says,
 * names and maddr included: Sofia resolves with a blocking getaddrinfo() in its
 * event loop, then connects. So both take the place of the C library's, for
 * Sofia too: one knows numbers only, the other the peers of the settings.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sofia_names.h"

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *,
			   struct addrinfo **);
typedef int connect_fn(int, const struct sockaddr *, socklen_t);

static const struct sb_tls_peer *peers;
static size_t peers_n;

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

static bool is_peer(const struct sockaddr *to, const struct sb_tls_peer *p)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)to;
	struct in6_addr a;

	if (to->sa_family == AF_INET)
		return ntohs(in4->sin_port) == p->port
		       && inet_pton(AF_INET, p->address, &a) == 1
		       && memcmp(&a, &in4->sin_addr, 4) == 0;
	return ntohs(in6->sin6_port) == p->port
	       && inet_pton(AF_INET6, p->address, &a) == 1
	       && memcmp(&a, &in6->sin6_addr, sizeof(a)) == 0;
}

__attribute__((visibility("default"))) int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
	static connect_fn *real;
	bool ok = to && to->sa_family != AF_INET && to->sa_family != AF_INET6;
	size_t i;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "connect");
	for (i = 0; to && !ok && i < peers_n; i++)
		ok = is_peer(to, &peers[i]);
	if (!real || !ok) {
		errno = EACCES;
		return -1;
	}
	return real(fd, to, n);
}

void sb_names_peers(const struct sb_tls_peer *list, size_t n)
{
	peers = list;
	peers_n = n;
}

bool sb_names_are_numbers(void)
{
	struct addrinfo *res = NULL;
	int err = getaddrinfo("localhost", "5061", NULL, &res);

	if (err == 0)
		freeaddrinfo(res);
	return err == EAI_NONAME;
}
