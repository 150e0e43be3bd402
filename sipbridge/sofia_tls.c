/*
 * sofia_tls.c: a guard around Sofia-SIP's TLS: objects, clocks, verification.
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sofia_tls_priv.h"

#define REAP_MORE 64	   /* connections, then at once: 40 kB each wait */
#define KEEPALIVE_BYTES 64 /* CRLFs in a record of their own are no message */

/* A connection that Sofia has made. */
struct conn {
	struct conn *next, **prev;
	struct sb_tls *tls;
	SSL *ssl;
	BIO *bio;
	int fd;
	ino_t inode; /* of the socket: tells a reused descriptor */
	uint64_t born_ms;
	bool inbound;
	bool shaking; /* handshake not done */
	bool fresh;   /* handshake done just now */
	bool dropped; /* by us: Sofia will close it */
	uint64_t read;	     /* bytes, on the wire */
	uint64_t partial_ms; /* since then a message has not ended; or 0 */
	char peer[INET6_ADDRSTRLEN];
	uint16_t port; /* of the peer; both unknown while connecting */
};

static int index_ctx = -1, index_ssl = -1, index_bio = -1;

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The address of a connection's peer; "" when it has none. */
static void ask_peer(struct conn *c)
{
	struct sockaddr_storage sa;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;
	socklen_t len = sizeof(sa), n = sizeof(c->peer);

	if (c->peer[0] || getpeername(c->fd, (struct sockaddr *)&sa, &len) < 0)
		return;
	if (sa.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in4->sin_addr, c->peer, n);
		c->port = ntohs(in4->sin_port);
	}
	else if (sa.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, c->peer, n);
		c->port = ntohs(in6->sin6_port);
	}
}

void sb_tls_refuse(struct sb_tls *t, SSL *ssl, const char *token,
		   const char *fmt, ...)
{
	struct conn *c = ssl ? SSL_get_ex_data(ssl, index_ssl) : NULL;
	char text[400], reason[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c)
		ask_peer(c);
	snprintf(reason, sizeof(reason), "%s (peer=%s)", text,
		 c && c->peer[0] ? c->peer : "?");
	t->count.refused++;
	t->hooks.refused(t->arg, token, reason);
}

/* Sofia has closed the socket; the descriptor may be another's by now. */
static bool gone(const struct conn *c)
{
	struct stat st;

	return fstat(c->fd, &st) < 0 || st.st_ino != c->inode;
}

/* Most often there is nothing to clear, and to see that is cheap. */
static void clear_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

/*
 * SSL_get_error() consults the thread's error queue: an error left there by
 * another connection would turn a plain "nothing to read yet" into a fatal
 * error. So every read and write leaves a clean queue behind.
 */
static long clean_queue(BIO *b, int oper, const char *argp, size_t len,
			int argi, long argl, int ret, size_t *done)
{
	struct conn *c = (struct conn *)(void *)BIO_get_callback_arg(b);

	(void)argp, (void)len, (void)argi, (void)argl, (void)done;
	if (oper & BIO_CB_RETURN)
		clear_errors();
	if (c && oper == (BIO_CB_READ | BIO_CB_RETURN))
		c->tls->reading = c;
	return ret;
}

static void on_ctx_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
		       long argl, void *argp)
{
	struct sb_tls *t = argp;

	(void)ptr, (void)ad, (void)idx, (void)argl;
	if (t->capturing && t->ctx_n < SB_TLS_CONTEXTS)
		t->ctx[t->ctx_n++] = parent;
}

/* Sofia makes the BIO just before the SSL that uses it. */
static void on_bio_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
		       long argl, void *argp)
{
	struct sb_tls *t = argp;

	(void)ptr, (void)ad, (void)idx, (void)argl;
	t->last_bio = parent;
}

