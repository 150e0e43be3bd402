/*
 * sofia_tls_priv.h: what sofia_tls.c (objects) and sofia_tls_load.c (contexts,
 * verification) share.
 * SPDX-License-Identifier: MIT
 */
#ifndef SB_SOFIA_TLS_PRIV_H
#define SB_SOFIA_TLS_PRIV_H

#include <openssl/ssl.h>

#include "sofia_tls.h"

#define SB_TLS_CONTEXTS 64 /* one per local address */

struct conn;

struct sb_tls {
	struct sb_tls_hooks hooks;
	void *arg;
	bool capturing;
	SSL_CTX *ctx[SB_TLS_CONTEXTS]; /* Sofia's, borrowed */
	size_t ctx_n;
	BIO *last_bio;
	struct conn *live;
	struct conn *reading; /* the last that was read from */
	size_t reap_at;	      /* so many live ones: look through them now */
	const struct sb_tls_peer *peers;
	size_t peers_n;
	struct sb_tls_count count;
};

/* Report through hooks.refused, with the connection's peer address. */
void sb_tls_refuse(struct sb_tls *t, SSL *ssl, const char *token,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* NULL for a connection that the guard does not know. */
struct sb_tls *sb_tls_of(const SSL *ssl);
void sb_tls_shaken(const SSL *ssl);
/* Alerts do not tell about certificates any more. (A client of TLS 1.3 hears
 * the server's opinion of its own after its handshake.) */
bool sb_tls_settled(const SSL *ssl);
const char *sb_tls_expected(SSL *ssl);
/* Do we connect to where that peer is? */
bool sb_tls_goes_to(SSL *ssl, const struct sb_tls_peer *p);

#endif
