/*
 * load.c: connections, TLS, epoll and names of the load partners.
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum { CHUNK = 65536, SLOW = 1 << 20, TICK_MS = 5, EVENTS = 64 };

void load_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void *grow(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		load_die("no memory");
	return p;
}

static void tell_time(struct load *l)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	l->now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --------------------------------------------------------- connections -- */

static void watch(struct load_conn *c, int op)
{
	struct epoll_event e = {.events = c->held ? 0 : EPOLLIN,
				.data.ptr = c};

	if (c->connecting || c->full)
		e.events |= EPOLLOUT;
	if (epoll_ctl(c->load->epoll, op, c->fd, &e))
		load_die("epoll_ctl: %s", strerror(errno));
}

static struct load_conn *conn_new(struct load *l, int fd)
{
	struct load_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		load_die("no memory");
	c->in = grow(NULL, 2 * CHUNK + 1);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		load_die("fcntl: %s", strerror(errno));
	c->load = l;
	c->fd = fd;
	c->next = l->conns;
	l->conns = c;
	return c;
}

void load_close(struct load_conn *c)
{
	if (c->gone)
		return;
	c->gone = true;
	if (c->ssl)
		SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	if (c->on_close)
		c->on_close(c);
}

void load_reset(struct load_conn *c)
{
	struct linger now = {.l_onoff = 1};

	if (c->gone)
		return;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	load_close(c);
}

void load_hold(struct load_conn *c, bool held)
{
	if (c->gone || c->held == held)
		return;
	c->held = held;
	watch(c, EPOLL_CTL_MOD);
}

static void reap(struct load *l)
{
	struct load_conn **at = &l->conns, *c;

	while ((c = *at)) {
		if (!c->gone) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c->in);
		free(c->out);
		free(c);
	}
}

/* > 0: bytes; 0: not now; < 0: it is gone. */
static ssize_t outcome(struct load_conn *c, ssize_t n)
{
	int err;

	if (n > 0)
		return n;
	if (c->ssl) {
		err = SSL_get_error(c->ssl, (int)n);
		ERR_clear_error();
		return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE
		       ? 0 : -1;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void pump_out(struct load_conn *c)
{
	bool full = c->full;

	while (!c->gone && !c->handshaking && !c->connecting &&
	       c->out_at < c->out_n) {
		size_t n = c->out_n - c->out_at;
		ssize_t done;

		if (n > CHUNK)
			n = CHUNK;
		done = outcome(c, c->ssl ?
			SSL_write(c->ssl, c->out + c->out_at, (int)n) :
			send(c->fd, c->out + c->out_at, n, MSG_NOSIGNAL));
		if (done < 0) {
			load_close(c);
			return;
		}
		c->full = done == 0;
		if (!done)
			break;
		c->out_at += (size_t)done;
	}
	if (c->out_at == c->out_n) {
		c->out_at = c->out_n = 0;
		c->full = false;
	}
	if (!c->gone && c->full != full)
		watch(c, EPOLL_CTL_MOD);
}

void load_write(struct load_conn *c, const char *p, size_t n)
{
	if (c->gone || !n)
		return;
	if (c->out_at > SLOW) {
		memmove(c->out, c->out + c->out_at, c->out_n - c->out_at);
		c->out_n -= c->out_at;
		c->out_at = 0;
	}
	if (c->out_n + n > c->out_size) {
		c->out_size = (c->out_n + n) * 2;
		c->out = grow(c->out, c->out_size);
	}
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
}

void load_say(struct load_conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		load_die("too long: %.60s", text);
	load_write(c, text, (size_t)n);
}

bool load_slow(const struct load_conn *c)
{
	return c->gone || c->connecting || c->handshaking ||
	       c->out_n - c->out_at > SLOW;
}

static void opened(struct load_conn *c)
{
	if (c->on_open)
		c->on_open(c);
}

static void handshake(struct load_conn *c)
{
	ssize_t n = outcome(c, SSL_do_handshake(c->ssl));

	if (n < 0)
		load_close(c);
	if (n <= 0)
		return;
	c->handshaking = false;
	opened(c);
}

void load_tls(struct load_conn *c, bool server, const char *name)
{
	SSL *ssl = SSL_new(server ? c->load->server : c->load->client);

	if (!ssl || !SSL_set_fd(ssl, c->fd))
		load_die("no TLS");
	pump_out(c); /* what was said before */
	c->ssl = ssl;
	c->handshaking = true;
	c->in_n = 0;
	if (server)
		SSL_set_accept_state(ssl);
	else {
		SSL_set_connect_state(ssl);
		SSL_set_tlsext_host_name(ssl, name);
	}
}

static void pump_in(struct load_conn *c)
{
	for (int i = 0; i < 4 && !c->gone && !c->handshaking && !c->held; i++) {
		ssize_t n;
		size_t used;

		if (c->in_n > CHUNK)
			load_die("message too long: %.60s", c->in);
		n = outcome(c, c->ssl ?
			SSL_read(c->ssl, c->in + c->in_n, CHUNK) :
			recv(c->fd, c->in + c->in_n, CHUNK, 0));
		if (n < 0)
			load_close(c);
		if (n <= 0)
			return;
		c->in_n += (size_t)n;
		c->in[c->in_n] = '\0';
		used = c->on_data(c);
		if (c->gone || c->handshaking)
			return;
		memmove(c->in, c->in + used, c->in_n - used);
		c->in_n -= used;
	}
}

static void serve(struct load_conn *c, uint32_t events)
{
	if (c->gone)
		return;
	if (c->held && events & (EPOLLERR | EPOLLHUP)) {
		load_close(c); /* or it would be said again and again */
		return;
	}
	if (c->connecting && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		int err = 0;
		socklen_t n = sizeof(err);

		c->connecting = false;
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n);
		if (err) {
			load_close(c);
			return;
		}
		watch(c, EPOLL_CTL_MOD);
		opened(c);
	}
	if (c->handshaking)
		handshake(c);
	if (!c->gone && !c->connecting && !c->handshaking)
		pump_in(c);
}

/* ------------------------------------------------- listening, connecting -- */

static struct sockaddr_in address(const char *at)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	const char *colon = strchr(at, ':');
	char ip[64];

	snprintf(ip, sizeof(ip), "%.*s",
		 colon ? (int)(colon - at) : (int)strlen(at), at);
	a.sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 0));
	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		load_die("no address: %s", at);
	return a;
}