/* Options of the socket that Sofia does not set. */
static void tune_socket(int fd)
{
	int on = 1;
	unsigned int ms = 20000;

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static void drop(struct conn *c)
{
	c->dropped = true;
	c->shaking = false;
	shutdown(c->fd, SHUT_RDWR);
}

/* Strangers cannot keep an Edge out, nor us from calling one: they never come
 * further than the handshake, and there the oldest gives way. */
static void limit_peers(struct sb_tls *t, struct conn *c)
{
	struct conn *o, *oldest = NULL;
	size_t same = 0, all = 0;

	for (o = t->live; o; o = o->next) {
		if (o->dropped || gone(o))
			continue;
		all++;
		if (c->peer[0] && strcmp(o->peer, c->peer) == 0)
			same++;
		if (o != c && o->shaking && o->inbound)
			oldest = o;
	}
	if (same <= SB_TLS_PER_PEER && all <= SB_TLS_CONNECTIONS)
		return;
	if (same > SB_TLS_PER_PEER || !oldest)
		oldest = c;
	sb_tls_refuse(t, oldest->ssl, "tls-too-many",
		      "too many connections (from there=%zu, all=%zu)", same,
		      all);
	drop(oldest);
}

static void on_ssl_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
		       long argl, void *argp)
{
	struct sb_tls *t = argp;
	BIO *bio = t->last_bio;
	struct conn *c;
	struct stat st;
	int fd = -1;

	(void)ptr, (void)idx, (void)argl;
	t->last_bio = NULL;
	if (!bio || BIO_get_fd(bio, &fd) < 0 || fstat(fd, &st) < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->tls = t;
	c->ssl = parent;
	c->bio = bio;
	c->fd = fd;
	c->inode = st.st_ino;
	c->born_ms = clock_ms();
	c->shaking = true;
	ask_peer(c);
	c->inbound = c->peer[0] != '\0'; /* ours is connecting yet */
	CRYPTO_set_ex_data(ad, index_ssl, c);
	BIO_set_callback_arg(bio, (char *)(void *)c);
	BIO_set_callback_ex(bio, clean_queue);
	tune_socket(fd);
	c->next = t->live;
	c->prev = &t->live;
	if (t->live)
		t->live->prev = &c->next;
	t->live = c;
	t->count.live++;
	limit_peers(t, c);
}

static void on_ssl_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx,
			long argl, void *argp)
{
	struct sb_tls *t = argp;
	struct conn *c = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl;
	if (!c)
		return;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (t->reading == c)
		t->reading = NULL;
	t->count.live--;
	free(c);
}

int sb_tls_new(struct sb_tls **tp, const struct sb_tls_hooks *hooks, void *arg)
{
	static struct sb_tls guard; /* OpenSSL's hooks are the process's */
	struct sb_tls *t = &guard;

	if (index_ctx >= 0)
		return SB_EINVAL;
	t->hooks = *hooks;
	t->arg = arg;
	index_ctx = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, t,
					    on_ctx_new, NULL, NULL);
	index_ssl = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, t,
					    on_ssl_new, NULL, on_ssl_free);
	index_bio = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_BIO, 0, t,
					    on_bio_new, NULL, NULL);
	if (index_ctx < 0 || index_ssl < 0 || index_bio < 0)
		return SB_ENOMEM;
	*tp = t;
	return SB_OK;
}

void sb_tls_capture(struct sb_tls *t, bool on)
{
	t->capturing = on;
}

size_t sb_tls_captured(const struct sb_tls *t)
{
	return t->ctx_n;
}

void sb_tls_forget(struct sb_tls *t)
{
	t->ctx_n = 0;
}

struct sb_tls *sb_tls_of(const SSL *ssl)
{
	struct conn *c = SSL_get_ex_data(ssl, index_ssl);

	return c ? c->tls : NULL;
}

void sb_tls_shaken(const SSL *ssl)
{
	struct conn *c = SSL_get_ex_data(ssl, index_ssl);

	if (c)
		c->shaking = false, c->fresh = true;
}

