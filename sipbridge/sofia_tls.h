/*
 * sofia_tls.h: a guard around Sofia-SIP's TLS, by OpenSSL's public API only.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what Sofia 1.12 leaves undone on its TLS connections: the error
 *          queue is kept clean between connections (a stranger's failed
 *          handshake disturbs nobody), connection objects are freed,
 *          handshakes time out, certificates and CAs are loaded with their
 *          chain, checked, and reloaded without a restart, CRLs are honoured,
 *          SNI is sent, sessions are not resumed, and who may connect is
 *          decided by name within the handshake. Where a newer Sofia frees its
 *          objects itself, the guard has nothing left to free.
 * Shape:   one struct sb_tls per process: OpenSSL's object hooks are
 *          process-wide. It finds Sofia's objects by watching them being made.
 * Thread:  the worker's only thread.
 * Units:   milliseconds, monotonic.
 * Source:  RFC 5246, 8446, 6125 (no wildcards: lync-sip.md 1.2), RFC 5922.
 */
#ifndef SB_SOFIA_TLS_H
#define SB_SOFIA_TLS_H

#include "sipbridge.h"

#define SB_TLS_HANDSHAKE_MS 10000 /* then a half-open connection is closed */
#define SB_TLS_PARTIAL_MS 10000	  /* the same of a message that does not end */
#define SB_TLS_PER_PEER 16	  /* connections from one IP address */
#define SB_TLS_CONNECTIONS 256	  /* all together: then the oldest that has not
				     shown a certificate gives way */
#define SB_TLS_DEPTH 5		  /* certificates of a chain */

struct sb_tls;

/* Whom we talk to: the Edge's name, and where (for SNI). NUL-terminated. */
struct sb_tls_peer {
	const char *fqdn;
	const char *address; /* IP, or "" */
	uint16_t port;
};

struct sb_tls_hooks {
	/* A connection was refused, broke in its handshake, or was closed.
	 * token: "tls-certificate", "tls-name", "tls-alert", "tls-timeout",
	 * "tls-too-many", "malformed"; reason for people, with the peer's
	 * address. */
	void (*refused)(void *arg, const char *token, const char *reason);
};

/* Once per process (SB_EINVAL a second time), before the first transport; it
 * lives as long as the process. Errors: SB_ENOMEM. */
int sb_tls_new(struct sb_tls **tp, const struct sb_tls_hooks *hooks, void *arg);

/* Between on and off every SSL_CTX made is taken for Sofia's. */
void sb_tls_capture(struct sb_tls *t, bool on);
size_t sb_tls_captured(const struct sb_tls *t);
/* The agent is gone, and its contexts with it. */
void sb_tls_forget(struct sb_tls *t);

/*
 * Load certificate chain, key, CAs and CRLs and put them into every captured
 * context; at the first error nothing changes and why tells the file and the
 * reason. New connections use what is loaded last; open ones go on.
 * Errors: SB_EINVAL with why; SB_ENOMEM.
 */
int sb_tls_load(struct sb_tls *t, const struct sb_config *c, char *why,
		size_t n);

/* Files and folders that sb_tls_load and handshakes read; how many. */
size_t sb_tls_places(const struct sb_config *c, const char **place, size_t max);

/* Who may connect, and whom we connect to; replaces the list before it.
 * peers must stay valid until the next call. */
void sb_tls_peers(struct sb_tls *t, const struct sb_tls_peer *peers, size_t n);

/* After each step of Sofia's loop. */
void sb_tls_clean(void);

/*
 * After each step of one event: was a message taken, could one not be read?
 * Then the connection is closed that was read from; Sofia would read nothing
 * more from it, and leave it open. A message that does not end makes it wait
 * as long: see SB_TLS_PARTIAL_MS. Returns whether anything was read.
 */
bool sb_tls_step(struct sb_tls *t, bool message, bool spoilt, uint64_t now_ms);

/* About once a second: frees what Sofia has closed, ends handshakes that take
 * too long. */
void sb_tls_reap(struct sb_tls *t, uint64_t now_ms);

struct sb_tls_count {
	size_t live;	   /* connections known */
	uint64_t freed;	   /* reclaimed by the guard */
	uint64_t expired;  /* handshakes that timed out */
	uint64_t refused;
};
void sb_tls_count(const struct sb_tls *t, struct sb_tls_count *c);

#endif