struct listener {
	struct load_conn conn; /* first */
	void (*accept)(struct load_conn *c);
};

static void accept_all(struct listener *s)
{
	int fd;

	while ((fd = accept(s->conn.fd, NULL, NULL)) >= 0) {
		struct load_conn *c = conn_new(s->conn.load, fd);

		c->server = true;
		s->accept(c);
		if (!c->gone)
			watch(c, EPOLL_CTL_ADD);
	}
}

static size_t no_data(struct load_conn *c)
{
	return c->in_n;
}

void load_listen(struct load *l, const char *at,
		 void (*accept)(struct load_conn *c))
{
	struct sockaddr_in a = address(at);
	struct listener *s = calloc(1, sizeof(*s));
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (!s || fd < 0)
		load_die("no socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64))
		load_die("cannot listen on %s: %s", at, strerror(errno));
	s->conn = (struct load_conn){.load = l, .fd = fd, .on_data = no_data};
	s->accept = accept;
	watch(&s->conn, EPOLL_CTL_ADD);
}

struct load_conn *load_connect(struct load *l, const char *from, const char *to)
{
	struct sockaddr_in a = address(from), b = address(to);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct load_conn *c;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		load_die("cannot use %s: %s", from, strerror(errno));
	c = conn_new(l, fd);
	c->connecting = true;
	if (connect(fd, (struct sockaddr *)&b, sizeof(b)) &&
	    errno != EINPROGRESS)
		load_close(c);
	else
		watch(c, EPOLL_CTL_ADD);
	return c;
}

/* -------------------------------------------------------------- control -- */

static size_t take_commands(struct load_conn *c)
{
	char *p = c->in, *end;

	while ((end = strchr(p, '\n'))) {
		*end = '\0';
		c->load->on_command(c->load, c, p);
		p = end + 1;
	}
	return (size_t)(p - c->in);
}

static void control_gone(struct load_conn *c)
{
	c->load->end = true;
}

static void accept_control(struct load_conn *c)
{
	c->on_data = take_commands;
	c->on_close = control_gone;
}

const char *load_option(char **argv, const char *key, const char *otherwise)
{
	size_t n = strlen(key);

	for (; *argv; argv++)
		if (!strncmp(*argv, key, n) && (*argv)[n] == '=')
			return *argv + n + 1;
	if (!otherwise)
		load_die("%s=... is missing", key);
	return otherwise;
}

static int any_peer(int ok, X509_STORE_CTX *x)
{
	(void)ok;
	(void)x;
	return 1;
}

static void *context(char **argv, const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx ||
	    SSL_CTX_use_certificate_chain_file(
		    ctx, load_option(argv, "cert", NULL)) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, load_option(argv, "key", NULL),
					SSL_FILETYPE_PEM) != 1)
		load_die("certificate or key cannot be used");
	/* the other side is the one that is measured, and checks us */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_peer);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	return ctx;
}

void load_renew(struct load *l)
{
	SSL_CTX_free(l->client);
	SSL_CTX_free(l->server);
	l->client = context(l->argv, TLS_client_method());
	l->server = context(l->argv, TLS_server_method());
}

static size_t number(char **argv, const char *key, const char *otherwise)
{
	return strtoul(load_option(argv, key, otherwise), NULL, 10);
}