bool sb_tls_settled(const SSL *ssl)
{
	struct conn *c = SSL_get_ex_data(ssl, index_ssl);

	return c && (c->dropped || (!c->shaking && SSL_is_server(ssl)));
}

static bool same_address(const char *a, const char *b)
{
	struct in6_addr x, y;

	return strcmp(a, b) == 0
	       || (inet_pton(AF_INET6, a, &x) == 1
		   && inet_pton(AF_INET6, b, &y) == 1
		   && memcmp(&x, &y, sizeof(x)) == 0);
}

bool sb_tls_goes_to(SSL *ssl, const struct sb_tls_peer *p)
{
	struct conn *c = SSL_get_ex_data(ssl, index_ssl);

	if (!c || SSL_is_server(ssl))
		return false;
	ask_peer(c);
	return c->port == p->port && same_address(c->peer, p->address);
}

/* The name to ask for, by where we are connected to. */
const char *sb_tls_expected(SSL *ssl)
{
	struct sb_tls *t = sb_tls_of(ssl);
	size_t i;

	for (i = 0; t && i < t->peers_n; i++)
		if (sb_tls_goes_to(ssl, &t->peers[i]))
			return t->peers[i].fqdn;
	return NULL;
}

void sb_tls_peers(struct sb_tls *t, const struct sb_tls_peer *peers, size_t n)
{
	t->peers = peers;
	t->peers_n = n;
}

void sb_tls_clean(void)
{
	clear_errors();
}

bool sb_tls_step(struct sb_tls *t, bool message, bool spoilt, uint64_t now_ms)
{
	struct conn *c;
	uint64_t n;

	if (t->count.live >= t->reap_at)
		sb_tls_reap(t, now_ms);
	c = t->reading;
	t->reading = NULL;
	if (!c || c->shaking || c->dropped)
		return c;
	n = BIO_number_read(c->bio) - c->read;
	c->read += n;
	if (spoilt && !gone(c)) {
		sb_tls_refuse(t, c->ssl, "malformed",
			      "connection closed: what it says is not SIP");
		drop(c);
	}
	else if (message || c->fresh)
		c->partial_ms = 0;
	else if (n > KEEPALIVE_BYTES && !c->partial_ms)
		c->partial_ms = now_ms;
	c->fresh = false;
	return true;
}

/* How long it may stay as it is. */
static bool too_slow(const struct conn *c, uint64_t now_ms)
{
	if (c->shaking)
		return now_ms > c->born_ms + SB_TLS_HANDSHAKE_MS;
	return c->partial_ms && now_ms > c->partial_ms + SB_TLS_PARTIAL_MS;
}

void sb_tls_reap(struct sb_tls *t, uint64_t now_ms)
{
	struct conn *c, *next;

	for (c = t->live; c; c = next) {
		next = c->next;
		if (gone(c)) {
			/* Sofia has closed the socket and dropped one
			 * reference each of the BIO and the context, but not
			 * the SSL: give both back, then free the SSL. */
			BIO_up_ref(c->bio);
			SSL_CTX_up_ref(SSL_get_SSL_CTX(c->ssl));
			SSL_free(c->ssl); /* on_ssl_free() frees c */
			t->count.freed++;
		}
		else if (!c->dropped && too_slow(c, now_ms)) {
			t->count.expired++;
			sb_tls_refuse(t, c->ssl,
				      c->shaking ? "tls-timeout" : "malformed",
				      "%s took longer than %d s",
				      c->shaking ? "handshake" : "a message",
				      (c->shaking ? SB_TLS_HANDSHAKE_MS
						  : SB_TLS_PARTIAL_MS) / 1000);
			drop(c);
		}
	}
	t->reap_at = t->count.live + REAP_MORE;
	ERR_clear_error();
}

void sb_tls_count(const struct sb_tls *t, struct sb_tls_count *c)
{
	*c = t->count;
}