void load_start(struct load *l, char **argv)
{
	struct sched_param nothing = {0};

	signal(SIGPIPE, SIG_IGN);
	/* what is measured is never interrupted for the load's sake */
	(void)sched_setscheduler(0, SCHED_BATCH, &nothing);
	l->argv = argv;
	l->epoll = epoll_create1(0);
	l->client = context(argv, TLS_client_method());
	l->server = context(argv, TLS_server_method());
	l->pairs = number(argv, "pairs", NULL);
	l->partners = number(argv, "partners", "1");
	l->users = (l->pairs + LOAD_PER_USER - 1) / LOAD_PER_USER;
	l->contacts = l->pairs / 3 + LOAD_PER_USER;
	l->user_domain = load_option(argv, "user_domain", "contoso.com");
	l->contact_domain = load_option(argv, "contact_domain", "fed.example");
	tell_time(l);
	load_listen(l, load_option(argv, "control", NULL), accept_control);
}

void load_run(struct load *l)
{
	struct epoll_event e[EVENTS];

	while (!l->end) {
		int n = epoll_wait(l->epoll, e, EVENTS,
				   l->tick_ms ? l->tick_ms : TICK_MS);

		tell_time(l);
		for (int i = 0; i < n; i++) {
			struct load_conn *c = e[i].data.ptr;

			if (c->on_data == no_data)
				accept_all((struct listener *)c);
			else
				serve(c, e[i].events);
		}
		l->on_tick(l);
		for (struct load_conn *c = l->conns; c; c = c->next) {
			if (c->handshaking && !c->gone)
				handshake(c);
			pump_out(c);
		}
		reap(l);
	}
}

/* ---------------------------------------------------------------- names -- */

uint32_t load_mix(uint32_t v)
{
	v = (v ^ v >> 16) * 0x7feb352dU;
	v = (v ^ v >> 15) * 0x846ca68bU;
	return v ^ v >> 16;
}

static const char *const first[] = {"anna", "bernhard", "christina", "dmitri",
				    "elisabeth", "fatima", "giovanni", "hank"};
static const char *const family[] = {
	"schmidt", "mueller-luedenscheid", "rossi", "ivanova", "smith",
	"o-brien", "garcia", "li"};

size_t load_user_of(const struct load *l, size_t pair)
{
	(void)l;
	return pair / LOAD_PER_USER;
}

static size_t contact_of(const struct load *l, size_t user, size_t k)
{
	return (load_mix((uint32_t)user) +
		k * (l->contacts / LOAD_PER_USER)) % l->contacts;
}

size_t load_contact_of(const struct load *l, size_t pair)
{
	return contact_of(l, pair / LOAD_PER_USER, pair % LOAD_PER_USER);
}

void load_user(const struct load *l, char name[LOAD_NAME_MAX], size_t user)
{
	snprintf(name, LOAD_NAME_MAX, "%s.%s%zu@%s", first[user % 8],
		 family[user / 8 % 8], user, l->user_domain);
}

void load_contact(const struct load *l, char name[LOAD_NAME_MAX],
		  size_t contact)
{
	snprintf(name, LOAD_NAME_MAX, "%s.%s%zu@p%zu.%s", first[contact % 8],
		 family[contact / 8 % 8], contact, contact % l->partners,
		 l->contact_domain);
}

/* Before its "@". */
static size_t number_of(const char *name)
{
	const char *at = strchr(name, '@'), *p = at;

	while (p && p > name && p[-1] >= '0' && p[-1] <= '9')
		p--;
	return p == at ? LOAD_NOBODY : strtoul(p, NULL, 10);
}

size_t load_pair(const struct load *l, const char *contact, const char *user)
{
	size_t c = number_of(contact), u = number_of(user);

	if (c == LOAD_NOBODY || u >= l->users)
		return LOAD_NOBODY;
	for (size_t k = 0; k < LOAD_PER_USER; k++)
		if (contact_of(l, u, k) == c &&
		    u * LOAD_PER_USER + k < l->pairs)
			return u * LOAD_PER_USER + k;
	return LOAD_NOBODY;
}

/* ----------------------------------------------------------------- work -- */

void load_work_set(struct load_work *w, struct load *l, size_t from, size_t to,
		   double rate)
{
	w->next = from;
	w->end = to < l->pairs ? to : l->pairs;
	w->rate = rate;
	w->since = l->now;
	w->done = 0;
}

bool load_work_take(struct load_work *w, const struct load *l,
		    size_t unanswered, size_t *i)
{
	if (w->next >= w->end || (w->window && unanswered >= w->window))
		return false;
	if (w->rate > 0 &&
	    (double)w->done >= (l->now - w->since) * w->rate)
		return false;
	w->done++;
	*i = w->next++;
	return true;
}
